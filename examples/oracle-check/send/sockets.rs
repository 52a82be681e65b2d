//! Makes the sockets of every situation, and ordinary open files to send.

/// Where the harness's own sockets live: every number from here on.
pub const HIGH: i32 = 512;
const PASS_RIGHTS: i32 = 83;

/// A sender, and who receives.
#[derive(Clone, Copy)]
pub struct Pair {
    pub from: i32,
    pub to: i32,
}

/// The sockets of one type, one pair for each lasting situation.
pub struct Sockets {
    pub kind: i32,
    pub connected: Pair,
    pub unconnected: i32,
    pub shut_down: Pair,
    pub deaf: Pair,
    pub refusing: Option<Pair>,
}

pub fn check(result: i32, what: &str) -> i32 {
    assert!(result >= 0, "{what}: {}", std::io::Error::last_os_error());
    result
}

/// Moves a number up among the harness's own.
pub fn move_up(number: i32) -> i32 {
    // SAFETY: duplicates a number this process owns and closes it.
    unsafe {
        let high = check(libc::fcntl(number, libc::F_DUPFD_CLOEXEC, HIGH), "fcntl");
        libc::close(number);
        high
    }
}

pub fn set(socket: i32, level: i32, option: i32, value: i32) -> i32 {
    // SAFETY: an option whose value is an integer.
    unsafe { libc::setsockopt(socket, level, option, (&raw const value).cast(), 4) }
}

pub fn receiver(socket: i32) {
    check(set(socket, libc::SOL_SOCKET, libc::SO_PASSCRED, 1), "SO_PASSCRED");
    set(socket, libc::SOL_SOCKET, libc::SO_OOBINLINE, 1);
}

pub fn pair(kind: i32) -> Pair {
    let mut ends = [0; 2];
    // SAFETY: room for two numbers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) }, "socketpair");
    let pair = Pair { from: move_up(ends[0]), to: move_up(ends[1]) };
    receiver(pair.to);
    pair
}

pub fn close(number: i32) {
    // SAFETY: a number this process owns.
    unsafe { libc::close(number) };
}

impl Sockets {
    pub fn new(kind: i32) -> Self {
        let (shut_down, deaf, refusing) = (pair(kind), pair(kind), pair(kind));
        // SAFETY: no pointer.
        unsafe {
            check(libc::shutdown(shut_down.from, libc::SHUT_WR), "shutdown");
            check(libc::shutdown(deaf.to, libc::SHUT_RD), "shutdown");
        }
        let can_refuse = set(refusing.to, libc::SOL_SOCKET, PASS_RIGHTS, 0) == 0;
        Self {
            kind,
            connected: pair(kind),
            // SAFETY: no pointer.
            unconnected: move_up(check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }, "socket")),
            shut_down,
            deaf,
            refusing: can_refuse.then_some(refusing),
        }
    }
}

/// A datagram socket with an abstract name of this process.
pub fn named() -> i32 {
    // SAFETY: no pointer; then an address of the right form.
    unsafe {
        let socket = move_up(check(libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0), "socket"));
        let (name, len) = unix_name(b"here");
        check(libc::bind(socket, name.as_ptr().cast(), len as u32), "bind");
        receiver(socket);
        socket
    }
}

/// An abstract address of this process.
pub fn unix_name(which: &[u8]) -> ([u8; 64], usize) {
    let mut name = [0; 64];
    name[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
    let text = format!("\0oracle-check-{}-", std::process::id());
    let len = 2 + text.len() + which.len();
    name[2..2 + text.len()].copy_from_slice(text.as_bytes());
    name[2 + text.len()..len].copy_from_slice(which);
    (name, len)
}

/// A pair of datagram sockets of which the second is connected to a third by now.
pub fn astray() -> Pair {
    let pair = pair(libc::SOCK_DGRAM);
    let (name, len) = unix_name(b"here");
    // SAFETY: an address of the right form.
    check(unsafe { libc::connect(pair.to, name.as_ptr().cast(), len as u32) }, "connect");
    pair
}

/// A netlink socket connected to another, and one that is not.
#[derive(Clone, Copy)]
pub struct Netlink {
    pair: Pair,
    lone: i32,
    number: u32,
}

impl Netlink {
    pub fn ends(self, lone: bool) -> Pair {
        Pair { from: if lone { self.lone } else { self.pair.from }, to: self.pair.to }
    }

    /// The address of the second socket, or of nobody.
    pub fn name(self, found: bool) -> ([u8; 64], usize) {
        let mut name = [0; 64];
        name[..2].copy_from_slice(&(libc::AF_NETLINK as u16).to_ne_bytes());
        name[4..8].copy_from_slice(&if found { self.number } else { 0x7fff_fff0 }.to_ne_bytes());
        (name, 12)
    }
}

/// Three netlink sockets, if this process may have any.
pub fn netlink() -> Option<Netlink> {
    const USERSOCK: i32 = 2;
    // SAFETY: no pointer.
    match unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, USERSOCK) } {
        ..0 => return None,
        first => close(first),
    }
    let socket = || {
        // SAFETY: no pointer; then addresses of the right form and size.
        unsafe {
            let socket = move_up(check(libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, USERSOCK), "netlink"));
            let mut name: libc::sockaddr_nl = std::mem::zeroed();
            name.nl_family = libc::AF_NETLINK as u16;
            let mut len = size_of::<libc::sockaddr_nl>() as u32;
            check(libc::bind(socket, (&raw const name).cast(), len), "netlink bind");
            check(libc::getsockname(socket, (&raw mut name).cast(), &raw mut len), "getsockname");
            (socket, name)
        }
    };
    let ((from, _), (to, name), (lone, _)) = (socket(), socket(), socket());
    // SAFETY: an address the kernel has just given.
    check(unsafe { libc::connect(from, (&raw const name).cast(), 12) }, "netlink connect");
    receiver(to);
    Some(Netlink { pair: Pair { from, to }, lone, number: name.nl_pid })
}

/// Ordinary open files of many kinds from number 3 on, with gaps.
pub fn decoys() {
    // SAFETY: paths are strings that end in zero; the rest are numbers.
    unsafe {
        let null = check(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC), "open");
        check(libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC), "O_PATH");
        check(libc::memfd_create(c"decoy".as_ptr(), libc::MFD_CLOEXEC), "memfd");
        check(libc::eventfd(0, libc::EFD_CLOEXEC), "eventfd");
        check(libc::epoll_create1(libc::EPOLL_CLOEXEC), "epoll");
        let mut ends = [0; 2];
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), "pipe");
        check(libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()), "pair");
        for _ in 0..4 {
            check(libc::fcntl(null, libc::F_DUPFD_CLOEXEC, 20), "dup");
        }
    }
}

/// A new pair whose receiving end is closed, with a byte unread or not.
pub fn half(kind: i32, unread: bool) -> Pair {
    let pair = pair(kind);
    if unread {
        // SAFETY: one byte of a string.
        unsafe { libc::send(pair.from, c"x".as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
    }
    close(pair.to);
    Pair { from: pair.from, to: -1 }
}

pub fn send_buffer() -> u64 {
    // SAFETY: a socket of its own and an integer option.
    unsafe {
        let socket = check(libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0), "socket");
        let (mut value, mut len) = (0i32, 4u32);
        let at = (&raw mut value).cast();
        check(libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, at, &raw mut len), "SO_SNDBUF");
        libc::close(socket);
        value as u64
    }
}
