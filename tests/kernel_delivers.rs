//! What a right kernel delivers, decoded: descriptors, addresses, timestamps, unread bytes, options and events.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr as Inet};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{Canary, TYPES, dev_null, dirty, is_cloexec, own_credentials, pair, send};
use scmsg::{
    Address, AsFd, CMSG_LEN, Cmsg, Control, Credentials, Decode, Encoder, Errno, Family, FixedControl, IoSlice,
    IoSliceMut, Ipv4PacketInfo, Ipv6PacketInfo, Message, MsgFlags, OwnedFd, PidFd, PollFd, PollFlags, Received,
    RecvFlags, RecvMsg, Rights, SecurityLabel, SendFlags, SendMsg, Shutdown, SocketAddr, SocketFlags, SocketType,
    TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld, UnreadBytes, accept,
    accept_from, bind, connect, getpeername, getsockname, getsockopt, listen, peer_label, poll, raw, recvmsg, sendmsg,
    setsockopt, shutdown, socket, sockopt,
};

const NONE: SocketFlags = SocketFlags::empty();

fn unix(kind: SocketType) -> OwnedFd {
    socket(Family::UNIX, kind, NONE, 0).unwrap()
}

/// Receives up to 64 bytes with plenty of control, and hands it to `look`.
fn receive<T>(socket: &OwnedFd, flags: RecvFlags, look: impl FnOnce(Received<'_>) -> T) -> T {
    let mut buf = dirty::<1400>();
    let mut data = [0xff; 64];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    look(recvmsg(socket, &mut message, flags).unwrap())
}

fn find<'a, M: Decode<'a>>(received: &'a Received<'_>) -> Option<M> {
    received.control.messages().find_map(|m: Result<Cmsg<'a>, _>| m.unwrap().get::<M>().unwrap())
}

#[test]
fn every_peek_opens_new_descriptors_and_all_are_owned() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let pidfd = setsockopt(&b, sockopt::PassPidFd, true).is_ok();
        let canary = Canary::new();
        send(&a, b"x", &[canary.fd(), canary.fd()]).unwrap();
        let mut kept = Vec::new();
        for turn in 0..3 {
            receive(&b, RecvFlags::PEEK, |mut received| {
                assert_eq!((received.bytes, received.control.fds().count()), (1, 2), "{name}");
                assert_eq!(received.control.pidfd().is_some_and(|fd| fd.is_ok()), pidfd, "{name}");
                if turn != 1 {
                    kept.extend(received.control.take_exact::<2>().unwrap());
                }
            });
        }
        kept.extend(receive(&b, RecvFlags::empty(), |mut received| received.control.take_exact::<2>().unwrap()));
        let mut numbers: Vec<_> = kept.iter().map(OwnedFd::as_raw_fd).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 6, "{name}: three times two different descriptors");
        drop(kept);
        assert!(canary.all_closed(), "{name}: also those of the second peek");
    }
}

#[test]
fn several_rights_arrive_as_one_in_order() {
    let (a, b) = pair(SocketType::SEQPACKET);
    // Files that can be told apart.
    let files: Vec<_> = (0..6).map(|_| pair(SocketType::STREAM)).collect();
    let fds: Vec<_> = files.iter().map(|(one, _)| one.as_fd()).collect();
    let mut buf = dirty::<256>();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&fds[..1]).unwrap().push_rights(&[]).unwrap().push(&own_credentials()).unwrap();
    control.push_rights(&fds[1..]).unwrap();
    let data = [IoSlice::new(b"x")];
    sendmsg(&a, &SendMsg::new(&data).control(&control).unwrap(), SendFlags::empty()).unwrap();
    receive(&b, RecvFlags::empty(), |mut received| {
        let rights: Vec<Rights<'_>> = received.control.messages().filter_map(|m| m.unwrap().get().unwrap()).collect();
        assert_eq!(rights.iter().map(|r| r.numbers().count()).collect::<Vec<_>>(), [6], "one message of six");
        let arrived = received.control.take_exact::<6>().unwrap();
        for (mine, (_, peer)) in arrived.iter().zip(&files) {
            send(mine, b"hello", &[]).unwrap();
            receive(peer, RecvFlags::DONTWAIT, |received| assert_eq!(received.bytes, 5));
        }
    });
}

#[test]
fn a_received_descriptor_is_the_same_open_file() {
    let path = std::env::temp_dir().join(format!("scmsg-offset-{}", std::process::id()));
    std::fs::write(&path, b"0123456789").unwrap();
    let file = common::open(path.to_str().unwrap());
    std::fs::remove_file(&path).unwrap();
    let (a, b) = pair(SocketType::STREAM);
    send(&a, b"x", &[file.as_fd()]).unwrap();
    let [copy] = receive(&b, RecvFlags::empty(), |mut received| received.control.take_exact().unwrap());
    let seek = |fd: &OwnedFd, to, whence| {
        // SAFETY: no pointers.
        unsafe { libc::lseek(fd.as_raw_fd(), to, whence) }
    };
    assert_eq!(seek(&file, 7, libc::SEEK_SET), 7);
    assert_eq!(seek(&copy, 0, libc::SEEK_CUR), 7, "the offset is shared");
    assert_ne!(copy.as_raw_fd(), file.as_raw_fd());
    drop(file);
    assert_eq!(seek(&copy, 0, libc::SEEK_CUR), 7, "and lives on");
}

#[test]
fn a_stream_gives_descriptors_with_their_first_byte() {
    let (a, b) = pair(SocketType::STREAM);
    let canary = Canary::new();
    send(&a, b"before", &[]).unwrap();
    send(&a, b"with", &[canary.fd()]).unwrap();
    send(&a, b"after", &[]).unwrap();
    receive(&b, RecvFlags::WAITALL, |received| {
        assert_eq!((received.bytes, received.control.fds().count()), (10, 1), "glued before, not after");
    });
    receive(&b, RecvFlags::empty(), |received| {
        assert_eq!((received.bytes, received.control.fds().count()), (5, 0));
    });
    assert!(canary.all_closed());
}

#[test]
fn names_round_trip() {
    let unique = std::process::id();
    let path = std::env::temp_dir().join(format!("scmsg-name-{unique}"));
    let _ = std::fs::remove_file(&path);
    let bytes = path.as_os_str().as_bytes();
    let abstracts = [
        format!("scmsg {unique}").into_bytes(),
        [&b"\0\xff"[..], unique.to_string().as_bytes(), b"\0"].concat(),
        format!("{unique:0107}").into_bytes(),
    ];
    let mut named: Vec<(SocketAddr, Address<'_>)> =
        abstracts.iter().map(|name| (SocketAddr::abstract_name(name).unwrap(), Address::Abstract(name))).collect();
    named.push((SocketAddr::unix(bytes).unwrap(), Address::Path(bytes)));
    for (addr, means) in named {
        let (b, a) = (unix(SocketType::DGRAM), unix(SocketType::DGRAM));
        bind(&a, &addr).unwrap();
        assert_eq!(getsockname(&a).unwrap(), addr);
        assert_eq!(getsockname(&a).unwrap().address(), means);
        bind(&b, &SocketAddr::unnamed()).unwrap();
        let home = getsockname(&b).unwrap();
        assert!(matches!(home.address(), Address::Abstract(name) if name.len() == 5), "autobind: {home:?}");
        connect(&b, &addr).unwrap();
        assert_eq!(getpeername(&b).unwrap(), addr);
        let data = [IoSlice::new(b"x")];
        sendmsg(&a, &SendMsg::new(&data).to(&home), SendFlags::empty()).unwrap();
        let mut from = SocketAddr::raw(&[0xff; 128]).unwrap();
        let mut room = [0xff; 4];
        let mut room = [IoSliceMut::new(&mut room)];
        let mut message = RecvMsg::new(&mut room).from(&mut from);
        let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        assert_eq!(received.from(), Some(&addr));
        assert_eq!(received.from().unwrap().address(), means);
        drop(received);
        assert_eq!(from.as_bytes(), addr.as_bytes(), "and nothing of what was there");
    }
    std::fs::remove_file(&path).unwrap();

    // A path of all 108 bytes has no NUL behind it.
    let mut longest = std::env::temp_dir().as_os_str().as_bytes().to_vec();
    longest.extend(format!("/scmsg-{unique}-").as_bytes());
    longest.resize(108, b'p');
    let addr = SocketAddr::unix(&longest).unwrap();
    let a = unix(SocketType::STREAM);
    bind(&a, &addr).unwrap();
    let name = getsockname(&a).unwrap();
    std::fs::remove_file(std::ffi::OsStr::from_bytes(&longest)).unwrap();
    assert_eq!(name.address(), Address::Path(&longest));
}

#[test]
fn a_sender_without_a_name_has_no_address() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        send(&a, b"x", &[]).unwrap();
        let mut from = SocketAddr::raw(&[0xff; 128]).unwrap();
        let mut room = [0xff; 4];
        let mut room = [IoSliceMut::new(&mut room)];
        let mut message = RecvMsg::new(&mut room).from(&mut from);
        let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
        assert_eq!(received.from(), None, "{name}");
        assert_eq!(getsockname(&a).unwrap().address(), Address::Unnamed, "{name}");
        assert_eq!(getpeername(&a).unwrap().address(), Address::Unnamed, "{name}");
    }
}

/// Two UDP sockets on a loopback address, the first connected to the second.
fn udp(host: &str) -> Option<(OwnedFd, OwnedFd)> {
    let any: Inet = host.parse().unwrap();
    let family = if any.is_ipv4() { Family::INET } else { Family::INET6 };
    let bound = |_| {
        let socket = socket(family, SocketType::DGRAM, NONE, 0)?;
        bind(&socket, &any.into()).map(|()| socket)
    };
    match [(); 2].map(bound) {
        [Ok(a), Ok(b)] => {
            connect(&a, &getsockname(&b).unwrap()).unwrap();
            Some((a, b))
        }
        [a, b] => {
            println!("SKIPPED: no UDP at {host}: {:?} {:?}", a.err(), b.err());
            None
        }
    }
}

#[test]
fn inet_addresses_round_trip() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let Some((a, b)) = udp(host) else { continue };
        let (mine, theirs) = (getsockname(&a).unwrap(), getsockname(&b).unwrap());
        match mine.address() {
            Address::V4(v4) => assert!(v4.ip().is_loopback() && v4.port() != 0),
            Address::V6(v6) => assert!(v6.ip().is_loopback() && v6.port() != 0),
            other => panic!("{other:?}"),
        }
        assert_eq!(getpeername(&a).unwrap(), theirs);
        // To the peer that was set, and to an address.
        let data = [IoSlice::new(b"x")];
        sendmsg(&a, &SendMsg::new(&data), SendFlags::empty()).unwrap();
        sendmsg(&a, &SendMsg::new(&data).to(&theirs), SendFlags::empty()).unwrap();
        for _ in 0..2 {
            let mut from = SocketAddr::unnamed();
            let mut room = [0xff; 4];
            let mut room = [IoSliceMut::new(&mut room)];
            let mut message = RecvMsg::new(&mut room).from(&mut from);
            let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
            assert_eq!((received.bytes, received.from()), (1, Some(&mine)));
            assert_eq!(received.from().unwrap().address(), mine.address());
        }
        // What it says is what std says.
        let std = std::net::UdpSocket::bind(host).unwrap();
        let std_name = SocketAddr::from(std.local_addr().unwrap());
        sendmsg(&b, &SendMsg::new(&data).to(&std_name), SendFlags::empty()).unwrap();
        let (bytes, from) = std.recv_from(&mut [0; 4]).unwrap();
        assert_eq!((bytes, SocketAddr::from(from)), (1, theirs));
    }
}

/// Whether a stamp is of now, give or take ten seconds, and its fraction is one.
fn now(seconds: i64, fraction: i64, whole: i64) -> bool {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    (clock - seconds).abs() <= 10 && (0..whole).contains(&fraction)
}

fn stamped<O: sockopt::SetOption<Value = bool>>(option: O, b: &OwnedFd, a: &OwnedFd, look: impl FnOnce(Received<'_>)) {
    if let Err(error) = setsockopt(b, option, true) {
        println!("SKIPPED: no such timestamps here: {error}");
        return;
    }
    send(a, b"x", &[]).unwrap();
    receive(b, RecvFlags::DONTWAIT, look);
}

#[test]
fn timestamps_old_and_new_are_of_now() {
    let mut pairs = vec![pair(SocketType::DGRAM), pair(SocketType::SEQPACKET)];
    pairs.extend(udp("127.0.0.1:0"));
    pairs.extend(udp("[::1]:0"));
    for (a, b) in &pairs {
        stamped(sockopt::ReceiveTimestampOld, b, a, |received| {
            let stamp: TimestampOld = find(&received).expect("SO_TIMESTAMP_OLD");
            assert!(now(stamp.seconds, stamp.microseconds, 1_000_000), "{stamp:?}");
        });
        stamped(sockopt::ReceiveTimestampNew, b, a, |received| {
            let stamp: TimestampNew = find(&received).expect("SO_TIMESTAMP_NEW");
            assert!(now(stamp.seconds, stamp.microseconds, 1_000_000), "{stamp:?}");
            assert!(find::<TimestampOld>(&received).is_none() || size_of::<usize>() == 8, "the last one set is on");
        });
        stamped(sockopt::ReceiveTimestampNsOld, b, a, |received| {
            let stamp: TimestampNsOld = find(&received).expect("SO_TIMESTAMPNS_OLD");
            assert!(now(stamp.seconds, stamp.nanoseconds, 1_000_000_000), "{stamp:?}");
        });
        stamped(sockopt::ReceiveTimestampNsNew, b, a, |received| {
            let stamp: TimestampNsNew = find(&received).expect("SO_TIMESTAMPNS_NEW");
            assert!(now(stamp.seconds, stamp.nanoseconds, 1_000_000_000), "{stamp:?}");
        });
        setsockopt(b, sockopt::ReceiveTimestampNsNew, false).unwrap();
        send(a, b"x", &[]).unwrap();
        receive(b, RecvFlags::DONTWAIT, |received| assert_eq!(received.control.messages().count(), 0, "off again"));
    }
}

#[test]
fn timestamping_old_and_new_are_of_now() {
    // SOF_TIMESTAMPING_RX_SOFTWARE and SOF_TIMESTAMPING_SOFTWARE: the stamp, and report it.
    let bits = 1 << 3 | 1 << 4;
    let Some((a, b)) = udp("127.0.0.1:0") else { return };
    for new in [false, true] {
        let set = match new {
            false => setsockopt(&b, sockopt::ReceiveTimestampingOld, bits),
            true => setsockopt(&b, sockopt::ReceiveTimestampingNew, bits),
        };
        if let Err(error) = set {
            println!("SKIPPED: no SO_TIMESTAMPING here: {error}");
            continue;
        }
        // Stamping starts a little after it was switched on.
        let start = Instant::now();
        loop {
            send(&a, b"x", &[]).unwrap();
            let stamp = receive(&b, RecvFlags::empty(), |received| match new {
                false => find::<TimestampingOld>(&received).map(|all| all.stamps.map(|s| (s.seconds, s.nanoseconds))),
                true => find::<TimestampingNew>(&received).map(|all| all.stamps.map(|s| (s.seconds, s.nanoseconds))),
            });
            if let Some([software, legacy, hardware]) = stamp {
                assert!(now(software.0, software.1, 1_000_000_000), "{software:?}");
                assert_eq!((legacy, hardware), ((0, 0), (0, 0)));
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "no stamp, new: {new}");
        }
    }
}

/// The loopback interface, as other programs number it.
fn loopback() -> u32 {
    // SAFETY: the name ends with a NUL.
    unsafe { libc::if_nametoindex(c"lo".as_ptr()) }
}

/// Sends one byte from `a` with this control, and hands over what `b` receives.
fn with_control(a: &OwnedFd, b: &OwnedFd, control: Control<'_>, look: impl FnOnce(Received<'_>)) {
    let data = [IoSlice::new(b"x")];
    let message = SendMsg::new(&data).control(control).unwrap();
    assert_eq!(sendmsg(a, &message, SendFlags::empty()), Ok(1));
    receive(b, RecvFlags::empty(), look);
}

/// The address and port that a message came from.
fn came_from(b: &OwnedFd) -> Inet {
    let mut from = SocketAddr::unnamed();
    let mut room = [0xff; 4];
    let mut room = [IoSliceMut::new(&mut room)];
    let mut message = RecvMsg::new(&mut room).from(&mut from);
    let received = recvmsg(b, &mut message, RecvFlags::empty()).unwrap();
    match received.from().unwrap().address() {
        Address::V4(v4) => v4.into(),
        Address::V6(v6) => v6.into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ipv4_packet_info_says_where_a_datagram_came_in_and_chooses_where_it_goes_out() {
    // To any address of this machine: the sender is not told which one it uses, the receiver not on which it listens.
    let any = |_| {
        let socket = socket(Family::INET, SocketType::DGRAM, NONE, 0).unwrap();
        bind(&socket, &Inet::from(([0, 0, 0, 0], 0)).into()).unwrap();
        socket
    };
    let [a, b] = [(); 2].map(any);
    let Address::V4(home) = getsockname(&b).unwrap().address() else { panic!("not IPv4") };
    connect(&a, &Inet::from(([127, 0, 0, 3], home.port())).into()).unwrap();
    assert_eq!(getsockopt(&b, sockopt::ReceivePacketInfo), Ok(false));
    setsockopt(&b, sockopt::ReceivePacketInfo, true).unwrap();
    assert_eq!(getsockopt(&b, sockopt::ReceivePacketInfo), Ok(true));
    let there = Ipv4Addr::new(127, 0, 0, 3);
    let expected = Ipv4PacketInfo { interface: loopback(), local: there, destination: there };
    send(&a, b"x", &[]).unwrap();
    receive(&b, RecvFlags::empty(), |received| assert_eq!(find(&received), Some(expected)));
    // Back from the address that the datagram was sent to, and not the one that routing would choose.
    let answer = Ipv4PacketInfo { interface: 0, local: Ipv4Addr::new(127, 0, 0, 9), destination: Ipv4Addr::BROADCAST };
    let mut buf = dirty::<64>();
    let mut control = Encoder::new(&mut buf);
    control.push(&answer).unwrap();
    let unconnected = any(());
    let data = [IoSlice::new(b"x")];
    let home = SocketAddr::from(Inet::from(([127, 0, 0, 3], home.port())));
    let message = SendMsg::new(&data).control(&control).unwrap().to(&home);
    sendmsg(&unconnected, &message, SendFlags::empty()).unwrap();
    assert_eq!(came_from(&b).ip(), Ipv4Addr::new(127, 0, 0, 9));
    setsockopt(&b, sockopt::ReceivePacketInfo, false).unwrap();
    with_control(&a, &b, Control::from(&control), |received| {
        assert_eq!(find::<Ipv4PacketInfo>(&received), None, "off again")
    });
}

#[test]
fn ipv6_packet_info_says_where_a_datagram_came_in_and_chooses_where_it_goes_out() {
    let Some((a, b)) = udp("[::1]:0") else { return };
    assert_eq!(getsockopt(&b, sockopt::ReceivePacketInfo6), Ok(false));
    setsockopt(&b, sockopt::ReceivePacketInfo6, true).unwrap();
    assert_eq!(getsockopt(&b, sockopt::ReceivePacketInfo6), Ok(true));
    let here = Ipv6PacketInfo { address: Ipv6Addr::LOCALHOST, interface: loopback() };
    send(&a, b"x", &[]).unwrap();
    receive(&b, RecvFlags::empty(), |received| assert_eq!(find(&received), Some(here)));
    // What came in is good to go out.
    let mut buf = dirty::<64>();
    let mut control = Encoder::new(&mut buf);
    control.push(&here).unwrap();
    with_control(&a, &b, Control::from(control), |received| assert_eq!(find(&received), Some(here)));
    // An address that is not here is refused: it was read.
    let mut control = Encoder::new(&mut buf);
    control.push(&Ipv6PacketInfo { address: "2001:db8::1".parse().unwrap(), interface: 0 }).unwrap();
    let data = [IoSlice::new(b"x")];
    let refused = sendmsg(&a, &SendMsg::new(&data).control(control).unwrap(), SendFlags::empty());
    assert!(matches!(refused, Err(Errno::EINVAL | Errno::EADDRNOTAVAIL)), "{refused:?}");
    setsockopt(&b, sockopt::ReceivePacketInfo6, false).unwrap();
    send(&a, b"x", &[]).unwrap();
    receive(&b, RecvFlags::empty(), |received| assert_eq!(find::<Ipv6PacketInfo>(&received), None, "off again"));
}

/// Encoded when compiled: IP_TTL, a message of a user's own, and packet information.
#[test]
fn a_static_control_message_is_sent() {
    struct TimeToLive;
    impl Message for TimeToLive {
        const LEVEL: i32 = 0; // SOL_IP
        const TYPE: i32 = 2; // IP_TTL
    }
    static TTL: FixedControl<{ CMSG_LEN(4) }> = FixedControl::new::<TimeToLive, 4>(77_i32.to_ne_bytes());
    static NO_TTL: FixedControl<{ CMSG_LEN(4) }> = FixedControl::new::<TimeToLive, 4>(256_i32.to_ne_bytes());
    static FROM_NINE: FixedControl<{ CMSG_LEN(12) }> =
        FixedControl::new::<Ipv4PacketInfo, 12>([0, 0, 0, 0, 127, 0, 0, 9, 0, 0, 0, 0]);
    let Some((a, b)) = udp("127.0.0.1:0") else { return };
    const IP_RECVTTL: i32 = 12;
    // SAFETY: the option takes an int.
    unsafe { scmsg::setsockopt_raw(b.as_fd(), 0, IP_RECVTTL, &1_i32.to_ne_bytes()) }.unwrap();
    let ttl = |received: Received<'_>| {
        let message = received.control.messages().map(Result::unwrap).find(|m| (m.level, m.kind) == (0, 2)).unwrap();
        i32::from_ne_bytes(message.payload.try_into().unwrap())
    };
    with_control(&a, &b, Control::from(&TTL), |received| assert_eq!(ttl(received), 77));
    with_control(&a, &b, Control::EMPTY, |received| assert_ne!(ttl(received), 77));
    let data = [IoSlice::new(b"x")];
    let refused = sendmsg(&a, &SendMsg::new(&data).control(&NO_TTL).unwrap(), SendFlags::empty());
    assert_eq!(refused, Err(Errno::EINVAL), "256 is none");
    let home = getsockname(&b).unwrap();
    let other = socket(Family::INET, SocketType::DGRAM, NONE, 0).unwrap();
    let message = SendMsg::new(&data).control(&FROM_NINE).unwrap().to(&home);
    sendmsg(&other, &message, SendFlags::empty()).unwrap();
    assert_eq!(came_from(&b).ip(), Ipv4Addr::new(127, 0, 0, 9));
    // It carries no descriptor, so it may go without data.
    assert!(SendMsg::new(&[]).control(&FROM_NINE).is_ok());
}

#[test]
fn unread_bytes_are_what_is_left() {
    let (a, b) = pair(SocketType::STREAM);
    if let Err(error) = setsockopt(&b, sockopt::Inq, true) {
        println!("SKIPPED: SO_INQ is not in this kernel: {error}");
        return;
    }
    send(&a, &[7; 100], &[]).unwrap();
    for left in [36, 0] {
        receive(&b, RecvFlags::empty(), |received| assert_eq!(find(&received), Some(UnreadBytes(left))));
    }
}

#[test]
fn credentials_and_pidfd_are_the_senders() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let pidfd = setsockopt(&b, sockopt::PassPidFd, true).is_ok();
        let null = dev_null();
        send(&a, b"x", &[null.as_fd()]).unwrap();
        receive(&b, RecvFlags::empty(), |mut received| {
            assert_eq!(received.sender(), Some(own_credentials()), "{name}");
            assert_eq!(find::<Credentials>(&received), Some(own_credentials()), "{name}");
            let kinds: Vec<_> = received.control.messages().map(|m| m.unwrap().kind).collect();
            assert_eq!(kinds[..2], [libc::SCM_CREDENTIALS, libc::SCM_RIGHTS], "{name}: in this order");
            if !pidfd {
                println!("SKIPPED: SO_PASSPIDFD is not in this kernel");
                return;
            }
            let number = find::<PidFd>(&received).unwrap().number().unwrap().unwrap();
            let taken = received.control.take_pidfd().unwrap().unwrap();
            assert_eq!(taken.as_raw_fd(), number, "{name}");
            assert_eq!(pid_of(&taken), Some(std::process::id()), "{name}");
        });
    }
}

/// What `/proc` says a process descriptor stands for.
fn pid_of(pidfd: &OwnedFd) -> Option<u32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
    info.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(|pid| pid.trim().parse().ok())
}

#[test]
fn a_label_arrives_where_a_module_gives_one() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let set = setsockopt(&b, sockopt::PassSec, true);
    send(&a, b"x", &[]).unwrap();
    receive(&b, RecvFlags::empty(), |received| match find::<SecurityLabel<'_>>(&received) {
        Some(label) => assert!(set.is_ok() && !label.as_bytes().is_empty() && !label.as_bytes().contains(&0)),
        None => println!("SKIPPED: no security module labels sockets here ({set:?})"),
    });
    let mut buf = [0xff; 256];
    match peer_label(&a, &mut buf) {
        Ok(label) => assert!(!label.is_empty()),
        Err(error) => {
            assert_eq!(error, Errno::ENOPROTOOPT);
            println!("SKIPPED: no label of the peer here");
        }
    }
}

fn switch<O>(option: O, socket: &OwnedFd)
where
    O: sockopt::SetOption<Value = bool> + sockopt::GetOption + Copy + std::fmt::Debug,
{
    let start = getsockopt(socket, option);
    for on in [true, false, true, start.unwrap_or(false)] {
        match setsockopt(socket, option, on) {
            Ok(()) => assert_eq!(getsockopt(socket, option), Ok(on), "{option:?}"),
            Err(Errno::ENOPROTOOPT) => println!("SKIPPED: {option:?} is not in this kernel"),
            Err(error) => panic!("{option:?}: {error}"),
        }
    }
}

#[test]
fn every_option_round_trips() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        switch(sockopt::PassCred, &a);
        switch(sockopt::PassPidFd, &a);
        switch(sockopt::PassSec, &a);
        switch(sockopt::PassRights, &a);
        switch(sockopt::ReceiveTimestampOld, &a);
        switch(sockopt::ReceiveTimestampNew, &a);
        switch(sockopt::ReceiveTimestampNsOld, &a);
        switch(sockopt::ReceiveTimestampNsNew, &a);
        for bits in [1 << 3 | 1 << 4, 0] {
            setsockopt(&a, sockopt::ReceiveTimestampingOld, bits).unwrap();
            assert_eq!(getsockopt(&a, sockopt::ReceiveTimestampingOld), Ok(bits), "{name}");
            setsockopt(&a, sockopt::ReceiveTimestampingNew, bits).unwrap();
            assert_eq!(getsockopt(&a, sockopt::ReceiveTimestampingNew), Ok(bits), "{name}");
        }
        assert_eq!(getsockopt(&a, sockopt::PeerCred), Ok(own_credentials()), "{name}");
        match getsockopt(&a, sockopt::PeerPidFd) {
            Ok(one) => {
                let two = getsockopt(&a, sockopt::PeerPidFd).unwrap();
                assert!(is_cloexec(one.as_raw_fd()) && one.as_raw_fd() != two.as_raw_fd(), "{name}: each is new");
                assert_eq!(
                    (pid_of(&one), pid_of(&two)),
                    (Some(std::process::id()), Some(std::process::id())),
                    "{name}"
                );
                // Owned: closed with its owner. Its number is not asked, because another test can have it by then.
                assert_eq!(scmsg::close(one), Ok(()), "{name}");
            }
            Err(error) => {
                assert_eq!(error, Errno::ENOPROTOOPT, "{name}");
                println!("SKIPPED: SO_PEERPIDFD is not in this kernel");
            }
        }
        assert_eq!(getsockopt(&a, sockopt::Domain), Ok(Family::UNIX), "{name}");
        assert_eq!(getsockopt(&a, sockopt::Type), Ok(kind), "{name}");
        assert_eq!(getsockopt(&a, sockopt::Protocol), Ok(0), "{name}");
        assert_eq!(getsockopt(&a, sockopt::AcceptsConnections), Ok(false), "{name}");
        setsockopt(&a, sockopt::SendBuffer, 16384).unwrap();
        assert_eq!(getsockopt(&a, sockopt::SendBuffer), Ok(32768), "{name}: doubled");
        setsockopt(&a, sockopt::ReceiveBuffer, 16384).unwrap();
        assert_eq!(getsockopt(&a, sockopt::ReceiveBuffer), Ok(32768), "{name}: doubled");
        assert_eq!(getsockopt(&b, sockopt::PeekOffset), Ok(-1), "{name}: off");
        setsockopt(&b, sockopt::PeekOffset, 2).unwrap();
        assert_eq!(getsockopt(&b, sockopt::PeekOffset), Ok(2), "{name}");
        send(&a, b"abcd", &[]).unwrap();
        receive(&b, RecvFlags::PEEK, |received| assert_eq!(received.data().next(), Some(&b"cd"[..]), "{name}"));
        assert_eq!(getsockopt(&b, sockopt::PeekOffset), Ok(4), "{name}: a peek moves it on");
        assert_eq!(getsockopt(&a, sockopt::PendingError), Ok(None), "{name}");
    }
    let listener = unix(SocketType::STREAM);
    bind(&listener, &SocketAddr::unnamed()).unwrap();
    listen(&listener, 1).unwrap();
    assert_eq!(getsockopt(&listener, sockopt::AcceptsConnections), Ok(true));
    if let Some((a, _)) = udp("[::1]:0") {
        assert_eq!(getsockopt(&a, sockopt::Domain), Ok(Family::INET6));
        assert_eq!(getsockopt(&a, sockopt::Protocol), Ok(libc::IPPROTO_UDP));
    }
}

#[test]
fn a_pending_error_is_read_once() {
    let (a, b) = pair(SocketType::STREAM);
    send(&a, b"x", &[]).unwrap();
    drop(b);
    assert_eq!(getsockopt(&a, sockopt::PendingError), Ok(Some(Errno::ECONNRESET)));
    assert_eq!(getsockopt(&a, sockopt::PendingError), Ok(None));
    // A nonblocking connect to nobody.
    let Some((port, _)) = udp("127.0.0.1:0") else { return };
    let nobody = getsockname(&port).unwrap();
    let tcp = socket(Family::INET, SocketType::STREAM, SocketFlags::NONBLOCK, 0).unwrap();
    match connect(&tcp, &nobody) {
        Err(Errno::EINPROGRESS) => {
            let mut entries = [PollFd::new(&tcp, PollFlags::OUT)];
            assert_eq!(poll(&mut entries, Some(Duration::from_secs(10))), Ok(1));
            assert!(entries[0].events().contains(PollFlags::ERR));
            assert_eq!(getsockopt(&tcp, sockopt::PendingError), Ok(Some(Errno::ECONNREFUSED)));
        }
        connected => assert_eq!(connected, Err(Errno::ECONNREFUSED), "another program's port has this number"),
    }
}

#[test]
fn poll_waits_as_long_as_asked_and_names_the_events() {
    let (a, b) = pair(SocketType::STREAM);
    let ask = |events, timeout| {
        let mut entries = [PollFd::new(&b, events)];
        let start = Instant::now();
        let ready = poll(&mut entries, timeout).unwrap();
        (ready, entries[0].events(), start.elapsed())
    };
    let all = PollFlags::IN | PollFlags::OUT | PollFlags::RDHUP;
    let (ready, events, took) = ask(PollFlags::IN, Some(Duration::ZERO));
    assert_eq!((ready, events), (0, PollFlags::empty()));
    assert!(took < Duration::from_secs(5));
    let (ready, _, took) = ask(PollFlags::IN, Some(Duration::from_millis(30)));
    assert!(ready == 0 && took >= Duration::from_millis(30), "{took:?}");
    let (ready, _, took) = ask(PollFlags::IN, Some(Duration::from_nanos(1_000_001)));
    assert!(ready == 0 && took >= Duration::from_nanos(1_000_001), "{took:?}");
    assert_eq!(ask(all, None).1, PollFlags::OUT);
    send(&a, b"x", &[]).unwrap();
    assert_eq!(ask(all, None).1, PollFlags::IN | PollFlags::OUT);
    assert_eq!(ask(PollFlags::IN, Some(Duration::MAX)).0, 1, "the longest there is is not an error");
    assert_eq!(ask(PollFlags::IN, Some(Duration::from_secs(u64::MAX))).0, 1);
    shutdown(&a, Shutdown::Write).unwrap();
    assert_eq!(ask(all, None).1, all);
    drop(a);
    let (ready, events, _) = ask(PollFlags::empty(), None);
    assert!(ready == 1 && events.contains(PollFlags::HUP), "reported unasked: {events:?}");

    // Several at once: how many have events, and which; what was reported before is gone.
    let (c, d) = pair(SocketType::SEQPACKET);
    let mut entries = [PollFd::new(&c, PollFlags::IN), PollFd::new(&d, PollFlags::IN), PollFd::new(&b, PollFlags::IN)];
    assert_eq!(poll(&mut entries, Some(Duration::ZERO)), Ok(1));
    send(&c, b"x", &[]).unwrap();
    assert_eq!(poll(&mut entries, Some(Duration::ZERO)), Ok(2));
    assert_eq!(entries.each_ref().map(|e| e.events().contains(PollFlags::IN)), [false, true, true]);
    receive(&d, RecvFlags::DONTWAIT, |received| assert_eq!(received.bytes, 1));
    assert_eq!(poll(&mut entries, Some(Duration::ZERO)), Ok(1));
    assert_eq!(entries[1].events(), PollFlags::empty());
}

#[test]
fn accept_gives_the_connection_and_accept_from_the_peer_too() {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let listener = unix(kind);
        bind(&listener, &SocketAddr::unnamed()).unwrap();
        listen(&listener, 4).unwrap();
        let home = getsockname(&listener).unwrap();
        let named = unix(kind);
        bind(&named, &SocketAddr::unnamed()).unwrap();
        let name = getsockname(&named).unwrap();
        let nameless = unix(kind);
        for client in [&named, &nameless, &named] {
            if getpeername(client).is_err() {
                connect(client, &home).unwrap();
            }
        }
        let (server, peer) = accept_from(&listener, NONE).unwrap();
        assert_eq!((peer, getpeername(&server).unwrap()), (name, name));
        assert_eq!(getsockname(&server).unwrap(), home);
        send(&named, b"hello", &[]).unwrap();
        receive(&server, RecvFlags::DONTWAIT, |received| assert_eq!(received.bytes, 5));
        let (_, peer) = accept_from(&listener, NONE).unwrap();
        assert_eq!(peer.address(), Address::Unnamed);
        let third = unix(kind);
        connect(&third, &home).unwrap();
        let server = accept(&listener, NONE).unwrap();
        send(&server, b"hello", &[]).unwrap();
        receive(&third, RecvFlags::DONTWAIT, |received| assert_eq!(received.bytes, 5));
    }
    let listener = socket(Family::INET, SocketType::STREAM, NONE, 0).unwrap();
    bind(&listener, &Inet::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listen(&listener, 4).unwrap();
    let client = std::net::TcpStream::connect(match getsockname(&listener).unwrap().address() {
        Address::V4(v4) => v4,
        other => panic!("{other:?}"),
    })
    .unwrap();
    let (_, peer) = accept_from(&listener, NONE).unwrap();
    assert_eq!(peer, client.local_addr().unwrap().into());
}

#[test]
fn an_out_of_band_byte_is_marked() {
    let Some(listener) = std::net::TcpListener::bind("127.0.0.1:0").ok() else {
        println!("SKIPPED: no TCP here");
        return;
    };
    let client = socket(Family::INET, SocketType::STREAM, NONE, 0).unwrap();
    connect(&client, &listener.local_addr().unwrap().into()).unwrap();
    let (server, _) = listener.accept().unwrap();
    // SAFETY: the number is given up by its owner.
    let server = unsafe { OwnedFd::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(server)) };
    sendmsg(&client, &SendMsg::new(&[IoSlice::new(b"!")]), SendFlags::OOB).unwrap();
    let mut entries = [PollFd::new(&server, PollFlags::PRI)];
    assert_eq!(poll(&mut entries, Some(Duration::from_secs(10))), Ok(1));
    receive(&server, RecvFlags::OOB, |received| {
        assert_eq!((received.bytes, received.flags), (1, received.flags | MsgFlags::OOB));
    });
}

/// What a call can return is an `int`, whose sign tells an error: the longest that it can move is none, on either side.
#[test]
fn the_most_bytes_of_one_call_are_no_error() {
    // The kernel cuts every read and write there: `INT_MAX & PAGE_MASK`.
    // SAFETY: no pointers.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    let most = i32::MAX as usize & !(page - 1);
    const PIECE: usize = 4 << 20;
    let (a, b) = pair(SocketType::STREAM);
    let reader = std::thread::spawn(move || {
        // Pieces that overlap, which no safe code makes: 4 GiB of room in 4 MiB.
        let mut room = vec![0xff_u8; PIECE];
        let pieces = vec![raw::iovec { iov_base: room.as_mut_ptr(), iov_len: PIECE }; 1024];
        let mut header =
            raw::msghdr { msg_iov: pieces.as_ptr().cast_mut(), msg_iovlen: pieces.len(), ..raw::msghdr::EMPTY };
        // SAFETY: each piece is room for bytes of any value, which nothing else looks at meanwhile; so is the header.
        unsafe { raw::recvmsg(b.as_raw_fd(), &raw mut header, RecvFlags::WAITALL.to_kernel()) }
    });
    let bytes = vec![7_u8; PIECE];
    let data = vec![IoSlice::new(&bytes); 1024];
    assert_eq!(sendmsg(&a, &SendMsg::new(&data), SendFlags::empty()), Ok(most));
    drop(a);
    assert_eq!(reader.join().unwrap(), Ok(most));
}
