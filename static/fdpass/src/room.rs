//! Turns zeroed memory into the buffers of the program: there is one of each, and none of them is in the file or on the stack.

use core::cell::{Cell, UnsafeCell};
use core::ffi::c_char;
use core::ptr::null;

use scmsg::{BorrowedFd, ControlBuf, FdSet, RawFd, Rights};

use crate::rt;
use crate::text::Text;

/// The most descriptors in one message.
pub const MESSAGE: usize = 253;
/// The most descriptors one order is about.
pub const MOST: usize = 1024;
/// The most strings in the environment of COMMAND.
pub const STRINGS: usize = 4096;
/// The most bytes of data that are looked at in one message.
pub const DATA: usize = 4096;

/// Descriptors: all that can be asked for, and a last message that carries too many.
pub type Fds = FdSet<[RawFd; MOST + MESSAGE]>;

/// What is small comes first: it is reached by shorter instructions.
#[repr(C)]
pub struct Room {
    /// How many of `fds` there are.
    pub fds_used: usize,
    /// What has arrived.
    pub arrived: Fds,
    /// For one line at a time, and for a path beside it.
    pub text: Text,
    pub path: Text,
    /// Of SOCKET.
    pub addr: Text,
    /// Bytes of data in the last message.
    pub len: usize,
    pub control: ControlBuf<[u8; Rights::space(MESSAGE)]>,
    /// What is to be sent, in the order given.
    pub fds: [BorrowedFd<'static>; MOST],
    pub data: [u8; DATA],
    /// The environment of COMMAND, and what is added to it.
    pub env: [*const c_char; STRINGS + 3],
}

impl Room {
    pub const fn new() -> Self {
        Self {
            fds_used: 0,
            arrived: Fds::new([0; MOST + MESSAGE]),
            text: Text::new(),
            path: Text::new(),
            addr: Text::new(),
            len: 0,
            control: ControlBuf::new(),
            fds: [rt::stdin(); MOST],
            data: [0; DATA],
            env: [null(); STRINGS + 3],
        }
    }

    /// Closes what has arrived and nobody has taken. One by one: closing runs, which the set can do, would be 700 bytes more.
    pub fn close(&mut self) {
        self.arrived.take_fds().for_each(drop);
    }
}

/// A value in a `static` that is given out once. This program has one thread: so there is no exchange, for which aarch64 would
/// ask libc what the processor can.
pub struct Once<T> {
    value: UnsafeCell<T>,
    taken: Cell<bool>,
}

// SAFETY: the program starts no thread, so nothing is ever shared.
unsafe impl<T> Sync for Once<T> {}

impl<T> Once<T> {
    pub const fn new(value: T) -> Self {
        Self { value: UnsafeCell::new(value), taken: Cell::new(false) }
    }

    #[allow(clippy::mut_from_ref, reason = "the flag makes it the only one")]
    pub fn take(&self) -> Option<&mut T> {
        if self.taken.replace(true) {
            return None;
        }
        // SAFETY: the flag was not set before, so this is the only reference there ever is.
        Some(unsafe { &mut *self.value.get() })
    }
}
