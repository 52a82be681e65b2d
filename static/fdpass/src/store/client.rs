//! Turns `put`, `get`, `list` and `drop` into one request to a store each, `list` into one for each page.
//!
//! Law: what a store answers is believed no further than it was read: a count that does not agree with what came is an
//! error, and what came is closed.

use super::{DONE, TEXTS, VERSION};
use crate::args::{FORCE, Order, good_name};
use crate::fail::{Exit, Result};
use crate::out::{Out, append};
use crate::room::{MESSAGE, Room};
use crate::rt;

/// Sends one request and receives its answer, of which `room.data` then holds the bytes: how many.
fn ask(order: &mut Order, room: &mut Room, verb: u8, rest: &[u8]) -> Result<usize> {
    let socket = order.dial()?;
    order.task.what = b"ask";
    let (mut request, mut used) = ([0; 3 + 64], 0);
    for part in [&[VERSION, verb], rest, order.name] {
        append(&mut request, &mut used, part);
    }
    let fds = room.fds.get(..room.fds_used).unwrap_or_default();
    order.send(&socket, request.get(..used).unwrap_or_default(), fds, &mut room.control)?;
    let bytes = order.receive(&socket, room)?;
    let [status, ..] = room.data;
    if status != DONE {
        let text = TEXTS.split(|byte| *byte == b'\n').nth(usize::from(status)).unwrap_or(b"an unknown answer");
        return Err(order.task.fail(Exit::STORE, text));
    }
    Ok(bytes)
}

/// Puts descriptors under a name.
pub fn put(order: &mut Order, room: &mut Room) -> Result {
    if room.fds_used > MESSAGE {
        return Err(order.task.usage(b"a name holds at most 253 descriptors"));
    }
    let count = u8::try_from(room.fds_used).unwrap_or(0);
    ask(order, room, if order.has(FORCE) { b'r' } else { b'p' }, &[count]).map(drop)
}

/// Drops a name, and what is under it.
pub fn drop_name(order: &mut Order, room: &mut Room) -> Result {
    ask(order, room, b'd', &[0]).map(drop)
}

/// Gets descriptors by name, and becomes COMMAND.
pub fn get(order: &mut Order, room: &mut Room) -> Result {
    let bytes = ask(order, room, b'g', &[0])?;
    let [_, count, ..] = room.data;
    if bytes != 2 || count == 0 || usize::from(count) != room.arrived.len() {
        return Err(odd(order));
    }
    order.execute(room)
}

/// Prints every name and how many descriptors are under it.
pub fn list(order: &mut Order, room: &mut Room) -> Result {
    let mut out = Out::new(rt::stdout());
    let mut from = 0;
    loop {
        let bytes = ask(order, room, b'l', &u16::to_be_bytes(from))?;
        match print_page(room.data.get(..bytes).unwrap_or_default(), &mut out) {
            Some(0) => return order.print(&mut out),
            // A store that goes back would never end.
            Some(next) if next > from => from = next,
            _ => return Err(odd(order)),
        }
    }
}

fn odd(order: &Order) -> Exit {
    order.task.fail(Exit::PEER, b"an answer no store gives")
}

/// Prints one page: where the next one starts, 0 if there is none.
fn print_page(page: &[u8], out: &mut Out) -> Option<u16> {
    let [_, high, low, rest @ ..] = page else { return None };
    let mut rest = rest;
    while let [count, len, behind @ ..] = rest {
        let (name, behind) = behind.split_at_checked(usize::from(*len))?;
        if !good_name(name) {
            return None;
        }
        out.shown(name);
        out.shown(b" ");
        out.number(u32::from(*count));
        out.shown(b"\n");
        rest = behind;
    }
    rest.is_empty().then_some(u16::from_be_bytes([*high, *low]))
}
