//! A reproducer of a receive is a C program that compiles without a warning and finds, on this kernel, what the oracle expects,
//! byte for byte; and one whose oracle is wrong says so.

// Compilers make the programs of every layout, so one width of this test is enough.
#![cfg(all(feature = "oracle", target_pointer_width = "64"))]

mod c;

use c::{COMPAT, MUSL, Machine, NATIVE};
use scmsg::Errno;
use scmsg::oracle::{
    Answer, Carrier, Options, Origin, Packet, Queue, Receipt, Receive, ReceiveReproducer, Rule, Rules, Time, Unit,
    receive,
};

/// A process, whatever its number: the first becomes the program, every other a child.
const FIRST: Option<Origin> = Some(Origin { pid: 1234, uid: 7, gid: 8, process: Ok(()) });
const SECOND: Option<Origin> = Some(Origin { pid: 1235, uid: 7, gid: 8, process: Ok(()) });

/// A queue before a receive, and room of so many control bytes.
#[derive(Clone, Copy)]
struct Before<'a> {
    packets: &'a [Packet<'a>],
    ended: bool,
    error: Option<Errno>,
    room: usize,
}

impl<'a> Before<'a> {
    const fn new(packets: &'a [Packet<'a>], room: usize) -> Self {
        Self { packets, ended: false, error: None, room }
    }
}

/// Asks the oracle, and gives what it says and the program that asks the kernel.
fn reproducer(call: &Receive<'_>, was: Before<'_>) -> (Receipt, String) {
    let (before, mut after) = (vec![0xee; was.room], vec![0xee; was.room]);
    let mut packets = was.packets.to_vec();
    let Before { ended, error, .. } = was;
    let mut queue = Queue { packets: &mut packets, ended, error, overcount: 0 };
    let receipt = receive(call, &mut queue, &mut after);
    let (packets, before, after) = (was.packets, &before[..], &after[..]);
    let all = ReceiveReproducer { call, packets, ended, error, overcount: 0, before, after, receipt };
    (receipt, all.to_string())
}

/// The kernel must answer as the oracle.
fn agrees(machine: Machine, name: &str, call: Receive<'_>, before: Before<'_>) {
    let call = Receive { layout: machine.layout, ..call };
    let (receipt, text) = reproducer(&call, before);
    let Some(output) = machine.reproduce(&format!("receive-{name}"), &text) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.ends_with("\nas expected\n"), "{name}, {machine:?}: {receipt:?}\n{said}");
}

/// Three descriptors with one byte.
const THREE: [Packet<'static>; 1] = [Packet {
    bytes: 1,
    descriptors: 3,
    sender: None,
    label: None,
    time: Time { seconds: 0, nanoseconds: 0 },
    urgent: false,
}];

fn ordinary() -> Receive<'static> {
    Receive { control: Some(128), ..Receive::ordinary() }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn descriptors_in_every_room() {
    for (machine, rooms) in
        [(NATIVE, &[0, 15, 19, 20, 24, 28, 31, 32, 33][..]), (COMPAT, &[11, 15, 16, 20, 24]), (MUSL, &[24])]
    {
        for room in rooms {
            let call = Receive { control: Some(*room), ..ordinary() };
            agrees(machine, &format!("room-{room}"), call, Before::new(&THREE, 64));
        }
        let huge = Receive { control: Some((1 << 33) + 16), ..ordinary() };
        agrees(machine, "huge-room", huge, Before::new(&THREE, 64));
        agrees(machine, "null", Receive { control: None, ..ordinary() }, Before::new(&THREE, 64));
        let cloexec = Receive { flags: libc::MSG_CMSG_CLOEXEC as u32, ..ordinary() };
        agrees(machine, "cloexec", cloexec, Before::new(&THREE, 64));
        const TWO_FREE: &dyn Fn(usize) -> Option<i32> = &|k| [5, 9].get(k).copied();
        agrees(machine, "table-full", Receive { free: TWO_FREE, ..ordinary() }, Before::new(&THREE, 64));
        const NONE_FREE: &dyn Fn(usize) -> Option<i32> = &|_| None;
        agrees(machine, "table-fuller", Receive { free: NONE_FREE, ..ordinary() }, Before::new(&THREE, 64));
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn everything_at_once() {
    let options = Options { credentials: true, pidfd: true, inq: true, ..Options::default() };
    let times = Options { timestamp: Some(Unit::Nanoseconds), timestamping: true, ..options };
    for machine in [NATIVE, COMPAT] {
        for sender in [FIRST, None] {
            let who = if sender.is_some() { "known" } else { "unknown" };
            let packets = [Packet { sender, ..THREE[0] }];
            for room in [0, 27, 51, 79, 256] {
                let call = Receive { options, carrier: Carrier::Stream, control: Some(room), ..ordinary() };
                agrees(machine, &format!("stream-{who}-{room}"), call, Before::new(&packets, 300));
            }
            for (new_timestamps, name) in [(false, "old"), (true, "new")] {
                let options = Options { new_timestamps, inq: false, ..times };
                let call = Receive { options, carrier: Carrier::Datagram, control: Some(300), ..ordinary() };
                agrees(machine, &format!("datagram-{who}-{name}"), call, Before::new(&packets, 300));
            }
        }
        const ONE_FREE: &dyn Fn(usize) -> Option<i32> = &|k| [6].get(k).copied();
        let packets = [Packet { sender: FIRST, descriptors: 1, ..THREE[0] }];
        let options = Options { inq: false, ..options };
        agrees(machine, "no-pidfd", Receive { options, free: ONE_FREE, ..ordinary() }, Before::new(&packets, 128));
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn queues() {
    let plain = |bytes| Packet { bytes, ..Packet::default() };
    let stream = Receive { carrier: Carrier::Stream, data: 100, ..ordinary() };
    let credentials = Options { credentials: true, ..Options::default() };
    let flag = |flag: i32| flag as u32;
    let wait_not = Receive { flags: flag(libc::MSG_DONTWAIT), ..stream };

    let glued = [plain(3), Packet { descriptors: 2, ..plain(4) }, plain(5)];
    agrees(NATIVE, "glued", stream, Before::new(&glued, 64));
    agrees(NATIVE, "peeked", Receive { flags: flag(libc::MSG_PEEK), ..stream }, Before::new(&glued, 64));
    let senders = [Packet { sender: FIRST, ..plain(3) }, Packet { sender: SECOND, ..plain(4) }];
    agrees(NATIVE, "senders", Receive { options: credentials, ..stream }, Before::new(&senders, 64));
    agrees(NATIVE, "second", Receive { options: credentials, ..stream }, Before::new(&[senders[1], senders[0]], 64));
    let third = Packet { sender: SECOND.map(|sender| Origin { pid: 9, ..sender }), descriptors: 1, ..plain(2) };
    let by_turns = [senders[1], third, senders[0], senders[1], senders[1], third];
    let ended = Before { ended: true, error: Some(Errno::ECONNRESET), ..Before::new(&by_turns, 64) };
    agrees(NATIVE, "by-turns", Receive { flags: flag(libc::MSG_WAITALL), ..stream }, ended);
    agrees(NATIVE, "senders-mixed", stream, Before::new(&senders, 64));
    let urgent = [plain(3), Packet { urgent: true, ..plain(1) }];
    agrees(NATIVE, "urgent", Receive { flags: flag(libc::MSG_OOB), ..stream }, Before::new(&urgent, 64));
    agrees(NATIVE, "before-urgent", stream, Before::new(&urgent, 64));
    let inline = Options { urgent_inline: true, ..Options::default() };
    agrees(NATIVE, "inline", Receive { options: inline, ..stream }, Before::new(&urgent[1..], 64));
    agrees(NATIVE, "end", Receive { options: credentials, ..stream }, Before { ended: true, ..Before::new(&[], 64) });
    agrees(NATIVE, "nothing", wait_not, Before::new(&[], 64));
    agrees(NATIVE, "waits", stream, Before::new(&[], 64));
    agrees(NATIVE, "unconnected", Receive { connected: false, ..stream }, Before::new(&[], 64));
    let reset = Before { ended: true, error: Some(Errno::ECONNRESET), ..Before::new(&[], 64) };
    agrees(NATIVE, "reset", stream, reset);

    let long = [Packet { descriptors: 1, ..plain(200) }];
    for carrier in [Carrier::Datagram, Carrier::SeqPacket] {
        let call = Receive { carrier, ..stream };
        let name = |what: &str| format!("{what}-{carrier:?}");
        agrees(NATIVE, &name("cut"), call, Before::new(&long, 64));
        agrees(NATIVE, &name("length"), Receive { flags: flag(libc::MSG_TRUNC), ..call }, Before::new(&long, 64));
        agrees(NATIVE, &name("end"), call, Before { ended: true, ..Before::new(&[], 64) });
        agrees(NATIVE, &name("waits"), call, Before::new(&[], 64));
        agrees(NATIVE, &name("urgent"), Receive { flags: flag(libc::MSG_OOB), ..call }, Before::new(&long, 64));
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn a_wrong_oracle_is_found() {
    let packets = [Packet { sender: FIRST, ..THREE[0] }];
    let options = Options { credentials: true, ..Options::default() };
    for (rule, room) in
        [(Rule::PaddingUntouched, 64), (Rule::RightsFit, 24), (Rule::RightsLost, 24), (Rule::ItemCut, 20)]
    {
        let options = if rule == Rule::ItemCut { options } else { Options::default() };
        let rules = Rules::without(rule);
        let call = Receive { layout: NATIVE.layout, control: Some(room), options, rules, ..ordinary() };
        let (_, text) = reproducer(&call, Before::new(&packets, 64));
        let Some(output) = NATIVE.reproduce(&format!("receive-without-{rule}"), &text) else { continue };
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{rule}: {said}");
        assert!(said.ends_with("\nNOT as expected\n"), "{said}");
    }
}

#[test]
fn the_case_is_golden() {
    let packets = [Packet { sender: FIRST, ..THREE[0] }, Packet { sender: SECOND, bytes: 5, ..Packet::default() }];
    let options = Options { credentials: true, timestamp: Some(Unit::Microseconds), ..Options::default() };
    let call = Receive { layout: COMPAT.layout, control: Some(60), options, ..ordinary() };
    let (receipt, text) = reproducer(&call, Before::new(&packets, 60));
    assert_eq!(receipt.answer, Answer::Received { bytes: 1, controllen: 60, flags: 8 });
    let (comment, _) = text.split_once("\n\n").unwrap();
    assert_eq!(
        comment.lines().skip(3).collect::<Vec<_>>(),
        [
            "// the oracle: Received { bytes: 1, controllen: 60, flags: 8 }".to_owned(),
            format!("// rule {}: {} [{}]", Rule::RightsLost.name(), Rule::RightsLost.text(), Rule::RightsLost.source()),
        ]
    );
    for line in [
        "#define BITS 32",
        "#define COMPAT 1",
        "#define TYPE SOCK_SEQPACKET",
        "#define NAMESPACES 0",
        "    {1ull, 3, 0, 0},",
        "    {5ull, 0, 1, 0},",
        "#define SENDERS 2",
        "#define ASKS_CREDENTIALS 1",
        "#define ASKS_TIME 29",
        "#define CONTROL_LEN 60ull",
        // The stamp is not compared; the credentials are the first sender's.
        "    {12, 8, -1},",
        "    {32, 12, 0},",
        "#define TABLE_FULL 0",
        "#define WANT_OPENED 1",
        "#define WANT_FLAGS 0x8u",
    ] {
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}\n{text}");
    }
}
