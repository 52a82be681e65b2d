//! Law: std's types go straight into every call and come out of every take, both ways, without a copy of the descriptor
//! (feature `std`).

#![cfg(feature = "std")]

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use scmsg::{
    AsFd, BorrowedFd, Errno, IoSlice, IoSliceMut, OwnedFd, PollFd, PollFlags, RecvFlags, RecvMsg, SendError, SendFlags,
    SendMsg, Shutdown, SocketFlags, SocketType, poll, recv_with_fds, recvmsg, send_with_fds, sendmsg, shutdown,
    socketpair,
};

/// Sends one thing to ourselves and gives what arrives.
fn passed<T: AsFd>(thing: &T) -> OwnedFd {
    let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty()).unwrap();
    assert_eq!(send_with_fds(&a, b"one", &[thing.as_fd()]), Ok(3));
    let mut buf = [0xff; 8];
    let (bytes, [fd]) = recv_with_fds::<1>(&b, &mut buf).unwrap();
    assert_eq!(&buf[..bytes], b"one");
    assert_ne!(fd.as_raw_fd(), thing.as_fd().as_raw_fd());
    fd
}

/// What file a number is: device and inode.
fn identity(fd: i32) -> (u64, u64) {
    let found = std::fs::metadata(format!("/proc/self/fd/{fd}")).unwrap();
    (found.dev(), found.ino())
}

/// Our trait and std's agree, by value, by reference and by unique reference.
fn lends<T: AsFd + std::os::fd::AsFd>(mut thing: T) -> T {
    let number = std::os::fd::AsFd::as_fd(&thing).as_raw_fd();
    fn lent<F: AsFd>(fd: F) -> i32 {
        fd.as_fd().as_raw_fd()
    }
    assert_eq!(lent(&thing), number);
    assert_eq!(lent(&mut thing), number);
    let nested: &&mut T = &&mut thing;
    assert_eq!(lent(nested), number);
    let object: &dyn AsFd = &thing;
    assert_eq!(lent(object), number);
    thing
}

/// There and back: the same descriptor, never another.
fn converts<T>(thing: T) -> T
where
    T: AsFd + std::os::fd::AsFd + Into<OwnedFd> + From<OwnedFd>,
{
    let thing = lends(thing);
    let number = AsFd::as_fd(&thing).as_raw_fd();
    let owned: OwnedFd = thing.into();
    assert_eq!(owned.as_raw_fd(), number);
    let std: std::os::fd::OwnedFd = owned.into();
    assert_eq!(std.as_raw_fd(), number);
    let owned = OwnedFd::from(std);
    assert_eq!(owned.as_raw_fd(), number);
    T::from(owned)
}

/// Converts, passes through a socket and back into its type; the one passed is the same file.
fn travels<T>(thing: T) -> (T, T)
where
    T: AsFd + std::os::fd::AsFd + Into<OwnedFd> + From<OwnedFd>,
{
    let thing = converts(thing);
    let there = T::from(passed(&thing));
    assert_eq!(identity(AsFd::as_fd(&thing).as_raw_fd()), identity(AsFd::as_fd(&there).as_raw_fd()));
    (thing, there)
}

/// A child that copies its input to its output and complains once.
fn cat() -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "echo complaint >&2; exec cat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_file() {
    let path = std::env::temp_dir().join(format!("scmsg std_types {}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let (mut file, mut there) = travels(file);
    file.write_all(b"contents").unwrap();
    // One open file: they share their place in it.
    assert_eq!(there.stream_position().unwrap(), 8);
    there.rewind().unwrap();
    let mut text = String::new();
    there.read_to_string(&mut text).unwrap();
    assert_eq!(text, "contents");
}

#[test]
fn a_unix_stream() {
    let (near, far) = UnixStream::pair().unwrap();
    let (near, mut there) = travels(near);
    drop(near);
    there.write_all(b"still open").unwrap();
    drop(there);
    let mut text = String::new();
    (&far).read_to_string(&mut text).unwrap();
    assert_eq!(text, "still open");
}

#[test]
fn a_unix_datagram() {
    let (near, far) = UnixDatagram::pair().unwrap();
    let (_near, there) = travels(near);
    there.send(b"datagram").unwrap();
    let mut buf = [0xff; 16];
    assert_eq!(far.recv(&mut buf).unwrap(), 8);
    assert_eq!(&buf[..8], b"datagram");
}

#[test]
fn a_unix_listener() {
    let name = format!("scmsg std_types {}", std::process::id());
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    let (listener, there) = travels(UnixListener::bind_addr(&addr).unwrap());
    drop(listener);
    let mut client = UnixStream::connect_addr(&addr).unwrap();
    let (mut server, _) = there.accept().unwrap();
    client.write_all(b"hello").unwrap();
    drop(client);
    let mut text = String::new();
    server.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn internet_sockets() {
    let listener = match TcpListener::bind(("127.0.0.1", 0)) {
        Ok(listener) => listener,
        Err(error) => return println!("skipped: no loopback network: {error}"),
    };
    let addr = listener.local_addr().unwrap();
    let (_, listener) = travels(listener);
    let (_, mut client) = travels(TcpStream::connect(addr).unwrap());
    let (_, server) = travels(listener.accept().unwrap().0);
    client.write_all(b"tcp").unwrap();
    let mut buf = [0xff; 16];
    assert_eq!((&server).read(&mut buf).unwrap(), 3);

    let (_, near) = travels(UdpSocket::bind(("127.0.0.1", 0)).unwrap());
    let (_, far) = travels(UdpSocket::bind(("127.0.0.1", 0)).unwrap());
    near.send_to(b"udp!", far.local_addr().unwrap()).unwrap();
    let (bytes, from) = far.recv_from(&mut buf).unwrap();
    assert_eq!((bytes, from), (4, near.local_addr().unwrap()));

    // And straight into the calls.
    assert_eq!(sendmsg(&client, &SendMsg::new(&[IoSlice::new(b"again")]), SendFlags::empty()), Ok(5));
    assert_eq!((&server).read(&mut buf).unwrap(), 5);
}

#[test]
fn the_pipes_of_a_child() {
    let mut child = cat();
    let (_, mut stdin): (_, ChildStdin) = travels(child.stdin.take().unwrap());
    let (_, mut stdout): (_, ChildStdout) = travels(child.stdout.take().unwrap());
    let (_, mut stderr): (_, ChildStderr) = travels(child.stderr.take().unwrap());
    stdin.write_all(b"through the child").unwrap();
    drop(stdin);
    let (mut out, mut err) = (String::new(), String::new());
    stdout.read_to_string(&mut out).unwrap();
    stderr.read_to_string(&mut err).unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("through the child", "complaint\n"));
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_received_descriptor_is_a_childs_stdio() {
    let (mut near, far) = UnixStream::pair().unwrap();
    let input = passed(&far);
    drop(far);
    let child = Command::new("cat").stdin(Stdio::from(input)).stdout(Stdio::piped()).spawn().unwrap();
    near.write_all(b"for the child").unwrap();
    shutdown(&near, Shutdown::Write).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"for the child");
}

#[test]
fn the_standard_streams() {
    fn same(fd: impl AsFd + std::os::fd::AsFd, number: i32) {
        let fd = lends(fd);
        assert_eq!(identity(passed(&fd).as_raw_fd()), identity(number));
    }
    same(io::stdin(), 0);
    same(io::stdin().lock(), 0);
    same(io::stdout(), 1);
    same(io::stdout().lock(), 1);
    same(io::stderr(), 2);
    same(io::stderr().lock(), 2);
}

#[test]
fn owned_and_borrowed_descriptors_of_std() {
    let std: std::os::fd::OwnedFd = File::open("/dev/null").unwrap().into();
    let std = lends(std);
    let borrowed = lends(std::os::fd::AsFd::as_fd(&std));
    assert_eq!(identity(passed(&borrowed).as_raw_fd()), identity(std.as_raw_fd()));
    // Lent to us and back: the same number, and alive as long as the owner, not as long as the loan.
    let ours: BorrowedFd<'_> = {
        let shorter = borrowed;
        shorter.into()
    };
    assert_eq!(ours.as_raw_fd(), std.as_raw_fd());
    let back: std::os::fd::BorrowedFd<'_> = ours.into();
    assert_eq!(back.as_raw_fd(), std.as_raw_fd());
}

#[test]
fn ours_go_where_std_wants_its_own() {
    fn number(fd: impl std::os::fd::AsFd) -> i32 {
        std::os::fd::AsFd::as_fd(&fd).as_raw_fd()
    }
    let (a, _b) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
    let expected = a.as_raw_fd();
    assert_eq!(number(&a), expected);
    assert_eq!(number(AsFd::as_fd(&a)), expected);
    assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&a), expected);
    assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&AsFd::as_fd(&a)), expected);
    // A clone by std is another descriptor for the same socket.
    let cloned = std::os::fd::AsFd::as_fd(&a).try_clone_to_owned().unwrap();
    assert_ne!(cloned.as_raw_fd(), expected);
    assert_eq!(identity(cloned.as_raw_fd()), identity(expected));
}

#[test]
fn a_conversion_moves_the_close_along() {
    let open = |number: i32| std::path::Path::new(&format!("/proc/self/fd/{number}")).exists();
    // Kept high, where no other test's descriptors come and go.
    // SAFETY: the kernel picks a free number, owned here alone.
    let high = |fd: i32| unsafe { OwnedFd::from_raw_fd(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 600)) };
    let null = File::open("/dev/null").unwrap();
    let ours = high(null.as_raw_fd());
    let number = ours.as_raw_fd();
    assert!(number >= 600);
    let file = File::from(ours);
    assert!(open(number));
    let ours = OwnedFd::from(file);
    assert!(open(number), "the file did not close it");
    let std = std::os::fd::OwnedFd::from(ours);
    assert!(open(number), "ours did not close it");
    drop(std);
    assert!(!open(number));

    let raw = high(null.as_raw_fd()).into_raw_fd();
    assert!(open(raw), "given up, not closed");
    // SAFETY: the number was just given up, so it is owned here alone.
    drop(unsafe { std::os::fd::OwnedFd::from_raw_fd(raw) });
    assert!(!open(raw));
    assert!(null.into_raw_fd() >= 0);
}

#[test]
fn std_sockets_carry_messages() {
    let file = File::open("/dev/null").unwrap();
    let mut buf = [0xff; 8];

    let (a, mut b) = UnixStream::pair().unwrap();
    assert_eq!(send_with_fds(&a, b"stream", &[file.as_fd(), a.as_fd()]), Ok(6));
    let (bytes, [first, second]) = recv_with_fds::<2>(&mut b, &mut buf).unwrap();
    assert_eq!(&buf[..bytes], b"stream");
    assert_eq!(identity(first.as_raw_fd()), identity(AsFd::as_fd(&file).as_raw_fd()));
    assert_eq!(identity(second.as_raw_fd()), identity(a.as_raw_fd()));

    let (a, b) = UnixDatagram::pair().unwrap();
    assert_eq!(send_with_fds(&a, b"dgram", &[file.as_fd()]), Ok(5));
    let mut events = [PollFd::new(&b, PollFlags::IN), PollFd::new(&a, PollFlags::IN)];
    assert_eq!(poll(&mut events, None), Ok(1));
    assert_eq!((events[0].events(), events[1].events()), (PollFlags::IN, PollFlags::empty()));
    let (bytes, [_fd]) = recv_with_fds::<1>(b, &mut buf).unwrap();
    assert_eq!(&buf[..bytes], b"dgram");
}

#[test]
fn slices_of_std_keep_their_bytes() {
    let bytes = *b"some bytes";
    for len in 0..=bytes.len() {
        let std = io::IoSlice::new(&bytes[..len]);
        let ours = IoSlice::from(std);
        assert!(core::ptr::eq(&*ours, &bytes[..len]));
        let many = [std, io::IoSlice::new(&[]), std];
        let ours = IoSlice::from_std(&many);
        assert_eq!(ours.len(), 3);
        assert!(
            core::ptr::eq(&*ours[0], &bytes[..len]) && ours[1].is_empty() && core::ptr::eq(&*ours[2], &bytes[..len])
        );

        let mut room = bytes;
        let place = room.as_ptr();
        let mut ours = IoSliceMut::from(io::IoSliceMut::new(&mut room[..len]));
        assert_eq!((ours.as_ptr(), ours.len()), (place, len));
        ours.fill(b'x');
        assert!(room[..len].iter().all(|b| *b == b'x') && room[len..] == bytes[len..]);

        let (left, right) = room.split_at_mut(len);
        let mut many = [io::IoSliceMut::new(left), io::IoSliceMut::new(right)];
        let ours = IoSliceMut::from_std(&mut many);
        assert_eq!(ours.len(), 2);
        ours[0].fill(b'l');
        ours[1].fill(b'r');
        assert_eq!((&*many[0], &*many[1]), (&vec![b'l'; len][..], &vec![b'r'; bytes.len() - len][..]));
    }
    assert!(IoSlice::from_std(&[]).is_empty());
    assert!(IoSliceMut::from_std(&mut []).is_empty());
}

/// Bytes outlive the std slice they came through.
#[test]
fn a_converted_slice_lives_as_long_as_its_bytes() {
    let bytes = vec![1, 2, 3];
    let ours = {
        let std = io::IoSlice::new(&bytes);
        IoSlice::from(std)
    };
    assert_eq!(*ours, [1, 2, 3]);
}

#[test]
fn slices_of_std_scatter_and_gather() {
    let (a, b) = UnixStream::pair().unwrap();
    let pieces: [&[u8]; 5] = [b"", b"one", b"", b"two3", b""];
    let std: Vec<_> = pieces.iter().map(|p| io::IoSlice::new(p)).collect();
    assert_eq!(sendmsg(&a, &SendMsg::new(IoSlice::from_std(&std)), SendFlags::empty()), Ok(7));

    let (mut first, mut none, mut second) = ([0xff; 2], [0xff; 0], [0xff; 8]);
    let mut std = [io::IoSliceMut::new(&mut first), io::IoSliceMut::new(&mut none), io::IoSliceMut::new(&mut second)];
    let mut message = RecvMsg::new(IoSliceMut::from_std(&mut std));
    let received = recvmsg(&b, &mut message, RecvFlags::empty()).unwrap();
    assert_eq!(received.bytes, 7);
    assert_eq!(received.data().collect::<Vec<_>>().concat(), b"onetwo3");
    drop(received);
    assert_eq!((&first, &second), (b"on", b"etwo3\xff\xff\xff"));

    // One at a time, converted by value.
    let converted = [IoSlice::from(io::IoSlice::new(b"ab")), IoSlice::from(io::IoSlice::new(b"")), IoSlice::new(b"c")];
    assert_eq!(sendmsg(&a, &SendMsg::new(&converted), SendFlags::empty()), Ok(3));
    let (mut x, mut y) = ([0xff; 1], [0xff; 4]);
    let mut converted = [IoSliceMut::from(io::IoSliceMut::new(&mut x)), IoSliceMut::new(&mut y)];
    assert_eq!(recvmsg(&b, &mut RecvMsg::new(&mut converted), RecvFlags::empty()).unwrap().bytes, 3);
    assert_eq!((&x, &y), (b"a", b"bc\xff\xff"));
}

#[test]
fn an_errno_is_the_io_error_std_makes() {
    for number in 1..=4095 {
        let errno = Errno::from_raw(number).unwrap();
        let error = io::Error::from(errno);
        assert_eq!(error.raw_os_error(), Some(number));
        assert_eq!(error.kind(), io::Error::from_raw_os_error(number).kind());
    }
    let kinds = [
        (Errno::EAGAIN, ErrorKind::WouldBlock),
        (Errno::EINTR, ErrorKind::Interrupted),
        (Errno::EPIPE, ErrorKind::BrokenPipe),
        (Errno::EPERM, ErrorKind::PermissionDenied),
        (Errno::ECONNREFUSED, ErrorKind::ConnectionRefused),
        (Errno::ECONNRESET, ErrorKind::ConnectionReset),
        (Errno::ENOTCONN, ErrorKind::NotConnected),
        (Errno::EADDRINUSE, ErrorKind::AddrInUse),
        (Errno::ENOENT, ErrorKind::NotFound),
        (Errno::EINVAL, ErrorKind::InvalidInput),
        (Errno::ETIMEDOUT, ErrorKind::TimedOut),
    ];
    for (errno, kind) in kinds {
        assert_eq!(io::Error::from(errno).kind(), kind, "{errno}");
    }
}

#[test]
fn a_question_mark_makes_an_io_error() {
    fn nothing_there() -> io::Result<usize> {
        let (a, _b) = socketpair(SocketType::DGRAM, SocketFlags::empty())?;
        let mut buf = [0xff; 1];
        let mut data = [IoSliceMut::new(&mut buf)];
        let mut message = RecvMsg::new(&mut data);
        Ok(recvmsg(&a, &mut message, RecvFlags::DONTWAIT)?.bytes)
    }
    assert_eq!(nothing_there().unwrap_err().kind(), ErrorKind::WouldBlock);

    fn gone() -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let (a, b) = socketpair(SocketType::STREAM, SocketFlags::empty())?;
        drop(b);
        Ok(send_with_fds(&a, b"x", &[a.as_fd()])?)
    }
    assert_eq!(gone().unwrap_err().downcast_ref::<SendError>(), Some(&Errno::EPIPE.into()));
}

/// The short way in a function that returns what std's functions return.
fn short_way(socket: &UnixStream, buf: &mut [u8]) -> io::Result<usize> {
    send_with_fds(socket, b"x", &[socket.as_fd()])?;
    let (bytes, [_fd]) = recv_with_fds::<1>(socket, buf)?;
    Ok(bytes)
}

#[test]
fn every_error_becomes_an_io_error() {
    let (a, b) = UnixStream::pair().unwrap();
    send_with_fds(&b, b"y", &[b.as_fd()]).unwrap();
    assert_eq!(short_way(&a, &mut [0]).unwrap(), 1);
    send_with_fds(&b, b"y", &[]).unwrap();
    let error = short_way(&a, &mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let inside = error.get_ref().and_then(|e| e.downcast_ref::<scmsg::RecvError>());
    assert!(matches!(inside, Some(scmsg::RecvError::WrongCount { bytes: 1, count }) if count.found == 0), "{inside:?}");
    drop(b);
    assert_eq!(short_way(&a, &mut [0]).unwrap_err().raw_os_error(), Some(libc::EPIPE));
    let (end, other) = UnixStream::pair().unwrap();
    drop(other);
    assert_eq!(io::Error::from(recv_with_fds::<1>(&end, &mut [0]).unwrap_err()).kind(), ErrorKind::UnexpectedEof);

    let too_many = send_with_fds(&a, b"x", &[a.as_fd(); 254]).unwrap_err();
    let no_data = send_with_fds(&a, b"", &[a.as_fd()]).unwrap_err();
    let bad_name = scmsg::SocketAddr::unix(b"").unwrap_err();
    for error in [io::Error::from(too_many), no_data.into(), bad_name.into()] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let stopped = scmsg::bulk::SendStopped { sent: 253, why: Errno::EAGAIN };
    let error = io::Error::from(stopped);
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(error.get_ref().and_then(|e| e.downcast_ref()), Some(&stopped), "the progress is inside");
    let closed = scmsg::bulk::RecvStopped { received: 1, why: scmsg::bulk::Stop::Closed };
    let busy = scmsg::bulk::RecvStopped { received: 1, why: scmsg::bulk::Stop::Errno(Errno::EAGAIN) };
    let no_room = scmsg::bulk::RecvStopped { received: 1, why: scmsg::bulk::Stop::NoRoom { closed: 1 } };
    let kinds = [closed, busy, no_room].map(|stopped| io::Error::from(stopped).kind());
    assert_eq!(kinds, [ErrorKind::UnexpectedEof, ErrorKind::WouldBlock, ErrorKind::InvalidData]);
    let stream = scmsg::Packets::new(&a).unwrap_err();
    assert_eq!(io::Error::from(stream).kind(), ErrorKind::InvalidInput);
    assert_eq!(io::Error::from(scmsg::NotPackets::Errno(Errno::ENOTSOCK)).raw_os_error(), Some(libc::ENOTSOCK));
    assert_eq!(io::Error::from(scmsg::BatchFull { slots: 1 }).kind(), ErrorKind::InvalidInput);
    let short = scmsg::Short { need: 4, have: 1 };
    let malformed = scmsg::Malformed { offset: 0, claimed: 7, left: 20 };
    for error in [io::Error::from(short), malformed.into()] {
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.get_ref().is_some());
    }
}
