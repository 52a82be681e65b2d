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

/// The numbers of some descriptors, as they are in memory.
#[inline(always)]
pub(crate) const fn as_bytes<'a>(fds: &'a [BorrowedFd<'_>]) -> &'a [u8] {
    // SAFETY: each is laid out as its number, which has no padding, and they are borrowed as long as the bytes.
    unsafe { core::slice::from_raw_parts(fds.as_ptr().cast(), size_of_val(fds)) }
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
