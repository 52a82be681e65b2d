//! A command line that is not right says so in one line, does nothing and exits with 2; what is right is listed by `--help`.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use common::*;

#[test]
fn every_mistake_has_its_line() {
    let folder = Folder::new();
    let many = "x".repeat(65);
    for (line, said) in [
        ("", "fdpass: something is missing; try --help"),
        ("sen", "sen: no such subcommand; try --help"),
        ("sendsendsend", "sendsendsend: no such subcommand; try --help"),
        ("send", "send: something is missing; try --help"),
        ("recv", "recv: something is missing; try --help"),
        ("recv S", "S: something is missing; try --help"),
        ("recv S --", "--: something is missing; try --help"),
        ("put S", "S: something is missing; try --help"),
        ("get S name", "name: something is missing; try --help"),
        ("-x send S", "-x: no such option"),
        ("--sent send S", "--sent: no such option"),
        ("--timeouts send S", "--timeouts: no such option"),
        ("-tt send S", "-tt: no such option"),
        ("send S 1 -", "-: no such option"),
        ("send S x", "x: not an open descriptor (EBADF)"),
        ("send S 1x", "1x: not an open descriptor (EBADF)"),
        ("send S -- -1", "-1: not an open descriptor (EBADF)"),
        ("send S 999", "999: not an open descriptor (EBADF)"),
        ("send S 4294967296", "4294967296: not an open descriptor (EBADF)"),
        ("send S 18446744073709551616", "18446744073709551616: not an open descriptor (EBADF)"),
        ("recv S -n 0 true", "-n: -n wants 1 to 1024, -t seconds"),
        ("recv S -n 1025 true", "-n: -n wants 1 to 1024, -t seconds"),
        ("recv S -n -1 true", "-n: -n wants 1 to 1024, -t seconds"),
        ("recv S -n", "-n: -n wants 1 to 1024, -t seconds"),
        ("recv S -t 0 true", "-t: -n wants 1 to 1024, -t seconds"),
        ("recv S -t . true", "-t: -n wants 1 to 1024, -t seconds"),
        ("recv S -t 1.2.3 true", "-t: -n wants 1 to 1024, -t seconds"),
        ("recv S -t 1.2345 true", "-t: -n wants 1 to 1024, -t seconds"),
        ("recv S -t 1s true", "-t: -n wants 1 to 1024, -t seconds"),
        ("recv S -t 0000000001 true", "-t: -n wants 1 to 1024, -t seconds"),
        ("send S -n 2", "-n: an option of another subcommand"),
        ("send -l -c S", "S: either --listen or --connect"),
        ("store -l S", "S: an option of another subcommand"),
        ("store -t 1 S", "S: an option of another subcommand"),
        ("list -f S", "S: an option of another subcommand"),
        ("creds -n 1 S", "S: an option of another subcommand"),
        ("list S name", "name: one word too many"),
        ("drop S name 1", "1: one word too many"),
        ("store S x", "x: one word too many"),
        ("put S a:b", "a:b: not a NAME: 1 to 64 visible ASCII bytes but :"),
        ("put S \u{e4}", "\u{e4}: not a NAME: 1 to 64 visible ASCII bytes but :"),
        (&format!("put S {many}"), &format!("{many}: not a NAME: 1 to 64 visible ASCII bytes but :")),
    ] {
        let said = match said.strip_prefix("S:") {
            Some(rest) => format!("{}:{rest}", folder.path("S").display()),
            None => said.to_owned(),
        };
        bad(words(&folder, line), 2, &format!("usage {said}"));
    }
    bad(command(["put", "x", ""]), 2, "usage : not a NAME: 1 to 64 visible ASCII bytes but :");
    assert_eq!(folder.list(), [""; 0], "nothing was made");
}

#[test]
fn more_descriptors_than_there_can_be() {
    let folder = Folder::new();
    let zeros = |count: usize| " 0".repeat(count);
    bad(words(&folder, &format!("send S{}", zeros(1025))), 2, "usage 0: not an open descriptor (EBADF)");
    let socket = folder.path("S").display().to_string();
    bad(words(&folder, &format!("put S name{}", zeros(254))), 2, &format!("open {socket}: more than 253 descriptors"));
}

#[test]
fn control_characters_are_not_printed() {
    // A line is one line, whatever is in it.
    let said = run(command(["send", "/nowhere/\x1b[31m\r\x07\nfdpass: \x7f"]));
    assert_eq!(said.err, "fdpass: connect /nowhere/?[31m???fdpass: ?: ENOENT (No such file or directory)\n");
}

#[test]
fn words_that_are_longer_than_the_line_are_left_out() {
    let said = run(command(["send", &"a".repeat(100_000)]));
    assert_eq!((said.code, &*said.err), (Some(2), "fdpass: usage : too long: 108 bytes fit, 107 behind @\n"));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let help = good(command(["--help"]));
    for word in ["send", "recv", "creds", "store", "put", "get", "list", "drop", "--timeout", "--count", "--activate"] {
        assert!(help.contains(word), "{word}");
    }
    for word in ["--listen", "--connect", "--wait", "--force", "--help", "--version", "Exit status"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(help.lines().all(|line| line.len() <= 80));
    assert_eq!(good(command(["recv", "-h"])), help);
    assert_eq!(good(command(["-V"])), concat!("fdpass ", env!("CARGO_PKG_VERSION"), "\n"));
    // What cannot be printed is no success.
    let mut full = command(["--help"]);
    full.stdout(fs::File::options().write(true).open("/dev/full").expect("/dev/full"));
    bad(full, 1, "print --help: ENOSPC (No space left on device)");
}

#[test]
fn a_path_has_up_to_108_bytes() {
    let folder = Folder::new();
    let name = |len: usize| folder.path(&"p".repeat(len - folder.path("").as_os_str().len()));
    for len in [107, 108] {
        let path = name(len);
        assert_eq!(path.as_os_str().len(), len);
        let mut receiver = command(["recv", "-t", "20"]);
        receiver.arg(&path).arg("true");
        let receiver = start(receiver);
        until(|| path.exists());
        let mut sender = command(["send", "-w", "-t", "20"]);
        sender.arg(&path);
        assert_eq!(good(sender), "");
        assert_eq!(receiver.end().code, Some(0));
        assert!(!path.exists());
    }
    for subcommand in [["recv", "true"], ["send", "0"]] {
        let path = name(109);
        let mut command = command([subcommand[0]]);
        command.arg(&path).arg(subcommand[1]);
        let said = format!("usage {}: too long: 108 bytes fit, 107 behind @", path.display());
        bad(command, 2, &said);
    }
    bad(command(["send", ""]), 2, "usage : empty name");
}

#[test]
fn an_abstract_name_holds_any_bytes() {
    let unique = std::process::id();
    let long = format!("{unique:010}");
    for (word, name) in [
        (format!("@fdpass-{unique}").into_bytes(), format!("fdpass-{unique}").into_bytes()),
        (format!("@fdpass-{unique}\\0a\\0\\0").into_bytes(), format!("fdpass-{unique}\0a\0\0").into_bytes()),
        (format!("@fdpass-{unique}\\x\\").into_bytes(), format!("fdpass-{unique}\\x\\").into_bytes()),
        ([b"@", long.as_bytes(), &[0xff; 97]].concat(), [long.as_bytes(), &[0xff; 97]].concat()),
    ] {
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).expect("name")).expect("bound");
        let mut sender = command(["send"]);
        sender.arg(OsStr::from_bytes(&word));
        assert_eq!(good(sender), "");
        drop(listener);
        // A test beside this one may be starting a child, which has a copy until it is another program.
        until(|| UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).expect("name")).is_err());
        let mut receiver = command(["recv", "-t", "20"]);
        receiver.arg(OsStr::from_bytes(&word)).arg("true");
        let receiver = start(receiver);
        until(|| UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).expect("name")).is_ok());
        let said = receiver.end();
        assert_eq!(said.code, Some(3), "{said:?}");
    }
    bad(command(["send", "@"]), 2, "usage @: empty name");
    let long = format!("@{}", "x".repeat(108));
    bad(command(["send", &long]), 2, &format!("usage {long}: too long: 108 bytes fit, 107 behind @"));
}

#[test]
fn a_full_line_of_errors() {
    let folder = Folder::new();
    let socket = folder.path("S").display().to_string();
    bad(words(&folder, "send S"), 1, &format!("connect {socket}: ENOENT (No such file or directory)"));
    let listener = UnixListener::bind(folder.path("S")).expect("bound");
    bad(words(&folder, "recv S true"), 1, &format!("listen {socket}: EADDRINUSE (Address already in use)"));
    bad(words(&folder, "recv -f S true"), 1, &format!("listen {socket}: EADDRINUSE (Address already in use)"));
    bad(words(&folder, "list S"), 1, &format!("connect {socket}: EPROTOTYPE (Wrong socket type for this peer)"));
    drop(listener);
    // Nor has a child of a test beside this one a copy any more.
    until(|| UnixStream::connect(folder.path("S")).is_err());
    bad(words(&folder, "send S"), 1, &format!("connect {socket}: ECONNREFUSED (Connection refused)"));
    // A file is never replaced, whatever is asked.
    folder.file("F", "text");
    let mut forced = command(["recv", "-f", "-t", "20"]);
    forced.arg(folder.path("F")).arg("true");
    let file = folder.path("F").display().to_string();
    bad(forced, 1, &format!("listen {file}: EADDRINUSE (Address already in use)"));
    assert_eq!(fs::read_to_string(folder.path("F")).expect("file"), "text");
    let mut below = command(["recv"]);
    below.arg(folder.path("F/x")).arg("true");
    bad(below, 1, &format!("listen {file}/x: ENOTDIR (Not a directory)"));
}
