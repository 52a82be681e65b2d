//! Memory below 4 GiB with pages behind it that nobody can read: what a 32-bit pointer reaches, and where a read too far
//! fails.

use std::ptr::null_mut;

/// Bytes behind the memory that nobody can read.
pub const GUARD: usize = 16 << 20;

pub struct Memory {
    start: *mut u8,
    len: usize,
}

impl Memory {
    /// `pages` pages of zeros.
    pub fn new(pages: usize) -> Self {
        let len = pages * 4096;
        let low = if cfg!(target_arch = "x86_64") { 0x40 } else { 0 }; // MAP_32BIT
        // SAFETY: a new anonymous mapping at no given address.
        let start = unsafe {
            libc::mmap(
                null_mut(),
                len + GUARD,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | low,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED, "mmap");
        let start: *mut u8 = start.cast();
        // SAFETY: the last part of the mapping just made; nothing points there.
        let done = unsafe { libc::mprotect(start.add(len).cast(), GUARD, libc::PROT_NONE) };
        assert_eq!(done, 0, "mprotect");
        Self { start, len }
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes of the mapping, which lives as long as the process and is lent for as long as `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// The last `n` bytes, in front of the page that nobody can read.
    pub fn last(&mut self, n: usize) -> &mut [u8] {
        let len = self.len;
        &mut self.bytes()[len - n..]
    }
}
