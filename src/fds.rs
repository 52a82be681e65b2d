//! Turns "pass these descriptors" into one call, and "I expect K of them" into one that fails closed: the short way.
//!
//! Laws: one system call each (law 4); a message that is truncated or has the wrong number of descriptors is an error with
//! numbers, and every descriptor in it is closed (law 3).

#![forbid(unsafe_code)]

use core::fmt;

use crate::ancillary::WrongCount;
use crate::borrowed::{AsFd, BorrowedFd};
use crate::encode::{ControlBuf, Encoder, NoSpace};
use crate::errno::Errno;
use crate::fd::OwnedFd;
use crate::flags::{MsgFlags, RecvFlags, SendFlags};
use crate::io_slice::{IoSlice, IoSliceMut};
use crate::layout::CMSG_SPACE;
use crate::message::{
    Credentials, PidFd, Rights, TimestampNew, TimestampNsNew, TimestampingNew, UnreadBytes, space_of,
};
use crate::numbers::SCM_MAX_FD;
use crate::recv::{RecvMsg, recvmsg};
use crate::send::{NoData, SendMsg, sendmsg};

/// Control bytes for the most descriptors one message can have.
pub(crate) const RIGHTS: usize = Rights::space(SCM_MAX_FD);

/// Control bytes for all that can come beside them: credentials, pidfd, unread bytes, timestamps, a label of up to 256 bytes.
pub(crate) const BESIDE: usize = space_of::<Credentials>()
    + space_of::<PidFd>()
    + space_of::<UnreadBytes>()
    + space_of::<TimestampNew>()
    + space_of::<TimestampNsNew>()
    + space_of::<TimestampingNew>()
    + CMSG_SPACE(256);

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendError {
    /// The kernel refused; see [`sendmsg`].
    Errno(Errno),
    /// Descriptors without a data byte.
    NoData(NoData),
    /// More than 253 descriptors.
    NoSpace(NoSpace),
}

impl fmt::Display for SendError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(error) => error.fmt(f),
            Self::NoData(error) => error.fmt(f),
            Self::NoSpace(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}

impl From<Errno> for SendError {
    #[inline]
    fn from(error: Errno) -> Self {
        Self::Errno(error)
    }
}

impl From<NoData> for SendError {
    #[inline]
    fn from(error: NoData) -> Self {
        Self::NoData(error)
    }
}

impl From<NoSpace> for SendError {
    #[inline]
    fn from(error: NoSpace) -> Self {
        Self::NoSpace(error)
    }
}

/// Why a receive gave no descriptors. In every case those that arrived have been closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecvError {
    /// The kernel refused; see [`recvmsg`]. Nothing was taken off the socket.
    Errno(Errno),
    /// Not the descriptors asked for. The data is in the buffer and off the socket.
    WrongCount {
        /// Data bytes received.
        bytes: usize,
        /// What was wrong.
        count: WrongCount,
    },
    /// A datagram longer than the buffer, which holds its beginning. The rest is gone, and how long it was is not known.
    DataTruncated {
        /// Bytes of the buffer, all of them filled.
        room: usize,
    },
    /// Nothing arrived where descriptors were expected: the peer has closed, or sent an empty message.
    End,
}

impl fmt::Display for RecvError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(error) => error.fmt(f),
            Self::WrongCount { bytes, count } => write!(f, "{count}, beside {bytes} data bytes"),
            Self::DataTruncated { room } => write!(f, "datagram longer than the buffer of {room} bytes"),
            Self::End => f.write_str("nothing arrived: the peer has closed"),
        }
    }
}

impl core::error::Error for RecvError {}

impl From<Errno> for RecvError {
    #[inline]
    fn from(error: Errno) -> Self {
        Self::Errno(error)
    }
}

/// Sends `data` with up to 253 descriptors over a unix socket: one `sendmsg`, with `MSG_NOSIGNAL`. **Other families take
/// descriptors and ignore them.** Returns the data bytes sent, which on a stream can be fewer
/// than given; the descriptors go with the first of them. Its control buffer is 1,032 bytes of stack.
///
/// # Errors
/// [`SendError`]; nothing was sent then.
///
/// # Examples
/// Six lines without a way to leak:
/// ```
/// use scmsg::{AsFd, SocketFlags, SocketType, recv_with_fds, send_with_fds, socketpair};
///
/// let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
/// let (r, w) = socketpair(SocketType::STREAM, SocketFlags::empty())?;
/// send_with_fds(&a, b"both ends", &[r.as_fd(), w.as_fd()])?;
/// let mut buf = [0; 64];
/// let (bytes, [r2, w2]) = recv_with_fds::<2>(&b, &mut buf)?;
/// # let _ = (r2, w2);
/// assert_eq!(&buf[..bytes], b"both ends");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn send_with_fds<S: AsFd>(socket: S, data: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, SendError> {
    let mut buf = ControlBuf::<[u8; RIGHTS]>::new();
    let mut control = Encoder::new(&mut buf);
    if !fds.is_empty() {
        control.push_rights(fds)?;
    }
    let data = [IoSlice::new(data)];
    let message = SendMsg::new(&data).control(&control)?;
    Ok(sendmsg(socket, &message, SendFlags::empty())?)
}

/// Receives into `buf` a message with exactly `K` descriptors: one `recvmsg`, with `MSG_CMSG_CLOEXEC`. Returns the data bytes and the descriptors,
/// close-on-exec. Credentials and the like may come beside them and are dropped. Its control buffer is 1,512 bytes of stack.
///
/// With `K == 0`, `Ok((0, []))` is the end of a stream.
///
/// # Errors
/// [`RecvError`]: fails closed. A truncated message or another number of descriptors closes them all.
pub fn recv_with_fds<const K: usize>(socket: impl AsFd, buf: &mut [u8]) -> Result<(usize, [OwnedFd; K]), RecvError> {
    let room = buf.len();
    let mut control = ControlBuf::<[u8; RIGHTS + BESIDE]>::new();
    let mut data = [IoSliceMut::new(buf)];
    let mut message = RecvMsg::new(&mut data).control(&mut control);
    // MSG_TRUNC in the request has the kernel report the full length of a datagram; on TCP it throws the data away, so it
    // is not asked for, and the length reported is what there was room for.
    let mut received = recvmsg(socket, &mut message, RecvFlags::empty())?;
    let bytes = received.bytes;
    if received.flags.contains(MsgFlags::TRUNC) {
        return Err(RecvError::DataTruncated { room });
    }
    match received.control.take_exact() {
        Ok(fds) => Ok((bytes, fds)),
        Err(_) if received.is_end() => Err(RecvError::End),
        Err(count) => Err(RecvError::WrongCount { bytes, count }),
    }
}
