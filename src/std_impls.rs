//! Turns std's types into this crate's and back (feature `std`): files, sockets and pipes go straight into every call and
//! come out of every take.

extern crate std;

use core::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::vec::Vec;
use std::{fs, io, net, os, process};

use crate::addr::{BadName, SocketAddr};
use crate::ancillary::WrongCount;
use crate::batch::BatchFull;
use crate::borrowed::{AsFd, BorrowedFd, RawFd};
use crate::bulk::{RecvStopped, SendStopped, Stop};
use crate::decode::Malformed;
use crate::encode::NoSpace;
use crate::errno::Errno;
use crate::fd::OwnedFd;
use crate::fds::{RecvError, SendError};
use crate::io_slice::{IoSlice, IoSliceMut};
use crate::packets::NotPackets;
use crate::send::NoData;
use crate::set::Storage;
use crate::set::sealed::Slots;
use crate::traits::Short;

/// A concrete list, never a blanket impl: features must add impls without conflicting with anybody's.
macro_rules! lends {
    ($($ty:ty),* $(,)?) => {$(
        impl AsFd for $ty {
            #[inline]
            fn as_fd(&self) -> BorrowedFd<'_> {
                os::fd::AsFd::as_fd(self).into()
            }
        }
    )*};
}

/// Types that own one descriptor: they convert both ways.
macro_rules! owns {
    ($($ty:ty),* $(,)?) => {$(
        lends!($ty);

        impl From<OwnedFd> for $ty {
            #[inline]
            fn from(fd: OwnedFd) -> Self {
                Self::from(os::fd::OwnedFd::from(fd))
            }
        }

        impl From<$ty> for OwnedFd {
            #[inline]
            fn from(owner: $ty) -> Self {
                os::fd::OwnedFd::from(owner).into()
            }
        }
    )*};
}

owns!(
    fs::File,
    net::TcpListener,
    net::TcpStream,
    net::UdpSocket,
    os::unix::net::UnixDatagram,
    os::unix::net::UnixListener,
    os::unix::net::UnixStream,
    process::ChildStderr,
    process::ChildStdin,
    process::ChildStdout,
);

lends!(
    os::fd::OwnedFd,
    os::fd::BorrowedFd<'_>,
    io::Stdin,
    io::StdinLock<'_>,
    io::Stdout,
    io::StdoutLock<'_>,
    io::Stderr,
    io::StderrLock<'_>,
);

impl From<OwnedFd> for os::fd::OwnedFd {
    #[inline]
    fn from(fd: OwnedFd) -> Self {
        // SAFETY: the number is owned by `fd`, which gives it up; it is open, so it is not -1.
        unsafe { Self::from_raw_fd(fd.into_raw_fd()) }
    }
}

impl From<os::fd::OwnedFd> for OwnedFd {
    #[inline]
    fn from(fd: os::fd::OwnedFd) -> Self {
        // SAFETY: the number is owned by `fd`, which gives it up.
        unsafe { Self::from_raw_fd(fd.into_raw_fd()) }
    }
}

impl From<OwnedFd> for process::Stdio {
    #[inline]
    fn from(fd: OwnedFd) -> Self {
        Self::from(os::fd::OwnedFd::from(fd))
    }
}

impl<'fd> From<os::fd::BorrowedFd<'fd>> for BorrowedFd<'fd> {
    #[inline]
    fn from(fd: os::fd::BorrowedFd<'fd>) -> Self {
        // SAFETY: std's borrow has the same lifetime and the same promise.
        unsafe { Self::borrow_raw(os::fd::AsRawFd::as_raw_fd(&fd)) }
    }
}

impl<'fd> From<BorrowedFd<'fd>> for os::fd::BorrowedFd<'fd> {
    #[inline]
    fn from(fd: BorrowedFd<'fd>) -> Self {
        // SAFETY: the borrow has the same lifetime and the same promise; the descriptor is open, so it is not -1.
        unsafe { Self::borrow_raw(fd.as_raw_fd()) }
    }
}

macro_rules! std_traits {
    ($ty:ty) => {
        impl os::fd::AsFd for $ty {
            #[inline]
            fn as_fd(&self) -> os::fd::BorrowedFd<'_> {
                AsFd::as_fd(self).into()
            }
        }

        impl os::fd::AsRawFd for $ty {
            #[inline]
            fn as_raw_fd(&self) -> os::fd::RawFd {
                AsFd::as_fd(self).as_raw_fd()
            }
        }
    };
}

std_traits!(OwnedFd);
std_traits!(BorrowedFd<'_>);

impl<'a> From<io::IoSlice<'a>> for IoSlice<'a> {
    #[inline]
    fn from(slice: io::IoSlice<'a>) -> Self {
        // SAFETY: the bytes live for 'a, which is the lifetime of the slice that std's type stands for; its `Deref` only
        // gives the shorter one of the borrow.
        Self::new(unsafe { core::slice::from_raw_parts(slice.as_ptr(), slice.len()) })
    }
}

impl<'a> From<io::IoSliceMut<'a>> for IoSliceMut<'a> {
    #[inline]
    fn from(slice: io::IoSliceMut<'a>) -> Self {
        let mut slice = ManuallyDrop::new(slice);
        // SAFETY: the bytes are uniquely borrowed for 'a by `slice`, which is used up here.
        Self::new(unsafe { core::slice::from_raw_parts_mut(slice.as_mut_ptr(), slice.len()) })
    }
}

impl<'a> IoSlice<'a> {
    /// Views std's slices as this crate's, in place: both are laid out as `iovec`.
    #[inline]
    #[must_use]
    pub const fn from_std<'s>(slices: &'s [io::IoSlice<'a>]) -> &'s [Self] {
        // SAFETY: std promises that its type has the ABI of `iovec` on Unix, and this one is transparent over it.
        unsafe { core::slice::from_raw_parts(slices.as_ptr().cast(), slices.len()) }
    }
}

impl<'a> IoSliceMut<'a> {
    /// Views std's slices as this crate's, in place: both are laid out as `iovec`.
    #[inline]
    #[must_use]
    pub const fn from_std<'s>(slices: &'s mut [io::IoSliceMut<'a>]) -> &'s mut [Self] {
        // SAFETY: std promises that its type has the ABI of `iovec` on Unix, and this one is transparent over it.
        unsafe { core::slice::from_raw_parts_mut(slices.as_mut_ptr().cast(), slices.len()) }
    }
}

impl Storage for Vec<RawFd> {}

impl Slots for Vec<RawFd> {
    #[inline]
    fn slots(&self) -> &[RawFd] {
        self
    }
    #[inline]
    fn slots_mut(&mut self) -> &mut [RawFd] {
        self
    }
    #[inline]
    fn grow(&mut self, end: usize, more: usize) {
        let len = end.saturating_add(more);
        if len > self.len() {
            // Twice as many each time, as a vector does by itself.
            self.resize(len.max(self.len().saturating_mul(2)), -1);
        }
    }
}

impl TryFrom<&Path> for SocketAddr {
    type Error = BadName;

    /// A unix socket at `path`.
    #[inline]
    fn try_from(path: &Path) -> Result<Self, BadName> {
        Self::unix(path.as_os_str().as_bytes())
    }
}

impl From<Errno> for io::Error {
    #[inline]
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.raw())
    }
}

/// Errors that carry an errno become it; the others become these kinds, with themselves inside.
macro_rules! io_errors {
    ($($ty:ty => $kind:ident,)*) => {$(
        impl From<$ty> for io::Error {
            #[inline]
            fn from(error: $ty) -> Self {
                Self::new(io::ErrorKind::$kind, error)
            }
        }
    )*};
}

io_errors! {
    NoSpace => InvalidInput,
    NoData => InvalidInput,
    BadName => InvalidInput,
    Malformed => InvalidData,
    Short => InvalidData,
    WrongCount => InvalidData,
    BatchFull => InvalidInput,
}

impl From<NotPackets> for io::Error {
    #[inline]
    fn from(error: NotPackets) -> Self {
        match error {
            NotPackets::Errno(errno) => errno.into(),
            _ => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

/// The progress stays inside: `get_ref` and `downcast_ref` show it.
impl From<SendStopped> for io::Error {
    #[inline]
    fn from(error: SendStopped) -> Self {
        Self::new(Self::from(error.why).kind(), error)
    }
}

/// The progress stays inside: `get_ref` and `downcast_ref` show it.
impl From<RecvStopped> for io::Error {
    #[inline]
    fn from(error: RecvStopped) -> Self {
        let kind = match error.why {
            Stop::Errno(errno) => Self::from(errno).kind(),
            Stop::Closed => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl From<SendError> for io::Error {
    #[inline]
    fn from(error: SendError) -> Self {
        match error {
            SendError::Errno(errno) => errno.into(),
            SendError::NoData(error) => error.into(),
            SendError::NoSpace(error) => error.into(),
        }
    }
}

impl From<RecvError> for io::Error {
    #[inline]
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Errno(errno) => errno.into(),
            RecvError::End => Self::new(io::ErrorKind::UnexpectedEof, error),
            _ => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
