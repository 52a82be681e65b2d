//! Turns one `recvmsg` into all that arrived.
//!
//! Laws: one call is one system call (law 4); what the kernel overwrites is rewritten before every call (law 6);
//! close-on-exec is always on (law 8).
//!
//! A [`RecvMsg`] keeps its buffers to itself, and is not used again while what it [`Received`] is there:
//! ```compile_fail,E0503
//! use scmsg::{IoSliceMut, RecvMsg};
//! let mut buf = [0; 8];
//! let mut data = [IoSliceMut::new(&mut buf)];
//! let mut message = RecvMsg::new(&mut data);
//! let peeked = buf[0];
//! message.as_mut_ptr();
//! ```
//! ```compile_fail,E0597
//! use scmsg::{IoSliceMut, RecvMsg};
//! let mut buf = [0; 8];
//! let mut message = {
//!     let mut data = [IoSliceMut::new(&mut buf)];
//!     RecvMsg::new(&mut data)
//! };
//! message.as_mut_ptr();
//! ```
//! ```compile_fail,E0502
//! use scmsg::{ControlBuf, RecvMsg};
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let control: &mut ControlBuf = &mut buf;
//! let mut message = RecvMsg::new(&mut []).control(control);
//! let peeked = control.as_bytes();
//! message.as_mut_ptr();
//! ```
//! ```compile_fail,E0597
//! use scmsg::{RecvMsg, SocketAddr};
//! let mut message = RecvMsg::new(&mut []);
//! {
//!     let mut addr = SocketAddr::unnamed();
//!     message = message.from(&mut addr);
//! }
//! message.as_mut_ptr();
//! ```
//! ```compile_fail,E0597
//! use scmsg::{BorrowedFd, IoSliceMut, RecvFlags, RecvMsg, recvmsg};
//! fn f(socket: BorrowedFd<'_>, data: &mut [IoSliceMut<'_>]) {
//!     let received = {
//!         let mut message = RecvMsg::new(data);
//!         recvmsg(socket, &mut message, RecvFlags::empty())
//!     };
//!     drop(received);
//! }
//! ```
//! ```compile_fail,E0499
//! use scmsg::{BorrowedFd, RecvFlags, RecvMsg, recvmsg};
//! fn f(socket: BorrowedFd<'_>, message: &mut RecvMsg<'_>) {
//!     let first = recvmsg(socket, message, RecvFlags::empty());
//!     let second = recvmsg(socket, message, RecvFlags::empty());
//!     drop((first, second));
//! }
//! ```
//! ```compile_fail,E0499
//! use scmsg::{BorrowedFd, RecvFlags, RecvMsg, recvmsg};
//! fn f(socket: BorrowedFd<'_>, message: &mut RecvMsg<'_>) {
//!     let mut pieces = recvmsg(socket, message, RecvFlags::empty()).unwrap().data();
//!     recvmsg(socket, message, RecvFlags::empty()).unwrap();
//!     pieces.next();
//! }
//! ```

use core::ffi::c_void;
use core::fmt;
use core::marker::PhantomData;
use core::ptr;
use core::slice;

use crate::addr::SocketAddr;
use crate::ancillary::Ancillary;
use crate::borrowed::AsFd;
use crate::encode::ControlBuf;
use crate::errno::Errno;
use crate::flags::{MsgFlags, RecvFlags};
use crate::io_slice::{IoSliceMut, iovec};
use crate::message::{Credentials, UnreadBytes};
use crate::numbers::{int, word};
use crate::raw::{self, msghdr};
use crate::send::pieces;

/// The most room for control messages that is asked for, in bytes. The kernel counts the slots it has room for in an `int`
/// (`scm_max_fds`, Linux 6.18), and finds none in 2^33 + 16 bytes.
const MOST_CONTROL: usize = 1 << 30;

/// Room for a message to receive; good for any number of receives, one after the other: [`Received`] borrows it, so it is
/// dropped (or goes out of scope) before the next.
///
/// Stack bytes: 64 (32 on 32-bit).
#[doc(alias = "msghdr")]
pub struct RecvMsg<'a> {
    header: msghdr,
    capacity: usize,
    borrows: PhantomData<&'a mut [u8]>,
}

// SAFETY: it holds unique borrows of bytes, which may be sent.
unsafe impl Send for RecvMsg<'_> {}

impl<'a> RecvMsg<'a> {
    /// Room for data, in order, at most 1024 pieces (`EMSGSIZE` above).
    #[inline]
    #[must_use]
    pub const fn new(data: &'a mut [IoSliceMut<'_>]) -> Self {
        // Not null, so that no control is an empty slice; the kernel reads nothing through it.
        let msg_control = ptr::NonNull::<c_void>::dangling().as_ptr();
        let header = msghdr { msg_iov: data.as_mut_ptr().cast(), msg_iovlen: data.len(), msg_control, ..msghdr::EMPTY };
        Self { header, capacity: 0, borrows: PhantomData }
    }

    /// Room for control messages. Without it none arrive, and descriptors that were sent are closed by the kernel.
    #[inline]
    #[must_use]
    pub const fn control(mut self, buf: &'a mut ControlBuf) -> Self {
        let bytes = buf.for_kernel();
        self.capacity = if bytes.len() < MOST_CONTROL { bytes.len() } else { MOST_CONTROL };
        self.header.msg_control = bytes.as_mut_ptr().cast();
        self
    }

    /// Uses at most `bytes` of the control buffer that [`control`](Self::control) has given. `CMSG_LEN(4 * n)` admits `n` descriptors and not one more.
    #[inline]
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        if bytes < self.capacity {
            self.capacity = bytes;
        }
        self
    }

    /// Asks for the sender's address, which [`Received::from`] lends.
    #[inline]
    #[must_use]
    pub const fn from(mut self, addr: &'a mut SocketAddr) -> Self {
        self.header.msg_name = ptr::from_mut(addr).cast();
        self
    }

    /// The header made ready for one receive, and the bytes of its control buffer: what a batch keeps.
    #[inline(always)]
    pub(crate) const fn into_parts(mut self) -> (msghdr, usize) {
        prepare(&mut self.header, self.capacity);
        (self.header, self.capacity)
    }

    /// The header made ready for one receive, for io_uring and raw calls: valid while `self` and what it borrows are.
    /// [`received`](Self::received) takes what arrived. An io_uring request carries flags of its own:
    /// [`RecvFlags::to_kernel`].
    #[inline]
    pub const fn as_mut_ptr(&mut self) -> *mut msghdr {
        prepare(&mut self.header, self.capacity);
        &raw mut self.header
    }

    /// Takes what a successful receive through [`as_mut_ptr`](Self::as_mut_ptr) delivered.
    ///
    /// # Safety
    /// The kernel completed one receive of `bytes` bytes into this header since the last call of `as_mut_ptr`, in the
    /// native layout, and nothing has owned its descriptors yet.
    #[inline]
    pub unsafe fn received(&mut self, bytes: usize) -> Received<'_> {
        let room = Room::of(&self.header, self.capacity);
        // SAFETY: the header is this message's, and the caller vouches for the receive.
        unsafe { received(&mut self.header, room, bytes) }
    }
}

/// Rewrites what a receive overwrites (law 6).
#[inline(always)]
pub(crate) const fn prepare(header: &mut msghdr, capacity: usize) {
    header.msg_controllen = capacity;
    // Not read, nor written, where `msg_name` is null.
    header.msg_namelen = int(SocketAddr::CAPACITY);
}

/// What a header had before the kernel wrote to it, and has still: no receive changes these. Read before the call, they are
/// values the compiler knows.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    name: *mut SocketAddr,
    control: *mut u8,
    capacity: usize,
}

impl Room {
    /// That of a header whose control buffer has `capacity` bytes.
    #[inline(always)]
    pub(crate) const fn of(header: &msghdr, capacity: usize) -> Self {
        Self { name: header.msg_name.cast(), control: header.msg_control.cast(), capacity }
    }
}

/// Makes the address, if one was asked for, as long as what the kernel wrote, and puts back what that overwrote.
///
/// # Safety
/// `name` is that of a [`RecvMsg`] whose borrows have not ended, and nothing else borrows the address now.
#[inline(always)]
pub(crate) unsafe fn name_arrived(header: &mut msghdr, name: *mut SocketAddr) {
    // SAFETY: `name` is null or came from a unique borrow of an address, which the caller says is still there and free.
    if let Some(addr) = unsafe { name.as_mut() } {
        addr.set_len(word(header.msg_namelen));
        header.msg_namelen = int(SocketAddr::CAPACITY);
    }
}

/// What a receive wrote into its header. Taken out of it, so that the header can be made ready again at once.
pub(crate) struct Arrived {
    bytes: usize,
    controllen: usize,
    flags: MsgFlags,
}

impl Arrived {
    /// Of a receive of `bytes` bytes into `header`.
    #[inline(always)]
    pub(crate) const fn of(header: &msghdr, bytes: usize) -> Self {
        Self { bytes, controllen: header.msg_controllen, flags: MsgFlags::from_kernel(header.msg_flags) }
    }

    /// All that arrived. The address has been seen to by [`name_arrived`].
    ///
    /// # Safety
    /// Header and room are those of a [`RecvMsg`] whose borrows last for `'b`; this is what one receive into it, in the native
    /// layout, has written, and nothing has owned its descriptors yet.
    #[inline(always)]
    pub(crate) unsafe fn received<'b>(self, header: &'b mut msghdr, room: Room) -> Received<'b> {
        let written = self.controllen.min(room.capacity);
        // SAFETY: the pointer came from a unique borrow of initialised bytes, `capacity` of them or more, that lasts as long
        // as the header's, and the header is uniquely borrowed for as long as the slice lives.
        let control = unsafe { slice::from_raw_parts_mut(room.control, written) };
        // SAFETY: the caller vouches that the kernel wrote these bytes and that nothing owns their descriptors.
        let control = unsafe { Ancillary::from_kernel(control, room.capacity, self.flags) };
        Received { bytes: self.bytes, flags: self.flags, control, header }
    }
}

/// Takes what a receive of `bytes` bytes delivered into `header`, which has this `room`.
///
/// # Safety
/// Header and room are those of a [`RecvMsg`] whose borrows last for `'b`; the kernel completed one receive into it
/// since it was prepared, in the native layout, and nothing has owned its descriptors yet.
#[inline(always)]
unsafe fn received(header: &mut msghdr, room: Room, bytes: usize) -> Received<'_> {
    // SAFETY: the borrow of the address is the header's, which is uniquely borrowed.
    unsafe { name_arrived(header, room.name) };
    // SAFETY: the caller vouches for header, room and receive.
    unsafe { Arrived::of(header, bytes).received(header, room) }
}

impl fmt::Debug for RecvMsg<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)
    }
}

/// All that one receive delivered. Dropping it closes the descriptors that were not taken from
/// [`control`](Self::control).
#[must_use = "dropping it closes the descriptors that arrived"]
#[derive(Debug)]
pub struct Received<'b> {
    /// Data bytes. With [`RecvFlags::TRUNC`] the full length of a datagram, which can be more than the buffers hold.
    pub bytes: usize,
    /// What the kernel reported.
    pub flags: MsgFlags,
    /// The control messages, and the owner of every descriptor.
    pub control: Ancillary<'b>,
    header: &'b msghdr,
}

// SAFETY: it is a unique borrow of a `RecvMsg`, which may be sent.
unsafe impl Send for Received<'_> {}

impl<'b> Received<'b> {
    /// The data, piece by piece, never past what was written.
    #[inline]
    #[must_use]
    pub fn data(&self) -> Data<'b> {
        Data { pieces: pieces(self.header).iter(), left: self.bytes }
    }

    /// The sender's address, if it was asked for ([`RecvMsg::from`]) and the socket reports one: streams and seqpacket
    /// do not, nor does a datagram from a socket without a name.
    #[inline]
    #[must_use]
    pub fn from(&self) -> Option<&'b SocketAddr> {
        // SAFETY: the pointer is null or came from a unique borrow of an address that lasts for 'b; the kernel has written
        // it and is done, and only shared references are given out while 'b lasts.
        let addr = unsafe { self.header.msg_name.cast::<SocketAddr>().as_ref() }?;
        if addr.len() == 0 { None } else { Some(addr) }
    }

    /// Who sent this, by the credentials that came with it (`SO_PASSCRED`). `None` if none came, and for the kernel's
    /// filler with pid 0, which is no sender even though its uid 0 looks like root: see [`Credentials`].
    #[inline]
    #[must_use]
    pub fn sender(&self) -> Option<Credentials> {
        self.control.get::<Credentials>().ok()?.filter(|sender| sender.pid.is_some())
    }

    /// Whether nothing arrived although there was room for data: no byte, and no control message but the kernel's filler
    /// (credentials with pid 0, zero unread bytes). On a stream or a seqpacket connection the peer is gone; on packets it
    /// can also have been an empty message that carried nothing.
    ///
    /// `false` if anything was truncated, because what is missing can have been descriptors. So a stream with `SO_PASSCRED`
    /// needs room for credentials: without it, even the end is truncated, and only [`bytes`](Self::bytes) says it.
    #[inline]
    #[must_use]
    pub fn is_end(&self) -> bool {
        let room = pieces(self.header).iter().any(|piece| piece.iov_len != 0);
        let filler = |m: crate::decode::Cmsg<'_>| {
            matches!(m.get::<Credentials>(), Ok(Some(c)) if c.pid.is_none())
                || matches!(m.get::<UnreadBytes>(), Ok(Some(UnreadBytes(0))))
        };
        let lost = self.flags.intersects(MsgFlags::CTRUNC | MsgFlags::TRUNC | MsgFlags::ERRQUEUE);
        self.bytes == 0 && room && !lost && self.control.messages().all(|m| m.is_ok_and(filler))
    }
}

/// The data of a received message, piece by piece: made by [`Received::data`].
#[derive(Clone, Debug)]
pub struct Data<'b> {
    pieces: slice::Iter<'b, iovec>,
    left: usize,
}

impl<'b> Iterator for Data<'b> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        if self.left == 0 {
            return None;
        }
        let piece = self.pieces.next()?;
        let len = piece.iov_len.min(self.left);
        self.left = self.left.saturating_sub(len);
        // SAFETY: the piece came from a unique borrow of initialised bytes that lasts for 'b, and only shared references
        // are given out while the receive's result lives.
        Some(unsafe { slice::from_raw_parts(piece.iov_base, len) })
    }
}

impl core::iter::FusedIterator for Data<'_> {}

/// `recvmsg(2)`, once. Truncation is not an error: [`Received`] reports it, and what did arrive is there.
///
/// `MSG_CMSG_CLOEXEC` (2.6.23) is added and bit 31 cleared. Linux 2.0.
///
/// # Errors
/// Nothing has arrived then, and no descriptor was opened.
///
/// | errno | when |
/// |---|---|
/// | `EAGAIN` | nothing there, and [`RecvFlags::DONTWAIT`], a nonblocking socket, or `SO_RCVTIMEO` |
/// | `EBADF`, `ENOTSOCK` | not from this call with std's or this crate's sockets |
/// | `ECONNREFUSED` | a datagram sent earlier found no receiver (inet) |
/// | `ECONNRESET` | the peer closed with unread data |
/// | `EINTR` | a signal came first |
/// | `EINVAL` | [`RecvFlags::OOB`] with no out-of-band byte; a listening socket; a unix stream without a peer |
/// | `EOPNOTSUPP` | [`RecvFlags::OOB`] on a unix datagram |
/// | `EMSGSIZE` | over 1024 pieces |
/// | `ENOTCONN` | the socket has no peer |
#[inline]
pub fn recvmsg<'b, S: AsFd>(socket: S, message: &'b mut RecvMsg<'_>, flags: RecvFlags) -> Result<Received<'b>, Errno> {
    let room = Room::of(&message.header, message.capacity);
    let header = message.as_mut_ptr();
    // SAFETY: the header and all it points to are uniquely borrowed by `message`.
    let bytes = unsafe { raw::recvmsg(socket.as_fd().as_raw_fd(), header, flags.to_kernel()) }?;
    // SAFETY: one receive has just completed into this header.
    Ok(unsafe { received(&mut message.header, room, bytes) })
}
