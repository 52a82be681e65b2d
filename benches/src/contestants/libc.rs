//! libc by hand: what a careful programmer writes with the crate `libc`, headers made for every call, one `close` each.

use std::hint::black_box;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::{copy_nonoverlapping, null_mut};

use libc::{
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, CMSG_NXTHDR, CMSG_SPACE, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_NOSIGNAL, SCM_RIGHTS,
    SOL_SOCKET, c_int, in_addr, in_pktinfo, iovec, mmsghdr, msghdr, timeval, ucred,
};

use crate::codec::{Line, Message, Work};
use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::{DATAGRAM, DATAGRAMS, MOST, Stage, UdpStage, WIDTH};

pub(super) struct LibcByHand;

/// Bytes of control for one descriptor, and for the most.
const ONE: usize = space(4);
const ROOM: usize = space(4 * MOST);
const PACKET_INFO: usize = space(size_of::<in_pktinfo>());

const fn space(payload: usize) -> usize {
    // SAFETY: arithmetic.
    unsafe { CMSG_SPACE(payload as u32) as usize }
}

#[derive(Clone)]
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

fn header(piece: *mut iovec, control: *mut u8, len: usize) -> msghdr {
    // SAFETY: all zero is an empty header.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_iov = piece;
    header.msg_iovlen = 1;
    header.msg_control = control.cast();
    header.msg_controllen = len;
    header
}

fn piece(data: &[u8]) -> iovec {
    iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() }
}

/// Writes one message to the front of a header's control room.
///
/// # Safety
/// There is room for it.
#[inline]
unsafe fn put<T>(header: &mut msghdr, level: c_int, kind: c_int, payload: *const T, count: usize) {
    let len = (count * size_of::<T>()) as u32;
    // SAFETY: the caller has made room.
    unsafe {
        let first = CMSG_FIRSTHDR(header);
        (*first).cmsg_level = level;
        (*first).cmsg_type = kind;
        (*first).cmsg_len = CMSG_LEN(len) as usize;
        copy_nonoverlapping(payload, CMSG_DATA(first).cast(), count);
        header.msg_controllen = CMSG_SPACE(len) as usize;
    }
}

/// The descriptors of a received header, copied out.
#[inline]
fn descriptors(header: &msghdr, out: &mut [RawFd; MOST]) -> Option<usize> {
    if header.msg_flags & MSG_CTRUNC != 0 {
        return None;
    }
    let mut count = 0;
    // SAFETY: the kernel has written the header and what it points to.
    unsafe {
        let mut message = CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_level == SOL_SOCKET && (*message).cmsg_type == SCM_RIGHTS {
                count = (((*message).cmsg_len - CMSG_LEN(0) as usize) / size_of::<RawFd>()).min(MOST);
                copy_nonoverlapping(CMSG_DATA(message).cast(), out.as_mut_ptr(), count);
            }
            message = CMSG_NXTHDR(header, message);
        }
    }
    Some(count)
}

fn close(fds: &[RawFd]) {
    for fd in fds {
        // SAFETY: received and the caller's.
        unsafe { libc::close(*fd) };
    }
}

/// By `sendmmsg` and `recvmmsg`, `width` at a time; descriptors are held until all are there.
fn many<J: Job>(stage: &Stage, messages: usize, width: usize, job: J) -> Done {
    let numbers = stage.numbers();
    let room = space(4 * numbers.len());
    let words = room / 8;
    // SAFETY: all zero is an empty header.
    let empty: mmsghdr = unsafe { zeroed() };
    let (mut sends, mut receives) = (vec![empty; width], vec![empty; width]);
    let (mut out, mut back) = (vec![0_u64; words * width], vec![0_u64; words * width]);
    let mut held: Vec<RawFd> = Vec::with_capacity(messages * numbers.len());
    let mut byte = [0_u8];
    job.go(
        || {
            let mut data = [piece(stage.data)];
            let mut left = messages;
            while left > 0 {
                let count = left.min(width);
                for (entry, control) in sends.iter_mut().zip(out.chunks_exact_mut(words)).take(count) {
                    entry.msg_hdr = header(data.as_mut_ptr(), control.as_mut_ptr().cast(), room);
                    // SAFETY: the room is for these.
                    unsafe { put(&mut entry.msg_hdr, SOL_SOCKET, SCM_RIGHTS, numbers.as_ptr(), numbers.len()) };
                }
                // SAFETY: the headers are whole.
                let sent = unsafe { libc::sendmmsg(stage.tx.as_raw_fd(), sends.as_mut_ptr(), count as u32, MSG_NOSIGNAL) };
                left -= usize::try_from(sent).ok().filter(|sent| *sent == count)?;
            }
            Some(())
        },
        || {
            let mut space = [iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 }];
            let mut fds = [0; MOST];
            let mut left = messages;
            while left > 0 {
                let count = left.min(width);
                for (entry, control) in receives.iter_mut().zip(back.chunks_exact_mut(words)).take(count) {
                    entry.msg_hdr = header(space.as_mut_ptr(), control.as_mut_ptr().cast(), room);
                }
                let entries = receives.as_mut_ptr();
                // SAFETY: the headers are whole.
                let got = unsafe { libc::recvmmsg(stage.rx.as_raw_fd(), entries, count as u32, MSG_CMSG_CLOEXEC, null_mut()) };
                left -= usize::try_from(got).ok().filter(|got| *got == count)?;
                for entry in receives.iter().take(count) {
                    let count = descriptors(&entry.msg_hdr, &mut fds)?;
                    check::<J>(stage, fds[..count].iter().copied());
                    held.extend_from_slice(&fds[..count]);
                }
            }
            close(&held);
            let count = held.len();
            held.clear();
            Some(count)
        },
    )
}

/// With `N` bytes of control. The room to receive into is reused; the one to send from too, unless it is small.
fn pass<J: Job, const N: usize>(stage: &Stage, job: J) -> Done {
    let numbers = stage.numbers();
    let mut fds = [0; MOST];
    let (mut out, mut back) = (Aligned([0_u8; N]), Aligned([0_u8; N]));
    let mut byte = [0_u8];
    job.go(
        || {
            let mut small = Aligned([0_u8; ONE]);
            let mut data = [piece(stage.data)];
            let control = if N == ONE { small.0.as_mut_ptr() } else { out.0.as_mut_ptr() };
            let mut header = header(data.as_mut_ptr(), control, N);
            let count = if N == ONE { 1 } else { numbers.len() };
            // SAFETY: the room is for these.
            unsafe { put(&mut header, SOL_SOCKET, SCM_RIGHTS, numbers.as_ptr(), count) };
            // SAFETY: the header is whole.
            let sent = unsafe { libc::sendmsg(stage.tx.as_raw_fd(), &raw const header, MSG_NOSIGNAL) };
            (sent >= 0).then_some(())
        },
        || {
            let mut space = [iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 }];
            let mut header = header(space.as_mut_ptr(), back.0.as_mut_ptr(), N);
            // SAFETY: the header is whole.
            let got = unsafe { libc::recvmsg(stage.rx.as_raw_fd(), &raw mut header, MSG_CMSG_CLOEXEC) };
            if got < 0 {
                return None;
            }
            let count = descriptors(&header, &mut fds)?;
            check::<J>(stage, fds[..count].iter().copied());
            close(&fds[..count]);
            Some(count)
        },
    )
}

/// One number, which is known when this is compiled, or any.
fn encode<W: Work, const ONE: bool>(fds: &[BorrowedFd<'_>], work: W) -> Done {
    let mut line = Line([0; MOST]);
    line.0.iter_mut().zip(fds).for_each(|(to, from)| *to = from.as_raw_fd());
    let numbers = &line.0[..fds.len()];
    let mut control = Line([0_u8; ROOM]);
    // SAFETY: all zero is an empty header.
    let mut header: msghdr = unsafe { zeroed() };
    work.go(|| {
        let numbers = black_box(numbers);
        let count = if ONE { 1 } else { numbers.len() };
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = ROOM;
        // SAFETY: there is room for the most.
        unsafe { put(&mut header, SOL_SOCKET, SCM_RIGHTS, numbers.as_ptr(), count) };
        black_box(&mut control);
        // SAFETY: arithmetic.
        unsafe { CMSG_LEN(4 * count as u32) as usize }
    })
}

impl Contestant for LibcByHand {
    const NAME: &'static str = "libc";

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        Some(if stage.fds.len() == 1 { pass::<J, ONE>(stage, job) } else { pass::<J, ROOM>(stage, job) })
    }

    fn batch<J: Job>(stage: &Stage, width: usize, job: J) -> Option<Done> {
        Some(many(stage, width, width, job))
    }

    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        Some(many(stage, messages, WIDTH, job))
    }

    fn udp<J: Job>(stage: &UdpStage, job: J) -> Option<Done> {
        let mut bytes = [[0_u8; DATAGRAM]; DATAGRAMS];
        // SAFETY: all zero is an empty header.
        let empty: mmsghdr = unsafe { zeroed() };
        let (mut sends, mut receives) = ([empty; DATAGRAMS], [empty; DATAGRAMS]);
        let mut out = vec![Aligned([0_u8; PACKET_INFO]); DATAGRAMS];
        let mut back = out.clone();
        let info = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr { s_addr: stage.address },
            ipi_addr: in_addr { s_addr: 0 },
        };
        Some(job.go(
            || {
                let mut data = stage.data.each_ref().map(|datagram| piece(datagram));
                for ((entry, control), data) in sends.iter_mut().zip(&mut out).zip(&mut data) {
                    entry.msg_hdr = header(data, control.0.as_mut_ptr(), PACKET_INFO);
                    // SAFETY: the room is for it.
                    unsafe { put(&mut entry.msg_hdr, libc::IPPROTO_IP, libc::IP_PKTINFO, &raw const info, 1) };
                }
                let (fd, count) = (stage.tx.as_raw_fd(), DATAGRAMS as u32);
                // SAFETY: the headers are whole.
                let sent = unsafe { libc::sendmmsg(fd, sends.as_mut_ptr(), count, MSG_NOSIGNAL) };
                (sent == DATAGRAMS as i32).then_some(())
            },
            || {
                let mut space =
                    bytes.each_mut().map(|datagram| iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: DATAGRAM });
                for ((entry, control), space) in receives.iter_mut().zip(&mut back).zip(&mut space) {
                    entry.msg_hdr = header(space, control.0.as_mut_ptr(), PACKET_INFO);
                }
                let (fd, count) = (stage.rx.as_raw_fd(), DATAGRAMS as u32);
                // SAFETY: the headers are whole.
                let got = unsafe { libc::recvmmsg(fd, receives.as_mut_ptr(), count, 0, null_mut()) };
                let arrived = receives.iter().take(usize::try_from(got).ok()?);
                Some(arrived.filter(|entry| packet_info(&entry.msg_hdr) == Some(stage.address)).count())
            },
        ))
    }

    fn encode<W: Work>(fds: &[BorrowedFd<'_>], work: W) -> Option<Done> {
        Some(if fds.len() == 1 { encode::<W, true>(fds, work) } else { encode::<W, false>(fds, work) })
    }

    fn decode<W: Work>(message: &Message, work: W) -> Option<Done> {
        Some(work.go(|| {
            let bytes = black_box(message.bytes());
            let header = header(std::ptr::null_mut(), bytes.as_ptr().cast_mut(), bytes.len());
            let mut sum = 0_usize;
            // SAFETY: well-formed bytes; payloads are as long as their types.
            unsafe {
                let mut message = CMSG_FIRSTHDR(&raw const header);
                while !message.is_null() {
                    let data = CMSG_DATA(message);
                    match ((*message).cmsg_level, (*message).cmsg_type) {
                        (SOL_SOCKET, SCM_RIGHTS) => sum = sum.wrapping_add(data.cast::<RawFd>().read_unaligned() as usize),
                        (SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                            sum = sum.wrapping_add(data.cast::<ucred>().read_unaligned().pid as usize);
                        }
                        (SOL_SOCKET, libc::SCM_TIMESTAMP) => {
                            sum = sum.wrapping_add(data.cast::<timeval>().read_unaligned().tv_sec as usize);
                        }
                        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                            sum = sum.wrapping_add(data.cast::<in_pktinfo>().read_unaligned().ipi_ifindex as usize);
                        }
                        _ => {}
                    }
                    message = CMSG_NXTHDR(&raw const header, message);
                }
            }
            sum
        }))
    }
}

/// The address of a datagram's packet info.
fn packet_info(header: &msghdr) -> Option<u32> {
    // SAFETY: the kernel has written the header and what it points to.
    unsafe {
        let mut message = CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::IPPROTO_IP && (*message).cmsg_type == libc::IP_PKTINFO {
                return Some(CMSG_DATA(message).cast::<in_pktinfo>().read_unaligned().ipi_addr.s_addr);
            }
            message = CMSG_NXTHDR(header, message);
        }
    }
    None
}
