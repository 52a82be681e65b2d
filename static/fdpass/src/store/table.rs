//! Turns names into descriptors: the table of the store.
//!
//! Laws: at most 1,024 names, and 253 descriptors for each, which is one message; a table that is full refuses; what is refused,
//! replaced or dropped is left with the caller, who closes it.

use scmsg::BorrowedFd;

use crate::fail::Why;
use crate::room::{Fds, MESSAGE, MOST};

/// Names.
const NAMES: usize = 1024;

/// Length, then the bytes of the name, then zeros. All zeros where the place is free.
type Name = [u8; 65];

pub struct Table {
    /// Descriptors in all of them, and how many there may be.
    held: usize,
    pub most: usize,
    names: [Name; NAMES],
    sets: [Fds; NAMES],
}

impl Table {
    /// All zeros: in a `static` it takes no bytes of the file.
    pub const fn new() -> Self {
        Self { held: 0, most: 0, names: [[0; 65]; NAMES], sets: [const { Fds::new([0; MOST + MESSAGE]) }; NAMES] }
    }

    /// The place of a name of up to 64 bytes; a free one, of an empty name. Length, name and descriptors.
    fn find(&mut self, name: &[u8]) -> Option<(&mut Name, &mut Fds)> {
        let mut places = self.names.iter_mut().zip(&mut self.sets);
        places.find(|([len, bytes @ ..], _)| bytes.get(..usize::from(*len)) == Some(name))
    }

    /// Exchanges what has arrived for what is under a name: nothing for a name that is free, and after which it is free.
    #[inline(never)]
    pub fn put(&mut self, name: &[u8], replace: bool, arrived: &mut Fds) -> Why {
        let held = self.held.saturating_add(arrived.len());
        if held > self.most {
            return Why::NoRoom;
        }
        let known = self.find(name).is_some();
        if known && !replace {
            return Why::Taken;
        }
        if !known && arrived.is_empty() {
            return Why::Unknown;
        }
        let Some((slot, set)) = self.find(if known { name } else { &[] }) else { return Why::Full };
        let [len, bytes @ ..] = slot;
        *len = if arrived.is_empty() { 0 } else { u8::try_from(name.len()).unwrap_or(0) };
        bytes.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        core::mem::swap(set, arrived);
        self.held = held.saturating_sub(arrived.len());
        Why::Done
    }

    /// Lends the descriptors of a name; none if there is no such name.
    pub fn get(&mut self, name: &[u8]) -> &[BorrowedFd<'_>] {
        self.find(name).map_or(&[], |(_, set)| set.fds())
    }

    /// The first place that is taken from `place` on: itself, its length and name, and the number of its descriptors.
    pub fn next(&self, place: usize) -> Option<(usize, &[u8], usize)> {
        let mut places = self.names.iter().zip(&self.sets).enumerate().skip(place);
        let (place, (name, set)) = places.find(|(_, (_, set))| !set.is_empty())?;
        let [len, bytes @ ..] = name;
        Some((place, bytes.get(..usize::from(*len))?, set.len()))
    }
}
