//! rustix: `SendAncillaryBuffer` and `RecvAncillaryBuffer`, drained into `OwnedFd`s; `sendmmsg`, and `recvmsg` in a loop,
//! because it has no `recvmmsg`.

use std::hint::black_box;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::net::{
    AncillaryDrain, MMsgHdr, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmmsg, sendmsg,
};

use crate::codec::{Line, Message, Work};
use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::{MOST, Stage, WIDTH};

pub(super) struct Rustix;

const ROOM: usize = rustix::cmsg_space!(ScmRights(MOST));

/// One message: its descriptors go to `held`.
#[inline]
fn receive<J: Job>(stage: &Stage, held: &mut Vec<OwnedFd>) -> Option<()> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); ROOM];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(&stage.rx, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return None;
    }
    let before = held.len();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            held.extend(fds);
        }
    }
    check::<J>(stage, held[before..].iter().map(AsRawFd::as_raw_fd));
    Some(())
}

/// By `sendmmsg`, `width` at a time, and `recvmsg`.
fn many<J: Job>(stage: &Stage, messages: usize, width: usize, job: J) -> Done {
    let fds = stage.borrowed();
    let room = 32 + 4 * fds.len();
    let mut space = vec![MaybeUninit::<u8>::uninit(); room * width];
    let mut held = Vec::with_capacity(messages * fds.len());
    job.go(
        || {
            let data = [IoSlice::new(stage.data)];
            let mut left = messages;
            while left > 0 {
                let count = left.min(width);
                let mut controls: Vec<_> =
                    space.chunks_exact_mut(room).take(count).map(SendAncillaryBuffer::new).collect();
                if !controls.iter_mut().all(|control| control.push(SendAncillaryMessage::ScmRights(&fds))) {
                    return None;
                }
                let mut headers: Vec<_> = controls.iter_mut().map(|control| MMsgHdr::new(&data, control)).collect();
                left -= sendmmsg(&stage.tx, &mut headers, SendFlags::NOSIGNAL).ok().filter(|sent| *sent == count)?;
            }
            Some(())
        },
        || {
            for _ in 0..messages {
                receive::<J>(stage, &mut held)?;
            }
            let count = held.len();
            held.clear();
            Some(count)
        },
    )
}

impl Contestant for Rustix {
    const NAME: &'static str = "rustix";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        let fds = stage.borrowed();
        Some(job.go(
            || {
                let mut space = [MaybeUninit::uninit(); ROOM];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
                    return None;
                }
                sendmsg(&stage.tx, &[IoSlice::new(stage.data)], &mut control, SendFlags::NOSIGNAL).ok().map(drop)
            },
            || {
                let mut byte = [0];
                let mut space = [MaybeUninit::uninit(); ROOM];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let mut data = [IoSliceMut::new(&mut byte)];
                let got = recvmsg(&stage.rx, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
                if got.flags.contains(ReturnFlags::CTRUNC) {
                    return None;
                }
                let mut count = 0;
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(fds) = message {
                        for fd in fds {
                            if J::CHECK {
                                stage.check(count, fd.as_raw_fd());
                            }
                            count += 1;
                            drop(fd);
                        }
                    }
                }
                Some(count)
            },
        ))
    }

    fn batch<J: Job>(stage: &Stage, width: usize, job: J) -> Option<Done> {
        Some(many(stage, width, width, job))
    }

    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        Some(many(stage, messages, WIDTH, job))
    }

    fn encode<W: Work>(fds: &[BorrowedFd<'_>], work: W) -> Option<Done> {
        let mut space = Line([MaybeUninit::uninit(); ROOM]);
        let line = Line([*fds.first()?; MOST]);
        let fds = &line.0[..fds.len()];
        Some(work.go(|| {
            let fds = black_box(fds);
            // Where it is one, the compiler may know.
            let fds = fds.first_chunk::<1>().filter(|_| fds.len() == 1).map_or(fds, |one| &one[..]);
            let mut control = SendAncillaryBuffer::new(&mut space.0);
            let pushed = control.push(SendAncillaryMessage::ScmRights(fds));
            black_box(&mut control);
            if pushed { 16 + 4 * fds.len() } else { 0 }
        }))
    }

    /// Rights and credentials are all it knows: four typed messages are out of its reach.
    fn decode<W: Work>(message: &Message, work: W) -> Option<Done> {
        if message.mixed {
            return None;
        }
        let mut bytes = message.bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        Some(work.go(|| {
            let mut sum = 0_usize;
            // SAFETY: well-formed bytes, and the numbers are given up before they can be closed.
            for message in unsafe { AncillaryDrain::parse(black_box(&mut bytes)) } {
                if let RecvAncillaryMessage::ScmRights(mut fds) = message {
                    sum = sum.wrapping_add(fds.next().map_or(0, IntoRawFd::into_raw_fd) as usize);
                }
            }
            sum
        }))
    }
}
