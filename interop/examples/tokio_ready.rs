//! A seqpacket socket owned by tokio's `AsyncFd`: `recvmsg` and `sendmsg` inside `try_io`, which waits again on `EAGAIN`.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

use scmsg::sockopt::SendBuffer;
use scmsg::{
    AsFd, ControlBuf, Encoder, IoSlice, IoSliceMut, OwnedFd, RecvFlags, RecvMsg, Rights, SendFlags, SendMsg,
    SocketFlags, SocketType, recvmsg, sendmsg, setsockopt, socketpair,
};
use tokio::io::unix::AsyncFd;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const MESSAGES: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let before = fs::read_dir("/proc/self/fd")?.count();
    // `AsyncFd` needs a nonblocking socket, and owns it.
    let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::NONBLOCK)?;
    // Room for a few messages, so that both ends have to wait.
    setsockopt(&a, SendBuffer, 1)?;
    // SAFETY: an `OwnedFd` keeps its descriptor open and always gives the same number.
    let a = unsafe { AsyncFd::register(a) }?;
    // SAFETY: as above.
    let b = unsafe { AsyncFd::register(b) }?;
    let device = File::open("/dev/zero")?;

    let sending = async {
        let mut waits = 0;
        for number in 0..MESSAGES {
            waits += send(&a, &number.to_ne_bytes(), &device).await?;
        }
        Ok::<_, io::Error>(waits)
    };
    let receiving = async {
        for number in 0..MESSAGES {
            let mut bytes = [0; 8];
            let (length, fd) = receive(&b, &mut bytes).await?;
            assert_eq!((length, usize::from_ne_bytes(bytes)), (8, number));
            assert_eq!(File::from(fd).metadata()?.rdev(), device.metadata()?.rdev());
        }
        Ok::<_, io::Error>(())
    };
    let (waits, ()) = tokio::try_join!(sending, receiving)?;
    assert_ne!(waits, 0, "the socket was never full");
    drop((a, b, device));

    let after = fs::read_dir("/proc/self/fd")?.count();
    // The runtime's own descriptors were there before; nothing else is left.
    assert_eq!(after, before);
    println!("{MESSAGES} messages with a descriptor each; the sender waited {waits} times");
    Ok(())
}

/// Sends `data` and a descriptor, however often it has to wait: how often that was.
async fn send(socket: &AsyncFd<OwnedFd>, data: &[u8], fd: &File) -> io::Result<usize> {
    // The message borrows descriptor and data across the waits; being `Send`, it may move to another thread with the task.
    let mut buf = ControlBuf::<[u8; Rights::space(1)]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[fd.as_fd()])?;
    let data = [IoSlice::new(data)];
    let message = SendMsg::new(&data).control(&control)?;
    let mut waits = 0;
    loop {
        let mut ready = socket.writable().await?;
        if let Ok(sent) = ready.try_io(|socket| Ok(sendmsg(socket.get_ref(), &message, SendFlags::empty())?)) {
            return sent.map(|_| waits);
        }
        waits += 1;
    }
}

/// Receives a message with exactly one descriptor. What is not returned is closed before this waits again or ends: there is
/// no await between the receive and its owner, so a task that is dropped while it waits loses nothing.
async fn receive(socket: &AsyncFd<OwnedFd>, bytes: &mut [u8]) -> io::Result<(usize, OwnedFd)> {
    let mut buf = ControlBuf::<[u8; Rights::space(1)]>::new();
    let mut data = [IoSliceMut::new(bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);
    loop {
        let mut ready = socket.readable().await?;
        // What arrived borrows the message, so what is wanted of it is taken inside: a `Received` returned from here would
        // keep the message borrowed in the next round as well.
        let taken = ready.try_io(|socket| {
            let mut arrived = recvmsg(socket.get_ref(), &mut message, RecvFlags::empty())?;
            let [fd] = arrived.control.take_exact()?;
            Ok((arrived.bytes, fd))
        });
        if let Ok(taken) = taken {
            return taken;
        }
    }
}
