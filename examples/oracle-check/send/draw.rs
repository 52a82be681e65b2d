//! Draws a case: control bytes that are mostly nearly right, and a situation.

use scmsg::oracle::forge::{Forgery, Item, Length, Payload};
use scmsg::oracle::{Layout, Limits, Socket};

use super::super::rng::Rng;
use super::known::Known;
use super::scene::Situation;

/// What a payload is drawn as.
enum Load {
    Bytes(Vec<u8>),
    Integers(Vec<i32>),
    Repeat(i32, u32),
    Credentials(i32, u32, u32),
}

struct Message {
    level: i32,
    kind: i32,
    load: Load,
    len: Length,
    gap: i32,
}

/// Everything that is drawn.
pub struct Case {
    messages: Vec<Message>,
    trailing: usize,
    fill: u8,
    control_len: Length,
    null: bool,
    /// Readable bytes behind what was built.
    pub slack: usize,
    pub socket: Socket,
    pub situation: Situation,
    pub bytes: u64,
    pub flags: u32,
    /// The soft limit of open files during the call, if it is to be tight.
    pub open_files: Option<u64>,
}

const SOL_SOCKET: i32 = libc::SOL_SOCKET;
const RIGHTS: i32 = libc::SCM_RIGHTS;
const CREDENTIALS: i32 = libc::SCM_CREDENTIALS;
/// Flags that change nothing on these sockets.
const IDLE: [u32; 7] = [0x4, 0x10, 0x80, 0x800, 0x8000, 0x4_0000, 0x100];

impl Case {
    pub fn draw(rng: &mut Rng, layout: Layout, known: &Known) -> Self {
        let socket = draw_socket(rng, known);
        let situation = Situation::draw(rng, socket, known);
        let count = [0, 1, 1, 1, 1, 2, 2, 2, 3, 4][rng.below(10) as usize];
        let mut messages: Vec<_> = (0..count).map(|_| Message::draw(rng, known)).collect();
        if rng.percent(1) {
            messages = vec![large(rng, layout, known)];
        }
        let trailing = if rng.percent(60) { 0 } else { rng.below(21) as usize };
        let wide = layout.alignment() == 8;
        let control_len = match rng.below(100) {
            0..88 => Length::True,
            88..94 => Length::Off(rng.between(-20, 20)),
            94..98 => Length::Exact(rng.below(40)),
            98 => Length::Exact(rng.pick(&[0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_ffff])),
            _ if wide => Length::Exact(rng.pick(&[1 << 32, (1 << 33) + 16, u64::MAX, 1 << 63])),
            _ => Length::Exact(0xffff_fff0),
        };
        Self {
            messages,
            trailing,
            fill: rng.pick(&[0, 0, 0xff]),
            control_len,
            null: rng.percent(1),
            slack: if rng.percent(50) { 0 } else { rng.below(24) as usize },
            socket,
            situation,
            bytes: draw_bytes(rng, socket, known),
            flags: draw_flags(rng),
            open_files: (known.has_own_user && rng.percent(5)).then(|| 9 + rng.below(4)),
        }
    }

    /// An address is used by turns from a socket with a peer and from one without.
    pub fn has_peer(&self) -> bool {
        self.bytes & 1 == 1
    }

    /// Whether the message has an address.
    pub fn is_addressed(&self) -> bool {
        use Situation::{NameFound, NameInvalid, NameNegative, NameNowhere};
        matches!(self.situation, NameFound | NameNowhere | NameInvalid | NameNegative)
    }

    pub fn limits(&self, known: &Known) -> Limits {
        Limits { open_files: self.open_files.unwrap_or(known.limits.open_files), ..known.limits }
    }

    pub fn items(&self) -> Vec<Item<'_>> {
        let item = |message: &'_ Message| -> Item<'_> {
            Item {
                level: message.level,
                kind: message.kind,
                payload: Payload::Bytes(&[]),
                len: message.len,
                gap: message.gap,
            }
        };
        self.messages.iter().map(|message| Item { payload: message.load.payload(), ..item(message) }).collect()
    }

    pub fn forgery<'a>(&self, layout: Layout, items: &'a [Item<'a>]) -> Forgery<'a> {
        Forgery {
            trailing: self.trailing,
            fill: self.fill,
            control_len: self.control_len_in(layout),
            null: self.null,
            ..Forgery::new(layout, items)
        }
    }

    /// A 32-bit `msg_controllen` cannot be moved below zero.
    fn control_len_in(&self, layout: Layout) -> Length {
        match self.control_len {
            Length::Off(by) if by < 0 && layout.alignment() == 4 => Length::Exact(by.unsigned_abs()),
            other => other,
        }
    }
}

impl Load {
    fn payload(&self) -> Payload<'_> {
        match self {
            Self::Bytes(bytes) => Payload::Bytes(bytes),
            Self::Integers(numbers) => Payload::Integers(numbers),
            Self::Repeat(number, count) => Payload::Repeat { number: *number, count: *count },
            Self::Credentials(pid, uid, gid) => Payload::Credentials { pid: *pid, uid: *uid, gid: *gid },
        }
    }
}

impl Message {
    fn draw(rng: &mut Rng, known: &Known) -> Self {
        let level = if rng.percent(90) { SOL_SOCKET } else { rng.pick(&[0, 41, 2, -1, 270, i32::MAX]) };
        let kind = match rng.below(100) {
            0..58 => RIGHTS,
            58..92 => CREDENTIALS,
            _ => rng.pick(&[3, 4, 29, 35, 0, 5, -1, i32::MIN]),
        };
        let load = match kind {
            _ if rng.percent(6) => Load::Bytes((0..rng.below(21)).map(|_| rng.next() as u8).collect()),
            RIGHTS => rights(rng, known),
            _ => credentials(rng, known),
        };
        let len = match rng.below(100) {
            0..85 => Length::True,
            85..91 => Length::Off(rng.between(-4, 4)),
            91..95 => Length::Off(rng.pick(&[-16, -12, -8, 8, 12, 16, 24])),
            95..98 => Length::Exact(rng.below(20)),
            _ => Length::Exact(rng.pick(&[u64::MAX, u64::MAX - 7, 1 << 63, 0xffff_ffff, 0xffff_fff8, 0x8000_0000])),
        };
        let gap = if rng.percent(88) { 0 } else { rng.between(-16, 16) as i32 };
        Self { level, kind, load, len, gap }
    }
}

fn rights(rng: &mut Rng, known: &Known) -> Load {
    let number = |rng: &mut Rng| match rng.below(100) {
        0..88 => known.open_number(rng),
        88..92 => rng.below(40) as i32,
        92..95 => known.here.ring.unwrap_or(-1),
        _ => rng.pick(&[-1, -2, i32::MIN, i32::MAX, 1023, 100_000, 1 << 20]),
    };
    if rng.percent(12) {
        let count = rng.pick(&[3, 100, 126, 127, 250, 251, 252, 253, 254, 255, 256, 300]);
        return Load::Repeat(number(rng), count);
    }
    Load::Integers((0..rng.below(7)).map(|_| number(rng)).collect())
}

fn credentials(rng: &mut Rng, known: &Known) -> Load {
    let pid = match rng.below(100) {
        0..75 => known.sender.pid,
        75..90 => rng.pick(&known.processes),
        _ => rng.pick(&[0, -1, i32::MAX, i32::MIN, 4_194_303]),
    };
    let id = |rng: &mut Rng, own: &[u32; 3]| match rng.below(100) {
        0..90 => rng.pick(own),
        90..95 => rng.pick(&[0, 1, 65534, 12345]),
        _ => u32::MAX,
    };
    Load::Credentials(pid, id(rng, &known.sender.uids), id(rng, &known.sender.gids))
}

/// A message of a foreign level as large as the option memory, or nearly.
fn large(rng: &mut Rng, layout: Layout, known: &Known) -> Message {
    let translated = layout.header() == 12;
    let header = if translated { 16 } else { layout.header() as i64 };
    let whole = known.limits.option_memory as i64 + rng.pick(&[-16, -9, -8, -7, -1, 0, 1, 8]);
    let bytes = usize::try_from(whole - header).unwrap_or(0);
    Message { level: 0, kind: 77, load: Load::Bytes(vec![0; bytes]), len: Length::True, gap: 0 }
}

fn draw_socket(rng: &mut Rng, known: &Known) -> Socket {
    match rng.below(100) {
        0..31 => Socket::UnixStream,
        31..62 => Socket::UnixDatagram,
        62..93 => Socket::UnixSeqPacket,
        _ if known.here.netlink => Socket::Netlink,
        _ => Socket::UnixStream,
    }
}

fn draw_bytes(rng: &mut Rng, socket: Socket, known: &Known) -> u64 {
    match rng.below(100) {
        0..12 => 0,
        12..80 => 1,
        80..98 => 2 + rng.below(200),
        _ if socket == Socket::UnixStream => 4096,
        _ => known.limits.send_buffer - 34 + rng.below(4),
    }
}

fn draw_flags(rng: &mut Rng) -> u32 {
    let always = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u32;
    always
        | match rng.below(100) {
            0..85 => 0,
            85..92 => libc::MSG_OOB as u32,
            92..94 => 0x8000_0000,
            _ => rng.pick(&IDLE),
        }
}
