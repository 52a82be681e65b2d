//! Names the flag bits of a send, of a receive, and of what a receive reports: three sets, three types.
//!
//! Law 8: the safe calls add `MSG_NOSIGNAL` to every send and `MSG_CMSG_CLOEXEC` to every receive, and clear bit 31
//! (`MSG_CMSG_COMPAT`), which would make a kernel read the control buffer in the 32-bit format.

#![forbid(unsafe_code)]

use core::fmt;

use linux_raw_sys::net;

use crate::numbers::{MSG_CMSG_COMPAT, MSG_FASTOPEN, MSG_WAITFORONE, MSG_ZEROCOPY};

/// Flags of `sendmsg(2)`. `MSG_NOSIGNAL` is always added; an unknown bit goes to the kernel, bit 31 never does.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct SendFlags(u32);

/// Flags of `recvmsg(2)`. `MSG_CMSG_CLOEXEC` is always added; an unknown bit goes to the kernel, bit 31 never does.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct RecvFlags(u32);

/// What the kernel reported in `msg_flags` of a received message.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct MsgFlags(u32);

// `impl` mode: the struct form would compile eight ways of printing and reading each type into this crate.
bitflags::bitflags! {
    impl SendFlags: u32 {
        /// Do not wait for room: fail with `EAGAIN`.
        #[doc(alias = "MSG_DONTWAIT")]
        const DONTWAIT = net::MSG_DONTWAIT;
        /// End of record. Unix sockets ignore it.
        #[doc(alias = "MSG_EOR")]
        const EOR = net::MSG_EOR;
        /// More data follows (TCP, UDP, kTLS).
        #[doc(alias = "MSG_MORE")]
        const MORE = net::MSG_MORE;
        /// The last byte is out-of-band (TCP; unix streams since Linux 5.15). **Descriptors that go with a single byte are
        /// destroyed when the receiver skips it**, and it cannot tell.
        #[doc(alias = "MSG_OOB")]
        const OOB = net::MSG_OOB;
        /// Only to directly connected networks.
        #[doc(alias = "MSG_DONTROUTE")]
        const DONTROUTE = net::MSG_DONTROUTE;
        /// The link layer may take this as progress of the peer.
        #[doc(alias = "MSG_CONFIRM")]
        const CONFIRM = net::MSG_CONFIRM;
        /// Do not copy the data; completion comes on the error queue (Linux 4.14, needs `SO_ZEROCOPY`). The memory
        /// must not change until then, which this crate cannot see; so nothing here sets `SO_ZEROCOPY`, without which the flag
        /// does nothing.
        #[doc(alias = "MSG_ZEROCOPY")]
        const ZEROCOPY = MSG_ZEROCOPY;
        /// Connect and send at once (TCP, Linux 3.6).
        #[doc(alias = "MSG_FASTOPEN")]
        const FASTOPEN = MSG_FASTOPEN;
        const _ = !0;
    }

    impl RecvFlags: u32 {
        /// Do not wait for data: fail with `EAGAIN`.
        #[doc(alias = "MSG_DONTWAIT")]
        const DONTWAIT = net::MSG_DONTWAIT;
        /// Leave the message in the queue. Every peek at a message with descriptors opens them anew.
        #[doc(alias = "MSG_PEEK")]
        const PEEK = net::MSG_PEEK;
        /// Report the full length of a datagram even when the buffers are shorter. TCP throws the data away instead: the
        /// buffers are not written, and [`Received::data`](crate::Received::data) lends them as they were.
        #[doc(alias = "MSG_TRUNC")]
        const TRUNC = net::MSG_TRUNC;
        /// Wait until the buffers are full (streams); it does not cross a message that carried descriptors.
        #[doc(alias = "MSG_WAITALL")]
        const WAITALL = net::MSG_WAITALL;
        /// Take the out-of-band byte. Descriptors sent with it are never delivered this way.
        #[doc(alias = "MSG_OOB")]
        const OOB = net::MSG_OOB;
        /// Take from the error queue.
        #[doc(alias = "MSG_ERRQUEUE")]
        const ERRQUEUE = net::MSG_ERRQUEUE;
        /// Wait for the first message only ([`recvmmsg`](crate::recvmmsg), Linux 2.6.34).
        #[doc(alias = "MSG_WAITFORONE")]
        const WAITFORONE = MSG_WAITFORONE;
        const _ = !0;
    }

    impl MsgFlags: u32 {
        /// End of record.
        #[doc(alias = "MSG_EOR")]
        const EOR = net::MSG_EOR;
        /// The datagram was longer than the buffers; the rest is gone.
        #[doc(alias = "MSG_TRUNC")]
        const TRUNC = net::MSG_TRUNC;
        /// Control messages or descriptors are missing; [`Ancillary::truncation`](crate::Ancillary::truncation) says
        /// why where it can be known.
        #[doc(alias = "MSG_CTRUNC")]
        const CTRUNC = net::MSG_CTRUNC;
        /// Out-of-band data.
        #[doc(alias = "MSG_OOB")]
        const OOB = net::MSG_OOB;
        /// This came from the error queue.
        #[doc(alias = "MSG_ERRQUEUE")]
        const ERRQUEUE = net::MSG_ERRQUEUE;
        const _ = !0;
    }
}

/// Prints a set as its type and the names of its flags.
#[inline]
pub(crate) fn named<F: bitflags::Flags<Bits: bitflags::parser::WriteHex>>(
    name: &str,
    flags: &F,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "{name}(")?;
    bitflags::parser::to_writer(flags, &mut *f)?;
    f.write_str(")")
}

impl fmt::Debug for SendFlags {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named("SendFlags", self, f)
    }
}

impl fmt::Debug for RecvFlags {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named("RecvFlags", self, f)
    }
}

impl fmt::Debug for MsgFlags {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named("MsgFlags", self, f)
    }
}

impl SendFlags {
    /// The bits a safe send hands to the kernel, for io_uring and raw calls, whose flags are words of their own: with
    /// `MSG_NOSIGNAL` and without bit 31. A 64-bit io_uring takes bit 31 and then reads the control bytes in the 32-bit
    /// format.
    #[inline(always)]
    #[must_use]
    pub const fn to_kernel(self) -> u32 {
        (self.bits() | net::MSG_NOSIGNAL) & !MSG_CMSG_COMPAT
    }
}

impl RecvFlags {
    /// The bits a safe receive hands to the kernel, for io_uring and raw calls, whose flags are words of their own: with
    /// `MSG_CMSG_CLOEXEC` and without bit 31.
    #[inline(always)]
    #[must_use]
    pub const fn to_kernel(self) -> u32 {
        (self.bits() | net::MSG_CMSG_CLOEXEC) & !MSG_CMSG_COMPAT
    }
}

impl MsgFlags {
    /// What the kernel wrote to `msg_flags` (or to the header of an io_uring multishot receive), less the request flag that
    /// it echoes.
    #[inline(always)]
    #[must_use]
    pub const fn from_kernel(bits: u32) -> Self {
        Self::from_bits_retain(bits & !net::MSG_CMSG_CLOEXEC)
    }
}
