//! Turns one call of the oracle into a C program that makes it: for a report to people who have neither this crate nor Rust.
//!
//! The program needs a C library and nothing else. It opens what the message names, becomes the sender, makes the same control
//! bytes with a page behind them that cannot be read, sends, and prints what came back and what the oracle expects.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | as expected |
//! | 1 | not as expected |
//! | 2 | it cannot be set up there: another word size, a missing privilege, another limit |
//!
//! Laws: the same call gives the same program. What cannot be the same elsewhere is replaced by what is equal to it: the
//! sender's process number by that of the program, another existing process by process 1, one that does not exist by a number
//! no process has. Real descriptors stay at the numbers the message names.

mod receive;

use core::fmt::{self, Display, Formatter, Write};

pub use receive::ReceiveReproducer;

use super::explain::Explain;
use super::foreign::ForeignCmsgs;
use super::layout::{Abi, ByteOrder, Layout};
use super::send::{Connection, Descriptor, Name, Outcome, Send, Socket, send};
use crate::errno::Errno;
use crate::numbers::{SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET, int};

/// The programs before what is a call's own, and after it.
const HEAD: &str = include_str!("reproducer/head.c");
const COMMON: &str = include_str!("reproducer/common.c");
const SEND: &str = include_str!("reproducer/send.c");

/// A standalone C program that makes this call and says whether the answer is the oracle's: prints the source.
///
/// # Examples
/// ```
/// use scmsg::oracle::forge::{Forgery, Item};
/// use scmsg::oracle::{ControlArea, Layout, Reproducer, Send};
///
/// let mut storage = [0; 32];
/// let forged = Forgery::new(Layout::NATIVE, &[Item::rights(&[-1])]).build(&mut storage)?;
/// let call = Send { control: ControlArea::new(forged.bytes), ..Send::ordinary() };
/// let source = Reproducer::new(&call).to_string();
/// assert!(source.contains("#define WANT_ERRNO EBADF"));
/// assert!(source.contains("int main(void)"));
/// # Ok::<(), scmsg::NoSpace>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reproducer<'a> {
    call: &'a Send<'a>,
}

impl<'a> Reproducer<'a> {
    /// Of this call, and of what [`send()`] answers to it.
    #[must_use]
    pub const fn new(call: &'a Send<'a>) -> Self {
        Self { call }
    }

    /// The control bytes the kernel comes to, message by message.
    fn messages(&self) -> ForeignCmsgs<'a> {
        let bytes = self.call.control.readable.unwrap_or_default();
        let seen = usize::try_from(self.call.control.len).ok().and_then(|len| bytes.get(..len));
        ForeignCmsgs::new(self.call.layout, seen.unwrap_or(bytes))
    }

    fn sockets(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let call = self.call;
        let (family, kind) = match call.socket {
            Socket::UnixStream => ("AF_UNIX", "SOCK_STREAM"),
            Socket::UnixDatagram => ("AF_UNIX", "SOCK_DGRAM"),
            Socket::UnixSeqPacket => ("AF_UNIX", "SOCK_SEQPACKET"),
            Socket::Netlink => ("AF_NETLINK", "SOCK_RAW"),
        };
        define(f, "FAMILY", family)?;
        define(f, "TYPE", kind)?;
        let connection = match call.connection {
            Connection::None => "NOBODY",
            Connection::Open => "PEER_OPEN",
            Connection::ShutDown => "SHUT_DOWN",
            Connection::PeerDeaf => "PEER_DEAF",
            Connection::PeerElsewhere => "PEER_ELSEWHERE",
            Connection::PeerClosed => "PEER_CLOSED",
        };
        define(f, "CONNECTION", connection)?;
        let (name, errno) = match call.name {
            Name::None => ("NO_NAME", None),
            Name::NegativeLength => ("NAME_NEGATIVE", None),
            Name::Found => ("NAME_FOUND", None),
            Name::Nowhere(errno) => ("NAME_NOWHERE", Some(errno)),
            Name::Invalid => ("NAME_INVALID", None),
        };
        define(f, "NAME", name)?;
        define(f, "NAME_ERRNO", Symbol(errno))?;
        define(f, "PENDING", Symbol(call.pending))?;
        define(f, "PEER_TAKES_RIGHTS", u8::from(call.peer_takes_rights))?;
        // Not in the headers of most machines yet.
        writeln!(f, "#ifndef SO_PASSRIGHTS")?;
        define(f, "SO_PASSRIGHTS", linux_raw_sys::net::SO_PASSRIGHTS)?;
        writeln!(f, "#endif")
    }

    fn message(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let call = self.call;
        let bytes = call.control.readable.unwrap_or_default();
        define(f, "BYTES", format_args!("{}ull", call.bytes))?;
        define(f, "FLAGS", format_args!("{:#x}u", call.flags))?;
        define(f, "CONTROL_NULL", u8::from(call.control.readable.is_none()))?;
        define(f, "CONTROL_LEN", format_args!("{}ull", call.control.len))?;
        define(f, "READABLE", format_args!("{}ul", bytes.len()))?;
        array(f, "control", bytes)
    }

    /// What the message names: descriptors, and processes with the offsets where they stand.
    fn world(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("static const struct number numbers[] = {")?;
        let rights = self.messages().map_while(Result::ok).filter(|m| (m.level, m.kind) == (SOL_SOCKET, SCM_RIGHTS));
        let mut before = -1;
        for number in rights.filter_map(|message| message.rights()).flatten().filter(|number| *number >= 0) {
            let what = match (self.call.descriptor)(number) {
                Descriptor::Closed => "CLOSED",
                Descriptor::Ordinary => "OPEN",
                Descriptor::Ring => "RING",
            };
            if number != before {
                write!(f, "\n    {{{number}, {what}}},")?;
            }
            before = number;
        }
        f.write_str("\n    {-1, CLOSED},\n};\nstatic const struct process processes[] = {")?;
        let mut walk = self.messages();
        let (mut named, mut apart) = (false, self.call.sender.can.sys_admin != self.call.sender.can.first_sys_admin);
        loop {
            let start = walk.offset();
            let Some(Ok(message)) = walk.next() else { break };
            let Some(pid) = message.i32_at(0) else { continue };
            if (message.level, message.kind) != (SOL_SOCKET, SCM_CREDENTIALS) {
                continue;
            }
            named = true;
            let lacks =
                |at, maps: &dyn Fn(u32) -> bool| message.u32_at(at).is_some_and(|id| id != u32::MAX && !maps(id));
            apart |= lacks(4, self.call.user) || lacks(8, self.call.group);
            let process = self.process(pid);
            if process != "AS_IT_IS" {
                write!(f, "\n    {{{}, {process}}},", start.saturating_add(self.call.layout.header()))?;
            }
        }
        f.write_str("\n    {0, AS_IT_IS},\n};\n")?;
        define(f, "NAMESPACES", u8::from(apart))?;
        define(f, "NAMES_IDS", u8::from(named))
    }

    /// What a process number is to the sender.
    fn process(&self, pid: i32) -> &'static str {
        match pid {
            pid if pid == self.call.sender.pid => "THIS_PROCESS",
            ..=0 => "AS_IT_IS",
            pid if (self.call.process)(pid) => "FIRST_PROCESS",
            _ => "NO_PROCESS",
        }
    }

    fn sender(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (sender, limits) = (&self.call.sender, &self.call.limits);
        let [real, effective, saved] = sender.uids;
        writeln!(f, "static const uid_t uids[3] = {{{real}u, {effective}u, {saved}u}};")?;
        let [real, effective, saved] = sender.gids;
        writeln!(f, "static const gid_t gids[3] = {{{real}u, {effective}u, {saved}u}};")?;
        let bit = |has: bool, number: u32| u32::from(has) << number;
        let can = sender.can;
        let capabilities =
            bit(can.set_gid, 6) | bit(can.set_uid, 7) | bit(can.sys_admin, 21) | bit(can.sys_resource, 24);
        define(f, "CAPABILITIES", format_args!("{capabilities:#x}u"))?;
        define(f, "OPTION_MEMORY", format_args!("{}ull", limits.option_memory))?;
        define(f, "OPTION_MEMORY_USED", format_args!("{}ull", limits.option_memory_used))?;
        define(f, "SEND_BUFFER", limits.send_buffer)?;
        define(f, "IN_FLIGHT", format_args!("{}ull", limits.in_flight))?;
        define(f, "OPEN_FILES", format_args!("{}ull", limits.open_files))?;
        define(f, "VERSION", format_args!("\"{}.{}\"", limits.version.0, limits.version.1))
    }

    fn expected(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (what, bytes, descriptors, errno, credentials) = match send(self.call).outcome {
            Outcome::Sent { bytes, descriptors, credentials } => ("SENT", bytes, descriptors, None, credentials),
            Outcome::Dropped { .. } => ("DROPPED", 0, 0, None, None),
            Outcome::Failed(errno) => ("FAILS", 0, 0, Some(errno), None),
        };
        define(f, "WANT", what)?;
        define(f, "WANT_ERRNO", Symbol(errno))?;
        define(f, "WANT_BYTES", bytes)?;
        define(f, "WANT_DESCRIPTORS", descriptors)?;
        let pid = credentials.map_or(0, |said| said.pid.map_or(0, |pid| int(pid.get())));
        let (uid, gid) = credentials.map_or((0, 0), |said| (said.uid, said.gid));
        define(f, "WANT_PID_IS", credentials.map_or("THIS_PROCESS", |_| self.process(pid)))?;
        define(f, "WANT_PID", pid)?;
        define(f, "WANT_OWN_IDS", u8::from(credentials.is_none()))?;
        define(f, "WANT_UID", format_args!("{uid}u"))?;
        define(f, "WANT_GID", format_args!("{gid}u"))
    }
}

impl Display for Reproducer<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("// One sendmsg(2), and what a right kernel answers. Ends with 0 if it answers that, 1 if not,\n")?;
        f.write_str("// 2 if it cannot be tried here.\n//\n// ")?;
        write!(Comment(f), "{}", Explain::sent(self.call))?;
        f.write_str("\n\n")?;
        f.write_str(HEAD)?;
        abi(f, self.call.layout)?;
        self.sockets(f)?;
        self.message(f)?;
        self.world(f)?;
        self.sender(f)?;
        self.expected(f)?;
        f.write_str(COMMON)?;
        f.write_str(SEND)
    }
}

fn abi(f: &mut Formatter<'_>, layout: Layout) -> fmt::Result {
    define(f, "BITS", layout.alignment().saturating_mul(8))?;
    define(f, "BIG", u8::from(layout.order == ByteOrder::Big))?;
    define(f, "COMPAT", u8::from(layout.abi == Abi::Compat))
}

/// Bytes as a constant of C, and a zero behind them: C has no empty arrays.
fn array(f: &mut Formatter<'_>, name: &str, bytes: &[u8]) -> fmt::Result {
    write!(f, "static const unsigned char {name}[{}] = {{", bytes.len().saturating_add(1))?;
    for line in bytes.chunks(16) {
        f.write_str("\n   ")?;
        line.iter().try_for_each(|byte| write!(f, " {byte:#04x},"))?;
    }
    f.write_str("\n};\n")
}

fn define(f: &mut Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "#define {name} {value}")
}

/// An errno as C writes it; 0 for none.
struct Symbol(Option<Errno>);

impl Display for Symbol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.map(|errno| (errno.name(), errno.raw())) {
            Some((Some(name), _)) => f.write_str(name),
            Some((None, number)) => write!(f, "{number}"),
            None => f.write_str("0"),
        }
    }
}

/// Begins every line as a comment of C.
struct Comment<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Comment<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut lines = text.split('\n');
        self.0.write_str(lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(self.0, "\n// {line}"))
    }
}
