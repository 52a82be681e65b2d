//! Turns a contestant's closures into a measured loop, a checked one, or one half of a conversation between processes.

use std::time::Instant;

use crate::contestant::{Done, Job};

/// Sends and receives in turn.
pub struct Rounds(pub usize);

impl Job for Rounds {
    const CHECK: bool = false;

    #[inline(always)]
    fn go(self, mut send: impl FnMut() -> Option<()>, mut receive: impl FnMut() -> Option<usize>) -> Done {
        measured(self.0, || {
            send()?;
            receive()
        })
    }
}

/// The same, and every descriptor is compared with the one sent.
pub struct Checked(pub usize);

impl Job for Checked {
    const CHECK: bool = true;

    fn go(self, mut send: impl FnMut() -> Option<()>, mut receive: impl FnMut() -> Option<usize>) -> Done {
        measured(self.0, || {
            send()?;
            receive()
        })
    }
}

/// Sends only: what is sent stays in the socket, or another process takes it.
pub struct Sends(pub usize);

impl Job for Sends {
    const CHECK: bool = false;

    #[inline(always)]
    fn go(self, mut send: impl FnMut() -> Option<()>, _: impl FnMut() -> Option<usize>) -> Done {
        measured(self.0, || send().map(|()| 1))
    }
}

/// Receives what another process sends. The clock starts when the first message is there.
pub struct Receives(pub usize);

impl Job for Receives {
    const CHECK: bool = false;

    #[inline(always)]
    fn go(self, _: impl FnMut() -> Option<()>, mut receive: impl FnMut() -> Option<usize>) -> Done {
        receive().expect("the first message");
        measured(self.0, receive)
    }
}

/// Times `rounds` calls and adds up what they count.
#[inline(always)]
pub fn measured(rounds: usize, mut round: impl FnMut() -> Option<usize>) -> Done {
    let start = Instant::now();
    let mut units = 0_usize;
    let mut left = rounds;
    while left > 0 {
        let Some(count) = round() else { failed() };
        units = units.wrapping_add(count);
        left -= 1;
    }
    Done { nanoseconds: start.elapsed().as_nanos() as f64, units }
}

#[cold]
fn failed() -> ! {
    panic!("a round failed: {}", std::io::Error::last_os_error())
}
