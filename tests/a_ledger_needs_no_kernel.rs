//! Law 3 without a system call: any program of looks and takes over adopted bytes agrees with a list, and each number is given
//! out once. What is taken is given up and what is left is taken, so nothing is closed, and this runs where there is no kernel.

mod naive;

use proptest::prelude::*;
use scmsg::{
    Ancillary, Cause, Cmsgs, Credentials, Errno, FdSet, Message, MsgFlags, OwnedFd, PidFd, RawFd, Rights,
    SecurityLabel, TimestampNew, TimestampNsNew, TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld,
    UnreadBytes, WrongCount,
};

const SOL_SOCKET: i32 = <Rights<'_> as scmsg::Message>::LEVEL;
const SCM_RIGHTS: i32 = 1;
const SCM_CREDENTIALS: i32 = 2;
const SCM_PIDFD: i32 = 4;
/// Numbers from here on are descriptors that no process has.
const FIRST: RawFd = 1 << 30;

/// What a slot says.
type Says = Result<RawFd, Errno>;

fn says(number: RawFd) -> Option<Says> {
    if number >= 0 { Some(Ok(number)) } else { Errno::from_raw(number.wrapping_neg()).map(Err) }
}

/// The list that a ledger is compared with: type of the message, and what the slot says until it is taken.
struct Model(Vec<(i32, Option<Says>)>);

impl Model {
    fn left(&self, kind: i32) -> Vec<Says> {
        self.0.iter().filter(|slot| slot.0 == kind).filter_map(|slot| slot.1).collect()
    }

    fn take(&mut self, kind: i32, wanted: impl Fn(&Says) -> bool) -> Option<Says> {
        self.0.iter_mut().find(|slot| slot.0 == kind && slot.1.as_ref().is_some_and(&wanted))?.1.take()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Look,
    Take(usize),
    TakeOne,
    TakePidFd,
    Exact(usize),
    Into(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Look),
        (0_usize..6).prop_map(Step::Take),
        Just(Step::TakeOne),
        Just(Step::TakePidFd),
        (0_usize..4).prop_map(Step::Exact),
        (0_usize..6).prop_map(Step::Into),
    ]
}

/// Messages: type, and slots of which a negative one stays and another becomes a number of its own.
fn messages() -> impl Strategy<Value = Vec<(i32, Vec<RawFd>)>> {
    let slot = prop_oneof![4 => Just(0), 1 => -200_i32..0, 1 => prop::sample::select(vec![-4095, -4096, RawFd::MIN])];
    let kind = prop::sample::select(vec![SCM_RIGHTS, SCM_RIGHTS, SCM_PIDFD, SCM_CREDENTIALS]);
    prop::collection::vec((kind, prop::collection::vec(slot, 0..5)), 0..4)
}

fn exact<const K: usize>(control: &mut Ancillary<'_>) -> Result<Vec<OwnedFd>, WrongCount> {
    control.take_exact::<K>().map(Vec::from)
}

/// The number is the next one of the model, and its owner gives it up.
fn given(fd: Result<OwnedFd, Errno>, expected: Option<Says>) {
    assert_eq!(Some(fd.map(OwnedFd::into_raw_fd)), expected);
}

fn run(messages: &[(i32, Vec<RawFd>)], steps: &[Step], flags: MsgFlags, spare: usize, shift: usize) {
    let mut numbers = FIRST..;
    let mut bytes = Vec::new();
    for (kind, slots) in messages {
        // A process descriptor is alone in its message.
        let most = if *kind == SCM_PIDFD { 1 } else { slots.len() };
        let numbered = |slot: &RawFd| if *slot >= 0 { numbers.next().unwrap() } else { *slot };
        let payload: Vec<u8> = slots.iter().take(most).map(numbered).flat_map(RawFd::to_ne_bytes).collect();
        naive::append(&mut bytes, SOL_SOCKET, *kind, &payload);
    }
    run_on(&bytes, steps, flags, spare, shift);
}

/// The slots in any bytes, as the walk of `cmsg(3)` finds them; and whether a message has any of these.
fn model_of(bytes: &[u8]) -> (Model, bool) {
    let mut model = Model(Vec::new());
    let mut rights = false;
    for step in naive::walk(bytes).0 {
        let naive::Step::Message { level: SOL_SOCKET, kind, start, end } = step else { continue };
        rights |= kind == SCM_RIGHTS;
        let numbers = bytes[start..end].chunks_exact(4).map(|slot| RawFd::from_ne_bytes(slot.try_into().unwrap()));
        model.0.extend(numbers.map(|number| (kind, says(number))));
    }
    (model, rights)
}

fn run_on(bytes: &[u8], steps: &[Step], flags: MsgFlags, spare: usize, shift: usize) {
    let (mut model, rights) = model_of(bytes);
    let mut room = vec![0xff; shift];
    room.extend(bytes);
    // SAFETY: no number in these bytes is a descriptor of this process, and none is closed: all are taken and given up.
    let mut control = unsafe { Ancillary::from_kernel(&mut room[shift..], bytes.len() + spare, flags) };
    let mut set = FdSet::new([-1; 4]);
    let mut held = Vec::new();
    let whole = !flags.contains(MsgFlags::CTRUNC);
    assert_eq!(control.truncation() == Some(Cause::NotBuffer), !whole && spare >= naive::H + 4);
    for step in steps {
        let left = model.left(SCM_RIGHTS);
        match *step {
            Step::Look => {
                assert_eq!(control.fds().map(|fd| fd.map(|fd| fd.as_raw_fd())).collect::<Vec<_>>(), left);
                let pidfd = control.pidfd().map(|fd| fd.map(|fd| fd.as_raw_fd()));
                assert_eq!(pidfd, model.left(SCM_PIDFD).first().copied());
                // The first that is not cut, whatever its slot says now.
                let first = control.messages().find_map(|m| m.ok()?.get::<Rights<'_>>().unwrap());
                assert_eq!(control.get::<Rights<'_>>(), Ok(first));
                assert_eq!(first.is_some(), rights);
            }
            Step::Take(count) => {
                control.take_fds().take(count).for_each(|fd| given(fd, model.take(SCM_RIGHTS, |_| true)));
                assert_eq!(model.left(SCM_RIGHTS).len(), left.len().saturating_sub(count));
            }
            Step::TakeOne => match control.take_fd() {
                Some(fd) => given(fd, model.take(SCM_RIGHTS, |_| true)),
                None => assert_eq!(left, []),
            },
            Step::TakePidFd => match control.take_pidfd() {
                Some(fd) => given(fd, model.take(SCM_PIDFD, |_| true)),
                None => assert_eq!(model.left(SCM_PIDFD), []),
            },
            Step::Exact(want) => {
                let found = left.iter().filter(|slot| slot.is_ok()).count();
                let refused = left.iter().find_map(|slot| slot.err());
                let way = [exact::<0>, exact::<1>, exact::<2>, exact::<3>][want];
                match way(&mut control) {
                    Ok(fds) => {
                        assert!(found == want && refused.is_none() && whole && fds.len() == want, "{want} of {left:?}");
                        fds.into_iter().for_each(|fd| given(Ok(fd), model.take(SCM_RIGHTS, |_| true)));
                    }
                    Err(error) => {
                        assert!(found != want || refused.is_some() || !whole, "{want} of {left:?}");
                        assert_eq!(error, WrongCount { want, found, refused, truncated: control.truncation() });
                    }
                }
            }
            Step::Into(count) => {
                let moved = control.take_into(&mut set);
                assert_eq!(moved, left.iter().filter(|slot| slot.is_ok()).count().min(4 - held.len()));
                held.extend((0..moved).filter_map(|_| model.take(SCM_RIGHTS, Result::is_ok)));
                assert!(set.fds().iter().map(|fd| Ok(fd.as_raw_fd())).eq(held.iter().copied()), "{held:?} in {set:?}");
                set.take_fds()
                    .take(count)
                    .zip(held.drain(..count.min(held.len())))
                    .for_each(|(fd, held)| given(Ok(fd), Some(held)));
            }
        }
    }
    set.take_fds().zip(held).for_each(|(fd, held)| given(Ok(fd), Some(held)));
    assert!(set.is_empty());
    control.take_fds().for_each(|fd| given(fd, model.take(SCM_RIGHTS, |_| true)));
    while let Some(fd) = control.take_pidfd() {
        given(fd, model.take(SCM_PIDFD, |_| true));
    }
    assert!(model.left(SCM_RIGHTS).is_empty() && model.left(SCM_PIDFD).is_empty());
    drop(control);
    // Every slot is marked; nothing else in the bytes has changed.
    for (before, after) in Cmsgs::new(bytes).zip(Cmsgs::new(&room[shift..])) {
        let (Ok(before), Ok(after)) = (before, after) else {
            assert_eq!(before, after);
            continue;
        };
        assert_eq!((before.level, before.kind, before.payload.len()), (after.level, after.kind, after.payload.len()));
        if before.level == SOL_SOCKET && [SCM_RIGHTS, SCM_PIDFD].contains(&before.kind) {
            assert!(after.get::<Rights<'_>>().unwrap().is_none_or(|rights| rights.numbers().next().is_none()));
            assert!(after.get::<PidFd>().ok().flatten().is_none_or(|pidfd| pidfd.number().is_none()));
        } else {
            assert_eq!(before.payload, after.payload);
        }
    }
    assert_eq!(
        model_of(&room[shift..]).0.0.iter().filter(|slot| slot.1.is_some() && slot.0 != SCM_CREDENTIALS).count(),
        0
    );
}

/// The cause of a truncation that left nothing but one message of this level and type, with no byte to spare.
fn cause_behind(level: i32, kind: i32) -> Option<Cause> {
    let mut bytes = Vec::new();
    naive::append(&mut bytes, level, kind, &(-24_i32).to_ne_bytes());
    naive::pad(&mut bytes, 0);
    let capacity = bytes.len();
    // SAFETY: there is no descriptor in these bytes.
    unsafe { Ancillary::from_kernel(&mut bytes, capacity, MsgFlags::CTRUNC) }.truncation()
}

/// What comes in front of the rights and fills the room is why they are missing. Behind what comes after them there was room for
/// them at their place, so it can have been either.
#[test]
fn what_fills_the_room_in_front_of_the_rights_is_the_cause() {
    let in_front = [
        <Credentials as Message>::TYPE,
        <SecurityLabel<'_> as Message>::TYPE,
        <TimestampOld as Message>::TYPE,
        <TimestampNew as Message>::TYPE,
        <TimestampNsOld as Message>::TYPE,
        <TimestampNsNew as Message>::TYPE,
        <TimestampingOld as Message>::TYPE,
        <TimestampingNew as Message>::TYPE,
    ];
    for kind in in_front {
        assert_eq!(cause_behind(SOL_SOCKET, kind), Some(Cause::Buffer), "type {kind}");
        assert_eq!(cause_behind(SOL_SOCKET + 1, kind), Some(Cause::Unknown), "type {kind} of another level");
    }
    for kind in [SCM_PIDFD, <UnreadBytes as Message>::TYPE, 9999] {
        assert_eq!(cause_behind(SOL_SOCKET, kind), Some(Cause::Unknown), "type {kind}");
    }
}

proptest! {
    #[test]
    fn a_ledger_equals_a_list(
        messages in messages(),
        steps in prop::collection::vec(step(), 0..8),
        truncated: bool,
        spare in 0_usize..40,
        shift in 0_usize..8,
    ) {
        let flags = if truncated { MsgFlags::CTRUNC } else { MsgFlags::empty() };
        run(&messages, &steps, flags, spare, shift);
    }
}

/// Control bytes of no kernel: foreign levels, stray bytes behind the slots, lengths that are not true, cut anywhere.
fn wrong() -> impl Strategy<Value = Vec<u8>> {
    let level = prop::sample::select(vec![SOL_SOCKET, SOL_SOCKET, SOL_SOCKET, SOL_SOCKET + 1]);
    let kind = prop::sample::select(vec![SCM_RIGHTS, SCM_RIGHTS, SCM_PIDFD, SCM_CREDENTIALS]);
    let slot =
        prop_oneof![4 => FIRST..FIRST + 100, 1 => -200_i32..0, 1 => prop::sample::select(vec![-4096, RawFd::MIN])];
    let off = prop_oneof![6 => Just(0_isize), 2 => -20_isize..20, 1 => any::<isize>()];
    let message = (level, kind, prop::collection::vec(slot, 0..4), 0_usize..4, off);
    (prop::collection::vec(message, 0..4), 0_usize..16).prop_map(|(messages, cut)| {
        let mut bytes = Vec::new();
        for (level, kind, slots, stray, off) in messages {
            // A process descriptor is alone in its message.
            let most = if kind == SCM_PIDFD { 1 } else { slots.len() };
            let mut payload: Vec<u8> = slots.iter().take(most).flat_map(|slot| slot.to_ne_bytes()).collect();
            payload.extend(&[0; 3][..stray]);
            // Nor does it claim to be longer than that.
            let off = if kind == SCM_PIDFD { off.min(0) } else { off };
            let claimed = (naive::H + payload.len()).wrapping_add_signed(off);
            naive::append_claiming(&mut bytes, claimed, level, kind, &payload);
        }
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(8)));
        bytes
    })
}

proptest! {
    #[test]
    fn a_ledger_of_wrong_bytes_equals_a_list(
        bytes in wrong(),
        steps in prop::collection::vec(step(), 0..8),
        truncated: bool,
        spare in 0_usize..40,
        shift in 0_usize..8,
    ) {
        let flags = if truncated { MsgFlags::CTRUNC } else { MsgFlags::empty() };
        run_on(&bytes, &steps, flags, spare, shift);
    }
}

#[test]
fn a_short_ledger_is_a_list_too() {
    // Every claimed length in as many bytes as hold one slot at most, and some more, with each way to take it.
    for room in 0..=naive::H + 12 {
        for claimed in 0..=room + 1 {
            // Miri is a thousand times slower.
            if cfg!(miri) && (room.abs_diff(naive::H + 6) > 3 || claimed != room) {
                continue;
            }
            for kind in [SCM_RIGHTS, SCM_PIDFD, SCM_CREDENTIALS] {
                // Two slots are more than a process descriptor has.
                let claimed = if kind == SCM_PIDFD { claimed.min(naive::H + 7) } else { claimed };
                for slot in [FIRST, -13, -4096, RawFd::MIN] {
                    let mut bytes = Vec::new();
                    let slots: Vec<u8> = [slot, FIRST + 1, -1].iter().flat_map(|slot| slot.to_ne_bytes()).collect();
                    naive::append_claiming(&mut bytes, claimed, SOL_SOCKET, kind, &slots);
                    bytes.truncate(room);
                    for first in [Step::TakeOne, Step::TakePidFd, Step::Exact(1), Step::Into(1), Step::Take(1)] {
                        run_on(&bytes, &[first, Step::Look, Step::TakeOne], MsgFlags::empty(), 0, 0);
                    }
                }
            }
        }
    }
}

#[test]
fn exactly_what_came_is_the_short_way_and_the_same() {
    for count in 0..4 {
        for want in 0..4 {
            for first in [Step::Look, Step::Take(1), Step::Into(1)] {
                let steps = [first, Step::Exact(want), Step::Look, Step::Exact(0)];
                run(&[(SCM_RIGHTS, vec![0; count])], &steps, MsgFlags::empty(), 0, 0);
            }
        }
    }
}

#[test]
fn a_set_that_was_taken_from_is_filled_again() {
    for count in 0..20 {
        for first in 0..=4 {
            let steps = [Step::Into(first), Step::Into(1), Step::Into(2), Step::Look, Step::Into(3)];
            run(&[(SCM_RIGHTS, vec![0; count])], &steps, MsgFlags::empty(), 0, 0);
        }
    }
}

#[test]
fn a_ledger_prints_what_is_in_it() {
    let mut bytes = Vec::new();
    naive::append(&mut bytes, SOL_SOCKET, SCM_RIGHTS, &(-24_i32).to_ne_bytes());
    naive::append(&mut bytes, 41, 50, &[7; 20]);
    let capacity = bytes.len() + 100;
    // SAFETY: there is no descriptor in these bytes.
    let mut control = unsafe { Ancillary::from_kernel(&mut bytes, capacity, MsgFlags::CTRUNC) };
    let said = format!("{control:?}");
    let messages: Vec<_> = control.messages().collect();
    assert_eq!(said, format!("Ancillary {{ messages: {messages:?}, truncation: Some(NotBuffer) }}"));
    assert!(said.contains("kind: 50"), "{said}");
    assert_eq!(format!("{:?}", control.take_fds()), "TakeFds { .. }");
}
