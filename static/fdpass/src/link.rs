//! Turns SOCKET into a connection, as the end that connects or the one that listens, and moves messages over it.
//!
//! Laws: every socket is nonblocking and every wait is [`Order::ready`], so no peer holds this program past the deadline; a path
//! that was made here is removed here, a signal or not; only its user can connect to it (mode 0600), and an abstract name, which has no mode,
//! accepts this user's and root's processes only.
//!
//! ```text
//! /run/x   a path            @x   an abstract name, in which \0 stands for NUL
//! ```

use core::ffi::CStr;
use core::mem::forget;
use core::time::Duration;

use scmsg::sockopt::PeerCred;
use scmsg::{
    BorrowedFd, ControlBuf, Encoder, Errno, Family, IoSlice, IoSliceMut, MsgFlags, OwnedFd, PollFd, PollFlags,
    RecvFlags, RecvMsg, SendFlags, SendMsg, SocketFlags, SocketType, UNIX_PATH_MAX, accept, getsockopt, listen, poll,
    recvmsg, sendmsg, socket,
};

use crate::args::{CONNECT, FORCE, LISTEN, Order, Verb, WAIT};
use crate::fail::{Exit, Result, Why};
use crate::room::Room;
use crate::signals::Signals;
use crate::sys;
use crate::text::Text;

impl Order {
    /// Reads SOCKET, and starts the clock.
    #[inline(never)]
    pub fn locate(&mut self, text: &mut Text) -> Result {
        text.add(&Family::UNIX.0.to_ne_bytes());
        match self.task.on {
            [] | [b'@'] => return Err(self.task.fail(Why::NoName)),
            [b'@', rest @ ..] => {
                self.path = None;
                let mut rest = rest;
                text.add(&[0]);
                while let [byte, behind @ ..] = rest {
                    rest = behind;
                    match (byte, behind) {
                        (b'\\', [b'0', behind @ ..]) => {
                            text.add(&[0]);
                            rest = behind;
                        }
                        _ => {
                            text.add(&[*byte]);
                        }
                    }
                }
            }
            path => {
                text.add(path);
            }
        }
        if text.cut || text.as_bytes().len() > 2 + UNIX_PATH_MAX {
            return Err(self.task.fail(Why::TooLong));
        }
        if self.timeout != 0 {
            self.deadline = sys::now().saturating_add(self.timeout);
        }
        Ok(())
    }

    fn new_socket(&self) -> Result<OwnedFd> {
        let kind = if self.packets { SocketType::SEQPACKET } else { SocketType::STREAM };
        socket(Family::UNIX, kind, SocketFlags::NONBLOCK, 0).map_err(|errno| self.task.errno(errno))
    }

    /// Waits until one of them is ready, or has an error that the next call on it reports. Without any a moment passes.
    pub fn ready(&self, entries: &mut [PollFd<'_>]) -> Result {
        loop {
            let left = self.deadline.saturating_sub(sys::now());
            if left == 0 {
                return Err(self.task.fail(Why::TimedOut));
            }
            if entries.is_empty() {
                return sleep(left.min(10));
            }
            let time = if self.deadline == u64::MAX { None } else { Some(Duration::from_millis(left)) };
            match poll(entries, time) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }

    /// Connects. A full backlog is waited for; with `--wait`, so is a socket that is not there yet.
    pub fn dial(&mut self, addr: &Text) -> Result<OwnedFd> {
        self.task.what = b"connect";
        let mut socket = self.new_socket()?;
        loop {
            match connect(&socket, addr) {
                Ok(()) => return Ok(socket),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(Errno::ENOENT | Errno::ECONNREFUSED) if self.has(WAIT) => {}
                // A store, say, of which only the credentials are asked.
                Err(Errno::EPROTOTYPE) if self.verb == Verb::Creds && !self.packets => {
                    self.packets = true;
                    socket = self.new_socket()?;
                    continue;
                }
                Err(errno) => return Err(self.task.errno(errno)),
            }
            self.ready(&mut [])?;
        }
    }

    /// Listens.
    pub fn listen(&mut self, addr: &Text) -> Result<Listener> {
        self.task.what = b"listen";
        let signals = Signals::new().map_err(|errno| self.task.errno(errno))?;
        let mut listener = Listener { socket: self.new_socket()?, path: None, only: None, signals };
        let mask = sys::umask(0o177);
        let mut bound = bind(&listener.socket, addr);
        if bound == Err(Errno::EADDRINUSE) && self.has(FORCE) && self.remove_abandoned(addr)? {
            bound = bind(&listener.socket, addr);
        }
        sys::umask(mask);
        if bound.is_ok() {
            listener.path = self.path;
            bound = listen(&listener.socket, 128);
        }
        bound.map_err(|errno| self.task.errno(errno))?;
        if self.path.is_none() {
            // The credentials of a socket that listens are those of who made it listen.
            listener.only = getsockopt(&listener.socket, PeerCred).ok().map(|own| own.uid);
        }
        Ok(listener)
    }

    /// Removes a socket that nobody has any more; whether there was one.
    ///
    /// Asked as a datagram socket, whoever listens or is about to is not disturbed: the kernel answers `EPROTOTYPE` in its place.
    fn remove_abandoned(&self, addr: &Text) -> Result<bool> {
        let Some(path) = self.path else { return Ok(false) };
        let asks = socket(Family::UNIX, SocketType::DGRAM, SocketFlags::empty(), 0);
        let refused = connect(&asks.map_err(|errno| self.task.errno(errno))?, addr) == Err(Errno::ECONNREFUSED);
        Ok(refused && sys::is_socket(path) && sys::unlink(path).is_ok())
    }

    /// Connects or accepts one connection, as asked for or else as the subcommand does.
    pub fn meet(&mut self, addr: &Text, listens: bool, anybody: bool) -> Result<OwnedFd> {
        if self.has(CONNECT) || !listens && !self.has(LISTEN) {
            return self.dial(addr);
        }
        let listener = self.listen(addr)?;
        loop {
            listener.goes_on()?;
            match listener.accept(anybody) {
                Ok(Some(socket)) => return Ok(socket),
                Ok(None) => self.ready(&mut listener.entries())?,
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }

    /// Sends one message, waiting for room.
    pub fn send(&self, socket: &OwnedFd, data: &[u8], fds: &[BorrowedFd<'_>], control: &mut ControlBuf) -> Result {
        loop {
            match say(socket, data, fds, control) {
                Ok(()) => return Ok(()),
                Err(Errno::EAGAIN) => self.ready(&mut [PollFd::new(socket, PollFlags::OUT)])?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }

    /// Receives one message, waiting for it.
    pub fn receive(&self, socket: &OwnedFd, room: &mut Room) -> Result {
        loop {
            self.ready(&mut [PollFd::new(socket, PollFlags::IN)])?;
            match hear(socket, room) {
                Ok(()) => return Ok(()),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }
}

/// `connect(2)`. The crate's own takes a `SocketAddr`, which is made for all families and costs 450 bytes more.
fn connect(socket: &OwnedFd, addr: &Text) -> core::result::Result<(), Errno> {
    let (addr, len) = (addr.as_bytes().as_ptr(), u32::try_from(addr.as_bytes().len()).unwrap_or(0));
    // SAFETY: the address is readable for its length.
    unsafe { scmsg::raw::connect(socket.as_raw_fd(), addr, len) }.map(drop)
}

/// `bind(2)`, as [`connect`].
fn bind(socket: &OwnedFd, addr: &Text) -> core::result::Result<(), Errno> {
    let (addr, len) = (addr.as_bytes().as_ptr(), u32::try_from(addr.as_bytes().len()).unwrap_or(0));
    // SAFETY: the address is readable for its length.
    unsafe { scmsg::raw::bind(socket.as_raw_fd(), addr, len) }.map(drop)
}

/// Whether there is something to read, or to be told, right now.
pub fn readable(fd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(Duration::ZERO)) != Ok(0)
}

/// Lets milliseconds pass.
fn sleep(time: u64) -> Result {
    let _ = poll(&mut [], Some(Duration::from_millis(time)));
    Ok(())
}

/// Sends one message, now or not at all.
pub fn say(
    socket: &OwnedFd,
    data: &[u8],
    fds: &[BorrowedFd<'_>],
    control: &mut ControlBuf,
) -> core::result::Result<(), Errno> {
    let mut control = Encoder::new(control);
    if !fds.is_empty() {
        control.push_rights(fds).map_err(|_| Errno::EINVAL)?;
    }
    let data = [IoSlice::new(data)];
    let message = SendMsg::new(&data).control(&control).map_err(|_| Errno::EINVAL)?;
    sendmsg(socket, &message, SendFlags::DONTWAIT).map(drop)
}

/// Receives one message, now or not at all. Its data and its descriptors are the room's.
///
/// `EPIPE` is the end, `EMFILE` a message from which descriptors are missing: there was room for all it can have, so the
/// table is full; `EMSGSIZE` a packet that is too long.
pub fn hear(socket: &OwnedFd, room: &mut Room) -> core::result::Result<(), Errno> {
    let mut data = [IoSliceMut::new(&mut room.data)];
    let mut message = RecvMsg::new(&mut data).control(&mut room.control);
    let mut received = recvmsg(socket, &mut message, RecvFlags::DONTWAIT)?;
    for fd in received.control.take_fds().flatten() {
        // There is always room for one message more.
        let _ = room.arrived.push(fd);
    }
    let (flags, bytes) = (received.flags, received.bytes);
    // All were taken, and no socket here asks for process descriptors: a drop would find nothing to close, and what searches is
    // 1,100 bytes.
    forget(received);
    if flags.contains(MsgFlags::CTRUNC) {
        return Err(Errno::EMFILE);
    }
    if flags.contains(MsgFlags::TRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    room.len = bytes;
    if room.len == 0 { Err(Errno::EPIPE) } else { Ok(()) }
}

/// A socket that listens; its path is removed with it.
pub struct Listener {
    pub socket: OwnedFd,
    path: Option<&'static CStr>,
    /// The user whose processes alone are accepted.
    only: Option<u32>,
    /// After `drop` has removed the path, what came takes effect.
    signals: Signals,
}

impl Listener {
    /// What to wait for.
    pub fn entries(&self) -> [PollFd<'_>; 2] {
        [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.signals.came, PollFlags::IN)]
    }

    /// An error without a line if a signal asks the program to end, which it does when this is dropped; but for process 1 of a
    /// container, which no signal ends.
    pub fn goes_on(&self) -> Result {
        if readable(&self.signals.came) { Exit::new(143).map_or(Ok(()), Err) } else { Ok(()) }
    }

    /// Accepts the next connection, if there is one, of somebody who may.
    pub fn accept(&self, anybody: bool) -> core::result::Result<Option<OwnedFd>, Errno> {
        let peer = match accept(&self.socket, SocketFlags::NONBLOCK) {
            Ok(peer) => peer,
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let user = getsockopt(&peer, PeerCred)?.uid;
        let welcome = anybody || user == 0 || self.only.is_none_or(|only| user == only);
        Ok(if welcome { Some(peer) } else { None })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = self.path {
            let _ = sys::unlink(path);
        }
    }
}
