//! Turns typed options into `setsockopt` and `getsockopt`: the switch that makes each message arrive or be refused, and
//! what can be asked about the peer.
//!
//! Law 3: safe code cannot forge a descriptor through an option. The typed ones are a closed list; the raw pair is
//! unsafe.
//!
//! ```compile_fail,E0277
//! // An option of one's own cannot be set by safe code.
//! struct Mine;
//! fn f(socket: scmsg::BorrowedFd<'_>) {
//!     let _ = scmsg::setsockopt(socket, Mine, 1);
//! }
//! ```

use linux_raw_sys::net;

use crate::addr::Family;
use crate::borrowed::{AsFd, BorrowedFd};
use crate::errno::Errno;
use crate::fd::OwnedFd;
use crate::message::Credentials;
use crate::numbers::{SOL_SOCKET, int, word};
use crate::raw;
use crate::socket::SocketType;

/// An option of this module.
pub trait SocketOption: sealed::Named {
    /// What its value means.
    type Value: sealed::Value;
}

/// An option that can be set.
pub trait SetOption: SocketOption {}

/// An option that can be read.
pub trait GetOption: SocketOption {}

#[allow(unreachable_pub, reason = "public traits name these")]
mod sealed {
    use super::Errno;

    pub trait Named {
        const LEVEL: i32;
        const NAME: i32;
    }

    /// A value and the words it travels in.
    pub trait Value: Sized {
        type Words: Copy + Default;
        fn to_words(self) -> Self::Words;
        /// # Safety
        /// The words came from the kernel, as the value of an option with this type.
        unsafe fn from_words(words: Self::Words) -> Result<Self, Errno>;
    }
}

macro_rules! value {
    ($ty:ty, $words:ty, $value:ident => $to:expr, $word:ident => $from:expr) => {
        impl sealed::Value for $ty {
            type Words = $words;
            #[inline(always)]
            fn to_words(self) -> $words {
                let $value = self;
                $to
            }
            #[inline(always)]
            unsafe fn from_words($word: $words) -> Result<Self, Errno> {
                $from
            }
        }
    };
}

value!(bool, i32, value => i32::from(value), word => Ok(word != 0));
value!(i32, i32, value => value, word => Ok(word));
value!(u32, u32, value => value, word => Ok(word));
value!(SocketType, u32, value => value.0, word => Ok(SocketType(word)));
value!(Family, u32, value => u32::from(value.0), word => u16::try_from(word).map(Family).map_err(|_| Errno::ERANGE));
value!(Option<Errno>, i32, value => value.map_or(0, Errno::raw), word => Ok(Errno::from_raw(word)));
value!(Credentials, [u32; 3],
    value => [value.pid.map_or(0, core::num::NonZeroU32::get), value.uid, value.gid],
    words => Ok(Credentials::from_words(words)));
value!(OwnedFd, i32, value => value.into_raw_fd(), word => {
    // SAFETY: the caller vouches that the kernel returned it: a descriptor it has just opened.
    Ok(unsafe { OwnedFd::from_raw_fd(word) })
});

macro_rules! options {
    ($level:ident: $($(#[$doc:meta])* $name:ident $number:ident $value:ty: $($access:ident)+;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            #[doc = concat!("\n\n`", stringify!($number), "`, level `", stringify!($level), "`.")]
            pub struct $name;

            impl sealed::Named for $name {
                const LEVEL: i32 = int(net::$level);
                const NAME: i32 = int(net::$number);
            }
            impl SocketOption for $name {
                type Value = $value;
            }
            $(impl $access for $name {})+
        )*
    };
}

options! { SOL_SOCKET:
    /// Deliver [`Credentials`] with every message; 4 bytes, Linux 2.2. Set it before the peer sends: a message queued
    /// earlier arrives with pid 0, uid and gid 65534. Accepted sockets inherit it from the listener.
    PassCred SO_PASSCRED bool: SetOption GetOption;
    /// Deliver a [`PidFd`](crate::PidFd) with every message; 4 bytes, Linux 6.5.
    PassPidFd SO_PASSPIDFD bool: SetOption GetOption;
    /// Deliver a [`SecurityLabel`](crate::SecurityLabel) with every message; 4 bytes, Linux 2.6.18.
    PassSec SO_PASSSEC bool: SetOption GetOption;
    /// Accept descriptors; 4 bytes, Linux 6.16, on by default. Off, a send of descriptors to this socket is `EPERM`.
    PassRights SO_PASSRIGHTS bool: SetOption GetOption;
    /// Deliver [`UnreadBytes`](crate::UnreadBytes); 4 bytes, unix streams, Linux 6.17. It cannot be read back.
    Inq SO_INQ bool: SetOption;
    /// Deliver [`TimestampOld`](crate::TimestampOld); 4 bytes. Setting one of these four turns the others off.
    ReceiveTimestampOld SO_TIMESTAMP_OLD bool: SetOption GetOption;
    /// Deliver [`TimestampNew`](crate::TimestampNew); 4 bytes, Linux 5.1.
    ReceiveTimestampNew SO_TIMESTAMP_NEW bool: SetOption GetOption;
    /// Deliver [`TimestampNsOld`](crate::TimestampNsOld); 4 bytes, Linux 2.6.22.
    ReceiveTimestampNsOld SO_TIMESTAMPNS_OLD bool: SetOption GetOption;
    /// Deliver [`TimestampNsNew`](crate::TimestampNsNew); 4 bytes, Linux 5.1.
    ReceiveTimestampNsNew SO_TIMESTAMPNS_NEW bool: SetOption GetOption;
    /// Deliver [`TimestampingOld`](crate::TimestampingOld): `SOF_TIMESTAMPING_*` bits; 4 bytes, Linux 2.6.30.
    ReceiveTimestampingOld SO_TIMESTAMPING_OLD u32: SetOption GetOption;
    /// Deliver [`TimestampingNew`](crate::TimestampingNew): `SOF_TIMESTAMPING_*` bits; 4 bytes, Linux 5.1.
    ReceiveTimestampingNew SO_TIMESTAMPING_NEW u32: SetOption GetOption;
    /// Who connected, or made the pair: 12 bytes, Linux 2.2. For a listener's peer, whoever called `listen`. **Without a
    /// peer, and on other families: pid `None`, uid and gid 4294967295.**
    PeerCred SO_PEERCRED Credentials: GetOption;
    /// A new process descriptor of the peer, owned by the caller: 4 bytes, Linux 6.5; close-on-exec.
    PeerPidFd SO_PEERPIDFD OwnedFd: GetOption;
    /// The socket's family: 4 bytes, Linux 2.6.32.
    Domain SO_DOMAIN Family: GetOption;
    /// The socket's type: 4 bytes.
    Type SO_TYPE SocketType: GetOption;
    /// The socket's protocol: 4 bytes, Linux 2.6.32.
    Protocol SO_PROTOCOL i32: GetOption;
    /// Whether the socket listens: 4 bytes.
    AcceptsConnections SO_ACCEPTCONN bool: GetOption;
    /// Send buffer in bytes: 4 bytes. The kernel doubles what is set, and counts its own overhead.
    SendBuffer SO_SNDBUF i32: SetOption GetOption;
    /// Receive buffer in bytes: 4 bytes. The kernel doubles what is set.
    ReceiveBuffer SO_RCVBUF i32: SetOption GetOption;
    /// Where [`RecvFlags::PEEK`](crate::RecvFlags::PEEK) starts, in bytes; -1 is off: 4 bytes, Linux 3.4.
    PeekOffset SO_PEEK_OFF i32: SetOption GetOption;
    /// The pending error, cleared by reading it: how a nonblocking connect ended. 4 bytes.
    PendingError SO_ERROR Option<Errno>: GetOption;
}

options! { SOL_IP:
    /// Deliver [`Ipv4PacketInfo`](crate::Ipv4PacketInfo) with every datagram; 4 bytes, Linux 2.2.
    ReceivePacketInfo IP_PKTINFO bool: SetOption GetOption;
}

options! { SOL_IPV6:
    /// Deliver [`Ipv6PacketInfo`](crate::Ipv6PacketInfo) with every datagram; 4 bytes, Linux 2.6.14.
    ReceivePacketInfo6 IPV6_RECVPKTINFO bool: SetOption GetOption;
}

/// `setsockopt(2)` with a typed option.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `ENOPROTOOPT` | the kernel is older than the option, or this socket's type does not have it |
/// | `EOPNOTSUPP` | this socket's family or type does not have it |
/// | `EINVAL`, `EPERM` | the value is not allowed |
#[inline]
pub fn setsockopt<S: AsFd, O: SetOption>(socket: S, option: O, value: O::Value) -> Result<(), Errno> {
    let _ = option;
    let words = sealed::Value::to_words(value);
    let len = u32::try_from(size_of_val(&words)).unwrap_or(0);
    let pointer = (&raw const words).cast();
    // SAFETY: the kernel reads `len` bytes of a local; no option that can be set names a descriptor or an address.
    unsafe { raw::setsockopt(socket.as_fd().as_raw_fd(), O::LEVEL, O::NAME, pointer, len) }.map(drop)
}

/// `getsockopt(2)` with a typed option.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `ENOPROTOOPT` | the kernel is older than the option, or this socket's type does not have it |
/// | `EOPNOTSUPP` | this socket's family or type does not have it |
/// | `ENODATA`, `ESRCH` | [`PeerPidFd`]: there is no peer process |
/// | `EMFILE` | [`PeerPidFd`]: no descriptor left |
/// | `EINVAL` | the kernel's value has another size |
#[inline]
pub fn getsockopt<S: AsFd, O: GetOption>(socket: S, option: O) -> Result<O::Value, Errno> {
    let _ = option;
    let mut words = <O::Value as sealed::Value>::Words::default();
    let size = u32::try_from(size_of_val(&words)).unwrap_or(0);
    let mut len = size;
    let pointer = (&raw mut words).cast();
    // SAFETY: the kernel writes at most `len` bytes to a local, and the length to another.
    unsafe { raw::getsockopt(socket.as_fd().as_raw_fd(), O::LEVEL, O::NAME, pointer, &raw mut len) }?;
    if len != size {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the kernel has just written all of it, for this option.
    unsafe { sealed::Value::from_words(words) }
}

/// The peer's security label (`SO_PEERSEC`, Linux 2.6.2): as many bytes of `buf` as it takes, without the NUL that ends it.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `ENOPROTOOPT` | no security module gives one, or not for this socket |
/// | `ERANGE` | `buf` is too small; labels are seldom over 256 bytes, and at most a page |
#[doc(alias = "SO_PEERSEC")]
#[inline]
pub fn peer_label<S: AsFd>(socket: S, buf: &mut [u8]) -> Result<&[u8], Errno> {
    let mut len = u32::try_from(buf.len()).unwrap_or(u32::MAX);
    let (fd, name) = (socket.as_fd().as_raw_fd(), int(net::SO_PEERSEC));
    // SAFETY: the kernel writes at most `len` bytes to `buf`, and the length to a local.
    unsafe { raw::getsockopt(fd, SOL_SOCKET, name, buf.as_mut_ptr(), &raw mut len) }?;
    let written = usize::try_from(len).unwrap_or(usize::MAX).min(buf.len());
    Ok(match buf.get(..written).unwrap_or_default() {
        [label @ .., 0] => label,
        label => label,
    })
}

/// `setsockopt(2)` with any level, name and bytes.
///
/// # Safety
/// Whatever number in `value` the kernel takes for a descriptor or an address must be one the caller may use so.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `ENOPROTOOPT`, `EOPNOTSUPP` | the kernel, or this socket, does not have the option |
/// | `EINVAL`, `EPERM`, `EDOM` | the bytes are too few, or their value is not allowed |
/// | `EFAULT` | an address in them cannot be used |
#[inline]
pub unsafe fn setsockopt_raw(socket: BorrowedFd<'_>, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
    let len = u32::try_from(value.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the bytes are readable; the caller vouches for what they mean.
    unsafe { raw::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr(), len) }.map(drop)
}

/// `getsockopt(2)` with any level and name: how many bytes of `value` were written.
///
/// # Safety
/// The option may read `value` as well: whatever number in it the kernel takes for a descriptor or an address must be one
/// the caller may use so. An option that opens a descriptor (`SO_PEERPIDFD`) gives it to the caller to close.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `ENOPROTOOPT`, `EOPNOTSUPP` | the kernel, or this socket, does not have the option |
/// | `EINVAL`, `EPERM`, `EDOM` | the buffer is too small, or this may not be asked |
/// | `EFAULT` | an address in them cannot be used |
#[inline]
pub unsafe fn getsockopt_raw(socket: BorrowedFd<'_>, level: i32, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
    let mut len = u32::try_from(value.len()).unwrap_or(word(i32::MAX));
    // SAFETY: the kernel writes at most `len` bytes; the caller vouches for what it reads.
    unsafe { raw::getsockopt(socket.as_raw_fd(), level, name, value.as_mut_ptr(), &raw mut len) }?;
    Ok(usize::try_from(len).unwrap_or(usize::MAX).min(value.len()))
}
