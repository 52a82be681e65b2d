//! Turns data, control messages and an address into one `sendmsg`.
//!
//! Laws: one call is one system call (law 4); no `SIGPIPE`, ever (law 8); descriptors without data need an explicit call
//! (law 10).
//!
//! A [`SendMsg`] cannot outlive its data, its control messages or the descriptors in them, or its address:
//! ```compile_fail,E0597
//! use scmsg::{IoSlice, SendMsg};
//! let message = {
//!     let data = [IoSlice::new(b"bytes that stay")];
//!     SendMsg::new(&data)
//! };
//! message.as_ptr();
//! ```
//! ```compile_fail,E0597
//! use scmsg::{IoSlice, SendMsg};
//! let mut data = [IoSlice::new(b"")];
//! {
//!     let bytes = [1, 2, 3];
//!     data = [IoSlice::new(&bytes)];
//! }
//! SendMsg::new(&data).as_ptr();
//! ```
//! ```compile_fail,E0597
//! use scmsg::{ControlBuf, Encoder, SendMsg};
//! let mut message = SendMsg::new(&[]);
//! {
//!     let mut buf = ControlBuf::<[u8; 64]>::new();
//!     let encoder = Encoder::new(&mut buf);
//!     message = message.control_on_packets(&encoder);
//! }
//! message.as_ptr();
//! ```
//! ```compile_fail,E0505
//! use scmsg::{AsFd, ControlBuf, Encoder, IoSlice, SendMsg, SocketFlags, SocketType, close, socketpair};
//! let (fd, _other) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let mut encoder = Encoder::new(&mut buf);
//! encoder.push_rights(&[fd.as_fd()]).unwrap();
//! let data = [IoSlice::new(b"x")];
//! let message = SendMsg::new(&data).control(&encoder).unwrap();
//! close(fd).unwrap();
//! message.as_ptr();
//! ```
//! ```compile_fail,E0597
//! use scmsg::{SendMsg, SocketAddr};
//! let mut message = SendMsg::new(&[]);
//! {
//!     let addr = SocketAddr::unix(b"/run/broker").unwrap();
//!     message = message.to(&addr);
//! }
//! message.as_ptr();
//! ```

use core::fmt;
use core::marker::PhantomData;
use core::slice;

use crate::addr::SocketAddr;
use crate::borrowed::AsFd;
use crate::control::Control;
use crate::errno::Errno;
use crate::flags::SendFlags;
use crate::io_slice::{IoSlice, iovec};
use crate::numbers::int;
use crate::raw::{self, msghdr};

/// Descriptors were to be sent without a data byte. A stream would take them and throw them away in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoData {
    /// Descriptors that would have been lost.
    pub descriptors: usize,
}

impl fmt::Display for NoData {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} descriptors without a data byte: a stream would lose them", self.descriptors)
    }
}

impl core::error::Error for NoData {}

/// A message to send: laid out as the kernel's `msghdr`, and good for any number of sends.
///
/// Stack bytes: 56 (28 on 32-bit).
///
/// # Examples
/// Two pieces of data and no control:
/// ```
/// use scmsg::{IoSlice, SendFlags, SendMsg, SocketFlags, SocketType, sendmsg, socketpair};
///
/// let (a, _b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
/// let sent = sendmsg(&a, &SendMsg::new(&[IoSlice::new(b"one"), IoSlice::new(b"two")]), SendFlags::empty())?;
/// assert_eq!(sent, 6);
/// # Ok::<(), scmsg::Errno>(())
/// ```
#[derive(Clone)]
#[repr(transparent)]
#[doc(alias = "msghdr")]
pub struct SendMsg<'a> {
    header: msghdr,
    borrows: PhantomData<&'a [u8]>,
}

// SAFETY: it holds shared borrows of bytes that nothing changes for 'a.
unsafe impl Send for SendMsg<'_> {}
// SAFETY: a shared one is only read.
unsafe impl Sync for SendMsg<'_> {}

impl<'a> SendMsg<'a> {
    /// A message with this data, at most 1024 pieces (`EMSGSIZE` above).
    #[inline]
    #[must_use]
    pub const fn new(data: &'a [IoSlice<'a>]) -> Self {
        let header =
            msghdr { msg_iov: data.as_ptr().cast::<iovec>().cast_mut(), msg_iovlen: data.len(), ..msghdr::EMPTY };
        Self { header, borrows: PhantomData }
    }

    /// Adds control messages.
    ///
    /// # Errors
    /// [`NoData`] if they carry descriptors and the data is empty.
    #[inline]
    pub fn control<C: Into<Control<'a>>>(self, control: C) -> Result<Self, NoData> {
        let control = control.into();
        if control.descriptors() != 0 && self.is_empty() {
            return Err(NoData { descriptors: control.descriptors() });
        }
        Ok(self.control_on_packets(control))
    }

    /// Adds control messages, without asking for data: for datagram and seqpacket sockets, which deliver descriptors
    /// with zero data bytes. **On a stream, zero data bytes lose all control messages in silence.**
    #[inline]
    #[must_use]
    pub fn control_on_packets<C: Into<Control<'a>>>(mut self, control: C) -> Self {
        let bytes = control.into().as_bytes();
        self.header.msg_control = bytes.as_ptr().cast_mut().cast();
        self.header.msg_controllen = bytes.len();
        self
    }

    /// Sets the destination, for sockets that are not connected.
    #[inline]
    #[must_use]
    pub fn to(mut self, addr: &'a SocketAddr) -> Self {
        self.header.msg_name = addr.as_bytes().as_ptr().cast_mut().cast();
        self.header.msg_namelen = int(addr.len());
        self
    }

    /// Whether there is no data byte.
    #[inline]
    fn is_empty(&self) -> bool {
        // Most messages have one piece; asked for itself, no loop is left where that is known when compiled.
        let none = |piece: &iovec| piece.iov_len == 0;
        pieces(&self.header).split_first().is_none_or(|(first, rest)| none(first) && rest.iter().all(none))
    }

    /// The header: what a batch keeps.
    #[inline(always)]
    pub(crate) const fn into_header(self) -> msghdr {
        self.header
    }

    /// The header, for io_uring and raw calls: valid while `self` and what it borrows are. An io_uring request carries
    /// flags of its own: [`SendFlags::to_kernel`].
    #[inline]
    #[must_use]
    pub const fn as_ptr(&self) -> *const msghdr {
        &raw const self.header
    }
}

impl fmt::Debug for SendMsg<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)
    }
}

/// The `iovec`s of a header made from a slice of [`IoSlice`] or [`IoSliceMut`].
#[inline(always)]
pub(crate) fn pieces(header: &msghdr) -> &[iovec] {
    // SAFETY: both kinds of message take pointer and length from a slice that they keep borrowed, and whose elements are
    // laid out as `iovec`.
    unsafe { slice::from_raw_parts(header.msg_iov, header.msg_iovlen) }
}

/// `sendmsg(2)`, once: the number of data bytes sent, which on a stream can be fewer than given. Descriptors go with the
/// first of them.
///
/// `MSG_NOSIGNAL` is added and bit 31 cleared. Sending does not close the sender's descriptors. **Only unix sockets deliver
/// descriptors: internet sockets take `SCM_RIGHTS` and ignore it.** Linux 2.0.
///
/// # Errors
/// | errno | when |
/// |---|---|
/// | `EAGAIN` | no room, and [`SendFlags::DONTWAIT`] or a nonblocking socket |
/// | `EBADF` | the socket or a descriptor in the message is not open |
/// | `ECONNREFUSED` | the peer of a datagram socket is gone |
/// | `ECONNRESET`, `EPIPE` | the peer of a stream or seqpacket is gone |
/// | `EFAULT`, `ENOTSOCK` | not from this call with std's or this crate's sockets |
/// | `EINTR` | a signal came first; nothing was sent |
/// | `EINVAL` | over 253 descriptors, an io_uring descriptor (6.7), or a message this socket does not take |
/// | `EISCONN`, `EOPNOTSUPP` | an address on a connected or stream socket; [`SendFlags::OOB`] on a datagram |
/// | `EMSGSIZE` | the datagram is longer than the socket's send buffer; over 1024 pieces |
/// | `ENOBUFS` | control bytes reach `net.core.optmem_max` (131 072; 20 480 before about 6.8); `ENOMEM` from a 32-bit process |
/// | `ENOENT`, `EACCES`, `EPROTOTYPE` | the path in the address is not there, may not be written, or is a socket of another type |
/// | `ENOMEM` | no memory |
/// | `ENOTCONN`, `EDESTADDRREQ` | no peer and no address |
/// | `EPERM` | credentials that are not the sender's; the receiver refuses descriptors (`SO_PASSRIGHTS` off, 6.16) |
/// | `ESRCH` | credentials with a pid that does not exist |
/// | `ETOOMANYREFS` | over `RLIMIT_NOFILE` descriptors of this user are in flight, without `CAP_SYS_RESOURCE` or `CAP_SYS_ADMIN` |
#[inline]
pub fn sendmsg<S: AsFd>(socket: S, message: &SendMsg<'_>, flags: SendFlags) -> Result<usize, Errno> {
    // SAFETY: the header and all it points to are borrowed by `message`; control bytes were built by an `Encoder`, whose
    // descriptors are borrowed, or vouched for by an unsafe constructor.
    unsafe { raw::sendmsg(socket.as_fd().as_raw_fd(), message.as_ptr(), flags.to_kernel()) }
}
