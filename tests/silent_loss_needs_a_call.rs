//! Law 10: descriptors without a data byte are refused where the message is built and allowed by a second method; what
//! the kernel fills in when there is no sender is not a sender, and is the end.

mod common;

use common::{Canary, dirty, own_credentials, pair, send, send_control};
use scmsg::{
    CMSG_LEN, Control, ControlBuf, Credentials, Encoder, Errno, Family, IoSlice, IoSliceMut, NoData, OwnedFd, Received,
    RecvError, RecvFlags, RecvMsg, SendError, SendFlags, SendMsg, Shutdown, SocketFlags, SocketType, UnreadBytes, bind,
    connect, getsockname, recv_with_fds, recvmsg, send_with_fds, sendmsg, setsockopt, shutdown, socket, sockopt,
};

/// Receives up to 8 bytes and 8 descriptors, and hands it to `look`.
fn receive<T>(socket: &OwnedFd, look: impl FnOnce(Received<'_>) -> T) -> Result<T, Errno> {
    let mut buf = dirty::<256>();
    let mut data = [0xff; 8];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    recvmsg(socket, &mut message, RecvFlags::DONTWAIT).map(look)
}

fn rights<'b, 'fd>(buf: &'b mut ControlBuf, canary: &'fd Canary, count: usize) -> Encoder<'b, 'fd> {
    let mut control = Encoder::new(buf);
    control.push_rights(&vec![canary.fd(); count]).unwrap();
    control
}

#[test]
fn descriptors_without_data_are_refused_with_their_number() {
    let canary = Canary::new();
    let (a, b) = pair(SocketType::STREAM);
    for count in [1, 2, 8] {
        let mut buf = dirty::<64>();
        let control = rights(&mut buf, &canary, count);
        let refused = NoData { descriptors: count };
        let nothing = [IoSlice::new(b""), IoSlice::new(b"")];
        assert_eq!(SendMsg::new(&[]).control(&control).unwrap_err(), refused);
        assert_eq!(SendMsg::new(&nothing).control(&control).unwrap_err(), refused, "empty pieces are no data");
        assert_eq!(SendMsg::new(&[]).control(Control::from(&control)).unwrap_err(), refused);
        assert_eq!(send_with_fds(&a, b"", &vec![canary.fd(); count]).unwrap_err(), SendError::NoData(refused));
        let one = [IoSlice::new(b""), IoSlice::new(b"x")];
        assert!(SendMsg::new(&one).control(&control).is_ok());
    }
    // Two messages count together, and a raw one counts too.
    let mut buf = dirty::<128>();
    let mut control = rights(&mut buf, &canary, 2);
    // SAFETY: the message is not sent.
    unsafe { control.push_raw(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0; 12]) }.unwrap();
    assert_eq!(SendMsg::new(&[]).control(&control).unwrap_err(), NoData { descriptors: 5 });
    // What is no descriptor may go without data.
    let mut buf = dirty::<64>();
    let mut control = Encoder::new(&mut buf);
    control.push(&own_credentials()).unwrap();
    assert!(SendMsg::new(&[]).control(&control).is_ok());
    assert_eq!(send_with_fds(&a, b"", &[]), Ok(0));
    assert_eq!(receive(&b, |all| drop(all)), Err(Errno::EAGAIN), "nothing was sent");
    assert!(canary.all_closed());
}

#[test]
fn packets_deliver_descriptors_without_data() {
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        let mut buf = dirty::<64>();
        let control = rights(&mut buf, &canary, 2);
        assert_eq!(sendmsg(&a, &SendMsg::new(&[]).control_on_packets(&control), SendFlags::empty()), Ok(0));
        let fds = receive(&b, |mut received| {
            assert_eq!(received.bytes, 0);
            assert!(!received.is_end(), "a message with descriptors is not the end");
            received.control.take_exact::<2>().unwrap()
        });
        drop(fds);
        // Also by the short way, and for a receiver who did not ask.
        send(&a, b"", &[canary.fd()]).unwrap();
        assert!(recv_with_fds::<1>(&b, &mut [0xff; 4]).is_ok());
        send(&a, b"", &[canary.fd()]).unwrap();
        let error = recv_with_fds::<0>(&b, &mut [0xff; 4]).unwrap_err();
        assert!(matches!(error, RecvError::WrongCount { bytes: 0, .. }), "{error:?}");
        assert!(canary.all_closed());
    }
}

#[test]
fn a_stream_loses_them_which_is_why() {
    let (a, b) = pair(SocketType::STREAM);
    let canary = Canary::new();
    let mut buf = dirty::<64>();
    let control = rights(&mut buf, &canary, 1);
    // The kernel says that all went well.
    assert_eq!(sendmsg(&a, &SendMsg::new(&[]).control_on_packets(&control), SendFlags::empty()), Ok(0));
    assert_eq!(receive(&b, |all| drop(all)), Err(Errno::EAGAIN));
    send(&a, b"x", &[]).unwrap();
    assert_eq!(receive(&b, |received| received.control.fds().count()), Ok(0));
    assert!(canary.all_closed(), "gone for ever");
}

#[test]
fn control_ends_at_the_last_payload_byte() {
    // A 32-bit process on a 64-bit kernel has any byte after it read as another header.
    let canary = Canary::new();
    for count in 0..=8 {
        let mut buf = dirty::<64>();
        let control = rights(&mut buf, &canary, count);
        assert_eq!(Control::from(&control).as_bytes().len(), CMSG_LEN(4 * count));
        let (a, b) = pair(SocketType::SEQPACKET);
        send_control(&a, b"x", (&control).into()).unwrap();
        assert_eq!(receive(&b, |received| received.control.fds().count()), Ok(count));
    }
}

#[test]
fn the_filler_at_the_end_of_a_stream_is_no_sender() {
    for (name, kind) in [("stream", SocketType::STREAM), ("seqpacket", SocketType::SEQPACKET)] {
        for half in [true, false] {
            let (a, b) = pair(kind);
            setsockopt(&b, sockopt::PassCred, true).unwrap();
            let _ = setsockopt(&b, sockopt::PassPidFd, true);
            send(&a, b"x", &[]).unwrap();
            if half {
                shutdown(&a, Shutdown::Write).unwrap()
            } else {
                drop(a)
            }
            let sender = receive(&b, |received| {
                assert!(!received.is_end(), "{name}: a byte is not the end");
                received.sender()
            });
            assert_eq!(sender, Ok(Some(own_credentials())), "{name}");
            for _ in 0..2 {
                receive(&b, |received| {
                    assert_eq!((received.bytes, received.sender()), (0, None), "{name}");
                    assert!(received.is_end(), "{name}: {received:?}");
                    let filler: Vec<Credentials> =
                        received.control.messages().filter_map(|m| m.unwrap().get().unwrap()).collect();
                    if kind == SocketType::STREAM {
                        assert_eq!(filler, [Credentials { pid: None, uid: 0, gid: 0 }], "it looks like root");
                    } else {
                        assert_eq!(filler, [], "{name}");
                    }
                })
                .unwrap();
            }
            assert_eq!(recv_with_fds::<1>(&b, &mut [0xff; 4]).unwrap_err(), RecvError::End, "{name}");
            assert!(matches!(recv_with_fds::<0>(&b, &mut [0xff; 4]), Ok((0, []))), "{name}");
        }
    }
}

#[test]
fn the_end_is_the_end_with_every_switch_on() {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind);
        for switched in [
            setsockopt(&b, sockopt::PassCred, true),
            setsockopt(&b, sockopt::PassPidFd, true),
            setsockopt(&b, sockopt::PassSec, true),
            if kind == SocketType::STREAM { setsockopt(&b, sockopt::Inq, true) } else { Ok(()) },
            setsockopt(&b, sockopt::ReceiveTimestampNsNew, true),
        ] {
            if let Err(error) = switched {
                println!("SKIPPED: one switch: {error}");
            }
        }
        send(&a, b"0123456789", &[]).unwrap();
        drop(a);
        let (end, left) = receive(&b, |received| {
            let left = received.control.messages().find_map(|m| m.unwrap().get::<UnreadBytes>().unwrap());
            (received.is_end(), left)
        })
        .unwrap();
        assert!(!end && left.is_none_or(|left| left == UnreadBytes(2)));
        if kind == SocketType::STREAM {
            assert_eq!(receive(&b, |received| (received.bytes, received.is_end())), Ok((2, false)));
        }
        receive(&b, |received| assert!(received.is_end(), "{received:?}")).unwrap();
        assert_eq!(recv_with_fds::<1>(&b, &mut [0xff; 4]).unwrap_err(), RecvError::End);
    }
}

#[test]
fn late_credentials_are_no_sender() {
    for (name, kind) in common::TYPES {
        let (a, b) = pair(kind);
        send(&a, b"x", &[]).unwrap();
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let (came, sender, end) = receive(&b, |received| {
            let came = received.control.messages().find_map(|m| m.unwrap().get::<Credentials>().unwrap());
            (came, received.sender(), received.is_end())
        })
        .unwrap();
        assert_eq!(came, Some(Credentials { pid: None, uid: 65534, gid: 65534 }), "{name}");
        assert_eq!((sender, end), (None, false), "{name}");
    }
}

#[test]
fn an_empty_packet_is_told_from_the_end_where_it_can_be() {
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind);
        send(&a, b"", &[]).unwrap();
        assert_eq!(receive(&b, |received| (received.bytes, received.is_end())), Ok((0, true)), "documented: cannot");
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        send(&a, b"", &[]).unwrap();
        assert_eq!(receive(&b, |received| received.is_end()), Ok(false), "a sender is not the end");
        send(&a, b"x", &[]).unwrap();
        let mut nowhere: [IoSliceMut<'_>; 0] = [];
        let end = recvmsg(&b, &mut RecvMsg::new(&mut nowhere), RecvFlags::DONTWAIT).map(|received| received.is_end());
        assert_eq!(end, Ok(false), "no room for data says nothing about the end");
    }
}

#[test]
fn a_zero_length_receive_hands_descriptors_over_and_is_not_the_end() {
    let (a, b) = pair(SocketType::STREAM);
    let canary = Canary::new();
    send(&a, b"x", &[canary.fd()]).unwrap();
    let mut buf = dirty::<64>();
    let mut nowhere: [IoSliceMut<'_>; 0] = [];
    let mut message = RecvMsg::new(&mut nowhere).control(&mut buf);
    let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
    assert_eq!((received.bytes, received.is_end()), (0, false));
    assert!(received.control.take_exact::<1>().is_ok());
    drop(received);
    let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
    assert_eq!((received.bytes, received.control.messages().count(), received.is_end()), (0, 0, false), "no room");
    drop(received);
    assert_eq!(receive(&b, |received| (received.bytes, received.control.fds().count())), Ok((1, 0)));
    assert!(canary.all_closed());
}

#[test]
fn what_was_truncated_is_never_called_the_end() {
    // A packet that lost its descriptors, and, documented, the end of a stream that lost its filler.
    for (kind, close) in [(SocketType::SEQPACKET, false), (SocketType::STREAM, true)] {
        let (a, b) = pair(kind);
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let canary = Canary::new();
        if close {
            drop(a)
        } else {
            assert_eq!(send(&a, b"", &[canary.fd()]), Ok(0))
        }
        let mut data = [0xff];
        let mut data = [IoSliceMut::new(&mut data)];
        let mut message = RecvMsg::new(&mut data);
        let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        assert!(received.control.truncation().is_some());
        assert_eq!((received.bytes, received.is_end()), (0, false));
        assert!(canary.all_closed());
    }
}

/// Why the documents of every send name unix sockets: the internet's take descriptors, ignore them, and say nothing.
#[test]
fn an_internet_socket_ignores_descriptors() {
    let canary = Canary::new();
    let here = scmsg::SocketAddr::from(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0));
    let udp = || socket(Family::INET, SocketType::DGRAM, SocketFlags::empty(), 0).unwrap();
    let (a, b) = (udp(), udp());
    bind(&b, &here).unwrap();
    connect(&a, &getsockname(&b).unwrap()).unwrap();
    assert_eq!(send_with_fds(&a, b"x", &[canary.fd()]), Ok(1));
    let found =
        receive(&b, |received| (received.bytes, received.control.fds().count(), received.flags.bits())).unwrap();
    assert_eq!(found, (1, 0, 0));
    assert_eq!(send_with_fds(&a, b"x", &[canary.fd()]), Ok(1));
    let error = recv_with_fds::<1>(&b, &mut [0]).unwrap_err();
    assert!(
        matches!(error, RecvError::WrongCount { bytes: 1, count } if count.found == 0 && count.truncated.is_none())
    );
    assert!(canary.all_closed());
}

/// Why `SendFlags::OOB` warns: descriptors that go with one out-of-band byte are gone when the byte is skipped.
#[test]
fn an_out_of_band_byte_takes_descriptors_with_it() {
    let canary = Canary::new();
    let (a, b) = pair(SocketType::STREAM);
    let mut buf = dirty::<64>();
    let control = rights(&mut buf, &canary, 1);
    let data = [IoSlice::new(b"!")];
    let message = SendMsg::new(&data).control(&control).unwrap();
    match sendmsg(&a, &message, SendFlags::OOB) {
        Ok(sent) => assert_eq!(sent, 1),
        Err(error) => return println!("SKIPPED: no out-of-band bytes on unix streams here: {error}"),
    }
    send(&a, b"x", &[]).unwrap();
    let found =
        receive(&b, |received| (received.bytes, received.control.fds().count(), received.flags.bits())).unwrap();
    assert_eq!(found, (1, 0, 0), "and no truncation is reported");
    assert!(canary.all_closed());
}
