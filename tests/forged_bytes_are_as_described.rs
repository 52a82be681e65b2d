//! Forged control bytes are what the description says: right ones equal the encoder's, wrong ones are wrong in one place.

#![cfg(feature = "oracle")]

use proptest::prelude::*;
use scmsg::oracle::forge::{Forgery, Item, Length, Payload};
use scmsg::oracle::{Abi, ByteOrder, Layout};
use scmsg::raw::msghdr;
use scmsg::{ControlBuf, Encode, Encoder, Message, NoSpace};

const LITTLE64: Layout = Layout { abi: Abi::Native64, order: ByteOrder::Little };
const BIG64: Layout = Layout { abi: Abi::Native64, order: ByteOrder::Big };
const LITTLE32: Layout = Layout { abi: Abi::Compat, order: ByteOrder::Little };
const BIG32: Layout = Layout { abi: Abi::Native32, order: ByteOrder::Big };

/// A message at a level of its own.
struct Own<'a>(&'a [u8]);

impl Message for Own<'_> {
    const LEVEL: i32 = -77;
    const TYPE: i32 = 99;
}

impl Encode for Own<'_> {
    fn payload_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut [u8]) {
        out.copy_from_slice(self.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn right_messages_are_the_encoders(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
        let items: Vec<_> = payloads.iter().map(|payload| Item::new(-77, 99, Payload::Bytes(payload))).collect();
        let mut storage = [0xff; 256];
        let forged = Forgery::new(Layout::NATIVE, &items).build(&mut storage).unwrap();
        let mut buf = ControlBuf::<[u8; 256]>::new();
        let mut encoder = Encoder::new(&mut buf);
        for payload in &payloads {
            encoder.push(&Own(payload)).unwrap();
        }
        prop_assert_eq!(forged.bytes, encoder.as_bytes());
        prop_assert_eq!(forged.control_len, encoder.as_bytes().len() as u64);
    }

    #[test]
    fn whole_or_not_at_all(room in 0usize..120, start in 0usize..9, trailing in 0usize..9, gap in -40i32..40) {
        let items = [Item::rights(&[1, 2]).gap(gap), Item::credentials(1, 2, 3)];
        let forgery = Forgery { start, trailing, fill: 7, ..Forgery::new(Layout::NATIVE, &items) };
        let mut storage = vec![0xee; room];
        let need = forgery.space();
        match forgery.build(&mut storage) {
            Ok(forged) => {
                prop_assert!(room >= need);
                prop_assert_eq!(forged.bytes.len(), need - start);
                prop_assert!(storage[need..].iter().all(|byte| *byte == 0xee), "bytes behind it were written");
            }
            Err(NoSpace { need: said, left }) => {
                prop_assert!(room < need && said == need && left == room);
                prop_assert!(storage.iter().all(|byte| *byte == 0xee), "a failed build wrote");
            }
        }
    }
}

#[test]
fn golden_bytes_in_four_layouts() {
    let items = [Item::rights(&[5]), Item::new(2, 3, Payload::Bytes(b"abc"))];
    let mut storage = [0xff; 64];
    let golden: [(Layout, &[u8]); 4] = [
        (LITTLE64, b"\x14\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x05\0\0\0....\x13\0\0\0\0\0\0\0\x02\0\0\0\x03\0\0\0abc"),
        (BIG64, b"\0\0\0\0\0\0\0\x14\0\0\0\x01\0\0\0\x01\0\0\0\x05....\0\0\0\0\0\0\0\x13\0\0\0\x02\0\0\0\x03abc"),
        (LITTLE32, b"\x10\0\0\0\x01\0\0\0\x01\0\0\0\x05\0\0\0\x0f\0\0\0\x02\0\0\0\x03\0\0\0abc"),
        (BIG32, b"\0\0\0\x10\0\0\0\x01\0\0\0\x01\0\0\0\x05\0\0\0\x0f\0\0\0\x02\0\0\0\x03abc"),
    ];
    for (layout, expected) in golden {
        let forgery = Forgery { fill: b'.', ..Forgery::new(layout, &items) };
        let forged = forgery.build(&mut storage).unwrap();
        assert_eq!(forged.bytes, expected, "{layout:?}");
    }
}

#[test]
fn every_lie_is_told() {
    let mut storage = [0; 4096];
    let mut build = |forgery: Forgery<'_>| {
        let forged = forgery.build(&mut storage).unwrap();
        (forged.bytes.to_vec(), forged.control_len, forged.null)
    };
    let one = [Item::rights(&[5])];
    let forgery = Forgery::new(LITTLE64, &one);
    let (right, len, null) = build(forgery);
    assert_eq!((right.len(), len, null), (20, 20, false));

    let short = [Item::rights(&[5]).claiming(Length::Off(-13))];
    assert_eq!(build(Forgery::new(LITTLE64, &short)).0[..8], 7u64.to_le_bytes());
    let wraps = [Item::rights(&[5]).claiming(Length::Exact(u64::MAX))];
    assert_eq!(build(Forgery::new(LITTLE64, &wraps)).0[..8], [0xff; 8]);
    assert_eq!(build(Forgery::new(LITTLE32, &wraps)).0[..4], [0xff; 4]);

    assert_eq!(build(Forgery { control_len: Length::Off(-1), ..forgery }).1, 19);
    assert_eq!(build(Forgery { control_len: Length::Exact(1 << 40), ..forgery }).1, 1 << 40);
    assert!(build(Forgery { null: true, ..forgery }).2);
    assert_eq!(build(Forgery { trailing: 3, fill: 9, ..forgery }).0[20..], [9, 9, 9]);
    let start = |start| Forgery { start, ..forgery }.build(&mut [0; 64]).map(|forged| forged.bytes.to_vec());
    assert_eq!(start(3).unwrap(), right);

    let gapped = [Item::rights(&[5]).gap(8), Item::rights(&[6])];
    let (bytes, ..) = build(Forgery { fill: 1, ..Forgery::new(LITTLE64, &gapped) });
    assert_eq!((bytes.len(), &bytes[20..32]), (52, &[1; 12][..]));
    assert_eq!(bytes[32], 20);
    let over = [Item::rights(&[5, 6, 7, 8]).gap(-16), Item::rights(&[9])];
    let (bytes, ..) = build(Forgery::new(LITTLE64, &over));
    assert_eq!((bytes.len(), bytes[16], bytes[32]), (36, 20, 9), "the second header lies over the first payload");

    let huge = [Item { payload: Payload::Repeat { number: 7, count: 900 }, ..Item::rights(&[]) }];
    let (bytes, ..) = build(Forgery::new(LITTLE64, &huge));
    assert_eq!(bytes.len(), 16 + 3600);
    assert!(bytes[16..].chunks(4).all(|slot| slot == 7i32.to_le_bytes()));
    assert!(format!("{:?}", Forgery::new(LITTLE64, &over)).contains("Integers([5, 6, 7, 8])"));
}

#[test]
fn a_header_takes_what_was_forged() {
    let items = [Item::rights(&[5])];
    let mut storage = [0; 64];
    let mut header = msghdr::EMPTY;
    let forgery = Forgery::new(Layout::NATIVE, &items);
    let forged = forgery.build(&mut storage).unwrap();
    forged.put_in(&mut header).unwrap();
    assert_eq!(
        (header.msg_control.cast_const().cast(), header.msg_controllen),
        (forged.bytes.as_ptr(), forged.bytes.len())
    );
    let mut storage = [0; 64];
    let lie = Forgery { null: true, control_len: Length::Exact(77), ..forgery };
    lie.build(&mut storage).unwrap().put_in(&mut header).unwrap();
    assert!(header.msg_control.is_null() && header.msg_controllen == 77);
}
