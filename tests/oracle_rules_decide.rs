//! Each rule of `oracle::send` decides a case made for it, in every layout, and the answer changes when it is taken out.
//!
//! No system call: the running kernel is asked by `oracle_agrees_with_the_kernel.rs`.

#![cfg(feature = "oracle")]

use scmsg::Errno;
use scmsg::oracle::forge::{Forgery, Item, Length, Payload};
use scmsg::oracle::{
    Abi, ByteOrder, Capabilities, Connection, ControlArea, Descriptor, Layout, Limits, Name, Outcome, Rule, Rules,
    Send, Side, Socket, Verdict, Version, send,
};

const EINVAL: Outcome = Outcome::Failed(Errno::EINVAL);
const EPERM: Outcome = Outcome::Failed(Errno::EPERM);
const EBADF: Outcome = Outcome::Failed(Errno::EBADF);
const RING: i32 = 77;

/// A seqpacket socket of user 1000, for which 77 is an io_uring and 100 and more are closed.
fn call(layout: Layout) -> Send<'static> {
    Send {
        layout,
        descriptor: &|number| match number {
            RING => Descriptor::Ring,
            0..100 => Descriptor::Ordinary,
            _ => Descriptor::Closed,
        },
        ..Send::ordinary()
    }
}

fn layouts() -> impl Iterator<Item = Layout> {
    [Abi::Native64, Abi::Native32, Abi::Compat]
        .into_iter()
        .flat_map(|abi| [ByteOrder::Little, ByteOrder::Big].map(|order| Layout { abi, order }))
}

const fn rights(numbers: &[i32]) -> Item<'_> {
    Item::rights(numbers)
}

const fn own() -> Item<'static> {
    Item::credentials(2, 1000, 1000)
}

const fn many(count: u32) -> Item<'static> {
    Item { payload: Payload::Repeat { number: 3, count }, ..Item::rights(&[]) }
}

const fn foreign(payload: &[u8]) -> Item<'_> {
    Item::new(-5, 1, Payload::Bytes(payload))
}

/// One case: messages, how they are bent, how the world is, and what comes of it.
struct Case<'a> {
    rule: Rule,
    items: &'a [Item<'a>],
    bend: fn(&mut Forgery<'_>),
    world: fn(&mut Send<'_>),
    expected: Outcome,
    /// Layouts it is about.
    of: fn(Layout) -> bool,
}

fn any(_: Layout) -> bool {
    true
}

fn compat(layout: Layout) -> bool {
    layout.abi == Abi::Compat
}

fn native(layout: Layout) -> bool {
    layout.abi != Abi::Compat
}

fn case<'a>(rule: Rule, items: &'a [Item<'a>], expected: Outcome) -> Case<'a> {
    Case { rule, items, bend: |_| {}, world: |_| {}, expected, of: any }
}

fn sent(descriptors: usize) -> Outcome {
    Outcome::Sent { bytes: 1, descriptors, credentials: None }
}

/// Runs a case in one layout with these rules.
fn run(case: &Case<'_>, layout: Layout, rules: Rules) -> Verdict {
    let mut forgery = Forgery::new(layout, case.items);
    (case.bend)(&mut forgery);
    let mut storage = vec![0xff; forgery.space()];
    let forged = forgery.build(&mut storage).unwrap();
    let readable = (!forged.null).then_some(forged.bytes);
    let mut call = Send { rules, control: ControlArea { readable, len: forged.control_len }, ..call(layout) };
    (case.world)(&mut call);
    send(&call)
}

fn check(cases: &[Case<'_>]) {
    for case in cases {
        let mut ran = 0;
        for layout in layouts().filter(|layout| (case.of)(*layout)) {
            let verdict = run(case, layout, Rules::ALL);
            assert_eq!(verdict.outcome, case.expected, "{} in {layout:?}: {verdict:?}", case.rule);
            let broken = run(case, layout, Rules::without(case.rule));
            assert_ne!(broken.outcome, verdict.outcome, "{} taken out changes nothing in {layout:?}", case.rule);
            let fails = matches!(verdict.outcome, Outcome::Failed(_));
            let shapes =
                [Rule::PacketsFirst, Rule::CompatTail, Rule::LookupLast, Rule::ItemAlign, Rule::CredentialsLast];
            if fails && !shapes.contains(&case.rule) {
                assert_eq!(verdict.rule, Some(case.rule), "{layout:?}");
            }
            ran += 1;
        }
        assert!(ran > 0, "{} runs in no layout", case.rule);
    }
}

#[test]
fn rules_of_the_entry_and_the_import_decide() {
    check(&[
        Case {
            world: |call| call.flags = 0x8000_0000,
            of: |layout| layout.abi == Abi::Native64,
            ..case(Rule::CompatBit, &[], EINVAL)
        },
        Case { world: |call| call.name = Name::NegativeLength, ..case(Rule::NameLength, &[], EINVAL) },
        Case {
            bend: |forgery| forgery.control_len = Length::Exact(0x8000_0000),
            of: compat, // where no other rule says ENOBUFS
            ..case(Rule::ControlTooLong, &[], Outcome::Failed(Errno::ENOBUFS))
        },
        Case {
            world: |call| call.limits.option_memory = 44,
            of: native,
            ..case(Rule::OptionMemory, &[many(8)], Outcome::Failed(Errno::ENOBUFS))
        },
        Case {
            bend: |forgery| forgery.control_len = Length::Off(1),
            of: native,
            ..case(Rule::ControlFault, &[rights(&[3])], Outcome::Failed(Errno::EFAULT))
        },
        Case { bend: |forgery| forgery.null = true, of: compat, ..case(Rule::CompatFirst, &[rights(&[3])], EINVAL) },
        // The second message is wrong; the first has a descriptor that is not open, which a native kernel sees first.
        Case {
            of: compat,
            ..case(Rule::CompatLength, &[rights(&[100]), rights(&[3]).claiming(Length::Exact(11))], EINVAL)
        },
        Case { bend: |forgery| forgery.trailing = 4, of: compat, ..case(Rule::CompatTail, &[rights(&[3])], EINVAL) },
        Case {
            world: |call| call.limits.option_memory = 40,
            of: compat,
            ..case(Rule::CompatMemory, &[many(6)], Outcome::Failed(Errno::ENOMEM))
        },
    ]);
}

#[test]
fn rules_of_the_parse_decide() {
    check(&[
        Case { bend: |forgery| forgery.trailing = 11, of: native, ..case(Rule::HeaderRoom, &[many(2)], sent(2)) },
        Case { of: native, ..case(Rule::ItemLength, &[rights(&[3]).claiming(Length::Exact(11))], EINVAL) },
        case(Rule::ItemAlign, &[foreign(&[1]), rights(&[3])], sent(1)),
        case(Rule::ForeignLevel, &[foreign(b"what?"), rights(&[3])], sent(1)),
        Case { world: |call| call.socket = Socket::Netlink, ..case(Rule::RightsFamily, &[rights(&[])], EINVAL) },
        case(Rule::RightsFloor, &[Item { payload: Payload::Bytes(&[0; 7]), ..rights(&[]) }], sent(1)),
        case(Rule::MergeLimit, &[many(250), many(4)], EINVAL),
        case(Rule::DescriptorClosed, &[rights(&[3, 100])], EBADF),
        case(Rule::DescriptorRing, &[rights(&[3, RING])], EINVAL),
        case(Rule::CredentialsLength, &[Item { payload: Payload::Bytes(&[0; 13]), ..own() }], EINVAL),
        Case {
            world: |call| call.sender.can = Capabilities::ALL,
            ..case(Rule::CredentialsMapped, &[Item::credentials(2, u32::MAX, 1000)], EINVAL)
        },
        case(Rule::CredentialsPid, &[Item::credentials(1, 1000, 1000)], EPERM),
        case(Rule::CredentialsUid, &[Item::credentials(2, 0, 1000)], EPERM),
        case(Rule::CredentialsGid, &[Item::credentials(2, 1000, 0)], EPERM),
        Case {
            world: |call| call.sender.can.sys_admin = true,
            ..case(Rule::CredentialsProcess, &[Item::credentials(3, 1000, 1000)], Outcome::Failed(Errno::ESRCH))
        },
        case(Rule::UnknownType, &[Item { kind: 4, ..rights(&[3]) }], EINVAL),
    ]);
}

#[test]
fn rules_of_the_protocol_decide() {
    let refused = Outcome::Failed(Errno::ECONNREFUSED);
    let not_supported = Outcome::Failed(Errno::EOPNOTSUPP);
    let not_connected = Outcome::Failed(Errno::ENOTCONN);
    let pipe = Outcome::Failed(Errno::EPIPE);
    check(&[
        Case {
            world: |call| call.connection = Connection::None,
            ..case(Rule::PacketsFirst, &[rights(&[100])], not_connected)
        },
        Case {
            world: |call| (call.socket, call.bytes) = (Socket::Netlink, 0),
            ..case(Rule::NetlinkEmpty, &[own()], Outcome::Failed(Errno::ENODATA))
        },
        Case {
            world: |call| (call.socket, call.name, call.bytes) = (Socket::Netlink, Name::Invalid, 300_000),
            ..case(Rule::NetlinkName, &[own()], EINVAL)
        },
        Case {
            world: |call| (call.socket, call.name) = (Socket::Netlink, Name::Nowhere(Errno::ECONNREFUSED)),
            ..case(Rule::NetlinkNobody, &[own()], refused)
        },
        Case { world: |call| call.flags = 1, ..case(Rule::UrgentPacket, &[], not_supported) },
        Case {
            world: |call| (call.socket, call.flags, call.bytes) = (Socket::UnixStream, 1, 0),
            ..case(Rule::UrgentEmpty, &[], not_supported)
        },
        Case {
            world: |call| (call.socket, call.name) = (Socket::UnixStream, Name::Found),
            ..case(Rule::NameOnStream, &[], Outcome::Failed(Errno::EISCONN))
        },
        Case {
            world: |call| call.pending = Some(Errno::ECONNRESET),
            ..case(Rule::PendingError, &[rights(&[100])], Outcome::Failed(Errno::ECONNRESET))
        },
        Case {
            world: |call| (call.socket, call.connection) = (Socket::UnixStream, Connection::None),
            ..case(Rule::NotConnected, &[], not_connected)
        },
        Case { world: |call| call.connection = Connection::ShutDown, ..case(Rule::ShutDown, &[], pipe) },
        Case {
            world: |call| (call.socket, call.bytes) = (Socket::UnixStream, 0),
            ..case(Rule::EmptyStream, &[many(5)], Outcome::Dropped { descriptors: 5 })
        },
        Case {
            world: |call| call.bytes = 212_961,
            ..case(Rule::TooLong, &[many(1)], Outcome::Failed(Errno::EMSGSIZE))
        },
        Case {
            world: |call| call.limits.in_flight = 1025,
            ..case(Rule::InFlight, &[many(1)], Outcome::Failed(Errno::ETOOMANYREFS))
        },
        // Without the rule, as before Linux 6.14, nobody to send to is found out first.
        Case {
            world: |call| {
                (call.socket, call.connection, call.limits.in_flight) = (Socket::UnixDatagram, Connection::None, 1025);
            },
            ..case(Rule::LookupLast, &[many(1)], Outcome::Failed(Errno::ETOOMANYREFS))
        },
        Case {
            world: |call| (call.socket, call.name) = (Socket::UnixDatagram, Name::Nowhere(Errno::ECONNREFUSED)),
            ..case(Rule::NameLookup, &[], refused)
        },
        Case {
            world: |call| (call.socket, call.connection) = (Socket::UnixDatagram, Connection::PeerClosed),
            ..case(Rule::PeerClosed, &[], refused)
        },
        Case {
            world: |call| (call.socket, call.connection) = (Socket::UnixDatagram, Connection::PeerElsewhere),
            ..case(Rule::PeerElsewhere, &[many(1)], EPERM)
        },
        Case {
            world: |call| (call.socket, call.connection) = (Socket::UnixDatagram, Connection::PeerDeaf),
            ..case(Rule::PeerDeaf, &[], pipe)
        },
        Case { world: |call| call.peer_takes_rights = false, ..case(Rule::PassRights, &[many(1)], EPERM) },
    ]);
}

#[test]
fn netlink_looks_at_the_address_then_at_the_length_then_for_somebody() {
    let answer = |name, connection, bytes| {
        let call = Send { socket: Socket::Netlink, name, connection, bytes, ..call(Layout::NATIVE) };
        let verdict = send(&call);
        (verdict.outcome, verdict.rule)
    };
    let fails = |errno, rule| (Outcome::Failed(errno), Some(rule));
    let (nobody, privileged) = (Name::Nowhere(Errno::ECONNREFUSED), Name::Nowhere(Errno::EPERM));
    for bytes in [1, 300_000] {
        let invalid = answer(Name::Invalid, Connection::Open, bytes);
        assert_eq!(invalid, fails(Errno::EINVAL, Rule::NetlinkName));
        assert_eq!(answer(privileged, Connection::Open, bytes), fails(Errno::EPERM, Rule::NetlinkName));
    }
    for connection in [Connection::None, Connection::PeerClosed] {
        assert_eq!(answer(Name::None, connection, 1), fails(Errno::ECONNREFUSED, Rule::NetlinkNobody));
        assert_eq!(answer(Name::None, connection, 300_000), fails(Errno::EMSGSIZE, Rule::TooLong));
        assert_eq!(answer(nobody, connection, 1), fails(Errno::ECONNREFUSED, Rule::NetlinkNobody));
        assert_eq!(answer(Name::Found, connection, 1), (sent(0), None));
    }
    assert_eq!(answer(nobody, Connection::Open, 300_000), fails(Errno::EMSGSIZE, Rule::TooLong));
    assert_eq!(answer(Name::None, Connection::Open, 1), (sent(0), None));
}

#[test]
fn the_last_credentials_win() {
    let privileged = |call: &mut Send<'_>| call.sender.can = Capabilities::ALL;
    let items = [Item::credentials(1, 5, 6), own()];
    let case = Case { world: privileged, ..case(Rule::CredentialsLast, &items, sent(0)) };
    for layout in layouts() {
        let said = |rules| match run(&case, layout, rules).outcome {
            Outcome::Sent { credentials: Some(said), .. } => (said.pid.map_or(0, u32::from), said.uid, said.gid),
            other => panic!("{other:?}"),
        };
        assert_eq!(said(Rules::ALL), (2, 1000, 1000), "{layout:?}");
        assert_eq!(said(Rules::without(Rule::CredentialsLast)), (1, 5, 6), "{layout:?}");
    }
}

#[test]
fn a_verdict_says_where() {
    let layout = Layout { abi: Abi::Native64, order: ByteOrder::Little };
    let items = [own(), rights(&[3, 4]), rights(&[5, 100])];
    let verdict = run(&case(Rule::DescriptorClosed, &items, EBADF), layout, Rules::ALL);
    let place = verdict.place.unwrap();
    assert_eq!((place.item, place.offset, place.element), (2, 32 + 24, Some(1)));
}

#[test]
fn versions_change_what_changed() {
    let old = |version: Version, world: fn(&mut Send<'_>), items: &[Item<'_>]| {
        let layout = Layout::NATIVE;
        let mut storage = [0; 256];
        let forged = Forgery::new(layout, items).build(&mut storage).unwrap();
        let mut call = Send { control: ControlArea::new(forged.bytes), ..call(layout) };
        call.limits.version = version;
        world(&mut call);
        send(&call).outcome
    };
    let closed: fn(&mut Send<'_>) = |call| call.peer_takes_rights = false;
    assert_eq!(old(Version(6, 15), closed, &[rights(&[3])]), sent(1));
    assert_eq!(old(Version(6, 16), closed, &[rights(&[3])]), EPERM);
    assert_eq!(old(Version(6, 6), |_| {}, &[rights(&[RING])]), sent(1));
    assert_eq!(old(Version(6, 7), |_| {}, &[rights(&[RING])]), EINVAL);
    let urgent: fn(&mut Send<'_>) = |call| (call.socket, call.flags) = (Socket::UnixStream, 1);
    assert_eq!(old(Version(5, 14), urgent, &[]), Outcome::Failed(Errno::EOPNOTSUPP));
    assert_eq!(old(Version(5, 15), urgent, &[]), sent(0));
    let nobody: fn(&mut Send<'_>) = |call| {
        (call.socket, call.connection) = (Socket::UnixDatagram, Connection::None);
        call.limits.in_flight = 1025;
    };
    assert_eq!(old(Version(6, 13), nobody, &[rights(&[3])]), Outcome::Failed(Errno::ENOTCONN));
    assert_eq!(old(Version(6, 14), nobody, &[rights(&[3])]), Outcome::Failed(Errno::ETOOMANYREFS));
}

#[test]
fn every_send_rule_has_a_case_here() {
    let source = include_str!("oracle_rules_decide.rs");
    for rule in Rule::ALL.iter().filter(|rule| rule.side() == Side::Send) {
        assert!(source.contains(&format!("case(Rule::{rule:?},")), "{rule} has no case");
        assert!(!rule.text().is_empty() && !rule.source().is_empty(), "{rule} says nothing");
        assert_eq!(Rule::from_name(rule.name()), Some(*rule));
    }
    assert_eq!(Rule::from_name("no-such-rule"), None);
}

#[test]
fn the_small_buffer_needs_no_option_memory() {
    for layout in layouts() {
        let none = |call: &mut Send<'_>| {
            call.limits = Limits { option_memory: 0, ..call.limits };
        };
        // 20 bytes of payload stay on the kernel's stack; in the compat path the padding counts.
        let most = if compat(layout) { 4 } else { 5 };
        let fits = [many(most)];
        let fits = Case { world: none, ..case(Rule::OptionMemory, &fits, sent(most as usize)) };
        assert_eq!(run(&fits, layout, Rules::ALL).outcome, sent(most as usize), "{layout:?}");
        let over = [many(most + 1)];
        let over = Case { world: none, ..case(Rule::OptionMemory, &over, EINVAL) };
        let errno = if compat(layout) { Errno::ENOMEM } else { Errno::ENOBUFS };
        assert_eq!(run(&over, layout, Rules::ALL).outcome, Outcome::Failed(errno), "{layout:?}");
    }
}

#[test]
fn any_bytes_get_a_verdict() {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for _ in 0..if cfg!(miri) { 2 } else { 2_000 } {
        let mut bytes = vec![0u8; (next() % 100) as usize];
        bytes.iter_mut().for_each(|byte| *byte = if next() % 3 == 0 { next() as u8 } else { (next() % 30) as u8 });
        let len = if next() % 4 == 0 { next() } else { bytes.len() as u64 };
        for layout in layouts() {
            for rule in Rule::ALL {
                let control = ControlArea { readable: Some(&bytes), len };
                let _ = send(&Send { control, rules: Rules::without(*rule), ..call(layout) });
            }
        }
    }
}
