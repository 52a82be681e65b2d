//! Whatever a multishot receive leaves in a provided buffer is adopted: control at every alignment, with every room, with
//! data that was cut; and it is what `recvmsg` would have given.

#[path = "../../tests/common/mod.rs"]
mod common;
mod multishot;

use std::collections::BTreeSet;

use common::{Canary, TYPES, dirty, is_cloexec, own_credentials, pair, send};
use multishot::{Nothing, header, receive};
use scmsg::{
    Cause, Credentials, Errno, IoSliceMut, MsgFlags, RecvFlags, RecvMsg, Rights, SocketAddr, SocketType, UnreadBytes,
    bind, getsockname, recvmsg, setsockopt, sockopt, space_of,
};

#[test]
fn at_every_alignment() {
    let Some(mut ring) = multishot::ring() else { return };
    let (a, b) = pair(SocketType::DGRAM);
    bind(&a, &SocketAddr::unnamed()).unwrap();
    let sender = getsockname(&a).unwrap();
    setsockopt(&b, sockopt::PassCred, true).unwrap();
    let canary = Canary::new();
    let mut alignments = BTreeSet::new();
    // Without room for a name, with room for a part of it, for all of it and more.
    for name in 0..=40 {
        for count in [0, 1, 2, 3, 4] {
            let header = header(name, space_of::<Credentials>() + Rights::space(4));
            send(&a, b"data", &vec![canary.fd(); count]).unwrap();
            let taken = receive(&mut ring, &b, &header, 256, |mut arrived| {
                let case = (name, count);
                alignments.insert((16 + name) % 8);
                let room = usize::try_from(name).unwrap();
                assert_eq!(arrived.name, &sender.as_bytes()[..room.min(sender.as_bytes().len())], "{case:?}");
                assert_eq!((arrived.data, arrived.flags), (&b"data"[..], MsgFlags::empty()), "{case:?}");
                assert_eq!(arrived.control.truncation(), None, "{case:?}");
                assert_eq!(arrived.control.get(), Ok(Some(own_credentials())), "{case:?}");
                assert_eq!(arrived.control.fds().count(), count, "{case:?}");
                assert!(arrived.control.fds().all(|fd| is_cloexec(fd.unwrap().as_raw_fd())), "{case:?}");
                if count == 2 {
                    return arrived.control.take_exact::<2>().unwrap().into();
                }
                // Half is taken, the rest closed.
                arrived.control.take_fds().take(count / 2).map(Result::unwrap).collect::<Vec<_>>()
            });
            assert_eq!(taken.unwrap().len(), if count == 2 { 2 } else { count / 2 });
        }
    }
    assert_eq!(alignments.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(canary.all_closed());
}

#[test]
fn with_every_room_as_by_a_call() {
    let Some(mut ring) = multishot::ring() else { return };
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let _ = setsockopt(&b, sockopt::PassPidFd, true);
        // Asked for, it comes both ways; io_uring gets it unasked from some kernels.
        let _ = setsockopt(&b, sockopt::Inq, true);
        let canary = Canary::new();
        let mut causes = BTreeSet::new();
        for room in 0..=160 {
            for count in [0, 1, 2, 5] {
                let fds = vec![canary.fd(); count];
                send(&a, b"x", &fds).unwrap();
                let ring = receive(&mut ring, &b, &header(3, room), 19 + room + 8, |arrived| {
                    let messages: Vec<_> = arrived.control.messages().map(|m| key(m.unwrap())).collect();
                    (arrived.flags, arrived.control.fds().count(), arrived.control.truncation(), messages)
                });

                send(&a, b"x", &fds).unwrap();
                let (mut buf, mut data) = (dirty::<160>(), [0xff; 8]);
                let mut data = [IoSliceMut::new(&mut data)];
                let mut message = RecvMsg::new(&mut data).control(&mut buf).limit(room);
                let arrived = recvmsg(&b, &mut message, RecvFlags::empty()).unwrap();
                let messages: Vec<_> = arrived.control.messages().map(|m| key(m.unwrap())).collect();
                let call = (arrived.flags, arrived.control.fds().count(), arrived.control.truncation(), messages);

                assert_eq!(ring, Ok(call), "{name}, room {room}, {count} descriptors");
                causes.insert(format!("{:?}", ring.unwrap().2));
            }
        }
        println!("{name}: {causes:?}");
        assert!(causes.contains("None") && causes.contains("Some(Buffer)"), "{name}: {causes:?}");
        assert!(canary.all_closed(), "{name}");
    }
}

/// What can be compared of a message: descriptors have other numbers each time.
fn key(message: scmsg::Cmsg<'_>) -> (i32, i32, usize) {
    (message.level, message.kind, message.payload.len())
}

#[test]
fn cut_data_leaves_the_descriptors_whole() {
    let Some(mut ring) = multishot::ring() else { return };
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        let control = Rights::space(2) + space_of::<UnreadBytes>();
        let header = header(0, control);
        for room in 1..=6 {
            send(&a, b"longer", &[canary.fd(), canary.fd()]).unwrap();
            let seen = receive(&mut ring, &b, &header, 16 + control + room, |mut arrived| {
                assert_eq!(arrived.data, &b"longer"[..room], "{name} {room}");
                assert_eq!(arrived.control.truncation(), None, "{name} {room}");
                arrived.control.take_exact::<2>().unwrap();
                arrived.flags
            });
            let cut = kind != SocketType::STREAM && room < 6;
            assert_eq!(seen, Ok(if cut { MsgFlags::TRUNC } else { MsgFlags::empty() }), "{name} {room}");
            if kind == SocketType::STREAM && room < 6 {
                let rest = receive(&mut ring, &b, &header, 128, |arrived| arrived.data.to_vec());
                assert_eq!(rest, Ok(b"longer"[room..].to_vec()));
            }
        }
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn a_buffer_too_short_for_its_areas_loses_nothing() {
    let Some(mut ring) = multishot::ring() else { return };
    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    send(&a, b"x", &[canary.fd()]).unwrap();
    let header = header(8, Rights::space(1));
    let areas = 16 + 8 + Rights::space(1);
    for size in [16, 17, areas - 1] {
        let nothing = receive(&mut ring, &b, &header, size, |arrived| panic!("{size}: {arrived:?}"));
        assert_eq!(nothing, Err(Nothing::Errno(Errno::EFAULT)), "{size}");
        let mut buffer = vec![0; size];
        // SAFETY: nothing was received, so there is no descriptor.
        assert!(unsafe { interop::adopt(&mut buffer, &header) }.is_none(), "{size}");
    }
    // The message is still there.
    let fd = receive(&mut ring, &b, &header, areas + 1, |mut arrived| arrived.control.take_exact::<1>());
    assert!(fd.unwrap().is_ok());
    assert!(canary.all_closed());
}

#[test]
fn a_full_control_area_says_so() {
    let Some(mut ring) = multishot::ring() else { return };
    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    send(&a, b"x", &[canary.fd(); 3]).unwrap();
    let (count, error) = receive(&mut ring, &b, &header(5, scmsg::CMSG_LEN(8)), 128, |mut arrived| {
        (arrived.control.fds().count(), arrived.control.take_exact::<2>().unwrap_err())
    })
    .unwrap();
    assert_eq!((count, error.found, error.truncated), (2, 2, Some(Cause::Buffer)));
    assert!(canary.all_closed());
}

#[test]
fn the_end_is_the_last_completion() {
    let Some(mut ring) = multishot::ring() else { return };
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        send(&a, b"x", &[canary.fd()]).unwrap();
        drop(a);
        let header = header(0, Rights::space(1) + space_of::<UnreadBytes>());
        assert_eq!(receive(&mut ring, &b, &header, 128, |arrived| arrived.control.fds().count()), Ok(1));
        assert_eq!(receive(&mut ring, &b, &header, 128, |arrived| drop(arrived)), Err(Nothing::End));
        assert!(canary.all_closed());
    }
}
