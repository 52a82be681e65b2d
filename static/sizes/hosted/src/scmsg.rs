//! Turns this crate with std into the same program, by the short way.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

use scmsg::{AsFd, SocketFlags, SocketType, recv_with_fds, send_with_fds, socketpair};

const LINE: &[u8] = b"passed\n";

fn main() -> ExitCode {
    if pass().is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn pass() -> Option<()> {
    let (here, there) = socketpair(SocketType::SEQPACKET, SocketFlags::empty()).ok()?;
    send_with_fds(&here, b"1", &[std::io::stdout().as_fd()]).ok()?;
    let (_, [fd]) = recv_with_fds::<1>(&there, &mut [0]).ok()?;
    File::from(fd).write_all(LINE).ok()
}
