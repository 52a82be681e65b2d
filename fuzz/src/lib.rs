//! Turns bytes into checks of the crate: one file for each target, the same body under every fuzzer and on stable.
//!
//! A body takes any bytes, and panics only where the crate breaks a law; it keeps no state from one call to the next. Bodies
//! that count descriptors want the process to themselves: one call at a time.

pub mod batch;
pub mod bulk;
pub mod decode_any;
pub mod encode_model;
pub mod explain;
pub mod kernel_receive;
pub mod kernel_send;
pub mod ledger;
pub mod messages;
pub mod roundtrip;

pub mod seeds;

mod delivery;
mod descriptors;
mod forgery;
mod kernel;
mod naive;
mod printed;

/// The parts of `oracle-check`, whose cases are drawn from a fuzzer's bytes here.
#[allow(dead_code)]
#[path = "../../examples/oracle-check"]
mod harness {
    pub mod compat;
    pub mod kernel;
    pub mod lane;
    pub mod memory;
    pub mod receive;
    pub mod rng;
    pub mod send;
}

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// A body.
pub type Body = fn(&[u8]);

/// Every target: its name and its body.
pub const TARGETS: [(&str, Body); 10] = [
    ("batch", batch::run),
    ("bulk", bulk::run),
    ("decode_any", decode_any::run),
    ("encode_model", encode_model::run),
    ("explain", explain::run),
    ("kernel_receive", kernel_receive::run),
    ("kernel_send", kernel_send::run),
    ("ledger", ledger::run),
    ("messages", messages::run),
    ("roundtrip", roundtrip::run),
];

/// The program of a target.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name::run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay(stringify!($name), $crate::$name::run)
        }
    };
}

/// Runs `body` over each file named on the command line, on any toolchain: what a finding is looked at with.
pub fn replay(name: &str, body: Body) -> std::io::Result<()> {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    if files.is_empty() {
        println!("usage: {name} FILE…");
    }
    for file in files {
        let bytes = std::fs::read(&file)?;
        println!("{name}: {} ({} bytes)", file.display(), bytes.len());
        body(&bytes);
    }
    Ok(())
}
