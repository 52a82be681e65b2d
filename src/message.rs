//! The table of everything this crate has a type for; one file per protocol level.
//!
//! | message | level, type | sent | received | arrives when | since | header | man page |
//! |---|---|---|---|---|---|---|---|
//! | [`Rights`] | `SOL_SOCKET`, `SCM_RIGHTS` 1 | [`Encoder::push_rights`](crate::Encoder::push_rights), 4 n bytes, n <= 253 | 4 n | always; refused with `SO_PASSRIGHTS` off (6.16) | 2.2 | `include/linux/socket.h` | `unix(7)` |
//! | [`Credentials`] | `SOL_SOCKET`, `SCM_CREDENTIALS` 2 | 12 | 12 | `SO_PASSCRED` | 2.2 | `include/linux/socket.h` | `unix(7)` |
//! | [`SecurityLabel`] | `SOL_SOCKET`, `SCM_SECURITY` 3 | - | variable | `SO_PASSSEC` | 2.6.18 | `include/linux/socket.h` | `unix(7)` |
//! | [`PidFd`] | `SOL_SOCKET`, `SCM_PIDFD` 4 | - | 4 | `SO_PASSPIDFD` | 6.5 | `include/linux/socket.h` | `unix(7)` |
//! | [`TimestampOld`] | `SOL_SOCKET`, `SO_TIMESTAMP_OLD` | - | 16 or 8 | `SO_TIMESTAMP_OLD` | 2.0 | `include/uapi/asm-generic/socket.h` | `socket(7)` |
//! | [`TimestampNew`] | `SOL_SOCKET`, `SO_TIMESTAMP_NEW` | - | 16 | `SO_TIMESTAMP_NEW` | 5.1 | same | `socket(7)` |
//! | [`TimestampNsOld`] | `SOL_SOCKET`, `SO_TIMESTAMPNS_OLD` | - | 16 or 8 | `SO_TIMESTAMPNS_OLD` | 2.6.22 | same | `socket(7)` |
//! | [`TimestampNsNew`] | `SOL_SOCKET`, `SO_TIMESTAMPNS_NEW` | - | 16 | `SO_TIMESTAMPNS_NEW` | 5.1 | same | `socket(7)` |
//! | [`TimestampingOld`] | `SOL_SOCKET`, `SO_TIMESTAMPING_OLD` | - | 48 or 24 | `SO_TIMESTAMPING_OLD` | 2.6.30 | `include/uapi/linux/errqueue.h` | `socket(7)` |
//! | [`TimestampingNew`] | `SOL_SOCKET`, `SO_TIMESTAMPING_NEW` | - | 48 | `SO_TIMESTAMPING_NEW` | 5.1 | same | `socket(7)` |
//! | [`UnreadBytes`] | `SOL_SOCKET`, `SCM_INQ` 84 | - | 4 | `SO_INQ`, unix streams | 6.17 | `include/uapi/asm-generic/socket.h` | - |
//! | [`Ipv4PacketInfo`] | `SOL_IP`, `IP_PKTINFO` 8 | 12 | 12 | `IP_PKTINFO` | 2.2 | `include/uapi/linux/in.h` | `ip(7)` |
//! | [`Ipv6PacketInfo`] | `SOL_IPV6`, `IPV6_PKTINFO` 50 | 20 | 20 | `IPV6_RECVPKTINFO` | 2.6.14 | `include/uapi/linux/ipv6.h` | `ipv6(7)` |
//!
//! Sizes are payload bytes; "16 or 8" is 64-bit or 32-bit. Anything else arrives as a [`Cmsg`](crate::Cmsg) with level,
//! kind and payload, and [`Message`], [`Encode`](crate::Encode) and [`Decode`] are open for it.

#![forbid(unsafe_code)]

mod ip;
mod socket;
mod time;

pub use ip::{Ipv4PacketInfo, Ipv6PacketInfo};
pub use socket::{Credentials, PidFd, Rights, SecurityLabel, UnreadBytes};
pub use time::{TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld};

use crate::layout::CMSG_SPACE;
use crate::traits::{Decode, Message, Short};

/// Space in bytes that a received `M` takes, header and padding included, for sizing a buffer. `usize::MAX`, which no
/// buffer has, for a message without a bound. Descriptors: [`Rights::space`].
///
/// # Examples
/// ```
/// use scmsg::{ControlBuf, Credentials, PidFd, Rights, space_of};
/// let _buf = ControlBuf::<[u8; Rights::space(4) + space_of::<Credentials>() + space_of::<PidFd>()]>::new();
/// ```
#[inline]
#[must_use]
pub const fn space_of<'a, M: Decode<'a>>() -> usize {
    match M::MAX_RECEIVED {
        Some(payload) => CMSG_SPACE(payload),
        None => usize::MAX,
    }
}

/// The first `N` bytes of a payload, or how short it is.
#[inline(always)]
fn fixed<const N: usize>(payload: &[u8]) -> Result<&[u8; N], Short> {
    payload.first_chunk().ok_or(Short { need: N, have: payload.len() })
}

/// Declares which message a type is.
macro_rules! message {
    ($name:ty, $level:expr, $kind:expr) => {
        impl Message for $name {
            const LEVEL: i32 = $level;
            const TYPE: i32 = $kind;
        }
    };
}
use message;
