//! Each way a call fails is the right errno, and nothing is left open or in flight: every descriptor in these messages is
//! a pipe's end, and the pipe hangs up.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{
    Canary, TYPES, dirty, drop_privilege, limit_descriptors, own_credentials, pair, part, pipe, run_alone, send,
    send_control,
};
use scmsg::{
    AsFd, BorrowedFd, CMSG_LEN, Control, ControlBuf, Credentials, Encoder, Errno, Family, IoSlice, IoSliceMut, PollFd,
    PollFlags, RecvError, RecvFlags, RecvMsg, SendError, SendFlags, SendMsg, SocketAddr, SocketFlags, SocketType,
    accept, bind, connect, getpeername, getsockname, getsockopt, listen, poll, recv_with_fds, recvmsg, send_with_fds,
    sendmsg, setsockopt, shutdown, socket, sockopt,
};

/// A number that is not open.
const NOBODY: BorrowedFd<'static> = {
    // SAFETY: nothing is done to a number that is never open, and -1 never is.
    unsafe { BorrowedFd::borrow_raw(-1) }
};

fn fresh(kind: SocketType) -> scmsg::OwnedFd {
    socket(Family::UNIX, kind, SocketFlags::empty(), 0).unwrap()
}

fn name(text: &str) -> SocketAddr {
    SocketAddr::abstract_name(format!("scmsg errors {} {text}", std::process::id()).as_bytes()).unwrap()
}

/// Receives one message of up to 16 bytes: its length and how many descriptors came, which are closed.
fn receive<S: AsFd>(socket: S) -> Result<(usize, usize), Errno> {
    let mut buf = dirty::<1200>();
    let mut data = [0xff; 16];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    recvmsg(socket, &mut message, RecvFlags::DONTWAIT).map(|received| (received.bytes, received.control.fds().count()))
}

/// Sends one byte with these bytes as control.
fn send_bytes<S: AsFd>(socket: S, control: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the tests put numbers there that may be sent, or that are not open.
    send_control(socket, b"x", unsafe { Control::from_raw(control, 0) })
}

/// One message after what is already in `bytes`.
fn message(bytes: &mut Vec<u8>, level: i32, kind: i32, payload: &[u8]) {
    bytes.resize(scmsg::CMSG_ALIGN(bytes.len()), 0);
    bytes.extend(CMSG_LEN(payload.len()).to_ne_bytes());
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
}

#[test]
fn ebadf_for_a_descriptor_that_is_not_open() {
    let canary = Canary::new();
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        for fds in [&[canary.fd(), NOBODY][..], &[NOBODY, canary.fd()], &[canary.fd(), canary.fd(), NOBODY]] {
            assert_eq!(send(&a, b"x", fds), Err(Errno::EBADF), "{name}");
            assert_eq!(send_with_fds(&a, b"x", fds), Err(SendError::Errno(Errno::EBADF)), "{name}");
        }
        assert_eq!(receive(&b), Err(Errno::EAGAIN), "{name}: nothing was sent");
    }
    assert_eq!(send(NOBODY, b"x", &[canary.fd()]), Err(Errno::EBADF));
    assert_eq!(receive(NOBODY), Err(Errno::EBADF));
    assert_eq!(getsockname(NOBODY), Err(Errno::EBADF));
    assert_eq!(recv_with_fds::<1>(NOBODY, &mut [0; 1]).unwrap_err(), RecvError::Errno(Errno::EBADF));
    assert!(canary.all_closed());
}

#[test]
fn enotsock_for_what_is_no_socket() {
    let canary = Canary::new();
    let (read, write) = pipe();
    assert_eq!(send(&write, b"x", &[canary.fd()]), Err(Errno::ENOTSOCK));
    assert_eq!(receive(&read), Err(Errno::ENOTSOCK));
    assert_eq!(listen(&read, 1), Err(Errno::ENOTSOCK));
    assert!(canary.all_closed());
}

#[test]
fn einval_above_253_descriptors_and_253_arrive() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        assert_eq!(send(&a, b"x", &vec![canary.fd(); 254]), Err(Errno::EINVAL), "{name}");
        assert_eq!(receive(&b), Err(Errno::EAGAIN), "{name}");
        let refused = send_with_fds(&a, b"x", &vec![canary.fd(); 255]).unwrap_err();
        assert!(matches!(refused, SendError::NoSpace(_)), "{name}: {refused:?}");
        assert_eq!(send(&a, b"x", &vec![canary.fd(); 253]), Ok(1), "{name}");
        assert_eq!(receive(&b), Ok((1, 253)), "{name}");
        assert_eq!(send_with_fds(&a, b"x", &vec![canary.fd(); 253]), Ok(1), "{name}");
        let (bytes, fds) = recv_with_fds::<253>(&b, &mut [0xff; 4]).unwrap();
        assert_eq!((bytes, fds.len()), (1, 253), "{name}");
        drop(fds);
        // The limit is on the sum.
        let mut buf = dirty::<1100>();
        let mut control = Encoder::new(&mut buf);
        control.push_rights(&vec![canary.fd(); 200]).unwrap().push_rights(&vec![canary.fd(); 54]).unwrap();
        assert_eq!(send_control(&a, b"x", (&control).into()), Err(Errno::EINVAL), "{name}");
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn einval_for_control_that_is_wrong() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        let number = canary.fd().as_raw_fd().to_ne_bytes();
        let mut rights = Vec::new();
        message(&mut rights, libc::SOL_SOCKET, libc::SCM_RIGHTS, &number);
        let after = |level, kind, payload: &[u8], len: Option<usize>| {
            let mut bytes = rights.clone();
            message(&mut bytes, level, kind, payload);
            if let Some(len) = len {
                let at = scmsg::CMSG_SPACE(4);
                bytes[at..at + size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
            }
            send_bytes(&a, &bytes)
        };
        let einval = Err(Errno::EINVAL);
        assert_eq!(after(libc::SOL_SOCKET, 4, &number, None), einval, "{name}: SCM_PIDFD cannot be sent");
        assert_eq!(after(libc::SOL_SOCKET, 3, b"label", None), einval, "{name}: nor a label");
        assert_eq!(after(libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[0; 8], None), einval, "{name}: short credentials");
        assert_eq!(after(libc::SOL_IP, 1, &number, Some(0)), einval, "{name}: length 0, of any level");
        assert_eq!(after(libc::SOL_IP, 1, &number, Some(CMSG_LEN(5))), einval, "{name}: past the end");
        assert_eq!(receive(&b), Err(Errno::EAGAIN), "{name}: nothing was sent");
        // Foreign levels are skipped.
        assert_eq!(after(libc::SOL_IP, 1, &number, None), Ok(1), "{name}");
        assert_eq!(receive(&b), Ok((1, 1)), "{name}");
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn enotconn_without_a_peer() {
    let canary = Canary::new();
    for (name, kind) in TYPES {
        let lonely = fresh(kind);
        assert_eq!(send(&lonely, b"x", &[canary.fd()]), Err(Errno::ENOTCONN), "{name}");
        assert_eq!(getpeername(&lonely), Err(Errno::ENOTCONN), "{name}");
        let receives = match kind {
            SocketType::STREAM => Errno::EINVAL,
            SocketType::DGRAM => Errno::EAGAIN,
            _ => Errno::ENOTCONN,
        };
        assert_eq!(receive(&lonely), Err(receives), "{name}");
    }
    let tcp = socket(Family::INET, SocketType::STREAM, SocketFlags::empty(), 0).unwrap();
    assert_eq!(shutdown(&tcp, scmsg::Shutdown::Both), Err(Errno::ENOTCONN), "inet; a unix socket shuts down alone");
    assert!(canary.all_closed());
}

#[test]
fn econnrefused_and_others_where_nobody_listens() {
    let canary = Canary::new();
    let (a, nobody) = (fresh(SocketType::DGRAM), name("nobody"));
    let mut buf = dirty::<64>();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[canary.fd()]).unwrap();
    let data = [IoSlice::new(b"x")];
    let to = |addr: &SocketAddr| {
        let message = SendMsg::new(&data).control(&control).unwrap().to(addr);
        sendmsg(&a, &message, SendFlags::empty())
    };
    assert_eq!(to(&nobody), Err(Errno::ECONNREFUSED));
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        assert_eq!(connect(fresh(kind), &nobody), Err(Errno::ECONNREFUSED));
    }
    assert_eq!(to(&SocketAddr::unix(b"/nonexistent/socket").unwrap()), Err(Errno::ENOENT));
    let stream = fresh(SocketType::STREAM);
    bind(&stream, &name("stream")).unwrap();
    assert_eq!(to(&name("stream")), Err(Errno::ECONNREFUSED), "an abstract name of another type is not found");
    assert_eq!(
        connect(fresh(SocketType::STREAM), &name("stream")),
        Err(Errno::ECONNREFUSED),
        "bound, but not listening"
    );
    assert_eq!(bind(fresh(SocketType::STREAM), &name("stream")), Err(Errno::EADDRINUSE));
    assert_eq!(accept(&stream, SocketFlags::empty()).unwrap_err(), Errno::EINVAL);
    listen(&stream, 1).unwrap();
    assert_eq!(receive(&stream), Err(Errno::EINVAL), "a listening socket");
    // A path is found whatever its type, and stays when the socket is gone.
    let path = std::env::temp_dir().join(format!("scmsg-errors-{}", std::process::id()));
    let addr = SocketAddr::unix(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())).unwrap();
    let _ = std::fs::remove_file(&path);
    let stream = fresh(SocketType::STREAM);
    bind(&stream, &addr).unwrap();
    assert_eq!(bind(fresh(SocketType::DGRAM), &addr), Err(Errno::EADDRINUSE));
    assert_eq!(to(&addr), Err(Errno::EPROTOTYPE));
    drop(stream);
    assert_eq!(to(&addr), Err(Errno::ECONNREFUSED));
    std::fs::remove_file(&path).unwrap();
    // A connected datagram socket whose peer has gone: refused once, then not connected.
    let (a, b) = pair(SocketType::DGRAM);
    drop(b);
    assert_eq!(send(&a, b"x", &[canary.fd()]), Err(Errno::ECONNREFUSED));
    assert_eq!(send(&a, b"x", &[canary.fd()]), Err(Errno::ENOTCONN));
    assert!(canary.all_closed());
}

#[test]
fn eisconn_and_eopnotsupp_for_an_address_on_a_stream() {
    let canary = Canary::new();
    let (a, _b) = pair(SocketType::STREAM);
    let addr = name("elsewhere");
    let data = [IoSlice::new(b"x")];
    let message = SendMsg::new(&data).to(&addr);
    assert_eq!(sendmsg(&a, &message, SendFlags::empty()), Err(Errno::EISCONN));
    assert_eq!(sendmsg(fresh(SocketType::STREAM), &message, SendFlags::empty()), Err(Errno::EOPNOTSUPP));
    let udp = socket(Family::INET, SocketType::DGRAM, SocketFlags::empty(), 0).unwrap();
    assert_eq!(send(&udp, b"x", &[]), Err(Errno::EDESTADDRREQ));
    let (a, _b) = pair(SocketType::SEQPACKET);
    assert_eq!(sendmsg(&a, &SendMsg::new(&data), SendFlags::OOB), Err(Errno::EOPNOTSUPP));
    assert!(canary.all_closed());
}

#[test]
fn emsgsize_for_a_long_datagram_and_for_many_pieces() {
    let canary = Canary::new();
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind);
        setsockopt(&a, sockopt::SendBuffer, 8192).unwrap();
        let long = vec![0; getsockopt(&a, sockopt::SendBuffer).unwrap() as usize];
        assert_eq!(send(&a, &long, &[canary.fd()]), Err(Errno::EMSGSIZE));
        let mut pieces = vec![IoSlice::new(b"x"); 1024];
        assert_eq!(sendmsg(&a, &SendMsg::new(&pieces), SendFlags::empty()), Ok(1024));
        assert_eq!(receive(&b), Ok((16, 0)));
        pieces.push(IoSlice::new(b"x"));
        assert_eq!(sendmsg(&a, &SendMsg::new(&pieces), SendFlags::empty()), Err(Errno::EMSGSIZE));
        send(&a, b"x", &[canary.fd()]).unwrap();
        let mut room: Vec<_> = (0..1025).map(|_| IoSliceMut::new(&mut [])).collect();
        let mut message = RecvMsg::new(&mut room);
        assert_eq!(recvmsg(&b, &mut message, RecvFlags::DONTWAIT).map(drop), Err(Errno::EMSGSIZE));
        assert_eq!(receive(&b), Ok((1, 1)), "it is still there");
    }
    assert!(canary.all_closed());
}

#[test]
fn enobufs_for_control_as_long_as_optmem_max() {
    let canary = Canary::new();
    let (a, b) = pair(SocketType::SEQPACKET);
    let Ok(max) = std::fs::read_to_string("/proc/sys/net/core/optmem_max") else {
        println!("SKIPPED: net.core.optmem_max cannot be read here");
        return;
    };
    let max: usize = max.trim().parse().unwrap();
    let mut rights = Vec::new();
    message(&mut rights, libc::SOL_SOCKET, libc::SCM_RIGHTS, &canary.fd().as_raw_fd().to_ne_bytes());
    rights.resize(scmsg::CMSG_ALIGN(rights.len()), 0);
    // One message of a foreign level fills the rest.
    let with_total = |total: usize| {
        let mut bytes = rights.clone();
        message(&mut bytes, libc::SOL_IP, 1, &vec![0; total - rights.len() - CMSG_LEN(0)]);
        assert_eq!(bytes.len(), total);
        bytes
    };
    // A 32-bit process on a 64-bit kernel is told otherwise, and its control grows when the kernel translates it.
    let refused =
        if cfg!(target_pointer_width = "64") { &[Errno::ENOBUFS][..] } else { &[Errno::ENOBUFS, Errno::ENOMEM] };
    for total in [max, max + 8, 2 * max] {
        let error = send_bytes(&a, &with_total(total)).unwrap_err();
        assert!(refused.contains(&error), "{total}: {error}");
    }
    assert_eq!(receive(&b), Err(Errno::EAGAIN));
    assert_eq!(send_bytes(&a, &with_total(max - 64)), Ok(1), "less than that is fine");
    assert_eq!(receive(&b), Ok((1, 1)));
    assert!(canary.all_closed());
}

#[test]
fn eagain_when_there_is_nothing_and_when_there_is_no_room() {
    for (name, kind) in TYPES {
        let canary = Canary::new();
        let (a, b) = pair(kind);
        setsockopt(&a, sockopt::SendBuffer, 4096).unwrap();
        assert_eq!(receive(&b), Err(Errno::EAGAIN), "{name}");
        assert_eq!(recv_nonblocking(kind), Err(RecvError::Errno(Errno::EAGAIN)), "{name}");
        let mut sent = 0;
        let error = loop {
            match send(&a, &[7; 16], &[canary.fd()]) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 10_000, "{name}");
        };
        assert_eq!(error, Errno::EAGAIN, "{name}");
        for _ in 0..sent {
            assert_eq!(receive(&b), Ok((16, 1)), "{name}: only what was sent");
        }
        assert_eq!(receive(&b), Err(Errno::EAGAIN), "{name}");
        assert!(canary.all_closed(), "{name}");
    }
}

fn recv_nonblocking(kind: SocketType) -> Result<(), RecvError> {
    let (_a, b) = scmsg::socketpair(kind, SocketFlags::NONBLOCK).unwrap();
    recv_with_fds::<1>(&b, &mut [0xff; 1]).map(drop)
}

#[test]
fn epipe_and_econnreset_when_the_peer_has_gone() {
    let canary = Canary::new();
    for (name, kind) in [TYPES[0], TYPES[2]] {
        let (a, b) = pair(kind);
        drop(b);
        assert_eq!(send(&a, b"x", &[canary.fd()]), Err(Errno::EPIPE), "{name}");
        let (a, b) = pair(kind);
        send(&a, b"x", &[canary.fd()]).unwrap();
        drop(b);
        assert_eq!(receive(&a), Err(Errno::ECONNRESET), "{name}: it went with data unread");
        assert_eq!(receive(&a), Ok((0, 0)), "{name}: once");
        let (a, _b) = pair(kind);
        shutdown(&a, scmsg::Shutdown::Write).unwrap();
        assert_eq!(send(&a, b"x", &[canary.fd()]), Err(Errno::EPIPE), "{name}");
    }
    assert!(canary.all_closed());
}

/// Sends credentials beside a descriptor.
fn send_credentials<S: AsFd>(socket: S, canary: &Canary, credentials: Credentials) -> Result<usize, Errno> {
    let mut buf = dirty::<64>();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[canary.fd()]).unwrap().push(&credentials).unwrap();
    send_control(socket, b"x", (&control).into())
}

/// A pid above all that the kernel gives.
const NO_PID: Option<std::num::NonZeroU32> = std::num::NonZeroU32::new(0x3fff_fff0);

#[test]
fn esrch_or_eperm_for_a_pid_that_does_not_exist() {
    // SAFETY: no precondition.
    let expected = if unsafe { libc::geteuid() } == 0 { Errno::ESRCH } else { Errno::EPERM };
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let canary = Canary::new();
        for pid in [NO_PID, None] {
            assert_eq!(
                send_credentials(&a, &canary, Credentials { pid, ..own_credentials() }),
                Err(expected),
                "{name}"
            );
        }
        assert_eq!(receive(&b), Err(Errno::EAGAIN), "{name}: nothing was sent");
        assert_eq!(send_credentials(&a, &canary, own_credentials()), Ok(1), "{name}");
        assert_eq!(receive(&b), Ok((1, 1)), "{name}");
        let unmapped = Credentials { uid: u32::MAX, ..own_credentials() };
        assert_eq!(send_credentials(&a, &canary, unmapped), Err(Errno::EINVAL), "{name}: -1 is nobody's id");
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn eperm_for_forged_credentials() {
    if part().is_none() {
        run_alone("eperm_for_forged_credentials", "unprivileged");
        return;
    }
    drop_privilege();
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let canary = Canary::new();
        let own = own_credentials();
        let init = std::num::NonZeroU32::new(1);
        for forged in [
            Credentials { uid: 0, ..own },
            Credentials { gid: 0, ..own },
            Credentials { pid: init, ..own },
            Credentials { pid: NO_PID, ..own },
            Credentials { pid: None, ..own },
            Credentials { pid: init, uid: 0, gid: 0 },
        ] {
            assert_eq!(send_credentials(&a, &canary, forged), Err(Errno::EPERM), "{name} {forged:?}");
        }
        assert_eq!(receive(&b), Err(Errno::EAGAIN), "{name}: nothing was sent");
        assert_eq!(send_credentials(&a, &canary, own), Ok(1), "{name}: the own ones pass");
        assert_eq!(receive(&b), Ok((1, 1)), "{name}");
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn eperm_where_descriptors_are_refused() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        if let Err(error) = setsockopt(&b, sockopt::PassRights, false) {
            assert_eq!(error, Errno::ENOPROTOOPT);
            println!("SKIPPED: SO_PASSRIGHTS is not in this kernel");
            return;
        }
        let canary = Canary::new();
        assert_eq!(send(&a, b"x", &[canary.fd()]), Err(Errno::EPERM), "{name}");
        assert_eq!(send_with_fds(&a, b"x", &[canary.fd()]), Err(SendError::Errno(Errno::EPERM)), "{name}");
        assert_eq!(send(&a, b"x", &[]), Ok(1), "{name}: without descriptors it passes");
        assert_eq!(receive(&b), Ok((1, 0)), "{name}");
        assert_eq!(send(&b, b"x", &[canary.fd()]), Ok(1), "{name}: it is the receiver's switch");
        assert_eq!(receive(&a), Ok((1, 1)), "{name}");
        setsockopt(&b, sockopt::PassRights, true).unwrap();
        assert_eq!(send(&a, b"x", &[canary.fd()]), Ok(1), "{name}");
        assert_eq!(receive(&b), Ok((1, 1)), "{name}");
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn etoomanyrefs_above_the_limit_of_an_unprivileged_user() {
    if part().is_none() {
        run_alone("etoomanyrefs_above_the_limit_of_an_unprivileged_user", "unprivileged");
        return;
    }
    // SAFETY: no precondition.
    let alone = unsafe { libc::geteuid() } == 0;
    drop_privilege();
    const LIMIT: usize = 40;
    let (a, b) = pair(SocketType::SEQPACKET);
    let (c, _d) = pair(SocketType::STREAM);
    let canary = Canary::new();
    limit_descriptors(LIMIT as u64);
    let mut in_flight = 0;
    let error = loop {
        match send(&a, b"x", &[canary.fd(); 4]) {
            Ok(_) => in_flight += 4,
            Err(error) => break error,
        }
        assert!(in_flight <= LIMIT + 4, "the test is `in flight > limit` before each send");
    };
    assert_eq!(error, Errno::ETOOMANYREFS);
    assert_eq!(send(&c, b"x", &[canary.fd()]), Err(Errno::ETOOMANYREFS), "it is the user's limit, not the socket's");
    assert_eq!(send(&c, b"x", &[]), Ok(1));
    if alone {
        // Nobody else counts for this user: 44 went, because 40 is not above 40.
        assert_eq!(in_flight, LIMIT + 4);
        assert_eq!(receive(&b), Ok((1, 4)));
        assert_eq!(send(&a, b"x", &[canary.fd()]), Ok(1), "there is room again");
    }
    drop((a, b, c));
    assert!(canary.all_closed());
}

#[test]
fn emfile_when_the_table_is_full() {
    if part().is_none() {
        run_alone("emfile_when_the_table_is_full", "lower the limit");
        return;
    }
    let listener = fresh(SocketType::STREAM);
    bind(&listener, &SocketAddr::unnamed()).unwrap();
    listen(&listener, 1).unwrap();
    let client = fresh(SocketType::STREAM);
    connect(&client, &getsockname(&listener).unwrap()).unwrap();
    let before = common::fill_holes();
    let none = SocketFlags::empty();
    for free in 0..2 {
        limit_descriptors(before + free);
        assert_eq!(scmsg::socketpair(SocketType::STREAM, none).map(drop), Err(Errno::EMFILE));
        if free == 0 {
            assert_eq!(socket(Family::UNIX, SocketType::STREAM, none, 0).map(drop), Err(Errno::EMFILE));
            assert_eq!(accept(&listener, none).map(drop), Err(Errno::EMFILE));
            let pidfd = getsockopt(&client, sockopt::PeerPidFd).map(drop);
            assert!(matches!(pidfd, Err(Errno::EMFILE | Errno::ENOPROTOOPT)), "{pidfd:?}");
        } else {
            assert!(accept(&listener, none).is_ok(), "the connection stayed in the backlog");
        }
        limit_descriptors(60);
        assert_eq!(common::table(), (1 << before) - 1, "nothing leaked");
    }
}

extern "C" fn nothing(_: libc::c_int) {}

#[test]
fn eintr_when_a_signal_comes_first() {
    // A handler that does not ask for calls to be made again.
    // SAFETY: an all-zero `sigaction` is one without flags and mask; the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
    }
    // A number, because musl's is a pointer.
    // SAFETY: no precondition.
    let waiter = unsafe { libc::pthread_self() } as usize;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                // SAFETY: the thread waits for this one to end.
                unsafe { libc::pthread_kill(waiter as libc::pthread_t, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        let canary = Canary::new();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for kind in [SocketType::STREAM, SocketType::SEQPACKET, SocketType::DGRAM] {
                let (a, b) = pair(kind);
                let mut data = [0xff];
                let mut data = [IoSliceMut::new(&mut data)];
                let mut message = RecvMsg::new(&mut data);
                assert_eq!(recvmsg(&b, &mut message, RecvFlags::empty()).map(drop), Err(Errno::EINTR));
                let short = recv_with_fds::<1>(&b, &mut [0xff; 1]);
                assert_eq!(short.unwrap_err(), RecvError::Errno(Errno::EINTR));
                let mut entries = [PollFd::new(&b, PollFlags::IN)];
                assert_eq!(poll(&mut entries, None), Err(Errno::EINTR));
                assert_eq!(poll(&mut entries, Some(Duration::from_secs(100))), Err(Errno::EINTR));
                // Fill the socket; a blocking send is then interrupted, and sends nothing.
                let mut sent = 0;
                while send(&a, &[7; 16], &[canary.fd()]).is_ok() {
                    sent += 1;
                }
                assert!(sent > 0);
                let blocked = send_with_fds(&a, &[7; 16], &[canary.fd()]);
                assert_eq!(blocked, Err(SendError::Errno(Errno::EINTR)));
                for _ in 0..sent {
                    assert_eq!(receive(&b), Ok((16, 1)));
                }
                assert_eq!(receive(&b), Err(Errno::EAGAIN));
            }
            let listener = fresh(SocketType::STREAM);
            bind(&listener, &SocketAddr::unnamed()).unwrap();
            listen(&listener, 1).unwrap();
            assert_eq!(accept(&listener, SocketFlags::empty()).map(drop), Err(Errno::EINTR));
        }));
        done.store(true, Ordering::Release);
        result.unwrap();
        assert!(canary.all_closed());
    });
}

#[test]
fn einval_for_more_entries_than_the_limit_and_nval_for_a_closed_number() {
    let mut none: [PollFd<'_>; 0] = [];
    assert_eq!(poll(&mut none, Some(Duration::ZERO)), Ok(0));
    let closed = {
        // SAFETY: nothing is done to a number that is never open.
        unsafe { BorrowedFd::borrow_raw(0x3fff_fff0) }
    };
    let mut entries = [PollFd::new(&closed, PollFlags::IN)];
    assert_eq!(poll(&mut entries, None), Ok(1));
    assert_eq!(entries[0].events(), PollFlags::NVAL);
    if part().is_none() {
        run_alone("einval_for_more_entries_than_the_limit_and_nval_for_a_closed_number", "lower the limit");
        return;
    }
    limit_descriptors(16);
    let (a, _b) = pair(SocketType::STREAM);
    let mut entries: Vec<_> = (0..17).map(|_| PollFd::new(&a, PollFlags::IN)).collect();
    assert_eq!(poll(&mut entries, Some(Duration::ZERO)), Err(Errno::EINVAL));
    assert_eq!(poll(&mut entries[..16], Some(Duration::ZERO)), Ok(0));
}

#[test]
fn an_option_that_is_not_there_is_an_error() {
    let udp = socket(Family::INET, SocketType::DGRAM, SocketFlags::empty(), 0).unwrap();
    assert!(getsockopt(&udp, sockopt::PeerPidFd).is_err());
    let lonely = fresh(SocketType::STREAM);
    assert!(getsockopt(&lonely, sockopt::PeerPidFd).is_err(), "no peer");
    let (a, _b) = pair(SocketType::DGRAM);
    assert!(setsockopt(&a, sockopt::Inq, true).is_err(), "streams only");
    let buf: &mut ControlBuf = &mut dirty::<8>();
    assert!(Encoder::new(buf).push_rights(&[]).is_err());
}
