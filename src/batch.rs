//! Turns many messages into one `sendmmsg`, and one `recvmmsg` into many: each with its own data, control and address.
//!
//! Laws: one call is one system call (law 4); headers are made once and used for ever, because what the kernel wrote is put
//! back before the next call, in the slots it wrote (law 6); a message that arrived and that nobody reaches is closed
//! (law 3).

use core::fmt;
use core::iter::{FusedIterator, Zip};
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};
use core::ptr;
use core::slice;
use core::time::Duration;

use crate::borrowed::AsFd;
use crate::errno::Errno;
use crate::flags::{RecvFlags, SendFlags};
use crate::raw::{self, mmsghdr, timespec64};
use crate::recv::{Arrived, Received, RecvMsg, Room, name_arrived, prepare};
use crate::send::SendMsg;

/// Messages that one call moves at most. The kernel clips a send to this; it would not clip a receive.
const MOST: usize = 1024;

/// The batch has no slot left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchFull {
    /// Slots of the batch.
    pub slots: usize,
}

impl fmt::Display for BatchFull {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} slots of the batch are taken", self.slots)
    }
}

impl core::error::Error for BatchFull {}

/// The entries of a batch: the first `len` are there.
struct Entries<const N: usize> {
    entries: [MaybeUninit<mmsghdr>; N],
    len: usize,
}

impl<const N: usize> Entries<N> {
    #[inline]
    const fn new() -> Self {
        Self { entries: [const { MaybeUninit::uninit() }; N], len: 0 }
    }

    /// Adds an entry; its index.
    #[inline]
    fn push(&mut self, msg_hdr: raw::msghdr) -> Result<usize, BatchFull> {
        let index = self.len;
        self.entries.get_mut(index).ok_or(BatchFull { slots: N })?.write(mmsghdr { msg_hdr, ..mmsghdr::EMPTY });
        self.len = index.wrapping_add(1);
        Ok(index)
    }

    /// What is there.
    #[inline]
    fn get(&mut self) -> &mut [mmsghdr] {
        let there = self.entries.get_mut(..self.len.min(N)).unwrap_or_default();
        // SAFETY: every entry before `len` was written by `push`.
        unsafe { &mut *(ptr::from_mut(there) as *mut [mmsghdr]) }
    }
}

/// How many entries a call is told of.
#[inline]
fn count(entries: &[mmsghdr]) -> u32 {
    u32::try_from(entries.len().min(MOST)).unwrap_or(0)
}

/// Messages for [`sendmmsg`]: up to `N`, each with its own data, control messages and address. Built once, it can be sent any
/// number of times.
///
/// Stack bytes: 64 N + 16 (32 N + 8 on 32-bit).
///
/// # Examples
/// ```
/// use scmsg::{IoSlice, SendBatch, SendFlags, SendMsg, SocketFlags, SocketType, sendmmsg, socketpair};
///
/// let (a, _b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
/// let (one, two) = ([IoSlice::new(b"one")], [IoSlice::new(b"two")]);
/// let mut batch = SendBatch::<2>::new();
/// batch.push(SendMsg::new(&one))?;
/// batch.push(SendMsg::new(&two))?;
/// assert_eq!(sendmmsg(&a, &mut batch, SendFlags::empty())?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SendBatch<'a, const N: usize> {
    entries: Entries<N>,
    first: usize,
    borrows: PhantomData<SendMsg<'a>>,
}

// SAFETY: it is its messages, which may be sent.
unsafe impl<const N: usize> Send for SendBatch<'_, N> {}
// SAFETY: a shared one gives out numbers only.
unsafe impl<const N: usize> Sync for SendBatch<'_, N> {}

impl<'a, const N: usize> SendBatch<'a, N> {
    /// An empty batch.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Entries::new(), first: 0, borrows: PhantomData }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// [`BatchFull`].
    #[inline]
    pub fn push(&mut self, message: SendMsg<'a>) -> Result<(), BatchFull> {
        self.entries.push(message.into_header()).map(drop)
    }

    /// Messages still to send: those pushed, less those skipped.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len.saturating_sub(self.first)
    }

    /// Whether there is nothing to send.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves out the next `sent` messages, so that the next [`sendmmsg`] goes on behind them.
    #[inline]
    pub const fn skip(&mut self, sent: usize) {
        let first = self.first.saturating_add(sent);
        self.first = if first < self.entries.len { first } else { self.entries.len };
    }

    /// Starts again with the first message.
    #[inline]
    pub const fn rewind(&mut self) {
        self.first = 0;
    }

    /// Forgets all messages.
    #[inline]
    pub const fn clear(&mut self) {
        self.first = 0;
        self.entries.len = 0;
    }

    /// Data bytes of each message of the last [`sendmmsg`], for as many as it said were sent.
    #[inline]
    pub fn sent_bytes(&mut self) -> impl Iterator<Item = usize> {
        self.rest().iter().map(|entry| usize::try_from(entry.msg_len).unwrap_or(usize::MAX))
    }

    /// The entries still to send.
    #[inline]
    fn rest(&mut self) -> &mut [mmsghdr] {
        let (first, all) = (self.first, self.entries.get());
        if first == 0 { all } else { all.get_mut(first..).unwrap_or_default() }
    }

    /// The headers, for io_uring and raw calls: valid while `self` and what it borrows are.
    #[inline]
    pub fn as_ptrs(&mut self) -> impl Iterator<Item = *const raw::msghdr> {
        self.rest().iter().map(|entry| &raw const entry.msg_hdr)
    }
}

impl<const N: usize> Default for SendBatch<'_, N> {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for SendBatch<'_, N> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBatch").field("slots", &N).field("len", &self.len()).finish()
    }
}

/// Room for messages that [`recvmmsg`] receives: up to `N`, each with its own data, control and address. Built once, it can be
/// used for ever.
///
/// Stack bytes: 72 N + 24 (36 N + 12 on 32-bit).
pub struct RecvBatch<'a, const N: usize> {
    entries: Entries<N>,
    capacities: [usize; N],
    /// Entries that a receive has written, and that may not all have been put back.
    written: usize,
    /// Whether any message asks for the sender's address.
    named: bool,
    borrows: PhantomData<RecvMsg<'a>>,
}

// SAFETY: it is its messages, which may be sent.
unsafe impl<const N: usize> Send for RecvBatch<'_, N> {}

impl<'a, const N: usize> RecvBatch<'a, N> {
    /// An empty batch.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Entries::new(), capacities: [0; N], written: 0, named: false, borrows: PhantomData }
    }

    /// Adds room for a message.
    ///
    /// # Errors
    /// [`BatchFull`].
    #[inline]
    pub fn push(&mut self, message: RecvMsg<'a>) -> Result<(), BatchFull> {
        let (header, capacity) = message.into_parts();
        let named = !header.msg_name.is_null();
        let index = self.entries.push(header)?;
        if let Some(slot) = self.capacities.get_mut(index) {
            *slot = capacity;
        }
        self.named |= named;
        Ok(())
    }

    /// Messages there is room for.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len
    }

    /// Whether there is no room.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts back what the last receive overwrote (law 6), where that was not reached: a [`Batch`] that was forgotten.
    #[cold]
    fn put_back(&mut self) {
        let written = mem::take(&mut self.written);
        for (entry, capacity) in self.entries.get().iter_mut().zip(&self.capacities).take(written) {
            prepare(&mut entry.msg_hdr, *capacity);
        }
    }
}

impl<const N: usize> Default for RecvBatch<'_, N> {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for RecvBatch<'_, N> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBatch").field("slots", &N).field("len", &self.len()).finish()
    }
}

/// Entries that a receive has written, each with the capacity of its control buffer.
type Unreached<'b> = Zip<slice::IterMut<'b, mmsghdr>, slice::Iter<'b, usize>>;

/// What one [`recvmmsg`] delivered, message by message, in the order of arrival. Dropping it closes the descriptors of the
/// messages that were not reached.
#[must_use = "dropping it closes the descriptors that arrived"]
pub struct Batch<'b> {
    unreached: Unreached<'b>,
    /// That of the [`RecvBatch`].
    written: &'b mut usize,
}

// SAFETY: it is a unique borrow of a `RecvBatch`, which may be sent.
unsafe impl Send for Batch<'_> {}

impl<'b> Iterator for Batch<'b> {
    type Item = Received<'b>;

    #[inline]
    fn next(&mut self) -> Option<Received<'b>> {
        let (entry, capacity) = self.unreached.next()?;
        let bytes = usize::try_from(entry.msg_len).unwrap_or(usize::MAX);
        let header = &mut entry.msg_hdr;
        let (room, arrived) = (Room::of(header, *capacity), Arrived::of(header, bytes));
        // Put back here, where it is at hand (law 6); the address's length is put back already.
        header.msg_controllen = *capacity;
        // SAFETY: the entries are those that one receive has filled, made of messages whose borrows last for 'b, and each is
        // given out once.
        Some(unsafe { arrived.received(header, room) })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.unreached.size_hint()
    }
}

impl ExactSizeIterator for Batch<'_> {}

impl FusedIterator for Batch<'_> {}

impl Drop for Batch<'_> {
    // In line, so that where all were reached nothing else asks where this value lies, and it can be in registers.
    #[inline(always)]
    fn drop(&mut self) {
        if self.unreached.len() != 0 {
            let unreached = mem::replace(&mut self.unreached, [].iter_mut().zip(&[]));
            close_unreached(unreached);
        }
        *self.written = 0;
    }
}

/// Closes what nobody reached.
#[cold]
#[inline(never)]
fn close_unreached(unreached: Unreached<'_>) {
    Batch { unreached, written: &mut 0 }.for_each(drop);
}

impl fmt::Debug for Batch<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish()
    }
}

/// `sendmmsg(2)`, once: how many messages of the batch were sent, at least one. Fewer than all means that something stopped
/// it, and the kernel does not keep what: [`skip`](SendBatch::skip) those sent and call again, and if the cause is still
/// there, that call fails with it. It also stops behind a message that a stream took in part; see
/// [`sent_bytes`](SendBatch::sent_bytes). At most 1024 go in one call. `Ok(0)`: the batch is empty.
///
/// `MSG_NOSIGNAL` is added and bit 31 cleared. Linux 3.0.
///
/// # Errors
/// Those of [`sendmsg`](crate::sendmsg), for the first message; nothing was sent then.
///
/// # Examples
/// Until all are sent, or it is known why not:
/// ```
/// # use scmsg::{Errno, OwnedFd, SendBatch, SendFlags, sendmmsg};
/// fn send_all<const N: usize>(socket: &OwnedFd, batch: &mut SendBatch<'_, N>) -> Result<(), Errno> {
///     while !batch.is_empty() {
///         let sent = sendmmsg(socket, batch, SendFlags::empty())?;
///         batch.skip(sent);
///     }
///     batch.rewind();
///     Ok(())
/// }
/// ```
#[inline]
pub fn sendmmsg<S: AsFd, const N: usize>(
    socket: S,
    batch: &mut SendBatch<'_, N>,
    flags: SendFlags,
) -> Result<usize, Errno> {
    let entries = batch.rest();
    let (pointer, count) = (entries.as_mut_ptr(), count(entries));
    // SAFETY: the entries are there, and each is a message whose borrows last as long as the batch.
    unsafe { raw::sendmmsg(socket.as_fd().as_raw_fd(), pointer, count, flags.to_kernel()) }
}

/// `recvmmsg(2)`, once: one to `len` messages, as many as there are when the wait ends, at most 1024.
///
/// It waits until all of the batch is filled; with [`RecvFlags::WAITFORONE`] until there is one, with
/// [`RecvFlags::DONTWAIT`] not at all. The kernel looks at `timeout` only after a message has arrived: it ends a batch, it
/// does not end the wait for the next message. An error behind the first message is reported by the next call; a signal there as
/// errno 512, which the kernel keeps to itself elsewhere: call again.
///
/// `MSG_CMSG_CLOEXEC` is added and bit 31 cleared. Linux 2.6.33; on 32-bit targets with a timeout 5.1.
///
/// # Errors
/// Those of [`recvmsg`](crate::recvmsg). Nothing has arrived then.
#[inline]
pub fn recvmmsg<'b, S: AsFd, const N: usize>(
    socket: S,
    batch: &'b mut RecvBatch<'_, N>,
    flags: RecvFlags,
    timeout: Option<Duration>,
) -> Result<Batch<'b>, Errno> {
    let mut time = timeout.map(|t| timespec64 {
        tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(t.subsec_nanos()),
    });
    let time = time.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    if batch.written != 0 {
        batch.put_back();
    }
    let entries = batch.entries.get();
    let (pointer, count) = (entries.as_mut_ptr(), count(entries));
    // SAFETY: the entries are there, and each is a message whose borrows last as long as the batch; `time` is null or a local.
    let arrived = unsafe { raw::recvmmsg(socket.as_fd().as_raw_fd(), pointer, count, flags.to_kernel(), time) }?;
    batch.written = arrived;
    let there = arrived.min(entries.len());
    let entries = entries.get_mut(..there).unwrap_or_default();
    if batch.named {
        for header in entries.iter_mut().map(|entry| &mut entry.msg_hdr) {
            // SAFETY: the borrow of the address is the message's, and lasts as long as the batch, which is uniquely borrowed.
            unsafe { name_arrived(header, header.msg_name.cast()) };
        }
    }
    Ok(Batch { unreached: entries.iter_mut().zip(&batch.capacities), written: &mut batch.written })
}
