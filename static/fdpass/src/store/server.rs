//! Turns requests into answers, for as long as it is let: `fdpass store`.
//!
//! Laws: no client waits for another, since a request is one packet, is there or is not, and is answered at once or its client
//! is hung up on; a client that says nothing is hung up on after the timeout, and earlier when its place is needed; whatever
//! arrives and is not put under a name is closed.

use core::time::Duration;

use scmsg::{Errno, OwnedFd, PollFd, PollFlags, poll};

use super::table::Table;
use super::{BAD, BUSY, DONE, LOST, PAGE, UNKNOWN, VERSION};
use crate::args::{Order, good_name};
use crate::fail::Result;
use crate::link::{Listener, hear, say};
use crate::out::append;
use crate::room::{Once, Room};
use crate::sys;

/// Connections at the same time.
const CLIENTS: usize = 64;
/// Descriptors that are left for what is not held: connections, and this program's own.
const RESERVE: usize = CLIENTS + 16;
/// Milliseconds that a client may say nothing, unless the command line says so.
const IDLE: u32 = 5000;
/// Milliseconds in which no connection is accepted after one could not be.
const REST: u64 = 100;

static TABLE: Once<Table> = Once::new(Table::new());

struct Client {
    socket: OwnedFd,
    /// When it is hung up on, in milliseconds on the clock of [`sys::now`].
    until: u64,
}

type Clients = [Option<Client>; CLIENTS];

/// Keeps descriptors until it is killed.
pub fn store(order: &mut Order, room: &mut Room) -> Result {
    let Some(table) = TABLE.take() else { return Ok(()) };
    // SAFETY: nothing was opened yet but what stands in for the first three, and this subcommand takes no descriptors.
    unsafe { sys::close_inherited() };
    table.most = sys::raise_descriptor_limit().saturating_sub(RESERVE);
    let idle = u64::from(if order.timeout == 0 { IDLE } else { order.timeout });
    let listener = order.listen()?;
    let mut clients: Clients = [const { None }; CLIENTS];
    // Until then none is accepted.
    let mut rest = 0;
    loop {
        let now = sys::now();
        let resting = rest > now;
        let next = clients.iter().flatten().map(|client| client.until).chain(resting.then_some(rest)).min();
        let time = next.map(|next| Duration::from_millis(next.saturating_sub(now)));
        wait(&listener, resting, &clients, time).map_err(|errno| order.task.errno(errno))?;
        let now = sys::now();
        for place in &mut clients {
            let Some(client) = place else { continue };
            match serve(&client.socket, table, room) {
                Ok(()) => client.until = now.saturating_add(idle),
                Err(Errno::EAGAIN) if client.until > now => {}
                Err(_) => *place = None,
            }
            room.arrived.clear();
        }
        if !resting && !admit(&listener, &mut clients, now.saturating_add(idle)) {
            rest = now.saturating_add(REST);
        }
    }
}

/// Waits for anything to happen, or until the time has passed.
fn wait(listener: &Listener, resting: bool, clients: &Clients, time: Option<Duration>) -> core::result::Result<(), Errno> {
    let mut entries = [PollFd::new(&listener.socket, PollFlags::IN); CLIENTS + 1];
    let mut used = usize::from(!resting);
    for client in clients.iter().flatten() {
        if let Some(entry) = entries.get_mut(used) {
            *entry = PollFd::new(&client.socket, PollFlags::IN);
        }
        used = used.saturating_add(1);
    }
    match poll(entries.get_mut(..used).unwrap_or_default(), time) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Accepts who waits, as many as there are places; whether it could. If all places are taken, or no descriptor is left in the
/// process or the system, who has said nothing for longest makes room.
fn admit(listener: &Listener, clients: &mut Clients, until: u64) -> bool {
    for _ in 0..CLIENTS {
        let accepted = listener.accept(false);
        if matches!(accepted, Ok(None)) {
            break;
        }
        // A free place sorts in front of all others.
        let place = clients.iter_mut().min_by_key(|place| place.as_ref().map_or(0, |client| client.until));
        let Some(place) = place else { break };
        *place = None;
        match accepted {
            Ok(socket) => *place = socket.map(|socket| Client { socket, until }),
            Err(_) => return false,
        }
    }
    true
}

/// Takes one request from a client and answers it; with an error the client has nothing to say, or is to be hung up on.
fn serve(socket: &OwnedFd, table: &mut Table, room: &mut Room) -> core::result::Result<(), Errno> {
    let (bytes, whole) = hear(socket, room)?;
    let mut copy = [0; 3 + 64];
    let mut used = 0;
    let fits = append(&mut copy, &mut used, room.data.get(..bytes).unwrap_or_default());
    let mut fds: &[_] = &[];
    let mut page = [DONE, 0, 0];
    let mut answer = 1;
    match copy.get(..used).unwrap_or_default() {
        [] if fits => return Err(Errno::EPIPE),
        [VERSION, b'l', high, low] => {
            answer = list(table, usize::from(u16::from_be_bytes([*high, *low])), &mut room.data);
            return say(socket, room.data.get(..answer).unwrap_or_default(), fds, &mut room.control);
        }
        [VERSION, verb, count, name @ ..] if good_name(name) => {
            let [status, ..] = &mut page;
            match (verb, count) {
                (b'p' | b'r', _) => *status = if whole { table.put(name, *count, *verb == b'r', room) } else { LOST },
                (b'd', 0) => *status = table.drop(name),
                (b'g', 0) => match table.get(name) {
                    Some(found) => {
                        fds = found;
                        page = [DONE, u8::try_from(found.len()).unwrap_or(0), 0];
                        answer = 2;
                    }
                    None => *status = UNKNOWN,
                },
                _ => *status = BAD,
            }
        }
        _ => page = [BAD, 0, 0],
    }
    match say(socket, page.get(..answer).unwrap_or_default(), fds, &mut room.control) {
        Err(Errno::ETOOMANYREFS) => say(socket, &[BUSY], &[], &mut room.control),
        // A client that does not take its answers waits for nothing, and nobody waits for it.
        Err(_) => Err(Errno::EPIPE),
        Ok(()) => Ok(()),
    }
}

/// Writes a page of names, from a place on: how long it is.
fn list(table: &Table, from: usize, page: &mut [u8]) -> usize {
    let mut used = 0;
    append(page, &mut used, &[DONE, 0, 0]);
    let mut place = from;
    while let Some((entry, count)) = table.entry(place) {
        if used > PAGE {
            // It goes on here, which is not 0, which would be the end.
            append(page, &mut 1, &u16::try_from(place).unwrap_or(0).to_be_bytes());
            break;
        }
        if entry.len() > 1 {
            append(page, &mut used, &[u8::try_from(count).unwrap_or(0)]);
            append(page, &mut used, entry);
        }
        place = place.saturating_add(1);
    }
    used
}
