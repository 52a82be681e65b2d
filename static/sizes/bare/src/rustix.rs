//! Turns rustix, without std and libc, into the same program as static/tiny/src/safe.rs. x86_64.
//!
//! The entry and the memory functions are the same files; those it calls are in it.

#![no_std]
#![no_main]

#[path = "../../../rt/mem.rs"]
mod mem;
#[path = "../../../rt/stack.rs"]
#[allow(dead_code)]
mod stack;
#[path = "../../../rt/start.rs"]
mod start;
#[path = "../../../rt/stop.rs"]
mod stop;

use core::mem::MaybeUninit;

use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use stack::Stack;

const LINE: &[u8] = b"passed\n";

fn main(_: Stack) -> i32 {
    i32::from(pass().is_none())
}

fn pass() -> Option<()> {
    let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).ok()?;

    // SAFETY: descriptor 1 is open by convention.
    let fds = [unsafe { rustix::fd::BorrowedFd::borrow_raw(1) }];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return None;
    }
    sendmsg(&here, &[IoSlice::new(b"1")], &mut control, SendFlags::NOSIGNAL).ok()?;

    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&there, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    let Some(RecvAncillaryMessage::ScmRights(mut fds)) = control.drain().next() else { return None };
    let fd = fds.next()?;
    (rustix::io::write(&fd, LINE) == Ok(LINE.len())).then_some(())
}

/// `exit_group`, which rustix does not offer.
fn exit(status: i32) -> ! {
    // SAFETY: the call takes a number and does not return.
    unsafe { core::arch::asm!("syscall", in("eax") 231, in("edi") status, options(noreturn, nostack)) }
}
