//! Draws a case: what is sent, what the receiver has switched on, and how it receives.

use scmsg::oracle::{Carrier, Layout, Unit};

use super::super::rng::Rng;
use super::Offered;

/// Flags that a unix receive ignores, and one that nobody knows.
const IDLE: [u32; 8] = [0x4, 0x80, 0x800, 0x2000, 0x4000, 0x8000, 0x1_0000, 0x0020_0000];

/// One send.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub bytes: usize,
    pub descriptors: usize,
    /// Which credentials it names itself, if any.
    pub credentials: Option<Named>,
    pub urgent: bool,
}

/// Credentials a message names.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// The parent's number instead of the sender's.
    pub parent: bool,
    pub uid: u32,
    pub gid: u32,
}

/// How the sending side ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Open,
    /// The sender shuts down.
    ShutDown,
    /// The sender closes.
    Closed,
    /// The sender closes with a byte it has not read.
    Reset,
    /// The receiver shuts down.
    Deaf,
}

/// What the receiving socket switches on.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    pub credentials: bool,
    pub pidfd: bool,
    pub security: bool,
    pub inq: bool,
    pub inline: bool,
    /// Unit, and whether it is the new option.
    pub timestamp: Option<(Unit, bool)>,
    /// Whether it is the new option.
    pub timestamping: Option<bool>,
    /// Whether `timestamping` is set last.
    pub timestamping_last: bool,
}

/// One receive.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub null: bool,
    pub len: u64,
    /// What `msg_control` is off from a multiple of eight.
    pub shift: usize,
    /// What the control bytes hold before.
    pub dirt: u8,
    pub data: usize,
    pub flags: u32,
    pub free: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub carrier: Carrier,
    pub connected: bool,
    pub sender_asks: bool,
    /// How many messages are sent before the receiver switches anything on.
    pub late: usize,
    pub switches: Switches,
    pub messages: Vec<Message>,
    /// The first message comes from a process that has ended.
    pub orphan: bool,
    pub ending: Ending,
    pub calls: Vec<Call>,
}

impl Case {
    pub fn draw(rng: &mut Rng, layout: Layout, offered: &Offered) -> Self {
        let carrier = rng.pick(&[Carrier::Stream, Carrier::Stream, Carrier::Datagram, Carrier::SeqPacket]);
        let stream = carrier == Carrier::Stream;
        let switches = switches(rng, offered, stream);
        let count = rng.pick(&[0, 1, 1, 1, 1, 2, 2, 3, 4]);
        let messages: Vec<_> = (0..count).map(|_| message(rng, offered, stream)).collect();
        let late = if rng.percent(75) { 0 } else { rng.below(count + 1) as usize };
        let ending = if rng.percent(70) {
            Ending::Open
        } else {
            rng.pick(&[Ending::ShutDown, Ending::Closed, Ending::Reset, Ending::Deaf])
        };
        let calls = (0..rng.pick(&[1, 1, 2, 2, 3, 5])).map(|_| call(rng, layout, &switches, &messages)).collect();
        Self {
            carrier,
            connected: !rng.percent(1),
            sender_asks: rng.percent(6),
            late,
            switches,
            messages,
            orphan: offered.orphans && rng.below(400) == 0,
            ending,
            calls,
        }
    }
}

fn switches(rng: &mut Rng, offered: &Offered, stream: bool) -> Switches {
    Switches {
        credentials: rng.percent(45),
        pidfd: offered.pidfd && rng.percent(35),
        security: offered.security && rng.percent(10),
        inq: offered.inq && stream && rng.percent(35),
        inline: stream && rng.percent(20),
        timestamp: (offered.times && rng.percent(if stream { 10 } else { 40 }))
            .then(|| (rng.pick(&[Unit::Microseconds, Unit::Nanoseconds]), rng.percent(50))),
        timestamping: (offered.times && rng.percent(15)).then(|| rng.percent(50)),
        timestamping_last: rng.percent(50),
    }
}

fn message(rng: &mut Rng, offered: &Offered, stream: bool) -> Message {
    let bytes = match rng.below(10) {
        0 => 0,
        1..4 => 1,
        4..8 => rng.below(40) as usize,
        _ => rng.below(3000) as usize,
    };
    let descriptors = match rng.below(21) {
        0..8 => 0,
        8..16 => rng.below(9) as usize,
        16..19 => rng.below(40) as usize,
        19 => rng.pick(&[252, 253, 253]),
        _ => rng.below(254) as usize,
    };
    let credentials = rng.percent(15).then(|| Named {
        parent: offered.root && rng.percent(30),
        uid: rng.pick(&offered.uids),
        gid: rng.pick(&offered.gids),
    });
    let urgent = offered.urgent && stream && rng.percent(12);
    Message { bytes: if stream { bytes.max(1) } else { bytes }, descriptors, credentials, urgent }
}

fn call(rng: &mut Rng, layout: Layout, switches: &Switches, messages: &[Message]) -> Call {
    let bytes: usize = messages.iter().map(|message| message.bytes).sum();
    let first = messages.first().map_or(0, |message| message.bytes);
    let data = match rng.below(10) {
        0 => 0,
        1 => 1,
        2..5 => (first + rng.below(3) as usize).saturating_sub(1),
        5..7 => (bytes + rng.below(3) as usize).saturating_sub(1),
        7 => rng.below(bytes as u64 + 2) as usize,
        _ => 4096,
    };
    let mut flags = 0;
    for (flag, percent) in [
        (libc::MSG_PEEK, 22),
        (libc::MSG_TRUNC, 15),
        (libc::MSG_CMSG_CLOEXEC, 60),
        (libc::MSG_DONTWAIT, 80),
        (libc::MSG_WAITALL, 12),
        (libc::MSG_OOB, 6),
        (i32::MIN, 1), // MSG_CMSG_COMPAT
    ] {
        if rng.percent(percent) {
            flags |= flag as u32;
        }
    }
    if rng.percent(5) {
        flags |= rng.pick(&IDLE);
    }
    Call {
        null: rng.percent(8),
        len: len(rng, layout, switches, messages),
        shift: if rng.percent(10) { rng.below(8) as usize } else { 0 },
        dirt: rng.pick(&[0xff, 0xff, 0, 0xa5]),
        data,
        flags,
        free: rng.percent(15).then(|| rng.pick(&[6, 6, 6, 260])).map(|most| rng.below(most) as usize),
    }
}

/// A `msg_controllen` of every interesting size.
fn len(rng: &mut Rng, layout: Layout, switches: &Switches, messages: &[Message]) -> u64 {
    let header = layout.header() as u64;
    let descriptors = if messages.is_empty() { 0 } else { rng.pick(messages).descriptors as u64 };
    let mut ends = vec![0];
    let mut sum = 0;
    let sizes = [
        (switches.timestamp.is_some(), 16),
        (switches.timestamp.is_some() && switches.timestamping.is_some(), 48),
        (switches.credentials, 12),
        (descriptors > 0, descriptors * 4),
        (switches.pidfd, 4),
        (switches.inq, 4),
    ];
    for (_, size) in sizes.iter().filter(|(on, _)| *on) {
        ends.extend([sum + header, sum + layout.cmsg_len(*size)]);
        sum += layout.cmsg_space(*size);
        ends.push(sum);
    }
    let near = |rng: &mut Rng, at: u64| at.saturating_add_signed(rng.between(-9, 9));
    match rng.below(20) {
        0..5 => rng.below(sum + 24),
        5..11 => {
            let end = rng.pick(&ends);
            near(rng, end)
        }
        11..15 => rng.below(4096),
        15 => rng.below(header + 24),
        16..18 => 4096,
        _ => huge(rng, layout),
    }
}

/// More than anybody has.
fn huge(rng: &mut Rng, layout: Layout) -> u64 {
    let more = rng.below(80);
    if layout.header() == 12 {
        return rng.pick(&[0x7fff_ffff, 0x8000_0000, 0xffff_ffb0]) + more;
    }
    let at = rng.pick(&[31u32, 32, 33, 33, 33, 34, 34, 34, 35, 40, 62]);
    rng.pick(&[(1 << at) + more, (1 << at) + more, (1 << at) - more, u64::MAX - more])
}
