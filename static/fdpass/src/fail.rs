//! Turns what went wrong into one line on standard error and an exit status.
//!
//! ```text
//! fdpass: connect /run/x: ECONNREFUSED (Connection refused)
//!         what    on what why
//! ```
//!
//! Laws: the line is written where it goes wrong, and the exit status alone goes up; it says whose fault it was, so that a
//! script need not read the line; every sentence of the program is here.

use core::num::NonZeroI32;

use scmsg::Errno;

use crate::rt;
use crate::text::Text;

/// The exit status of a program that did not do what it was asked.
///
/// 1: the system refused. 2: the command line is wrong. 3: the peer did something else than its part. 4: the time was over.
/// 5: the store said no. 126: COMMAND is there and cannot be executed. 127: there is none of this name.
pub type Exit = NonZeroI32;

pub type Result<T = ()> = core::result::Result<T, Exit>;

macro_rules! sentences {
    ($($name:ident $exit:literal $text:literal,)*) => {
        /// What can be wrong that no call says.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Why {
            /// Nothing.
            Done,
            $($name,)*
        }

        impl Why {
            #[allow(clippy::as_conversions, reason = "it is one byte by its declaration")]
            pub const fn to_byte(self) -> u8 {
                self as u8
            }
        }

        /// Exit status, sentence, 0 of each.
        static SENTENCES: &[u8] = concat!($("\0", $exit, $text),*).as_bytes();
    };
}

sentences! {
    Bad "\x05" "not a request of this store",
    Unknown "\x05" "no such name in the store",
    Taken "\x05" "the name is taken",
    Full "\x05" "the store is full",
    NoRoom "\x05" "no room for so many descriptors",
    Lost "\x05" "descriptors were lost on the way",
    Busy "\x05" "too many descriptors are on their way",
    NoOption "\x02" "no such option",
    NoSubcommand "\x02" "no such subcommand; try --help",
    TooManyWords "\x02" "one word too many",
    Missing "\x02" "something is missing; try --help",
    OtherOption "\x02" "an option of another subcommand",
    BothEnds "\x02" "either --listen or --connect",
    BadName "\x02" "not a NAME: 1 to 64 visible ASCII bytes but :",
    BadNumber "\x02" "-n wants 1 to 1024, -t seconds",
    NotOpen "\x02" "not an open descriptor (EBADF)",
    NoName "\x02" "empty name",
    TooLong "\x02" "too long: 108 bytes fit, 107 behind @",
    TimedOut "\x04" "timed out",
    NoDescriptors "\x03" "data without descriptors",
    TooMany "\x03" "too many descriptors",
    TooManyForName "\x02" "more than 253 descriptors",
    OddAnswer "\x03" "not an answer of a store",
}

/// What is being done, and to what: the beginning of a line, should it fail.
#[derive(Clone, Copy)]
pub struct Task {
    pub what: &'static [u8],
    pub on: &'static [u8],
}

impl Task {
    /// Begins the line.
    #[cold]
    #[inline(never)]
    fn begin(&self, text: &mut Text) {
        text.add(b"fdpass: ").add(self.what).add(b" ").add(self.on).add(b": ");
    }

    /// Something is not as it should be.
    #[cold]
    #[inline(never)]
    pub fn fail(&self, why: Why) -> Exit {
        self.answer(why.to_byte())
    }

    /// The same, by the number of the sentence.
    #[cold]
    #[inline(never)]
    pub fn answer(&self, why: u8) -> Exit {
        let mut text = Text::new();
        self.begin(&mut text);
        let mut exit = 0;
        if let Some([status, why @ ..]) = SENTENCES.split(|byte| *byte == 0).nth(usize::from(why)) {
            exit = i32::from(*status);
            text.add(why);
        }
        end(&mut text, exit)
    }

    /// A call failed.
    #[cold]
    #[inline(never)]
    pub fn errno(&self, errno: Errno) -> Exit {
        let mut text = Text::new();
        self.begin(&mut text);
        add_errno(&mut text, errno);
        end(&mut text, if matches!(errno, Errno::EPIPE | Errno::ECONNRESET) { 3 } else { 1 })
    }
}

/// Ends the line and writes it. Nothing is left to do if that fails, too.
#[cold]
#[inline(never)]
fn end(text: &mut Text, exit: i32) -> Exit {
    let _ = text.tame().add(b"\n").write(rt::stderr());
    Exit::new(exit).unwrap_or(Exit::MIN)
}

/// Adds `ECONNREFUSED (Connection refused)`.
#[inline(never)]
pub fn add_errno(text: &mut Text, errno: Errno) {
    for known in ERRNOS.split(|byte| *byte == 0) {
        match known {
            [number, name, rest @ ..] if i32::from(*number) == errno.raw() => {
                let (name, said) = rest.split_at_checked(usize::from(*name)).unwrap_or_default();
                text.add(b"E").add(name).add(b" (").add(said).add(b")");
                return;
            }
            _ => {}
        }
    }
    text.add(b"error number ").number(u32::try_from(errno.raw()).unwrap_or(0));
}

/// What the crate says of the errors that a unix socket or a file can have, and of `ENOEXEC` and `ETXTBSY`: number, bytes of the name without
/// its E, name, text, 0. The crate's own two functions would become tables with holes, of twice the size.
static ERRNOS: [u8; errnos(&mut [])] = {
    let mut bytes = [0; errnos(&mut [])];
    errnos(&mut bytes);
    bytes
};

/// Writes them to `out` if it has any room: how long they are.
#[allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "runs in the compiler only"
)]
const fn errnos(out: &mut [u8]) -> usize {
    let mut used = 0;
    let mut number = 1_u8;
    while number < u8::MAX {
        let errno = match Errno::from_raw(number as i32) {
            Some(errno) => errno,
            None => Errno::EINVAL,
        };
        let (name, said) = match errno.name() {
            // No call of this program says these of a unix socket, a file or a process.
            _ if matches!(
                errno,
                Errno::EADDRNOTAVAIL
                    | Errno::EALREADY
                    | Errno::EDESTADDRREQ
                    | Errno::EDOM
                    | Errno::EEXIST
                    | Errno::EFAULT
                    | Errno::EHOSTUNREACH
                    | Errno::EINPROGRESS
                    | Errno::EISCONN
                    | Errno::ENETDOWN
                    | Errno::ENETUNREACH
                    | Errno::ENODATA
                    | Errno::ENODEV
                    | Errno::ENOTSOCK
                    | Errno::EOVERFLOW
                    | Errno::EPROTO
                    | Errno::EPROTONOSUPPORT
                    | Errno::ERANGE
                    | Errno::ESHUTDOWN
                    | Errno::ESOCKTNOSUPPORT
                    | Errno::ETIMEDOUT
            ) =>
            {
                ("", "")
            }
            Some(name) => (name, errno.text()),
            None => match number as u32 {
                linux_raw_sys::errno::ENOEXEC => ("ENOEXEC", "not a program"),
                linux_raw_sys::errno::ETXTBSY => ("ETXTBSY", "being written to"),
                _ => ("", ""),
            },
        };
        // Number, length of the name without its E, that name, text, 0.
        let end = if name.is_empty() { 0 } else { 2 + name.len() + said.len() };
        let mut at = 0;
        while at < end {
            if !out.is_empty() {
                let in_text = at.wrapping_sub(1 + name.len());
                out[used] = match at {
                    0 => number,
                    1 => name.len() as u8 - 1,
                    _ if at <= name.len() => name.as_bytes()[at - 1],
                    _ if in_text == 0 => said.as_bytes()[0].to_ascii_uppercase(),
                    _ if in_text < said.len() => said.as_bytes()[in_text],
                    _ => 0,
                };
            }
            used += 1;
            at += 1;
        }
        number += 1;
    }
    used
}
