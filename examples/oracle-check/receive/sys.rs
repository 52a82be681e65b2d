//! The calls around a receive, each of which must succeed.

use std::mem::size_of;
use std::ptr::null_mut;

use scmsg::oracle::Time;
use scmsg::raw::msghdr;
use scmsg::{CMSG_LEN, CMSG_SPACE};

use super::super::kernel::errno;
use super::stage::Seen;
use super::table::close;

pub const SO_PASSPIDFD: i32 = 76;
pub const SO_INQ: i32 = 84;
pub const SO_TIMESTAMP_OLD: i32 = 29;
pub const SO_TIMESTAMPNS_OLD: i32 = 35;
pub const SO_TIMESTAMPING_OLD: i32 = 37;
pub const SO_TIMESTAMP_NEW: i32 = 63;
pub const SO_TIMESTAMPNS_NEW: i32 = 64;
pub const SO_TIMESTAMPING_NEW: i32 = 65;

/// `SOF_TIMESTAMPING_RX_SOFTWARE` and `SOF_TIMESTAMPING_SOFTWARE`.
pub const SOFTWARE_TIMESTAMPS: i32 = 1 << 3 | 1 << 4;

pub fn pair(kind: i32) -> (i32, i32) {
    let mut ends = [-1; 2];
    // SAFETY: room for two numbers.
    let done = unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) };
    assert_eq!(done, 0, "socketpair: {}", errno());
    (ends[0], ends[1])
}

pub fn alone(kind: i32) -> i32 {
    // SAFETY: no pointer.
    let socket = unsafe { libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0) };
    assert!(socket >= 0, "socket: {}", errno());
    socket
}

/// Sets an option at `SOL_SOCKET`; whether the kernel has it.
pub fn try_set(socket: i32, option: i32, value: i32) -> bool {
    let len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: one integer.
    unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const value).cast(), len) == 0 }
}

pub fn set(socket: i32, option: i32, value: i32) {
    assert!(try_set(socket, option, value), "setsockopt {option}: {}", errno());
}

/// No receive waits longer than 50 milliseconds.
pub fn set_timeout(socket: i32) {
    let time = libc::timeval { tv_sec: 0, tv_usec: 50_000 };
    let len = size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: one `timeval`.
    let done = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const time).cast(), len) };
    assert_eq!(done, 0, "SO_RCVTIMEO: {}", errno());
}

pub fn shut_down(socket: i32, how: i32) {
    // SAFETY: no pointer.
    let done = unsafe { libc::shutdown(socket, how) };
    assert_eq!(done, 0, "shutdown: {}", errno());
}

/// The process that started this one.
pub fn parent() -> i32 {
    // SAFETY: asks for a number.
    unsafe { libc::getppid() }
}

/// Sends zeros, with descriptors and credentials where there are any.
pub fn send(socket: i32, bytes: usize, fds: &[i32], named: Option<(i32, u32, u32)>, urgent: bool) {
    static ZEROS: [u8; 4096] = [0; 4096];
    let mut control = [0u64; (CMSG_SPACE(253 * 4) + CMSG_SPACE(12)) / 8];
    let mut len = 0;
    let mut put = |kind: i32, words: &[i32]| {
        // SAFETY: a header and its payload, within a buffer for the longest of both kinds.
        unsafe {
            let header = control.as_mut_ptr().cast::<u8>().add(len).cast::<scmsg::raw::cmsghdr>();
            let cmsg_len = CMSG_LEN(words.len() * 4);
            header.write(scmsg::raw::cmsghdr { cmsg_len, cmsg_level: libc::SOL_SOCKET, cmsg_type: kind });
            header.add(1).cast::<i32>().copy_from_nonoverlapping(words.as_ptr(), words.len());
        }
        len += CMSG_SPACE(words.len() * 4);
    };
    if let Some((pid, uid, gid)) = named {
        put(libc::SCM_CREDENTIALS, &[pid, uid as i32, gid as i32]);
    }
    if !fds.is_empty() {
        put(libc::SCM_RIGHTS, fds);
    }
    let mut iov = libc::iovec { iov_base: ZEROS.as_ptr().cast_mut().cast(), iov_len: bytes };
    let header = msghdr {
        msg_iov: (&raw mut iov).cast(),
        msg_iovlen: 1,
        msg_control: if len == 0 { null_mut() } else { control.as_mut_ptr().cast() },
        msg_controllen: len,
        ..msghdr::EMPTY
    };
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | if urgent { libc::MSG_OOB } else { 0 };
    // SAFETY: a header whose parts live until the end of this function.
    let sent = unsafe { libc::syscall(libc::SYS_sendmsg, socket, &raw const header, flags) };
    assert_eq!(sent, bytes as _, "sendmsg: {}", errno());
}

/// Runs `act` in a process that ends with it; its number.
pub fn in_a_child(act: impl Fn()) -> i32 {
    // SAFETY: this process has one thread; the child ends below.
    let child = unsafe { libc::fork() };
    if child == 0 {
        act();
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "the child could not send");
    child
}

/// `recvmsg`, past the C library, which may have a header of its own; a negated errno on failure.
///
/// # Safety
/// As the call demands.
pub unsafe fn recvmsg(socket: i32, header: *mut msghdr, flags: u32) -> isize {
    // SAFETY: the caller's.
    let ret = unsafe { libc::syscall(libc::SYS_recvmsg, socket, header, flags as i32) };
    if ret < 0 { -(errno() as isize) } else { ret as isize }
}

pub fn seen(ret: isize, controllen: u64, flags: u32) -> Seen {
    match u64::try_from(ret) {
        Ok(bytes) => Seen::Received { bytes, controllen, flags },
        Err(_) => Seen::Refused { errno: -ret as i32 },
    }
}

/// Looks at the first packet with `SO_TIMESTAMPNS_NEW` on and room for nothing else.
pub fn peek_time(socket: i32) -> Time {
    let mut control = [0u64; CMSG_SPACE(16).div_ceil(8)];
    let header = msghdr { msg_control: control.as_mut_ptr().cast(), msg_controllen: CMSG_LEN(16), ..msghdr::EMPTY };
    let mut header = header;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: a header that names a buffer of this function.
    let ret = unsafe { recvmsg(socket, &raw mut header, flags as u32) };
    assert!(ret >= 0, "a look at the time: {}", -ret);
    // SAFETY: a header and sixteen bytes, written by the kernel over zeros.
    let (found, [seconds, nanoseconds]) = unsafe {
        let found = control.as_ptr().cast::<scmsg::raw::cmsghdr>().read();
        (found, control.as_ptr().cast::<u8>().add(size_of_val(&found)).cast::<[i64; 2]>().read_unaligned())
    };
    assert_eq!((found.cmsg_len, found.cmsg_type), (CMSG_LEN(16), SO_TIMESTAMPNS_NEW), "no time");
    Time { seconds, nanoseconds: nanoseconds as u32 }
}

/// Whether a stream takes an out-of-band byte.
pub fn try_urgent(socket: i32) -> bool {
    // SAFETY: one byte.
    unsafe { libc::send(socket, c"".as_ptr().cast(), 1, libc::MSG_OOB | libc::MSG_NOSIGNAL) == 1 }
}

/// Receives one byte with one option on, into `control`: how many control bytes came.
fn receive_with(option: i32, control: &mut [u64], send: impl Fn(i32)) -> usize {
    let (socket, peer) = pair(libc::SOCK_DGRAM);
    let on = try_set(socket, option, 1);
    send(peer);
    let mut header =
        msghdr { msg_control: control.as_mut_ptr().cast(), msg_controllen: size_of_val(control), ..msghdr::EMPTY };
    // SAFETY: a header that names a buffer of the caller's.
    let ret = unsafe { recvmsg(socket, &raw mut header, libc::MSG_DONTWAIT as u32) };
    close(socket);
    close(peer);
    if on && ret >= 0 { header.msg_controllen } else { 0 }
}

/// Whether the kernel opens a process that has ended and been waited for.
pub fn orphan_has_descriptor() -> bool {
    let mut control = [0u64; 8];
    let came = receive_with(SO_PASSPIDFD, &mut control, |peer| {
        in_a_child(|| send(peer, 1, &[], None, false));
    });
    let slot = i32::from_ne_bytes(payload(&control, came).first_chunk().copied().unwrap_or([0xff; 4]));
    if slot >= 0 {
        close(slot);
    }
    slot >= 0
}

/// The security label of this process, as a receiver gets it.
pub fn label() -> Option<&'static [u8]> {
    let mut control = [0u64; 128];
    let came = receive_with(libc::SO_PASSSEC, &mut control, |peer| send(peer, 1, &[], None, false));
    let label = payload(&control, came).to_vec();
    if came == 0 {
        println!("SKIPPED: labels: no security module here gives processes a label");
    }
    (came > 0).then(|| &*label.leak())
}

/// The payload of the first message in `control`, which holds `came` bytes.
fn payload(control: &[u64], came: usize) -> Vec<u8> {
    let bytes: Vec<_> = control.iter().flat_map(|word| word.to_ne_bytes()).take(came).collect();
    let message = scmsg::Cmsgs::new(&bytes).next().and_then(Result::ok);
    message.map_or(Vec::new(), |message| message.payload.to_vec())
}
