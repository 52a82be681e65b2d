//! What a sending process knows of itself: its numbers, its limits, and what this kernel has.

use std::ops::Range;

use scmsg::oracle::{Descriptor, Limits, Sender, Version};

use super::super::kernel;
use super::super::lane::Lane;
use super::super::rng::Rng;
use super::sockets::HIGH;

/// What this kernel has for this process.
#[derive(Clone, Copy)]
pub struct Here {
    pub ring: Option<i32>,
    /// The peer can refuse descriptors.
    pub can_refuse: bool,
    pub netlink: bool,
}

impl Here {
    /// Says what is left out.
    pub fn say(self, lane: Lane) {
        let all = [
            (self.ring.is_some(), "no io_uring here: the rule about its descriptors is left out"),
            (self.can_refuse, "no SO_PASSRIGHTS here: the rule about it is left out"),
            (self.netlink, "no netlink here: the rules about it are left out"),
        ];
        for (_, what) in all.iter().filter(|(has, _)| !has) {
            println!("SKIPPED: {}: {what}", lane.name());
        }
    }
}

pub struct Known {
    /// What each number is below the harness's own sockets.
    table: Vec<Descriptor>,
    open: Vec<i32>,
    pub here: Here,
    /// Nobody else is this user, so what it has in flight is known.
    pub has_own_user: bool,
    pub processes: [i32; 3],
    /// What the user namespace maps.
    pub users: Vec<Range<u64>>,
    pub groups: Vec<Range<u64>>,
    pub sender: Sender,
    pub limits: Limits,
}

impl Known {
    /// This process, as it is now.
    pub fn probe(here: Here, send_buffer: u64, in_flight: u64) -> Self {
        let table = (0..HIGH).map(|number| match number {
            _ if Some(number) == here.ring => Descriptor::Ring,
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
        Self::of(table.collect(), here, [1, parent, 2], sender, limits)
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
        let here = Here { ring: Some(16), can_refuse: true, netlink: true };
        Self::of(table.collect(), here, [1, sender.pid, 2], sender, limits)
    }

    fn of(table: Vec<Descriptor>, here: Here, processes: [i32; 3], sender: Sender, limits: Limits) -> Self {
        let open = (0..HIGH).filter(|n| table[*n as usize] == Descriptor::Ordinary).collect();
        let has_own_user = sender.uids[0] >= kernel::OWN_USER;
        let (users, groups) = (kernel::mapped("uid_map"), kernel::mapped("gid_map"));
        Self { table, open, here, has_own_user, processes, users, groups, sender, limits }
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
