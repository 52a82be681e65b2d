//! What a right kernel answers, and control bytes that are wrong on purpose. Feature `oracle`.
//!
//! For fuzzing kernels, emulators, sandboxes and protocol servers. Everything here is a pure function of its arguments: no
//! system call, no allocation, no unsafe code, on any target, for control bytes of any layout.
//!
//! | module | turns | into |
//! |---|---|---|
//! | [`forge`] | a description of messages, right or wrong | control bytes |
//! | [`send()`] | control bytes and the state of the world | the exact answer of `sendmsg(2)` |
//!
//! Every rule has a name ([`Rule`]), the kernel function it comes from, and the version it holds since.

#![forbid(unsafe_code)]

mod explain;
mod foreign;
pub mod forge;
mod layout;
mod names;
mod reproducer;
mod rule;
mod send;
mod walk;

pub use explain::Explain;
pub use foreign::{ForeignCmsg, ForeignCmsgs, ForeignMalformed, ForeignRights};
pub use layout::{Abi, ByteOrder, Header, Layout};
pub use reproducer::Reproducer;
pub use rule::{Rule, Rules, Side};
pub use send::{
    Capabilities, Connection, ControlArea, Descriptor, Limits, Name, Outcome, Place, Send, Sender, Socket, Verdict,
    Version, send,
};
pub use walk::{Step, Stop, Walk, Walker};
