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
        let mut places = room.env.iter_mut();
        if listen {
            let lines = room.text.clear();
            lines.add(b"LISTEN_FDS=").number(u32::try_from(count).unwrap_or(0)).add(&[0]);
            let second = lines.as_bytes().len();
            lines.add(b"LISTEN_PID=").number(sys::pid()).add(&[0]);
            let lines = lines.as_bytes();
            put(places.next(), lines);
            put(places.next(), lines.get(second..).unwrap_or_default());
        }
        let mut path = PATH;
        for string in self.stack.env() {
            let line = string.to_bytes();
            path = line.strip_prefix(b"PATH=").unwrap_or(path);
            // What was meant for this program is not handed on.
            if !line.starts_with(b"LISTEN_") {
                put(places.next(), line);
            }
        }
        // The null behind them is one that nothing has written to.
        if places.next().is_none() {
            return Err(self.task.errno(Errno::E2BIG));
        }
        let errno = self.search(path, room);
        self.task.errno(errno);
        Exit::new(if errno == Errno::ENOENT { 127 } else { 126 }).map_or(Ok(()), Err)
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
                return Err(self.task.errno(Errno::EBADF));
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
        #[allow(clippy::manual_contains, reason = "the other way has 200 bytes more")]
        let direct = program.iter().any(|byte| *byte == b'/');
        for folder in path.split(|byte| *byte == b':') {
            let file = room.path.clear();
            // An empty directory is the current one.
            if !direct && !folder.is_empty() {
                file.add(folder).add(b"/");
            }
            file.add(program).add(&[0]);
            if file.cut {
                said = Errno::ENAMETOOLONG;
                continue;
            }
            let (file, words, env) = (file.as_bytes().as_ptr(), self.command.as_ptr(), room.env.as_ptr());
            // SAFETY: the path was just written, up to its zero byte; the words are the kernel's list; the environment ends with
            // the null behind its last entry, which nothing has written to, and its strings live on.
            let errno = unsafe { sys::execve(file, words, env) };
            match errno {
                _ if direct => return errno,
                Errno::ENOENT | Errno::ENOTDIR => {}
                // Another directory may have one that can be executed.
                Errno::EACCES => said = errno,
                _ => return errno,
            }
        }
        said
    }
}

/// Adds a string, behind which there is a zero byte.
fn put(place: Option<&mut *const c_char>, string: &[u8]) {
    if let Some(place) = place {
        *place = string.as_ptr().cast();
    }
}
