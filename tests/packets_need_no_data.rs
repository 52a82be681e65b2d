//! `Packets` passes descriptors without a data byte on sockets that keep message boundaries, and is made of no other: a stream
//! would lose them in silence.

mod common;

use common::{Canary, dev_null, pair, send};
use scmsg::{
    AsFd, Cause, Errno, Family, IoSlice, IoSliceMut, NoData, NotPackets, OwnedFd, Packets, RecvError, RecvFlags,
    RecvMsg, SendError, SendFlags, SendMsg, SocketFlags, SocketType, WrongCount, recvmsg, send_with_fds, sendmsg,
    setsockopt, socket, sockopt,
};

const PACKETS: [(&str, SocketType); 2] = [("dgram", SocketType::DGRAM), ("seqpacket", SocketType::SEQPACKET)];

fn packets(kind: SocketType) -> (Packets<OwnedFd>, Packets<OwnedFd>) {
    let (a, b) = pair(kind);
    (Packets::new(a).unwrap(), Packets::new(b).unwrap())
}

#[test]
fn a_stream_is_refused() {
    let (a, b) = pair(SocketType::STREAM);
    let refused = NotPackets::Type(SocketType::STREAM);
    assert_eq!(Packets::new(&a).unwrap_err(), refused, "lent, so it is still here");
    assert_eq!(refused.to_string(), format!("socket type {} loses descriptors without data", SocketType::STREAM.0));
    send(&a, b"x", &[]).unwrap();
    assert_eq!(Packets::new(a).unwrap_err(), refused);
    let mut message = RecvMsg::new(&mut []);
    assert!(recvmsg(&b, &mut message, RecvFlags::DONTWAIT).is_ok());
    // Another test of this process can be between fork and exec, with a copy of everything.
    let dropped = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        send_with_fds(&b, b"x", &[]).is_err()
    });
    assert!(dropped, "and given, it is dropped");
}

#[test]
fn a_family_that_ignores_descriptors_is_refused() {
    for kind in [SocketType::STREAM, SocketType::DGRAM] {
        let inet = socket(Family::INET, kind, SocketFlags::empty(), 0).unwrap();
        assert_eq!(Packets::new(&inet).unwrap_err(), NotPackets::Family(Family::INET));
    }
    assert_eq!(NotPackets::Family(Family::INET).to_string(), "socket family 2 passes no descriptors");
}

#[test]
fn nothing_at_all_is_not_sent() {
    let (a, b) = packets(SocketType::SEQPACKET);
    assert_eq!(a.send_fds(&[]).unwrap_err(), SendError::NoData(NoData { descriptors: 0 }));
    drop(a);
    assert_eq!(b.recv_fds::<1>().unwrap_err(), RecvError::End, "only the end looks like the end");
}

#[test]
fn what_is_no_socket_is_an_errno() {
    assert_eq!(Packets::new(dev_null()).unwrap_err(), NotPackets::Errno(Errno::ENOTSOCK));
    assert_eq!(NotPackets::Errno(Errno::ENOTSOCK).to_string(), Errno::ENOTSOCK.to_string());
}

#[test]
fn descriptors_go_without_a_byte() {
    for (name, kind) in PACKETS {
        let (a, b) = packets(kind);
        let canary = Canary::new();
        // Nothing waits in the queue but what was sent, so each receive proves that a message went.
        a.send_fds(&[canary.fd()]).unwrap();
        a.send_fds(&[canary.fd(); 2]).unwrap();
        a.send_fds(&[canary.fd(); 253]).unwrap();
        let [_one] = b.recv_fds::<1>().unwrap();
        let [_two, _three] = b.recv_fds::<2>().unwrap();
        let many = b.recv_fds::<253>().unwrap();
        assert!(many.iter().all(|fd| common::is_cloexec(fd.as_raw_fd())), "{name}");
        // Not a byte: a plain receive sees it.
        a.send_fds(&[canary.fd()]).unwrap();
        let mut data = [0xff; 4];
        let mut data = [IoSliceMut::new(&mut data)];
        assert_eq!(recvmsg(&b, &mut RecvMsg::new(&mut data), RecvFlags::DONTWAIT).unwrap().bytes, 0, "{name}");
        drop((_one, _two, _three, many));
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn what_arrives_is_what_was_sent() {
    let (a, b) = packets(SocketType::SEQPACKET);
    let (one, other) = pair(SocketType::DGRAM);
    a.send_fds(&[one.as_fd(), other.as_fd()]).unwrap();
    let [first, second] = b.recv_fds().unwrap();
    send(&first, b"to the other", &[]).unwrap();
    let mut data = [0xff; 16];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data);
    let received = recvmsg(&second, &mut message, RecvFlags::DONTWAIT).unwrap();
    assert_eq!(received.data().next().unwrap(), b"to the other");
}

#[test]
fn more_than_253_are_refused_and_nothing_is_sent() {
    for (name, kind) in PACKETS {
        let (a, b) = packets(kind);
        let canary = Canary::new();
        assert!(matches!(a.send_fds(&[canary.fd(); 254]), Err(SendError::NoSpace(_) | SendError::Errno(_))), "{name}");
        let mut message = RecvMsg::new(&mut []);
        assert_eq!(recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap_err(), Errno::EAGAIN, "{name}");
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn another_number_is_an_error_with_numbers_and_closes_all() {
    for (name, kind) in PACKETS {
        let (a, b) = packets(kind);
        let canary = Canary::new();
        for sent in [1, 2, 3, 253] {
            a.send_fds(&vec![canary.fd(); sent]).unwrap();
            let error = b.recv_fds::<4>().unwrap_err();
            let count = WrongCount { want: 4, found: sent, refused: None, truncated: None };
            assert_eq!(error, RecvError::WrongCount { bytes: 0, count }, "{name}");
        }
        // None at all is nothing at all.
        send(&a, b"", &[]).unwrap();
        assert_eq!(b.recv_fds::<4>().unwrap_err(), RecvError::End, "{name}");
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn data_is_an_error_however_much_and_whatever_came_with_it() {
    for (name, kind) in PACKETS {
        let (a, b) = packets(kind);
        let canary = Canary::new();
        for bytes in [1, 2, 100] {
            for fds in [0, 1, 2] {
                send(&a, &vec![7; bytes], &vec![canary.fd(); fds]).unwrap();
                let error = b.recv_fds::<1>().unwrap_err();
                assert_eq!(error, RecvError::DataTruncated { room: 0 }, "{name}: {bytes} bytes, {fds} descriptors");
            }
        }
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn the_end_is_told() {
    let (a, b) = packets(SocketType::SEQPACKET);
    let canary = Canary::new();
    setsockopt(&b, sockopt::PassCred, true).unwrap();
    a.send_fds(&[canary.fd()]).unwrap();
    drop(a);
    // What was sent before the end comes first.
    let [fd] = b.recv_fds::<1>().unwrap();
    for _ in 0..3 {
        assert_eq!(b.recv_fds::<1>().unwrap_err(), RecvError::End);
    }
    assert_eq!(b.send_fds(&[fd.as_fd()]), Err(SendError::Errno(Errno::EPIPE)), "and nothing dies of SIGPIPE");
    // On datagrams it is an empty message.
    let (a, b) = packets(SocketType::DGRAM);
    sendmsg(&a, &SendMsg::new(&[IoSlice::new(b"")]), SendFlags::empty()).unwrap();
    assert_eq!(b.recv_fds::<1>().unwrap_err(), RecvError::End);
    drop(fd);
    assert!(canary.all_closed());
}

#[test]
fn nothing_there_is_eagain_on_a_nonblocking_socket() {
    let (a, b) = scmsg::socketpair(SocketType::SEQPACKET, SocketFlags::NONBLOCK).unwrap();
    let (a, b) = (Packets::new(&a).unwrap(), Packets::new(&b).unwrap());
    assert_eq!(b.recv_fds::<1>().unwrap_err(), RecvError::Errno(Errno::EAGAIN));
    let canary = Canary::new();
    let full = (0..100_000).find_map(|_| a.send_fds(&[canary.fd()]).err());
    assert_eq!(full, Some(SendError::Errno(Errno::EAGAIN)));
    while b.recv_fds::<1>().is_ok() {}
    assert!(canary.all_closed());
}

#[test]
fn what_comes_beside_the_descriptors_does_not_matter() {
    for (name, kind) in PACKETS {
        let (a, b) = packets(kind);
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let _ = setsockopt(&b, sockopt::PassPidFd, true);
        let canary = Canary::new();
        a.send_fds(&[canary.fd(); 253]).unwrap();
        let fds = b.recv_fds::<253>();
        assert!(fds.is_ok(), "{name}: {fds:?}");
        drop(fds);
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn a_full_table_is_not_the_buffers_fault() {
    let test = "a_full_table_is_not_the_buffers_fault";
    if common::part().is_none() {
        common::run_alone(test, "lower the limit");
        return;
    }
    let (a, b) = packets(SocketType::SEQPACKET);
    let null = dev_null();
    a.send_fds(&[null.as_fd(); 3]).unwrap();
    let used = common::fill_holes();
    common::limit_descriptors(used + 2);
    let result = b.recv_fds::<3>();
    common::limit_descriptors(64);
    let count = WrongCount { want: 3, found: 2, refused: None, truncated: Some(Cause::NotBuffer) };
    assert_eq!(result.unwrap_err(), RecvError::WrongCount { bytes: 0, count });
    assert_eq!(common::table(), (1 << used) - 1, "and nothing leaked");
}

#[test]
fn the_socket_comes_out_again() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let number = a.as_raw_fd();
    let packets = Packets::new(a).unwrap();
    assert_eq!(packets.as_fd().as_raw_fd(), number);
    let a = packets.into_inner();
    assert_eq!(a.as_raw_fd(), number);
    send(&a, b"x", &[]).unwrap();
    assert!(recvmsg(&b, &mut RecvMsg::new(&mut []), RecvFlags::DONTWAIT).is_ok());
}
