//! Turns a program of pushes, sends, skips and receives of batches into a queue that a model keeps: every message arrives once, in
//! order, with its own data and descriptors, however a batch is used and whatever is left unreached.
//!
//! Input: socket type and options, four message texts, eight rooms, then the program: an opcode and an operand each.

use std::collections::VecDeque;

use arbitrary::Unstructured;
use scmsg::{
    Control, ControlBuf, Encoder, Errno, IoSlice, IoSliceMut, MsgFlags, OwnedFd, Received, RecvBatch, RecvFlags,
    RecvMsg, SendBatch, SendFlags, SendMsg, SocketFlags, SocketType, recvmmsg, sendmmsg, setsockopt, socketpair,
    sockopt,
};

use crate::delivery::Room;
use crate::descriptors::{Table, decoy, inode, lent};

pub fn run(data: &[u8]) {
    let before = Table::now();
    let _ = program(&mut Unstructured::new(data));
    assert_eq!(Table::now(), before, "all are closed");
}

/// Messages there are to push, slots of a send batch, and slots of a receive batch.
const TEXTS: usize = 4;
const SLOTS: usize = 6;
const ROOMS: usize = 5;

/// A message.
#[derive(Clone, Copy, Debug)]
struct Text {
    data: [u8; 8],
    len: usize,
    /// Which decoys, from where, and how many messages of rights they are spread over.
    first: usize,
    count: usize,
    parts: usize,
}

impl Text {
    fn data(&self) -> &[u8] {
        &self.data[..self.len]
    }

    fn encode<'a>(&self, buf: &'a mut ControlBuf) -> Control<'a> {
        let fds = &lent(self.first + self.count)[self.first..];
        let mut control = Encoder::new(buf);
        for part in fds.chunks(self.count.div_ceil(self.parts).max(1)) {
            control.push_rights(part).expect("room");
        }
        control.into()
    }
}

/// What is in the queue: a packet, or what is left of a message on a stream.
#[derive(Clone, Copy, Debug)]
struct Queued {
    text: Text,
    /// Bytes of it that were read.
    read: usize,
}

/// What one receive must see.
#[derive(Default)]
struct Expected {
    data: Vec<u8>,
    /// Whether the packet is longer.
    cut: bool,
    /// Its decoys, from where.
    first: usize,
    count: usize,
    /// Nothing: the peer is gone.
    end: bool,
}

struct Model {
    kind: SocketType,
    queue: VecDeque<Queued>,
    closed: bool,
}

impl Model {
    /// What the next receive with room for so many bytes must see; `None` where it would wait.
    fn next(&mut self, room: usize) -> Option<Expected> {
        // A datagram socket has no end, only nothing to read.
        if self.queue.is_empty() && self.closed && self.kind != SocketType::DGRAM {
            return Some(Expected { end: true, ..Expected::default() });
        }
        if self.kind != SocketType::STREAM {
            let Queued { text, .. } = self.queue.pop_front()?;
            let data = text.data()[..text.len.min(room)].to_vec();
            return Some(Expected { data, cut: text.len > room, first: text.first, count: text.count, end: false });
        }
        // A stream glues messages, stops behind one with descriptors, and gives these with its first byte.
        let mut expected = Expected::default();
        self.queue.front()?;
        while let Some(front) = self.queue.front_mut() {
            let rest = &front.text.data()[front.read..];
            let part = &rest[..rest.len().min(room - expected.data.len())];
            expected.data.extend(part);
            let descriptors = if front.read == 0 { front.text.count } else { 0 };
            (expected.first, expected.count) = (front.text.first, descriptors);
            front.read += part.len();
            if front.read == front.text.len {
                self.queue.pop_front();
            }
            if descriptors > 0 || expected.data.len() == room {
                break;
            }
        }
        Some(expected)
    }
}

fn program(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let [kind, options, small]: [u8; 3] = u.arbitrary()?;
    let kind = [SocketType::DGRAM, SocketType::SEQPACKET, SocketType::STREAM][usize::from(kind % 3)];
    let stream = kind == SocketType::STREAM;
    let mut texts = Vec::with_capacity(TEXTS);
    for index in 0..TEXTS {
        let [byte, len, count, parts]: [u8; 4] = u.arbitrary()?;
        let count = usize::from(count % 7);
        // On a stream only what has a byte arrives.
        let len = usize::from(len % 9).max(usize::from(stream));
        texts.push(Text {
            data: std::array::from_fn(|i| byte ^ i as u8),
            len,
            first: index,
            count,
            parts: usize::from(parts % 3) + 1,
        });
    }
    let mut bufs = [const { ControlBuf::<[u8; 96]>::new() }; TEXTS];
    let controls: Vec<_> = texts.iter().zip(&mut bufs).map(|(text, buf)| text.encode(buf)).collect();
    let data: Vec<_> = texts.iter().map(|text| [IoSlice::new(text.data())]).collect();

    let mut limits = [(0, 0); ROOMS];
    for limit in &mut limits {
        let [bytes, control]: [u8; 2] = u.arbitrary()?;
        *limit = (usize::from(bytes % 9).max(usize::from(stream)), usize::from(control % 113));
    }
    let mut pieces = [[0xff; 8]; ROOMS];
    let mut slices: Vec<_> =
        pieces.iter_mut().zip(limits).map(|(piece, (bytes, _))| [IoSliceMut::new(&mut piece[..bytes])]).collect();
    let mut rooms = [const { ControlBuf::<[u8; 112]>::new() }; ROOMS];
    let mut receive = RecvBatch::<ROOMS>::new();
    let slots = usize::from(options >> 4) % (ROOMS + 1);
    for ((slice, buf), (_, control)) in slices.iter_mut().zip(&mut rooms).zip(limits).take(slots) {
        receive.push(RecvMsg::new(slice).control(buf).limit(control)).expect("a slot");
    }
    assert_eq!((receive.len(), receive.is_empty()), (slots, slots == 0));

    let (a, b) = socketpair(kind, SocketFlags::NONBLOCK).expect("a pair");
    let mut a = Some(a);
    let (credentials, pidfd) = (options & 1 != 0, options & 2 != 0);
    setsockopt(&b, sockopt::PassCred, credentials).expect("SO_PASSCRED");
    let pidfd = pidfd && setsockopt(&b, sockopt::PassPidFd, true).is_ok();
    if let (Some(a), true) = (&a, options & 4 != 0) {
        setsockopt(a, sockopt::SendBuffer, i32::from(small) * 16).expect("SO_SNDBUF");
    }
    let sockets = Table::now();
    let mut kept: Vec<OwnedFd> = Vec::new();
    let mut model = Model { kind, queue: VecDeque::new(), closed: false };
    let mut batch = SendBatch::<SLOTS>::new();
    // What the batch must hold: the texts pushed, and how many are skipped.
    let (mut pushed, mut first) = (Vec::<Text>::new(), 0);
    while !u.is_empty() {
        let [op, operand]: [u8; 2] = u.arbitrary()?;
        match op % 8 {
            0 | 1 => {
                let index = usize::from(operand) % TEXTS;
                let message = SendMsg::new(&data[index]).control_on_packets(controls[index]);
                let said = batch.push(message);
                assert_eq!(said.is_ok(), pushed.len() < SLOTS);
                match said {
                    Ok(()) => pushed.push(texts[index]),
                    Err(full) => assert!(full.slots == SLOTS && full.to_string().contains(&SLOTS.to_string())),
                }
            }
            2 | 3 => {
                let said = sendmmsg(a.as_ref().unwrap_or(&b), &mut batch, SendFlags::DONTWAIT);
                let waiting = &pushed[first..];
                if a.is_none() {
                    assert_eq!(said.is_err(), !waiting.is_empty(), "{said:?} without a peer");
                    // A datagram socket that finds its peer gone throws away what it has not read.
                    if said.is_err() && kind == SocketType::DGRAM {
                        model.queue.clear();
                    }
                    continue;
                }
                match said {
                    Ok(sent) => {
                        assert!(sent <= waiting.len() && (sent > 0 || waiting.is_empty()), "{sent}");
                        let lens: Vec<_> = batch.sent_bytes().take(sent).collect();
                        assert_eq!(lens, waiting[..sent].iter().map(|text| text.len).collect::<Vec<_>>());
                        model.queue.extend(waiting[..sent].iter().map(|text| Queued { text: *text, read: 0 }));
                        if operand % 2 == 0 {
                            batch.skip(sent);
                            first += sent;
                        }
                    }
                    Err(why) => assert!(matches!(why, Errno::EAGAIN | Errno::ETOOMANYREFS), "{why}"),
                }
            }
            4 | 5 => {
                let wait = if operand & 1 == 0 { RecvFlags::empty() } else { RecvFlags::WAITFORONE };
                let (reach, keep) = (usize::from(operand >> 1) % (ROOMS + 1), usize::from(operand >> 5));
                let expected: Vec<_> = limits.iter().take(slots).map_while(|(bytes, _)| model.next(*bytes)).collect();
                match recvmmsg(&b, &mut receive, wait, None) {
                    Ok(arrived) => {
                        assert_eq!(arrived.len(), expected.len());
                        for (index, (received, expected)) in arrived.zip(&expected).take(reach).enumerate() {
                            let room = Room {
                                control: limits[index].1,
                                timestamp: false,
                                credentials,
                                pidfd,
                                free: usize::MAX,
                            };
                            check(received, expected, &room, keep, &mut kept);
                        }
                    }
                    Err(why) => assert!(
                        why == Errno::EAGAIN && expected.is_empty() && slots > 0,
                        "{why}: {} of {slots}",
                        expected.len()
                    ),
                }
                kept.truncate(32);
            }
            6 => match operand % 4 {
                0 => {
                    batch.skip(usize::from(operand / 4));
                    first = (first + usize::from(operand / 4)).min(pushed.len());
                }
                1 => {
                    batch.rewind();
                    first = 0;
                }
                2 => {
                    batch.clear();
                    (first, pushed) = (0, Vec::new());
                }
                _ => {
                    a = None;
                    model.closed = true;
                }
            },
            _ => kept.truncate(usize::from(operand % 8)),
        }
        assert_eq!((batch.len(), batch.is_empty()), (pushed.len() - first, pushed.len() == first));
        assert_eq!(batch.as_ptrs().count(), batch.len());
        let end = if a.is_none() { 1 } else { 0 };
        assert_eq!(Table::now().len(), sockets.len() - end + kept.len(), "what was not kept is closed");
    }
    Ok(())
}

/// One message of a batch is what was sent, in a slot with this room.
fn check(received: Received<'_>, expected: &Expected, room: &Room, keep: usize, kept: &mut Vec<OwnedFd>) {
    assert_eq!(received.data().collect::<Vec<_>>().concat(), expected.data);
    assert_eq!(received.bytes, expected.data.len());
    assert_eq!(received.flags.contains(MsgFlags::TRUNC), expected.cut);
    let mut control = received.control;
    let lent: Vec<_> = control.fds().map(|fd| inode(fd.expect("a descriptor"))).collect();
    if expected.end {
        assert!(lent.is_empty() && expected.count == 0);
        return;
    }
    let delivery = room.delivers(expected.count);
    let sent: Vec<_> = (expected.first..expected.first + delivery.rights).map(|index| decoy(index).inode).collect();
    assert_eq!(lent, sent, "{room:?}");
    assert_eq!(control.pidfd().is_some(), delivery.pidfd);
    assert_eq!(control.truncation().is_some(), delivery.truncated);
    kept.extend(control.take_fds().take(keep).map(|fd| fd.expect("a descriptor")));
}
