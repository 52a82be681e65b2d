//! Turns what went wrong into one line on standard error and an exit status.
//!
//! ```text
//! fdpass: connect /run/x: ECONNREFUSED (Connection refused)
//!         what    on what why
//! ```
//!
//! Laws: the line is written where it goes wrong, and the exit status alone goes up; it says whose fault it was, so that a
//! script need not read the line.

use core::num::NonZeroU8;

use scmsg::Errno;

use crate::out::Out;
use crate::rt;

/// The exit status of a program that did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Exit(NonZeroU8);

impl Exit {
    /// The system refused.
    pub const SYSTEM: Self = Self::new(1);
    /// The command line is wrong.
    pub const USAGE: Self = Self::new(2);
    /// The peer did something else than its part.
    pub const PEER: Self = Self::new(3);
    /// The time was over.
    pub const TIME: Self = Self::new(4);
    /// The store said no.
    pub const STORE: Self = Self::new(5);
    /// COMMAND is there and cannot be executed.
    pub const NOT_EXECUTABLE: Self = Self::new(126);
    /// There is no COMMAND of this name.
    pub const NOT_FOUND: Self = Self::new(127);

    const fn new(status: u8) -> Self {
        match NonZeroU8::new(status) {
            Some(status) => Self(status),
            None => Self(NonZeroU8::MAX),
        }
    }

    pub const fn status(self) -> u8 {
        self.0.get()
    }
}

pub type Result<T = ()> = core::result::Result<T, Exit>;

/// What is being done, and to what: the beginning of a line, should it fail.
#[derive(Clone, Copy)]
pub struct Task {
    pub what: &'static [u8],
    pub on: &'static [u8],
}

impl Task {
    /// Something is not as it should be.
    #[cold]
    #[inline(never)]
    pub fn fail(&self, exit: Exit, why: &[u8]) -> Exit {
        let mut out = Out::new(rt::stderr());
        for part in [b"fdpass: ", self.what, b" ", self.on, b": ", why, b"\n"] {
            out.shown(part);
        }
        // Nothing is left to do if it cannot be written.
        out.flush();
        exit
    }

    /// A call failed.
    #[cold]
    #[inline(never)]
    pub fn errno(&self, errno: Errno) -> Exit {
        self.fail(Exit::SYSTEM, errno_text(errno))
    }

    /// The command line is not as it should be.
    #[cold]
    #[inline(never)]
    pub fn usage(&self, why: &[u8]) -> Exit {
        self.fail(Exit::USAGE, why)
    }
}

/// `ECONNREFUSED (Connection refused)`.
#[inline(never)]
pub fn errno_text(errno: Errno) -> &'static [u8] {
    for known in TEXTS.split(|byte| *byte == 0) {
        if let [of, text @ ..] = known {
            if i32::from(*of) == errno.raw() {
                return text;
            }
        }
    }
    b"an error without a name"
}

/// What the crate says of every errno, and of `ENOEXEC`, which is no socket's: number, text, 0. The crate's own two functions
/// would become tables with holes, of twice the size.
static TEXTS: [u8; texts(&mut [])] = {
    let mut bytes = [0; texts(&mut [])];
    texts(&mut bytes);
    bytes
};

/// Writes them to `out` if it has any room: how long they are.
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing, reason = "runs in the compiler only")]
const fn texts(out: &mut [u8]) -> usize {
    let mut used = 0;
    let mut number = 1_u8;
    while number < u8::MAX {
        let named = match Errno::from_raw(number as i32) {
            Some(errno) => errno,
            None => Errno::EINVAL,
        };
        let (name, text) = match named.name() {
            Some(name) => (name, named.text()),
            None if number as u32 == linux_raw_sys::errno::ENOEXEC => ("ENOEXEC", "not a program"),
            None => ("", ""),
        };
        if !name.is_empty() {
            let parts: [&[u8]; 5] = [&[number], name.as_bytes(), b" (", text.as_bytes(), b")\0"];
            let mut part = 0;
            while part < parts.len() {
                let mut at = 0;
                while at < parts[part].len() {
                    if !out.is_empty() {
                        let byte = parts[part][at];
                        out[used] = if part == 3 && at == 0 { byte.to_ascii_uppercase() } else { byte };
                    }
                    used += 1;
                    at += 1;
                }
                part += 1;
            }
        }
        number += 1;
    }
    used
}
