//! Turns messages into bytes and back: what is decoded equals what was encoded, in number, order and value, at any alignment.
//!
//! Input: one byte, how far from an aligned address the bytes are decoded; then messages: an opcode and its operands.

use arbitrary::Unstructured;
use scmsg::{
    BorrowedFd, Cmsg, Cmsgs, Control, ControlBuf, Credentials, Decode, Encode, Encoder, FixedControl, Ipv4PacketInfo,
    Ipv6PacketInfo, Message, Rights, Short,
};

use crate::descriptors::lent;
use crate::naive::{HEADER, WORD};

pub fn run(data: &[u8]) {
    let _ = program(&mut Unstructured::new(data));
}

/// Bytes of the buffer: more than most inputs encode, and not more than some do.
const ROOM: usize = 2048;

/// A message of somebody else's crate: a length, which is in front, and so many bytes.
#[derive(Debug, PartialEq)]
struct Prefixed<'a>(&'a [u8]);

impl Message for Prefixed<'_> {
    const LEVEL: i32 = 279;
    const TYPE: i32 = 2;
}

impl Encode for Prefixed<'_> {
    fn payload_len(&self) -> usize {
        4 + self.0.len()
    }

    fn encode(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&(self.0.len() as u32).to_ne_bytes());
        out[4..].copy_from_slice(self.0);
    }
}

impl<'a> Decode<'a> for Prefixed<'a> {
    const MAX_RECEIVED: Option<usize> = None;

    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        let short = |need| Short { need, have: payload.len() };
        let (len, bytes) = payload.split_first_chunk().ok_or(short(4))?;
        let len = u32::from_ne_bytes(*len) as usize;
        bytes.get(..len).map(Self).ok_or(short(4 + len))
    }
}

/// What was pushed.
#[derive(Debug)]
enum Pushed<'a> {
    Rights(&'a [BorrowedFd<'a>]),
    Credentials(Credentials),
    Ipv4(Ipv4PacketInfo),
    Ipv6(Ipv6PacketInfo),
    Prefixed(Prefixed<'a>),
    Raw(i32, i32, &'a [u8]),
}

fn program(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let shift = usize::from(u.arbitrary::<u8>()? % 8);
    let mut buf = ControlBuf::<[u8; ROOM]>::new();
    buf.as_mut_bytes().fill(0xff);
    let mut encoder = Encoder::new(&mut buf);
    let mut pushed = Vec::new();
    let mut end = 0;
    while !u.is_empty() {
        let (message, len) = next(u)?;
        let need = end_of(end, len);
        let said = push(&mut encoder, &message);
        assert_eq!(said, need <= ROOM, "{need} bytes of {ROOM} for {message:?}");
        if said {
            (end, pushed) = (need, {
                pushed.push(message);
                pushed
            });
        }
    }
    assert_eq!(encoder.as_bytes().len(), end, "no byte behind the last payload");
    let descriptors = encoder.descriptors();
    let control = Control::from(encoder);
    assert_eq!(control.descriptors(), descriptors);
    let mut moved = vec![0xff; shift];
    moved.extend(control.as_bytes());

    let mut walk = Cmsgs::new(&moved[shift..]);
    let mut found = 0;
    for message in &pushed {
        let arrived = walk.next().expect("a message").expect("whole");
        equal(message, &arrived);
        found += arrived.get::<Rights<'_>>().expect("any length").map_or(0, |_| arrived.payload.len() / 4);
    }
    assert_eq!((walk.next(), walk.remainder()), (None, &[][..]));
    assert_eq!(found, descriptors);
    Ok(())
}

/// Where a message with `len` bytes of payload ends behind one that ends at `end`.
fn end_of(end: usize, len: usize) -> usize {
    end.div_ceil(WORD) * WORD + HEADER + len
}

/// The next message and the length of its payload.
fn next<'a>(u: &mut Unstructured<'a>) -> arbitrary::Result<(Pushed<'a>, usize)> {
    Ok(match u.arbitrary::<u8>()? % 6 {
        0 => {
            let count = usize::from(u.arbitrary::<u8>()?);
            (Pushed::Rights(lent(count)), 4 * count)
        }
        1 => {
            let [pid, uid, gid]: [u32; 3] = u.arbitrary()?;
            (Pushed::Credentials(Credentials { pid: pid.try_into().ok(), uid, gid }), 12)
        }
        2 => {
            let (interface, local, destination): (u32, [u8; 4], [u8; 4]) = u.arbitrary()?;
            (Pushed::Ipv4(Ipv4PacketInfo { interface, local: local.into(), destination: destination.into() }), 12)
        }
        3 => {
            let (address, interface): ([u8; 16], u32) = u.arbitrary()?;
            (Pushed::Ipv6(Ipv6PacketInfo { address: address.into(), interface }), 20)
        }
        4 => {
            let bytes = some(u)?;
            (Pushed::Prefixed(Prefixed(bytes)), 4 + bytes.len())
        }
        _ => {
            let (level, kind) = (u.arbitrary::<i32>()?, u.arbitrary::<i32>()?);
            let bytes = some(u)?;
            (Pushed::Raw(level, kind, bytes), bytes.len())
        }
    })
}

/// A length, and so many bytes of the input if there are.
fn some<'a>(u: &mut Unstructured<'a>) -> arbitrary::Result<&'a [u8]> {
    let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
    u.bytes(len)
}

fn push<'fd>(encoder: &mut Encoder<'_, 'fd>, message: &Pushed<'fd>) -> bool {
    match message {
        Pushed::Rights(fds) => encoder.push_rights(fds).is_ok(),
        Pushed::Credentials(value) => {
            fixed::<Credentials, { scmsg::CMSG_LEN(12) }, 12>(value);
            encoder.push(value).is_ok()
        }
        Pushed::Ipv4(value) => {
            fixed::<Ipv4PacketInfo, { scmsg::CMSG_LEN(12) }, 12>(value);
            encoder.push(value).is_ok()
        }
        Pushed::Ipv6(value) => {
            fixed::<Ipv6PacketInfo, { scmsg::CMSG_LEN(20) }, 20>(value);
            encoder.push(value).is_ok()
        }
        Pushed::Prefixed(value) => encoder.push(value).is_ok(),
        // SAFETY: these bytes are never sent.
        Pushed::Raw(level, kind, bytes) => unsafe { encoder.push_raw(*level, *kind, bytes) }.is_ok(),
    }
}

/// A message made at compile time has the bytes of one that was pushed.
fn fixed<M: Encode, const LEN: usize, const P: usize>(value: &M) {
    let mut payload = [0; P];
    value.encode(&mut payload);
    let made = FixedControl::<LEN>::new::<M, P>(payload);
    let mut buf = ControlBuf::<[u8; 64]>::new();
    let mut encoder = Encoder::new(&mut buf);
    encoder.push(value).expect("room");
    assert_eq!(made.as_bytes(), encoder.as_bytes());
    assert_eq!(Control::from(&made).as_bytes(), encoder.as_bytes());
}

/// What arrived is what was pushed.
fn equal(message: &Pushed<'_>, arrived: &Cmsg<'_>) {
    match message {
        Pushed::Rights(fds) => {
            let rights = arrived.get::<Rights<'_>>().expect("whole").expect("rights");
            assert!(rights.numbers().eq(fds.iter().map(|fd| Ok(fd.as_raw_fd()))), "{rights:?}");
        }
        Pushed::Credentials(value) => assert_eq!(arrived.get(), Ok(Some(*value))),
        Pushed::Ipv4(value) => assert_eq!(arrived.get(), Ok(Some(*value))),
        Pushed::Ipv6(value) => assert_eq!(arrived.get(), Ok(Some(*value))),
        Pushed::Prefixed(value) => assert_eq!(arrived.get(), Ok(Some(Prefixed(value.0)))),
        Pushed::Raw(level, kind, payload) => {
            assert_eq!(*arrived, Cmsg { level: *level, kind: *kind, payload });
        }
    }
}
