//! Turns the few calls that are no socket's into safe functions: time, limits, signals, names in the file system, and what comes
//! before an `execve`.
//!
//! Laws: one function is one system call, but where it says otherwise; the numbers are linux-raw-sys's; how the kernel is
//! entered is the crate's, by way of `rt/sys.rs`.

use core::ffi::{CStr, c_char};

use linux_raw_sys::general as nr;
use scmsg::{BorrowedFd, Errno, OwnedFd, RawFd};

use crate::rt::sys::{call1, call2, call3, call4, call5};

/// An `int` in a register; the kernel reads 32 bits of it.
const fn int(number: i32) -> usize {
    word(u32::from_ne_bytes(number.to_ne_bytes()))
}

/// A 32-bit number in a register.
#[allow(clippy::as_conversions, reason = "no target here has a narrower usize")]
const fn word(number: u32) -> usize {
    number as usize
}

/// An address in a register.
fn address<T: ?Sized>(pointer: *const T) -> usize {
    pointer.cast::<u8>().expose_provenance()
}

/// A number the kernel returned; those asked for here fit.
fn number(returned: usize) -> u32 {
    u32::try_from(returned).unwrap_or(0)
}

// The other 32-bit targets have both; theirs counts 68 years from the start of the machine.
#[cfg(not(target_arch = "riscv32"))]
const NR_CLOCK_GETTIME: u32 = nr::__NR_clock_gettime;
#[cfg(target_arch = "riscv32")]
const NR_CLOCK_GETTIME: u32 = nr::__NR_clock_gettime64;
#[cfg(not(target_arch = "riscv32"))]
const NR_FCNTL: u32 = nr::__NR_fcntl;
#[cfg(target_arch = "riscv32")]
const NR_FCNTL: u32 = nr::__NR_fcntl64;

/// `clock_gettime(CLOCK_MONOTONIC)`: milliseconds since some point that does not move.
pub fn now() -> u64 {
    let mut time = scmsg::raw::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec` of this layout to a local.
    let _ = unsafe { call2(NR_CLOCK_GETTIME, word(nr::CLOCK_MONOTONIC), address(&raw mut time)) };
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    u64::try_from(time.tv_sec).unwrap_or(0).wrapping_mul(1000).wrapping_add(u64::from(nanos / 1_000_000))
}

/// `getpid(2)`.
pub fn pid() -> u32 {
    // SAFETY: nothing but a number comes back. The argument is not read.
    unsafe { call1(nr::__NR_getpid, 0) }.map_or(0, number)
}

/// `umask(2)`: the mask before.
#[inline(never)]
pub fn umask(mask: u32) -> u32 {
    // SAFETY: a number of the process, no memory.
    unsafe { call1(nr::__NR_umask, word(mask)) }.map_or(0, number)
}

/// A set of signals, as the kernel has it: 64 bits, the first 32 or 64 in the first word.
#[derive(Clone, Copy)]
pub struct Signals([usize; 8 / size_of::<usize>()]);

impl Signals {
    /// Those whose bits are set in a word; bit 0 is signal 1.
    pub const fn new(first: usize) -> Self {
        let mut words = [0; 8 / size_of::<usize>()];
        let [word, ..] = &mut words;
        *word = first;
        Self(words)
    }

    pub const fn first(self) -> usize {
        let [word, ..] = self.0;
        word
    }
}

/// Whether a signal is ignored: `rt_sigaction(2)`.
pub fn is_ignored(signal: u32) -> bool {
    // Handler, flags, restorer and mask have five words at most. 1 in place of a handler is `SIG_IGN`.
    let mut action = [0_usize; 8];
    // SAFETY: the kernel writes one action to a local that has room for it; null is not read.
    let asked = unsafe { call4(nr::__NR_rt_sigaction, word(signal), 0, address(&raw mut action), 8) };
    let [handler, ..] = action;
    asked.is_ok() && handler == 1
}

/// `rt_sigprocmask(2)`: changes which signals are held back; those before.
pub fn signal_mask(how: u32, signals: Signals) -> Result<Signals, Errno> {
    let mut before = Signals::new(0);
    let (set, old) = (address(&raw const signals), address(&raw mut before));
    // SAFETY: the kernel reads 8 bytes of a local and writes 8 to another.
    unsafe { call4(nr::__NR_rt_sigprocmask, word(how), set, old, 8) }?;
    Ok(before)
}

/// `signalfd4(2)`: a descriptor that is readable when one of these is pending.
pub fn signalfd(signals: Signals) -> Result<OwnedFd, Errno> {
    let set = address(&raw const signals);
    // SAFETY: the kernel reads 8 bytes of a local.
    let fd = unsafe { call4(nr::__NR_signalfd4, int(-1), set, 8, word(nr::O_CLOEXEC)) }?;
    // SAFETY: the call opened it, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).unwrap_or(-1)) })
}

/// `unlinkat(2)`: removes a name.
pub fn unlink(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is readable and ends with a zero byte.
    unsafe { call3(nr::__NR_unlinkat, int(nr::AT_FDCWD), address(path.as_ptr()), 0) }.map(drop)
}

/// Whether `path` itself is a socket: `statx(2)`.
pub fn is_socket(path: &CStr) -> bool {
    const NOFOLLOW: usize = 0x100;
    const TYPE: usize = 1;
    // `stx_mode` is behind three and a half 8-byte words.
    let mut stat = [0_u16; 128];
    let at = address(path.as_ptr());
    // SAFETY: the path is readable and ends with a zero byte; the kernel writes 256 bytes to a local of that size.
    let asked = unsafe { call5(nr::__NR_statx, int(nr::AT_FDCWD), at, NOFOLLOW, TYPE, address(&raw mut stat)) };
    let mode = stat.get(14).map_or(0, |mode| u32::from(*mode));
    asked.is_ok() && mode & nr::S_IFMT == nr::S_IFSOCK
}

/// A descriptor that was there when the program started: `fcntl(F_GETFD)` says so. Only true before it opens its own.
pub fn inherited(fd: RawFd) -> Result<BorrowedFd<'static>, Errno> {
    // SAFETY: no memory; an unused number is an error.
    unsafe { call3(NR_FCNTL, int(fd), word(nr::F_GETFD), 0) }?;
    // SAFETY: it is open, and nothing in this program closes a descriptor it did not open before `execve` or the end.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Makes every descriptor from 3 on close-on-exec: `close_range(2)`, Linux 5.11. Where it is refused, one `fcntl` for each
/// number up to 65,535.
pub fn keep_none_at_exec() {
    const CLOEXEC: usize = 4;
    // SAFETY: no memory, and nothing is closed.
    if unsafe { call3(nr::__NR_close_range, 3, word(u32::MAX), CLOEXEC) }.is_ok() {
        return;
    }
    for fd in 3..1 << 16 {
        // SAFETY: no memory; an unused number is an error.
        let _ = unsafe { call3(NR_FCNTL, word(fd), word(nr::F_SETFD), word(nr::FD_CLOEXEC)) };
    }
}

/// Closes every descriptor from 3 on, for a program that has opened none yet.
///
/// # Safety
/// Nothing in this program owns or has borrowed one of them.
pub unsafe fn close_inherited() {
    // SAFETY: no memory; the caller vouches that nobody here uses them.
    let _ = unsafe { call3(nr::__NR_close_range, 3, word(u32::MAX), 0) };
}

/// Has what `fd` is at the number `to` as well, where it survives `execve`: `dup3(2)`, or `fcntl` where it is there already.
///
/// # Safety
/// Nothing in this program uses what is at `to` any more.
pub unsafe fn place(fd: RawFd, to: RawFd) -> Result<(), Errno> {
    if fd == to {
        // SAFETY: no memory; the descriptor is the caller's.
        return unsafe { call3(NR_FCNTL, int(to), word(nr::F_SETFD), 0) }.map(drop);
    }
    // SAFETY: no memory; the caller vouches that the one that is closed there is not used any more.
    unsafe { call3(nr::__NR_dup3, int(fd), int(to), 0) }.map(drop)
}

/// `execve(2)`: comes back only with an error.
///
/// # Safety
/// The path leads to bytes that end with zero; so does each pointer in both lists, which end with null.
pub unsafe fn execve(path: *const u8, argv: *const *const c_char, env: *const *const c_char) -> Errno {
    // SAFETY: the kernel reads the path and, as the caller vouches, two lists of strings.
    let came_back = unsafe { call3(nr::__NR_execve, address(path), address(argv), address(env)) };
    came_back.err().unwrap_or(Errno::EINVAL)
}

/// `RLIMIT_NOFILE`, as `prlimit64(2)` has it.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Limit {
    soft: u64,
    hard: u64,
}

fn descriptor_limit() -> Result<Limit, Errno> {
    let mut limit = Limit::default();
    // SAFETY: the kernel writes two 64-bit numbers to a local; null is not read.
    unsafe { call4(nr::__NR_prlimit64, 0, word(nr::RLIMIT_NOFILE), 0, address(&raw mut limit)) }?;
    Ok(limit)
}

/// Raises the limit of descriptors as far as it goes, and says how many there can be: `prlimit64(2)`, twice.
pub fn raise_descriptor_limit() -> usize {
    let Ok(limit) = descriptor_limit() else { return 1024 };
    let wanted = Limit { soft: limit.hard, hard: limit.hard };
    // SAFETY: the kernel reads two 64-bit numbers of a local; null is not written.
    let raised = unsafe { call4(nr::__NR_prlimit64, 0, word(nr::RLIMIT_NOFILE), address(&raw const wanted), 0) };
    usize::try_from(if raised.is_ok() { limit.hard } else { limit.soft }).unwrap_or(usize::MAX)
}
