//! Turns control bytes of any layout into levels, types and payloads: what an emulator, a tracer or a log reader has in hand.
//!
//! Laws, the same as those of [`Cmsgs`](crate::Cmsgs): any bytes decode, at any length, alignment and content; after the first
//! header that cannot be true the walk is over. With [`Layout::NATIVE`] both decoders say the same about the same bytes.
//!
//! ```text
//! 0            A            A+4         H = A+8                cmsg_len, then up to A
//! | cmsg_len   | cmsg_level | cmsg_type | payload ..           | padding or nothing | next header
//! ```
//!
//! A descriptor here is a number in somebody else's table, so it stays a number.

use core::fmt;
use core::iter::FusedIterator;

use super::layout::{Header, Layout};
use crate::message::Credentials;
use crate::numbers::{SCM_CREDENTIALS, SCM_PIDFD, SCM_RIGHTS};
use crate::traits::Short;

/// `SOL_SOCKET` of most architectures.
const SOL_SOCKET: i32 = 1;

/// `SOL_SOCKET` of mips, sparc, alpha and parisc.
const SOL_SOCKET_HIGH: i32 = 0xffff;

/// One control message of any layout, borrowed from the bytes it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForeignCmsg<'a> {
    /// `cmsg_level`.
    pub level: i32,
    /// `cmsg_type`.
    pub kind: i32,
    /// The payload, without padding.
    pub payload: &'a [u8],
    /// How the integers in the payload are to be read.
    pub layout: Layout,
}

impl<'a> ForeignCmsg<'a> {
    /// Whether the level is `SOL_SOCKET`: 1, or 65535 as on mips, sparc, alpha and parisc.
    #[inline]
    #[must_use]
    pub const fn is_socket(&self) -> bool {
        matches!(self.level, SOL_SOCKET | SOL_SOCKET_HIGH)
    }

    /// The slots of an `SCM_RIGHTS`; `None` if it is some other message.
    #[inline]
    #[must_use]
    pub const fn rights(&self) -> Option<ForeignRights<'a>> {
        if self.is_socket() && self.kind == SCM_RIGHTS {
            Some(ForeignRights { rest: self.payload, layout: self.layout })
        } else {
            None
        }
    }

    /// The ids of an `SCM_CREDENTIALS`; `Ok(None)` if it is some other message.
    ///
    /// # Errors
    /// [`Short`] if it was cut.
    #[inline]
    pub fn credentials(&self) -> Result<Option<Credentials>, Short> {
        if !self.is_socket() || self.kind != SCM_CREDENTIALS {
            return Ok(None);
        }
        match (self.u32_at(0), self.u32_at(4), self.u32_at(8)) {
            (Some(pid), Some(uid), Some(gid)) => Ok(Some(Credentials::from_words([pid, uid, gid]))),
            _ => Err(Short { need: 12, have: self.payload.len() }),
        }
    }

    /// The number in an `SCM_PIDFD`, a descriptor or a negated errno of the other machine; `Ok(None)` if it is some other
    /// message.
    ///
    /// # Errors
    /// [`Short`] if it was cut.
    #[inline]
    pub fn pidfd(&self) -> Result<Option<i32>, Short> {
        if !self.is_socket() || self.kind != SCM_PIDFD {
            return Ok(None);
        }
        self.i32_at(0).map(Some).ok_or(Short { need: 4, have: self.payload.len() })
    }

    /// The signed 32-bit integer at byte `at` of the payload, if it is whole.
    #[inline]
    #[must_use]
    pub fn i32_at(&self, at: usize) -> Option<i32> {
        self.layout.read_i32(self.payload.get(at..)?)
    }

    /// The unsigned 32-bit integer at byte `at` of the payload, if it is whole.
    #[inline]
    #[must_use]
    pub fn u32_at(&self, at: usize) -> Option<u32> {
        self.layout.read_u32(self.payload.get(at..)?)
    }

    /// The `size_t` or `unsigned long` at byte `at` of the payload, if it is whole: 8 bytes or 4.
    #[inline]
    #[must_use]
    pub fn word_at(&self, at: usize) -> Option<u64> {
        self.layout.read_word(self.payload.get(at..)?)
    }
}

/// The slots of an `SCM_RIGHTS` of any layout: descriptors of the other process, or negated errnos of its kernel. Up to three
/// stray bytes at the end are not a slot.
#[derive(Clone, Copy)]
#[must_use]
pub struct ForeignRights<'a> {
    rest: &'a [u8],
    layout: Layout,
}

impl Iterator for ForeignRights<'_> {
    type Item = i32;

    #[inline]
    fn next(&mut self) -> Option<i32> {
        let (slot, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        self.layout.read_i32(slot)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let slots = self.rest.len() / 4;
        (slots, Some(slots))
    }
}

impl ExactSizeIterator for ForeignRights<'_> {}
impl FusedIterator for ForeignRights<'_> {}

impl fmt::Debug for ForeignRights<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

/// A `cmsg_len` that cannot be true: under the header size, or past the end. Nothing after it can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForeignMalformed {
    /// Where the header starts, in bytes from the start of the control bytes.
    pub offset: usize,
    /// The `cmsg_len` it claims.
    pub claimed: u64,
    /// Bytes left from `offset` to the end.
    pub left: usize,
}

impl fmt::Display for ForeignMalformed {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control message at byte {} claims {} bytes of {}", self.offset, self.claimed, self.left)
    }
}

impl core::error::Error for ForeignMalformed {}

/// The control messages in some bytes of any layout, in order. After a [`ForeignMalformed`] one it ends.
///
/// # Examples
/// What a 32-bit big-endian program received, read anywhere:
/// ```
/// use scmsg::oracle::{Abi, ByteOrder, ForeignCmsgs, Layout};
///
/// let layout = Layout { abi: Abi::Native32, order: ByteOrder::Big };
/// let bytes = [0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 4];
/// let message = ForeignCmsgs::new(layout, &bytes).next().unwrap().unwrap();
/// assert!(message.rights().unwrap().eq([3, 4]));
/// ```
#[derive(Clone, Debug)]
pub struct ForeignCmsgs<'a> {
    layout: Layout,
    rest: &'a [u8],
    offset: usize,
    ended: bool,
}

impl<'a> ForeignCmsgs<'a> {
    /// Walks `bytes`, which may be anything.
    #[inline]
    #[must_use]
    pub const fn new(layout: Layout, bytes: &'a [u8]) -> Self {
        Self { layout, rest: bytes, offset: 0, ended: false }
    }

    /// What has not been walked: all of it at first, then what is left; after a [`ForeignMalformed`] message, from its header
    /// on.
    #[inline]
    #[must_use]
    pub const fn remainder(&self) -> &'a [u8] {
        self.rest
    }

    /// Bytes walked so far: where [`remainder`](Self::remainder) starts.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

/// The bytes of the message at the start of `bytes`, header included, if its `cmsg_len` can be true.
#[inline]
pub(super) fn believed(layout: Layout, header: Header, bytes: &[u8]) -> Option<&[u8]> {
    let len = usize::try_from(header.len).ok()?;
    if len < layout.header() { None } else { bytes.get(..len) }
}

/// Bytes from the start of a header to where the next one can be, at most `left`.
#[inline]
pub(super) fn step(layout: Layout, header: Header, left: usize) -> usize {
    usize::try_from(layout.align(header.len)).map_or(left, |step| step.min(left))
}

impl<'a> Iterator for ForeignCmsgs<'a> {
    type Item = Result<ForeignCmsg<'a>, ForeignMalformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let (layout, bytes) = (self.layout, self.rest);
        let header = layout.read_header(bytes)?;
        let Some(message) = believed(layout, header, bytes) else {
            self.ended = true;
            return Some(Err(ForeignMalformed { offset: self.offset, claimed: header.len, left: bytes.len() }));
        };
        let step = step(layout, header, bytes.len());
        self.rest = bytes.get(step..)?;
        self.offset = self.offset.saturating_add(step);
        Some(Ok(ForeignCmsg {
            level: header.level,
            kind: header.kind,
            payload: message.get(layout.header()..)?,
            layout,
        }))
    }
}

impl FusedIterator for ForeignCmsgs<'_> {}
