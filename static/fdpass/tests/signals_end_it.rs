//! A signal ends the program as it ends any other; who listened has removed its path by then.

mod common;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::*;

fn send_signal(pid: u32, signal: i32) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::kill(pid.try_into().expect("a pid"), signal) }, 0);
}

#[test]
fn a_path_is_removed() {
    let folder = Folder::new();
    for line in ["recv S true", "recv -t 20 S true", "send -l S", "creds -l S", "store S"] {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
            let running = start(words(&folder, line));
            until(|| folder.path("S").exists());
            send_signal(running.pid(), signal);
            // No status: the signal ended it.
            assert_eq!(running.end(), Said { code: None, out: String::new(), err: String::new() }, "{line}");
            assert_eq!(folder.list(), [""; 0], "{line}");
        }
    }
    // At any moment.
    for n in 0..100 {
        let running = start(words(&folder, "store S"));
        std::thread::sleep(Duration::from_micros(n * 20));
        send_signal(running.pid(), libc::SIGTERM);
        assert_eq!(running.end().code, None);
        assert_eq!(folder.list(), [""; 0]);
    }
    // A store with a client and something in it.
    let store = store(&folder);
    good(words(&folder, "put S name"));
    let _client = start(words(&folder, "get S name sleep 5"));
    send_signal(store.pid(), libc::SIGTERM);
    assert_eq!(store.end().code, None);
    assert_eq!(folder.list(), [""; 0]);
}

#[test]
fn what_was_ignored_stays_so_and_command_inherits_nothing() {
    let folder = Folder::new();
    let before = "cat /proc/self/status | grep -e SigBlk -e SigIgn";
    let wanted = good({
        let mut sh = ignoring_hangups(Command::new("sh"));
        sh.args(["-c", before]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        sh
    });
    let mut receiver = ignoring_hangups(words(&folder, "recv -t 20 S sh -c"));
    receiver.arg(before);
    let running = start(receiver);
    until(|| folder.path("S").exists());
    send_signal(running.pid(), libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(50));
    good(words(&folder, "send -w -t 20 S"));
    assert_eq!(running.end(), Said { code: Some(0), out: wanted, err: String::new() });
}

/// As `nohup` does.
fn ignoring_hangups(mut command: Command) -> Command {
    // SAFETY: only system calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    command
}

#[test]
fn process_1_of_a_container_ends_as_well() {
    let mut probe = Command::new("unshare");
    probe.args(["--pid", "--fork", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return skipped("this user makes no process namespace with unshare(1)");
    }
    let folder = Folder::new();
    let mut outer = Command::new("unshare");
    outer.args(["--pid", "--fork", "--kill-child"]).arg(fdpass()).arg("store").arg(folder.path("S"));
    outer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let outer = start(outer);
    until(|| folder.path("S").exists());
    let children = format!("/proc/{0}/task/{0}/children", outer.pid());
    let inner = std::fs::read_to_string(children).expect("/proc").trim().parse().expect("one child");
    send_signal(inner, libc::SIGTERM);
    assert_eq!(outer.end().code, Some(128 + libc::SIGTERM));
    assert_eq!(folder.list(), [""; 0]);
}
