//! Turns the first instruction of a program into a call of `main`: `_start`, once for each architecture.
//!
//! Law: the stack pointer has the alignment that the architecture's calling convention asks of a caller. The kernel aligns
//! it to 16 bytes everywhere and leaves it at `argc`. That address becomes the first argument, and where a callee may write
//! above its own frame, a frame is made first. Other registers have no meaning yet, and nothing returns to `_start`.

use core::arch::global_asm;

use super::{Stack, exit};

/// `_start`: these instructions.
#[allow(unused_macros, reason = "one architecture needs more than instructions")]
macro_rules! start {
    ($($line:literal,)*) => {
        global_asm!(
            ".section .text._start, \"ax\", %progbits",
            ".globl _start",
            ".type _start, %function",
            "_start:",
            $($line,)*
            ".size _start, . - _start",
            ".text",
        );
    };
}

// A call pushes 8 bytes below 16 aligned ones, which is what every function expects.
#[cfg(target_arch = "x86_64")]
start! {
    "mov rdi, rsp",
    "call rt_start",
}

// The argument is on the stack, which is aligned to 16 bytes at a call: three words of padding.
#[cfg(target_arch = "x86")]
start! {
    "mov eax, esp",
    "sub esp, 12",
    "push eax",
    "call rt_start",
}

#[cfg(target_arch = "aarch64")]
start! {
    "mov x0, sp",
    "b rt_start",
}

// `bl`, because the linker makes a `blx` of it where one is arm and the other thumb.
#[cfg(target_arch = "arm")]
start! {
    "mov r0, sp",
    "bl rt_start",
}

// Linkers shorten addresses near `__global_pointer$`, if a script defines it, to distances from gp.
#[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
start! {
    ".weak __global_pointer$",
    ".option push",
    ".option norelax",
    "lla gp, __global_pointer$",
    ".option pop",
    "mv a0, sp",
    "tail rt_start",
}

// A callee saves its registers in the 160 bytes that its caller leaves for them.
#[cfg(target_arch = "s390x")]
start! {
    "lgr %r2, %r15",
    "aghi %r15, -160",
    "jg rt_start",
}

#[cfg(target_arch = "loongarch64")]
start! {
    "move $a0, $sp",
    "b rt_start",
}

// A callee saves the return address in its caller's frame, in the word behind the one at the stack pointer.
#[cfg(target_arch = "powerpc")]
start! {
    "mr 3, 1",
    "li 0, 0",
    "stwu 0, -16(1)",
    "b rt_start",
}

// As on powerpc, in a frame of 32 bytes. r12 has the entry's address, from which r2 is made: a callee finds its constants by it.
#[cfg(all(target_arch = "powerpc64", target_abi = "elfv2"))]
start! {
    "addis 2, 12, .TOC. - _start@ha",
    "addi 2, 2, .TOC. - _start@l",
    "mr 3, 1",
    "li 0, 0",
    "stdu 0, -32(1)",
    "bl rt_start",
    "nop",
}

// The older convention: the entry is a descriptor, from which the kernel loads the address and r2. Its frame has 112 bytes.
#[cfg(all(target_arch = "powerpc64", not(target_abi = "elfv2")))]
global_asm!(
    ".section .opd, \"aw\", %progbits",
    ".globl _start",
    ".type _start, %function",
    ".balign 8",
    "_start: .quad .L_start, .TOC.@tocbase, 0",
    ".size _start, 24",
    ".section .text._start, \"ax\", %progbits",
    ".L_start:",
    "mr 3, 1",
    "li 0, 0",
    "stdu 0, -112(1)",
    "bl rt_start",
    "nop",
    ".text",
);

/// What `_start` calls.
///
/// # Safety
/// `top` is the stack pointer as the kernel left it, and nothing has called this before.
#[unsafe(no_mangle)]
unsafe extern "C" fn rt_start(top: *const usize) -> ! {
    // SAFETY: the kernel's words are there, and nothing has run yet that could change them.
    let stack = unsafe { Stack::new(top) };
    exit(crate::main(stack))
}
