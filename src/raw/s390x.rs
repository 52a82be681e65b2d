//! System calls on s390x: number in r1, arguments from r2.

use core::arch::asm;

macro_rules! syscalls {
    ($($name:ident($($arg:ident $register:tt),*);)*) => {$(
        #[inline(always)]
        pub(super) unsafe fn $name(number: usize, a0: usize $(, $arg: usize)*) -> usize {
            let ret;
            // SAFETY: the instruction enters the kernel and returns; every register it changes is named, memory and flags
            // count as changed, and the caller vouches for what the kernel does with the arguments.
            unsafe {
                asm!(
                    "svc 0",
                    in("r1") number,
                    inlateout("r2") a0 => ret,
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
    syscall2(a1 "r3");
    syscall3(a1 "r3", a2 "r4");
    syscall4(a1 "r3", a2 "r4", a3 "r5");
    syscall5(a1 "r3", a2 "r4", a3 "r5", a4 "r6");
}
