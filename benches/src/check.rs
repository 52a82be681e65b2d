//! Turns the bounds this crate is held to into `ok` or `OVER`.

use crate::contestants::ALL;
use crate::instructions;
use crate::race::{Lane, lane, median, race, ratio};
use crate::workload::Case;

/// What is no peer: the floors, and this crate.
fn peer(name: &str) -> bool {
    !name.starts_with("floor") && !name.starts_with("scmsg")
}

/// One line; whether it is kept.
fn line(what: &str, value: Option<f64>, bound: f64, at_most: bool) -> bool {
    let kept = value.is_some_and(|value| if at_most { value <= bound } else { value >= bound });
    let value = value.map_or_else(|| "-".into(), |value| format!("{value:.3}"));
    let side = if at_most { "at most" } else { "at least" };
    println!("{what}\t{value}\t{side} {bound}\t{}", if kept { "ok" } else { "OVER" });
    kept
}

/// Instruction bounds: case, contestant, at most; and where that is not reached yet, what was reached.
const INSTRUCTIONS: &[(Case, &str, f64, Option<f64>)] = &[
    (Case::One, "scmsg", 75.0, None),
    (Case::Batch(16), "scmsg", 45.0, None),
    (Case::Batch(16), "scmsg-prepared", 45.0, None),
    (Case::Batch(16), "scmsg-set", 45.0, None),
    (Case::Send, "scmsg-prepared", 12.0, None),
    (Case::PerMessage(253), "scmsg-prepared", 2.0, None),
    (Case::Udp, "scmsg-prepared", 90.0, None),
    (Case::Encode(1), "scmsg", 18.0, None),
    (Case::Decode(1), "scmsg", 40.0, None),
    (Case::Decode(4), "scmsg", 95.0, Some(112.0)),
];

/// The growth: every value of it must be within 10 % of the first.
const GROWTH: [Case; 6] = [
    Case::Bulk(1_000),
    Case::Bulk(2_500),
    Case::Bulk(5_000),
    Case::Bulk(10_000),
    Case::Bulk(19_000),
    Case::Bulk(100_000),
];

/// How the exact bounds, which take seconds, are judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// By the bounds.
    Bounds,
    /// By what was reached: nothing gets worse, and a bound that is not reached still prints `OVER`.
    Reached,
}

/// Prints the exact bounds; whether all are kept.
#[must_use]
pub fn instructions(judge: Judge) -> bool {
    if !instructions::available() {
        println!("SKIPPED: missing tool: valgrind");
        return true;
    }
    if cfg!(not(target_arch = "x86_64")) {
        println!("SKIPPED: the bounds are for x86_64");
        return true;
    }
    let mut kept = true;
    for (case, name, bound, reached) in INSTRUCTIONS {
        let value = ALL.iter().find(|entry| entry.name == *name).and_then(|e| instructions::per_unit(*case, e));
        let what = format!("{} {name}, instructions/{}", case.name(), case.unit());
        let within = line(&what, value, *bound, true);
        kept &= match reached {
            Some(reached) if judge == Judge::Reached => value.is_some_and(|value| value <= *reached),
            _ => within,
        };
    }
    kept
}

/// Prints every bound; whether all are kept.
#[must_use]
pub fn check(rounds: usize) -> bool {
    let mut kept = instructions(Judge::Bounds);

    let most = Case::PerMessage(253);
    let few = |name: &str| name.starts_with("floor") || name.starts_with("scmsg");
    let to_floor = |lanes: &[Lane], case, name| Some(ratio(lane(lanes, case, name)?, lane(lanes, case, "floor")?));
    let one = race(&[Case::One], 3 * rounds, few);
    kept &= line("one scmsg, time to the floor's", to_floor(&one, Case::One, "scmsg"), 1.02, true);
    let encode = race(&[Case::Encode(253)], rounds, few);
    kept &= line("encode/253 scmsg, time to memcpy's", to_floor(&encode, Case::Encode(253), "scmsg"), 1.05, true);
    let message = race(&[most], rounds, |_| true);
    for name in ["scmsg", "scmsg-prepared"] {
        let what = format!("per_message/253 {name}, time to the floor's");
        kept &= line(&what, to_floor(&message, most, name), 0.58, true);
    }
    // What no program can beat, and how far 0.58 is from it here: a system call costs more on one processor than on another.
    let least = to_floor(&message, most, "floor-close_range").unwrap_or(f64::NAN);
    println!("per_message/253 floor-close_range, time to the floor's: {least:.3}");
    let runs = |name| Some(ratio(lane(&message, most, name)?, lane(&message, most, "floor-close_range")?));
    kept &= line("per_message/253 scmsg, time to floor-close_range's", runs("scmsg"), 1.03, true);
    let slower = |lanes: &[Lane], case, name| Some(ratio(lane(lanes, case, name)?, lane(lanes, case, "scmsg")?));
    for entry in ALL.iter().filter(|entry| peer(entry.name)) {
        let what = format!("per_message/253 {}, time to scmsg's", entry.name);
        kept &= line(&what, slower(&message, most, entry.name), 1.7, false);
    }

    let bulk = race(&GROWTH, rounds, |_| true);
    let first = lane(&bulk, GROWTH[0], "scmsg");
    for case in &GROWTH[1..] {
        let value = lane(&bulk, *case, "scmsg").zip(first).map(|(this, first)| ratio(this, first));
        let what = format!("{} scmsg, time to that of bulk/1000", case.name());
        kept &= line(&what, value, 1.1, true);
    }
    for entry in ALL.iter().filter(|entry| peer(entry.name)) {
        // The least of the medians: every size counts.
        let ratios = GROWTH.iter().filter_map(|case| slower(&bulk, *case, entry.name));
        let least = ratios.min_by(f64::total_cmp);
        kept &= line(&format!("bulk {}, time to scmsg's, least of all sizes", entry.name), least, 1.7, false);
    }
    let rate = lane(&bulk, Case::Bulk(100_000), "scmsg").map_or(f64::NAN, |lane| 1e3 / median(&lane.samples));
    println!("bulk/100000 scmsg: {rate:.1} million descriptors per second");
    kept
}
