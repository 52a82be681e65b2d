//! A ping with proof of who sent it: `SO_PASSCRED` on, two seconds of patience, credentials checked. A forged pid, uid or
//! gid is refused by the kernel, and the end of the stream brings credentials that are nobody's.

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::process;
use std::time::Duration;

use scmsg::sockopt::PassCred;
use scmsg::{
    ControlBuf, Credentials, Encoder, Errno, IoSlice, IoSliceMut, OwnedFd, PollFd, PollFlags, RecvFlags, RecvMsg,
    SendFlags, SendMsg, SocketFlags, SocketType, poll, recvmsg, sendmsg, setsockopt, socketpair, space_of,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// An ordinary user and group: nobody.
const NOBODY: u32 = 65534;

fn main() -> Result {
    // The switch is on before anything is sent: a message that came earlier would be nobody's.
    let (ours, theirs) = socketpair(SocketType::STREAM, SocketFlags::empty())?;
    setsockopt(&ours, PassCred, true)?;

    // SAFETY: this process has one thread, so the child may do anything.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error().into()),
        0 => {
            drop(ours);
            return sender(&theirs);
        }
        pid => pid,
    };
    drop(theirs);

    // Two seconds, then we give up.
    let mut entry = [PollFd::new(&ours, PollFlags::IN)];
    if poll(&mut entry, Some(Duration::from_secs(2)))? == 0 {
        return Err("no ping in two seconds".into());
    }
    let mut bytes = [0; 16];
    let mut buf = ControlBuf::<[u8; space_of::<Credentials>()]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let received = recvmsg(&ours, &mut message, RecvFlags::empty())?;
    if received.is_end() {
        return wait_for(child); // it has said why
    }
    assert!(received.data().eq([b"!"]), "not a ping");

    // The kernel has checked the ids. The child became nobody if it could be anybody.
    let sender = received.sender().ok_or("a ping from nobody")?;
    let (uid, gid) = if is_root() { (NOBODY, NOBODY) } else { ids() };
    assert_eq!(sender, Credentials { pid: NonZeroU32::new(child.try_into()?), uid, gid });
    println!("ping from pid {child}, uid {uid}, gid {gid}: the child");
    drop(received);

    // The child has closed its end. Credentials arrive all the same: pid 0, uid 0, gid 0. That is not root, it is nobody.
    let received = recvmsg(&ours, &mut message, RecvFlags::empty())?;
    let filler = received.control.messages().next().ok_or("no filler")??.get::<Credentials>()?;
    assert_eq!(filler, Some(Credentials { pid: None, uid: 0, gid: 0 }));
    assert_eq!(received.sender(), None);
    assert!(received.is_end());
    println!("end of the stream: the kernel's filler says uid 0, sender() says None");

    wait_for(child)
}

fn wait_for(child: libc::pid_t) -> Result {
    let mut status = 0;
    // SAFETY: the status is a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed");
    Ok(())
}

fn sender(socket: &OwnedFd) -> Result {
    // Root may claim to be anybody, so it becomes an ordinary user first.
    if is_root() {
        if let Err(error) = become_nobody() {
            println!("SKIPPED: root cannot become an ordinary user here: {error}");
            return Ok(());
        }
    }
    let (uid, gid) = ids();
    let me = Credentials { pid: NonZeroU32::new(process::id()), uid, gid };

    // Each of the three is checked by itself. Nothing is sent.
    let parent = NonZeroU32::new(std::os::unix::process::parent_id());
    let forgeries = [
        ("pid", Credentials { pid: parent, ..me }),
        ("uid", Credentials { uid: another(uid), ..me }),
        ("gid", Credentials { gid: another(gid), ..me }),
    ];
    for (what, forged) in forgeries {
        assert_eq!(ping(socket, forged)?.err(), Some(Errno::EPERM), "a forged {what}");
        println!("a forged {what} is refused: EPERM");
    }
    assert_eq!(ping(socket, me)?, Ok(1));
    Ok(())
}

/// Sends one byte with credentials; the inner result is the kernel's answer.
fn ping(socket: &OwnedFd, credentials: Credentials) -> Result<std::result::Result<usize, Errno>> {
    let mut buf = ControlBuf::<[u8; space_of::<Credentials>()]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push(&credentials)?;
    let data = [IoSlice::new(b"!")];
    Ok(sendmsg(socket, &SendMsg::new(&data).control(&control)?, SendFlags::empty()))
}

/// An id that exists and is not this one: root's, or the one after it.
fn another(id: u32) -> u32 {
    u32::from(id == 0)
}

fn is_root() -> bool {
    // SAFETY: it cannot fail and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

fn ids() -> (u32, u32) {
    // SAFETY: these cannot fail and touch no memory.
    unsafe { (libc::getuid(), libc::getgid()) }
}

/// Gives up all privilege: supplementary groups, then the group, then the user.
fn become_nobody() -> io::Result<()> {
    // SAFETY: no groups are read from the null pointer; the others take numbers only.
    let failed = unsafe {
        libc::setgroups(0, std::ptr::null()) != 0
            || libc::setresgid(NOBODY, NOBODY, NOBODY) != 0
            || libc::setresuid(NOBODY, NOBODY, NOBODY) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}
