//! Compares the oracle with the kernel this runs on, case by case, and prints where they differ.
//!
//! ```text
//! oracle-check [--cases N] [--seed S] [--break RULE | --break list] [--lane NAME] [--only CASE] [--reproduce]
//! ```
//!
//! `--cases N` runs N sends and N receives, divided among the lanes: native and compat (a 32-bit program's system calls,
//! through `int 0x80` on x86_64), root and unprivileged. Each case depends on nothing but the seed, the lane and its
//! number, so a mismatch prints the command that runs it again. `--break RULE` takes one rule out of the oracle, which must
//! then be found wrong: it proves that the comparison can fail. `--lane NAME --only CASE --reproduce` prints the case on the
//! standard error as a C program (of several receives the one that differs, or the last).
//!
//! Exit code 0: no mismatch. 1: a mismatch, or nothing could be compared. 2: wrong arguments.

mod compat;
mod kernel;
mod lane;
mod memory;
mod receive;
mod rng;
mod send;

use std::process::ExitCode;
use std::time::Instant;

use scmsg::oracle::{Rule, Rules, Side};

use lane::{Job, Lane};

const USAGE: &str =
    "oracle-check [--cases N] [--seed S] [--break RULE | --break list] [--lane NAME] [--only CASE] [--reproduce]";

struct Arguments {
    cases: u64,
    seed: u64,
    broken: Option<Rule>,
    lane: Option<String>,
    only: Option<u64>,
    reproduce: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(said) => {
            eprintln!("oracle-check: {said}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let lanes: Vec<Lane> = Lane::all()
        .into_iter()
        .filter(|lane| arguments.lane.as_ref().is_none_or(|name| *name == lane.name()))
        .filter(|lane| arguments.broken.is_none_or(|rule| rule.side() == lane.side))
        .collect();
    if lanes.is_empty() {
        eprintln!("oracle-check: no such lane here");
        return ExitCode::from(2);
    }
    let start = Instant::now();
    let mut jobs = Vec::new();
    for &lane in &lanes {
        let share = lanes.iter().filter(|other| other.side == lane.side).count() as u64;
        let cases = match arguments.only {
            Some(case) => case..case + 1,
            None => 0..arguments.cases.div_ceil(share),
        };
        let rules = arguments.broken.map_or(Rules::ALL, Rules::without);
        let (seed, stop_early, reproduce) = (arguments.seed, arguments.broken.is_some(), arguments.reproduce);
        jobs.push(Job { lane, seed, cases, rules, stop_early, reproduce });
    }
    let tally = lane::run_all(&jobs);
    for (side, name) in [(Side::Send, "send"), (Side::Receive, "receive")] {
        let (cases, mismatches) = tally.of(side);
        println!("{name}: {cases} cases, {mismatches} mismatches");
    }
    println!("{:.1} s, seed {}", start.elapsed().as_secs_f64(), arguments.seed);
    let (cases, mismatches) = tally.total();
    ExitCode::from(u8::from(mismatches > 0 || cases == 0 || tally.crashed))
}

fn arguments() -> Result<Option<Arguments>, String> {
    let mut parsed = Arguments { cases: 100_000, seed: 1, broken: None, lane: None, only: None, reproduce: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--help" {
            println!("{USAGE}");
            return Ok(None);
        }
        if word == "--reproduce" {
            parsed.reproduce = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word}: {value} is not a number"));
        match word.as_str() {
            "--cases" => parsed.cases = number()?,
            "--seed" => parsed.seed = number()?,
            "--only" => parsed.only = Some(number()?),
            "--lane" => parsed.lane = Some(value),
            "--break" if value == "list" => {
                for rule in Rule::ALL {
                    println!("{:22} {}", rule.name(), rule.text());
                }
                return Ok(None);
            }
            "--break" => parsed.broken = Some(Rule::from_name(&value).ok_or_else(|| format!("no rule {value}"))?),
            _ => return Err(format!("{word} is unknown")),
        }
    }
    if parsed.reproduce && (parsed.lane.is_none() || parsed.only.is_none()) {
        return Err("--reproduce needs --lane and --only".into());
    }
    Ok(Some(parsed))
}
