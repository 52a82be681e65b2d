//! Turns the word `unsafe` in `src/` into the table of DESIGN.md: every block and every impl is counted and has its proof.

mod source;

use std::collections::BTreeMap;
use std::fs;

/// Files of codec: no unsafe code compiles there. So do those in `src/message/`.
const CODEC: [&str; 13] = [
    "src/numbers.rs",
    "src/layout.rs",
    "src/errno.rs",
    "src/flags.rs",
    "src/traits.rs",
    "src/decode.rs",
    "src/ledger.rs",
    "src/encode.rs",
    "src/message.rs",
    "src/addr.rs",
    "src/fds.rs",
    "src/packets.rs",
    "src/bulk.rs",
];

/// The lines, from 0, of each `unsafe {` and `unsafe impl` in `code`. A macro counts as it is written.
fn operations(code: &str) -> Vec<usize> {
    code.match_indices("unsafe")
        .filter(|(at, word)| {
            let whole = !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let next = code[at + word.len()..].trim_start();
            whole && (next.starts_with('{') || next.starts_with("impl"))
        })
        .map(|(at, _)| code[..at].matches('\n').count())
        .collect()
}

/// Whether the comment that ends on the line above `line` holds a proof.
fn proved(text: &str, line: usize) -> bool {
    let lines: Vec<_> = text.lines().collect();
    let comment = lines[..line].iter().rev().map(|l| l.trim()).take_while(|l| l.starts_with("//"));
    comment.into_iter().any(|l| l.starts_with("// SAFETY: "))
}

#[test]
fn the_table_in_the_design_counts_every_block() {
    let counted: BTreeMap<_, _> = source::files()
        .into_iter()
        .map(|(file, text)| (file, operations(&source::code(&text)).len()))
        .filter(|(_, count)| *count != 0)
        .collect();
    let design = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/DESIGN.md")).unwrap();
    let section = design.split_once("\n## Unsafe\n").expect("DESIGN.md has a section `## Unsafe`").1;
    let section = section.split("\n## ").next().unwrap();
    let mut table = BTreeMap::new();
    for row in section.lines().filter_map(|line| line.strip_prefix("| src/")) {
        let (file, count) = row.trim_end_matches([' ', '|']).split_once(" | ").unwrap();
        let before = table.insert(format!("src/{}", file.trim()), count.trim().parse::<usize>().unwrap());
        assert_eq!(before, None, "{file} has two rows");
    }
    let right: String = counted.iter().map(|(file, count)| format!("| {file} | {count} |\n")).collect();
    assert_eq!(table, counted, "the table should be\n{right}");
}

#[test]
fn every_block_has_its_proof_above_it() {
    for (file, text) in source::files() {
        for line in operations(&source::code(&text)) {
            assert!(proved(&text, line), "{file}:{}: no `// SAFETY: ` right above", line + 1);
        }
    }
}

#[test]
fn the_codec_forbids_it() {
    let files = source::files();
    for codec in CODEC {
        assert!(files.iter().any(|(file, _)| file == codec), "{codec} is missing");
    }
    for (file, text) in files.iter().filter(|(file, _)| CODEC.contains(&&**file) || file.starts_with("src/message/")) {
        assert!(source::code(text).contains("#![forbid(unsafe_code)]"), "{file} does not forbid unsafe code");
    }
}
