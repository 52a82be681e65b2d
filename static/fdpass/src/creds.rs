//! Turns a connection into who is at its other end: pid, uid, gid, and a descriptor of the process.
//!
//! Law: nothing is received, so nothing the peer sends matters, nor whether it sends at all.
//!
//! The kernel noted these when the connection was made: of who listens, if this end connected; of who connected, otherwise.

use core::num::NonZeroU32;
use core::time::Duration;

use scmsg::sockopt::{PeerCred, PeerPidFd};
use scmsg::{PollFd, PollFlags, getsockopt, poll};

use crate::args::Order;
use crate::fail::{Result, errno_text};
use crate::out::Out;
use crate::room::Room;
use crate::rt;

/// Prints it, and becomes COMMAND with the process descriptor if there is one.
pub fn creds(order: &mut Order, room: &mut Room) -> Result {
    let socket = order.meet(false, true)?;
    order.task.what = b"creds";
    let who = getsockopt(&socket, PeerCred).map_err(|errno| order.task.errno(errno))?;
    let process = getsockopt(&socket, PeerPidFd);
    let mut out = Out::new(rt::stdout());
    // 0 is a process outside this pid namespace.
    for (name, number) in [(b"pid ", who.pid.map_or(0, NonZeroU32::get)), (b"uid ", who.uid), (b"gid ", who.gid)] {
        out.shown(name);
        out.number(number);
        out.shown(b"\n");
    }
    out.shown(b"pidfd ");
    out.shown(match &process {
        // Readable once it has ended, but for what its parent still has to collect.
        Ok(process) => match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(Duration::ZERO)) {
            Ok(0) => b"running",
            _ => b"ended",
        },
        Err(errno) => errno_text(*errno),
    });
    out.shown(b"\n");
    order.print(&mut out)?;
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
    /// Ends the output of a subcommand.
    pub fn print(&mut self, out: &mut Out) -> Result {
        self.task.what = b"print";
        out.flush().map_or(Ok(()), |errno| Err(self.task.errno(errno)))
    }
}
