//! A peer that says nothing, too much, nonsense, or dies, costs an error and no more: no crash, no wait past the timeout, no
//! descriptor that stays.

mod common;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use common::*;
use scmsg::{AsFd, BorrowedFd, send_with_fds};

/// Connects to a receiver that is about to listen.
fn dial(folder: &Folder) -> UnixStream {
    let mut peer = None;
    until(|| {
        peer = UnixStream::connect(folder.path("S")).ok();
        peer.is_some()
    });
    peer.expect("connected")
}

/// A receiver of `count` descriptors, and the peer it has accepted.
fn receiver(folder: &Folder, options: &str) -> (Running, UnixStream) {
    let running = start(words(folder, &format!("recv {options} S true")));
    (running, dial(folder))
}

fn error(folder: &Folder, text: &str) -> String {
    format!("fdpass: receive {}: {text}\n", folder.path("S").display())
}

#[test]
fn closes_in_the_middle() {
    let folder = Folder::new();
    let text = error(&folder, "EPIPE (Broken pipe: the other end is gone)");
    // Before a word, after data, after some of the descriptors.
    for some in 0..3 {
        let canary = Canary::new();
        let (running, peer) = receiver(&folder, "-t 20 -n 3");
        match some {
            0 => {}
            1 => (&peer).write_all(b"data").expect("sent"),
            _ => drop(send_with_fds(&peer, b"x", &[canary.write.as_fd(), canary.write.as_fd()]).expect("sent")),
        }
        drop(peer);
        let said = running.end();
        assert_eq!((said.code, said.err), (Some(3), text.clone()));
        canary.all_closed();
        assert_eq!(folder.list(), [""; 0]);
    }
}

#[test]
fn is_killed() {
    let folder = Folder::new();
    let running = start(words(&folder, "recv -t 20 S true"));
    let mut peer = std::process::Command::new("sh");
    peer.args(["-c", "until test -S \"$0\"; do :; done; \"$1\" recv -c \"$0\" true & kill -9 $!"])
        .arg(folder.path("S"))
        .arg(fdpass());
    peer.status().expect("run");
    // Killed before it connected or after: then there is nobody, or somebody who is gone.
    let _ = UnixStream::connect(folder.path("S"));
    let said = running.end();
    assert_eq!(said.code, Some(3), "{said:?}");
    // One that is killed while it is sent to.
    let listener = UnixListener::bind(folder.path("L")).expect("bound");
    let mut sender = command(["send", "-t", "20"]);
    sender.arg(folder.path("L")).args(vec!["0"; 1024]);
    let sender = start(limited(sender, 2000));
    drop(listener.accept().expect("accepted"));
    drop(listener);
    let said = sender.end();
    assert!(said.code == Some(3) || said.code == Some(0), "{said:?}");
}

#[test]
fn never_speaks() {
    let folder = Folder::new();
    let (running, _peer) = receiver(&folder, "-t 0.3");
    let began = Instant::now();
    let said = running.end();
    assert_eq!((said.code, said.err), (Some(4), error(&folder, "timed out")));
    assert!(began.elapsed() < Duration::from_secs(3));
    // Nor connects, nor accepts, nor reads, nor listens.
    let socket = folder.path("S").display().to_string();
    bad(words(&folder, "recv -t 0.05 S true"), 4, &format!("listen {socket}: timed out"));
    assert_eq!(folder.list(), [""; 0], "the path is removed");
    bad(words(&folder, "send -w -t 0.05 S"), 4, &format!("connect {socket}: timed out"));
    let listener = UnixListener::bind(folder.path("S")).expect("bound");
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 0) }, 0);
    let _waits = UnixStream::connect(folder.path("S")).expect("in the backlog");
    bad(words(&folder, "send -t 0.05 S"), 4, &format!("connect {socket}: timed out"));
    bad(words(&folder, "creds -t 0.05 S"), 4, &format!("connect {socket}: timed out"));
}

#[test]
fn reads_nothing() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path("S")).expect("bound");
    let canary = Canary::new();
    // All that one order can send fits the peer's queue, so this waits for nobody; and goes when the queue does.
    let mut sender = words(&folder, &format!("send -t 20 S{}", " 0".repeat(1024)));
    sender.stdin(canary.write.try_clone().expect("copied"));
    good(sender);
    let (peer, _) = listener.accept().expect("accepted");
    drop((peer, listener));
    canary.all_closed();
}

#[test]
fn sends_garbage_and_floods() {
    let folder = Folder::new();
    let (running, peer) = receiver(&folder, "-t 20");
    // It ends long before this does.
    let _ = (&peer).write_all(&vec![0xa5_u8; 64 << 20]);
    let said = running.end();
    assert_eq!((said.code, said.err), (Some(3), error(&folder, "data without descriptors")));
    // A drop at a time, for ever: the deadline is for all of it.
    let (running, peer) = receiver(&folder, "-t 0.3");
    let began = Instant::now();
    while (&peer).write_all(b"x").is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "it outlasts its timeout");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(running.end().code, Some(4));
}

#[test]
fn sends_too_many() {
    let folder = Folder::new();
    for (want, sent) in [(1, 2), (1, 253), (254, 253 + 2)] {
        let canary = Canary::new();
        let (running, peer) = receiver(&folder, &format!("-t 20 -n {want}"));
        let all: Vec<BorrowedFd<'_>> = vec![canary.write.as_fd(); sent];
        for part in all.chunks(253) {
            send_with_fds(&peer, b"x", part).expect("sent");
        }
        let said = running.end();
        assert_eq!((said.code, said.err), (Some(3), error(&folder, "too many descriptors")), "{sent}");
        drop(peer);
        canary.all_closed();
    }
}

#[test]
fn sends_descriptors_to_who_asks_for_credentials() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.path("S")).expect("bound");
    let canary = Canary::new();
    let asks = start(words(&folder, "creds -t 20 S"));
    let (peer, _) = listener.accept().expect("accepted");
    let _ = send_with_fds(&peer, &[0xff; 100], &[canary.write.as_fd(); 253]);
    let said = asks.end();
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    drop(peer);
    canary.all_closed();
}

#[test]
fn the_table_is_full() {
    let folder = Folder::new();
    let canary = Canary::new();
    let running = start(limited(words(&folder, "recv -t 20 -n 30 S true"), 16));
    let peer = dial(&folder);
    send_with_fds(&peer, b"x", &[canary.write.as_fd(); 30]).expect("sent");
    let said = running.end();
    assert_eq!((said.code, said.err), (Some(1), error(&folder, "EMFILE (Too many open files in the process)")));
    drop(peer);
    canary.all_closed();
    // No room even for a socket.
    let mut line = words(&folder, "send S 0");
    line.stdin(std::fs::File::open("/dev/null").expect("null"));
    bad(
        limited(line, 3),
        1,
        &format!("open {}: EMFILE (Too many open files in the process)", folder.path("S").display()),
    );
}

#[test]
fn force_disturbs_nobody() {
    let folder = Folder::new();
    // A receiver serves one peer: whether it is there must be asked without becoming that peer.
    let running = start(words(&folder, "recv -t 20 S true"));
    until(|| folder.path("S").exists());
    let socket = folder.path("S").display().to_string();
    for line in ["recv -f -t 20 S true", "store -f S"] {
        bad(words(&folder, line), 1, &format!("listen {socket}: EADDRINUSE (Address already in use)"));
    }
    good(words(&folder, "send -w -t 20 S"));
    assert_eq!(running.end(), Said { code: Some(0), out: String::new(), err: String::new() });
    // One that is about to listen is not gone.
    let bound = scmsg::socket(scmsg::Family::UNIX, scmsg::SocketType::STREAM, scmsg::SocketFlags::empty(), 0);
    let bound = bound.expect("socket");
    let addr = scmsg::SocketAddr::unix(socket.as_bytes()).expect("address");
    scmsg::bind(&bound, &addr).expect("bound");
    bad(words(&folder, "recv -f -t 20 S true"), 1, &format!("listen {socket}: EADDRINUSE (Address already in use)"));
    drop(bound);
    // Nor has a child that a test beside this one is starting.
    let asks = UnixDatagram::unbound().expect("socket");
    until(|| asks.connect(&socket).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused));
    bad(words(&folder, "recv -f -t 0.05 S true"), 4, &format!("listen {socket}: timed out"));
}

#[test]
fn another_user_is_refused_by_mode() {
    if !is_root() {
        return skipped("only root can become another user");
    }
    let folder = Folder::new();
    std::fs::set_permissions(folder.path("."), PermissionsExt::from_mode(0o755)).expect("mode");
    let program = folder.path("fdpass");
    std::fs::copy(fdpass(), &program).expect("copied");
    let running = start(words(&folder, "recv -t 20 S true"));
    until(|| folder.path("S").exists());
    let mode = std::fs::metadata(folder.path("S")).expect("socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stranger = |words: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args(words).stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        as_nobody(command)
    };
    let socket = folder.path("S").display().to_string();
    bad(stranger(&["send", &socket]), 1, &format!("connect {socket}: EACCES (Permission denied)"));
    let there = folder.path("T").display().to_string();
    bad(stranger(&["recv", &there, "true"]), 1, &format!("listen {there}: EACCES (Permission denied)"));
    good(words(&folder, "send -t 20 S"));
    assert_eq!(running.end().code, Some(0));
    // An abstract name has no mode; strangers are hung up on, and the right one still comes through.
    let name = format!("@fdpass-strangers-{}", std::process::id());
    let running = start(command(["recv", "-t", "20", &name, "true"]));
    for _ in 0..3 {
        let said = run(stranger(&["recv", "-c", "-w", "-t", "20", &name, "true"]));
        assert_eq!(said.code, Some(3), "{said:?}");
    }
    good(command(["send", "-t", "20", &name]));
    assert_eq!(running.end().code, Some(0));
}
