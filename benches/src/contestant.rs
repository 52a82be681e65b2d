//! Turns one way of passing descriptors into something that can be raced: the trait that every contestant implements.
//!
//! A contestant sets up on its own stack what its user would set up once, and hands two closures to a [`Job`]: one that
//! sends, one that receives, closes, and says how many descriptors (or datagrams) it got. The job is a type parameter, so
//! closures are inlined into its loop and nothing is counted that is not the contestant's.

use std::os::fd::{BorrowedFd, RawFd};

use crate::codec::{Expected, Message, Work};
use crate::stage::{Stage, UdpStage};

/// What one run did. `None` in its place: this contestant cannot do that.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Nanoseconds of the loop alone.
    pub nanoseconds: f64,
    /// What the closures counted: descriptors, datagrams, messages.
    pub units: usize,
}

/// What the two closures are put to.
pub trait Job {
    /// Whether each descriptor is to be shown to [`Stage::check`]. False wherever time or instructions count.
    const CHECK: bool;

    /// Runs the closures, which give `None` when a call fails.
    fn go(self, send: impl FnMut() -> Option<()>, receive: impl FnMut() -> Option<usize>) -> Done;
}

/// A way of passing descriptors. What is not implemented is reported as `-`.
pub trait Contestant {
    /// Its name in every table.
    const NAME: &'static str;

    /// Sends and receives one message with all of `stage.fds` and the data `stage.data`.
    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        let _ = (stage, job);
        None
    }

    /// Sends `width` messages of one descriptor by one call, receives them by one call.
    fn batch<J: Job>(stage: &Stage, width: usize, job: J) -> Option<Done> {
        let _ = (stage, width, job);
        None
    }

    /// Sends `messages` messages with all of `stage.fds`; receives them, holds every descriptor, then closes all.
    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        let _ = (stage, messages, job);
        None
    }

    /// Sends 64 datagrams with packet info, receives them with packet info, counts those whose packet info is right.
    fn udp<J: Job>(stage: &UdpStage, job: J) -> Option<Done> {
        let _ = (stage, job);
        None
    }

    /// Makes control bytes of one `SCM_RIGHTS`; the closure gives their length.
    fn encode<W: Work>(fds: &[BorrowedFd<'_>], work: W) -> Option<Done> {
        let _ = (fds, work);
        None
    }

    /// Reads control bytes; the closure gives the sum that [`Expected`] says.
    fn decode<W: Work>(message: &Message, work: W) -> Option<Done> {
        let _ = (message, work);
        None
    }
}

/// The sum of what was decoded: proof that it was.
#[must_use]
pub fn sum(found: Expected) -> usize {
    let Expected { fd, pid, seconds, interface } = found;
    (fd as usize).wrapping_add(pid as usize).wrapping_add(seconds as usize).wrapping_add(interface as usize)
}

/// Calls [`Stage::check`] for each number, if the job wants that.
#[inline(always)]
pub fn check<J: Job>(stage: &Stage, numbers: impl IntoIterator<Item = RawFd>) {
    if J::CHECK {
        numbers.into_iter().enumerate().for_each(|(index, fd)| stage.check(index, fd));
    }
}
