//! Law 8: whatever the safe layer opens is close-on-exec, no send raises `SIGPIPE`, and bit 31 never reaches the kernel;
//! the raw layer adds nothing.

mod common;

use std::os::unix::process::ExitStatusExt;

use common::{dev_null, dirty, is_cloexec, output_of, pair, part, run_alone, send};
use scmsg::{
    AsFd, CMSG_SPACE, Encoder, Errno, Family, IoSlice, IoSliceMut, MsgFlags, RecvFlags, RecvMsg, SendError, SendFlags,
    SendMsg, SocketAddr, SocketFlags, SocketType, accept, accept_from, bind, connect, getsockname, getsockopt, listen,
    raw, recv_with_fds, recvmsg, send_with_fds, sendmsg, setsockopt, socket, socketpair, sockopt,
};

#[test]
fn whatever_is_opened_is_close_on_exec() {
    for flags in [SocketFlags::empty(), SocketFlags::NONBLOCK] {
        let (a, b) = socketpair(SocketType::STREAM, flags).unwrap();
        let listener = socket(Family::UNIX, SocketType::STREAM, SocketFlags::empty(), 0).unwrap();
        bind(&listener, &SocketAddr::unnamed()).unwrap();
        listen(&listener, 4).unwrap();
        let addr = getsockname(&listener).unwrap();
        let clients = [(); 2].map(|()| socket(Family::UNIX, SocketType::STREAM, flags, 0).unwrap());
        clients.iter().for_each(|client| connect(client, &addr).unwrap());
        let server = accept(&listener, flags).unwrap();
        let (other, _) = accept_from(&listener, flags).unwrap();
        for fd in [&a, &b, &clients[0], &server, &other] {
            assert!(is_cloexec(fd.as_raw_fd()));
            // SAFETY: no pointers.
            let status = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
            assert_eq!(status & libc::O_NONBLOCK != 0, flags.contains(SocketFlags::NONBLOCK), "and as asked otherwise");
        }
        assert!(is_cloexec(listener.as_raw_fd()));
    }
}

#[test]
fn whatever_is_received_is_close_on_exec() {
    let null = dev_null();
    // The sender's is not: the flag is the receiver's own.
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::fcntl(null.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    for (name, kind) in common::TYPES {
        let (a, b) = pair(kind);
        let pidfds = setsockopt(&b, sockopt::PassPidFd, true).is_ok();
        for flags in [RecvFlags::PEEK, RecvFlags::empty(), RecvFlags::WAITALL] {
            send(&a, b"x", &[null.as_fd(); 3]).unwrap();
            let mut buf = dirty::<128>();
            let mut data = [0xff];
            let mut data = [IoSliceMut::new(&mut data)];
            let mut message = RecvMsg::new(&mut data).control(&mut buf);
            let received = recvmsg(&b, &mut message, flags).unwrap();
            assert_eq!(received.control.fds().count(), 3, "{name}");
            assert!(received.control.fds().all(|fd| is_cloexec(fd.unwrap().as_raw_fd())), "{name} {flags:?}");
            match received.control.pidfd() {
                Some(pidfd) => assert!(is_cloexec(pidfd.unwrap().as_raw_fd()), "{name}"),
                None if pidfds => panic!("{name}: no SCM_PIDFD"),
                None => println!("SKIPPED: SO_PASSPIDFD is not in this kernel"),
            }
        }
        drop((a, b));
        let (a, b) = pair(kind);
        send(&a, b"x", &[null.as_fd(); 2]).unwrap();
        let (_, fds) = recv_with_fds::<2>(&b, &mut [0xff; 4]).unwrap();
        assert!(fds.iter().all(|fd| is_cloexec(fd.as_raw_fd())), "{name}");
    }
    let (a, _b) = pair(SocketType::STREAM);
    match getsockopt(&a, sockopt::PeerPidFd) {
        Ok(pidfd) => assert!(is_cloexec(pidfd.as_raw_fd())),
        Err(error) => {
            assert_eq!(error, Errno::ENOPROTOOPT);
            println!("SKIPPED: SO_PEERPIDFD is not in this kernel");
        }
    }
}

#[test]
fn the_raw_layer_adds_nothing() {
    // A receive without MSG_CMSG_CLOEXEC, a socket without SOCK_CLOEXEC.
    let null = dev_null();
    let (a, b) = pair(SocketType::STREAM);
    send(&a, b"x", &[null.as_fd()]).unwrap();
    let mut buf = dirty::<64>();
    let mut data = [0xff];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let header = message.as_mut_ptr();
    // SAFETY: the header is good while `message` is.
    let bytes = unsafe { raw::recvmsg(b.as_raw_fd(), header, 0) }.unwrap();
    // SAFETY: one receive has completed into the header since.
    let received = unsafe { message.received(bytes) };
    assert!(!is_cloexec(received.control.fds().next().unwrap().unwrap().as_raw_fd()));
    // SAFETY: no pointers.
    let number = unsafe { raw::socket(libc::AF_UNIX, SocketType::DGRAM.0, 0) }.unwrap();
    // SAFETY: the kernel has just opened it.
    let fd = unsafe { scmsg::OwnedFd::from_raw_fd(number as i32) };
    assert!(!is_cloexec(fd.as_raw_fd()));
}

/// Sends to peers that are gone, in a process that a `SIGPIPE` would end.
fn broken_pipes(part: &str) {
    // SAFETY: the default action is no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let null = dev_null();
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind);
        drop(b);
        let data = [IoSlice::new(b"x")];
        let message = SendMsg::new(&data);
        assert_eq!(sendmsg(&a, &message, SendFlags::empty()), Err(Errno::EPIPE));
        assert_eq!(sendmsg(&a, &message, SendFlags::DONTWAIT | SendFlags::EOR), Err(Errno::EPIPE));
        assert_eq!(send_with_fds(&a, b"x", &[null.as_fd()]), Err(SendError::Errno(Errno::EPIPE)));
        let mut buf = dirty::<{ CMSG_SPACE(4) }>();
        let mut control = Encoder::new(&mut buf);
        control.push_rights(&[null.as_fd()]).unwrap();
        let message = message.control(&control).unwrap();
        assert_eq!(sendmsg(&a, &message, SendFlags::empty()), Err(Errno::EPIPE));
        if part == "raw" {
            println!("still here");
            // SAFETY: the header is good while `message` is.
            let _ = unsafe { raw::sendmsg(a.as_raw_fd(), message.as_ptr(), 0) };
            panic!("a raw send without MSG_NOSIGNAL ends the process");
        }
    }
}

#[test]
fn a_broken_pipe_is_an_errno_and_not_a_signal() {
    if let Some(part) = part() {
        return broken_pipes(&part);
    }
    run_alone("a_broken_pipe_is_an_errno_and_not_a_signal", "safe");
    let output = output_of("a_broken_pipe_is_an_errno_and_not_a_signal", "raw");
    assert!(String::from_utf8_lossy(&output.stdout).contains("still here"));
    assert_eq!(output.status.signal(), Some(libc::SIGPIPE), "the raw layer adds nothing");
}

#[test]
fn bit_31_never_reaches_the_kernel() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let null = dev_null();
    let compat = 1 << 31;
    let mut buf = dirty::<{ CMSG_SPACE(4) }>();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[null.as_fd()]).unwrap();
    let data = [IoSlice::new(b"x")];
    let message = SendMsg::new(&data).control(&control).unwrap();
    assert_eq!(sendmsg(&a, &message, SendFlags::from_bits_retain(compat)), Ok(1));
    assert_eq!(sendmsg(&a, &message, SendFlags::all()), Err(Errno::EOPNOTSUPP), "all bits: MSG_OOB, but not EINVAL");
    let mut buf = dirty::<64>();
    let mut room = [0xff; 4];
    let mut room = [IoSliceMut::new(&mut room)];
    let mut receive = RecvMsg::new(&mut room).control(&mut buf);
    let received = recvmsg(&b, &mut receive, RecvFlags::from_bits_retain(compat)).unwrap();
    assert_eq!((received.bytes, received.control.fds().count()), (1, 1), "read in the native layout");
    assert_eq!(received.flags.bits() & (compat | libc::MSG_CMSG_CLOEXEC as u32), 0, "what was asked is not echoed");
    drop(received);

    // What it would do: EINVAL from a 64-bit process, if the kernel runs 32-bit ones too.
    // SAFETY: the header is good while `message` is.
    let raw = unsafe { raw::sendmsg(a.as_raw_fd(), message.as_ptr(), compat) };
    if raw != Err(Errno::EINVAL) {
        println!("SKIPPED: this kernel ignores bit 31 of a native call: {raw:?}");
    }
}

#[test]
fn an_unknown_bit_goes_to_the_kernel() {
    // MSG_PROBE with MSG_CONFIRM on UDP sends nothing if there is no data; without the bit an empty datagram is sent.
    let udp = || socket(Family::INET, SocketType::DGRAM, SocketFlags::empty(), 0).unwrap();
    let (a, b) = (udp(), udp());
    bind(&b, &std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    connect(&a, &getsockname(&b).unwrap()).unwrap();
    let probe = SendFlags::from_bits_retain(0x10);
    assert!(SendFlags::from_bits(0x10).is_some() && SendFlags::all().contains(probe));
    let arrives = |flags| {
        assert_eq!(sendmsg(&a, &SendMsg::new(&[IoSlice::new(b"")]), flags), Ok(0));
        recvmsg(&b, &mut RecvMsg::new(&mut []), RecvFlags::DONTWAIT).is_ok()
    };
    assert!(arrives(SendFlags::empty()));
    assert!(arrives(SendFlags::CONFIRM));
    assert!(!arrives(SendFlags::CONFIRM | probe));
}

#[test]
fn the_words_for_an_io_uring_entry_are_complete() {
    let all_but_bit_31 = u32::MAX >> 1;
    assert_eq!(SendFlags::from_bits_retain(u32::MAX).to_kernel(), all_but_bit_31);
    assert_eq!(SendFlags::empty().to_kernel(), libc::MSG_NOSIGNAL as u32);
    assert_eq!(RecvFlags::from_bits_retain(u32::MAX).to_kernel(), all_but_bit_31);
    assert_eq!(RecvFlags::empty().to_kernel(), libc::MSG_CMSG_CLOEXEC as u32);
    // And what comes back is without the request's flag.
    let reported = (libc::MSG_CMSG_CLOEXEC | libc::MSG_CTRUNC) as u32;
    assert_eq!(MsgFlags::from_kernel(reported), MsgFlags::CTRUNC);
}
