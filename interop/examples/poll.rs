//! Thousands of descriptors over nonblocking sockets, both ends in one thread: a bulk send or receive that would have to wait
//! says exactly how far it came, this crate's `poll` says when there is more to do, and the next call goes on from there.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use scmsg::bulk::{RecvStopped, SendStopped, Stop, recv_fds, send_fds};
use scmsg::sockopt::SendBuffer;
use scmsg::{AsFd, Errno, FdSet, PollFd, PollFlags, SocketFlags, SocketType, poll, setsockopt, socketpair};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const DESCRIPTORS: usize = 5000;

fn main() -> Result {
    // A user may have as many descriptors in flight as open: often 1024, unless asked for more.
    if !raise_limit(4096)? {
        println!("SKIPPED: this process may not open 4096 descriptors");
        return Ok(());
    }
    // Three files in turn: what is lost, doubled or out of order shows.
    let devices = [File::open("/dev/null")?, File::open("/dev/zero")?, File::open("/dev/full")?];
    let fds: Vec<_> = devices.iter().map(AsFd::as_fd).cycle().take(DESCRIPTORS).collect();
    let numbers = devices.iter().map(|device| Ok(device.metadata()?.rdev())).collect::<Result<Vec<_>>>()?;

    let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::NONBLOCK)?;
    // The smallest buffer there is: a few messages, some 1,800 descriptors.
    setsockopt(&a, SendBuffer, 1)?;

    let mut set = FdSet::new(Vec::new());
    let (mut sent, mut received, mut full, mut empty) = (0, 0, 0, 0);
    while received < DESCRIPTORS {
        if sent < DESCRIPTORS {
            sent += match send_fds(&a, &fds[sent..]) {
                Ok(()) => DESCRIPTORS - sent,
                Err(SendStopped { sent: more, why: Errno::EAGAIN }) => {
                    full += 1;
                    more
                }
                Err(stopped) => return Err(stopped.into()),
            };
        }
        let more = match recv_fds(&b, &mut set, DESCRIPTORS - received) {
            Ok(more) => more,
            Err(RecvStopped { received: more, why: Stop::Errno(Errno::EAGAIN) }) => {
                empty += 1;
                more
            }
            Err(stopped) => return Err(stopped.into()),
        };

        // Exactly what was said to have come is in the set, and it is the next of those that were sent.
        assert_eq!(set.len(), more);
        assert!(received + more <= sent);
        for (at, fd) in set.fds().iter().enumerate() {
            let device = fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd()))?.rdev();
            assert_eq!(device, numbers[(received + at) % 3], "descriptor {}", received + at);
        }
        received += more;
        set.clear();

        // Nothing is there; so wait for room, and for what the other end may have sent meanwhile.
        let out = if sent < DESCRIPTORS { PollFlags::OUT } else { PollFlags::empty() };
        let mut entries = [PollFd::new(&a, out), PollFd::new(&b, PollFlags::IN)];
        let ready = if received < DESCRIPTORS { poll(&mut entries, Some(Duration::from_secs(10)))? } else { 1 };
        assert_ne!(ready, 0, "neither room nor a message within ten seconds");
    }
    assert_eq!((sent, received), (DESCRIPTORS, DESCRIPTORS));
    assert!(full > 0 && empty > 0, "the sockets were never full, or never empty");
    println!("{received} descriptors, the socket full {full} times and empty {empty} times");

    // And poll says when there is nothing at all.
    let mut entries = [PollFd::new(&b, PollFlags::IN)];
    assert_eq!(poll(&mut entries, Some(Duration::ZERO))?, 0);
    drop(a);
    assert_eq!(poll(&mut entries, None)?, 1);
    assert!(entries[0].events().contains(PollFlags::IN | PollFlags::HUP));
    let end = recv_fds(&b, &mut set, 1);
    assert_eq!(end, Err(RecvStopped { received: 0, why: Stop::Closed }));
    println!("then the other end is gone");
    Ok(())
}

/// Lets this process open `wanted` descriptors, if it may.
fn raise_limit(wanted: libc::rlim_t) -> Result<bool> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a local.
    let mut failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_cur = limit.rlim_cur.max(wanted).min(limit.rlim_max);
    // SAFETY: `limit` is a local.
    failed |= unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    if failed == 0 { Ok(limit.rlim_cur >= wanted) } else { Err(io::Error::last_os_error().into()) }
}
