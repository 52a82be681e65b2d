//! System calls on aarch64 with SVE: number in x8, arguments from x0.
//!
//! The kernel may discard the SVE state at a system call and keeps only its low 128 bits, so the vector and predicate
//! registers count as changed.

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
                    in("x8") number,
                    inlateout("x0") a0 => ret,
                    $(in($register) $arg,)*
                    lateout("v0") _, lateout("v1") _, lateout("v2") _, lateout("v3") _, lateout("v4") _, lateout("v5") _, lateout("v6") _, lateout("v7") _,
                    lateout("v8") _, lateout("v9") _, lateout("v10") _, lateout("v11") _, lateout("v12") _, lateout("v13") _, lateout("v14") _, lateout("v15") _,
                    lateout("v16") _, lateout("v17") _, lateout("v18") _, lateout("v19") _, lateout("v20") _, lateout("v21") _, lateout("v22") _, lateout("v23") _,
                    lateout("v24") _, lateout("v25") _, lateout("v26") _, lateout("v27") _, lateout("v28") _, lateout("v29") _, lateout("v30") _, lateout("v31") _,
                    lateout("p0") _, lateout("p1") _, lateout("p2") _, lateout("p3") _, lateout("p4") _, lateout("p5") _, lateout("p6") _, lateout("p7") _, lateout("p8") _,
                    lateout("p9") _, lateout("p10") _, lateout("p11") _, lateout("p12") _, lateout("p13") _, lateout("p14") _, lateout("p15") _,
                    options(nostack),
                );
            }
            ret
        }
    )*};
}

syscalls! {
    syscall1();
    syscall2(a1 "x1");
    syscall3(a1 "x1", a2 "x2");
    syscall4(a1 "x1", a2 "x2", a3 "x3");
    syscall5(a1 "x1", a2 "x2", a3 "x3", a4 "x4");
}
