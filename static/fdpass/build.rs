//! Turns the profile `static` into the linker's arguments: no libc, no loader, addresses fixed, nothing that is not loaded.

include!("../rt/link.rs");

fn main() {
    link_static("fdpass.ld", &["-znosectionheader", "--build-id=none", "--no-eh-frame-hdr"]);
}
