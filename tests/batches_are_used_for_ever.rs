//! Laws 3 and 6 for batches: the ten-thousandth use of one batch equals the first, each message has its own data, control and
//! address, what stops a batch is told by numbers, and a message that arrived and that nobody reached is closed.

mod common;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use common::{Canary, dev_null, dirty, inode, own_credentials, pair, part, pipe, run_alone, send, table};
use scmsg::{
    AsFd, Batch, BatchFull, CMSG_LEN, CMSG_SPACE, Cause, ControlBuf, Credentials, Encoder, Errno, Family, IoSlice,
    IoSliceMut, MsgFlags, OwnedFd, Received, RecvBatch, RecvFlags, RecvMsg, SendBatch, SendFlags, SendMsg, Shutdown,
    SocketAddr, SocketFlags, SocketType, bind, connect, getsockname, recvmmsg, sendmmsg, setsockopt, shutdown, socket,
    socketpair, sockopt, space_of,
};

const NONE: SendFlags = SendFlags::empty();
const NOW: RecvFlags = RecvFlags::DONTWAIT;

fn name(text: &str) -> SocketAddr {
    SocketAddr::abstract_name(format!("scmsg batch {} {text}", std::process::id()).as_bytes()).unwrap()
}

fn dgram() -> OwnedFd {
    socket(Family::UNIX, SocketType::DGRAM, SocketFlags::empty(), 0).unwrap()
}

fn bound(text: &str) -> OwnedFd {
    let socket = dgram();
    bind(&socket, &name(text)).unwrap();
    socket
}

/// What one message of a batch gave, all but the numbers of the descriptors.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    bytes: usize,
    flags: MsgFlags,
    data: Vec<u8>,
    messages: Vec<(i32, i32, usize)>,
    fds: usize,
    from: Option<SocketAddr>,
    sender: bool,
    truncation: Option<Cause>,
}

impl Seen {
    fn of(received: &Received<'_>) -> Self {
        let messages = received.control.messages().map(|m| m.unwrap()).map(|m| (m.level, m.kind, m.payload.len()));
        Self {
            bytes: received.bytes,
            flags: received.flags,
            data: received.data().collect::<Vec<_>>().concat(),
            messages: messages.collect(),
            fds: received.control.fds().filter(Result::is_ok).count(),
            from: received.from().copied(),
            sender: received.sender().is_some(),
            truncation: received.control.truncation(),
        }
    }
}

/// All of a batch, each message dropped at once.
fn see(batch: Batch<'_>) -> Vec<Seen> {
    let count = batch.len();
    let seen: Vec<_> = batch.map(|received| Seen::of(&received)).collect();
    assert_eq!(seen.len(), count);
    seen
}

/// The whole data of each message.
fn texts(batch: Batch<'_>) -> Vec<Vec<u8>> {
    batch.map(|received| received.data().collect::<Vec<_>>().concat()).collect()
}

/// Up to `count` messages of one socket, each in a buffer of its own, without waiting.
fn drain(socket: &OwnedFd) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut rooms = [[0xff; 600]; 8];
        let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
        let mut batch = RecvBatch::<8>::new();
        rooms.iter_mut().for_each(|room| batch.push(RecvMsg::new(room)).unwrap());
        match recvmmsg(socket, &mut batch, NOW, None) {
            Ok(batch) => all.extend(texts(batch)),
            Err(error) => {
                assert_eq!(error, Errno::EAGAIN);
                return all;
            }
        }
    }
}

#[test]
fn the_last_of_10_000_uses_equals_the_first() {
    let test = "the_last_of_10_000_uses_equals_the_first";
    if part().is_none() {
        run_alone(test, "counts descriptors");
        return;
    }
    let home = name("home");
    let b = dgram();
    bind(&b, &home).unwrap();
    setsockopt(&b, sockopt::PassCred, true).unwrap();
    let senders =
        [bound("s"), bound(&"a long name ".repeat(6)), dgram(), bound(&"another one ".repeat(5)), bound("t"), dgram()];
    senders.iter().for_each(|sender| connect(sender, &home).unwrap());
    let null = dev_null();

    // Six messages to send, each with its own data and control, in one batch that is never built again.
    let data: Vec<Vec<u8>> = (0..6).map(|i| vec![b'a' + i as u8; 1 + 7 * i]).collect();
    let data: Vec<_> = data.iter().map(|data| [IoSlice::new(data)]).collect();
    let mut control = [(); 6].map(|()| dirty::<128>());
    let fds = [null.as_fd(); 4];
    let mut to_self = SendBatch::<6>::new();
    for (i, (buf, data)) in control.iter_mut().zip(&data).enumerate() {
        let mut encoder = Encoder::new(buf);
        if i % 2 == 1 {
            encoder.push(&own_credentials()).unwrap();
        }
        encoder.push_rights(&fds[..i % 5]).unwrap();
        to_self.push(SendMsg::new(data).control(encoder).unwrap().to(&home)).unwrap();
    }

    // Room that differs from slot to slot: one has no control, one too little, one no name, one too little data.
    let mut data = [[0xff_u8; 64]; 6];
    let mut rooms: Vec<_> = data.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
    let mut bufs = [(); 6].map(|()| dirty::<{ CMSG_SPACE(12) + CMSG_SPACE(16) }>());
    let mut names = [SocketAddr::unnamed(); 6];
    let mut receive = RecvBatch::<6>::new();
    for (i, ((room, buf), from)) in rooms.iter_mut().zip(&mut bufs).zip(&mut names).enumerate() {
        let mut message = RecvMsg::new(room).control(buf);
        match i {
            1 => message = message.limit(0),
            2 => message = message.limit(CMSG_SPACE(12) + CMSG_LEN(4)),
            _ => {}
        }
        receive.push(if i == 3 { message } else { message.from(from) }).unwrap();
    }

    let before = table();
    let mut uses = 0;
    let mut turn = || {
        let mut seen = Vec::new();
        let mut next = |uses: &mut usize| {
            seen.push(recvmmsg(&b, &mut receive, NOW, None).map(see));
            *uses += 1;
        };
        // A short batch, a long one, nothing, a long one that starts in the middle, one message, and the long one again.
        send(&senders[1], b"with a long name", &fds).unwrap();
        send(&senders[2], b"without", &fds[..1]).unwrap();
        next(&mut uses);
        assert_eq!(sendmmsg(&senders[0], &mut to_self, NONE), Ok(6));
        assert!(to_self.sent_bytes().eq((0..6).map(|i| 1 + 7 * i)));
        next(&mut uses);
        next(&mut uses);
        to_self.skip(2);
        assert_eq!(sendmmsg(&senders[3], &mut to_self, SendFlags::DONTWAIT), Ok(4));
        assert!(to_self.sent_bytes().eq((2..6).map(|i| 1 + 7 * i)));
        to_self.rewind();
        next(&mut uses);
        send(&senders[4], &[9; 100], &fds).unwrap();
        next(&mut uses);
        assert_eq!(sendmmsg(&senders[5], &mut to_self, NONE), Ok(6));
        next(&mut uses);
        // Long names after short ones and none, in every slot.
        for i in 0..6 {
            send(&senders[(i + 1) % 6], &[i as u8], &fds[..i % 5]).unwrap();
        }
        next(&mut uses);
        seen
    };

    let first = turn();
    let found: Vec<_> = first.iter().map(|batch| batch.as_ref().map(Vec::len).map_err(|e| *e)).collect();
    assert_eq!(found, [Ok(2), Ok(6), Err(Errno::EAGAIN), Ok(4), Ok(1), Ok(6), Ok(6)]);
    // What the first turn saw is what was sent.
    let long = getsockname(&senders[1]).unwrap();
    let batches: Vec<_> = first.iter().flatten().collect();
    assert_eq!(
        (batches[0][0].from, batches[0][0].fds, &*batches[0][0].data),
        (Some(long), 4, &b"with a long name"[..])
    );
    assert_eq!((batches[0][1].from, batches[0][1].fds, batches[0][1].bytes), (None, 0, 7));
    let fds: Vec<_> = batches[1].iter().map(|seen| seen.fds).collect();
    assert_eq!(fds, [0, 0, 1, 3, 4, 0], "slot 1 has no room, slot 2 room for one");
    assert!(batches[1][1].flags.contains(MsgFlags::CTRUNC) && batches[1][1].messages.is_empty());
    assert!(batches.iter().flat_map(|batch| batch.iter()).all(|seen| seen.sender || seen.messages.is_empty()));
    assert_eq!((batches[3][0].flags, batches[3][0].data.len()), (MsgFlags::TRUNC, 64));
    let from = |batch: &[Seen]| batch.iter().map(|seen| seen.from).collect::<Vec<_>>();
    let expected: Vec<_> = (0..6_usize)
        .map(|i| (i != 3).then(|| getsockname(&senders[(i + 1) % 6]).unwrap()).filter(|name| name.as_bytes().len() > 2))
        .collect();
    assert_eq!(from(batches[5]), expected);

    let mut turns = 1;
    while turns * first.len() < 10_000 {
        assert_eq!(turn(), first, "after {turns} turns");
        turns += 1;
    }
    assert_eq!(table(), before);
    println!("{uses} receives");
}

/// A [`Batch`] puts entries back as it gives them out. What was forgotten before that is put back by the next call, and a name
/// that was asked for is as long as it should be either way.
#[test]
fn a_batch_that_was_forgotten_is_put_back() {
    let (b, home) = (dgram(), name("forgotten"));
    bind(&b, &home).unwrap();
    setsockopt(&b, sockopt::PassCred, true).unwrap();
    let (long, short) = (bound(&"a long name ".repeat(7)), bound("short"));
    for sender in [&long, &short] {
        connect(sender, &home).unwrap();
    }
    let [long_name, short_name] = [&long, &short].map(|sender| getsockname(sender).unwrap());

    let mut rooms = [[0xff; 8]; 4];
    let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
    let mut bufs = [(); 4].map(|()| dirty::<{ space_of::<Credentials>() + CMSG_SPACE(4) }>());
    let mut names = [SocketAddr::unnamed(); 4];
    let null = dev_null();
    let mut batch = RecvBatch::<4>::new();
    for ((room, buf), from) in rooms.iter_mut().zip(&mut bufs).zip(&mut names) {
        batch.push(RecvMsg::new(room).control(buf).from(from)).unwrap();
    }
    for reached in 0..=4 {
        for first in [&long, &short] {
            // A shorter name and fewer control bytes overwrite the room for more.
            let second = if std::ptr::eq(first, &long) { &short } else { &long };
            for _ in 0..4 {
                send(first, b"first", &[]).unwrap();
            }
            let mut received = recvmmsg(&b, &mut batch, NOW, None).unwrap();
            let seen: Vec<_> = received.by_ref().take(reached).map(|received| Seen::of(&received)).collect();
            assert!(seen.len() == reached && seen.iter().all(|seen| seen.sender && seen.truncation.is_none()));
            std::mem::forget(received);

            for _ in 0..4 {
                send(second, b"second", &[null.as_fd()]).unwrap();
            }
            let seen = see(recvmmsg(&b, &mut batch, NOW, None).unwrap());
            let from = if std::ptr::eq(second, &long) { long_name } else { short_name };
            assert_eq!(seen.len(), 4);
            for seen in seen {
                assert_eq!((seen.from, seen.sender, seen.fds), (Some(from), true, 1), "{reached} were reached");
                assert_eq!(seen.truncation, None);
            }
        }
    }
}

#[test]
fn a_batch_of_64_arrives_unmixed() {
    const N: usize = 64;
    let home = name("unmixed home");
    let b = dgram();
    bind(&b, &home).unwrap();
    setsockopt(&b, sockopt::PassCred, true).unwrap();
    let pipes: Vec<_> = (0..5).map(|_| pipe()).collect();
    let fds: Vec<_> = pipes.iter().map(|(read, _)| read.as_fd()).collect();
    assert_eq!(fds.iter().map(|fd| inode(*fd)).collect::<BTreeSet<_>>().len(), fds.len(), "all are different");
    // SAFETY: no precondition.
    let root = unsafe { libc::geteuid() } == 0;
    let credentials = |i: usize| {
        let own = own_credentials();
        // A privileged sender may name any user.
        Credentials { uid: if root { 1000 + i as u32 } else { own.uid }, ..own }
    };
    let data = |i: usize| (0..1 + i * 3).map(|at| (i + at) as u8).collect::<Vec<_>>();

    // 64 senders with a name each, one message each; the receiver waits for all of them.
    let mut batch_of_names = thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..N {
                let sender = bound(&format!("sender {i} {}", "x".repeat(i % 40)));
                let mut buf = dirty::<256>();
                let mut control = Encoder::new(&mut buf);
                control.push(&credentials(i)).unwrap().push_rights(&fds[..i % 6]).unwrap();
                let data = data(i);
                let data = [IoSlice::new(&data)];
                scmsg::sendmsg(&sender, &SendMsg::new(&data).control(&control).unwrap().to(&home), NONE).unwrap();
            }
        });
        let mut rooms = [[0xff_u8; 256]; N];
        let mut rooms: Vec<_> = rooms.iter_mut().map(|room| room.split_at_mut(5)).collect();
        let mut rooms: Vec<_> = rooms.iter_mut().map(|(p, q)| [IoSliceMut::new(p), IoSliceMut::new(q)]).collect();
        let mut bufs: Vec<_> = (0..N).map(|_| dirty::<128>()).collect();
        let mut names = [SocketAddr::unnamed(); N];
        let mut batch = RecvBatch::<N>::new();
        for ((room, buf), from) in rooms.iter_mut().zip(&mut bufs).zip(&mut names) {
            batch.push(RecvMsg::new(room).control(buf).from(from)).unwrap();
        }
        let received = recvmmsg(&b, &mut batch, RecvFlags::empty(), None).unwrap();
        assert_eq!(received.len(), N, "it waits until all is filled");
        let mut seen = Vec::new();
        for (i, mut received) in received.enumerate() {
            assert_eq!(received.data().collect::<Vec<_>>().concat(), data(i), "{i}");
            assert_eq!(received.bytes, 1 + i * 3);
            assert_eq!(received.sender(), Some(credentials(i)), "{i}");
            let arrived: Vec<_> = received.control.take_fds().map(Result::unwrap).collect();
            let inodes: Vec<_> = arrived.iter().map(|fd| inode(fd.as_fd())).collect();
            assert_eq!(inodes, fds[..i % 6].iter().map(|fd| inode(*fd)).collect::<Vec<_>>(), "{i}");
            assert_eq!(received.control.truncation(), None);
            seen.push(*received.from().unwrap());
        }
        seen
    });
    for (i, from) in batch_of_names.iter().enumerate() {
        assert_eq!(*from, name(&format!("sender {i} {}", "x".repeat(i % 40))));
    }
    batch_of_names.dedup();
    assert_eq!(batch_of_names.len(), N);

    // The other way round: one batch to 64 receivers, each with its own address, control and data.
    let receivers: Vec<_> = (0..N).map(|i| bound(&format!("receiver {i} {}", "y".repeat(i % 50)))).collect();
    let homes: Vec<_> = receivers.iter().map(|receiver| getsockname(receiver).unwrap()).collect();
    let texts: Vec<_> = (0..N).map(data).collect();
    let pieces: Vec<_> = texts.iter().map(|text| text.split_at(text.len() / 2)).collect();
    let pieces: Vec<_> = pieces.iter().map(|(p, q)| [IoSlice::new(p), IoSlice::new(q)]).collect();
    let mut bufs: Vec<_> = (0..N).map(|_| dirty::<128>()).collect();
    let mut batch = SendBatch::<N>::new();
    for (i, (((data, buf), home), receiver)) in pieces.iter().zip(&mut bufs).zip(&homes).zip(&receivers).enumerate() {
        setsockopt(receiver, sockopt::PassCred, true).unwrap();
        let mut control = Encoder::new(buf);
        control.push_rights(&fds[i % 6..]).unwrap().push(&credentials(i)).unwrap();
        batch.push(SendMsg::new(data).control(control).unwrap().to(home)).unwrap();
    }
    let sender = bound("sender of 64");
    assert_eq!(sendmmsg(&sender, &mut batch, NONE), Ok(N));
    assert!(batch.sent_bytes().eq((0..N).map(|i| 1 + i * 3)));
    for (i, receiver) in receivers.iter().enumerate() {
        let (mut room, mut buf, mut from) = ([0xff; 256], dirty::<128>(), SocketAddr::unnamed());
        let mut room = [IoSliceMut::new(&mut room)];
        let mut message = RecvMsg::new(&mut room).control(&mut buf).from(&mut from);
        let received = scmsg::recvmsg(receiver, &mut message, NOW).unwrap();
        assert_eq!(received.data().next().unwrap(), data(i));
        assert_eq!(received.sender(), Some(credentials(i)));
        let inodes: Vec<_> = received.control.fds().map(|fd| inode(fd.unwrap())).collect();
        assert_eq!(inodes, fds[i % 6..].iter().map(|fd| inode(*fd)).collect::<Vec<_>>(), "{i}");
        assert_eq!(received.from(), Some(&name("sender of 64")));
        drop(received);
        assert_eq!(scmsg::recvmsg(receiver, &mut message, NOW).unwrap_err(), Errno::EAGAIN, "one each");
    }
}

/// Numbered messages of `len` bytes.
fn numbered(count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| [&(i as u32).to_ne_bytes()[..], &vec![7; len - 4]].concat()).collect()
}

#[test]
fn a_full_queue_stops_a_batch_and_it_goes_on_from_there() {
    // The queue of a datagram socket that does not know its peer, and the send buffer of a pair.
    let (b, a) = (bound("full"), dgram());
    connect(&a, &name("full")).unwrap();
    let (c, d) = pair(SocketType::SEQPACKET);
    setsockopt(&c, sockopt::SendBuffer, 16_000).unwrap();
    for (from, to) in [(&a, &b), (&c, &d)] {
        let texts = numbered(64, 500);
        let data: Vec<_> = texts.iter().map(|text| [IoSlice::new(text)]).collect();
        let mut batch = SendBatch::<64>::new();
        data.iter().for_each(|data| batch.push(SendMsg::new(data)).unwrap());
        for _turn in 0..2 {
            assert_eq!(batch.len(), 64);
            let mut arrived = Vec::new();
            let mut stops = 0;
            while !batch.is_empty() {
                let left = batch.len();
                let sent = sendmmsg(from, &mut batch, SendFlags::DONTWAIT).unwrap();
                assert!(sent >= 1 && sent <= left);
                assert!(batch.sent_bytes().take(sent).all(|bytes| bytes == 500));
                batch.skip(sent);
                assert_eq!(batch.len(), left - sent);
                if !batch.is_empty() {
                    // Why it stopped is told by the next call, and nothing was sent by it.
                    assert_eq!(sendmmsg(from, &mut batch, SendFlags::DONTWAIT), Err(Errno::EAGAIN));
                    stops += 1;
                }
                let came = drain(to);
                assert_eq!(came.len(), sent, "exactly what it said");
                arrived.extend(came);
            }
            assert!(stops > 0, "it did stop");
            assert_eq!(arrived, texts, "all of them, in order, once");
            assert_eq!(sendmmsg(from, &mut batch, NONE), Ok(0), "nothing is left");
            batch.rewind();
        }
    }
}

#[test]
fn a_bad_message_stops_a_batch_and_the_next_call_says_why() {
    let (a, b) = (dgram(), bound("good"));
    let (home, nobody) = (name("good"), name("nobody"));
    let texts = numbered(6, 8);
    let data: Vec<_> = texts.iter().map(|text| [IoSlice::new(text)]).collect();
    let canary = Canary::new();
    let too_many = [canary.fd(); 254];
    let mut large = dirty::<{ CMSG_SPACE(4 * 254) }>();
    let mut large = Encoder::new(&mut large);
    large.push_rights(&too_many).unwrap();
    for (why, bad) in [
        (Errno::ECONNREFUSED, SendMsg::new(&data[3]).to(&nobody)),
        (Errno::EINVAL, SendMsg::new(&data[3]).to(&home).control(&large).unwrap()),
    ] {
        let mut batch = SendBatch::<7>::new();
        for (i, data) in data.iter().enumerate() {
            batch.push(if i == 3 { bad.clone() } else { SendMsg::new(data).to(&home) }).unwrap();
        }
        assert_eq!(sendmmsg(&a, &mut batch, NONE), Ok(3), "{why}");
        assert_eq!(drain(&b), texts[..3]);
        batch.skip(3);
        // As the first message it is an error, as often as it is tried, and nothing is sent.
        for _ in 0..3 {
            assert_eq!(sendmmsg(&a, &mut batch, NONE), Err(why));
        }
        assert_eq!(drain(&b), [[0_u8; 0]; 0]);
        batch.skip(1);
        assert_eq!(sendmmsg(&a, &mut batch, NONE), Ok(2));
        assert_eq!(drain(&b), texts[4..]);
        // Skipping past the end is the end.
        batch.skip(usize::MAX);
        assert_eq!((batch.len(), batch.is_empty(), sendmmsg(&a, &mut batch, NONE)), (0, true, Ok(0)));
        // What is pushed then is next, and is not skipped, too.
        batch.push(SendMsg::new(&data[0]).to(&home)).unwrap();
        assert_eq!((batch.len(), sendmmsg(&a, &mut batch, NONE)), (1, Ok(1)));
        assert_eq!(drain(&b), texts[..1]);
        batch.rewind();
        assert_eq!(batch.len(), 7);
        batch.skip(2);
        batch.clear();
        assert_eq!((batch.len(), sendmmsg(&a, &mut batch, NONE)), (0, Ok(0)));
        batch.push(SendMsg::new(&data[5]).to(&home)).unwrap();
        assert_eq!((batch.len(), sendmmsg(&a, &mut batch, NONE)), (1, Ok(1)));
        assert_eq!(drain(&b), texts[5..]);
    }
    assert!(canary.all_closed());
}

#[test]
fn a_stream_takes_a_message_in_part_and_stops_there() {
    let (a, b) = socketpair(SocketType::STREAM, SocketFlags::NONBLOCK).unwrap();
    let (small, huge) = (vec![1; 10], vec![2; 4_000_000]);
    let data = [[IoSlice::new(&small)], [IoSlice::new(&huge)], [IoSlice::new(&small)]];
    let mut batch = SendBatch::<3>::new();
    data.iter().for_each(|data| batch.push(SendMsg::new(data)).unwrap());
    let sent = sendmmsg(&a, &mut batch, NONE).unwrap();
    assert_eq!(sent, 2, "the third one would come before the rest of the second");
    let bytes: Vec<_> = batch.sent_bytes().take(sent).collect();
    assert_eq!(bytes[0], 10);
    assert!(bytes[1] > 0 && bytes[1] < huge.len(), "{bytes:?}");
    let mut room = vec![0xff; huge.len()];
    let mut arrived = Vec::new();
    loop {
        let mut data = [IoSliceMut::new(&mut room)];
        match scmsg::recvmsg(&b, &mut RecvMsg::new(&mut data), RecvFlags::empty()) {
            Ok(received) => arrived.extend(received.data().collect::<Vec<_>>().concat()),
            Err(error) => break assert_eq!(error, Errno::EAGAIN),
        }
    }
    assert_eq!(arrived.len(), bytes.iter().sum::<usize>());
    assert!(arrived[..10] == small && arrived[10..] == huge[..bytes[1]]);
    // The rest of it is a message of its own.
    let rest = [IoSlice::new(&huge[huge.len() - 5..])];
    batch.clear();
    batch.push(SendMsg::new(&rest)).unwrap();
    batch.push(SendMsg::new(&data[2])).unwrap();
    assert_eq!(sendmmsg(&a, &mut batch, NONE), Ok(2));
    assert!(batch.sent_bytes().eq([5, 10]));
}

#[test]
fn an_empty_batch_moves_nothing_and_a_full_one_takes_nothing() {
    let (a, b) = pair(SocketType::SEQPACKET);
    assert_eq!(sendmmsg(&a, &mut SendBatch::<0>::new(), NONE), Ok(0));
    assert_eq!(sendmmsg(&a, &mut SendBatch::<4>::default(), NONE), Ok(0));
    assert_eq!(recvmmsg(&b, &mut RecvBatch::<0>::new(), RecvFlags::empty(), None).unwrap().count(), 0);
    assert_eq!(recvmmsg(&b, &mut RecvBatch::<4>::default(), RecvFlags::empty(), None).unwrap().count(), 0);
    send(&a, b"x", &[]).unwrap();
    assert_eq!(recvmmsg(&b, &mut RecvBatch::<4>::new(), RecvFlags::empty(), None).unwrap().count(), 0);
    assert_eq!(drain(&b), [b"x"], "it is still there");

    let data = [IoSlice::new(b"x")];
    let mut batch = SendBatch::<2>::new();
    assert!(batch.is_empty());
    batch.push(SendMsg::new(&data)).unwrap();
    batch.push(SendMsg::new(&data)).unwrap();
    assert_eq!(batch.push(SendMsg::new(&data)), Err(BatchFull { slots: 2 }));
    assert_eq!(BatchFull { slots: 2 }.to_string(), "all 2 slots of the batch are taken");
    assert_eq!((batch.len(), sendmmsg(&a, &mut batch, NONE)), (2, Ok(2)));
    assert_eq!(SendBatch::<0>::new().push(SendMsg::new(&data)), Err(BatchFull { slots: 0 }));
    assert_eq!(format!("{batch:?}"), "SendBatch { slots: 2, len: 2 }");

    let mut rooms = [[0xff]; 3];
    let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
    let [one, two, three] = &mut rooms[..] else { unreachable!() };
    let mut batch = RecvBatch::<2>::new();
    assert!(batch.is_empty());
    batch.push(RecvMsg::new(one)).unwrap();
    batch.push(RecvMsg::new(two)).unwrap();
    assert_eq!(batch.push(RecvMsg::new(three)), Err(BatchFull { slots: 2 }));
    assert_eq!((batch.len(), recvmmsg(&b, &mut batch, NOW, None).unwrap().len()), (2, 2));
    assert_eq!(format!("{batch:?}"), "RecvBatch { slots: 2, len: 2 }");
}

/// What waits on a receiver, and how long it may: a receive that waits for more than it should ends after five seconds.
fn waiting(count: usize) -> (OwnedFd, OwnedFd) {
    let (a, b) = pair(SocketType::SEQPACKET);
    let limit = libc::timeval { tv_sec: 5, tv_usec: 0 };
    // SAFETY: the kernel reads a local.
    let set = unsafe {
        libc::setsockopt(
            b.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const limit).cast(),
            size_of_val(&limit) as u32,
        )
    };
    assert_eq!(set, 0);
    for i in 0..count {
        send(&a, &[i as u8], &[]).unwrap();
    }
    (a, b)
}

/// One receive into eight slots: what came, and after how long.
fn eight(b: &OwnedFd, flags: RecvFlags, timeout: Option<Duration>) -> (Result<Vec<Vec<u8>>, Errno>, Duration) {
    let mut rooms = [[0xff; 4]; 8];
    let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
    let mut batch = RecvBatch::<8>::new();
    rooms.iter_mut().for_each(|room| batch.push(RecvMsg::new(room)).unwrap());
    let start = Instant::now();
    let came = recvmmsg(b, &mut batch, flags, timeout).map(texts);
    (came, start.elapsed())
}

#[test]
fn it_waits_as_long_as_it_was_told_to() {
    let short = Duration::from_secs(2);
    let numbers = |range: std::ops::Range<u8>| Ok(range.map(|i| vec![i]).collect::<Vec<_>>());

    // For one: it takes what is there, and does not wait for more.
    let (_a, b) = waiting(3);
    let (came, took) = eight(&b, RecvFlags::WAITFORONE, None);
    assert_eq!(came, numbers(0..3));
    assert!(took < short, "{took:?}");
    // For none.
    assert_eq!(eight(&b, NOW, None).0, Err(Errno::EAGAIN));
    let (_a, b) = waiting(3);
    let (came, took) = eight(&b, NOW, None);
    assert_eq!(came, numbers(0..3));
    assert!(took < short, "{took:?}");
    // More than fit stay.
    let (_a, b) = waiting(11);
    assert_eq!(eight(&b, RecvFlags::empty(), None).0, numbers(0..8));
    assert_eq!(eight(&b, NOW, None).0, numbers(8..11));

    // For one that comes later.
    let (a, b) = waiting(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            send(&a, &[0], &[]).unwrap();
        });
        let (came, took) = eight(&b, RecvFlags::WAITFORONE, None);
        assert_eq!(came, numbers(0..1));
        assert!(took >= Duration::from_millis(40) && took < short, "{took:?}");
    });

    // A timeout of nothing ends the batch after one message, though more are there.
    let (_a, b) = waiting(3);
    let (came, took) = eight(&b, RecvFlags::empty(), Some(Duration::ZERO));
    assert_eq!(came, numbers(0..1));
    assert!(took < short, "{took:?}");
    // It ends a batch, it does not end the wait for a message: that comes after 200 ms, and is taken.
    let (a, b) = waiting(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(200));
            send(&a, &[0], &[]).unwrap();
            send(&a, &[1], &[]).unwrap();
        });
        let (came, took) = eight(&b, RecvFlags::empty(), Some(Duration::from_millis(20)));
        assert_eq!(came, numbers(0..1));
        assert!(took >= Duration::from_millis(150) && took < short, "{took:?}");
    });
    // A long one lets the batch be filled, whatever its size: seconds that no kernel has are cut.
    for timeout in [Duration::from_secs(100), Duration::from_secs(u64::MAX), Duration::new(1, 999_999_999)] {
        let (_a, b) = waiting(8);
        let (came, took) = eight(&b, RecvFlags::empty(), Some(timeout));
        assert_eq!(came, numbers(0..8), "{timeout:?}");
        assert!(took < short, "{took:?}");
    }

    // The end fills every slot: each is an end.
    let (a, b) = waiting(2);
    drop(a);
    let (came, took) = eight(&b, RecvFlags::empty(), None);
    assert_eq!(came.map(|all| all.iter().map(Vec::len).collect()), Ok(vec![1, 1, 0, 0, 0, 0, 0, 0]));
    assert!(took < short, "{took:?}");
}

#[test]
fn a_pending_error_comes_first_and_once() {
    // The peer is gone, and has never read what was sent to it.
    let (a, b) = waiting(2);
    send(&b, b"never read", &[]).unwrap();
    drop(a);
    let (came, _) = eight(&b, RecvFlags::empty(), None);
    // The kernel looks at the pending error first.
    assert_eq!(came, Err(Errno::ECONNRESET));
    let (came, _) = eight(&b, RecvFlags::empty(), None);
    assert_eq!(came.map(|all| all.len()), Ok(8), "once; then what waited, and the end");
    // A peer that only stops sending is no error.
    let (a, b) = waiting(1);
    shutdown(&a, Shutdown::Write).unwrap();
    assert_eq!(eight(&b, RecvFlags::empty(), None).0.map(|all| all.len()), Ok(8));
}

/// What is done with a batch of eight.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Dropped as it came.
    Drop,
    /// So many are reached, and dropped.
    Reach(usize),
    /// So many are reached, and all of theirs taken.
    Take(usize),
    /// So many are reached, and one descriptor of each taken.
    TakeOne(usize),
    /// So many are left out by `nth`, one is taken.
    Nth(usize),
    /// Collected, then dropped backwards.
    Collect,
    /// So many are reached; one descriptor of the last taken, then a panic.
    Panic(usize),
    /// Out by `?` behind so many.
    Return(usize),
}

fn go(mut batch: Batch<'_>, way: Way, taken: &mut Vec<OwnedFd>) -> Result<(), &'static str> {
    match way {
        Way::Drop => drop(batch),
        Way::Reach(count) => batch.by_ref().take(count).for_each(drop),
        Way::Take(count) => {
            for mut received in batch.by_ref().take(count) {
                taken.extend(received.control.take_fds().map(Result::unwrap));
            }
        }
        Way::TakeOne(count) => {
            for mut received in batch.by_ref().take(count) {
                taken.extend(received.control.take_fds().take(1).map(Result::unwrap));
            }
        }
        Way::Nth(count) => {
            if let Some(mut received) = batch.nth(count) {
                taken.extend(received.control.take_fds().map(Result::unwrap));
            }
        }
        Way::Collect => {
            let mut all: Vec<_> = batch.collect();
            while all.pop().is_some() {}
        }
        Way::Panic(count) => {
            for (i, mut received) in batch.by_ref().enumerate() {
                if i == count {
                    let _local = received.control.take_fds().next();
                    resume_unwind(Box::new("between"));
                }
            }
            resume_unwind(Box::new("behind the last"));
        }
        Way::Return(count) => {
            for received in batch.by_ref().take(count) {
                taken.extend({ received }.control.take_fds().map(Result::unwrap));
            }
            Err("early")?;
        }
    }
    Ok(())
}

#[test]
fn what_nobody_reached_is_closed() {
    let test = "what_nobody_reached_is_closed";
    if part().is_none() {
        println!("{}", run_alone(test, "counts descriptors"));
        return;
    }
    let null = dev_null();
    let mut opened_in_all = 0;
    for kind in [SocketType::SEQPACKET, SocketType::DGRAM] {
        let (a, b) = pair(kind);
        for pidfd in [false, true] {
            if setsockopt(&b, sockopt::PassPidFd, pidfd).is_err() && pidfd {
                println!("SKIPPED: SO_PASSPIDFD is not in this kernel");
                continue;
            }
            let mut rooms = [[0xff; 4]; 8];
            let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
            let mut bufs = [(); 8].map(|()| dirty::<64>());
            let mut batch = RecvBatch::<8>::new();
            for (room, buf) in rooms.iter_mut().zip(&mut bufs) {
                batch.push(RecvMsg::new(room).control(buf)).unwrap();
            }
            let ways = (0..=8).flat_map(|n| {
                [
                    Way::Drop,
                    Way::Reach(n),
                    Way::Take(n),
                    Way::TakeOne(n),
                    Way::Nth(n),
                    Way::Collect,
                    Way::Panic(n),
                    Way::Return(n),
                ]
            });
            for way in ways {
                for (messages, flags) in [(8, NOW), (3, NOW), (1, NOW), (8, NOW), (8, NOW | RecvFlags::PEEK)] {
                    let case = (kind, pidfd, way, messages, flags);
                    for i in 0..messages {
                        send(&a, b"x", &[null.as_fd(); 4][..i % 5]).unwrap();
                    }
                    let mut taken = Vec::with_capacity(64);
                    let before = table();
                    let received = recvmmsg(&b, &mut batch, flags, None).unwrap();
                    let opened = table() & !before;
                    opened_in_all += opened.count_ones();
                    assert_eq!(received.len(), if flags.contains(RecvFlags::PEEK) { 8 } else { messages });
                    let end = catch_unwind(AssertUnwindSafe(|| go(received, way, &mut taken)));
                    assert_eq!(end.is_err(), matches!(way, Way::Panic(_)), "{case:?}");
                    let owned = taken.iter().fold(0_u64, |bits, fd| bits | 1 << fd.as_raw_fd());
                    assert_eq!(owned.count_ones() as usize, taken.len(), "{case:?}: none is owned twice");
                    assert_eq!(owned & !opened, 0, "{case:?}: taken is part of what was opened");
                    assert_eq!(table(), before | owned, "{case:?}: what was not taken is closed");
                    drop(taken);
                    assert_eq!(table(), before, "{case:?}: back to the start");
                    if flags.contains(RecvFlags::PEEK) {
                        drop(recvmmsg(&b, &mut batch, NOW, None).unwrap());
                        assert_eq!(table(), before, "{case:?}: and what was peeked at, too");
                    }
                }
            }
        }
    }
    println!("{opened_in_all} descriptors were opened");
    assert!(opened_in_all > 5_000);
}

#[test]
fn truncation_is_of_each_message() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    let rooms_for: [usize; 6] =
        [CMSG_LEN(12), CMSG_LEN(4), 0, CMSG_SPACE(12), CMSG_LEN(0), CMSG_SPACE(12) + space_of::<Credentials>()];
    let mut rooms = [[0xff; 4]; 6];
    let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
    let mut bufs = [(); 6].map(|()| dirty::<128>());
    let mut batch = RecvBatch::<6>::new();
    for ((room, buf), limit) in rooms.iter_mut().zip(&mut bufs).zip(rooms_for) {
        batch.push(RecvMsg::new(room).control(buf).limit(limit)).unwrap();
    }
    for _turn in 0..3 {
        for i in 0..6 {
            send(&a, &vec![i; 3 + usize::from(i)], &[canary.fd(); 3]).unwrap();
        }
        let seen = see(recvmmsg(&b, &mut batch, NOW, None).unwrap());
        let fds: Vec<_> = seen.iter().map(|seen| seen.fds).collect();
        assert_eq!(fds, [3, 1, 0, 3, 0, 3]);
        let causes: Vec<_> = seen.iter().map(|seen| seen.truncation).collect();
        let buffer = Some(Cause::Buffer);
        assert_eq!(causes, [None, buffer, buffer, None, buffer, None]);
        let cut: Vec<_> = seen.iter().map(|seen| seen.flags.contains(MsgFlags::TRUNC)).collect();
        assert_eq!(cut, [false, false, true, true, true, true], "five bytes do not fit in four");
        let control_cut: Vec<_> = seen.iter().map(|seen| seen.flags.contains(MsgFlags::CTRUNC)).collect();
        assert_eq!(control_cut, [false, true, true, false, true, false]);
        assert!(seen.iter().enumerate().all(|(i, seen)| seen.data.iter().all(|byte| usize::from(*byte) == i)));
    }
    assert!(canary.all_closed());
}

#[test]
fn one_call_moves_1024_at_most() {
    const N: usize = 1100;
    let (a, b) = pair(SocketType::SEQPACKET);
    let texts = numbered(N, 4);
    thread::scope(|scope| {
        scope.spawn(|| {
            let data: Vec<_> = texts.iter().map(|text| [IoSlice::new(text)]).collect();
            let mut batch = Box::new(SendBatch::<N>::new());
            data.iter().for_each(|data| batch.push(SendMsg::new(data)).unwrap());
            assert_eq!(sendmmsg(&a, &mut batch, NONE), Ok(1024));
            batch.skip(1024);
            assert_eq!(batch.len(), N - 1024);
            assert_eq!(sendmmsg(&a, &mut batch, NONE), Ok(N - 1024));
        });
        let mut rooms = vec![[0xff_u8; 4]; N];
        let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
        let mut batch = Box::new(RecvBatch::<N>::new());
        rooms.iter_mut().for_each(|room| batch.push(RecvMsg::new(room)).unwrap());
        let all = RecvFlags::empty();
        let first: Vec<_> = self::texts(recvmmsg(&b, &mut batch, all, None).unwrap());
        assert_eq!(first.len(), 1024);
        assert!(first == texts[..1024]);
        let mut rest = Vec::new();
        while rest.len() < N - 1024 {
            rest.extend(recvmmsg(&b, &mut batch, NOW, None).map(self::texts).unwrap_or_default());
        }
        assert!(rest == texts[1024..]);
    });
}

#[test]
fn the_headers_are_those_a_raw_call_takes() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let texts = numbered(4, 8);
    let data: Vec<_> = texts.iter().map(|text| [IoSlice::new(text)]).collect();
    let mut batch = SendBatch::<8>::new();
    data.iter().for_each(|data| batch.push(SendMsg::new(data)).unwrap());
    batch.skip(1);
    let headers: Vec<_> = batch.as_ptrs().collect();
    assert_eq!(headers.len(), 3);
    for header in headers {
        // SAFETY: the headers are good while the batch is.
        assert_eq!(unsafe { scmsg::raw::sendmsg(a.as_raw_fd(), header, 0) }, Ok(8));
    }
    assert_eq!(drain(&b), texts[1..]);
}

#[test]
fn batches_go_to_other_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<SendBatch<'_, 4>>();
    sync::<SendBatch<'_, 4>>();
    send::<RecvBatch<'_, 4>>();
    send::<Batch<'_>>();

    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    common::send(&a, b"x", &[canary.fd()]).unwrap();
    common::send(&a, b"y", &[canary.fd()]).unwrap();
    let mut bufs: [ControlBuf<[u8; 64]>; 2] = [dirty(), dirty()];
    let mut rooms = [[0xff]; 2];
    let mut rooms: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
    let mut batch = RecvBatch::<2>::new();
    for (room, buf) in rooms.iter_mut().zip(&mut bufs) {
        batch.push(RecvMsg::new(room).control(buf)).unwrap();
    }
    let mut received = recvmmsg(&b, &mut batch, NOW, None).unwrap();
    let first = received.next().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || assert_eq!(received.next().unwrap().data().next().unwrap(), b"y"));
    });
    drop(first);
    assert!(canary.all_closed());
}
