//! System calls on loongarch64: number in a7, arguments from a0. The kernel keeps no t register.

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
                    "syscall 0",
                    in("$a7") number,
                    inlateout("$a0") a0 => ret,
                    $(in($register) $arg,)*
                    lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _, lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _,
                    options(nostack),
                );
            }
            ret
        }
    )*};
}

syscalls! {
    syscall1();
    syscall2(a1 "$a1");
    syscall3(a1 "$a1", a2 "$a2");
    syscall4(a1 "$a1", a2 "$a2", a3 "$a3");
    syscall5(a1 "$a1", a2 "$a2", a3 "$a3", a4 "$a4");
}
