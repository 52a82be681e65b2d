//! Every message has exactly these bytes, written down for each width of `long` and each byte order; those that are sent
//! encode to them, those that are received decode from them.
//!
//! A new message is one test here.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use scmsg::{
    BorrowedFd, CMSG_LEN, Cmsg, Cmsgs, Control, ControlBuf, Credentials, Encode, Encoder, Errno, FixedControl,
    Ipv4PacketInfo, Ipv6PacketInfo, Message, PidFd, Rights, SecurityLabel, Short, TimestampNew, TimestampNsNew,
    TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld, UnreadBytes,
};

/// Bytes in hexadecimal, for each layout.
struct Golden {
    le64: &'static str,
    be64: &'static str,
    le32: &'static str,
    be32: &'static str,
}

impl Golden {
    /// The bytes for the target that runs this, after a look at all four.
    fn bytes(&self) -> Vec<u8> {
        let [le64, be64, le32, be32] = [self.le64, self.be64, self.le32, self.be32].map(parse);
        agree(&le64, &be64, 8);
        agree(&le32, &be32, 4);
        assert_eq!(le64[8..16], le32[4..12], "level and type have one width");
        match (cfg!(target_pointer_width = "64"), cfg!(target_endian = "little")) {
            (true, true) => le64,
            (true, false) => be64,
            (false, true) => le32,
            (false, false) => be32,
        }
    }
}

fn parse(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Not every layout has a machine here. Two byte orders of one width have reversed headers, the length of the first message in
/// them, and the same bytes in some order.
fn agree(le: &[u8], be: &[u8], long: usize) {
    let reversed = |at: core::ops::Range<usize>| be[at].iter().rev().copied().collect::<Vec<_>>();
    for field in [0..long, long..long + 4, long + 4..long + 8] {
        assert_eq!(le[field.clone()], reversed(field));
    }
    let cmsg_len = usize::from(le[0]);
    assert!(le[1..long].iter().all(|b| *b == 0));
    assert!(le.len() == cmsg_len || le.len() >= cmsg_len.next_multiple_of(long) + long + 8, "cmsg_len is {cmsg_len}");
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    assert_eq!(sorted(le), sorted(be));
}

/// Encodes into a dirty buffer and compares.
fn encodes_to(golden: &Golden, push: impl FnOnce(&mut Encoder<'_, '_>)) {
    let mut buf = ControlBuf::<[u8; 256]>::new();
    let buf: &mut ControlBuf = &mut buf;
    buf.as_mut_bytes().fill(0xff);
    let mut encoder = Encoder::new(buf);
    push(&mut encoder);
    assert_eq!(encoder.as_bytes(), golden.bytes());
}

/// Decodes, whole and once, and hands the message over.
fn decodes<'a>(bytes: &'a [u8]) -> Cmsg<'a> {
    let mut walk = Cmsgs::new(bytes);
    let message = walk.next().unwrap().unwrap();
    assert_eq!(walk.next(), None);
    assert_eq!(walk.remainder(), b"");
    message
}

macro_rules! decodes_to {
    ($golden:expr, $ty:ty, $value:expr) => {{
        let bytes = $golden.bytes();
        let message = decodes(&bytes);
        assert_eq!((message.level, message.kind), (<$ty>::LEVEL, <$ty>::TYPE));
        assert_eq!(message.get::<$ty>(), Ok(Some($value)));
    }};
}

#[test]
fn the_layout_is_that_of_the_target() {
    let golden = Golden {
        le64: "1000000000000000 01000000 02000000",
        be64: "0000000000000010 00000001 00000002",
        le32: "0c000000 01000000 02000000",
        be32: "0000000c 00000001 00000002",
    };
    assert_eq!(
        golden.bytes(),
        [&scmsg::CMSG_LEN(0).to_ne_bytes()[..], &1_i32.to_ne_bytes(), &2_i32.to_ne_bytes()].concat()
    );
}

#[test]
fn rights() {
    let golden = Golden {
        le64: "1c00000000000000 01000000 01000000  00000000 02010000 02000000",
        be64: "000000000000001c 00000001 00000001  00000000 00000102 00000002",
        le32: "18000000 01000000 01000000          00000000 02010000 02000000",
        be32: "00000018 00000001 00000001          00000000 00000102 00000002",
    };
    // A number that needs two bytes. SAFETY: no other test here has that many descriptors.
    assert_eq!(unsafe { libc::dup2(2, 0x102) }, 0x102);
    // SAFETY: the three are open, and stay so.
    let fds = [0, 0x102, 2].map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
    encodes_to(&golden, |encoder| assert!(!encoder.push_rights(&fds).unwrap().as_bytes().is_empty()));

    let bytes = golden.bytes();
    let rights = decodes(&bytes).get::<Rights<'_>>().unwrap().unwrap();
    assert!(rights.numbers().eq([Ok(0), Ok(0x102), Ok(2)]));
    assert_eq!(format!("{rights:?}"), "[Ok(0), Ok(258), Ok(2)]");
}

#[test]
fn rights_of_no_descriptor() {
    let golden = Golden {
        le64: "1000000000000000 01000000 01000000",
        be64: "0000000000000010 00000001 00000001",
        le32: "0c000000 01000000 01000000",
        be32: "0000000c 00000001 00000001",
    };
    encodes_to(&golden, |encoder| assert!(!encoder.push_rights(&[]).unwrap().as_bytes().is_empty()));
    let bytes = golden.bytes();
    assert_eq!(decodes(&bytes).get::<Rights<'_>>().unwrap().unwrap().numbers().count(), 0);
}

/// What a receive can hold beside descriptors: an errno in a slot (`SO_RIGHTS_NOTRUNC`), and a slot that was taken.
#[test]
fn rights_with_a_refused_and_a_taken_slot() {
    let golden = Golden {
        le64: "2000000000000000 01000000 01000000  05000000 ffffffff 00000080 07000000",
        be64: "0000000000000020 00000001 00000001  00000005 ffffffff 80000000 00000007",
        le32: "1c000000 01000000 01000000          05000000 ffffffff 00000080 07000000",
        be32: "0000001c 00000001 00000001          00000005 ffffffff 80000000 00000007",
    };
    let bytes = golden.bytes();
    let rights = decodes(&bytes).get::<Rights<'_>>().unwrap().unwrap();
    assert!(rights.numbers().eq([Ok(5), Err(Errno::EPERM), Ok(7)]));
}

#[test]
fn credentials() {
    let golden = Golden {
        le64: "1c00000000000000 01000000 02000000  04030201 08070605 0c0b0a09",
        be64: "000000000000001c 00000001 00000002  01020304 05060708 090a0b0c",
        le32: "18000000 01000000 02000000          04030201 08070605 0c0b0a09",
        be32: "00000018 00000001 00000002          01020304 05060708 090a0b0c",
    };
    let value = Credentials { pid: NonZeroU32::new(0x0102_0304), uid: 0x0506_0708, gid: 0x090a_0b0c };
    encodes_to(&golden, |encoder| assert!(!encoder.push(&value).unwrap().as_bytes().is_empty()));
    decodes_to!(golden, Credentials, value);
}

/// What the kernel puts in at the end of a stream: no process, which must not look like root.
#[test]
fn credentials_of_nobody() {
    let golden = Golden {
        le64: "1c00000000000000 01000000 02000000  00000000 feff0000 00000000",
        be64: "000000000000001c 00000001 00000002  00000000 0000fffe 00000000",
        le32: "18000000 01000000 02000000          00000000 feff0000 00000000",
        be32: "00000018 00000001 00000002          00000000 0000fffe 00000000",
    };
    let value = Credentials { pid: None, uid: 65534, gid: 0 };
    encodes_to(&golden, |encoder| assert!(!encoder.push(&value).unwrap().as_bytes().is_empty()));
    decodes_to!(golden, Credentials, value);
}

#[test]
fn security_label() {
    let golden = Golden {
        le64: "1500000000000000 01000000 03000000  6c6162656c",
        be64: "0000000000000015 00000001 00000003  6c6162656c",
        le32: "11000000 01000000 03000000          6c6162656c",
        be32: "00000011 00000001 00000003          6c6162656c",
    };
    let bytes = golden.bytes();
    let label = decodes(&bytes).get::<SecurityLabel<'_>>().unwrap().unwrap();
    assert_eq!(label.as_bytes(), b"label");
    assert_eq!(format!("{label:?}"), "SecurityLabel(\"label\")");
}

#[test]
fn security_label_with_a_nul() {
    let golden = Golden {
        le64: "1300000000000000 01000000 03000000  780000",
        be64: "0000000000000013 00000001 00000003  780000",
        le32: "0f000000 01000000 03000000          780000",
        be32: "0000000f 00000001 00000003          780000",
    };
    let bytes = golden.bytes();
    assert_eq!(decodes(&bytes).get::<SecurityLabel<'_>>().unwrap().unwrap().as_bytes(), b"x\0");
}

#[test]
fn pidfd() {
    let golden = Golden {
        le64: "1400000000000000 01000000 04000000  02010000",
        be64: "0000000000000014 00000001 00000004  00000102",
        le32: "10000000 01000000 04000000          02010000",
        be32: "00000010 00000001 00000004          00000102",
    };
    let bytes = golden.bytes();
    assert_eq!(decodes(&bytes).get::<PidFd>().unwrap().unwrap().number(), Some(Ok(0x102)));
}

/// What arrives when the descriptor table is full.
#[test]
fn pidfd_that_is_emfile() {
    let golden = Golden {
        le64: "1400000000000000 01000000 04000000  e8ffffff",
        be64: "0000000000000014 00000001 00000004  ffffffe8",
        le32: "10000000 01000000 04000000          e8ffffff",
        be32: "00000010 00000001 00000004          ffffffe8",
    };
    let bytes = golden.bytes();
    assert_eq!(decodes(&bytes).get::<PidFd>().unwrap().unwrap().number(), Some(Err(Errno::EMFILE)));
}

#[test]
fn pidfd_that_was_taken() {
    let golden = Golden {
        le64: "1400000000000000 01000000 04000000  00000080",
        be64: "0000000000000014 00000001 00000004  80000000",
        le32: "10000000 01000000 04000000          00000080",
        be32: "00000010 00000001 00000004          80000000",
    };
    let bytes = golden.bytes();
    assert_eq!(decodes(&bytes).get::<PidFd>().unwrap().unwrap().number(), None);
}

#[test]
fn unread_bytes() {
    let golden = Golden {
        le64: "1400000000000000 01000000 54000000  04030201",
        be64: "0000000000000014 00000001 00000054  01020304",
        le32: "10000000 01000000 54000000          04030201",
        be32: "00000010 00000001 00000054          01020304",
    };
    decodes_to!(golden, UnreadBytes, UnreadBytes(0x0102_0304));
}

#[test]
fn timestamp_old() {
    let golden = Golden {
        le64: "2000000000000000 01000000 1d000000  0403020100000000 3f420f0000000000",
        be64: "0000000000000020 00000001 0000001d  0000000001020304 00000000000f423f",
        le32: "14000000 01000000 1d000000          04030201 3f420f00",
        be32: "00000014 00000001 0000001d          01020304 000f423f",
    };
    decodes_to!(golden, TimestampOld, TimestampOld { seconds: 0x0102_0304, microseconds: 999_999 });
}

/// A `long` has a sign in every width.
#[test]
fn timestamp_old_before_1970() {
    let golden = Golden {
        le64: "2000000000000000 01000000 1d000000  feffffffffffffff ffffffffffffffff",
        be64: "0000000000000020 00000001 0000001d  fffffffffffffffe ffffffffffffffff",
        le32: "14000000 01000000 1d000000          feffffff ffffffff",
        be32: "00000014 00000001 0000001d          fffffffe ffffffff",
    };
    decodes_to!(golden, TimestampOld, TimestampOld { seconds: -2, microseconds: -1 });
}

#[test]
fn timestamp_new() {
    let golden = Golden {
        le64: "2000000000000000 01000000 3f000000  0807060504030201 3f420f0000000000",
        be64: "0000000000000020 00000001 0000003f  0102030405060708 00000000000f423f",
        le32: "1c000000 01000000 3f000000          0807060504030201 3f420f0000000000",
        be32: "0000001c 00000001 0000003f          0102030405060708 00000000000f423f",
    };
    decodes_to!(golden, TimestampNew, TimestampNew { seconds: 0x0102_0304_0506_0708, microseconds: 999_999 });
}

#[test]
fn timestamp_ns_old() {
    let golden = Golden {
        le64: "2000000000000000 01000000 23000000  0403020100000000 ffc99a3b00000000",
        be64: "0000000000000020 00000001 00000023  0000000001020304 000000003b9ac9ff",
        le32: "14000000 01000000 23000000          04030201 ffc99a3b",
        be32: "00000014 00000001 00000023          01020304 3b9ac9ff",
    };
    decodes_to!(golden, TimestampNsOld, TimestampNsOld { seconds: 0x0102_0304, nanoseconds: 999_999_999 });
}

#[test]
fn timestamp_ns_new() {
    let golden = Golden {
        le64: "2000000000000000 01000000 40000000  0807060504030201 ffc99a3b00000000",
        be64: "0000000000000020 00000001 00000040  0102030405060708 000000003b9ac9ff",
        le32: "1c000000 01000000 40000000          0807060504030201 ffc99a3b00000000",
        be32: "0000001c 00000001 00000040          0102030405060708 000000003b9ac9ff",
    };
    decodes_to!(golden, TimestampNsNew, TimestampNsNew { seconds: 0x0102_0304_0506_0708, nanoseconds: 999_999_999 });
}

#[test]
fn timestamping_old() {
    let golden = Golden {
        le64: "4000000000000000 01000000 25000000  0100000000000000 0200000000000000 \
               0300000000000000 0400000000000000 0500000000000000 ffffffffffffffff",
        be64: "0000000000000040 00000001 00000025  0000000000000001 0000000000000002 \
               0000000000000003 0000000000000004 0000000000000005 ffffffffffffffff",
        le32: "24000000 01000000 25000000  01000000 02000000 03000000 04000000 05000000 ffffffff",
        be32: "00000024 00000001 00000025  00000001 00000002 00000003 00000004 00000005 ffffffff",
    };
    let stamps = [(1, 2), (3, 4), (5, -1)].map(|(seconds, nanoseconds)| TimestampNsOld { seconds, nanoseconds });
    decodes_to!(golden, TimestampingOld, TimestampingOld { stamps });
}

#[test]
fn timestamping_new() {
    let golden = Golden {
        le64: "4000000000000000 01000000 41000000  0100000000000000 0200000000000000 \
               0300000000000000 0400000000000000 0500000000000000 ffffffffffffffff",
        be64: "0000000000000040 00000001 00000041  0000000000000001 0000000000000002 \
               0000000000000003 0000000000000004 0000000000000005 ffffffffffffffff",
        le32: "3c000000 01000000 41000000  0100000000000000 0200000000000000 \
               0300000000000000 0400000000000000 0500000000000000 ffffffffffffffff",
        be32: "0000003c 00000001 00000041  0000000000000001 0000000000000002 \
               0000000000000003 0000000000000004 0000000000000005 ffffffffffffffff",
    };
    let stamps = [(1, 2), (3, 4), (5, -1)].map(|(seconds, nanoseconds)| TimestampNsNew { seconds, nanoseconds });
    decodes_to!(golden, TimestampingNew, TimestampingNew { stamps });
}

#[test]
fn ipv4_packet_info() {
    let golden = Golden {
        le64: "1c00000000000000 00000000 08000000  04030201 7f000002 c0a80a01",
        be64: "000000000000001c 00000000 00000008  01020304 7f000002 c0a80a01",
        le32: "18000000 00000000 08000000          04030201 7f000002 c0a80a01",
        be32: "00000018 00000000 00000008          01020304 7f000002 c0a80a01",
    };
    let (local, destination) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(192, 168, 10, 1));
    let value = Ipv4PacketInfo { interface: 0x0102_0304, local, destination };
    encodes_to(&golden, |encoder| assert!(!encoder.push(&value).unwrap().as_bytes().is_empty()));
    decodes_to!(golden, Ipv4PacketInfo, value);
    // Of bytes that are longer the first 12 count, and fewer are none.
    let payload = &golden.bytes()[CMSG_LEN(0)..];
    let long = [payload, &[0xff; 4]].concat();
    let cmsg = |payload| Cmsg { level: Ipv4PacketInfo::LEVEL, kind: Ipv4PacketInfo::TYPE, payload };
    assert_eq!(cmsg(&long).get::<Ipv4PacketInfo>(), Ok(Some(value)));
    assert_eq!(cmsg(&payload[..11]).get::<Ipv4PacketInfo>(), Err(Short { need: 12, have: 11 }));
    assert_eq!(cmsg(payload).get::<Ipv6PacketInfo>(), Ok(None), "another message");
}

#[test]
fn ipv6_packet_info() {
    let golden = Golden {
        le64: "2400000000000000 29000000 32000000  20010db8000102030405060708090a0b 04030201",
        be64: "0000000000000024 00000029 00000032  20010db8000102030405060708090a0b 01020304",
        le32: "20000000 29000000 32000000          20010db8000102030405060708090a0b 04030201",
        be32: "00000020 00000029 00000032          20010db8000102030405060708090a0b 01020304",
    };
    let address = Ipv6Addr::new(0x2001, 0xdb8, 0x0001, 0x0203, 0x0405, 0x0607, 0x0809, 0x0a0b);
    let value = Ipv6PacketInfo { address, interface: 0x0102_0304 };
    encodes_to(&golden, |encoder| assert!(!encoder.push(&value).unwrap().as_bytes().is_empty()));
    decodes_to!(golden, Ipv6PacketInfo, value);
    let payload = &golden.bytes()[CMSG_LEN(0)..];
    let long = [payload, &[0xff; 4]].concat();
    let cmsg = |payload| Cmsg { level: Ipv6PacketInfo::LEVEL, kind: Ipv6PacketInfo::TYPE, payload };
    assert_eq!(cmsg(&long).get::<Ipv6PacketInfo>(), Ok(Some(value)));
    assert_eq!(cmsg(&payload[..19]).get::<Ipv6PacketInfo>(), Err(Short { need: 20, have: 19 }));
    assert_eq!(cmsg(payload).get::<Ipv4PacketInfo>(), Ok(None), "another message");
}

/// What is encoded when compiled is what an `Encoder` writes, byte for byte, aligned for a header, in a `static`.
#[test]
fn a_fixed_control_is_what_an_encoder_writes() {
    struct Own<const N: usize>([u8; N]);
    impl<const N: usize> Message for Own<N> {
        const LEVEL: i32 = 0x0102_0304;
        const TYPE: i32 = -0x0102_0304;
    }
    impl<const N: usize> Encode for Own<N> {
        fn payload_len(&self) -> usize {
            N
        }

        fn encode(&self, out: &mut [u8]) {
            out.copy_from_slice(&self.0);
        }
    }
    fn same<M: Encode, const N: usize>(fixed: &FixedControl<N>, message: &M) {
        let mut buf = ControlBuf::<[u8; 256]>::new();
        let buf: &mut ControlBuf = &mut buf;
        buf.as_mut_bytes().fill(0xff);
        let mut encoder = Encoder::new(buf);
        encoder.push(message).unwrap();
        assert_eq!(fixed.as_bytes(), encoder.as_bytes());
        let control = Control::from(fixed);
        assert_eq!((control.as_bytes(), control.descriptors()), (encoder.as_bytes(), 0));
        assert!(fixed.as_bytes().as_ptr().align_offset(8) == 0);
        // Ending the encoding gives the same.
        let bytes = encoder.as_bytes().to_vec();
        assert_eq!(Control::from(encoder).as_bytes(), bytes);
    }
    static NONE: FixedControl<{ CMSG_LEN(0) }> = FixedControl::new::<Own<0>, 0>([]);
    static ODD: FixedControl<{ CMSG_LEN(5) }> = FixedControl::new::<Own<5>, 5>([1, 2, 3, 4, 5]);
    static LONG: FixedControl<{ CMSG_LEN(200) }> = FixedControl::new::<Own<200>, 200>([7; 200]);
    static INFO: FixedControl<{ CMSG_LEN(12) }> =
        FixedControl::new::<Ipv4PacketInfo, 12>([0, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0]);
    same(&NONE, &Own([]));
    same(&ODD, &Own([1, 2, 3, 4, 5]));
    same(&LONG, &Own([7; 200]));
    let (local, destination) = (Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED);
    same(&INFO, &Ipv4PacketInfo { interface: 0, local, destination });
    assert_eq!({ INFO }.as_bytes(), INFO.as_bytes());
}

/// A message of one's own, and one through the unsafe door, between others: padding, and none at the end.
#[test]
fn several_messages() {
    struct UdpSegment(u16);
    impl Message for UdpSegment {
        const LEVEL: i32 = 17;
        const TYPE: i32 = 103;
    }
    impl Encode for UdpSegment {
        fn payload_len(&self) -> usize {
            2
        }

        fn encode(&self, out: &mut [u8]) {
            out.copy_from_slice(&self.0.to_ne_bytes());
        }
    }
    let golden = Golden {
        le64: "1200000000000000 11000000 67000000  b004 000000000000 \
               1500000000000000 29000000 bdffffff  0102030405 000000 \
               1400000000000000 01000000 01000000  01000000",
        be64: "0000000000000012 00000011 00000067  04b0 000000000000 \
               0000000000000015 00000029 ffffffbd  0102030405 000000 \
               0000000000000014 00000001 00000001  00000001",
        le32: "0e000000 11000000 67000000  b004 0000 \
               11000000 29000000 bdffffff  0102030405 000000 \
               10000000 01000000 01000000  01000000",
        be32: "0000000e 00000011 00000067  04b0 0000 \
               00000011 00000029 ffffffbd  0102030405 000000 \
               00000010 00000001 00000001  00000001",
    };
    encodes_to(&golden, |encoder| {
        encoder.push(&UdpSegment(1200)).unwrap();
        // SAFETY: nothing is sent.
        unsafe { encoder.push_raw(41, -67, &[1, 2, 3, 4, 5]) }.unwrap();
        // SAFETY: standard output stays open.
        encoder.push_rights(&[unsafe { BorrowedFd::borrow_raw(1) }]).unwrap();
    });
    let bytes = golden.bytes();
    let found: Vec<_> = Cmsgs::new(&bytes).map(|m| m.unwrap()).map(|m| (m.level, m.kind, m.payload)).collect();
    let segment = 1200_u16.to_ne_bytes();
    let one = 1_i32.to_ne_bytes();
    assert_eq!(found, [(17, 103, &segment[..]), (41, -67, &[1, 2, 3, 4, 5]), (1, 1, &one)]);
}
