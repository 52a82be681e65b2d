//! Hands a file, a pipe, a listening socket and a memfd to another program in one message, together with proof of who
//! sent it, and checks that both programs then hold the same open files.
//!
//! ```sh
//! cargo run --release --features std --example handoff
//! ```

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::num::NonZeroU32;
use std::os::fd::FromRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::parent_id;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use scmsg::sockopt::{PassCred, PassPidFd};
use scmsg::{
    AsFd, BorrowedFd, ControlBuf, Credentials, Encoder, Errno, Family, IoSlice, IoSliceMut, PidFd, PollFd, PollFlags,
    RawFd, RecvFlags, RecvMsg, Rights, SendFlags, SendMsg, SocketAddr, SocketFlags, SocketType, accept, bind, connect,
    getsockname, getsockopt, listen, poll, recvmsg, sendmsg, setsockopt, socket, socketpair, space_of,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const LABELS: &str = "file pipe listener memfd";
const FILE: &[u8] = b"parent..child...";
const PIPED: &[u8] = b"through the pipe";
const ASKED: &[u8] = b"who is there?";
const SERVED: &[u8] = b"the child";
const NOTE: &[u8] = b"left by the parent;";
const REPLY: &[u8] = b"found by the child";

fn main() -> Result {
    match env::args().nth(1).as_deref() {
        None => parent(),
        Some("child") => child(),
        Some(other) => Err(format!("unknown argument: {other}").into()),
    }
}

fn parent() -> Result {
    // SEQPACKET keeps messages apart and tells when the peer has gone. Switches belong to a socket, not to a process:
    // on before the child even exists, they cannot come too late for a message.
    let (ours, theirs) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
    setsockopt(&ours, PassCred, true)?;
    setsockopt(&theirs, PassCred, true)?;
    let with_pidfd = match setsockopt(&theirs, PassPidFd, true) {
        Ok(()) => true,
        Err(Errno::ENOPROTOOPT) => false, // before Linux 6.5
        Err(errno) => return Err(errno.into()),
    };

    // The child is this program again, and its end of the pair is its standard input. Everything else is close-on-exec.
    let mut child = Command::new(env::current_exe()?).arg("child").stdin(Stdio::from(theirs)).spawn()?;

    // What it shall get. The parent reads the first half of the file, and leaves its offset there.
    let mut file = scratch_file(FILE)?;
    let mut half = [0; FILE.len() / 2];
    file.read_exact(&mut half)?;
    let (mut pipe_out, pipe_in) = pipe()?;
    let memfd = memfd()?;
    memfd.write_all_at(NOTE, 0)?;
    let listener = socket(Family::INET, SocketType::STREAM, SocketFlags::empty(), 0)?;
    bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into())?;
    listen(&listener, 1)?;

    // A connection that the child will find waiting in the listener's backlog.
    let connection = socket(Family::INET, SocketType::STREAM, SocketFlags::empty(), 0)?;
    let address: SocketAddr = getsockname(&listener)?;
    connect(&connection, &address)?;
    let mut connection = TcpStream::from(connection);
    connection.write_all(ASKED)?;

    // One buffer holds both control messages, and one message takes them. The kernel vouches for the credentials.
    let me = myself();
    let passed = [file.as_fd(), pipe_in.as_fd(), listener.as_fd(), memfd.as_fd()];
    let mut buf = ControlBuf::<[u8; Rights::space(4) + space_of::<Credentials>()]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&passed)?.push(&me)?;
    let data = [IoSlice::new(LABELS.as_bytes())];
    sendmsg(&ours, &SendMsg::new(&data).control(&control)?, SendFlags::empty())?;

    // The answer: for each descriptor its number over there and the inode behind it, then what it knows about us.
    let mut bytes = [0; 512];
    let mut buf = ControlBuf::<[u8; space_of::<Credentials>()]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    wait_for(&ours)?;
    let received = recvmsg(&ours, &mut message, RecvFlags::empty())?;
    if received.is_end() {
        return Err(format!("the child gave up: {}", child.wait()?).into());
    }
    let answered_by = received.sender().and_then(|sender| sender.pid).ok_or("an answer from nobody")?;
    assert_eq!(answered_by.get(), child.id(), "somebody else answered");
    let answer = std::str::from_utf8(received.data().next().unwrap_or_default())?;
    let mut lines = answer.lines();

    // The child waits for our end to close, so its descriptors can still be compared with ours.
    let mut proof = Vec::new();
    for ours in passed {
        let line = lines.next().ok_or("a short answer")?;
        let (number, inode) = line.split_once(' ').ok_or("a short line")?;
        let number: RawFd = number.parse()?;
        assert_eq!(inode, identity(ours)?, "another inode");
        let how = match same_open_file(ours, child.id(), number) {
            Ok(same) => {
                assert!(same, "the same inode, but opened twice");
                "same open file (kcmp)"
            }
            // Kernels without kcmp, and sandboxes that deny it.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => {
                "same inode (kcmp is denied)"
            }
            Err(error) => return Err(error.into()),
        };
        proof.push((ours.as_raw_fd(), number, how));
    }
    let seen = lines.next().ok_or("no credentials in the answer")?;
    assert_eq!(seen, format!("{me:?}"), "the child saw other credentials");
    let pidfd = lines.next().ok_or("no pidfd in the answer")?;
    assert_eq!(pidfd != "-", with_pidfd);
    drop(ours);
    assert!(child.wait()?.success(), "the child failed");

    // What the child did to them shows on this side.
    let offset = file.stream_position()?;
    assert_eq!(offset, FILE.len() as u64, "the child's read did not move our offset");
    drop(pipe_in);
    let mut piped = Vec::new();
    pipe_out.read_to_end(&mut piped)?; // ends only when no copy of the writing end is left anywhere
    assert_eq!(piped, PIPED);
    let mut served = Vec::new();
    connection.read_to_end(&mut served)?;
    assert_eq!(served, SERVED);
    let mut reply = [0; REPLY.len()];
    memfd.read_exact_at(&mut reply, NOTE.len() as u64)?;
    assert_eq!(reply, REPLY);

    println!("One message from process {} to process {}.\n", process::id(), child.id());
    println!("{:12}{:>7}{:>7}   {:46}proof", "passed", "parent", "child", "what the child did with it");
    let halfway = half.len();
    let done = [
        format!("read on from byte {halfway}; our offset is now {offset}"),
        format!("wrote {} bytes; we read them, then the end", piped.len()),
        "accepted our connection and answered on it".into(),
        "read our note and wrote its own behind it".into(),
    ];
    for ((what, (ours, theirs, how)), did) in LABELS.split(' ').zip(proof).zip(done) {
        println!("{what:12}{ours:>7}{theirs:>7}   {did:46}{how}");
    }
    let (pid, uid, gid) = (process::id(), me.uid, me.gid);
    let did = "compared them with its parent's";
    println!("{:12}{:>7}{:>7}   {did:46}pid {pid}, uid {uid}, gid {gid}", "credentials", "-", "-");
    if with_pidfd {
        let did = "asked it for its process";
        println!("{:12}{:>7}{pidfd:>7}   {did:46}pid {pid} in /proc/self/fdinfo/{pidfd}", "pidfd", "-");
    } else {
        println!("{:12}{:>7}{:>7}   {:46}none: SO_PASSPIDFD needs Linux 6.5", "pidfd", "-", "-", "nothing");
    }
    Ok(())
}

fn child() -> Result {
    // Standard input is the socket; it can be used as it is.
    let socket = io::stdin();
    let mut bytes = [0; 64];
    let mut buf = ControlBuf::<[u8; space_of::<Credentials>() + Rights::space(4) + space_of::<PidFd>()]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    wait_for(&socket)?;
    let mut received = recvmsg(&socket, &mut message, RecvFlags::empty())?;
    if received.is_end() {
        return Err("the parent gave up".into());
    }

    // First: who is speaking? Until that is settled no descriptor is touched, and an early return closes them all.
    let sender = received.sender().ok_or("a message from nobody")?;
    let parent = Credentials { pid: NonZeroU32::new(parent_id()), ..myself() };
    assert_eq!(sender, parent, "a message from a stranger");
    // The number of a process can be used again after its death. Its pidfd cannot.
    let pidfd = received.control.take_pidfd().transpose()?;
    assert_eq!(pidfd.is_some(), getsockopt(&socket, PassPidFd).unwrap_or(false));
    if let Some(pidfd) = &pidfd {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).ok_or("not a pidfd")?;
        assert_eq!(pid.trim().parse(), Ok(parent_id()), "the pidfd of a stranger");
    }

    // Second: exactly the four that were promised, or none.
    assert!(received.data().eq([LABELS.as_bytes()]), "not the message we know");
    let [file, pipe, listener, memfd] = received.control.take_exact()?;
    drop(received); // `message` is free for the next receive
    let mut answer = String::new();
    for fd in [&file, &pipe, &listener, &memfd] {
        answer += &format!("{} {}\n", fd.as_raw_fd(), identity(fd.as_fd())?);
    }
    answer += &format!("{sender:?}\n");
    answer += &pidfd.map_or("-".into(), |pidfd| pidfd.as_raw_fd().to_string());

    // Third: use them. They are ordinary files and sockets now.
    let mut file = File::from(file);
    let mut half = [0; FILE.len() / 2];
    file.read_exact(&mut half)?;
    assert!(FILE.ends_with(&half), "not where the parent stopped reading");
    let mut pipe = File::from(pipe);
    pipe.write_all(PIPED)?;
    let mut connection = TcpStream::from(accept(&listener, SocketFlags::empty())?);
    let mut asked = [0; ASKED.len()];
    connection.read_exact(&mut asked)?;
    assert_eq!(asked, ASKED);
    connection.write_all(SERVED)?;
    let memfd = File::from(memfd);
    let mut note = [0; NOTE.len()];
    memfd.read_exact_at(&mut note, 0)?;
    assert_eq!(note, NOTE);
    memfd.write_all_at(REPLY, note.len() as u64)?;

    // Answer, and keep everything open until the parent has compared and closes its end.
    sendmsg(&socket, &SendMsg::new(&[IoSlice::new(answer.as_bytes())]), SendFlags::empty())?;
    wait_for(&socket)?;
    assert!(recvmsg(&socket, &mut message, RecvFlags::empty())?.is_end(), "another message");
    Ok(())
}

/// Waits for a message. Silence is an error, never a hang.
fn wait_for(socket: &impl AsFd) -> Result {
    let mut entry = [PollFd::new(socket, PollFlags::IN)];
    match poll(&mut entry, Some(Duration::from_secs(10)))? {
        0 => Err("no message in ten seconds".into()),
        _ => Ok(()),
    }
}

/// The credentials that the kernel lets this process send: its own.
fn myself() -> Credentials {
    // SAFETY: these cannot fail and touch no memory.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    Credentials { pid: NonZeroU32::new(process::id()), uid, gid }
}

/// Device and inode: what both processes must agree on, whatever number each has.
fn identity(fd: BorrowedFd<'_>) -> Result<String> {
    let fd = std::os::fd::BorrowedFd::from(fd).try_clone_to_owned()?;
    let metadata = File::from(fd).metadata()?;
    Ok(format!("{} {}", metadata.dev(), metadata.ino()))
}

/// Whether our descriptor and another process's stand for the same open file: not only the same inode, but one offset and
/// one set of flags. `kcmp(2)`, `KCMP_FILE`.
fn same_open_file(ours: BorrowedFd<'_>, process: u32, theirs: RawFd) -> io::Result<bool> {
    const KCMP_FILE: libc::c_long = 0;
    let (ours, theirs) = (libc::c_long::from(ours.as_raw_fd()), libc::c_long::from(theirs));
    // SAFETY: numbers only.
    match unsafe { libc::syscall(libc::SYS_kcmp, process::id(), process, KCMP_FILE, ours, theirs) } {
        -1 => Err(io::Error::last_os_error()),
        order => Ok(order == 0),
    }
}

/// A file on disk that holds `contents`, rewound. It has no name any more, so nothing is left behind.
fn scratch_file(contents: &[u8]) -> io::Result<File> {
    let path = env::temp_dir().join(format!("scmsg-handoff-{}", process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    file.write_all(contents)?;
    file.rewind()?;
    Ok(file)
}

/// A pipe: what is written to the second comes out of the first.
fn pipe() -> io::Result<(File, File)> {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened them.
    Ok(unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) })
}

/// A file in memory.
fn memfd() -> io::Result<File> {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"handoff".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it.
    Ok(unsafe { File::from_raw_fd(fd) })
}
