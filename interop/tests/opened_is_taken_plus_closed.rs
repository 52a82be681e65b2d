//! Law 3 for io_uring: every descriptor that a completion opened is taken or closed, at every room, count and number taken.
//! One test, because it reads the descriptor table of the process.

#[path = "../../tests/common/mod.rs"]
mod common;
mod multishot;

use common::{TYPES, dev_null, dirty, pair, send, table};
use io_uring::{IoUring, opcode, types};
use multishot::{header, receive};
use scmsg::{
    Ancillary, AsFd, Errno, IoSliceMut, OwnedFd, RecvFlags, RecvMsg, SocketType, recvmsg, setsockopt, sockopt,
};

/// Compares what is owned with what was opened since `before`, takes so many, and closes the rest.
fn take(mut control: Ancillary<'_>, before: u64, count: usize, pidfd: bool) -> Vec<OwnedFd> {
    let after = table();
    assert_eq!(after & before, before);
    let lent = control.fds().chain(control.pidfd()).map(|fd| fd.expect("a descriptor").as_raw_fd());
    let numbers: Vec<_> = lent.collect();
    let owned = numbers.iter().fold(0_u64, |bits, fd| bits | 1 << fd);
    assert_eq!(owned, after & !before, "owned is what was opened");
    assert_eq!(numbers.len(), owned.count_ones() as usize, "each once");
    let mut taken: Vec<_> = control.take_fds().take(count).map(Result::unwrap).collect();
    if pidfd {
        taken.extend(control.take_pidfd().map(Result::unwrap));
    }
    taken
}

/// The table must be what it was and what was taken; then, what it was. How many were taken.
fn settle(taken: Vec<OwnedFd>, before: u64) -> usize {
    let owned = taken.iter().fold(0_u64, |bits, fd| bits | 1 << fd.as_raw_fd());
    assert_eq!(owned & before, 0);
    assert_eq!(table(), before | owned, "what was not taken is closed");
    let count = taken.len();
    drop(taken);
    assert_eq!(table(), before, "back to the start");
    count
}

fn recv_by_ring(ring: &mut IoUring, socket: &OwnedFd, message: &mut RecvMsg<'_>) -> Result<usize, Errno> {
    let entry = opcode::RecvMsg::new(types::Fd(socket.as_raw_fd()), message.as_mut_ptr().cast())
        .flags(RecvFlags::DONTWAIT.to_kernel())
        .build();
    // SAFETY: the message and what it borrows stay until it returns.
    unsafe { interop::run(ring, [entry]) }.unwrap()[0]
}

#[test]
fn opened_is_taken_plus_closed() {
    let null = dev_null();
    let fds = [null.as_fd(); 5];
    let Some(mut ring) = interop::ring(8).unwrap() else { return };
    let multishot = multishot::ring();
    let mut multishot = multishot.into_iter().next();
    let (mut receives, mut taken) = (0, 0);
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        for creds in [false, true] {
            setsockopt(&b, sockopt::PassCred, creds).unwrap();
            let _ = setsockopt(&b, sockopt::PassPidFd, creds);
            for room in 0..=104 {
                for sent in [0, 1, 3, 5] {
                    for (take_fds, take_pidfd) in [(0, false), (1, false), (2, true), (5, true)] {
                        let before = table();
                        send(&a, b"x", &fds[..sent]).unwrap();
                        let (mut buf, mut data) = (dirty::<104>(), [0xff; 4]);
                        let mut data = [IoSliceMut::new(&mut data)];
                        let mut message = RecvMsg::new(&mut data).control(&mut buf).limit(room);
                        let bytes = recv_by_ring(&mut ring, &b, &mut message).unwrap();
                        // SAFETY: the entry has completed with this many bytes, once.
                        let arrived = unsafe { message.received(bytes) };
                        taken += settle(take(arrived.control, before, take_fds, take_pidfd), before);
                        receives += 1;

                        let Some(ring) = &mut multishot else { continue };
                        send(&a, b"x", &fds[..sent]).unwrap();
                        // Another alignment for each room.
                        let areas = header((room % 8) as i32, room);
                        let took = receive(ring, &b, &areas, 16 + room % 8 + room + 4, |arrived| {
                            take(arrived.control, before, take_fds, take_pidfd)
                        });
                        taken += settle(took.unwrap_or_else(|e| panic!("{name} {room} {sent}: {e:?}")), before);
                        receives += 1;
                    }
                }
            }
        }
    }
    println!("{receives} receives; {taken} descriptors taken, the others closed");

    a_completion_that_nobody_adopts_leaks(&mut ring);
    a_receive_that_is_cancelled_opens_nothing(&mut ring);
    if let Some(ring) = &mut multishot {
        what_a_panic_drops_is_closed(ring);
    }
}

/// That is why the first thing to do with a completion is to adopt it. Late is not too late.
fn a_completion_that_nobody_adopts_leaks(ring: &mut IoUring) {
    let null = dev_null();
    let (a, b) = pair(SocketType::SEQPACKET);
    let before = table();
    send(&a, b"x", &[null.as_fd(); 3]).unwrap();
    let (mut buf, mut data) = (dirty::<64>(), [0xff; 4]);
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let bytes = recv_by_ring(ring, &b, &mut message).unwrap();
    assert_eq!((table() & !before).count_ones(), 3, "open, and owned by nobody");
    // SAFETY: the entry has completed with this many bytes, once.
    drop(unsafe { message.received(bytes) });
    assert_eq!(table(), before);
}

/// The message that comes later is for the next receive, and buffers are free once the completion says so.
fn a_receive_that_is_cancelled_opens_nothing(ring: &mut IoUring) {
    let null = dev_null();
    let (a, b) = pair(SocketType::SEQPACKET);
    let before = table();
    let (mut buf, mut data) = (dirty::<64>(), [0xff; 4]);
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let waiting = opcode::RecvMsg::new(types::Fd(b.as_raw_fd()), message.as_mut_ptr().cast())
        .flags(RecvFlags::empty().to_kernel())
        .build();
    // `run` names its entries by their place.
    let cancel = opcode::AsyncCancel::new(0).build();
    // SAFETY: the message and what it borrows stay until it returns.
    let [received, cancelled] = unsafe { interop::run(ring, [waiting, cancel]) }.unwrap();
    assert_eq!(received, Err(Errno::from_raw(libc::ECANCELED).unwrap()));
    assert_eq!(cancelled, Ok(0));
    assert_eq!(table(), before);
    send(&a, b"x", &[null.as_fd()]).unwrap();
    let mut arrived = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
    assert_eq!(settle(arrived.control.take_exact::<1>().unwrap().into(), before), 1);
}

fn what_a_panic_drops_is_closed(ring: &mut IoUring) {
    let null = dev_null();
    let (a, b) = pair(SocketType::SEQPACKET);
    let before = table();
    send(&a, b"x", &[null.as_fd(); 3]).unwrap();
    let look = |mut arrived: interop::Arrived<'_>| {
        let _one = arrived.control.take_fds().next();
        std::panic::resume_unwind(Box::new("between"));
    };
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        receive(ring, &b, &header(3, 40), 128, look).unwrap();
    }));
    assert!(end.is_err());
    assert_eq!(table(), before);
}
