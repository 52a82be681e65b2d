//! Turns std's start into the same call of `main`, for builds that unwind: there std has the entry, the panic handler and
//! the unwinder.
//!
//! Law: glibc and musl pass `main` the kernel's own list of arguments, so the words around it are the kernel's stack.

extern crate std;

use core::ffi::{c_char, c_int};

use super::Stack;

/// What libc calls.
///
/// # Safety
/// `argv` is the kernel's list.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(_argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: argc is the word before it.
    let top = unsafe { argv.cast::<usize>().sub(1) };
    // SAFETY: these are the kernel's words; std does not change them.
    let stack = unsafe { Stack::new(top) };
    crate::main(stack)
}
