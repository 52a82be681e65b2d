//! Everything Linux can say in `msg_control`, straight to the kernel: `sendmsg`, `recvmsg` and the control messages they
//! carry, without libc, std or an allocator. No received descriptor is ever lost.
//!
//! ```
//! use scmsg::{AsFd, recv_with_fds, send_with_fds, SocketFlags, SocketType, socketpair};
//!
//! let (a, b) = socketpair(SocketType::SEQPACKET, SocketFlags::empty())?;
//! send_with_fds(&a, b"here is one of my ends", &[a.as_fd()])?;
//! let mut buf = [0; 64];
//! let (bytes, [fd]) = recv_with_fds::<1>(&b, &mut buf)?;
//! assert_eq!(&buf[..bytes], b"here is one of my ends");
//! assert_ne!(fd.as_raw_fd(), a.as_raw_fd());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The laws
//! Each is held by a test that is named after it.
//!
//! 1. **Any bytes decode.** No panic and no out-of-bounds read at any length, alignment and content; no panic is even
//!    reachable.
//! 2. **Whole or not at all.** A control message is encoded completely or the buffer is unchanged.
//! 3. **Opened = taken + closed.** Every descriptor a receive opens is owned, asked for or not. Safe code can neither forge
//!    one nor own one twice.
//! 4. **One call, one system call.** `Drop` is not a call: it makes one system call for each run of descriptors.
//! 5. **Truncation is a fact, not an error**, with a [`Cause`] that is never a guess. Only [`Ancillary::take_exact`] and
//!    [`recv_with_fds`] refuse a truncated message.
//! 6. **In-out fields are rewritten before every call**, so a header can be used again for ever.
//! 7. **A descriptor slot is `Result<OwnedFd, Errno>`**: the kernel may write a negative errno there.
//! 8. **Close-on-exec and no `SIGPIPE` are always on.** `MSG_CMSG_COMPAT` cannot be set. The [`raw`] layer adds nothing.
//! 9. **Numbers come from `linux-raw-sys`** where it has them.
//! 10. **Silent loss needs an explicit call.** Descriptors without data are refused where the message is built;
//!     credentials with pid 0 are not a sender.
//!
//! # The map
//! Send: a typed message ([`message`]) or descriptors go through an [`Encoder`] into a [`ControlBuf`], with data into a
//! [`SendMsg`], and to the kernel by [`sendmsg`]. Receive: [`recvmsg`] fills a [`RecvMsg`] and gives a [`Received`], whose
//! [`Ancillary`] owns what arrived: look, take some, take exactly K, drop the rest. [`send_with_fds`] and
//! [`recv_with_fds`] are the short way. [`sockopt`] switches each message on.
//!
//! # Features
//! None is on by default. `std`: conversions from and to std's types. `oracle`: what a right kernel answers, and control
//! bytes that are wrong on purpose, for fuzzing.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_ptr_cast_mut,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_ptr_alignment,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::multiple_unsafe_ops_per_block,
    clippy::panic,
    clippy::ptr_as_ptr,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used
)]

mod layout;
mod numbers;

mod errno;
mod flags;

mod borrowed;
mod io_slice;

mod decode;
mod encode;
mod ledger;
mod traits;

mod addr;
mod control;
pub mod message;

pub mod raw;

mod fd;
mod set;

mod ancillary;
mod batch;
pub mod bulk;
mod fds;
mod packets;
mod recv;
mod send;
mod socket;
pub mod sockopt;
#[cfg(feature = "std")]
mod std_impls;

#[cfg(feature = "oracle")]
pub mod oracle;

pub use addr::{Address, BadName, Family, SocketAddr, UNIX_PATH_MAX};
pub use ancillary::{Ancillary, Cause, TakeFds, WrongCount};
pub use batch::{Batch, BatchFull, RecvBatch, SendBatch, recvmmsg, sendmmsg};
pub use borrowed::{AsFd, BorrowedFd, RawFd};
pub use control::Control;
pub use decode::{Cmsg, Cmsgs, Malformed};
pub use encode::{ControlBuf, Encoder, FixedControl, NoSpace};
pub use errno::Errno;
pub use fd::{OwnedFd, close};
pub use fds::{RecvError, SendError, recv_with_fds, send_with_fds};
pub use flags::{MsgFlags, RecvFlags, SendFlags};
pub use io_slice::{IoSlice, IoSliceMut};
pub use layout::{CMSG_ALIGN, CMSG_ALIGNMENT, CMSG_HEADER, CMSG_LEN, CMSG_SPACE};
pub use message::{
    Credentials, Ipv4PacketInfo, Ipv6PacketInfo, PidFd, Rights, SecurityLabel, TimestampNew, TimestampNsNew,
    TimestampNsOld, TimestampOld, TimestampingNew, TimestampingOld, UnreadBytes, space_of,
};
pub use packets::{NotPackets, Packets};
pub use recv::{Data, Received, RecvMsg, recvmsg};
pub use send::{NoData, SendMsg, sendmsg};
pub use set::{FdSet, Storage};
pub use socket::{
    PollFd, PollFlags, Shutdown, SocketFlags, SocketType, accept, accept_from, bind, connect, getpeername, getsockname,
    listen, poll, shutdown, socket, socketpair,
};
pub use sockopt::{getsockopt, getsockopt_raw, peer_label, setsockopt, setsockopt_raw};
pub use traits::{Decode, Encode, Message, Short};

/// The README's code, compiled.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct ReadMe;
