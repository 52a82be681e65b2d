//! Turns SOCKET into a connection, as the end that connects or the one that listens, and moves messages over it.
//!
//! Laws: every socket is nonblocking and every wait is [`Order::ready`], so no peer holds this program past the deadline; a path
//! that was made here is removed here; only its user can connect to it (mode 0600), and an abstract name, which has no mode,
//! accepts this user's and root's processes only.
//!
//! ```text
//! /run/x   a path            @x   an abstract name, in which \0 is NUL and \\ a backslash
//! ```

use core::ffi::CStr;
use core::time::Duration;

use scmsg::sockopt::PeerCred;
use scmsg::{
    BorrowedFd, ControlBuf, Encoder, Errno, Family, IoSlice, IoSliceMut, MsgFlags, OwnedFd, PollFd, PollFlags,
    RecvFlags, RecvMsg, SendFlags, SendMsg, SocketAddr, SocketFlags, SocketType, UNIX_PATH_MAX, accept, bind, connect,
    getsockopt, listen, poll, recvmsg, sendmsg, socket,
};

use crate::args::{CONNECT, FORCE, LISTEN, Order, Verb, WAIT};
use crate::fail::{Exit, Result};
use crate::out::append;
use crate::room::Room;
use crate::sys;

impl Order {
    /// Reads SOCKET, and starts the clock.
    pub fn locate(&mut self) -> Result {
        let found = match self.task.on {
            [] | [b'@'] => return Err(self.task.usage(b"the SOCKET has no name")),
            [b'@', rest @ ..] => {
                self.path = None;
                let mut rest = rest;
                let (mut name, mut used) = ([0; UNIX_PATH_MAX], 0);
                while let [byte, behind @ ..] = rest {
                    let (byte, behind) = match rest {
                        [b'\\', b'0', behind @ ..] => (&0, behind),
                        [b'\\', b'\\', behind @ ..] => (byte, behind),
                        [b'\\', ..] => return Err(self.task.usage(b"a backslash is \\\\, and NUL is \\0")),
                        _ => (byte, behind),
                    };
                    if !append(&mut name, &mut used, &[*byte]) {
                        break;
                    }
                    rest = behind;
                }
                SocketAddr::abstract_name(name.get(..used).unwrap_or_default())
            }
            path => SocketAddr::unix(path),
        };
        self.addr = found.map_err(|_| self.task.usage(b"too long: a path has up to 108 bytes, an abstract name 107"))?;
        if self.timeout != 0 {
            self.deadline = sys::now().saturating_add(u64::from(self.timeout));
        }
        Ok(())
    }

    fn new_socket(&self) -> Result<OwnedFd> {
        let stream = matches!(self.verb, Verb::Send | Verb::Recv | Verb::Creds);
        let kind = if stream { SocketType::STREAM } else { SocketType::SEQPACKET };
        socket(Family::UNIX, kind, SocketFlags::NONBLOCK, 0).map_err(|errno| self.task.errno(errno))
    }

    /// Waits until `socket` is ready, or has an error that the next call on it reports. Without one a moment passes.
    pub fn ready(&self, socket: Option<&OwnedFd>, events: PollFlags) -> Result {
        loop {
            let left = self.deadline.saturating_sub(sys::now());
            if left == 0 {
                return Err(self.task.fail(Exit::TIME, b"timed out"));
            }
            let happened = match socket {
                Some(socket) => {
                    let time = if self.deadline == u64::MAX { None } else { Some(Duration::from_millis(left)) };
                    poll(&mut [PollFd::new(socket, events)], time)
                }
                None => return sleep(left.min(10)),
            };
            match happened {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }

    /// Connects. A full backlog is waited for; with `--wait`, so is a socket that is not there yet.
    pub fn dial(&mut self) -> Result<OwnedFd> {
        self.task.what = b"connect";
        let socket = self.new_socket()?;
        loop {
            match connect(&socket, &self.addr) {
                Ok(()) => return Ok(socket),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(Errno::ENOENT | Errno::ECONNREFUSED) if self.has(WAIT) => {}
                Err(errno) => return Err(self.task.errno(errno)),
            }
            self.ready(None, PollFlags::empty())?;
        }
    }

    /// Listens.
    pub fn listen(&mut self) -> Result<Listener> {
        self.task.what = b"listen";
        let mut listener = Listener { socket: self.new_socket()?, path: None, only: None };
        let mask = sys::umask(0o177);
        let mut bound = bind(&listener.socket, &self.addr);
        if bound == Err(Errno::EADDRINUSE) && self.has(FORCE) && self.remove_abandoned()? {
            bound = bind(&listener.socket, &self.addr);
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

    /// Removes a socket on which nobody listens any more; whether there was one.
    fn remove_abandoned(&self) -> Result<bool> {
        let Some(path) = self.path else { return Ok(false) };
        let refused = connect(self.new_socket()?, &self.addr) == Err(Errno::ECONNREFUSED);
        Ok(refused && sys::is_socket(path) && sys::unlink(path).is_ok())
    }

    /// Connects or accepts one connection, as asked for or else as the subcommand does.
    pub fn meet(&mut self, listens: bool, anybody: bool) -> Result<OwnedFd> {
        if self.has(CONNECT) || !listens && !self.has(LISTEN) {
            return self.dial();
        }
        let listener = self.listen()?;
        loop {
            match listener.accept(anybody) {
                Ok(Some(socket)) => return Ok(socket),
                Ok(None) => self.ready(Some(&listener.socket), PollFlags::IN)?,
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }

    /// Sends one message, waiting for room.
    pub fn send(&self, socket: &OwnedFd, data: &[u8], fds: &[BorrowedFd<'_>], control: &mut ControlBuf) -> Result {
        loop {
            match say(socket, data, fds, control) {
                Ok(()) => return Ok(()),
                Err(Errno::EAGAIN) => self.ready(Some(socket), PollFlags::OUT)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }

    /// Receives one message, whole, waiting for it: how many bytes it has.
    pub fn receive(&self, socket: &OwnedFd, room: &mut Room) -> Result<usize> {
        loop {
            self.ready(Some(socket), PollFlags::IN)?;
            match hear(socket, room) {
                Ok((0, true)) => return Err(self.task.fail(Exit::PEER, b"the peer has closed")),
                Ok((bytes, true)) => return Ok(bytes),
                Ok((_, false)) => return Err(self.task.fail(Exit::SYSTEM, b"descriptors were lost: the table is full (EMFILE)")),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(self.task.errno(errno)),
            }
        }
    }
}

/// Lets milliseconds pass.
fn sleep(time: u64) -> Result {
    let _ = poll(&mut [], Some(Duration::from_millis(time)));
    Ok(())
}

/// Sends one message, now or not at all.
pub fn say(socket: &OwnedFd, data: &[u8], fds: &[BorrowedFd<'_>], control: &mut ControlBuf) -> core::result::Result<(), Errno> {
    let mut control = Encoder::new(control);
    if !fds.is_empty() {
        control.push_rights(fds).map_err(|_| Errno::EINVAL)?;
    }
    let data = [IoSlice::new(data)];
    let message = SendMsg::new(&data).control(&control).map_err(|_| Errno::EINVAL)?;
    sendmsg(socket, &message, SendFlags::DONTWAIT).map(drop)
}

/// Receives one message, now or not at all: how many bytes it has, and whether it is whole. Its descriptors are the room's.
pub fn hear(socket: &OwnedFd, room: &mut Room) -> core::result::Result<(usize, bool), Errno> {
    let mut data = [IoSliceMut::new(&mut room.data)];
    let mut message = RecvMsg::new(&mut data).control(&mut room.control);
    let mut received = recvmsg(socket, &mut message, RecvFlags::DONTWAIT)?;
    for fd in received.control.take_fds().flatten() {
        // There is always room for one message more.
        let _ = room.arrived.push(fd);
    }
    Ok((received.bytes, !received.flags.intersects(MsgFlags::CTRUNC | MsgFlags::TRUNC)))
}

/// A socket that listens; its path is removed with it.
pub struct Listener {
    pub socket: OwnedFd,
    path: Option<&'static CStr>,
    /// The user whose processes alone are accepted.
    only: Option<u32>,
}

impl Listener {
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
