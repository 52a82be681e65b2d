//! Turns a descriptor number into an owner that closes it, and many numbers into as few closes as they need.
//!
//! Law 3: opened = taken + closed. Numbers are closed by runs: consecutive numbers that are all owned go in one
//! `close_range`, a single one in one `close`. A range is never wider than what is owned.

use core::fmt;

use crate::borrowed::{AsFd, BorrowedFd, RawFd};
use crate::errno::Errno;
use crate::raw;

/// An open descriptor, closed on drop. Same size as an `int`; promises no niche.
///
/// Dropping it makes one system call, `close`, and ignores its error: the number is free either way.
/// [`close`] reports it.
///
/// A descriptor cannot be owned twice:
/// ```compile_fail,E0382
/// use scmsg::{SocketFlags, SocketType, close, socketpair};
/// let (fd, _) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
/// close(fd).unwrap();
/// close(fd).unwrap();
/// ```
/// ```compile_fail,E0599
/// use scmsg::{SocketFlags, SocketType, socketpair};
/// let (fd, _) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
/// let twice = fd.clone();
/// ```
/// Nor made from a number by safe code:
/// ```compile_fail,E0133
/// let stdout = scmsg::OwnedFd::from_raw_fd(1);
/// ```
#[repr(transparent)]
pub struct OwnedFd {
    fd: RawFd,
}

impl OwnedFd {
    /// Owns a number.
    ///
    /// # Safety
    /// `fd` must be an open descriptor that nothing else owns.
    #[inline]
    #[must_use]
    pub const unsafe fn from_raw_fd(fd: RawFd) -> Self {
        Self { fd }
    }

    /// The number, still owned here.
    #[inline]
    #[must_use]
    pub const fn as_raw_fd(&self) -> RawFd {
        self.fd
    }

    /// Gives the number up: nothing closes it now.
    #[inline]
    #[must_use = "the descriptor stays open and nothing owns it"]
    pub const fn into_raw_fd(self) -> RawFd {
        let fd = self.fd;
        core::mem::forget(self);
        fd
    }
}

impl AsFd for OwnedFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `self` owns the descriptor, so it is open for as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for OwnedFd {
    #[inline]
    fn drop(&mut self) {
        close_one(self.fd);
    }
}

impl fmt::Debug for OwnedFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedFd").field(&self.fd).finish()
    }
}

/// `close(2)`: closes a descriptor and reports what the kernel says.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EINTR`, `EIO`, `ENOSPC`, `EDQUOT` | what was written before could not be stored; the number is free all the same |
#[inline]
pub fn close(fd: OwnedFd) -> Result<(), Errno> {
    // SAFETY: the number is owned, and given up here.
    unsafe { raw::close(fd.into_raw_fd()) }.map(drop)
}

/// Closes a number this module owns, ignoring the error.
#[inline]
fn close_one(fd: RawFd) {
    // SAFETY: every caller owns `fd` and gives it up.
    let _ = unsafe { raw::close(fd) };
}

/// Collects owned numbers in order and closes each run of consecutive ones as soon as it ends.
pub(crate) struct Closer {
    /// The run collected so far; none if negative.
    first: RawFd,
    last: RawFd,
}

impl Closer {
    /// No run yet.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { first: -1, last: -1 }
    }

    /// Takes ownership of `fd`.
    ///
    /// # Safety
    /// `fd` must be an open descriptor, not negative, that nothing else owns.
    #[inline]
    pub(crate) unsafe fn push(&mut self, fd: RawFd) {
        if self.first < 0 {
            self.first = fd;
        } else if self.last.checked_add(1) != Some(fd) {
            close_run(self.first, self.last);
            self.first = fd;
        }
        self.last = fd;
    }
}

impl Drop for Closer {
    #[inline]
    fn drop(&mut self) {
        if self.first >= 0 {
            close_run(self.first, self.last);
        }
    }
}

/// Closes the numbers from `first` to `last`, all of which this module owns.
#[inline]
fn close_run(first: RawFd, last: RawFd) {
    if first == last {
        return close_one(first);
    }
    // SAFETY: every number from `first` to `last` was given to `Closer::push`, so all are owned here and given up.
    if unsafe { raw::close_range(first, last, 0) }.is_err() {
        // Kernels before 5.9 have no close_range, and seccomp filters deny it, often with EPERM.
        for fd in first..=last {
            close_one(fd);
        }
    }
}
