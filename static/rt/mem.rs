//! Turns copies, fills and comparisons that the compiler writes as calls into loops of bytes, in place of libc's.
//!
//! Law: none of them is compiled into a call of itself. x86 has an instruction for copies and fills; elsewhere each byte is
//! accessed as volatile, which no optimiser may gather into a call.
//!
//! They are for small programs: short, right at any alignment, and slow for much data. The linker drops those that nothing
//! calls.

use core::ffi::c_int;

/// Copies `len` bytes, lowest address first.
///
/// # Safety
/// As for `ptr::copy_nonoverlapping`; they may overlap if `to` is the lower one.
#[inline(always)]
unsafe fn forward(to: *mut u8, from: *const u8, len: usize) {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    {
        // SAFETY: the instruction copies `len` bytes from one valid pointer to the other; the direction flag is clear.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            core::arch::asm!("rep movsb", inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
        }
        // SAFETY: as above; esi belongs to the compiler and is put back.
        #[cfg(target_arch = "x86")]
        unsafe {
            core::arch::asm!("xchg esi, {from}", "rep movsb", "mov esi, {from}", from = inout(reg) from => _, inout("ecx") len => _, inout("edi") to => _, options(nostack, preserves_flags));
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
    for at in 0..len {
        // SAFETY: the caller vouches for `len` bytes at both.
        unsafe { put(to, at, get(from, at)) };
    }
}

/// Reads the byte at an index.
///
/// # Safety
/// It is there.
#[inline(always)]
unsafe fn get(from: *const u8, at: usize) -> u8 {
    // SAFETY: the caller vouches for the byte.
    let from = unsafe { from.add(at) };
    // SAFETY: the caller vouches for the byte.
    unsafe { from.read_volatile() }
}

/// Writes the byte at an index.
///
/// # Safety
/// It is there.
#[inline(always)]
unsafe fn put(to: *mut u8, at: usize, byte: u8) {
    // SAFETY: the caller vouches for the byte.
    let to = unsafe { to.add(at) };
    // SAFETY: the caller vouches for the byte.
    unsafe { to.write_volatile(byte) };
}

/// # Safety
/// C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the bytes, which do not overlap.
    unsafe { forward(to, from, len) };
    to
}

/// # Safety
/// C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // Highest address first where the other way would overwrite what is still to be read.
    if to.addr().wrapping_sub(from.addr()) < len {
        for at in (0..len).rev() {
            // SAFETY: the caller vouches for `len` bytes.
            let byte = unsafe { get(from, at) };
            // SAFETY: the caller vouches for `len` bytes.
            unsafe { put(to, at, byte) };
        }
    } else {
        // SAFETY: `to` is the lower one, or they do not overlap.
        unsafe { forward(to, from, len) };
    }
    to
}

/// # Safety
/// C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, len: usize) -> *mut u8 {
    // SAFETY: the instruction fills `len` bytes that the caller vouches for; the direction flag is clear.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") len => _, inout("rdi") to => _, in("eax") byte, options(nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "x86")]
    unsafe {
        core::arch::asm!("rep stosb", inout("ecx") len => _, inout("edi") to => _, in("eax") byte, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
    for at in 0..len {
        // SAFETY: the caller vouches for `len` bytes.
        unsafe { put(to, at, byte as u8) };
    }
    to
}

/// # Safety
/// C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> c_int {
    for at in 0..len {
        // SAFETY: the caller vouches for `len` bytes.
        let one = unsafe { get(a, at) };
        // SAFETY: the caller vouches for `len` bytes.
        let other = unsafe { get(b, at) };
        if one != other {
            return c_int::from(one).wrapping_sub(c_int::from(other));
        }
    }
    0
}

/// What compilers call where only equality is asked for.
///
/// # Safety
/// C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> c_int {
    // SAFETY: the same contract.
    unsafe { memcmp(a, b, len) }
}

/// What `CStr::from_ptr` calls.
///
/// # Safety
/// C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(string: *const u8) -> usize {
    let mut len = 0_usize;
    // SAFETY: the bytes go on up to a zero, at least.
    while unsafe { get(string, len) } != 0 {
        len = len.wrapping_add(1);
    }
    len
}
