//! The floor: bare system calls over headers that were made once. One closes each descriptor by itself, as every peer
//! does; the other closes each run of consecutive numbers by one `close_range`.

use std::hint::black_box;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::read_unaligned;
use std::slice;

use libc::{MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, in_pktinfo, iovec, mmsghdr, msghdr};
use sc::syscall;

use crate::codec::{Line, Message, Work};
use crate::contestant::{Contestant, Done, Job, check};
use crate::stage::{DATAGRAM, DATAGRAMS, MOST, Stage, UdpStage, WIDTH};

pub(super) type Floor = Bare<false>;
pub(super) type FloorRuns = Bare<true>;

pub(super) struct Bare<const RUNS: bool>;

/// Bytes of a header.
const HEADER: usize = 16;
/// Words of room for the largest message.
const ROOM: usize = (HEADER + 4 * MOST).div_ceil(8);

/// Control bytes of one message; what counts is the first word.
fn control(level: i32, kind: i32, payload: &[u8]) -> Vec<u64> {
    let head = (HEADER + payload.len()).to_ne_bytes().into_iter();
    let mut bytes: Vec<u8> = head.chain(level.to_ne_bytes()).chain(kind.to_ne_bytes()).collect();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("8"))).collect()
}

fn rights(numbers: &[RawFd]) -> Vec<u64> {
    let payload: Vec<u8> = numbers.iter().flat_map(|fd| fd.to_ne_bytes()).collect();
    control(libc::SOL_SOCKET, libc::SCM_RIGHTS, &payload)
}

/// A header over one piece of data and some control bytes.
fn header(data: *mut iovec, control: *mut u64, len: usize) -> msghdr {
    // SAFETY: all zero is an empty header.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_iov = data;
    header.msg_iovlen = 1;
    header.msg_control = control.cast();
    header.msg_controllen = len;
    header
}

fn piece(data: &[u8]) -> iovec {
    iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() }
}

/// So many headers over the same parts: `[mmsghdr]`.
fn headers(count: usize, one: impl FnMut(usize) -> msghdr) -> Vec<mmsghdr> {
    (0..count).map(one).map(|msg_hdr| mmsghdr { msg_hdr, msg_len: 0 }).collect()
}

/// The numbers in received control bytes that start with `SCM_RIGHTS`.
///
/// # Safety
/// The kernel wrote them, or the first word is 0.
#[inline(always)]
unsafe fn numbers<'a>(room: *const u64) -> &'a [RawFd] {
    // SAFETY: the first word is the length.
    unsafe { slice::from_raw_parts(room.add(2).cast(), (*room as usize).saturating_sub(HEADER) / 4) }
}

/// A failed call gives an errno, which is negative.
#[inline(always)]
fn ok(ret: usize) -> Option<usize> {
    if (ret as isize) < 0 { None } else { Some(ret) }
}

/// Closes one by one, or each run of consecutive numbers by one call; a run can go on in the next list.
struct Closer<const RUNS: bool> {
    first: RawFd,
    /// Numbers in the run.
    length: usize,
}

impl<const RUNS: bool> Closer<RUNS> {
    const NEW: Self = Self { first: 0, length: 0 };

    #[inline(always)]
    fn close(&mut self, numbers: &[RawFd]) -> Option<()> {
        if !RUNS {
            // SAFETY: all of them were received and belong to the caller.
            return numbers.iter().try_for_each(|fd| ok(unsafe { syscall!(CLOSE, *fd) }).map(drop));
        }
        let mut rest = numbers;
        while let Some(first) = rest.first() {
            // All of them, nearly always.
            let wrong = rest.iter().zip(*first..).fold(0, |wrong, (fd, right)| wrong | (fd ^ right));
            let run = match wrong {
                0 => rest.len(),
                _ => rest.iter().zip(*first..).take_while(|(fd, right)| *fd == right).count(),
            };
            if self.first + self.length as RawFd != *first {
                self.end()?;
                self.first = *first;
            }
            self.length += run;
            rest = &rest[run..];
        }
        Some(())
    }

    #[inline(always)]
    fn end(&mut self) -> Option<()> {
        let last = self.first as usize + self.length.wrapping_sub(1);
        match std::mem::take(&mut self.length) {
            0 => {}
            // SAFETY: they were received and belong to the caller.
            1 => drop(ok(unsafe { syscall!(CLOSE, self.first) })?),
            // SAFETY: as above.
            _ => drop(ok(unsafe { syscall!(CLOSE_RANGE, self.first, last, 0) })?),
        }
        Some(())
    }
}

/// `sendmmsg` until all are sent.
#[inline(always)]
fn send_all(fd: RawFd, headers: &mut [mmsghdr]) -> Option<()> {
    for part in headers.chunks_mut(WIDTH) {
        // SAFETY: the headers are whole.
        let sent = ok(unsafe { syscall!(SENDMMSG, fd, part.as_mut_ptr(), part.len(), MSG_NOSIGNAL) })?;
        if sent != part.len() {
            return None;
        }
    }
    Some(())
}

/// `recvmmsg` until all are there; `room` is what each header has.
#[inline(always)]
fn receive_all(fd: RawFd, headers: &mut [mmsghdr], room: usize) -> Option<()> {
    for part in headers.chunks_mut(WIDTH) {
        part.iter_mut().for_each(|header| header.msg_hdr.msg_controllen = room);
        // SAFETY: the headers are whole.
        let got = ok(unsafe { syscall!(RECVMMSG, fd, part.as_mut_ptr(), part.len(), MSG_CMSG_CLOEXEC, 0) })?;
        if got != part.len() {
            return None;
        }
    }
    Some(())
}

impl<const RUNS: bool> Bare<RUNS> {
    /// A message out and back, with one descriptor or any number.
    fn one<J: Job, const ONE: bool>(stage: &Stage, job: J) -> Done {
        let mut control = rights(&stage.numbers());
        let mut data = [piece(stage.data)];
        let send = header(data.as_mut_ptr(), control.as_mut_ptr(), control[0] as usize);
        let mut room = [0_u64; ROOM];
        let mut byte = [0_u8];
        let mut space = [iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 }];
        let mut receive = header(space.as_mut_ptr(), room.as_mut_ptr(), 0);
        let (tx, rx) = (stage.tx.as_raw_fd(), stage.rx.as_raw_fd());
        job.go(
            // SAFETY: the header is whole.
            || ok(unsafe { syscall!(SENDMSG, tx, &raw const send, MSG_NOSIGNAL) }).map(drop),
            || {
                receive.msg_controllen = ROOM * 8;
                // SAFETY: the header is whole.
                ok(unsafe { syscall!(RECVMSG, rx, &raw mut receive, MSG_CMSG_CLOEXEC) })?;
                // SAFETY: the kernel has just written it.
                let fds = unsafe { numbers(receive.msg_control.cast()) };
                let fds = if ONE { fds.get(..1)? } else { fds };
                check::<J>(stage, fds.iter().copied());
                let mut closer = Closer::<RUNS>::NEW;
                closer.close(fds)?;
                closer.end()?;
                Some(fds.len())
            },
        )
    }

    /// `messages` messages out and back, by `sendmmsg` and `recvmmsg`; closed when all are there.
    fn many<J: Job>(stage: &Stage, messages: usize, job: J) -> Done {
        let mut control = rights(&stage.numbers());
        let (send_len, words) = (control[0] as usize, control.len());
        let mut data = [piece(stage.data)];
        let mut sends = headers(messages, |_| header(data.as_mut_ptr(), control.as_mut_ptr(), send_len));
        let mut rooms = vec![0_u64; words * messages];
        let mut bytes = [0_u8; 1];
        let mut space = [piece(&bytes)];
        space[0].iov_base = bytes.as_mut_ptr().cast();
        let start = rooms.as_mut_ptr();
        // SAFETY: `index` is under `messages`.
        let mut receives = headers(messages, |index| header(space.as_mut_ptr(), unsafe { start.add(index * words) }, 0));
        job.go(
            || send_all(stage.tx.as_raw_fd(), &mut sends),
            || {
                receive_all(stage.rx.as_raw_fd(), &mut receives, words * 8)?;
                let (mut closer, mut count) = (Closer::<RUNS>::NEW, 0);
                for header in &receives {
                    // SAFETY: the kernel has just written it.
                    let fds = unsafe { numbers(header.msg_hdr.msg_control.cast()) };
                    check::<J>(stage, fds.iter().copied());
                    closer.close(fds)?;
                    count += fds.len();
                }
                closer.end()?;
                Some(count)
            },
        )
    }
}

/// Copies one number, or any.
fn copy<W: Work, const ONE: bool>(fds: &[BorrowedFd<'_>], work: W) -> Done {
    let mut line = Line([0; MOST]);
    line.0.iter_mut().zip(fds).for_each(|(to, from)| *to = from.as_raw_fd());
    let numbers = &line.0[..fds.len()];
    let mut buf = Line([0_u64; ROOM]);
    buf.0.iter_mut().zip(rights(numbers)).for_each(|(to, from)| *to = from);
    work.go(|| {
        let numbers = black_box(numbers);
        let count = if ONE { 1 } else { numbers.len() };
        // SAFETY: there is room for the most.
        unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), buf.0.as_mut_ptr().add(2).cast(), count) };
        black_box(&mut buf);
        HEADER + 4 * count
    })
}

impl<const RUNS: bool> Contestant for Bare<RUNS> {
    const NAME: &'static str = if RUNS { "floor-close_range" } else { "floor" };

    fn pass<J: Job>(stage: &Stage, job: J) -> Option<Done> {
        Some(if stage.fds.len() == 1 { Self::one::<J, true>(stage, job) } else { Self::one::<J, false>(stage, job) })
    }

    fn batch<J: Job>(stage: &Stage, width: usize, job: J) -> Option<Done> {
        Some(Self::many(stage, width, job))
    }

    fn bulk<J: Job>(stage: &Stage, messages: usize, job: J) -> Option<Done> {
        Some(Self::many(stage, messages, job))
    }

    fn udp<J: Job>(stage: &UdpStage, job: J) -> Option<Done> {
        if RUNS {
            return None;
        }
        let payload: [[u8; 4]; 3] = [[0; 4], stage.address.to_ne_bytes(), [0; 4]];
        let mut control = control(libc::IPPROTO_IP, libc::IP_PKTINFO, &payload.concat());
        let len = control[0] as usize;
        let mut data: Vec<iovec> = stage.data.iter().map(|datagram| piece(datagram)).collect();
        let start = data.as_mut_ptr();
        // SAFETY: `index` is under DATAGRAMS, in all three.
        let mut sends = headers(DATAGRAMS, |index| header(unsafe { start.add(index) }, control.as_mut_ptr(), len));
        let mut bytes = [[0_u8; DATAGRAM]; DATAGRAMS];
        let mut rooms = [[0_u64; 4]; DATAGRAMS];
        let mut space = bytes.each_mut().map(|b| iovec { iov_base: b.as_mut_ptr().cast(), iov_len: DATAGRAM });
        let (start, room) = (space.as_mut_ptr(), rooms.as_mut_ptr());
        let at = |index| unsafe { header(start.add(index), room.add(index).cast(), 0) };
        let mut receives = headers(DATAGRAMS, at);
        Some(job.go(
            || send_all(stage.tx.as_raw_fd(), &mut sends),
            || {
                receive_all(stage.rx.as_raw_fd(), &mut receives, 32)?;
                let right = receives.iter().filter(|header| {
                    // SAFETY: the room was written by the kernel or is zero.
                    let info = unsafe { read_unaligned(header.msg_hdr.msg_control.cast::<u8>().add(HEADER).cast::<in_pktinfo>()) };
                    info.ipi_addr.s_addr == stage.address && header.msg_len as usize == DATAGRAM
                });
                Some(right.count())
            },
        ))
    }

    /// A copy of the numbers to behind a header that was made before: what no encoder can beat.
    fn encode<W: Work>(fds: &[BorrowedFd<'_>], work: W) -> Option<Done> {
        if RUNS {
            return None;
        }
        Some(if fds.len() == 1 { copy::<W, true>(fds, work) } else { copy::<W, false>(fds, work) })
    }

    /// Reads of places that are known before: no check at all.
    fn decode<W: Work>(message: &Message, work: W) -> Option<Done> {
        if RUNS {
            return None;
        }
        let bytes = message.bytes();
        Some(work.go(|| {
            let at = black_box(bytes.as_ptr());
            // SAFETY: the places of the only two messages there are.
            unsafe {
                if message.mixed {
                    let seconds = at.add(HEADER).cast::<i64>().read_unaligned() as usize;
                    let pid = at.add(32 + HEADER).cast::<u32>().read_unaligned() as usize;
                    let fd = at.add(64 + HEADER).cast::<i32>().read_unaligned() as usize;
                    let interface = at.add(88 + HEADER).cast::<i32>().read_unaligned() as usize;
                    seconds.wrapping_add(pid).wrapping_add(fd).wrapping_add(interface)
                } else {
                    at.add(HEADER).cast::<i32>().read_unaligned() as usize
                }
            }
        }))
    }
}

