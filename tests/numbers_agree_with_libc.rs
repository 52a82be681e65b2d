//! Law 9: numbers are those of the running architecture, and libc's wherever libc has them.

use bitflags::Flags;
use scmsg::sockopt::{self, GetOption, SetOption};
use scmsg::{
    AsFd, Credentials, Errno, Family, Message, MsgFlags, PidFd, PollFlags, RecvFlags, Rights, SecurityLabel, SendFlags,
    SocketFlags, SocketType, TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew,
    TimestampingOld, UnreadBytes, getsockopt, setsockopt, socketpair,
};

/// Every constant of [`Errno`] by name.
macro_rules! errnos {
    ($($name:ident)*) => { [$((Errno::$name, libc::$name, stringify!($name))),*] };
}

#[test]
fn every_errno_is_libcs() {
    let all = errnos! {
        EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST ENODEV ENOTDIR EISDIR
        EINVAL ENFILE EMFILE ENOSPC EROFS EPIPE EDOM ERANGE ENAMETOOLONG ENOSYS ELOOP ENODATA EPROTO EOVERFLOW ENOTSOCK
        EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE
        EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS
        ETIMEDOUT ECONNREFUSED EHOSTUNREACH EALREADY EINPROGRESS
    };
    for (errno, number, name) in all {
        assert_eq!(errno.raw(), number, "{name}");
        assert_eq!(Errno::from_raw(number), Some(errno), "{name}");
        assert_eq!(errno.name(), Some(name));
        assert_eq!(format!("{errno:?}"), name);
        assert_eq!(errno.to_string(), format!("{name} ({})", errno.text()));
        assert!(!errno.text().is_empty(), "{name} has a text");
    }
    // None has a name that is not in the list above.
    for number in 1..=4095 {
        let errno = Errno::from_raw(number).unwrap();
        let listed = all.iter().any(|(_, libcs, _)| *libcs == number);
        assert_eq!(errno.name().is_some(), listed, "errno {number}");
        assert_eq!(errno.text().is_empty(), !listed, "errno {number}");
    }
}

#[test]
fn no_two_errnos_have_one_text() {
    let mut texts: Vec<_> = (1..=4095).filter_map(Errno::from_raw).map(Errno::text).filter(|t| !t.is_empty()).collect();
    let count = texts.len();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), count);
}

/// Every flag of a set with a name is libc's of that name, and `libc` has no other.
fn flags_are_libcs<F: Flags>(prefix: &str, to_u64: impl Fn(F::Bits) -> u64, libcs: &[(&str, i64)]) {
    let named: Vec<_> = F::FLAGS.iter().filter(|f| !f.name().is_empty()).collect();
    assert_eq!(named.len(), libcs.len(), "{prefix}: as many flags as numbers of libc here");
    for flag in named {
        let name = flag.name();
        let (_, number) =
            libcs.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("{prefix}{name} is not listed"));
        assert_eq!(to_u64(flag.value().bits()), *number as u64, "{prefix}{name}");
    }
}

#[test]
fn flags_of_a_send_are_libcs() {
    flags_are_libcs::<SendFlags>(
        "MSG_",
        u64::from,
        &[
            ("DONTWAIT", libc::MSG_DONTWAIT.into()),
            ("EOR", libc::MSG_EOR.into()),
            ("MORE", libc::MSG_MORE.into()),
            ("OOB", libc::MSG_OOB.into()),
            ("DONTROUTE", libc::MSG_DONTROUTE.into()),
            ("CONFIRM", libc::MSG_CONFIRM.into()),
            ("ZEROCOPY", libc::MSG_ZEROCOPY.into()),
            ("FASTOPEN", libc::MSG_FASTOPEN.into()),
        ],
    );
}

#[test]
fn flags_of_a_receive_are_libcs() {
    flags_are_libcs::<RecvFlags>(
        "MSG_",
        u64::from,
        &[
            ("DONTWAIT", libc::MSG_DONTWAIT.into()),
            ("PEEK", libc::MSG_PEEK.into()),
            ("TRUNC", libc::MSG_TRUNC.into()),
            ("WAITALL", libc::MSG_WAITALL.into()),
            ("OOB", libc::MSG_OOB.into()),
            ("ERRQUEUE", libc::MSG_ERRQUEUE.into()),
        ],
    );
}

#[test]
fn flags_of_a_message_are_libcs() {
    flags_are_libcs::<MsgFlags>(
        "MSG_",
        u64::from,
        &[
            ("EOR", libc::MSG_EOR.into()),
            ("TRUNC", libc::MSG_TRUNC.into()),
            ("CTRUNC", libc::MSG_CTRUNC.into()),
            ("OOB", libc::MSG_OOB.into()),
            ("ERRQUEUE", libc::MSG_ERRQUEUE.into()),
        ],
    );
}

#[test]
fn flags_of_a_socket_are_libcs() {
    flags_are_libcs::<SocketFlags>("SOCK_", u64::from, &[("NONBLOCK", libc::SOCK_NONBLOCK.into())]);
}

#[test]
fn events_of_a_poll_are_libcs() {
    flags_are_libcs::<PollFlags>(
        "POLL",
        u64::from,
        &[
            ("IN", libc::POLLIN.into()),
            ("PRI", libc::POLLPRI.into()),
            ("OUT", libc::POLLOUT.into()),
            ("ERR", libc::POLLERR.into()),
            ("HUP", libc::POLLHUP.into()),
            ("NVAL", libc::POLLNVAL.into()),
            ("RDHUP", libc::POLLRDHUP.into()),
        ],
    );
}

#[test]
fn unknown_bits_are_kept() {
    assert_eq!(SendFlags::from_bits(0x1234_5678).unwrap().bits(), 0x1234_5678);
    assert_eq!(RecvFlags::from_bits(0x1234_5678).unwrap().bits(), 0x1234_5678);
    assert_eq!(MsgFlags::from_bits(0x1234_5678).unwrap().bits(), 0x1234_5678);
}

#[test]
fn socket_types_are_libcs() {
    let all = [
        (SocketType::STREAM, libc::SOCK_STREAM),
        (SocketType::DGRAM, libc::SOCK_DGRAM),
        (SocketType::SEQPACKET, libc::SOCK_SEQPACKET),
        (SocketType::RAW, libc::SOCK_RAW),
    ];
    for (ours, libcs) in all {
        assert_eq!(i64::from(ours.0), i64::from(libcs));
    }
}

#[test]
fn families_are_libcs() {
    let all = [
        (Family::UNSPEC, libc::AF_UNSPEC),
        (Family::UNIX, libc::AF_UNIX),
        (Family::INET, libc::AF_INET),
        (Family::INET6, libc::AF_INET6),
        (Family::NETLINK, libc::AF_NETLINK),
        (Family::PACKET, libc::AF_PACKET),
        (Family::VSOCK, libc::AF_VSOCK),
    ];
    for (ours, libcs) in all {
        assert_eq!(i64::from(ours.0), i64::from(libcs));
    }
    assert_eq!(scmsg::UNIX_PATH_MAX, size_of_val(&sockaddr_un().sun_path));
}

fn sockaddr_un() -> libc::sockaddr_un {
    // SAFETY: integers only.
    unsafe { core::mem::zeroed() }
}

#[test]
fn messages_are_libcs() {
    let all = [
        (Rights::LEVEL, Rights::TYPE, libc::SCM_RIGHTS),
        (Credentials::LEVEL, Credentials::TYPE, libc::SCM_CREDENTIALS),
    ];
    for (level, ours, libcs) in all {
        assert_eq!((level, ours), (libc::SOL_SOCKET, libcs));
    }
    // libc's follow the width of its time_t: old where that is `long`.
    if size_of::<libc::time_t>() == size_of::<libc::c_long>() {
        assert_eq!((TimestampOld::LEVEL, TimestampOld::TYPE), (libc::SOL_SOCKET, libc::SO_TIMESTAMP));
        assert_eq!((TimestampNsOld::LEVEL, TimestampNsOld::TYPE), (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS));
        assert_eq!((TimestampingOld::LEVEL, TimestampingOld::TYPE), (libc::SOL_SOCKET, libc::SO_TIMESTAMPING));
    }
}

/// What libc lacks: `include/linux/socket.h` and `include/uapi/asm-generic/socket.h`, which all architectures here use.
#[test]
fn messages_that_libc_lacks_are_the_kernels() {
    let level = libc::SOL_SOCKET;
    assert_eq!((SecurityLabel::LEVEL, SecurityLabel::TYPE), (level, 3));
    assert_eq!((PidFd::LEVEL, PidFd::TYPE), (level, 4));
    assert_eq!((UnreadBytes::LEVEL, UnreadBytes::TYPE), (level, 84));
    assert_eq!((TimestampNew::LEVEL, TimestampNew::TYPE), (level, 63));
    assert_eq!((TimestampNsNew::LEVEL, TimestampNsNew::TYPE), (level, 64));
    assert_eq!((TimestampingNew::LEVEL, TimestampingNew::TYPE), (level, 65));
}

/// The `int` that libc's `getsockopt` reads.
fn libc_option(socket: &impl AsFd, name: libc::c_int) -> i32 {
    let mut value = -1_i32;
    let mut len = 4;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the value and its length are locals.
    let ret = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut len) };
    assert_eq!((ret, len), (0, 4), "getsockopt {name}: {}", std::io::Error::last_os_error());
    value
}

/// Setting ours changes libc's, and reading ours gives what libc's gives.
fn switch_is_libcs<O: SetOption + GetOption<Value = bool> + Copy>(option: O, libcs: libc::c_int) {
    let (socket, _peer) = socketpair(SocketType::DGRAM, SocketFlags::empty()).unwrap();
    for on in [true, false, true] {
        if let Err(error) = setsockopt(&socket, option, on) {
            assert!(matches!(error, Errno::ENOPROTOOPT | Errno::EOPNOTSUPP), "option {libcs}: {error}");
            println!("skipped: option {libcs} is not here: {error}");
            return;
        }
        assert_eq!(libc_option(&socket, libcs) != 0, on, "option {libcs}");
        assert_eq!(getsockopt(&socket, option), Ok(on), "option {libcs}");
    }
}

#[test]
fn options_are_libcs() {
    switch_is_libcs(sockopt::PassCred, libc::SO_PASSCRED);
    switch_is_libcs(sockopt::PassSec, libc::SO_PASSSEC);
    if size_of::<libc::time_t>() == size_of::<libc::c_long>() {
        switch_is_libcs(sockopt::ReceiveTimestampOld, libc::SO_TIMESTAMP);
        switch_is_libcs(sockopt::ReceiveTimestampNsOld, libc::SO_TIMESTAMPNS);
    }

    let (socket, _peer) = socketpair(SocketType::SEQPACKET, SocketFlags::empty()).unwrap();
    assert_eq!(getsockopt(&socket, sockopt::Type), Ok(SocketType::SEQPACKET));
    assert_eq!(libc_option(&socket, libc::SO_TYPE), libc::SOCK_SEQPACKET);
    assert_eq!(getsockopt(&socket, sockopt::Domain), Ok(Family::UNIX));
    assert_eq!(libc_option(&socket, libc::SO_DOMAIN), libc::AF_UNIX);
    assert_eq!(getsockopt(&socket, sockopt::Protocol), Ok(libc_option(&socket, libc::SO_PROTOCOL)));
    assert_eq!(getsockopt(&socket, sockopt::AcceptsConnections), Ok(libc_option(&socket, libc::SO_ACCEPTCONN) != 0));
    assert_eq!(getsockopt(&socket, sockopt::PendingError), Ok(None));
    setsockopt(&socket, sockopt::SendBuffer, 9000).unwrap();
    setsockopt(&socket, sockopt::ReceiveBuffer, 7000).unwrap();
    let (send, receive) = (libc_option(&socket, libc::SO_SNDBUF), libc_option(&socket, libc::SO_RCVBUF));
    assert_ne!(send, receive);
    assert_eq!(getsockopt(&socket, sockopt::SendBuffer), Ok(send));
    assert_eq!(getsockopt(&socket, sockopt::ReceiveBuffer), Ok(receive));
}
