// Turns the profile `static` into `cfg(freestanding)` and arguments for the linker, for the build scripts of static programs:
// they include this file. In any other profile it does nothing, and the program is an ordinary one.

/// Whether this is a build with `--profile static`.
///
/// Cargo tells a build script neither the name of a profile nor how it panics, but puts its output into
/// `<target>/<profile>/build/<package>/out`, and in its coming layout one folder deeper.
fn is_static() -> bool {
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    out.ancestors().skip(3).take(2).any(|folder| folder.ends_with("static"))
}

/// Compiles every program of this package with `cfg(freestanding)` and links it with `arguments`, as ld takes them, and with
/// nothing that a C compiler would add.
///
/// `script` is a linker script beside the build script, or empty for the linker's own. A linker that the user names and whose name
/// ends in `lld` is called directly; any other is a C compiler.
fn link_static(script: &str, arguments: &[&str]) {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(freestanding, bare)");
    if !is_static() {
        return;
    }
    println!("cargo::rustc-cfg=freestanding");
    let target = std::env::var("TARGET").expect("cargo sets it").replace('-', "_").to_uppercase();
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    let direct = std::env::var("RUSTC_LINKER").is_ok_and(|linker| linker.ends_with("lld"));
    let argument = |argument: &str| println!("cargo::rustc-link-arg-bins={argument}");
    let ld = |text: &str| argument(&if direct { text.to_owned() } else { format!("-Wl,{text}") });
    if direct {
        argument("--no-pie");
    } else {
        // GNU ld wants what the tables of arm name, although it drops them.
        if target.starts_with("ARM") {
            ld("--defsym=__aeabi_unwind_cpp_pr0=0");
        }
        ["-nostartfiles", "-nostdlib", "-static", "-no-pie"].iter().for_each(|a| argument(a));
    }
    arguments.iter().for_each(|a| ld(a));
    if !script.is_empty() {
        println!("cargo::rerun-if-changed={script}");
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        ld(&format!("--script={folder}/{script}"));
    }
}
