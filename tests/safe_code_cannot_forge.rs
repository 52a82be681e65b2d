//! Law 3: safe code cannot forge a descriptor, nor an address the kernel writes through, in a message it sends.
//!
//! What it cannot send does not compile: `compile_fail` examples in `src/encode.rs`, `src/control.rs`, `src/borrowed.rs`,
//! `src/fd.rs`, `src/ancillary.rs`, `src/msg.rs`, `src/message/socket.rs`, `src/socket.rs` and `src/sockopt.rs`. Here is what it can
//! send, so that those examples fail for their reason, and what a received number is not.

mod naive;

use linux_raw_sys::net;
use scmsg::{Cmsgs, ControlBuf, Credentials, Encode, Encoder, Message, Rights};

/// A message of anybody's.
struct Own<const LEVEL: i32, const TYPE: i32>;

impl<const LEVEL: i32, const TYPE: i32> Message for Own<LEVEL, TYPE> {
    const LEVEL: i32 = LEVEL;
    const TYPE: i32 = TYPE;
}

impl<const LEVEL: i32, const TYPE: i32> Encode for Own<LEVEL, TYPE> {
    fn payload_len(&self) -> usize {
        4
    }

    fn encode(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

/// Compiles, and encodes.
fn can_be_sent<const LEVEL: i32, const TYPE: i32>() {
    let mut buf = ControlBuf::<[u8; 64]>::new();
    let mut model = Vec::new();
    naive::append(&mut model, LEVEL, TYPE, &[7; 4]);
    assert_eq!(Encoder::new(&mut buf).push(&Own::<LEVEL, TYPE>).unwrap().as_bytes(), model);
}

#[test]
fn plain_numbers_at_sol_socket_can_be_sent() {
    const SOL_SOCKET: i32 = Rights::LEVEL;
    can_be_sent::<SOL_SOCKET, { Credentials::TYPE }>();
    can_be_sent::<SOL_SOCKET, { net::SO_MARK as i32 }>();
    can_be_sent::<SOL_SOCKET, { net::SO_PRIORITY as i32 }>();
    can_be_sent::<SOL_SOCKET, { net::SO_TIMESTAMPING_OLD as i32 }>();
    can_be_sent::<SOL_SOCKET, { net::SO_TIMESTAMPING_NEW as i32 }>();
    can_be_sent::<SOL_SOCKET, { net::SCM_TXTIME as i32 }>();
    can_be_sent::<SOL_SOCKET, { net::SCM_TS_OPT_ID as i32 }>();
}

#[test]
fn what_has_no_address_at_sol_rds_can_be_sent() {
    const SOL_RDS: i32 = net::SOL_RDS as i32;
    assert_eq!(SOL_RDS, 276, "as the examples that must not compile have it");
    can_be_sent::<SOL_RDS, 2>();
    can_be_sent::<SOL_RDS, 4>();
    can_be_sent::<SOL_RDS, 5>();
    can_be_sent::<SOL_RDS, 10>();
    can_be_sent::<SOL_RDS, 12>();
}

/// The types refused at `SOL_SOCKET` and `SOL_RDS` are numbers like any other elsewhere.
#[test]
fn every_other_level_can_be_sent() {
    can_be_sent::<0, 1>();
    can_be_sent::<0, 3>();
    can_be_sent::<17, 103>();
    can_be_sent::<41, 1>();
    can_be_sent::<279, 4>();
    can_be_sent::<{ i32::MIN }, 6>();
    can_be_sent::<{ i32::MAX }, 9>();
}

/// The payload of one's own message is numbers and stays so: only `push_rights` counts descriptors.
#[test]
fn what_safe_code_pushes_carries_no_descriptor() {
    let mut buf = ControlBuf::<[u8; 64]>::new();
    let mut encoder = Encoder::new(&mut buf);
    encoder.push(&Own::<17, 1>).unwrap().push(&Credentials { pid: None, uid: 0, gid: 0 }).unwrap();
    assert_eq!(encoder.descriptors(), 0);
    let rights = Cmsgs::new(encoder.as_bytes()).filter(|m| m.unwrap().get::<Rights<'_>>().unwrap().is_some());
    assert_eq!(rights.count(), 0);
}
