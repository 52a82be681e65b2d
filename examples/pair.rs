//! A parent passes a file to its child over a pair of sockets and gets it back: the number changes, the file offset is
//! shared, and the sender may close its own copy at once.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::{env, process};

use scmsg::{AsFd, OwnedFd, SocketFlags, SocketType, recv_with_fds, send_with_fds, socketpair};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result {
    let (ours, theirs) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;

    // A file of two halves; the parent reads the first. Its offset is now in the middle.
    let mut file = scratch_file(b"parent,child")?;
    let mut half = [0; 7];
    file.read_exact(&mut half)?;
    assert_eq!(&half, b"parent,");

    // The message holds the file open by itself. After this close nobody else does, and there is not even a child yet.
    send_with_fds(&ours, b"read on", &[file.as_fd()])?;
    let sent_as = file.as_fd().as_raw_fd();
    drop(file);

    // SAFETY: this process has one thread, so the child may do anything.
    let pid = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error().into()),
        0 => {
            drop(ours); // the peer of `theirs` is then the parent alone
            return child(&theirs);
        }
        pid => pid,
    };
    drop(theirs);

    // The child's answer: the number the file had there as data, and the file itself.
    let mut answer = [0; 64];
    let (bytes, [file]) = recv_with_fds::<1>(&ours, &mut answer)?;
    let received_as: i32 = std::str::from_utf8(&answer[..bytes])?.parse()?;
    assert_ne!(sent_as, received_as, "the child had closed a lower number, so it was free");
    println!("sent as descriptor {sent_as}, received by the child as {received_as}");

    // The child read to the end through its descriptor. This one is the same open file, so it is at the end as well.
    let mut file = File::from(file);
    let offset = file.stream_position()?;
    assert_eq!(offset, 12);
    println!("the parent stopped at byte 7, the child read on from there, the shared offset is now {offset}");
    println!("the parent had closed its copy before the child existed");

    let mut status = 0;
    // SAFETY: the status is a local.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child failed");
    Ok(())
}

fn child(socket: &OwnedFd) -> Result {
    let mut data = [0; 64];
    let (bytes, [file]) = recv_with_fds::<1>(socket, &mut data)?;
    assert_eq!(&data[..bytes], b"read on");
    let number = file.as_raw_fd();

    let mut file = File::from(file);
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    assert_eq!(rest, "child");
    send_with_fds(socket, number.to_string().as_bytes(), &[file.as_fd()])?;
    Ok(())
}

/// A file on disk that holds `contents`, rewound. It has no name any more, so nothing is left behind.
fn scratch_file(contents: &[u8]) -> io::Result<File> {
    let path = env::temp_dir().join(format!("scmsg-pair-{}", process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    file.write_all(contents)?;
    file.rewind()?;
    Ok(file)
}
