//! Turns descriptors into messages on a stream and back: `fdpass send` and `fdpass recv`.
//!
//! A message has up to 253 descriptors and one data byte, their number, as `scmsg::bulk` has it. Any other sender will do:
//! the data means nothing here.
//!
//! Laws: exactly as many descriptors as asked for arrive, or all are closed (what the peer sends in a message behind them is not
//! looked at, since a peer need not say that it is done); data without descriptors is read up to a limit, so
//! that a flood ends.

use crate::args::Order;
use crate::fail::{Result, Why};
use crate::room::{MESSAGE, Room};

/// Messages without descriptors that are read and thrown away.
const PATIENCE: usize = 256;

pub fn send(order: &mut Order, room: &mut Room) -> Result {
    let socket = order.meet(&room.addr, false, false)?;
    order.task.what = b"send";
    let fds = room.fds.get(..room.fds_used).unwrap_or_default();
    for part in fds.chunks(MESSAGE) {
        let count = u8::try_from(part.len()).unwrap_or(0);
        order.send(&socket, &[count], part, &mut room.control)?;
    }
    Ok(())
}

/// Receives, and becomes COMMAND.
#[inline(never)]
pub fn recv(order: &mut Order, room: &mut Room) -> Result {
    let socket = order.meet(&room.addr, true, false)?;
    order.task.what = b"receive";
    let mut messages = 0_usize;
    while room.arrived.len() < order.count {
        order.receive(&socket, room)?;
        messages = messages.saturating_add(1);
        if messages > room.arrived.len().saturating_add(PATIENCE) {
            return Err(order.task.fail(Why::NoDescriptors));
        }
    }
    if room.arrived.len() > order.count {
        return Err(order.task.fail(Why::TooMany));
    }
    // Nothing was closed while descriptors arrived; `execute` says why.
    drop(socket);
    order.execute(room)
}
