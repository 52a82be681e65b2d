//! sendfd: `send_with_fd` and `recv_with_fd`, numbers made into std's `OwnedFd`. Its types are std's; any socket can be in
//! them.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use ::sendfd::{RecvWithFd, SendWithFd};

use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::{MOST, Stage};

pub(super) struct Sendfd;

fn many<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
    let numbers = stage.numbers();
    let tx = UnixDatagram::from(stage.tx.try_clone().ok()?);
    let rx = UnixDatagram::from(stage.rx.try_clone().ok()?);
    let mut fds = [0; MOST];
    let mut held: Vec<OwnedFd> = Vec::with_capacity(messages * numbers.len());
    Some(job.go(
        || (0..messages).try_for_each(|_| tx.send_with_fd(stage.data, &numbers).ok().map(drop)),
        || {
            let mut total = 0;
            for _ in 0..messages {
                let mut byte = [0];
                let (_, count) = rx.recv_with_fd(&mut byte, &mut fds[..numbers.len()]).ok()?;
                check::<J>(stage, fds[..count].iter().copied());
                // SAFETY: just received, and owned by nobody.
                let owned = fds[..count].iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) });
                if messages == 1 {
                    owned.for_each(drop);
                } else {
                    held.extend(owned);
                }
                total += count;
            }
            held.clear();
            Some(total)
        },
    ))
}

impl Contestant for Sendfd {
    const NAME: &'static str = "sendfd";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        many(stage, 1, job)
    }

    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        many(stage, messages, job)
    }
}
