//! Turns the hot functions into assembly and compares it with what is committed in `tools/golden/`, so that a change of
//! their cost is seen in the commit that makes it. `BLESS=1 cargo test --test assembly_is_golden` writes it anew.
//!
//! Law, whatever the compiler: none of them calls memcpy, memset, memmove, memcmp or bcmp, which a program without libc would
//! have to supply, nor does the encoding of a constant number of descriptors. `tools/no-mem` has more such paths and shows it
//! by linking without these functions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const HOT: [&str; 4] = ["encode", "send", "receive", "take"];
const ARRAYS: [&str; 4] = ["encode_4", "encode_16", "encode_64", "encode_253"];

/// The compiler's version and target, as it prints them.
fn compiler() -> (String, String) {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let said = Command::new(rustc).arg("-vV").output().expect("a compiler");
    let said = String::from_utf8(said.stdout).expect("text");
    let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
    (field("release: "), field("host: "))
}

/// The functions of `tools/golden`, compiled at `level`: name to normalised instructions.
fn functions(level: &str) -> BTreeMap<String, Vec<String>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("golden-{level}"));
    let done = Command::new(env!("CARGO"))
        .args(["rustc", "--release", "-p", "golden", "--target-dir"])
        .arg(&target)
        .args(["--", "-Ccodegen-units=1", "--emit=asm"])
        .current_dir(ROOT)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let files =
        fs::read_dir(target.join("release/deps")).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "s")).collect();
    files.sort_by_key(|path| fs::metadata(path).and_then(|m| m.modified()).expect("a time"));
    let text = fs::read_to_string(files.last().expect("assembly")).expect("text");
    HOT.iter().chain(&ARRAYS).map(|name| ((*name).to_owned(), normalised(&text, name))).collect()
}

/// The instructions of one function: labels counted from 0, directives and the hashes of names left out.
fn normalised(text: &str, name: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let body = text.lines().skip_while(|line| *line != format!("{name}:")).skip(1);
    let body = body.take_while(|line| !line.starts_with(".Lfunc_end"));
    let lines = body.filter(|line| !line.trim_start().starts_with('.') || line.starts_with(".LBB"));
    let mut out = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty() && !line.starts_with(".Ltmp")) {
        let mut rest = line.trim_end().replace('\t', " ");
        let mut done = String::new();
        while let Some(at) = rest.find(".LBB") {
            let end =
                rest[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').map_or(rest.len(), |n| at + n);
            let label = rest[at..end].to_owned();
            let number = labels.iter().position(|known| *known == label).unwrap_or_else(|| {
                labels.push(label);
                labels.len() - 1
            });
            done += &format!("{}L{number}", &rest[..at]);
            rest = rest[end..].to_owned();
        }
        done += &rest;
        out.push(without_hash(&done));
    }
    assert!(out.iter().any(|line| line.contains("ret")), "{name} was found");
    out
}

/// A mangled name without the hash that ends it, and an anonymous constant without its own.
fn without_hash(line: &str) -> String {
    let mut line = line.to_owned();
    while let Some(at) = line.find("17h") {
        let end = at + 3 + line[at + 3..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(0);
        line.replace_range(at..end, "");
    }
    if let Some(at) = line.find(".Lanon.") {
        let end = line[at..].find('(').map_or(line.len(), |n| at + n);
        line.replace_range(at..end, "constant");
    }
    line
}

#[test]
fn nothing_calls_what_only_libc_has() {
    for level in ["s", "2", "3"] {
        for (name, lines) in functions(level) {
            let calls: Vec<_> = lines.iter().filter(|line| line.contains("call") || line.contains("jmpq *")).collect();
            for called in ["memcpy", "memset", "memmove", "memcmp", "bcmp"] {
                assert!(
                    !calls.iter().any(|line| line.contains(called)),
                    "{name} at {level} calls {called}: {lines:#?}"
                );
            }
        }
    }
}

/// Builds `tools/no-mem`, a program that has neither memory functions nor a way to panic.
fn no_mem(level: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["build", "--profile", "static", "-p", "no-mem", "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-mem"))
        .args(more)
        .current_dir(ROOT)
        .env("CARGO_PROFILE_STATIC_OPT_LEVEL", level)
        .env("LC_ALL", "C")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo")
}

#[test]
fn messages_of_known_size_link_without_what_only_libc_has() {
    if compiler().1 != "x86_64-unknown-linux-gnu" {
        println!("SKIPPED: the proof by linking is made on x86_64-unknown-linux-gnu");
        return;
    }
    for level in ["s", "2", "3"] {
        let built = no_mem(level, &[]);
        assert!(built.status.success(), "{level}: {}", String::from_utf8_lossy(&built.stderr));
        // One copy of a size that is not known, and the link proves that it can fail.
        let built = no_mem(level, &["--features", "prove-it-can-fail"]);
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(!built.status.success() && said.contains("undefined symbol: memcpy"), "{level}: {said}");
    }
}

#[test]
fn the_hot_functions_are_as_committed() {
    let (release, host) = compiler();
    let golden = Path::new(ROOT).join("tools/golden/x86_64");
    let bless = std::env::var_os("BLESS").is_some();
    if host != "x86_64-unknown-linux-gnu" {
        println!("SKIPPED: the golden assembly is x86_64's");
        return;
    }
    for level in ["s", "2", "3"] {
        let functions = functions(level);
        let mut text =
            format!("# rustc {release}, opt-level {level}; written by BLESS=1 cargo test --test assembly_is_golden\n");
        for name in HOT {
            text +=
                &format!("\n{name}: # {} instructions\n", functions[name].iter().filter(|l| !l.ends_with(':')).count());
            text += &functions[name].join("\n");
            text += "\n";
        }
        let file = golden.join(format!("{level}.s"));
        if bless {
            fs::create_dir_all(&golden).expect("a directory");
            fs::write(&file, text).expect("a file");
            continue;
        }
        let committed = fs::read_to_string(&file).expect("BLESS=1 writes it");
        if committed.lines().next() != text.lines().next() {
            println!("SKIPPED: {} is of another compiler than {release}", file.display());
            continue;
        }
        for (number, (ours, theirs)) in text.lines().zip(committed.lines()).enumerate() {
            assert_eq!(ours, theirs, "line {} of {}: BLESS=1 if the change is meant", number + 1, file.display());
        }
        assert_eq!(text.lines().count(), committed.lines().count(), "{}", file.display());
    }
}
