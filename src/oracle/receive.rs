//! Turns what is queued on a unix socket, with a receiver's room and wishes, into the exact answer of `recvmsg(2)`.
//!
//! Laws: pure and total; every byte the kernel writes is written and no other, so padding stays as the caller had it; the
//! queue is left as the kernel leaves it; what decided a refusal or a truncation is named.
//!
//! ```text
//! datagram, seqpacket   timestamp, timestamps | credentials, label, descriptors, process descriptor
//! stream                                        credentials, label, descriptors, process descriptor | bytes left
//!                       |  however the rest goes | only where msg_control is not null                |
//! ```
//!
//! Not here: addresses (`msg_name`), memory that cannot be written, `SO_PEEK_OFF`, what a security module refuses.

mod control;
mod queue;

use core::fmt;

use linux_raw_sys::net;

use self::control::Writer;
use super::{Abi, Layout, Rule, Rules};
use crate::errno::Errno;
use crate::numbers::{MSG_CMSG_COMPAT, SCM_INQ, int};

/// What kind of unix socket receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// `SOCK_STREAM`.
    Stream,
    /// `SOCK_DGRAM`.
    Datagram,
    /// `SOCK_SEQPACKET`.
    SeqPacket,
}

/// A point in time, as the kernel stamps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds in the second, 0 to 999999999.
    pub nanoseconds: u32,
}

/// Who sent, in the receiver's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    /// Process; 0 if the receiver's namespace does not have it.
    pub pid: i32,
    /// User; 65534 if the receiver's namespace does not map it.
    pub uid: u32,
    /// Group; likewise.
    pub gid: u32,
    /// Whether the kernel can open the process; the errno it puts in the place of a descriptor if not. A full descriptor
    /// table is not said here but by [`Receiver::free`].
    pub process: Result<(), Errno>,
}

/// One message in a queue, or one write to a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packet<'a> {
    /// Bytes of data not yet read.
    pub bytes: u64,
    /// Descriptors that travel with it.
    pub descriptors: usize,
    /// Its sender; `None` if neither end had asked for credentials when it was sent.
    pub sender: Option<Sender>,
    /// Security label of the sender, as `SCM_SECURITY` carries it; `None` without a security module that has labels.
    pub label: Option<&'a [u8]>,
    /// When it was sent, or first looked at with timestamps on.
    pub time: Time,
    /// Whether it is the stream's out-of-band byte. Only the last one sent is; those before it are plain data.
    pub urgent: bool,
}

/// A socket's receive queue. A receive changes it as the kernel does: [`packets`](Self::packets) loses from the front.
#[derive(Debug)]
pub struct Queue<'q, 'a> {
    /// In order of arrival.
    pub packets: &'q mut [Packet<'a>],
    /// Whether nothing more can come: the peer has closed or shut down its end, or this end is shut down for reading.
    pub ended: bool,
    /// An error the socket has yet to report: ECONNRESET, if the peer closed with unread data.
    pub error: Option<Errno>,
}

/// Unit of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `SO_TIMESTAMP_*`.
    Microseconds,
    /// `SO_TIMESTAMPNS_*`.
    Nanoseconds,
}

/// What the receiving socket has switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// `SO_PASSCRED`.
    pub credentials: bool,
    /// `SO_PASSPIDFD`.
    pub pidfd: bool,
    /// `SO_PASSSEC`.
    pub security: bool,
    /// `SO_INQ`, which only a stream has.
    pub inq: bool,
    /// `SO_OOBINLINE`.
    pub urgent_inline: bool,
    /// `SO_TIMESTAMP_*` or `SO_TIMESTAMPNS_*`.
    pub timestamp: Option<Unit>,
    /// `SO_TIMESTAMPING_*` with `SOF_TIMESTAMPING_SOFTWARE`.
    pub timestamping: bool,
    /// Whether timestamps have the layout of the `_NEW` options: the last of the two options set decides for both.
    pub new_timestamps: bool,
}

/// Who receives, and into what.
#[derive(Clone, Copy)]
pub struct Receiver<'a> {
    /// The layout of its control bytes.
    pub layout: Layout,
    /// The kind of its socket.
    pub carrier: Carrier,
    /// Whether the socket has, or had, a peer.
    pub connected: bool,
    /// `msg_controllen`; `None` if `msg_control` is null, with any length. A 32-bit layout sees the lower 32 bits.
    pub control: Option<u64>,
    /// Bytes of data the buffers take.
    pub data: u64,
    /// What its socket has switched on.
    pub options: Options,
    /// Flags of the call, any bits. `MSG_DONTWAIT` stands for `O_NONBLOCK` too.
    pub flags: u32,
    /// The number the k-th descriptor opened by this call gets, from 0; `None` if the table is full by then.
    pub free: &'a dyn Fn(usize) -> Option<i32>,
}

impl fmt::Debug for Receiver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("layout", &self.layout)
            .field("carrier", &self.carrier)
            .field("connected", &self.connected)
            .field("control", &self.control)
            .field("data", &self.data)
            .field("options", &self.options)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// What the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It succeeds, and writes the header back.
    Received {
        /// What it returns: bytes of data.
        bytes: u64,
        /// `msg_controllen`.
        controllen: u64,
        /// `msg_flags`.
        flags: u32,
    },
    /// It fails, and leaves the header as it was. A stream may have written control bytes all the same.
    Refused {
        /// The error.
        errno: Errno,
        /// The rule that says so.
        rule: Rule,
    },
    /// It waits for more to come. The queue is as it is meanwhile.
    Waits,
}

/// All that a receive does, apart from the control bytes and the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// What the call returns.
    pub answer: Answer,
    /// Descriptors `SCM_RIGHTS` opened: the first this call opened.
    pub descriptors: usize,
    /// Descriptors the call took from the queue and closed, which nobody will ever see.
    pub lost: usize,
    /// What is in the `SCM_PIDFD`: the next number after those of `SCM_RIGHTS`, or an errno. Always close-on-exec.
    pub pidfd: Option<Result<i32, Errno>>,
    /// Whether the descriptors of `SCM_RIGHTS` are close-on-exec.
    pub close_on_exec: bool,
    /// The rule that first set `MSG_CTRUNC`.
    pub truncated: Option<Rule>,
}

/// What came out of the queue.
#[derive(Clone, Copy, Default)]
struct Taken<'a> {
    /// `None` while it waits.
    result: Option<Result<u64, (Errno, Rule)>>,
    /// Bits of `msg_flags`.
    flags: u32,
    /// Whether control messages are written at all.
    control: bool,
    time: Option<Time>,
    /// Process, user, group; all zero where nobody sent anything.
    credentials: (i32, u32, u32),
    process: Option<Result<(), Errno>>,
    label: Option<&'a [u8]>,
    descriptors: usize,
    lost: usize,
    inq: Option<u64>,
}

/// What `recvmsg` does. `out` holds the receiver's control bytes and is changed as the kernel changes them; it may be
/// shorter than `msg_controllen` claims: what the kernel writes past its end is counted and not shown.
///
/// # Examples
/// A 64-bit buffer for one descriptor with its padding admits two:
/// ```
/// use scmsg::oracle::{Answer, Carrier, Layout, Options, Packet, Queue, Receiver, Rules, receive};
///
/// let mut packets = [Packet { bytes: 1, descriptors: 3, ..Packet::default() }];
/// let mut queue = Queue { packets: &mut packets, ended: false, error: None };
/// let receiver = Receiver {
///     layout: Layout::NATIVE,
///     carrier: Carrier::SeqPacket,
///     connected: true,
///     control: Some(24),
///     data: 1,
///     options: Options::default(),
///     flags: 0,
///     free: &|k| Some(100 + k as i32),
/// };
/// let mut control = [0xff; 24];
/// let receipt = receive(&mut queue, &receiver, Rules::ALL, &mut control);
/// # if scmsg::CMSG_HEADER == 16 {
/// assert_eq!((receipt.descriptors, receipt.lost), (2, 1));
/// assert_eq!(receipt.answer, Answer::Received { bytes: 1, controllen: 24, flags: 8 }); // MSG_CTRUNC
/// assert_eq!(control[16..20], 100i32.to_ne_bytes());
/// # }
/// assert!(queue.packets.is_empty());
/// ```
#[must_use]
pub fn receive(queue: &mut Queue<'_, '_>, receiver: &Receiver<'_>, rules: Rules, out: &mut [u8]) -> Receipt {
    let native64 = receiver.layout.abi == Abi::Native64;
    let taken = if rules.holds(Rule::ReceiveCompatBit) && native64 && receiver.flags & MSG_CMSG_COMPAT != 0 {
        Taken::refused(Errno::EINVAL, Rule::ReceiveCompatBit)
    } else {
        match receiver.carrier {
            Carrier::Stream => queue::stream(queue, receiver, rules),
            Carrier::Datagram | Carrier::SeqPacket => queue::packets(queue, receiver, rules),
        }
    };
    let mut writer = Writer::new(receiver, rules, out);
    if let (Some(_), true) = (taken.result, taken.control) {
        items(&mut writer, receiver, rules, &taken);
    }
    let echo = if rules.holds(Rule::CloexecEcho) { receiver.flags & net::MSG_CMSG_CLOEXEC } else { 0 };
    Receipt {
        answer: match taken.result {
            None => Answer::Waits,
            Some(Err((errno, rule))) => Answer::Refused { errno, rule },
            Some(Ok(bytes)) => {
                Answer::Received { bytes, controllen: writer.written(), flags: taken.flags | writer.flags() | echo }
            }
        },
        descriptors: writer.descriptors(),
        lost: taken.lost.saturating_add(taken.descriptors.saturating_sub(writer.descriptors())),
        pidfd: writer.pidfd,
        close_on_exec: rules.holds(Rule::RightsCloexec) && receiver.flags & net::MSG_CMSG_CLOEXEC != 0,
        truncated: writer.truncated,
    }
}

/// Writes every control message, in the kernel's order.
fn items(writer: &mut Writer<'_>, receiver: &Receiver<'_>, rules: Rules, taken: &Taken<'_>) {
    let options = receiver.options;
    let first = rules.holds(Rule::TimestampsFirst);
    if let (Some(time), true) = (taken.time, first) {
        writer.times(options, time);
    }
    if receiver.control.is_none() {
        let wanted = options.credentials || options.pidfd || taken.descriptors > 0;
        if wanted {
            writer.truncate(Rule::NullControl);
        }
        if options.security {
            writer.truncate(Rule::NullControlLabel);
        }
    } else {
        let last = rules.holds(Rule::PidfdLast);
        if options.credentials {
            writer.credentials(taken.credentials);
        }
        if let (Some(label), true) = (taken.label, options.security) {
            writer.label(label);
        }
        if options.pidfd && !last {
            writer.process(taken.process);
        }
        writer.rights(taken.descriptors);
        if options.pidfd && last {
            writer.process(taken.process);
        }
    }
    if let (Some(time), false) = (taken.time, first) {
        writer.times(options, time);
    }
    if let (Some(left), true) = (taken.inq, options.inq) {
        writer.integer(SCM_INQ, int(u32::try_from(left).unwrap_or(u32::MAX)));
    }
}
