//! Law 3: every descriptor that a receive opens is either taken or closed, at every control size, count, socket type
//! and way to stop. One test, because it reads the descriptor table of the process.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use common::{TYPES, dev_null, dirty, pair, send, table};
use scmsg::{
    Ancillary, AsFd, Errno, IoSliceMut, OwnedFd, RecvFlags, RecvMsg, SocketType, recv_with_fds, recvmsg, setsockopt,
    sockopt,
};

/// What is done with the descriptors that arrived.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// `take_fds`, stopped after so many.
    Take(usize),
    /// So many, then the process descriptor.
    TakeAndPidFd(usize),
    /// The process descriptor, then so many.
    PidFdAndTake(usize),
    /// `take_fd`.
    One,
    /// `take_fd`, then the process descriptor.
    OneAndPidFd,
    Exact0,
    Exact1,
    Exact3,
    Exact8,
    /// `Take`, then out by `?`.
    Return(usize),
    /// `Take`, then out by a panic, with the taken ones in a local.
    Panic(usize),
}

const WAYS: [Way; 17] = [
    Way::Take(0),
    Way::Take(1),
    Way::Take(2),
    Way::Take(3),
    Way::Take(4),
    Way::TakeAndPidFd(0),
    Way::TakeAndPidFd(2),
    Way::PidFdAndTake(1),
    Way::One,
    Way::OneAndPidFd,
    Way::Exact0,
    Way::Exact1,
    Way::Exact3,
    Way::Exact8,
    Way::Return(2),
    Way::Panic(0),
    Way::Panic(2),
];

/// Looks at what arrived, takes some the given `way` into `taken`, and ends with `control`.
fn go(mut control: Ancillary<'_>, way: Way, taken: &mut Vec<OwnedFd>) -> Result<(), &'static str> {
    let mut take = |control: &mut Ancillary<'_>, count| {
        taken.extend(control.take_fds().take(count).map(|slot| slot.expect("a descriptor")));
    };
    match way {
        Way::Take(count) => take(&mut control, count),
        Way::TakeAndPidFd(count) => {
            take(&mut control, count);
            taken.extend(control.take_pidfd().map(|slot| slot.expect("a process descriptor")));
        }
        Way::PidFdAndTake(count) => {
            let pidfd = control.take_pidfd();
            take(&mut control, count);
            taken.extend(pidfd.map(|slot| slot.expect("a process descriptor")));
        }
        Way::One => taken.extend(control.take_fd().map(|slot| slot.expect("a descriptor"))),
        Way::OneAndPidFd => {
            taken.extend(control.take_fd().map(|slot| slot.expect("a descriptor")));
            taken.extend(control.take_pidfd().map(|slot| slot.expect("a process descriptor")));
        }
        Way::Exact0 => taken.extend(control.take_exact::<0>().into_iter().flatten()),
        Way::Exact1 => taken.extend(control.take_exact::<1>().into_iter().flatten()),
        Way::Exact3 => taken.extend(control.take_exact::<3>().into_iter().flatten()),
        Way::Exact8 => taken.extend(control.take_exact::<8>().into_iter().flatten()),
        Way::Return(count) => {
            take(&mut control, count);
            Err("early")?;
        }
        Way::Panic(count) => {
            let _local: Vec<_> = control.take_fds().take(count).collect();
            resume_unwind(Box::new("between"));
        }
    }
    Ok(())
}

#[test]
fn opened_is_taken_plus_closed() {
    let null = dev_null();
    let mut receives = 0_usize;
    let mut opened_in_all = 0;
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        for (creds, pidfd) in [(false, false), (true, false), (false, true), (true, true)] {
            setsockopt(&b, sockopt::PassCred, creds).unwrap();
            let has_pidfd = setsockopt(&b, sockopt::PassPidFd, pidfd).is_ok();
            if pidfd && !has_pidfd {
                println!("SKIPPED: SO_PASSPIDFD is not in this kernel");
            }
            for size in 0..=200 {
                for sent in 0..=8 {
                    let fds = [null.as_fd(); 8];
                    for way in WAYS {
                        let case = (name, creds, pidfd, size, sent, way);
                        send(&a, b"x", &fds[..sent]).unwrap();
                        let mut taken = Vec::with_capacity(9);
                        let mut buf = dirty::<200>();
                        let mut data = [0xff];
                        let mut data = [IoSliceMut::new(&mut data)];
                        let mut message = RecvMsg::new(&mut data).control(&mut buf).limit(size);

                        let before = table();
                        let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
                        let after = table();
                        assert_eq!(after & before, before, "{case:?}");
                        let opened = (after & !before).count_ones() as usize;

                        let lent = received.control.fds().map(|fd| fd.expect("a descriptor")).map(|fd| fd.as_raw_fd());
                        let all: Vec<_> =
                            lent.chain(received.control.pidfd().map(|fd| fd.unwrap().as_raw_fd())).collect();
                        let seen = all.iter().fold(0_u64, |bits, fd| bits | 1 << fd);
                        assert_eq!(seen, after & !before, "{case:?}: owned is what was opened");
                        assert_eq!(all.len(), opened, "{case:?}: each once");

                        let control = received.control;
                        let end = catch_unwind(AssertUnwindSafe(|| go(control, way, &mut taken)));
                        assert_eq!(end.is_err(), matches!(way, Way::Panic(_)), "{case:?}");
                        let owned = taken.iter().fold(0_u64, |bits, fd| bits | 1 << fd.as_raw_fd());
                        assert_eq!(owned & !(after & !before), 0, "{case:?}: taken is part of what was opened");
                        assert_eq!(owned.count_ones() as usize, taken.len(), "{case:?}: none is owned twice");
                        assert_eq!(table(), before | owned, "{case:?}: what was not taken is closed");
                        drop(taken);
                        assert_eq!(table(), before, "{case:?}: back to the start");
                        receives += 1;
                        opened_in_all += opened;
                    }
                }
            }
        }
    }
    println!("{receives} receives opened {opened_in_all} descriptors");
    assert!(opened_in_all > receives, "the grid must open descriptors");

    // The short way takes exactly so many, or none and closes all.
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let _ = setsockopt(&b, sockopt::PassPidFd, true);
        for sent in 0..=8 {
            for room in [1, 2] {
                short_way::<0>(name, &a, &b, sent, room);
                short_way::<1>(name, &a, &b, sent, room);
                short_way::<2>(name, &a, &b, sent, room);
                short_way::<8>(name, &a, &b, sent, room);
            }
        }
    }

    // Nothing is opened by a receive that fails, nor where there is no control buffer at all.
    let (a, b) = pair(SocketType::SEQPACKET);
    let before = table();
    let mut data = [0xff];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data);
    assert_eq!(recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap_err(), Errno::EAGAIN);
    send(&a, b"x", &[null.as_fd()]).unwrap();
    drop(recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap());
    assert_eq!(table(), before);
}

fn short_way<const K: usize>(name: &str, a: &OwnedFd, b: &OwnedFd, sent: usize, room: usize) {
    let null = dev_null();
    // Two data bytes: one buffer that holds them and one that cuts a datagram.
    send(a, b"xy", &vec![null.as_fd(); sent]).unwrap();
    let mut data = vec![0xff; room];
    let before = table();
    let result = recv_with_fds::<K>(b, &mut data);
    let cut = room < 2 && name != "stream";
    match result {
        Ok((bytes, fds)) => {
            assert!(K == sent && !cut && bytes == room, "{name} {sent} {room} {K}");
            assert_eq!((table() & !before).count_ones() as usize, K);
            drop(fds);
        }
        Err(_) => assert!(K != sent || cut, "{name} {sent} {room} {K}: {result:?}"),
    }
    assert_eq!(table(), before, "{name} {sent} {room} {K}");
    if name == "stream" && room < 2 {
        let rest = recv_with_fds::<0>(b, &mut data).unwrap();
        assert_eq!(rest.0, 1);
    }
    assert_eq!(table(), before);
}
