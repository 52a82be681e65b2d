//! What credentials may say depends on the namespaces of the sender: the oracle and the running kernel, side by side.

#![cfg(feature = "oracle")]

use std::fs;

use scmsg::oracle::forge::{Forgery, Item};
use scmsg::oracle::{Capabilities, ControlArea, Layout, Limits, Outcome, Rule, Send, Sender, Socket, send};
use scmsg::{Errno, SocketFlags, SocketType, socketpair};

/// A sender that its user namespace calls root, and what that namespace maps.
const MAPPED: [u32; 2] = [0, 7];

/// What the oracle says to these credentials.
fn oracle(said: (i32, u32, u32), sender: Sender) -> Outcome {
    let mut storage = [0; 64];
    let items = [Item::credentials(said.0, said.1, said.2)];
    let forged = Forgery::new(Layout::NATIVE, &items).build(&mut storage).unwrap();
    let call = Send {
        socket: Socket::UnixDatagram,
        control: ControlArea::new(forged.bytes),
        process: &|pid| pid == sender.pid || pid == 1,
        user: &|uid| MAPPED.contains(&uid),
        group: &|gid| MAPPED.contains(&gid),
        sender,
        ..Send::ordinary()
    };
    send(&call).outcome
}

/// Root of a container that has a user namespace of its own, and perhaps a pid namespace.
fn contained(pid: i32, own_processes: bool) -> Sender {
    let can = Capabilities { set_uid: true, set_gid: true, sys_admin: own_processes, ..Capabilities::default() };
    Sender { pid, uids: [0; 3], gids: [0; 3], can }
}

#[test]
fn ids_that_are_not_mapped_are_invalid() {
    let root = contained(2, true);
    let invalid = Outcome::Failed(Errno::EINVAL);
    assert!(matches!(oracle((2, 7, 7), root), Outcome::Sent { .. }));
    for said in [(2, 5, 0), (2, 0, 5), (1, 5, 0), (3, 65534, 0), (2, u32::MAX, 0)] {
        assert_eq!(oracle(said, root), invalid, "{said:?}");
        let powerless = Sender { can: Capabilities::default(), ..root };
        assert_eq!(oracle(said, powerless), invalid, "{said:?}: before it is asked who may");
    }
}

#[test]
fn another_process_takes_power_over_the_pid_namespace() {
    assert!(matches!(oracle((1, 0, 0), contained(2, true)), Outcome::Sent { .. }));
    assert_eq!(oracle((1, 0, 0), contained(2, false)), Outcome::Failed(Errno::EPERM));
}

#[test]
fn in_flight_takes_power_over_the_first_namespace() {
    let mut storage = [0; 64];
    let forged = Forgery::new(Layout::NATIVE, &[Item::rights(&[3])]).build(&mut storage).unwrap();
    let ask = |can| {
        let ordinary = Send::ordinary();
        let limits = Limits { in_flight: 1025, ..ordinary.limits };
        let sender = Sender { can, ..ordinary.sender };
        send(&Send { control: ControlArea::new(forged.bytes), limits, sender, ..ordinary }).rule
    };
    assert_eq!(ask(contained(2, true).can), Some(Rule::InFlight));
    assert_eq!(ask(Capabilities { first_sys_admin: true, ..Capabilities::default() }), None);
}

/// What the kernel answers to these credentials: 0 or an errno.
fn kernel(socket: i32, said: (i32, u32, u32)) -> i32 {
    let mut storage = [0; 64];
    let items = [Item::credentials(said.0, said.1, said.2)];
    let forged = Forgery::new(Layout::NATIVE, &items).build(&mut storage).unwrap();
    let mut header = scmsg::raw::msghdr::EMPTY;
    forged.put_in(&mut header).unwrap();
    // SAFETY: the header names bytes of this function, and they name no descriptor.
    unsafe { scmsg::raw::sendmsg(socket, &raw const header, 0) }.map_or_else(Errno::raw, |_| 0)
}

/// Enters a user namespace that maps 0 to this process's user and 7 to 1000, then compares: the number of what differs.
fn compare_in_a_namespace() -> i32 {
    // SAFETY: no pointer.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
        return 101;
    }
    // The parent of this process, which is in the first namespace, writes the maps.
    // SAFETY: no pointer.
    unsafe { libc::raise(libc::SIGSTOP) };
    let (_to, from) = socketpair(SocketType::DGRAM, SocketFlags::empty()).unwrap();
    // SAFETY: no pointer.
    let pid = unsafe { libc::getpid() };
    let mut wrong = 0;
    for uid in [0, 7, 5, 1000, 65534, u32::MAX] {
        for gid in [0, 7, 5, u32::MAX] {
            for process in [pid, 1, 0] {
                let said = (process, uid, gid);
                let expected = match oracle(said, contained(pid, false)) {
                    Outcome::Failed(errno) => errno.raw(),
                    _ => 0,
                };
                wrong += i32::from(kernel(from.as_raw_fd(), said) != expected);
            }
        }
    }
    wrong
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn the_kernel_says_so_too() {
    let foreign = std::env::vars().any(|(name, _)| name.starts_with("CARGO_TARGET_") && name.ends_with("_RUNNER"));
    // SAFETY: asks for a number.
    if foreign || unsafe { libc::geteuid() } != 0 {
        eprintln!("SKIPPED: only root maps two users, and an emulator is no kernel");
        return;
    }
    // SAFETY: the child prints nothing, and ends by itself.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let wrong = compare_in_a_namespace();
        // SAFETY: ends the child.
        unsafe { libc::_exit(wrong) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made to stop or to end.
    unsafe { libc::waitpid(child, &raw mut status, libc::WUNTRACED) };
    if libc::WIFEXITED(status) {
        eprintln!("SKIPPED: no user namespaces here");
        return;
    }
    let maps = ["uid_map", "gid_map"].map(|map| fs::write(format!("/proc/{child}/{map}"), "0 0 1\n7 1000 1\n").is_ok());
    // SAFETY: continues the child, and waits for it to end.
    unsafe {
        libc::kill(child, libc::SIGCONT);
        libc::waitpid(child, &raw mut status, 0);
    }
    if maps != [true; 2] {
        eprintln!("SKIPPED: these users cannot be mapped");
        return;
    }
    assert_eq!(libc::WEXITSTATUS(status), 0, "so many answers differ");
}
