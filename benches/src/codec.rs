//! Turns control bytes, without a kernel, into work: what `encode` and `decode` are run on.

use std::hint::black_box;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::contestant::Done;
use crate::jobs::measured;

/// What the closure of `encode` or `decode` is put to.
pub trait Work {
    /// Runs it; it gives a length or a sum.
    fn go(self, work: impl FnMut() -> usize) -> Done;
}

/// Starts at a cache line: without it, where a buffer happens to lie decides a copy's time by a tenth.
#[repr(align(64))]
pub struct Line<T>(pub T);

/// So many times, timed.
pub struct Times(pub usize);

impl Work for Times {
    #[inline(always)]
    fn go(self, mut work: impl FnMut() -> usize) -> Done {
        measured(self.0, || Some(work()))
    }
}

/// Once; `units` is what came of it.
pub struct Once;

impl Work for Once {
    fn go(self, mut work: impl FnMut() -> usize) -> Done {
        Done { nanoseconds: 0.0, units: work() }
    }
}

/// Runs `work` 0 to 63 cache lines further down the stack, further each time: where a process happens to get its stack decides
/// a copy's time by a half in one process of ten.
pub fn elsewhere<T>(work: impl FnOnce() -> T) -> T {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    down(CALLS.fetch_add(1, Ordering::Relaxed) % 64, work)
}

#[inline(never)]
fn down<T, F: FnOnce() -> T>(lines: usize, work: F) -> T {
    let mut line = Line([0_u8; 64]);
    black_box(&mut line);
    if lines == 0 { work() } else { down(lines - 1, work) }
}

/// What the messages of a [`Message`] say; 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    pub fd: RawFd,
    pub pid: u32,
    pub seconds: i64,
    pub interface: i32,
}

/// Control bytes as a kernel writes them.
pub struct Message {
    /// Aligned; the first `len` bytes count.
    words: Vec<u64>,
    len: usize,
    /// Whether there are four messages; otherwise one, `SCM_RIGHTS`.
    pub mixed: bool,
    pub expected: Expected,
}

impl Message {
    /// `SCM_RIGHTS` with one number, alone; or timestamp, credentials, rights and IPv4 packet info.
    #[must_use]
    pub fn new(mixed: bool) -> Self {
        let expected = if mixed {
            Expected { fd: 5, pid: 4242, seconds: 1_700_000_000, interface: 1 }
        } else {
            Expected { fd: 5, ..Expected::default() }
        };
        let mut bytes = Vec::new();
        let mut add = |level: i32, kind: i32, payload: &[u8]| {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend((16 + payload.len()).to_ne_bytes());
            bytes.extend(level.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(payload);
        };
        if mixed {
            let microseconds = 0_i64.to_ne_bytes();
            add(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, &[expected.seconds.to_ne_bytes(), microseconds].concat());
            let [uid, gid] = [1000_u32.to_ne_bytes(); 2];
            add(libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[expected.pid.to_ne_bytes(), uid, gid].concat());
        }
        add(libc::SOL_SOCKET, libc::SCM_RIGHTS, &expected.fd.to_ne_bytes());
        if mixed {
            let address = [127, 0, 0, 1];
            add(libc::IPPROTO_IP, libc::IP_PKTINFO, &[expected.interface.to_ne_bytes(), address, address].concat());
        }
        let len = bytes.len();
        bytes.resize(len.next_multiple_of(8), 0);
        let words = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("8"))).collect();
        Self { words, len, mixed, expected }
    }

    /// The bytes, aligned for a header.
    #[must_use]
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: initialised words, at least `len` bytes of them.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }
}
