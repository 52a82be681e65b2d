//! Turns the payloads of receive timestamps into values, in the old layouts (`long`) and the new (64 bits everywhere).
//!
//! ```text
//! old: | seconds: long | fraction: long |     new: | seconds: i64 | fraction: i64 |
//! ```
//!
//! Datagram sockets deliver them, unix stream sockets do not. `socket(7)`, `include/uapi/asm-generic/socket.h`.

#![forbid(unsafe_code)]

use linux_raw_sys::net;

use super::{Message, message};
use crate::numbers::{SOL_SOCKET, int};
use crate::traits::{Decode, Short};

/// Reads the `index`th integer of `WIDTH` bytes, sign-extended.
#[inline(always)]
fn integer<const WIDTH: usize>(payload: &[u8], index: usize) -> Option<i64> {
    let bytes = payload.get(index.wrapping_mul(WIDTH)..)?;
    if WIDTH == 8 {
        bytes.first_chunk().map(|b| i64::from_ne_bytes(*b))
    } else {
        bytes.first_chunk().map(|b| i64::from(i32::from_ne_bytes(*b)))
    }
}

/// Bytes of a `long`.
const LONG: usize = size_of::<usize>();

macro_rules! stamp {
    ($name:ident, $fraction:ident, $unit:literal, $kind:ident, $width:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            /// Seconds since 1970-01-01 00:00 UTC.
            pub seconds: i64,
            #[doc = $unit]
            pub $fraction: i64,
        }

        message!($name, SOL_SOCKET, int(net::$kind));

        impl<'a> Decode<'a> for $name {
            const MAX_RECEIVED: Option<usize> = Some(2 * $width);

            #[inline]
            fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
                let short = Short { need: 2 * $width, have: payload.len() };
                let seconds = integer::<{ $width }>(payload, 0).ok_or(short)?;
                let $fraction = integer::<{ $width }>(payload, 1).ok_or(short)?;
                Ok(Self { seconds, $fraction })
            }
        }
    };
}

stamp!(
    TimestampOld,
    microseconds,
    "Microseconds, 0 to 999 999.",
    SO_TIMESTAMP_OLD,
    LONG,
    "When a message arrived: two `long`s, 16 bytes (8 on 32-bit). Received only, `SOL_SOCKET`, `SO_TIMESTAMP_OLD`; arrives with that option on; since Linux 2.0. `include/uapi/asm-generic/socket.h`, `socket(7)`."
);
stamp!(
    TimestampNew,
    microseconds,
    "Microseconds, 0 to 999 999.",
    SO_TIMESTAMP_NEW,
    8,
    "When a message arrived: 16 bytes everywhere. Received only, `SOL_SOCKET`, `SO_TIMESTAMP_NEW`; arrives with that option on; since Linux 5.1. `include/uapi/asm-generic/socket.h`, `socket(7)`."
);
stamp!(
    TimestampNsOld,
    nanoseconds,
    "Nanoseconds, 0 to 999 999 999.",
    SO_TIMESTAMPNS_OLD,
    LONG,
    "When a message arrived: two `long`s, 16 bytes (8 on 32-bit). Received only, `SOL_SOCKET`, `SO_TIMESTAMPNS_OLD`; arrives with that option on; since Linux 2.6.22. `include/uapi/asm-generic/socket.h`, `socket(7)`."
);
stamp!(
    TimestampNsNew,
    nanoseconds,
    "Nanoseconds, 0 to 999 999 999.",
    SO_TIMESTAMPNS_NEW,
    8,
    "When a message arrived: 16 bytes everywhere. Received only, `SOL_SOCKET`, `SO_TIMESTAMPNS_NEW`; arrives with that option on; since Linux 5.1. `include/uapi/asm-generic/socket.h`, `socket(7)`."
);

macro_rules! stamping {
    ($name:ident, $stamp:ident, $kind:ident, $width:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[doc(alias = "scm_timestamping")]
        pub struct $name {
            /// Software stamp, a legacy zero, hardware stamp; all zero where there is none.
            pub stamps: [$stamp; 3],
        }

        message!($name, SOL_SOCKET, int(net::$kind));

        impl<'a> Decode<'a> for $name {
            const MAX_RECEIVED: Option<usize> = Some(6 * $width);

            #[inline]
            fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
                let short = Short { need: 6 * $width, have: payload.len() };
                let at = |index: usize| -> Result<$stamp, Short> {
                    let seconds = integer::<{ $width }>(payload, index).ok_or(short)?;
                    let nanoseconds = integer::<{ $width }>(payload, index.wrapping_add(1)).ok_or(short)?;
                    Ok($stamp { seconds, nanoseconds })
                };
                Ok(Self { stamps: [at(0)?, at(2)?, at(4)?] })
            }
        }
    };
}

stamping!(
    TimestampingOld,
    TimestampNsOld,
    SO_TIMESTAMPING_OLD,
    LONG,
    "Software and hardware stamps: three pairs of `long`s, 48 bytes (24 on 32-bit). Received only, `SOL_SOCKET`, `SO_TIMESTAMPING_OLD`; arrives with that option on; since Linux 2.6.30. `include/uapi/asm-generic/socket.h`, `socket(7)`."
);
stamping!(
    TimestampingNew,
    TimestampNsNew,
    SO_TIMESTAMPING_NEW,
    8,
    "Software and hardware stamps: 48 bytes everywhere. Received only, `SOL_SOCKET`, `SO_TIMESTAMPING_NEW`; arrives with that option on; since Linux 5.1. `include/uapi/asm-generic/socket.h`, `socket(7)`."
);
