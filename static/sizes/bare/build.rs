//! Turns the profile `static` into the linker's arguments: those of static/tiny.

include!("../../rt/link.rs");

fn main() {
    link_static("../../tiny/tiny.ld", &["-znosectionheader", "--no-eh-frame-hdr"]);
}
