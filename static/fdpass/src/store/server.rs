//! Turns requests into answers, for as long as it is let: `fdpass store`.
//!
//! Laws: no client waits for another, since a request is one packet, is there or is not, and is answered at once or its client
//! is hung up on; a client that says nothing costs one of 64 places, and loses it to those who come later; whatever arrives and
//! is not put under a name is closed.

use core::iter::once;
use core::time::Duration;

use scmsg::{Errno, OwnedFd, PollFd, PollFlags, poll};

use super::table::Table;
use super::{DONE, VERSION};
use crate::args::{Order, good_name};
use crate::fail::{Result, Why};
use crate::link::{hear, say};
use crate::room::{Once, Room};
use crate::sys;

/// Connections at the same time.
const CLIENTS: usize = 64;
/// Descriptors that are left for what is not held: connections, and this program's own.
const RESERVE: usize = CLIENTS + 16;

/// The table, and the clients in the order of their coming, round and round.
static TABLE: Once<(Table, [Option<OwnedFd>; CLIENTS])> = Once::new((Table::new(), [const { None }; CLIENTS]));

/// Keeps descriptors until it is killed.
pub fn store(order: &mut Order, room: &mut Room) -> Result {
    let Some((table, clients)) = TABLE.take() else { return Ok(()) };
    // SAFETY: nothing was opened yet but what stands in for the first three, and this subcommand takes no descriptors.
    unsafe { sys::close_inherited() };
    table.most = sys::raise_descriptor_limit().saturating_sub(RESERVE);
    let listener = order.listen(&room.addr)?;
    let mut next = 0_usize;
    loop {
        let [socket, signals] = listener.entries();
        let mut entries = [socket; CLIENTS + 2];
        let mut used = 1_usize;
        let others = clients.iter().flatten().map(|client| PollFd::new(client, PollFlags::IN));
        for (entry, other) in entries.iter_mut().skip(1).zip(once(signals).chain(others)) {
            *entry = other;
            used = used.wrapping_add(1);
        }
        // An interrupted one finds nothing below.
        let _ = poll(entries.get_mut(..used).unwrap_or_default(), None);
        listener.goes_on()?;
        for place in clients.iter_mut() {
            if place.as_ref().is_some_and(|client| !serve(client, table, room)) {
                *place = None;
            }
            room.close();
        }
        // One at a time: whoever sent a request with the connection is answered before 64 others come.
        let accepted = listener.accept(false);
        if accepted.is_err() {
            // No descriptor is left in the process or the system; without this, the loop would spin.
            let _ = poll(&mut [], Some(Duration::from_millis(100)));
        }
        if !matches!(accepted, Ok(None)) {
            let free = clients.iter().position(Option::is_none);
            if let Some(place) = clients.get_mut(free.unwrap_or(next % CLIENTS)) {
                *place = accepted.ok().flatten();
            }
            next = next.wrapping_add(1);
        }
    }
}

/// Takes one request from a client, if there is one, and answers it; whether the client may stay. One that is gone may not, nor
/// one that does not take its answers: it waits for nothing, and nobody waits for it.
#[inline(never)]
fn serve(socket: &OwnedFd, table: &mut Table, room: &mut Room) -> bool {
    let heard = hear(socket, room);
    let Room { data, len, control, arrived, text: answer, .. } = room;
    let status = match data.get(..*len).unwrap_or_default() {
        _ if heard == Err(Errno::EAGAIN) => return true,
        _ if heard == Err(Errno::EMFILE) => Why::Lost,
        _ if heard.is_err() => return false,
        [VERSION, b'l', high, low] => match table.next(usize::from(u16::from_be_bytes([*high, *low]))) {
            Some((place, name, count)) => {
                answer.clear().add(&[DONE]).add(&u16::try_from(place).unwrap_or(0).to_be_bytes());
                answer.add(&[u8::try_from(count).unwrap_or(0)]).add(name);
                return say(socket, answer.as_bytes(), &[], control).is_ok();
            }
            None => Why::Unknown,
        },
        [VERSION, verb, count, name @ ..] if good_name(name) => match verb {
            _ if usize::from(*count) != arrived.len() => Why::Lost,
            b'g' if *count == 0 => match table.get(name) {
                [] => Why::Unknown,
                fds => match say(socket, &[DONE, u8::try_from(fds.len()).unwrap_or(0)], fds, control) {
                    Err(Errno::ETOOMANYREFS) => Why::Busy,
                    sent => return sent.is_ok(),
                },
            },
            b'p' | b'r' if *count != 0 => table.put(name, *verb == b'r', arrived),
            b'd' if *count == 0 => table.put(name, true, arrived),
            _ => Why::Bad,
        },
        _ => Why::Bad,
    };
    say(socket, &[status.to_byte()], &[], control).is_ok()
}
