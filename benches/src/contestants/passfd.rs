//! passfd: `send_fd` and `recv_fd`, one descriptor in one message, so as many messages as descriptors. It sends four bytes of
//! its own.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ::passfd::FdPassingExt;

use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::Stage;

pub(super) struct Passfd;

impl Contestant for Passfd {
    const NAME: &'static str = "passfd";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        if stage.data.is_empty() {
            return None;
        }
        let numbers = stage.numbers();
        let (tx, rx) = (stage.tx.as_raw_fd(), stage.rx.as_raw_fd());
        Some(job.go(
            || numbers.iter().try_for_each(|fd| tx.send_fd(*fd).ok()),
            || {
                for index in 0..numbers.len() {
                    let fd = rx.recv_fd().ok()?;
                    if J::CHECK {
                        stage.check(index, fd);
                    }
                    // SAFETY: just received, and owned by nobody.
                    drop(unsafe { OwnedFd::from_raw_fd(fd) });
                }
                Some(numbers.len())
            },
        ))
    }

    /// A socket does not hold so many messages, so they are sent and received part by part.
    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        let numbers = stage.numbers();
        let mut held: Vec<OwnedFd> = Vec::with_capacity(messages * numbers.len());
        let (tx, rx) = (stage.tx.as_raw_fd(), stage.rx.as_raw_fd());
        Some(job.go(
            || Some(()),
            || {
                for _ in 0..messages {
                    numbers.iter().try_for_each(|fd| tx.send_fd(*fd).ok())?;
                    let before = held.len();
                    for _ in &numbers {
                        // SAFETY: just received, and owned by nobody.
                        held.push(unsafe { OwnedFd::from_raw_fd(rx.recv_fd().ok()?) });
                    }
                    check::<J>(stage, held[before..].iter().map(AsRawFd::as_raw_fd));
                }
                let count = held.len();
                held.clear();
                Some(count)
            },
        ))
    }
}
