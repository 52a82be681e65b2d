//! Turns the libc crate's functions into the same program, by hand.

use std::mem::{size_of_val, zeroed};
use std::process::ExitCode;
use std::ptr;

use libc::{
    AF_UNIX, CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, SCM_RIGHTS, SOCK_CLOEXEC,
    SOCK_SEQPACKET, SOL_SOCKET, close, iovec, msghdr, recvmsg, sendmsg, socketpair, write,
};

const LINE: &[u8] = b"passed\n";

/// Room for one descriptor, aligned for a header.
#[repr(C, align(8))]
struct Control([u8; 24]);

fn main() -> ExitCode {
    // SAFETY: `pass` calls libc with locals only.
    if unsafe { pass() } { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// # Safety
/// None of its own: every call in it is one of libc's.
unsafe fn pass() -> bool {
    let mut pair = [-1; 2];
    let mut control = Control([0; 24]);
    let mut byte = [0_u8];
    let mut data = iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: every pointer is to a local that is valid for what the call does with it; each descriptor is closed once.
    unsafe {
        if socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.as_mut_ptr()) < 0 {
            return false;
        }
        let mut message: msghdr = zeroed();
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of_val(&control) as _;
        let header = CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = SOL_SOCKET;
        (*header).cmsg_type = SCM_RIGHTS;
        (*header).cmsg_len = CMSG_LEN(4) as _;
        ptr::write_unaligned(CMSG_DATA(header).cast::<i32>(), 1);
        let mut right =
            sendmsg(pair[0], &message, MSG_NOSIGNAL) == 1 && recvmsg(pair[1], &mut message, MSG_CMSG_CLOEXEC) == 1;
        let header = CMSG_FIRSTHDR(&message);
        right &= !header.is_null() && (*header).cmsg_type == SCM_RIGHTS;
        if right {
            let fd = ptr::read_unaligned(CMSG_DATA(header).cast::<i32>());
            right = write(fd, LINE.as_ptr().cast(), LINE.len()) == LINE.len() as isize;
            close(fd);
        }
        close(pair[1]);
        close(pair[0]);
        right
    }
}
