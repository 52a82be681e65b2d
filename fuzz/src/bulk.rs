//! Turns a hostile peer's messages into what `bulk::recv_fds` must say of each, and `bulk::send_fds` through full queues into
//! exact progress: no descriptor lost, none kept that should not be, none mixed up.
//!
//! Input, first byte: odd sends in bulk and stops where the queue is full; even is the peer that speaks the protocol wrongly.
//! Then set-up bytes, then for each message its data, how many descriptors, and whether the peer is gone behind it.

use std::collections::VecDeque;

use arbitrary::Unstructured;
use scmsg::bulk::{RecvStopped, SendStopped, Stop, recv_fds, send_fds};
use scmsg::{
    Cause, ControlBuf, Encoder, Errno, FdSet, IoSlice, IoSliceMut, OwnedFd, RawFd, RecvFlags, RecvMsg, SendFlags,
    SendMsg, Shutdown, SocketFlags, SocketType, Storage, recvmsg, sendmsg, setsockopt, shutdown, socketpair, sockopt,
};

use crate::descriptors::{Table, decoy, inode, lent, with_room};

pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let before = Table::now();
    let _ = match u.arbitrary::<u8>() {
        Ok(way) if way % 2 == 1 => stops(&mut u),
        _ => hostile(&mut u),
    };
    assert_eq!(Table::now(), before, "all are closed");
}

const KINDS: [SocketType; 3] = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET];

/// What one `recvmsg` finds: the bytes of a packet, or one byte of a stream, and the decoys that come with it.
#[derive(Clone, Debug)]
struct Packet {
    data: Vec<u8>,
    /// Which decoys, from where.
    first: usize,
    count: usize,
}

/// What the receiver must find.
struct Model {
    kind: SocketType,
    /// Something comes with every packet, so an empty one is not taken for an end.
    beside: bool,
    queue: VecDeque<Packet>,
    /// The peer is gone, so behind the queue is an end.
    closed: bool,
    /// Decoys in the set, in order.
    owned: VecDeque<usize>,
}

impl Model {
    /// What is sent, as it arrives.
    fn send(&mut self, packet: Packet) {
        if self.kind != SocketType::STREAM {
            self.queue.push_back(packet);
            return;
        }
        // Byte by byte; the descriptors come with the first.
        for (index, byte) in packet.data.iter().enumerate() {
            let count = if index == 0 { packet.count } else { 0 };
            self.queue.push_back(Packet { data: vec![*byte], first: packet.first, count });
        }
    }

    /// What one message does: how many descriptors come into a set with room for `room`, and why it stops.
    fn one(&mut self, room: usize, free: usize) -> Result<usize, (usize, Stop)> {
        let Some(packet) = self.queue.pop_front() else {
            let end = self.closed && self.kind != SocketType::DGRAM;
            return Err((0, if end { Stop::Closed } else { Stop::Errno(Errno::EAGAIN) }));
        };
        let opened = packet.count.min(free);
        let truncated = (opened < packet.count).then_some(Cause::NotBuffer);
        if packet.data.is_empty() && packet.count == 0 && !self.beside {
            return Err((0, Stop::Closed));
        }
        let said = packet.data.first().map_or(0, |said| usize::from(*said));
        if said == 0 || packet.data.len() > 1 {
            return Err((0, Stop::Protocol { bytes: packet.data.len(), descriptors: opened }));
        }
        let came = opened.min(room);
        self.owned.extend(packet.first..packet.first + came);
        if came < opened {
            Err((came, Stop::NoRoom { closed: opened - came }))
        } else if came != said {
            Err((came, Stop::Lost { said, came, truncated }))
        } else {
            Ok(came)
        }
    }

    /// What `recv_fds` answers.
    fn receive(&mut self, want: usize, mut room: usize, mut free: usize) -> Result<usize, RecvStopped> {
        let mut received = 0;
        while received < want {
            match self.one(room, free) {
                Ok(came) => {
                    received += came;
                    room = room.saturating_sub(came);
                    free = free.saturating_sub(came);
                }
                Err((came, why)) => return Err(RecvStopped { received: received + came, why }),
            }
        }
        Ok(received)
    }
}

/// Type, whether something comes beside the descriptors of a packet, and the sockets.
fn pair(u: &mut Unstructured<'_>) -> arbitrary::Result<(SocketType, bool, OwnedFd, OwnedFd)> {
    let [kind, options]: [u8; 2] = u.arbitrary()?;
    let kind = KINDS[usize::from(kind % 3)];
    let (a, b) = socketpair(kind, SocketFlags::NONBLOCK).expect("a pair");
    // What comes beside the descriptors must not matter.
    let mut beside = options & 1 != 0;
    setsockopt(&b, sockopt::PassCred, beside).expect("SO_PASSCRED");
    beside |= options & 2 != 0 && setsockopt(&b, sockopt::PassPidFd, true).is_ok();
    beside |= options & 4 != 0 && setsockopt(&b, sockopt::ReceiveTimestampNew, true).is_ok();
    let _ = options & 8 != 0 && setsockopt(&b, sockopt::Inq, true).is_ok();
    Ok((kind, beside, a, b))
}

fn hostile(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (kind, beside, a, b) = pair(u)?;
    let mut a = Some(a);
    let mut model = Model { kind, beside, queue: VecDeque::new(), closed: false, owned: VecDeque::new() };
    let mut numbers = [-1; 24];
    let mut set = FdSet::new(&mut numbers[..]);
    let mut next = 0;
    while !u.is_empty() {
        let [op, operand]: [u8; 2] = u.arbitrary()?;
        match op % 8 {
            0..=3 => {
                let Some(socket) = &a else { continue };
                let [len, byte]: [u8; 2] = u.arbitrary()?;
                let packet = Packet {
                    data: [byte % 16, operand].into_iter().cycle().take((len % 4).into()).collect(),
                    first: next,
                    count: usize::from(operand % 12),
                };
                next += packet.count;
                if say(socket, &packet, op % 8 == 3) {
                    model.send(packet);
                }
            }
            4 => {
                // A good message, so that the set fills.
                let Some(socket) = &a else { continue };
                let count = operand % 12 + 1;
                let packet = Packet { data: vec![count], first: next, count: count.into() };
                next += packet.count;
                if say(socket, &packet, false) {
                    model.send(packet);
                }
            }
            5 => {
                let expected = model.receive(usize::from(operand % 32), set.room(), usize::MAX);
                assert_eq!(recv_fds(&b, &mut set, usize::from(operand % 32)), expected);
            }
            6 => {
                // The descriptor table is nearly full.
                let (want, free) = (usize::from(operand % 8), usize::from(operand / 8));
                let expected = model.receive(want, set.room(), free);
                assert_eq!(with_room(free, || recv_fds(&b, &mut set, want)), expected);
            }
            _ => match operand % 4 {
                0 => {
                    a = None;
                    model.closed = true;
                }
                1 => {
                    if let Some(socket) = a.as_ref().filter(|_| kind != SocketType::DGRAM) {
                        shutdown(socket, Shutdown::Write).expect("shut down");
                        model.closed = true;
                    }
                }
                2 => {
                    let fd = set.take_fds().next();
                    check(&fd, model.owned.pop_front());
                }
                _ => {
                    let fd = set.pop();
                    check(&fd, model.owned.pop_back());
                }
            },
        }
        same(&set, &model.owned);
    }
    Ok(())
}

/// Sends it; `false` where the socket refuses, as one that was shut down does. `twice` spreads the descriptors over two `SCM_RIGHTS`.
fn say(socket: &OwnedFd, packet: &Packet, twice: bool) -> bool {
    let fds = &lent(packet.first % 8 + packet.count)[packet.first % 8..];
    let mut buf = ControlBuf::<[u8; 128]>::new();
    let mut control = Encoder::new(&mut buf);
    let (left, right) = fds.split_at(if twice { fds.len() / 2 } else { 0 });
    for part in [left, right].into_iter().filter(|part| !part.is_empty()) {
        control.push_rights(part).expect("room");
    }
    let data = [IoSlice::new(&packet.data)];
    match sendmsg(socket, &SendMsg::new(&data).control_on_packets(&control), SendFlags::DONTWAIT) {
        Ok(sent) => {
            assert_eq!(sent, packet.data.len());
            true
        }
        Err(Errno::EAGAIN | Errno::EPIPE) => false,
        // A nearly empty buffer, but this user has too many descriptors in flight.
        Err(Errno::ETOOMANYREFS) => false,
        Err(other) => panic!("{other}"),
    }
}

fn check(fd: &Option<OwnedFd>, index: Option<usize>) {
    assert_eq!(fd.as_ref().map(inode), index.map(|index| decoy(index).inode));
}

/// The set holds these decoys, in this order.
fn same<S: Storage>(set: &FdSet<S>, owned: &VecDeque<usize>) {
    let held: Vec<_> = set.fds().iter().map(inode).collect();
    let expected: Vec<_> = owned.iter().map(|index| decoy(*index).inode).collect();
    assert_eq!(held, expected);
}

/// Reads so many messages of one byte without descriptors.
fn drain(socket: &OwnedFd, count: usize) {
    for _ in 0..count {
        let mut byte = [0xff];
        let mut data = [IoSliceMut::new(&mut byte)];
        let received =
            recvmsg(socket, &mut RecvMsg::new(&mut data), RecvFlags::DONTWAIT).map(|received| received.bytes);
        assert_eq!((received, byte), (Ok(1), [0]));
    }
}

/// Sends more than a queue takes: what was sent arrives, all of it and no more, and it goes on from there.
fn stops(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (kind, _, a, b) = pair(u)?;
    let [large, small, buffer, step]: [u8; 4] = u.arbitrary()?;
    let total = 3 * usize::from(large) + usize::from(small);
    setsockopt(&a, sockopt::SendBuffer, i32::from(buffer) * 16).expect("SO_SNDBUF");
    let fds = lent(total);
    let mut received = 0;
    // A full queue, with room for a few messages: so many go, and then it stops.
    let mut junk = 0;
    while junk < 4096 && sendmsg(&a, &SendMsg::new(&[IoSlice::new(&[0])]), SendFlags::DONTWAIT).is_ok() {
        junk += 1;
    }
    let room = usize::from(step / 2).min(junk);
    drain(&b, room);
    let mut sent = match send_fds(&a, fds) {
        Ok(()) => total,
        Err(SendStopped { sent, why }) => {
            assert!(matches!(why, Errno::EAGAIN | Errno::ETOOMANYREFS), "{why}");
            assert!(sent < total && sent % 253 == 0, "{sent} of {total}");
            sent
        }
    };
    drain(&b, junk - room);
    while received < total {
        match send_fds(&a, &fds[sent..]) {
            Ok(()) => sent = total,
            Err(SendStopped { sent: more, why }) => {
                // Other processes of an unprivileged user can have too many in flight.
                assert!(matches!(why, Errno::EAGAIN | Errno::ETOOMANYREFS), "{why}");
                if why == Errno::ETOOMANYREFS && sent + more == received {
                    return Ok(());
                }
                assert!(more < total - sent && more % 253 == 0, "{more} of {}", total - sent);
                sent += more;
            }
        }
        assert!(sent > received, "an empty queue takes a message");
        // Part of it, or all until nothing is there.
        let mut set = FdSet::new(Vec::<RawFd>::new());
        let want = if step % 2 == 0 { 1 } else { usize::MAX };
        let came = match recv_fds(&b, &mut set, want) {
            Ok(came) => came,
            Err(RecvStopped { received, why: Stop::Errno(Errno::EAGAIN) }) => received,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(came, set.len());
        assert!(if want == 1 { (1..=253).contains(&came) } else { came == sent - received }, "{came}");
        for (index, fd) in set.fds().iter().enumerate() {
            assert_eq!(inode(fd), decoy(received + index).inode, "descriptor {}", received + index);
        }
        received += came;
    }
    assert_eq!((sent, received), (total, total));
    // Nothing is behind the last.
    let expected = RecvStopped { received: 0, why: Stop::Errno(Errno::EAGAIN) };
    assert_eq!(recv_fds(&b, &mut FdSet::new([0; 1]), 1), Err(expected));
    drop(a);
    let end = recv_fds(&b, &mut FdSet::new([0; 1]), 1).expect_err("nothing is there");
    let closed = if kind == SocketType::DGRAM { Stop::Errno(Errno::EAGAIN) } else { Stop::Closed };
    assert_eq!(end, RecvStopped { received: 0, why: closed });
    assert!(end.to_string().contains(" 0 descriptors"), "{end}");
    Ok(())
}
