//! What the kernel tests share: sockets, dirty buffers, leak oracles, and running a test again in a process of its own.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::{env, fs, io};

use scmsg::{
    AsFd, BorrowedFd, CMSG_SPACE, Control, ControlBuf, Credentials, Encoder, Errno, IoSlice, OwnedFd, RawFd, SendFlags,
    SendMsg, SocketFlags, SocketType, sendmsg, socketpair,
};

/// The three types of unix socket.
pub const TYPES: [(&str, SocketType); 3] =
    [("stream", SocketType::STREAM), ("dgram", SocketType::DGRAM), ("seqpacket", SocketType::SEQPACKET)];

pub fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socketpair(kind, SocketFlags::empty()).expect("socketpair")
}

/// A control buffer in which every byte is 0xff.
pub fn dirty<const N: usize>() -> ControlBuf<[u8; N]> {
    let mut buf = ControlBuf::new();
    let bytes: &mut ControlBuf = &mut buf;
    bytes.as_mut_bytes().fill(0xff);
    buf
}

/// Sends `data` with descriptors, also without data.
pub fn send<S: AsFd>(socket: S, data: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
    let mut buf = dirty::<{ CMSG_SPACE(4 * 256) }>();
    let mut control = Encoder::new(&mut buf);
    if !fds.is_empty() {
        control.push_rights(fds).expect("room");
    }
    let data = [IoSlice::new(data)];
    sendmsg(socket, &SendMsg::new(&data).control_on_packets(&control), SendFlags::DONTWAIT)
}

/// A control buffer's worth of one message, for the bytes only a test would send.
pub fn send_control<S: AsFd>(socket: S, data: &[u8], control: Control<'_>) -> Result<usize, Errno> {
    let data = [IoSlice::new(data)];
    sendmsg(socket, &SendMsg::new(&data).control_on_packets(control), SendFlags::DONTWAIT)
}

pub fn own_credentials() -> Credentials {
    // SAFETY: neither call has a precondition.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    Credentials { pid: std::num::NonZeroU32::new(std::process::id()), uid, gid }
}

pub fn dev_null() -> OwnedFd {
    open("/dev/null")
}

pub fn open(path: &str) -> OwnedFd {
    let file = fs::File::options().read(true).write(true).open(path).expect("open");
    // SAFETY: the number is given up by its owner.
    unsafe { OwnedFd::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(file)) }
}

pub fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for two descriptors, which nothing else owns.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    }
}

/// A number for what `fd` is, owned by nobody.
pub fn dup(fd: &OwnedFd) -> RawFd {
    // SAFETY: no pointers.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0) };
    assert!(copy >= 0);
    copy
}

pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

pub fn is_cloexec(fd: RawFd) -> bool {
    // SAFETY: no pointers.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    assert!(flags >= 0, "{fd} is not open");
    flags & libc::FD_CLOEXEC != 0
}

/// Which of the first 64 descriptors are open, as bits.
pub fn table() -> u64 {
    (0..64).filter(|fd| is_open(*fd)).fold(0, |bits, fd| bits | 1 << fd)
}

/// Sets the soft limit of descriptors.
pub fn limit_descriptors(soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a local.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = soft as libc::rlim_t;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0, "{}", io::Error::last_os_error());
    }
}

/// Opens every free number below `end`, so that the lowest free one is `end`. For a process of its own.
pub fn fill_below(end: RawFd) {
    let null = dev_null();
    for fd in 0..end {
        if !is_open(fd) {
            // SAFETY: no pointers; the number is free.
            assert_eq!(unsafe { libc::dup3(null.as_raw_fd(), fd, libc::O_CLOEXEC) }, fd);
        }
    }
    if null.as_raw_fd() < end {
        let _stays_open = null.into_raw_fd();
    }
}

/// Fills the holes in the table; how many numbers are then taken, all below the free ones. For a process of its own.
pub fn fill_holes() -> u64 {
    let used = 64 - table().leading_zeros();
    assert!(used < 32, "{used} descriptors are open");
    fill_below(used as RawFd);
    assert_eq!(table(), (1 << used) - 1);
    u64::from(used)
}

/// A leak oracle that other threads do not disturb: a pipe whose write ends are passed around. When all of them are
/// closed, and none is in flight, the read end hangs up.
pub struct Canary {
    read: OwnedFd,
    write: OwnedFd,
}

impl Canary {
    pub fn new() -> Self {
        let (read, write) = pipe();
        Self { read, write }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }

    /// A copy that nobody owns.
    pub fn copy(&self) -> RawFd {
        dup(&self.write)
    }

    /// Closes the own write end; whether no other is left. Waits a little, because another test of the process can
    /// be between fork and exec.
    pub fn all_closed(self) -> bool {
        drop(self.write);
        hung_up(&self.read, 2000)
    }

    /// Closes the own write end; whether another is still open.
    pub fn some_open(self) -> bool {
        drop(self.write);
        !hung_up(&self.read, 0)
    }
}

fn hung_up(read: &OwnedFd, wait_ms: i32) -> bool {
    let mut entry = libc::pollfd { fd: read.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: `entry` is one local entry.
    unsafe { libc::poll(&mut entry, 1, wait_ms) };
    entry.revents & libc::POLLHUP != 0
}

const PART: &str = "SCMSG_TEST_PART";

/// The part of a test that this process was started for, if it was.
pub fn part() -> Option<String> {
    env::var(PART).ok()
}

/// This test program, to run only `test`, in a process of its own, where [`part`] says `part`.
fn again(mut command: Command, test: &str, part: &str) -> Command {
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(PART, part).stdin(Stdio::null());
    command
}

fn this_program() -> PathBuf {
    env::current_exe().expect("own path")
}

/// Runs `part` of `test` in a process of its own.
pub fn output_of(test: &str, part: &str) -> Output {
    again(Command::new(this_program()), test, part).output().expect("run again")
}

/// Runs `part` of `test` in a process of its own, which must succeed. Gives what it printed.
pub fn run_alone(test: &str, part: &str) -> String {
    let output = output_of(test, part);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let erred = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}, part {part}: {}\n{said}\n{erred}", output.status);
    assert!(said.contains("1 passed"), "{test} is not the name of a test:\n{said}");
    for line in said.lines().filter(|line| line.contains("SKIPPED: ")) {
        println!("{line}");
    }
    said
}

/// Starts `part` of `test` in a process of its own, with `socket` as its standard input.
pub fn start_with(test: &str, part: &str, socket: OwnedFd) -> Child {
    use std::os::fd::FromRawFd;
    // SAFETY: the number is given up by its owner.
    let socket = unsafe { std::os::fd::OwnedFd::from_raw_fd(socket.into_raw_fd()) };
    again(Command::new(this_program()), test, part).stdin(socket).stdout(Stdio::piped()).spawn().expect("run again")
}

/// How many descriptors this process has open. For a process of its own.
pub fn open_descriptors() -> usize {
    // One of them is the folder that is read.
    fs::read_dir("/proc/self/fd").expect("/proc").count() - 1
}

/// Raises the soft limit of descriptors to the hard one, and says what that is. For a process of its own.
pub fn raise_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a local.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0, "{}", io::Error::last_os_error());
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Something only this open pipe, socket or memory file is.
pub fn inode(fd: BorrowedFd<'_>) -> u64 {
    // SAFETY: all zeroes are a `stat`, and the kernel writes one.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        assert_eq!(libc::fstat(fd.as_raw_fd(), &mut stat), 0, "{fd:?}");
        stat.st_ino as u64
    }
}

/// Leaves a line in the trace of [`traced`]: a system call that does nothing.
pub fn mark(text: &str) {
    // SAFETY: the bytes are readable; -1 is nobody's descriptor.
    unsafe { libc::write(-1, text.as_ptr().cast(), text.len()) };
}

/// The system calls that `part` of `test` made, one per line; `None`, after saying so, without a working strace.
pub fn traced(test: &str, part: &str, options: &[&str]) -> Option<Vec<String>> {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    match works {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            println!("SKIPPED: strace may not trace here: {output:?}");
            return None;
        }
        Err(error) => {
            println!("SKIPPED: missing tool: strace: {error}");
            return None;
        }
    }
    let dir = env::temp_dir().join(format!("scmsg-{}-{test}-{part}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("temporary directory");
    let mut command = Command::new("strace");
    // One file per thread: no line is ever cut in two by another thread's.
    command.args(["-ff", "-qq", "-a", "0", "-s", "256", "-o"]).arg(dir.join("trace")).args(options).arg(this_program());
    let output = again(command, test, part).output().expect("strace");
    let said = String::from_utf8_lossy(&output.stdout);
    let erred = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}, part {part}: {}\n{said}\n{erred}", output.status);
    assert!(said.contains("1 passed"), "{test} is not the name of a test:\n{said}");
    let marked = fs::read_dir(&dir)
        .expect("traces")
        .map(|entry| fs::read_to_string(entry.expect("entry").path()).expect("trace"))
        .find(|trace| trace.contains("write(-1, "))
        .expect("a thread that left marks");
    fs::remove_dir_all(&dir).expect("removed");
    Some(marked.lines().map(str::to_owned).collect())
}

/// The lines between the marks `from` and `to`.
pub fn between<'a>(trace: &'a [String], from: &str, to: &str) -> Vec<&'a str> {
    let is = |line: &&String, text: &str| line.starts_with(&format!("write(-1, \"{text}\","));
    let start = trace.iter().position(|line| is(&line, from)).unwrap_or_else(|| panic!("no mark {from}: {trace:#?}"));
    let lines = &trace[start + 1..];
    let end = lines.iter().position(|line| is(&line, to)).unwrap_or_else(|| panic!("no mark {to}: {trace:#?}"));
    lines[..end].iter().map(String::as_str).collect()
}

/// Becomes a user without privilege. For a process of its own; a process that has none already stays what it is.
pub fn drop_privilege() {
    // SAFETY: no pointers but a null list of no groups.
    unsafe {
        if libc::geteuid() == 0 {
            // An id that no other run of this test uses now: limits are counted per user.
            let id = 100_000 + std::process::id() % 800_000;
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setresgid(id, id, id), 0);
            assert_eq!(libc::setresuid(id, id, id), 0);
        }
        assert_ne!(libc::geteuid(), 0);
    }
}
