//! Law 1: any bytes decode, at any length, alignment and content: no panic, no out-of-bounds read, and the answer of a naive
//! walk as `cmsg(3)` describes it.

mod naive;

use naive::{A, H, Step};
use proptest::prelude::*;
use scmsg::{
    CMSG_HEADER, Cmsg, Cmsgs, Credentials, Decode, Malformed, PidFd, Rights, SecurityLabel, Short, TimestampNew,
    TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld, UnreadBytes,
};

/// Decodes `bytes` and compares everything there is to see with the naive walk.
fn equals_naive(bytes: &[u8]) {
    let (steps, end) = naive::walk(bytes);
    let mut walk = Cmsgs::new(bytes);
    assert_eq!(walk.remainder(), bytes, "nothing has been walked yet");
    let mut offset = 0;
    for step in &steps {
        let item = walk.next().unwrap_or_else(|| panic!("{step:?} is missing from {bytes:02x?}"));
        match *step {
            Step::Message { level, kind, start, end } => {
                let found = item.unwrap_or_else(|bad| panic!("{step:?} came as {bad:?} from {bytes:02x?}"));
                assert_eq!((found.level, found.kind), (level, kind));
                // The very bytes, not equal ones: inside the input, at their place.
                assert!(core::ptr::eq(found.payload, &bytes[start..end]), "{step:?} in {bytes:02x?}");
                offset = (start - H + naive::align((end - start + H) as u128) as usize).min(bytes.len());
            }
            Step::Malformed { offset, claimed, left } => {
                assert_eq!(item, Err(Malformed { offset, claimed, left }), "from {bytes:02x?}");
            }
        }
        assert!(core::ptr::eq(walk.remainder(), &bytes[offset..]), "remainder after {step:?} in {bytes:02x?}");
    }
    for _ in 0..3 {
        assert_eq!(walk.next(), None, "after the end of {bytes:02x?}");
        assert!(core::ptr::eq(walk.remainder(), &bytes[end..]), "remainder at the end of {bytes:02x?}");
    }
    assert!(steps.len() <= bytes.len() / H, "never more messages than headers fit");
    assert!(matches!(steps.last(), Some(Step::Malformed { .. })) || bytes.len() - end < H);
}

/// The same bytes at `shift` bytes from an aligned address, in surroundings that say "huge message".
fn equals_naive_at(bytes: &[u8], shift: usize) {
    #[repr(C, align(16))]
    struct Room([u8; 1024]);
    let mut room = Room([0xff; 1024]);
    let place = &mut room.0[shift..shift + bytes.len()];
    place.copy_from_slice(bytes);
    assert_eq!(place.as_ptr().addr() % 16, shift);
    equals_naive(place);
}

/// A header is as wide as the naive one.
const _: () = assert!(CMSG_HEADER == H);

#[test]
fn all_short_buffers_of_interesting_words_decode() {
    // What a `cmsg_len` can be wrong by, and what a level or type can be mistaken for.
    #[cfg(target_pointer_width = "64")]
    const WORDS: [usize; 12] =
        [0, 1, H - 1, H, H + 1, H + 7, H + 8, H + 16, H + 24, 1 << 32 | H, usize::MAX - 7, usize::MAX];
    #[cfg(target_pointer_width = "64")]
    const LONGEST: usize = 40;
    #[cfg(target_pointer_width = "32")]
    const WORDS: [usize; 6] = [0, H - 1, H, H + 1, H + 16, usize::MAX];
    #[cfg(target_pointer_width = "32")]
    const LONGEST: usize = 28;

    let mut buffers = 0_usize;
    for len in 0..=LONGEST {
        let count = len.div_ceil(A);
        for mut number in 0..WORDS.len().pow(count as u32) {
            let mut bytes = [0xff; LONGEST];
            for word in bytes.chunks_exact_mut(A).take(count) {
                word.copy_from_slice(&WORDS[number % WORDS.len()].to_ne_bytes());
                number /= WORDS.len();
            }
            buffers += 1;
            if len <= LONGEST - A {
                (0..8).for_each(|shift| equals_naive_at(&bytes[..len], shift));
            } else {
                equals_naive(&bytes[..len]);
            }
        }
    }
    println!("{buffers} buffers");
}

#[test]
fn every_cmsg_len_in_every_length_decodes() {
    for len in 0..=80 {
        let mut bytes = vec![0xff; len];
        for claimed in
            (0..=len + 20).chain(usize::MAX - 20..=usize::MAX).chain(isize::MAX as usize - 9..=1 << (A * 8 - 1))
        {
            for at in [0, H, H + A] {
                if let Some(word) = bytes.get_mut(at..at + A) {
                    word.copy_from_slice(&claimed.to_ne_bytes());
                    (0..8).for_each(|shift| equals_naive_at(&bytes, shift));
                }
            }
        }
    }
}

/// Buffers that are nearly right: messages whose claimed length is off by a little, or anything, cut anywhere.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let off = prop_oneof![6 => Just(0_isize), 2 => -20_isize..20, 1 => any::<isize>()];
    let message = (off, any::<i32>(), any::<i32>(), prop::collection::vec(any::<u8>(), 0..24), any::<bool>());
    (prop::collection::vec(message, 0..12), 0_usize..40).prop_map(|(messages, cut)| {
        let mut bytes = Vec::new();
        for (off, level, kind, payload, padded) in messages {
            naive::append_claiming(&mut bytes, (H + payload.len()).wrapping_add_signed(off), level, kind, &payload);
            if padded {
                naive::pad(&mut bytes, 0xff);
            }
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()).saturating_sub(20));
        bytes
    })
}

proptest! {
    #[test]
    fn random_bytes_decode(bytes in prop::collection::vec(any::<u8>(), 0..700), shift in 0_usize..8) {
        equals_naive_at(&bytes, shift);
    }

    #[test]
    fn bytes_that_are_nearly_right_decode(bytes in nearly_right(), shift in 0_usize..8) {
        equals_naive_at(&bytes, shift);
    }

    #[test]
    fn what_decodes_prints(bytes in nearly_right()) {
        let most = bytes.len() / H;
        prop_assert!(Cmsgs::new(&bytes).take(most + 1).count() <= most);
        for item in Cmsgs::new(&bytes).take(most) {
            match item {
                Ok(message) => drop(typed(&message)),
                Err(bad) => prop_assert!(bad.to_string().contains(&bad.claimed.to_string())),
            }
        }
    }
}

/// Reads a message as everything there is, and prints it.
fn typed(m: &Cmsg<'_>) -> Vec<String> {
    macro_rules! all {
        ($($ty:ty),*) => { vec![$(format!("{:?}", m.get::<$ty>())),*] };
    }
    all!(
        Rights<'_>,
        Credentials,
        PidFd,
        SecurityLabel<'_>,
        TimestampOld,
        TimestampNew,
        TimestampNsOld,
        TimestampNsNew,
        TimestampingOld,
        TimestampingNew,
        UnreadBytes
    )
}

#[test]
fn a_message_without_padding_at_the_end_is_a_message() {
    // What the kernel leaves in a buffer of CMSG_LEN bytes: bytes that do not reach the next multiple of the alignment.
    for payload in 0..=2 * A {
        let mut bytes = Vec::new();
        naive::append(&mut bytes, 1, 2, b"first");
        naive::append(&mut bytes, -1, -2, &vec![0xff; payload]);
        let mut walk = Cmsgs::new(&bytes);
        assert_eq!(walk.next(), Some(Ok(Cmsg { level: 1, kind: 2, payload: b"first" })));
        assert_eq!(walk.next(), Some(Ok(Cmsg { level: -1, kind: -2, payload: &vec![0xff; payload] })));
        assert_eq!(walk.next(), None);
        assert_eq!(walk.remainder(), b"");
    }
}

#[test]
fn a_message_without_payload_is_a_message() {
    let mut bytes = Vec::new();
    (0..5).for_each(|kind| naive::append(&mut bytes, 272, kind, &[]));
    let kinds: Vec<_> = Cmsgs::new(&bytes).map(|m| m.unwrap()).map(|m| (m.kind, m.payload.len())).collect();
    assert_eq!(kinds, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
}

#[test]
fn fewer_bytes_than_a_header_after_a_message_are_a_remainder() {
    for tail in 0..H {
        let mut bytes = Vec::new();
        naive::append(&mut bytes, 1, 2, &[0xff; 8]);
        bytes.resize(bytes.len() + tail, 0);
        let mut walk = Cmsgs::new(&bytes);
        assert!(walk.next().unwrap().is_ok());
        assert_eq!(walk.next(), None);
        assert_eq!(walk.remainder(), vec![0; tail]);
    }
    // A whole header of zeros is a message that claims no bytes: malformed, as it is for the kernel.
    let mut bytes = Vec::new();
    naive::append(&mut bytes, 1, 2, &[0xff; 8]);
    bytes.resize(bytes.len() + H, 0);
    let mut walk = Cmsgs::new(&bytes);
    assert!(walk.next().unwrap().is_ok());
    assert_eq!(walk.next(), Some(Err(Malformed { offset: H + 8, claimed: 0, left: H })));
    assert_eq!(walk.next(), None);
    assert_eq!(walk.remainder(), [0; H]);
}

#[test]
fn nothing_is_found_behind_a_malformed_message() {
    let mut bytes = Vec::new();
    naive::append_claiming(&mut bytes, H - 1, 1, 1, &[]);
    naive::append(&mut bytes, 1, 2, b"good");
    let mut walk = Cmsgs::new(&bytes);
    assert_eq!(walk.next(), Some(Err(Malformed { offset: 0, claimed: H - 1, left: bytes.len() })));
    assert_eq!(walk.remainder(), bytes);
    assert_eq!(walk.clone().next(), None);
    assert_eq!(walk.next(), None);
}

#[test]
fn payloads_outlive_the_walk() {
    let mut bytes = Vec::new();
    naive::append(&mut bytes, 1, 2, b"kept");
    let payload = Cmsgs::new(&bytes).next().unwrap().unwrap().payload;
    assert_eq!(payload, b"kept");
}

/// Decodes an `M` from every length: short exactly below `need` bytes, and the same value whatever comes behind them.
fn is_short_below<'a, M: Decode<'a> + PartialEq + core::fmt::Debug>(content: &'a [u8], need: usize) {
    for have in 0..=content.len() {
        let payload = &content[..have];
        let decoded = M::from_payload(payload);
        if have < need {
            assert_eq!(decoded, Err(Short { need, have }));
        } else {
            assert!(decoded.is_ok(), "{decoded:?} from {have} bytes");
            assert_eq!(decoded, M::from_payload(&content[..need]), "{have} bytes");
        }
        assert_eq!(Cmsg { level: M::LEVEL, kind: M::TYPE, payload }.get::<M>(), decoded.map(Some));
        // Another level or type is another message, however short.
        for (level, kind) in [(M::LEVEL + 1, M::TYPE), (M::LEVEL, M::TYPE + 1), (!M::LEVEL, !M::TYPE)] {
            assert_eq!(Cmsg { level, kind, payload }.get::<M>(), Ok(None));
        }
    }
}

#[test]
fn typed_decoding_is_short_exactly_when_bytes_are_missing() {
    let random: Vec<u8> = (0..600_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for content in [vec![0xff; 600], vec![0; 600], random] {
        is_short_below::<Credentials>(&content, 12);
        is_short_below::<PidFd>(&content, 4);
        is_short_below::<UnreadBytes>(&content, 4);
        is_short_below::<TimestampOld>(&content, 2 * A);
        is_short_below::<TimestampNsOld>(&content, 2 * A);
        is_short_below::<TimestampNew>(&content, 16);
        is_short_below::<TimestampNsNew>(&content, 16);
        is_short_below::<TimestampingOld>(&content, 6 * A);
        is_short_below::<TimestampingNew>(&content, 48);
    }
}

#[test]
fn what_has_a_size_says_so() {
    assert_eq!(Credentials::MAX_RECEIVED, Some(12));
    assert_eq!(PidFd::MAX_RECEIVED, Some(4));
    assert_eq!(UnreadBytes::MAX_RECEIVED, Some(4));
    assert_eq!(TimestampOld::MAX_RECEIVED, Some(2 * A));
    assert_eq!(TimestampNsOld::MAX_RECEIVED, Some(2 * A));
    assert_eq!(TimestampNew::MAX_RECEIVED, Some(16));
    assert_eq!(TimestampNsNew::MAX_RECEIVED, Some(16));
    assert_eq!(TimestampingOld::MAX_RECEIVED, Some(6 * A));
    assert_eq!(TimestampingNew::MAX_RECEIVED, Some(48));
    assert_eq!(Rights::MAX_RECEIVED, Some(4 * 253));
    assert_eq!(SecurityLabel::MAX_RECEIVED, None);
}

/// What one slot must say.
fn slot(number: i32) -> Option<Result<i32, i32>> {
    match number {
        0.. => Some(Ok(number)),
        -4095..=-1 => Some(Err(-number)),
        _ => None,
    }
}

proptest! {
    #[test]
    fn rights_of_any_bytes_are_whole_slots(
        slots in prop::collection::vec(prop_oneof![any::<i32>(), -5000_i32..5000, Just(i32::MIN)], 0..260),
        stray in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut payload: Vec<u8> = slots.iter().flat_map(|s| s.to_ne_bytes()).collect();
        payload.extend(stray);
        let rights = Rights::from_payload(&payload).unwrap();
        let found: Vec<_> = rights.numbers().map(|s| s.map_err(|e| e.raw())).collect();
        let expected: Vec<_> = slots.iter().filter_map(|s| slot(*s)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_pidfd_of_any_bytes_is_one_slot(number in prop_oneof![any::<i32>(), -5000_i32..5000]) {
        let pidfd = PidFd::from_payload(&number.to_ne_bytes()).unwrap().number();
        prop_assert_eq!(pidfd.map(|s| s.map_err(|e| e.raw())), slot(number));
    }

    #[test]
    fn a_label_of_any_bytes_loses_one_nul_at_most(label in prop::collection::vec(any::<u8>(), 0..300), nul: bool) {
        let mut payload = label.clone();
        if nul {
            payload.push(0);
        }
        let expected = if payload.last() == Some(&0) { &payload[..payload.len() - 1] } else { &payload[..] };
        prop_assert_eq!(SecurityLabel::from_payload(&payload).unwrap().as_bytes(), expected);
    }
}

#[test]
fn the_edges_of_a_slot_are_exact() {
    for number in [0, 1, i32::MAX, -1, -2, -4094, -4095, -4096, -4097, i32::MIN, i32::MIN + 1] {
        let bytes = number.to_ne_bytes();
        let found: Vec<_> = Rights::from_payload(&bytes).unwrap().numbers().map(|s| s.map_err(|e| e.raw())).collect();
        assert_eq!(found, Vec::from_iter(slot(number)), "slot {number}");
    }
}
