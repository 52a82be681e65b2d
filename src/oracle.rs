//! What a right kernel answers, and control bytes that are wrong on purpose. Feature `oracle`.
//!
//! For fuzzing kernels, emulators, sandboxes and protocol servers. Everything here is a pure function of its arguments: no
//! system call, no allocation, no unsafe code, on any target, for control bytes of any layout.
//!
//! | module | turns | into |
//! |---|---|---|
//! | [`forge`] | a description of messages, right or wrong | control bytes |
//! | [`receive()`] | what is queued, and the receiver's room | the exact answer of `recvmsg(2)`, byte for byte |
//! | [`send()`] | control bytes and the state of the world | the exact answer of `sendmsg(2)` |
//! | [`Explain`] | the same call, or control bytes alone | a line for each message, and the rule that decided |
//! | [`Reproducer`], [`ReceiveReproducer`] | a call and its answer | a C program that makes it, for those who have no Rust |
//! | [`ForeignCmsgs`] | control bytes of another machine | levels, types and payloads |
//! | [`Walk`] | control bytes of any machine | what the kernel, glibc and musl see in them |
//!
//! Every rule has a name ([`Rule`]), the kernel function it comes from, and the version it holds since.

#![forbid(unsafe_code)]

mod explain;
mod foreign;
pub mod forge;
mod layout;
mod names;
mod receive;
mod reproducer;
mod rule;
mod send;
mod walk;

pub use explain::Explain;
pub use foreign::{ForeignCmsg, ForeignCmsgs, ForeignMalformed, ForeignRights};
pub use layout::{Abi, ByteOrder, Header, Layout};
pub use receive::{Answer, Carrier, Options, Origin, Packet, Queue, Receipt, Receive, Time, Unit, receive};
pub use reproducer::{ReceiveReproducer, Reproducer};
pub use rule::{Rule, Rules, Side};
pub use send::{
    Capabilities, Connection, ControlArea, Descriptor, Limits, Name, Outcome, Place, Send, Sender, Socket, Verdict,
    Version, send,
};
pub use walk::{Step, Stop, Walk, Walker};
