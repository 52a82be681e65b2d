//! Turns byte slices into the `iovec` the kernel reads: always this crate's own types, laid out exactly like it.
//!
//! ```text
//! 0                    size_of::<usize>()
//! | iov_base: pointer  | iov_len: bytes  |
//! ```

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use linux_raw_sys::general;

/// `iovec` as the kernel sees it (`include/uapi/linux/uio.h`): a pointer and a length in bytes.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct iovec {
    /// First byte.
    pub iov_base: *mut u8,
    /// Bytes.
    pub iov_len: usize,
}

static_assertions::assert_eq_size!(iovec, general::iovec);
static_assertions::assert_eq_align!(iovec, general::iovec);
static_assertions::const_assert_eq!(
    core::mem::offset_of!(iovec, iov_base),
    core::mem::offset_of!(general::iovec, iov_base)
);
static_assertions::const_assert_eq!(
    core::mem::offset_of!(iovec, iov_len),
    core::mem::offset_of!(general::iovec, iov_len)
);

macro_rules! io_slice {
    ($name:ident, $from:ty, $doc:literal) => {
        #[doc = $doc]
        #[repr(transparent)]
        pub struct $name<'a> {
            iov: iovec,
            bytes: PhantomData<$from>,
        }

        impl Deref for $name<'_> {
            type Target = [u8];

            #[inline]
            fn deref(&self) -> &[u8] {
                // SAFETY: `iov` was made from a slice of initialised bytes that is borrowed for this type's lifetime,
                // and no method changes it.
                unsafe { core::slice::from_raw_parts(self.iov.iov_base, self.iov.iov_len) }
            }
        }

        impl fmt::Debug for $name<'_> {
            #[inline]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        // SAFETY: it stands for the reference in `bytes`, which may be sent.
        unsafe impl Send for $name<'_> {}
        // SAFETY: a shared one gives out shared references to bytes only.
        unsafe impl Sync for $name<'_> {}
    };
}

io_slice!(IoSlice, &'a [u8], "Bytes to send: a `&[u8]` laid out as an `iovec`.");
io_slice!(IoSliceMut, &'a mut [u8], "Bytes to receive into: a `&mut [u8]` laid out as an `iovec`.");

impl<'a> IoSlice<'a> {
    /// Borrows `bytes` for sending.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { iov: iovec { iov_base: bytes.as_ptr().cast_mut(), iov_len: bytes.len() }, bytes: PhantomData }
    }
}

impl Clone for IoSlice<'_> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for IoSlice<'_> {}

impl<'a> IoSliceMut<'a> {
    /// Borrows `bytes` for receiving.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { iov: iovec { iov_base: bytes.as_mut_ptr(), iov_len: bytes.len() }, bytes: PhantomData }
    }
}

impl DerefMut for IoSliceMut<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: `iov` was made from a `&mut [u8]` that is borrowed for this type's lifetime, and `&mut self` makes
        // this the only use of it.
        unsafe { core::slice::from_raw_parts_mut(self.iov.iov_base, self.iov.iov_len) }
    }
}
