//! A process that is pid 1 in a new pid namespace says so in its credentials; the receiver outside is told the pid it has
//! there. In the other direction the kernel has no number to give, and there is no sender.

use std::error::Error;
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::process;

use scmsg::sockopt::PassCred;
use scmsg::{
    ControlBuf, Credentials, Encoder, IoSlice, IoSliceMut, OwnedFd, RecvFlags, RecvMsg, SendFlags, SendMsg,
    SocketFlags, SocketType, recvmsg, sendmsg, setsockopt, socketpair, space_of,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result {
    let (outside, inside) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
    setsockopt(&outside, PassCred, true)?;
    setsockopt(&inside, PassCred, true)?;

    // From here on children are born in a new namespace. This process stays where it is.
    if let Err(error) = new_pid_namespace() {
        println!("SKIPPED: a new pid namespace is not permitted here: {error}");
        return Ok(());
    }
    // SAFETY: this process has one thread, so the child may do anything.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error().into()),
        0 => {
            drop(outside);
            return first_process(&inside);
        }
        pid => pid,
    };
    drop(inside);

    // Inwards: our pid has no translation in there. The child checks what arrives.
    sendmsg(&outside, &SendMsg::new(&[IoSlice::new(b"who are you?")]), SendFlags::empty())?;

    // Outwards: pid 1 was sent, and the kernel translated it.
    let (data, sender, _) = receive(&outside)?;
    assert_eq!(data, b"pid 1");
    let pid = sender.and_then(|sender| sender.pid).ok_or("the answer has no sender")?.get();
    assert_eq!(i32::try_from(pid), Ok(child), "not the pid that fork returned");
    assert_ne!(pid, 1);
    println!("sent as pid 1 inside, received as pid {pid} outside: the pid that fork returned");

    let (data, ..) = receive(&outside)?;
    assert_eq!(data, b"no sender");
    println!("sent from outside, received inside without a pid: sender() is None");

    let mut status = 0;
    // SAFETY: the status is a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed");
    Ok(())
}

/// Pid 1 of the new namespace.
fn first_process(socket: &OwnedFd) -> Result {
    // SAFETY: these cannot fail and touch no memory.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    assert_eq!(process::id(), 1);

    // The question has credentials, but their pid is nobody's: the sender is outside.
    let (data, sender, credentials) = receive(socket)?;
    assert_eq!(data, b"who are you?");
    assert_eq!(sender, None);
    assert_eq!(credentials, Some(Credentials { pid: None, uid, gid }));

    // These are true in here, and the kernel checks them in here.
    let me = Credentials { pid: NonZeroU32::new(1), uid, gid };
    let mut buf = ControlBuf::<[u8; space_of::<Credentials>()]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push(&me)?;
    sendmsg(socket, &SendMsg::new(&[IoSlice::new(b"pid 1")]).control(&control)?, SendFlags::empty())?;
    sendmsg(socket, &SendMsg::new(&[IoSlice::new(b"no sender")]), SendFlags::empty())?;
    Ok(())
}

/// One message: its data, its sender, and the credentials just as they came.
fn receive(socket: &OwnedFd) -> Result<(Vec<u8>, Option<Credentials>, Option<Credentials>)> {
    let mut bytes = [0; 64];
    let mut buf = ControlBuf::<[u8; space_of::<Credentials>()]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let received = recvmsg(socket, &mut message, RecvFlags::empty())?;
    let credentials = received.control.messages().next().transpose()?.map(|m| m.get()).transpose()?.flatten();
    Ok((received.data().flatten().copied().collect(), received.sender(), credentials))
}

/// Has children be born in a new pid namespace. Who may not do that may do it in a new user namespace, where it keeps its
/// uid and gid.
fn new_pid_namespace() -> io::Result<()> {
    // SAFETY: these cannot fail and touch no memory.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    // SAFETY: this process has one thread and shares nothing.
    if unsafe { libc::unshare(libc::CLONE_NEWPID) } == 0 {
        return Ok(());
    }
    // SAFETY: as above.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } != 0 {
        return Err(io::Error::last_os_error());
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}
