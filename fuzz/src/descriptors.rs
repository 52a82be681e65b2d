//! Turns the descriptor table of this process into a set of numbers, and provides descriptors to send whose identity can be
//! asked for.

use std::cell::RefCell;
use std::io::Error;
use std::ops::{BitOr, Sub};
use std::sync::OnceLock;

use scmsg::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// Numbers that are looked at. No target opens more, and sanitizers and fuzzers none meanwhile.
const NUMBERS: usize = 192;

/// A set of descriptor numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Table([u64; NUMBERS / 64]);

impl Table {
    /// Those that are open now: one `poll`, which says so of each number that is not.
    pub fn now() -> Self {
        // They are open from the first look on.
        decoys();
        thread_local! {
            static ENTRIES: RefCell<Vec<libc::pollfd>> = RefCell::new(
                (0..NUMBERS as RawFd).map(|fd| libc::pollfd { fd, events: 0, revents: 0 }).collect(),
            );
        }
        ENTRIES.with_borrow_mut(|entries| {
            // SAFETY: the entries are there, so many of them, and nothing waits.
            let polled = unsafe { libc::poll(entries.as_mut_ptr(), NUMBERS as libc::nfds_t, 0) };
            assert!(polled >= 0, "poll: {}", Error::last_os_error());
            entries.iter().filter(|entry| entry.revents & libc::POLLNVAL == 0).map(|entry| entry.fd).collect()
        })
    }

    pub fn len(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn contains(self, fd: RawFd) -> bool {
        let fd = fd as usize;
        self.0[fd / 64] >> (fd % 64) & 1 == 1
    }

    pub fn numbers(self) -> impl Iterator<Item = RawFd> {
        (0..NUMBERS as RawFd).filter(move |fd| self.contains(*fd))
    }
}

impl FromIterator<RawFd> for Table {
    fn from_iter<I: IntoIterator<Item = RawFd>>(numbers: I) -> Self {
        let mut table = Self::default();
        for fd in numbers {
            let fd = usize::try_from(fd).expect("a number");
            table.0[fd / 64] |= 1 << (fd % 64);
        }
        table
    }
}

impl BitOr for Table {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }
}

impl Sub for Table {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & !other.0[i]))
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.numbers()).finish()
    }
}

/// Runs `body` with room for `free` more descriptors in the table.
pub fn with_room<T>(free: usize, body: impl FnOnce() -> T) -> T {
    let open = Table::now();
    let limit = (0..NUMBERS as RawFd).filter(|fd| !open.contains(*fd)).nth(free).expect("a free number");
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `before` is a local.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut before) }, 0);
    let lower = libc::rlimit { rlim_cur: limit as libc::rlim_t, ..before };
    // SAFETY: `lower` is a local.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &lower) }, 0);
    let result = body();
    // SAFETY: `before` is a local.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &before) }, 0);
    result
}

/// A descriptor to send, open for ever, and what it is.
#[derive(Debug)]
pub struct Decoy {
    fd: RawFd,
    /// The number of its inode, which no other decoy has.
    pub inode: u64,
}

impl Decoy {
    /// Lends it for ever.
    pub fn lent(&self) -> BorrowedFd<'static> {
        // SAFETY: decoys stay open until the process ends.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// A number for the same open file, owned by the caller.
    pub fn copy(&self) -> RawFd {
        // SAFETY: no pointers.
        let copy = unsafe { libc::fcntl(self.fd, libc::F_DUPFD_CLOEXEC, 0) };
        assert!(copy >= 0, "dup: {}", Error::last_os_error());
        copy
    }
}

/// The first `count` of them, over and over.
pub fn lent(count: usize) -> &'static [BorrowedFd<'static>] {
    static LENT: OnceLock<Vec<BorrowedFd<'static>>> = OnceLock::new();
    &LENT.get_or_init(|| (0..1024).map(|index| decoy(index).lent()).collect())[..count]
}

/// Eight descriptors, each of another pipe.
fn decoys() -> &'static [Decoy; 8] {
    static DECOYS: OnceLock<[Decoy; 8]> = OnceLock::new();
    // Where there is no kernel, what is only encoded needs numbers and no more.
    let decoy = |index| if cfg!(miri) { Decoy { fd: 1000 + index as RawFd, inode: index as u64 } } else { pipe() };
    DECOYS.get_or_init(|| std::array::from_fn(decoy))
}

/// The `index`th of them, over and over.
pub fn decoy(index: usize) -> &'static Decoy {
    &decoys()[index % 8]
}

/// The write end of a new pipe.
fn pipe() -> Decoy {
    let mut ends = [-1; 2];
    // SAFETY: there is room for two numbers.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: the read end is open, and owned by nothing else.
    drop(unsafe { OwnedFd::from_raw_fd(ends[0]) });
    // SAFETY: the write end is open for ever.
    let inode = inode(unsafe { BorrowedFd::borrow_raw(ends[1]) });
    Decoy { fd: ends[1], inode }
}

/// What only this pipe is.
#[allow(clippy::unnecessary_cast, reason = "32 bits wide on some targets")]
pub fn inode<F: AsFd>(fd: F) -> u64 {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for a `stat`.
    assert_eq!(unsafe { libc::fstat(fd.as_fd().as_raw_fd(), stat.as_mut_ptr()) }, 0);
    // SAFETY: `fstat` succeeded, so it was written.
    unsafe { stat.assume_init() }.st_ino as u64
}
