//! Turns families, types and addresses into sockets: the calls a message needs around it, one system call each.
//!
//! Law 8: every socket made here is close-on-exec.

use core::fmt;
use core::ptr;
use core::time::Duration;

use linux_raw_sys::{general, net};

use crate::addr::{Family, SocketAddr};
use crate::borrowed::{AsFd, BorrowedFd};
use crate::errno::Errno;
use crate::fd::OwnedFd;
use crate::flags::named;
use crate::numbers::{SOCK_CLOEXEC, SOCK_NONBLOCK};
use crate::raw::{self, pollfd, time_word, timespec};

/// A socket type, as `socket(2)` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketType(pub u32);

impl SocketType {
    /// A byte stream, connected.
    #[doc(alias = "SOCK_STREAM")]
    pub const STREAM: Self = Self(net::SOCK_STREAM);
    /// Messages, not connected.
    #[doc(alias = "SOCK_DGRAM")]
    pub const DGRAM: Self = Self(net::SOCK_DGRAM);
    /// Messages, connected: the best type for passing descriptors (no gluing, an end that can be told).
    #[doc(alias = "SOCK_SEQPACKET")]
    pub const SEQPACKET: Self = Self(net::SOCK_SEQPACKET);
    /// Raw packets.
    #[doc(alias = "SOCK_RAW")]
    pub const RAW: Self = Self(net::SOCK_RAW);
}

/// Flags of a new socket. Close-on-exec is always set.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct SocketFlags(u32);

/// Events of [`poll`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PollFlags(u16);

// `impl` mode: the struct form would compile eight ways of printing and reading each type into this crate.
bitflags::bitflags! {
    impl SocketFlags: u32 {
        /// Calls on the socket do not wait.
        #[doc(alias = "SOCK_NONBLOCK")]
        const NONBLOCK = SOCK_NONBLOCK;
        const _ = !0;
    }

    impl PollFlags: u16 {
        /// Something to receive.
        #[doc(alias = "POLLIN")]
        const IN = events(general::POLLIN);
        /// Out-of-band data.
        #[doc(alias = "POLLPRI")]
        const PRI = events(general::POLLPRI);
        /// Room to send.
        #[doc(alias = "POLLOUT")]
        const OUT = events(general::POLLOUT);
        /// An error is pending; always reported.
        #[doc(alias = "POLLERR")]
        const ERR = events(general::POLLERR);
        /// The other end is gone; always reported.
        #[doc(alias = "POLLHUP")]
        const HUP = events(general::POLLHUP);
        /// Not an open descriptor; always reported.
        #[doc(alias = "POLLNVAL")]
        const NVAL = events(general::POLLNVAL);
        /// The other end will send no more.
        #[doc(alias = "POLLRDHUP")]
        const RDHUP = events(general::POLLRDHUP);
        const _ = !0;
    }
}

impl fmt::Debug for SocketFlags {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named("SocketFlags", self, f)
    }
}

impl fmt::Debug for PollFlags {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named("PollFlags", self, f)
    }
}

/// A poll event of linux-raw-sys; all are under 65536.
const fn events(number: u32) -> u16 {
    let [a, b, _, _] = number.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// One descriptor to [`poll`], with the events asked for and those that happened. Laid out as `pollfd`.
///
/// It keeps the descriptor borrowed:
/// ```compile_fail,E0505
/// use scmsg::{PollFd, PollFlags, SocketFlags, SocketType, close, poll, socketpair};
/// let (fd, _other) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
/// let mut entries = [PollFd::new(&fd, PollFlags::IN)];
/// close(fd).unwrap();
/// poll(&mut entries, None).unwrap();
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
#[doc(alias = "pollfd")]
pub struct PollFd<'fd> {
    entry: pollfd,
    fd: core::marker::PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> PollFd<'fd> {
    /// Asks for `events` on `fd`.
    #[inline]
    #[must_use]
    pub fn new<F: AsFd + ?Sized>(fd: &'fd F, events: PollFlags) -> Self {
        let entry =
            pollfd { fd: fd.as_fd().as_raw_fd(), events: i16::from_ne_bytes(events.bits().to_ne_bytes()), revents: 0 };
        Self { entry, fd: core::marker::PhantomData }
    }

    /// What happened in the last [`poll`].
    #[inline]
    #[must_use]
    pub const fn events(&self) -> PollFlags {
        PollFlags::from_bits_retain(u16::from_ne_bytes(self.entry.revents.to_ne_bytes()))
    }
}

impl fmt::Debug for PollFd<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollFd").field("fd", &self.entry.fd).field("events", &self.events()).finish()
    }
}

/// Which half of a connection [`shutdown`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// No more receives.
    #[doc(alias = "SHUT_RD")]
    Read,
    /// No more sends; the peer sees the end.
    #[doc(alias = "SHUT_WR")]
    Write,
    /// Neither.
    #[doc(alias = "SHUT_RDWR")]
    Both,
}

/// Owns the descriptor a system call returned.
///
/// # Safety
/// `ret` must be a descriptor that the kernel has just opened.
#[inline(always)]
unsafe fn opened(ret: usize) -> Result<OwnedFd, Errno> {
    // The kernel's descriptors are `int`s; there is no other case.
    let fd = i32::try_from(ret).map_err(|_| Errno::EBADF)?;
    // SAFETY: the caller vouches for the number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The type word of a new socket.
#[inline(always)]
const fn type_word(kind: SocketType, flags: SocketFlags) -> u32 {
    kind.0 | flags.bits() | SOCK_CLOEXEC
}

/// `socket(2)`: a new socket, close-on-exec. Linux 2.0; close-on-exec 2.6.27; directly on x86 (32-bit) and s390x 4.3, like all
/// calls here.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EACCES`, `EPERM` | this type needs privilege |
/// | `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`, `EINVAL` | the kernel has no such socket |
/// | `EMFILE`, `ENFILE` | no descriptor left in the process, in the system |
/// | `ENOBUFS`, `ENOMEM` | no memory |
#[inline]
pub fn socket(family: Family, kind: SocketType, flags: SocketFlags, protocol: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointers; a success is a new descriptor.
    let ret = unsafe { raw::socket(i32::from(family.0), type_word(kind, flags), protocol) }?;
    // SAFETY: the kernel has just opened it.
    unsafe { opened(ret) }
}

/// `socketpair(2)`: two connected unix sockets, close-on-exec. Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EMFILE`, `ENFILE` | no descriptor left in the process, in the system |
/// | `ENOMEM`, `ENOBUFS` | no memory |
/// | `ESOCKTNOSUPPORT` | unix sockets have no such type |
#[inline]
pub fn socketpair(kind: SocketType, flags: SocketFlags) -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut pair = [-1; 2];
    // SAFETY: `pair` is valid for the two descriptors the kernel writes.
    unsafe { raw::socketpair(i32::from(Family::UNIX.0), type_word(kind, flags), 0, &raw mut pair) }?;
    let [a, b] = pair;
    // SAFETY: the kernel has just opened it.
    let a = unsafe { OwnedFd::from_raw_fd(a) };
    // SAFETY: the kernel has just opened it.
    let b = unsafe { OwnedFd::from_raw_fd(b) };
    Ok((a, b))
}

/// `bind(2)`: gives a socket its address. [`SocketAddr::unnamed`] lets the kernel choose an abstract name.
/// Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EACCES`, `EROFS`, `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG` | the path cannot be made |
/// | `EADDRINUSE` | the address is taken; a path stays taken until it is unlinked |
/// | `EADDRNOTAVAIL` | not an address of this host |
/// | `EINVAL` | bound already, or not an address of this family |
#[inline]
pub fn bind<S: AsFd>(socket: S, addr: &SocketAddr) -> Result<(), Errno> {
    // SAFETY: the address is readable for its length.
    unsafe { raw::bind(socket.as_fd().as_raw_fd(), addr.as_bytes().as_ptr(), addr.len()) }.map(drop)
}

/// `connect(2)`: connects a socket, or sets the peer of a datagram socket. Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EACCES`, `EPERM` | no permission to write to the path |
/// | `EAGAIN` | a nonblocking unix socket and a full backlog |
/// | `ECONNREFUSED`, `ENOENT` | nobody listens there, nothing is there |
/// | `EINPROGRESS`, `EALREADY` | a nonblocking connect is under way: [`poll`] for room to send |
/// | `EINTR` | a signal came first |
/// | `EISCONN` | connected already |
/// | `EPROTOTYPE` | the socket there has another type |
/// | `ENETUNREACH`, `EHOSTUNREACH`, `ETIMEDOUT` | no way there |
#[inline]
pub fn connect<S: AsFd>(socket: S, addr: &SocketAddr) -> Result<(), Errno> {
    // SAFETY: the address is readable for its length.
    unsafe { raw::connect(socket.as_fd().as_raw_fd(), addr.as_bytes().as_ptr(), addr.len()) }.map(drop)
}

/// `listen(2)`: makes a socket accept connections. The kernel clips `backlog` to `net.core.somaxconn`.
/// Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EADDRINUSE` | another socket listens there |
/// | `EINVAL` | connected, or a unix socket without an address |
/// | `EOPNOTSUPP` | not a type that can listen |
#[inline]
pub fn listen<S: AsFd>(socket: S, backlog: i32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { raw::listen(socket.as_fd().as_raw_fd(), backlog) }.map(drop)
}

/// `accept4(2)`: the next connection, close-on-exec. Linux 2.6.28.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EAGAIN` | none there, on a nonblocking socket |
/// | `ECONNABORTED` | it was gone again |
/// | `EINTR` | a signal came first |
/// | `EINVAL` | the socket does not listen |
/// | `EMFILE`, `ENFILE` | no descriptor left; the connection stays in the backlog |
#[inline]
pub fn accept<S: AsFd>(socket: S, flags: SocketFlags) -> Result<OwnedFd, Errno> {
    let flags = flags.bits() | SOCK_CLOEXEC;
    // SAFETY: null for the address and its length means that none is written.
    let ret = unsafe { raw::accept4(socket.as_fd().as_raw_fd(), ptr::null_mut(), ptr::null_mut(), flags) }?;
    // SAFETY: the kernel has just opened it.
    unsafe { opened(ret) }
}

/// `accept4(2)`: the next connection, close-on-exec, and the address of its peer. Linux 2.6.28.
///
/// # Errors
/// Those of [`accept`].
#[inline]
pub fn accept_from<S: AsFd>(socket: S, flags: SocketFlags) -> Result<(OwnedFd, SocketAddr), Errno> {
    let flags = flags.bits() | SOCK_CLOEXEC;
    let mut ret = 0;
    let addr = filled(|name, len| {
        // SAFETY: `name` has room for `len` bytes, and both are valid for writes.
        ret = unsafe { raw::accept4(socket.as_fd().as_raw_fd(), name, len, flags) }?;
        Ok(ret)
    })?;
    // SAFETY: the kernel has just opened it.
    Ok((unsafe { opened(ret) }?, addr))
}

/// `getsockname(2)`: the socket's own address. Autobind and port 0 show what the kernel chose.
/// Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EBADF`, `ENOTSOCK` | not from this call with std's or this crate's sockets |
#[inline]
pub fn getsockname<S: AsFd>(socket: S) -> Result<SocketAddr, Errno> {
    // SAFETY: `name` has room for `len` bytes, and both are valid for writes.
    filled(|name, len| unsafe { raw::getsockname(socket.as_fd().as_raw_fd(), name, len) })
}

/// `getpeername(2)`: the peer's address. Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `ENOTCONN` | there is no peer |
#[inline]
pub fn getpeername<S: AsFd>(socket: S) -> Result<SocketAddr, Errno> {
    // SAFETY: `name` has room for `len` bytes, and both are valid for writes.
    filled(|name, len| unsafe { raw::getpeername(socket.as_fd().as_raw_fd(), name, len) })
}

/// Has a call write an address.
#[inline(always)]
fn filled(call: impl FnOnce(*mut u8, *mut u32) -> Result<usize, Errno>) -> Result<SocketAddr, Errno> {
    let mut addr = SocketAddr::unnamed();
    let mut len = SocketAddr::CAPACITY;
    call((&raw mut addr).cast(), &raw mut len)?;
    addr.set_len(len);
    Ok(addr)
}

/// `shutdown(2)`: ends one or both halves of a connection. Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `ENOTCONN` | there is no connection (inet; a unix socket needs none) |
#[inline]
pub fn shutdown<S: AsFd>(socket: S, how: Shutdown) -> Result<(), Errno> {
    let how = match how {
        Shutdown::Read => net::SHUT_RD,
        Shutdown::Write => net::SHUT_WR,
        Shutdown::Both => net::SHUT_RDWR,
    };
    // SAFETY: no pointers.
    unsafe { raw::shutdown(socket.as_fd().as_raw_fd(), how) }.map(drop)
}

/// `poll(2)`, made by `ppoll`: waits until a descriptor has an event, and says how many have. `None` waits for ever; a
/// timeout too long for the kernel's clock is clipped to the longest it takes. Linux 2.6.16.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EINTR` | a signal came first |
/// | `EINVAL` | more entries than `RLIMIT_NOFILE` |
/// | `ENOMEM` | no memory |
#[inline]
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize, Errno> {
    #[allow(clippy::unnecessary_fallible_conversions, reason = "`time_word` is an i32 on most 32-bit targets")]
    let mut time = timeout.map(|t| timespec {
        tv_sec: time_word::try_from(t.as_secs()).unwrap_or(time_word::MAX),
        tv_nsec: time_word::try_from(t.subsec_nanos()).unwrap_or(0),
    });
    let time = time.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: `PollFd` is laid out as `pollfd` and the slice is uniquely borrowed; `time` is null or a local.
    unsafe { raw::ppoll(fds.as_mut_ptr().cast(), fds.len(), time) }
}
