//! Receives what was sent in drawn situations, and compares with what the oracle said, byte for byte.
//!
//! The descriptor table holds only decoys and its free numbers are known, so the oracle says which numbers come. Several
//! receives go to one queue: a wrong account of what the first left behind shows in the next.

mod draw;
#[allow(dead_code)]
pub mod imagine;
mod stage;
mod sys;
mod table;

use std::rc::Rc;

use scmsg::oracle::{Answer, Layout, Queue, Receipt, Receive, ReceiveReproducer, Rules, receive};

use super::kernel;
use super::lane::{Board, Lane};
use super::rng::Rng;
use draw::{Call, Case};
use stage::{LOOKED_AT, Seen, Stage};

/// What the kernel here has, and what this process may do.
pub struct Offered {
    pub pidfd: bool,
    pub security: bool,
    pub inq: bool,
    pub urgent: bool,
    /// `SO_TIMESTAMPNS_NEW` and its kind.
    pub times: bool,
    /// A process descriptor of a process that has ended and been waited for (Linux 6.16).
    pub orphans: bool,
    pub root: bool,
    /// What the first root is called here.
    pub first: (u32, u32),
    pub uids: Vec<u32>,
    pub gids: Vec<u32>,
}

/// Everything a lane keeps between cases.
pub struct Receives {
    layout: Layout,
    rules: Rules,
    offered: Offered,
    stage: Stage,
    /// Where the last call is kept as a C program, if it is.
    pub reproduce: Option<&'static Board>,
}

impl Receives {
    /// Takes this process over: its privileges, its descriptor table and the limit of it.
    pub fn new(lane: Lane, rules: Rules) -> Self {
        lane.give_up_root();
        let (offered, stage) = (Offered::ask(), Stage::new(lane.compat, sys::label()));
        Self { layout: kernel::layout(lane.compat), rules, offered, stage, reproduce: None }
    }

    /// One case: `None` if oracle and kernel agree in every call of it.
    pub fn case(&mut self, rng: &mut Rng) -> Option<String> {
        let case = Case::draw(rng, self.layout, &self.offered);
        self.stage.set(&case);
        let mut said = None;
        for (index, call) in case.calls.iter().enumerate() {
            self.stage.learn_time(&case);
            said = self.call(&case, call).map(|said| format!("call {index}: {said} in {case:?}"));
            if said.is_some() {
                break;
            }
        }
        self.stage.clear();
        said
    }

    fn call(&mut self, case: &Case, call: &Call) -> Option<String> {
        let free = Rc::clone(&self.stage.table.free);
        let limit = call.free.unwrap_or(free.len());
        let mut asked = Receive {
            layout: self.layout,
            carrier: case.carrier,
            connected: case.connected,
            control: (!call.null).then_some(call.len),
            data: call.data as u64,
            options: stage::options(&case.switches),
            root: self.offered.first,
            flags: call.flags,
            free: &|k| free.get(k).copied().filter(|_| k < limit),
            rules: self.rules,
        };
        let before = self.stage.packets.clone();
        let (ended, error, overcount) = (self.stage.ended, self.stage.error, self.stage.overcount);
        let mut out = [call.dirt; LOOKED_AT];
        let out = &mut out[64 + call.shift..];
        let mut receipt = self.ask(&asked, out);
        if receipt.answer == Answer::Waits {
            // It would wait for ever: ask not to.
            asked.flags |= libc::MSG_DONTWAIT as u32;
            self.stage.packets.clone_from(&before);
            out.fill(call.dirt);
            receipt = self.ask(&asked, out);
        }
        if let Some(board) = self.reproduce {
            let dirt = vec![call.dirt; out.len()];
            let (call, packets, before, after) = (&asked, &before[..], &dirt[..], &*out);
            let case = ReceiveReproducer { call, packets, ended, error, overcount, before, after, receipt };
            board.keep(&case.to_string());
        }
        let seen = self.stage.act(call, asked.flags);
        let lowest = self.stage.table.lowest();
        let wrong = compare(&mut self.stage, call, &receipt, seen, out, lowest);
        self.stage.table.close(lowest.unwrap_or(free.len()));
        wrong.map(|wrong| format!("{wrong}; kernel {seen:?}; oracle {receipt:?}; {asked:?} on {before:?}"))
    }

    /// Asks the oracle, and has it change the queue.
    fn ask(&mut self, asked: &Receive<'_>, out: &mut [u8]) -> Receipt {
        let stage = &mut self.stage;
        let (ended, error, overcount) = (stage.ended, stage.error, stage.overcount);
        let mut queue = Queue { packets: &mut stage.packets, ended, error, overcount };
        let receipt = receive(asked, &mut queue, out);
        let (left, error, overcount) = (queue.packets.len(), queue.error, queue.overcount);
        if receipt.answer != Answer::Waits {
            stage.packets.drain(..stage.packets.len() - left);
            (stage.error, stage.overcount) = (error, overcount);
        }
        receipt
    }
}

fn compare(
    stage: &mut Stage,
    call: &Call,
    receipt: &Receipt,
    seen: Seen,
    out: &[u8],
    lowest: Option<usize>,
) -> Option<String> {
    let right = match receipt.answer {
        Answer::Received { bytes, controllen, flags } => Seen::Received { bytes, controllen, flags },
        Answer::Refused { errno, .. } => Seen::Refused { errno: errno.raw() },
        Answer::Waits => return Some("it waits although asked not to".into()),
    };
    if right != seen {
        return Some("another answer".into());
    }
    let (control, front) = stage.control(call);
    if let Some(at) = control.iter().zip(out).position(|(kernel, oracle)| kernel != oracle) {
        let from = at.saturating_sub(at % 8);
        let (kernel, oracle) = (&control[from..from + 16], &out[from..from + 16]);
        return Some(format!("another byte at {at}: from {from} on kernel {kernel:02x?}, oracle {oracle:02x?}"));
    }
    if front.iter().any(|byte| *byte != call.dirt) {
        return Some("a byte in front of the control bytes is written".into());
    }
    let opened = receipt.descriptors + usize::from(matches!(receipt.pidfd, Some(Ok(_))));
    if lowest != Some(opened) {
        return Some(format!("{opened} descriptors should be open, the first free is {lowest:?}"));
    }
    let cloexec = |k: usize| table::flags(stage.table.free[k]) == 1;
    let rights = [0, receipt.descriptors.saturating_sub(1)];
    if receipt.descriptors > 0 && rights.iter().any(|k| cloexec(*k) != receipt.close_on_exec) {
        return Some("another close-on-exec".into());
    }
    (opened > receipt.descriptors && !cloexec(receipt.descriptors)).then(|| "a pidfd without close-on-exec".into())
}

impl Offered {
    fn ask() -> Self {
        let (stream, peer) = sys::pair(libc::SOCK_STREAM);
        let has = |option| sys::try_set(stream, option, 1);
        let (pidfd, security, inq) = (has(sys::SO_PASSPIDFD), has(libc::SO_PASSSEC), has(sys::SO_INQ));
        let urgent = sys::try_urgent(peer);
        let times = [sys::SO_TIMESTAMP_NEW, sys::SO_TIMESTAMPNS_NEW, sys::SO_TIMESTAMPING_NEW].into_iter().all(has);
        let offers = [
            (pidfd, "SO_PASSPIDFD"),
            (security, "SO_PASSSEC"),
            (inq, "SO_INQ"),
            (urgent, "MSG_OOB"),
            (times, "SO_TIMESTAMPNS_NEW"),
        ];
        for (_, name) in offers.iter().filter(|(there, _)| !there) {
            println!("SKIPPED: this kernel has no {name} on unix streams");
        }
        table::close(stream);
        table::close(peer);
        let root = kernel::is_root();
        let (mut uids, mut gids) = (vec![0; 3], vec![0; 3]);
        let ([ur, ue, us], [gr, ge, gs]) = (&mut uids[..], &mut gids[..]) else { unreachable!() };
        // SAFETY: room for three numbers each.
        unsafe {
            libc::getresuid(ur, ue, us);
            libc::getresgid(gr, ge, gs);
        }
        if root {
            uids.extend([1, 1000, 65534, 4_000_000_000]);
            gids.extend([1, 1000, 65534, 4_000_000_000]);
        }
        let first = (kernel::first("uid_map"), kernel::first("gid_map"));
        Self {
            first,
            pidfd,
            security,
            inq,
            urgent,
            times,
            orphans: pidfd && sys::orphan_has_descriptor(),
            root,
            uids,
            gids,
        }
    }
}
