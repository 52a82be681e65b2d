//! Turns the committed inputs into tests: every seed and every file of the corpus goes through the body of its target, on any
//! toolchain, without a fuzzer.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use scmsg_fuzz::{Body, TARGETS};

/// Bodies count the descriptors of the process: one at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Every input of a target: name and bytes, in order of name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = Vec::new();
    for folder in ["seeds", "corpus"] {
        let Ok(entries) = fs::read_dir(root.join(folder).join(target)) else { continue };
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            inputs.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
    inputs.sort();
    inputs
}

fn replay(target: &str, body: Body) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "{target} has no inputs");
    for (name, bytes) in &inputs {
        println!("{name}");
        body(bytes);
        // Miri is slow.
        if !cfg!(miri) {
            // A body keeps no state: the same again, and cut.
            body(bytes);
            body(&bytes[..bytes.len() / 2]);
        }
    }
    println!("{target}: {} inputs", inputs.len());
}

macro_rules! targets {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), scmsg_fuzz::$target::run);
        })*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!([$(stringify!($target)),*], TARGETS.map(|(name, _)| name));
        }
    };
}

/// The table's bytes, which fit the machine this runs on, as the files need not.
#[test]
fn every_seed_of_the_table_passes() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (target, name, _, bytes) in scmsg_fuzz::seeds::all() {
        println!("{target}/{name}");
        let (_, body) = TARGETS.iter().find(|(known, _)| *known == target).expect("a target");
        body(&bytes);
    }
}

targets!(batch bulk decode_any encode_model explain kernel_receive kernel_send ledger messages roundtrip);
