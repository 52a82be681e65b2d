//! Law 5: truncation is reported inside `Ok`, with a cause that is never a guess; the helpers that fail closed refuse it.
//! What lowers the limit of descriptors runs in a process of its own.

mod common;

use std::collections::HashMap;

use common::{Canary, TYPES, dev_null, dirty, fill_holes, limit_descriptors, pair, part, run_alone, send, table};
use scmsg::{
    AsFd, CMSG_HEADER, CMSG_LEN, CMSG_SPACE, Cause, Errno, Family, IoSliceMut, MsgFlags, RecvError, RecvFlags, RecvMsg,
    SocketFlags, SocketType, WrongCount, connect, recv_with_fds, recvmsg, setsockopt, socket, sockopt,
};

/// What a right kernel does with one message, and so why something is missing.
#[derive(Debug)]
struct Model {
    fds: usize,
    /// Something was lost because there was no room for it.
    by_buffer: bool,
    /// A descriptor for which there was room was refused.
    by_table: bool,
}

/// `free`: numbers left in the descriptor table. Credentials, rights, pidfd, unread bytes, in this order.
fn model(mut room: usize, creds: bool, sent: usize, pidfd: bool, inq: bool, free: usize) -> Model {
    let mut model = Model { fds: 0, by_buffer: false, by_table: false };
    let put = |room: &mut usize, payload: usize| {
        let lost = *room < CMSG_LEN(payload);
        *room = if *room < CMSG_HEADER { *room } else { room.saturating_sub(CMSG_SPACE(payload)) };
        lost
    };
    if creds {
        model.by_buffer |= put(&mut room, 12);
    }
    if sent != 0 {
        let slots = sent.min(room.saturating_sub(CMSG_HEADER) / 4);
        model.fds = slots.min(free);
        // The kernel stops at the first that fails, so it is one or the other.
        model.by_table |= model.fds < slots;
        model.by_buffer |= slots < sent && model.fds == slots;
        if model.fds != 0 {
            room = room.saturating_sub(CMSG_SPACE(4 * model.fds));
        }
    }
    if pidfd {
        // No room for the number: not even a header is written. No number free: an errno is written, nothing is lost.
        if room < CMSG_LEN(4) {
            model.by_buffer = true;
        } else {
            put(&mut room, 4);
        }
    }
    if inq {
        model.by_buffer |= put(&mut room, 4);
    }
    model
}

/// What a receiver sees of a truncation: the room, and kind and length of each message. Not its options, nor why a pidfd
/// is an errno (a security module can refuse one descriptor and not the next).
type Sight = (usize, Vec<(i32, usize)>);

fn grid() {
    let null = dev_null();
    let mut answers: Vec<(Sight, Cause)> = Vec::new();
    let mut explanations: HashMap<Sight, (bool, bool)> = HashMap::new();
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        for options in 0..8 {
            let [creds, pidfd, inq] = [1, 2, 4].map(|bit| options & bit != 0);
            if inq && kind != SocketType::STREAM {
                continue;
            }
            setsockopt(&b, sockopt::PassCred, creds).unwrap();
            let switched = [
                setsockopt(&b, sockopt::PassPidFd, pidfd),
                if kind == SocketType::STREAM { setsockopt(&b, sockopt::Inq, inq) } else { Ok(()) },
            ];
            if switched.iter().any(Result::is_err) && (pidfd || inq) {
                println!("SKIPPED: {name}: this kernel lacks SO_PASSPIDFD or SO_INQ: {switched:?}");
                continue;
            }
            // All numbers below this are taken, so a limit leaves exactly so many free.
            let used = fill_holes();
            for size in 0..=160 {
                for sent in 0..=6 {
                    for free in [0, 1, 2, 3, 4, 5, 6, 20] {
                        let case = (name, options, size, sent, free);
                        let truth = model(size, creds, sent, pidfd, inq, free);
                        send(&a, b"x", &[null.as_fd(); 6][..sent]).unwrap();
                        let mut buf = dirty::<160>();
                        let mut data = [0xff];
                        let mut data = [IoSliceMut::new(&mut data)];
                        let mut message = RecvMsg::new(&mut data).control(&mut buf).limit(size);
                        limit_descriptors(used + free as u64);
                        let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT);
                        limit_descriptors(60);
                        let received = received.expect("truncation is not an error");
                        assert_eq!(received.data().collect::<Vec<_>>().concat(), b"x", "{case:?}");

                        // The model is what the kernel did, so the truth is known.
                        let lost = truth.by_buffer || truth.by_table;
                        assert_eq!(
                            received.control.fds().filter(Result::is_ok).count(),
                            truth.fds,
                            "{case:?} {truth:?}"
                        );
                        assert_eq!(received.flags.contains(MsgFlags::CTRUNC), lost, "{case:?} {truth:?}");
                        let cause = received.control.truncation();
                        match cause {
                            None => assert!(!lost, "{case:?} {truth:?}"),
                            Some(Cause::Buffer) => assert!(truth.by_buffer && !truth.by_table, "{case:?} {truth:?}"),
                            Some(Cause::NotBuffer) => assert!(truth.by_table && !truth.by_buffer, "{case:?} {truth:?}"),
                            Some(Cause::Unknown) => assert!(lost, "{case:?} {truth:?}"),
                        }
                        if let Some(cause) = cause {
                            let messages = received.control.messages().map(|m| m.unwrap());
                            let sight: Sight = (size, messages.map(|m| (m.kind, m.payload.len())).collect());
                            let why = explanations.entry(sight.clone()).or_default();
                            *why = (why.0 | truth.by_buffer, why.1 | truth.by_table);
                            answers.push((sight, cause));
                        }
                    }
                }
            }
        }
    }
    // An answer is the only explanation there is of what was seen.
    let [mut buffer, mut not_buffer, mut unknown, mut could_be_known] = [0; 4];
    for (sight, cause) in &answers {
        let (by_buffer, by_table) = explanations[sight];
        match cause {
            Cause::Buffer => {
                assert!(by_buffer && !by_table, "{sight:?}");
                buffer += 1;
            }
            Cause::NotBuffer => {
                assert!(by_table && !by_buffer, "{sight:?}");
                not_buffer += 1;
            }
            Cause::Unknown => {
                unknown += 1;
                could_be_known += usize::from(by_buffer != by_table);
            }
        }
    }
    let all = answers.len();
    println!(
        "{all} truncations: {buffer} by the buffer, {not_buffer} not by the buffer, {unknown} unknown, \
         of which {could_be_known} have one explanation"
    );
    assert!(buffer > all / 4 && not_buffer > all / 4 && unknown < all / 4 && could_be_known < all / 20);
}

#[test]
fn the_cause_is_never_a_wrong_guess() {
    if part().is_some() {
        limit_descriptors(60);
        return grid();
    }
    let said = run_alone("the_cause_is_never_a_wrong_guess", "grid");
    println!("{}", said.lines().find(|line| line.contains(" truncations: ")).expect("the count"));
}

#[test]
fn a_short_control_buffer_is_ok_with_the_data_and_what_fitted() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        send(&a, b"data", &[canary.fd(), canary.fd(), canary.fd()]).unwrap();
        let mut buf = dirty::<{ CMSG_LEN(8) }>();
        let mut data = [0xff; 8];
        let mut data = [IoSliceMut::new(&mut data)];
        let mut message = RecvMsg::new(&mut data).control(&mut buf);
        let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        assert_eq!((received.bytes, received.data().next()), (4, Some(&b"data"[..])), "{name}");
        assert_eq!(received.flags, received.flags | MsgFlags::CTRUNC, "{name}");
        assert!(!received.flags.contains(MsgFlags::TRUNC), "{name}: the data is whole");
        assert_eq!(received.control.truncation(), Some(Cause::Buffer), "{name}");
        assert_eq!(received.control.fds().count(), 2, "{name}");
        let refused = WrongCount { want: 2, found: 2, refused: None, truncated: Some(Cause::Buffer) };
        assert_eq!(received.control.take_exact::<2>().unwrap_err(), refused, "{name}: right count, but truncated");
        assert_eq!(received.control.take_exact::<0>().unwrap_err(), WrongCount { want: 0, ..refused }, "{name}");
        assert_eq!(received.control.take_fds().filter(Result::is_ok).count(), 2, "{name}: take_fds does not refuse");
        drop(received);
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn no_control_buffer_is_a_short_one() {
    let (a, b) = pair(SocketType::STREAM);
    let canary = Canary::new();
    send(&a, b"x", &[canary.fd()]).unwrap();
    let mut data = [0xff];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data);
    let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
    assert_eq!(received.control.truncation(), Some(Cause::Buffer));
    assert_eq!(received.data().next(), Some(&b"x"[..]));
    assert!(canary.all_closed());
}

#[test]
fn a_full_table_is_not_the_buffer() {
    if part().is_none() {
        run_alone("a_full_table_is_not_the_buffer", "lower the limit");
        return;
    }
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let null = dev_null();
        let mut buf = dirty::<256>();
        let mut data = [0xff; 8];
        let full = fill_holes();
        for free in 0..3 {
            send(&a, b"x", &[null.as_fd(); 4]).unwrap();
            let mut data = [IoSliceMut::new(&mut data)];
            let mut message = RecvMsg::new(&mut data).control(&mut buf);
            limit_descriptors(full + free);
            let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
            assert_eq!(received.control.fds().count() as u64, free, "{name}");
            assert_eq!(received.control.truncation(), Some(Cause::NotBuffer), "{name}");
            let error = received.control.take_exact::<4>().unwrap_err();
            let found = free as usize;
            assert_eq!(error, WrongCount { want: 4, found, refused: None, truncated: Some(Cause::NotBuffer) });
            drop(received);

            // The short way has room for all that can come, so only the table can truncate it.
            send(&a, b"y", &[null.as_fd(); 2]).unwrap();
            let mut small = [0xff; 4];
            let short = recv_with_fds::<2>(&b, &mut small);
            if free < 2 {
                let count = WrongCount { want: 2, found, refused: None, truncated: Some(Cause::NotBuffer) };
                assert_eq!(short.unwrap_err(), RecvError::WrongCount { bytes: 1, count }, "{name}");
                assert_eq!(small[0], b'y', "{name}: the data is there");
            } else {
                assert_eq!(short.unwrap().1.len(), 2, "{name}");
            }
            limit_descriptors(60);
            assert_eq!(table(), (1 << full) - 1, "{name}: nothing leaked");
        }
    }
}

#[test]
fn data_ends_where_the_kernel_stopped_writing() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        for flags in [RecvFlags::empty(), RecvFlags::TRUNC, RecvFlags::PEEK | RecvFlags::TRUNC] {
            for sent in 0..=9_usize {
                if sent == 0 && kind == SocketType::STREAM {
                    continue;
                }
                let payload = &b"123456789"[..sent];
                send(&a, payload, &[]).unwrap();
                // Three pieces of 2, 0 and 3 bytes between untouched ones.
                let mut bytes = [0xff; 9];
                let (_, rest) = bytes.split_at_mut(1);
                let (one, rest) = rest.split_at_mut(2);
                let (three, _) = rest.split_at_mut(3);
                let mut pieces = [IoSliceMut::new(one), IoSliceMut::new(&mut []), IoSliceMut::new(three)];
                let mut message = RecvMsg::new(&mut pieces);
                let received = recvmsg(&b, &mut message, flags | RecvFlags::DONTWAIT).unwrap();
                let case = (name, flags, sent);
                let written = sent.min(5);
                let data: Vec<&[u8]> = received.data().collect();
                assert_eq!(data.concat(), payload[..written], "{case:?}");
                assert!(data.iter().all(|piece| piece.len() <= 3), "{case:?}");
                assert_eq!(received.data().count(), data.len(), "{case:?}: again the same");
                if kind == SocketType::STREAM {
                    assert_eq!(
                        (received.bytes, received.flags.contains(MsgFlags::TRUNC)),
                        (written, false),
                        "{case:?}"
                    );
                } else {
                    let whole = flags.contains(RecvFlags::TRUNC);
                    assert_eq!(received.bytes, if whole { sent } else { written }, "{case:?}");
                    assert_eq!(received.flags.contains(MsgFlags::TRUNC), sent > 5, "{case:?}");
                }
                assert_eq!(received.control.truncation(), None, "{case:?}: data is not control");
                drop(received);
                assert!(bytes[0] == 0xff && bytes[1 + written..].iter().all(|byte| *byte == 0xff), "{case:?}");
                // Back to an empty socket.
                let mut rest = [0; 16];
                let mut rest = [IoSliceMut::new(&mut rest)];
                let _ = recvmsg(&b, &mut RecvMsg::new(&mut rest), RecvFlags::DONTWAIT);
                let empty = recvmsg(&b, &mut RecvMsg::new(&mut rest), RecvFlags::DONTWAIT).map(|_| ());
                assert_eq!(empty, Err(Errno::EAGAIN), "{case:?}");
            }
        }
    }
}

#[test]
fn a_truncated_datagram_is_refused_by_the_short_way_and_brings_its_descriptors() {
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        let mut small = [0xff; 3];
        send(&a, b"too long", &[canary.fd()]).unwrap();
        let error = recv_with_fds::<1>(&b, &mut small).unwrap_err();
        assert_eq!(error, RecvError::DataTruncated { room: 3 });
        assert_eq!(&small, b"too");
        send(&a, b"too long", &[canary.fd()]).unwrap();
        let mut buf = dirty::<64>();
        let mut data = [IoSliceMut::new(&mut small)];
        let mut message = RecvMsg::new(&mut data).control(&mut buf);
        let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        assert!(received.flags.contains(MsgFlags::TRUNC) && !received.flags.contains(MsgFlags::CTRUNC));
        assert!(received.control.take_exact::<1>().is_ok(), "the control messages are whole");
        drop(received);
        assert!(canary.all_closed());
    }
}

#[test]
fn tcp_throws_data_away_when_asked_for_the_full_length() {
    // Documented at `RecvFlags::TRUNC`: the buffers are not written then, and lent as they were.
    let Ok(listener) = std::net::TcpListener::bind("127.0.0.1:0") else {
        println!("SKIPPED: no TCP here");
        return;
    };
    let client = socket(Family::INET, SocketType::STREAM, SocketFlags::empty(), 0).unwrap();
    connect(&client, &listener.local_addr().unwrap().into()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    std::io::Write::write_all(&mut server, b"thrown away").unwrap();
    let mut data = [0xff; 6];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data);
    let received = recvmsg(&client, &mut message, RecvFlags::TRUNC | RecvFlags::WAITALL).unwrap();
    assert_eq!((received.bytes, received.flags.contains(MsgFlags::TRUNC)), (6, false));
    assert_eq!(received.data().collect::<Vec<_>>(), [&[0xff; 6]], "never past the buffers");
}

#[cfg(target_pointer_width = "64")]
#[test]
fn a_buffer_of_many_gigabytes_is_room_and_not_none() {
    // The kernel counts slots in an `int`: in 2^33 + 16 bytes it finds room for none.
    for len in [(1_usize << 33) + 16, 1 << 34] {
        // SAFETY: a new mapping, which nothing else uses.
        let map = unsafe {
            let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(std::ptr::null_mut(), len, prot, flags | libc::MAP_NORESERVE, -1, 0)
        };
        if map == libc::MAP_FAILED {
            println!("SKIPPED: no mapping of {len} bytes here");
            return;
        }
        let bytes = std::ptr::slice_from_raw_parts_mut(map.cast::<u8>(), len);
        // SAFETY: zeroed, aligned to a page, and a `ControlBuf` is its bytes.
        let buf = unsafe { &mut *(bytes as *mut scmsg::ControlBuf) };
        let (a, b) = pair(SocketType::SEQPACKET);
        let canary = Canary::new();
        send(&a, b"x", &[canary.fd(); 3]).unwrap();
        let mut data = [0xff];
        let mut data = [IoSliceMut::new(&mut data)];
        let mut message = RecvMsg::new(&mut data).control(buf);
        let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        assert_eq!(received.control.truncation(), None);
        assert!(received.control.take_exact::<3>().is_ok());
        drop(received);
        assert!(canary.all_closed());
        // SAFETY: the mapping made above, to which nothing points now.
        unsafe { libc::munmap(map, len) };
    }
}
