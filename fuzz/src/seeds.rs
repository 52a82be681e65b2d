//! Turns attacks, and bugs that other projects had, into inputs: each small, named after what it is, one line in a table.
//!
//! They are written to `fuzz/seeds/TARGET/NAME`, as a 64-bit little-endian machine has them, by
//! `BLESS=1 cargo test --test seeds`; a test compares the files with this table.

use crate::naive::{HEADER, WORD, append, append_claiming};

/// An input: target, name, what it is, and its bytes.
pub type Seed = (&'static str, &'static str, &'static str, Vec<u8>);

/// `SOL_SOCKET` and its types, as most architectures have them.
const SOCKET: i32 = 1;
const RIGHTS: i32 = 1;
const CREDENTIALS: i32 = 2;

/// Control bytes in which each message has its header, its claimed length and its payload.
fn claiming(messages: &[(usize, i32, i32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages
        .iter()
        .for_each(|(claims, level, kind, payload)| append_claiming(&mut bytes, *claims, *level, *kind, payload));
    bytes
}

/// Control bytes that are right.
fn right(messages: &[(i32, i32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|(level, kind, payload)| append(&mut bytes, *level, *kind, payload));
    bytes
}

fn with(mut bytes: Vec<u8>, more: &[u8]) -> Vec<u8> {
    bytes.extend(more);
    bytes
}

/// What control bytes can be: for `decode_any` and `messages`, behind the one byte of their own that both have.
fn control() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let fd = 3_i32.to_ne_bytes();
    let errno = [3, -24, -1, i32::MIN].map(i32::to_ne_bytes);
    let one = || right(&[(SOCKET, RIGHTS, &fd)]);
    vec![
        ("empty", "no control bytes", vec![]),
        ("one_fd", "one descriptor, as it arrives", with(one(), &[0; 4])),
        (
            "unpadded_last",
            "the padding of the last message is missing, as kernels leave it (uapi finds an error, s2n none)",
            one(),
        ),
        (
            "empty_payload",
            "a message of a header alone, not the end of the list (s2n stops here)",
            right(&[(SOCKET, CREDENTIALS, &[]), (SOCKET, RIGHTS, &fd)]),
        ),
        (
            "clipped_credentials",
            "credentials cut to 7 bytes by a small buffer (openssl#28866, uds)",
            right(&[(SOCKET, CREDENTIALS, &[7; 7])]),
        ),
        (
            "len_zero",
            "a cmsg_len of 0: a walk that does not check goes round for ever (libc on Android)",
            claiming(&[(0, SOCKET, RIGHTS, &fd), (HEADER, 0, 0, &[])]),
        ),
        (
            "len_wraps",
            "a cmsg_len that wraps to 0 when it is aligned (liburing#1587)",
            claiming(&[(usize::MAX - 6, SOCKET, RIGHTS, &fd), (HEADER, 0, 0, &[])]),
        ),
        ("len_past_end", "one byte more than there is", claiming(&[(HEADER + 5, SOCKET, RIGHTS, &fd)])),
        (
            "len_cut_to_32_bits",
            "a cmsg_len that is right in its lower 32 bits (linux-raw-sys)",
            claiming(&[((1_usize << (WORD * 4)) << (WORD * 4 - 8) | (HEADER + 4), SOCKET, RIGHTS, &fd)]),
        ),
        (
            "second_past_end",
            "the second message is longer than what is left, the first is good",
            claiming(&[(HEADER + 4, SOCKET, RIGHTS, &fd), (4 * HEADER, SOCKET, RIGHTS, &fd)]),
        ),
        (
            "gvisor_negative_length",
            "a cmsg_len that is negative when it is signed (gVisor)",
            claiming(&[(isize::MIN as usize, SOCKET, RIGHTS, &fd), (usize::MAX - HEADER + 1, SOCKET, RIGHTS, &fd)]),
        ),
        (
            "rust-vmm_31",
            "a cmsg_len under the header: the payload length underflows, and bytes become descriptors",
            claiming(&[(HEADER - 4, SOCKET, RIGHTS, &fd)]),
        ),
        (
            "liburing_1583",
            "fewer control bytes than a header: there is no first header to count from",
            vec![0x14; HEADER - 1],
        ),
        (
            "compat_trailing_byte",
            "bytes behind the last message, fewer than a header: a 32-bit process has them read as one",
            with(one(), &[0, 0, 0, 0, 1]),
        ),
        ("rusl_outside", "24 bytes that a bound by the wrong pointer walks out of", with(one(), &[0xff; 4])),
        (
            "errno_slot",
            "slots: a descriptor, -EMFILE, -EPERM (which is -1) and one that was taken",
            right(&[(SOCKET, RIGHTS, errno.as_flattened())]),
        ),
        (
            "stray_bytes",
            "descriptors and three bytes that are none (Go's ParseUnixRights)",
            right(&[(SOCKET, RIGHTS, &[1, 0, 0, 0, 2, 0, 0])]),
        ),
        (
            "every_level",
            "types of other levels that are numbered like descriptors",
            right(&[(0, RIGHTS, &fd), (41, RIGHTS, &fd), (17, 4, &fd), (-1, -1, &fd)]),
        ),
        ("all_ones", "every bit set", vec![0xff; 2 * HEADER]),
    ]
}

/// Programs for targets that have sockets: the formats are described in their files.
fn programs() -> Vec<Seed> {
    // Ledger: how (0 received, 1 adopted); received: kind, options, sent, limit, free, data, program.
    let receive = |kind: u8, options: u8, sent: u8, limit: usize, free: u8, program: &[u8]| {
        with(vec![0, kind, options, sent, limit as u8, free, 1], program)
    };
    let (creds, pidfd, inq, full) = (1, 2, 4, 8);
    let space = |payload: usize| (HEADER + payload).next_multiple_of(WORD);
    // Operations of the ledger.
    let (look, take, exact1, exact2, into, show) = (0, 1, 4, 5, 8, 11);
    // Batch: kind, options and slots, send buffer; four messages of text, length, descriptors, parts; five rooms of bytes and control.
    let batch = |setup: [u8; 3], texts: [[u8; 4]; 4], room: [u8; 2], program: &[u8]| {
        [&setup[..], texts.as_flattened(), [room; 5].as_flattened(), program].concat()
    };
    let texts = [[b'a', 1, 1, 0], [b'b', 2, 2, 1], [b'c', 3, 0, 0], [b'd', 8, 6, 2]];
    let all_four = [0, 0, 0, 1, 0, 2, 0, 3];
    let several = |program: &[&[u8]]| program.concat();
    vec![
        (
            "ledger",
            "padding_fd",
            "two descriptors in a buffer for one: the padding holds another; one is taken",
            receive(0, 0, 2, space(4), 0, &[look, 0, take, 1, show, 0]),
        ),
        (
            "ledger",
            "CVE-2014-3635",
            "libdbus: padding lets one descriptor more in than is allowed; exactly one is asked for",
            receive(0, 0, 2, space(4), 0, &[exact1, 0, look, 0]),
        ),
        (
            "ledger",
            "libdbus_CVE-2020-12049",
            "libdbus: of a message cut by MSG_CTRUNC nothing is closed; nothing is taken",
            receive(0, 0, 5, HEADER + 12, 0, &[show, 0, exact2, 0]),
        ),
        (
            "ledger",
            "rustix_partial_drain",
            "credentials are read, descriptors behind them never, then all is dropped",
            receive(0, creds, 3, 120, 0, &[show, 0]),
        ),
        (
            "ledger",
            "rustix_pidfd",
            "a process descriptor that no list of known types has",
            receive(2, pidfd, 1, 120, 0, &[take, 9]),
        ),
        (
            "ledger",
            "passfd_second_fd",
            "one descriptor is expected and two come",
            receive(0, 0, 2, 200, 0, &[exact1, 0, take, 1]),
        ),
        (
            "ledger",
            "sendfd_passcred",
            "credentials come first and take the room",
            receive(0, creds, 2, space(12) + HEADER + 4, 0, &[exact2, 0, show, 0]),
        ),
        (
            "ledger",
            "unix-ancillary_twice",
            "the same messages are looked at twice and taken from twice",
            receive(1, 0, 3, 200, 0, &[look, 0, look, 0, take, 3, look, 0, take, 3]),
        ),
        (
            "ledger",
            "systemd_34688",
            "truncated although there is room: the table is full",
            receive(0, full, 4, 200, 2, &[show, 0, look, 0, exact2, 0, into, 0]),
        ),
        (
            "ledger",
            "liburing_1509",
            "unread bytes that nobody asked for, behind the descriptors",
            receive(0, inq, 1, space(4) + HEADER + 3, 0, &[exact1, 0, show, 0]),
        ),
        (
            "ledger",
            "pidfd_errno",
            "no number is left for the process descriptor: -EMFILE in its slot",
            receive(0, creds | pidfd | full, 1, 120, 1, &[look, 0, 2, 0, exact1, 0]),
        ),
        (
            "ledger",
            "errno_slot",
            "adopted: two rights messages with errnos among the descriptors, and a refused process descriptor",
            vec![
                1, 3, 0, 3, 0, 0, 3, 1, 5, 163, 9, 2, 1, 0, 186, 1, 2, 2, 7, 162, look, 0, exact1, 0, into, 0, take, 1,
                2, 0, show, 0,
            ],
        ),
        (
            "ledger",
            "compat_trailing_byte",
            "adopted: bytes behind the last message that are no header",
            vec![1, 0, 0, 1, 9, 0, 2, 1, 7, 8, look, 0, exact2, 0],
        ),
        (
            "ledger",
            "malformed_behind",
            "adopted: a header that cannot be true behind the descriptors",
            vec![1, 5, 8, 1, 49, 1, 3, 1, 2, 3, 4, show, 0, take, 2],
        ),
        (
            "batch",
            "nix_2813",
            "one batch received into again and again: capacities are as at first",
            batch([0, 0x30, 0], texts, [8, 40], &several(&[&all_four, &[2, 1, 4, 0x6b, 2, 1, 4, 0x6b, 2, 1, 4, 0x6b]])),
        ),
        (
            "batch",
            "nix_1954",
            "every message of a batch has its own descriptors",
            batch([1, 0x50, 0], texts, [8, 100], &several(&[&all_four, &[2, 0, 4, 0x6b, 4, 1]])),
        ),
        (
            "batch",
            "unreached",
            "messages that nobody reaches",
            batch([1, 0x50, 0], texts, [8, 100], &several(&[&all_four, &[2, 0, 4, 0]])),
        ),
        (
            "batch",
            "stream_glued",
            "a stream glues messages and stops behind descriptors",
            batch([2, 0x53, 0], texts, [6, 100], &several(&[&all_four, &[2, 1, 2, 1, 4, 0x6b, 4, 0x6b]])),
        ),
        (
            "batch",
            "peer_gone",
            "the peer is gone, behind messages that were not read",
            batch([1, 0x51, 0], texts, [8, 50], &several(&[&all_four, &[2, 1, 6, 3, 4, 0x6b, 2, 0, 4, 0x6b]])),
        ),
        (
            "batch",
            "dgram_peer_gone",
            "a datagram socket finds its peer gone, and throws away what it has not read",
            batch([0, 0x50, 0], texts, [8, 50], &several(&[&all_four, &[2, 1, 6, 3, 2, 0, 4, 0x6b]])),
        ),
        (
            "batch",
            "queue_full",
            "a full queue stops a batch, which goes on from there",
            batch(
                [1, 0x34, 1],
                texts,
                [8, 100],
                &several(&[&all_four, &all_four, &[2, 0, 2, 0, 4, 0x6b, 2, 0, 6, 1, 4, 0x6b, 2, 0]]),
            ),
        ),
        ("bulk", "said_more", "announces three descriptors and sends two", vec![0, 0, 0, 0, 2, 1, 3, 5, 9]),
        ("bulk", "said_less", "announces one descriptor and sends three", vec![0, 2, 0, 0, 3, 1, 1, 5, 9]),
        ("bulk", "no_byte", "descriptors without a byte, on packets", vec![0, 1, 1, 0, 3, 0, 0, 5, 1, 4, 2, 5, 3]),
        (
            "bulk",
            "two_bytes",
            "one byte too many, on packets and on a stream",
            vec![0, 2, 0, 0, 3, 2, 3, 5, 1, 4, 2, 5, 3],
        ),
        (
            "bulk",
            "stream_two_bytes",
            "one byte too many on a stream is another message",
            vec![0, 0, 0, 0, 3, 2, 3, 5, 5, 5, 5],
        ),
        (
            "bulk",
            "zero_announced",
            "announces none, with two in two messages of rights",
            vec![0, 0, 7, 3, 2, 1, 0, 5, 1],
        ),
        ("bulk", "no_room", "more descriptors than the set has room for", vec![0, 1, 0, 4, 11, 4, 11, 4, 11, 5, 31]),
        ("bulk", "table_full", "more descriptors than the table has room for", vec![0, 0, 3, 4, 5, 4, 5, 6, 23, 5, 2]),
        ("bulk", "peer_gone", "a good message, and the end", vec![0, 2, 1, 4, 3, 7, 0, 5, 20, 5, 1]),
        (
            "bulk",
            "shut_down",
            "nothing more to read, and the descriptors are taken one by one",
            vec![0, 0, 9, 4, 3, 7, 1, 5, 20, 7, 2, 7, 3],
        ),
        (
            "bulk",
            "stops_when_full",
            "a thousand descriptors through a small send buffer",
            vec![1, 2, 0, 255, 200, 20, 1],
        ),
        ("bulk", "stops_behind_two", "a full queue with room for two messages", vec![1, 2, 0, 255, 200, 20, 5]),
        ("bulk", "stops_behind_three", "the same on a stream, with room for three", vec![1, 0, 0, 255, 9, 20, 6]),
        ("bulk", "stops_on_a_stream", "the same on a stream, with all beside them", vec![1, 0, 15, 200, 9, 20, 0]),
    ]
}

/// Pushes that other encoders stop at. Encode: capacity, dirt, then pushes; round trip: shift, then messages.
fn pushes() -> Vec<Seed> {
    let v4 = [3, 1, 0, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
    let v6: Vec<u8> = (0..21).map(|i| if i == 0 { 4 } else { i }).collect();
    vec![
        (
            "encode_model",
            "quinn_2155",
            "packet information, a segment size and a class in 96 bytes: no room is an error and no panic",
            [&[96, 0xff], &v6[..], &[5, 4, 4, 1, 5, 2, 2, 1, 5, 4, 4, 1]].concat(),
        ),
        (
            "encode_model",
            "quinn_2206",
            "sizes of payloads, not of spaces: 88 bytes that look enough",
            [&[88, 0xff], &v6[..], &v4, &[5, 16, 16, 1]].concat(),
        ),
        (
            "encode_model",
            "interprocess_14",
            "the header is forgotten in the capacity",
            vec![12, 0xff, 2, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0],
        ),
        (
            "encode_model",
            "tokio-seqpacket_exact",
            "a buffer that is exactly full, and one byte less",
            vec![24, 0xff, 0, 2, 0, 0, 0, 1],
        ),
        (
            "encode_model",
            "no_padding",
            "the last message has no padding, and needs no room for it",
            vec![20, 0xff, 0, 1, 0, 0],
        ),
        (
            "encode_model",
            "len_wraps",
            "payloads as long as a number can say",
            vec![127, 0xff, 0, 1, 6, 0, 6, 7, 6, 8, 6, 15, 6, 16, 6, 24, 6, 255],
        ),
        (
            "encode_model",
            "most_fds",
            "253 descriptors, and one more than fits",
            vec![129, 0xff, 7, 1, 1, 0, 9, 0, 250, 1],
        ),
        (
            "encode_model",
            "raw_rights",
            "descriptors as raw bytes are counted",
            vec![100, 0, 7, 1, 1, 11, 0, 7, 1, 2, 12, 3],
        ),
        (
            "roundtrip",
            "every_message",
            "one of each",
            [
                &[3, 0, 3, 1, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2],
                &v4[1..],
                &[3],
                &v6[1..],
                &[4, 3, 1, 2, 3, 5, 255, 255, 255, 255, 0, 0, 0, 128, 2, 8, 9],
            ]
            .concat(),
        ),
        ("roundtrip", "nobody", "credentials without a process", vec![0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]),
        (
            "roundtrip",
            "odd_lengths",
            "payloads of 0 to 9 bytes, each followed by another message",
            (0..10).fold(vec![7], |all, len| with(with(all, &[4, len]), &vec![len; len.into()])),
        ),
        ("roundtrip", "full", "more than the buffer holds", vec![0, 0, 253, 0, 253, 0, 253, 0, 10]),
    ]
}

/// Forgeries for `explain`, on a 64-bit little-endian machine unless it says otherwise.
fn forgeries() -> Vec<Seed> {
    // Socket (0 stream, 2 seqpacket), data bytes, privileges, slack; ABI, byte order, start, trailing, fill, msg_controllen, not null.
    let sent = |socket: u8, bytes: u8, abi: u8, trailing: u8, control_len: &[u8], messages: &[Vec<u8>]| {
        [&[socket, bytes, 0, 0, abi, 0, 0, trailing, 0], control_len, &[1], &messages.concat()].concat()
    };
    let (truth, no_gap, exact, any) = (0, 24, 6, 7);
    // Level and type in a byte each, because they are what they mostly are; payload; cmsg_len; gap.
    let message = |kind: u8, load: &[u8], len: &[u8]| [&[0, 0, kind], load, len, &[no_gap]].concat();
    let (rights, credentials) = (RIGHTS as u8, CREDENTIALS as u8);
    let one = |len: &[u8]| message(rights, &[1, 1, 3], len);
    let huge = |number: u64| [&[any][..], &number.to_le_bytes()].concat();
    let good = [truth];
    let many = |count: u16| message(rights, &[&[2, 0][..], &count.to_be_bytes()].concat(), &good);
    let whole = |what: &'static str, name: &'static str, bytes| ("explain", name, what, bytes);
    vec![
        whole("a cmsg_len of 0", "len_zero", sent(2, 1, 0, 0, &good, &[one(&good), one(&[exact, 0])])),
        whole(
            "a cmsg_len that wraps when it is aligned",
            "len_wraps",
            sent(2, 1, 0, 0, &good, &[one(&huge(u64::MAX - 6))]),
        ),
        whole(
            "a cmsg_len of 7, behind a good message",
            "rust-vmm_31",
            sent(2, 1, 0, 0, &good, &[one(&good), one(&[exact, 7])]),
        ),
        whole(
            "a cmsg_len that is negative when it is signed",
            "gvisor_negative_length",
            sent(2, 1, 0, 0, &good, &[one(&huge(1 << 63))]),
        ),
        whole(
            "one byte behind the last message, translated",
            "compat_trailing_byte",
            sent(2, 1, 2, 1, &good, &[one(&good)]),
        ),
        whole("the same, native: nobody minds", "trailing_byte", sent(2, 1, 0, 1, &good, &[one(&good)])),
        whole("fewer control bytes than a header", "liburing_1583", sent(2, 1, 0, 0, &[exact, 15], &[one(&good)])),
        whole("a msg_controllen over 2147483647", "controllen_2_gib", sent(2, 1, 0, 0, &huge(1 << 31), &[one(&good)])),
        whole("253 descriptors, and one more", "merge_limit", sent(2, 1, 0, 0, &good, &[many(253), many(1)])),
        whole("a descriptor without data on a stream", "rights_without_data", sent(0, 0, 0, 0, &good, &[one(&good)])),
        whole("-1 for a descriptor", "minus_one", sent(2, 1, 0, 0, &good, &[message(rights, &[1, 1, 0xff], &good)])),
        whole(
            "credentials of root",
            "root_forged",
            sent(2, 1, 0, 0, &good, &[message(credentials, &[3, 2, 0, 0, 0, 0], &good)]),
        ),
    ]
}

/// Cases of the kernel: the lane (native, unprivileged), then a byte for a small decision, 0 for the most usual.
fn cases() -> Vec<Seed> {
    // Seqpacket, connected, the messages; no large one; to the end: trailing, msg_controllen, fill, not null, slack, one byte, no limit.
    let sent = |socket: u8, messages: &[&[u8]], end: [u8; 8]| {
        [&[0, socket, 0, [0, 1, 5][messages.len()]], &messages.concat()[..], &[50], &end, &[50]].concat()
    };
    let usual = [0, 0, 0, 1, 0, 20, 0, 0];
    // SOL_SOCKET, SCM_RIGHTS, numbers; the first open one; cmsg_len; no gap.
    let one = |len: &[u8]| [&[0, 0, 50, 50, 1, 0, 0], len, &[0]].concat();
    let many = [0, 0, 50, 0, 7, 0, 0, 0, 0];
    vec![
        ("kernel_send", "one_fd", "a descriptor", sent(62, &[&one(&[0])], usual)),
        (
            "kernel_send",
            "len_zero",
            "a cmsg_len of 0, behind a good message",
            sent(62, &[&one(&[0]), &one(&[95, 0])], usual),
        ),
        ("kernel_send", "rust-vmm_31", "a cmsg_len of 7", sent(62, &[&one(&[95, 7])], usual)),
        ("kernel_send", "merge_limit", "253 descriptors, and one more", sent(62, &[&many, &one(&[0])], usual)),
        (
            "kernel_send",
            "rights_without_data",
            "a descriptor without data on a stream",
            sent(0, &[&one(&[0])], [0, 0, 0, 1, 0, 0, 0, 0]),
        ),
        (
            "kernel_send",
            "compat_trailing_byte",
            "a byte behind the last message, from a 32-bit program",
            sent(62, &[&one(&[0])], [60, 1, 0, 0, 1, 0, 20, 0]).into_iter().enumerate().map(lane(1)).collect(),
        ),
    ]
}

/// Receives of the kernel, from the same lane.
fn receives() -> Vec<Seed> {
    // Decisions: yes and no where a chance is asked for.
    let (yes, no) = (0, 99);
    // Descriptors beside one byte of data.
    let message = |descriptors: u8, stream: bool| [&[1, 8, descriptors, no][..], &[no][..usize::from(stream)]].concat();
    // Data bytes, flags (close-on-exec and not waiting), not null, how long, aligned, dirty, and how many numbers are free.
    let call = |data: u8, len: &[u8], free: &[u8]| {
        [&[data, no, no, yes, yes, no, no, no, no, no], len, &[no, 0], free].concat()
    };
    // Credentials and process descriptors wanted, nothing else; one message; one call; connected, nothing asked by the sender.
    let case = |stream: bool, wants: [u8; 2], queue: Vec<u8>, ending: &[u8], call: Vec<u8>| {
        let rest = &[no; 6][..if stream { 6 } else { 4 }];
        let kind = if stream { 0 } else { 3 };
        [&[0, kind], &wants[..], rest, &queue, &[yes], ending, &[0], &call, &[no, no, 0, 0, 0, 0, 0, 0, 0, 1]].concat()
    };
    let one = |descriptors: u8, stream: bool| with(vec![1], &message(descriptors, stream));
    let (open, closed, all) = (&[yes][..], &[no, 1][..], &[no][..]);
    vec![
        (
            "kernel_receive",
            "padding_fd",
            "three descriptors in 24 bytes: two come",
            case(false, [no, no], one(3, false), open, call(1, &[0, 15, 24], all)),
        ),
        (
            "kernel_receive",
            "errno_slot",
            "a number for the descriptor and none for the process: -EMFILE in its slot",
            case(false, [no, yes], one(1, false), open, call(1, &[0, 16], &[yes, 0, 1])),
        ),
        (
            "kernel_receive",
            "systemd_34688",
            "truncated although there is room: the table is full",
            case(false, [no, no], one(3, false), open, call(1, &[0, 16], &[yes, 0, 1])),
        ),
        (
            "kernel_receive",
            "end_looks_like_root",
            "the end of a stream comes with credentials 0, 0, 0",
            case(true, [yes, no], vec![0], closed, call(1, &[16], all)),
        ),
        (
            "kernel_receive",
            "read_of_nothing",
            "a read of no bytes takes the descriptors and looks like the end",
            case(true, [no, no], one(2, true), open, call(0, &[0, 16], all)),
        ),
    ]
}

/// Another lane for a case.
fn lane(lane: u8) -> impl Fn((usize, u8)) -> u8 {
    move |(at, byte)| if at == 0 { lane } else { byte }
}

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, what, bytes) in control() {
        // At an odd address; and under the types their headers say.
        seeds.push(("decode_any", name, what, with(vec![3], &bytes)));
        seeds.push(("messages", name, what, with(vec![0xff], &bytes)));
    }
    for (kind, name) in [
        "Rights",
        "Credentials",
        "SecurityLabel",
        "PidFd",
        "TimestampOld",
        "TimestampNew",
        "TimestampNsOld",
        "TimestampNsNew",
        "TimestampingOld",
        "TimestampingNew",
        "UnreadBytes",
        "Ipv4PacketInfo",
        "Ipv6PacketInfo",
    ]
    .into_iter()
    .enumerate()
    {
        let payload: Vec<u8> = (0..48).map(|i| i ^ 0xf0).collect();
        seeds.push(("messages", name, "48 bytes as this type", with(vec![kind as u8], &right(&[(0, 0, &payload)]))));
    }
    seeds.extend(programs());
    seeds.extend(pushes());
    seeds.extend(forgeries());
    seeds.extend(cases());
    seeds.extend(receives());
    seeds
}
