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
//! Not here: addresses (`msg_name`), memory that cannot be written, `SO_PEEK_OFF`, `SO_RCVLOWAT` over 1, another
//! `kernel.overflowuid` than 65534, what a security module refuses.

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
pub struct Origin {
    /// Process; 0 if the receiver's namespace does not have it.
    pub pid: i32,
    /// User; 65534 if the receiver's namespace does not map it.
    pub uid: u32,
    /// Group; likewise.
    pub gid: u32,
    /// Whether the kernel can open the process; the errno it puts in the place of a descriptor if not. A full descriptor
    /// table is not said here but by [`Receive::free`].
    pub process: Result<(), Errno>,
}

/// One message in a queue, or one write to a stream. A stream cuts a long write (6.18, with pages of 4 KiB and the usual
/// `SO_SNDBUF`: into pieces of 36,544 bytes and the rest), which is a packet for each piece, the descriptors with the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packet<'a> {
    /// Bytes of data not yet read.
    pub bytes: u64,
    /// Descriptors that travel with it.
    pub descriptors: usize,
    /// Its sender; `None` if neither end had asked for credentials when it was sent.
    pub sender: Option<Origin>,
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
    /// Bytes that `SO_INQ` goes on counting although they are gone.
    pub overcount: u64,
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
    /// `SO_TIMESTAMPING_*` with `SOF_TIMESTAMPING_SOFTWARE`; beside `SOF_TIMESTAMPING_OPT_RX_FILTER` (Linux 6.12) only with
    /// `SOF_TIMESTAMPING_RX_SOFTWARE` too. Without [`timestamp`](Self::timestamp) it does nothing here.
    pub timestamping: bool,
    /// Whether timestamps have the layout of the `_NEW` options: the last of the two options set decides for both.
    pub new_timestamps: bool,
}

/// One `recvmsg(2)`: who receives, and into what.
#[derive(Clone, Copy)]
pub struct Receive<'a> {
    /// The layout of its control bytes.
    pub layout: Layout,
    /// The kind of its socket.
    pub carrier: Carrier,
    /// Whether the socket has, or had, a peer.
    pub connected: bool,
    /// `msg_controllen`; `None` if `msg_control` is null, with any length. A 32-bit layout sees the lower 32 bits.
    pub control: Option<u64>,
    /// Bytes of data the buffers take, without the sign bit of the layout's `ssize_t`: a length that has it is EINVAL before
    /// anything here.
    pub data: u64,
    /// What its socket has switched on.
    pub options: Options,
    /// The first namespace's user 0 and group 0 in the receiver's numbers: 0, 0, or 65534 where its user namespace does not
    /// map them. What a stream without data has for a sender.
    pub root: (u32, u32),
    /// Flags of the call, any bits. `MSG_DONTWAIT` stands for `O_NONBLOCK` too.
    pub flags: u32,
    /// The number the k-th descriptor opened by this call gets, from 0; `None` if the table is full by then.
    pub free: &'a dyn Fn(usize) -> Option<i32>,
    /// The rules that hold.
    pub rules: Rules,
}

impl fmt::Debug for Receive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive")
            .field("layout", &self.layout)
            .field("carrier", &self.carrier)
            .field("connected", &self.connected)
            .field("control", &self.control)
            .field("data", &self.data)
            .field("options", &self.options)
            .field("root", &self.root)
            .field("flags", &self.flags)
            .field("rules", &self.rules)
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
    /// It waits for more to come. The queue is as it is meanwhile: without the bytes that were taken so far
    /// (`MSG_WAITALL`). To ask again when more has come, keep the queue from before and add to that.
    Waits,
}

/// All that a receive does, apart from the control bytes and the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// What the call returns.
    pub answer: Answer,
    /// Descriptors `SCM_RIGHTS` opened: the first this call opened.
    pub descriptors: usize,
    /// Descriptors the call took from the queue and closed, which nobody will ever see. `MSG_PEEK` takes none.
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
    /// Process, user, group; 0 and the first root's where nobody sent anything.
    credentials: (i32, u32, u32),
    process: Option<Result<(), Errno>>,
    label: Option<&'a [u8]>,
    descriptors: usize,
    lost: usize,
    inq: Option<u64>,
}

/// What a right kernel answers to this call. `out` holds the receiver's control bytes and is changed as the kernel changes
/// them; it may be shorter than `msg_controllen` claims: what the kernel writes past its end is counted and not shown.
///
/// # Examples
/// A 64-bit buffer for one descriptor with its padding admits two:
/// ```
/// use scmsg::oracle::{Abi, Answer, ByteOrder, Layout, Packet, Queue, Receive, receive};
///
/// let mut packets = [Packet { bytes: 1, descriptors: 3, ..Packet::default() }];
/// let mut queue = Queue { packets: &mut packets, ended: false, error: None, overcount: 0 };
/// let layout = Layout { abi: Abi::Native64, order: ByteOrder::Little };
/// let mut control = [0xff; 24];
/// let receipt = receive(&Receive { layout, control: Some(24), ..Receive::ordinary() }, &mut queue, &mut control);
/// assert_eq!((receipt.descriptors, receipt.lost), (2, 1));
/// assert_eq!(receipt.answer, Answer::Received { bytes: 1, controllen: 24, flags: 8 }); // MSG_CTRUNC
/// assert_eq!(control[..16], [24, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
/// assert_eq!(control[16..], [3, 0, 0, 0, 4, 0, 0, 0]);
/// assert!(queue.packets.is_empty());
/// ```
#[must_use]
pub fn receive(call: &Receive<'_>, queue: &mut Queue<'_, '_>, out: &mut [u8]) -> Receipt {
    let taken = call.take(queue);
    let mut writer = Writer::new(call, out);
    if let (Some(_), true) = (taken.result, taken.control) {
        call.items(&taken, &mut writer);
    }
    let opened = writer.descriptors();
    let cloexec = call.flags & net::MSG_CMSG_CLOEXEC;
    let echo = if call.rules.holds(Rule::CloexecEcho) { cloexec } else { 0 };
    Receipt {
        answer: match taken.result {
            None => Answer::Waits,
            Some(Err((errno, rule))) => Answer::Refused { errno, rule },
            Some(Ok(bytes)) => {
                Answer::Received { bytes, controllen: writer.written(), flags: taken.flags | writer.flags() | echo }
            }
        },
        descriptors: opened,
        lost: if call.looks() { 0 } else { taken.lost.saturating_add(taken.descriptors.saturating_sub(opened)) },
        pidfd: writer.pidfd,
        close_on_exec: call.rules.holds(Rule::RightsCloexec) && cloexec != 0,
        truncated: writer.truncated,
    }
}

impl Receive<'_> {
    fn holds(&self, rule: Rule) -> bool {
        self.rules.holds(rule)
    }

    fn asks(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether it looks and takes nothing.
    fn looks(&self) -> bool {
        self.asks(net::MSG_PEEK) && self.holds(Rule::PeekKeeps)
    }

    /// Takes from the queue.
    fn take<'a>(&self, queue: &mut Queue<'_, 'a>) -> Taken<'a> {
        if self.layout.abi == Abi::Native64 && self.asks(MSG_CMSG_COMPAT) && self.holds(Rule::ReceiveCompatBit) {
            return Taken::refused(Errno::EINVAL, Rule::ReceiveCompatBit);
        }
        match self.carrier {
            Carrier::Stream => self.stream(queue),
            Carrier::Datagram | Carrier::SeqPacket => self.packets(queue),
        }
    }

    /// Writes every control message, in the kernel's order.
    fn items(&self, taken: &Taken<'_>, writer: &mut Writer<'_>) {
        let options = self.options;
        let first = self.holds(Rule::TimestampsFirst);
        if let (Some(time), true) = (taken.time, first) {
            writer.times(options, time);
        }
        if self.control.is_none() {
            if options.credentials || options.pidfd || taken.descriptors > 0 {
                writer.truncate(Rule::NullControl);
            }
            if options.security {
                writer.truncate(Rule::NullControlLabel);
            }
        } else {
            let last = self.holds(Rule::PidfdLast);
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
}

impl Receive<'static> {
    /// A connected seqpacket socket with no option on receives one data byte and no control message, without a flag, and
    /// with every number from 3 free: change the fields from there.
    #[must_use]
    pub fn ordinary() -> Self {
        Self {
            layout: Layout::NATIVE,
            carrier: Carrier::SeqPacket,
            connected: true,
            control: Some(0),
            data: 1,
            options: Options::default(),
            root: (0, 0),
            flags: 0,
            free: &|k| i32::try_from(k).ok()?.checked_add(3),
            rules: Rules::ALL,
        }
    }
}
