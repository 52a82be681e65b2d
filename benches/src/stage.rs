//! Turns a workload's numbers into open sockets and files, and a received number into a verdict.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Datagrams in one round of `udp`.
pub const DATAGRAMS: usize = 64;
/// Bytes of each.
pub const DATAGRAM: usize = 32;
/// Messages in one call, where a contestant has calls for several.
pub const WIDTH: usize = 64;
/// The most descriptors of one message.
pub const MOST: usize = 253;

/// A seqpacket pair, and open files to send: each its own, so that order shows.
pub struct Stage {
    pub tx: OwnedFd,
    pub rx: OwnedFd,
    pub fds: Vec<OwnedFd>,
    pub data: &'static [u8],
}

impl Stage {
    /// A pair and `files` open files.
    #[must_use]
    pub fn new(files: usize, data: &'static [u8]) -> Self {
        let (tx, rx) = rustix_pair();
        let fds = (0..files).map(|_| File::open("/dev/null").expect("/dev/null").into()).collect();
        Self { tx, rx, fds, data }
    }

    /// The numbers of the files, for contestants that take numbers.
    #[must_use]
    pub fn numbers(&self) -> Vec<RawFd> {
        self.fds.iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// The files, for contestants that take borrows.
    #[must_use]
    pub fn borrowed(&self) -> Vec<BorrowedFd<'_>> {
        self.fds.iter().map(std::os::fd::AsFd::as_fd).collect()
    }

    /// Panics unless `fd`, received at `index`, is the open file that was sent there: not one like it, the same one.
    pub fn check(&self, index: usize, fd: RawFd) {
        const KCMP_FILE: usize = 0;
        let pid = std::process::id() as usize;
        let sent = self.fds[index % self.fds.len()].as_raw_fd();
        // SAFETY: kcmp reads nothing of this process but the table entries of the two numbers.
        let verdict = unsafe { sc::syscall!(KCMP, pid, pid, KCMP_FILE, fd as usize, sent as usize) };
        assert_eq!(verdict, 0, "descriptor {fd} at {index} is not the open file {sent} that was sent");
        // SAFETY: no pointers.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        assert!(flags >= 0);
    }
}

fn rustix_pair() -> (OwnedFd, OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("socketpair")
}

/// Two UDP sockets on the loopback device, connected to each other; packet info arrives at `rx`.
pub struct UdpStage {
    pub tx: UdpSocket,
    pub rx: UdpSocket,
    /// 127.0.0.1 as the kernel writes it.
    pub address: u32,
    pub data: [[u8; DATAGRAM]; DATAGRAMS],
}

impl UdpStage {
    /// Opens and connects them.
    #[must_use]
    pub fn new() -> Self {
        let open = || UdpSocket::bind("127.0.0.1:0").expect("a UDP socket on 127.0.0.1");
        let (tx, rx) = (open(), open());
        tx.connect(rx.local_addr().expect("an address")).expect("connect");
        rx.connect(tx.local_addr().expect("an address")).expect("connect");
        nix::sys::socket::setsockopt(&rx, nix::sys::socket::sockopt::Ipv4PacketInfo, &true).expect("IP_PKTINFO");
        Self { tx, rx, address: u32::from_ne_bytes([127, 0, 0, 1]), data: [[7; DATAGRAM]; DATAGRAMS] }
    }
}

impl Default for UdpStage {
    fn default() -> Self {
        Self::new()
    }
}
