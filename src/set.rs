//! Turns storage for numbers into one owner of many descriptors, which can be looked at, taken from and split, and which
//! closes runs of consecutive numbers by one call each.
//!
//! Law 3: every number between `first` and `end` is owned here, and no other.

use core::fmt;

use crate::borrowed::{BorrowedFd, RawFd};
use crate::fd::{Closer, OwnedFd, close_all};

/// Storage for an [`FdSet`]: `&mut [RawFd]`, `[RawFd; N]`, and `Vec<RawFd>` under feature `std`, which grows. What it holds
/// does not matter.
pub trait Storage: sealed::Slots {}

impl Storage for &mut [RawFd] {}
impl<const N: usize> Storage for [RawFd; N] {}

#[allow(unreachable_pub, reason = "a public trait names it")]
pub(crate) mod sealed {
    use super::RawFd;

    /// Slots of numbers. Sealed: an owner relies on seeing the numbers it wrote.
    pub trait Slots {
        fn slots(&self) -> &[RawFd];
        fn slots_mut(&mut self) -> &mut [RawFd];
        /// Makes room for `more` behind `end`, where it can.
        fn grow(&mut self, end: usize, more: usize) {
            let _ = (end, more);
        }
    }

    impl Slots for &mut [RawFd] {
        #[inline]
        fn slots(&self) -> &[RawFd] {
            self
        }
        #[inline]
        fn slots_mut(&mut self) -> &mut [RawFd] {
            self
        }
    }

    impl<const N: usize> Slots for [RawFd; N] {
        #[inline]
        fn slots(&self) -> &[RawFd] {
            self
        }
        #[inline]
        fn slots_mut(&mut self) -> &mut [RawFd] {
            self
        }
    }
}

/// Many descriptors with one owner.
///
/// Dropping it makes one `close_range` for each run of consecutive numbers, one `close` for a single one; one by one where
/// `close_range` is refused.
///
/// # Examples
/// ```
/// use scmsg::{FdSet, SocketFlags, SocketType, socketpair};
///
/// let mut numbers = [0; 16];
/// let mut set = FdSet::new(&mut numbers[..]);
/// let (a, b) = socketpair(SocketType::STREAM, SocketFlags::empty())?;
/// set.push(a).unwrap();
/// set.push(b).unwrap();
/// assert_eq!(set.fds().len(), 2);
/// let _first = set.take_fds().next();
/// assert_eq!(set.len(), 1);
/// # Ok::<(), scmsg::Errno>(())
/// ```
/// What is lent is not closed meanwhile, nor does it outlive the set:
/// ```compile_fail,E0502
/// fn f(set: &mut scmsg::FdSet<[i32; 4]>) {
///     let lent = set.fds();
///     set.clear();
///     let _ = lent;
/// }
/// ```
/// ```compile_fail,E0597
/// let lent = {
///     let set = scmsg::FdSet::new([0; 4]);
///     set.fds()
/// };
/// let _ = lent;
/// ```
/// The numbers in its storage are the set's alone:
/// ```compile_fail,E0506
/// let mut numbers = [0; 4];
/// let set = scmsg::FdSet::new(&mut numbers[..]);
/// numbers[0] = 1;
/// drop(set);
/// ```
pub struct FdSet<S: Storage> {
    storage: S,
    first: usize,
    end: usize,
}

impl<S: Storage> FdSet<S> {
    /// An empty set.
    #[inline]
    #[must_use]
    pub const fn new(storage: S) -> Self {
        Self { storage, first: 0, end: 0 }
    }

    /// Descriptors owned here.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end.saturating_sub(self.first)
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Descriptors that fit beside those owned, without growing.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.storage.slots().len().saturating_sub(self.len())
    }

    /// The numbers owned.
    #[inline]
    fn numbers(&self) -> &[RawFd] {
        self.storage.slots().get(self.first..self.end).unwrap_or_default()
    }

    /// Lends them all.
    #[inline]
    #[must_use]
    pub fn fds(&self) -> &[BorrowedFd<'_>] {
        let numbers = self.numbers();
        // SAFETY: a borrowed descriptor is laid out as its number, and these are owned by `self` for as long as it is
        // borrowed.
        unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) }
    }

    /// Adds a descriptor behind the others.
    ///
    /// # Errors
    /// The descriptor, if there is no room.
    #[inline]
    pub fn push(&mut self, fd: OwnedFd) -> Result<(), OwnedFd> {
        match self.space(1).first_mut() {
            Some(slot) => *slot = fd.into_raw_fd(),
            None => return Err(fd),
        }
        self.end = self.end.saturating_add(1);
        Ok(())
    }

    /// The free slots behind those owned: `more` of them at least, where the storage has or gets so many.
    #[inline]
    pub(crate) fn space(&mut self, more: usize) -> &mut [RawFd] {
        if self.storage.slots().len().saturating_sub(self.end) < more {
            self.make_space(more);
        }
        self.storage.slots_mut().get_mut(self.end..).unwrap_or_default()
    }

    /// Moves what is owned to the front, and grows.
    #[cold]
    fn make_space(&mut self, more: usize) {
        let owned = self.first..self.end;
        let len = self.len();
        let slots = self.storage.slots_mut();
        for (to, from) in owned.enumerate() {
            let number = slots.get(from).copied();
            if let (Some(slot), Some(number)) = (slots.get_mut(to), number) {
                *slot = number;
            }
        }
        (self.first, self.end) = (0, len);
        self.storage.grow(len, more);
    }

    /// Takes over what was written to the first `more` slots of [`space`](Self::space).
    ///
    /// # Safety
    /// They hold open descriptors that nothing else owns.
    #[inline]
    pub(crate) unsafe fn added(&mut self, more: usize) {
        self.end = self.end.saturating_add(more).min(self.storage.slots().len());
    }

    /// Takes descriptors from the front. Stop anywhere: what is not taken stays owned here.
    #[inline]
    pub fn take_fds(&mut self) -> impl Iterator<Item = OwnedFd> {
        core::iter::from_fn(|| {
            let fd = self.numbers().first().copied()?;
            self.first = self.first.wrapping_add(1);
            // SAFETY: the number was owned here, and is not between `first` and `end` any more.
            Some(unsafe { OwnedFd::from_raw_fd(fd) })
        })
    }

    /// Takes the last descriptor.
    #[inline]
    pub fn pop(&mut self) -> Option<OwnedFd> {
        let fd = self.numbers().last().copied()?;
        self.end = self.end.wrapping_sub(1);
        // SAFETY: the number was owned here, and is not between `first` and `end` any more.
        Some(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Closes them all.
    #[inline]
    pub fn clear(&mut self) {
        self.close();
        (self.first, self.end) = (0, 0);
    }

    /// Closes what is owned.
    #[inline]
    fn close(&mut self) {
        let numbers = self.numbers();
        // SAFETY: the bytes of initialised integers, borrowed as long as these.
        let bytes = unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) };
        let mut closer = Closer::new();
        // SAFETY: all of them are owned here alone; both callers forget them.
        unsafe { close_all(&mut closer, bytes) };
    }
}

impl<'s> FdSet<&'s mut [RawFd]> {
    /// Splits off what is behind the first `at`: two owners, each over its part of the storage.
    #[inline]
    #[must_use]
    pub fn split(mut self, at: usize) -> (Self, Self) {
        let (first, end) = (self.first, self.end);
        let middle = first.saturating_add(at).min(end);
        (self.first, self.end) = (0, 0);
        let slots: &'s mut [RawFd] = core::mem::take(&mut self.storage);
        match slots.split_at_mut_checked(middle) {
            Some((left, right)) => {
                let end = end.saturating_sub(middle);
                (Self { storage: left, first, end: middle }, Self { storage: right, first: 0, end })
            }
            // The middle is inside the storage; there is no other case.
            None => (self, Self::new(&mut [])),
        }
    }
}

impl<S: Storage> Drop for FdSet<S> {
    #[inline]
    fn drop(&mut self) {
        self.close();
    }
}

impl<S: Storage> fmt::Debug for FdSet<S> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.numbers()).finish()
    }
}
