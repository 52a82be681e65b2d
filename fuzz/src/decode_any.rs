//! Turns any bytes into a walk and checks it: every payload inside, in order and at its place, none overlapping, the end final,
//! everything equal to the naive walk.
//!
//! Input: one byte, how far from an aligned address; then the control bytes.

use std::ops::Range;

use scmsg::{CMSG_HEADER, Cmsg, Cmsgs, Malformed};

use crate::naive::{self, Found, HEADER};

pub fn run(data: &[u8]) {
    let Some((shift, control)) = data.split_first() else { return };
    // An allocation of exactly so many bytes, so that a sanitizer sees the first byte past the end.
    let shift = usize::from(shift % 8);
    let mut room = Vec::with_capacity(shift + control.len());
    room.resize(shift, 0xff);
    room.extend_from_slice(control);
    equals_naive(&room[shift..]);
}

fn equals_naive(bytes: &[u8]) {
    assert_eq!(CMSG_HEADER, HEADER);
    let (found, end) = naive::walk(bytes);
    let mut walk = Cmsgs::new(bytes);
    assert_eq!(place(bytes, walk.remainder()), 0..bytes.len());
    let mut last = 0;
    for header in &found {
        let rest = walk.remainder();
        assert_eq!(place(bytes, rest), header.at..bytes.len(), "where {header:?} was looked for");
        // A clone goes the same way, and the original does not notice.
        assert_eq!(walk.clone().next(), walk.clone().next());
        assert_eq!(place(bytes, walk.remainder()), place(bytes, rest));
        match walk.next() {
            Some(Ok(message)) => last = good(bytes, header, &message, last),
            Some(Err(bad)) => malformed(bytes, header, bad),
            None => panic!("{header:?} is missing"),
        }
    }
    for _ in 0..3 {
        assert_eq!(walk.next(), None, "after the end");
        assert_eq!(place(bytes, walk.remainder()), end..bytes.len(), "what was not walked");
    }
    // All at once is the same as one by one.
    assert_eq!(Cmsgs::new(bytes).count(), found.len());
}

/// Checks a message; where its payload ends.
fn good(bytes: &[u8], header: &Found, message: &Cmsg<'_>, last: usize) -> usize {
    assert!(header.good, "{header:?} came as {message:?}");
    assert_eq!((message.level, message.kind), (header.level, header.kind));
    let payload = place(bytes, message.payload);
    assert_eq!(payload, header.payload());
    assert!(payload.start >= last + HEADER && payload.end <= bytes.len(), "{payload:?} after {last}");
    payload.end
}

fn malformed(bytes: &[u8], header: &Found, bad: Malformed) {
    assert!(!header.good, "{header:?} came as {bad:?}");
    assert_eq!(bad, Malformed { offset: header.at, claimed: header.claims, left: bytes.len() - header.at });
    let said = bad.to_string();
    assert!([bad.offset, bad.claimed, bad.left].iter().all(|n| said.contains(&n.to_string())), "{said}");
}

/// Where in `whole` the `part` is: by address, so that equal bytes elsewhere are no answer.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr()).expect("behind the start");
    assert!(start + part.len() <= whole.len(), "{start} + {} in {}", part.len(), whole.len());
    start..start + part.len()
}
