//! Turns a connection into who is at its other end: pid, uid, gid, and a descriptor of the process.
//!
//! Law: nothing is received, so nothing the peer sends matters, nor whether it sends at all.
//!
//! The kernel noted these when the connection was made: of who listens, if this end connected; of who connected, otherwise.

use core::num::NonZeroU32;

use scmsg::getsockopt;
use scmsg::sockopt::{PeerCred, PeerPidFd};

use crate::args::Order;
use crate::fail::{Result, add_errno};
use crate::link::readable;
use crate::room::Room;
use crate::rt;
use crate::text::Text;

/// Prints it, and becomes COMMAND with the process descriptor if there is one.
pub fn creds(order: &mut Order, room: &mut Room) -> Result {
    let socket = order.meet(&room.addr, false, true)?;
    order.task.what = b"creds";
    let who = getsockopt(&socket, PeerCred).map_err(|errno| order.task.errno(errno))?;
    let process = getsockopt(&socket, PeerPidFd);
    let text = room.text.clear();
    // 0 is a process outside this pid namespace.
    text.add(b"pid ").number(who.pid.map_or(0, NonZeroU32::get));
    text.add(b"\nuid ").number(who.uid).add(b"\ngid ").number(who.gid).add(b"\npidfd ");
    match &process {
        Ok(process) => {
            // Readable once it has ended, but for what its parent still has to collect.
            text.add(if readable(process) { b"ended" } else { b"running" });
        }
        Err(errno) => add_errno(text, *errno),
    }
    order.print(text.add(b"\n"))?;
    match (order.command.clone().next(), process) {
        (None, _) => Ok(()),
        (_, Err(errno)) => Err(order.task.errno(errno)),
        (_, Ok(process)) => {
            // The room is empty.
            let _ = room.arrived.push(process);
            order.execute(room)
        }
    }
}

impl Order {
    /// Writes to standard output.
    pub fn print(&mut self, text: &mut Text) -> Result {
        text.write(rt::stdout()).map_err(|errno| {
            self.task.what = b"print";
            self.task.errno(errno)
        })
    }
}
