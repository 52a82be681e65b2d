//! Turns control messages into the bytes the kernel reads: level, type, payload into a [`ControlBuf`].
//!
//! Laws: a message is encoded completely or the buffer is unchanged, and the error says how much was missing (law 2);
//! padding is zeroed, whatever the buffer held; the bytes end exactly at the last payload byte (law 10), because a
//! 32-bit process on a 64-bit kernel has any trailing byte read as another header.
//!
//! Safe code cannot forge a descriptor through a message of its own:
//! ```compile_fail,E0080
//! use scmsg::{ControlBuf, Encode, Encoder, Message};
//! struct Forged(i32);
//! impl Message for Forged {
//!     const LEVEL: i32 = 2 - 1; // SOL_SOCKET
//!     const TYPE: i32 = 3 / 3; // SCM_RIGHTS
//! }
//! impl Encode for Forged {
//!     fn payload_len(&self) -> usize { 4 }
//!     fn encode(&self, out: &mut [u8]) { out.copy_from_slice(&self.0.to_ne_bytes()) }
//! }
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let _ = Encoder::new(&mut buf).push(&Forged(3));
//! ```
//! `refused`, below, lists all that do not compile.

#![forbid(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;

use linux_raw_sys::net;

use crate::borrowed::{BorrowedFd, copy_numbers};
use crate::layout::{CMSG_ALIGN, CMSG_HEADER, CMSG_LEN};
use crate::numbers::{SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET, int};
use crate::traits::{Encode, Message};

/// Control bytes, aligned for any header, zeroed when made. `N` disappears at the first borrow: everything takes
/// `&mut ControlBuf` and accepts every size.
///
/// Stack bytes: `N` rounded up to 8. The capacity is exactly `N`.
#[derive(Clone, Debug)]
#[repr(C, align(8))]
pub struct ControlBuf<B: ?Sized = [u8]> {
    bytes: B,
}

impl<const N: usize> ControlBuf<[u8; N]> {
    /// A zeroed buffer of `N` bytes, usable in a `static`.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; N] }
    }
}

impl<const N: usize> Default for ControlBuf<[u8; N]> {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl<B: ?Sized + AsRef<[u8]> + AsMut<[u8]>> ControlBuf<B> {
    /// The bytes, whatever they are now.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The bytes, to fill at will. Writing here sends nothing and forges nothing: bytes reach the kernel only through an
    /// [`Encoder`], which starts from an empty buffer, or through unsafe code.
    #[inline]
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        self.bytes.as_mut()
    }
}

impl ControlBuf {
    /// The bytes, for a receive.
    #[inline]
    pub(crate) const fn for_kernel(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// There is no room: the message needs `need` bytes, padding before it included, and `left` are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoSpace {
    /// Bytes of space the message needs.
    pub need: usize,
    /// Bytes of space that are left.
    pub left: usize,
}

impl NoSpace {
    /// How many bytes the buffer is too small.
    #[inline]
    #[must_use]
    pub const fn missing(self) -> usize {
        self.need.saturating_sub(self.left)
    }
}

impl fmt::Display for NoSpace {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control buffer too small: {} bytes needed, {} left", self.need, self.left)
    }
}

impl core::error::Error for NoSpace {}

/// Whether a message type may be sent by safe code: none that could name a descriptor or an address.
///
/// `SOL_SOCKET` is a list of what is known to be plain numbers, because the kernel may give any other type there a
/// meaning later. `SOL_RDS` types 1, 3 and 6 to 9 carry addresses that the kernel writes through.
const fn safe_to_send(level: i32, kind: i32) -> bool {
    if level == SOL_SOCKET {
        kind == SCM_CREDENTIALS
            || kind == int(net::SO_MARK)
            || kind == int(net::SO_PRIORITY)
            || kind == int(net::SO_TIMESTAMPING_OLD)
            || kind == int(net::SO_TIMESTAMPING_NEW)
            || kind == int(net::SCM_TXTIME)
            || kind == int(net::SCM_TS_OPT_ID)
    } else if level == int(net::SOL_RDS) {
        !(kind == 1 || kind == 3 || (kind >= 6 && kind <= 9))
    } else {
        true
    }
}

/// Writes control messages into a buffer, from its start. Reusing the buffer is making a new `Encoder`; nothing needs to
/// be finished.
///
/// # Examples
/// ```
/// use scmsg::{CMSG_SPACE, ControlBuf, Encoder, NoSpace};
///
/// let mut buf = ControlBuf::<[u8; CMSG_SPACE(4)]>::new();
/// let mut control = Encoder::new(&mut buf);
/// assert_eq!(control.push_rights(&[])?.as_bytes().len(), scmsg::CMSG_LEN(0));
/// # Ok::<(), NoSpace>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'buf, 'fd> {
    buf: &'buf mut [u8],
    used: usize,
    descriptors: usize,
    fds: PhantomData<BorrowedFd<'fd>>,
}

impl<'buf, 'fd> Encoder<'buf, 'fd> {
    /// An empty encoder over `buf`, whose old contents do not matter.
    #[inline]
    #[must_use]
    pub const fn new(buf: &'buf mut ControlBuf) -> Self {
        Self { buf: &mut buf.bytes, used: 0, descriptors: 0, fds: PhantomData }
    }

    /// What has been encoded: up to the last payload byte.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buf.get(..self.used).unwrap_or_default()
    }

    /// What has been encoded, for as long as the buffer is borrowed.
    #[inline]
    pub(crate) fn into_bytes(self) -> &'buf [u8] {
        self.buf.get(..self.used).unwrap_or_default()
    }

    /// Descriptors in the messages pushed so far.
    #[inline]
    #[must_use]
    pub const fn descriptors(&self) -> usize {
        self.descriptors
    }

    /// Appends a message.
    ///
    /// # Errors
    /// [`NoSpace`] if it does not fit; nothing has changed then.
    ///
    /// A type that could name a descriptor or an address does not compile; [`push_rights`](Self::push_rights) takes
    /// descriptors.
    #[inline]
    pub fn push<M: Encode>(&mut self, message: &M) -> Result<&mut Self, NoSpace> {
        const { assert!(safe_to_send(M::LEVEL, M::TYPE), "this control message may not be sent by safe code") };
        self.append(M::LEVEL, M::TYPE, message.payload_len(), 0, |out| {
            out.fill(0);
            message.encode(out);
        })
    }

    /// Appends one `SCM_RIGHTS` with these descriptors, in this order. The descriptors stay borrowed until the message
    /// is sent.
    ///
    /// The kernel takes at most 253 in one message (`EINVAL` above), counting all `SCM_RIGHTS` in it.
    ///
    /// # Errors
    /// [`NoSpace`] if it does not fit; nothing has changed then.
    #[doc(alias = "SCM_RIGHTS")]
    #[inline]
    pub fn push_rights(&mut self, fds: &[BorrowedFd<'fd>]) -> Result<&mut Self, NoSpace> {
        self.append(SOL_SOCKET, SCM_RIGHTS, size_of_val(fds), fds.len(), |out| copy_numbers(fds, out))
    }

    /// [`push_rights`](Self::push_rights) for an array, without a call of `memcpy` whatever `N` is: for programs that have no
    /// such function. The other method copies, which is a call from about 32 descriptors on and where their number is not
    /// known when it is compiled, and faster there.
    ///
    /// # Errors
    /// [`NoSpace`] if it does not fit; nothing has changed then.
    #[inline]
    pub fn push_rights_array<const N: usize>(&mut self, fds: &[BorrowedFd<'fd>; N]) -> Result<&mut Self, NoSpace> {
        self.append(SOL_SOCKET, SCM_RIGHTS, N.saturating_mul(4), N, |mut out| {
            for fd in fds {
                let Some((slot, rest)) = out.split_first_chunk_mut() else { return };
                // No descriptor has the sign bit; that it is cleared is what keeps this from being a plain copy.
                *slot = (fd.as_raw_fd() & i32::MAX).to_ne_bytes();
                out = rest;
            }
        })
    }

    /// The one way bytes are appended: all of the message or nothing.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        level: i32,
        kind: i32,
        payload: usize,
        descriptors: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<&mut Self, NoSpace> {
        let free = self.buf.get_mut(self.used..).unwrap_or_default();
        let padding = CMSG_ALIGN(self.used).wrapping_sub(self.used);
        let len = CMSG_LEN(payload);
        let need = padding.saturating_add(len);
        let left = free.len();
        let refused = NoSpace { need, left };
        let (pad, out) = free.get_mut(..need).and_then(|f| f.split_at_mut_checked(padding)).ok_or(refused)?;
        let (header, out) = out.split_at_mut_checked(CMSG_HEADER).ok_or(refused)?;
        pad.fill(0);
        let (cmsg_len, header) = header.split_first_chunk_mut().ok_or(refused)?;
        let (cmsg_level, header) = header.split_first_chunk_mut().ok_or(refused)?;
        let cmsg_type = header.first_chunk_mut().ok_or(refused)?;
        *cmsg_len = len.to_ne_bytes();
        *cmsg_level = level.to_ne_bytes();
        *cmsg_type = kind.to_ne_bytes();
        write(out);
        self.used = self.used.wrapping_add(need);
        self.descriptors = self.descriptors.wrapping_add(descriptors);
        Ok(self)
    }
}

/// One control message with a fixed payload, encoded at compile time: it can be a `static`, and costs nothing to send.
///
/// # Examples
/// ```
/// use scmsg::{CMSG_LEN, FixedControl, IoSlice, Message, SendMsg};
///
/// struct Mark;
/// impl Message for Mark {
///     const LEVEL: i32 = 1; // SOL_SOCKET
///     const TYPE: i32 = 36; // SO_MARK
/// }
/// # #[cfg(target_arch = "x86_64")] {
/// static MARK: FixedControl<{ CMSG_LEN(4) }> = FixedControl::new::<Mark, 4>(7_u32.to_ne_bytes());
/// let data = [IoSlice::new(b"x")];
/// let _message = SendMsg::new(&data).control(&MARK)?;
/// # }
/// # Ok::<(), scmsg::NoData>(())
/// ```
/// It obeys the same rule as [`Encoder::push`]: no type that could name a descriptor.
/// ```compile_fail,E0080
/// use scmsg::{CMSG_LEN, FixedControl, Rights};
/// let _forged = FixedControl::<{ CMSG_LEN(4) }>::new::<Rights<'_>, 4>([0; 4]);
/// ```
/// Nor is there another size than that of the payload: neither its space nor the payload alone.
/// ```compile_fail,E0080
/// use scmsg::{CMSG_SPACE, Credentials, FixedControl};
/// let _padded = FixedControl::<{ CMSG_SPACE(1) }>::new::<Credentials, 1>([0; 1]);
/// ```
/// ```compile_fail,E0080
/// use scmsg::{Credentials, FixedControl};
/// let _cut = FixedControl::<12>::new::<Credentials, 12>([0; 12]);
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct FixedControl<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> FixedControl<N> {
    /// The message `M` with this payload; `N` must be `CMSG_LEN(P)`, which is checked when compiled.
    #[inline]
    #[must_use]
    pub const fn new<M: Message, const P: usize>(payload: [u8; P]) -> Self {
        const { assert!(safe_to_send(M::LEVEL, M::TYPE), "this control message may not be sent by safe code") };
        const { assert!(N == CMSG_LEN(P), "the size must be CMSG_LEN of the payload") };
        let mut bytes = [0; N];
        let all: &mut [u8] = &mut bytes;
        if let Some((len, rest)) = all.split_first_chunk_mut() {
            *len = N.to_ne_bytes();
            if let Some((level, rest)) = rest.split_first_chunk_mut() {
                *level = M::LEVEL.to_ne_bytes();
                if let Some((kind, rest)) = rest.split_first_chunk_mut() {
                    *kind = M::TYPE.to_ne_bytes();
                    fill(rest, &payload);
                }
            }
        }
        Self { bytes }
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Copies `from` to the start of `to`; `copy_from_slice` is not const in Rust 1.85.
const fn fill(mut to: &mut [u8], mut from: &[u8]) {
    while let (Some((byte, to_rest)), Some((value, from_rest))) = (to.split_first_mut(), from.split_first()) {
        *byte = *value;
        (to, from) = (to_rest, from_rest);
    }
}

/// Message types that safe code cannot send: one example that must not compile for each. What it can send is in
/// `tests/safe_code_cannot_forge.rs`.
#[cfg(doctest)]
mod refused {
    macro_rules! refused {
        ($($level:literal: $($name:ident $kind:literal),*;)*) => {$($(
            #[doc = concat!("```compile_fail,E0080
use scmsg::{ControlBuf, Encode, Encoder, Message, Rights};
const SOL_SOCKET: i32 = Rights::LEVEL;
const SOL_RDS: i32 = 276;
struct Own;
impl Message for Own {
    const LEVEL: i32 = ", $level, ";
    const TYPE: i32 = ", $kind, ";
}
impl Encode for Own {
    fn payload_len(&self) -> usize { 4 }
    fn encode(&self, _: &mut [u8]) {}
}
let mut buf = ControlBuf::<[u8; 64]>::new();
let _ = Encoder::new(&mut buf).push(&Own);
```")]
            #[allow(non_camel_case_types, dead_code)]
            struct $name;
        )*)*};
    }

    refused! {
        // A descriptor, what is only received, a dmabuf, and numbers that have no meaning yet.
        "SOL_SOCKET": SCM_RIGHTS 1, SCM_SECURITY 3, SCM_PIDFD 4, SCM_DEVMEM_DMABUF 79, SCM_INQ 84, NEXT 85, LAST 0x7fff_ffff, NEGATIVE -1, ZERO 0;
        // Addresses that the kernel writes through.
        "SOL_RDS": RDMA_ARGS 1, RDMA_MAP 3, ATOMIC_FADD 6, ATOMIC_CSWP 7, MASKED_ATOMIC_FADD 8, MASKED_ATOMIC_CSWP 9;
    }
}
