//! tokio-seqpacket: `send_vectored_with_ancillary` and `recv_vectored_with_ancillary`, on a current-thread runtime. A future
//! is polled once, as in a task that never has to wait; only if it is not ready, the runtime runs it.

use std::future::Future;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ::tokio_seqpacket::UnixSeqpacket;
use ::tokio_seqpacket::ancillary::{AncillaryMessageWriter, OwnedAncillaryMessage};
use tokio::runtime::{Builder, Runtime};

use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::Stage;

pub(super) struct TokioSeqpacket;

/// Bytes of control; more than 253 descriptors need.
const ROOM: usize = 1040;

#[repr(C, align(8))]
struct Aligned([u8; ROOM]);

fn open(fd: &OwnedFd) -> Option<UnixSeqpacket> {
    let fd = fd.try_clone().ok()?;
    rustix::io::ioctl_fionbio(&fd, true).ok()?;
    // SAFETY: a number that is given up, of a seqpacket socket.
    unsafe { UnixSeqpacket::from_raw_fd(fd.into_raw_fd()) }.ok()
}

#[inline]
fn run<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => runtime.block_on(future),
    }
}

fn many<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
    let runtime = Builder::new_current_thread().enable_io().build().ok()?;
    let _entered = runtime.enter();
    let (tx, rx) = (open(&stage.tx)?, open(&stage.rx)?);
    let fds = stage.borrowed();
    let (mut out, mut back) = (Aligned([0; ROOM]), Aligned([0; ROOM]));
    let mut held: Vec<OwnedFd> = Vec::with_capacity(messages * fds.len());
    Some(job.go(
        || {
            for _ in 0..messages {
                let mut control = AncillaryMessageWriter::new(&mut out.0);
                control.add_fds(&fds).ok()?;
                run(&runtime, tx.send_vectored_with_ancillary(&[IoSlice::new(stage.data)], &mut control)).ok()?;
            }
            Some(())
        },
        || {
            let mut total = 0;
            for _ in 0..messages {
                let mut byte = [0];
                let mut data = [IoSliceMut::new(&mut byte)];
                let (_, control) = run(&runtime, rx.recv_vectored_with_ancillary(&mut data, &mut back.0)).ok()?;
                if control.is_truncated() {
                    return None;
                }
                for message in control.into_messages() {
                    let OwnedAncillaryMessage::FileDescriptors(fds) = message else { continue };
                    if messages == 1 {
                        for (index, fd) in fds.enumerate() {
                            if J::CHECK {
                                stage.check(index, fd.as_raw_fd());
                            }
                            total += 1;
                        }
                    } else {
                        let before = held.len();
                        held.extend(fds);
                        check::<J>(stage, held[before..].iter().map(AsRawFd::as_raw_fd));
                    }
                }
            }
            total += held.len();
            held.clear();
            Some(total)
        },
    ))
}

impl Contestant for TokioSeqpacket {
    const NAME: &'static str = "tokio-seqpacket";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        many(stage, 1, job)
    }

    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        many(stage, messages, job)
    }
}
