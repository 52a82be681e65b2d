//! Turns the crate's safe calls into the smallest program that passes a descriptor to itself: a socket pair, its own standard
//! output sent and received, one line written through what arrived.
//!
//! Law: no `unsafe`, no `forget`, no way out that skips a drop. What was received is closed by its owner, and so are the
//! sockets.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
#[path = "../../rt/mod.rs"]
mod rt;

use scmsg::{
    CMSG_LEN, ControlBuf, Encoder, IoSlice, IoSliceMut, RecvFlags, RecvMsg, Rights, SendFlags, SendMsg, SocketFlags,
    SocketType, recvmsg, sendmsg, socketpair,
};

/// What is written.
const LINE: &[u8] = b"passed\n";

/// Exit status 0 if the line was written, 1 if anything failed.
fn main(_: rt::Stack) -> i32 {
    i32::from(pass().is_none())
}

fn pass() -> Option<()> {
    let (here, there) = socketpair(SocketType::SEQPACKET, SocketFlags::empty()).ok()?;

    let mut buf = ControlBuf::<[u8; Rights::space(1)]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[rt::stdout()]).ok()?;
    let data = [IoSlice::new(b"1")];
    let message = SendMsg::new(&data).control(&control).ok()?;
    sendmsg(&here, &message, SendFlags::empty()).ok()?;

    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf).limit(CMSG_LEN(4));
    let fd = recvmsg(&there, &mut message, RecvFlags::empty()).ok()?.control.take_fd();

    (rt::write(fd?.ok()?, LINE) == Ok(LINE.len())).then_some(())
}
