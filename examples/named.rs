//! A process waits at a path; another program, which knows nothing but that path, sends it a descriptor with no data at
//! all. An empty message with a descriptor, an empty message, and no message are three different things.

use std::error::Error;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::{env, ffi::OsString};

use scmsg::{
    Address, AsFd, ControlBuf, Encoder, Errno, Family, IoSliceMut, NoData, RecvFlags, RecvMsg, Rights, SendFlags,
    SendMsg, SocketAddr, SocketFlags, SocketType, bind, recvmsg, sendmsg, socket,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const NOTE: &str = "the sender has exited, this is still here";

fn main() -> Result {
    match env::args_os().nth(1) {
        None => receiver(),
        Some(path) => sender(path),
    }
}

fn receiver() -> Result {
    let dir = ScratchDir::new()?;
    let path = dir.0.join("socket");
    let socket = socket(Family::UNIX, SocketType::DGRAM, SocketFlags::empty(), 0)?;
    bind(&socket, &path.as_path().try_into()?)?;

    // The other program runs to its end. What it sent waits in our socket, and keeps the descriptor open.
    let status = Command::new(env::current_exe()?).arg(&path).stdin(Stdio::null()).status()?;
    assert!(status.success(), "the sender failed");

    let mut from = SocketAddr::unnamed();
    let mut bytes = [0; 16];
    let mut buf = ControlBuf::<[u8; Rights::space(1)]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf).from(&mut from);

    // First message: no byte, and one descriptor. It is no end: something arrived.
    let mut received = recvmsg(&socket, &mut message, RecvFlags::DONTWAIT)?;
    assert_eq!(received.bytes, 0);
    assert!(!received.is_end());
    let Some(Address::Abstract(name)) = received.from().map(SocketAddr::address) else {
        return Err("the sender has no name".into());
    };
    println!("0 bytes and 1 descriptor, from abstract:{}", name.escape_ascii());
    let [note] = received.control.take_exact()?;
    drop(received);
    let mut text = String::new();
    File::from(note).read_to_string(&mut text)?;
    assert_eq!(text, NOTE);
    println!("the descriptor reads: {text}");

    // Second message: no byte and nothing else. On a connection this would be the end.
    let received = recvmsg(&socket, &mut message, RecvFlags::DONTWAIT)?;
    assert_eq!((received.bytes, received.control.fds().count()), (0, 0));
    assert!(received.is_end());
    assert!(received.from().is_some(), "an empty message has a sender");
    println!("0 bytes and no descriptor: an empty message");
    drop(received);

    // No third message.
    assert_eq!(recvmsg(&socket, &mut message, RecvFlags::DONTWAIT).err(), Some(Errno::EAGAIN));
    println!("nothing: EAGAIN");
    Ok(())
}

fn sender(path: OsString) -> Result {
    let to = SocketAddr::unix(&path.into_vec())?;
    let socket = socket(Family::UNIX, SocketType::DGRAM, SocketFlags::empty(), 0)?;
    bind(&socket, &SocketAddr::unnamed())?; // the kernel chooses a name for us, so that the receiver sees one

    let mut note = memfd()?;
    note.write_all(NOTE.as_bytes())?;
    note.rewind()?;
    let mut buf = ControlBuf::<[u8; Rights::space(1)]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[note.as_fd()])?;

    // A stream would lose a descriptor that has no data byte to travel with, so `control` refuses to build the message.
    // Datagrams do not, and `control_on_packets` says that this is one.
    assert_eq!(SendMsg::new(&[]).control(&control).err(), Some(NoData { descriptors: 1 }));
    sendmsg(&socket, &SendMsg::new(&[]).control_on_packets(&control).to(&to), SendFlags::empty())?;
    sendmsg(&socket, &SendMsg::new(&[]).to(&to), SendFlags::empty())?;
    Ok(())
}

/// A directory that goes away with everything in it: a socket's path stays taken until it is unlinked.
struct ScratchDir(PathBuf);

impl ScratchDir {
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("scmsg-named-{}", process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

/// A file in memory.
fn memfd() -> io::Result<File> {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"named".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it.
    Ok(unsafe { File::from_raw_fd(fd) })
}
