//! System calls on 32-bit arm (EABI): number in r7, arguments from r0.
//!
//! r7 is the frame pointer in thumb code and may not be named, so it is kept in a scratch register around the instruction.

use core::arch::asm;

macro_rules! syscalls {
    ($($name:ident($($arg:ident $register:tt),*);)*) => {$(
        #[inline(always)]
        pub(super) unsafe fn $name(number: usize, a0: usize $(, $arg: usize)*) -> usize {
            let ret;
            // SAFETY: the instruction enters the kernel and returns; every register it changes is named or put back, memory
            // and flags count as changed, and the caller vouches for what the kernel does with the arguments.
            unsafe {
                asm!(
                    "mov {saved}, r7",
                    "mov r7, {number}",
                    "svc 0",
                    "mov r7, {saved}",
                    saved = out(reg) _,
                    number = in(reg) number,
                    inlateout("r0") a0 => ret,
                    $(in($register) $arg,)*
                    options(nostack),
                );
            }
            ret
        }
    )*};
}

syscalls! {
    syscall1();
    syscall2(a1 "r1");
    syscall3(a1 "r1", a2 "r2");
    syscall4(a1 "r1", a2 "r2", a3 "r3");
    syscall5(a1 "r1", a2 "r2", a3 "r3", a4 "r4");
}
