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
/// `script` is the linker script beside the build script. A linker that the user names and whose name ends in `lld` is
/// called directly; any other is a C compiler.
fn link_static(script: &str, arguments: &[&str]) {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(freestanding)");
    if !is_static() {
        return;
    }
    println!("cargo::rustc-cfg=freestanding");
    println!("cargo::rerun-if-changed={script}");
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let direct = std::env::var("RUSTC_LINKER").is_ok_and(|linker| linker.ends_with("lld"));
    let argument = |argument: &str| println!("cargo::rustc-link-arg-bins={argument}");
    if direct {
        argument("--no-pie");
    } else {
        ["-nostartfiles", "-nostdlib", "-no-pie"].iter().for_each(|a| argument(a));
    }
    for text in arguments.iter().copied().chain([&*format!("--script={folder}/{script}")]) {
        argument(&if direct { text.to_owned() } else { format!("-Wl,{}", text.replace(' ', ",")) });
    }
}
