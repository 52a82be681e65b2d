//! Several control messages in one buffer, walked in both directions: the bytes as they were encoded, and what the kernel
//! made of them on the way: credentials first, and all descriptors in one message.

use std::error::Error;
use std::fs::File;
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt;
use std::process;

use scmsg::sockopt::PassCred;
use scmsg::{
    AsFd, Cmsgs, ControlBuf, Credentials, Encoder, IoSlice, IoSliceMut, RecvFlags, RecvMsg, Rights, SendFlags, SendMsg,
    SocketFlags, SocketType, recvmsg, sendmsg, setsockopt, socketpair, space_of,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// What is pushed: credentials, or so many descriptors in one message.
enum Push {
    Credentials,
    Rights(usize),
}

fn main() -> Result {
    use Push::{Credentials, Rights};
    check(&[Rights(2), Credentials], "rights(2) credentials", "credentials rights(2)")?;
    check(&[Credentials, Rights(2)], "credentials rights(2)", "credentials rights(2)")?;
    check(&[Rights(1), Rights(3)], "rights(1) rights(3)", "credentials rights(4)")?;
    check(&[Rights(1), Credentials, Rights(2)], "rights(1) credentials rights(2)", "credentials rights(3)")?;
    check(&[], "", "credentials")
}

/// Sends one message with these control messages, and compares both walks with what they should show.
fn check(pushes: &[Push], encoded: &str, arrived: &str) -> Result {
    let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
    setsockopt(&b, PassCred, true)?; // credentials arrive with every message, pushed or not

    // Four files that can be told apart.
    let devices =
        [File::open("/dev/null")?, File::open("/dev/zero")?, File::open("/dev/full")?, File::open("/dev/urandom")?];
    let files = devices.each_ref().map(AsFd::as_fd);
    // SAFETY: these cannot fail and touch no memory.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    let me = Credentials { pid: NonZeroU32::new(process::id()), uid, gid };

    // Each push appends one control message, aligned behind the one before. There is nothing to finish.
    let mut buf = ControlBuf::<[u8; 2 * Rights::space(3) + space_of::<Credentials>()]>::new();
    let mut control = Encoder::new(&mut buf);
    let mut left = &files[..];
    for push in pushes {
        match *push {
            Push::Credentials => control.push(&me)?,
            Push::Rights(count) => {
                let (these, others) = left.split_at(count);
                left = others;
                control.push_rights(these)?
            }
        };
    }
    let sent = files.len() - left.len();
    assert_eq!(control.descriptors(), sent);

    // Outwards: what is in the buffer, in the order of the pushes.
    let walk = describe(Cmsgs::new(control.as_bytes()), me)?;
    assert_eq!(walk, encoded);
    let length = control.as_bytes().len();
    sendmsg(&a, &SendMsg::new(&[IoSlice::new(b"!")]).control(&control)?, SendFlags::empty())?;

    // Inwards: the kernel has its own order.
    let mut bytes = [0; 1];
    let mut buf = ControlBuf::<[u8; space_of::<Credentials>() + Rights::space(4)]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    let mut received = recvmsg(&b, &mut message, RecvFlags::empty())?;
    assert_eq!(received.control.truncation(), None);
    let back = describe(received.control.messages(), me)?;
    assert_eq!(back, arrived);
    println!("encoded: {}, {length} bytes; arrived: {back}", if walk.is_empty() { "nothing" } else { &walk });

    // The descriptors are in the order in which they were sent, whatever messages they were in.
    let mut taken = 0;
    for (fd, device) in received.control.take_fds().zip(&devices) {
        assert_eq!(File::from(fd?).metadata()?.rdev(), device.metadata()?.rdev());
        taken += 1;
    }
    assert_eq!(taken, sent, "not all descriptors arrived");
    Ok(())
}

/// Walks control messages and says what they are. Numbers can be looked at here; descriptors come only from
/// [`scmsg::Ancillary`].
fn describe(messages: Cmsgs<'_>, me: Credentials) -> Result<String> {
    let mut found = Vec::new();
    for message in messages {
        let message = message?;
        if let Some(rights) = message.get::<Rights>()? {
            found.push(format!("rights({})", rights.numbers().count()));
        } else if let Some(credentials) = message.get::<Credentials>()? {
            assert_eq!(credentials, me);
            found.push("credentials".into());
        } else {
            return Err(format!("level {}, type {}", message.level, message.kind).into());
        }
    }
    Ok(found.join(" "))
}
