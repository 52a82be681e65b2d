//! Turns any bytes into a walk and checks it: every payload inside, in order and at its place, none overlapping, the end final,
//! everything equal to the naive walk; and to the walkers of the oracle, where kernel, glibc and musl must agree with it.
//!
//! Input: one byte, how far from an aligned address; then the control bytes.

use std::ops::Range;

use scmsg::oracle::{ForeignCmsgs, Layout, Step, Stop, Walk, Walker};
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
    walkers(Layout::NATIVE, &room[shift..]);
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

/// The oracle's decoder and its three walkers, in the layout of this machine, against the naive walk.
fn walkers(layout: Layout, bytes: &[u8]) {
    let (found, end) = naive::walk(bytes);
    let mut foreign = ForeignCmsgs::new(layout, bytes);
    for header in &found {
        assert_eq!(foreign.offset(), header.at);
        match foreign.next() {
            Some(Ok(message)) => {
                assert!(header.good, "{header:?} came as {message:?}");
                assert_eq!((message.level, message.kind, message.layout), (header.level, header.kind, layout));
                assert_eq!(place(bytes, message.payload), header.payload());
            }
            Some(Err(bad)) => {
                assert!(!header.good, "{header:?} came as {bad:?}");
                let said = (bad.offset, bad.claimed, bad.left);
                assert_eq!(said, (header.at, header.claims as u64, bytes.len() - header.at));
            }
            None => panic!("{header:?} is missing"),
        }
    }
    assert_eq!(foreign.next(), None, "after the end");
    assert_eq!(place(bytes, foreign.remainder()), end..bytes.len());

    let bad = found.last().filter(|header| !header.good);
    let good = &found[..found.len() - usize::from(bad.is_some())];
    // The kernel sees what is good, and refuses all at the first that is not.
    let (steps, stop) = walked(Walker::Kernel, layout, bytes);
    same(bytes, &steps, good);
    match (bad, stop) {
        (Some(header), Stop::Malformed(at)) => {
            assert_eq!((at.offset, at.claimed), (header.at, header.claims as u64));
        }
        (None, Stop::End { offset, left }) => assert_eq!((offset, left), (end, bytes.len() - end)),
        wrong => panic!("{wrong:?}"),
    }
    assert_eq!(Walk::kernel_accepts(layout, bytes), bad.is_none());
    // glibc hands out the bad one as well, and ends.
    let (steps, stop) = walked(Walker::Glibc, layout, bytes);
    same(bytes, &steps, &found);
    assert_eq!(matches!(stop, Stop::Malformed(_)), bad.is_some(), "{stop:?}");
    // musl wants more than a header behind a message, and of the bad one's length reads 32 bits.
    let seen = found.iter().take_while(|header| header.at == 0 || bytes.len() - header.at > HEADER).count();
    let (steps, _) = walked(Walker::Musl, layout, bytes);
    let wide = bad.is_some_and(|header| header.claims as u64 > u64::from(u32::MAX));
    if wide && seen == found.len() {
        assert!(steps.len() >= seen, "{steps:?} of {found:?}");
        same(bytes, &steps[..seen - 1], good);
    } else {
        same(bytes, &steps, &found[..seen]);
    }
}

/// Every step of a walk, and why it ended.
fn walked(walker: Walker, layout: Layout, bytes: &[u8]) -> (Vec<Step<'_>>, Stop) {
    let mut walk = Walk::new(walker, layout, bytes);
    let steps = walk.by_ref().collect();
    (steps, walk.stop().expect("a reason"))
}

/// Whether a walker saw these headers, and each payload where it is.
fn same(bytes: &[u8], steps: &[Step<'_>], found: &[Found]) {
    assert_eq!(steps.len(), found.len(), "{steps:?} and {found:?}");
    for (step, header) in steps.iter().zip(found) {
        let (said, fields) = (step.header, (header.claims as u64, header.level, header.kind));
        assert_eq!((step.offset, (said.len, said.level, said.kind)), (header.at, fields));
        let payload = step.payload.map(|payload| place(bytes, payload));
        assert_eq!(payload, header.good.then(|| header.payload()));
    }
}

/// Where in `whole` the `part` is: by address, so that equal bytes elsewhere are no answer.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr()).expect("behind the start");
    assert!(start + part.len() <= whole.len(), "{start} + {} in {}", part.len(), whole.len());
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use scmsg::oracle::ByteOrder;

    use super::*;

    /// Two messages, of which the last is a header alone.
    fn two() -> Vec<u8> {
        let mut bytes = Vec::new();
        naive::append(&mut bytes, 1, 1, &[7; 4]);
        naive::append(&mut bytes, 41, 62, &[]);
        bytes
    }

    #[test]
    fn walkers_agree_about_two_messages() {
        walkers(Layout::NATIVE, &two());
    }

    /// The comparison can fail: walkers of another machine see something else in the same bytes.
    #[test]
    #[should_panic(expected = "came as")]
    fn another_byte_order_is_noticed() {
        let order = if Layout::NATIVE.order == ByteOrder::Big { ByteOrder::Little } else { ByteOrder::Big };
        walkers(Layout { order, ..Layout::NATIVE }, &two());
    }
}
