//! Turns one process into a keeper of descriptors that outlives those who put them there: `fdpass store`, and the subcommands
//! that speak to it.
//!
//! One request is one packet of a `SOCK_SEQPACKET` connection, and so is its answer. A place has two bytes, the high one first.
//!
//! ```text
//! request                                    answer
//! 1 'p' count name...  + count descriptors   status                    put
//! 1 'r' count name...  + count descriptors   status                    put in place of what is there
//! 1 'd' 0     name...                        status                    drop
//! 1 'g' 0     name...                        status count              get    + count descriptors
//! 1 'l' place                                status place count name   list: the first name from this place on
//! ```
//!
//! The first byte is the version. What is not exactly like this is answered with status 1, and its descriptors are closed.

mod client;
mod server;
mod table;

pub use client::{get, list, put};
pub use server::store;

const VERSION: u8 = 1;

/// The status of an answer, its first byte: all is well if it is 0; otherwise the number of a sentence in `fail.rs`.
type Status = u8;
const DONE: Status = 0;
