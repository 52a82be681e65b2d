//! What the oracle says of a receive, as golden bytes and tables, for any layout. That the kernel says so too is
//! `oracle-check`'s to show.

#![cfg(feature = "oracle")]

use scmsg::Errno;
use scmsg::oracle::{
    Abi, Answer, ByteOrder, Carrier, Layout, Options, Origin, Packet, Queue, Receipt, Receive, Rule, Rules, Side, Time,
    Unit, receive,
};

const LITTLE: Layout = Layout { abi: Abi::Native64, order: ByteOrder::Little };
const BIG: Layout = Layout { abi: Abi::Native64, order: ByteOrder::Big };
const LITTLE32: Layout = Layout { abi: Abi::Native32, order: ByteOrder::Little };
const BIG32: Layout = Layout { abi: Abi::Native32, order: ByteOrder::Big };
const COMPAT: Layout = Layout { abi: Abi::Compat, order: ByteOrder::Little };

const CTRUNC: u32 = 8;
const TRUNC: u32 = 0x20;
const PEEK: u32 = 2;
const DONTWAIT: u32 = 0x40;
const WAITALL: u32 = 0x100;
const CLOEXEC: u32 = 0x4000_0000;

const ROOT: Origin = Origin { pid: 7, uid: 0, gid: 0, process: Ok(()) };
const USER: Origin = Origin { pid: 0x0102_0304, uid: 1000, gid: 1001, process: Ok(()) };

/// One byte with three descriptors.
const THREE: Packet<'static> = packet(1, 3);

const fn packet(bytes: u64, descriptors: usize) -> Packet<'static> {
    Packet { bytes, descriptors, sender: None, label: None, time: Time { seconds: 0, nanoseconds: 0 }, urgent: false }
}

/// Asks the oracle on an open queue; the control bytes were 0xff.
fn ask(call: Receive<'_>, packets: &mut [Packet<'_>]) -> (Receipt, Vec<u8>, usize) {
    let mut queue = Queue { packets, ended: false, error: None, overcount: 0 };
    let mut out = vec![0xff; 128];
    let receipt = receive(&call, &mut queue, &mut out);
    (receipt, out, queue.packets.len())
}

fn seqpacket(layout: Layout, control: u64) -> Receive<'static> {
    Receive { layout, control: Some(control), ..Receive::ordinary() }
}

fn stream(data: u64, flags: u32) -> Receive<'static> {
    Receive { layout: LITTLE, carrier: Carrier::Stream, control: Some(128), data, flags, ..Receive::ordinary() }
}

fn received(bytes: u64, controllen: u64, flags: u32) -> Answer {
    Answer::Received { bytes, controllen, flags }
}

/// Of three descriptors: how many come, and what `msg_controllen` becomes.
#[track_caller]
fn three(layout: Layout, control: u64, descriptors: usize, controllen: u64) {
    let (receipt, out, _) = ask(seqpacket(layout, control), &mut [THREE]);
    let flags = if descriptors == 3 { 0 } else { CTRUNC };
    assert_eq!(receipt.answer, received(1, controllen, flags), "{layout:?} {control}");
    assert_eq!((receipt.descriptors, receipt.lost), (descriptors, 3 - descriptors));
    assert_eq!(receipt.truncated, (descriptors < 3).then_some(Rule::RightsLost));
    let payload = 4 * descriptors as u64;
    let len = if descriptors == 0 { 0 } else { layout.cmsg_len(payload) as usize };
    if descriptors > 0 {
        let header = layout.read_header(&out).unwrap();
        assert_eq!((header.len, header.level, header.kind), (len as u64, 1, 1));
        for (k, slot) in out[layout.header()..len].chunks(4).enumerate() {
            assert_eq!(layout.read_i32(slot), Some(3 + k as i32));
        }
    }
    assert!(out[len..].iter().all(|byte| *byte == 0xff), "{out:02x?}");
}

#[test]
fn the_table_of_three_descriptors_in_64_bits() {
    for layout in [LITTLE, BIG] {
        (0..=19).for_each(|len| three(layout, len, 0, 0));
        (20..=23).for_each(|len| three(layout, len, 1, len));
        (24..=27).for_each(|len| three(layout, len, 2, 24));
        (28..=31).for_each(|len| three(layout, len, 3, len));
        for len in [32, 33, 100, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 33) + 15] {
            three(layout, len, 3, 32);
        }
        // The number of descriptors that fit is an int.
        for len in [(1 << 33) + 16, (1 << 34) + 16, (1 << 34) + 19, u64::MAX] {
            three(layout, len, 0, 0);
        }
        three(layout, (1 << 34) + 20, 1, 24);
        three(layout, (1 << 34) + 24, 2, 24);
        three(layout, (1 << 34) + 28, 3, 32);
    }
}

#[test]
fn the_table_of_three_descriptors_in_32_bits() {
    for layout in [LITTLE32, BIG32, COMPAT] {
        (0..=15).for_each(|len| three(layout, len, 0, 0));
        (16..=19).for_each(|len| three(layout, len, 1, 16));
        (20..=23).for_each(|len| three(layout, len, 2, 20));
        for len in [24, 25, 100, (1 << 31) - 1, 1 << 31, u64::from(u32::MAX)] {
            three(layout, len, 3, 24);
        }
        // The field has 32 bits.
        three(layout, 1 << 32, 0, 0);
        three(layout, (1 << 32) + 17, 1, 16);
    }
}

#[test]
fn the_bytes_of_every_message_in_every_layout() {
    let options = Options { credentials: true, pidfd: true, ..Options::default() };
    let sent = Packet { sender: Some(USER), ..packet(1, 1) };
    let bytes = |layout, control| {
        let call = Receive { options, ..seqpacket(layout, control) };
        let (receipt, out, _) = ask(call, &mut [sent]);
        assert_eq!((receipt.descriptors, receipt.pidfd), (1, Some(Ok(4))));
        out
    };
    #[rustfmt::skip]
    let little: [u8; 80] = [
        28, 0, 0, 0, 0, 0, 0, 0,  1, 0, 0, 0, 2, 0, 0, 0,  4, 3, 2, 1, 0xe8, 3, 0, 0, 0xe9, 3, 0, 0, 0xff, 0xff, 0xff, 0xff,
        20, 0, 0, 0, 0, 0, 0, 0,  1, 0, 0, 0, 1, 0, 0, 0,  3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        20, 0, 0, 0, 0, 0, 0, 0,  1, 0, 0, 0, 4, 0, 0, 0,  4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(bytes(LITTLE, 80)[..80], little);
    assert_eq!(bytes(LITTLE, 76)[..80], little, "the last padding is not needed, and never written");
    #[rustfmt::skip]
    let big: [u8; 80] = [
        0, 0, 0, 0, 0, 0, 0, 28,  0, 0, 0, 1, 0, 0, 0, 2,  1, 2, 3, 4, 0, 0, 3, 0xe8, 0, 0, 3, 0xe9, 0xff, 0xff, 0xff, 0xff,
        0, 0, 0, 0, 0, 0, 0, 20,  0, 0, 0, 1, 0, 0, 0, 1,  0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff,
        0, 0, 0, 0, 0, 0, 0, 20,  0, 0, 0, 1, 0, 0, 0, 4,  0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(bytes(BIG, 80)[..80], big);
    #[rustfmt::skip]
    let little32: [u8; 57] = [
        24, 0, 0, 0,  1, 0, 0, 0, 2, 0, 0, 0,  4, 3, 2, 1, 0xe8, 3, 0, 0, 0xe9, 3, 0, 0,
        16, 0, 0, 0,  1, 0, 0, 0, 1, 0, 0, 0,  3, 0, 0, 0,
        16, 0, 0, 0,  1, 0, 0, 0, 4, 0, 0, 0,  4, 0, 0, 0, 0xff,
    ];
    assert_eq!(bytes(LITTLE32, 56)[..57], little32);
    assert_eq!(bytes(COMPAT, 56)[..57], little32);
    #[rustfmt::skip]
    let big32: [u8; 57] = [
        0, 0, 0, 24,  0, 0, 0, 1, 0, 0, 0, 2,  1, 2, 3, 4, 0, 0, 3, 0xe8, 0, 0, 3, 0xe9,
        0, 0, 0, 16,  0, 0, 0, 1, 0, 0, 0, 1,  0, 0, 0, 3,
        0, 0, 0, 16,  0, 0, 0, 1, 0, 0, 0, 4,  0, 0, 0, 4, 0xff,
    ];
    assert_eq!(bytes(BIG32, 56)[..57], big32);
}

#[test]
fn the_table_of_credentials_a_descriptor_and_a_process() {
    let options = Options { credentials: true, pidfd: true, ..Options::default() };
    // Room from, to: descriptors, whether a process descriptor, msg_controllen, MSG_CTRUNC.
    let rows = [
        (0, 15, 0, false, None, CTRUNC),
        (16, 31, 0, false, None, CTRUNC),
        (32, 51, 0, false, Some(32), CTRUNC),
        (52, 55, 1, false, None, CTRUNC),
        (56, 75, 1, false, Some(56), CTRUNC),
        (76, 79, 1, true, None, 0),
        (80, 90, 1, true, Some(80), 0),
    ];
    for (from, to, descriptors, process, controllen, flags) in rows {
        for len in from..=to {
            let call = Receive { options, ..seqpacket(LITTLE, len) };
            let (receipt, out, _) = ask(call, &mut [Packet { sender: Some(ROOT), ..packet(1, 1) }]);
            // Without a number msg_controllen stays: the room ends in the padding, or in the item. Below a header: nothing.
            let controllen = if len < 16 { 0 } else { controllen.unwrap_or(len) };
            assert_eq!(receipt.answer, received(1, controllen, flags), "{len}");
            assert_eq!((receipt.descriptors, receipt.pidfd.is_some()), (descriptors, process), "{len}");
            if len >= 16 {
                // Credentials that were cut say how much is left of them.
                assert_eq!(LITTLE.read_header(&out).unwrap().len, len.min(28));
            }
            let touched = out.iter().rposition(|byte| *byte != 0xff).map_or(0, |at| at + 1);
            assert!(touched as u64 <= len, "{len}: byte {touched} is written");
        }
    }
}

#[test]
fn the_bytes_of_timestamps() {
    let time = Time { seconds: 0x0102_0304, nanoseconds: 999_999_999 };
    let item = |layout, unit, new_timestamps, timestamping| {
        let options = Options { timestamp: Some(unit), new_timestamps, timestamping, ..Options::default() };
        let (receipt, out, _) =
            ask(Receive { options, ..seqpacket(layout, 128) }, &mut [Packet { time, ..packet(1, 0) }]);
        let Answer::Received { controllen, .. } = receipt.answer else { panic!("{receipt:?}") };
        let header = layout.read_header(&out).unwrap();
        assert_eq!(header.level, 1);
        let end = header.len as usize;
        (header.kind, out[layout.header()..end].to_vec(), out[end..controllen as usize].to_vec())
    };
    let micros = 999_999u32;
    let old64 = [4, 3, 2, 1, 0, 0, 0, 0, 0x3f, 0x42, 0x0f, 0, 0, 0, 0, 0];
    assert_eq!(u32::from_le_bytes([0x3f, 0x42, 0x0f, 0]), micros);
    let (microseconds, nanoseconds) = (Unit::Microseconds, Unit::Nanoseconds);
    assert_eq!(item(LITTLE, microseconds, false, false), (29, old64.to_vec(), vec![]));
    assert_eq!(item(LITTLE, microseconds, true, false), (63, old64.to_vec(), vec![]));
    for layout in [LITTLE32, COMPAT] {
        assert_eq!(item(layout, microseconds, false, false), (29, vec![4, 3, 2, 1, 0x3f, 0x42, 0x0f, 0], vec![]));
        assert_eq!(item(layout, microseconds, true, false), (63, old64.to_vec(), vec![]));
    }
    let (kind, stamp, stamps) = item(BIG32, nanoseconds, false, true);
    assert_eq!((kind, &stamp[..]), (35, &[1, 2, 3, 4, 0x3b, 0x9a, 0xc9, 0xff][..]));
    let header = BIG32.read_header(&stamps).unwrap();
    assert_eq!((header.len, header.kind, stamps.len()), (12 + 24, 37, 36));
    assert_eq!(stamps[12..20], stamp);
    assert_eq!(stamps[20..], [0; 16]);
    let (kind, stamp, stamps) = item(BIG, nanoseconds, true, true);
    assert_eq!((kind, &stamp[..]), (64, &[0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0x3b, 0x9a, 0xc9, 0xff][..]));
    assert_eq!((BIG.read_header(&stamps).unwrap().kind, stamps.len()), (65, 16 + 48));
}

#[test]
fn a_label_is_cut_where_the_room_ends_and_pads_what_follows() {
    let options = Options { security: true, ..Options::default() };
    let sent = Packet { label: Some(b"system\0"), ..packet(1, 1) };
    let (receipt, out, _) = ask(Receive { options, ..seqpacket(LITTLE, 128) }, &mut [sent]);
    assert_eq!(receipt.answer, received(1, 24 + 24, 0));
    assert_eq!(out[16..24], *b"system\0\xff");
    assert_eq!(LITTLE.read_header(&out[24..]).unwrap().kind, 1);
    let (receipt, out, _) = ask(Receive { options, ..seqpacket(LITTLE, 19) }, &mut [sent]);
    assert_eq!(receipt.answer, received(1, 19, CTRUNC));
    assert_eq!((LITTLE.read_header(&out).unwrap().len, &out[16..20]), (19, &b"sys\xff"[..]));
}

#[test]
fn the_end_of_a_stream_looks_like_root() {
    let options = Options { credentials: true, inq: true, ..Options::default() };
    let mut out = [0xff; 128];
    let mut queue = Queue { packets: &mut [], ended: true, error: None, overcount: 0 };
    let receipt = receive(&Receive { options, ..stream(1, 0) }, &mut queue, &mut out);
    assert_eq!(receipt.answer, received(0, 32 + 24, 0));
    assert_eq!(out[16..28], [0; 12]);
    assert_eq!(out[28..32], [0xff; 4]);
    // Where the first root is not mapped it does not look like root.
    let call = Receive { options, root: (65534, 7), ..stream(1, 0) };
    assert_eq!(receive(&call, &mut queue, &mut out).answer, received(0, 32 + 24, 0));
    assert_eq!(out[16..28], [0, 0, 0, 0, 0xfe, 0xff, 0, 0, 7, 0, 0, 0]);
    // Packets: nothing is written at all.
    let mut out = [0xff; 128];
    let call = Receive { carrier: Carrier::SeqPacket, options, ..stream(1, 0) };
    assert_eq!(receive(&call, &mut queue, &mut out).answer, received(0, 0, 0));
    assert_eq!(out, [0xff; 128]);
}

#[test]
fn a_stream_that_fails_writes_credentials_all_the_same() {
    let options = Options { credentials: true, pidfd: true, inq: true, ..Options::default() };
    for (error, rule) in [(None, Rule::NothingQueued), (Some(Errno::ECONNRESET), Rule::ErrorLast)] {
        let mut out = [0xff; 128];
        let mut queue = Queue { packets: &mut [], ended: false, error, overcount: 0 };
        let receipt = receive(&Receive { options, ..stream(1, DONTWAIT) }, &mut queue, &mut out);
        assert_eq!(receipt.answer, Answer::Refused { errno: error.unwrap_or(Errno::EAGAIN), rule });
        assert_eq!(LITTLE.read_header(&out).unwrap().kind, 2);
        assert_eq!((&out[16..28], &out[32..]), (&[0; 12][..], &[0xff; 96][..]));
        assert_eq!(queue.error, None, "an error is reported once");
    }
}

#[test]
fn a_stream_read_ends_with_descriptors_and_takes_them_with_the_first_byte() {
    let queued = [packet(2, 0), packet(3, 2), packet(4, 0)];
    let mut packets = queued;
    let mut queue = Queue { packets: &mut packets, ended: false, error: None, overcount: 0 };
    let mut read = |data, flags| {
        let receipt = receive(&stream(data, flags), &mut queue, &mut [0; 128]);
        let left: Vec<_> = queue.packets.iter().map(|packet| (packet.bytes, packet.descriptors)).collect();
        (receipt.answer, receipt.descriptors, left)
    };
    let whole = vec![(2, 0), (3, 2), (4, 0)];
    assert_eq!(read(2, PEEK), (received(2, 24, 0), 2, whole.clone()), "a look goes on for the descriptors behind");
    assert_eq!(read(100, PEEK | WAITALL), (received(5, 24, 0), 2, whole));
    assert_eq!(read(3, 0), (received(3, 24, 0), 2, vec![(2, 0), (4, 0)]));
    assert_eq!(read(0, 0), (received(0, 0, 0), 0, vec![(2, 0), (4, 0)]));
    assert_eq!(read(100, 0), (received(6, 0, 0), 0, vec![]));
    assert_eq!(read(1, 0), (Answer::Waits, 0, vec![]));
    // A read of no bytes takes descriptors, and looks like the end.
    let mut packets = queued;
    let mut queue = Queue { packets: &mut packets[1..], ended: false, error: None, overcount: 0 };
    let receipt = receive(&stream(0, 0), &mut queue, &mut [0; 128]);
    assert_eq!((receipt.answer, receipt.descriptors), (received(0, 24, 0), 2));
    assert_eq!((queue.packets[0].bytes, queue.packets[0].descriptors), (3, 0));
}

#[test]
fn a_stream_read_mixes_senders_only_where_nobody_asks() {
    let queued = [Packet { sender: Some(ROOT), ..packet(1, 0) }, Packet { sender: Some(USER), ..packet(1, 0) }];
    for (credentials, bytes, left) in [(false, 2, 0), (true, 1, 1)] {
        let options = Options { credentials, ..Options::default() };
        let (receipt, _, rest) = ask(Receive { options, ..stream(10, 0) }, &mut queued.clone());
        assert!(matches!(receipt.answer, Answer::Received { bytes: b, .. } if b == bytes), "{receipt:?}");
        assert_eq!(rest, left);
    }
}

#[test]
fn a_null_control_loses_descriptors_and_says_so() {
    for layout in [LITTLE, COMPAT] {
        let call = Receive { control: None, ..seqpacket(layout, 0) };
        let (receipt, out, _) = ask(call, &mut [THREE]);
        assert_eq!(receipt.answer, received(1, 0, CTRUNC));
        assert_eq!((receipt.descriptors, receipt.lost, receipt.truncated), (0, 3, Some(Rule::NullControl)));
        assert_eq!(out, [0xff; 128]);
        let (receipt, ..) = ask(Receive { control: None, ..seqpacket(layout, 0) }, &mut [packet(1, 0)]);
        assert_eq!(receipt.answer, received(1, 0, 0));
    }
}

#[test]
fn a_full_table_keeps_the_first_and_puts_an_errno_for_the_process() {
    let free = |k: usize| [9, 20].get(k).copied();
    let options = Options { pidfd: true, ..Options::default() };
    let mut sent = Packet { sender: Some(ROOT), ..THREE };
    let call = Receive { free: &free, options, flags: CLOEXEC, ..seqpacket(LITTLE, 128) };
    let (receipt, out, _) = ask(call, &mut [sent]);
    assert_eq!(receipt.answer, received(1, 24 + 24, CTRUNC | CLOEXEC));
    assert_eq!((receipt.descriptors, receipt.lost, receipt.truncated), (2, 1, Some(Rule::TableFull)));
    assert_eq!((receipt.pidfd, receipt.close_on_exec), (Some(Err(Errno::EMFILE)), true));
    assert_eq!(out[16..24], [9, 0, 0, 0, 20, 0, 0, 0]);
    assert_eq!(out[40..44], (-24i32).to_le_bytes());
    // Two descriptors are all there is room for: nothing is truncated, and still no process descriptor.
    sent.descriptors = 2;
    let (receipt, ..) = ask(call, &mut [sent]);
    assert_eq!((receipt.answer, receipt.truncated), (received(1, 48, CLOEXEC), None));
    // Nobody to tell of: no item, but the room for it is asked for.
    sent.sender = None;
    assert_eq!(ask(call, &mut [sent]).0.answer, received(1, 24, CLOEXEC));
    let narrow = Receive { control: Some(24 + 19), ..call };
    assert_eq!(ask(narrow, &mut [sent]).0.answer, received(1, 24, CTRUNC | CLOEXEC));
    // A process that the kernel cannot open any more.
    sent.sender = Some(Origin { process: Err(Errno::ESRCH), ..ROOT });
    let (receipt, out, _) = ask(call, &mut [sent]);
    assert_eq!((receipt.answer, receipt.pidfd), (received(1, 48, CLOEXEC), Some(Err(Errno::ESRCH))));
    assert_eq!(out[40..44], (-3i32).to_le_bytes());
}

#[test]
fn a_datagram_is_cut_and_gone() {
    let call = Receive { carrier: Carrier::Datagram, data: 4, ..seqpacket(LITTLE, 128) };
    assert_eq!(ask(call, &mut [packet(9, 1), packet(1, 0)]).0.answer, received(4, 24, TRUNC));
    let (receipt, _, left) = ask(Receive { flags: TRUNC, ..call }, &mut [packet(9, 1), packet(1, 0)]);
    assert_eq!((receipt.answer, left), (received(9, 24, TRUNC), 1));
    let (receipt, _, left) = ask(Receive { flags: PEEK, ..call }, &mut [packet(9, 1), packet(1, 0)]);
    assert_eq!((receipt.answer, left), (received(4, 24, TRUNC), 2));
}

#[test]
fn an_out_of_band_byte_stops_a_read_and_is_destroyed_by_the_next() {
    let urgent = Packet { urgent: true, ..packet(1, 2) };
    let mut packets = [packet(5, 0), urgent, packet(6, 0)];
    let mut queue = Queue { packets: &mut packets, ended: false, error: None, overcount: 0 };
    let options = Options { inq: true, ..Options::default() };
    let call = Receive { options, ..stream(100, 0) };
    let mut out = [0xff; 128];
    assert_eq!(receive(&call, &mut queue, &mut out).answer, received(5, 24, 0));
    assert_eq!(out[16..20], 7i32.to_le_bytes());
    let receipt = receive(&call, &mut queue, &mut out);
    assert_eq!((receipt.answer, receipt.descriptors, receipt.lost), (received(6, 24, 0), 0, 2));
    assert_eq!(out[16..20], 1i32.to_le_bytes(), "the byte that is gone is counted");
    // Taken by itself it brings no descriptor either.
    let mut packets = [packet(5, 0), urgent, packet(6, 0)];
    let mut queue = Queue { packets: &mut packets, ended: false, error: None, overcount: 0 };
    let receipt = receive(&Receive { flags: 1, ..call }, &mut queue, &mut out);
    assert_eq!((receipt.answer, receipt.descriptors), (received(1, 0, 1), 0));
    let refused = Answer::Refused { errno: Errno::EINVAL, rule: Rule::UrgentNone };
    assert_eq!(receive(&Receive { flags: 1, ..call }, &mut queue, &mut out).answer, refused);
}

#[test]
fn bit_31_is_refused_in_64_bits_alone() {
    let refused = Answer::Refused { errno: Errno::EINVAL, rule: Rule::ReceiveCompatBit };
    let flags = 1 << 31;
    assert_eq!(ask(Receive { flags, ..seqpacket(LITTLE, 0) }, &mut [packet(1, 0)]).0.answer, refused);
    for layout in [COMPAT, BIG32] {
        assert_eq!(ask(Receive { flags, ..seqpacket(layout, 0) }, &mut [packet(1, 0)]).0.answer, received(1, 0, 0));
    }
}

/// Small numbers without a library: the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn odds(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[test]
fn any_queue_and_any_receiver_have_an_answer_and_nothing_is_written_past_the_room() {
    let mut numbers = Numbers(1);
    for _ in 0..if cfg!(miri) { 100 } else { 100_000 } {
        let n = &mut numbers;
        let mut packets: Vec<_> = (0..n.below(5))
            .map(|_| Packet {
                bytes: n.below(4),
                descriptors: n.below(4) as usize,
                sender: [None, Some(ROOT), Some(USER)][n.below(3) as usize],
                label: n.odds(4).then_some(b"label".as_slice()),
                time: Time { seconds: i64::MIN, nanoseconds: u32::MAX },
                urgent: n.odds(3),
            })
            .collect();
        let control = if n.odds(9) { u64::MAX - n.below(9) } else { n.below(128) };
        let without = Rules::without(Rule::ALL[n.below(Rule::ALL.len() as u64) as usize]);
        let call = Receive {
            layout: [LITTLE, BIG, LITTLE32, BIG32, COMPAT][n.below(5) as usize],
            carrier: [Carrier::Stream, Carrier::Stream, Carrier::Datagram, Carrier::SeqPacket][n.below(4) as usize],
            connected: !n.odds(20),
            control: (!n.odds(9)).then_some(control),
            data: n.below(8),
            options: Options {
                credentials: n.odds(2),
                pidfd: n.odds(2),
                security: n.odds(2),
                inq: n.odds(2),
                urgent_inline: n.odds(4),
                timestamp: [None, Some(Unit::Microseconds), Some(Unit::Nanoseconds)][n.below(3) as usize],
                timestamping: n.odds(2),
                new_timestamps: n.odds(2),
            },
            root: (65534, 0),
            flags: [0, 0, PEEK, PEEK | TRUNC, 1, WAITALL, DONTWAIT, CLOEXEC][n.below(8) as usize],
            free: &|k| (k < 4).then_some(k as i32),
            rules: if n.odds(2) { Rules::ALL } else { without },
        };
        let sent: usize = packets.iter().map(|packet| packet.descriptors).sum();
        let mut out = vec![0xa5; n.below(200) as usize];
        let mut queue = Queue { packets: &mut packets, ended: n.odds(3), error: None, overcount: u64::MAX };
        let receipt = receive(&call, &mut queue, &mut out);
        if call.rules != Rules::ALL {
            continue;
        }
        let room = call.control.unwrap_or(0);
        let past = out.get(usize::try_from(room).unwrap_or(usize::MAX)..).unwrap_or_default();
        assert!(past.iter().all(|byte| *byte == 0xa5), "{call:?} {receipt:?}");
        if let Answer::Received { controllen, .. } = receipt.answer {
            assert!(controllen <= room, "{call:?} {receipt:?}");
        }
        let left: usize = queue.packets.iter().map(|packet| packet.descriptors).sum();
        if call.flags & PEEK == 0 {
            assert_eq!(sent, left + receipt.descriptors + receipt.lost, "{call:?} {receipt:?}");
        } else {
            assert_eq!((sent, 0), (left, receipt.lost), "a look takes nothing");
        }
    }
}

#[test]
fn every_rule_of_a_receive_says_what_where_and_since_when() {
    let rules: Vec<_> = Rule::ALL.iter().filter(|rule| rule.side() == Side::Receive).collect();
    assert!(rules.len() > 40);
    for rule in rules {
        assert_eq!(Rule::from_name(rule.name()), Some(*rule));
        assert!(rule.text().ends_with('.') && !rule.source().is_empty(), "{rule}");
        assert!(rule.since().is_empty() || rule.since().split('.').all(|n| n.parse::<u32>().is_ok()), "{rule}");
    }
}
