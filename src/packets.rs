//! Turns a unix socket that keeps message boundaries into one that passes descriptors without a data byte: datagram and
//! seqpacket, which deliver them. A stream, which would lose them in silence, is refused, and so are all other families, which
//! ignore descriptors.

#![forbid(unsafe_code)]

use core::fmt;

use crate::addr::Family;
use crate::borrowed::{AsFd, BorrowedFd};
use crate::encode::{ControlBuf, Encoder};
use crate::errno::Errno;
use crate::fd::OwnedFd;
use crate::fds::{RIGHTS, RecvError, SendError, recv_with_fds};
use crate::flags::SendFlags;
use crate::send::{NoData, SendMsg, sendmsg};
use crate::socket::SocketType;
use crate::sockopt::{Domain, Type, getsockopt};

/// A socket that was looked at: unix, and datagram or seqpacket.
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
    /// Its family, which does not pass descriptors.
    Family(Family),
    /// Its type, which keeps no message boundaries.
    Type(SocketType),
    /// Its type cannot be read.
    Errno(Errno),
}

impl fmt::Display for NotPackets {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family(family) => write!(f, "socket family {} passes no descriptors", family.0),
            Self::Type(kind) => write!(f, "socket type {} loses descriptors without data", kind.0),
            Self::Errno(errno) => errno.fmt(f),
        }
    }
}

impl core::error::Error for NotPackets {}

impl<S: AsFd> Packets<S> {
    /// Looks at the family and the type of `socket`: two `getsockopt`.
    ///
    /// # Errors
    /// [`NotPackets`]: a stream, say; it is dropped. Lend the socket to keep it.
    #[inline]
    pub fn new(socket: S) -> Result<Self, NotPackets> {
        match getsockopt(&socket, Domain) {
            Ok(Family::UNIX) => {}
            Ok(other) => return Err(NotPackets::Family(other)),
            Err(errno) => return Err(NotPackets::Errno(errno)),
        }
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

    /// Sends 1 to 253 descriptors and no data: one `sendmsg`.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then. [`NoData`](SendError::NoData) with 0 descriptors if there are none: an empty message
    /// is what an end looks like.
    pub fn send_fds(&self, fds: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        if fds.is_empty() {
            return Err(NoData { descriptors: 0 }.into());
        }
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
        const { assert!(K > 0, "no descriptors and no data is what an end looks like") };
        // One byte of room tells a message with data from one without, and nothing from an end.
        match recv_with_fds(&self.0, &mut [0]) {
            Ok((0, fds)) => Ok(fds),
            Ok(_) | Err(RecvError::DataTruncated { .. } | RecvError::WrongCount { bytes: 1.., .. }) => {
                Err(RecvError::DataTruncated { room: 0 })
            }
            Err(error) => Err(error),
        }
    }
}

impl<S: AsFd> AsFd for Packets<S> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
