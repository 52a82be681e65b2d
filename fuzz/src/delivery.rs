//! Turns what is queued on a unix socket and the room of its receiver into what a right kernel delivers.

use crate::naive::{HEADER, WORD};

/// The receiver's side of one message.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes for control messages.
    pub control: usize,
    /// A timestamp of 16 bytes, on packets.
    pub timestamp: bool,
    /// `SO_PASSCRED`.
    pub credentials: bool,
    /// `SO_PASSPIDFD`.
    pub pidfd: bool,
    /// Numbers left in the descriptor table.
    pub free: usize,
}

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Descriptors.
    pub rights: usize,
    /// A process descriptor, or an errno in its place.
    pub pidfd: bool,
    /// `MSG_CTRUNC`.
    pub truncated: bool,
    /// Descriptors that the table had no number for.
    pub refused: usize,
}

impl Room {
    /// The timestamp comes first, then credentials, then rights, then the process descriptor; each takes its
    /// space, or what is left of it.
    pub fn delivers(self, sent: usize) -> Delivery {
        let mut left = self.control;
        let take = |left: &mut usize, payload: usize| {
            *left -= (HEADER + payload).next_multiple_of(WORD).min(*left);
        };
        let mut truncated = false;
        for payload in [self.timestamp.then_some(16), self.credentials.then_some(12)].into_iter().flatten() {
            truncated |= left < HEADER + payload;
            if left >= HEADER {
                take(&mut left, payload);
            }
        }
        let fit = sent.min(left.saturating_sub(HEADER) / 4);
        let rights = fit.min(self.free);
        truncated |= rights < sent;
        if rights > 0 {
            take(&mut left, 4 * rights);
        }
        let pidfd = self.pidfd && left >= HEADER + 4;
        truncated |= self.pidfd && !pidfd;
        Delivery { rights, pidfd, truncated, refused: fit - rights }
    }
}
