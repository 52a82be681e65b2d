//! Turns a command line into descriptors passed over a unix socket: a static program that needs nothing but a kernel.
//!
//! Laws: nothing is opened before the command line is right; everything is close-on-exec but what COMMAND is meant to have; no
//! wait outlasts `--timeout`; no panic is reachable.

#![no_std]
#![no_main]
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::multiple_unsafe_ops_per_block,
    clippy::panic,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used
)]

#[allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "its own rules")]
#[path = "../../rt/mod.rs"]
mod rt;

mod sys;

mod fail;
mod room;
mod signals;
mod text;

mod args;
mod link;

mod creds;
mod exec;
mod pass;
mod store;

use args::{HELP, Order, VERSION, Verb};
use fail::Result;
use room::{Once, Room};
use scmsg::{Family, SocketFlags, SocketType, socket};

static ROOM: Once<Room> = Once::new(Room::new());

fn main(stack: rt::Stack) -> i32 {
    let Some(room) = ROOM.take() else { return 1 };
    match run(&mut Order::new(stack), room) {
        Ok(()) => 0,
        Err(exit) => exit.get(),
    }
}

#[inline(never)]
fn run(order: &mut Order, room: &mut Room) -> Result {
    order.parse(room)?;
    if order.has(HELP | VERSION) {
        let version = concat!("fdpass ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();
        return order.print(room.text.add(if order.has(HELP) { include_bytes!("help.txt") } else { version }));
    }
    order.locate(&mut room.addr)?;
    order.task.what = b"open";
    stand_in(order)?;
    match order.verb {
        Verb::Send => pass::send(order, room),
        Verb::Recv => pass::recv(order, room),
        Verb::Creds => creds::creds(order, room),
        Verb::Store => store::store(order, room),
        Verb::Put | Verb::Drop => store::put(order, room),
        Verb::Get => store::get(order, room),
        Verb::List => store::list(order, room),
    }
}

/// Fills standard input, output and error where they are closed, so that no other descriptor gets their numbers; what stands
/// in is closed again at `execve`.
fn stand_in(order: &Order) -> Result {
    loop {
        let made = socket(Family::UNIX, SocketType::STREAM, SocketFlags::empty(), 0);
        let made = made.map_err(|errno| order.task.errno(errno))?;
        if made.as_raw_fd() > 2 {
            return Ok(());
        }
        let _stays_open = made.into_raw_fd();
    }
}
