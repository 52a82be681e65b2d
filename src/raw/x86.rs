//! System calls on 32-bit x86 by `int 0x80`: number in eax, arguments in ebx, ecx, edx, esi, edi.
//!
//! LLVM keeps esi for itself, so the fourth argument is exchanged into it around the instruction.

use core::arch::asm;

macro_rules! syscalls {
    ($($name:ident($($arg:ident $register:tt),*) $($fourth:ident)?;)*) => {$(
        #[inline(always)]
        pub(super) unsafe fn $name(number: usize, $($arg: usize,)* $($fourth: usize)?) -> usize {
            let ret;
            // SAFETY: the instruction enters the kernel and returns; every register it changes is named or put back, memory
            // and flags count as changed, and the caller vouches for what the kernel does with the arguments.
            unsafe {
                asm!(
                    $(concat!("xchg esi, {", stringify!($fourth), "}"),)?
                    "int 0x80",
                    $(concat!("xchg esi, {", stringify!($fourth), "}"),)?
                    inlateout("eax") number => ret,
                    $(in($register) $arg,)*
                    $($fourth = in(reg) $fourth,)?
                    options(nostack),
                );
            }
            ret
        }
    )*};
}

syscalls! {
    syscall1(a0 "ebx");
    syscall2(a0 "ebx", a1 "ecx");
    syscall3(a0 "ebx", a1 "ecx", a2 "edx");
    syscall4(a0 "ebx", a1 "ecx", a2 "edx") a3;
}

/// Five arguments: the fifth in edi, after the fourth.
#[inline(always)]
pub(super) unsafe fn syscall5(number: usize, a0: usize, a1: usize, a2: usize, a3: usize, a4: usize) -> usize {
    let ret;
    // SAFETY: as above; every general register but ebp and esp is taken, so the fourth argument goes through memory.
    unsafe {
        asm!(
            "push esi",
            "mov esi, [eax + 4]",
            "mov eax, [eax]",
            "int 0x80",
            "pop esi",
            inlateout("eax") [number, a3].as_ptr() => ret,
            in("ebx") a0,
            in("ecx") a1,
            in("edx") a2,
            in("edi") a4,
        );
    }
    ret
}
