//! `benches race [WORKLOAD] [--record]`, `benches instr [WORKLOAD] [--record]`, `benches check [instr]`, `benches plot`.

use std::process::ExitCode;

use benches::workload::Case;
use benches::{check, instructions, plot, race, record};

/// Rounds of a race, unless `ROUNDS` says otherwise.
const ROUNDS: usize = 41;

const USAGE: &str =
    "usage: benches/run race [WORKLOAD] [--record] | instr [WORKLOAD] [--record] | check [instr] | plot";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    raise_limit();
    let (record, words): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| **word == "--record");
    let cases = Case::named(words.get(1).copied());
    if cases.is_empty() && matches!(words[..], ["race" | "instr", _]) {
        eprintln!("no such workload");
        return ExitCode::from(2);
    }
    let whole = words.len() == 1;
    match words[..] {
        ["race"] | ["race", _] => {
            let rows = race::all(&cases, rounds, |row| println!("{}", row.line('\t')));
            keep(!record.is_empty() && whole, "race.csv", &format!("benches/run race --record, {rounds} rounds"), &rows)
        }
        ["instr"] | ["instr", _] => {
            if !instructions::available() {
                println!("SKIPPED: valgrind is not installed");
                return ExitCode::SUCCESS;
            }
            let rows = instructions::rows(&cases, |_, _| true);
            rows.iter().for_each(|row| println!("{}", row.line('\t')));
            keep(!record.is_empty() && whole, "instructions.csv", "benches/run instr --record", &rows)
        }
        ["check", "instr"] => ExitCode::from(u8::from(!check::instructions(check::Judge::Reached))),
        ["check"] => ExitCode::from(u8::from(!check::check(rounds))),
        ["plot"] => match plot::draw() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        ["under-callgrind", name, contestant, rounds] => {
            let [case] = Case::named(Some(name))[..] else { return ExitCode::from(2) };
            let done = instructions::child(case, contestant, rounds.parse().expect("a number of rounds"));
            // Three: it cannot do that.
            done.map_or(ExitCode::from(3), |()| ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Writes a record, if one is wanted; only of all workloads together.
fn keep(wanted: bool, name: &str, how: &str, rows: &[record::Row]) -> ExitCode {
    match if wanted { record::write(name, how, rows) } else { Ok(()) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Raises the soft limit of open descriptors to the hard one.
fn raise_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
