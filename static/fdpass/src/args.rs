//! Turns the words of the command line into one order, or says what is wrong with them.
//!
//! Laws: nothing is opened before the whole line is right; an option that a subcommand has no use for is an error, as is a
//! word too many.

use core::ffi::CStr;

use scmsg::RawFd;

use crate::fail::{Result, Task, Why};
use crate::room::Room;
use crate::rt::{Stack, Strings};
use crate::sys;

// Options, as bits.
pub const COUNT: u16 = 1;
pub const FORCE: u16 = 2;
pub const WAIT: u16 = 4;
pub const LISTEN: u16 = 8;
pub const CONNECT: u16 = 16;
pub const ACTIVATE: u16 = 32;
pub const TIMEOUT: u16 = 64;
pub const HELP: u16 = 128;
pub const VERSION: u16 = 256;
const MEET: u16 = WAIT | LISTEN | CONNECT | FORCE | TIMEOUT;

/// A word of up to 8 bytes, zeros behind it.
type Word = [u8; 8];

/// The long way, the letter, the bit.
static OPTIONS: [(Word, u8, u16); 9] = [
    (*b"activate", b'a', ACTIVATE),
    (*b"connect\0", b'c', CONNECT),
    (*b"count\0\0\0", b'n', COUNT),
    (*b"force\0\0\0", b'f', FORCE),
    (*b"help\0\0\0\0", b'h', HELP),
    (*b"listen\0\0", b'l', LISTEN),
    (*b"timeout\0", b't', TIMEOUT),
    (*b"version\0", b'V', VERSION),
    (*b"wait\0\0\0\0", b'w', WAIT),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Send,
    Recv,
    Creds,
    Store,
    Put,
    Get,
    List,
    Drop,
}

/// What follows SOCKET and NAME.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    Descriptors,
    Command,
    MaybeCommand,
}

/// Subcommand, what it is, how many operands there are, what follows then, and the options.
static VERBS: [(Word, Verb, u8, Rest, u16); 8] = [
    (*b"send\0\0\0\0", Verb::Send, 2, Rest::Descriptors, MEET),
    (*b"recv\0\0\0\0", Verb::Recv, 2, Rest::Command, MEET | COUNT | ACTIVATE),
    (*b"creds\0\0\0", Verb::Creds, 2, Rest::MaybeCommand, MEET | ACTIVATE),
    (*b"store\0\0\0", Verb::Store, 2, Rest::Nothing, FORCE),
    (*b"put\0\0\0\0\0", Verb::Put, 3, Rest::Descriptors, TIMEOUT | WAIT | FORCE),
    (*b"get\0\0\0\0\0", Verb::Get, 3, Rest::Command, TIMEOUT | WAIT | ACTIVATE),
    (*b"list\0\0\0\0", Verb::List, 2, Rest::Nothing, TIMEOUT | WAIT),
    (*b"drop\0\0\0\0", Verb::Drop, 3, Rest::Nothing, TIMEOUT | WAIT),
];

/// What is to be done, and all that is known about it.
pub struct Order {
    pub task: Task,
    pub options: u16,
    pub verb: Verb,
    /// Whether the peer speaks in packets, as a store does.
    pub packets: bool,
    pub count: usize,
    /// Milliseconds; 0 for none.
    pub timeout: u64,
    /// On the clock of [`sys::now`].
    pub deadline: u64,
    /// Empty where the subcommand has none.
    pub name: &'static [u8],
    /// The words of COMMAND; none if there is none.
    pub command: Strings,
    pub stack: Stack,
    /// Of SOCKET, unless its name is abstract.
    pub path: Option<&'static CStr>,
}

impl Order {
    pub fn new(stack: Stack) -> Self {
        Self {
            task: Task { what: b"usage", on: b"fdpass" },
            options: 0,
            verb: Verb::Send,
            packets: false,
            count: 1,
            timeout: 0,
            deadline: u64::MAX,
            name: b"",
            command: stack.args(),
            stack,
            path: None,
        }
    }

    pub const fn has(&self, option: u16) -> bool {
        self.options & option != 0
    }

    /// Reads the words; the descriptors to send go into the room. Stops at a wish for help or the version.
    #[inline(never)]
    pub fn parse(&mut self, room: &mut Room) -> Result {
        let (mut given, mut wanted, mut rest, mut takes) = (0_u8, 1, Rest::Nothing, 0);
        let mut socket = c"";
        let mut only_operands = false;
        // The first is the program's name.
        self.command.next();
        loop {
            let here = self.command.clone();
            let Some(word) = self.command.next() else { break };
            let bytes = word.to_bytes();
            self.task.on = bytes;
            if let (false, [b'-', dashed @ ..]) = (only_operands, bytes) {
                if dashed == b"-" {
                    only_operands = true;
                    continue;
                }
                let bit = option(dashed);
                self.options |= bit;
                match bit {
                    0 => return Err(self.task.fail(Why::NoOption)),
                    HELP | VERSION => return Ok(()),
                    COUNT | TIMEOUT => self.value(bit)?,
                    _ => {}
                }
                continue;
            }
            match given {
                0 => {
                    let word = pad(bytes);
                    let Some(found) = VERBS.iter().find(|(name, ..)| *name == word) else {
                        return Err(self.task.fail(Why::NoSubcommand));
                    };
                    (_, self.verb, wanted, rest, takes) = *found;
                }
                1 => socket = word,
                2 if wanted == 3 => self.name = bytes,
                _ => match rest {
                    Rest::Descriptors => self.push(room, bytes)?,
                    Rest::Nothing => return Err(self.task.fail(Why::TooManyWords)),
                    Rest::Command | Rest::MaybeCommand => {
                        self.command = here;
                        rest = Rest::MaybeCommand;
                        break;
                    }
                },
            }
            given = given.saturating_add(1);
        }
        if given < wanted || rest == Rest::Command {
            return Err(self.task.fail(Why::Missing));
        }
        if self.options & !takes != 0 {
            return Err(self.task.fail(Why::OtherOption));
        }
        if self.has(LISTEN) && self.has(CONNECT) {
            return Err(self.task.fail(Why::BothEnds));
        }
        if wanted == 3 && !good_name(self.name) {
            return Err(self.task.fail(Why::BadName));
        }
        if rest == Rest::Descriptors && room.fds_used == 0 {
            self.push(room, b"0")?;
        }
        self.task.on = socket.to_bytes();
        self.path = Some(socket);
        self.packets = !matches!(self.verb, Verb::Send | Verb::Recv | Verb::Creds);
        Ok(())
    }

    /// Reads the value of an option, the next word.
    fn value(&mut self, bit: u16) -> Result {
        let value = self.command.next().unwrap_or_default().to_bytes();
        let decimals = if bit == TIMEOUT { 3 } else { 0 };
        match number(value, decimals) {
            Some(time @ 1..) if bit == TIMEOUT => self.timeout = time,
            Some(count @ 1..=1024) => self.count = usize::try_from(count).unwrap_or(1),
            _ => return Err(self.task.fail(Why::BadNumber)),
        }
        Ok(())
    }

    /// Takes a number, which must be an open descriptor, to be sent.
    fn push(&self, room: &mut Room, word: &[u8]) -> Result {
        let fd = number(word, 0).and_then(|fd| sys::inherited(RawFd::try_from(fd).ok()?).ok());
        match (fd, room.fds.get_mut(room.fds_used)) {
            (Some(fd), Some(place)) => *place = fd,
            _ => return Err(self.task.fail(Why::NotOpen)),
        }
        room.fds_used = room.fds_used.saturating_add(1);
        Ok(())
    }
}

/// A name in the store: what `LISTEN_FDNAMES` of systemd allows, up to 64 bytes.
pub fn good_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 64 && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

/// A word with zeros behind it; of a longer one, what no word is.
fn pad(word: &[u8]) -> Word {
    let mut padded = [0; 8];
    padded.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
    if word.len() > 8 { [1; 8] } else { padded }
}

/// The bit of what is behind the first dash of an option; 0 if there is none such.
#[inline(never)]
fn option(dashed: &[u8]) -> u16 {
    let found = OPTIONS.iter().find(|(name, letter, _)| match dashed {
        [b'-', long @ ..] => *name == pad(long),
        short => short == [*letter],
    });
    found.map_or(0, |(_, _, bit)| *bit)
}

/// Digits, and `decimals` more behind a point or left out: their number without the point.
fn number(word: &[u8], mut decimals: u32) -> Option<u64> {
    let mut sum = 0_u64;
    let mut point = false;
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if *byte == b'.' && !point && decimals != 0 {
            point = true;
            continue;
        }
        if digit > 9 || point && decimals == 0 || word.len() > 9 {
            return None;
        }
        decimals = decimals.wrapping_sub(u32::from(point));
        sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    for _ in 0..decimals {
        sum = sum.wrapping_mul(10);
    }
    if word.is_empty() { None } else { Some(sum) }
}
