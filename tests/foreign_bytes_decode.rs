//! Law 1 for bytes of any layout: they decode at any length, alignment and content as a naive walk says, and in this machine's
//! own layout as [`scmsg::Cmsgs`] says.

#![cfg(feature = "oracle")]

use proptest::prelude::*;
use scmsg::oracle::{Abi, ByteOrder, ForeignCmsg, ForeignCmsgs, ForeignMalformed, Layout};
use scmsg::{Cmsgs, Credentials, Short};

/// Every layout there is.
fn layouts() -> impl Iterator<Item = Layout> {
    [Abi::Native64, Abi::Native32, Abi::Compat]
        .into_iter()
        .flat_map(|abi| [ByteOrder::Little, ByteOrder::Big].map(|order| Layout { abi, order }))
}

/// Width of `cmsg_len` and alignment.
fn width(layout: Layout) -> usize {
    if layout.abi == Abi::Native64 { 8 } else { 4 }
}

/// An integer of all these bytes.
fn number(layout: Layout, bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if layout.order == ByteOrder::Big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}

/// The same integer as bytes.
fn bytes_of(layout: Layout, number: u64, width: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes()[..width].to_vec();
    if layout.order == ByteOrder::Big {
        bytes.reverse();
    }
    bytes
}

/// A header and a payload, without padding.
fn message(layout: Layout, len: u64, level: i32, kind: i32, payload: &[u8]) -> Vec<u8> {
    let int = |n: i32| bytes_of(layout, u64::from(n as u32), 4);
    [&bytes_of(layout, len, width(layout))[..], &int(level), &int(kind), payload].concat()
}

/// One message of the right length.
fn right(layout: Layout, level: i32, kind: i32, payload: &[u8]) -> Vec<u8> {
    message(layout, (width(layout) + 8 + payload.len()) as u64, level, kind, payload)
}

/// One step of the naive walk.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Message { level: i32, kind: i32, start: usize, end: usize },
    Malformed { offset: usize, claimed: u64, left: usize },
}

/// The walk in integers that cannot wrap: every step, and where the bytes start that were not walked.
fn naive(layout: Layout, bytes: &[u8]) -> (Vec<Seen>, usize) {
    let (a, h) = (width(layout) as u128, width(layout) as u128 + 8);
    let (mut at, mut seen) = (0_u128, Vec::new());
    while at + h <= bytes.len() as u128 {
        let offset = at as usize;
        let field = |from: usize, width: usize| number(layout, &bytes[offset + from..offset + from + width]);
        let claimed = field(0, a as usize);
        let left = bytes.len() - offset;
        if u128::from(claimed) < h || claimed > left as u64 {
            seen.push(Seen::Malformed { offset, claimed, left });
            return (seen, offset);
        }
        let (level, kind) = (field(a as usize, 4) as u32 as i32, field(a as usize + 4, 4) as u32 as i32);
        seen.push(Seen::Message { level, kind, start: offset + h as usize, end: offset + claimed as usize });
        at += u128::from(claimed).next_multiple_of(a);
    }
    (seen, at.min(bytes.len() as u128) as usize)
}

/// Decodes `bytes` and compares everything there is to see with the naive walk.
fn equals_naive(layout: Layout, bytes: &[u8]) {
    let (steps, end) = naive(layout, bytes);
    let mut walk = ForeignCmsgs::new(layout, bytes);
    assert_eq!(walk.remainder(), bytes, "nothing has been walked yet");
    for step in &steps {
        match (step, walk.next()) {
            (&Seen::Message { level, kind, start, end }, Some(Ok(found))) => {
                assert_eq!((found.level, found.kind, found.layout), (level, kind, layout));
                assert!(core::ptr::eq(found.payload, &bytes[start..end]), "{step:?} in {bytes:02x?}");
            }
            (&Seen::Malformed { offset, claimed, left }, Some(Err(found))) => {
                assert_eq!(found, ForeignMalformed { offset, claimed, left });
            }
            (_, found) => panic!("{layout:?}: {step:?} came as {found:?} from {bytes:02x?}"),
        }
        assert!(core::ptr::eq(walk.remainder(), &bytes[walk.offset()..]), "{step:?} in {bytes:02x?}");
    }
    for _ in 0..3 {
        assert_eq!(walk.next(), None, "{layout:?}: after the end of {bytes:02x?}");
        assert!(core::ptr::eq(walk.remainder(), &bytes[end..]), "{layout:?}: remainder of {bytes:02x?}");
        assert_eq!(walk.offset(), end);
    }
}

/// What [`Cmsgs`] says must be what is said about [`Layout::NATIVE`].
fn equals_native(bytes: &[u8]) {
    let (mut ours, mut theirs) = (Cmsgs::new(bytes), ForeignCmsgs::new(Layout::NATIVE, bytes));
    loop {
        let same = match (ours.next(), theirs.next()) {
            (None, None) => break,
            (Some(Ok(a)), Some(Ok(b))) => (a.level, a.kind) == (b.level, b.kind) && core::ptr::eq(a.payload, b.payload),
            (Some(Err(a)), Some(Err(b))) => {
                (a.offset, a.claimed as u64, a.left) == (b.offset, b.claimed, b.left) && a.to_string() == b.to_string()
            }
            _ => false,
        };
        assert!(same, "they differ about {bytes:02x?}");
        assert!(core::ptr::eq(ours.remainder(), theirs.remainder()), "they differ about the rest of {bytes:02x?}");
    }
    assert!(core::ptr::eq(ours.remainder(), theirs.remainder()), "they differ about the rest of {bytes:02x?}");
}

#[test]
fn all_short_buffers_of_interesting_words_decode() {
    let mut buffers = 0_usize;
    for layout in layouts() {
        let (a, h) = (width(layout), width(layout) as u64 + 8);
        let all: &[u64] = &[0, h, h + 1, h - 1, h + 8, h + 16, u64::MAX - 7, 1 << 32 | h];
        let words = if cfg!(miri) { &all[1..3] } else { all };
        let longest = if a == 8 { 40 } else { 24 };
        for len in 0..=longest {
            let count = len / a + usize::from(len % a != 0);
            for mut which in 0..words.len().pow(count.min(if cfg!(miri) { 2 } else { 4 }) as u32) {
                let mut bytes = vec![0xff; 4];
                for _ in 0..count {
                    bytes.extend(bytes_of(layout, words[which % words.len()], a));
                    which /= words.len();
                }
                equals_naive(layout, &bytes[4..4 + len]);
                buffers += 1;
            }
        }
    }
    println!("{buffers} buffers");
}

/// Bytes that look like messages of a layout, right and wrong ones.
fn almost(layout: Layout) -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let claim = prop_oneof![5 => Just(None), 1 => (0_u64..60).prop_map(Some), 1 => any::<u64>().prop_map(Some)];
    let one = (payload, claim, prop_oneof![Just(1), Just(0xffff), any::<i32>()], 0..6_i32, 0..9_usize);
    prop::collection::vec(one, 0..6).prop_map(move |items| {
        let mut bytes = Vec::new();
        for (payload, claim, level, kind, gap) in items {
            let len = (width(layout) + 8 + payload.len()) as u64;
            bytes.extend(message(layout, claim.unwrap_or(len), level, kind, &payload));
            // Nearly always the right padding.
            let padding = if gap == 8 { 3 } else { bytes.len().next_multiple_of(width(layout)) - bytes.len() };
            bytes.resize(bytes.len() + padding, 0xff);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn noise_decodes_in_every_layout(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        layouts().for_each(|layout| equals_naive(layout, &bytes));
        equals_native(&bytes);
    }

    #[test]
    fn what_looks_like_messages_decodes_in_every_layout(
        (layout, bytes) in prop::sample::select(layouts().collect::<Vec<_>>())
            .prop_flat_map(|layout| (Just(layout), almost(layout))),
        cut in 0..64_usize,
    ) {
        equals_naive(layout, &bytes);
        equals_naive(layout, &bytes[..bytes.len().saturating_sub(cut)]);
    }

    #[test]
    fn the_native_layout_is_what_the_decoder_sees(bytes in almost(Layout::NATIVE), cut in 0..64_usize) {
        equals_native(&bytes);
        equals_native(&bytes[..bytes.len().saturating_sub(cut)]);
        equals_native(bytes.get(cut % 8..).unwrap_or_default());
    }

    #[test]
    fn slots_are_whole_and_in_order(
        slots in prop::collection::vec(any::<i32>(), 0..20),
        stray in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        for layout in layouts() {
            let mut payload = slots.iter().flat_map(|slot| bytes_of(layout, u64::from(*slot as u32), 4)).collect::<Vec<_>>();
            payload.extend(&stray);
            let rights = ForeignCmsg { level: 1, kind: 1, payload: &payload, layout }.rights().unwrap();
            prop_assert_eq!(rights.len(), slots.len());
            prop_assert_eq!(rights.collect::<Vec<_>>(), &slots[..]);
            prop_assert_eq!(format!("{rights:?}"), format!("{slots:?}"));
        }
    }
}

/// The only message in `bytes`.
fn only(layout: Layout, bytes: &[u8]) -> ForeignCmsg<'_> {
    let mut walk = ForeignCmsgs::new(layout, bytes);
    let message = walk.next().unwrap().unwrap();
    assert_eq!(walk.next(), None);
    message
}

#[test]
fn big_endian_bytes_of_a_32_bit_program_are_golden() {
    let layout = Layout { abi: Abi::Native32, order: ByteOrder::Big };
    #[rustfmt::skip]
    let bytes = [
        0, 0, 0, 24,  0, 0, 0, 1,  0, 0, 0, 2,  0, 0, 0x12, 0x34,  0, 0, 0x03, 0xe8,  0, 0, 0, 100,
        0, 0, 0, 20,  0, 0, 0xff, 0xff,  0, 0, 0, 1,  0, 0, 0, 5,  0xff, 0xff, 0xff, 0xff,
        0, 0, 0, 16,  0, 0, 0, 1,  0, 0, 0, 4,  0xff, 0xff, 0xff, 0xe8,
        0, 0, 0, 13,  0, 0, 0, 0,  0, 0, 0, 1,  0xb8,
    ];
    let all: Vec<_> = ForeignCmsgs::new(layout, &bytes).map(Result::unwrap).collect();
    assert_eq!(all.len(), 4);
    let ids = all[0].credentials().unwrap().unwrap();
    assert_eq!(ids, Credentials { pid: std::num::NonZeroU32::new(0x1234), uid: 1000, gid: 100 });
    assert_eq!(all[1].rights().unwrap().collect::<Vec<_>>(), [5, -1]);
    assert_eq!(all[2].pidfd(), Ok(Some(-24)));
    assert_eq!((all[3].level, all[3].kind, all[3].payload), (0, 1, &[0xb8][..]));
    assert!(all[3].rights().is_none() && all[3].credentials() == Ok(None) && all[3].pidfd() == Ok(None));
}

#[test]
fn bytes_of_a_64_bit_program_are_golden() {
    let little = Layout { abi: Abi::Native64, order: ByteOrder::Little };
    #[rustfmt::skip]
    let bytes = [
        24, 0, 0, 0, 0, 0, 0, 0,  1, 0, 0, 0,  1, 0, 0, 0,  7, 0, 0, 0,  0xff, 0xff, 0xff, 0x7f,
    ];
    assert_eq!(only(little, &bytes).rights().unwrap().collect::<Vec<_>>(), [7, i32::MAX]);
    assert_eq!(only(little, &bytes).word_at(0), Some(0x7fff_ffff_0000_0007));
    let big = Layout { abi: Abi::Native64, order: ByteOrder::Big };
    #[rustfmt::skip]
    let bytes = [
        0, 0, 0, 0, 0, 0, 0, 24,  0, 0, 0, 1,  0, 0, 0, 1,  0, 0, 0, 7,  0x7f, 0xff, 0xff, 0xff,
    ];
    assert_eq!(only(big, &bytes).rights().unwrap().collect::<Vec<_>>(), [7, i32::MAX]);
    assert_eq!(only(big, &bytes).word_at(0), Some(0x0000_0007_7fff_ffff));
}

#[test]
fn a_message_that_was_cut_says_how_short_it_is() {
    for layout in layouts() {
        for have in 0..=13 {
            let payload = vec![1; have];
            let ids = right(layout, 1, 2, &payload);
            let pidfd = right(layout, 1, 4, &payload);
            let (ids, pidfd) = (only(layout, &ids).credentials(), only(layout, &pidfd).pidfd());
            assert_eq!(ids.is_ok(), have >= 12);
            assert_eq!(pidfd, if have < 4 { Err(Short { need: 4, have }) } else { Ok(Some(0x0101_0101)) });
            if have < 12 {
                assert_eq!(ids, Err(Short { need: 12, have }));
            }
        }
    }
}

#[test]
fn integers_are_read_where_they_are_whole() {
    let payload = [0x80, 1, 2, 3, 4, 5, 6, 7, 8];
    for layout in layouts() {
        let bytes = right(layout, 6, 36, &payload);
        let message = only(layout, &bytes);
        for at in [0, 1, 4, 5, 6, 8, 9, 10, usize::MAX] {
            let whole = |width: usize| payload.get(at..)?.get(..width).map(|bytes| number(layout, bytes));
            assert_eq!(message.u32_at(at).map(u64::from), whole(4));
            assert_eq!(message.i32_at(at).map(|n| u64::from(n as u32)), whole(4));
            assert_eq!(message.word_at(at), whole(width(layout)));
        }
    }
}
