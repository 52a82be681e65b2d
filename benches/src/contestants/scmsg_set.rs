//! This crate's safe API where the descriptors of a batch get one owner, an `FdSet`, which closes runs of consecutive numbers
//! by one call each.

use std::os::fd::RawFd;

use scmsg::{
    CMSG_SPACE, ControlBuf, Encoder, FdSet, IoSlice, IoSliceMut, RecvBatch, RecvFlags, RecvMsg, SendBatch, SendFlags,
    SendMsg, recvmmsg, sendmmsg,
};

use super::scmsg::{borrowed, widths};
use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::Stage;

pub(super) struct ScmsgSet;

/// `N` messages of one descriptor.
fn batch<J: Job, const N: usize>(stage: &Stage, job: J) -> Done {
    let fds = borrowed(stage);
    let data = [IoSlice::new(stage.data)];
    let mut out = ControlBuf::<[u8; CMSG_SPACE(4)]>::new();
    let mut control = Encoder::new(&mut out);
    control.push_rights(&fds[..1]).expect("there is room for one");
    let mut send = SendBatch::<N>::new();
    let mut rooms = [const { ControlBuf::<[u8; CMSG_SPACE(4)]>::new() }; N];
    let mut bytes = [[0_u8]; N];
    let mut spaces = bytes.each_mut().map(|byte| [IoSliceMut::new(byte)]);
    let mut receive = RecvBatch::<N>::new();
    for (space, room) in spaces.iter_mut().zip(&mut rooms) {
        send.push(SendMsg::new(&data).control_on_packets(&control)).expect("there are N");
        receive.push(RecvMsg::new(space).control(room)).expect("there are N");
    }
    // A little more than there will be: a message's room could hold more.
    let mut numbers: Vec<RawFd> = vec![0; N + 8];
    job.go(
        || sendmmsg(&stage.tx, &mut send, SendFlags::empty()).ok().filter(|sent| *sent == N).map(drop),
        || {
            let mut set = FdSet::new(&mut numbers[..]);
            for mut received in recvmmsg(&stage.rx, &mut receive, RecvFlags::empty(), None).ok()? {
                received.control.take_into(&mut set);
            }
            check::<J>(stage, set.fds().iter().map(|fd| fd.as_raw_fd()));
            Some(set.len())
        },
    )
}

impl Contestant for ScmsgSet {
    const NAME: &'static str = "scmsg-set";

    fn batch<J: Job>(stage: &Stage, width: usize, job: J) -> Option<Done> {
        widths!(batch, stage, width, job)
    }
}
