//! Turns the profile `static` into a program without libc, without memory functions and without a way to panic.

include!("../../static/rt/link.rs");

fn main() {
    link_static("", &[]);
    println!("cargo::rustc-cfg=bare");
}
