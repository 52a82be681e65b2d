//! Turns names into descriptors: the table of the store.
//!
//! Laws: at most 1,024 names, and 253 descriptors for each; a table that is full refuses; what is refused stays with the caller,
//! what is replaced or dropped is closed.

use scmsg::{BorrowedFd, FdSet, RawFd};

use super::{DONE, FULL, LOST, NO_ROOM, Status, TAKEN, UNKNOWN};
use crate::out::append;
use crate::room::{MESSAGE, Room};

/// Names.
pub const NAMES: usize = 1024;

/// Length, then the bytes of the name, then zeros. All zeros where the place is free.
type Name = [u8; 65];

pub struct Table {
    names: [Name; NAMES],
    sets: [FdSet<[RawFd; MESSAGE]>; NAMES],
    /// Descriptors in all of them, and how many there may be.
    held: usize,
    pub most: usize,
}

impl Table {
    /// All zeros: in a `static` it takes no bytes of the file.
    pub const fn new() -> Self {
        Self { names: [[0; 65]; NAMES], sets: [const { FdSet::new([0; MESSAGE]) }; NAMES], held: 0, most: 0 }
    }

    /// The place of a name of up to 64 bytes; a free one, of an empty name.
    fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|[len, bytes @ ..]| bytes.get(..usize::from(*len)) == Some(name))
    }

    /// Moves what has arrived under a name, all `count` or none.
    pub fn put(&mut self, name: &[u8], count: u8, replace: bool, room: &mut Room) -> Status {
        let known = self.find(name);
        if known.is_some() && !replace {
            return TAKEN;
        }
        let place = known.or_else(|| self.find(&[])).unwrap_or(NAMES);
        let (Some(slot), Some(set)) = (self.names.get_mut(place), self.sets.get_mut(place)) else { return FULL };
        if room.arrived.len() != usize::from(count) || count == 0 {
            return LOST;
        }
        let held = self.held.saturating_sub(set.len()).saturating_add(room.arrived.len());
        if held > self.most {
            return NO_ROOM;
        }
        self.held = held;
        set.clear();
        for fd in room.arrived.take_fds() {
            // A set has room for one message.
            let _ = set.push(fd);
        }
        let mut used = 0;
        append(slot, &mut used, &[u8::try_from(name.len()).unwrap_or(0)]);
        append(slot, &mut used, name);
        DONE
    }

    /// Lends the descriptors of a name.
    pub fn get(&self, name: &[u8]) -> Option<&[BorrowedFd<'_>]> {
        Some(self.sets.get(self.find(name)?)?.fds())
    }

    /// Closes the descriptors of a name, which is free then.
    pub fn drop(&mut self, name: &[u8]) -> Status {
        let place = self.find(name).unwrap_or(NAMES);
        let (Some(slot), Some(set)) = (self.names.get_mut(place), self.sets.get_mut(place)) else { return UNKNOWN };
        self.held = self.held.saturating_sub(set.len());
        set.clear();
        append(slot, &mut 0, &[0]);
        DONE
    }

    /// The length and name at a place, and the number of descriptors; `None` at the end.
    pub fn entry(&self, place: usize) -> Option<(&[u8], usize)> {
        let [len, ..] = *self.names.get(place)?;
        let entry = self.names.get(place)?.get(..usize::from(len).saturating_add(1))?;
        Some((entry, self.sets.get(place)?.len()))
    }
}
