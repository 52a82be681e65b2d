//! Turns numbers and pointers into the system calls that a program needs beside its sockets; `exit` and `write` are here, any
//! other is one line over `call1` to `call5`.
//!
//! Law: one call, one system call, as in the crate, whose instructions these are.

use linux_raw_sys::general as nr;
use scmsg::{AsFd, BorrowedFd, Errno};

#[cfg_attr(
    any(
        target_arch = "x86_64",
        all(target_arch = "aarch64", not(target_feature = "sve")),
        all(target_arch = "riscv64", not(target_feature = "v"))
    ),
    path = "../../src/raw/sc.rs"
)]
#[cfg_attr(target_arch = "x86", path = "../../src/raw/x86.rs")]
#[cfg_attr(target_arch = "arm", path = "../../src/raw/arm.rs")]
#[cfg_attr(all(target_arch = "aarch64", target_feature = "sve"), path = "../../src/raw/aarch64.rs")]
#[cfg_attr(
    any(target_arch = "riscv32", all(target_arch = "riscv64", target_feature = "v")),
    path = "../../src/raw/riscv.rs"
)]
#[cfg_attr(target_arch = "s390x", path = "../../src/raw/s390x.rs")]
#[cfg_attr(target_arch = "loongarch64", path = "../../src/raw/loongarch64.rs")]
#[cfg_attr(any(target_arch = "powerpc", target_arch = "powerpc64"), path = "../../src/raw/powerpc.rs")]
mod arch;

macro_rules! calls {
    ($($name:ident($($arg:ident),*) $how:ident;)*) => {$(
        /// A system call, its number as `linux_raw_sys::general::__NR_…` has it.
        ///
        /// # Safety
        /// What the kernel does with the arguments must be the caller's to allow.
        ///
        /// # Errors
        /// Whatever the kernel answers.
        #[inline(always)]
        pub unsafe fn $name(number: u32, $($arg: usize),*) -> Result<usize, Errno> {
            // SAFETY: the caller vouches for what the kernel does; the instruction only enters it.
            let ret = unsafe { arch::$how(number as usize, $($arg),*) };
            // A negated error is negative as an `int`, and no call made here returns more than that holds.
            let number = ret as i32;
            if number >= 0 { Ok(ret) } else { Err(Errno::from_raw(number.wrapping_neg()).unwrap_or(Errno::EOVERFLOW)) }
        }
    )*};
}

calls! {
    call1(a) syscall1;
    call2(a, b) syscall2;
    call3(a, b, c) syscall3;
    call4(a, b, c, d) syscall4;
    call5(a, b, c, d, e) syscall5;
}

/// `exit_group(2)`: ends the program.
#[inline(always)]
pub fn exit(status: i32) -> ! {
    // SAFETY: the call takes a number and ends the program.
    let _ = unsafe { call1(nr::__NR_exit_group, status as usize) };
    // SAFETY: the call above does not return.
    unsafe { core::hint::unreachable_unchecked() }
}

/// `write(2)`, once: how many of `bytes` were written.
///
/// # Errors
/// Whatever the kernel answers.
#[inline]
pub fn write<F: AsFd>(fd: F, bytes: &[u8]) -> Result<usize, Errno> {
    let fd = fd.as_fd().as_raw_fd() as u32 as usize;
    // SAFETY: the kernel only reads, from bytes that are borrowed for the call.
    unsafe { call3(nr::__NR_write, fd, bytes.as_ptr().expose_provenance(), bytes.len()) }
}

/// Descriptor 0.
#[inline(always)]
pub const fn stdin() -> BorrowedFd<'static> {
    // SAFETY: as for std's: by convention the first three are open, and nothing here owns them.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// Descriptor 1.
#[inline(always)]
pub const fn stdout() -> BorrowedFd<'static> {
    // SAFETY: as for `stdin`.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// Descriptor 2.
#[inline(always)]
pub const fn stderr() -> BorrowedFd<'static> {
    // SAFETY: as for `stdin`.
    unsafe { BorrowedFd::borrow_raw(2) }
}
