//! Law 4: each safe call is exactly one system call, the one it is named after, whether it succeeds or fails; and law 8,
//! the flags it adds. Under strace, in a process of its own; the names of the steps are left in the trace as marks.

mod common;

use std::time::Duration;

use common::{between, dev_null, dirty, mark, pair, part, send, traced};
use scmsg::{
    AsFd, CMSG_SPACE, Encoder, Errno, Family, IoSlice, IoSliceMut, PollFd, PollFlags, RecvFlags, RecvMsg, SendFlags,
    SendMsg, Shutdown, SocketAddr, SocketFlags, SocketType, accept, accept_from, bind, close, connect, getpeername,
    getsockname, getsockopt, listen, peer_label, poll, raw, recv_with_fds, recvmsg, send_with_fds, sendmsg, setsockopt,
    shutdown, socket, socketpair, sockopt,
};

/// Step, system call, what its line in the trace must hold.
const STEPS: [(&str, &str, &[&str]); 31] = [
    ("socketpair", "socketpair", &["SOCK_SEQPACKET|SOCK_CLOEXEC, 0, ["]),
    ("socket", "socket", &["SOCK_STREAM|SOCK_CLOEXEC, 0) = "]),
    ("socket nonblock", "socket", &["SOCK_CLOEXEC", "SOCK_NONBLOCK"]),
    ("sendmsg", "sendmsg", &["}, MSG_NOSIGNAL) = 1"]),
    ("sendmsg two pieces", "sendmsg", &["msg_iovlen=2", "}, MSG_NOSIGNAL) = 6"]),
    ("sendmsg flags", "sendmsg", &["MSG_NOSIGNAL", "MSG_DONTWAIT", "MSG_PROBE"]),
    ("sendmsg control", "sendmsg", &["SCM_RIGHTS", "}, MSG_NOSIGNAL) = 1"]),
    ("recvmsg", "recvmsg", &["}, MSG_CMSG_CLOEXEC) = 1"]),
    ("recvmsg into two pieces", "recvmsg", &["msg_iovlen=2", "}, MSG_CMSG_CLOEXEC) = 6"]),
    ("recvmsg flags", "recvmsg", &["MSG_CMSG_CLOEXEC", "MSG_DONTWAIT", "MSG_PROBE"]),
    ("recvmsg control", "recvmsg", &["SCM_RIGHTS", "}, MSG_CMSG_CLOEXEC) = 1"]),
    ("look and take", "", &[]),
    ("recvmsg nothing there", "recvmsg", &["EAGAIN"]),
    ("send_with_fds", "sendmsg", &["SCM_RIGHTS", "}, MSG_NOSIGNAL) = 1"]),
    ("recv_with_fds", "recvmsg", &["SCM_RIGHTS", "}, MSG_CMSG_CLOEXEC) = 1"]),
    ("bind", "bind", &[" = 0"]),
    ("getsockname", "getsockname", &[" = 0"]),
    ("listen", "listen", &[", 7) = 0"]),
    ("connect", "connect", &[" = 0"]),
    ("accept", "accept4", &["NULL, NULL, SOCK_CLOEXEC) = "]),
    ("accept_from", "accept4", &["AF_UNIX", "SOCK_CLOEXEC", "SOCK_NONBLOCK"]),
    ("getpeername", "getpeername", &[" = 0"]),
    ("setsockopt", "setsockopt", &["SOL_SOCKET, SO_PASSCRED, [1], 4) = 0"]),
    ("getsockopt", "getsockopt", &["SOL_SOCKET, SO_PASSCRED, [1], [4]) = 0"]),
    ("peer_label", "getsockopt", &["SOL_SOCKET, SO_PEERSEC"]),
    ("poll", "ppoll", &["events=POLLIN", "tv_sec=0", "NULL, 8) = 0"]),
    ("poll for ever", "ppoll", &["NULL, NULL, 8) = 1"]),
    ("shutdown", "shutdown", &["SHUT_WR) = 0"]),
    ("close", "close", &[" = 0"]),
    ("drop one", "close", &[" = 0"]),
    ("raw", "sendmsg", &["}, 0) = 1"]),
];

/// Runs one step between two marks.
fn step<T>(name: &str, run: impl FnOnce() -> T) -> T {
    assert!(STEPS.iter().any(|(known, ..)| *known == name), "{name}");
    mark(name);
    let result = run();
    mark("done");
    result
}

fn every_call() {
    let none = SocketFlags::empty();
    let (a, b) = step("socketpair", || socketpair(SocketType::SEQPACKET, none)).unwrap();
    let listener = step("socket", || socket(Family::UNIX, SocketType::STREAM, none, 0)).unwrap();
    let client =
        step("socket nonblock", || socket(Family::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, 0)).unwrap();

    // MSG_PROBE has no name in this crate, and no meaning to a unix socket: unknown bits pass.
    let probe = 0x10;
    let null = dev_null();
    let (one, two) = ([IoSlice::new(b"x")], [IoSlice::new(b"abc"), IoSlice::new(b"def")]);
    let mut buf = dirty::<{ CMSG_SPACE(8) }>();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[null.as_fd(), null.as_fd()]).unwrap();
    let message = SendMsg::new(&one);
    step("sendmsg", || sendmsg(&a, &message, SendFlags::empty())).unwrap();
    let message = SendMsg::new(&two);
    step("sendmsg two pieces", || sendmsg(&a, &message, SendFlags::empty())).unwrap();
    let message = SendMsg::new(&one);
    let flags = SendFlags::DONTWAIT | SendFlags::from_bits_retain(probe | 1 << 31);
    step("sendmsg flags", || sendmsg(&a, &message, flags)).unwrap();
    let message = SendMsg::new(&one).control(&control).unwrap();
    step("sendmsg control", || sendmsg(&a, &message, SendFlags::empty())).unwrap();

    let (mut p, mut q) = ([0xff; 3], [0xff; 5]);
    let mut data = [IoSliceMut::new(&mut p), IoSliceMut::new(&mut q)];
    let mut buf = dirty::<256>();
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    drop(step("recvmsg", || recvmsg(&b, &mut message, RecvFlags::empty())).unwrap());
    drop(step("recvmsg into two pieces", || recvmsg(&b, &mut message, RecvFlags::empty())).unwrap());
    let flags = RecvFlags::DONTWAIT | RecvFlags::from_bits_retain(probe | 1 << 31);
    drop(step("recvmsg flags", || recvmsg(&b, &mut message, flags)).unwrap());
    let mut received = step("recvmsg control", || recvmsg(&b, &mut message, RecvFlags::empty())).unwrap();
    let fds = step("look and take", || {
        let seen = received.control.messages().count() + received.control.fds().count() + received.data().count();
        assert!(seen != 0 && received.sender().is_none() && !received.is_end() && received.from().is_none());
        assert_eq!(received.control.truncation(), None);
        assert!(received.control.take_exact::<3>().is_err());
        let first = received.control.take_fds().next().unwrap().unwrap();
        let [second] = received.control.take_exact().unwrap();
        assert!(received.control.take_pidfd().is_none());
        drop(received);
        (first, second)
    });
    let again = step("recvmsg nothing there", || recvmsg(&b, &mut message, RecvFlags::DONTWAIT).map(drop));
    assert_eq!(again, Err(Errno::EAGAIN));

    step("send_with_fds", || send_with_fds(&a, b"x", &[null.as_fd()])).unwrap();
    let mut small = [0xff; 1];
    let (_, [_fd]) = step("recv_with_fds", || recv_with_fds::<1>(&b, &mut small)).unwrap();

    let autobind = SocketAddr::unnamed();
    step("bind", || bind(&listener, &autobind)).unwrap();
    let addr = step("getsockname", || getsockname(&listener)).unwrap();
    step("listen", || listen(&listener, 7)).unwrap();
    step("connect", || connect(&client, &addr)).unwrap();
    let _server = step("accept", || accept(&listener, none)).unwrap();
    let other = socket(Family::UNIX, SocketType::STREAM, none, 0).unwrap();
    connect(&other, &addr).unwrap();
    let _server = step("accept_from", || accept_from(&listener, SocketFlags::NONBLOCK)).unwrap();
    step("getpeername", || getpeername(&client)).unwrap();
    step("setsockopt", || setsockopt(&b, sockopt::PassCred, true)).unwrap();
    assert!(step("getsockopt", || getsockopt(&b, sockopt::PassCred)).unwrap());
    let mut label = [0xff; 64];
    let _ = step("peer_label", || peer_label(&b, &mut label).map(drop));
    let mut entries = [PollFd::new(&b, PollFlags::IN)];
    let ready = step("poll", || poll(&mut entries, Some(Duration::from_millis(1))));
    assert_eq!(ready, Ok(0));
    send(&a, b"x", &[]).unwrap();
    assert_eq!(step("poll for ever", || poll(&mut entries, None)), Ok(1));
    step("shutdown", || shutdown(&client, Shutdown::Write)).unwrap();
    step("close", || close(client)).unwrap();
    step("drop one", || drop(other));
    let message = SendMsg::new(&one);
    // SAFETY: the header and what it points to are borrowed by `message`.
    step("raw", || unsafe { raw::sendmsg(a.as_raw_fd(), message.as_ptr(), 0) }).unwrap();
    drop(fds);
}

#[test]
fn one_call_is_one_system_call() {
    if part().is_some() {
        return every_call();
    }
    let Some(trace) = traced("one_call_is_one_system_call", "every_call", &[]) else { return };
    for (name, call, parts) in STEPS {
        let calls = between(&trace, name, "done");
        if call.is_empty() {
            assert!(calls.is_empty(), "{name}: {calls:#?}");
            continue;
        }
        assert_eq!(calls.len(), 1, "{name}: {calls:#?}");
        assert!(calls[0].starts_with(&format!("{call}(")), "{name}: {calls:#?}");
        for part in parts {
            assert!(calls[0].contains(part), "{name}: no `{part}` in {}", calls[0]);
        }
        assert!(!calls[0].contains("MSG_CMSG_COMPAT") && !calls[0].contains("0x80000000"), "{name}: {}", calls[0]);
    }
}

/// What is tried again by nobody: each of these fails once.
fn interrupted() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let data = [IoSlice::new(b"x")];
    let message = SendMsg::new(&data);
    let mut room = [0xff; 4];
    let mut room = [IoSliceMut::new(&mut room)];
    let mut buf = dirty::<64>();
    let mut receive = RecvMsg::new(&mut room).control(&mut buf);
    let mut small = [0xff; 1];
    let addr = SocketAddr::abstract_name(b"nobody").unwrap();
    let null = dev_null();
    let interrupted = Err(Errno::EINTR);
    assert_eq!(step("sendmsg", || sendmsg(&a, &message, SendFlags::empty()).map(drop)), interrupted);
    assert_eq!(step("recvmsg", || recvmsg(&b, &mut receive, RecvFlags::empty()).map(drop)), interrupted);
    assert!(step("send_with_fds", || send_with_fds(&a, b"x", &[null.as_fd()])).is_err());
    assert!(step("recv_with_fds", || recv_with_fds::<1>(&b, &mut small)).is_err());
    assert_eq!(step("connect", || connect(&a, &addr)), interrupted);
    assert_eq!(step("accept", || accept(&a, SocketFlags::empty()).map(drop)), interrupted);
    assert_eq!(step("accept_from", || accept_from(&a, SocketFlags::empty()).map(drop)), interrupted);
}

#[test]
fn a_call_that_is_interrupted_is_not_made_again() {
    if part().is_some() {
        return interrupted();
    }
    let options = ["-e", "inject=sendmsg,recvmsg,connect,accept4:error=EINTR"];
    let Some(trace) = traced("a_call_that_is_interrupted_is_not_made_again", "interrupted", &options) else { return };
    for name in ["sendmsg", "recvmsg", "send_with_fds", "recv_with_fds", "connect", "accept", "accept_from"] {
        let calls = between(&trace, name, "done");
        assert_eq!(calls.len(), 1, "{name}: {calls:#?}");
        let (_, call, _) = STEPS.iter().find(|(known, ..)| *known == name).unwrap();
        assert!(calls[0].starts_with(&format!("{call}(")) && calls[0].contains("EINTR"), "{name}: {calls:#?}");
    }
}
