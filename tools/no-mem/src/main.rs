//! Turns the paths for messages of a size that is known when compiled into a program that links without memory functions and
//! without a panic: `tests/assembly_is_golden.rs` builds it at opt-level s, 2 and 3. It is not meant to run.

#![no_std]
#![no_main]

#[path = "../../../static/rt/mod.rs"]
mod rt;

use core::hint::black_box;

use scmsg::{
    Ancillary, AsFd, BorrowedFd, CMSG_LEN, Cmsgs, ControlBuf, Credentials, Encoder, Errno, FixedControl, IoSlice,
    IoSliceMut, Message, NoSpace, OwnedFd, PidFd, RecvBatch, RecvFlags, RecvMsg, Rights, SendBatch, SendFlags, SendMsg,
    SocketFlags, SocketType, UnreadBytes, recvmmsg, recvmsg, sendmmsg, sendmsg, setsockopt, socketpair, sockopt,
    space_of,
};

/// `IP_TOS`, as it is sent.
struct Tos;
impl Message for Tos {
    const LEVEL: i32 = 0;
    const TYPE: i32 = 1;
}

fn credentials(buf: &mut ControlBuf<[u8; space_of::<Credentials>()]>, who: &Credentials) -> Result<usize, NoSpace> {
    Ok(Encoder::new(buf).push(who)?.as_bytes().len())
}

fn decode(bytes: &[u8]) -> Option<(u32, i64)> {
    let mut found = (0, 0);
    for message in Cmsgs::new(bytes) {
        let message = message.ok()?;
        if let Some(who) = message.get::<Credentials>().ok()? {
            found.0 = who.uid;
        }
        if let Some(unread) = message.get::<UnreadBytes>().ok()? {
            found.1 += i64::from(unread.0);
        }
        if let Some(PidFd { .. }) = message.get::<PidFd>().ok()? {
            found.1 += 1;
        }
    }
    Some(found)
}

fn round(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let (here, there) = socketpair(SocketType::SEQPACKET, SocketFlags::empty()).ok()?;
    setsockopt(&there, sockopt::PassCred, true).ok()?;
    let mut buf = ControlBuf::<[u8; Rights::space(4)]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[fd; 4]).ok()?;
    let data = [IoSlice::new(b"1")];
    sendmsg(&here, &SendMsg::new(&data).control(&control).ok()?, SendFlags::empty()).ok()?;
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let mut received = recvmsg(&there, &mut message, RecvFlags::empty()).ok()?;
    received.control.take_exact::<4>().ok()?.into_iter().next()
}

fn batches(here: BorrowedFd<'_>, there: BorrowedFd<'_>) -> Result<usize, Errno> {
    let data = [IoSlice::new(b"1")];
    let mut batch = SendBatch::<'_, 4>::new();
    let _ = batch.push(SendMsg::new(&data));
    let _ = batch.push(SendMsg::new(&data));
    let sent = sendmmsg(here, &mut batch, SendFlags::empty())?;
    let (mut one, mut two) = ([0], [0]);
    let (mut one, mut two) = ([IoSliceMut::new(&mut one)], [IoSliceMut::new(&mut two)]);
    let mut batch = RecvBatch::<'_, 4>::new();
    let _ = batch.push(RecvMsg::new(&mut one));
    let _ = batch.push(RecvMsg::new(&mut two));
    Ok(sent + recvmmsg(there, &mut batch, RecvFlags::empty(), None)?.map(|message| message.bytes).sum::<usize>())
}

static FIXED: FixedControl<{ CMSG_LEN(4) }> = FixedControl::new::<Tos, 4>([0; 4]);

fn fixed(socket: BorrowedFd<'_>) -> Option<usize> {
    let data = [IoSlice::new(b"1")];
    sendmsg(socket, &SendMsg::new(&data).control(&FIXED).ok()?, SendFlags::empty()).ok()
}

fn one(mut control: Ancillary<'_>) -> Option<OwnedFd> {
    control.take_pidfd().or_else(|| control.take_fd())?.ok()
}

fn main(_: rt::Stack) -> i32 {
    black_box(golden::encode as *const ());
    black_box(golden::encode_4 as *const ());
    black_box(golden::encode_16 as *const ());
    black_box(golden::encode_64 as *const ());
    black_box(golden::encode_253 as *const ());
    black_box(golden::send as *const ());
    black_box(golden::receive as *const ());
    black_box(golden::take as *const ());
    black_box(credentials as *const ());
    black_box(decode as *const ());
    black_box(round as *const ());
    black_box(batches as *const ());
    black_box(fixed as *const ());
    black_box(one as *const ());
    #[cfg(feature = "prove-it-can-fail")]
    black_box(<[u8]>::copy_from_slice as *const ());
    rt::stdout().as_fd().as_raw_fd()
}
