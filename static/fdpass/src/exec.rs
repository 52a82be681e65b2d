//! Turns descriptors and the words of COMMAND into that program, in this process.
//!
//! Laws: COMMAND inherits standard input, output and error, the descriptors meant for it, and no other; its environment tells
//! of them as systemd does, and of nothing that was meant for this program; it is found as a shell finds it.
//!
//! ```text
//! one                  0
//! several, --activate  3, 4, ...   LISTEN_FDS=how many  LISTEN_PID=this process
//! ```

use core::ffi::c_char;

use scmsg::{Errno, RawFd};

use crate::args::{ACTIVATE, Order};
use crate::fail::{Exit, Result, Task};
use crate::out::{append, append_number};
use crate::room::Room;
use crate::sys;

/// The first descriptor of the systemd convention.
const FIRST: RawFd = 3;

/// What the directories are without `PATH`.
const PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";

impl Order {
    /// Becomes COMMAND with what has arrived: comes back only with a failure.
    pub fn execute(&mut self, room: &mut Room) -> Result {
        self.task = Task { what: b"execute", on: self.command.clone().next().unwrap_or_default().to_bytes() };
        let count = room.arrived.len();
        let listen = self.has(ACTIVATE) || count > 1;
        self.lay_out(room, if listen { FIRST } else { 0 })?;
        let (mut fds_line, mut pid_line) = ([0; 24], [0; 24]);
        let mut places = room.env.iter_mut();
        if listen {
            put(places.next(), line(&mut fds_line, b"LISTEN_FDS=", u32::try_from(count).unwrap_or(0)));
            put(places.next(), line(&mut pid_line, b"LISTEN_PID=", sys::pid()));
        }
        let mut path = PATH;
        for string in self.stack.env() {
            match string.to_bytes() {
                // What was meant for this program.
                [b'L', b'I', b'S', b'T', b'E', b'N', b'_', ..] => continue,
                [b'P', b'A', b'T', b'H', b'=', folders @ ..] => path = folders,
                _ => {}
            }
            put(places.next(), string.as_ptr());
        }
        // The null behind them is one that nothing has written to.
        if places.next().is_none() {
            return Err(self.task.errno(Errno::E2BIG));
        }
        let errno = self.search(path, room);
        self.task.errno(errno);
        Err(if errno == Errno::ENOENT { Exit::NOT_FOUND } else { Exit::NOT_EXECUTABLE })
    }

    /// Lays descriptors out from `to` on, where they survive `execve` and no other from 3 on does.
    ///
    /// The kernel gives the lowest free number, and nothing was closed since the first of them came: so their numbers rise, and as
    /// they start at 3 or above, each is at or above its place, and no place is the number of one that is still to be placed.
    fn lay_out(&self, room: &mut Room, mut to: RawFd) -> Result {
        sys::keep_none_at_exec();
        let mut before = 2;
        for fd in room.arrived.take_fds() {
            // Nothing closes it any more but `execve`, or the end of the program.
            let fd = fd.into_raw_fd();
            if fd <= before || fd < to {
                return Err(self.task.fail(Exit::SYSTEM, b"descriptors out of order"));
            }
            before = fd;
            // SAFETY: the place is 0, which this program uses no more, or was an inherited number, which it never used, or is one of
            // those placed already.
            unsafe { sys::place(fd, to) }.map_err(|errno| self.task.errno(errno))?;
            to = to.saturating_add(1);
        }
        Ok(())
    }

    /// Runs a program by its path if it has a slash, else from the first directory that has it.
    fn search(&self, path: &[u8], room: &mut Room) -> Errno {
        let program = self.task.on;
        let mut said = Errno::ENOENT;
        if program.is_empty() {
            return said;
        }
        let direct = program.iter().any(|byte| *byte == b'/');
        for folder in path.split(|byte| *byte == b':') {
            let mut used = 0;
            // An empty directory is the current one.
            let here = direct || folder.is_empty();
            let parts: [&[u8]; 4] = if here { [b"", b"", program, b"\0"] } else { [folder, b"/", program, b"\0"] };
            if !parts.iter().all(|part| append(&mut room.data, &mut used, part)) {
                said = Errno::ENAMETOOLONG;
                continue;
            }
            // SAFETY: the path was just written, up to its zero byte; the words are the kernel's list; the environment ends with the
            // null behind its last entry, which nothing has written to, and its strings live on.
            let errno = unsafe { sys::execve(room.data.as_ptr(), self.command.as_ptr(), room.env.as_ptr()) };
            match errno {
                Errno::ENOENT | Errno::ENOTDIR if !direct => {}
                // Another directory may have one that can be executed.
                Errno::EACCES if !direct => said = errno,
                errno => return errno,
            }
        }
        said
    }
}

/// Writes `NAME=number`, behind which a zero byte is left.
fn line(bytes: &mut [u8; 24], name: &[u8], number: u32) -> *const c_char {
    let mut used = 0;
    append(bytes, &mut used, name);
    append_number(bytes, &mut used, number);
    bytes.as_ptr().cast()
}

fn put(place: Option<&mut *const c_char>, string: *const c_char) {
    if let Some(place) = place {
        *place = string;
    }
}
