//! Law 3 for bytes that no kernel wrote: of the descriptors whose numbers lie in a control buffer, exactly those in slots are
//! owned and closed, each once, whatever is taken first; a number anywhere else stays open.

mod common;
mod naive;

use std::collections::BTreeSet;

use common::{is_open, pipe};
use proptest::prelude::*;
use scmsg::{Ancillary, FdSet, Message, MsgFlags, OwnedFd, PidFd, RawFd, Rights};

/// Stands for a descriptor until it is known whether it is in a slot.
const MARK: RawFd = 0x5a5a_5a5a;
/// The slots of a set that takes some.
const FEW: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    One,
    PidFd,
    Some(usize),
    Into,
    Exact1,
    Exact2,
}

/// Messages of any level and type among descriptors, whose lengths are off by a little, cut anywhere.
fn wrong() -> impl Strategy<Value = Vec<u8>> {
    let level = prop::sample::select(vec![Rights::LEVEL, Rights::LEVEL, Rights::LEVEL, Rights::LEVEL + 1]);
    let kind = prop::sample::select(vec![Rights::TYPE, Rights::TYPE, PidFd::TYPE, 2, MARK]);
    let slot = prop_oneof![4 => Just(MARK), 1 => -200_i32..0, 1 => prop::sample::select(vec![-4096, RawFd::MIN])];
    let off = prop_oneof![6 => Just(0_isize), 3 => -20_isize..30, 1 => any::<isize>()];
    let message = (level, kind, prop::collection::vec(slot, 0..5), 0_usize..4, off);
    (prop::collection::vec(message, 0..4), 0_usize..24).prop_map(|(messages, cut)| {
        let mut bytes = Vec::new();
        for (level, kind, slots, stray, off) in messages {
            let mut payload: Vec<u8> = slots.iter().flat_map(|slot| slot.to_ne_bytes()).collect();
            payload.extend(&[0; 3][..stray]);
            let claimed = (naive::H + payload.len()).wrapping_add_signed(off);
            naive::append_claiming(&mut bytes, claimed, level, kind, &payload);
        }
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(8)));
        bytes
    })
}

/// A copy that nobody owns, with a number that is no level, no type and no length here.
fn copy(fd: RawFd) -> RawFd {
    // SAFETY: no pointers.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 500) };
    assert!(copy >= 500);
    copy
}

/// Where the slots start that the walk of `cmsg(3)` finds.
fn slots(bytes: &[u8]) -> BTreeSet<usize> {
    let mut slots = BTreeSet::new();
    for step in naive::walk(bytes).0 {
        if let naive::Step::Message { level: Rights::LEVEL, kind: Rights::TYPE | PidFd::TYPE, start, end } = step {
            slots.extend((0..(end - start) / 4).map(|slot| start + 4 * slot));
        }
    }
    slots
}

fn run(mut bytes: Vec<u8>, steps: &[Step]) {
    let (read, write) = pipe();
    let own = write.as_raw_fd();
    let in_slots = slots(&bytes);
    let (mut owned, mut bystanders) = (BTreeSet::new(), BTreeSet::new());
    for at in (0..bytes.len().saturating_sub(3)).step_by(4) {
        if bytes[at..at + 4] == MARK.to_ne_bytes() {
            let copy = copy(own);
            bytes[at..at + 4].copy_from_slice(&copy.to_ne_bytes());
            let _ = if in_slots.contains(&at) { owned.insert(copy) } else { bystanders.insert(copy) };
        }
    }
    // A header or a stray byte that a false length made a slot is no copy.
    for at in &in_slots {
        let number = RawFd::from_ne_bytes(bytes[*at..at + 4].try_into().unwrap());
        if number >= 0 && !owned.contains(&number) {
            bytes[*at..at + 4].copy_from_slice(&RawFd::MIN.to_ne_bytes());
        }
    }
    // A descriptor in place of a level or a type changes no slot.
    assert_eq!(slots(&bytes), in_slots);

    let capacity = bytes.len();
    let before = bytes.clone();
    let mut taken: Vec<OwnedFd> = Vec::new();
    let mut set = FdSet::new([-1; FEW]);
    {
        // SAFETY: each number in a slot that is not negative is a copy made above, which nothing else owns.
        let mut control = unsafe { Ancillary::from_kernel(&mut bytes, capacity, MsgFlags::empty()) };
        for step in steps {
            match *step {
                Step::One => taken.extend(control.take_fd().and_then(Result::ok)),
                Step::PidFd => taken.extend(control.take_pidfd().and_then(Result::ok)),
                Step::Some(count) => taken.extend(control.take_fds().take(count).filter_map(Result::ok)),
                Step::Into => drop(control.take_into(&mut set)),
                Step::Exact1 => taken.extend(control.take_exact::<1>().ok().into_iter().flatten()),
                Step::Exact2 => taken.extend(control.take_exact::<2>().ok().into_iter().flatten()),
            }
        }
        assert!(owned.iter().all(|fd| is_open(*fd)), "nothing is closed before the end: {before:?}");
    }
    let kept: Vec<RawFd> =
        taken.iter().map(|fd| fd.as_raw_fd()).chain(set.fds().iter().map(|fd| fd.as_raw_fd())).collect();
    let unique: BTreeSet<RawFd> = kept.iter().copied().collect();
    assert_eq!(kept.len(), unique.len(), "given out once: {kept:?} of {before:?}");
    assert!(unique.is_subset(&owned), "{kept:?} of {owned:?} in {before:?}");
    for fd in &owned {
        assert_eq!(
            is_open(*fd),
            unique.contains(fd),
            "{fd} of {owned:?}, taken {kept:?}, in {before:?} after {steps:?}"
        );
    }
    assert!(bystanders.iter().all(|fd| is_open(*fd)), "{bystanders:?} in {before:?}");
    drop((taken, set));
    assert!(!owned.iter().any(|fd| is_open(*fd)));
    for fd in bystanders {
        // SAFETY: a copy made above, in no slot.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    assert!(is_open(own) && is_open(read.as_raw_fd()));
}

// One test alone in its program: whether a number is open is asked of the whole process.
proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_in_slots_is_owned_and_nothing_else(
        bytes in wrong(),
        steps in prop::collection::vec(
            prop_oneof![
                Just(Step::One),
                Just(Step::PidFd),
                (0_usize..4).prop_map(Step::Some),
                Just(Step::Into),
                Just(Step::Exact1),
                Just(Step::Exact2),
            ],
            0..4,
        ),
    ) {
        run(bytes, &steps);
    }
}
