//! Turns the words on a new program's stack into arguments and environment.
//!
//! ```text
//! top       argc
//! top + 1   argv[0] ... argv[argc - 1], null
//!           envp[0] ... null
//!           auxiliary vector
//! ```
//!
//! Law: the kernel's words and strings are only read. A program that writes to them elsewhere breaks the borrows given here.

use core::ffi::{CStr, c_char};

/// What the kernel put on the stack. It stays there for as long as the program runs.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    top: *const usize,
}

impl Stack {
    /// The stack whose top this is.
    ///
    /// # Safety
    /// `top` points to the kernel's words as shown above, which nobody changes any more.
    #[inline(always)]
    pub const unsafe fn new(top: *const usize) -> Self {
        Self { top }
    }

    /// The arguments, the program's name first.
    #[inline]
    pub fn args(self) -> Strings {
        // SAFETY: at least the null that ends the arguments is behind argc.
        let first = unsafe { self.top.add(1) };
        Strings { next: first.cast() }
    }

    /// The environment, as `NAME=value`.
    #[inline]
    pub fn env(self) -> Strings {
        // SAFETY: argc is the first word.
        let argc = unsafe { self.top.read() };
        // SAFETY: argc words and a null are between argc and the environment, which ends with a null at least.
        let first = unsafe { self.top.add(argc.wrapping_add(2)) };
        Strings { next: first.cast() }
    }
}

/// Strings, one after another, up to the null.
#[derive(Clone, Debug)]
pub struct Strings {
    next: *const *const c_char,
}

impl Strings {
    /// Those that are left, as `execve` takes them: pointers, then a null.
    #[inline]
    pub const fn as_ptr(&self) -> *const *const c_char {
        self.next
    }
}

impl Iterator for Strings {
    type Item = &'static CStr;

    #[inline]
    fn next(&mut self) -> Option<&'static CStr> {
        // SAFETY: it points into a list, at most to the null that ends it.
        let string = unsafe { self.next.read() };
        if string.is_null() {
            return None;
        }
        // SAFETY: this was not the null, so there is another word.
        self.next = unsafe { self.next.add(1) };
        // SAFETY: the kernel ends each string with a zero byte, and nobody changes it.
        Some(unsafe { CStr::from_ptr(string) })
    }
}
