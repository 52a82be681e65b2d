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

use crate::layout::{CMSG_ALIGN, CMSG_HEADER};
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
        if self.level == M::LEVEL && self.kind == M::TYPE { M::from_payload(self.payload).map(Some) } else { Ok(None) }
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

/// A header that was read and believed.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) level: i32,
    pub(crate) kind: i32,
    /// End of the payload: `cmsg_len`. At least [`CMSG_HEADER`], at most the bytes given.
    pub(crate) end: usize,
    /// Bytes from there to the next header; the last message may lack them.
    pub(crate) padding: usize,
}

/// The three fields of a header: length, level, type.
#[inline(always)]
pub(crate) fn fields(header: &[u8; CMSG_HEADER]) -> Option<(usize, i32, i32)> {
    let (len, rest) = header.split_first_chunk()?;
    let (level, rest) = rest.split_first_chunk()?;
    let kind = rest.first_chunk()?;
    Some((usize::from_ne_bytes(*len), i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind)))
}

/// Reads the header at the start of `bytes`. `None` if there is none; `Err(cmsg_len)` if it cannot be true.
#[inline(always)]
pub(crate) fn span(bytes: &[u8]) -> Option<Result<Span, usize>> {
    let (end, level, kind) = fields(bytes.first_chunk()?)?;
    if end < CMSG_HEADER || end > bytes.len() {
        return Some(Err(end));
    }
    Some(Ok(Span { level, kind, end, padding: CMSG_ALIGN(end).wrapping_sub(end) }))
}

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
    rest: &'a [u8],
    offset: usize,
    ended: bool,
}

impl<'a> Cmsgs<'a> {
    /// Walks `bytes`, which may be anything.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0, ended: false }
    }

    /// What has not been walked: all of it at first, then what is left; after a [`Malformed`] message, from its header on.
    #[inline]
    #[must_use]
    pub const fn remainder(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Cmsgs<'a> {
    type Item = Result<Cmsg<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let bytes = self.rest;
        match span(bytes)? {
            Ok(span) => {
                let (message, tail) = bytes.split_at_checked(span.end)?;
                let payload = message.get(CMSG_HEADER..)?;
                self.rest = tail.get(span.padding.min(tail.len())..)?;
                self.offset = self.offset.wrapping_add(span.end).wrapping_add(span.padding);
                Some(Ok(Cmsg { level: span.level, kind: span.kind, payload }))
            }
            Err(claimed) => {
                self.ended = true;
                Some(Err(Malformed { offset: self.offset, claimed, left: bytes.len() }))
            }
        }
    }
}

impl FusedIterator for Cmsgs<'_> {}
