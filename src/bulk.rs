//! Turns any number of descriptors into messages of up to 253, and back: the one place that loops.
//!
//! For unix sockets; other families take descriptors and ignore them, which the receiver finds out, not the sender.
//!
//! The protocol: every message is one `SCM_RIGHTS` with 1 to 253 descriptors and one data byte, their number. So a
//! descriptor that was lost on the way is found missing, on stream, seqpacket and datagram.
//!
//! Laws: interrupted calls are repeated, every other error stops and says exactly how far it came; whatever arrived is owned
//! by the set.

#![forbid(unsafe_code)]

use core::fmt;

use crate::ancillary::{Ancillary, Cause};
use crate::borrowed::{AsFd, BorrowedFd};
use crate::encode::{ControlBuf, Encoder};
use crate::errno::Errno;
use crate::fds::{BESIDE, RIGHTS};
use crate::flags::{MsgFlags, RecvFlags, SendFlags};
use crate::io_slice::{IoSlice, IoSliceMut};
use crate::numbers::SCM_MAX_FD;
use crate::recv::{RecvMsg, recvmsg};
use crate::send::{SendMsg, sendmsg};
use crate::set::{FdSet, Storage};

/// A bulk send stopped: the first `sent` descriptors have gone, and `&fds[sent..]` goes on from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SendStopped {
    /// Descriptors sent.
    pub sent: usize,
    /// Why the next message did not go: `EAGAIN` when a nonblocking socket is full ([`poll`](crate::poll) for room),
    /// `ETOOMANYREFS` when too many are in flight, `EPIPE` when the peer is gone; see [`sendmsg`].
    pub why: Errno,
}

impl fmt::Display for SendStopped {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped after sending {} descriptors: {}", self.sent, self.why)
    }
}

impl core::error::Error for SendStopped {}

/// A bulk receive stopped. What arrived is in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecvStopped {
    /// Descriptors added to the set by this call, those of the message it stopped at included.
    pub received: usize,
    /// Why.
    pub why: Stop,
}

/// Why a bulk receive stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// The kernel refused: `EAGAIN` when nothing is there ([`poll`](crate::poll) for more); see [`recvmsg`].
    Errno(Errno),
    /// The peer has closed; on a datagram socket, somebody sent an empty message.
    Closed,
    /// The message said that it carries `said` descriptors, and `came` arrived: fewer, or more.
    Lost {
        /// Descriptors announced.
        said: usize,
        /// Descriptors that arrived.
        came: usize,
        /// Why the kernel left some out, if it says so: [`Cause::NotBuffer`] is a full descriptor table (`EMFILE`), or a
        /// security module.
        truncated: Option<Cause>,
    },
    /// The set had no room for `closed` of the descriptors that arrived; they were closed.
    NoRoom {
        /// Descriptors closed.
        closed: usize,
    },
    /// Not a message of this protocol: no byte, more than one, or none announced. Its descriptors were closed.
    Protocol {
        /// Data bytes of the message.
        bytes: usize,
        /// Descriptors it carried.
        descriptors: usize,
    },
}

impl fmt::Display for RecvStopped {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped after receiving {} descriptors: ", self.received)?;
        match self.why {
            Stop::Errno(errno) => errno.fmt(f),
            Stop::Closed => f.write_str("the peer has closed"),
            Stop::Lost { said, came, truncated } => {
                write!(f, "{came} came of {said}")?;
                truncated.map_or(Ok(()), |cause| write!(f, ", control truncated ({cause:?})"))
            }
            Stop::NoRoom { closed } => write!(f, "no room for {closed}, which were closed"),
            Stop::Protocol { bytes, descriptors } => {
                write!(f, "not a bulk message: {bytes} bytes with {descriptors} descriptors")
            }
        }
    }
}

impl core::error::Error for RecvStopped {}

/// Sends all of `fds`, 253 in a message: one `sendmsg` for each, repeated when interrupted.
///
/// # Errors
/// [`SendStopped`], with how many have gone.
pub fn send_fds<S: AsFd>(socket: S, fds: &[BorrowedFd<'_>]) -> Result<(), SendStopped> {
    let mut buf = ControlBuf::<[u8; RIGHTS]>::new();
    let mut sent = 0_usize;
    for part in fds.chunks(SCM_MAX_FD) {
        let count = [u8::try_from(part.len()).unwrap_or(0)];
        let data = [IoSlice::new(&count)];
        let mut control = Encoder::new(&mut buf);
        let message =
            match control.push_rights(part).ok().and_then(|control| SendMsg::new(&data).control(&*control).ok()) {
                Some(message) => message,
                // The buffer has room for a part, and a part has a byte; there is no other case.
                None => return Err(SendStopped { sent, why: Errno::EINVAL }),
            };
        while let Err(why) = sendmsg(&socket, &message, SendFlags::empty()) {
            if why != Errno::EINTR {
                return Err(SendStopped { sent, why });
            }
        }
        sent = sent.saturating_add(part.len());
    }
    Ok(())
}

/// Receives messages into `set` until at least `want` descriptors have been added: one `recvmsg` for each, repeated when
/// interrupted. How many were added; more than `want` when the last message carried more than was left.
///
/// A set with room for 252 more than `want` never runs out of it.
///
/// # Errors
/// [`RecvStopped`]. What arrived is in the set.
pub fn recv_fds<S: AsFd, T: Storage>(socket: S, set: &mut FdSet<T>, want: usize) -> Result<usize, RecvStopped> {
    let mut count = [0];
    let mut buf = ControlBuf::<[u8; RIGHTS + BESIDE]>::new();
    let mut received = 0_usize;
    while received < want {
        match one(&socket, set, &mut count, &mut buf) {
            Ok(came) => received = received.saturating_add(came),
            Err((_, Stop::Errno(Errno::EINTR))) => {}
            Err((came, why)) => return Err(RecvStopped { received: received.saturating_add(came), why }),
        }
    }
    Ok(received)
}

/// Receives one message: how many descriptors were added, and why it was not a good one.
#[inline]
fn one<S: AsFd, T: Storage>(
    socket: S,
    set: &mut FdSet<T>,
    count: &mut [u8; 1],
    buf: &mut ControlBuf,
) -> Result<usize, (usize, Stop)> {
    let mut data = [IoSliceMut::new(count)];
    let mut message = RecvMsg::new(&mut data).control(buf);
    // With MSG_TRUNC a longer datagram says how long it was.
    let mut arrived = recvmsg(socket, &mut message, RecvFlags::TRUNC).map_err(|e| (0, Stop::Errno(e)))?;
    if arrived.is_end() {
        return Err((0, Stop::Closed));
    }
    let said = arrived.data().next().and_then(<[u8]>::first).map_or(0, |said| usize::from(*said));
    if said == 0 || arrived.flags.contains(MsgFlags::TRUNC) {
        let (bytes, descriptors) = (arrived.bytes, left(&arrived.control));
        return Err((0, Stop::Protocol { bytes, descriptors }));
    }
    let came = arrived.control.take_into(set);
    let closed = left(&arrived.control);
    if closed != 0 {
        return Err((came, Stop::NoRoom { closed }));
    }
    if came != said {
        return Err((came, Stop::Lost { said, came, truncated: arrived.control.truncation() }));
    }
    Ok(came)
}

/// How many descriptors nobody has taken. Not `count`, which can overflow where that is a panic.
#[inline]
fn left(control: &Ancillary<'_>) -> usize {
    if control.is_settled() {
        return 0;
    }
    control.fds().filter(Result::is_ok).fold(0_usize, |left, _| left.saturating_add(1))
}
