//! Law 7: a descriptor slot is a descriptor or the kernel's errno; nothing that is neither is owned or closed.

mod common;

use common::{Canary, dev_null, dirty, fill_holes, limit_descriptors, pair, part, run_alone, send, table};
use scmsg::{
    Ancillary, AsFd, CMSG_ALIGN, CMSG_LEN, Cause, ControlBuf, Encoder, Errno, IoSliceMut, MsgFlags, OwnedFd, PidFd,
    RawFd, RecvFlags, RecvMsg, Rights, SocketType, WrongCount, recvmsg, setsockopt, sockopt,
};

const SCM_PIDFD: i32 = 4;
const TAKEN: RawFd = RawFd::MIN;

#[test]
fn a_full_table_delivers_a_part_and_the_errno_for_a_pidfd() {
    if part().is_none() {
        run_alone("a_full_table_delivers_a_part_and_the_errno_for_a_pidfd", "lower the limit");
        return;
    }
    let (a, b) = pair(SocketType::SEQPACKET);
    let null = dev_null();
    if setsockopt(&b, sockopt::PassPidFd, true).is_err() {
        println!("SKIPPED: SO_PASSPIDFD is not in this kernel");
        return;
    }
    let full = fill_holes();
    for free in 0..=4_u64 {
        send(&a, b"x", &[null.as_fd(); 3]).unwrap();
        let mut buf = dirty::<128>();
        let mut data = [0xff];
        let mut data = [IoSliceMut::new(&mut data)];
        let mut message = RecvMsg::new(&mut data).control(&mut buf);
        limit_descriptors(full + free);
        let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        limit_descriptors(60);
        assert_eq!(received.control.fds().filter(Result::is_ok).count() as u64, free.min(3));
        assert_eq!(
            received.control.truncation(),
            (free < 3).then_some(Cause::NotBuffer),
            "a refused pidfd truncates nothing"
        );
        // The kernel wrote the errno where the number belongs.
        let numbers: Vec<_> = received
            .control
            .messages()
            .filter_map(|m| m.unwrap().get::<PidFd>().unwrap())
            .map(|p| p.number())
            .collect();
        assert_eq!(numbers.len(), 1);
        if free < 4 {
            assert_eq!(numbers[0], Some(Err(Errno::EMFILE)));
            assert_eq!(received.control.pidfd().unwrap().unwrap_err(), Errno::EMFILE);
            assert_eq!(received.control.take_pidfd().unwrap().unwrap_err(), Errno::EMFILE);
        } else {
            let lent = received.control.pidfd().unwrap().unwrap().as_raw_fd();
            assert_eq!(received.control.take_pidfd().unwrap().unwrap().as_raw_fd(), lent);
        }
        assert!(received.control.pidfd().is_none() && received.control.take_pidfd().is_none(), "it was given away");
        if free >= 3 {
            assert!(received.control.take_exact::<3>().is_ok(), "SCM_PIDFD does not count");
        }
        drop(received);
        assert_eq!(table(), (1 << full) - 1, "{free} free");
    }
}

/// Appends a message to bytes of a control buffer, in the native layout.
fn message(bytes: &mut Vec<u8>, level: i32, kind: i32, payload: &[u8]) {
    bytes.resize(CMSG_ALIGN(bytes.len()), 0xff);
    bytes.extend(CMSG_LEN(payload.len()).to_ne_bytes());
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
}

fn slots(numbers: &[RawFd]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn rights(bytes: &mut Vec<u8>, numbers: &[RawFd]) {
    message(bytes, libc::SOL_SOCKET, libc::SCM_RIGHTS, &slots(numbers));
}

/// Adopts bytes; every number that is not negative in them is a copy that nobody owns.
fn adopt(bytes: &mut [u8]) -> Ancillary<'_> {
    let capacity = bytes.len();
    // SAFETY: what the tests put there: open descriptors that nobody owns, each once, and numbers that are none.
    unsafe { Ancillary::from_kernel(bytes, capacity, MsgFlags::empty()) }
}

fn errno(number: i32) -> Errno {
    Errno::from_raw(number).unwrap()
}

#[test]
fn each_slot_says_what_the_kernel_wrote() {
    let canary = Canary::new();
    let [x, y] = [canary.copy(), canary.copy()];
    let mut bytes = Vec::new();
    rights(&mut bytes, &[x, -1, -22, TAKEN, -5000, y, -4095, -4096]);
    let mut control = adopt(&mut bytes);

    let said = [Ok(x), Err(Errno::EPERM), Err(Errno::EINVAL), Ok(y), Err(errno(4095))];
    let lent: Vec<_> = control.fds().map(|slot| slot.map(|fd| fd.as_raw_fd())).collect();
    assert_eq!(lent, said, "-1 is EPERM, not nothing; what is no errno is nothing");
    let decoded: Vec<_> = control.messages().filter_map(|m| m.unwrap().get::<Rights<'_>>().unwrap()).collect();
    assert_eq!(decoded[0].numbers().collect::<Vec<_>>(), said);

    let refused = WrongCount { want: 2, found: 2, refused: Some(Errno::EPERM), truncated: None };
    assert_eq!(control.take_exact::<2>().unwrap_err(), refused, "a refused slot is refused");
    assert_eq!(control.fds().count(), 5, "and nothing was taken");

    let taken: Vec<_> = control.take_fds().collect();
    assert_eq!(
        taken.iter().map(|slot| slot.as_ref().map(|fd| fd.as_raw_fd()).map_err(|e| *e)).collect::<Vec<_>>(),
        said
    );
    assert_eq!((control.fds().count(), control.take_fds().count()), (0, 0), "given away");
    drop(control);
    assert!(taken[0].as_ref().is_ok_and(|fd| common::is_open(fd.as_raw_fd())), "not closed with the buffer");
    drop(taken);
    assert!(canary.all_closed());
}

#[test]
fn a_refused_slot_is_never_handed_out_as_a_descriptor() {
    // As many slots as asked for, in the one message there is.
    for (refused, errno) in [(-1, Errno::EPERM), (-24, Errno::EMFILE)] {
        let canary = Canary::new();
        for first in [true, false] {
            let x = canary.copy();
            let mut bytes = Vec::new();
            rights(&mut bytes, &if first { [refused, x] } else { [x, refused] });
            let mut control = adopt(&mut bytes);
            let wrong = WrongCount { want: 2, found: 1, refused: Some(errno), truncated: None };
            assert_eq!(control.take_exact::<2>().unwrap_err(), wrong);
            assert_eq!(control.take_exact::<1>().unwrap_err(), WrongCount { want: 1, ..wrong });
        }
        assert!(canary.all_closed());
    }
    for nothing in [TAKEN, -5000] {
        let mut bytes = Vec::new();
        rights(&mut bytes, &[nothing]);
        let mut control = adopt(&mut bytes);
        assert_eq!(control.take_exact::<1>().unwrap_err().found, 0);
        assert!(control.take_exact::<0>().is_ok());
    }
}

#[test]
fn number_0_is_a_descriptor() {
    if part().is_none() {
        run_alone("number_0_is_a_descriptor", "close the standard input");
        return;
    }
    let (a, b) = pair(SocketType::SEQPACKET);
    let null = dev_null();
    // SAFETY: nothing here reads the standard input.
    assert_eq!(unsafe { libc::close(0) }, 0);
    let before = table();
    for way in 0..5 {
        send(&a, b"x", &[null.as_fd(); 2][..1 + way / 4]).unwrap();
        let mut buf = dirty::<64>();
        let mut data = [0xff];
        let mut data = [IoSliceMut::new(&mut data)];
        let mut message = RecvMsg::new(&mut data).control(&mut buf);
        let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        assert!(common::is_open(0));
        let number = match way {
            0 => received.control.fds().next().map(|fd| fd.unwrap().as_raw_fd()),
            1 => received.control.take_exact::<1>().ok().map(|[fd]| fd.as_raw_fd()),
            2 => received.control.take_fds().next().map(|fd| fd.unwrap().as_raw_fd()),
            _ => Some(0),
        };
        assert_eq!(number, Some(0), "{way}");
        drop(received);
        assert_eq!(table(), before, "{way}");
    }
}

#[test]
fn what_is_not_a_descriptor_is_not_closed() {
    let strangers = Canary::new();
    let owned = Canary::new();
    // Numbers of strangers around the owned one, and in all places that are not slots.
    let [s, t, u, v, w] = [(); 5].map(|()| strangers.copy());
    let x = owned.copy();
    let mut bytes = Vec::new();
    // Another level and another type.
    message(&mut bytes, 0, libc::SCM_RIGHTS, &slots(&[s]));
    message(&mut bytes, libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &slots(&[t, t, t]));
    // Slots that hold no descriptor, and stray bytes of one.
    let mut payload = slots(&[x, -1, TAKEN, -5000]);
    payload.extend(&u.to_ne_bytes()[..3]);
    message(&mut bytes, libc::SOL_SOCKET, libc::SCM_RIGHTS, &payload);
    // A message that is longer than the rest: nothing in it can be believed.
    bytes.resize(CMSG_ALIGN(bytes.len()), 0xff);
    let start = bytes.len();
    rights(&mut bytes, &[v]);
    bytes[start..start + size_of::<usize>()].copy_from_slice(&1000_usize.to_ne_bytes());
    rights(&mut bytes, &[w]);
    drop(adopt(&mut bytes));
    assert!(owned.all_closed());
    for fd in [s, t, u, v, w] {
        assert!(common::is_open(fd));
        // SAFETY: the number is open and owned by nothing else.
        drop(unsafe { scmsg::OwnedFd::from_raw_fd(fd) });
    }
    assert!(strangers.all_closed(), "each was still the canary");
}

#[test]
fn several_rights_are_one_row_of_slots() {
    let canary = Canary::new();
    let [p, q, r, s, pid] = [(); 5].map(|()| canary.copy());
    let mut bytes = Vec::new();
    rights(&mut bytes, &[p, q]);
    rights(&mut bytes, &[]);
    message(&mut bytes, libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[0xff; 12]);
    rights(&mut bytes, &[r]);
    message(&mut bytes, libc::SOL_SOCKET, SCM_PIDFD, &slots(&[pid]));
    rights(&mut bytes, &[s]);
    let mut control = adopt(&mut bytes);
    let lent: Vec<_> = control.fds().map(|fd| fd.unwrap().as_raw_fd()).collect();
    assert_eq!(lent, [p, q, r, s]);
    assert_eq!(control.pidfd().unwrap().unwrap().as_raw_fd(), pid);
    assert_eq!(control.take_exact::<3>().unwrap_err().found, 4);
    assert_eq!(control.take_fds().nth(2).unwrap().unwrap().as_raw_fd(), r, "p and q are taken, and closed");
    assert_eq!(control.fds().map(|fd| fd.unwrap().as_raw_fd()).collect::<Vec<_>>(), [s]);
    let [last] = control.take_exact().unwrap();
    assert_eq!(last.as_raw_fd(), s);
    drop((control, last));
    assert!(canary.all_closed(), "the process descriptor too");
}

#[test]
fn several_pidfds_are_all_owned() {
    // No kernel sends two; a relay of crafted bytes could.
    let canary = Canary::new();
    let mut bytes = Vec::new();
    message(&mut bytes, libc::SOL_SOCKET, SCM_PIDFD, &slots(&[canary.copy()]));
    message(&mut bytes, libc::SOL_SOCKET, SCM_PIDFD, &slots(&[canary.copy()]));
    message(&mut bytes, libc::SOL_SOCKET, SCM_PIDFD, &slots(&[-3]));
    let mut control = adopt(&mut bytes);
    assert!(control.take_pidfd().unwrap().is_ok());
    assert!(control.pidfd().unwrap().is_ok(), "the next one");
    drop(control);
    assert!(canary.all_closed());
}

#[test]
fn a_pidfd_slot_of_any_content_is_looked_at() {
    for (number, said) in [(-22, Some(Errno::EINVAL)), (-1, Some(Errno::EPERM)), (-5000, None), (TAKEN, None)] {
        let mut bytes = Vec::new();
        message(&mut bytes, libc::SOL_SOCKET, SCM_PIDFD, &slots(&[number]));
        let mut control = adopt(&mut bytes);
        assert_eq!(control.pidfd().map(Result::unwrap_err), said);
        assert_eq!(control.take_pidfd().map(Result::unwrap_err), said);
        assert!(control.take_pidfd().is_none());
    }
    // Cut short, empty.
    for len in 0..=3 {
        let mut bytes = Vec::new();
        message(&mut bytes, libc::SOL_SOCKET, SCM_PIDFD, &[0; 3][..len]);
        let mut control = adopt(&mut bytes);
        assert!(control.pidfd().is_none() && control.take_pidfd().is_none());
    }
}

#[test]
fn one_after_the_other_is_taken_with_what_its_slot_says() {
    let canary = Canary::new();
    let (p, q) = (canary.copy(), canary.copy());
    let mut bytes = Vec::new();
    message(&mut bytes, libc::SOL_SOCKET, SCM_PIDFD, &slots(&[canary.copy()]));
    rights(&mut bytes, &[TAKEN, p, -13]);
    rights(&mut bytes, &[q]);
    let mut control = adopt(&mut bytes);
    let first = control.take_fd().unwrap().unwrap();
    assert_eq!(first.as_raw_fd(), p);
    assert_eq!(control.take_fd().unwrap().unwrap_err(), Errno::EACCES);
    assert_eq!(control.take_fd().unwrap().unwrap().as_raw_fd(), q);
    assert!(control.take_fd().is_none(), "the process descriptor is none of them");
    drop((control, first));
    assert!(canary.all_closed());
}

#[test]
fn the_only_slot_there_is_room_for_is_looked_at_alike() {
    // Every length a header can claim, in as many bytes as do not hold two slots, and one more; dropped, taken, and taken as
    // what it is not.
    for room in 0..=CMSG_LEN(8) {
        for claimed in 0..=room + 1 {
            for (kind, refused) in [(libc::SCM_RIGHTS, false), (SCM_PIDFD, false), (libc::SCM_RIGHTS, true), (2, false)]
            {
                for take_fd in [None, Some(true), Some(false)] {
                    let canary = Canary::new();
                    let there = CMSG_LEN(4) <= claimed && claimed <= room && kind != 2;
                    let slot = match (refused, there) {
                        (true, _) => -13,
                        (false, true) => canary.copy(),
                        (false, false) => RawFd::MAX,
                    };
                    let mut bytes = claimed.to_ne_bytes().to_vec();
                    bytes.extend(slots(&[libc::SOL_SOCKET, kind, slot, TAKEN]));
                    bytes.resize(room, 0);

                    let mut control = adopt(&mut bytes);
                    let taken = take_fd.and_then(|fd| if fd { control.take_fd() } else { control.take_pidfd() });
                    let case = (room, claimed, kind, slot, take_fd);
                    let wanted = there && take_fd == Some(kind == libc::SCM_RIGHTS);
                    let said = wanted.then_some(if refused { Err(Errno::EACCES) } else { Ok(slot) });
                    assert_eq!(
                        taken.as_ref().map(|t| t.as_ref().map(OwnedFd::as_raw_fd).map_err(|e| *e)),
                        said,
                        "{case:?}"
                    );
                    drop((control, taken));
                    assert!(canary.all_closed(), "{case:?}");
                }
            }
        }
    }
}

#[test]
fn any_alignment_will_do() {
    for shift in 0..16 {
        let canary = Canary::new();
        let mut plain = Vec::new();
        rights(&mut plain, &[canary.copy(), -13, canary.copy()]);
        message(&mut plain, libc::SOL_SOCKET, SCM_PIDFD, &slots(&[canary.copy()]));
        let mut buf = dirty::<256>();
        let buf: &mut ControlBuf = &mut buf;
        let place = &mut buf.as_mut_bytes()[shift..shift + plain.len()];
        place.copy_from_slice(&plain);
        let mut control = adopt(place);
        let mut take = control.take_fds();
        let first = take.next().unwrap().unwrap();
        assert_eq!(take.next().unwrap().unwrap_err(), Errno::EACCES, "{shift}");
        assert_eq!(control.fds().count(), 1, "{shift}");
        drop((first, control));
        assert!(canary.all_closed(), "{shift}");
    }
}

#[test]
fn bytes_from_an_encoder_are_adopted_like_the_kernels() {
    let canary = Canary::new();
    let mut buf = dirty::<64>();
    let mut encoder = Encoder::new(&mut buf);
    let copy = canary.copy();
    // SAFETY: these bytes are not sent.
    unsafe { encoder.push_raw(libc::SOL_SOCKET, libc::SCM_RIGHTS, &slots(&[copy])) }.unwrap();
    let mut bytes = encoder.as_bytes().to_vec();
    let mut control = adopt(&mut bytes);
    assert!(control.take_exact::<1>().is_ok());
    assert!(control.take_exact::<0>().is_ok(), "what was taken does not count");
    drop(control);
    assert!(canary.all_closed());
}
