//! Law 3 for `FdSet`: it owns exactly the descriptors that were put in and not taken out, whatever the layout of their numbers
//! and whatever its storage held, and dropping it closes each run of consecutive numbers by one call and never another number.

mod common;

use std::collections::{BTreeSet, VecDeque};

use common::{
    Canary, between, dev_null, dirty, inode, is_open, mark, open_descriptors, pair, part, pipe, raise_limit, run_alone,
    send_control, traced,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use scmsg::{
    Ancillary, AsFd, Control, ControlBuf, Encoder, Errno, FdSet, IoSliceMut, MsgFlags, OwnedFd, RawFd, RecvFlags,
    RecvMsg, SocketType, Storage, recvmsg,
};

/// The numbers that the processes of their own arrange: nothing else opens any here.
const PLACES: std::ops::Range<RawFd> = 100..400;

/// Makes `number` a descriptor, which nothing owns yet.
fn open_at(null: &OwnedFd, number: RawFd) -> OwnedFd {
    assert!(!is_open(number), "{number} is taken");
    // SAFETY: no pointers; the number is free.
    assert_eq!(unsafe { libc::dup3(null.as_raw_fd(), number, libc::O_CLOEXEC) }, number);
    // SAFETY: the kernel has just opened it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Closes what was inherited where the numbers go.
fn clear_places() {
    for number in PLACES.start..2048 {
        // SAFETY: nothing here owns it.
        unsafe { libc::close(number) };
    }
}

fn fill<S: Storage>(set: &mut FdSet<S>, null: &OwnedFd, numbers: &[RawFd]) {
    for number in numbers {
        set.push(open_at(null, *number)).expect("room");
    }
}

fn numbers<S: Storage>(set: &FdSet<S>) -> Vec<RawFd> {
    set.fds().iter().map(|fd| fd.as_raw_fd()).collect()
}

/// First and last of each run, the slow way.
fn runs(numbers: &[RawFd]) -> Vec<(RawFd, RawFd)> {
    let mut runs: Vec<(RawFd, RawFd)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

/// Layouts of numbers, each with what is wrong if it is closed wrongly.
fn layouts() -> Vec<(String, Vec<RawFd>)> {
    let up = |from: RawFd, count: RawFd| from..from + count;
    let mut all: Vec<(String, Vec<RawFd>)> = vec![
        ("none".into(), vec![]),
        ("253 ascending, a full message".into(), up(100, 253).collect()),
        ("1000 ascending".into(), up(100, 1000).collect()),
        ("descending".into(), up(100, 20).rev().collect()),
        ("253 descending".into(), up(100, 253).rev().collect()),
        ("pairs".into(), up(0, 30).flat_map(|i| [100 + 3 * i, 101 + 3 * i]).collect()),
        ("every second".into(), up(0, 30).map(|i| 100 + 2 * i).collect()),
        ("two sequences by turns".into(), up(0, 40).flat_map(|i| [100 + i, 200 + i]).collect()),
        ("rotated".into(), up(150, 60).chain(up(100, 50)).collect()),
        ("the ends are right, the middle is not".into(), vec![100, 102, 101, 103]),
        ("so with 253".into(), up(100, 100).chain([201, 200]).chain(up(202, 151)).collect()),
        ("so in many places".into(), up(0, 60).flat_map(|i| [101 + 2 * i, 100 + 2 * i]).collect()),
        ("one step too many, and one back".into(), up(100, 40).chain([141, 140]).chain(up(142, 40)).collect()),
        ("a hole at the end".into(), up(100, 252).chain([353]).collect()),
        ("a hole at the start".into(), [100].into_iter().chain(up(102, 252)).collect()),
        ("a hole in the middle".into(), up(100, 126).chain(up(227, 127)).collect()),
        ("a run, then its predecessor".into(), up(101, 33).chain([100]).collect()),
        ("254".into(), up(100, 254).collect()),
        ("252".into(), up(100, 252).collect()),
    ];
    // Every length of run around the steps of the finder, alone and behind one another.
    for length in (1..=10).chain(30..=36).chain(62..=68).chain(94..=100) {
        all.push((format!("a run of {length}, then one"), up(100, length).chain([300]).collect()));
    }
    let mut from = 100;
    let mut many = Vec::new();
    for length in (1..=9).chain([31, 32, 33, 34, 65, 66, 1, 1, 2]) {
        many.extend(up(from, length));
        from += length + 1;
    }
    all.push(("runs of many lengths".into(), many));
    // And without order: parts of a line, shuffled by a generator that is always the same.
    let mut state = 0x9e37_79b9_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for turn in 0..40 {
        let mut parts: Vec<Vec<RawFd>> = Vec::new();
        let mut from = 100;
        for _ in 0..1 + random(12) {
            let length = 1 + random(45) as RawFd;
            parts.push(if random(4) == 0 { up(from, length).rev().collect() } else { up(from, length).collect() });
            from += length + random(2) as RawFd;
        }
        for i in (1..parts.len()).rev() {
            if random(2) == 0 {
                parts.swap(i, random(i + 1));
            }
        }
        all.push((format!("shuffled {turn}"), parts.concat()));
    }
    all
}

/// The work of the process that is traced: every layout, between two marks.
fn drop_all_layouts() {
    raise_limit();
    clear_places();
    let null = dev_null();
    for (i, (name, layout)) in layouts().iter().enumerate() {
        let mut storage = vec![-1; layout.len() + 3];
        let mut set = FdSet::new(&mut storage[..]);
        // Not always from the first slot on.
        let before = i % 3;
        fill(&mut set, &null, &(0..before as RawFd).map(|i| 2000 + i).collect::<Vec<_>>());
        fill(&mut set, &null, layout);
        assert_eq!(set.take_fds().take(before).count(), before);
        assert_eq!(numbers(&set), *layout, "{name}");
        mark(&format!("drop {i}"));
        drop(set);
        mark("done");
        // Few questions: each is a call that strace stops at.
        assert!(layout.iter().all(|number| !is_open(*number)), "{name}");
    }
}

const CALLS: &str = "trace=close,close_range,write";

#[test]
fn a_run_is_one_close_range_and_a_single_one_is_one_close() {
    if part().is_some() {
        return drop_all_layouts();
    }
    let test = "a_run_is_one_close_range_and_a_single_one_is_one_close";
    let Some(trace) = traced(test, "layouts", &["-e", CALLS]) else { return };
    for (i, (name, layout)) in layouts().iter().enumerate() {
        let expected: Vec<_> = runs(layout)
            .iter()
            .map(|(first, last)| match first == last {
                true => format!("close({first})"),
                false => format!("close_range({first}, {last}, 0)"),
            })
            .collect();
        let calls = between(&trace, &format!("drop {i}"), "done");
        let calls: Vec<_> = calls.iter().map(|call| call.split(" = 0").next().unwrap().trim_end()).collect();
        assert_eq!(calls, expected, "{name}");
    }
}

#[test]
fn where_close_range_is_refused_each_is_closed() {
    if part().is_some() {
        return drop_all_layouts();
    }
    let test = "where_close_range_is_refused_each_is_closed";
    let Some(trace) = traced(test, "layouts", &["-e", CALLS, "-e", "inject=close_range:error=EPERM"]) else { return };
    for (i, (name, layout)) in layouts().iter().enumerate() {
        let calls = between(&trace, &format!("drop {i}"), "done");
        let refused = calls.iter().filter(|call| call.contains("EPERM")).count();
        assert_eq!(refused, runs(layout).iter().filter(|(first, last)| first != last).count(), "{name}");
        let closed = calls.iter().filter_map(|call| call.strip_prefix("close(")?.split(')').next()?.parse().ok());
        assert_eq!(closed.collect::<Vec<RawFd>>(), *layout, "{name}: each once");
    }
}

/// Numbers in an order: parts of lines, some backwards, none twice.
fn arranged() -> impl Strategy<Value = Vec<RawFd>> {
    let part = (PLACES, 1..60_i32, any::<bool>()).prop_map(|(from, length, backwards)| {
        let line = from..(from + length).min(PLACES.end);
        if backwards { line.rev().collect() } else { line.collect::<Vec<_>>() }
    });
    vec(part, 0..10).prop_map(|parts| {
        let mut seen = BTreeSet::new();
        parts.concat().into_iter().filter(|number| seen.insert(*number)).collect()
    })
}

/// Runs a property in this process, which is one of its own.
fn holds<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(&strategy, property).unwrap_or_else(|error| panic!("{error}"));
}

/// Whether exactly these numbers of `PLACES` are open.
fn open_are(numbers: impl IntoIterator<Item = RawFd>) -> bool {
    let expected: BTreeSet<_> = numbers.into_iter().collect();
    PLACES.filter(|number| is_open(*number)).eq(expected)
}

#[test]
fn exactly_what_is_owned_is_closed() {
    let test = "exactly_what_is_owned_is_closed";
    if part().is_none() {
        run_alone(test, "places");
        return;
    }
    raise_limit();
    clear_places();
    let null = dev_null();
    let cases = (arranged(), vec(PLACES, 0..40), 0..400_usize, 0..400_usize, 0..400_usize, 0..3_usize);
    holds(cases, |(owned, strangers, taken, popped, at, how)| {
        let strangers: BTreeSet<_> = strangers.into_iter().filter(|number| !owned.contains(number)).collect();
        let strangers: Vec<_> = strangers.iter().map(|number| open_at(&null, *number)).collect();
        let others = || strangers.iter().map(|fd| fd.as_raw_fd());
        let mut storage = vec![0; owned.len()];
        let mut set = FdSet::new(&mut storage[..]);
        fill(&mut set, &null, &owned);
        prop_assert!(open_are(owned.iter().copied().chain(others())));

        let mut model: VecDeque<_> = owned.iter().copied().collect();
        for fd in set.take_fds().take(taken % (owned.len() + 1)) {
            prop_assert_eq!(Some(fd.as_raw_fd()), model.pop_front());
        }
        for _ in 0..popped % (model.len() + 1) {
            prop_assert_eq!(set.pop().map(|fd| fd.as_raw_fd()), model.pop_back());
        }
        prop_assert_eq!(numbers(&set), model.iter().copied().collect::<Vec<_>>());
        prop_assert!(open_are(model.iter().copied().chain(others())));
        match how {
            0 => drop(set),
            1 => {
                set.clear();
                prop_assert!(open_are(others()), "cleared");
                prop_assert!(set.is_empty() && set.fds().is_empty());
                drop(set);
            }
            _ => {
                let at = at % (model.len() + 2);
                let right: Vec<_> = model.split_off(at.min(model.len())).into();
                let (one, two) = set.split(at);
                prop_assert_eq!(numbers(&two), right.clone());
                prop_assert_eq!(numbers(&one), model.iter().copied().collect::<Vec<_>>());
                drop(one);
                prop_assert!(open_are(right.into_iter().chain(others())), "the left half alone");
                drop(two);
            }
        }
        prop_assert!(open_are(others()));
        drop(strangers);
        prop_assert!(open_are([]));
        Ok(())
    });
}

/// One control message as a kernel writes it, with `stray` bytes behind its slots.
fn message(bytes: &mut Vec<u8>, kind: i32, slots: &[RawFd], stray: usize) {
    let mut payload: Vec<u8> = slots.iter().flat_map(|slot| slot.to_ne_bytes()).collect();
    payload.resize(payload.len() + stray, 1);
    let mut buf = ControlBuf::<[u8; 2048]>::new();
    let mut encoder = Encoder::new(&mut buf);
    // SAFETY: these bytes are not sent.
    unsafe { encoder.push_raw(libc::SOL_SOCKET, kind, &payload) }.unwrap();
    bytes.resize(scmsg::CMSG_ALIGN(bytes.len()), 0xff);
    bytes.extend_from_slice(encoder.as_bytes());
}

#[test]
fn what_is_moved_into_a_set_is_the_sets_and_the_rest_is_not() {
    let test = "what_is_moved_into_a_set_is_the_sets_and_the_rest_is_not";
    if part().is_none() {
        run_alone(test, "places");
        return;
    }
    raise_limit();
    clear_places();
    let null = dev_null();
    // Numbers, some of them errnos or taken; cut in two messages and a process descriptor; at any alignment.
    let cases =
        (arranged(), vec((0..300_usize, 0..2_usize), 0..12), 0..300_usize, 0..4_usize, 0..8_usize, 0..310_usize);
    holds(cases, |(owned, holes, cut, stray, shift, room)| {
        let mut slots = owned.clone();
        for (at, kind) in holes {
            slots.insert(at % (slots.len() + 1), [RawFd::MIN, -1][kind]);
        }
        let opened: Vec<_> = owned.iter().map(|number| open_at(&null, *number).into_raw_fd()).collect();
        let (first, second) = slots.split_at(cut % (slots.len() + 1));
        let (second, pidfd) = second.split_at(second.len().saturating_sub(1));
        let mut bytes = Vec::new();
        message(&mut bytes, libc::SCM_RIGHTS, first, 0);
        message(&mut bytes, libc::SCM_RIGHTS, second, stray);
        const SCM_PIDFD: i32 = 4;
        message(&mut bytes, SCM_PIDFD, pidfd, 0);
        let mut shifted = [vec![0xff; shift], bytes].concat();

        let moves = |slots: &[RawFd]| slots.iter().copied().filter(|slot| *slot >= 0).collect::<Vec<_>>();
        let rights = [moves(first), moves(second)].concat();
        let capacity = shifted.len() - shift;
        // SAFETY: every slot that is not negative is a descriptor opened above, and owned by nothing else.
        let mut control = unsafe { Ancillary::from_kernel(&mut shifted[shift..], capacity, MsgFlags::empty()) };
        let mut storage = vec![0; room];
        let mut set = FdSet::new(&mut storage[..]);
        let taken = control.take_into(&mut set);
        prop_assert_eq!(taken, room.min(rights.len()));
        prop_assert_eq!(numbers(&set), rights[..taken].to_vec(), "the first of them, in order");
        let left: Vec<_> = control.fds().filter_map(Result::ok).map(|fd| fd.as_raw_fd()).collect();
        prop_assert_eq!(&left, &rights[taken..], "the others stay");
        let refused = first.iter().chain(second).filter(|slot| **slot == -1).count();
        prop_assert_eq!(control.fds().filter(|slot| slot.as_ref().err() == Some(&Errno::EPERM)).count(), refused);
        prop_assert!(open_are(opened.iter().copied()));
        // Whichever goes first closes its own and no other.
        if room % 2 == 0 {
            drop(control);
            prop_assert!(open_are(rights[..taken].iter().copied()));
            drop(set);
        } else {
            drop(set);
            prop_assert!(open_are(left.into_iter().chain(moves(pidfd))));
            drop(control);
        }
        prop_assert!(open_are([]));
        Ok(())
    });
}

#[test]
fn one_alone_is_moved_like_any_other() {
    for room in 0..3 {
        for refused in [None, Some(-1), Some(-4096), Some(RawFd::MIN)] {
            for stray in 0..4 {
                let canary = Canary::new();
                let slot = refused.unwrap_or_else(|| canary.copy());
                let mut bytes = Vec::new();
                message(&mut bytes, libc::SCM_RIGHTS, &[slot], stray);
                let capacity = bytes.len();
                // SAFETY: the slot is negative, or the descriptor that `copy` gives to nobody else.
                let mut control = unsafe { Ancillary::from_kernel(&mut bytes, capacity, MsgFlags::empty()) };
                let mut storage = vec![0; room];
                let mut set = FdSet::new(&mut storage[..]);
                let moves = usize::from(refused.is_none() && room > 0);
                assert_eq!(control.take_into(&mut set), moves, "{slot} with {stray} stray bytes into {room}");
                assert_eq!(control.take_into(&mut set), 0, "nothing twice");
                assert_eq!(numbers(&set), [slot][..moves]);
                drop(control);
                assert!(set.fds().iter().all(|fd| common::is_cloexec(fd.as_raw_fd())), "open");
                drop(set);
                assert!(canary.all_closed());
            }
        }
    }
}

/// What is done to a set.
#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Pop(usize),
    Take(usize),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..12_usize).prop_map(Step::Push),
        2 => (0..6_usize).prop_map(Step::Pop),
        3 => (0..9_usize).prop_map(Step::Take),
        1 => Just(Step::Clear),
    ];
    vec(step, 0..30)
}

/// A set beside a queue that does the same; `room` if it cannot grow.
fn same_as_a_queue<S: Storage>(mut set: FdSet<S>, room: Option<usize>, steps: &[Step]) -> Result<(), TestCaseError> {
    let null = dev_null();
    let start = open_descriptors();
    let mut model: VecDeque<RawFd> = VecDeque::new();
    for step in steps {
        match step {
            Step::Push(count) => {
                for _ in 0..*count {
                    // SAFETY: `dup` gives it to nobody else.
                    let fd = unsafe { OwnedFd::from_raw_fd(common::dup(&null)) };
                    let number = fd.as_raw_fd();
                    match set.push(fd) {
                        Ok(()) => model.push_back(number),
                        Err(back) => {
                            prop_assert_eq!(back.as_raw_fd(), number);
                            prop_assert_eq!(Some(model.len()), room, "full, and only then");
                            prop_assert!(is_open(number));
                        }
                    }
                }
            }
            Step::Pop(count) => {
                for _ in 0..*count {
                    prop_assert_eq!(set.pop().map(|fd| fd.as_raw_fd()), model.pop_back());
                }
            }
            Step::Take(count) => {
                let taken: Vec<_> = set.take_fds().take(*count).map(|fd| fd.as_raw_fd()).collect();
                let expected: Vec<_> = model.drain(..(*count).min(model.len())).collect();
                prop_assert_eq!(taken, expected);
            }
            Step::Clear => {
                set.clear();
                model.clear();
            }
        }
        prop_assert_eq!(numbers(&set), model.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        if let Some(room) = room {
            prop_assert_eq!(set.room(), room - model.len());
        }
        prop_assert_eq!(open_descriptors(), start + model.len());
    }
    drop(set);
    prop_assert_eq!(open_descriptors(), start);
    Ok(())
}

#[test]
fn a_set_is_a_queue_over_any_storage() {
    let test = "a_set_is_a_queue_over_any_storage";
    if part().is_none() {
        run_alone(test, "counts descriptors");
        return;
    }
    holds((steps(), 0..20_usize), |(steps, room)| {
        // The numbers of somebody else's descriptors in it mean nothing.
        let mut storage: Vec<RawFd> = (0..room as RawFd).collect();
        same_as_a_queue(FdSet::new(&mut storage[..]), Some(room), &steps)?;
        same_as_a_queue(FdSet::new([0; 0]), Some(0), &steps)?;
        same_as_a_queue(FdSet::new([0; 1]), Some(1), &steps)?;
        same_as_a_queue(FdSet::new([2; 16]), Some(16), &steps)?;
        #[cfg(feature = "std")]
        {
            same_as_a_queue(FdSet::new(Vec::new()), None, &steps)?;
            same_as_a_queue(FdSet::new(storage), None, &steps)?;
        }
        Ok(())
    });
    assert!((0..3).all(is_open), "what the storage held was nobody's");
}

#[test]
fn what_the_storage_held_does_not_matter() {
    let test = "what_the_storage_held_does_not_matter";
    if part().is_none() {
        run_alone(test, "looks at 0, 1 and 2");
        return;
    }
    let null = dev_null();
    let mut storage = [0, 1, 2, null.as_raw_fd()];
    drop(FdSet::new(&mut storage[..]));
    drop(FdSet::new(storage));
    let mut set = FdSet::new(storage);
    assert!(set.fds().is_empty() && set.pop().is_none() && set.take_fds().next().is_none());
    set.push(open_at(&null, 60)).unwrap();
    set.clear();
    assert!(!is_open(60));
    drop(set);
    assert!((0..3).all(is_open) && is_open(null.as_raw_fd()));
}

#[test]
fn taking_from_the_front_makes_room() {
    let canary = Canary::new();
    // SAFETY: `copy` gives it to nobody else.
    let fd = || unsafe { OwnedFd::from_raw_fd(canary.copy()) };
    let mut set = FdSet::new([-1; 4]);
    (0..4).for_each(|_| set.push(fd()).unwrap());
    let refused = set.push(fd()).unwrap_err();
    assert!(is_open(refused.as_raw_fd()), "it comes back, open");
    drop(refused);
    let order = numbers(&set);
    let taken: Vec<_> = set.take_fds().take(2).collect();
    assert_eq!((set.len(), set.room()), (2, 2));
    set.push(fd()).unwrap();
    assert_eq!(numbers(&set)[..2], order[2..], "in order, moved to the front");
    set.push(fd()).unwrap();
    assert!(set.push(fd()).is_err());
    // An iterator that is not run takes nothing.
    let _ = set.take_fds();
    assert_eq!(set.len(), 4);
    drop((taken, set));
    assert!(canary.all_closed());
}

#[test]
fn each_half_owns_its_part() {
    let canary = Canary::new();
    // SAFETY: `copy` gives it to nobody else.
    let fd = || unsafe { OwnedFd::from_raw_fd(canary.copy()) };
    for taken in 0..3 {
        for at in 0..9 {
            let mut storage = [0; 8];
            let mut set = FdSet::new(&mut storage[..]);
            (0..6).for_each(|_| set.push(fd()).unwrap());
            assert_eq!(set.take_fds().take(taken).count(), taken);
            let all = numbers(&set);
            let (mut left, mut right) = set.split(at);
            let at = at.min(all.len());
            assert_eq!((numbers(&left), numbers(&right)), (all[..at].to_vec(), all[at..].to_vec()));
            // What was taken from the front is room of the left one, the unused end is the right one's.
            assert_eq!((left.room(), right.room()), (taken, 2));
            (0..taken).for_each(|_| left.push(fd()).unwrap());
            (0..2).for_each(|_| right.push(fd()).unwrap());
            assert!(left.push(fd()).is_err() && right.push(fd()).is_err());
            assert_eq!(numbers(&left)[..at], all[..at]);
            drop(left);
            assert!(right.fds().iter().all(|fd| is_open(fd.as_raw_fd())));
            assert_eq!(numbers(&right)[..all.len() - at], all[at..]);
        }
    }
    assert!(canary.all_closed());
}

#[test]
fn what_is_lent_can_be_sent() {
    let (a, b) = pair(SocketType::SEQPACKET);
    let pipes = [(); 5].map(|()| pipe());
    let inodes = pipes.each_ref().map(|(read, _)| inode(read.as_fd()));
    let mut set = FdSet::new([-1; 8]);
    for (read, _write) in pipes {
        set.push(read).unwrap();
    }
    let mut buf = dirty::<64>();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(set.fds()).unwrap();
    send_control(&a, b"x", Control::from(&control)).unwrap();
    // From message to set to message.
    let mut buf = dirty::<128>();
    let mut data = [0xff];
    let mut data = [IoSliceMut::new(&mut data)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let mut received = recvmsg(&b, &mut message, RecvFlags::DONTWAIT).unwrap();
    drop(set);
    let mut other = FdSet::new([0; 5]);
    assert_eq!(received.control.take_into(&mut other), 5);
    assert_eq!(received.control.fds().count(), 0);
    drop(received);
    assert_eq!(other.fds().iter().map(|fd| inode(*fd)).collect::<Vec<_>>(), inodes);
    assert!(other.fds().iter().all(|fd| common::is_cloexec(fd.as_raw_fd())));
}

#[test]
fn a_panic_closes_it_too() {
    let canary = Canary::new();
    let result = std::panic::catch_unwind(|| {
        let mut set = FdSet::new([0; 4]);
        // SAFETY: `copy` gives it to nobody else.
        (0..3).for_each(|_| set.push(unsafe { OwnedFd::from_raw_fd(canary.copy()) }).unwrap());
        std::panic::resume_unwind(Box::new(set.len()));
    });
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&3_usize));
    assert!(canary.all_closed());
}

#[test]
fn a_set_goes_to_other_threads_and_prints_its_numbers() {
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<FdSet<&mut [RawFd]>>();
    send_and_sync::<FdSet<[RawFd; 4]>>();
    #[cfg(feature = "std")]
    send_and_sync::<FdSet<Vec<RawFd>>>();

    let canary = Canary::new();
    let mut set = FdSet::new([0; 4]);
    assert_eq!(format!("{set:?}"), "[]");
    let number = canary.copy();
    // SAFETY: `copy` gives it to nobody else.
    set.push(unsafe { OwnedFd::from_raw_fd(number) }).unwrap();
    assert_eq!(format!("{set:?}"), format!("[{number}]"));
    std::thread::spawn(move || drop(set)).join().unwrap();
    assert!(canary.all_closed());
}
