//! The sockets of every situation, what a call does to them, and what arrives.

use std::rc::Rc;

use scmsg::Cmsgs;
use scmsg::Errno;
use scmsg::oracle::{Connection, Descriptor, Limits, Name, Socket};

use super::super::compat;
use super::super::kernel;
use super::super::lane::Lane;
use super::super::memory::Memory;
use super::super::rng::Rng;
use super::draw::Case;
use super::sockets::{HIGH, Pair, Sockets, check, close, decoys, half, named, netlink, pair, send_buffer, unix_name};

/// How the sending socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    Connected,
    Unconnected,
    ShutDown,
    PeerDeaf,
    PeerClosed,
    /// The peer closed with something unread.
    Pending,
    /// The peer's `SO_PASSRIGHTS` is off.
    Refusing,
    NameFound,
    NameNowhere,
    NameInvalid,
    NameNegative,
}

impl Situation {
    pub fn draw(rng: &mut Rng, socket: Socket, stage: &Stage) -> Self {
        if socket == Socket::Netlink {
            return Self::Connected;
        }
        match rng.below(100) {
            0..74 => Self::Connected,
            74..79 => Self::Unconnected,
            79..82 => Self::ShutDown,
            82..85 => Self::PeerDeaf,
            85 => Self::PeerClosed,
            86 if socket == Socket::UnixSeqPacket => Self::Pending,
            87..91 if stage.can_refuse => Self::Refusing,
            91..95 => Self::NameFound,
            95 => Self::NameNowhere,
            96 => Self::NameInvalid,
            97 => Self::NameNegative,
            _ => Self::Connected,
        }
    }
}

/// What each number is: probed once below the harness's own sockets, and asked for above.
pub struct Numbers {
    table: Vec<Descriptor>,
    open: Vec<i32>,
}

impl Numbers {
    fn probe(ring: Option<i32>) -> Self {
        let table = (0..HIGH).map(|number| match number {
            _ if Some(number) == ring => Descriptor::Ring,
            _ if kernel::is_open(number) => Descriptor::Ordinary,
            _ => Descriptor::Closed,
        });
        let table: Vec<_> = table.collect();
        let open = (0..HIGH).filter(|n| table[*n as usize] == Descriptor::Ordinary).collect();
        Self { table, open }
    }

    /// What a number is, as the kernel will find it.
    pub fn what(&self, number: i32) -> Descriptor {
        match usize::try_from(number).ok().and_then(|at| self.table.get(at)) {
            Some(known) => *known,
            None if number >= 0 && kernel::is_open(number) => Descriptor::Ordinary,
            None => Descriptor::Closed,
        }
    }
}

pub struct Stage {
    compat: bool,
    unix: [Sockets; 3],
    netlink: Pair,
    /// A datagram socket with a name.
    named: i32,
    pub numbers: Rc<Numbers>,
    desk: Memory,
    data: Memory,
    received: Vec<u8>,
    pub ring: Option<i32>,
    pub send_buffer: u64,
    pub can_refuse: bool,
    pub has_own_user: bool,
    pub processes: [i32; 3],
    pub uids: [u32; 3],
    pub gids: [u32; 3],
    limits: Limits,
}

/// What the oracle has to know of the sockets.
pub struct Scene {
    pair: Pair,
    pub name: Name,
    pub connection: Connection,
    pub pending: Option<Errno>,
    pub takes_rights: bool,
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
        // SAFETY: a limit that may always be set, and a number.
        let (uid, limit) = unsafe {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
            limit.rlim_cur = limit.rlim_max.min(4096);
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            (libc::getuid(), limit.rlim_cur)
        };
        decoys();
        let ring = kernel::ring();
        if ring.is_none() {
            println!("SKIPPED: {}: no io_uring here: the rule about its descriptors is left out", lane.name());
        }
        let unix = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET].map(Sockets::new);
        let mut stage = Self {
            compat: lane.compat,
            can_refuse: unix.iter().all(|sockets| sockets.refusing.is_some()),
            unix,
            netlink: netlink(),
            named: named(),
            numbers: Rc::new(Numbers::probe(ring)),
            desk: Memory::new(1),
            data: Memory::new(80),
            received: vec![0; 8192],
            ring,
            send_buffer: send_buffer(),
            has_own_user: uid >= 1_000_000_000,
            // SAFETY: no argument.
            processes: [1, unsafe { libc::getppid() }, 2],
            uids: [0; 3],
            gids: [0; 3],
            limits: Limits {
                option_memory: kernel::option_memory(),
                option_memory_used: 0,
                send_buffer: send_buffer(),
                in_flight: 0,
                open_files: limit,
                version: kernel::version(),
            },
        };
        let sender = super::sender();
        (stage.uids, stage.gids) = (sender.uids, sender.gids);
        stage.load_ballast();
        stage
    }

    fn load_ballast(&mut self) {
        let pair = pair(libc::SOCK_SEQPACKET);
        let numbers = [self.numbers.open[0]; BALLAST];
        // SAFETY: the numbers are open and stay open.
        let fds = numbers.map(|number| unsafe { scmsg::BorrowedFd::borrow_raw(number) });
        // SAFETY: as above.
        let from = unsafe { scmsg::BorrowedFd::borrow_raw(pair.from) };
        assert_eq!(scmsg::send_with_fds(from, b"b", &fds), Ok(1), "ballast");
        self.limits.in_flight = BALLAST as u64;
    }

    pub fn open_number(&self, rng: &mut Rng) -> i32 {
        if rng.percent(2) { self.netlink.to } else { rng.pick(&self.numbers.open) }
    }

    pub fn limits(&self, case: &Case) -> Limits {
        Limits { open_files: case.open_files.unwrap_or(self.limits.open_files), ..self.limits }
    }

    /// Sets the scene of a case.
    pub fn set(&self, case: &Case) -> Scene {
        use Situation::{Connected, PeerClosed, PeerDeaf, Pending, Refusing, ShutDown, Unconnected};
        let sockets = match case.socket {
            Socket::UnixStream => &self.unix[0],
            Socket::UnixDatagram => &self.unix[1],
            Socket::UnixSeqPacket => &self.unix[2],
            Socket::Netlink => return Scene::of(self.netlink, Connection::Open),
        };
        let datagram = case.socket == Socket::UnixDatagram;
        let shut = |otherwise| if datagram { otherwise } else { Connection::ShutDown };
        let nobody = Pair { from: sockets.unconnected, to: self.named };
        match case.situation {
            Connected => Scene::of(sockets.connected, Connection::Open),
            Unconnected => Scene::of(nobody, Connection::None),
            ShutDown => Scene::of(sockets.shut_down, Connection::ShutDown),
            PeerDeaf => Scene::of(sockets.deaf, shut(Connection::PeerDeaf)),
            PeerClosed => Scene { fresh: true, ..Scene::of(half(sockets.kind, false), shut(Connection::PeerClosed)) },
            Pending => {
                let pending = Some(Errno::ECONNRESET);
                Scene { pending, fresh: true, ..Scene::of(half(sockets.kind, true), Connection::ShutDown) }
            }
            Refusing => {
                let pair = sockets.refusing.unwrap_or(sockets.connected);
                Scene { takes_rights: sockets.refusing.is_none(), ..Scene::of(pair, Connection::Open) }
            }
            named => {
                let name = match named {
                    Situation::NameNowhere => Name::Nowhere(Errno::ECONNREFUSED),
                    Situation::NameInvalid => Name::Invalid,
                    Situation::NameNegative => Name::NegativeLength,
                    _ => Name::Found,
                };
                // By turns from a socket with a peer and from one without.
                let connected = case.bytes & 1 == 1;
                let (from, connection) = if connected {
                    (sockets.connected.from, Connection::Open)
                } else {
                    (sockets.unconnected, Connection::None)
                };
                let to = if datagram { self.named } else { sockets.connected.to };
                Scene { name, ..Scene::of(Pair { from, to }, connection) }
            }
        }
    }

    /// Sends, and receives what arrived.
    pub fn act(&mut self, case: &Case, scene: &Scene, control: *const u8, len: u64) -> Seen {
        let name = match scene.name {
            Name::None => None,
            Name::Found => Some(unix_name(b"here")),
            Name::Nowhere(_) => Some(unix_name(b"nowhere")),
            Name::Invalid => Some(([0xff; 64], 10)),
            Name::NegativeLength => Some((unix_name(b"here").0, usize::MAX)),
        };
        let limit = self.limits.open_files;
        let tight = case.open_files.filter(|_| self.has_own_user);
        tight.inspect(|soft| set_limit(*soft));
        let result = if self.compat {
            self.send_compat(case, scene.pair.from, name, control, len)
        } else {
            self.send_native(case, scene.pair.from, name, control, len)
        };
        tight.inspect(|_| set_limit(limit));
        let mut seen = Seen { result, messages: 0, bytes: 0, descriptors: 0, credentials: None };
        if scene.fresh {
            close(scene.pair.from);
        } else {
            self.drain(scene.pair.to, &mut seen);
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
            if bytes == 0 && credentials == Some((0, 0, 0)) {
                return;
            }
            seen.messages += 1;
            seen.credentials = seen.credentials.or(credentials);
        }
    }
}

impl Scene {
    fn of(pair: Pair, connection: Connection) -> Self {
        Self { pair, name: Name::None, connection, pending: None, takes_rights: true, fresh: false }
    }
}

fn set_limit(soft: u64) {
    // SAFETY: a limit below the hard one.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = soft;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), "setrlimit");
    }
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
