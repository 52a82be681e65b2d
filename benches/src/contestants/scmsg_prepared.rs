//! This crate's safe API with a message that was built once and is sent again and again, as the floor's is.

use scmsg::{
    CMSG_SPACE, ControlBuf, Encoder, IoSlice, IoSliceMut, RecvBatch, RecvFlags, RecvMsg, Rights, SendBatch, SendFlags,
    SendMsg, recvmmsg, recvmsg, sendmmsg, sendmsg,
};

use super::scmsg::{PacketInfo, borrowed, close, close_one, packet_info, udp, widths};
use crate::contestant::{Contestant, Done, Job};
use crate::stage::{DATAGRAMS, MOST, Stage, UdpStage};

pub(super) struct ScmsgPrepared;

fn pass<J: Job, const ONE: bool>(stage: &Stage, job: J) -> Option<Done> {
    let fds = borrowed(stage);
    let mut out = ControlBuf::<[u8; Rights::space(MOST)]>::new();
    let mut control = Encoder::new(&mut out);
    control.push_rights(&fds).ok()?;
    let data = [IoSlice::new(stage.data)];
    let message = SendMsg::new(&data).control_on_packets(&control);
    let mut room = ControlBuf::<[u8; Rights::space(MOST)]>::new();
    let mut byte = [0];
    let mut space = [IoSliceMut::new(&mut byte)];
    let mut receive = RecvMsg::new(&mut space).control(&mut room);
    Some(job.go(
        || sendmsg(&stage.tx, &message, SendFlags::empty()).ok().map(drop),
        || {
            let received = recvmsg(&stage.rx, &mut receive, RecvFlags::empty()).ok()?;
            if ONE { close_one::<J>(stage, received) } else { close::<J>(stage, &received) }
        },
    ))
}

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
    job.go(
        || sendmmsg(&stage.tx, &mut send, SendFlags::empty()).ok().filter(|sent| *sent == N).map(drop),
        || {
            let mut count = 0;
            for received in recvmmsg(&stage.rx, &mut receive, RecvFlags::empty(), None).ok()? {
                count += close_one::<J>(stage, received)?;
            }
            Some(count)
        },
    )
}

impl Contestant for ScmsgPrepared {
    const NAME: &'static str = "scmsg-prepared";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        if stage.fds.len() == 1 { pass::<J, true>(stage, job) } else { pass::<J, false>(stage, job) }
    }

    fn batch<J: Job>(stage: &Stage, width: usize, job: J) -> Option<Done> {
        widths!(batch, stage, width, job)
    }

    fn udp<J: Job>(stage: &UdpStage, job: J) -> Option<Done> {
        let mut out = PacketInfo::new();
        let mut control = Encoder::new(&mut out);
        control.push(&packet_info(stage)).ok()?;
        let data = stage.data.each_ref().map(|datagram| [IoSlice::new(datagram)]);
        let mut batch = SendBatch::<DATAGRAMS>::new();
        for data in &data {
            batch.push(SendMsg::new(data).control(&control).ok()?).ok()?;
        }
        Some(udp(stage, job, || {
            sendmmsg(&stage.tx, &mut batch, SendFlags::empty()).ok().filter(|sent| *sent == DATAGRAMS).map(drop)
        }))
    }
}
