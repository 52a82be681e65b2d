//! What the tests share: the built program, a directory of their own, children that cannot hang, and descriptors to count.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Says why something cannot be shown here, past the harness, which would keep it to itself.
pub fn skipped(why: &str) {
    io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).expect("stderr");
}

/// Builds with the one documented command, for a target if one is given.
pub fn build(target: Option<&str>) -> Result<PathBuf, String> {
    build_with("static", target, &[])
}

/// The same into a folder of its own, with variables in the environment.
pub fn build_with(folder: &str, target: Option<&str>, env: &[(&str, &str)]) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--profile", "static", "-p", "fdpass", "--target-dir"]).arg(&folder);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).envs(env.iter().copied());
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    if let Some(target) = target {
        let upper = target.replace('-', "_").to_uppercase();
        cargo.args(["--target", target]).env(format!("CARGO_TARGET_{upper}_LINKER"), "rust-lld");
    }
    let output = cargo.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(folder.join(target.unwrap_or_default()).join("static/fdpass"))
}

/// The program, built once.
pub fn fdpass() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(None).expect("cargo build --profile static -p fdpass"))
}

/// A directory that is gone afterwards.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("fdpass-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with this text.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// What is in it.
    pub fn list(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).expect("the directory");
        names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program with these words.
pub fn command<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Command {
    let mut command = Command::new(fdpass());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program with words separated by blanks, where `S` is a socket in the folder.
pub fn words(folder: &Folder, line: &str) -> Command {
    let socket = folder.path("S").into_os_string();
    command(line.split_whitespace().map(|word| if word == "S" { socket.clone() } else { word.into() }))
}

/// What one run said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A child that is killed when nobody waits for it any more.
pub struct Running(Option<Child>);

impl Running {
    pub fn pid(&self) -> u32 {
        self.0.as_ref().expect("running").id()
    }

    pub fn kill(&mut self) {
        let child = self.0.as_mut().expect("running");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Waits for the end.
    pub fn end(mut self) -> Said {
        let mut child = self.0.take().expect("running");
        let began = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if began.elapsed() > LONG {
                let _ = child.kill();
                panic!("it hangs");
            }
            sleep(Duration::from_millis(1));
        }
        said(child.wait_with_output().expect("output"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn said(output: Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

pub fn start(mut command: Command) -> Running {
    Running(Some(command.spawn().expect("started")))
}

pub fn run(command: Command) -> Said {
    start(command).end()
}

/// Runs it, which must succeed without a word on standard error: what it printed.
#[track_caller]
pub fn good(command: Command) -> String {
    let said = run(command);
    assert_eq!((said.code, &*said.err), (Some(0), ""), "{said:?}");
    said.out
}

/// Runs it, which must fail with this status, say one line about it, and print nothing.
#[track_caller]
pub fn bad(command: Command, code: i32, line: &str) {
    let said = run(command);
    assert_eq!((said.code, &*said.err, &*said.out), (Some(code), &*format!("fdpass: {line}\n"), ""));
}

/// Gives a child these descriptors at these numbers.
pub fn with_fds(mut command: Command, fds: Vec<(OwnedFd, RawFd)>) -> Command {
    // SAFETY: only system calls without memory between fork and exec.
    unsafe {
        command.pre_exec(move || {
            for (fd, number) in &fds {
                if fd.as_raw_fd() == *number {
                    libc::fcntl(*number, libc::F_SETFD, 0);
                } else if libc::dup2(fd.as_raw_fd(), *number) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    command
}

/// Closes numbers in a child.
pub fn without_fds(mut command: Command, numbers: &'static [RawFd]) -> Command {
    // SAFETY: only system calls without memory between fork and exec.
    unsafe {
        command.pre_exec(move || {
            for number in numbers {
                libc::close(*number);
            }
            Ok(())
        });
    }
    command
}

/// Limits the descriptors of a child.
pub fn limited(mut command: Command, soft: u64) -> Command {
    // SAFETY: only a system call on a local between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit { rlim_cur: soft, rlim_max: soft };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    command
}

pub fn is_root() -> bool {
    // SAFETY: no precondition.
    unsafe { libc::geteuid() == 0 }
}

/// Makes a child an ordinary user.
pub fn as_nobody(mut command: Command) -> Command {
    command.uid(65534).gid(65534);
    command
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("/proc").count()
}

/// Waits until something is so.
#[track_caller]
pub fn until(mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < LONG, "it never comes");
        sleep(Duration::from_millis(1));
    }
}

/// Descriptors of a store that holds none: standard input, output and error, the socket, and that of signals.
pub const EMPTY: usize = 5;

/// A store in the folder, which listens when this is done.
pub fn store(folder: &Folder) -> Running {
    let running = start(words(folder, "store S"));
    good(words(folder, "list -w S"));
    until(|| descriptors(running.pid()) == EMPTY);
    running
}

/// A pipe that hangs up when all its write ends are closed, wherever they are.
pub struct Canary {
    read: OwnedFd,
    pub write: OwnedFd,
}

impl Canary {
    pub fn new() -> Self {
        let mut ends = [-1; 2];
        // SAFETY: `ends` has room for two descriptors, which nothing else owns.
        unsafe {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
            Self { read: OwnedFd::from_raw_fd(ends[0]), write: OwnedFd::from_raw_fd(ends[1]) }
        }
    }

    /// Closes the own write end and waits for the others.
    #[track_caller]
    pub fn all_closed(self) {
        drop(self.write);
        let mut entry = libc::pollfd { fd: self.read.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: one local entry.
        assert_eq!(unsafe { libc::poll(&mut entry, 1, 10_000) }, 1, "a descriptor leaked");
    }
}
