//! Descriptors go from one program to another: by pipelines of a shell, one and hundreds, both ways round, and COMMAND gets those
//! meant for it and no other.

mod common;

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use common::*;
use scmsg::{AsFd, send_with_fds};

/// The numbers that `sh` sees open, as `ls` prints them, without the one that `ls` opens.
const OPEN: &str = "for fd in /proc/self/fd/*; do n=${fd##*/}; [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; true";

fn shell(folder: &Folder, script: &str) -> Said {
    let mut sh = Command::new("sh");
    sh.arg("-c").arg(script).env("fdpass", fdpass()).env("S", folder.path("S")).current_dir(folder.path("."));
    sh.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    run(sh)
}

#[test]
fn a_pipeline_passes_standard_input() {
    let folder = Folder::new();
    folder.file("text", "through the socket\n");
    let said = shell(&folder, "$fdpass recv -t 20 $S cat & $fdpass send -w -t 20 $S <text && wait $!");
    assert_eq!(said, Said { code: Some(0), out: "through the socket\n".into(), err: String::new() });
    assert_eq!(folder.list(), ["text"], "the socket was removed");
    // The writing end of a pipe, into the middle of another pipeline.
    let said = shell(
        &folder,
        "{ $fdpass recv -t 20 $S sh -c 'echo written >&0' & sleep 0.05; $fdpass send -w -t 20 $S 1; wait; } | tr a-z A-Z",
    );
    assert_eq!(said, Said { code: Some(0), out: "WRITTEN\n".into(), err: String::new() });
}

#[test]
fn several_start_at_3_in_their_order() {
    let folder = Folder::new();
    for name in ["a", "b", "c"] {
        folder.file(name, &format!("{name}\n"));
    }
    let script = "$fdpass send -w -t 20 $S 7 5 9 5<a 7<b 9<c & \
        LISTEN_FDS=77 LISTEN_PID=1 LISTEN_FDNAMES=x KEPT=1 $fdpass recv -t 20 $S -n 3 -- \
        sh -c 'cat <&3; cat <&4; cat <&5; env | grep -e LISTEN -e KEPT | sort; test $LISTEN_PID = $$ && echo own'";
    let said = shell(&folder, script);
    let out = "b\na\nc\nKEPT=1\nLISTEN_FDS=3\nLISTEN_PID=";
    assert!(said.code == Some(0) && said.out.starts_with(out) && said.out.ends_with("own\n"), "{said:?}");
}

#[test]
fn one_is_standard_input_unless_activated() {
    let folder = Folder::new();
    folder.file("text", "text\n");
    let script = "$fdpass send -w -t 20 $S <text & $fdpass recv -t 20 $S -n 1 -a -- sh -c 'cat <&3; echo $LISTEN_FDS'";
    let said = shell(&folder, script);
    assert_eq!(said, Said { code: Some(0), out: "text\n1\n".into(), err: String::new() });
    let script =
        "$fdpass send -w -t 20 $S <text & LISTEN_FDS=1 $fdpass recv -t 20 $S -- sh -c 'cat; echo $LISTEN_FDS.'";
    let said = shell(&folder, script);
    assert_eq!(said, Said { code: Some(0), out: "text\n.\n".into(), err: String::new() });
}

#[test]
fn three_hundred_arrive_in_their_order() {
    let folder = Folder::new();
    let script = "i=3; while [ $i -lt 303 ]; do cat /proc/self/fd/$i; i=$((i+1)); done; echo $LISTEN_FDS; ls /proc/self/fd | wc -l";
    let socket = folder.path("S");
    let mut receiver = command(["recv", "-t", "20", "-n", "300"]);
    receiver.arg(&socket).args(["sh", "-c", script]);
    let receiver = start(receiver);
    let files: Vec<(OwnedFd, i32)> = (0..300)
        .map(|n| (OwnedFd::from(File::open(folder.file("file", &format!("{n}\n"))).expect("file")), 400 + n))
        .inspect(|_| std::fs::remove_file(folder.path("file")).expect("removed"))
        .collect();
    let mut sender = command(["send", "-w", "-t", "20"]);
    sender.arg(&socket).args((400..700).map(|n| n.to_string()));
    assert_eq!(good(with_fds(sender, files)), "");
    let wanted: String = (0..300).map(|n| format!("{n}\n")).collect();
    let out = good_end(receiver);
    // 300, standard input, output and error, and what `ls` opens.
    assert_eq!(out, wanted + "300\n304\n");
}

fn good_end(running: Running) -> String {
    let said = running.end();
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    said.out
}

#[test]
fn command_inherits_nothing_else() {
    let folder = Folder::new();
    let script = format!(
        "exec 5</dev/null 8</dev/null 9</dev/null; $fdpass send -w -t 20 $S 5 8 & $fdpass recv -t 20 $S -n 2 -- sh -c '{}'",
        OPEN.replace('\'', "'\\''")
    );
    let said = shell(&folder, &script);
    assert_eq!((said.code, &*said.out), (Some(0), "0 1 2 3 4 "), "{said:?}");
}

#[test]
fn the_other_way_round() {
    let folder = Folder::new();
    let text = File::open(folder.file("text", "text\n")).expect("file");
    let mut sender = words(&folder, "send --listen -t 20 S");
    sender.stdin(text);
    let sender = start(sender);
    assert_eq!(good(words(&folder, "recv --connect --wait -t 20 S cat")), "text\n");
    assert_eq!(good_end(sender), "");
    assert_eq!(folder.list(), ["text"]);
}

#[test]
fn closed_standard_descriptors_stay_closed() {
    let folder = Folder::new();
    folder.file("text", "text\n");
    // Standard output and error come back by the environment's way: COMMAND writes to a file.
    let open = OPEN.replace('\'', "'\\''");
    let script = format!(
        "$fdpass send -w -t 20 $S <text & $fdpass recv -t 20 $S -a -- sh -c 'exec >out; {open}' 0<&- 2>&-; wait; cat out"
    );
    let said = shell(&folder, &script);
    assert_eq!((said.code, &*said.out), (Some(0), "1 3 "), "{said:?}");
    // A descriptor that is not open is not the program's own socket.
    bad(
        without_fds(words(&folder, "send S"), &[0]),
        2,
        &format!("usage {}: not an open descriptor (EBADF)", folder.path("S").display()),
    );
    bad(words(&folder, "send S 3"), 2, "usage 3: not an open descriptor (EBADF)");
}

#[test]
fn any_sender_and_receiver_will_do() {
    let folder = Folder::new();
    let (end, other) = UnixStream::pair().expect("pair");
    drop(end);
    // A long message and one descriptor, from a program that has never heard of this one.
    let mut receiver = command(["recv", "-t", "20"]);
    receiver.arg(folder.path("S")).args(["sh", "-c", "cat; echo ended"]);
    let receiver = start(receiver);
    let mut peer = None;
    until(|| {
        peer = UnixStream::connect(folder.path("S")).ok();
        peer.is_some()
    });
    let mut peer = peer.expect("connected");
    peer.write_all(&[0xff; 1000]).expect("data before");
    send_with_fds(&peer, &[7; 5000], &[AsFd::as_fd(&other)]).expect("sent");
    assert_eq!(good_end(receiver), "ended\n");
    // And to one.
    let listener = UnixListener::bind(folder.path("L")).expect("bound");
    let mut sender = command(["send"]);
    sender.arg(folder.path("L"));
    assert_eq!(good(sender), "");
    let (peer, _) = listener.accept().expect("accepted");
    let mut byte = [0; 8];
    let (bytes, [_fd]) = scmsg::recv_with_fds::<1>(&peer, &mut byte).expect("received");
    assert_eq!((bytes, byte[0]), (1, 1), "the number of descriptors");
}

#[test]
fn command_is_found_as_a_shell_finds_it() {
    let folder = Folder::new();
    let long = "x".repeat(5000);
    for (path, program, code, out, err) in [
        (Some("/nowhere::/bin:/usr/bin"), "true", 0, "", ""),
        (None, "true", 0, "", ""),
        (Some("/nowhere"), "true", 127, "", "fdpass: execute true: ENOENT (No such file or directory)\n"),
        (Some("/bin"), "", 127, "", "fdpass: execute : ENOENT (No such file or directory)\n"),
        (Some("/bin"), "/bin/true", 0, "", ""),
        (Some("/bin"), "/etc/passwd", 126, "", "fdpass: execute /etc/passwd: EACCES (Permission denied)\n"),
        (Some("/etc:/nowhere"), "passwd", 126, "", "fdpass: execute passwd: EACCES (Permission denied)\n"),
        (Some("/bin"), "/etc/passwd/x", 126, "", "fdpass: execute /etc/passwd/x: ENOTDIR (Not a directory)\n"),
        (Some(&*long), "true", 126, "", "fdpass: execute true: ENAMETOOLONG (File name too long)\n"),
        (Some("/bin"), "./script", 126, "", "fdpass: execute ./script: ENOEXEC (Not a program)\n"),
        (Some("/bin"), "./busy", 126, "", "fdpass: execute ./busy: ETXTBSY (Being written to)\n"),
        (Some(""), "other", 0, "", ""),
    ] {
        for (name, text) in [("script", "no line says who runs it\n"), ("other", "#!/bin/sh\nexit 0\n")] {
            let path = folder.file(name, text);
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
        }
        let busy = folder.path("busy");
        let _ = std::fs::copy(folder.path("other"), &busy).expect("copied");
        let _writer = File::options().append(true).open(busy).expect("opened");
        let mut receiver = command(["recv", "-f", "-t", "20"]);
        receiver.arg(folder.path("S")).arg("--").arg(program).current_dir(folder.path("."));
        match path {
            Some(path) => receiver.env("PATH", path),
            None => receiver.env_remove("PATH"),
        };
        let receiver = start(receiver);
        good(words(&folder, "send -w -t 20 S"));
        let said = receiver.end();
        assert_eq!(said, Said { code: Some(code), out: out.into(), err: err.into() }, "{path:?} {program}");
    }
}

#[test]
fn a_large_environment_is_refused_not_cut() {
    let folder = Folder::new();
    for (count, code, err) in [(4000, 0, ""), (4200, 1, "fdpass: execute true: E2BIG (Argument list too long)\n")] {
        let mut receiver = words(&folder, "recv -a -t 20 S true");
        receiver.env_clear().env("PATH", "/bin").envs((0..count).map(|n| (format!("V{n}"), "")));
        let receiver = start(receiver);
        good(words(&folder, "send -w -t 20 S"));
        let said = receiver.end();
        assert_eq!((said.code, &*said.err), (Some(code), err), "{count}");
    }
}

#[test]
fn creds_says_who_is_there() {
    let folder = Folder::new();
    let _listener = UnixListener::bind(folder.path("S")).expect("bound");
    // SAFETY: no preconditions.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    let who = |pid: u32, state: &str| format!("pid {pid}\nuid {uid}\ngid {gid}\npidfd {state}\n");
    assert_eq!(good(words(&folder, "creds S")), who(std::process::id(), "running"));
    // The process descriptor is COMMAND's.
    let mut script = command(["creds"]);
    script.arg(folder.path("S")).args(["sh", "-c", "grep Pid: /proc/self/fdinfo/0"]);
    assert_eq!(good(script), format!("{}Pid:\t{}\n", who(std::process::id(), "running"), std::process::id()));
    // Of one that connects, and has ended.
    let mut asked = command(["creds", "--listen", "-t", "20"]);
    asked.arg(folder.path("L"));
    let asked = start(asked);
    until(|| UnixStream::connect(folder.path("L")).is_ok());
    assert_eq!(good_end(asked), who(std::process::id(), "running"));
    // A store speaks in packets, and is asked all the same.
    let folder = Folder::new();
    let store = store(&folder);
    assert_eq!(good(words(&folder, "creds S")), who(store.pid(), "running"));
}
