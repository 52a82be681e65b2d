//! tiny
#![no_std]
#![no_main]
#[path = "../../rt/mod.rs"]
mod rt;
fn main(stack: rt::Stack) -> i32 {
    for a in stack.args() {
        let _ = rt::write(rt::stdout(), a.to_bytes());
    }
    for a in stack.env().take(1) {
        let _ = rt::write(rt::stdout(), a.to_bytes());
    }
    stack.args().count() as i32
}
