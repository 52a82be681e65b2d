//! The system calls of a 32-bit program, made by a 64-bit one: `int 0x80` with structures below 4 GiB.

/// `sendmsg` and `recvmsg` in the table of i386.
pub const SENDMSG: u32 = 370;
pub const RECVMSG: u32 = 372;

/// `struct compat_msghdr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    pub name: u32,
    pub name_len: i32,
    pub iov: u32,
    pub iov_len: u32,
    pub control: u32,
    pub control_len: u32,
    pub flags: u32,
}

/// `struct compat_iovec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Iov {
    pub base: u32,
    pub len: u32,
}

/// Whether this kernel takes such calls: a child asks, because without the emulation the question is fatal.
pub fn available() -> bool {
    if !cfg!(target_arch = "x86_64") {
        return false;
    }
    // SAFETY: the child makes one system call and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: `getpid` of i386 takes nothing.
        let pid = unsafe { call(20, 0, 0, 0) };
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(pid != std::process::id() as isize)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    status == 0
}

/// The system call; a negated errno on failure.
///
/// # Safety
/// As the call demands; pointers must be below 4 GiB.
#[cfg(target_arch = "x86_64")]
pub unsafe fn call(number: u32, a: u32, b: u32, c: u32) -> isize {
    let ret: i32;
    // SAFETY: the kernel saves every register but eax; rbx, which LLVM keeps, is exchanged around the call.
    unsafe {
        std::arch::asm!(
            "xchg {a:r}, rbx",
            "int 0x80",
            "xchg {a:r}, rbx",
            a = inout(reg) u64::from(a) => _,
            inlateout("eax") number as i32 => ret,
            in("ecx") b,
            in("edx") c,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack),
        );
    }
    ret as isize
}

/// No such call here.
///
/// # Safety
/// None needed.
#[cfg(not(target_arch = "x86_64"))]
pub unsafe fn call(_: u32, _: u32, _: u32, _: u32) -> isize {
    -(libc::ENOSYS as isize)
}
