//! Turns the stack that the kernel prepares for a new program into a call of `main`, and what `main` returns into the exit
//! status: a run-time for programs without libc and std, as source to include.
//!
//! ```text
//! #![no_std]
//! #![no_main]
//! #[path = "../../rt/mod.rs"]
//! mod rt;
//!
//! fn main(stack: rt::Stack) -> i32 {
//!     i32::from(stack.args().count() != 1)
//! }
//! ```
//!
//! Laws: what a program does not use is not in it (every function is a section of its own, and the linker drops those that
//! nothing reaches); nothing here is mutable or allocates.
//!
//! A build with `--profile static` is free-standing (`link.rs`): `start.rs` is its entry, `mem.rs` what compilers call, `stop.rs` its
//! panic handler. Any other build (`dev`, `test`, a linter) is hosted: `hosted.rs` runs the same `main` above std. So the root
//! of the workspace builds and tests without flags.
//!
//! With `--cfg bare` there is no `mem.rs`, and a panic is an undefined symbol: a program that links so needs neither.
//!
//! `sys.rs` uses the crate's files in `src/raw/`. Who copies this folder copies the file of their architecture as well.

#![allow(dead_code, unused_imports, reason = "a program uses some of it")]
#![deny(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block, unsafe_op_in_unsafe_fn)]

#[cfg(not(freestanding))]
mod hosted;
#[cfg(all(freestanding, not(bare)))]
mod mem;
mod stack;
#[cfg(freestanding)]
mod start;
#[cfg(freestanding)]
mod stop;
pub mod sys;

pub use stack::{Stack, Strings};
pub use sys::{exit, stderr, stdin, stdout, write};
