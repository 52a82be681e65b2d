//! `Explain` says what is in control bytes and why the answer is what it is: golden texts, and laws for any bytes.

#![cfg(feature = "oracle")]

use proptest::prelude::*;
use scmsg::Errno;
use scmsg::oracle::forge::{Forgery, Item, Length, Payload};
use scmsg::oracle::{
    Abi, ByteOrder, ControlArea, Descriptor, Explain, ForeignCmsgs, Header, Layout, Outcome, Rule, Rules, Send, Socket,
    Verdict, send,
};

const WIDE: Layout = Layout { abi: Abi::Native64, order: ByteOrder::Little };
const NARROW: Layout = Layout { abi: Abi::Native32, order: ByteOrder::Little };
const COMPAT: Layout = Layout { abi: Abi::Compat, order: ByteOrder::Little };
const BIG: Layout = Layout { abi: Abi::Native32, order: ByteOrder::Big };

/// Sends what was forged, in an ordinary call that `change` makes a special one.
fn sent(forgery: &Forgery<'_>, change: impl for<'a> FnOnce(Send<'a>) -> Send<'a>) -> String {
    let mut storage = [0; 8192];
    let forged = forgery.build(&mut storage).unwrap();
    let control = ControlArea { readable: (!forged.null).then_some(forged.bytes), len: forged.control_len };
    Explain::sent(&change(Send { layout: forgery.layout, control, ..Send::ordinary() })).to_string()
}

/// A message of some other level.
const FOREIGN: Item<'static> = Item::new(41, 67, Payload::Integers(&[184]));

#[track_caller]
fn golden(said: &str, lines: &[&str]) {
    assert_eq!(said, lines.join("\n"), "\n{said}\n");
}

#[test]
fn descriptors_pass() {
    let items = [Item::rights(&[3, 4, 5]), FOREIGN, Item::credentials(2, 1000, 1000)];
    golden(
        &sent(&Forgery::new(WIDE, &items), |call| call),
        &[
            "84 control bytes, 64-bit, little-endian",
            "item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 12 bytes: 3 descriptors: 3, 4, 5",
            "item 1 at offset 32: SOL_IPV6 IPV6_TCLASS, 4 bytes: b8 00 00 00",
            "item 2 at offset 56: SOL_SOCKET SCM_CREDENTIALS, 12 bytes: pid 2, uid 1000, gid 1000",
            "verdict: sent, returns 1, 3 descriptors on the way, as pid 2, uid 1000, gid 1000",
        ],
    );
}

#[test]
fn a_length_under_the_header_is_where_it_ends() {
    let short = Item::rights(&[]).claiming(Length::Exact(7));
    golden(
        &sent(&Forgery::new(WIDE, &[Item::rights(&[3]), FOREIGN, short]), |call| call),
        &[
            "64 control bytes, 64-bit, little-endian",
            "item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 4 bytes: 1 descriptor: 3",
            "item 1 at offset 24: SOL_IPV6 IPV6_TCLASS, 4 bytes: b8 00 00 00",
            "item 2 at offset 48: cmsg_len 7 is under 16: EINVAL",
            "glibc hands out item 2, whose cmsg_len is not true, and ends",
            "musl does not see item 2: no more than a header is left",
            "verdict: EINVAL (invalid argument) at item 2, offset 48",
            "rule item-length: A `cmsg_len` under the header's size or past the end is EINVAL, at every level. [CMSG_OK]",
        ],
    );
}

#[test]
fn a_length_past_the_end_is_where_it_ends() {
    let long = Item::new(17, 103, Payload::Bytes(&[1, 2])).claiming(Length::Off(1));
    golden(
        &sent(&Forgery::new(BIG, &[long]), |call| call),
        &[
            "14 control bytes, 32-bit, big-endian",
            "item 0 at offset 0: cmsg_len 15 is over the 14 bytes left: EINVAL",
            "glibc hands out item 0, whose cmsg_len is not true, and ends",
            "musl hands out item 0, whose cmsg_len is not true, and ends",
            "verdict: EINVAL (invalid argument) at item 0, offset 0",
            "rule item-length: A `cmsg_len` under the header's size or past the end is EINVAL, at every level. [CMSG_OK]",
        ],
    );
}

#[test]
fn one_descriptor_too_many() {
    let full = Item { payload: Payload::Repeat { number: 9, count: 253 }, ..Item::rights(&[]) };
    golden(
        &sent(&Forgery::new(WIDE, &[full, Item::rights(&[3])]), |call| call),
        &[
            "1052 control bytes, 64-bit, little-endian",
            "item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 1012 bytes: 253 descriptors: 9, 9, 9, 9, 9, 9, 9, 9, ..",
            "item 1 at offset 1032: SOL_SOCKET SCM_RIGHTS, 4 bytes: 1 descriptor: 3: EINVAL",
            "verdict: EINVAL (invalid argument) at item 1, offset 1032",
            "rule merge-limit: All `SCM_RIGHTS` together carry at most 253 descriptors, else EINVAL, before the one that \
             is too many is looked at. [scm_fp_copy, since Linux 2.6.38]",
        ],
    );
}

#[test]
fn a_descriptor_that_does_not_pass() {
    let payload = Payload::Bytes(&[5, 0, 0, 0, 7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2]);
    const RING: &dyn Fn(i32) -> Descriptor =
        &|number| if number == 7 { Descriptor::Ring } else { Descriptor::Ordinary };
    golden(
        &sent(&Forgery::new(NARROW, &[Item { payload, ..Item::rights(&[]) }]), |call| Send {
            descriptor: RING,
            ..call
        }),
        &[
            "26 control bytes, 32-bit, little-endian",
            "item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 14 bytes: 3 descriptors: 5, 7 (io_uring), -1 (closed) and 2 \
             stray bytes: EINVAL",
            "verdict: EINVAL (invalid argument) at item 0, offset 0, descriptor 1",
            "rule descriptor-ring: An io_uring descriptor is EINVAL. [scm_fp_copy, since Linux 6.7]",
        ],
    );
}

#[test]
fn one_byte_behind_the_last_message() {
    let forgery = |layout| Forgery { trailing: 1, fill: 0xee, ..Forgery::new(layout, &[FOREIGN]) };
    golden(
        &sent(&forgery(NARROW), |call| call),
        &[
            "17 control bytes, 32-bit, little-endian",
            "item 0 at offset 0: SOL_IPV6 IPV6_TCLASS, 4 bytes: b8 00 00 00",
            "1 byte behind the last item: ee",
            "verdict: sent, returns 1, 0 descriptors on the way",
        ],
    );
    let said = sent(&forgery(COMPAT), |call| call);
    assert!(said.starts_with("17 control bytes, 32-bit on a 64-bit kernel, little-endian\n"), "{said}");
    assert!(said.contains("\n1 byte behind the last item: ee\nverdict: "), "{said}");
    assert!(!said.contains("verdict: sent"), "{said}");
}

#[test]
fn musl_sees_less() {
    let bare = Item::new(41, 1000, Payload::Bytes(&[]));
    golden(
        &sent(&Forgery::new(WIDE, &[FOREIGN, bare]), |call| call),
        &[
            "40 control bytes, 64-bit, little-endian",
            "item 0 at offset 0: SOL_IPV6 IPV6_TCLASS, 4 bytes: b8 00 00 00",
            "item 1 at offset 24: SOL_IPV6 type 1000, 0 bytes",
            "musl does not see item 1: no more than a header is left",
            "verdict: sent, returns 1, 0 descriptors on the way",
        ],
    );
}

#[test]
fn musl_sees_more() {
    let upper = FOREIGN.claiming(Length::Off(1 << 32));
    golden(
        &sent(&Forgery::new(WIDE, &[upper, FOREIGN]), |call| call),
        &[
            "44 control bytes, 64-bit, little-endian",
            "item 0 at offset 0: cmsg_len 4294967316 is over the 44 bytes left: EINVAL",
            "glibc hands out item 0, whose cmsg_len is not true, and ends",
            "musl reads the lower half of cmsg_len and sees 2 items",
            "verdict: EINVAL (invalid argument) at item 0, offset 0",
            "rule item-length: A `cmsg_len` under the header's size or past the end is EINVAL, at every level. [CMSG_OK]",
        ],
    );
}

#[test]
fn musl_sees_the_same_again() {
    for (claimed, does) in [
        (0xffff_ffff, "whose cmsg_len wraps, again and again"),
        (0xffff_fff9, "whose cmsg_len wraps, and goes 4 bytes back"),
        (0xffff_fff1, "whose cmsg_len wraps, and goes 12 bytes back"),
    ] {
        let wraps = FOREIGN.claiming(Length::Exact(claimed));
        let said = sent(&Forgery::new(NARROW, &[FOREIGN, wraps]), |call| call);
        assert!(said.contains(&format!("\nmusl hands out item 1, {does}\n")), "{said}");
    }
}

#[test]
fn a_stream_without_data_loses_them() {
    golden(
        &sent(&Forgery::new(WIDE, &[Item::rights(&[3])]), |call| Send { socket: Socket::UnixStream, bytes: 0, ..call }),
        &[
            "20 control bytes, 64-bit, little-endian",
            "item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 4 bytes: 1 descriptor: 3",
            "verdict: returns 0, 1 descriptor lost",
            "rule empty-stream: Stream: with no data the send succeeds and descriptors and credentials are dropped. \
             [unix_stream_sendmsg]",
        ],
    );
}

#[test]
fn what_cannot_be_read() {
    let null = Forgery { null: true, control_len: Length::Exact(20), ..Forgery::new(WIDE, &[]) };
    golden(
        &sent(&null, |call| call),
        &[
            "msg_control is null, msg_controllen 20, 64-bit, little-endian",
            "verdict: EFAULT (bad address)",
            "rule control-fault: Control bytes that cannot be read are EFAULT. [____sys_sendmsg]",
        ],
    );
    let item = [FOREIGN.claiming(Length::Off(8))];
    let long = Forgery { control_len: Length::Off(8), ..Forgery::new(WIDE, &item) };
    golden(
        &sent(&long, |call| call),
        &[
            "msg_controllen 28, of which 20 bytes can be read, 64-bit, little-endian",
            "item 0 at offset 0: cmsg_len 28 ends behind what can be read",
            "verdict: EFAULT (bad address)",
            "rule control-fault: Control bytes that cannot be read are EFAULT. [____sys_sendmsg]",
        ],
    );
    let short = Forgery { control_len: Length::Exact(19), ..Forgery::new(WIDE, &[FOREIGN]) };
    let said = sent(&short, |call| call);
    assert!(said.contains("19 control bytes") && said.contains("is over the 19 bytes left"), "{said}");
}

#[test]
fn an_oracle_that_is_wrong_on_purpose_says_so() {
    let rules = Rules::without(Rule::DescriptorClosed);
    golden(
        &sent(&Forgery::new(WIDE, &[Item::rights(&[-1])]), |call| Send { rules, ..call }),
        &[
            "20 control bytes, 64-bit, little-endian",
            "item 0 at offset 0: SOL_SOCKET SCM_RIGHTS, 4 bytes: 1 descriptor: -1 (closed)",
            "verdict: sent, returns 1, 1 descriptor on the way",
            "without rule descriptor-closed: this oracle is wrong on purpose",
        ],
    );
}

#[test]
fn bytes_alone_have_no_verdict() {
    let items = [
        Item::new(1, 4, Payload::Integers(&[-24])),
        Item::new(0xffff, 1, Payload::Integers(&[3])),
        Item::new(-1, 5, Payload::Bytes(&[1, 2, 3, 4, 5, 6, 7, 8, 9])),
        Item::new(1, 2, Payload::Bytes(&[1, 2, 3, 4, 5, 6, 7, 8])),
    ];
    let mut storage = [0; 256];
    let forged = Forgery::new(BIG, &items).build(&mut storage).unwrap();
    golden(
        &Explain::bytes(BIG, forged.bytes).to_string(),
        &[
            "76 control bytes, 32-bit, big-endian",
            "item 0 at offset 0: SOL_SOCKET SCM_PIDFD, 4 bytes: -24",
            "item 1 at offset 16: level 65535 (SOL_SOCKET elsewhere) type 1, 4 bytes: 1 descriptor: 3",
            "item 2 at offset 32: level -1 type 5, 9 bytes: 01 02 03 04 05 06 07 08 ..",
            "item 3 at offset 56: SOL_SOCKET SCM_CREDENTIALS, 8 bytes: 01 02 03 04 05 06 07 08",
        ],
    );
    golden(&Explain::bytes(WIDE, &[]).to_string(), &["0 control bytes, 64-bit, little-endian"]);
}

/// Control bytes that are nearly right.
fn bytes(layout: Layout) -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![8 => Just(None), 1 => (0..70_u64).prop_map(Some), 1 => any::<u64>().prop_map(Some)];
    let level = prop_oneof![4 => Just(1), 1 => 0..300_i32, 1 => any::<i32>()];
    let number = prop_oneof![Just(1), 0..1001_i32, -2..3_i32];
    let item = (len, level, 0..6_i32, prop::collection::vec(number, 0..12), 0..4_usize);
    prop::collection::vec(item, 0..5).prop_map(move |items| {
        let mut bytes = Vec::new();
        for (len, level, kind, numbers, tail) in items {
            let start = bytes.len();
            bytes.resize(start + layout.header() + 4 * numbers.len() + tail, 0);
            let len = len.unwrap_or((bytes.len() - start) as u64);
            layout.write_header(&mut bytes[start..], Header { len, level, kind }).unwrap();
            for (at, number) in numbers.iter().enumerate() {
                layout.write_i32(&mut bytes[start + layout.header() + 4 * at..], *number).unwrap();
            }
            bytes.resize(bytes.len().next_multiple_of(layout.alignment()), 0);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_have_a_line_for_each_item_and_the_oracles_verdict(
        (layout, bytes) in prop::sample::select(vec![WIDE, NARROW, COMPAT, BIG])
            .prop_flat_map(|layout| (Just(layout), bytes(layout))),
        cut in 0..30_usize,
        claims in prop_oneof![3 => Just(None), 1 => (0..400_u64).prop_map(Some), 1 => any::<u64>().prop_map(Some)],
        socket in prop::sample::select(vec![Socket::UnixStream, Socket::UnixSeqPacket, Socket::Netlink]),
        length in 0..3_u64,
    ) {
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        let control = ControlArea { readable: Some(bytes), len: claims.unwrap_or(bytes.len() as u64) };
        let call = Send { layout, control, socket, bytes: length, ..Send::ordinary() };
        let said = Explain::sent(&call).to_string();
        let seen = usize::try_from(control.len).map_or(bytes, |len| bytes.get(..len).unwrap_or(bytes));
        let items = ForeignCmsgs::new(layout, seen).count();
        prop_assert_eq!(said.lines().filter(|line| line.starts_with("item ")).count(), items);

        let Verdict { outcome, rule, place } = send(&call);
        let line = said.lines().find_map(|line| line.strip_prefix("verdict: ")).unwrap();
        match outcome {
            Outcome::Failed(errno) => {
                prop_assert!(line.starts_with(&errno.to_string()));
                let marked = said.lines().filter(|line| line.ends_with(&format!(": {errno:?}"))).collect::<Vec<_>>();
                let listed = place.filter(|place| place.item < items);
                prop_assert_eq!(marked.len(), usize::from(listed.is_some()), "{}", said);
                if let Some(place) = listed {
                    let start = format!("item {} at offset {}: ", place.item, place.offset);
                    prop_assert!(marked[0].starts_with(&start), "{}", said);
                }
            }
            Outcome::Sent { .. } => prop_assert!(line.starts_with("sent, returns ")),
            Outcome::Dropped { .. } => prop_assert!(line.starts_with("returns 0, ")),
        }
        let named = said.lines().find_map(|line| line.strip_prefix("rule "));
        prop_assert_eq!(named.is_some(), rule.is_some());
        prop_assert!(named.is_none_or(|named| named.starts_with(rule.unwrap().name())));
        // The walkers are compared with the kernel only where the bytes end where they should.
        let walkers = said.lines().filter(|line| line.starts_with("glibc ") || line.starts_with("musl ")).count();
        prop_assert!(walkers == 0 || seen.len() as u64 == control.len);
    }

    #[test]
    fn noise_is_explained(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for layout in [WIDE, NARROW, COMPAT, BIG] {
            let said = Explain::bytes(layout, &bytes).to_string();
            prop_assert_eq!(said.lines().filter(|line| line.starts_with("item ")).count(), ForeignCmsgs::new(layout, &bytes).count());
            prop_assert!(!said.contains("verdict"));
        }
    }
}

#[test]
fn every_errno_of_the_parse_is_named_in_a_line() {
    for (items, errno) in [
        (&[Item::rights(&[-1])][..], Errno::EBADF),
        (&[Item::credentials(9, 1000, 1000)], Errno::EPERM),
        (&[Item::new(1, 3, Payload::Bytes(b"label"))], Errno::EINVAL),
    ] {
        let said = sent(&Forgery::new(WIDE, items), |call| call);
        let line = said.lines().nth(1).unwrap();
        assert!(
            line.starts_with("item 0 at offset 0: SOL_SOCKET SCM_") && line.ends_with(errno.name().unwrap()),
            "{said}"
        );
    }
}
