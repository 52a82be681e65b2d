//! Turns law 1, no panic is even reachable, into a link: `tools/no-panic` holds every public function and becomes a program
//! only if none of them can panic. A list that forgets a function proves nothing about it, so the names are compared with
//! the public API as rustdoc sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A plain release build, one for size, and one in which an arithmetic overflow is a panic too.
const PROFILES: [&str; 3] = ["release", "small", "checked"];

/// What the panic handler calls.
const MISSING: &str = "a_panic_can_be_reached";

/// Impls that are not in the list: formatting, and `Eq`, which has no function.
const LEFT_OUT: [&str; 10] =
    ["Binary", "Debug", "Display", "Eq", "LowerExp", "LowerHex", "Octal", "Pointer", "UpperExp", "UpperHex"];

#[test]
fn every_public_function_links_without_a_panic() {
    if skipped() {
        return;
    }
    for profile in PROFILES {
        let built = build("no-panic", profile, &[]);
        assert!(built.status.success(), "{profile}: a panic can be reached\n{}", text(&built.stderr));
    }
}

#[test]
fn one_function_that_panics_does_not_link() {
    if skipped() {
        return;
    }
    for profile in PROFILES {
        let built = build("no-panic-control", profile, &["--features", "prove-it-can-fail"]);
        let said = text(&built.stderr);
        assert!(!built.status.success(), "{profile}: it links, so the link proves nothing");
        let undefined: Vec<_> = said.lines().filter(|line| line.contains("undefined ")).collect();
        assert!(!undefined.is_empty() && undefined.iter().all(|line| line.contains(MISSING)), "{profile}:\n{said}");
    }
}

#[test]
fn the_list_is_the_public_api() {
    if skipped() {
        return;
    }
    let public = public_functions();
    for profile in PROFILES {
        let built = build("no-panic", profile, &[]);
        assert!(built.status.success(), "{}", text(&built.stderr));
        let run = Command::new(folder("no-panic").join(profile).join("no-panic")).output().unwrap();
        assert!(run.status.success());
        let kept: BTreeSet<_> = text(&run.stdout).lines().map(str::to_owned).collect();
        let missing: Vec<_> = public.difference(&kept).collect();
        let stale: Vec<_> = kept.difference(&public).collect();
        assert!(
            missing.is_empty() && stale.is_empty(),
            "tools/no-panic/src/main.rs\nlacks {missing:#?}\nand has what is not public {stale:#?}"
        );
    }
}

/// Says why nothing can be shown here, past the harness, which would keep it to itself.
fn skipped() -> bool {
    let here = cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) && !cfg!(miri);
    if !here {
        io::stderr().write_all(b"SKIPPED: the proof by linking is made on x86_64-unknown-linux-gnu\n").unwrap();
    }
    !here
}

/// A target directory of its own: the one of this run is locked, and the control must not replace the proof.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Cargo as it runs this test, without what was meant for this test's own build.
fn cargo(command: &str, manifest: &str, target: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg(command).arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest));
    cargo.arg("--target-dir").arg(folder(target)).env("LC_ALL", "C");
    for name in ["RUSTFLAGS", "RUSTDOCFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    cargo
}

fn build(target: &str, profile: &str, more: &[&str]) -> Output {
    cargo("build", "tools/no-panic/Cargo.toml", target).args(["--profile", profile]).args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names of all public functions: free ones, methods, and the methods of traits as they are written or derived here.
fn public_functions() -> BTreeSet<String> {
    let documented = cargo("rustdoc", "Cargo.toml", "no-panic-doc")
        .args([
            "--lib",
            "--features",
            "oracle",
            "--",
            "-Zunstable-options",
            "--output-format",
            "json",
            "--document-hidden-items",
        ])
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .unwrap();
    assert!(documented.status.success(), "{}", text(&documented.stderr));
    let json = std::fs::read(folder("no-panic-doc").join("doc/scmsg.json")).unwrap();
    Api::read(serde_json::from_slice(&json).unwrap()).functions()
}

/// What rustdoc says of the crate.
struct Api {
    json: Value,
    /// The shortest public path of each item.
    paths: BTreeMap<String, String>,
}

impl Api {
    fn read(json: Value) -> Self {
        let mut api = Self { json, paths: BTreeMap::new() };
        let root = api.json["root"].to_string();
        api.walk(&root, "scmsg");
        api
    }

    /// The item with this id, if it is the crate's.
    fn item(&self, id: &str) -> &Value {
        &self.json["index"][id]
    }

    /// Gives everything in a module its path.
    fn walk(&mut self, module: &str, path: &str) {
        for id in ids(&self.item(module)["inner"]["module"]["items"]) {
            let item = self.item(&id);
            let (id, name) = match &item["inner"]["use"] {
                Value::Null => (id, string(&item["name"])),
                reexport => {
                    assert_eq!(reexport["is_glob"], false, "this test follows no glob: {reexport}");
                    (reexport["id"].to_string(), string(&reexport["name"]))
                }
            };
            let path = format!("{path}::{name}");
            if !self.item(&id)["inner"]["module"].is_null() {
                self.walk(&id, &path);
            }
            let known = self.paths.entry(id).or_insert_with(|| path.clone());
            if path.len() < known.len() {
                *known = path;
            }
        }
    }

    fn functions(&self) -> BTreeSet<String> {
        let mut names = Vec::new();
        for (id, path) in &self.paths {
            let inner = &self.item(id)["inner"];
            if !inner["function"].is_null() {
                names.push(path.clone());
            }
            let provided = |name: &Value| name["inner"]["function"]["has_body"] == true;
            names.extend(self.methods(&inner["trait"], path, provided));
        }
        for item in self.json["index"].as_object().unwrap().values() {
            let block = &item["inner"]["impl"];
            if block.is_null() || block["is_synthetic"] == true || !block["blanket_impl"].is_null() {
                continue;
            }
            let (of, ty) = (&block["trait"], self.ty(&block["for"]));
            if !self.reachable(&block["for"]["resolved_path"]) || !self.reachable(of) {
                continue;
            }
            if of.is_null() {
                names.extend(self.methods(block, &ty, |_| true));
            } else if !LEFT_OUT.contains(&last(of)) {
                let arguments = self.arguments(of);
                names.extend(self.methods(block, &format!("<{ty} as {}{arguments}>", last(of)), |_| true));
            }
        }
        let count = names.len();
        let names: BTreeSet<_> = names.into_iter().collect();
        assert!(names.len() == count && count > 100, "two functions share a name, or rustdoc changed its format");
        names
    }

    /// The functions among the items of a trait or an impl.
    fn methods(&self, block: &Value, owner: &str, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let items = ids(&block["items"]).into_iter().map(|id| self.item(&id));
        let functions = items.filter(|item| !item["inner"]["function"].is_null() && wanted(item));
        functions.map(|item| format!("{owner}::{}", string(&item["name"]))).collect()
    }

    /// Whether a type or trait can be named from outside: it is another crate's, or has a public path.
    fn reachable(&self, named: &Value) -> bool {
        let id = named["id"].to_string();
        self.item(&id).is_null() || self.item(&id)["crate_id"] != 0 || self.paths.contains_key(&id)
    }

    /// A type, without its own generic arguments.
    fn ty(&self, ty: &Value) -> String {
        let (kind, of) = ty.as_object().unwrap().iter().next().unwrap();
        match &**kind {
            "resolved_path" => self.paths.get(&of["id"].to_string()).cloned().unwrap_or_else(|| last(of).to_owned()),
            "borrowed_ref" if of["is_mutable"] == true => format!("&mut {}", self.ty(&of["type"])),
            "borrowed_ref" => format!("&{}", self.ty(&of["type"])),
            _ => of.as_str().map_or_else(|| of.to_string(), str::to_owned),
        }
    }

    /// The types a trait is applied to, in angle brackets, or nothing.
    fn arguments(&self, of: &Value) -> String {
        let arguments = of["args"]["angle_bracketed"]["args"].as_array().into_iter().flatten();
        let types: Vec<_> = arguments.filter_map(|a| a.get("type")).map(|ty| self.ty(ty)).collect();
        if types.is_empty() { String::new() } else { format!("<{}>", types.join(", ")) }
    }
}

/// The last part of a path. The field was renamed between Rust 1.85 and 1.95.
fn last(path: &Value) -> &str {
    let whole = path["path"].as_str().or(path["name"].as_str()).unwrap();
    whole.rsplit("::").next().unwrap()
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(Value::to_string).collect()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
