//! Turns a case and a contestant into user-space instructions per unit, exactly: `(Ir(2k) - Ir(k)) / k` by callgrind, so that
//! all that is done once is taken off.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::contestants::{ALL, Entry};
use crate::record::Row;
use crate::workload::{Case, Mode};

/// Whether callgrind is there.
#[must_use]
pub fn available() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Rounds of the shorter run.
fn rounds(case: Case) -> usize {
    match case {
        Case::Send => 100,
        Case::Bulk(n) => (20_000 / n).max(1),
        Case::PerMessage(n) if n > 16 => 100,
        Case::Batch(_) | Case::Udp => 100,
        _ => 1000,
    }
}

/// What the process under callgrind does: one run, nothing else.
pub fn child(case: Case, contestant: &str, rounds: usize) -> Option<()> {
    // Valgrind keeps a descriptor below 256: above that, received numbers are consecutive, as they are without it.
    let low: Vec<_> = (0..300).map(|_| std::fs::File::open("/dev/null").expect("/dev/null")).collect();
    let entry = ALL.iter().find(|entry| entry.name == contestant)?;
    let done = (entry.run)(&case, &Mode::Timed(rounds));
    drop(low);
    done.map(drop)
}

/// Instructions of a whole run; `None` if the contestant cannot do that.
fn collected(case: Case, entry: &Entry, rounds: usize) -> Option<u64> {
    let this = std::env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["under-callgrind", &case.name(), entry.name, &rounds.to_string()])
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) {
        return None;
    }
    assert!(output.status.success(), "{} {}: {said}", case.name(), entry.name);
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// Instructions per unit.
#[must_use]
pub fn per_unit(case: Case, entry: &Entry) -> Option<f64> {
    let rounds = rounds(case);
    let (once, twice) = (collected(case, entry, rounds)?, collected(case, entry, 2 * rounds)?);
    Some(twice.saturating_sub(once) as f64 / (rounds * case.units()) as f64)
}

/// Rows of all contestants in some cases, two at a time.
#[must_use]
pub fn rows(cases: &[Case], only: impl Fn(Case, &str) -> bool) -> Vec<Row> {
    // Between two processes the kernel decides who waits how often: that is no exact number.
    let cases = cases.iter().filter(|case| !matches!(case, Case::TwoProcesses(_)));
    let all = || ALL.iter();
    let pairs: Vec<_> =
        cases.flat_map(|case| all().map(|entry| (*case, entry))).filter(|(c, e)| only(*c, e.name)).collect();
    let next = AtomicUsize::new(0);
    let values = Mutex::new(vec![None; pairs.len()]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((index, (case, entry))) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, pairs.get(i)?)))
                {
                    let value = per_unit(*case, entry);
                    values.lock().expect("no panic holds it")[index] = value;
                }
            });
        }
    });
    let values = values.into_inner().expect("no panic held it");
    let floor =
        |case: Case| pairs.iter().zip(&values).find(|((c, e), _)| *c == case && e.name == ALL[0].name)?.1.as_ref();
    let row = |((case, entry), value): (&(Case, &Entry), &Option<f64>)| Row {
        workload: case.name(),
        contestant: entry.name.into(),
        metric: format!("instructions/{}", case.unit()),
        value: *value,
        ratio: value.zip(floor(*case)).map(|(value, floor)| value / floor),
    };
    pairs.iter().zip(&values).map(row).collect()
}
