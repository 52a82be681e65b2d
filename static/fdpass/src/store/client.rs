//! Turns `put`, `get`, `list` and `drop` into one request to a store each, `list` into one for each page.
//!
//! Law: what a store answers is believed no further than it was read: a count that does not agree with what came is an
//! error, and what came is closed.

use super::{DONE, Status, TEXTS, UNKNOWN, VERSION};
use crate::args::{FORCE, Order, good_name};
use crate::fail::{Exit, Result};
use crate::out::{Out, append};
use crate::room::{MESSAGE, Room};
use crate::rt;

/// Sends one request and receives its answer, of which `room.data` then holds the bytes: how many. 0 if `end` is the status.
fn ask(order: &mut Order, room: &mut Room, verb: u8, rest: &[u8], end: Status) -> Result<usize> {
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
    if status == DONE {
        return Ok(bytes);
    }
    if status == end {
        return Ok(0);
    }
    let text = TEXTS.split(|byte| *byte == b'\n').nth(usize::from(status)).unwrap_or(b"an unknown answer");
    Err(order.task.fail(Exit::STORE, text))
}

/// Puts descriptors under a name, or, if there are none, drops the name and what is under it.
pub fn put(order: &mut Order, room: &mut Room) -> Result {
    if room.fds_used > MESSAGE {
        return Err(order.task.usage(b"a name holds at most 253 descriptors"));
    }
    let verb = match room.fds_used {
        0 => b'd',
        _ if order.has(FORCE) => b'r',
        _ => b'p',
    };
    let count = u8::try_from(room.fds_used).unwrap_or(0);
    ask(order, room, verb, &[count], DONE).map(drop)
}

/// Gets descriptors by name, and becomes COMMAND.
pub fn get(order: &mut Order, room: &mut Room) -> Result {
    ask(order, room, b'g', &[0], DONE)?;
    let [_, count, ..] = room.data;
    if count == 0 || usize::from(count) != room.arrived.len() {
        return Err(odd(order));
    }
    order.execute(room)
}

/// Prints every name and how many descriptors are under it.
pub fn list(order: &mut Order, room: &mut Room) -> Result {
    let mut out = Out::new(rt::stdout());
    let mut from = 0_u16;
    loop {
        let bytes = ask(order, room, b'l', &from.to_be_bytes(), UNKNOWN)?;
        match room.data.get(..bytes).unwrap_or_default() {
            [] => return order.print(&mut out),
            [_, high, low, count, name @ ..] if good_name(name) && u16::from_be_bytes([*high, *low]) >= from => {
                // A store that went back would never end.
                from = u16::from_be_bytes([*high, *low]).saturating_add(1);
                out.shown(name);
                out.shown(b" ");
                out.number(u32::from(*count));
                out.shown(b"\n");
            }
            _ => return Err(odd(order)),
        }
    }
}

fn odd(order: &Order) -> Exit {
    order.task.fail(Exit::PEER, b"an answer no store gives")
}
