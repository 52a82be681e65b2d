//! What a sending process knows of itself: its numbers, its limits, and what this kernel has.

use scmsg::oracle::{Descriptor, Limits, Sender, Version};

use super::super::kernel;
use super::super::rng::Rng;
use super::sockets::HIGH;

pub struct Known {
    /// What each number is below the harness's own sockets.
    table: Vec<Descriptor>,
    open: Vec<i32>,
    pub ring: Option<i32>,
    /// The peer can refuse descriptors.
    pub can_refuse: bool,
    /// Nobody else is this user, so what it has in flight is known.
    pub has_own_user: bool,
    pub processes: [i32; 3],
    pub sender: Sender,
    pub limits: Limits,
}

impl Known {
    /// This process, as it is now.
    pub fn probe(ring: Option<i32>, can_refuse: bool, send_buffer: u64, in_flight: u64) -> Self {
        let table = (0..HIGH).map(|number| match number {
            _ if Some(number) == ring => Descriptor::Ring,
            _ if kernel::is_open(number) => Descriptor::Ordinary,
            _ => Descriptor::Closed,
        });
        let sender = kernel::sender();
        let limits = Limits {
            option_memory: kernel::option_memory(),
            option_memory_used: 0,
            send_buffer,
            in_flight,
            open_files: kernel::open_files(),
            version: kernel::version(),
        };
        // SAFETY: no argument.
        let parent = unsafe { libc::getppid() };
        Self::of(table.collect(), ring, can_refuse, [1, parent, 2], sender, limits)
    }

    /// A process that is not there: for an oracle that is asked alone.
    #[allow(dead_code)]
    pub fn imagined(sender: Sender) -> Self {
        let table = (0..HIGH).map(|number| match number {
            16 => Descriptor::Ring,
            3..16 => Descriptor::Ordinary,
            _ => Descriptor::Closed,
        });
        let limits = Limits {
            option_memory: 131_072,
            option_memory_used: 0,
            send_buffer: 212_992,
            in_flight: 11,
            open_files: 4096,
            version: Version(6, 18),
        };
        Self::of(table.collect(), Some(16), true, [1, sender.pid, 2], sender, limits)
    }

    fn of(
        table: Vec<Descriptor>,
        ring: Option<i32>,
        can_refuse: bool,
        processes: [i32; 3],
        sender: Sender,
        limits: Limits,
    ) -> Self {
        let open = (0..HIGH).filter(|n| table[*n as usize] == Descriptor::Ordinary).collect();
        let has_own_user = sender.uids[0] >= kernel::OWN_USER;
        Self { table, open, ring, can_refuse, has_own_user, processes, sender, limits }
    }

    /// What a number is, as the kernel will find it: asked for, above the decoys.
    pub fn what(&self, number: i32) -> Descriptor {
        match usize::try_from(number).ok().and_then(|at| self.table.get(at)) {
            Some(known) => *known,
            None if number >= 0 && kernel::is_open(number) => Descriptor::Ordinary,
            None => Descriptor::Closed,
        }
    }

    pub fn open_number(&self, rng: &mut Rng) -> i32 {
        rng.pick(&self.open)
    }

    pub fn first_open(&self) -> i32 {
        self.open[0]
    }
}
