//! Turns the words of the command line into one order, or says what is wrong with them.
//!
//! Laws: nothing is opened before the whole line is right; an option that a subcommand has no use for is an error, as is a
//! word too many.

use core::ffi::CStr;

use scmsg::{RawFd, SocketAddr};

use crate::fail::{Exit, Result, Task};
use crate::out::append;
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
    pub count: usize,
    /// Milliseconds; 0 for none.
    pub timeout: u32,
    /// On the clock of [`sys::now`].
    pub deadline: u64,
    /// Empty where the subcommand has none.
    pub name: &'static [u8],
    /// The words of COMMAND; none if there is none.
    pub command: Strings,
    pub stack: Stack,
    /// Of SOCKET, and its path if it is no abstract name.
    pub path: Option<&'static CStr>,
    pub addr: SocketAddr,
}

impl Order {
    pub fn new(stack: Stack) -> Self {
        Self {
            task: Task { what: b"usage", on: b"" },
            options: 0,
            verb: Verb::Send,
            count: 1,
            timeout: 0,
            deadline: u64::MAX,
            name: b"",
            command: stack.args(),
            stack,
            path: None,
            addr: SocketAddr::unnamed(),
        }
    }

    pub const fn has(&self, option: u16) -> bool {
        self.options & option != 0
    }

    /// Reads the words; the descriptors to send go into the room. Stops at a wish for help or the version.
    pub fn parse(&mut self, room: &mut Room) -> Result {
        let mut operands = [c""; 3];
        let (mut given, mut wanted, mut rest, mut takes) = (0, 1, Rest::Nothing, 0);
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
                    0 => return Err(self.task.usage(b"no such option; try --help")),
                    HELP | VERSION => return Ok(()),
                    COUNT | TIMEOUT => self.value(bit)?,
                    _ => {}
                }
            } else if given < wanted {
                if let Some(place) = operands.get_mut(usize::from(given)) {
                    *place = word;
                }
                if given == 0 {
                    let word = pad(bytes);
                    let found = VERBS.iter().find(|(name, ..)| *name == word);
                    let found = found.ok_or_else(|| self.task.usage(b"no such subcommand; try --help"))?;
                    (_, self.verb, wanted, rest, takes) = *found;
                }
                given = given.saturating_add(1);
            } else {
                match rest {
                    Rest::Descriptors => self.push(room, bytes)?,
                    Rest::Command | Rest::MaybeCommand => {
                        self.command = here;
                        rest = Rest::MaybeCommand;
                        break;
                    }
                    Rest::Nothing => return Err(self.task.usage(b"one word too many")),
                }
            }
        }
        let [subcommand, socket, name] = operands.map(CStr::to_bytes);
        self.task.on = subcommand;
        if given < wanted || rest == Rest::Command {
            return Err(self.task.usage(b"something is missing; try --help"));
        }
        if self.options & !takes != 0 {
            return Err(self.task.usage(b"does not take this option; try --help"));
        }
        self.name = name;
        if wanted == 3 && !good_name(name) {
            self.task.on = name;
            return Err(self.task.usage(b"a name is 1 to 64 visible ASCII characters without a colon"));
        }
        if rest == Rest::Descriptors && room.fds_used == 0 {
            self.push(room, b"0")?;
        }
        let [_, path, _] = operands;
        self.path = Some(path);
        self.task.on = socket;
        Ok(())
    }

    /// Reads the value of an option, the next word.
    fn value(&mut self, bit: u16) -> Result {
        let value = self.command.next().unwrap_or_default().to_bytes();
        if bit == COUNT {
            let count = number(value).filter(|count| (1..=1024).contains(count));
            self.count = usize::try_from(count.ok_or_else(|| self.task.usage(b"wants 1 to 1024"))?).unwrap_or(1);
        } else {
            self.timeout = milliseconds(value).ok_or_else(|| self.task.usage(b"wants seconds, such as 3 or 0.5"))?;
        }
        Ok(())
    }

    /// Takes a number, which must be an open descriptor, to be sent.
    fn push(&self, room: &mut Room, word: &[u8]) -> Result {
        let fd = number(word).and_then(|fd| RawFd::try_from(fd).ok()).and_then(|fd| sys::inherited(fd).ok());
        match (fd, room.fds.get_mut(room.fds_used)) {
            (Some(fd), Some(place)) => *place = fd,
            _ => return Err(self.task.usage(b"EBADF (Not an open descriptor, or more than 1024)")),
        }
        room.fds_used = room.fds_used.saturating_add(1);
        Ok(())
    }
}

/// A name in the store: what `LISTEN_FDNAMES` of systemd allows, up to 64 bytes.
pub fn good_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 64 && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

/// A word with zeros behind it; all zeros if it is longer.
fn pad(word: &[u8]) -> Word {
    let mut padded = [0; 8];
    append(&mut padded, &mut 0, word);
    padded
}

/// The bit of what is behind the first dash of an option; 0 if there is none such.
fn option(dashed: &[u8]) -> u16 {
    let long = dashed.strip_prefix(b"-").map(pad);
    let found = OPTIONS.iter().find(|(name, letter, _)| match long {
        Some(long) => *name == long,
        None => dashed == [*letter],
    });
    found.map_or(0, |(_, _, bit)| *bit)
}

/// Decimal digits, at most 9 of them, and nothing else.
fn number(word: &[u8]) -> Option<u32> {
    let mut sum = 0_u32;
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || word.len() > 9 {
            return None;
        }
        sum = sum.wrapping_mul(10).wrapping_add(u32::from(digit));
    }
    if word.is_empty() { None } else { Some(sum) }
}

/// Seconds as milliseconds: up to 999,999, and up to three decimals.
fn milliseconds(word: &[u8]) -> Option<u32> {
    let mut digits = [b'0'; 9];
    let point = word.iter().position(|byte| *byte == b'.').unwrap_or(word.len());
    let (whole, part) = word.split_at_checked(point)?;
    let part = part.get(1..).unwrap_or_default();
    let good = part.len() <= 3 && append(&mut digits, &mut 6_usize.checked_sub(point)?, whole) && append(&mut digits, &mut 6, part);
    number(&digits).filter(|time| good && *time != 0)
}
