//! Turns rustix with std into the same program.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::process::ExitCode;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

const LINE: &[u8] = b"passed\n";

fn main() -> ExitCode {
    if pass().is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn pass() -> Option<()> {
    let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).ok()?;
    let stdout = std::io::stdout();
    let fds = [std::os::fd::AsFd::as_fd(&stdout)];
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
