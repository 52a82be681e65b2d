//! Turns bytes into control messages: level, type, payload.
//!
//! Laws: any bytes decode, at any length, alignment and content (law 1); an unknown message stays visible; what the
//! kernel leaves off (the padding of the last message) is not demanded; the iterator is fused.
//!
//! ```text
//! offset      +0         +size_t      +4          +4 = H       cmsg_len            CMSG_ALIGN(cmsg_len)
//!             | cmsg_len | cmsg_level | cmsg_type | payload .. | padding or nothing | next header
//! ```
//!
//! Fewer than H bytes after a message are not a message, for the kernel and for this decoder:
//! [`Cmsgs::remainder`] shows them.

#![forbid(unsafe_code)]

use core::fmt;
use core::iter::FusedIterator;

use crate::layout::{CMSG_ALIGNMENT, CMSG_HEADER};
use crate::traits::{Decode, Short};

/// One control message, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "cmsghdr")]
pub struct Cmsg<'a> {
    /// `cmsg_level`.
    pub level: i32,
    /// `cmsg_type`.
    pub kind: i32,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

impl<'a> Cmsg<'a> {
    /// Reads this message as an `M`; `Ok(None)` if it is some other message.
    ///
    /// # Errors
    /// [`Short`] if it is an `M` that was cut.
    #[inline]
    pub fn get<M: Decode<'a>>(&self) -> Result<Option<M>, Short> {
        if key(self.level, self.kind) == const { key(M::LEVEL, M::TYPE) } {
            M::from_payload(self.payload).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// A `cmsg_len` that cannot be true: under the header size, or past the end. Nothing after it can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Malformed {
    /// Where the header starts, in bytes from the start of the control bytes.
    pub offset: usize,
    /// The `cmsg_len` it claims.
    pub claimed: usize,
    /// Bytes left from `offset` to the end.
    pub left: usize,
}

impl fmt::Display for Malformed {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control message at byte {} claims {} bytes of {}", self.offset, self.claimed, self.left)
    }
}

impl core::error::Error for Malformed {}

/// Level and type as one number, as they lie in a header: two comparisons become one.
#[inline(always)]
pub(crate) const fn key(level: i32, kind: i32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (level.to_ne_bytes(), kind.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// The level and the type in a [`key`].
#[inline(always)]
const fn parts(key: u64) -> (i32, i32) {
    let [a, b, c, d, e, f, g, h] = key.to_ne_bytes();
    (i32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]))
}

/// What a header says: `cmsg_len`, and the [`key`] of level and type.
#[inline(always)]
pub(crate) fn fields(header: &[u8; CMSG_HEADER]) -> Option<(usize, u64)> {
    let (len, rest) = header.split_first_chunk()?;
    Some((usize::from_ne_bytes(*len), u64::from_ne_bytes(*rest.first_chunk()?)))
}

/// So many bytes and the padding behind them: of a whole message, or of a payload, because a header needs none. What is in
/// memory is not long enough to wrap.
#[inline(always)]
pub(crate) const fn padded(len: usize) -> usize {
    len.wrapping_add(CMSG_ALIGNMENT - 1) & !(CMSG_ALIGNMENT - 1)
}

const _: () = assert!(CMSG_HEADER % CMSG_ALIGNMENT == 0);

/// The control messages in some bytes, in order. After a [`Malformed`] one it ends.
///
/// # Examples
/// Every message is visible, known or not:
/// ```
/// use scmsg::{Cmsgs, CMSG_LEN};
///
/// let mut bytes = [0u8; CMSG_LEN(3)];
/// bytes[..size_of::<usize>()].copy_from_slice(&CMSG_LEN(3).to_ne_bytes());
/// let message = Cmsgs::new(&bytes).next().unwrap().unwrap();
/// assert_eq!((message.level, message.kind, message.payload), (0, 0, &[0u8, 0, 0][..]));
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "CMSG_FIRSTHDR")]
#[doc(alias = "CMSG_NXTHDR")]
pub struct Cmsgs<'a> {
    /// From the last message given out on.
    bytes: &'a [u8],
    /// Bytes of that message, and of the padding it would have; 0 at first.
    walked: usize,
    /// Bytes there were.
    all: usize,
    /// A message that is malformed was reported.
    ended: bool,
}

impl<'a> Cmsgs<'a> {
    /// Walks `bytes`, which may be anything.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, walked: 0, all: bytes.len(), ended: false }
    }

    /// What has not been walked: all of it at first, then what is left; after a [`Malformed`] message, from its header on.
    #[inline]
    #[must_use]
    pub const fn remainder(&self) -> &'a [u8] {
        // The last message may lack its padding.
        let end = self.bytes.len();
        match self.bytes.split_at_checked(if self.walked < end { self.walked } else { end }) {
            Some((_, rest)) => rest,
            None => &[],
        }
    }

    /// The message that comes next, whose header claims so much.
    #[cold]
    const fn malformed(&self, claimed: usize) -> Malformed {
        let left = self.bytes.len();
        Malformed { offset: self.all.saturating_sub(left), claimed, left }
    }
}

impl<'a> Iterator for Cmsgs<'a> {
    type Item = Result<Cmsg<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.bytes.get(self.walked..)?;
        self.bytes = bytes;
        self.walked = 0;
        let (header, after) = bytes.split_first_chunk()?;
        let (len, key) = fields(header)?;
        // A length under the header's wraps, and is more than there can be.
        let Some(payload) = after.get(..len.wrapping_sub(CMSG_HEADER)) else {
            // Nothing was walked, so the next call comes here again.
            return if core::mem::replace(&mut self.ended, true) { None } else { Some(Err(self.malformed(len))) };
        };
        self.walked = padded(len);
        let (level, kind) = parts(key);
        Some(Ok(Cmsg { level, kind, payload }))
    }
}

impl FusedIterator for Cmsgs<'_> {}
