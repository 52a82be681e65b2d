//! uds: `UnixSeqpacketConn::send_fds` and `recv_fds`, numbers made into std's `OwnedFd`.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use ::uds::UnixSeqpacketConn;

use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::{MOST, Stage};

pub(super) struct Uds;

fn open(fd: &OwnedFd) -> Option<UnixSeqpacketConn> {
    // SAFETY: a number that is given up, of a seqpacket socket.
    Some(unsafe { UnixSeqpacketConn::from_raw_fd(fd.try_clone().ok()?.into_raw_fd()) })
}

fn many<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
    let numbers = stage.numbers();
    let (tx, rx) = (open(&stage.tx)?, open(&stage.rx)?);
    let mut fds = [0; MOST];
    let mut held: Vec<OwnedFd> = Vec::with_capacity(messages * numbers.len());
    Some(job.go(
        || (0..messages).try_for_each(|_| tx.send_fds(stage.data, &numbers).ok().map(drop)),
        || {
            let mut total = 0;
            for _ in 0..messages {
                let mut byte = [0];
                let (_, _, count) = rx.recv_fds(&mut byte, &mut fds[..numbers.len()]).ok()?;
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

impl Contestant for Uds {
    const NAME: &'static str = "uds";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        many(stage, 1, job)
    }

    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        many(stage, messages, job)
    }
}
