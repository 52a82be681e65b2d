//! Dropping what a receive delivered closes each run of consecutive numbers by one `close_range`, a single number by one
//! `close`, nothing that is not owned, and everything one by one where `close_range` is refused.

mod common;

use common::{Canary, between, dirty, fill_below, is_open, mark, pair, part, run_alone, send, traced};
use scmsg::{
    Ancillary, AsFd, CMSG_HEADER, ControlBuf, Encoder, IoSliceMut, MsgFlags, OwnedFd, RawFd, Received, RecvFlags,
    RecvMsg, SocketType, recvmsg, setsockopt, sockopt,
};

/// The lowest free number when a part starts.
const BASE: RawFd = 50;

/// A process in which the next free number is `BASE`, and the numbers `taken` are not free.
struct Ground {
    a: OwnedFd,
    b: OwnedFd,
    strangers: Vec<RawFd>,
}

impl Ground {
    fn new(strangers: &[RawFd]) -> Self {
        let (a, b) = pair(SocketType::SEQPACKET);
        fill_below(BASE);
        for fd in strangers {
            // SAFETY: no pointers; the number is free.
            assert_eq!(unsafe { libc::dup3(a.as_raw_fd(), *fd, libc::O_CLOEXEC) }, *fd);
        }
        Self { a, b, strangers: strangers.to_vec() }
    }

    /// Receives `sent` descriptors, hands them to `then` between the marks, and looks at the table afterwards.
    fn receive(&self, sent: usize, open_after: &[RawFd], then: impl FnOnce(Received<'_>)) {
        let fds = [self.a.as_fd(); 16];
        send(&self.a, b"x", &fds[..sent]).unwrap();
        let mut buf = dirty::<256>();
        let mut data = [0xff];
        let mut data = [IoSliceMut::new(&mut data)];
        let mut message = RecvMsg::new(&mut data).control(&mut buf);
        let received = recvmsg(&self.b, &mut message, RecvFlags::DONTWAIT).unwrap();
        mark("start");
        then(received);
        mark("end");
        for fd in BASE..BASE + 20 {
            let open = open_after.contains(&fd) || self.strangers.contains(&fd);
            assert_eq!(is_open(fd), open, "{fd}");
        }
    }
}

/// The work of the process that is traced.
fn work(part: &str) {
    match part {
        "none" => Ground::new(&[]).receive(0, &[], |all| drop(all)),
        "single" => Ground::new(&[]).receive(1, &[], |all| drop(all)),
        "two" => Ground::new(&[]).receive(2, &[], |all| drop(all)),
        "run" => Ground::new(&[]).receive(5, &[], |all| drop(all)),
        "strangers" => Ground::new(&[51, 54]).receive(6, &[], |all| drop(all)),
        "neighbours" => Ground::new(&[53, 54]).receive(3, &[], |all| drop(all)),
        "all_apart" => Ground::new(&[51, 53]).receive(3, &[], |all| drop(all)),
        "first_taken" => {
            let mut kept = Vec::with_capacity(2);
            Ground::new(&[]).receive(5, &[50, 51], |mut received| kept.extend(received.control.take_fds().take(2)));
        }
        "all_taken" => {
            let mut kept = Vec::with_capacity(5);
            Ground::new(&[]).receive(5, &[50, 51, 52, 53, 54], |mut received| kept.extend(received.control.take_fds()));
        }
        "pidfd_joins" => {
            let ground = Ground::new(&[]);
            setsockopt(&ground.b, sockopt::PassPidFd, true).unwrap();
            ground.receive(3, &[], |all| drop(all));
        }
        "pidfd_taken" => {
            let ground = Ground::new(&[]);
            setsockopt(&ground.b, sockopt::PassPidFd, true).unwrap();
            let mut kept = None;
            ground.receive(3, &[53], |mut received| kept = received.control.take_pidfd());
        }
        "rights_taken" => {
            let ground = Ground::new(&[]);
            setsockopt(&ground.b, sockopt::PassPidFd, true).unwrap();
            let mut kept = Vec::with_capacity(3);
            ground.receive(3, &[50, 51, 52], |mut received| kept.extend(received.control.take_fds()));
        }
        "middle_taken" => crafted(&[50, 51, i32::MIN, 53, 54, 55], &[52]),
        "refused_in_the_middle" => crafted(&[50, 51, -1, 53, 54], &[52]),
        "descending" => crafted(&[54, 53, 52], &[]),
        "mixed" => crafted(&[57, 50, 51, 55, 56, 53], &[52, 54, 58]),
        other => panic!("no part {other}"),
    }
}

/// Slots as the kernel could have written them; `strangers` are open and in no slot.
fn crafted(slots: &[RawFd], strangers: &[RawFd]) {
    let ground = Ground::new(strangers);
    for fd in slots.iter().filter(|fd| **fd >= 0) {
        // SAFETY: no pointers; the number is free.
        assert_eq!(unsafe { libc::dup3(ground.a.as_raw_fd(), *fd, libc::O_CLOEXEC) }, *fd);
    }
    let mut buf = dirty::<256>();
    let len = rights(&mut buf, slots);
    let bytes: &mut ControlBuf = &mut buf;
    let capacity = bytes.as_bytes().len();
    // SAFETY: every slot that is not negative is a descriptor made above, and owned by nothing else.
    let control = unsafe { Ancillary::from_kernel(&mut bytes.as_mut_bytes()[..len], capacity, MsgFlags::empty()) };
    mark("start");
    drop(control);
    mark("end");
    for fd in BASE..BASE + 20 {
        assert_eq!(is_open(fd), strangers.contains(&fd), "{fd}");
    }
}

/// One `SCM_RIGHTS` with these slots; its length.
fn rights(buf: &mut ControlBuf, slots: &[RawFd]) -> usize {
    let mut encoder = Encoder::new(buf);
    let payload: Vec<u8> = slots.iter().flat_map(|slot| slot.to_ne_bytes()).collect();
    // SAFETY: these bytes are not sent.
    unsafe { encoder.push_raw(libc::SOL_SOCKET, libc::SCM_RIGHTS, &payload) }.unwrap();
    assert_eq!(encoder.as_bytes().len(), CMSG_HEADER + payload.len());
    encoder.as_bytes().len()
}

/// What each part closes: first and last of each run.
const PARTS: [(&str, &[(RawFd, RawFd)]); 16] = [
    ("none", &[]),
    ("single", &[(50, 50)]),
    ("two", &[(50, 51)]),
    ("run", &[(50, 54)]),
    ("strangers", &[(50, 50), (52, 53), (55, 57)]),
    ("neighbours", &[(50, 52)]),
    ("all_apart", &[(50, 50), (52, 52), (54, 54)]),
    ("first_taken", &[(52, 54)]),
    ("all_taken", &[]),
    ("pidfd_joins", &[(50, 53)]),
    ("pidfd_taken", &[(50, 52)]),
    ("rights_taken", &[(53, 53)]),
    ("middle_taken", &[(50, 51), (53, 55)]),
    ("refused_in_the_middle", &[(50, 51), (53, 54)]),
    ("descending", &[(54, 54), (53, 53), (52, 52)]),
    ("mixed", &[(57, 57), (50, 51), (55, 56), (53, 53)]),
];

fn needs_pidfd(part: &str) -> bool {
    let (_a, b) = pair(SocketType::SEQPACKET);
    let lacking = setsockopt(&b, sockopt::PassPidFd, true).is_err();
    let skip = lacking && (part.contains("pidfd") || part == "rights_taken");
    if skip {
        println!("SKIPPED: {part}: SO_PASSPIDFD is not in this kernel");
    }
    skip
}

const CALLS: &str = "trace=close,close_range,write";

#[test]
fn a_run_is_one_close_range_and_a_single_one_is_one_close() {
    if let Some(part) = part() {
        return work(&part);
    }
    let test = "a_run_is_one_close_range_and_a_single_one_is_one_close";
    for (part, runs) in PARTS {
        if needs_pidfd(part) {
            continue;
        }
        let Some(trace) = traced(test, part, &["-e", CALLS]) else { return };
        let calls = between(&trace, "start", "end");
        let expected: Vec<String> = runs
            .iter()
            .map(|(first, last)| match first == last {
                true => format!("close({first})"),
                false => format!("close_range({first}, {last}, 0)"),
            })
            .collect();
        assert_eq!(calls.len(), expected.len(), "{part}: {calls:#?}");
        for (call, expected) in calls.iter().zip(&expected) {
            assert!(call.starts_with(expected) && call.ends_with(" = 0"), "{part}: {call}, not {expected}");
        }
    }
}

#[test]
fn where_close_range_is_refused_each_is_closed_and_nothing_leaks() {
    if let Some(part) = part() {
        return work(&part);
    }
    let test = "where_close_range_is_refused_each_is_closed_and_nothing_leaks";
    for errno in ["ENOSYS", "EPERM"] {
        for (part, runs) in PARTS {
            if needs_pidfd(part) {
                continue;
            }
            let inject = format!("inject=close_range:error={errno}");
            let Some(trace) = traced(test, part, &["-e", CALLS, "-e", &inject]) else { return };
            let calls = between(&trace, "start", "end");
            let mut expected = Vec::new();
            for (first, last) in runs {
                if first != last {
                    expected.push(format!("close_range({first}, {last}, 0)"));
                }
                expected.extend((*first..=*last).map(|fd| format!("close({fd})")));
            }
            assert_eq!(calls.len(), expected.len(), "{part}, {errno}: {calls:#?}");
            for (call, expected) in calls.iter().zip(&expected) {
                assert!(call.starts_with(expected.as_str()), "{part}, {errno}: {call}, not {expected}");
                assert_eq!(call.contains(errno), call.starts_with("close_range"), "{part}: {call}");
            }
        }
    }
}

#[test]
fn descriptors_between_the_runs_survive() {
    if let Some(part) = part() {
        return work(&part);
    }
    // Each part looks at the table itself.
    for (part, _) in PARTS {
        if !needs_pidfd(part) {
            run_alone("descriptors_between_the_runs_survive", part);
        }
    }
}

#[test]
fn the_most_that_one_message_can_open_are_all_closed() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let _ = setsockopt(&b, sockopt::PassPidFd, true);
    let canary = Canary::new();
    send(&a, b"x", &[canary.fd(); 253]).unwrap();
    let mut buf = dirty::<2048>();
    let mut data = [0xff];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
    assert_eq!(received.control.fds().filter(Result::is_ok).count(), 253);
    drop(received);
    assert!(canary.all_closed());
}
