//! Turns a description of control messages, right or wrong, into control bytes.
//!
//! An encoder refuses what a right program would not send. This builds it: any `cmsg_len`, gaps and overlaps, trailing
//! bytes, a misaligned start, a `msg_controllen` that is not the number of bytes, a null `msg_control` with a length, any
//! level and type, descriptors by the thousand, for any [`Layout`]. The same description gives the same bytes.
//!
//! Laws: a description is built whole or not at all; building touches nothing but the caller's storage. Forging is safe;
//! *sending* is not, because the bytes may name descriptors the program does not own:
//! [`Forged::put_in`] fills a header for the unsafe functions of [`raw`](crate::raw).
//!
//! ```text
//! storage   | start | header | payload |pad| gap | header | payload | trailing |
//!                   |<------------------ bytes -------------------------------->|
//!           the last message is not padded: trailing bytes are counted from its last payload byte
//! ```

use core::ptr::null_mut;

use super::Layout;
use super::layout::Header;
use crate::encode::NoSpace;
use crate::numbers::{SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET, word};
use crate::raw::msghdr;

/// A length field: what it says, in terms of what would be true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Length {
    /// The truth.
    #[default]
    True,
    /// The truth plus this many bytes, wrapping.
    Off(i64),
    /// This number.
    Exact(u64),
}

impl Length {
    fn of(self, truth: u64) -> u64 {
        match self {
            Self::True => truth,
            Self::Off(by) => truth.wrapping_add_signed(by),
            Self::Exact(number) => number,
        }
    }
}

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload<'a> {
    /// These bytes, as they are.
    Bytes(&'a [u8]),
    /// These 32-bit integers, in the layout's byte order.
    Integers(&'a [i32]),
    /// One 32-bit integer, again and again.
    Repeat {
        /// The integer: a descriptor, perhaps.
        number: i32,
        /// How often.
        count: u32,
    },
    /// A `struct ucred`.
    Credentials {
        /// Process.
        pid: i32,
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

impl Payload<'_> {
    /// Bytes it takes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match *self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Integers(numbers) => (numbers.len() as u64).saturating_mul(4),
            Self::Repeat { count, .. } => u64::from(count).saturating_mul(4),
            Self::Credentials { .. } => 12,
        }
    }

    /// Whether it takes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn write(&self, layout: Layout, out: &mut [u8]) -> Option<()> {
        match *self {
            Self::Bytes(bytes) => {
                let (to, _) = out.split_at_mut_checked(bytes.len())?;
                // Not copy_from_slice, whose panic stays where it is not inlined.
                to.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                Some(())
            }
            Self::Integers(numbers) => integers(layout, out, numbers.iter().copied()),
            Self::Repeat { number, count } => integers(layout, out, (0..count).map(|_| number)),
            Self::Credentials { pid, uid, gid } => {
                let words = [word(pid), uid, gid].map(crate::numbers::int);
                integers(layout, out, words.into_iter())
            }
        }
    }
}

fn integers(layout: Layout, mut out: &mut [u8], numbers: impl Iterator<Item = i32>) -> Option<()> {
    for number in numbers {
        let (field, rest) = out.split_at_mut_checked(4)?;
        layout.write_i32(field, number)?;
        out = rest;
    }
    Some(())
}

/// One control message, as it should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item<'a> {
    /// `cmsg_level`.
    pub level: i32,
    /// `cmsg_type`.
    pub kind: i32,
    /// What is written behind the header.
    pub payload: Payload<'a>,
    /// What `cmsg_len` says.
    pub len: Length,
    /// Bytes between the padded end of this message and the next header: negative, and the next header lies over it.
    pub gap: i32,
}

impl<'a> Item<'a> {
    /// A right message.
    #[must_use]
    pub const fn new(level: i32, kind: i32, payload: Payload<'a>) -> Self {
        Self { level, kind, payload, len: Length::True, gap: 0 }
    }

    /// `SCM_RIGHTS` with these numbers, which may be anything.
    #[must_use]
    pub const fn rights(numbers: &'a [i32]) -> Self {
        Self::new(SOL_SOCKET, SCM_RIGHTS, Payload::Integers(numbers))
    }

    /// `SCM_CREDENTIALS` with these numbers, which may be anything.
    #[must_use]
    pub const fn credentials(pid: i32, uid: u32, gid: u32) -> Self {
        Self::new(SOL_SOCKET, SCM_CREDENTIALS, Payload::Credentials { pid, uid, gid })
    }

    /// The same with another `cmsg_len`.
    #[must_use]
    pub const fn claiming(self, len: Length) -> Self {
        Self { len, ..self }
    }

    /// The same with a gap, or an overlap, before the next message.
    #[must_use]
    pub const fn gap(self, gap: i32) -> Self {
        Self { gap, ..self }
    }
}

/// Control bytes, described.
///
/// # Examples
/// A right message, then one whose `cmsg_len` is a byte short of a header:
/// ```
/// use scmsg::oracle::{Layout, forge::{Forgery, Item, Length}};
///
/// let items = [Item::rights(&[5]), Item::rights(&[]).claiming(Length::Off(-1))];
/// let mut storage = [0; 64];
/// let forged = Forgery::new(Layout::NATIVE, &items).build(&mut storage)?;
/// assert_eq!(forged.control_len, forged.bytes.len() as u64);
/// # Ok::<(), scmsg::NoSpace>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Forgery<'a> {
    /// Whose structures they are.
    pub layout: Layout,
    /// The messages, in order.
    pub items: &'a [Item<'a>],
    /// Bytes in the storage before the first header: a misaligned start.
    pub start: usize,
    /// Bytes behind the last payload byte: the last padding, and more.
    pub trailing: usize,
    /// What gaps, padding and trailing bytes hold.
    pub fill: u8,
    /// What `msg_controllen` says.
    pub control_len: Length,
    /// `msg_control` is null, whatever was built.
    pub null: bool,
}

impl<'a> Forgery<'a> {
    /// These messages, one behind the other, as a right program would send them; change the fields from there.
    #[must_use]
    pub const fn new(layout: Layout, items: &'a [Item<'a>]) -> Self {
        Self { layout, items, start: 0, trailing: 0, fill: 0, control_len: Length::True, null: false }
    }

    /// Bytes the storage must have, start and trailing bytes included.
    #[must_use]
    pub fn space(&self) -> usize {
        let end = self.places().map(|(_, end)| end).max().unwrap_or(0);
        usize::try_from(end).unwrap_or(usize::MAX).saturating_add(self.trailing).saturating_add(self.start)
    }

    /// Where each message starts and where its payload ends, from the first header on.
    fn places(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let layout = self.layout;
        let mut at = 0u64;
        self.items.iter().map(move |item| {
            let (start, end) = (at, at.saturating_add(layout.cmsg_len(item.payload.len())));
            at = layout.align(end).saturating_add_signed(i64::from(item.gap));
            (start, end)
        })
    }

    /// Builds it at the start of `storage`.
    ///
    /// # Errors
    /// [`NoSpace`] if it does not fit; then nothing was written.
    pub fn build<'b>(&self, storage: &'b mut [u8]) -> Result<Forged<'b>, NoSpace> {
        let (need, left) = (self.space(), storage.len());
        let no_space = NoSpace { need, left };
        let (area, _) = storage.split_at_mut_checked(need).ok_or(no_space)?;
        area.fill(self.fill);
        let (_, area) = area.split_at_mut_checked(self.start).ok_or(no_space)?;
        for (item, (start, _)) in self.items.iter().zip(self.places()) {
            self.write(item, start, area).ok_or(no_space)?;
        }
        let control_len = self.control_len.of(area.len() as u64);
        Ok(Forged { bytes: area, control_len, null: self.null })
    }

    fn write(&self, item: &Item<'_>, start: u64, area: &mut [u8]) -> Option<()> {
        let (_, at) = area.split_at_mut_checked(usize::try_from(start).ok()?)?;
        let len = item.len.of(self.layout.cmsg_len(item.payload.len()));
        self.layout.write_header(at, Header { len, level: item.level, kind: item.kind })?;
        item.payload.write(self.layout, at.get_mut(self.layout.header()..)?)
    }
}

/// Control bytes, built: what `msg_control` points to and what `msg_controllen` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Forged<'b> {
    /// The bytes that were built.
    pub bytes: &'b [u8],
    /// What `msg_controllen` says; not what `bytes` has, unless it is meant to be true.
    pub control_len: u64,
    /// `msg_control` is to be null.
    pub null: bool,
}

impl Forged<'_> {
    /// Puts pointer and length into a header of the running target. `None`, with nothing changed, if the length does not
    /// fit `msg_controllen` there.
    pub fn put_in(&self, header: &mut msghdr) -> Option<()> {
        header.msg_controllen = usize::try_from(self.control_len).ok()?;
        header.msg_control = if self.null { null_mut() } else { self.bytes.as_ptr().cast_mut().cast() };
        Some(())
    }
}
