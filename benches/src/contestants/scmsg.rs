//! This crate's safe API, everything made inside the loop but what says that it is to be reused: the room to receive into.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::os::fd::RawFd;

use scmsg::{
    CMSG_SPACE, Cmsgs, ControlBuf, Credentials, Encoder, FdSet, Ipv4PacketInfo, TimestampOld, space_of, IoSlice, IoSliceMut, Received, RecvBatch, RecvFlags, RecvMsg, Rights,
    SendBatch, SendFlags, SendMsg, bulk, recvmmsg, recvmsg, sendmmsg, sendmsg,
};

use crate::codec::{Line, Message, Work};
use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::{DATAGRAM, DATAGRAMS, MOST, Stage, UdpStage};

pub(super) struct Scmsg;

/// What a contestant of this crate borrows of the stage.
pub(super) fn borrowed(stage: &Stage) -> Vec<scmsg::BorrowedFd<'_>> {
    stage.fds.iter().map(scmsg::AsFd::as_fd).collect()
}

/// How many descriptors a message brought; dropping it closes them.
#[inline(always)]
pub(super) fn close<J: Job>(stage: &Stage, received: &Received<'_>) -> Option<usize> {
    check::<J>(stage, received.control.fds().flatten().map(scmsg::BorrowedFd::as_raw_fd));
    let rights = received.control.messages().next()?.ok()?;
    Some(rights.payload.len() / size_of::<RawFd>())
}

/// The one descriptor of a message, closed.
#[inline(always)]
pub(super) fn close_one<J: Job>(stage: &Stage, mut received: Received<'_>) -> Option<usize> {
    let [fd] = received.control.take_exact().ok()?;
    if J::CHECK {
        stage.check(0, fd.as_raw_fd());
    }
    Some(1)
}

/// One descriptor, or any number.
fn pass<J: Job, const ONE: bool>(stage: &Stage, job: J) -> Done {
    let fds = borrowed(stage);
    let mut out = ControlBuf::<[u8; Rights::space(MOST)]>::new();
    let mut room = ControlBuf::<[u8; Rights::space(MOST)]>::new();
    let mut byte = [0];
    let mut space = [IoSliceMut::new(&mut byte)];
    let mut receive = RecvMsg::new(&mut space).control(&mut room);
    job.go(
        || {
            let data = [IoSlice::new(stage.data)];
            let mut small = ControlBuf::<[u8; CMSG_SPACE(4)]>::new();
            let mut control = if ONE { Encoder::new(&mut small) } else { Encoder::new(&mut out) };
            control.push_rights(if ONE { fds.first_chunk::<1>()? } else { &fds }).ok()?;
            let message = SendMsg::new(&data);
            let message =
                if stage.data.is_empty() { message.control_on_packets(&control) } else { message.control(&control).ok()? };
            sendmsg(&stage.tx, &message, SendFlags::empty()).ok().map(drop)
        },
        || {
            let received = recvmsg(&stage.rx, &mut receive, RecvFlags::empty()).ok()?;
            if ONE { close_one::<J>(stage, received) } else { close::<J>(stage, &received) }
        },
    )
}

/// `N` messages of one descriptor.
fn batch<J: Job, const N: usize>(stage: &Stage, job: J) -> Done {
    let fds = borrowed(stage);
    let mut out = [const { ControlBuf::<[u8; CMSG_SPACE(4)]>::new() }; N];
    let mut rooms = [const { ControlBuf::<[u8; CMSG_SPACE(4)]>::new() }; N];
    let mut bytes = [[0_u8]; N];
    let mut spaces = bytes.each_mut().map(|byte| [IoSliceMut::new(byte)]);
    let mut receive = RecvBatch::<N>::new();
    for (space, room) in spaces.iter_mut().zip(&mut rooms) {
        receive.push(RecvMsg::new(space).control(room)).expect("there are N");
    }
    job.go(
        || {
            let data = [IoSlice::new(stage.data)];
            let mut batch = SendBatch::<N>::new();
            for buf in &mut out {
                let mut control = Encoder::new(buf);
                control.push_rights(fds.first_chunk::<1>()?).ok()?;
                batch.push(SendMsg::new(&data).control(control).ok()?).ok()?;
            }
            sendmmsg(&stage.tx, &mut batch, SendFlags::empty()).ok().filter(|sent| *sent == N).map(drop)
        },
        || {
            let mut count = 0;
            for received in recvmmsg(&stage.rx, &mut receive, RecvFlags::empty(), None).ok()? {
                count += close_one::<J>(stage, received)?;
            }
            Some(count)
        },
    )
}

/// An array, whose length is known when this is compiled, or a slice.
fn encode<'a, W: Work, F: AsRef<[scmsg::BorrowedFd<'a>]> + ?Sized + 'a>(fds: impl Fn() -> &'a F, work: W) -> Done {
    let mut buf = Line(ControlBuf::<[u8; Rights::space(MOST)]>::new());
    work.go(|| {
        let mut control = Encoder::new(&mut buf.0);
        if control.push_rights(fds().as_ref()).is_err() {
            return 0;
        }
        let len = control.as_bytes().len();
        black_box(&mut buf);
        len
    })
}

macro_rules! widths {
    ($batch:ident, $stage:expr, $width:expr, $job:expr) => {
        match $width {
            1 => Some($batch::<_, 1>($stage, $job)),
            2 => Some($batch::<_, 2>($stage, $job)),
            4 => Some($batch::<_, 4>($stage, $job)),
            8 => Some($batch::<_, 8>($stage, $job)),
            16 => Some($batch::<_, 16>($stage, $job)),
            32 => Some($batch::<_, 32>($stage, $job)),
            64 => Some($batch::<_, 64>($stage, $job)),
            _ => None,
        }
    };
}
pub(super) use widths;

impl Contestant for Scmsg {
    const NAME: &'static str = "scmsg";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        Some(if stage.fds.len() == 1 { pass::<J, true>(stage, job) } else { pass::<J, false>(stage, job) })
    }

    fn batch<J: Job>(stage: &Stage, width: usize, job: J) -> Option<Done> {
        widths!(batch, stage, width, job)
    }

    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        let fds = borrowed(stage).repeat(messages);
        let mut numbers: Vec<RawFd> = vec![0; fds.len() + MOST];
        Some(job.go(
            || bulk::send_fds(&stage.tx, &fds).ok(),
            || {
                let mut set = FdSet::new(&mut numbers[..]);
                bulk::recv_fds(&stage.rx, &mut set, fds.len()).ok()?;
                check::<J>(stage, set.fds().iter().map(|fd| fd.as_raw_fd()));
                Some(set.len())
            },
        ))
    }

    fn encode<W: Work>(fds: &[std::os::fd::BorrowedFd<'_>], work: W) -> Option<Done> {
        let line = Line([scmsg::BorrowedFd::from(*fds.first()?); MOST]);
        let fds = &line.0[..fds.len()];
        Some(match fds.first_chunk::<1>() {
            Some(one) if fds.len() == 1 => encode(|| black_box(one), work),
            _ => encode(|| black_box(fds), work),
        })
    }

    fn decode<W: Work>(message: &Message, work: W) -> Option<Done> {
        Some(if message.mixed { decode_four(message, work) } else { decode_one(message, work) })
    }

    fn udp<J: Job>(stage: &UdpStage, job: J) -> Option<Done> {
        let info = packet_info(stage);
        let mut out = [const { PacketInfo::new() }; DATAGRAMS];
        Some(udp(stage, job, || {
            let data = stage.data.each_ref().map(|datagram| [IoSlice::new(datagram)]);
            let mut batch = SendBatch::<DATAGRAMS>::new();
            for (data, buf) in data.iter().zip(&mut out) {
                let mut control = Encoder::new(buf);
                control.push(&info).ok()?;
                batch.push(SendMsg::new(data).control(control).ok()?).ok()?;
            }
            sendmmsg(&stage.tx, &mut batch, SendFlags::empty()).ok().filter(|sent| *sent == DATAGRAMS).map(drop)
        }))
    }
}

fn decode_one<W: Work>(message: &Message, work: W) -> Done {
    work.go(|| {
        let mut sum = 0_usize;
        let mut messages = Cmsgs::new(black_box(message.bytes()));
        while let Some(Ok(message)) = messages.next() {
            if let Ok(Some(rights)) = message.get::<Rights<'_>>()
                && let Some(Ok(number)) = rights.numbers().next()
            {
                sum = sum.wrapping_add(number as usize);
            }
        }
        sum
    })
}

fn decode_four<W: Work>(message: &Message, work: W) -> Done {
    work.go(|| {
        let mut sum = 0_usize;
        let mut messages = Cmsgs::new(black_box(message.bytes()));
        while let Some(Ok(message)) = messages.next() {
            if let Ok(Some(rights)) = message.get::<Rights<'_>>() {
                if let Some(Ok(number)) = rights.numbers().next() {
                    sum = sum.wrapping_add(number as usize);
                }
            } else if let Ok(Some(sender)) = message.get::<Credentials>() {
                sum = sum.wrapping_add(sender.pid.map_or(0, NonZeroU32::get) as usize);
            } else if let Ok(Some(stamp)) = message.get::<TimestampOld>() {
                sum = sum.wrapping_add(stamp.seconds as usize);
            } else if let Ok(Some(info)) = message.get::<Ipv4PacketInfo>() {
                sum = sum.wrapping_add(info.interface as usize);
            }
        }
        sum
    })
}

pub(super) type PacketInfo = ControlBuf<[u8; space_of::<Ipv4PacketInfo>()]>;

/// What each datagram is sent with.
pub(super) fn packet_info(stage: &UdpStage) -> Ipv4PacketInfo {
    let local = stage.address.to_ne_bytes().into();
    Ipv4PacketInfo { interface: 0, local, destination: Ipv4Addr::UNSPECIFIED }
}

/// Datagrams that `send` sends, received and read.
pub(super) fn udp<J: Job>(stage: &UdpStage, job: J, send: impl FnMut() -> Option<()>) -> Done {
    let destination = Ipv4Addr::from(stage.address.to_ne_bytes());
    let mut rooms = [const { PacketInfo::new() }; DATAGRAMS];
    let mut bytes = [[0_u8; DATAGRAM]; DATAGRAMS];
    let mut spaces = bytes.each_mut().map(|datagram| [IoSliceMut::new(datagram)]);
    let mut receive = RecvBatch::<DATAGRAMS>::new();
    for (space, room) in spaces.iter_mut().zip(&mut rooms) {
        receive.push(RecvMsg::new(space).control(room)).expect("there is a slot for each");
    }
    job.go(send, || {
        let mut count = 0;
        for received in recvmmsg(&stage.rx, &mut receive, RecvFlags::empty(), None).ok()? {
            let info = received.control.get::<Ipv4PacketInfo>().ok()??;
            count += usize::from(info.destination == destination && received.bytes == DATAGRAM);
        }
        Some(count)
    })
}
