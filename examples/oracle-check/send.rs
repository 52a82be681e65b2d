//! Sends drawn control bytes in drawn situations, receives what arrived, and compares with what the oracle said.

mod draw;
mod sockets;
mod stage;

use std::rc::Rc;

use scmsg::Errno;
use scmsg::oracle::{Capabilities, Outcome, Rules, Send, Sender, Verdict, send};

use super::kernel;
use super::lane::{Counts, Job, Lane};
use super::memory::Memory;
use super::rng::Rng;
use draw::Case;
use stage::{Seen, Stage};

/// Mismatches printed in full; the rest are only counted.
const SHOWN: u64 = 10;

/// Everything a lane keeps between cases.
pub struct Sends {
    lane: Lane,
    rules: Rules,
    stage: Stage,
    control: Memory,
    sender: Sender,
}

pub fn run(job: &Job) -> Counts {
    let mut sends = Sends::new(job.lane, job.rules);
    let (mut cases, mut mismatches) = (0, 0);
    for number in job.cases.clone() {
        cases += 1;
        if let Some(said) = sends.case(&mut Rng::of(job.seed, job.lane.number(), number)) {
            mismatches += 1;
            if mismatches <= SHOWN {
                println!("MISMATCH {said} replay: {}", job.replay(number));
            }
            if job.stop_early {
                break;
            }
        }
    }
    (cases, mismatches)
}

impl Sends {
    /// Takes this process over: its privileges and its descriptor table.
    pub fn new(lane: Lane, rules: Rules) -> Self {
        lane.give_up_root();
        let pages = usize::try_from(kernel::option_memory()).unwrap_or(0) / 4096 + 4;
        Self { lane, rules, control: Memory::new(pages), stage: Stage::new(lane), sender: sender() }
    }

    /// One case: `None` if oracle and kernel agree.
    pub fn case(&mut self, rng: &mut Rng) -> Option<String> {
        let layout = kernel::layout(self.lane.compat);
        let case = Case::draw(rng, layout, &self.stage, self.sender.pid);
        let items = case.items();
        let forgery = case.forgery(layout, &items);
        let space = forgery.space();
        let area = self.control.last(space + case.slack);
        let (storage, slack) = area.split_at_mut(space);
        slack.fill(0xff);
        let forged = forgery.build(storage).expect("the space it asked for");
        let (at, len, null) = (forged.bytes.as_ptr(), forged.control_len, forged.null);
        // Everything up to the page nobody can read, and no more, is there for the kernel.
        // SAFETY: the bytes that were built and the slack behind them, in memory that outlives the case.
        let readable = unsafe { std::slice::from_raw_parts(at, forged.bytes.len() + case.slack) };
        let scene = self.stage.set(&case);
        let numbers = Rc::clone(&self.stage.numbers);
        let call = Send {
            layout,
            socket: case.socket,
            control: scmsg::oracle::ControlArea { readable: (!null).then_some(readable), len },
            name: scene.name,
            bytes: case.bytes,
            flags: case.flags,
            connection: scene.connection,
            pending: scene.pending,
            peer_takes_rights: scene.takes_rights,
            descriptor: &|number| numbers.what(number),
            process: &kernel::process_exists,
            sender: self.sender,
            limits: self.stage.limits(&case),
            rules: self.rules,
        };
        let verdict = send(&call);
        let seen = self.stage.act(&case, &scene, if null { std::ptr::null() } else { at }, len);
        if agree(&verdict, &seen, &self.sender, case.bytes) {
            return None;
        }
        Some(format!("oracle: {verdict:?} kernel: {seen:?} {call:?} {forgery:?}"))
    }
}

fn sender() -> Sender {
    let (mut u, mut g) = ([0; 3], [0; 3]);
    let ([ur, ue, us], [gr, ge, gs]) = (&mut u, &mut g);
    // SAFETY: room for three numbers each.
    unsafe {
        libc::getresuid(ur, ue, us);
        libc::getresgid(gr, ge, gs);
    }
    let can: Capabilities = kernel::capabilities();
    Sender { pid: std::process::id() as i32, uids: u, gids: g, can }
}

fn agree(verdict: &Verdict, seen: &Seen, sender: &Sender, bytes: u64) -> bool {
    match verdict.outcome {
        Outcome::Failed(errno) => seen.result == Err(Errno::raw(errno)) && seen.is_nothing(),
        Outcome::Dropped { .. } => seen.result == Ok(0) && seen.is_nothing(),
        Outcome::Sent { bytes: sent, descriptors, credentials } => {
            let credentials = credentials.map_or((sender.pid as u32, sender.uids[0], sender.gids[0]), |said| {
                (said.pid.map_or(0, u32::from), said.uid, said.gid)
            });
            seen.result == Ok(sent)
                && sent == bytes
                && seen.bytes == bytes
                && seen.descriptors == descriptors
                && seen.credentials == Some(credentials)
        }
    }
}
