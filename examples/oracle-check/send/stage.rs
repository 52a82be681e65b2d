//! The sockets of every situation, what a call does to them, and what arrives.

use std::rc::Rc;

use scmsg::Cmsgs;
use scmsg::Errno;
use scmsg::oracle::{Name, Socket};

use super::super::compat;
use super::super::kernel;
use super::super::lane::Lane;
use super::super::memory::Memory;
use super::draw::Case;
use super::known::{Here, Known};
use super::scene::{Scene, Situation};
use super::sockets::{
    Netlink, Pair, Sockets, astray, close, decoys, half, named, netlink, pair, send_buffer, unix_name,
};

pub struct Stage {
    compat: bool,
    unix: [Sockets; 3],
    netlink: Option<Netlink>,
    /// A datagram socket with a name.
    named: i32,
    /// Datagram sockets of which the second is connected to a third.
    astray: Pair,
    pub known: Rc<Known>,
    desk: Memory,
    data: Memory,
    received: Vec<u8>,
}

/// The sockets of a case.
pub struct Ends {
    pair: Pair,
    /// Made for this case alone: nobody receives.
    fresh: bool,
}

/// What a call returned, and what arrived.
#[derive(Debug)]
pub struct Seen {
    pub result: Result<u64, i32>,
    messages: usize,
    pub bytes: u64,
    pub descriptors: usize,
    pub credentials: Option<(u32, u32, u32)>,
}

impl Seen {
    pub fn is_nothing(&self) -> bool {
        self.messages == 0
    }
}

/// Descriptors kept in flight for ever, so that a limit can be below them.
const BALLAST: usize = 11;
/// Offsets in the memory that holds what the header points to.
const HEADER_AT: usize = 0;
const IOV_AT: usize = 64;
const NAME_AT: usize = 128;

impl Stage {
    pub fn new(lane: Lane) -> Self {
        kernel::raise_limit();
        decoys();
        let ring = kernel::ring();
        let unix = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET].map(Sockets::new);
        let can_refuse = unix.iter().all(|sockets| sockets.refusing.is_some());
        let (netlink, named) = (netlink(), named());
        let here = Here { ring, can_refuse, netlink: netlink.is_some() };
        here.say(lane);
        let known = Known::probe(here, send_buffer(), BALLAST as u64);
        load_ballast(known.first_open());
        Self {
            compat: lane.compat,
            unix,
            netlink,
            named,
            astray: astray(),
            known: Rc::new(known),
            desk: Memory::new(1),
            data: Memory::new(80),
            received: vec![0; 8192],
        }
    }

    /// The sockets of a case.
    pub fn ends(&self, case: &Case) -> Ends {
        let sockets = match case.socket {
            Socket::UnixStream => &self.unix[0],
            Socket::UnixDatagram => &self.unix[1],
            Socket::UnixSeqPacket => &self.unix[2],
            Socket::Netlink => {
                let lone = case.situation == Situation::Unconnected || (case.is_addressed() && !case.has_peer());
                let pair = self.netlink.map_or(self.unix[1].connected, |netlink| netlink.ends(lone));
                return Ends { pair, fresh: false };
            }
        };
        let pair = match case.situation {
            Situation::PeerClosed => return Ends { pair: half(sockets.kind, false), fresh: true },
            Situation::Pending => return Ends { pair: half(sockets.kind, true), fresh: true },
            Situation::Connected => sockets.connected,
            Situation::Unconnected => Pair { from: sockets.unconnected, to: self.named },
            Situation::ShutDown => sockets.shut_down,
            Situation::PeerDeaf => sockets.deaf,
            Situation::PeerElsewhere => self.astray,
            Situation::Refusing => sockets.refusing.unwrap_or(sockets.connected),
            _ => {
                let from = if case.has_peer() { sockets.connected.from } else { sockets.unconnected };
                let datagram = case.socket == Socket::UnixDatagram;
                Pair { from, to: if datagram { self.named } else { sockets.connected.to } }
            }
        };
        Ends { pair, fresh: false }
    }

    /// Sends, and receives what arrived.
    pub fn act(&mut self, case: &Case, scene: &Scene, ends: &Ends, control: *const u8, len: u64) -> Seen {
        let name = match scene.name {
            Name::Found | Name::Nowhere(_) if case.socket == Socket::Netlink => {
                self.netlink.map(|netlink| netlink.name(scene.name == Name::Found))
            }
            Name::None => None,
            Name::Found => Some(unix_name(b"here")),
            Name::Nowhere(_) => Some(unix_name(b"nowhere")),
            Name::Invalid => Some(([0xff; 64], 10)),
            Name::NegativeLength => Some((unix_name(b"here").0, usize::MAX)),
        };
        let limit = self.known.limits.open_files;
        let tight = case.open_files.filter(|_| self.known.has_own_user);
        tight.inspect(|soft| kernel::set_limit(*soft));
        let result = if self.compat {
            self.send_compat(case, ends.pair.from, name, control, len)
        } else {
            self.send_native(case, ends.pair.from, name, control, len)
        };
        tight.inspect(|_| kernel::set_limit(limit));
        let mut seen = Seen { result, messages: 0, bytes: 0, descriptors: 0, credentials: None };
        if ends.fresh {
            close(ends.pair.from);
        } else {
            self.drain(ends.pair.to, &mut seen);
        }
        seen
    }

    fn send_native(
        &mut self,
        case: &Case,
        socket: i32,
        name: Option<([u8; 64], usize)>,
        control: *const u8,
        len: u64,
    ) -> Result<u64, i32> {
        let iov = libc::iovec { iov_base: self.data.bytes().as_mut_ptr().cast(), iov_len: case.bytes as usize };
        let mut header = scmsg::raw::msghdr::EMPTY;
        if let Some((name, len)) = &name {
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = *len as i32;
        }
        header.msg_iov = (&raw const iov).cast_mut().cast();
        header.msg_iovlen = 1;
        header.msg_control = control.cast_mut().cast();
        header.msg_controllen = len as usize;
        // SAFETY: what the header points to is readable or meant not to be; the numbers it may name are decoys, the
        // harness's own, or not open; a descriptor that is sent stays open here.
        let sent = unsafe { scmsg::raw::sendmsg(socket, &raw const header, case.flags) };
        sent.map(|bytes| bytes as u64).map_err(Errno::raw)
    }

    fn send_compat(
        &mut self,
        case: &Case,
        socket: i32,
        name: Option<([u8; 64], usize)>,
        control: *const u8,
        len: u64,
    ) -> Result<u64, i32> {
        let iov = compat::Iov { base: self.data.bytes().as_ptr() as u32, len: case.bytes as u32 };
        let desk = self.desk.bytes();
        let at = desk.as_ptr() as u32;
        let mut header = compat::Header {
            iov: at + IOV_AT as u32,
            iov_len: 1,
            control: control as u32,
            control_len: len as u32,
            ..compat::Header::default()
        };
        if let Some((name, len)) = name {
            desk[NAME_AT..NAME_AT + 64].copy_from_slice(&name);
            header.name = at + NAME_AT as u32;
            header.name_len = len as i32;
        }
        // SAFETY: aligned places in a page of its own.
        unsafe {
            desk.as_mut_ptr().add(HEADER_AT).cast::<compat::Header>().write(header);
            desk.as_mut_ptr().add(IOV_AT).cast::<compat::Iov>().write(iov);
        }
        // SAFETY: as for the native call.
        match unsafe { compat::call(compat::SENDMSG, socket as u32, at, case.flags) } {
            errno @ -4095..0 => Err(-errno as i32),
            bytes => Ok(bytes as u64),
        }
    }

    /// Receives until nothing is left, and closes what came.
    fn drain(&mut self, socket: i32, seen: &mut Seen) {
        let mut control = [0u64; 160];
        for _ in 0..4 {
            let mut iov = libc::iovec { iov_base: self.received.as_mut_ptr().cast(), iov_len: self.received.len() };
            let mut header = scmsg::raw::msghdr::EMPTY;
            header.msg_iov = (&raw mut iov).cast();
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = size_of_val(&control);
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
            // SAFETY: the header points to buffers of this function.
            let Ok(bytes) = (unsafe { scmsg::raw::recvmsg(socket, &raw mut header, flags as u32) }) else { return };
            let end_of_stream = bytes == 0 && header.msg_controllen == 0;
            if end_of_stream {
                return;
            }
            seen.bytes += bytes as u64;
            // SAFETY: the kernel has written so many bytes there.
            let arrived = unsafe { std::slice::from_raw_parts(control.as_ptr().cast::<u8>(), header.msg_controllen) };
            let (rights, credentials) = read(arrived);
            seen.descriptors += rights.len();
            rights.into_iter().for_each(close);
            // The end of a stream delivers credentials of process 0.
            if bytes == 0 && credentials.is_some_and(|said| said.0 == 0) {
                return;
            }
            seen.messages += 1;
            seen.credentials = seen.credentials.or(credentials);
        }
    }
}

/// Sends descriptors that nobody ever receives.
fn load_ballast(number: i32) {
    let pair = pair(libc::SOCK_SEQPACKET);
    // SAFETY: the number is open and stays open.
    let fds = [number; BALLAST].map(|number| unsafe { scmsg::BorrowedFd::borrow_raw(number) });
    // SAFETY: as above.
    let from = unsafe { scmsg::BorrowedFd::borrow_raw(pair.from) };
    assert_eq!(scmsg::send_with_fds(from, b"b", &fds), Ok(1), "ballast");
}

fn read(arrived: &[u8]) -> (Vec<i32>, Option<(u32, u32, u32)>) {
    let (mut rights, mut credentials) = (Vec::new(), None);
    for message in Cmsgs::new(arrived).map_while(Result::ok) {
        let word = |at: usize| u32::from_ne_bytes(message.payload[at..at + 4].try_into().expect("four bytes"));
        match (message.level, message.kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                rights.extend((0..message.payload.len() / 4).map(|n| word(4 * n) as i32));
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if message.payload.len() == 12 => {
                credentials = Some((word(0), word(4), word(8)));
            }
            _ => {}
        }
    }
    (rights, credentials)
}
