//! Turns control bytes and the state of the world into what a right `sendmsg(2)` answers.
//!
//! ```text
//! entry      flags, address length, msg_controllen          this file
//! import     the bytes are copied in, compat translated     import.rs
//! parse      message by message, descriptor by descriptor   parse.rs
//! protocol   unix stream, datagram, seqpacket; netlink      protocol.rs
//! ```
//!
//! Laws: the first rule that decides, decides; errors come in the kernel's order; an error loses every descriptor and sends
//! nothing. What no program can foresee is left out: memory that runs out, a full queue, a security module, another
//! thread that closes a descriptor meanwhile.

mod import;
mod parse;
mod protocol;

use core::fmt;

use super::layout::{Abi, Layout};
use super::rule::{Rule, Rules};
use crate::errno::Errno;
use crate::message::Credentials;
use crate::numbers::MSG_CMSG_COMPAT;

/// The family and type of the sending socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Socket {
    /// `AF_UNIX`, `SOCK_STREAM`.
    UnixStream,
    /// `AF_UNIX`, `SOCK_DGRAM`.
    UnixDatagram,
    /// `AF_UNIX`, `SOCK_SEQPACKET`.
    UnixSeqPacket,
    /// `AF_NETLINK`, of either type.
    Netlink,
}

/// What `msg_control` points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlArea<'a> {
    /// The bytes that can be read there; those behind them are not mapped. `None` where the pointer is null.
    pub readable: Option<&'a [u8]>,
    /// `msg_controllen`.
    pub len: u64,
}

impl<'a> ControlArea<'a> {
    /// No control bytes.
    pub const NONE: Self = Self { readable: None, len: 0 };

    /// These bytes, with their true length.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { readable: Some(bytes), len: bytes.len() as u64 }
    }
}

/// What `msg_name` and `msg_namelen` lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// No address.
    None,
    /// An address with a negative length.
    NegativeLength,
    /// An address of the right form, and a socket that listens to it.
    Found,
    /// An address of the right form that does not lead to a socket that takes the message: for a datagram what `connect(2)`
    /// would say (EPERM if that socket is connected to another), or EPIPE if it is shut down for reading; for netlink
    /// ECONNREFUSED if nobody has the number, EPERM if only the privileged may send there.
    Nowhere(Errno),
    /// Not an address of this family.
    Invalid,
}

/// How the sending socket stands to the one it sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connection {
    /// It is not connected. For netlink: nor does the kernel listen to the protocol.
    None,
    /// It is connected to an open socket. For netlink also: it is not connected, and the kernel listens.
    Open,
    /// It is shut down for writing: by itself, or (stream, seqpacket) because the peer closed or stopped reading.
    ShutDown,
    /// Datagram: the peer is shut down for reading.
    PeerDeaf,
    /// Datagram: the peer is open and has connected to another socket since, however else it is.
    PeerElsewhere,
    /// Datagram and netlink: the peer is closed.
    PeerClosed,
}

/// What a number in `SCM_RIGHTS` is in the sender's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Descriptor {
    /// Not open.
    Closed,
    /// Open, and anything but the next.
    Ordinary,
    /// An io_uring.
    Ring,
}

/// What the sender may do, each in the user namespace that the kernel asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// `CAP_SYS_ADMIN` in the namespace that owns the sender's pid namespace: [`Rule::CredentialsPid`].
    pub sys_admin: bool,
    /// `CAP_SETUID` in the sender's own.
    pub set_uid: bool,
    /// `CAP_SETGID` in the sender's own.
    pub set_gid: bool,
    /// `CAP_SYS_RESOURCE` in the first one of all: [`Rule::InFlight`].
    pub sys_resource: bool,
    /// `CAP_SYS_ADMIN` in the first one of all: [`Rule::InFlight`]. As [`sys_admin`](Self::sys_admin) outside containers.
    pub first_sys_admin: bool,
}

impl Capabilities {
    /// Root's.
    pub const ALL: Self =
        Self { sys_admin: true, set_uid: true, set_gid: true, sys_resource: true, first_sys_admin: true };
}

/// The sending process, in its own namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    /// Its process number (`getpid(2)`).
    pub pid: i32,
    /// Real, effective and saved user.
    pub uids: [u32; 3],
    /// Real, effective and saved group.
    pub gids: [u32; 3],
    /// What it may do.
    pub can: Capabilities,
}

/// A kernel's version: major, minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16, pub u16);

/// Limits and state outside the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// `net.core.optmem_max`, bytes: 131072 since Linux 6.8.
    pub option_memory: u64,
    /// Bytes of it that the socket's options hold already.
    pub option_memory_used: u64,
    /// `SO_SNDBUF` as `getsockopt(2)` reads it, bytes.
    pub send_buffer: u64,
    /// Descriptors the sender's user has in flight, in every socket of every process.
    pub in_flight: u64,
    /// The soft `RLIMIT_NOFILE`.
    pub open_files: u64,
    /// The kernel, for what has changed.
    pub version: Version,
}

/// One `sendmsg(2)`: everything that decides about its answer.
///
/// Data is taken to be readable, in at most 1,024 pieces, and on a stream to fit into the queue as one piece.
#[derive(Clone, Copy)]
pub struct Send<'a> {
    /// Whose structures the message is made of. A layout other than the native one stands for a kernel of that layout.
    pub layout: Layout,
    /// The socket.
    pub socket: Socket,
    /// What the message's control fields say.
    pub control: ControlArea<'a>,
    /// What its address fields say.
    pub name: Name,
    /// Data bytes, without the sign bit of the layout's `ssize_t`: a length that has it is EINVAL before anything here.
    pub bytes: u64,
    /// The flags of the call.
    pub flags: u32,
    /// Whom it reaches.
    pub connection: Connection,
    /// The error waiting in the socket (`SO_ERROR`), if any.
    pub pending: Option<Errno>,
    /// The peer's `SO_PASSRIGHTS`: on, unless the peer switched it off.
    pub peer_takes_rights: bool,
    /// What each number is in the sender's table.
    pub descriptor: &'a dyn Fn(i32) -> Descriptor,
    /// Whether the sender's pid namespace has this process.
    pub process: &'a dyn Fn(i32) -> bool,
    /// Whether the sender's user namespace maps this user. 4294967295 is not asked about: none does.
    pub user: &'a dyn Fn(u32) -> bool,
    /// Whether it maps this group; likewise.
    pub group: &'a dyn Fn(u32) -> bool,
    /// Who sends.
    pub sender: Sender,
    /// Limits and state.
    pub limits: Limits,
    /// The rules that hold.
    pub rules: Rules,
}

/// What `sendmsg(2)` answers, and what becomes of what it carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It returns `bytes`, and the message is in the peer's queue.
    Sent {
        /// What the call returns.
        bytes: u64,
        /// Descriptors on the way.
        descriptors: usize,
        /// What the last `SCM_CREDENTIALS` said; without one the kernel fills in the sender's own.
        credentials: Option<Credentials>,
    },
    /// It returns 0 and nothing is in the queue: a stream without data. The descriptors on the way are gone.
    Dropped {
        /// How many.
        descriptors: usize,
    },
    /// It fails.
    Failed(Errno),
}

/// Where in the control bytes a verdict fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which message, from 0.
    pub item: usize,
    /// Where its header starts, in bytes from the start of the control bytes.
    pub offset: u64,
    /// Which descriptor in it, from 0.
    pub element: Option<usize>,
}

/// An outcome and what decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// What the call answers.
    pub outcome: Outcome,
    /// The rule that decided; `None` where nothing stood in the way.
    pub rule: Option<Rule>,
    /// The message that decided; `None` where none did.
    pub place: Option<Place>,
}

/// A rule that ends the call.
#[derive(Clone, Copy)]
struct Stop {
    outcome: Outcome,
    rule: Rule,
    place: Option<Place>,
}

/// What the parse has gathered.
#[derive(Clone, Copy, Default)]
struct Cargo {
    descriptors: usize,
    credentials: Option<Credentials>,
}

impl Send<'_> {
    /// Ends the call with `errno` if `rule` holds and `condition` is met.
    fn refuse(&self, rule: Rule, condition: bool, errno: Errno) -> Result<(), Stop> {
        self.refuse_at(rule, condition, errno, None)
    }

    fn refuse_at(&self, rule: Rule, condition: bool, errno: Errno, place: Option<Place>) -> Result<(), Stop> {
        if condition && self.rules.holds(rule) {
            return Err(Stop { outcome: Outcome::Failed(errno), rule, place });
        }
        Ok(())
    }

    fn entry(&self) -> Result<(), Stop> {
        let native64 = self.layout.abi == Abi::Native64;
        self.refuse(Rule::CompatBit, native64 && self.flags & MSG_CMSG_COMPAT != 0, Errno::EINVAL)?;
        self.refuse(Rule::NameLength, self.name == Name::NegativeLength, Errno::EINVAL)?;
        self.refuse(Rule::ControlTooLong, self.control.len > 0x7fff_ffff, Errno::ENOBUFS)
    }

    fn decide(&self) -> Result<Outcome, Stop> {
        self.entry()?;
        let imported = self.import()?;
        self.before_parse()?;
        let cargo = self.parse(imported)?;
        self.protocol(cargo)
    }
}

/// What a right kernel answers to this call.
///
/// # Examples
/// 253 descriptors pass, in as many messages as one likes; one more is refused:
/// ```
/// use scmsg::Errno;
/// use scmsg::oracle::forge::{Forgery, Item, Payload};
/// use scmsg::oracle::{ControlArea, Layout, Outcome, Rule, Send, send};
///
/// let full = Item { payload: Payload::Repeat { number: 0, count: 253 }, ..Item::rights(&[]) };
/// let mut storage = [0; 2048];
/// let one_more = [full, Item::rights(&[0])];
/// let forged = Forgery::new(Layout::NATIVE, &one_more).build(&mut storage)?;
/// let verdict = send(&Send { control: ControlArea::new(forged.bytes), ..Send::ordinary() });
/// assert_eq!(verdict.outcome, Outcome::Failed(Errno::EINVAL));
/// assert_eq!(verdict.rule, Some(Rule::MergeLimit));
/// # Ok::<(), scmsg::NoSpace>(())
/// ```
#[must_use]
pub fn send(call: &Send<'_>) -> Verdict {
    match call.decide() {
        Ok(outcome) => Verdict { outcome, rule: None, place: None },
        Err(Stop { outcome, rule, place }) => Verdict { outcome, rule: Some(rule), place },
    }
}

impl Send<'static> {
    /// One data byte on a connected seqpacket socket, from an unprivileged process 2 of user and group 1000 among the
    /// processes 1 and 2, with every number that is not negative an open file, in the first namespaces, under the defaults
    /// of Linux 6.18: change the fields from there.
    #[must_use]
    pub fn ordinary() -> Self {
        Self {
            layout: Layout::NATIVE,
            socket: Socket::UnixSeqPacket,
            control: ControlArea::NONE,
            name: Name::None,
            bytes: 1,
            flags: 0,
            connection: Connection::Open,
            pending: None,
            peer_takes_rights: true,
            descriptor: &|number| if number < 0 { Descriptor::Closed } else { Descriptor::Ordinary },
            process: &|pid| matches!(pid, 1 | 2),
            user: &|_| true,
            group: &|_| true,
            sender: Sender { pid: 2, uids: [1000; 3], gids: [1000; 3], can: Capabilities::default() },
            limits: Limits {
                option_memory: 131_072,
                option_memory_used: 0,
                send_buffer: 212_992,
                in_flight: 0,
                open_files: 1024,
                version: Version(6, 18),
            },
            rules: Rules::ALL,
        }
    }
}

impl fmt::Debug for Send<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send")
            .field("layout", &self.layout)
            .field("socket", &self.socket)
            .field("control", &self.control)
            .field("name", &self.name)
            .field("bytes", &self.bytes)
            .field("flags", &self.flags)
            .field("connection", &self.connection)
            .field("pending", &self.pending)
            .field("peer_takes_rights", &self.peer_takes_rights)
            .field("sender", &self.sender)
            .field("limits", &self.limits)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
