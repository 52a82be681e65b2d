//! A seqpacket socket registered with mio: one event, then `recvmsg` until `EAGAIN`, because mio reports a change only once.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use scmsg::{
    AsFd, ControlBuf, Errno, IoSliceMut, RecvFlags, RecvMsg, Rights, SocketFlags, SocketType, recvmsg, send_with_fds,
    socketpair,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const SOCKET: Token = Token(7);

fn main() -> Result {
    let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::NONBLOCK)?;
    let zero = File::open("/dev/zero")?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4);
    // mio watches a number and does not own it: `b` outlives its registration.
    poll.registry().register(&mut SourceFd(&b.as_raw_fd()), SOCKET, Interest::READABLE)?;
    let before = fs::read_dir("/proc/self/fd")?.count();

    // One message and its buffers, for all receives.
    let mut bytes = [0; 16];
    let mut buf = ControlBuf::<[u8; Rights::space(2)]>::new();
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut message = RecvMsg::new(&mut data).control(&mut buf);

    let mut received = 0;
    for round in 1..=3 {
        // Twice as many descriptors as are taken.
        for _ in 0..round {
            send_with_fds(&a, b"a pair", &[zero.as_fd(), zero.as_fd()])?;
        }
        poll.poll(&mut events, Some(Duration::from_secs(10)))?;
        let tokens: Vec<_> = events.iter().filter(|event| event.is_readable()).map(mio::event::Event::token).collect();
        assert_eq!(tokens, [SOCKET], "one event for {round} messages");
        let mut come = 0;
        loop {
            let mut arrived = match recvmsg(&b, &mut message, RecvFlags::empty()) {
                Ok(arrived) => arrived,
                Err(Errno::EAGAIN) => break, // only now does mio report the next change
                Err(errno) => return Err(errno.into()),
            };
            assert_eq!(arrived.data().next(), Some(&b"a pair"[..]));
            let taken = arrived.control.take_fds().next().ok_or("a descriptor")??;
            assert_eq!(File::from(taken).metadata()?.rdev(), zero.metadata()?.rdev());
            come += 1;
        }
        assert_eq!(come, round);
        received += come;
        // Nothing has changed, so there is no event, and nothing is open that was not taken.
        poll.poll(&mut events, Some(Duration::ZERO))?;
        assert!(events.is_empty());
        assert_eq!(fs::read_dir("/proc/self/fd")?.count(), before);
    }
    println!("{received} messages in 3 events");

    poll.registry().deregister(&mut SourceFd(&b.as_raw_fd()))?;
    Ok(())
}
