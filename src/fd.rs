//! Turns a descriptor number into an owner that closes it, and many numbers into as few closes as they need.
//!
//! Law 3: opened = taken + closed. Numbers are closed by runs: consecutive numbers that are all owned go in one
//! `close_range`, a single one in one `close`. A range is never wider than what is owned.

use core::fmt;
use core::slice;

use crate::borrowed::{AsFd, BorrowedFd, RawFd};
use crate::errno::Errno;
use crate::numbers::SCM_MAX_FD;
use crate::raw;

/// An open descriptor, closed on drop. Same size as an `int`; promises no niche.
///
/// Dropping it makes one system call, `close`, and ignores its error: the number is free either way.
/// [`close`] reports it.
///
/// A descriptor cannot be owned twice:
/// ```compile_fail,E0382
/// use scmsg::{SocketFlags, SocketType, close, socketpair};
/// let (fd, _) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
/// close(fd).unwrap();
/// close(fd).unwrap();
/// ```
/// ```compile_fail,E0599
/// use scmsg::{SocketFlags, SocketType, socketpair};
/// let (fd, _) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
/// let twice = fd.clone();
/// ```
/// Nor made from a number by safe code:
/// ```compile_fail,E0133
/// let stdout = scmsg::OwnedFd::from_raw_fd(1);
/// ```
#[repr(transparent)]
pub struct OwnedFd {
    fd: RawFd,
}

impl OwnedFd {
    /// Owns a number.
    ///
    /// # Safety
    /// `fd` must be an open descriptor that nothing else owns.
    #[inline]
    #[must_use]
    pub const unsafe fn from_raw_fd(fd: RawFd) -> Self {
        Self { fd }
    }

    /// The number, still owned here.
    #[inline]
    #[must_use]
    pub const fn as_raw_fd(&self) -> RawFd {
        self.fd
    }

    /// Gives the number up: nothing closes it now.
    #[inline]
    #[must_use = "the descriptor stays open and nothing owns it"]
    pub const fn into_raw_fd(self) -> RawFd {
        let fd = self.fd;
        core::mem::forget(self);
        fd
    }
}

impl AsFd for OwnedFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `self` owns the descriptor, so it is open for as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for OwnedFd {
    #[inline]
    fn drop(&mut self) {
        close_one(self.fd);
    }
}

impl fmt::Debug for OwnedFd {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedFd").field(&self.fd).finish()
    }
}

/// `close(2)`: closes a descriptor and reports what the kernel says. Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EINTR`, `EIO`, `ENOSPC`, `EDQUOT` | what was written before could not be stored; the number is free all the same |
#[inline]
pub fn close(fd: OwnedFd) -> Result<(), Errno> {
    // SAFETY: the number is owned, and given up here.
    unsafe { raw::close(fd.into_raw_fd()) }.map(drop)
}

/// Closes a number this module owns, ignoring the error.
#[inline]
fn close_one(fd: RawFd) {
    // SAFETY: every caller owns `fd` and gives it up.
    let _ = unsafe { raw::close(fd) };
}

/// Bytes of a number.
const NUMBER: usize = size_of::<RawFd>();

/// Closes every number in `numbers` that is not negative, each run of consecutive ones by one call. `numbers` are the bytes
/// of `int`s, at any alignment; up to three stray bytes at the end are no number.
///
/// # Safety
/// Every number in it that is not negative must be an open descriptor that nothing else owns, and is given up.
#[inline]
pub(crate) unsafe fn close_all(closer: &mut Closer, numbers: &[u8]) {
    let mut rest = numbers;
    // Nearly always all of them are one run; that is asked once. A full message is asked as a constant: its loop is unrolled.
    let all = numbers.len() / NUMBER;
    if let Some(first) = number(numbers).filter(|first| *first >= 0) {
        if if all == SCM_MAX_FD { goes_on(first, numbers, SCM_MAX_FD) } else { goes_on(first, numbers, all) } {
            return closer.push(first, first.wrapping_add(RawFd::try_from(all).unwrap_or(1)).wrapping_sub(1));
        }
    }
    while let Some(first) = number(rest) {
        let length = if first < 0 { 1 } else { run(first, rest) };
        rest = rest.get(length.wrapping_mul(NUMBER)..).unwrap_or_default();
        if first >= 0 {
            closer.push(first, first.wrapping_add(RawFd::try_from(length).unwrap_or(1)).wrapping_sub(1));
        }
    }
}

/// The number at the start of `bytes`.
#[inline(always)]
fn number(bytes: &[u8]) -> Option<RawFd> {
    bytes.first_chunk().map(|bytes| RawFd::from_ne_bytes(*bytes))
}

/// How many numbers at the start of `numbers`, of which `first` is the first, are each one more than the one before.
#[inline]
fn run(first: RawFd, numbers: &[u8]) -> usize {
    // Long steps, then single ones.
    let mut run = 1_usize;
    for step in [32_usize, 1] {
        while let Some(longer) = numbers.get(run.wrapping_sub(1).wrapping_mul(NUMBER)..) {
            let start = first.wrapping_add(RawFd::try_from(run).unwrap_or(0)).wrapping_sub(1);
            if !goes_on(start, longer, step.wrapping_add(1)) {
                break;
            }
            run = run.wrapping_add(step);
        }
    }
    run
}

/// Whether the first `count` numbers are there, and each is one more than the one before; the first is `first`.
///
/// Only if the last one is right are the others looked at, so numbers that do not go on cost little. Then the differences of
/// neighbours are or-ed, which becomes vector instructions: the union is 1 only if each is 0 or 1, and as together they lead
/// to the last number, each is 1.
#[inline]
fn goes_on(first: RawFd, numbers: &[u8], count: usize) -> bool {
    let Some(numbers) = numbers.get(..count.wrapping_mul(NUMBER)) else { return false };
    let last = RawFd::try_from(count.wrapping_sub(1)).ok().and_then(|more| first.checked_add(more));
    if last.is_none() || numbers.last_chunk().map(|bytes| RawFd::from_ne_bytes(*bytes)) != last {
        return false;
    }
    // SAFETY: any four bytes are an array of them, at any alignment, and so many of these are borrowed here.
    let numbers: &[[u8; NUMBER]] = unsafe { slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len() / NUMBER) };
    // Not `chunks_exact`: zipping two of these divides, and a build for size keeps the panic of that division.
    let pairs = numbers.iter().zip(numbers.get(1..).unwrap_or_default());
    let step = |(from, to): (&[u8; NUMBER], &[u8; NUMBER])| {
        RawFd::from_ne_bytes(*to).wrapping_sub(RawFd::from_ne_bytes(*from))
    };
    pairs.fold(1, |union, pair| union | step(pair)) == 1
}

/// Collects runs of owned numbers in order, joins those that touch, and closes each as soon as the next does not.
pub(crate) struct Closer {
    /// The run collected so far; none if negative.
    first: RawFd,
    last: RawFd,
}

impl Closer {
    /// No run yet.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { first: -1, last: -1 }
    }

    /// Takes the run from `first` to `last`, which [`close_all`] owns.
    #[inline]
    fn push(&mut self, first: RawFd, last: RawFd) {
        if self.first < 0 {
            self.first = first;
        } else if self.last.checked_add(1) != Some(first) {
            close_run(self.first, self.last);
            self.first = first;
        }
        self.last = last;
    }
}

impl Drop for Closer {
    #[inline]
    fn drop(&mut self) {
        if self.first >= 0 {
            close_run(self.first, self.last);
        }
    }
}

/// Closes the numbers from `first` to `last`, all of which this module owns.
#[inline]
fn close_run(first: RawFd, last: RawFd) {
    if first == last {
        return close_one(first);
    }
    // SAFETY: every number from `first` to `last` was given to `close_all`, so all are owned here and given up.
    if unsafe { raw::close_range(first, last, 0) }.is_err() {
        // Kernels before 5.9 have no close_range, and seccomp filters deny it, often with EPERM.
        for fd in first..=last {
            close_one(fd);
        }
    }
}
