//! One io_uring entry that receives message after message into provided buffers: what lands there (a header, a name, the
//! control area at an odd address, data) is adopted as [`scmsg::Ancillary`], and a buffer goes back when that is gone.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use interop::{Pool, adopt};
use io_uring::squeue::Entry;
use io_uring::{IoUring, cqueue, opcode, types};
use scmsg::raw::msghdr;
use scmsg::{
    AsFd, Errno, OwnedFd, RecvFlags, Rights, SocketAddr, SocketFlags, SocketType, UnreadBytes, bind, getsockname,
    send_with_fds, socketpair, space_of,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const MESSAGES: usize = 7;
/// Fewer buffers than messages: the receive stops with `ENOBUFS`, loses nothing, and is armed again.
const BUFFERS: u16 = 3;
const GROUP: u16 = 1;

const RECEIVE: u64 = 1;
const CANCEL: u64 = 2;
const GIVE: u64 = 3;

/// Of this header a multishot receive reads two lengths: how much of each buffer is for the name and for control. 21 bytes
/// of name put the control area at offset 37; no receiver of this crate minds.
const HEADER: msghdr =
    msghdr { msg_namelen: 21, msg_controllen: Rights::space(3) + space_of::<UnreadBytes>(), ..msghdr::EMPTY };

fn main() -> Result {
    let Some(mut ring) = interop::ring(8)? else { return Ok(()) };
    let devices = [File::open("/dev/null")?, File::open("/dev/zero")?, File::open("/dev/full")?];
    // Datagrams, because they say who sent them, if the sender has a name.
    let (a, b) = socketpair(SocketType::DGRAM, SocketFlags::empty())?;
    bind(&a, &SocketAddr::unnamed())?;
    let sender = getsockname(&a)?;
    let before = open_descriptors()?;

    for number in 0..MESSAGES {
        send_with_fds(&a, format!("message {number}").as_bytes(), &devices.each_ref().map(AsFd::as_fd))?;
    }

    let mut pool = Pool::new(GROUP, BUFFERS, 128);
    push(&mut ring, pool.give_all().user_data(GIVE))?;
    let mut taken: Vec<OwnedFd> = Vec::new();
    let (mut seen, mut armed, mut times_armed) = (0, false, 0);
    while seen < MESSAGES {
        if !armed {
            (armed, times_armed) = (true, times_armed + 1);
            push(&mut ring, receive(&b))?;
        }
        interop::wait(&ring, 1)?;
        let completions: Vec<_> = ring.completion().collect();
        for completion in completions {
            assert_eq!(completion.user_data(), RECEIVE, "{completion:?}");
            // Without this flag the entry has ended, whatever its result.
            armed &= cqueue::more(completion.flags());
            match interop::result(completion.result()) {
                Err(Errno::ENOBUFS) => continue,
                Err(Errno::EINVAL) if seen == 0 => {
                    println!("SKIPPED: this kernel has no multishot receive of messages (Linux 6.0)");
                    return Ok(());
                }
                other => other?,
            };
            let id = cqueue::buffer_select(completion.flags()).ok_or("a buffer")?;
            // Adopt it, whatever else there is to do: a completion that is dropped leaves its descriptors open for ever.
            // SAFETY: the completion has handed this buffer over.
            let buffer = unsafe { pool.buffer(id) };
            // SAFETY: the receive with this header has just completed into it, and this is its only owner.
            let mut arrived = unsafe { adopt(buffer, &HEADER) }.ok_or("a whole buffer")?;
            assert_eq!(arrived.data, format!("message {seen}").as_bytes());
            assert_eq!(SocketAddr::raw(arrived.name)?.address(), sender.address());
            assert_eq!(arrived.control.truncation(), None);
            assert_eq!(arrived.control.fds().count(), 3);
            // One is taken; the other two are closed where `arrived` ends.
            taken.push(arrived.control.take_fds().next().ok_or("a descriptor")??);
            drop(arrived);
            // This line does not compile above the one before it: the buffer holds what is still to be closed.
            push(&mut ring, pool.give_back(id).user_data(GIVE))?;
            seen += 1;
        }
    }

    for fd in &taken {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        assert_eq!(fs::metadata(path)?.rdev(), devices[0].metadata()?.rdev());
    }
    assert_eq!(open_descriptors()?, before + taken.len(), "opened is taken and closed");
    println!("{seen} messages, armed {times_armed} times: {} descriptors opened, {} taken", 3 * seen, taken.len());

    // The kernel may write to the buffers until the entry has ended: cancel it, and wait for its own last completion.
    if armed {
        push(&mut ring, opcode::AsyncCancel::new(RECEIVE).build().user_data(CANCEL))?;
    }
    let mut cancelling = armed;
    while armed || cancelling {
        interop::wait(&ring, 1)?;
        for completion in ring.completion() {
            match completion.user_data() {
                RECEIVE => {
                    assert_eq!(completion.result(), -libc::ECANCELED);
                    armed = cqueue::more(completion.flags());
                }
                CANCEL => cancelling = false,
                _ => panic!("{completion:?}"),
            }
        }
    }
    // SAFETY: the only receive that uses the buffers has ended.
    unsafe { pool.free() };
    println!("cancelled; then the buffers are freed");
    Ok(())
}

/// Receives until it is cancelled, fails, or finds no buffer. Its flags are words of the entry, where this crate cannot add
/// any: `to_kernel` gives them with MSG_CMSG_CLOEXEC and never with bit 31.
fn receive(socket: &OwnedFd) -> Entry {
    opcode::RecvMsgMulti::new(types::Fd(socket.as_raw_fd()), (&raw const HEADER_IN_MEMORY).cast(), GROUP)
        .flags(RecvFlags::empty().to_kernel())
        .build()
        .user_data(RECEIVE)
}

/// The header stays where it is for as long as the entry is armed.
static HEADER_IN_MEMORY: Header = Header(HEADER);

#[repr(transparent)]
struct Header(#[allow(dead_code, reason = "only the kernel reads it")] msghdr);

// SAFETY: nothing writes it.
unsafe impl Sync for Header {}

fn push(ring: &mut IoUring, entry: Entry) -> Result {
    // SAFETY: the header is a static, and the pool's memory stays until it is freed.
    unsafe { ring.submission().push(&entry) }?;
    Ok(())
}

fn open_descriptors() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}
