//! Turns the kernel's numbers into the integer types they are used with, and holds the few that linux-raw-sys lacks.
//!
//! Law 9: a number comes from `linux-raw-sys` where it has it (they differ by architecture); the table
//! below holds the rest, each with its kernel header and first kernel version.

#![forbid(unsafe_code)]

use linux_raw_sys::{general, net};

/// Reinterprets a kernel constant (`u32` in linux-raw-sys) as the C `int` the field or argument has.
#[inline(always)]
pub(crate) const fn int(number: u32) -> i32 {
    i32::from_ne_bytes(number.to_ne_bytes())
}

/// Reinterprets a C `int` as the unsigned word a register or a flag set holds.
#[inline(always)]
pub(crate) const fn word(number: i32) -> u32 {
    u32::from_ne_bytes(number.to_ne_bytes())
}

pub(crate) const SOL_SOCKET: i32 = int(net::SOL_SOCKET);
pub(crate) const SCM_RIGHTS: i32 = int(net::SCM_RIGHTS);
pub(crate) const SCM_CREDENTIALS: i32 = int(net::SCM_CREDENTIALS);
pub(crate) const SCM_SECURITY: i32 = int(net::SCM_SECURITY);
pub(crate) const SCM_INQ: i32 = int(net::SCM_INQ);

/// `SOCK_CLOEXEC` and `SOCK_NONBLOCK` are by definition these (`include/linux/net.h`).
pub(crate) const SOCK_CLOEXEC: u32 = general::O_CLOEXEC;
pub(crate) const SOCK_NONBLOCK: u32 = general::O_NONBLOCK;

// # Missing
// | number | header | since |
// |---|---|---|
// | SCM_PIDFD 4 | include/linux/socket.h | 6.5 |
// | SCM_MAX_FD 253 | include/net/scm.h | 2.6.38 |
// | MSG_WAITFORONE | include/linux/socket.h | 2.6.34 |
// | MSG_ZEROCOPY | include/linux/socket.h | 4.14 |
// | MSG_FASTOPEN | include/linux/socket.h | 3.6 |
// | MSG_CMSG_COMPAT (bit 31) | include/linux/socket.h | kernel-internal |
pub(crate) const SCM_PIDFD: i32 = 4;
pub(crate) const SCM_MAX_FD: usize = 253;
pub(crate) const MSG_WAITFORONE: u32 = 0x1_0000;
pub(crate) const MSG_ZEROCOPY: u32 = 0x0400_0000;
pub(crate) const MSG_FASTOPEN: u32 = 0x2000_0000;
pub(crate) const MSG_CMSG_COMPAT: u32 = 0x8000_0000;
