//! Turns pointers and numbers into system calls: the kernel's structures, hand-built, and one unsafe function per call.
//!
//! Laws: one function is one system call (law 4); nothing is added to what the caller passes (law 8); the structures are
//! the kernel's, asserted below against linux-raw-sys, and not libc's, which differ from them on musl.
//!
//! ```text
//! msghdr, 64-bit (32-bit)                                        mmsghdr            cmsghdr
//!  0 (0)  msg_name        32 (16) msg_control                     0 (0)  msg_hdr     0 (0) cmsg_len
//!  8 (4)  msg_namelen     40 (20) msg_controllen                 56 (28) msg_len     8 (4) cmsg_level
//! 12 (-)  pad1            48 (24) msg_flags                      60 (-)  pad        12 (8) cmsg_type
//! 16 (8)  msg_iov         52 (-)  pad2                           64 (32) size       16 (12) size
//! 24 (12) msg_iovlen      56 (28) size
//! ```

use core::ffi::c_void;
use core::ptr::null;

use linux_raw_sys::general as nr;
use linux_raw_sys::{general, net};
use static_assertions::{assert_eq_align, assert_eq_size, const_assert_eq};

use crate::borrowed::RawFd;
use crate::errno::Errno;
use crate::numbers::word;

pub use crate::io_slice::iovec;

#[cfg(all(target_arch = "x86_64", target_pointer_width = "32"))]
compile_error!("the x32 ABI is not supported: its system call numbers differ from x86_64's");
#[cfg(all(target_arch = "aarch64", target_pointer_width = "32"))]
compile_error!("the aarch64 ILP32 ABI is not supported");
#[cfg(not(target_os = "linux"))]
#[cfg(not(target_os = "android"))]
compile_error!("scmsg speaks to the Linux kernel only");

#[cfg_attr(
    any(
        target_arch = "x86_64",
        all(target_arch = "aarch64", not(target_feature = "sve")),
        all(target_arch = "riscv64", not(target_feature = "v"))
    ),
    path = "raw/sc.rs"
)]
#[cfg_attr(target_arch = "x86", path = "raw/x86.rs")]
#[cfg_attr(target_arch = "arm", path = "raw/arm.rs")]
#[cfg_attr(all(target_arch = "aarch64", target_feature = "sve"), path = "raw/aarch64.rs")]
#[cfg_attr(any(target_arch = "riscv32", all(target_arch = "riscv64", target_feature = "v")), path = "raw/riscv.rs")]
#[cfg_attr(target_arch = "s390x", path = "raw/s390x.rs")]
#[cfg_attr(target_arch = "loongarch64", path = "raw/loongarch64.rs")]
#[cfg_attr(any(target_arch = "powerpc", target_arch = "powerpc64"), path = "raw/powerpc.rs")]
#[cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "riscv32",
        target_arch = "riscv64",
        target_arch = "s390x",
        target_arch = "loongarch64",
        target_arch = "powerpc",
        target_arch = "powerpc64"
    )),
    path = "raw/unsupported.rs"
)]
mod arch;

use arch::{syscall1, syscall2, syscall3, syscall4, syscall5};

/// What a structure has behind an `int` that is followed by something aligned for a pointer: one word on 64-bit targets, none
/// on 32-bit. The kernel does not look at it. It has a name, so that no byte of a structure is uninitialised, and stores of
/// what lies side by side can become one.
pub type Padding = [u32; size_of::<usize>() / size_of::<u32>() - 1];

/// Its value.
const PADDING: Padding = [0; size_of::<usize>() / size_of::<u32>() - 1];

/// `msghdr` as the kernel sees it (`include/linux/socket.h`, `struct user_msghdr`).
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct msghdr {
    /// Address, or null.
    pub msg_name: *mut c_void,
    /// Bytes of address; written by a receive.
    pub msg_namelen: i32,
    /// Ignored.
    pub pad1: Padding,
    /// Data.
    pub msg_iov: *mut iovec,
    /// Number of `iovec`s, at most 1024.
    pub msg_iovlen: usize,
    /// Control bytes, or null.
    pub msg_control: *mut c_void,
    /// Bytes of control; written by a receive.
    pub msg_controllen: usize,
    /// Ignored by a send; written by a receive.
    pub msg_flags: u32,
    /// Ignored.
    pub pad2: Padding,
}

/// `mmsghdr` as the kernel sees it: one entry of a batch.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct mmsghdr {
    /// The message.
    pub msg_hdr: msghdr,
    /// Bytes sent or received; written by the kernel.
    pub msg_len: u32,
    /// Ignored.
    pub pad: Padding,
}

/// `cmsghdr` as the kernel sees it. The codec reads and writes it byte by byte; this is for raw callers.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct cmsghdr {
    /// Bytes of header and payload.
    pub cmsg_len: usize,
    /// Protocol level.
    pub cmsg_level: i32,
    /// Type within the level.
    pub cmsg_type: i32,
}

/// `pollfd` as the kernel sees it (`include/uapi/asm-generic/poll.h`).
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct pollfd {
    /// Descriptor; a negative one is skipped.
    pub fd: i32,
    /// Events asked for.
    pub events: i16,
    /// Events that happened; written by the kernel.
    pub revents: i16,
}

/// The `timespec` that `ppoll` takes here: 64-bit where `long` is, and on riscv32, which has no other.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct timespec {
    /// Seconds.
    pub tv_sec: time_word,
    /// Nanoseconds.
    pub tv_nsec: time_word,
}

/// The integer in [`timespec`].
#[allow(non_camel_case_types)]
#[cfg(any(target_pointer_width = "64", target_arch = "riscv32"))]
pub type time_word = i64;
/// The integer in [`timespec`].
#[allow(non_camel_case_types)]
#[cfg(not(any(target_pointer_width = "64", target_arch = "riscv32")))]
pub type time_word = i32;

/// The 64-bit `timespec` (`struct __kernel_timespec`) that `recvmmsg` takes here.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct timespec64 {
    /// Seconds.
    pub tv_sec: i64,
    /// Nanoseconds.
    pub tv_nsec: i64,
}

macro_rules! same_layout {
    ($ours:ident, $theirs:path, $($field:ident),*) => {
        assert_eq_size!($ours, $theirs);
        assert_eq_align!($ours, $theirs);
        $(const_assert_eq!(core::mem::offset_of!($ours, $field), core::mem::offset_of!($theirs, $field));)*
    };
}
same_layout!(msghdr, net::msghdr, msg_name, msg_namelen, msg_iov, msg_iovlen, msg_control, msg_controllen, msg_flags);
same_layout!(mmsghdr, net::mmsghdr, msg_hdr, msg_len);
same_layout!(cmsghdr, net::cmsghdr, cmsg_len, cmsg_level, cmsg_type);
same_layout!(pollfd, general::pollfd, fd, events, revents);
same_layout!(timespec64, general::__kernel_timespec, tv_sec, tv_nsec);
const_assert_eq!(size_of::<cmsghdr>(), crate::layout::CMSG_HEADER);
const_assert_eq!(align_of::<cmsghdr>(), crate::layout::CMSG_ALIGNMENT);
const_assert_eq!(size_of::<msghdr>(), if size_of::<usize>() == 8 { 56 } else { 28 });
const_assert_eq!(size_of::<mmsghdr>(), if size_of::<usize>() == 8 { 64 } else { 32 });

impl msghdr {
    /// All null and zero.
    pub const EMPTY: Self = Self {
        msg_name: core::ptr::null_mut(),
        msg_namelen: 0,
        pad1: PADDING,
        msg_iov: core::ptr::null_mut(),
        msg_iovlen: 0,
        msg_control: core::ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
        pad2: PADDING,
    };
}

impl mmsghdr {
    /// All null and zero.
    pub const EMPTY: Self = Self { msg_hdr: msghdr::EMPTY, msg_len: 0, pad: PADDING };
}

/// A 32-bit number in a register; the kernel reads 32 bits of it.
#[inline(always)]
const fn reg(number: u32) -> usize {
    number as usize
}

/// An `int` in a register.
#[inline(always)]
const fn int(number: i32) -> usize {
    reg(word(number))
}

/// An address in a register. The memory behind it becomes the kernel's to read and write for the call.
#[inline(always)]
fn address<T>(pointer: *const T) -> usize {
    pointer.expose_provenance()
}

macro_rules! calls {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty => $reg:expr),*) -> $syscall:ident($nr:ident);)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// Every pointer that the kernel reads or writes through must be valid for that, for the whole call; every
            /// number it takes for a descriptor must be one the caller may use so.
            ///
            /// # Errors
            /// Whatever the kernel answers.
            #[inline]
            pub unsafe fn $name($($arg: $ty),*) -> Result<usize, Errno> {
                $(let $arg = $reg;)*
                // SAFETY: the caller vouches for what the kernel does with the arguments; the call itself only enters the kernel.
                Errno::check(unsafe { $syscall(reg(nr::$nr), $($arg),*) })
            }
        )*
    };
}

calls! {
    /// `sendmsg(2)`: the number of data bytes sent.
    fn sendmsg(fd: RawFd => int(fd), msg: *const msghdr => address(msg), flags: u32 => reg(flags)) -> syscall3(__NR_sendmsg);
    /// `recvmsg(2)`: the number of data bytes received.
    fn recvmsg(fd: RawFd => int(fd), msg: *mut msghdr => address(msg), flags: u32 => reg(flags)) -> syscall3(__NR_recvmsg);
    /// `sendmmsg(2)`, Linux 3.0: the number of messages sent, at most 1024.
    fn sendmmsg(fd: RawFd => int(fd), messages: *mut mmsghdr => address(messages), count: u32 => reg(count), flags: u32 => reg(flags)) -> syscall4(__NR_sendmmsg);
    /// `socket(2)`: the new descriptor.
    fn socket(family: i32 => int(family), kind: u32 => reg(kind), protocol: i32 => int(protocol)) -> syscall3(__NR_socket);
    /// `socketpair(2)`: writes two descriptors to `pair`.
    fn socketpair(family: i32 => int(family), kind: u32 => reg(kind), protocol: i32 => int(protocol), pair: *mut [RawFd; 2] => address(pair)) -> syscall4(__NR_socketpair);
    /// `bind(2)`.
    fn bind(fd: RawFd => int(fd), addr: *const u8 => address(addr), len: u32 => reg(len)) -> syscall3(__NR_bind);
    /// `connect(2)`.
    fn connect(fd: RawFd => int(fd), addr: *const u8 => address(addr), len: u32 => reg(len)) -> syscall3(__NR_connect);
    /// `listen(2)`.
    fn listen(fd: RawFd => int(fd), backlog: i32 => int(backlog)) -> syscall2(__NR_listen);
    /// `accept4(2)`: the new descriptor.
    fn accept4(fd: RawFd => int(fd), addr: *mut u8 => address(addr), len: *mut u32 => address(len), flags: u32 => reg(flags)) -> syscall4(__NR_accept4);
    /// `getsockname(2)`.
    fn getsockname(fd: RawFd => int(fd), addr: *mut u8 => address(addr), len: *mut u32 => address(len)) -> syscall3(__NR_getsockname);
    /// `getpeername(2)`.
    fn getpeername(fd: RawFd => int(fd), addr: *mut u8 => address(addr), len: *mut u32 => address(len)) -> syscall3(__NR_getpeername);
    /// `shutdown(2)`.
    fn shutdown(fd: RawFd => int(fd), how: u32 => reg(how)) -> syscall2(__NR_shutdown);
    /// `setsockopt(2)`.
    fn setsockopt(fd: RawFd => int(fd), level: i32 => int(level), name: i32 => int(name), value: *const u8 => address(value), len: u32 => reg(len)) -> syscall5(__NR_setsockopt);
    /// `getsockopt(2)`: `len` is read and written.
    fn getsockopt(fd: RawFd => int(fd), level: i32 => int(level), name: i32 => int(name), value: *mut u8 => address(value), len: *mut u32 => address(len)) -> syscall5(__NR_getsockopt);
    /// `close(2)`: the number is free again even when this fails.
    fn close(fd: RawFd => int(fd)) -> syscall1(__NR_close);
    /// `close_range(2)`, Linux 5.9: closes every open descriptor from `first` to `last`, both included.
    fn close_range(first: RawFd => int(first), last: RawFd => int(last), flags: u32 => reg(flags)) -> syscall3(__NR_close_range);
}

/// `recvmmsg` with a 64-bit timeout, and without one.
#[cfg(target_pointer_width = "64")]
const NR_RECVMMSG: (u32, u32) = (nr::__NR_recvmmsg, nr::__NR_recvmmsg);
#[cfg(target_arch = "riscv32")]
const NR_RECVMMSG: (u32, u32) = (nr::__NR_recvmmsg_time64, nr::__NR_recvmmsg_time64);
#[cfg(not(any(target_pointer_width = "64", target_arch = "riscv32")))]
const NR_RECVMMSG: (u32, u32) = (nr::__NR_recvmmsg_time64, nr::__NR_recvmmsg);

/// `recvmmsg(2)`, Linux 2.6.33: the number of messages received. The kernel writes the time left to `timeout`; null waits for
/// ever. On 32-bit targets a timeout makes it `recvmmsg_time64`, Linux 5.1.
///
/// # Safety
/// `messages` must be valid for reads and writes of `count` entries, and what they point to as for [`recvmsg`]; `timeout`
/// null or valid for reads and writes.
///
/// # Errors
/// Whatever the kernel answers.
#[inline]
pub unsafe fn recvmmsg(
    fd: RawFd,
    messages: *mut mmsghdr,
    count: u32,
    flags: u32,
    timeout: *mut timespec64,
) -> Result<usize, Errno> {
    let number = reg(if timeout.is_null() { NR_RECVMMSG.1 } else { NR_RECVMMSG.0 });
    // SAFETY: the caller vouches for the pointers.
    Errno::check(unsafe { syscall5(number, int(fd), address(messages), reg(count), reg(flags), address(timeout)) })
}

#[cfg(not(target_arch = "riscv32"))]
const NR_PPOLL: u32 = nr::__NR_ppoll;
#[cfg(target_arch = "riscv32")]
const NR_PPOLL: u32 = nr::__NR_ppoll_time64;

/// `ppoll(2)` without a signal mask: how many descriptors have events. The kernel writes the time left to `timeout`; null
/// waits for ever.
///
/// # Safety
/// `fds` must be valid for reads and writes of `count` entries, `timeout` null or valid for reads and writes.
///
/// # Errors
/// Whatever the kernel answers.
#[inline]
pub unsafe fn ppoll(fds: *mut pollfd, count: usize, timeout: *mut timespec) -> Result<usize, Errno> {
    let (fds, timeout, mask) = (address(fds), address(timeout), address(null::<u8>()));
    // SAFETY: the caller vouches for `fds` and `timeout`; a null mask is not read, whatever its size.
    Errno::check(unsafe { syscall5(reg(NR_PPOLL), fds, count, timeout, mask, 8) })
}
