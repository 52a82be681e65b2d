//! Law 2: a control message is encoded completely, or the buffer is unchanged and the error says how much was missing.
//!
//! Held for every capacity, by comparison with a model that appends to a `Vec`.

mod naive;

use std::cell::Cell;
use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use naive::{A, H};
use proptest::prelude::*;
use scmsg::{BorrowedFd, CMSG_LEN, Cmsgs, ControlBuf, Credentials, Encode, Encoder, FixedControl, Message, NoSpace};

/// Every capacity there is a buffer for.
const CAPACITIES: usize = 350;

/// A call with a buffer of `N` bytes.
type With = fn(&mut dyn FnMut(&mut ControlBuf));

fn with<const N: usize>(run: &mut dyn FnMut(&mut ControlBuf)) {
    run(&mut ControlBuf::<[u8; N]>::new());
}

/// Calls `run` with a dirty buffer of exactly `capacity` bytes.
fn with_capacity(capacity: usize, run: &mut dyn FnMut(&mut ControlBuf)) {
    macro_rules! tens {
        ($($ten:literal)*) => {
            [$(
                with::<{ $ten * 10 }>, with::<{ $ten * 10 + 1 }>, with::<{ $ten * 10 + 2 }>, with::<{ $ten * 10 + 3 }>,
                with::<{ $ten * 10 + 4 }>, with::<{ $ten * 10 + 5 }>, with::<{ $ten * 10 + 6 }>, with::<{ $ten * 10 + 7 }>,
                with::<{ $ten * 10 + 8 }>, with::<{ $ten * 10 + 9 }>,
            )*]
        };
    }
    static BUFFERS: [With; CAPACITIES] = tens! {
        0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34
    };
    BUFFERS[capacity](&mut |buf| {
        buf.as_mut_bytes().fill(0xff);
        assert_eq!(buf.as_bytes().len(), capacity);
        run(buf);
    });
}

/// A message of one's own: any payload.
struct Own(Vec<u8>);

impl Message for Own {
    const LEVEL: i32 = -0x0102_0304;
    const TYPE: i32 = 0x7f6f_5f4f;
}

impl Encode for Own {
    fn payload_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut [u8]) {
        assert!(out.iter().all(|b| *b == 0), "the payload is not zeroed: {out:02x?}");
        out.copy_from_slice(&self.0);
    }
}

/// Something to push.
#[derive(Clone, Debug)]
enum Push {
    /// The first so many of the descriptors there are.
    Rights(usize),
    /// The first three, as an array.
    Array,
    Credentials(u32, u32, u32),
    Raw(i32, i32, Vec<u8>),
    Own(Vec<u8>),
}

impl Push {
    fn push<'fd>(&self, encoder: &mut Encoder<'_, 'fd>, fds: &[BorrowedFd<'fd>]) -> Result<(), NoSpace> {
        match self {
            Self::Rights(count) => encoder.push_rights(&fds[..*count]),
            Self::Array => encoder.push_rights_array::<3>(fds.first_chunk().unwrap()),
            Self::Credentials(pid, uid, gid) => {
                encoder.push(&Credentials { pid: NonZeroU32::new(*pid), uid: *uid, gid: *gid })
            }
            // SAFETY: nothing here is sent.
            Self::Raw(level, kind, payload) => unsafe { encoder.push_raw(*level, *kind, payload) },
            Self::Own(payload) => encoder.push(&Own(payload.clone())),
        }
        .map(drop)
    }

    /// Level, type and payload, as plain as can be.
    fn model(&self, fds: &[BorrowedFd<'_>]) -> (i32, i32, Vec<u8>) {
        match self {
            Self::Array => Self::Rights(3).model(fds),
            Self::Rights(count) => (
                libc::SOL_SOCKET,
                libc::SCM_RIGHTS,
                fds[..*count].iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes()).collect(),
            ),
            Self::Credentials(pid, uid, gid) => (
                libc::SOL_SOCKET,
                libc::SCM_CREDENTIALS,
                [*pid, *uid, *gid].iter().flat_map(|w| w.to_ne_bytes()).collect(),
            ),
            Self::Raw(level, kind, payload) => (*level, *kind, payload.clone()),
            Self::Own(payload) => (-0x0102_0304, 0x7f6f_5f4f, payload.clone()),
        }
    }

    /// Descriptors the encoder must count.
    fn descriptors(&self) -> usize {
        match self {
            Self::Rights(count) => *count,
            Self::Array => 3,
            Self::Raw(libc::SOL_SOCKET, libc::SCM_RIGHTS, payload) => payload.len() / 4,
            _ => 0,
        }
    }
}

/// Twelve descriptors to name in messages; they are never sent.
fn lend(run: impl FnOnce(&[BorrowedFd<'_>])) {
    let files: Vec<File> = (0..12).map(|_| File::open("/dev/null").unwrap()).collect();
    // SAFETY: `files` outlives the call.
    let fds: Vec<_> = files.iter().map(|f| unsafe { BorrowedFd::borrow_raw(f.as_raw_fd()) }).collect();
    run(&fds);
}

/// Pushes all into a dirty buffer of `capacity` bytes and compares with the model after each push and at the end. Returns the
/// first refusal and the number of the push that it was for.
fn equals_model(capacity: usize, pushes: &[Push], fds: &[BorrowedFd<'_>]) -> Option<(usize, NoSpace)> {
    let mut model = Vec::new();
    let mut messages = Vec::new();
    let mut first = None;
    with_capacity(capacity, &mut |buf| {
        let mut encoder = Encoder::new(buf);
        let mut descriptors = 0;
        assert_eq!(encoder.as_bytes(), b"");
        for (number, push) in pushes.iter().enumerate() {
            let (level, kind, payload) = push.model(fds);
            let mut longer = model.clone();
            naive::append(&mut longer, level, kind, &payload);
            let found = push.push(&mut encoder, fds);
            if longer.len() <= capacity {
                assert_eq!(found, Ok(()), "{push:?} as number {number} of {capacity} bytes");
                model = longer;
                messages.push((level, kind, payload));
                descriptors += push.descriptors();
            } else {
                let no_space = NoSpace { need: longer.len() - model.len(), left: capacity - model.len() };
                assert_eq!(found, Err(no_space), "{push:?} as number {number} of {capacity} bytes");
                assert_eq!(no_space.missing(), longer.len() - capacity);
                first = first.or(Some((number, no_space)));
            }
            // Up to the last payload byte, and no padding behind it.
            assert_eq!(encoder.as_bytes(), model, "after {push:?}");
            assert_eq!(encoder.descriptors(), descriptors);
        }
        let decoded: Vec<_> = Cmsgs::new(encoder.as_bytes()).map(|m| m.unwrap()).collect();
        let decoded: Vec<_> = decoded.iter().map(|m| (m.level, m.kind, m.payload.to_vec())).collect();
        assert_eq!(decoded, messages, "what was encoded decodes");

        let (encoded, rest) = buf.as_bytes().split_at(model.len());
        assert_eq!(encoded, model);
        assert!(rest.iter().all(|b| *b == 0xff), "bytes behind the last payload byte have changed: {rest:02x?}");
    });
    first
}

/// Pushes that differ in every way a push can: descriptors, payload lengths around the alignment, levels.
fn all_pushes() -> Vec<Push> {
    let mut pushes: Vec<_> = (0..=8).map(Push::Rights).collect();
    pushes.push(Push::Array);
    pushes.push(Push::Credentials(0x0102_0304, u32::MAX, 0));
    pushes.extend((0..=9).map(|len| Push::Raw(41, -67, vec![0xa5; len])));
    pushes.extend((0..=9).map(|len| Push::Own(vec![0x5a; len])));
    pushes.push(Push::Raw(libc::SOL_SOCKET, libc::SCM_RIGHTS, vec![0x11; 11]));
    pushes.push(Push::Raw(libc::SOL_SOCKET + 1, libc::SCM_RIGHTS, vec![0x11; 11]));
    pushes
}

/// After a refusal at `capacity`, a buffer larger by what was missing takes the refused push, and one byte less does not.
fn what_was_missing_is_exact(capacity: usize, pushes: &[Push], fds: &[BorrowedFd<'_>]) {
    if let Some((number, no_space)) = equals_model(capacity, pushes, fds) {
        let until = &pushes[..=number];
        let enough = capacity + no_space.missing();
        assert_eq!(equals_model(enough, until, fds), None, "{until:?} in {enough} bytes");
        let refusal = equals_model(enough - 1, until, fds);
        assert_eq!(
            refusal.map(|(at, refused)| (at, refused.missing())),
            Some((number, 1)),
            "{until:?} in one byte less"
        );
    }
}

#[test]
fn every_push_in_every_capacity_is_whole_or_not_at_all() {
    lend(|fds| {
        for push in all_pushes() {
            (0..=200).for_each(|capacity| what_was_missing_is_exact(capacity, core::slice::from_ref(&push), fds));
        }
    });
}

#[test]
fn every_two_pushes_in_every_capacity_are_whole_or_not_at_all() {
    lend(|fds| {
        for first in all_pushes() {
            for second in all_pushes() {
                (0..=104)
                    .for_each(|capacity| what_was_missing_is_exact(capacity, &[first.clone(), second.clone()], fds));
            }
        }
    });
}

#[test]
fn what_is_smaller_still_fits_after_a_refusal() {
    lend(|fds| {
        for capacity in 0..=200 {
            let pushes =
                [Push::Own(vec![1; 3]), Push::Rights(12), Push::Own(vec![2; 5]), Push::Rights(1), Push::Own(vec![])];
            equals_model(capacity, &pushes, fds);
        }
    });
}

fn any_push() -> impl Strategy<Value = Push> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (0_usize..=12).prop_map(Push::Rights),
        any::<(u32, u32, u32)>().prop_map(|(pid, uid, gid)| Push::Credentials(pid, uid, gid)),
        (any::<i32>(), any::<i32>(), payload.clone()).prop_map(|(level, kind, p)| Push::Raw(level, kind, p)),
        payload.prop_map(Push::Own),
    ]
}

proptest! {
    #[test]
    fn any_pushes_in_any_capacity_are_whole_or_not_at_all(
        capacity in 0_usize..CAPACITIES - 70,
        pushes in prop::collection::vec(any_push(), 0..12),
    ) {
        lend(|fds| {
            // Each beginning on its own, so that no later push covers up what an earlier one did.
            for count in 0..=pushes.len() {
                what_was_missing_is_exact(capacity, &pushes[..count], fds);
            }
        });
    }
}

#[test]
fn padding_is_zero_whatever_the_buffer_held() {
    let mut buf = ControlBuf::<[u8; 200]>::new();
    let buf: &mut ControlBuf = &mut buf;
    buf.as_mut_bytes().fill(0xff);
    let mut encoder = Encoder::new(buf);
    for len in 0..=5 {
        encoder.push(&Own(vec![0xff; len])).unwrap();
    }
    let bytes = encoder.as_bytes();
    let mut at = 0;
    for len in 0..5 {
        let end = at + H + len;
        at = end.next_multiple_of(A);
        assert!(bytes[end..at].iter().all(|b| *b == 0), "padding after {len} bytes: {:02x?}", &bytes[end..at]);
    }
}

#[test]
fn bytes_that_a_message_does_not_write_are_zero() {
    struct Idle(usize);
    impl Message for Idle {
        const LEVEL: i32 = 17;
        const TYPE: i32 = 103;
    }
    impl Encode for Idle {
        fn payload_len(&self) -> usize {
            self.0
        }

        fn encode(&self, out: &mut [u8]) {
            assert_eq!(out.len(), self.0);
        }
    }
    for len in 0..=40 {
        with_capacity(100, &mut |buf| {
            let mut encoder = Encoder::new(buf);
            encoder.push(&Idle(len)).unwrap();
            assert_eq!(&encoder.as_bytes()[H..], vec![0; len]);
        });
    }
}

#[test]
fn the_length_is_asked_for_once() {
    /// Says another length each time.
    struct Fickle(Cell<usize>);
    impl Message for Fickle {
        const LEVEL: i32 = 17;
        const TYPE: i32 = 103;
    }
    impl Encode for Fickle {
        fn payload_len(&self) -> usize {
            self.0.replace(self.0.get() + 1)
        }

        fn encode(&self, out: &mut [u8]) {
            assert_eq!(out.len(), 3);
        }
    }
    let fickle = Fickle(Cell::new(3));
    with_capacity(100, &mut |buf| {
        fickle.0.set(3);
        assert_eq!(Encoder::new(buf).push(&fickle).unwrap().as_bytes().len(), H + 3);
        assert_eq!(fickle.0.get(), 4);
    });
}

#[test]
fn a_length_no_buffer_can_hold_is_refused() {
    struct Huge(usize);
    impl Message for Huge {
        const LEVEL: i32 = 17;
        const TYPE: i32 = 103;
    }
    impl Encode for Huge {
        fn payload_len(&self) -> usize {
            self.0
        }

        fn encode(&self, _: &mut [u8]) {
            panic!("there is no room for this");
        }
    }
    let lens =
        (0..40).map(|n| usize::MAX - n).chain((0..40).map(|n| isize::MAX as usize + 20 - n)).chain([101, 1 << 31]);
    for len in lens {
        with_capacity(100, &mut |buf| {
            let mut encoder = Encoder::new(buf);
            let need = len.saturating_add(H);
            assert_eq!(encoder.push(&Huge(len)).err(), Some(NoSpace { need, left: 100 }));
            assert_eq!(encoder.as_bytes(), b"");
            encoder.push(&Own(vec![7])).unwrap();
            let before = encoder.as_bytes().to_vec();
            let left = 100 - before.len();
            let need = (A - 1).saturating_add(need);
            assert_eq!(encoder.push(&Huge(len)).err(), Some(NoSpace { need, left }));
            assert_eq!(encoder.as_bytes(), before);
            assert!(buf.as_bytes()[H + 1..].iter().all(|b| *b == 0xff));
        });
    }
}

#[test]
fn a_message_that_panics_is_not_there() {
    struct Panics;
    impl Message for Panics {
        const LEVEL: i32 = 17;
        const TYPE: i32 = 103;
    }
    impl Encode for Panics {
        fn payload_len(&self) -> usize {
            5
        }

        fn encode(&self, out: &mut [u8]) {
            out.fill(1);
            // Without the message that a panic prints.
            std::panic::resume_unwind(Box::new("half way"));
        }
    }
    with_capacity(100, &mut |buf| {
        let mut encoder = Encoder::new(buf);
        encoder.push(&Own(vec![7; 3])).unwrap();
        let before = encoder.as_bytes().to_vec();
        let panicked = catch_unwind(AssertUnwindSafe(|| encoder.push(&Panics).map(drop)));
        assert!(panicked.is_err());
        assert_eq!(encoder.as_bytes(), before);
        encoder.push(&Own(vec![8; 3])).unwrap();
        let payloads: Vec<_> = Cmsgs::new(encoder.as_bytes()).map(|m| m.unwrap().payload.to_vec()).collect();
        assert_eq!(payloads, [[7; 3], [8; 3]]);
    });
}

#[test]
fn a_new_encoder_starts_from_nothing() {
    with_capacity(100, &mut |buf| {
        Encoder::new(buf).push(&Own(vec![1; 30])).unwrap();
        let mut encoder = Encoder::new(buf);
        assert_eq!((encoder.as_bytes(), encoder.descriptors()), (&[][..], 0));
        let mut model = Vec::new();
        naive::append(&mut model, Own::LEVEL, Own::TYPE, &[2; 5]);
        assert_eq!(encoder.push(&Own(vec![2; 5])).unwrap().as_bytes(), model);
    });
}

#[test]
fn the_capacity_is_exactly_what_was_asked_for() {
    for capacity in 0..CAPACITIES {
        // `with_capacity` looks at the length.
        with_capacity(capacity, &mut |buf| assert_eq!(buf.as_mut_bytes().len(), capacity));
    }
    assert_eq!(ControlBuf::<[u8; 9]>::default().clone().into_bytes(), [0; 9]);
}

/// All of a sized buffer, through the unsized one.
trait IntoBytes {
    fn into_bytes(self) -> Vec<u8>;
}

impl<const N: usize> IntoBytes for ControlBuf<[u8; N]> {
    fn into_bytes(self) -> Vec<u8> {
        let unsized_buf: &ControlBuf = &self;
        unsized_buf.as_bytes().to_vec()
    }
}

#[test]
fn what_is_made_when_compiled_is_what_is_pushed() {
    static MADE: FixedControl<{ CMSG_LEN(12) }> =
        FixedControl::new::<Credentials, 12>([1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let words = [[1, 0, 0, 1], [2, 3, 4, 5], [6, 7, 8, 9]].map(u32::from_ne_bytes);
    let pushed = Credentials { pid: NonZeroU32::new(words[0]), uid: words[1], gid: words[2] };
    with_capacity(64, &mut |buf| {
        let mut encoder = Encoder::new(buf);
        encoder.push(&pushed).unwrap();
        assert_eq!(MADE.as_bytes(), encoder.as_bytes());
    });
}
