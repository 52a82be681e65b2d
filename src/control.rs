//! Turns an [`Encoder`] into what a send takes: well-formed control bytes whose descriptors are borrowed. The unsafe
//! doors are here.
//!
//! Law: a [`Control`] keeps every descriptor in it borrowed, so it cannot be closed before the send:
//! ```compile_fail,E0505
//! use scmsg::{AsFd, Control, ControlBuf, Encoder, SocketType, SocketFlags, socketpair};
//! let (fd, _other) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let mut encoder = Encoder::new(&mut buf);
//! encoder.push_rights(&[fd.as_fd()]).unwrap();
//! let control = Control::from(&encoder);
//! drop(fd); // still in `control`
//! let _ = control;
//! ```
//! ```compile_fail,E0597
//! use scmsg::{AsFd, ControlBuf, Encoder, SocketType, SocketFlags, socketpair};
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let mut encoder = Encoder::new(&mut buf);
//! {
//!     let (fd, _other) = socketpair(SocketType::STREAM, SocketFlags::empty()).unwrap();
//!     encoder.push_rights(&[fd.as_fd()]).unwrap();
//! }
//! let _ = encoder.as_bytes(); // names a closed descriptor
//! ```
//! Its bytes do not change while it is there, and any bytes at all need `unsafe`:
//! ```compile_fail,E0502
//! use scmsg::{Control, ControlBuf, Encoder};
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let mut encoder = Encoder::new(&mut buf);
//! let control = Control::from(&encoder);
//! encoder.push_rights(&[]).unwrap();
//! let _ = control;
//! ```
//! ```compile_fail,E0502
//! use scmsg::{Control, ControlBuf, Encoder};
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let unsized_buf: &mut ControlBuf = &mut buf;
//! let encoder = Encoder::new(unsized_buf);
//! let bytes = unsized_buf.as_bytes();
//! let _ = Control::from(&encoder);
//! ```
//! ```compile_fail,E0133
//! let _ = scmsg::Control::from_raw(b"any bytes", 0);
//! ```
//! ```compile_fail,E0133
//! use scmsg::{ControlBuf, Encoder};
//! let mut buf = ControlBuf::<[u8; 64]>::new();
//! let _ = Encoder::new(&mut buf).push_raw(1, 1, &[0; 4]);
//! ```

use crate::addr::{BadName, SocketAddr};
use crate::encode::{Encoder, FixedControl, NoSpace};
use crate::numbers::{SCM_RIGHTS, SOL_SOCKET};

/// Control bytes ready to be sent. Copying it copies a reference.
#[derive(Clone, Copy, Debug)]
pub struct Control<'a> {
    bytes: &'a [u8],
    descriptors: usize,
}

impl<'a> Control<'a> {
    /// No control messages.
    pub const EMPTY: Control<'static> = Control { bytes: &[], descriptors: 0 };

    /// Sends `bytes` as they are. `descriptors` is how many they carry: it decides whether a message without data is
    /// refused ([`NoData`](crate::NoData)).
    ///
    /// # Safety
    /// Whatever number in `bytes` the kernel takes for a descriptor is open, and may be sent by the caller, for `'a`;
    /// whatever it takes for an address, it may read and write.
    #[inline]
    #[must_use]
    pub const unsafe fn from_raw(bytes: &'a [u8], descriptors: usize) -> Self {
        Self { bytes, descriptors }
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many descriptors the bytes carry.
    #[inline]
    #[must_use]
    pub const fn descriptors(&self) -> usize {
        self.descriptors
    }
}

impl<'a> From<&'a Encoder<'_, 'a>> for Control<'a> {
    #[inline]
    fn from(encoder: &'a Encoder<'_, 'a>) -> Self {
        Self { bytes: encoder.as_bytes(), descriptors: encoder.descriptors() }
    }
}

impl<'a> From<Encoder<'a, 'a>> for Control<'a> {
    /// Ends the encoding: the bytes stay in the buffer the encoder borrowed.
    #[inline]
    fn from(encoder: Encoder<'a, 'a>) -> Self {
        let descriptors = encoder.descriptors();
        Self { bytes: encoder.into_bytes(), descriptors }
    }
}

impl<'a, const N: usize> From<&'a FixedControl<N>> for Control<'a> {
    #[inline]
    fn from(fixed: &'a FixedControl<N>) -> Self {
        Self { bytes: fixed.as_bytes(), descriptors: 0 }
    }
}

impl SocketAddr {
    /// [`raw`](Self::raw) for families whose addresses can name a descriptor as well.
    ///
    /// # Safety
    /// Whatever number in `sockaddr` the kernel takes for a descriptor is one the caller may use so, whenever the address is
    /// used.
    ///
    /// # Errors
    /// [`BadName::TooLong`] and [`BadName::TooShort`].
    pub unsafe fn raw_unchecked(sockaddr: &[u8]) -> Result<Self, BadName> {
        Self::any(sockaddr)
    }
}

impl Encoder<'_, '_> {
    /// Appends any message at all.
    ///
    /// # Safety
    /// Whatever number in `payload` the kernel takes for a descriptor is open, and may be sent by the caller, until the
    /// message has been sent; whatever it takes for an address, it may read and write.
    ///
    /// # Errors
    /// [`NoSpace`] if it does not fit; nothing has changed then.
    #[inline]
    pub unsafe fn push_raw(&mut self, level: i32, kind: i32, payload: &[u8]) -> Result<&mut Self, NoSpace> {
        let descriptors = if level == SOL_SOCKET && kind == SCM_RIGHTS { payload.len() / 4 } else { 0 };
        self.append(level, kind, payload.len(), descriptors, |out| {
            out.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
        })
    }
}
