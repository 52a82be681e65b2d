//! A multishot receive, armed for one message at a time, so that a test can look at what is in its buffer.

use interop::{Arrived, Pool, adopt};
use io_uring::{IoUring, cqueue, opcode, types};
use scmsg::raw::msghdr;
use scmsg::{Errno, OwnedFd, RecvFlags, Rights, UnreadBytes};

const RECEIVE: u64 = 1;
const CANCEL: u64 = 2;
const GROUP: u16 = 5;

/// Why a multishot receive gave no message.
#[derive(Debug, PartialEq)]
pub enum Nothing {
    Errno(Errno),
    /// The socket has no more: a completion whose message is empty, and that is the last.
    End,
}

/// A ring, unless there is none, or none with multishot receives.
pub fn ring() -> Option<IoUring> {
    let mut ring = interop::ring(8).unwrap()?;
    let (a, b) = scmsg::socketpair(scmsg::SocketType::DGRAM, scmsg::SocketFlags::empty()).unwrap();
    scmsg::send_with_fds(&a, b"x", &[]).unwrap();
    match receive(&mut ring, &b, &header(0, Rights::space(1)), 64, |_| ()) {
        Err(Nothing::Errno(Errno::EINVAL)) => {
            println!("SKIPPED: this kernel has no multishot receive of messages (Linux 6.0)");
            None
        }
        other => {
            other.unwrap();
            Some(ring)
        }
    }
}

/// Room for a name and for control in each buffer.
pub fn header(name: i32, control: usize) -> msghdr {
    msghdr { msg_namelen: name, msg_controllen: control, ..msghdr::EMPTY }
}

/// Receives one message into a buffer of `size` bytes, at a multiple of 8, in which every byte was 0xff, and looks at it;
/// then ends the receive.
pub fn receive<T>(
    ring: &mut IoUring,
    socket: &OwnedFd,
    header: &msghdr,
    size: usize,
    look: impl FnOnce(Arrived<'_>) -> T,
) -> Result<T, Nothing> {
    let mut pool = Pool::new(GROUP, 1, size);
    // SAFETY: the ring has not got it yet.
    unsafe { pool.buffer(0) }.fill(0xff);
    let entries = [
        pool.give_all(),
        opcode::RecvMsgMulti::new(types::Fd(socket.as_raw_fd()), std::ptr::from_ref(header).cast(), GROUP)
            .flags(RecvFlags::empty().to_kernel())
            .build()
            .user_data(RECEIVE),
    ];
    // SAFETY: the header stays until the receive has ended, below; so does the pool.
    unsafe { ring.submission().push_multiple(&entries) }.unwrap();

    interop::wait(ring, 1).unwrap();
    let first = ring.completion().next().unwrap();
    assert_eq!(first.user_data(), RECEIVE, "{first:?}");
    let mut armed = cqueue::more(first.flags());
    let mut found = match interop::result(first.result()) {
        Err(errno) => Err(Nothing::Errno(errno)),
        Ok(bytes) => {
            assert_eq!(cqueue::buffer_select(first.flags()), Some(0));
            assert!(bytes <= size);
            // A receive that is still armed when it has found a message may only end, now that there is no buffer.
            Ok(())
        }
    };
    let mut cancelling = armed;
    if armed {
        let cancel = opcode::AsyncCancel::new(RECEIVE).build().user_data(CANCEL);
        // SAFETY: it points to nothing.
        unsafe { ring.submission().push(&cancel) }.unwrap();
    }
    while armed || cancelling {
        interop::wait(ring, 1).unwrap();
        for completion in ring.completion() {
            match completion.user_data() {
                RECEIVE => {
                    // Another message was there, and no buffer; it stays there.
                    let why = -completion.result();
                    assert!(why == libc::ECANCELED || why == libc::ENOBUFS, "{completion:?}");
                    armed = cqueue::more(completion.flags());
                }
                _ => cancelling = false,
            }
        }
    }

    let mut look = Some(look);
    let mut seen = None;
    if found.is_ok() {
        // SAFETY: the completion has handed the buffer over.
        let buffer = unsafe { pool.buffer(0) };
        // SAFETY: the receive with this header has completed into it, and nothing owns its descriptors.
        let arrived = unsafe { adopt(buffer, header) }.expect("a whole buffer");
        // Some kernels add unread bytes unasked, also at the end.
        let empty = arrived.control.messages().all(|m| matches!(m.unwrap().get(), Ok(Some(UnreadBytes(0)))));
        if arrived.data.is_empty() && empty && !cqueue::more(first.flags()) {
            found = Err(Nothing::End);
        } else {
            seen = look.take().map(|look| look(arrived));
        }
    } else {
        // The kernel has kept the buffer: take it away, so that the next test's is the only one.
        let remove = opcode::RemoveBuffers::new(1, GROUP).build();
        // SAFETY: it points to nothing.
        let [removed] = unsafe { interop::run(ring, [remove]) }.unwrap();
        assert_eq!(removed, Ok(1), "{found:?}");
    }
    // SAFETY: the receive has ended, and the group has no buffer any more.
    unsafe { pool.free() };
    found.map(|()| seen.expect("looked at"))
}
