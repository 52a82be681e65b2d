//! Sends drawn control bytes in drawn situations, receives what arrived, and compares with what the oracle said.

mod draw;
mod known;
mod scene;
mod sockets;
mod stage;

use std::ptr::null;
use std::rc::Rc;

use scmsg::Errno;
use scmsg::oracle::forge::{Forged, Forgery};
use scmsg::oracle::{ControlArea, Layout, Outcome, Reproducer, Rules, Send, Sender, Verdict, send};

use super::kernel;
use super::lane::{Board, Lane};
use super::memory::{GUARD, Memory};
use super::rng::Rng;
use draw::Case;
pub use known::Known;
use scene::Scene;
use stage::{Seen, Stage};

/// Everything a lane keeps between cases.
pub struct Sends {
    layout: Layout,
    rules: Rules,
    stage: Stage,
    control: Memory,
    /// Whether a case is kept as a C program.
    pub reproduce: Option<&'static Board>,
}

impl Sends {
    /// Takes this process over: its privileges and its descriptor table.
    pub fn new(lane: Lane, rules: Rules) -> Self {
        lane.give_up_root();
        let pages = usize::try_from(kernel::option_memory()).unwrap_or(0) / 4096 + 4;
        let layout = kernel::layout(lane.compat);
        Self { layout, rules, control: Memory::new(pages), stage: Stage::new(lane), reproduce: None }
    }

    /// One case: `None` if oracle and kernel agree.
    pub fn case(&mut self, rng: &mut Rng) -> Option<String> {
        let known = Rc::clone(&self.stage.known);
        let case = Case::draw(rng, self.layout, &known);
        let items = case.items();
        let forgery = case.forgery(self.layout, &items);
        let (forged, readable) = build(&case, &forgery, self.control.last(forgery.space() + case.slack));
        let (at, len) = (if forged.null { null() } else { forged.bytes.as_ptr() }, forged.control_len);
        let (scene, ends) = (Scene::of(&case), self.stage.ends(&case));
        with_call(&case, &scene, &known, self.layout, self.rules, (&forged, readable), |call| {
            if let Some(board) = self.reproduce {
                board.keep(&Reproducer::new(call).to_string());
            }
            let verdict = send(call);
            if verdict.place.is_some_and(|place| place.offset > (readable.len() + GUARD) as u64) {
                // A header of a compat message far behind the memory of the case: who knows what is there.
                return None;
            }
            let seen = self.stage.act(&case, &scene, &ends, at, len);
            let agree = agree(&verdict, &seen, &known.sender, case.bytes);
            (!agree).then(|| format!("oracle: {verdict:?} kernel: {seen:?} {call:?} {forgery:?}"))
        })
    }
}

/// Has a drawn case of a process that is not there looked at, with no kernel asked.
#[allow(dead_code)]
pub fn imagine(rng: &mut Rng, layout: Layout, known: &Known, look: impl FnOnce(&Send<'_>)) {
    let case = Case::draw(rng, layout, known);
    let items = case.items();
    let forgery = case.forgery(layout, &items);
    let mut storage = vec![0; forgery.space() + case.slack];
    let (forged, readable) = build(&case, &forgery, &mut storage);
    with_call(&case, &Scene::of(&case), known, layout, Rules::ALL, (&forged, readable), look);
}

/// Builds a forgery at the start of `area`, with 0xff behind it; and all that can be read there.
fn build<'a>(case: &Case, forgery: &Forgery<'_>, area: &'a mut [u8]) -> (Forged<'a>, &'a [u8]) {
    let space = forgery.space();
    area[space..].fill(0xff);
    let forged = forgery.build(area).expect("the space it asked for");
    let (control_len, null) = (forged.control_len, forged.null);
    let area: &'a [u8] = area;
    let bytes = &area[forgery.start..space];
    debug_assert_eq!(area.len(), space + case.slack);
    (Forged { bytes, control_len, null }, &area[forgery.start..])
}

/// Has the call that a case makes asked about.
fn with_call<R>(
    case: &Case,
    scene: &Scene,
    known: &Known,
    layout: Layout,
    rules: Rules,
    (forged, readable): (&Forged<'_>, &[u8]),
    ask: impl FnOnce(&Send<'_>) -> R,
) -> R {
    ask(&Send {
        layout,
        socket: case.socket,
        control: ControlArea { readable: (!forged.null).then_some(readable), len: forged.control_len },
        name: scene.name,
        bytes: case.bytes,
        flags: case.flags,
        connection: scene.connection,
        pending: scene.pending,
        peer_takes_rights: scene.takes_rights,
        descriptor: &|number| known.what(number),
        process: &kernel::process_exists,
        user: &|uid| known.users.iter().any(|users| users.contains(&u64::from(uid))),
        group: &|gid| known.groups.iter().any(|groups| groups.contains(&u64::from(gid))),
        sender: known.sender,
        limits: case.limits(known),
        rules,
    })
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
