//! Turns a control message type into bytes and back: the open traits any crate can implement for its own messages.
//!
//! There are two directions because sizes differ: `IP_TOS` is four bytes when sent and one when received.

#![forbid(unsafe_code)]

use core::fmt;

/// Which control message a type is.
pub trait Message {
    /// `cmsg_level`.
    const LEVEL: i32;
    /// `cmsg_type`.
    const TYPE: i32;
}

/// A message that can be sent.
///
/// # Examples
/// A message of one's own, pushed like any other:
/// ```
/// use scmsg::{CMSG_SPACE, ControlBuf, Encode, Encoder, Message};
///
/// struct UdpSegment(u16);
/// impl Message for UdpSegment {
///     const LEVEL: i32 = 17; // SOL_UDP
///     const TYPE: i32 = 103; // UDP_SEGMENT
/// }
/// impl Encode for UdpSegment {
///     fn payload_len(&self) -> usize {
///         2
///     }
///     fn encode(&self, out: &mut [u8]) {
///         out.copy_from_slice(&self.0.to_ne_bytes());
///     }
/// }
///
/// let mut buf = ControlBuf::<[u8; CMSG_SPACE(2)]>::new();
/// let mut control = Encoder::new(&mut buf);
/// control.push(&UdpSegment(1200))?;
/// # Ok::<(), scmsg::NoSpace>(())
/// ```
pub trait Encode: Message {
    /// Payload in bytes. Called once for each message pushed.
    fn payload_len(&self) -> usize;

    /// Writes the payload. `out` is zeroed and has exactly [`payload_len`](Self::payload_len) bytes.
    fn encode(&self, out: &mut [u8]);
}

/// A message that can be received.
pub trait Decode<'a>: Message + Sized {
    /// The largest payload the kernel delivers, in bytes; `None` if it varies without a bound.
    const MAX_RECEIVED: Option<usize>;

    /// Reads the payload.
    ///
    /// # Errors
    /// [`Short`] if the message was cut: the payload has fewer bytes than the type needs.
    fn from_payload(payload: &'a [u8]) -> Result<Self, Short>;
}

/// A control message was cut short: its payload has `have` bytes and the type needs `need`.
///
/// This happens on real kernels: what does not fit the control buffer is clipped, down to an empty payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Short {
    /// Payload bytes the type needs.
    pub need: usize,
    /// Payload bytes there are.
    pub have: usize,
}

impl fmt::Display for Short {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control message cut short: {} of {} payload bytes", self.have, self.need)
    }
}

impl core::error::Error for Short {}
