//! Every example runs to its end, within thirty seconds, and prints what it promises: as it is, with descriptors it did
//! not expect, and with hardly any descriptors left.

#![cfg(feature = "std")]

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn handoff() {
    if !can_start_again() {
        return;
    }
    check_handoff(&run("handoff", |_| {}));
}

#[test]
fn handoff_with_inherited_descriptors() {
    if !can_start_again() {
        return;
    }
    // Numbers 3, 5, 7 and so on are taken, and not close-on-exec: parent and child both start with a table full of holes.
    let stdout = run("handoff", |command| {
        // SAFETY: dup and close are all it calls, which a child may after fork.
        unsafe { command.pre_exec(|| with_inherited(&[3, 5, 7, 9, 11, 20, 21, 22, 23, 40])) };
    });
    check_handoff(&stdout);
}

#[test]
fn handoff_with_few_descriptors() {
    if !can_start_again() {
        return;
    }
    // It needs twelve at a time, its standard three included.
    let stdout = run("handoff", |command| {
        // SAFETY: setrlimit is all it calls, which a child may after fork.
        unsafe { command.pre_exec(|| limit_descriptors(16)) };
    });
    check_handoff(&stdout);
}

#[test]
fn handoff_without_descriptors_fails_and_does_not_hang() {
    if !can_start_again() {
        return;
    }
    let (status, stdout, _) = finish("handoff", |command| {
        // SAFETY: setrlimit is all it calls, which a child may after fork.
        unsafe { command.pre_exec(|| limit_descriptors(8)) };
    });
    assert_eq!(status, Some(1));
    assert_eq!(stdout, "");
}

fn check_handoff(stdout: &str) {
    assert_lines(stdout, &["One message from process "]);
    for (what, did) in [
        ("file", "read on from byte 8; our offset is now 16"),
        ("pipe", "wrote 16 bytes; we read them, then the end"),
        ("listener", "accepted our connection and answered on it"),
        ("memfd", "read our note and wrote its own behind it"),
        ("credentials", "compared them with its parent's"),
        ("pidfd", ""),
    ] {
        let row = stdout.lines().find(|line| line.starts_with(&format!("{what} ")));
        let row = row.unwrap_or_else(|| panic!("no row for {what} in:\n{stdout}"));
        assert!(row.contains(did), "{row}");
        match what {
            "credentials" => assert!(row.contains("pid ") && row.contains(", uid "), "{row}"),
            "pidfd" => assert!(row.contains("/proc/self/fdinfo/") || row.contains("needs Linux 6.5"), "{row}"),
            _ => assert!(row.contains("same open file (kcmp)") || row.contains("same inode"), "{row}"),
        }
    }
}

#[test]
fn named() {
    if !can_start_again() {
        return;
    }
    assert_lines(
        &run("named", |_| {}),
        &[
            "0 bytes and 1 descriptor, from abstract:",
            "the descriptor reads: the sender has exited, this is still here",
            "0 bytes and no descriptor: an empty message",
            "nothing: EAGAIN",
        ],
    );
}

#[test]
fn pair() {
    assert_lines(
        &run("pair", |_| {}),
        &[
            "sent as descriptor ",
            "the parent stopped at byte 7, the child read on from there, the shared offset is now 12",
            "the parent had closed its copy before the child existed",
        ],
    );
}

#[test]
fn several() {
    let stdout = run("several", |_| {});
    for (encoded, arrived) in [
        ("rights(2) credentials", "credentials rights(2)"),
        ("credentials rights(2)", "credentials rights(2)"),
        ("rights(1) rights(3)", "credentials rights(4)"),
        ("rights(1) credentials rights(2)", "credentials rights(3)"),
        ("nothing", "credentials"),
    ] {
        let found = stdout
            .lines()
            .any(|l| l.starts_with(&format!("encoded: {encoded},")) && l.ends_with(&format!(": {arrived}")));
        assert!(found, "{encoded} -> {arrived} is not in:\n{stdout}");
    }
}

#[test]
fn credentials() {
    let stdout = run("credentials", |_| {});
    if !stdout.starts_with("SKIPPED:") {
        assert_lines(
            &stdout,
            &[
                "a forged pid is refused: EPERM",
                "a forged uid is refused: EPERM",
                "a forged gid is refused: EPERM",
                "ping from pid ",
                "end of the stream: the kernel's filler says uid 0, sender() says None",
            ],
        );
    }
}

#[test]
fn pid_namespace() {
    let stdout = run("pid_namespace", |_| {});
    if !stdout.starts_with("SKIPPED:") {
        assert_lines(
            &stdout,
            &[
                "sent as pid 1 inside, received as pid ",
                "sent from outside, received inside without a pid: sender() is None",
            ],
        );
    }
}

/// The output has these lines in this order, each from its beginning.
fn assert_lines(stdout: &str, beginnings: &[&str]) {
    let mut lines = stdout.lines();
    for beginning in beginnings {
        assert!(lines.any(|line| line.starts_with(beginning)), "no line {beginning:?}, or not there, in:\n{stdout}");
    }
}

/// Runs an example that must succeed, and skip nothing where nothing need be skipped. Its standard output.
fn run(name: &str, prepare: impl FnOnce(&mut Command)) -> String {
    let (status, stdout, stderr) = finish(name, prepare);
    assert_eq!(status, Some(0), "{name} failed\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    assert_eq!(stderr, "", "{name} complained");
    let skipped = stdout.lines().find(|line| line.contains("SKIPPED"));
    if let Some(skipped) = skipped {
        assert!(!may_do_anything() || !runner().is_empty(), "{name}: {skipped}");
        println!("{name}: {skipped}");
    }
    stdout
}

/// Exit status (none: a signal), standard output, standard error.
fn finish(name: &str, prepare: impl FnOnce(&mut Command)) -> (Option<i32>, String, String) {
    let binary = example(name);
    let mut command = match runner().as_slice() {
        [] => Command::new(binary),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(binary);
            command
        }
    };
    // A group of its own, so that a hang can be ended with its children.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    prepare(&mut command);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let stdout = drain(child.stdout.take().unwrap());
    let stderr = drain(child.stderr.take().unwrap());
    let started = Instant::now();
    // The pipes end when the last process of the group has gone.
    while !(stdout.is_finished() && stderr.is_finished()) && started.elapsed() < TIMEOUT {
        thread::sleep(Duration::from_millis(5));
    }
    let hung = !(stdout.is_finished() && stderr.is_finished());
    if hung {
        // SAFETY: the group's leader is our child, which was not waited for yet.
        unsafe { libc::kill(-i32::try_from(child.id()).unwrap(), libc::SIGKILL) };
    }
    let status = child.wait().unwrap();
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    assert!(!hung, "{name} did not end in {TIMEOUT:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    (status.code(), stdout, stderr)
}

/// Reads a pipe to its end.
fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Opens these numbers for the program about to be started, those of them that are free.
fn with_inherited(numbers: &[i32]) -> io::Result<()> {
    for number in numbers {
        // SAFETY: a duplicate gets a free number, so nothing is replaced.
        let got = unsafe { libc::fcntl(0, libc::F_DUPFD, *number) };
        if got < 0 {
            return Err(io::Error::last_os_error());
        }
        if got != *number {
            // SAFETY: it has just been opened.
            unsafe { libc::close(got) };
        }
    }
    Ok(())
}

/// Leaves the program about to be started numbers under `limit`.
fn limit_descriptors(limit: libc::rlim_t) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: it reads a local.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Root with everything root can have: no user namespace, and `CAP_SYS_ADMIN` (bit 21), which containers take away.
fn may_do_anything() -> bool {
    // SAFETY: it cannot fail and touches no memory.
    let root = unsafe { libc::geteuid() } == 0;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    let admin = u64::from_str_radix(capabilities, 16).unwrap() & 1 << 21 != 0;
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    root && admin && map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// What cargo starts test programs with, if this is no native build: `CARGO_TARGET_<TRIPLE>_RUNNER`, for an emulator.
fn runner() -> Vec<String> {
    let test = std::env::current_exe().unwrap();
    let triple = test.ancestors().nth(3).and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name = format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"));
    std::env::var(name).unwrap_or_default().split_whitespace().map(String::from).collect()
}

/// Whether a program can start itself again: under an emulator only the first one is emulated.
fn can_start_again() -> bool {
    let native = runner().is_empty();
    if !native {
        println!("SKIPPED: a program under {:?} cannot start another", runner());
    }
    native
}

/// The binary of an example, beside this test's: `<profile>/deps/examples_run-*` and `<profile>/examples/<name>`. cargo
/// builds it before the tests, except under `cargo test --test examples_run`: then a missing or old one is built here.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let binary = profile.join("examples").join(name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let newest = newest(&root.join("src")).max(newest(&root.join("examples").join(format!("{name}.rs"))));
    if fs::metadata(&binary).and_then(|m| m.modified()).is_ok_and(|built| Some(built) >= newest) {
        return binary;
    }
    let Some(cargo) = std::env::var_os("CARGO") else {
        panic!("{} is missing or old: cargo build --features std --example {name}", binary.display());
    };
    // `target/<profile>`, or `target/<triple>/<profile>` with --target. Only `target` itself has this file.
    let mut target = profile.parent().unwrap();
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--features", "std", "--example", name]);
    if !target.join(".rustc_info.json").exists() {
        command.arg("--target").arg(target.file_name().unwrap());
        target = target.parent().unwrap();
    }
    let profile = match profile.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    command.arg("--target-dir").arg(target).args(["--profile", profile]).current_dir(root);
    assert!(command.status().unwrap().success(), "{name} does not build");
    assert!(binary.exists(), "{} is still missing", binary.display());
    binary
}

/// When a file, or the newest under a directory, was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().filter_map(|entry| newest(&entry.unwrap().path())).max();
    }
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
