//! Turns the name of a workload into cases, and a case into one run of a contestant.

use std::fs::File;
use std::os::fd::AsFd;

use crate::codec::{Message, Once, Times, elsewhere};
use crate::contestant::{Contestant, Done};
use crate::jobs::{Checked, Receives, Rounds, Sends};
use crate::stage::{DATAGRAMS, MOST, Stage, UdpStage};

/// One row of tables: what is done, and with how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// One descriptor, one data byte: send, receive, close.
    One,
    /// The same without the data byte.
    Empty,
    /// The sending half of `One`.
    Send,
    /// So many descriptors in one message.
    PerMessage(usize),
    /// So many messages of one descriptor in one call.
    Batch(usize),
    /// So many descriptors, 253 in a message, held and then closed; in windows where the descriptor table is smaller.
    Bulk(usize),
    /// 64 datagrams of 32 bytes with packet info.
    Udp,
    /// Control bytes for so many descriptors, without a kernel.
    Encode(usize),
    /// Control bytes read: one message, or four of different types.
    Decode(usize),
    /// So many descriptors in one message, from one process to another.
    TwoProcesses(usize),
}

use Case::{Batch, Bulk, Decode, Empty, Encode, One, PerMessage, Send, TwoProcesses, Udp};

/// All cases, in the order of the tables.
pub const CASES: &[Case] = &[
    One,
    Empty,
    Send,
    PerMessage(1),
    PerMessage(4),
    PerMessage(16),
    PerMessage(64),
    PerMessage(MOST),
    Batch(1),
    Batch(2),
    Batch(4),
    Batch(8),
    Batch(16),
    Batch(32),
    Batch(64),
    Bulk(1_000),
    Bulk(2_500),
    Bulk(5_000),
    Bulk(10_000),
    Bulk(19_000),
    Bulk(100_000),
    Udp,
    Encode(1),
    Encode(MOST),
    Decode(1),
    Decode(4),
    TwoProcesses(1),
    TwoProcesses(16),
    TwoProcesses(MOST),
];

impl Case {
    /// Its workload, and the number behind it.
    #[must_use]
    pub fn parts(self) -> (&'static str, Option<usize>) {
        match self {
            One => ("one", None),
            Empty => ("empty", None),
            Send => ("send", None),
            PerMessage(n) => ("per_message", Some(n)),
            Batch(n) => ("batch", Some(n)),
            Bulk(n) => ("bulk", Some(n)),
            Udp => ("udp", None),
            Encode(n) => ("encode", Some(n)),
            Decode(n) => ("decode", Some(n)),
            TwoProcesses(n) => ("two_processes", Some(n)),
        }
    }

    /// Its name: `bulk/1000`.
    #[must_use]
    pub fn name(self) -> String {
        match self.parts() {
            (name, Some(n)) => format!("{name}/{n}"),
            (name, None) => name.into(),
        }
    }

    /// The cases that a word on the command line means: all for none, a whole workload, or one case.
    #[must_use]
    pub fn named(word: Option<&str>) -> Vec<Self> {
        let wanted = |case: &&Self| word.is_none_or(|word| case.parts().0 == word || case.name() == word);
        CASES.iter().filter(wanted).copied().collect()
    }

    /// What one value is divided by.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Udp => "datagram",
            Send | Encode(_) | Decode(_) => "message",
            _ => "descriptor",
        }
    }

    /// Units in one round.
    #[must_use]
    pub fn units(self) -> usize {
        match self {
            PerMessage(n) | Batch(n) | TwoProcesses(n) => n,
            Bulk(_) => self.messages() * self.windows() * MOST,
            Udp => DATAGRAMS,
            One | Empty | Send | Encode(_) | Decode(_) => 1,
        }
    }

    /// Windows of a bulk: how often the descriptor table is filled for it.
    fn windows(self) -> usize {
        let Bulk(n) = self else { return 1 };
        let room = nofile().saturating_sub(600) / MOST;
        n.div_ceil(MOST).div_ceil(room.clamp(1, 200))
    }

    /// Messages in each window.
    fn messages(self) -> usize {
        let Bulk(n) = self else { return 1 };
        n.div_ceil(MOST).div_ceil(self.windows())
    }
}

/// The soft limit of open descriptors, which `main` has raised to the hard one.
#[must_use]
pub fn nofile() -> usize {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map_or(1 << 20, |limit| limit as usize)
}

/// How a case is run.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// So many rounds, timed.
    Timed(usize),
    /// A few rounds; every result is compared with what was sent.
    Checked,
}

/// `None`: it cannot do that.
pub type Outcome = Option<Done>;

/// Runs a case with one contestant. Panics if what came out is not what went in.
pub fn run<C: Contestant>(case: &Case, mode: &Mode) -> Outcome {
    let case = *case;
    let rounds = match *mode {
        Mode::Timed(rounds) => rounds,
        Mode::Checked => 3,
    };
    let checked = matches!(mode, Mode::Checked);
    let (files, data): (usize, &[u8]) = match case {
        PerMessage(n) | TwoProcesses(n) => (n, b"x"),
        Bulk(_) => (MOST, b"x"),
        Empty => (1, b""),
        _ => (1, b"x"),
    };
    let stage = || Stage::new(files, data);
    let (done, expected) = match case {
        One | Empty | PerMessage(_) => {
            let done = if checked { C::pass(&stage(), Checked(rounds)) } else { C::pass(&stage(), Rounds(rounds)) };
            (done?, files * rounds)
        }
        Batch(width) => {
            let stage = stage();
            let done = if checked {
                C::batch(&stage, width, Checked(rounds))
            } else {
                C::batch(&stage, width, Rounds(rounds))
            };
            (done?, width * rounds)
        }
        Bulk(_) => {
            let (stage, messages, rounds) = (stage(), case.messages(), rounds * case.windows());
            let done = if checked {
                C::bulk(&stage, messages, Checked(rounds))
            } else {
                C::bulk(&stage, messages, Rounds(rounds))
            };
            (done?, messages * rounds * MOST)
        }
        Udp => (C::udp(&UdpStage::new(), Rounds(rounds))?, DATAGRAMS * rounds),
        // What was sent stays in the socket, which holds 278 messages: the rounds are cut into runs of 200.
        Send => {
            let mut total = Done { nanoseconds: 0.0, units: 0 };
            for start in (0..rounds).step_by(200) {
                let done = C::pass(&stage(), Sends((rounds - start).min(200)))?;
                total = Done { nanoseconds: total.nanoseconds + done.nanoseconds, units: total.units + done.units };
            }
            (total, rounds)
        }
        Encode(n) => {
            let file = File::open("/dev/null").expect("/dev/null");
            let fds = vec![file.as_fd(); n];
            let len = 16 + 4 * n;
            if checked {
                (C::encode(&fds, Once)?, len)
            } else {
                (elsewhere(|| C::encode(&fds, Times(rounds)))?, len * rounds)
            }
        }
        Decode(n) => {
            let message = Message::new(n == 4);
            let sum = crate::contestant::sum(message.expected);
            if checked {
                (C::decode(&message, Once)?, sum)
            } else {
                (elsewhere(|| C::decode(&message, Times(rounds)))?, sum.wrapping_mul(rounds))
            }
        }
        TwoProcesses(_) => (two_processes::<C>(&stage(), rounds)?, files * rounds),
    };
    assert_eq!(done.units, expected, "{} {}: not what was sent", case.name(), C::NAME);
    Some(done)
}

/// A child process sends, this one receives and closes.
fn two_processes<C: Contestant>(stage: &Stage, rounds: usize) -> Outcome {
    // SAFETY: this process has one thread, and the child only sends.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let sent = std::panic::catch_unwind(|| C::pass(stage, Sends(rounds + 1)).is_some());
            // SAFETY: ends the child, and runs nothing of the parent's.
            unsafe { libc::_exit(i32::from(!sent.is_ok_and(|sent| sent))) }
        }
        child => {
            let done = C::pass(stage, Receives(rounds));
            let mut status = 0;
            // SAFETY: `status` is valid for writes.
            let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert!(ended == child && (status == 0 || done.is_none()), "the sending process failed: {status}");
            done
        }
    }
}
