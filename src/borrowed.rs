//! Turns "an open descriptor somebody else owns" into a type with a lifetime, without std.
//!
//! Laws: a [`BorrowedFd`] is alive as long as what it was borrowed from; it promises no niche, so no slot value is
//! ever undefined behaviour to look at.
//!
//! ```compile_fail,E0597
//! use scmsg::{AsFd, SocketFlags, SocketType, socketpair};
//! let lent = {
//!     let (fd, _other) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
//!     fd.as_fd()
//! };
//! lent.as_raw_fd();
//! ```
//! ```compile_fail,E0505
//! use scmsg::{AsFd, SocketFlags, SocketType, close, socketpair};
//! let (fd, _other) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
//! let lent = fd.as_fd();
//! close(fd).unwrap();
//! lent.as_raw_fd();
//! ```
//! ```compile_fail,E0133
//! let stdout = scmsg::BorrowedFd::borrow_raw(1);
//! ```

use core::fmt;
use core::marker::PhantomData;
use core::ptr;

/// A descriptor number, as the kernel knows it. A number owns nothing and keeps nothing open.
pub type RawFd = i32;

/// A descriptor that is open for at least `'fd`, owned elsewhere. Same size as an `int`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct BorrowedFd<'fd> {
    fd: RawFd,
    owner: PhantomData<&'fd ()>,
}

impl BorrowedFd<'_> {
    /// Borrows a number.
    ///
    /// # Safety
    /// `fd` must stay open, and be this descriptor, for the whole lifetime the caller chooses.
    #[inline]
    #[must_use]
    pub const unsafe fn borrow_raw(fd: RawFd) -> Self {
        Self { fd, owner: PhantomData }
    }

    /// The number.
    #[inline]
    #[must_use]
    pub const fn as_raw_fd(self) -> RawFd {
        self.fd
    }
}

/// Copies the numbers of some descriptors to `out`, which has exactly that many bytes; nothing, if it has not.
///
/// Not `copy_from_slice`: a build for size calls it, for one descriptor too.
#[inline(always)]
pub(crate) fn copy_numbers(fds: &[BorrowedFd<'_>], out: &mut [u8]) {
    if out.len() == size_of_val(fds) {
        // SAFETY: both have this length; a descriptor is laid out as its number, which has no padding; and what is borrowed
        // uniquely overlaps nothing.
        unsafe { ptr::copy_nonoverlapping(fds.as_ptr().cast(), out.as_mut_ptr(), out.len()) };
    }
}

impl fmt::Debug for BorrowedFd<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BorrowedFd").field(&self.fd).finish()
    }
}

/// Anything that lends a descriptor: this crate's types, references to them, and std's under feature `std`.
pub trait AsFd {
    /// Lends the descriptor for as long as `self` is borrowed.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

impl AsFd for BorrowedFd<'_> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        *self
    }
}

impl<T: AsFd + ?Sized> AsFd for &T {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        T::as_fd(self)
    }
}

impl<T: AsFd + ?Sized> AsFd for &mut T {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        T::as_fd(self)
    }
}
