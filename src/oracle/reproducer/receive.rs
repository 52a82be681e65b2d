//! Turns one receive of the oracle into a C program that makes it: fills a queue, receives, and compares with the oracle byte
//! for byte.
//!
//! Laws as in the program that sends: the same case gives the same program, and what is another number on every machine is
//! replaced by what is equal to it. The first sender becomes the program itself, every other one a child of it; their ids are
//! the program's; the bytes of timestamps are not compared.

use core::fmt::{self, Display, Formatter, Write};

use linux_raw_sys::net;

use super::{COMMON, Comment, HEAD, Symbol, abi, array, define};
use crate::errno::Errno;
use crate::numbers::{SCM_CREDENTIALS, SOL_SOCKET, int};
use crate::oracle::foreign::ForeignCmsgs;
use crate::oracle::receive::{Answer, Carrier, Origin, Packet, Receipt, Receive, Unit};
use crate::oracle::rule::Rule;

const RECEIVE: &str = include_str!("receive.c");

/// A standalone C program that makes this receive and says whether the answer is the oracle's: prints the source.
///
/// [`receive()`](crate::oracle::receive()) changes its queue and the control bytes, so both are given as they were before.
///
/// # Examples
/// ```
/// use scmsg::oracle::{Packet, Queue, Receive, ReceiveReproducer, receive};
///
/// let call = Receive { control: Some(24), ..Receive::ordinary() };
/// let packets = [Packet { bytes: 1, descriptors: 3, ..Packet::default() }];
/// let (mut queued, before) = (packets, [0xff; 24]);
/// let mut after = before;
/// let mut queue = Queue { packets: &mut queued, ended: false, error: None, overcount: 0 };
/// let receipt = receive(&call, &mut queue, &mut after);
/// let reproducer = ReceiveReproducer {
///     call: &call,
///     packets: &packets,
///     ended: false,
///     error: None,
///     overcount: 0,
///     before: &before,
///     after: &after,
///     receipt,
/// };
/// assert!(reproducer.to_string().contains("#define WANT_OPENED 2"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ReceiveReproducer<'a> {
    /// The call.
    pub call: &'a Receive<'a>,
    /// The queue before the call.
    pub packets: &'a [Packet<'a>],
    /// Whether nothing more could come.
    pub ended: bool,
    /// The error the socket had to report.
    pub error: Option<Errno>,
    /// Bytes that `SO_INQ` counted although they were gone.
    pub overcount: u64,
    /// The control bytes before the call, up to where the memory ends: the program has nothing behind them.
    pub before: &'a [u8],
    /// The control bytes as the oracle left them; as many.
    pub after: &'a [u8],
    /// What the oracle answered.
    pub receipt: Receipt,
}

impl<'a> ReceiveReproducer<'a> {
    /// The different senders, in order of appearance.
    fn senders(&self) -> impl Iterator<Item = Origin> + use<'a> {
        let packets = self.packets;
        packets.iter().enumerate().filter_map(move |(index, packet)| {
            let sender = packet.sender?;
            let before = packets.iter().take(index).any(|packet| packet.sender == Some(sender));
            (!before).then_some(sender)
        })
    }

    fn why(&self, f: &mut Comment<'_, '_>) -> fmt::Result {
        write!(f, "the oracle: {:?}", self.receipt.answer)?;
        let refused = match self.receipt.answer {
            Answer::Refused { rule, .. } => Some(rule),
            _ => None,
        };
        let say = |f: &mut Comment<'_, '_>, rule: Rule| {
            write!(f, "\nrule {}: {} [{}]", rule.name(), rule.text(), rule.source())
        };
        refused.into_iter().chain(self.receipt.truncated).try_for_each(|rule| say(f, rule))?;
        match Rule::ALL.iter().find(|rule| !self.call.rules.holds(**rule)) {
            Some(without) => write!(f, "\nwithout rule {without}: this oracle is wrong on purpose"),
            None => Ok(()),
        }
    }

    fn queue(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.call.carrier {
            Carrier::Stream => "SOCK_STREAM",
            Carrier::Datagram => "SOCK_DGRAM",
            Carrier::SeqPacket => "SOCK_SEQPACKET",
        };
        define(f, "TYPE", kind)?;
        define(f, "CONNECTED", u8::from(self.call.connected))?;
        define(f, "NAMESPACES", u8::from(self.call.root != (0, 0)))?;
        define(f, "ENDED", u8::from(self.ended))?;
        define(f, "PENDING", Symbol(self.error))?;
        define(f, "OVERCOUNT", format_args!("{}ull", self.overcount))?;
        f.write_str("static const struct packet packets[] = {")?;
        for packet in self.packets {
            let sender = self.senders().position(|sender| packet.sender == Some(sender));
            let sender = sender.and_then(|sender| i32::try_from(sender).ok()).unwrap_or(-1);
            let urgent = u8::from(packet.urgent);
            write!(f, "\n    {{{}ull, {}, {sender}, {urgent}}},", packet.bytes, packet.descriptors)?;
        }
        f.write_str("\n    {0, -1, 0, 0},\n};\n")?;
        define(f, "SENDERS", self.senders().count())?;
        define(f, "SENDERS_GONE", u8::from(self.senders().any(|sender| sender.process.is_err())))?;
        let labels = self.call.options.security && self.packets.iter().any(|packet| packet.label.is_some());
        define(f, "LABELS", u8::from(labels))
    }

    fn options(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let options = self.call.options;
        define(f, "ASKS_CREDENTIALS", u8::from(options.credentials))?;
        define(f, "ASKS_PIDFD", u8::from(options.pidfd))?;
        define(f, "ASKS_LABEL", u8::from(options.security))?;
        define(f, "ASKS_INQ", u8::from(options.inq))?;
        define(f, "ASKS_INLINE", u8::from(options.urgent_inline))?;
        let time = match (options.timestamp, options.new_timestamps) {
            (None, _) => 0,
            (Some(Unit::Microseconds), false) => net::SO_TIMESTAMP_OLD,
            (Some(Unit::Microseconds), true) => net::SO_TIMESTAMP_NEW,
            (Some(Unit::Nanoseconds), false) => net::SO_TIMESTAMPNS_OLD,
            (Some(Unit::Nanoseconds), true) => net::SO_TIMESTAMPNS_NEW,
        };
        let times = match (options.timestamping, options.new_timestamps) {
            (false, _) => 0,
            (true, false) => net::SO_TIMESTAMPING_OLD,
            (true, true) => net::SO_TIMESTAMPING_NEW,
        };
        define(f, "ASKS_TIME", time)?;
        define(f, "ASKS_TIMES", times)?;
        // The headers of most machines lack the younger ones.
        define(f, "PASS_PIDFD", net::SO_PASSPIDFD)?;
        define(f, "PASS_LABEL", net::SO_PASSSEC)?;
        define(f, "INQ", net::SO_INQ)
    }

    fn message(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let call = self.call;
        let claimed = call.control.unwrap_or(0);
        let claimed = if call.layout.alignment() == 4 { claimed & 0xffff_ffff } else { claimed };
        define(f, "DATA", format_args!("{}ull", call.data))?;
        define(f, "FLAGS", format_args!("{:#x}u", call.flags))?;
        define(f, "CONTROL_NULL", u8::from(call.control.is_none()))?;
        define(f, "CONTROL_LEN", format_args!("{claimed}ull"))?;
        array(f, "before", self.before)?;
        array(f, "after", self.after)
    }

    /// The numbers that are free when the call is made: as many as it could need, and one more.
    fn numbers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let carried = self.packets.iter().fold(2, |sum: usize, packet| sum.saturating_add(packet.descriptors));
        f.write_str("static const struct number numbers[] = {")?;
        let mut full = 0;
        for k in 0..carried.min(512) {
            let Some(number) = (self.call.free)(k) else {
                full = 1;
                break;
            };
            write!(f, "\n    {{{number}, CLOSED}},")?;
        }
        f.write_str("\n    {-1, CLOSED},\n};\n")?;
        define(f, "TABLE_FULL", full)
    }

    /// What is another number on every machine: where, how long, and of which sender; -1 is not compared.
    fn fields(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("static const struct field fields[] = {")?;
        let len = match self.receipt.answer {
            Answer::Received { controllen, .. } => usize::try_from(controllen).ok(),
            // A stream that fails can have written some: all that are there.
            _ => None,
        };
        let mut walk =
            ForeignCmsgs::new(self.call.layout, len.and_then(|len| self.after.get(..len)).unwrap_or(self.after));
        loop {
            let start = walk.offset().saturating_add(self.call.layout.header());
            let Some(Ok(message)) = walk.next() else { break };
            if message.level != SOL_SOCKET || message.payload.is_empty() {
                continue;
            }
            let what = match message.kind {
                SCM_CREDENTIALS => self.sender_of(message.payload),
                kind if is_time(kind) => Some(-1),
                _ => None,
            };
            if let Some(what) = what {
                write!(f, "\n    {{{start}, {}, {what}}},", message.payload.len().min(if what < 0 { 48 } else { 12 }))?;
            }
        }
        f.write_str("\n    {0, 0, 0},\n};\n")
    }

    /// Which sender credentials, perhaps cut, are of.
    fn sender_of(&self, payload: &[u8]) -> Option<i32> {
        let layout = self.call.layout;
        let is = |sender: Origin| {
            let mut whole = [0; 12];
            for (field, number) in whole.chunks_exact_mut(4).zip([sender.pid, int(sender.uid), int(sender.gid)]) {
                layout.write_i32(field, number);
            }
            whole.starts_with(payload)
        };
        self.senders().position(is).and_then(|sender| i32::try_from(sender).ok())
    }

    fn expected(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (bytes, len, flags, errno) = match self.receipt.answer {
            Answer::Received { bytes, controllen, flags } => (bytes, controllen, flags, None),
            Answer::Refused { errno, .. } => (0, 0, 0, Some(errno)),
            Answer::Waits => (0, 0, 0, None),
        };
        define(f, "WANT_WAITS", u8::from(self.receipt.answer == Answer::Waits))?;
        define(f, "WANT_BYTES", bytes)?;
        define(f, "WANT_ERRNO", Symbol(errno))?;
        define(f, "WANT_CONTROL_LEN", format_args!("{len}ul"))?;
        define(f, "WANT_FLAGS", format_args!("{flags:#x}u"))?;
        let pidfd = usize::from(matches!(self.receipt.pidfd, Some(Ok(_))));
        define(f, "WANT_OPENED", self.receipt.descriptors.saturating_add(pidfd))?;
        let closed = if self.receipt.close_on_exec { self.receipt.descriptors } else { 0 };
        define(f, "WANT_CLOEXEC", closed.saturating_add(pidfd))
    }
}

/// Whether a message of `SOL_SOCKET` holds timestamps.
fn is_time(kind: i32) -> bool {
    let kinds = [
        net::SO_TIMESTAMP_OLD,
        net::SO_TIMESTAMP_NEW,
        net::SO_TIMESTAMPNS_OLD,
        net::SO_TIMESTAMPNS_NEW,
        net::SO_TIMESTAMPING_OLD,
        net::SO_TIMESTAMPING_NEW,
    ];
    kinds.map(int).contains(&kind)
}

impl Display for ReceiveReproducer<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("// One recvmsg(2), and what a right kernel answers. Ends with 0 if it answers that, 1 if not,\n")?;
        f.write_str("// 2 if it cannot be tried here.\n//\n// ")?;
        self.why(&mut Comment(f))?;
        f.write_str("\n\n")?;
        f.write_str(HEAD)?;
        abi(f, self.call.layout)?;
        self.queue(f)?;
        self.options(f)?;
        self.message(f)?;
        self.numbers(f)?;
        self.fields(f)?;
        self.expected(f)?;
        f.write_str(COMMON)?;
        f.write_str(RECEIVE)
    }
}
