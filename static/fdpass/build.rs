//! Turns the profile `static` into the linker's arguments: no libc, no loader, addresses fixed, nothing that is not loaded. With
//! `FDPASS_SECTIONS` in the environment its sections stay, for those who look at what is in it.

include!("../rt/link.rs");

fn main() {
    println!("cargo::rerun-if-env-changed=FDPASS_SECTIONS");
    let sections = std::env::var_os("FDPASS_SECTIONS").is_some();
    let arguments = ["--build-id=none", "--no-eh-frame-hdr", "-znosectionheader"];
    link_static("fdpass.ld", arguments.get(..if sections { 2 } else { 3 }).unwrap_or_default());
}
