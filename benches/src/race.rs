//! Turns cases and contestants into medians: every round runs every contestant once, each round starts with another one, and
//! ratios are made inside a round, so that what slows the machine for a while slows both sides of a ratio.

use crate::contestants::{ALL, Entry};
use crate::record::Row;
use crate::workload::{Case, Mode};

/// Time of one contestant in one round, in nanoseconds; more for those that are slower than the floor.
const SLICE: f64 = 4.0e6;

/// One contestant in one case, with its time per unit in every round.
pub struct Lane {
    pub case: Case,
    pub contestant: &'static str,
    /// Nanoseconds per unit, round by round; empty if it cannot do that.
    pub samples: Vec<f64>,
}

/// Checks, then races. All `cases` are interleaved with each other too.
#[must_use]
pub fn race(cases: &[Case], rounds: usize, only: impl Fn(&str) -> bool) -> Vec<Lane> {
    let mut lanes = Vec::new();
    let mut runs: Vec<(usize, Entry, usize)> = Vec::new();
    for case in cases {
        let mut repeat = 0;
        for entry in ALL.iter().filter(|entry| only(entry.name)) {
            let able = (entry.run)(case, &Mode::Checked).is_some();
            if repeat == 0 {
                repeat = calibrated(case, entry);
            }
            if able {
                runs.push((lanes.len(), *entry, repeat));
            }
            lanes.push(Lane { case: *case, contestant: entry.name, samples: Vec::new() });
        }
    }
    for round in 0..rounds {
        let start = round * 7 % runs.len().max(1);
        for (lane, entry, repeat) in runs[start..].iter().chain(&runs[..start]) {
            let lane = &mut lanes[*lane];
            let done = (entry.run)(&lane.case, &Mode::Timed(*repeat)).expect("it could before");
            lane.samples.push(done.nanoseconds / (lane.case.units() * repeat) as f64);
        }
    }
    lanes
}

/// Rounds that fill a slice of time.
fn calibrated(case: &Case, entry: &Entry) -> usize {
    let mut repeat = 1;
    loop {
        let done = (entry.run)(case, &Mode::Timed(repeat)).expect("the floor can do everything");
        if done.nanoseconds > SLICE / 4.0 {
            return ((SLICE / done.nanoseconds * repeat as f64) as usize).max(1);
        }
        repeat *= 4;
    }
}

/// The middle of some values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The median of the ratios of two lanes, round by round.
#[must_use]
pub fn ratio(lane: &Lane, to: &Lane) -> f64 {
    let ratios: Vec<f64> = lane.samples.iter().zip(&to.samples).map(|(a, b)| a / b).collect();
    median(&ratios)
}

/// The lane of a contestant in a case.
#[must_use]
pub fn lane<'a>(lanes: &'a [Lane], case: Case, contestant: &str) -> Option<&'a Lane> {
    lanes.iter().find(|lane| lane.case == case && lane.contestant == contestant && !lane.samples.is_empty())
}

/// One row for each lane.
#[must_use]
pub fn rows(lanes: &[Lane]) -> Vec<Row> {
    let row = |this: &Lane| {
        let floor = lane(lanes, this.case, ALL[0].name);
        let able = !this.samples.is_empty();
        Row {
            workload: this.case.name(),
            contestant: this.contestant.into(),
            metric: format!("ns/{}", this.case.unit()),
            value: able.then(|| median(&this.samples)),
            ratio: floor.filter(|_| able).map(|floor| ratio(this, floor)),
        }
    };
    lanes.iter().map(row).collect()
}

/// Races case by case (bulk as one, for its growth), and hands over rows as they come.
pub fn all(cases: &[Case], rounds: usize, mut each: impl FnMut(&Row)) -> Vec<Row> {
    let mut rows_of_all = Vec::new();
    for group in cases.chunk_by(|a, b| matches!((a, b), (Case::Bulk(_), Case::Bulk(_)))) {
        let rows = rows(&race(group, rounds, |_| true));
        rows.iter().for_each(&mut each);
        rows_of_all.extend(rows);
    }
    rows_of_all
}
