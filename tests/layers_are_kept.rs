//! Turns the paths in `src/` into the order of the house: a file takes only from files above it.

mod source;

/// The house, from the ground up, as DESIGN.md draws it: the first word of each line of the first block under its heading.
/// `message/*` and `raw/*` are rooms of `message` and `raw`; `lib.rs` sees everything.
fn house() -> Vec<&'static str> {
    let (_, house) = include_str!("../DESIGN.md").split_once("## The house").expect("a heading");
    let block = house.split("```").nth(1).expect("a block");
    block.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// The names that follow `prefix` in `code`.
fn after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix).map(move |(at, _)| {
        let rest = code[at + prefix.len()..].trim_start();
        &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
    })
}

#[test]
fn a_file_takes_only_from_files_above_it() {
    let mut wrong = Vec::new();
    let order = house();
    let storey = |name: &str| order.iter().position(|n| *n == name);
    let mut seen = vec![false; order.len()];
    for (file, text) in source::files().iter().filter(|(file, _)| file != "src/lib.rs") {
        let mut rooms = file.trim_start_matches("src/").trim_end_matches(".rs").split('/');
        let name = rooms.next().unwrap();
        let Some(own) = storey(name) else {
            wrong.push(format!("{file} is not in the order"));
            continue;
        };
        let top = rooms.next().is_none();
        seen[own] |= top;
        let code = source::code(text);
        if code.contains("super::super") {
            wrong.push(format!("{file} says super::super: say crate::"));
        }
        for taken in after(&code, "crate::") {
            match storey(taken) {
                Some(storey) if storey <= own => {}
                Some(_) => wrong.push(format!("{file} takes from {taken}, which is below it")),
                None => wrong.push(format!("{file} says crate::{taken}: say the file it is in")),
            }
        }
        // In a file of the first floor `super` is the crate, or the file itself where a module is written inside it.
        for taken in after(&code, "super::").filter(|taken| top && storey(taken).is_some()) {
            wrong.push(format!("{file} says super::{taken}: say crate::{taken}"));
        }
    }
    wrong.extend(order.iter().zip(seen).filter(|(_, seen)| !seen).map(|(name, _)| format!("src/{name}.rs is missing")));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
