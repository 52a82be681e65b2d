//! Turns std's `SocketAncillary` into the same program; std has no seqpacket, so over a stream.

#![feature(unix_socket_ancillary_data)]

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::{AncillaryData, SocketAncillary, UnixStream};
use std::process::ExitCode;

const LINE: &[u8] = b"passed\n";

fn main() -> ExitCode {
    if pass().is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn pass() -> Option<()> {
    let (here, there) = UnixStream::pair().ok()?;
    let mut space = [0; 24];
    let mut control = SocketAncillary::new(&mut space);
    if !control.add_fds(&[1]) {
        return None;
    }
    here.send_vectored_with_ancillary(&[IoSlice::new(b"1")], &mut control).ok()?;

    let mut byte = [0];
    let mut space = [0; 24];
    let mut control = SocketAncillary::new(&mut space);
    there.recv_vectored_with_ancillary(&mut [IoSliceMut::new(&mut byte)], &mut control).ok()?;
    let Some(Ok(AncillaryData::ScmRights(mut fds))) = control.messages().next() else { return None };
    // SAFETY: the receive has opened it, and nothing owns it yet.
    let fd = unsafe { OwnedFd::from_raw_fd(fds.next()?) };
    File::from(fd).write_all(LINE).ok()
}
