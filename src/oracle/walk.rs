//! Turns control bytes into what three reference implementations see in them: the kernel when it is sent them, a program with
//! glibc's `CMSG_FIRSTHDR` and `CMSG_NXTHDR`, and one with musl's.
//!
//! H is the header size and A the alignment of the layout. "Handed out" means that the program gets a pointer to the header
//! and is left alone with a `cmsg_len` that is not true.
//!
//! | bytes | kernel | kernel, compat | glibc 2.36 | musl 1.2.3 |
//! |---|---|---|---|---|
//! | none at all | nothing | nothing | nothing | nothing |
//! | 1 to H - 1 in all | nothing | `EINVAL` | nothing | nothing |
//! | 1 to H - 1 after the last message | ignored | `EINVAL` | ignored | ignored |
//! | the last message lacks its padding | seen | seen | seen | seen |
//! | a last message of H bytes, behind another | seen | seen | seen | **not seen** |
//! | `cmsg_len` under H | `EINVAL` | `EINVAL` | handed out, end | handed out, end |
//! | `cmsg_len` past the end | `EINVAL` | `EINVAL` | handed out, end | handed out, end |
//! | the upper half of a 64-bit `cmsg_len` | counts | - | counts | **not looked at** |
//! | a 32-bit `cmsg_len` over `0xfffffff0` | `EINVAL` | `EINVAL` | handed out, end | handed out, then **0 to 12 bytes back** |
//!
//! [`Cmsgs`](crate::Cmsgs) and [`ForeignCmsgs`](super::ForeignCmsgs) see what the native kernel sees, and where that answers
//! `EINVAL` they end.
//!
//! What each does, in words. The kernel (`__scm_send`, `CMSG_OK`; 6.1 to 6.18) refuses the whole message at the first
//! `cmsg_len` under H or past the end, and goes on while a whole header fits behind the padding. In a 32-bit program on a
//! 64-bit kernel, `cmsghdr_from_user_compat_to_kern` comes first: it goes on while a single byte is left. glibc
//! (`__cmsg_nxthdr`, 2.36) hands out the first header if it fits and compares before it adds, without a possible overflow, but
//! never looks at the `cmsg_len` of what it hands out. musl (1.2.3) compares after it added, in the 32 bits of its `cmsg_len`,
//! and wants more than a header behind the message: `>=`.

use core::iter::FusedIterator;

use super::foreign::{ForeignMalformed, believed, step};
use super::layout::{Abi, Header, Layout};

/// Who walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Walker {
    /// The kernel that is sent the bytes; for [`Abi::Compat`], one that translates them first.
    Kernel,
    /// A program that uses the macros of glibc 2.36.
    Glibc,
    /// A program that uses the macros of musl 1.2.3.
    Musl,
}

impl Walker {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Glibc, Self::Musl];

    /// What it is called in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

/// A header that a walker comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step<'a> {
    /// Where the header starts, in bytes from the start of the control bytes.
    pub offset: usize,
    /// Its fields, as this walker reads them: musl's `cmsg_len` is the lower half.
    pub header: Header,
    /// From the header to `cmsg_len`. `None` if that is not true: under H, where the length of the payload wraps, or past the
    /// end, where a program that trusts its macros reads out of bounds. Never `None` for [`Walker::Kernel`].
    pub payload: Option<&'a [u8]>,
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// At the end. `left` bytes from `offset` on are too few for another header: fewer than H; for musl, H or fewer.
    End {
        /// Where the next header would be, at most the number of bytes.
        offset: usize,
        /// Bytes from there to the end.
        left: usize,
    },
    /// At a `cmsg_len` that cannot be true. The kernel answers `EINVAL`; glibc and musl have handed the header out and find
    /// nothing behind it.
    Malformed(ForeignMalformed),
    /// At bytes that are fewer than a header, which a kernel that translates (compat) reads as one: `EINVAL`.
    Cut {
        /// Where the header would be.
        offset: usize,
        /// Bytes from there to the end.
        left: usize,
    },
    /// At a `cmsg_len` that wraps when musl rounds it up: the next header is `back` bytes *before* this one, in or before the
    /// buffer. With 0 it is the same one, for ever.
    Wraps {
        /// Where the header starts.
        offset: usize,
        /// The `cmsg_len` it claims.
        claimed: u64,
        /// How far musl goes back, in bytes: 0, 4, 8 or 12.
        back: u64,
    },
}

/// The headers one walker comes to, in order.
///
/// # Examples
/// A message without a payload at the end of the bytes, which musl does not see:
/// ```
/// use scmsg::oracle::{Abi, ByteOrder, Layout, Stop, Walk, Walker};
///
/// let layout = Layout { abi: Abi::Native32, order: ByteOrder::Little };
/// let one = [12, 0, 0, 0, 41, 0, 0, 0, 62, 0, 0, 0];
/// let two = [one, one].concat();
/// assert_eq!(Walk::new(Walker::Kernel, layout, &two).count(), 2);
/// let mut musl = Walk::new(Walker::Musl, layout, &two);
/// assert_eq!(musl.by_ref().count(), 1);
/// assert_eq!(musl.stop(), Some(Stop::End { offset: 12, left: 12 }));
/// ```
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    walker: Walker,
    layout: Layout,
    rest: &'a [u8],
    offset: usize,
    stop: Option<Stop>,
}

impl<'a> Walk<'a> {
    /// Lets `walker` walk `bytes`, which may be anything; their number is the `msg_controllen`. (Of over 2147483647 bytes the
    /// kernel looks at none: `ENOBUFS`.)
    #[must_use]
    pub fn new(walker: Walker, layout: Layout, bytes: &'a [u8]) -> Self {
        let mut walk = Self { walker, layout, rest: bytes, offset: 0, stop: None };
        if bytes.len() < layout.header() {
            walk.stop = Some(walk.end());
        }
        walk
    }

    /// Why the walk ended; `None` while there is another header.
    #[must_use]
    pub const fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// Whether the kernel takes the structure of these bytes; what is in them it judges separately.
    #[must_use]
    pub fn kernel_accepts(layout: Layout, bytes: &'a [u8]) -> bool {
        let mut walk = Self::new(Walker::Kernel, layout, bytes);
        while walk.next().is_some() {}
        matches!(walk.stop, Some(Stop::End { .. }))
    }

    /// The header at the start of what is left, as the walker reads it.
    fn header(&self) -> Option<Header> {
        let header = self.layout.read_header(self.rest)?;
        let len = if self.walker == Walker::Musl { header.len & 0xffff_ffff } else { header.len };
        Some(Header { len, ..header })
    }

    /// The end, with too few bytes left for a header.
    fn end(&self) -> Stop {
        let (offset, left) = (self.offset, self.rest.len());
        let compat = self.walker == Walker::Kernel && self.layout.abi == Abi::Compat;
        if compat && left != 0 { Stop::Cut { offset, left } } else { Stop::End { offset, left } }
    }

    /// Goes to the next header, or says why not.
    fn advance(&mut self, header: Header) -> Option<Stop> {
        let (layout, left) = (self.layout, self.rest.len());
        if let Some(stop) = self.wraps(header) {
            return Some(stop);
        }
        if believed(layout, header, self.rest).is_none() {
            return Some(Stop::Malformed(ForeignMalformed { offset: self.offset, claimed: header.len, left }));
        }
        let step = step(layout, header, left);
        self.rest = self.rest.get(step..)?;
        self.offset = self.offset.saturating_add(step);
        let least = layout.header().saturating_add(usize::from(self.walker == Walker::Musl));
        (self.rest.len() < least).then(|| self.end())
    }

    /// What musl makes of a 32-bit `cmsg_len` near the top: 32-bit sums of it are small again.
    fn wraps(&self, header: Header) -> Option<Stop> {
        if self.walker != Walker::Musl || self.layout.alignment() != 4 {
            return None;
        }
        let claimed = u32::try_from(header.len).ok()?;
        let aligned = claimed.wrapping_add(3) & !3;
        let needed = aligned.wrapping_add(12);
        let back = aligned.wrapping_neg();
        let enough = u64::from(needed) < self.rest.len() as u64;
        (back <= 12 && claimed >= 12 && enough).then_some(Stop::Wraps {
            offset: self.offset,
            claimed: header.len,
            back: u64::from(back),
        })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if self.stop.is_some() {
            return None;
        }
        let header = self.header()?;
        let message = believed(self.layout, header, self.rest);
        let payload = message.and_then(|message| message.get(self.layout.header()..));
        let offset = self.offset;
        self.stop = self.advance(header);
        if self.walker == Walker::Kernel && payload.is_none() {
            return None;
        }
        Some(Step { offset, header, payload })
    }
}

impl FusedIterator for Walk<'_> {}
