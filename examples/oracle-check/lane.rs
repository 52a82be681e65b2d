//! A lane is one process with one side, one ABI and one set of privileges; its cases run one after another.

use std::io::{self, Write};
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use scmsg::oracle::{Rules, Side};

use super::receive::Receives;
use super::rng::Rng;
use super::send::Sends;
use super::{compat, kernel};

/// Mismatches of a process printed in full; the rest are only counted.
const SHOWN: u64 = 10;

/// Processes of a lane that may die before it is given up.
const DEATHS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub side: Side,
    /// Through the system calls of a 32-bit program.
    pub compat: bool,
    /// As root; otherwise as a user nobody else is.
    pub root: bool,
}

impl Lane {
    /// The lanes this machine has; says which it has not.
    pub fn all() -> Vec<Self> {
        let compat = compat::available();
        let root = kernel::is_root();
        if !compat {
            println!(
                "SKIPPED: compat: this kernel does not take the system calls of a 32-bit program from a 64-bit one"
            );
        }
        if !root {
            println!(
                "SKIPPED: root: not started as root of the first user namespace; the limit of descriptors in flight is left out as well"
            );
        }
        let mapped = ["uid_map", "gid_map"].iter().all(|which| !kernel::mapped(which).is_empty());
        if !mapped {
            println!("SKIPPED: receives: no user is mapped here, so no credentials can be sent");
        }
        let sides = if mapped { &[Side::Send, Side::Receive][..] } else { &[Side::Send] };
        let mut lanes = Vec::new();
        for &side in sides {
            for (is_compat, is_root) in [(false, true), (false, false), (true, true), (true, false)] {
                if (compat || !is_compat) && (root || !is_root) {
                    lanes.push(Self { side, compat: is_compat, root: is_root });
                }
            }
        }
        lanes
    }

    pub fn name(self) -> String {
        let side = if self.side == Side::Send { "send" } else { "receive" };
        let abi = if self.compat { "compat" } else { "native" };
        let user = if self.root { "root" } else { "user" };
        format!("{side}-{abi}-{user}")
    }

    /// A number of its own, for the random numbers.
    pub fn number(self) -> u64 {
        u64::from(self.side == Side::Send) << 2 | u64::from(self.compat) << 1 | u64::from(self.root)
    }

    /// Gives up root, if this lane has none: three users and three groups of this process alone.
    pub fn give_up_root(self) {
        if self.root || !kernel::is_root() {
            return;
        }
        let id = kernel::OWN_USER + std::process::id();
        // SAFETY: no pointer but to an empty list.
        unsafe {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0, "setgroups");
            assert_eq!(libc::setresgid(id, id + 100_000_000, id + 200_000_000), 0, "setresgid");
            assert_eq!(libc::setresuid(id, id + 100_000_000, id + 200_000_000), 0, "setresuid");
        }
    }
}

/// The cases of one lane.
#[derive(Clone)]
pub struct Job {
    pub lane: Lane,
    pub seed: u64,
    pub cases: Range<u64>,
    pub rules: Rules,
    /// Stop at the first mismatch: enough to know that a rule is broken.
    pub stop_early: bool,
    /// Print the case as a C program.
    pub reproduce: bool,
}

impl Job {
    /// The command that runs one case again.
    pub fn replay(&self, case: u64) -> String {
        format!("oracle-check --seed {} --lane {} --only {case}", self.seed, self.lane.name())
    }
}

/// What came out.
#[derive(Default)]
pub struct Tally {
    lanes: Vec<(Side, u64, u64)>,
    pub crashed: bool,
}

impl Tally {
    pub fn of(&self, side: Side) -> (u64, u64) {
        self.lanes.iter().filter(|lane| lane.0 == side).fold((0, 0), |sum, lane| (sum.0 + lane.1, sum.1 + lane.2))
    }

    pub fn total(&self) -> (u64, u64) {
        let (send, receive) = (self.of(Side::Send), self.of(Side::Receive));
        (send.0 + receive.0, send.1 + receive.1)
    }
}

/// Bytes of the longest C program.
const PROGRAM: usize = 4 << 20;

/// What a lane's process and the one that started it both see.
pub struct Board {
    /// Cases begun.
    cases: AtomicU64,
    mismatches: AtomicU64,
    /// The C program of the last call, if it was to be kept: written before the call, which may end the process.
    program_len: AtomicU64,
    program: [AtomicU8; PROGRAM],
}

impl Board {
    fn new() -> &'static Self {
        let (read_write, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at no given address.
        let start = unsafe { libc::mmap(null_mut(), size_of::<Self>(), read_write, shared, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED, "mmap");
        // SAFETY: zeros are a board, and the mapping is never undone.
        unsafe { &*start.cast() }
    }

    fn cases(&self) -> u64 {
        self.cases.load(Relaxed)
    }

    fn mismatches(&self) -> u64 {
        self.mismatches.load(Relaxed)
    }

    /// Keeps a C program.
    pub fn keep(&self, program: &str) {
        assert!(program.len() <= PROGRAM, "a program of {} bytes", program.len());
        self.program.iter().zip(program.bytes()).for_each(|(to, byte)| to.store(byte, Relaxed));
        self.program_len.store(program.len() as u64, Relaxed);
    }

    /// The last one kept.
    fn program(&self) -> String {
        let kept = &self.program[..self.program_len.load(Relaxed) as usize];
        String::from_utf8_lossy(&kept.iter().map(|byte| byte.load(Relaxed)).collect::<Vec<_>>()).into_owned()
    }
}

/// Runs each job in a process of its own, as many at a time as there are processors.
pub fn run_all(jobs: &[Job]) -> Tally {
    let width = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tally = Tally::default();
    for group in jobs.chunks(width) {
        let started: Vec<_> = group.iter().map(start).collect();
        for (job, (child, board)) in group.iter().zip(started) {
            let (cases, mismatches, crashed) = finish(job, child, board);
            println!("{}: {cases} cases, {mismatches} mismatches", job.lane.name());
            tally.lanes.push((job.lane.side, cases, mismatches));
            tally.crashed |= crashed;
        }
    }
    tally
}

/// Waits for a lane to end. A case that kills its process (an emulator, say) is a mismatch; the next process goes on behind
/// it. The last number: whether it ended before it was through.
fn finish(job: &Job, mut child: i32, mut board: &'static Board) -> (u64, u64, bool) {
    let (mut job, mut cases, mut mismatches) = (job.clone(), 0, 0);
    for _ in 0..DEATHS {
        let mut status = 0;
        // SAFETY: waits for a child of this process.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        eprint!("{}", board.program());
        cases += board.cases();
        mismatches += board.mismatches();
        if status == 0 {
            return (cases, mismatches, false);
        }
        if board.cases() == 0 {
            break;
        }
        let fatal = job.cases.start + board.cases() - 1;
        println!("MISMATCH its process ended with wait status {status:#x} replay: {}", job.replay(fatal));
        mismatches += 1;
        job.cases.start = fatal + 1;
        if job.stop_early || job.cases.is_empty() {
            return (cases, mismatches, false);
        }
        (child, board) = start(&job);
    }
    println!("{}: ended early", job.lane.name());
    (cases, mismatches, true)
}

fn start(job: &Job) -> (i32, &'static Board) {
    let board = Board::new();
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        let done = std::panic::catch_unwind(|| match job.lane.side {
            Side::Send => {
                let mut sends = Sends::new(job.lane, job.rules);
                sends.reproduce = job.reproduce.then_some(board);
                run(job, board, |rng| sends.case(rng));
            }
            Side::Receive => {
                let mut receives = Receives::new(job.lane, job.rules);
                receives.reproduce = job.reproduce.then_some(board);
                run(job, board, |rng| receives.case(rng));
            }
        });
        // SAFETY: ends the child.
        unsafe { libc::_exit(if done.is_ok() { 0 } else { 101 }) };
    }
    (child, board)
}

/// Runs the cases of a job.
fn run(job: &Job, board: &Board, mut case: impl FnMut(&mut Rng) -> Option<String>) {
    for number in job.cases.clone() {
        board.cases.fetch_add(1, Relaxed);
        let Some(said) = case(&mut Rng::of(job.seed, job.lane.number(), number)) else { continue };
        if board.mismatches.fetch_add(1, Relaxed) < SHOWN {
            // In one piece: another lane prints at the same time.
            let line = format!("MISMATCH {said} replay: {}\n", job.replay(number));
            let _ = io::stdout().write_all(line.as_bytes());
        }
        if job.stop_early {
            return;
        }
    }
}
