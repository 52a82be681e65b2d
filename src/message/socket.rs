//! Turns the payloads of `SOL_SOCKET` on unix sockets into values: descriptors, credentials, label, unread bytes.
//!
//! Law 3: decoding gives numbers. A descriptor that can be owned comes only from [`Ancillary`](crate::Ancillary).
//!
//! ```compile_fail,E0277
//! use scmsg::{OwnedFd, Rights};
//! fn forge(rights: Rights<'_>) -> OwnedFd {
//!     rights.numbers().next().unwrap().unwrap().into()
//! }
//! ```

#![forbid(unsafe_code)]

use core::fmt;
use core::num::NonZeroU32;

use super::{Message, fixed, message};
use crate::borrowed::RawFd;
use crate::errno::Errno;
use crate::layout::{CMSG_LEN, CMSG_SPACE};
use crate::ledger::look;
use crate::numbers::{SCM_CREDENTIALS, SCM_INQ, SCM_PIDFD, SCM_RIGHTS, SCM_SECURITY, SOL_SOCKET};
use crate::traits::{Decode, Encode, Short};

message!(Rights<'_>, SOL_SOCKET, SCM_RIGHTS);
message!(Credentials, SOL_SOCKET, SCM_CREDENTIALS);
message!(SecurityLabel<'_>, SOL_SOCKET, SCM_SECURITY);
message!(PidFd, SOL_SOCKET, SCM_PIDFD);
message!(UnreadBytes, SOL_SOCKET, SCM_INQ);

/// The numbers in an `SCM_RIGHTS` payload: `SOL_SOCKET`, type 1, `4 n` bytes payload, `n` up to 253, both ways. Sent by
/// [`Encoder::push_rights`](crate::Encoder::push_rights).
///
/// Received on `AF_UNIX`, always, unless the receiver set `SO_PASSRIGHTS` to 0 (Linux 6.16); since Linux 2.2.
/// `unix(7)`, `include/linux/socket.h`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "SCM_RIGHTS")]
pub struct Rights<'a>(&'a [u8]);

impl<'a> Rights<'a> {
    /// Space in bytes of a message with `n` descriptors, padding included: room to send it, and to receive it in front of
    /// another. On 64-bit the padding has room for one more when `n` is odd.
    #[inline]
    #[must_use]
    pub const fn space(n: usize) -> usize {
        CMSG_SPACE(n.saturating_mul(4))
    }

    /// Length in bytes of a message with `n` descriptors: a receive buffer of this size admits `n` and not one more.
    #[inline]
    #[must_use]
    pub const fn len_of(n: usize) -> usize {
        CMSG_LEN(n.saturating_mul(4))
    }

    /// Each slot: a number, or the kernel's errno. Slots whose descriptor was taken are left out. Up to three stray
    /// bytes at the end are not a slot.
    #[inline]
    pub fn numbers(&self) -> impl Iterator<Item = Result<RawFd, Errno>> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || look(*first(&mut rest)?).or_else(|| next_left(&mut rest)))
    }
}

/// Takes the first slot off.
#[inline(always)]
fn first<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8; 4]> {
    let (slot, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(slot)
}

/// The next slot whose descriptor was not taken. Nearly always the first is one, and is looked at before.
#[inline(always)]
fn next_left(rest: &mut &[u8]) -> Option<Result<RawFd, Errno>> {
    loop {
        if let Some(said) = look(*first(rest)?) {
            return Some(said);
        }
    }
}

impl fmt::Debug for Rights<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.numbers()).finish()
    }
}

impl<'a> Decode<'a> for Rights<'a> {
    const MAX_RECEIVED: Option<usize> = Some(4 * crate::numbers::SCM_MAX_FD);

    #[inline]
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        Ok(Self(payload))
    }
}

/// Who sent a message: `SOL_SOCKET`, `SCM_CREDENTIALS` 2, 12 bytes payload, both ways. Arrives with `SO_PASSCRED` on; since Linux
/// 2.2. `include/linux/socket.h`, `unix(7)`.
///
/// **`pid: None` (0 on the wire) is not a sender.** The kernel fills it in when there is none: at the end of a stream
/// with `SO_PASSCRED` it delivers pid 0, uid 0, gid 0, which looks like root. It also stands for a sender outside the
/// receiver's pid namespace, and for a message sent before `SO_PASSCRED` was on (uid and gid 65534).
/// [`Received::sender`](crate::Received::sender) leaves all of these out.
///
/// With `SO_PASSCRED` on at the receiver the kernel adds the sender's credentials by itself; they are pushed to choose among
/// several, or by the privileged. Sending other than one's own pid, uid and gid needs privilege, and is refused with `EPERM` without it; a pid that
/// does not exist, 0 included, is `ESRCH` for the privileged. An id that has no mapping is `EINVAL`.
///
/// The kernel checked these ids when the message was sent. A pid can have been reused since; a [`PidFd`] cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "SCM_CREDENTIALS")]
#[doc(alias = "ucred")]
pub struct Credentials {
    /// Process id, translated into the receiver's pid namespace; `None` for the kernel's filler.
    pub pid: Option<NonZeroU32>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Credentials {
    /// From the three words of a `ucred`.
    #[inline]
    pub(crate) const fn from_words([pid, uid, gid]: [u32; 3]) -> Self {
        Self { pid: NonZeroU32::new(pid), uid, gid }
    }
}

impl Encode for Credentials {
    #[inline]
    fn payload_len(&self) -> usize {
        12
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        let words = [self.pid.map_or(0, NonZeroU32::get), self.uid, self.gid];
        for (to, word) in out.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
    }
}

impl<'a> Decode<'a> for Credentials {
    const MAX_RECEIVED: Option<usize> = Some(12);

    #[inline]
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        let [p0, p1, p2, p3, u0, u1, u2, u3, g0, g1, g2, g3] = *fixed(payload)?;
        Ok(Self::from_words([[p0, p1, p2, p3], [u0, u1, u2, u3], [g0, g1, g2, g3]].map(u32::from_ne_bytes)))
    }
}

/// The security label of the sender, as the running LSM writes it. `SOL_SOCKET`, `SCM_SECURITY` 3, a payload of any length,
/// received only. Arrives with `SO_PASSSEC` on: datagrams since Linux 2.6.18, streams since 4.2. `include/linux/socket.h`,
/// `unix(7)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "SCM_SECURITY")]
pub struct SecurityLabel<'a>(&'a [u8]);

impl<'a> SecurityLabel<'a> {
    /// The label without the one NUL some modules end it with.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self.0 {
            [label @ .., 0] => label,
            label => label,
        }
    }
}

impl fmt::Debug for SecurityLabel<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecurityLabel(\"{}\")", self.as_bytes().escape_ascii())
    }
}

impl<'a> Decode<'a> for SecurityLabel<'a> {
    const MAX_RECEIVED: Option<usize> = None;

    #[inline]
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        Ok(Self(payload))
    }
}

/// The number in an `SCM_PIDFD` payload, or the errno with which the kernel could not make one (law 7: `EMFILE` when the
/// descriptor table is full). `SOL_SOCKET`, `SCM_PIDFD` 4, 4 bytes payload, received only. Arrives with `SO_PASSPIDFD` on; since
/// Linux 6.5. `include/linux/socket.h`, `unix(7)`.
/// [`Ancillary::take_pidfd`](crate::Ancillary::take_pidfd) owns it. A pidfd is always close-on-exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "SCM_PIDFD")]
pub struct PidFd(Option<Result<RawFd, Errno>>);

impl PidFd {
    /// The number or the errno; `None` once the descriptor was taken.
    #[inline]
    #[must_use]
    pub const fn number(&self) -> Option<Result<RawFd, Errno>> {
        self.0
    }
}

impl<'a> Decode<'a> for PidFd {
    const MAX_RECEIVED: Option<usize> = Some(4);

    #[inline]
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        fixed(payload).map(|bytes| Self(look(*bytes)))
    }
}

/// Bytes left in a unix stream after this receive: `SOL_SOCKET`, `SCM_INQ` 84, 4 bytes payload, received only. Arrives with
/// `SO_INQ` on; since Linux 6.17. `include/uapi/asm-generic/socket.h`; not in the man pages yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "SCM_INQ")]
pub struct UnreadBytes(pub i32);

impl<'a> Decode<'a> for UnreadBytes {
    const MAX_RECEIVED: Option<usize> = Some(4);

    #[inline]
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short> {
        fixed(payload).map(|bytes| Self(i32::from_ne_bytes(*bytes)))
    }
}
