//! Turns a socket that keeps message boundaries into one that passes descriptors without a data byte: datagram and
//! seqpacket, which deliver them; a stream, which would lose them in silence, is refused.

#![forbid(unsafe_code)]

use core::fmt;

use crate::borrowed::{AsFd, BorrowedFd};
use crate::encode::{ControlBuf, Encoder};
use crate::errno::Errno;
use crate::fd::OwnedFd;
use crate::fds::{RIGHTS, RecvError, SendError, recv_with_fds};
use crate::flags::SendFlags;
use crate::send::{SendMsg, sendmsg};
use crate::socket::SocketType;
use crate::sockopt::{Type, getsockopt};

/// A socket whose type was looked at: datagram or seqpacket.
///
/// A message with descriptors and no data is cheaper than one with a byte, and it is no end of stream: descriptors came.
///
/// # Examples
/// ```
/// use scmsg::{AsFd, Packets, SocketFlags, SocketType, socketpair};
///
/// let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
/// let (a, b) = (Packets::new(a)?, Packets::new(b)?);
/// a.send_fds(&[a.as_fd()])?;
/// let [_fd] = b.recv_fds::<1>()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Packets<S: AsFd>(S);

/// A socket that is not for messages without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotPackets {
    /// Its type, which keeps no message boundaries.
    Type(SocketType),
    /// Its type cannot be read.
    Errno(Errno),
}

impl fmt::Display for NotPackets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => write!(f, "socket type {} loses descriptors without data", kind.0),
            Self::Errno(errno) => errno.fmt(f),
        }
    }
}

impl core::error::Error for NotPackets {}

impl<S: AsFd> Packets<S> {
    /// Looks at the type of `socket`: one `getsockopt`.
    ///
    /// # Errors
    /// [`NotPackets`]: a stream, say; it is dropped. Lend the socket to keep it.
    #[inline]
    pub fn new(socket: S) -> Result<Self, NotPackets> {
        match getsockopt(&socket, Type) {
            Ok(SocketType::DGRAM | SocketType::SEQPACKET) => Ok(Self(socket)),
            Ok(other) => Err(NotPackets::Type(other)),
            Err(errno) => Err(NotPackets::Errno(errno)),
        }
    }

    /// The socket.
    #[inline]
    pub fn into_inner(self) -> S {
        self.0
    }

    /// Sends up to 253 descriptors and no data: one `sendmsg`.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send_fds(&self, fds: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        let mut buf = ControlBuf::<[u8; RIGHTS]>::new();
        let mut control = Encoder::new(&mut buf);
        control.push_rights(fds)?;
        sendmsg(&self.0, &SendMsg::new(&[]).control_on_packets(&control), SendFlags::empty())?;
        Ok(())
    }

    /// Receives exactly `K` descriptors and no data: one `recvmsg`.
    ///
    /// # Errors
    /// [`RecvError`]: fails closed, like [`recv_with_fds`]. A message with data is
    /// [`DataTruncated`](RecvError::DataTruncated) in a buffer of 0; [`End`](RecvError::End) is a message with nothing, or
    /// the end.
    #[inline]
    pub fn recv_fds<const K: usize>(&self) -> Result<[OwnedFd; K], RecvError> {
        // One byte of room tells a message with data from one without, and nothing from an end.
        let (bytes, fds) = recv_with_fds(&self.0, &mut [0])?;
        if bytes == 0 { Ok(fds) } else { Err(RecvError::DataTruncated { room: 0 }) }
    }
}

impl<S: AsFd> AsFd for Packets<S> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
