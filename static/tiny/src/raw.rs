//! Turns five system calls of the crate's raw layer into the smallest program that passes a descriptor to itself: a socket
//! pair, its own standard output sent and received, one line written through what arrived.
//!
//! Nothing is closed: the kernel does that at the exit.

#![no_std]
#![no_main]

#[path = "../../rt/mod.rs"]
mod rt;

use core::mem::MaybeUninit;

use linux_raw_sys::general::O_CLOEXEC;
use linux_raw_sys::net::{AF_UNIX, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET};
use scmsg::raw::{cmsghdr, iovec, msghdr, recvmsg, sendmsg, socketpair};
use scmsg::{BorrowedFd, CMSG_LEN, Errno};

/// What is written.
const LINE: &[u8] = b"passed\n";

/// A header and one descriptor: `CMSG_LEN(4)` bytes, then padding on 64-bit targets.
#[repr(C)]
struct Control {
    header: cmsghdr,
    fd: i32,
}

/// Exit status 0 if the line was written, 1 if anything failed.
fn main(_: rt::Stack) -> i32 {
    i32::from(!matches!(pass(), Ok(written) if written == LINE.len()))
}

fn pass() -> Result<usize, Errno> {
    let mut pair = MaybeUninit::<[i32; 2]>::uninit();
    // SAFETY: `pair` is valid for the two descriptors the kernel writes.
    unsafe { socketpair(AF_UNIX as i32, SOCK_SEQPACKET | O_CLOEXEC, 0, pair.as_mut_ptr()) }?;
    // SAFETY: the call succeeded, so it wrote both.
    let pair = unsafe { pair.assume_init_ref() };

    let len = CMSG_LEN(size_of::<i32>());
    let header = cmsghdr { cmsg_len: len, cmsg_level: SOL_SOCKET as i32, cmsg_type: SCM_RIGHTS as i32 };
    let mut control = Control { header, fd: 1 };
    let mut byte = 0_u8;
    let mut data = iovec { iov_base: &raw mut byte, iov_len: 1 };
    let mut message = msghdr {
        msg_iov: &raw mut data,
        msg_iovlen: 1,
        msg_control: (&raw mut control).cast(),
        msg_controllen: len,
        ..msghdr::EMPTY
    };
    // SAFETY: all that the message points to is a local; descriptor 1 is the program's own.
    unsafe { sendmsg(pair[0], &raw const message, 0) }?;
    // SAFETY: the same locals, which the kernel may write.
    unsafe { recvmsg(pair[1], &raw mut message, MSG_CMSG_CLOEXEC) }?;
    // SAFETY: the receive succeeded, so this is the descriptor it opened.
    let fd = unsafe { BorrowedFd::borrow_raw(control.fd) };
    rt::write(fd, LINE)
}
