//! Turns the run-time into a program that looks at itself: prints its arguments and environment, line by line, after it has
//! seen that memory is copied, filled and compared rightly. `static/check` runs it on every architecture there is.
//!
//! Exit status: how many arguments there were, or 100 if memory came out wrong.

#![no_std]
#![no_main]

#[path = "../../mod.rs"]
mod rt;

use core::hint::black_box;

/// More than any unrolled or vector loop takes at once.
const SIZE: usize = 100;

fn main(stack: rt::Stack) -> i32 {
    if !memory() {
        return 100;
    }
    for line in stack.args().skip(1).chain(stack.env()) {
        print(line.to_bytes());
    }
    stack.args().count() as i32
}

fn print(line: &[u8]) {
    let _ = rt::write(rt::stdout(), line);
    let _ = rt::write(rt::stdout(), b"\n");
}

/// The byte that is at a place before anything is done; no two near ones are alike.
fn byte(at: usize) -> u8 {
    (at * 7 + 1) as u8
}

fn fresh() -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    for (at, place) in bytes.iter_mut().enumerate() {
        *place = byte(at);
    }
    black_box(bytes)
}

/// Every length at every distance: what moved is where it belongs, and nothing else changed.
fn memory() -> bool {
    let mut right = true;
    for from in 0..12 {
        for to in 0..12 {
            for len in (0..20).chain([31, 32, 33, 63, 64, 80]) {
                let (from, to, len) = black_box((from, to, len));
                let inside = |at: usize| (to..to + len).contains(&at);

                // memmove, over itself.
                let mut bytes = fresh();
                bytes.copy_within(from..from + len, to);
                right &= (0..SIZE).all(|at| bytes[at] == if inside(at) { byte(at - to + from) } else { byte(at) });

                // memcpy, from elsewhere.
                let source = fresh();
                let mut bytes = fresh();
                bytes[to..to + len].copy_from_slice(&source[from..from + len]);
                right &= (0..SIZE).all(|at| bytes[at] == if inside(at) { byte(at - to + from) } else { byte(at) });

                // memset.
                let mut bytes = fresh();
                bytes[to..to + len].fill(black_box(0xee));
                right &= (0..SIZE).all(|at| bytes[at] == if inside(at) { 0xee } else { byte(at) });

                // memcmp and bcmp, with one difference or none.
                for at in [0, len / 2, len.saturating_sub(1)] {
                    for change in [0, 1, 0x80] {
                        let (one, mut other) = (fresh(), fresh());
                        other[from + at] ^= change;
                        let (a, b) = (&one[from..from + len], &other[from..from + len]);
                        let same = change == 0 || len == 0;
                        right &= (black_box(a) == black_box(b)) == same;
                        let expected =
                            if same { core::cmp::Ordering::Equal } else { one[from + at].cmp(&other[from + at]) };
                        right &= black_box(a).cmp(black_box(b)) == expected;
                    }
                }
            }
        }
    }
    right
}
