//! The running kernel answers as the oracle says; and an oracle with one rule taken out is found wrong, whichever rule.

#![cfg(feature = "oracle")]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Output};

use scmsg::oracle::{Rule, Side};

/// The example, built in the profile of this test; `None` where a program cannot be built and started from here.
fn program() -> Option<PathBuf> {
    let foreign = std::env::vars().any(|(name, _)| name.starts_with("CARGO_TARGET_") && name.ends_with("_RUNNER"));
    if cfg!(miri) || foreign {
        io::stderr().write_all(b"SKIPPED: the kernel is asked where this test runs without an emulator\n").unwrap();
        return None;
    }
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("oracle-check");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--features", "oracle", "--example", "oracle-check", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(target.join("release/examples/oracle-check"))
}

fn run(program: &PathBuf, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap();
    for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains("SKIPPED: ")) {
        io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    output
}

#[test]
fn no_mismatch_and_every_broken_rule_is_found() {
    let Some(program) = program() else { return };
    let whole = run(&program, &["--cases", "100000", "--seed", "20261120"]);
    let said = String::from_utf8_lossy(&whole.stdout);
    assert!(whole.status.success(), "{said}");
    // Rules that this machine cannot exercise: what is missing was said above.
    let left_out = |rule: &Rule| {
        let compat = said.contains("SKIPPED: compat") && rule.name().starts_with("compat-") && *rule != Rule::CompatBit;
        let ring = said.contains("no io_uring") && *rule == Rule::DescriptorRing;
        let netlink =
            said.contains("no netlink") && (rule.name().starts_with("netlink-") || *rule == Rule::RightsFamily);
        let user = said.contains("SKIPPED: root") && *rule == Rule::InFlight;
        let lacks = |what: &str| said.contains(&format!("SKIPPED: this kernel has no {what} "));
        let name = rule.name();
        let receives = match rule.side() {
            Side::Send => false,
            Side::Receive => {
                lacks("SO_PASSPIDFD") && name.starts_with("pidfd-")
                    || lacks("SO_INQ") && name.starts_with("inq-")
                    || lacks("SO_PASSSEC") && *rule == Rule::NullControlLabel
                    || lacks("MSG_OOB") && (name.starts_with("urgent-") || *rule == Rule::InqSkipped)
                    || lacks("SO_TIMESTAMPNS_NEW") && (name.contains("timestamp") || *rule == Rule::CompatTime)
                    // In 32 bits there is neither padding nor room for so many, and bit 31 is the kernel's own.
                    || cfg!(target_pointer_width = "32")
                        && matches!(rule, Rule::PaddingUntouched | Rule::RightsCount | Rule::ReceiveCompatBit)
            }
        };
        compat || ring || netlink || user || receives
    };
    if cfg!(target_pointer_width = "32") {
        // What a rule taken out does to the comparison, the 64-bit test has shown.
        return;
    }
    let mut broken = 0;
    for rule in Rule::ALL.iter().filter(|rule| !left_out(rule)) {
        let output = run(&program, &["--cases", "100000", "--break", rule.name()]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{rule} was taken out and nobody noticed\n{said}");
        assert!(said.contains("MISMATCH") && said.contains("replay: oracle-check --seed"), "{rule}\n{said}");
        broken += 1;
    }
    println!("{broken} of {} rules taken out, each found", Rule::ALL.len());
    assert!(broken > 30);
}

#[test]
fn it_agrees_in_a_user_namespace_too() {
    let Some(program) = program() else { return };
    // Root of a container, and the user who made it under another number: whom the first root is, if that was root.
    for map in [&["-r"][..], &["--map-user=1234", "--map-group=4321"]] {
        let mut unshare = Command::new("unshare");
        unshare.arg("-U").args(map);
        if !Command::new("unshare").arg("-U").args(map).arg("true").output().is_ok_and(|tried| tried.status.success()) {
            io::stderr().write_all(format!("SKIPPED: unshare -U {map:?} does not work here\n").as_bytes()).unwrap();
            continue;
        }
        let output = unshare.arg(&program).args(["--cases", "20000", "--seed", "3"]).output().unwrap();
        assert!(output.status.success(), "{map:?} {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_mismatch_can_be_run_again() {
    let Some(program) = program() else { return };
    let broken = run(&program, &["--cases", "100000", "--break", "merge-limit"]);
    let said = String::from_utf8_lossy(&broken.stdout);
    let replay = said.lines().find_map(|line| line.split_once("replay: oracle-check ")).expect("a mismatch").1;
    let mut words: Vec<_> = replay.split(' ').collect();
    assert!(run(&program, &words).status.success(), "a right oracle agrees about that case");
    words.extend(["--break", "merge-limit"]);
    let again = run(&program, &words);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 cases, 1 mismatches"));
}

#[test]
fn wrong_arguments_are_refused() {
    let Some(program) = program() else { return };
    for wrong in
        [&["--break", "no-such-rule"][..], &["--cases"], &["--cases", "many"], &["--lane", "nowhere"], &["x", "y"]]
    {
        assert_eq!(run(&program, wrong).status.code(), Some(2), "{wrong:?}");
    }
    let list = run(&program, &["--break", "list"]);
    assert_eq!(String::from_utf8_lossy(&list.stdout).lines().count(), Rule::ALL.len());
    assert!(String::from_utf8_lossy(&list.stdout).contains("merge-limit"));
}

#[test]
fn a_case_can_be_had_as_a_c_program() {
    let Some(program) = program() else { return };
    for (side, call) in [("send", "syscall(SYS_sendmsg"), ("receive", "syscall(SYS_recvmsg")] {
        let lanes = ["native-root", "native-user"].map(|lane| format!("{side}-{lane}"));
        let outputs = lanes.each_ref().map(|lane| run(&program, &["--lane", lane, "--only", "3", "--reproduce"]));
        let found = outputs.iter().find(|output| output.status.success()).expect("a lane that is here");
        let source = String::from_utf8_lossy(&found.stderr);
        assert!(source.starts_with("// One ") && source.contains(call) && source.ends_with("}\n"), "{source}");
    }
    let output = run(&program, &["--reproduce"]);
    assert_eq!(output.status.code(), Some(2));
}
