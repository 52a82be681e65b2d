//! Turns control bytes into every typed message there is and checks each value against its bytes; what can be sent is encoded
//! again and must be the same bytes.
//!
//! Input: one byte that picks the type of the first message, or none; then the control bytes. Every payload is read as every
//! type, whatever its header says.

use scmsg::{
    Cmsg, Cmsgs, ControlBuf, Credentials, Decode, Encode, Encoder, Ipv4PacketInfo, Ipv6PacketInfo, Message, PidFd,
    Rights, SecurityLabel, Short, TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew,
    TimestampingOld, UnreadBytes, space_of,
};

use crate::naive::{HEADER, WORD, int};

pub fn run(data: &[u8]) {
    let Some((pick, control)) = data.split_first() else { return };
    let mut control = control.to_vec();
    let kinds = [
        of::<Rights<'_>>(),
        of::<Credentials>(),
        of::<SecurityLabel<'_>>(),
        of::<PidFd>(),
        of::<TimestampOld>(),
        of::<TimestampNew>(),
        of::<TimestampNsOld>(),
        of::<TimestampNsNew>(),
        of::<TimestampingOld>(),
        of::<TimestampingNew>(),
        of::<UnreadBytes>(),
        of::<Ipv4PacketInfo>(),
        of::<Ipv6PacketInfo>(),
    ];
    if let (Some((level, kind)), true) = (kinds.get(usize::from(*pick)), control.len() >= HEADER) {
        control[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        control[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
    }
    for (i, (level, kind)) in kinds.iter().enumerate() {
        assert!(kinds[..i].iter().all(|other| other != &(*level, *kind)), "two types are one message");
    }
    Cmsgs::new(&control).filter_map(Result::ok).for_each(|message| typed(&message));
}

fn of<M: Message>() -> (i32, i32) {
    (M::LEVEL, M::TYPE)
}

fn typed(m: &Cmsg<'_>) {
    let bytes = m.payload;
    if let Some(rights) = decoded::<Rights<'_>>(m, 0, Some(4 * 253)) {
        let slots: Vec<_> = bytes.chunks_exact(4).filter_map(|slot| said(int(slot))).collect();
        assert_eq!(rights.numbers().map(raw).collect::<Vec<_>>(), slots);
        assert_eq!(format!("{rights:?}").matches(['[', ',']).count(), slots.len().max(1));
    }
    if let Some(pidfd) = decoded::<PidFd>(m, 4, Some(4)) {
        assert_eq!(pidfd.number().map(raw), said(int(bytes)));
    }
    if let Some(label) = decoded::<SecurityLabel<'_>>(m, 0, None) {
        assert_eq!(label.as_bytes(), bytes.strip_suffix(&[0]).unwrap_or(bytes));
        assert_eq!(format!("{label:?}"), format!("SecurityLabel(\"{}\")", label.as_bytes().escape_ascii()));
    }
    if let Some(UnreadBytes(left)) = decoded(m, 4, Some(4)) {
        assert_eq!(left, int(bytes));
    }
    if let Some(c) = decoded::<Credentials>(m, 12, Some(12)) {
        let words = [int(bytes), int(&bytes[4..]), int(&bytes[8..])];
        assert_eq!([c.pid.map_or(0, |pid| pid.get()), c.uid, c.gid].map(|word| word as i32), words);
        again(&c, &bytes[..12]);
    }
    if let Some(info) = decoded::<Ipv4PacketInfo>(m, 12, Some(12)) {
        assert_eq!(info.interface as i32, int(bytes));
        assert_eq!([info.local.octets(), info.destination.octets()].as_flattened(), &bytes[4..12]);
        again(&info, &bytes[..12]);
    }
    if let Some(info) = decoded::<Ipv6PacketInfo>(m, 20, Some(20)) {
        assert_eq!(info.address.octets(), bytes[..16]);
        assert_eq!(info.interface as i32, int(&bytes[16..]));
        again(&info, &bytes[..20]);
    }
    macro_rules! stamps {
        ($($name:ident $width:expr, $fraction:ident, $several:ident;)*) => {$(
            if let Some(stamp) = decoded::<$name>(m, 2 * $width, Some(2 * $width)) {
                assert_eq!([stamp.seconds, stamp.$fraction], [0, 1].map(|i| long(bytes, $width, i)));
            }
            stamps!(@ $several $width);
        )*};
        (@ none $width:expr) => {};
        (@ $name:ident $width:expr) => {
            if let Some(all) = decoded::<$name>(m, 6 * $width, Some(6 * $width)) {
                let numbers: Vec<_> = all.stamps.iter().flat_map(|s| [s.seconds, s.nanoseconds]).collect();
                assert_eq!(numbers, [0, 1, 2, 3, 4, 5].map(|i| long(bytes, $width, i)));
            }
        };
    }
    stamps! {
        TimestampOld WORD, microseconds, none;
        TimestampNew 8, microseconds, none;
        TimestampNsOld WORD, nanoseconds, TimestampingOld;
        TimestampNsNew 8, nanoseconds, TimestampingNew;
    }
}

/// Reads the payload as an `M`, which needs `need` bytes and is `most` when received. Short exactly where bytes are missing, the
/// same through `get`, and nothing else where level or type are others.
fn decoded<'a, M: Decode<'a> + PartialEq + std::fmt::Debug>(
    m: &Cmsg<'a>,
    need: usize,
    most: Option<usize>,
) -> Option<M> {
    let have = m.payload.len();
    assert_eq!(M::MAX_RECEIVED, most);
    assert_eq!(space_of::<M>(), most.map_or(usize::MAX, |most| (HEADER + most).next_multiple_of(WORD)));
    let value = M::from_payload(m.payload);
    assert_eq!(value.is_err(), have < need, "{value:?} of {have} bytes");
    let own = Cmsg { level: M::LEVEL, kind: M::TYPE, payload: m.payload };
    assert_eq!(own.get::<M>(), M::from_payload(m.payload).map(Some));
    if (m.level, m.kind) != of::<M>() {
        assert_eq!(m.get::<M>(), Ok(None));
    }
    match value {
        Ok(value) => Some(value),
        Err(short) => {
            assert_eq!(short, Short { need, have });
            let said = short.to_string();
            assert!(said.contains(&need.to_string()) && said.contains(&have.to_string()), "{said}");
            None
        }
    }
}

/// Encodes the value: the same bytes.
fn again<M: Encode>(value: &M, bytes: &[u8]) {
    assert_eq!(value.payload_len(), bytes.len());
    let mut buf = ControlBuf::<[u8; 64]>::new();
    buf.as_mut_bytes().fill(0xff);
    let mut control = Encoder::new(&mut buf);
    control.push(value).expect("room");
    assert_eq!(&control.as_bytes()[HEADER..], bytes);
}

/// What a slot says.
fn said(number: i32) -> Option<Result<i32, i32>> {
    match number {
        0.. => Some(Ok(number)),
        -4095..=-1 => Some(Err(-number)),
        _ => None,
    }
}

fn raw(slot: Result<i32, scmsg::Errno>) -> Result<i32, i32> {
    slot.map_err(scmsg::Errno::raw)
}

/// The `index`th signed integer of `width` bytes.
fn long(bytes: &[u8], width: usize, index: usize) -> i64 {
    let bytes = &bytes[width * index..];
    if width == 4 { int(bytes).into() } else { i64::from_ne_bytes(std::array::from_fn(|i| bytes[i])) }
}
