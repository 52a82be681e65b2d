//! Turns a program of looks, takes and drops over real descriptors into two accounts that must agree: the descriptor table of
//! this process, and a model of the slots. Opened = taken + closed after every step.
//!
//! Input, first byte: odd adopts control bytes that were made by hand, with errnos and slots already taken between real
//! descriptors; even receives them through a socket. Then the set-up, then the program: an opcode and an operand each.

use arbitrary::Unstructured;
use scmsg::{
    Ancillary, AsFd, Cause, ControlBuf, Credentials, Encoder, Errno, FdSet, IoSlice, IoSliceMut, Message, MsgFlags,
    OwnedFd, PidFd, RawFd, RecvFlags, RecvMsg, Rights, SecurityLabel, SendFlags, SendMsg, SocketFlags, SocketType,
    TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld, UnreadBytes, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};

use crate::delivery::{Delivery, Room};
use crate::descriptors::{Table, decoy, inode, lent, with_room};
use crate::naive::{HEADER, append, int, pad, walk};

pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let before = Table::now();
    let _ = match u.arbitrary::<u8>() {
        Ok(way) if way % 2 == 1 => adopted(&mut u, before),
        _ => received(&mut u, before),
    };
    assert_eq!(Table::now(), before, "all are closed");
}

/// A slot as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    kind: i32,
    /// `None` once taken.
    says: Option<Result<RawFd, Errno>>,
}

/// The model: every slot, in order.
#[derive(Debug)]
struct Model {
    slots: Vec<Slot>,
    truncated: bool,
    /// Bytes there was room for.
    capacity: usize,
}

impl Model {
    /// The slots in control bytes, as the naive walk finds them.
    fn of(bytes: &[u8], truncated: bool, capacity: usize) -> Self {
        let mut slots = Vec::new();
        for header in walk(bytes).0.iter().filter(|header| header.good && header.level == Rights::LEVEL) {
            let payload = &bytes[header.payload()];
            let numbers = payload.chunks_exact(4).map(int).map(|number| match number {
                0.. => Some(Ok(number)),
                -4095.. => Some(Err(Errno::from_raw(-number).expect("not 0"))),
                _ => None,
            });
            if header.kind == Rights::TYPE || header.kind == PidFd::TYPE {
                slots.extend(numbers.map(|says| Slot { kind: header.kind, says }));
            }
        }
        Self { slots, truncated, capacity }
    }

    fn of_kind(&mut self, kind: i32) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter(move |slot| slot.kind == kind && slot.says.is_some())
    }

    /// What slots of a kind say that were not taken.
    fn says(&mut self, kind: i32) -> Vec<Result<RawFd, Errno>> {
        self.of_kind(kind).filter_map(|slot| slot.says).collect()
    }

    /// Takes the next one.
    fn next(&mut self, kind: i32) -> Option<Result<RawFd, Errno>> {
        self.of_kind(kind).next().and_then(|slot| slot.says.take())
    }

    /// Takes the next descriptor, and leaves errnos.
    fn next_fd(&mut self) -> Option<RawFd> {
        let slot = self.of_kind(Rights::TYPE).find(|slot| matches!(slot.says, Some(Ok(_))))?;
        slot.says.take()?.ok()
    }

    /// What is owned by the slots.
    fn owned(&self) -> Table {
        self.slots.iter().filter_map(|slot| slot.says?.ok()).collect()
    }
}

/// Descriptors through a socket.
fn received(u: &mut Unstructured<'_>, before: Table) -> arbitrary::Result<()> {
    let [kind, options, sent, limit, free, data]: [u8; 6] = u.arbitrary()?;
    let kind = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET][usize::from(kind % 3)];
    let (credentials, pidfd, inq, full) = (options & 1 != 0, options & 2 != 0, options & 4 != 0, options & 8 != 0);
    let sent = usize::from(sent % 24);
    let (a, b) = socketpair(kind, SocketFlags::empty()).expect("a pair");
    setsockopt(&b, sockopt::PassCred, credentials).expect("SO_PASSCRED");
    let pidfd = pidfd && setsockopt(&b, sockopt::PassPidFd, true).is_ok();
    let inq = inq && setsockopt(&b, sockopt::Inq, true).is_ok();
    let timestamp = options & 16 != 0 && setsockopt(&b, sockopt::ReceiveTimestampNew, true).is_ok();
    let timestamp = timestamp && kind != SocketType::STREAM;

    let text = [data; 3];
    // Without data a stream loses everything.
    let bytes = usize::from(data % 3) + usize::from(kind == SocketType::STREAM);
    send(&a, &text[..bytes], sent);

    let mut buf = ControlBuf::<[u8; 255]>::new();
    buf.as_mut_bytes().fill(0xff);
    let mut arrived = [0xff; 3];
    let mut pieces = [IoSliceMut::new(&mut arrived)];
    let mut message = RecvMsg::new(&mut pieces).control(&mut buf).limit(limit.into());
    let sockets = Table::now();
    let free = if full { usize::from(free % 24) } else { usize::MAX };
    let now = RecvFlags::DONTWAIT;
    let received =
        if full { with_room(free, || recvmsg(&b, &mut message, now)) } else { recvmsg(&b, &mut message, now) };
    let received = received.expect("a message");
    let opened = Table::now() - sockets;
    assert_eq!(received.data().flatten().count(), bytes);

    let room = Room { control: limit.into(), timestamp, credentials, pidfd, free };
    let expected = room.delivers(sent);
    let mut model = Model::of(bytes_of(&received.control), received.flags.contains(MsgFlags::CTRUNC), limit.into());
    let rights = model.says(Rights::TYPE);
    assert_eq!(rights.len(), expected.rights, "{room:?} {sent}");
    for (index, fd) in received.control.fds().enumerate() {
        assert_eq!(inode(fd.expect("a descriptor")), decoy(index).inode, "descriptor {index}");
    }
    let refused = model.says(PidFd::TYPE);
    assert_eq!(refused.len(), usize::from(expected.pidfd));
    let no_number = expected.pidfd && free == expected.rights;
    assert_eq!(refused.contains(&Err(Errno::EMFILE)), no_number, "{refused:?}");
    assert_eq!(model.owned(), opened, "owned is what was opened");
    assert_eq!(opened.len(), expected.rights + usize::from(expected.pidfd && !no_number));
    cause(&received.control, &room, &expected, inq && kind == SocketType::STREAM);
    let sender = received.sender();
    let in_front = if timestamp { scmsg::CMSG_SPACE(16) } else { 0 };
    assert_eq!(sender.is_some(), credentials && usize::from(limit) >= in_front + scmsg::CMSG_LEN(12));
    assert!(sender.is_none_or(|sender| sender.pid.is_some_and(|pid| pid.get() == std::process::id())));
    let unread = received.control.get::<UnreadBytes>();
    assert!(!matches!(unread, Ok(Some(UnreadBytes(1..)))), "{unread:?}");
    program(u, received.control, &mut model, sockets)?;
    drop((a, b));
    assert_eq!(Table::now(), before);
    Ok(())
}

/// Truncation is reported, and its cause is never a guess.
fn cause(control: &Ancillary<'_>, room: &Room, expected: &Delivery, inq: bool) {
    let said = control.truncation();
    if !inq {
        assert_eq!(said.is_some(), expected.truncated, "{said:?} {room:?}");
    }
    let buffer = expected.truncated && expected.refused == 0;
    let table = expected.refused > 0;
    match said {
        Some(Cause::Buffer) => assert!(buffer || !table || inq, "{room:?} {expected:?}"),
        Some(Cause::NotBuffer) => assert!(table, "{room:?} {expected:?}"),
        Some(Cause::Unknown) => {}
        None => assert!(!expected.truncated, "{room:?} {expected:?}"),
    }
}

fn send(socket: &OwnedFd, data: &[u8], count: usize) {
    let fds = lent(count);
    let mut buf = ControlBuf::<[u8; 128]>::new();
    let mut control = Encoder::new(&mut buf);
    if count > 0 {
        control.push_rights(fds).expect("room");
    }
    let data = [IoSlice::new(data)];
    sendmsg(socket, &SendMsg::new(&data).control_on_packets(&control), SendFlags::DONTWAIT).expect("sent");
}

/// What comes beside descriptors.
const BESIDE: [i32; 9] = [
    Credentials::TYPE,
    SecurityLabel::TYPE,
    TimestampOld::TYPE,
    TimestampNew::TYPE,
    TimestampNsOld::TYPE,
    TimestampNsNew::TYPE,
    TimestampingOld::TYPE,
    TimestampingNew::TYPE,
    UnreadBytes::TYPE,
];

/// Control bytes made by hand: any order of messages, errnos among the descriptors, at any alignment.
fn adopted(u: &mut Unstructured<'_>, before: Table) -> arbitrary::Result<()> {
    let [shift, flags, messages, spare]: [u8; 4] = u.arbitrary()?;
    let mut bytes = Vec::new();
    for _ in 0..messages % 6 {
        let [kind, count, end]: [u8; 3] = u.arbitrary()?;
        let slot = |u: &mut Unstructured<'_>| -> arbitrary::Result<i32> {
            Ok(match u.arbitrary::<u8>()? {
                what @ 0..=159 => decoy(what.into()).copy(),
                160 => -4095,
                161 => -4096,
                162 => i32::MIN,
                what => -i32::from(what - 162),
            })
        };
        let (level, kind, count) = match kind % 5 {
            0 | 1 => (Rights::LEVEL, Rights::TYPE, count % 9),
            2 => (Rights::LEVEL, PidFd::TYPE, count % 2),
            3 => (Rights::LEVEL, BESIDE[usize::from(count) % BESIDE.len()], 0),
            // Types of `SOL_SOCKET` on another level are not descriptors.
            _ => (41, Rights::TYPE, 0),
        };
        let mut payload = Vec::new();
        for _ in 0..count {
            payload.extend(slot(u)?.to_ne_bytes());
        }
        if level == 41 || BESIDE.contains(&kind) {
            payload.extend([end; 20].iter().take(usize::from(end % 21)));
        }
        append(&mut bytes, level, kind, &payload);
        if end % 2 == 0 {
            pad(&mut bytes);
        }
    }
    // Behind the last message: nothing, less than a header, or a header that cannot be true.
    pad(&mut bytes);
    bytes.extend([[0; 24], [0xff; 24]][usize::from(spare % 2)].iter().take(usize::from(spare / 2 % 25)));

    let shift = usize::from(shift % 8);
    let mut room = vec![0xff; shift];
    room.extend_from_slice(&bytes);
    let flags = MsgFlags::from_kernel(u32::from(flags));
    let capacity = bytes.len() + usize::from(spare % 64);
    let mut model = Model::of(&bytes, flags.contains(MsgFlags::CTRUNC), capacity);
    assert_eq!(model.owned(), Table::now() - before, "the model knows all that was opened");
    // SAFETY: the model has just found each descriptor in the bytes open, in one slot, and nothing else owns it.
    let control = unsafe { Ancillary::from_kernel(&mut room[shift..], capacity, flags) };
    program(u, control, &mut model, before)
}

/// The bytes of all messages, from the first header on. A message is never without a header in front of its payload.
fn bytes_of<'a>(control: &'a Ancillary<'_>) -> &'a [u8] {
    control.messages().remainder()
}

/// Looks, takes and drops; the table agrees after every step.
fn program(
    u: &mut Unstructured<'_>,
    mut control: Ancillary<'_>,
    model: &mut Model,
    before: Table,
) -> arbitrary::Result<()> {
    let mut taken: Vec<OwnedFd> = Vec::new();
    let mut set = FdSet::new([0; 5]);
    let mut grown = FdSet::new(Vec::new());
    while !u.is_empty() {
        let [op, operand]: [u8; 2] = u.arbitrary()?;
        let count = usize::from(operand % 12);
        match op % 12 {
            0 => {
                let lent: Vec<_> = control.fds().map(|fd| fd.map(|fd| fd.as_raw_fd())).collect();
                assert_eq!(lent, model.says(Rights::TYPE));
                let pidfd = control.pidfd().map(|fd| fd.map(|fd| fd.as_raw_fd()));
                assert_eq!(pidfd, model.says(PidFd::TYPE).first().copied());
            }
            1 => for _ in control.take_fds().take(count).map(|fd| keep(fd, &mut taken, model.next(Rights::TYPE))) {},
            2 => match control.take_pidfd() {
                Some(fd) => keep(fd, &mut taken, model.next(PidFd::TYPE)),
                None => assert_eq!(model.next(PidFd::TYPE), None),
            },
            3 => exact::<0>(&mut control, &mut taken, model),
            4 => exact::<1>(&mut control, &mut taken, model),
            5 => exact::<2>(&mut control, &mut taken, model),
            6 => exact::<3>(&mut control, &mut taken, model),
            7 => exact::<8>(&mut control, &mut taken, model),
            8 => {
                let room = set.room();
                let moved = control.take_into(&mut set);
                moves(&set, moved, model);
                let left = model.says(Rights::TYPE).iter().filter(|slot| slot.is_ok()).count();
                assert!(left == 0 || moved == room, "{left} left, {moved} moved, room for {room}");
            }
            9 => {
                let moved = control.take_into(&mut grown);
                moves(&grown, moved, model);
                assert!(model.says(Rights::TYPE).iter().all(Result::is_err), "a vector has room for all");
            }
            10 => {
                taken.truncate(count);
                set.take_fds().take(count / 2).for_each(drop);
                grown.pop();
            }
            _ => {
                let said = control.truncation();
                assert_eq!(said.is_some(), model.truncated);
                // Room for a descriptor is left: then, and only then, it was not the buffer for sure.
                let left = model.capacity - bytes_of(&control).len() >= HEADER + 4;
                assert!(!model.truncated || left == (said == Some(Cause::NotBuffer)), "{said:?}");
                let said = format!("{control:?}");
                assert!(said.contains("Cmsg") || control.messages().all(|m| m.is_err()), "{said}");
                assert_eq!(control.get::<Rights<'_>>().expect("any length").is_some(), has_rights(&control));
            }
        }
        assert_eq!(Table::now(), before | model.owned() | owned(&taken, &set, &grown), "after {op} {operand}");
    }
    drop(control);
    assert_eq!(Table::now(), before | owned(&taken, &set, &grown), "what was not taken is closed");
    drop((taken, set, grown));
    assert_eq!(Table::now(), before);
    Ok(())
}

fn has_rights(control: &Ancillary<'_>) -> bool {
    let (found, _) = walk(bytes_of(control));
    found.iter().any(|header| header.good && (header.level, header.kind) == (Rights::LEVEL, Rights::TYPE))
}

fn owned(taken: &[OwnedFd], set: &FdSet<[RawFd; 5]>, grown: &FdSet<Vec<RawFd>>) -> Table {
    let sets = set.fds().iter().chain(grown.fds()).map(|fd| fd.as_raw_fd());
    taken.iter().map(OwnedFd::as_raw_fd).chain(sets).collect()
}

/// Keeps what came out of a slot, which the model knows.
fn keep(fd: Result<OwnedFd, Errno>, taken: &mut Vec<OwnedFd>, expected: Option<Result<RawFd, Errno>>) {
    assert_eq!(Some(fd.as_ref().map(OwnedFd::as_raw_fd).map_err(|errno| *errno)), expected);
    taken.extend(fd);
}

/// What a set took over is at its end, in order.
fn moves<S: scmsg::Storage>(set: &FdSet<S>, moved: usize, model: &mut Model) {
    for fd in &set.fds()[set.len() - moved..] {
        assert_eq!(Some(fd.as_fd().as_raw_fd()), model.next_fd());
    }
}

/// All of them or none, and the numbers in the error are right.
fn exact<const K: usize>(control: &mut Ancillary<'_>, taken: &mut Vec<OwnedFd>, model: &mut Model) {
    let slots = model.says(Rights::TYPE);
    let found = slots.iter().filter(|slot| slot.is_ok()).count();
    let refused = slots.iter().find_map(|slot| slot.err());
    match control.take_exact::<K>() {
        Ok(fds) => {
            assert!(found == K && refused.is_none() && !model.truncated, "{K} of {slots:?}");
            fds.into_iter().for_each(|fd| keep(Ok(fd), taken, model.next(Rights::TYPE)));
        }
        Err(error) => {
            assert!(found != K || refused.is_some() || model.truncated, "{error} for {K} of {slots:?}");
            assert_eq!((error.want, error.found, error.refused), (K, found, refused));
            assert_eq!(error.truncated.is_some(), model.truncated);
            assert_eq!(error.truncated, control.truncation());
            let said = error.to_string();
            assert_eq!(said.contains("refused"), refused.is_some(), "{said}");
            assert_eq!(said.contains("truncated"), model.truncated, "{said}");
        }
    }
}
