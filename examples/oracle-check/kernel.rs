//! What this kernel is, and what this process may do: the state of the world for the oracle.

use std::fs;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;

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

/// The effective capabilities, each where the kernel asks for it.
pub fn capabilities() -> Capabilities {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("0");
    let bits = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
    let has = |bit: u32| bits >> bit & 1 == 1;
    let first = maps_all("uid_map");
    Capabilities {
        sys_admin: has(21) && (first || owns_processes()),
        set_uid: has(7),
        set_gid: has(6),
        sys_resource: has(24) && first,
        first_sys_admin: has(21) && first,
    }
}

/// The map of users, or groups, of the user namespace: that of the first one where there are none.
fn map(which: &str) -> String {
    fs::read_to_string(format!("/proc/self/{which}")).unwrap_or_else(|_| "0 0 4294967295".into())
}

/// Whether it maps every user, or group, to itself, as the first one does.
fn maps_all(which: &str) -> bool {
    map(which).split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether the pid namespace belongs to the user namespace.
fn owns_processes() -> bool {
    const NS_GET_USERNS: u64 = 0xb701;
    let Ok(processes) = fs::File::open("/proc/self/ns/pid") else { return false };
    // SAFETY: no argument; what it returns is a new descriptor or a negative number.
    let owner = unsafe { libc::ioctl(processes.as_raw_fd(), NS_GET_USERNS as _) };
    if owner < 0 {
        return false;
    }
    // SAFETY: it was opened above, and nobody else has it.
    let owner = unsafe { fs::File::from_raw_fd(owner) };
    let inode = |file: fs::File| file.metadata().map(|data| data.ino()).ok();
    inode(owner) == fs::File::open("/proc/self/ns/user").ok().and_then(inode)
}

/// What it maps: the first number here, the first in the namespace around, how many.
fn lines(which: &str) -> Vec<[u64; 3]> {
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map_while(|number| number.parse().ok());
        Some([numbers.next()?, numbers.next()?, numbers.next()?])
    };
    map(which).lines().filter_map(line).collect()
}

/// The users, or groups, that the user namespace maps.
pub fn mapped(which: &str) -> Vec<Range<u64>> {
    lines(which).into_iter().map(|[from, _, count]| from..from + count).collect()
}

/// What it calls user, or group, 0 of the namespace around, which is taken to be the first.
pub fn first(which: &str) -> u32 {
    lines(which).into_iter().find(|[_, outside, _]| *outside == 0).map_or(65534, |[inside, ..]| inside as u32)
}

/// Whether this process is root, and can become any user.
pub fn is_root() -> bool {
    // SAFETY: asks for a number.
    unsafe { libc::geteuid() == 0 && maps_all("uid_map") && maps_all("gid_map") }
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
