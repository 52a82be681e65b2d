//! Turns `put`, `get`, `list` and `drop` into one request to a store each, `list` into one for each page.
//!
//! Law: what a store answers is believed no further than it was read: a count that does not agree with what came is an
//! error, and what came is closed.

use super::{DONE, Status, VERSION};
use crate::args::{FORCE, Order, good_name};
use crate::fail::{Result, Why};
use crate::room::{MESSAGE, Room};

/// Sends one request and receives its answer, which is the room's data then; `end` is no failure.
fn ask(order: &mut Order, room: &mut Room, verb: u8, rest: &[u8], end: Status) -> Result {
    let socket = order.dial(&room.addr)?;
    order.task.what = b"store";
    room.close();
    room.text.clear().add(&[VERSION, verb]).add(rest).add(order.name);
    let fds = room.fds.get(..room.fds_used).unwrap_or_default();
    order.send(&socket, room.text.as_bytes(), fds, &mut room.control)?;
    order.receive(&socket, room)?;
    let [status, ..] = room.data;
    if status == DONE || status == end {
        return Ok(());
    }
    // What no store says is no sentence of this program.
    Err(order.task.answer(if status <= Why::Busy.to_byte() { status } else { Why::OddAnswer.to_byte() }))
}

/// Puts descriptors under a name, or, if there are none, drops the name and what is under it.
pub fn put(order: &mut Order, room: &mut Room) -> Result {
    if room.fds_used > MESSAGE {
        return Err(order.task.fail(Why::TooManyForName));
    }
    let verb = match room.fds_used {
        0 => b'd',
        _ if order.has(FORCE) => b'r',
        _ => b'p',
    };
    let count = u8::try_from(room.fds_used).unwrap_or(0);
    ask(order, room, verb, &[count], DONE)
}

/// Gets descriptors by name, and becomes COMMAND.
pub fn get(order: &mut Order, room: &mut Room) -> Result {
    ask(order, room, b'g', &[0], DONE)?;
    let [_, count, ..] = room.data;
    if count == 0 || usize::from(count) != room.arrived.len() {
        return Err(order.task.fail(Why::OddAnswer));
    }
    order.execute(room)
}

/// Prints every name and how many descriptors are under it.
pub fn list(order: &mut Order, room: &mut Room) -> Result {
    let mut from = 0_u16;
    loop {
        ask(order, room, b'l', &from.to_be_bytes(), Why::Unknown.to_byte())?;
        match room.data.get(..room.len).unwrap_or_default() {
            [status] if *status != DONE => return Ok(()),
            [_, high, low, count, name @ ..] if good_name(name) && u16::from_be_bytes([*high, *low]) >= from => {
                // A store that went back would never end.
                from = u16::from_be_bytes([*high, *low]).saturating_add(1);
                order.print(room.text.clear().add(name).add(b" ").number(u32::from(*count)).add(b"\n"))?;
            }
            _ => return Err(order.task.fail(Why::OddAnswer)),
        }
    }
}
