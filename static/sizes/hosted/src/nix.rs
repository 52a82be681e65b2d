//! Turns nix into the same program.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::ExitCode;

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
};

const LINE: &[u8] = b"passed\n";

fn main() -> ExitCode {
    if pass().is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn pass() -> Option<()> {
    let (here, there) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).ok()?;
    let control = [ControlMessage::ScmRights(&[1])];
    sendmsg::<()>(here.as_raw_fd(), &[IoSlice::new(b"1")], &control, MsgFlags::MSG_NOSIGNAL, None).ok()?;

    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([i32; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(there.as_raw_fd(), &mut data, Some(&mut space), flags).ok()?;
    let Some(ControlMessageOwned::ScmRights(fds)) = received.cmsgs().ok()?.next() else { return None };
    // SAFETY: the receive has opened it, and nothing owns it yet.
    let fd = unsafe { OwnedFd::from_raw_fd(*fds.first()?) };
    (nix::unistd::write(&fd, LINE) == Ok(LINE.len())).then_some(())
}
