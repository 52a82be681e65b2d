//! Turns what `msg_control` points to into the bytes the kernel parses: copied natively, translated for a 32-bit program.
//!
//! The compat path reads every header before it looks at any message, and its list ends differently: a native walk stops
//! where no header fits, a compat walk only at the very end, so one stray byte is a header to it.

use super::{Place, Send, Stop};
use crate::errno::Errno;
use crate::oracle::layout::{Abi, Header};
use crate::oracle::rule::Rule;

/// Control messages that were copied into the kernel.
#[derive(Clone, Copy)]
pub(super) struct Imported<'a> {
    pub(super) bytes: &'a [u8],
    /// What the bytes claim to be long; at most what `bytes` has.
    pub(super) len: u64,
}

/// The native structures of a 64-bit kernel, which a compat message is rewritten as.
const NATIVE_HEADER: u64 = 16;
/// Control bytes up to one header and 20 bytes are kept on the kernel's stack and need no option memory.
const STACK_PAYLOAD: u64 = 20;

impl<'a> Send<'a> {
    pub(super) fn import(&self) -> Result<Imported<'a>, Stop> {
        let len = self.control.len;
        let bytes = self.control.readable.unwrap_or(&[]);
        if len == 0 {
            return Ok(Imported { bytes: &[], len });
        }
        if self.layout.abi == Abi::Compat {
            self.translate(bytes)?;
        } else {
            let stack = STACK_PAYLOAD.saturating_add(self.layout.header() as u64);
            self.refuse(Rule::OptionMemory, len > stack && !self.has_option_memory(len), Errno::ENOBUFS)?;
            self.refuse(Rule::ControlFault, len > bytes.len() as u64, Errno::EFAULT)?;
        }
        Ok(Imported { bytes, len: len.min(bytes.len() as u64) })
    }

    /// Whether the socket may take `need` more bytes of option memory: that much at all, and less than what is left.
    fn has_option_memory(&self, need: u64) -> bool {
        let most = self.limits.option_memory;
        need <= most && self.limits.option_memory_used.saturating_add(need) < most
    }

    /// The compat import: two walks, lengths first.
    fn translate(&self, bytes: &[u8]) -> Result<(), Stop> {
        let len = self.control.len;
        let header = self.layout.header() as u64;
        let none = self.control.readable.is_none() || len < header;
        self.refuse(Rule::CompatFirst, none, Errno::EINVAL)?;
        let mut walk = self.compat_walk(bytes);
        let mut need = 0u64;
        let mut end = 0u64;
        while let Some((place, claimed)) = walk.next_len() {
            let claimed = match claimed {
                Some(claimed) => claimed,
                None => return self.refuse_at(Rule::ControlFault, true, Errno::EFAULT, Some(place)),
            };
            let left = len.saturating_sub(place.offset);
            self.refuse_at(Rule::CompatLength, claimed < header || claimed > left, Errno::EINVAL, Some(place))?;
            if claimed < header {
                break;
            }
            let native = claimed.saturating_sub(header).saturating_add(NATIVE_HEADER);
            need = need.saturating_add(native.saturating_add(7) & !7);
            end = place.offset.saturating_add(claimed);
            walk.pass(claimed);
        }
        let on_heap = need > NATIVE_HEADER.saturating_add(STACK_PAYLOAD);
        self.refuse(Rule::CompatMemory, on_heap && !self.has_option_memory(need), Errno::ENOMEM)?;
        self.refuse(Rule::ControlFault, end > bytes.len() as u64, Errno::EFAULT)
    }

    fn compat_walk<'b>(&self, bytes: &'b [u8]) -> CompatWalk<'b, '_> {
        CompatWalk { call: self, bytes, place: Place { item: 0, offset: 0, element: None } }
    }

    /// Whether a walk goes on behind a message: the kernel's test for the next header.
    pub(super) fn has_next(&self, next: u64, len: u64) -> bool {
        let compat = self.layout.abi == Abi::Compat && self.rules.holds(Rule::CompatTail);
        let room = if compat { 1 } else { self.layout.header() as u64 };
        let room = if self.rules.holds(Rule::HeaderRoom) { room } else { 1 };
        next.saturating_add(room) <= len
    }

    /// Where the next header starts, behind `claimed` bytes from `offset`.
    pub(super) fn next_offset(&self, offset: u64, claimed: u64) -> u64 {
        let step = if self.rules.holds(Rule::ItemAlign) { self.layout.align(claimed) } else { claimed };
        offset.saturating_add(step)
    }
}

struct CompatWalk<'b, 'c> {
    call: &'c Send<'c>,
    bytes: &'b [u8],
    place: Place,
}

impl CompatWalk<'_, '_> {
    /// The next header's place and its `cmsg_len`, if that can be read.
    fn next_len(&self) -> Option<(Place, Option<u64>)> {
        let more = self.place.item == 0 || self.call.has_next(self.place.offset, self.call.control.len);
        if !more {
            return None;
        }
        let at = usize::try_from(self.place.offset).ok();
        let len = at.and_then(|at| self.bytes.get(at..)).and_then(|field| self.call.layout.read_word(field));
        Some((self.place, len))
    }

    fn pass(&mut self, claimed: u64) {
        self.place.offset = self.call.next_offset(self.place.offset, claimed);
        self.place.item = self.place.item.saturating_add(1);
    }
}

impl<'a> Imported<'a> {
    /// The header at `offset` and what lies behind its first byte.
    pub(super) fn at(&self, call: &Send<'_>, offset: u64) -> Option<(Header, &'a [u8])> {
        let bytes = self.bytes.get(usize::try_from(offset).ok()?..)?;
        Some((call.layout.read_header(bytes)?, bytes))
    }
}
