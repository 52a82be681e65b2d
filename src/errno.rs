//! Turns the kernel's error numbers into [`Errno`]: one nonzero integer with a name and a text.

#![forbid(unsafe_code)]

use core::fmt;
use core::num::NonZeroI32;

use crate::numbers::int;

/// An error number of the running architecture, never zero: 1 to 4095 from the kernel itself. Who stands between, a seccomp
/// supervisor or a tracer, can invent others, which are kept as they are.
///
/// The constants are the errors that the calls of this crate return; any other number is kept as it is and prints
/// as a number. `Errno` becomes `std::io::Error` under feature `std`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
#[doc(alias = "errno")]
pub struct Errno(NonZeroI32);

impl Errno {
    /// The error with this number, if it is one a system call can return (1 to 4095).
    #[inline]
    #[must_use]
    pub const fn from_raw(number: i32) -> Option<Self> {
        match NonZeroI32::new(number) {
            Some(n) if number > 0 && number <= 4095 => Some(Self(n)),
            _ => None,
        }
    }

    /// The number, as `errno(3)` has it.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0.get()
    }

    /// Splits a system call's return register: a negated error is negative as an `int`, and nothing else is, because no call
    /// here returns more than `int` holds (the most are the 2 147 479 552 bytes to which the kernel cuts a read).
    #[inline(always)]
    pub(crate) fn check(ret: usize) -> Result<usize, Self> {
        let [a, b, c, d, ..] = ret.to_le_bytes();
        let number = i32::from_le_bytes([a, b, c, d]);
        match NonZeroI32::new(number.wrapping_neg()) {
            Some(errno) if number < 0 => Err(Self(errno)),
            _ => Ok(ret),
        }
    }

    /// Reads a ledger slot: the errno in a negative slot, if it is one.
    #[inline]
    pub(crate) const fn from_slot(slot: i32) -> Option<Self> {
        Self::from_raw(slot.wrapping_neg())
    }
}

macro_rules! errnos {
    ($($name:ident $text:literal,)*) => {
        /// What the calls of this crate return; each call's documentation says when.
        impl Errno {
            $(#[doc = $text]
            pub const $name: Self = match Self::from_raw(int(linux_raw_sys::errno::$name)) {
                Some(errno) => errno,
                None => panic!("not an errno"),
            };)*

            /// The constant's name, `None` for a number this crate has no name for.
            #[inline]
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What the error means, in a few words; empty for a number this crate has no name for.
            #[inline]
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    _ => "",
                }
            }
        }
    };
}

// `match` on the constants needs structural equality, which the derives above give.
errnos! {
    EPERM "operation not permitted",
    ENOENT "no such file or directory",
    ESRCH "no such process",
    EINTR "interrupted by a signal",
    EIO "input/output error",
    ENXIO "no such device or address",
    E2BIG "argument list too long",
    EBADF "bad file descriptor",
    EAGAIN "resource temporarily unavailable",
    ENOMEM "out of memory",
    EACCES "permission denied",
    EFAULT "bad address",
    EBUSY "device or resource busy",
    EEXIST "file exists",
    ENODEV "no such device",
    ENOTDIR "not a directory",
    EISDIR "is a directory",
    EINVAL "invalid argument",
    ENFILE "too many open files in the system",
    EMFILE "too many open files in the process",
    ENOSPC "no space left on device",
    EROFS "read-only file system",
    EPIPE "broken pipe: the other end is gone",
    EDOM "argument out of domain",
    ERANGE "result does not fit the buffer",
    ENAMETOOLONG "file name too long",
    ENOSYS "system call not implemented",
    ELOOP "too many symbolic links",
    ENODATA "no data available",
    EPROTO "protocol error",
    EOVERFLOW "value too large",
    ENOTSOCK "not a socket",
    EDESTADDRREQ "destination address required",
    EMSGSIZE "message too long",
    EPROTOTYPE "wrong socket type for this peer",
    ENOPROTOOPT "socket option not available",
    EPROTONOSUPPORT "protocol not supported",
    ESOCKTNOSUPPORT "socket type not supported",
    EOPNOTSUPP "operation not supported on this socket",
    EAFNOSUPPORT "address family not supported",
    EADDRINUSE "address already in use",
    EADDRNOTAVAIL "address not available",
    ENETDOWN "network is down",
    ENETUNREACH "network unreachable",
    ECONNABORTED "connection aborted",
    ECONNRESET "connection reset by peer",
    ENOBUFS "no buffer space",
    EISCONN "socket is connected",
    ENOTCONN "socket is not connected",
    ESHUTDOWN "socket has been shut down",
    ETOOMANYREFS "too many descriptors in flight",
    ETIMEDOUT "timed out",
    ECONNREFUSED "connection refused",
    EHOSTUNREACH "host unreachable",
    EALREADY "operation already under way",
    EINPROGRESS "operation now under way",
}

impl fmt::Debug for Errno {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.raw()),
        }
    }
}

impl fmt::Display for Errno {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.text()),
            None => write!(f, "error number {}", self.raw()),
        }
    }
}

impl core::error::Error for Errno {}
