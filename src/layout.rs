//! Turns payload lengths into the space a control message occupies: `cmsg(3)` as total functions.
//!
//! ```text
//!        0            sizeof(size_t)   +4        +8 = HEADER
//!        | cmsg_len   | cmsg_level | cmsg_type | payload ...      | padding |
//!        |<---------------- CMSG_LEN(payload) ------------------->|         |
//!        |<---------------- CMSG_SPACE(payload) --------------------------->|
//! ```
//!
//! Laws: no function here panics or wraps; what cannot be represented saturates at `usize::MAX`, which no buffer
//! can hold, so "does it fit" stays a plain comparison.

#![forbid(unsafe_code)]

/// Bytes of a `cmsghdr`: 16 where `size_t` has 8 bytes, 12 where it has 4.
pub const CMSG_HEADER: usize = size_of::<usize>() + 8;

/// Alignment of every header and of the space between headers, in bytes: `sizeof(long)`, 8 or 4.
pub const CMSG_ALIGNMENT: usize = size_of::<usize>();

/// Rounds `len` bytes up to [`CMSG_ALIGNMENT`]; `usize::MAX` if that is not representable.
///
/// # Examples
/// ```
/// # #[cfg(target_pointer_width = "64")] {
/// assert_eq!(scmsg::CMSG_ALIGN(20), 24);
/// # }
/// assert_eq!(scmsg::CMSG_ALIGN(usize::MAX), usize::MAX);
/// ```
#[allow(non_snake_case)]
#[inline]
#[must_use]
pub const fn CMSG_ALIGN(len: usize) -> usize {
    match len.checked_add(CMSG_ALIGNMENT - 1) {
        Some(up) => up & !(CMSG_ALIGNMENT - 1),
        None => usize::MAX,
    }
}

/// The `cmsg_len` of a message with `payload` bytes: header and payload, without padding. Saturates.
///
/// A receive buffer of exactly `CMSG_LEN(4 * n)` bytes admits `n` descriptors and not one more; the padding in
/// [`CMSG_SPACE`] can admit another (64-bit: `CMSG_SPACE(4)` has room for two).
#[allow(non_snake_case)]
#[inline]
#[must_use]
pub const fn CMSG_LEN(payload: usize) -> usize {
    CMSG_HEADER.saturating_add(payload)
}

/// Bytes a message with `payload` bytes occupies in front of another one: header, payload and padding. Saturates.
///
/// # Examples
/// Room for three descriptors and credentials, as a constant:
/// ```
/// use scmsg::{CMSG_SPACE, ControlBuf};
/// let _buf = ControlBuf::<[u8; CMSG_SPACE(3 * 4) + CMSG_SPACE(12)]>::new();
/// ```
#[allow(non_snake_case)]
#[inline]
#[must_use]
pub const fn CMSG_SPACE(payload: usize) -> usize {
    CMSG_ALIGN(CMSG_LEN(payload))
}
