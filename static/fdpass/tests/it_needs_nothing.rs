//! The program is one small file that needs nothing but a kernel: 16 KiB, no loader, an empty root directory, and other
//! machines.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::*;

#[test]
fn it_is_small_and_static() {
    let file = fs::read(fdpass()).expect("the program");
    if cfg!(target_arch = "x86_64") {
        println!("fdpass: {} bytes", file.len());
        assert!(file.len() <= 16384, "{} bytes", file.len());
        let compiler = Command::new("rustc").arg("--version").output().expect("rustc").stdout;
        let size = format!("{},{:03} bytes", file.len() / 1000, file.len() % 1000);
        for page in [include_str!("../README.md"), include_str!("../../README.md")] {
            // Another compiler makes another size.
            assert!(!compiler.starts_with(b"rustc 1.95.") || page.contains(&size), "a page does not say {size}");
        }
        let entries = usize::from(u16::from_le_bytes([file[56], file[57]]));
        // PT_LOAD and PT_GNU_STACK alone: no loader, nothing to relocate; nothing is writable and executable.
        for entry in file[64..64 + 56 * entries].chunks(56) {
            let kind = u32::from_le_bytes(entry[..4].try_into().expect("four"));
            assert!(kind == 1 || kind == 0x6474_e551, "{kind:#x}");
            assert_ne!(entry[4] & 3, 3, "writable and executable");
        }
    } else {
        skipped("the bound is for x86_64");
    }
}

#[test]
fn no_panic_is_reachable() {
    let with_names = [("FDPASS_SECTIONS", "1"), ("CARGO_PROFILE_STATIC_STRIP", "none")];
    let program = build_with("named", None, &with_names).expect("built");
    let Ok(output) = Command::new("nm").arg(&program).output() else {
        return skipped("missing tool: nm (binutils)");
    };
    let names = String::from_utf8_lossy(&output.stdout);
    assert!(names.contains("_start"), "{names}");
    let found = names.lines().find(|name| name.contains("panic") || name.contains("4core3fmt"));
    assert_eq!(found, None, "it can panic, or has the machinery for it");
}

/// Runs a shell script in which a store, `put`, `get`, `send`, `recv` and `creds` of one program work together.
fn together(program: &[&Path]) -> Said {
    let folder = Folder::new();
    folder.file("text", "there\n");
    let fdpass = program.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ");
    let script = format!(
        "f='{fdpass}'; $f store st & s=$!; $f list -w -t 30 st; $f put st n <text; $f list st; $f drop st n; \
         $f drop st n; $f creds st | grep -e uid -e gid; kill $s; $f send -w -t 30 r <text & $f recv -t 30 r -- cat; \
         $f store -f st & s=$!; $f put -w st n 5 6 5<text 6<text; $f get st n -- sh -c 'cat <&3; cat <&4'; kill $s; wait"
    );
    let mut sh = Command::new("sh");
    sh.args(["-c", &script]).current_dir(folder.path("."));
    sh.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    run(sh)
}

#[track_caller]
fn works(program: &[&Path]) {
    // SAFETY: no preconditions.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    let said = together(program);
    assert_eq!(said.err, "fdpass: store st: no such name in the store\n", "{said:?}");
    assert_eq!(said.out, format!("n 1\nuid {uid}\ngid {gid}\nthere\nthere\nthere\n"));
}

#[test]
fn it_works_here() {
    works(&[fdpass()]);
}

#[test]
fn it_works_in_an_empty_root() {
    if !is_root() {
        return skipped("only root can change the root directory");
    }
    let folder = Folder::new();
    fs::copy(fdpass(), folder.path("fdpass")).expect("copied");
    let chroot = |words: &[&str]| {
        let mut command = Command::new("/fdpass");
        command.args(words).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let root = std::ffi::CString::new(folder.path(".").into_os_string().into_encoded_bytes()).expect("path");
        // SAFETY: only system calls on a string that is kept, between fork and exec.
        unsafe {
            std::os::unix::process::CommandExt::pre_exec(&mut command, move || {
                if libc::chroot(root.as_ptr()) < 0 || libc::chdir(c"/".as_ptr()) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        command
    };
    let store = start(chroot(&["store", "/S"]));
    assert_eq!(good(chroot(&["list", "-w", "/S"])), "");
    good(chroot(&["put", "/S", "name", "0", "0"]));
    assert_eq!(good(chroot(&["list", "/S"])), "name 2\n");
    // COMMAND is itself, the only program there is.
    assert_eq!(good(chroot(&["get", "/S", "name", "--", "/fdpass", "list", "/S"])), "name 2\n");
    let receiver = start(chroot(&["recv", "-t", "20", "/R", "-n", "2", "/fdpass", "put", "/S", "received", "3", "4"]));
    good(chroot(&["send", "-w", "-t", "20", "/R", "0", "0"]));
    let said = receiver.end();
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    assert_eq!(good(chroot(&["list", "/S"])), "name 2\nreceived 2\n");
    let said = good(chroot(&["creds", "/S"]));
    assert!(said.contains(&format!("pid {}\n", store.pid())), "{said}");
    bad(chroot(&["recv", "/nowhere/R", "x"]), 1, "listen /nowhere/R: ENOENT (No such file or directory)");
    let mut files = folder.list();
    files.sort();
    assert_eq!(files, ["S", "fdpass"]);
}

/// Builds for another machine and runs it there, or under emulation.
fn elsewhere(target: &str, emulator: Option<&str>) {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc").stdout;
    let core = Path::new(String::from_utf8_lossy(&sysroot).trim()).join("lib/rustlib").join(target).join("lib");
    if !core.is_dir() {
        return skipped(&format!("missing tool: core of {target} (rustup target add {target})"));
    }
    let found = emulator.map(|name| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists())
    });
    let program = build(Some(target)).expect("built");
    match found {
        None => works(&[&program]),
        Some(None) => skipped(&format!("missing tool: {}", emulator.unwrap_or_default())),
        Some(Some(emulator)) => works(&[&emulator, &program]),
    }
}

#[test]
fn it_works_as_i686() {
    if cfg!(not(target_arch = "x86_64")) {
        return skipped("only x86_64 runs i686");
    }
    elsewhere("i686-unknown-linux-gnu", None);
}

#[test]
fn it_works_as_aarch64() {
    elsewhere("aarch64-unknown-linux-gnu", Some("qemu-aarch64"));
}

#[test]
fn it_works_as_s390x() {
    elsewhere("s390x-unknown-linux-gnu", Some("qemu-s390x"));
}
