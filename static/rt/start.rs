//! Turns the first instruction of a program into a call of `main`: `_start`, once for each architecture.
//!
//! Law: the stack pointer has the alignment that the architecture's calling convention asks of a caller. The kernel aligns
//! it to 16 bytes on all of them, and leaves `argc` where it points to. So the address is passed on as the first argument,
//! and where a callee may write above its own frame, a frame is made first. Registers are otherwise zero or without meaning;
//! nothing returns to `_start`.

use core::arch::global_asm;

use super::{Stack, exit};

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

// The call pushes 8 bytes below 16 aligned ones, as every call does.
#[cfg(target_arch = "x86_64")]
start! {
    "mov rdi, rsp",
    "call rt_start",
}

// The argument is on the stack, which is aligned to 16 bytes at the call: three words of padding.
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

/// The entry that `start.rs` calls.
///
/// # Safety
/// `top` is the stack pointer as the kernel left it, and nothing has called this before.
#[unsafe(no_mangle)]
unsafe extern "C" fn rt_start(top: *const usize) -> ! {
    // SAFETY: the kernel's words are there, and nothing has run yet that could change them.
    let stack = unsafe { Stack::new(top) };
    exit(crate::main(stack))
}
