//! nix: `ControlMessage`, `recvmsg`'s iterator of `ControlMessageOwned`, numbers made into std's `OwnedFd`; `sendmmsg`
//! (all messages share one list of control messages) and `recvmmsg`.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, recvmmsg, recvmsg, sendmmsg, sendmsg,
};

use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::{DATAGRAM, DATAGRAMS, MOST, Stage, UdpStage, WIDTH};

pub(super) struct Nix;

/// One received message: its descriptors go to `held`.
#[inline]
fn take<J: Job>(stage: &Stage, message: &RecvMsg<'_, '_, ()>, held: &mut Vec<OwnedFd>) -> Option<()> {
    let before = held.len();
    for message in message.cmsgs().ok()? {
        if let ControlMessageOwned::ScmRights(fds) = message {
            // SAFETY: just received, and owned by nobody.
            held.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    check::<J>(stage, held[before..].iter().map(AsRawFd::as_raw_fd));
    Some(())
}

fn many<J: Job>(stage: &Stage, messages: usize, width: usize, job: J) -> Done {
    let numbers = stage.numbers();
    let space = || Some(if numbers.len() == 1 { nix::cmsg_space!(RawFd) } else { nix::cmsg_space!([RawFd; MOST]) });
    let mut sends = MultiHeaders::preallocate(width, space());
    let mut receives = MultiHeaders::<()>::preallocate(width, space());
    let addresses: Vec<Option<()>> = vec![None; width];
    let mut held = Vec::with_capacity(messages * numbers.len());
    job.go(
        || {
            let mut left = messages;
            while left > 0 {
                let count = left.min(width);
                let data = [[IoSlice::new(stage.data)]];
                let slices = std::iter::repeat_n(&data[0], count);
                let control = [ControlMessage::ScmRights(&numbers)];
                let fd = stage.tx.as_raw_fd();
                let sent = sendmmsg(fd, &mut sends, slices, &addresses, control, MsgFlags::MSG_NOSIGNAL).ok()?;
                left -= Some(sent.count()).filter(|sent| *sent == count)?;
            }
            Some(())
        },
        || {
            let mut left = messages;
            while left > 0 {
                let count = left.min(width);
                let mut bytes = [[0_u8; 1]; WIDTH];
                let mut data: Vec<_> = bytes.iter_mut().take(count).map(|byte| [IoSliceMut::new(byte)]).collect();
                let fd = stage.rx.as_raw_fd();
                let got = recvmmsg(fd, &mut receives, data.iter_mut(), MsgFlags::MSG_CMSG_CLOEXEC, None).ok()?;
                for message in got {
                    take::<J>(stage, &message, &mut held)?;
                    left -= 1;
                }
            }
            let count = held.len();
            held.clear();
            Some(count)
        },
    )
}

impl Contestant for Nix {
    const NAME: &'static str = "nix";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        let numbers = stage.numbers();
        let mut space = nix::cmsg_space!([RawFd; MOST]);
        Some(job.go(
            || {
                let control = [ControlMessage::ScmRights(&numbers)];
                let data = [IoSlice::new(stage.data)];
                sendmsg::<()>(stage.tx.as_raw_fd(), &data, &control, MsgFlags::MSG_NOSIGNAL, None).ok().map(drop)
            },
            || {
                let mut byte = [0];
                let mut data = [IoSliceMut::new(&mut byte)];
                let fd = stage.rx.as_raw_fd();
                let got = recvmsg::<()>(fd, &mut data, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC).ok()?;
                let mut count = 0;
                for message in got.cmsgs().ok()? {
                    if let ControlMessageOwned::ScmRights(fds) = message {
                        check::<J>(stage, fds.iter().copied());
                        for fd in fds {
                            // SAFETY: just received, and owned by nobody.
                            drop(unsafe { OwnedFd::from_raw_fd(fd) });
                            count += 1;
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

    fn udp<J: Job>(stage: &UdpStage, job: J) -> Option<Done> {
        let info = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr { s_addr: stage.address },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let space = || Some(nix::cmsg_space!(in_pktinfo));
        let mut sends = MultiHeaders::preallocate(DATAGRAMS, space());
        let mut receives = MultiHeaders::<()>::preallocate(DATAGRAMS, space());
        let addresses: [Option<()>; DATAGRAMS] = [None; DATAGRAMS];
        Some(job.go(
            || {
                let data = stage.data.each_ref().map(|datagram| [IoSlice::new(datagram)]);
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                let (fd, flags) = (stage.tx.as_raw_fd(), MsgFlags::MSG_NOSIGNAL);
                let sent = sendmmsg(fd, &mut sends, data.iter(), addresses, control, flags).ok()?.count();
                (sent == DATAGRAMS).then_some(())
            },
            || {
                let mut bytes = [[0_u8; DATAGRAM]; DATAGRAMS];
                let mut data = bytes.each_mut().map(|datagram| [IoSliceMut::new(datagram)]);
                let fd = stage.rx.as_raw_fd();
                let got = recvmmsg(fd, &mut receives, data.iter_mut(), MsgFlags::empty(), None).ok()?;
                let right = |message: ControlMessageOwned| {
                    matches!(message, ControlMessageOwned::Ipv4PacketInfo(info) if info.ipi_addr.s_addr == stage.address)
                };
                Some(got.filter(|datagram| datagram.cmsgs().is_ok_and(|mut all| all.any(right))).count())
            },
        ))
    }
}
