//! Turns the files under `src/` into their code alone: comments, strings and characters become spaces, lines stay lines.

use std::fs;
use std::path::Path;

/// Every file under `src/` as `src/...`, sorted, with its text.
pub fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The code in `text`.
pub fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = comment(rest).or_else(|| raw_string(&code, rest)).or_else(|| quoted(rest));
        let taken = skip.unwrap_or(first.len_utf8());
        match skip {
            Some(len) => code.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
            None => code.push(first),
        }
        rest = &rest[taken..];
    }
    code
}

/// Bytes of the comment that `text` starts with. A block comment ends at its first `*/`: the house writes none.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.strip_prefix("/*").map(|body| body.find("*/").map_or(text.len(), |at| at + 4))
}

/// Bytes of the raw string that `text` starts with, unless the `r` ends a longer name.
fn raw_string(before: &str, text: &str) -> Option<usize> {
    let inside = before.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !before.ends_with(['b', 'c']);
    let hashes = text.strip_prefix('r')?.bytes().take_while(|b| *b == b'#').count();
    let body = text.get(1 + hashes..)?.strip_prefix('"').filter(|_| !inside)?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(2 + hashes + body.find(&end)? + end.len())
}

/// Bytes of the string or character that `text` starts with. A lifetime is neither.
fn quoted(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next().filter(|(_, c)| matches!(c, '"' | '\''))?;
    if quote == '\'' && !text[1..].starts_with('\\') {
        let (at, _) = chars.nth(1).filter(|(_, c)| *c == '\'')?;
        return Some(at + 1);
    }
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}
