//! `bulk` moves any number of descriptors, in order: it repeats what was interrupted, stops at every other error with the exact
//! number that has gone or come, goes on from there, and loses none, whatever the peer sends.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{
    Canary, TYPES, between, dirty, drop_privilege, fill_holes, inode, limit_descriptors, mark, open_descriptors,
    own_credentials, pair, part, pipe, raise_limit, run_alone, send, send_control, start_with, traced,
};
use scmsg::bulk::{RecvStopped, SendStopped, Stop, recv_fds, send_fds};
use scmsg::{
    AsFd, BorrowedFd, Cause, Encoder, Errno, FdSet, OwnedFd, PollFd, PollFlags, RawFd, RecvFlags, RecvMsg, SocketFlags,
    SocketType, poll, recvmsg, setsockopt, socketpair, sockopt,
};

/// Whether this is not the process of its own that the test needs; it has been run then.
fn elsewhere(test: &str) -> bool {
    let elsewhere = part().is_none();
    if elsewhere {
        run_alone(test, "alone");
    } else {
        // Who waits for ever is wrong, and ends by a signal. SAFETY: no pointers.
        unsafe { libc::alarm(60) };
    }
    elsewhere
}

/// Descriptors that can be told apart, and a list of any length made of them.
struct Kinds {
    pipes: Vec<(OwnedFd, OwnedFd)>,
}

impl Kinds {
    fn new() -> Self {
        Self { pipes: (0..7).map(|_| pipe()).collect() }
    }

    /// The kind of the descriptor at a place: no period of it is one of 253.
    fn at(place: usize) -> usize {
        (place + place / 50) % 7
    }

    fn list(&self, count: usize) -> Vec<BorrowedFd<'_>> {
        (0..count).map(|place| self.pipes[Self::at(place)].0.as_fd()).collect()
    }

    /// Whether `fds` are what `list` gave, from `first` on.
    fn check(&self, fds: &[BorrowedFd<'_>], first: usize) {
        let inodes: Vec<_> = self.pipes.iter().map(|(read, _)| inode(read.as_fd())).collect();
        for (i, fd) in fds.iter().enumerate() {
            assert_eq!(inode(*fd), inodes[Self::at(first + i)], "descriptor {i} from {first}");
        }
        for i in [0, fds.len() / 2, fds.len().saturating_sub(1)] {
            if let Some(fd) = fds.get(i) {
                let (mine, theirs) = (fd.as_raw_fd(), self.pipes[Self::at(first + i)].0.as_raw_fd());
                assert!(mine != theirs && same_file(mine, theirs) && common::is_cloexec(mine));
            }
        }
    }
}

/// Whether two descriptors are one open file; `true` where the kernel cannot be asked.
fn same_file(one: RawFd, other: RawFd) -> bool {
    let pid = std::process::id();
    const KCMP_FILE: libc::c_int = 0;
    // SAFETY: no pointers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other) };
    if order < 0 {
        println!("SKIPPED: no kcmp here: {}", std::io::Error::last_os_error());
    }
    order <= 0
}

/// Storage for `want` descriptors and the rest of a last message.
fn room(want: usize) -> Vec<RawFd> {
    vec![-1; want + 252]
}

/// Whether nothing waits on the socket.
fn is_drained(socket: &OwnedFd) -> bool {
    recvmsg(socket, &mut RecvMsg::new(&mut []), RecvFlags::DONTWAIT).map(drop) == Err(Errno::EAGAIN)
}

#[test]
fn any_number_arrives_in_order() {
    if elsewhere("any_number_arrives_in_order") {
        return;
    }
    let limit = raise_limit();
    let most = 20_000.min(limit - open_descriptors() - 100);
    println!("up to {most} descriptors");
    assert!(most > 500);
    let kinds = Kinds::new();
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        let before = open_descriptors();
        for count in [0, 1, 2, 252, 253, 254, 505, 506, 507, 1000, most] {
            let count = count.min(most);
            let fds = kinds.list(count);
            let mut numbers = room(count);
            let mut set = FdSet::new(&mut numbers[..]);
            thread::scope(|scope| {
                let sender = scope.spawn(|| send_fds(&a, &fds));
                assert_eq!(recv_fds(&b, &mut set, count), Ok(count), "{name}");
                assert_eq!(sender.join().unwrap(), Ok(()), "{name}");
            });
            assert_eq!((set.len(), set.fds().len()), (count, count));
            kinds.check(set.fds(), 0);
            assert!(is_drained(&b), "{name}: {count} and no message more");
            assert_eq!(open_descriptors(), before + count);
            drop(set);
            assert_eq!(open_descriptors(), before, "{name}: all of {count} are closed");
        }
    }
}

#[test]
fn a_second_process_takes_them_and_gives_them_back() {
    let test = "a_second_process_takes_them_and_gives_them_back";
    const COUNT: usize = 600;
    match part().as_deref() {
        Some("other") => {
            raise_limit();
            // SAFETY: standard input is the socket, and stays open.
            let socket = unsafe { BorrowedFd::borrow_raw(0) };
            let mut numbers = [-1; COUNT + 252];
            let mut set = FdSet::new(&mut numbers[..]);
            assert_eq!(recv_fds(socket, &mut set, COUNT), Ok(COUNT));
            send_fds(socket, set.fds()).unwrap();
        }
        Some(_) => {
            raise_limit();
            for (name, kind) in TYPES {
                let (a, b) = pair(kind);
                let kinds = Kinds::new();
                let child = start_with(test, "other", b);
                send_fds(&a, &kinds.list(COUNT)).unwrap();
                let mut numbers = room(COUNT);
                let mut set = FdSet::new(&mut numbers[..]);
                assert_eq!(recv_fds(&a, &mut set, COUNT), Ok(COUNT), "{name}");
                kinds.check(set.fds(), 0);
                assert!(child.wait_with_output().unwrap().status.success(), "{name}");
            }
        }
        None => drop(run_alone(test, "first")),
    }
}

fn ready(socket: &OwnedFd, events: PollFlags, wait: Option<Duration>) -> bool {
    let mut entries = [PollFd::new(socket, events)];
    poll(&mut entries, wait).unwrap() == 1 && entries[0].events().intersects(events)
}

#[test]
fn a_full_socket_stops_it_and_it_goes_on_from_there() {
    if elsewhere("a_full_socket_stops_it_and_it_goes_on_from_there") {
        return;
    }
    raise_limit();
    const COUNT: usize = 6_000;
    let kinds = Kinds::new();
    let fds = kinds.list(COUNT);
    for (name, kind) in TYPES {
        let (a, b) = socketpair(kind, SocketFlags::NONBLOCK).unwrap();
        // The kernel makes the least that it allows of it: room for a few messages.
        setsockopt(&a, sockopt::SendBuffer, 1).unwrap();
        let before = open_descriptors();
        let mut numbers = room(COUNT);
        let mut set = FdSet::new(&mut numbers[..]);
        let nothing = RecvStopped { received: 0, why: Stop::Errno(Errno::EAGAIN) };
        assert_eq!(recv_fds(&b, &mut set, 1), Err(nothing));
        let (mut sent, mut stops) = (0, 0);
        while sent < COUNT {
            match send_fds(&a, &fds[sent..]) {
                Ok(()) => sent = COUNT,
                Err(SendStopped { sent: more, why }) => {
                    assert_eq!(why, Errno::EAGAIN, "{name}");
                    assert!(more > 0 && more % 253 == 0, "{name}: whole messages");
                    sent += more;
                    stops += 1;
                    assert!(!ready(&a, PollFlags::OUT, Some(Duration::ZERO)), "{name}: full");
                }
            }
            assert!(ready(&b, PollFlags::IN, None));
            // There is exactly what was said to be sent.
            let had = set.len();
            let result = recv_fds(&b, &mut set, COUNT - had);
            match result {
                Ok(all) => assert_eq!((had + all, sent), (COUNT, COUNT), "{name}"),
                Err(stopped) => {
                    assert_eq!(stopped.why, Stop::Errno(Errno::EAGAIN), "{name}");
                    assert_eq!(had + stopped.received, sent, "{name}");
                }
            }
            assert_eq!(set.len(), sent, "{name}");
            assert!(ready(&a, PollFlags::OUT, None));
        }
        assert!(stops > 2, "{name}: it stopped {stops} times");
        kinds.check(set.fds(), 0);
        drop(set);
        assert_eq!(open_descriptors(), before);
    }
}

#[test]
fn both_sides_can_poll() {
    if elsewhere("both_sides_can_poll") {
        return;
    }
    raise_limit();
    const COUNT: usize = 6_000;
    let kinds = Kinds::new();
    let fds = kinds.list(COUNT);
    for (name, kind) in TYPES {
        let (a, b) = socketpair(kind, SocketFlags::NONBLOCK).unwrap();
        let mut numbers = room(COUNT);
        let mut set = FdSet::new(&mut numbers[..]);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut rest = &fds[..];
                while let Err(SendStopped { sent, why }) = send_fds(&a, rest) {
                    assert_eq!(why, Errno::EAGAIN, "{name}");
                    rest = &rest[sent..];
                    ready(&a, PollFlags::OUT, None);
                }
            });
            while set.len() < COUNT {
                let left = COUNT - set.len();
                if let Err(stopped) = recv_fds(&b, &mut set, left) {
                    assert_eq!(stopped.why, Stop::Errno(Errno::EAGAIN), "{name}");
                    assert_eq!(stopped.received, left - (COUNT - set.len()), "{name}");
                    ready(&b, PollFlags::IN, None);
                }
            }
        });
        kinds.check(set.fds(), 0);
    }
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn what_a_signal_interrupts_is_repeated() {
    if elsewhere("what_a_signal_interrupts_is_repeated") {
        return;
    }
    raise_limit();
    // A handler that does not ask for calls to be made again.
    // SAFETY: an all-zero `sigaction` is one without flags and mask; the handler counts.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count_signal as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
    }
    const COUNT: usize = 3_000;
    let kinds = Kinds::new();
    let fds = kinds.list(COUNT);
    let done = AtomicBool::new(false);
    // SAFETY: no precondition.
    let receiver = unsafe { libc::pthread_self() } as usize; // a number, because musl's is a pointer
    thread::scope(|scope| {
        let interrupt = |thread: usize| {
            while !done.load(Ordering::Acquire) {
                // SAFETY: the thread lives until `done`.
                unsafe { libc::pthread_kill(thread as libc::pthread_t, libc::SIGUSR1) };
                thread::sleep(Duration::from_micros(500));
            }
        };
        scope.spawn(move || interrupt(receiver));
        for (name, kind) in TYPES {
            let (a, b) = pair(kind);
            setsockopt(&a, sockopt::SendBuffer, 1).unwrap();
            // That is what a plain call says here.
            let mut message = RecvMsg::new(&mut []);
            assert_eq!(recvmsg(&b, &mut message, RecvFlags::empty()).map(drop), Err(Errno::EINTR));
            let sender = scope.spawn({
                let (fds, done) = (&fds, &done);
                move || {
                    // SAFETY: no precondition.
                    let me = unsafe { libc::pthread_self() } as usize;
                    let sent = AtomicBool::new(false);
                    let sent = &sent;
                    thread::scope(|scope| {
                        scope.spawn(move || {
                            while !sent.load(Ordering::Acquire) && !done.load(Ordering::Acquire) {
                                // SAFETY: the thread waits for this one to end.
                                unsafe { libc::pthread_kill(me as libc::pthread_t, libc::SIGUSR1) };
                                thread::sleep(Duration::from_micros(500));
                            }
                        });
                        thread::sleep(Duration::from_millis(20));
                        let result = send_fds(&a, fds);
                        sent.store(true, Ordering::Release);
                        result
                    })
                }
            });
            let mut numbers = room(COUNT);
            let mut set = FdSet::new(&mut numbers[..]);
            // It waits while the sender sleeps, and the sender waits while this one does.
            let first = recv_fds(&b, &mut set, 1);
            std::thread::sleep(Duration::from_millis(20));
            let rest = recv_fds(&b, &mut set, COUNT - 253);
            if (first, rest) != (Ok(253), Ok(COUNT - 253)) {
                done.store(true, Ordering::Release);
                drop(b);
                panic!("{name}: {first:?} {rest:?} {:?}", sender.join());
            }
            assert_eq!(sender.join().unwrap(), Ok(()), "{name}");
            kinds.check(set.fds(), 0);
        }
        done.store(true, Ordering::Release);
    });
    println!("{} signals", SIGNALS.load(Ordering::Relaxed));
    assert!(SIGNALS.load(Ordering::Relaxed) > 20);
}

/// 507 descriptors there and back: three messages.
fn three_messages() {
    raise_limit();
    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    let mut numbers = room(507);
    let fds = [canary.fd(); 507];
    let mut set = FdSet::new(&mut numbers[..]);
    mark("none");
    send_fds(&a, &[]).unwrap();
    assert_eq!(recv_fds(&b, &mut set, 0), Ok(0));
    mark("send");
    send_fds(&a, &fds).unwrap();
    mark("receive");
    assert_eq!(recv_fds(&b, &mut set, 507), Ok(507));
    mark("end");
    assert_eq!(set.len(), 507);
}

#[test]
fn each_message_is_one_call_and_one_more_for_each_interruption() {
    if part().is_some() {
        return three_messages();
    }
    let test = "each_message_is_one_call_and_one_more_for_each_interruption";
    for (inject, interrupted) in
        [("inject=shutdown:error=EIO", false), ("inject=sendmsg,recvmsg:error=EINTR:when=1+2", true)]
    {
        let Some(trace) = traced(test, "traced", &["-e", inject]) else { return };
        assert!(between(&trace, "none", "send").is_empty(), "nothing to move is no call");
        for (from, to, call) in [("send", "receive", "sendmsg("), ("receive", "end", "recvmsg(")] {
            let calls = between(&trace, from, to);
            assert!(calls.iter().all(|line| line.starts_with(call)), "{calls:#?}");
            let failed: Vec<_> = calls.iter().map(|line| line.contains("EINTR")).collect();
            let expected: &[_] = if interrupted { &[true, false, true, false, true, false] } else { &[false; 3] };
            assert_eq!(failed, expected, "{calls:#?}");
        }
    }
}

#[test]
fn too_many_in_flight_stop_it_with_the_exact_number() {
    if elsewhere("too_many_in_flight_stop_it_with_the_exact_number") {
        return;
    }
    // SAFETY: no precondition.
    let alone = unsafe { libc::geteuid() } == 0;
    drop_privilege();
    const LIMIT: u64 = 600;
    limit_descriptors(LIMIT);
    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    let fds = [canary.fd(); 1000];
    let stopped = send_fds(&a, &fds).unwrap_err();
    assert_eq!(stopped.why, Errno::ETOOMANYREFS);
    assert_eq!(stopped.to_string(), format!("stopped after sending {} descriptors: {}", stopped.sent, stopped.why));
    if alone {
        // 506 are not above 600, 759 are.
        assert_eq!(stopped.sent, 759);
        assert_eq!(send_fds(&a, &fds[759..]), Err(SendStopped { sent: 0, why: Errno::ETOOMANYREFS }));
    }
    let (mut sent, mut received) = (stopped.sent, 0);
    let mut numbers = room(253);
    let mut set = FdSet::new(&mut numbers[..]);
    while received < fds.len() {
        if received < sent {
            received += recv_fds(&b, &mut set, 1).unwrap();
            set.clear();
        }
        match send_fds(&a, &fds[sent..]) {
            Ok(()) => sent = fds.len(),
            Err(stopped) => {
                assert_eq!(stopped.why, Errno::ETOOMANYREFS);
                sent += stopped.sent;
            }
        }
    }
    assert!(is_drained(&b));
    drop(set);
    assert!(canary.all_closed());
}

#[test]
fn a_full_table_loses_the_rest_of_a_message_and_keeps_what_came() {
    if elsewhere("a_full_table_loses_the_rest_of_a_message_and_keeps_what_came") {
        return;
    }
    // What this process was started with, far up, would be in the way.
    for fd in 64..1024 {
        // SAFETY: nothing here owns it.
        unsafe { libc::close(fd) };
    }
    for (name, kind) in TYPES {
        for (before, free, want) in [(0, 10, 253), (0, 0, 253), (253, 5, 500), (253, 252, 506), (253, 0, 254)] {
            let (a, b) = pair(kind);
            let canary = Canary::new();
            let (used, open) = (fill_holes(), open_descriptors());
            send_fds(&a, &[canary.fd(); 600]).unwrap();
            let mut numbers = room(700);
            let mut set = FdSet::new(&mut numbers[..]);
            limit_descriptors(used + before + free);
            let result = recv_fds(&b, &mut set, want);
            limit_descriptors(900);
            let (before, came) = (before as usize, free as usize);
            let why = Stop::Lost { said: 253, came, truncated: Some(Cause::NotBuffer) };
            assert_eq!(result, Err(RecvStopped { received: before + came, why }), "{name}");
            assert_eq!(set.len(), before + came);
            assert!(set.fds().iter().all(|fd| common::is_open(fd.as_raw_fd())), "what came is owned");
            assert_eq!(open_descriptors(), open + set.len());
            // It can go on.
            assert_eq!(recv_fds(&b, &mut set, 94), if before == 0 { Ok(253) } else { Ok(94) });
            drop((set, a, b));
            assert!(canary.all_closed(), "{name}");
        }
    }
}

#[test]
fn a_peer_that_closes_is_told_with_what_came_before() {
    if elsewhere("a_peer_that_closes_is_told_with_what_came_before") {
        return;
    }
    raise_limit();
    for (name, kind) in [("stream", SocketType::STREAM), ("seqpacket", SocketType::SEQPACKET)] {
        for passed in [false, true] {
            for count in [0, 1, 253, 606] {
                let (a, b) = pair(kind);
                setsockopt(&b, sockopt::PassCred, passed).unwrap();
                if setsockopt(&b, sockopt::PassPidFd, passed).is_err() && passed {
                    println!("SKIPPED: SO_PASSPIDFD is not in this kernel");
                }
                let before = open_descriptors();
                let canary = Canary::new();
                send_fds(&a, &vec![canary.fd(); count]).unwrap();
                drop(a);
                let mut numbers = room(1000);
                let mut set = FdSet::new(&mut numbers[..]);
                let closed = |received| Err(RecvStopped { received, why: Stop::Closed });
                assert_eq!(recv_fds(&b, &mut set, 1000), closed(count), "{name}");
                assert_eq!(set.len(), count, "{name}");
                assert_eq!(recv_fds(&b, &mut set, 1000), closed(0), "{name}");
                assert_eq!(set.len(), count, "{name}");
                drop(set);
                assert!(canary.all_closed(), "{name}");
                assert_eq!(open_descriptors(), before - 1, "{name}: `a`, and no process descriptor");
            }
        }
    }
    // On datagrams it is an empty message, and more can come.
    let (a, b) = pair(SocketType::DGRAM);
    let canary = Canary::new();
    send_fds(&a, &[canary.fd(); 3]).unwrap();
    send(&a, b"", &[]).unwrap();
    send_fds(&a, &[canary.fd(); 2]).unwrap();
    let mut numbers = [0; 8];
    let mut set = FdSet::new(&mut numbers[..]);
    assert_eq!(recv_fds(&b, &mut set, 5), Err(RecvStopped { received: 3, why: Stop::Closed }));
    assert_eq!(recv_fds(&b, &mut set, 2), Ok(2));
    drop(set);
    assert!(canary.all_closed());
}

#[test]
fn a_receiver_that_is_gone_is_an_errno_with_what_went() {
    if elsewhere("a_receiver_that_is_gone_is_an_errno_with_what_went") {
        return;
    }
    raise_limit();
    // No handler: a SIGPIPE would end this process.
    // SAFETY: the default action is no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let (gone, reset, refused) = (Errno::EPIPE, Errno::ECONNRESET, Errno::ECONNREFUSED);
    for (name, kind) in TYPES {
        let canary = Canary::new();
        let (a, b) = pair(kind);
        drop(b);
        let why = if kind == SocketType::DGRAM { refused } else { gone };
        assert_eq!(send_fds(&a, &[canary.fd(); 300]), Err(SendStopped { sent: 0, why }), "{name}");
        assert_eq!(send_fds(&a, &[]), Ok(()), "nothing to send is no call");

        // In the middle: the sender waits for room, and the receiver goes after its first message.
        let (a, b) = pair(kind);
        setsockopt(&a, sockopt::SendBuffer, 1).unwrap();
        let fds = vec![canary.fd(); 20_000];
        thread::scope(|scope| {
            let sender = scope.spawn(|| send_fds(&a, &fds));
            let mut numbers = room(253);
            let mut set = FdSet::new(&mut numbers[..]);
            assert_eq!(recv_fds(&b, &mut set, 1), Ok(253));
            drop(b);
            let SendStopped { sent, why } = sender.join().unwrap().unwrap_err();
            assert!([gone, reset, refused].contains(&why), "{name}: {why}");
            assert!(sent >= 253 && sent % 253 == 0 && sent < fds.len(), "{name}: {sent}");
        });
        drop((fds, a));
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn a_message_of_another_protocol_is_told_and_leaks_nothing() {
    let test = "a_message_of_another_protocol_is_told_and_leaks_nothing";
    if elsewhere(test) {
        return;
    }
    let lost = |said, came| Stop::Lost { said, came, truncated: None };
    let other = |bytes, descriptors| Stop::Protocol { bytes, descriptors };
    // Data, descriptors, what is said of it, how many are kept, and whether it is the same on a stream.
    let cases: [(&[u8], usize, Stop, usize, bool); 14] = [
        (&[5], 3, lost(5, 3), 3, true),
        (&[255], 3, lost(255, 3), 3, true),
        (&[254], 253, lost(254, 253), 253, true),
        (&[1], 3, lost(1, 3), 3, true),
        (&[252], 253, lost(252, 253), 253, true),
        (&[3], 0, lost(3, 0), 0, true),
        (&[0], 3, other(1, 3), 0, true),
        (&[0], 0, other(1, 0), 0, true),
        (&[0], 253, other(1, 253), 0, true),
        (&[3, 3], 3, other(2, 3), 0, false),
        (&[3, 0], 0, other(2, 0), 0, false),
        (&[0, 3], 3, other(2, 3), 0, false),
        (&[7; 100], 7, other(100, 7), 0, false),
        (&[], 3, other(0, 3), 0, false),
    ];
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        for passed in [false, true] {
            setsockopt(&b, sockopt::PassCred, passed).unwrap();
            let _ = setsockopt(&b, sockopt::PassPidFd, passed);
            for (data, fds, why, kept, streams) in cases {
                if name == "stream" && !streams {
                    continue;
                }
                let case = format!("{name}, {data:?} with {fds}");
                let canary = Canary::new();
                let before = open_descriptors();
                // A good message first: what it brought is told as well.
                send_fds(&a, &[canary.fd(); 2]).unwrap();
                send(&a, data, &vec![canary.fd(); fds]).unwrap();
                let mut numbers = room(300);
                let mut set = FdSet::new(&mut numbers[..]);
                let stopped = RecvStopped { received: 2 + kept, why };
                assert_eq!(recv_fds(&b, &mut set, 300), Err(stopped), "{case}");
                assert_eq!(set.len(), 2 + kept, "{case}");
                assert_eq!(open_descriptors(), before + 2 + kept, "{case}: the others are closed");
                assert!(is_drained(&b), "{case}");
                // A good one behind it is as good as ever.
                send_fds(&a, &[canary.fd(); 4]).unwrap();
                assert_eq!(recv_fds(&b, &mut set, 4), Ok(4), "{case}");
                drop(set);
                assert_eq!(open_descriptors(), before, "{case}");
                assert!(canary.all_closed(), "{case}");
            }
        }
    }
    // A stream has no messages: a second byte is the next one, without descriptors.
    let (a, b) = pair(SocketType::STREAM);
    let canary = Canary::new();
    for (data, why) in [([3, 7], lost(7, 0)), ([3, 0], other(1, 0))] {
        send(&a, &data, &[canary.fd(); 3]).unwrap();
        let mut set = FdSet::new([0; 300]);
        assert_eq!(recv_fds(&b, &mut set, 10), Err(RecvStopped { received: 3, why }));
        assert_eq!(set.len(), 3);
    }
    // No byte is nothing at all: the kernel has thrown the descriptors away.
    send(&a, &[], &[canary.fd(); 3]).unwrap();
    assert!(is_drained(&b));
    drop((a, b));
    assert!(canary.all_closed());
}

#[test]
fn what_does_not_fit_is_closed_and_counted() {
    if elsewhere("what_does_not_fit_is_closed_and_counted") {
        return;
    }
    for (name, kind) in TYPES {
        for passed in [false, true] {
            for slots in 0..=9 {
                let (a, b) = pair(kind);
                setsockopt(&b, sockopt::PassCred, passed).unwrap();
                let canary = Canary::new();
                let before = open_descriptors();
                (0..3).for_each(|_| send_fds(&a, &[canary.fd(); 3]).unwrap());
                let mut numbers = vec![77; slots];
                let mut set = FdSet::new(&mut numbers[..]);
                let result = recv_fds(&b, &mut set, 9);
                match slots {
                    9 => assert_eq!(result, Ok(9)),
                    _ => {
                        let why = Stop::NoRoom { closed: 3 - slots % 3 };
                        assert_eq!(result, Err(RecvStopped { received: slots, why }), "{name}");
                    }
                }
                assert_eq!((set.len(), set.room()), (slots, 0), "{name}");
                assert_eq!(open_descriptors(), before + slots, "{name}");
                drop((set, a, b));
                assert!(canary.all_closed());
            }
        }
    }
}

#[test]
fn credentials_beside_the_descriptors_do_not_matter() {
    for (name, kind) in TYPES {
        let (a, b) = pair(kind);
        setsockopt(&b, sockopt::PassCred, true).unwrap();
        let _ = setsockopt(&b, sockopt::PassPidFd, true);
        if kind == SocketType::STREAM {
            let _ = setsockopt(&b, sockopt::Inq, true);
        } else {
            setsockopt(&b, sockopt::ReceiveTimestampNew, true).unwrap();
        }
        let canary = Canary::new();
        let mut numbers = room(253);
        let mut set = FdSet::new(&mut numbers[..]);
        send_fds(&a, &[canary.fd(); 253]).unwrap();
        assert_eq!(recv_fds(&b, &mut set, 253), Ok(253), "{name}");
        set.clear();
        // And those that the sender wrote itself.
        let mut buf = dirty::<256>();
        let mut control = Encoder::new(&mut buf);
        control.push(&own_credentials()).unwrap().push_rights(&[canary.fd(); 2]).unwrap();
        send_control(&a, &[2], (&control).into()).unwrap();
        assert_eq!(recv_fds(&b, &mut set, 2), Ok(2), "{name}");
        drop(set);
        assert!(canary.all_closed(), "{name}");
    }
}

#[test]
fn a_last_message_may_bring_more_than_was_wanted() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    send_fds(&a, &[canary.fd(); 10]).unwrap();
    send_fds(&a, &[canary.fd(); 10]).unwrap();
    let mut set = FdSet::new([0; 20]);
    assert_eq!(recv_fds(&b, &mut set, 3), Ok(10));
    assert_eq!((set.len(), set.room()), (10, 10));
    assert!(!is_drained(&b), "the second message is still there");
    drop((set, a, b));
    assert!(canary.all_closed());
}

#[test]
fn a_set_that_was_taken_from_has_room_again() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let canary = Canary::new();
    let mut set = FdSet::new([-1; 12]);
    for turn in 0..50 {
        send_fds(&a, &[canary.fd(); 5]).unwrap();
        assert_eq!(recv_fds(&b, &mut set, 5), Ok(5), "{turn}");
        assert_eq!(set.take_fds().take(5).count(), 5);
        send_fds(&a, &[canary.fd(); 7]).unwrap();
        assert_eq!(recv_fds(&b, &mut set, 7), Ok(7), "{turn}");
        assert_eq!(set.take_fds().take(4).count(), 4);
        assert_eq!((set.len(), set.room()), (3, 9));
        set.clear();
    }
    drop(set);
    assert!(canary.all_closed());
}

#[cfg(feature = "std")]
#[test]
fn a_vector_grows_as_much_as_it_takes() {
    if elsewhere("a_vector_grows_as_much_as_it_takes") {
        return;
    }
    raise_limit();
    let kinds = Kinds::new();
    let (a, b) = pair(SocketType::STREAM);
    for count in [1, 253, 254, 3_000] {
        let before = open_descriptors();
        let fds = kinds.list(count);
        let mut set = FdSet::new(Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| send_fds(&a, &fds).unwrap());
            assert_eq!(recv_fds(&b, &mut set, count), Ok(count));
        });
        kinds.check(set.fds(), 0);
        drop(set);
        assert_eq!(open_descriptors(), before);
    }
}

#[test]
fn a_socket_that_is_none_is_an_errno() {
    let null = common::dev_null();
    assert_eq!(send_fds(&null, &[null.as_fd()]), Err(SendStopped { sent: 0, why: Errno::ENOTSOCK }));
    let stopped = recv_fds(&null, &mut FdSet::new([0; 4]), 1).unwrap_err();
    assert_eq!(stopped, RecvStopped { received: 0, why: Stop::Errno(Errno::ENOTSOCK) });
    assert_eq!(stopped.to_string(), format!("stopped after receiving 0 descriptors: {}", Errno::ENOTSOCK));
    let text = |why| RecvStopped { received: 7, why }.to_string();
    assert_eq!(text(Stop::Closed), "stopped after receiving 7 descriptors: the peer has closed");
    assert_eq!(
        text(Stop::Lost { said: 9, came: 2, truncated: Some(Cause::NotBuffer) }),
        "stopped after receiving 7 descriptors: 2 came of 9, control truncated (NotBuffer)"
    );
    assert_eq!(
        text(Stop::Lost { said: 9, came: 2, truncated: None }),
        "stopped after receiving 7 descriptors: 2 came of 9"
    );
    assert_eq!(
        text(Stop::NoRoom { closed: 3 }),
        "stopped after receiving 7 descriptors: no room for 3, which were closed"
    );
    assert_eq!(
        text(Stop::Protocol { bytes: 2, descriptors: 3 }),
        "stopped after receiving 7 descriptors: not a bulk message: 2 bytes with 3 descriptors"
    );
}
