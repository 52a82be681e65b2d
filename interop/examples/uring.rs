//! Messages through io_uring: the headers of this crate are what its SENDMSG and RECVMSG entries ask for, a batch goes as
//! several of them, and what arrived is adopted with all its descriptors.

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use io_uring::squeue::Flags;
use io_uring::{IoUring, opcode, types};
use scmsg::{
    AsFd, ControlBuf, Encoder, IoSlice, IoSliceMut, OwnedFd, RecvFlags, RecvMsg, Rights, SendBatch, SendFlags, SendMsg,
    SocketFlags, SocketType, UnreadBytes, socketpair, space_of,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Room for two descriptors, and for the unread bytes that some kernels since Linux 6.17 add unasked on a stream.
const ROOM: usize = Rights::space(2) + space_of::<UnreadBytes>();

fn main() -> Result {
    let Some(mut ring) = interop::ring(8)? else { return Ok(()) };
    let devices = [File::open("/dev/null")?, File::open("/dev/zero")?, File::open("/dev/full")?];
    let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
    one(&mut ring, &a, &b, &devices)?;
    batch(&mut ring, &a, &b, &devices)
}

/// One message out and in, by one submission.
fn one(ring: &mut IoUring, a: &OwnedFd, b: &OwnedFd, devices: &[File; 3]) -> Result {
    let [null, zero, _] = devices;
    let mut buf = ControlBuf::<[u8; Rights::space(2)]>::new();
    let mut control = Encoder::new(&mut buf);
    control.push_rights(&[null.as_fd(), zero.as_fd()])?;
    let data = [IoSlice::new(b"two "), IoSlice::new(b"devices")];
    let send = SendMsg::new(&data).control(&control)?;

    let mut bytes = [0; 32];
    let mut buf = ControlBuf::<[u8; ROOM]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut receive = RecvMsg::new(&mut data).control(&mut buf);

    // The flags are words of the entry, where this crate cannot add any: `to_kernel` gives them with MSG_NOSIGNAL or
    // MSG_CMSG_CLOEXEC, and never with bit 31.
    let out = opcode::SendMsg::new(types::Fd(a.as_raw_fd()), send.as_ptr().cast())
        .flags(SendFlags::empty().to_kernel())
        .build()
        .flags(Flags::IO_LINK);
    let back = opcode::RecvMsg::new(types::Fd(b.as_raw_fd()), receive.as_mut_ptr().cast())
        .flags(RecvFlags::empty().to_kernel())
        .build();
    // SAFETY: messages, buffers and descriptors stay where they are until it returns.
    let [sent, received] = unsafe { interop::run(ring, [out, back]) }?;

    // Adopt first and look at other results later: a completion that is dropped leaves its descriptors open for ever.
    // SAFETY: the entry has completed with this many bytes, once.
    let mut received = unsafe { receive.received(received?) };
    assert_eq!((sent?, received.bytes), (11, 11));
    assert_eq!(received.data().next(), Some(&b"two devices"[..]));
    assert_eq!(received.control.truncation(), None);
    let fds = received.control.take_exact::<2>()?;
    for (fd, device) in fds.into_iter().zip(devices) {
        check(fd, device)?;
    }
    println!("one message: 11 bytes and 2 descriptors, sent and received by one submission");
    Ok(())
}

/// A batch of three as three entries, and three messages to receive into, in one chain.
fn batch(ring: &mut IoUring, a: &OwnedFd, b: &OwnedFd, devices: &[File; 3]) -> Result {
    let mut bufs = [const { ControlBuf::<[u8; Rights::space(1)]>::new() }; 3];
    let mut controls = Vec::new();
    for (buf, device) in bufs.iter_mut().zip(devices) {
        let mut control = Encoder::new(buf);
        control.push_rights(&[device.as_fd()])?;
        controls.push(control);
    }
    let data = [b"null", b"zero", b"full"].map(|name| [IoSlice::new(name)]);
    let mut batch = SendBatch::<3>::new();
    for (data, control) in data.iter().zip(&controls) {
        batch.push(SendMsg::new(data).control(control)?)?;
    }

    let mut bytes = [[0; 8]; 3];
    let mut bufs = [const { ControlBuf::<[u8; ROOM]>::new() }; 3];
    let mut data = bytes.each_mut().map(|bytes| [IoSliceMut::new(bytes)]);
    let mut receives: Vec<_> =
        data.iter_mut().zip(&mut bufs).map(|(data, buf)| RecvMsg::new(data).control(buf)).collect();

    let out = batch.as_ptrs().map(|message| {
        let flags = SendFlags::empty().to_kernel();
        opcode::SendMsg::new(types::Fd(a.as_raw_fd()), message.cast()).flags(flags).build()
    });
    let back = receives.iter_mut().map(|message| {
        let flags = RecvFlags::empty().to_kernel();
        opcode::RecvMsg::new(types::Fd(b.as_raw_fd()), message.as_mut_ptr().cast()).flags(flags).build()
    });
    // A chain keeps the order: entries that are not linked may overtake each other. Only its last has no link.
    let mut chain: Vec<_> = out.chain(back).map(|entry| entry.flags(Flags::IO_LINK)).collect();
    if let Some(last) = chain.pop() {
        chain.push(last.clear_flags());
    }
    let chain: [_; 6] = chain.try_into().map_err(|_| "six entries")?;
    // SAFETY: messages, buffers and descriptors stay where they are until it returns.
    let results = unsafe { interop::run(ring, chain) }?;

    let (sent, received) = results.split_at(3);
    // All are adopted before any is looked at.
    let received: Vec<_> = receives
        .iter_mut()
        .zip(received)
        // SAFETY: the entry has completed with this many bytes, once.
        .filter_map(|(message, bytes)| bytes.ok().map(|bytes| unsafe { message.received(bytes) }))
        .collect();
    assert_eq!(sent, [Ok(4); 3]);
    assert_eq!(received.len(), 3);
    for ((mut received, name), device) in received.into_iter().zip([b"null", b"zero", b"full"]).zip(devices) {
        assert_eq!(received.data().next(), Some(&name[..]));
        let [fd] = received.control.take_exact()?;
        check(fd, device)?;
    }
    println!("a batch: 3 messages with a descriptor each, in and out by one chain of 6 entries");
    Ok(())
}

/// Whether a descriptor that arrived is this device.
fn check(fd: OwnedFd, device: &File) -> Result {
    assert_eq!(File::from(fd).metadata()?.rdev(), device.metadata()?.rdev());
    Ok(())
}
