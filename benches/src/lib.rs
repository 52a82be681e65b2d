//! The race: ways of passing descriptors, measured side by side. `benches/run`, `benches/README.md`.

#![allow(clippy::missing_panics_doc, reason = "a result that is wrong ends the race")]

pub mod check;
pub mod codec;
pub mod contestant;
pub mod contestants;
pub mod instructions;
pub mod jobs;
pub mod plot;
pub mod race;
pub mod record;
pub mod stage;
pub mod workload;
