//! The files in `seeds/` are the table in `src/seeds.rs`, and nothing else; `BLESS=1 cargo test --test seeds` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use scmsg_fuzz::seeds;

#[test]
fn the_files_are_the_table() {
    if cfg!(not(all(target_pointer_width = "64", target_endian = "little"))) {
        println!("SKIPPED: the files are for 64-bit little-endian machines");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut table = BTreeMap::new();
    for (target, name, what, bytes) in seeds::all() {
        assert!(scmsg_fuzz::TARGETS.iter().any(|(known, _)| *known == target), "{target}");
        assert!(!what.is_empty() && bytes.len() <= 256, "{target}/{name}: {what}: {} bytes", bytes.len());
        assert!(table.insert(format!("{target}/{name}"), bytes).is_none(), "{target}/{name} is there twice");
    }
    if std::env::var_os("BLESS").is_some() {
        let _ = fs::remove_dir_all(&root);
        for (name, bytes) in &table {
            let file = root.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, bytes).expect("written");
        }
    }
    let mut files = BTreeMap::new();
    for (target, _) in scmsg_fuzz::TARGETS {
        for entry in fs::read_dir(root.join(target)).expect("seeds of every target") {
            let entry = entry.expect("an entry");
            files.insert(format!("{target}/{}", entry.file_name().display()), fs::read(entry.path()).expect("a file"));
        }
    }
    assert_eq!(files, table);
}
