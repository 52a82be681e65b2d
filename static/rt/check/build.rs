//! Turns the profile `static` into the linker's arguments. This program has writable data, so no script: the linker's own.

include!("../link.rs");

fn main() {
    link_static("", &["--build-id=none", "--no-eh-frame-hdr"]);
}
