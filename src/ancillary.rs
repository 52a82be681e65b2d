//! Turns the control bytes of one receive into messages to look at and descriptors to own.
//!
//! Laws: every descriptor that arrived is owned here until it is taken, whoever asks for it or not (law 3); a slot is a
//! descriptor or the kernel's errno (law 7); truncation is a fact with a cause that is never a guess (law 5).
//!
//! The control buffer itself is the ledger; `ledger.rs` reads and marks its slots.
//!
//! What was lent cannot be taken while it is lent:
//! ```compile_fail,E0502
//! fn f(mut control: scmsg::Ancillary<'_>) {
//!     let lent = control.fds().next();
//!     let taken = control.take_fds().next();
//!     drop((lent, taken));
//! }
//! ```
//! Nor can two take at once, and adopting bytes as descriptors needs `unsafe`:
//! ```compile_fail,E0499
//! fn f(mut control: scmsg::Ancillary<'_>) {
//!     let mut one = control.take_fds();
//!     let mut two = control.take_fds();
//!     drop((one.next(), two.next()));
//! }
//! ```
//! ```compile_fail,E0133
//! let _ = scmsg::Ancillary::from_kernel(&mut [0; 64], 64, scmsg::MsgFlags::empty());
//! ```
//! Nor can a lent one outlive its owner:
//! ```compile_fail,E0597
//! fn f(received: scmsg::Ancillary<'static>) {
//!     let lent = {
//!         let control = received;
//!         control.fds().next()
//!     };
//!     drop(lent);
//! }
//! ```

use core::fmt;
use core::iter::FusedIterator;

use linux_raw_sys::net;

use crate::borrowed::{BorrowedFd, RawFd};
use crate::decode::Cmsgs;
use crate::errno::Errno;
use crate::fd::{Closer, OwnedFd, close_all};
use crate::flags::MsgFlags;
use crate::layout::CMSG_LEN;
use crate::ledger::{self, BOTH, PIDFD, RIGHTS, Slots};
use crate::message::{PidFd, Rights};
use crate::numbers::{SCM_CREDENTIALS, SCM_RIGHTS, SCM_SECURITY, SOL_SOCKET, int};
use crate::set::{FdSet, Storage};
use crate::traits::{Decode, Short};

/// What one receive delivered, and the owner of every descriptor in it.
///
/// Dropping it closes what was not taken: one `close` for a single descriptor, one `close_range` for each run of
/// consecutive numbers, and `close` one by one where `close_range` is refused. No system call if nothing is left.
pub struct Ancillary<'b> {
    bytes: &'b mut [u8],
    capacity: usize,
    flags: MsgFlags,
    /// Known to own nothing any more.
    settled: bool,
}

/// Why control messages or descriptors are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The buffer had no room for them; nothing else explains it.
    Buffer,
    /// There was room for another descriptor: the descriptor table is full (`EMFILE`), or a security module refused.
    NotBuffer,
    /// It can have been either.
    Unknown,
}

/// The descriptors are not what was asked for. They are still owned by the [`Ancillary`], which closes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WrongCount {
    /// Descriptors asked for.
    pub want: usize,
    /// Descriptors there are.
    pub found: usize,
    /// The first errno in a slot, if the kernel refused any.
    pub refused: Option<Errno>,
    /// Why something is missing, if anything is.
    pub truncated: Option<Cause>,
}

impl fmt::Display for WrongCount {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} descriptors expected, {} received", self.want, self.found)?;
        if let Some(errno) = self.refused {
            write!(f, ", one refused: {errno}")?;
        }
        match self.truncated {
            Some(cause) => write!(f, ", control truncated ({cause:?})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for WrongCount {}

impl<'b> Ancillary<'b> {
    /// Adopts control bytes that a kernel wrote for somebody else: an io_uring completion, a hand-made `recvmsg`.
    /// `capacity` is the room there was, in bytes, and `flags` what was reported; both serve
    /// [`truncation`](Self::truncation) alone. Any alignment will do.
    ///
    /// # Safety
    /// `bytes` are as the kernel wrote them, in the native layout; every descriptor in them is open in this process, is
    /// in no other slot, and is owned by nothing else. A buffer that belongs to a ring is not given back to it before
    /// this value is gone.
    #[inline]
    #[must_use]
    pub const unsafe fn from_kernel(bytes: &'b mut [u8], capacity: usize, flags: MsgFlags) -> Self {
        let settled = bytes.is_empty();
        Self { bytes, capacity, flags, settled }
    }

    /// All messages, in the order of arrival. Descriptors are numbers here.
    #[inline]
    #[must_use]
    pub const fn messages(&self) -> Cmsgs<'_> {
        Cmsgs::new(self.bytes)
    }

    /// The first message that is an `M`.
    ///
    /// # Errors
    /// [`Short`] if it was cut.
    #[inline]
    pub fn get<'a, M: Decode<'a>>(&'a self) -> Result<Option<M>, Short> {
        self.messages().find_map(|m| m.ok()?.get().transpose()).transpose()
    }

    /// Lends the descriptors of all `SCM_RIGHTS` that were not taken yet, in order; an errno for a slot that the kernel
    /// refused.
    #[inline]
    pub fn fds(&self) -> impl Iterator<Item = Result<BorrowedFd<'_>, Errno>> {
        let rights = self.messages().filter_map(|m| m.ok()?.get::<Rights<'_>>().ok()?);
        // SAFETY: a slot that is not negative holds a descriptor owned by `self`, which is borrowed as long as this.
        rights.flat_map(|r| r.numbers()).map(|slot| slot.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) }))
    }

    /// Lends the process descriptor of an `SCM_PIDFD` that was not taken yet; `Err` if the kernel could not make one.
    #[inline]
    #[must_use]
    pub fn pidfd(&self) -> Option<Result<BorrowedFd<'_>, Errno>> {
        let number = self.messages().find_map(|m| m.ok()?.get::<PidFd>().ok()??.number())?;
        // SAFETY: a slot that is not negative holds a descriptor owned by `self`, which is borrowed as long as this.
        Some(number.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) }))
    }

    /// Takes descriptors out of all `SCM_RIGHTS`, in order. Stop anywhere: what is not taken stays owned here.
    #[inline]
    pub fn take_fds(&mut self) -> TakeFds<'_> {
        TakeFds { slots: Slots::new(self.bytes) }
    }

    /// Moves descriptors out of all `SCM_RIGHTS` into a set, as many as fit: how many. What does not fit stays owned here.
    #[inline]
    pub fn take_into<S: Storage>(&mut self, set: &mut FdSet<S>) -> usize {
        let (taken, none_left) = ledger::take_into(self.bytes, set.space(self.bytes.len() / 4));
        // SAFETY: the first `taken` slots hold descriptors that were owned here until their slots were marked as taken.
        unsafe { set.added(taken) };
        self.settled |= none_left;
        taken
    }

    /// Whether it is known that no descriptor is left, without looking.
    #[inline]
    pub(crate) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Takes the process descriptor of an `SCM_PIDFD`; `Some(Err)` if the kernel could not make one (`EMFILE`).
    #[inline]
    pub fn take_pidfd(&mut self) -> Option<Result<OwnedFd, Errno>> {
        self.take_one::<PIDFD>()
    }

    /// Takes the first descriptor out of all `SCM_RIGHTS`, or the errno for it if the kernel refused it. With a
    /// [limit](crate::RecvMsg::limit) of `CMSG_LEN(4)` bytes there can be no other.
    #[inline]
    pub fn take_fd(&mut self) -> Option<Result<OwnedFd, Errno>> {
        self.take_one::<RIGHTS>()
    }

    /// Takes what the first slot of these kinds says.
    #[inline(always)]
    fn take_one<const KINDS: u8>(&mut self) -> Option<Result<OwnedFd, Errno>> {
        let number = ledger::take_one::<KINDS>(self.bytes)?;
        // Said by the only slot there is room for, this leaves nothing to close.
        self.settled |= ledger::is_short(self.bytes);
        // SAFETY: the number is a descriptor owned here until its slot was marked as taken.
        Some(number.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes exactly `K` descriptors, or none: if there are more or fewer, if the kernel refused any, or if anything was
    /// truncated. `SCM_PIDFD` does not count.
    ///
    /// # Errors
    /// [`WrongCount`]; every descriptor is still owned here then.
    #[inline(always)]
    pub fn take_exact<const K: usize>(&mut self) -> Result<[OwnedFd; K], WrongCount> {
        let whole = !self.flags.contains(MsgFlags::CTRUNC);
        let numbers = match if whole { ledger::take_only(self.bytes) } else { None } {
            Some(numbers) => {
                self.settled = true;
                numbers
            }
            None => take_among_others(self.bytes, self.capacity, whole)?,
        };
        // SAFETY: there were K descriptors, so each number is one, owned here until its slot was marked as taken.
        Ok(numbers.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Whether something is missing, and why where that can be known. `None`: everything arrived.
    ///
    /// The kernel writes credentials and labels before `SCM_RIGHTS`, and `SCM_PIDFD` and `SCM_INQ` after; what does not
    /// fit uses all the room up. So room for a descriptor at the end means that room was not the reason, and rights that
    /// filled the room at their place (or had none) mean that nothing else was.
    #[inline]
    #[must_use]
    pub fn truncation(&self) -> Option<Cause> {
        if self.flags.contains(MsgFlags::CTRUNC) { Some(Cause::find(self.bytes, self.capacity)) } else { None }
    }
}

/// Whether the kernel writes this message of `SOL_SOCKET` in front of the rights: credentials, label, timestamps.
const fn before_rights(kind: i32) -> bool {
    kind == SCM_CREDENTIALS
        || kind == SCM_SECURITY
        || kind == int(net::SO_TIMESTAMP_OLD)
        || kind == int(net::SO_TIMESTAMP_NEW)
        || kind == int(net::SO_TIMESTAMPNS_OLD)
        || kind == int(net::SO_TIMESTAMPNS_NEW)
        || kind == int(net::SO_TIMESTAMPING_OLD)
        || kind == int(net::SO_TIMESTAMPING_NEW)
}

/// Takes exactly `K` descriptors out of a ledger that may hold anything.
#[cold]
fn take_among_others<const K: usize>(bytes: &mut [u8], capacity: usize, whole: bool) -> Result<[RawFd; K], WrongCount> {
    let (found, refused) = ledger::count(bytes);
    if found == K && refused.is_none() && whole {
        return Ok(ledger::take_first(bytes));
    }
    let truncated = if whole { None } else { Some(Cause::find(bytes, capacity)) };
    Err(WrongCount { want: K, found, refused, truncated })
}

impl Cause {
    /// Why something is missing from `bytes`, for which there was room for `capacity`.
    #[cold]
    fn find(bytes: &[u8], capacity: usize) -> Self {
        let one = CMSG_LEN(size_of::<RawFd>());
        if capacity.saturating_sub(bytes.len()) >= one {
            return Self::NotBuffer;
        }
        // Where the rights would have started: in front of what comes after them.
        let mut place = bytes.len();
        let mut walk = Cmsgs::new(bytes);
        loop {
            let here = bytes.len().saturating_sub(walk.remainder().len());
            let Some(Ok(message)) = walk.next() else { break };
            match (message.level, message.kind) {
                (SOL_SOCKET, SCM_RIGHTS) => {
                    // Their header is there: only the room for one more slot counts.
                    let end = here.saturating_add(CMSG_LEN(message.payload.len()));
                    let full = capacity.saturating_sub(end) < size_of::<RawFd>();
                    return if full { Self::Buffer } else { Self::Unknown };
                }
                (SOL_SOCKET, kind) if before_rights(kind) => {}
                // The pidfd, the unread bytes, and whatever a later kernel puts there.
                _ => place = place.min(here),
            }
        }
        if capacity.saturating_sub(place) < one { Self::Buffer } else { Self::Unknown }
    }
}

/// Closes every descriptor that is still in `bytes`.
///
/// # Safety
/// They are all open, and owned by the caller alone, who gives them up.
#[inline(never)]
unsafe fn close_rest(bytes: &mut [u8]) {
    let mut closer = Closer::new();
    let mut rest = bytes;
    while let Some((_, slots)) = ledger::payload(&mut rest, BOTH) {
        // SAFETY: the caller vouches for the slots, and gives up what is in them.
        unsafe { close_all(&mut closer, slots) };
    }
}

/// The same where there is one slot at most. A function of its own, so that dropping stays short enough to vanish where
/// everything was taken.
///
/// # Safety
/// As for [`close_rest`].
unsafe fn close_only(bytes: &mut [u8]) {
    if let Some(fd) = ledger::only(bytes, BOTH).map(|slot| RawFd::from_ne_bytes(*slot)).filter(|fd| *fd >= 0) {
        // SAFETY: the caller vouches for the slot, and gives up what is in it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

impl Drop for Ancillary<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.settled {
            let close = if ledger::is_short(self.bytes) { close_only } else { close_rest };
            // SAFETY: every descriptor in the slots is owned by `self`, which ends here.
            unsafe { close(self.bytes) };
        }
    }
}

impl fmt::Debug for Ancillary<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ancillary")
            .field("messages", &Messages(self.messages()))
            .field("truncation", &self.truncation())
            .finish()
    }
}

/// Prints messages as a list.
struct Messages<'a>(Cmsgs<'a>);

impl fmt::Debug for Messages<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.clone()).finish()
    }
}

/// Descriptors being taken from an [`Ancillary`]: made by [`take_fds`](Ancillary::take_fds).
pub struct TakeFds<'a> {
    slots: Slots<'a, RIGHTS>,
}

impl Iterator for TakeFds<'_> {
    type Item = Result<OwnedFd, Errno>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let number = self.slots.find_map(ledger::take)?;
        // SAFETY: the number is a descriptor owned by the `Ancillary` until its slot was marked as taken.
        Some(number.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

impl FusedIterator for TakeFds<'_> {}

impl fmt::Debug for TakeFds<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeFds").finish_non_exhaustive()
    }
}
