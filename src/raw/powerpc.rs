//! System calls on powerpc and powerpc64 by `sc`: number in r0, arguments from r3. Needs Rust 1.95 for stable assembly.
//!
//! An error is a positive errno in r3 with the summary-overflow bit of cr0 set; it is negated here, as elsewhere.

use core::arch::asm;

macro_rules! syscalls {
    ($($name:ident($($arg:ident $register:tt),*) clobbers $($clobber:tt),*;)*) => {$(
        #[inline(always)]
        pub(super) unsafe fn $name(number: usize, a0: usize $(, $arg: usize)*) -> usize {
            let ret;
            // SAFETY: the instruction enters the kernel and returns; every register it changes is named, memory and flags
            // count as changed, and the caller vouches for what the kernel does with the arguments.
            unsafe {
                asm!(
                    "sc",
                    "bns+ 2f",
                    "neg 3, 3",
                    "2:",
                    inlateout("r0") number => _,
                    inlateout("r3") a0 => ret,
                    $(inlateout($register) $arg => _,)*
                    $(lateout($clobber) _,)*
                    lateout("r9") _, lateout("r10") _, lateout("r11") _, lateout("r12") _,
                    lateout("cr0") _, lateout("ctr") _, lateout("xer") _,
                    options(nostack),
                );
            }
            ret
        }
    )*};
}

syscalls! {
    syscall1() clobbers "r4", "r5", "r6", "r7", "r8";
    syscall2(a1 "r4") clobbers "r5", "r6", "r7", "r8";
    syscall3(a1 "r4", a2 "r5") clobbers "r6", "r7", "r8";
    syscall4(a1 "r4", a2 "r5", a3 "r6") clobbers "r7", "r8";
    syscall5(a1 "r4", a2 "r5", a3 "r6", a4 "r7") clobbers "r8";
}
