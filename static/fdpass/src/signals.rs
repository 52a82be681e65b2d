//! Turns the signals that ask a program to end into something to wait for, so that who listens removes its path first.
//!
//! Laws: it ends by the signal all the same, a moment later, and whoever started it sees that; what was ignored or blocked before
//! stays so.
//!
//! The signal is never read: it stays pending, and takes effect when the mask is what it was before. Process 1 of a container,
//! which it cannot end, is asked here as well.

use linux_raw_sys::general as nr;
use scmsg::{Errno, OwnedFd};

use crate::sys;

/// `SIGHUP`, `SIGINT` and `SIGTERM`, held back while this lives.
pub struct Signals {
    /// Readable when one of them came.
    pub came: OwnedFd,
    before: sys::Signals,
}

impl Signals {
    /// Holds them back. If that fails they may stay held back: the program is about to end.
    pub fn new() -> Result<Self, Errno> {
        let watched = [nr::SIGHUP, nr::SIGINT, nr::SIGTERM].into_iter().filter(|signal| !sys::is_ignored(*signal));
        let watched = watched.fold(0, |set, signal| set | 1_usize.wrapping_shl(signal.wrapping_sub(1)));
        let before = sys::signal_mask(nr::SIG_BLOCK, sys::Signals::new(watched))?;
        let came = sys::signalfd(sys::Signals::new(watched & !before.first()))?;
        Ok(Self { came, before })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = sys::signal_mask(nr::SIG_SETMASK, self.before);
    }
}
