//! What this kernel is, and what this process may do: the state of the world for the oracle.

use std::fs;

use scmsg::oracle::{Abi, Capabilities, Layout, Sender, Version};

/// Major and minor version from `/proc/sys/kernel/osrelease`; new enough for every rule if it cannot be read.
pub fn version() -> Version {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => Version(major, minor),
        _ => Version(6, 18),
    }
}

/// `net.core.optmem_max`.
pub fn option_memory() -> u64 {
    let text = fs::read_to_string("/proc/sys/net/core/optmem_max").unwrap_or_default();
    text.trim().parse().unwrap_or(131_072)
}

/// The effective capabilities: those of a process in the first namespaces.
pub fn capabilities() -> Capabilities {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("0");
    let bits = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
    let has = |bit: u32| bits >> bit & 1 == 1;
    let (sys_admin, sys_resource) = (has(21), has(24));
    Capabilities { sys_admin, set_uid: has(7), set_gid: has(6), sys_resource, first_sys_admin: sys_admin }
}

/// Whether this pid namespace has the process: what `kill(pid, 0)` says.
pub fn process_exists(pid: i32) -> bool {
    // SAFETY: signal 0 is no signal.
    pid > 0 && (unsafe { libc::kill(pid, 0) } == 0 || errno() == libc::EPERM)
}

/// Whether the number is open.
pub fn is_open(number: i32) -> bool {
    // SAFETY: asks for the flags of a number.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// The last error.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// An io_uring of one entry, if this process may have one.
pub fn ring() -> Option<i32> {
    let mut parameters = [0u8; 256];
    // SAFETY: `io_uring_setup` with room for its parameters, all zero.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    i32::try_from(fd).ok().filter(|fd| *fd >= 0)
}

/// The layout of a lane: a 32-bit program on a 64-bit kernel meets the compat path.
pub fn layout(compat: bool) -> Layout {
    let machine = fs::read_to_string("/proc/sys/kernel/arch").unwrap_or_default();
    let wide = machine.contains("64") || machine.trim() == "s390x";
    if compat || (cfg!(target_pointer_width = "32") && wide) {
        Layout { abi: Abi::Compat, ..Layout::NATIVE }
    } else {
        Layout::NATIVE
    }
}

/// Users from here on are a lane's own.
pub const OWN_USER: u32 = 1_000_000_000;

/// This process.
pub fn sender() -> Sender {
    let (mut uids, mut gids) = ([0; 3], [0; 3]);
    let ([ur, ue, us], [gr, ge, gs]) = (&mut uids, &mut gids);
    // SAFETY: room for three numbers each.
    unsafe {
        libc::getresuid(ur, ue, us);
        libc::getresgid(gr, ge, gs);
    }
    Sender { pid: std::process::id() as i32, uids, gids, can: capabilities() }
}

/// The soft limit of open files.
pub fn open_files() -> u64 {
    limits().rlim_cur
}

/// Raises it, as far as the hard limit lets.
pub fn raise_limit() {
    set_limit(limits().rlim_max.min(4096));
}

/// Sets it, at most to the hard limit.
pub fn set_limit(soft: u64) {
    let limit = libc::rlimit64 { rlim_cur: soft, ..limits() };
    // SAFETY: a limit of this process.
    assert_eq!(unsafe { libc::setrlimit64(libc::RLIMIT_NOFILE, &raw const limit) }, 0, "setrlimit");
}

/// In words of 64 bits on every target.
fn limits() -> libc::rlimit64 {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for the answer.
    assert_eq!(unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &raw mut limit) }, 0, "getrlimit");
    limit
}
