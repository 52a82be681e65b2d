//! Turns received control bytes into a ledger of descriptors: the slots of `SCM_RIGHTS` and `SCM_PIDFD` payloads, read
//! and marked in place.
//!
//! ```text
//! slot >= 0        a descriptor, owned by whoever holds the bytes
//! -1 ..= -4095     the kernel's errno, nothing to own
//! i32::MIN         given away
//! ```
//!
//! Law: whatever takes a number out of a slot marks the slot, so no descriptor is owned twice.

#![forbid(unsafe_code)]

use core::mem;

use crate::borrowed::RawFd;
use crate::decode::{Span, fields, span};
use crate::errno::Errno;
use crate::layout::{CMSG_HEADER, CMSG_LEN, CMSG_SPACE};
use crate::numbers::{SCM_PIDFD, SCM_RIGHTS, SOL_SOCKET};

/// A slot whose descriptor was given away.
pub(crate) const TAKEN: RawFd = RawFd::MIN;

/// Bytes of a slot.
const SLOT: usize = size_of::<RawFd>();

/// The messages whose slots are visited.
pub(crate) const RIGHTS: u8 = 1;
pub(crate) const PIDFD: u8 = 2;
pub(crate) const BOTH: u8 = RIGHTS | PIDFD;

/// What a slot says: a descriptor, or the errno with which the kernel refused it (law 7). `None` once taken, and for any other
/// negative number.
#[inline(always)]
pub(crate) fn look(slot: [u8; SLOT]) -> Option<Result<RawFd, Errno>> {
    let number = RawFd::from_ne_bytes(slot);
    if number >= 0 { Some(Ok(number)) } else { refused(number) }
}

/// What a negative slot says.
#[cold]
fn refused(number: RawFd) -> Option<Result<RawFd, Errno>> {
    Errno::from_slot(number).map(Err)
}

/// Moves what a slot says out of it, as a number the caller now owns.
#[inline(always)]
pub(crate) fn take(slot: &mut [u8; SLOT]) -> Option<Result<RawFd, Errno>> {
    look(mem::replace(slot, TAKEN.to_ne_bytes()))
}

/// The descriptor slots of all messages of some kinds, in order, to read and to mark.
pub(crate) struct Slots<'a, const KINDS: u8> {
    rest: &'a mut [u8],
    current: &'a mut [u8],
}

impl<'a, const KINDS: u8> Slots<'a, KINDS> {
    #[inline(always)]
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { rest: bytes, current: &mut [] }
    }
}

impl<'a, const KINDS: u8> Iterator for Slots<'a, KINDS> {
    type Item = &'a mut [u8; SLOT];

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((slot, after)) = mem::take(&mut self.current).split_first_chunk_mut() {
                self.current = after;
                return Some(slot);
            }
            let (_, payload) = payload(&mut self.rest, KINDS)?;
            self.current = payload;
        }
    }
}

/// Takes the next message of these kinds off `rest`: its kind and its payload. `None` at the end, and at a header that
/// cannot be true, behind which nothing can be found.
#[inline(always)]
pub(crate) fn payload<'a>(rest: &mut &'a mut [u8], kinds: u8) -> Option<(i32, &'a mut [u8])> {
    loop {
        let bytes = mem::take(rest);
        let span = span(bytes)?.ok()?;
        let (message, tail) = bytes.split_at_mut_checked(span.end)?;
        *rest = tail.get_mut(span.padding..).unwrap_or_default();
        if is_one_of(span, kinds) {
            return Some((span.kind, message.get_mut(CMSG_HEADER..)?));
        }
    }
}

/// Whether a message is of one of these kinds.
#[inline(always)]
fn is_one_of(span: Span, kinds: u8) -> bool {
    let wanted = (kinds & RIGHTS != 0 && span.kind == SCM_RIGHTS) || (kinds & PIDFD != 0 && span.kind == SCM_PIDFD);
    span.level == SOL_SOCKET && wanted
}

/// Whether there is one slot at most, because two are longer: in one message, let alone in two.
///
/// Where the room was of a size known when compiled, so is this, and the code for more is left out.
#[inline(always)]
pub(crate) const fn is_short(bytes: &[u8]) -> bool {
    bytes.len() < CMSG_LEN(2 * SLOT)
}

/// The slot of a short ledger, if it has one, in a message of these kinds.
#[inline(always)]
pub(crate) fn only(bytes: &mut [u8], kinds: u8) -> Option<&mut [u8; SLOT]> {
    let span = span(bytes)?.ok().filter(|span| is_one_of(*span, kinds))?;
    bytes.get_mut(CMSG_HEADER..span.end)?.first_chunk_mut()
}

/// Moves out what the first slot says that says anything, in messages of these kinds.
#[inline(always)]
pub(crate) fn take_one<const KINDS: u8>(bytes: &mut [u8]) -> Option<Result<RawFd, Errno>> {
    if is_short(bytes) { only(bytes, KINDS).and_then(take) } else { Slots::<KINDS>::new(bytes).find_map(take) }
}

/// Moves `K` descriptors out of a ledger that is one `SCM_RIGHTS` with exactly these and no other message. `None`, and
/// nothing has changed, if it is anything else. This is the way it nearly always is, and it leaves nothing to close.
#[inline(always)]
pub(crate) fn take_only<const K: usize>(bytes: &mut [u8]) -> Option<[RawFd; K]> {
    let payload = const { K.saturating_mul(SLOT) };
    let len = const { CMSG_LEN(K.saturating_mul(SLOT)) };
    // From here on there can be no second header.
    let two = const { CMSG_SPACE(K.saturating_mul(SLOT)).saturating_add(CMSG_HEADER) };
    if bytes.len() < len || bytes.len() >= two {
        return None;
    }
    let (header, slots) = bytes.split_first_chunk_mut::<CMSG_HEADER>()?;
    let slots = slots.get_mut(..payload)?;
    if fields(header) != Some((len, SOL_SOCKET, SCM_RIGHTS)) {
        return None;
    }
    let mut numbers = [TAKEN; K];
    let mut rest = &*slots;
    for number in &mut numbers {
        let (slot, after) = rest.split_first_chunk()?;
        *number = RawFd::from_ne_bytes(*slot);
        rest = after;
    }
    if numbers.iter().fold(0, |any, number| any | *number) < 0 {
        return None;
    }
    let mut rest = slots;
    while let Some((slot, after)) = rest.split_first_chunk_mut() {
        *slot = TAKEN.to_ne_bytes();
        rest = after;
    }
    Some(numbers)
}

/// Counts the descriptors in `SCM_RIGHTS` that were not taken, and finds the first errno.
#[cold]
pub(crate) fn count(bytes: &mut [u8]) -> (usize, Option<Errno>) {
    Slots::<RIGHTS>::new(bytes).filter_map(|slot| look(*slot)).fold((0, None), |(found, refused), slot| match slot {
        Ok(_) => (found.wrapping_add(1), refused),
        Err(errno) => (found, refused.or(Some(errno))),
    })
}

/// Moves the first `K` descriptors of all `SCM_RIGHTS` out; [`TAKEN`] where there are fewer.
#[cold]
pub(crate) fn take_first<const K: usize>(bytes: &mut [u8]) -> [RawFd; K] {
    let mut numbers = [TAKEN; K];
    let full = Slots::<RIGHTS>::new(bytes).filter(|slot| RawFd::from_ne_bytes(**slot) >= 0);
    for (number, slot) in numbers.iter_mut().zip(full) {
        *number = RawFd::from_ne_bytes(mem::replace(slot, TAKEN.to_ne_bytes()));
    }
    numbers
}

/// Moves the descriptors of all `SCM_RIGHTS` to `room`, as many as fit: how many, and whether it is known that none is left
/// anywhere. Errnos stay in their slots.
#[inline]
pub(crate) fn take_into(bytes: &mut [u8], room: &mut [RawFd]) -> (usize, bool) {
    let mut rest = bytes;
    let (mut taken, mut none_left) = (0_usize, true);
    while let Some((kind, slots)) = payload(&mut rest, BOTH) {
        if kind != SCM_RIGHTS {
            none_left = false;
            continue;
        }
        let room = room.get_mut(taken..).unwrap_or_default();
        let (moved, all) = take_slots(slots, room);
        taken = taken.saturating_add(moved);
        none_left &= all;
    }
    (taken, none_left)
}

/// Moves the descriptors of one payload: how many, and whether it is known that those were all.
#[inline]
fn take_slots(slots: &mut [u8], room: &mut [RawFd]) -> (usize, bool) {
    // Nearly always all are descriptors, and there is room: copied as one, which becomes vector instructions.
    let mut any = 0;
    for slot in slots.chunks_exact(SLOT) {
        any |= slot.first_chunk().map_or(0, |slot| RawFd::from_ne_bytes(*slot));
    }
    let count = slots.len() / SLOT;
    if any >= 0 && count <= room.len() {
        // Not zipped: that is a division, whose panic a build for size keeps.
        let mut room = room.iter_mut();
        for slot in slots.chunks_exact_mut(SLOT) {
            let Some(to) = room.next() else { break };
            *to = slot.first_chunk().map_or(TAKEN, |slot| RawFd::from_ne_bytes(*slot));
            slot.copy_from_slice(&TAKEN.to_ne_bytes());
        }
        return (count, true);
    }
    let full = slots.chunks_exact_mut(SLOT).filter_map(|slot| slot.first_chunk_mut());
    let full = full.filter(|slot| RawFd::from_ne_bytes(**slot) >= 0);
    let mut taken = 0_usize;
    for (to, slot) in room.iter_mut().zip(full) {
        *to = RawFd::from_ne_bytes(mem::replace(slot, TAKEN.to_ne_bytes()));
        taken = taken.saturating_add(1);
    }
    (taken, false)
}
