//! The contestants, one per file. A new one: write its file, add its line here.

use crate::contestant::Contestant;
use crate::workload::{Case, Mode, Outcome, run};

macro_rules! contestants {
    ($($module:ident $($name:ident)+,)*) => {
        $(mod $module;)*

        /// All of them, in the order of the tables; the floor is first.
        pub const ALL: &[Entry] = &[$($(Entry { name: <$module::$name as Contestant>::NAME, run: run::<$module::$name> },)+)*];
    };
}

/// A contestant, as the harness sees it.
#[derive(Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    pub run: fn(&Case, &Mode) -> Outcome,
}

contestants! {
    floor Floor FloorRuns,
    scmsg Scmsg,
    scmsg_prepared ScmsgPrepared,
    scmsg_set ScmsgSet,
    libc LibcByHand,
    rustix Rustix,
    nix Nix,
    sendfd Sendfd,
    uds Uds,
    passfd Passfd,
    tokio_seqpacket TokioSeqpacket,
}
