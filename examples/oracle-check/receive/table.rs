//! Turns this process's descriptor table into one whose free numbers are known: decoys everywhere else.

use std::rc::Rc;

use super::super::kernel::errno;

/// Numbers below this are taken, but for the two that a case's sockets get.
const FLOOR: i32 = 64;

/// What no case needs more of: 253 descriptors, one process descriptor, and the holes between them.
const CEILING: i32 = 600;

pub struct Table {
    /// An open file, sent again and again.
    pub decoy: i32,
    /// The numbers a receive may open, lowest first.
    pub free: Rc<[i32]>,
    limit: libc::rlimit,
}

impl Table {
    pub fn new() -> Self {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: room for the limit.
        unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
        limit.rlim_cur = limit.rlim_max.min(1024);
        // SAFETY: a limit no higher than the highest.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        // SAFETY: a string with its end.
        let decoy = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        assert!(decoy >= 0, "/dev/null: {}", errno());
        let mut table = Self { decoy, free: Rc::new([]), limit };
        let low: Vec<_> = (0..FLOOR).filter(|number| !is_open(*number)).collect();
        assert!(low.len() >= 2, "no two numbers under {FLOOR} are free");
        for number in &low[2..] {
            table.plug(*number);
        }
        let mut free = Vec::new();
        let ceiling = CEILING.min(i32::try_from(table.limit.rlim_cur).unwrap_or(CEILING));
        for number in FLOOR..ceiling {
            // A hole in the free numbers here and there, so that they do not run on.
            if number % 7 == 3 && number < 300 && !is_open(number) {
                table.plug(number);
            }
            if !is_open(number) {
                free.push(number);
            }
        }
        assert!(free.len() > 254, "RLIMIT_NOFILE is too low");
        table.free = free.into();
        table
    }

    /// Opens `number` as a decoy, instead of what it was.
    pub fn plug(&mut self, number: i32) {
        // SAFETY: numbers of this process, which owns nothing else at `number`.
        let done = unsafe { libc::dup3(self.decoy, number, libc::O_CLOEXEC) };
        assert_eq!(done, number, "dup3: {}", errno());
    }

    /// Leaves `count` numbers free for what comes next; all of them without.
    pub fn leave(&self, count: Option<usize>) {
        let next = count.and_then(|count| self.free.get(count));
        let cur = next.map_or(self.limit.rlim_cur, |number| *number as libc::rlim_t);
        let limit = libc::rlimit { rlim_cur: cur, ..self.limit };
        // SAFETY: a limit no higher than the highest.
        let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        assert_eq!(done, 0, "setrlimit: {}", errno());
    }

    /// The first of the free numbers that is free indeed.
    pub fn lowest(&self) -> Option<usize> {
        // SAFETY: opens a number, which is closed again.
        let number = unsafe { libc::fcntl(self.decoy, libc::F_DUPFD_CLOEXEC, 0) };
        close(number);
        self.free.iter().position(|free| *free == number)
    }

    /// Closes the first `count` of the free numbers.
    pub fn close(&self, count: usize) {
        self.free.iter().take(count).for_each(|number| close(*number));
    }
}

pub fn close(number: i32) {
    // SAFETY: a number that a case has opened, or -1.
    unsafe { libc::close(number) };
}

pub fn is_open(number: i32) -> bool {
    flags(number) >= 0
}

/// `FD_CLOEXEC`, or 0; -1 if it is not open.
pub fn flags(number: i32) -> i32 {
    // SAFETY: asks for the flags of a number.
    unsafe { libc::fcntl(number, libc::F_GETFD) }
}
