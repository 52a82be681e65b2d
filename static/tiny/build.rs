//! Turns the profile `static` into the linker's arguments for the two programs. README.md says what each saves.

include!("../rt/link.rs");

fn main() {
    link_static("tiny.ld", &["-znosectionheader", "--no-eh-frame-hdr"]);
}
