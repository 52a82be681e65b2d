//! Turns every number of system call arguments into machine code, so that building this crate for a target compiles all of
//! that target's assembly. Nothing runs it.

#![no_std]

use scmsg::raw;

/// One call for each number of arguments, 1 to 5.
///
/// # Safety
/// Not to be called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn every_call(fd: i32, bytes: *mut u8, len: *mut u32, msg: *mut raw::msghdr) -> usize {
    // SAFETY: never called.
    let results = unsafe {
        [
            raw::close(fd),
            raw::listen(fd, 1),
            raw::sendmsg(fd, msg, 0),
            raw::recvmsg(fd, msg, 0),
            raw::accept4(fd, bytes, len, 0),
            raw::getsockopt(fd, 1, 2, bytes, len),
            raw::ppoll(bytes.cast(), 1, core::ptr::null_mut()),
        ]
    };
    results.into_iter().flatten().fold(0, usize::wrapping_add)
}
