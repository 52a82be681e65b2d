//! Law 6: what the kernel overwrites in a header is rewritten before every call, so the ten-thousandth receive into one
//! `RecvMsg` is as good as the first. One test, because it reads the descriptor table of the process.

mod common;

use common::{dev_null, dirty, own_credentials, send, table};
use scmsg::{
    AsFd, Encoder, Errno, Family, IoSlice, IoSliceMut, MsgFlags, OwnedFd, RecvFlags, RecvMsg, SendFlags, SendMsg,
    SocketAddr, SocketFlags, SocketType, bind, connect, getsockname, raw, recvmsg, sendmsg, setsockopt, socket,
    sockopt,
};

/// What one receive gave, all but the numbers of the descriptors.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    bytes: usize,
    flags: MsgFlags,
    data: Vec<u8>,
    messages: Vec<(i32, i32, usize)>,
    fds: usize,
    from: Option<SocketAddr>,
    sender: bool,
    truncated: bool,
}

fn receive(b: &OwnedFd, message: &mut RecvMsg<'_>, flags: RecvFlags) -> Result<Seen, Errno> {
    let received = recvmsg(b, message, flags | RecvFlags::DONTWAIT)?;
    Ok(Seen {
        bytes: received.bytes,
        flags: received.flags,
        data: received.data().collect::<Vec<_>>().concat(),
        messages: received.control.messages().map(|m| m.unwrap()).map(|m| (m.level, m.kind, m.payload.len())).collect(),
        fds: received.control.fds().filter(Result::is_ok).count(),
        from: received.from().copied(),
        sender: received.sender().is_some(),
        truncated: received.control.truncation().is_some(),
    })
}

#[test]
fn the_last_of_10_000_receives_equals_the_first() {
    let none = SocketFlags::empty();
    let dgram = || socket(Family::UNIX, SocketType::DGRAM, none, 0).unwrap();
    let name =
        |text: &str| SocketAddr::abstract_name(format!("scmsg {} {text}", std::process::id()).as_bytes()).unwrap();
    let (b, long, other, short, nameless) = (dgram(), dgram(), dgram(), dgram(), dgram());
    let home = name("b");
    bind(&b, &home).unwrap();
    bind(&long, &name(&"a long name ".repeat(6))).unwrap();
    bind(&other, &name(&"another one ".repeat(6))).unwrap();
    bind(&short, &name("s")).unwrap();
    setsockopt(&b, sockopt::PassCred, true).unwrap();
    for sender in [&long, &other, &short, &nameless] {
        connect(sender, &home).unwrap();
    }
    let null = dev_null();

    let (mut p, mut q) = ([0xff; 3], [0xff; 60]);
    let mut data = [IoSliceMut::new(&mut p), IoSliceMut::new(&mut q)];
    // Room for credentials and four descriptors.
    let mut buf = dirty::<{ scmsg::CMSG_SPACE(12) + scmsg::CMSG_LEN(16) }>();
    let mut addr = SocketAddr::unnamed();
    let mut message = RecvMsg::new(&mut data).control(&mut buf).from(&mut addr);

    let mut control = dirty::<64>();
    let mut control = Encoder::new(&mut control);
    control.push(&own_credentials()).unwrap().push_rights(&[null.as_fd(); 2]).unwrap();
    let (long_data, short_data) = ([IoSlice::new(&[7; 63])], [IoSlice::new(b"s")]);
    let reused = SendMsg::new(&long_data).control(&control).unwrap();

    let before = table();
    let turn = |message: &mut RecvMsg<'_>| -> Vec<Result<Seen, Errno>> {
        let plain = RecvFlags::empty();
        let mut seen = Vec::new();
        let mut next = |message: &mut RecvMsg<'_>, flags| seen.push(receive(&b, message, flags));
        // Long, then short, with a long and a short and no name; with and without descriptors.
        sendmsg(&long, &reused, SendFlags::empty()).unwrap();
        next(message, plain);
        send(&nameless, b"s", &[]).unwrap();
        next(message, plain);
        sendmsg(&short, &SendMsg::new(&short_data), SendFlags::empty()).unwrap();
        next(message, plain);
        // After an error.
        next(message, plain);
        send(&other, b"four", &[null.as_fd(); 4]).unwrap();
        next(message, RecvFlags::PEEK);
        next(message, plain);
        // Truncated control, truncated data, nothing at all.
        send(&short, b"nine", &[null.as_fd(); 9]).unwrap();
        next(message, plain);
        send(&nameless, &[9; 100], &[null.as_fd()]).unwrap();
        next(message, RecvFlags::TRUNC);
        send(&nameless, b"", &[]).unwrap();
        next(message, plain);
        // And all of it again: what the first turn left behind must not matter.
        send(&long, b"four", &[null.as_fd(); 4]).unwrap();
        next(message, plain);
        seen
    };

    let first = turn(&mut message);
    // SAFETY: the pointer is good while `message` is.
    let header = unsafe { message.as_mut_ptr().read() };
    // What the first turn saw is what was sent.
    let found: Vec<_> = first
        .iter()
        .map(|seen| seen.as_ref().map(|s| (s.bytes, s.fds, s.from.is_some(), s.truncated)).map_err(|e| *e))
        .collect();
    assert_eq!(
        found,
        [
            Ok((63, 2, true, false)),
            Ok((1, 0, false, false)),
            Ok((1, 0, true, false)),
            Err(Errno::EAGAIN),
            Ok((4, 4, true, false)),
            Ok((4, 4, true, false)),
            Ok((4, 4, true, true)),
            Ok((100, 1, false, false)),
            Ok((0, 0, false, false)),
            Ok((4, 4, true, false)),
        ]
    );
    assert!(first.iter().flatten().all(|seen| seen.sender));
    // A long name after a short one is whole, and the other way round.
    let names: Vec<_> = first.iter().flatten().filter_map(|seen| seen.from).collect();
    let [long_name, other_name, short_name] = [&long, &other, &short].map(|sender| getsockname(sender).unwrap());
    assert_eq!(names, [long_name, short_name, other_name, other_name, short_name, long_name]);

    let mut receives = first.len();
    while receives < 10_000 {
        assert_eq!(turn(&mut message), first, "after {receives} receives");
        receives += first.len();
    }
    // SAFETY: the pointer is good while `message` is.
    let last = unsafe { message.as_mut_ptr().read() };
    assert_eq!(format!("{last:?}"), format!("{header:?}"));
    assert_eq!(table(), before);

    // The same through the door for io_uring and raw calls.
    send(&long, b"four", &[null.as_fd(); 4]).unwrap();
    let pointer = message.as_mut_ptr();
    let flags = (libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT) as u32;
    // SAFETY: the header is good while `message` is.
    let bytes = unsafe { raw::recvmsg(b.as_raw_fd(), pointer, flags) }.unwrap();
    // SAFETY: one receive has completed into the header since.
    let received = unsafe { message.received(bytes) };
    assert_eq!((received.bytes, received.control.fds().count(), received.from().is_some()), (4, 4, true));
    drop(received);
    assert_eq!(table(), before);

    // A name is not left over from the receive before.
    send(&nameless, b"x", &[]).unwrap();
    assert_eq!(receive(&b, &mut message, RecvFlags::empty()).unwrap().from, None);
}
