//! A lane is one process with one side, one ABI and one set of privileges; its cases run one after another.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::fd::FromRawFd;

use scmsg::oracle::{Rules, Side};

use super::{compat, kernel, receive, send};

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
        // SAFETY: asks for a number.
        let root = unsafe { libc::geteuid() } == 0;
        if !compat {
            println!(
                "SKIPPED: compat: this kernel does not take the system calls of a 32-bit program from a 64-bit one"
            );
        }
        if !root {
            println!("SKIPPED: root: not started as root; the limit of descriptors in flight is left out as well");
        }
        let mut lanes = Vec::new();
        for side in [Side::Send, Side::Receive] {
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
        // SAFETY: asks for a number.
        if self.root || unsafe { libc::geteuid() } != 0 {
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

/// Cases run and mismatches found.
pub type Counts = (u64, u64);

/// Runs each job in a process of its own, as many at a time as there are processors.
pub fn run_all(jobs: &[Job]) -> Tally {
    let width = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tally = Tally::default();
    for group in jobs.chunks(width) {
        let started: Vec<_> = group.iter().map(start).collect();
        for (job, (child, mut pipe)) in group.iter().zip(started) {
            let mut said = String::new();
            let _ = pipe.read_to_string(&mut said);
            let mut status = 0;
            // SAFETY: waits for a child of this process.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            let mut counts = said.split(' ').filter_map(|word| word.parse().ok());
            match (counts.next(), counts.next()) {
                (Some(cases), Some(mismatches)) if status == 0 => {
                    println!("{}: {cases} cases, {mismatches} mismatches", job.lane.name());
                    tally.lanes.push((job.lane.side, cases, mismatches));
                }
                _ => {
                    println!("{}: ended early, wait status {status:#x}", job.lane.name());
                    tally.crashed = true;
                }
            }
        }
    }
    tally
}

fn start(job: &Job) -> (i32, File) {
    let mut ends = [0; 2];
    // SAFETY: room for two numbers.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "pipe");
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        let counts = std::panic::catch_unwind(|| match job.lane.side {
            Side::Send => send::run(job),
            Side::Receive => receive::run(job),
        });
        let Ok((cases, mismatches)) = counts else {
            // SAFETY: ends the child.
            unsafe { libc::_exit(101) }
        };
        let said = format!("{cases} {mismatches}");
        // SAFETY: bytes of a string to the pipe; then the child ends.
        unsafe {
            libc::write(ends[1], said.as_ptr().cast(), said.len());
            libc::_exit(0)
        }
    }
    // SAFETY: the child's end, of no use here; the other end is owned by the file from here on.
    unsafe {
        libc::close(ends[1]);
        (child, File::from_raw_fd(ends[0]))
    }
}
