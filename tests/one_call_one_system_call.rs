//! Law 4: each safe call is exactly one system call, the one it is named after, whether it succeeds or fails; and law 8,
//! the flags it adds. Under strace, in a process of its own; the names of the steps are left in the trace as marks.

mod common;

use std::time::Duration;

use common::{between, dev_null, dirty, mark, pair, part, send, traced};
use scmsg::{
    AsFd, CMSG_SPACE, Encoder, Errno, Family, IoSlice, IoSliceMut, Packets, PollFd, PollFlags, RecvBatch, RecvFlags,
    RecvMsg, SendBatch, SendFlags, SendMsg, Shutdown, SocketAddr, SocketFlags, SocketType, accept, accept_from, bind,
    close, connect, getpeername, getsockname, getsockopt, listen, peer_label, poll, raw, recv_with_fds, recvmmsg,
    recvmsg, send_with_fds, sendmmsg, sendmsg, setsockopt, shutdown, socket, socketpair, sockopt,
};

/// The one with a 64-bit timeout.
const TIMED: &str = if cfg!(target_pointer_width = "64") { "recvmmsg" } else { "recvmmsg_time64" };

/// Step, system call, what its line in the trace must hold.
const STEPS: [(&str, &str, &[&str]); 41] = [
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
    ("build batches", "", &[]),
    ("sendmmsg", "sendmmsg", &["msg_len=1}", "msg_len=6}", ", 2, MSG_NOSIGNAL) = 2"]),
    ("sendmmsg the rest", "sendmmsg", &["MSG_DONTWAIT|", "MSG_PROBE|", "MSG_NOSIGNAL) = 1"]),
    ("sendmmsg nothing", "sendmmsg", &[", 0, MSG_NOSIGNAL) = 0"]),
    ("recvmmsg", "recvmmsg", &["msg_len=1}", "msg_len=6}", ", 2, MSG_CMSG_CLOEXEC, NULL) = 2"]),
    ("recvmmsg with a timeout", TIMED, &["MSG_DONTWAIT|", "MSG_CMSG_CLOEXEC", "{tv_sec=3, tv_nsec=7}"]),
    ("recvmmsg nothing there", "recvmmsg", &["MSG_WAITFORONE", "MSG_CMSG_CLOEXEC", "EAGAIN"]),
    ("Packets::new", "getsockopt", &["SOL_SOCKET, SO_DOMAIN, [1], [4]) = 0"]),
    ("Packets::send_fds", "sendmsg", &["msg_iov=", "SCM_RIGHTS", "}, MSG_NOSIGNAL) = 0"]),
    ("Packets::recv_fds", "recvmsg", &["SCM_RIGHTS", "}, MSG_CMSG_CLOEXEC) = 0"]),
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

    let (mut r, mut s) = ([0xff; 8], [0xff; 8]);
    let (mut r, mut s) = ([IoSliceMut::new(&mut r)], [IoSliceMut::new(&mut s)]);
    let (mut outs, mut ins) = step("build batches", || {
        let (mut outs, mut ins) = (SendBatch::<2>::new(), RecvBatch::<2>::new());
        outs.push(SendMsg::new(&one)).unwrap();
        outs.push(SendMsg::new(&two)).unwrap();
        ins.push(RecvMsg::new(&mut r)).unwrap();
        ins.push(RecvMsg::new(&mut s)).unwrap();
        (outs, ins)
    });
    assert_eq!(step("sendmmsg", || sendmmsg(&a, &mut outs, SendFlags::empty())), Ok(2));
    let batch = step("recvmmsg", || recvmmsg(&b, &mut ins, RecvFlags::empty(), None)).unwrap();
    assert_eq!(batch.count(), 2);
    outs.skip(1);
    let flags = SendFlags::DONTWAIT | SendFlags::from_bits_retain(probe | 1 << 31);
    assert_eq!(step("sendmmsg the rest", || sendmmsg(&a, &mut outs, flags)), Ok(1));
    outs.skip(1);
    assert_eq!(step("sendmmsg nothing", || sendmmsg(&a, &mut outs, SendFlags::empty())), Ok(0));
    let flags = RecvFlags::DONTWAIT | RecvFlags::from_bits_retain(1 << 31);
    let timeout = Some(Duration::new(3, 7));
    drop(step("recvmmsg with a timeout", || recvmmsg(&b, &mut ins, flags, timeout)).unwrap());
    let flags = RecvFlags::WAITFORONE | RecvFlags::DONTWAIT;
    let again = step("recvmmsg nothing there", || recvmmsg(&b, &mut ins, flags, None).map(drop));
    assert_eq!(again, Err(Errno::EAGAIN));
    let packets = step("Packets::new", || Packets::new(&a)).unwrap();
    step("Packets::send_fds", || packets.send_fds(&[null.as_fd()])).unwrap();
    let packets = Packets::new(&b).unwrap();
    let [_fd] = step("Packets::recv_fds", || packets.recv_fds::<1>()).unwrap();

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
        // A constructor that looks at two things, and says so.
        let looks = if name.starts_with("Packets::new") { 2 } else { 1 };
        assert_eq!(calls.len(), looks, "{name}: {calls:#?}");
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
    let (mut outs, mut ins) = (SendBatch::<1>::new(), RecvBatch::<1>::new());
    outs.push(message.clone()).unwrap();
    ins.push(receive).unwrap();
    assert_eq!(step("sendmmsg", || sendmmsg(&a, &mut outs, SendFlags::empty()).map(drop)), interrupted);
    assert_eq!(step("recvmmsg", || recvmmsg(&b, &mut ins, RecvFlags::empty(), None).map(drop)), interrupted);
    let packets = Packets::new(&a).unwrap();
    assert!(step("Packets::send_fds", || packets.send_fds(&[null.as_fd()])).is_err());
    assert!(step("Packets::recv_fds", || packets.recv_fds::<1>()).is_err());
    assert_eq!(step("connect", || connect(&a, &addr)), interrupted);
    assert_eq!(step("accept", || accept(&a, SocketFlags::empty()).map(drop)), interrupted);
    assert_eq!(step("accept_from", || accept_from(&a, SocketFlags::empty()).map(drop)), interrupted);
}

#[test]
fn a_call_that_is_interrupted_is_not_made_again() {
    if part().is_some() {
        return interrupted();
    }
    let options = ["-e", "inject=sendmsg,recvmsg,sendmmsg,recvmmsg,connect,accept4:error=EINTR"];
    let Some(trace) = traced("a_call_that_is_interrupted_is_not_made_again", "interrupted", &options) else { return };
    let names = ["sendmsg", "recvmsg", "send_with_fds", "recv_with_fds", "sendmmsg", "recvmmsg", "connect", "accept"];
    for name in names.into_iter().chain(["Packets::send_fds", "Packets::recv_fds", "accept_from"]) {
        let calls = between(&trace, name, "done");
        assert_eq!(calls.len(), 1, "{name}: {calls:#?}");
        let (_, call, _) = STEPS.iter().find(|(known, ..)| *known == name).unwrap();
        assert!(calls[0].starts_with(&format!("{call}(")) && calls[0].contains("EINTR"), "{name}: {calls:#?}");
    }
}
