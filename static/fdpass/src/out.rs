//! Turns bytes and numbers into writes to standard output or standard error, a buffer at a time.
//!
//! Laws: no formatting machinery, which would be larger than the program; the first write that fails ends the output and is
//! reported; what is shown holds no control character, whoever chose it.

use scmsg::{BorrowedFd, Errno};

use crate::rt;

/// Bytes collected for one write: a message of ordinary length is one.
const ROOM: usize = 512;

pub struct Out {
    to: BorrowedFd<'static>,
    error: Option<Errno>,
    used: usize,
    buf: [u8; ROOM],
}

impl Out {
    pub const fn new(to: BorrowedFd<'static>) -> Self {
        Self { to, error: None, used: 0, buf: [0; ROOM] }
    }

    /// Adds bytes; a control character becomes a question mark.
    #[inline(never)]
    pub fn shown(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let byte = if *byte < b' ' && *byte != b'\n' { b'?' } else { *byte };
            if !append(&mut self.buf, &mut self.used, &[byte]) {
                self.flush();
                append(&mut self.buf, &mut self.used, &[byte]);
            }
        }
    }

    #[inline(never)]
    pub fn number(&mut self, number: u32) {
        let (mut digits, mut used) = ([0; 10], 0);
        append_number(&mut digits, &mut used, number);
        self.shown(digits.get(..used).unwrap_or_default());
    }

    /// Writes what is left, and says whether anything could not be written.
    #[inline(never)]
    pub fn flush(&mut self) -> Option<Errno> {
        let mut rest = self.buf.get(..self.used).unwrap_or_default();
        while self.error.is_none() && !rest.is_empty() {
            match rt::write(self.to, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(errno) => self.error = Some(errno),
            }
        }
        self.used = 0;
        self.error
    }
}

/// Puts bytes behind the `used` ones, all or none; whether they fitted.
#[inline(never)]
pub fn append(to: &mut [u8], used: &mut usize, bytes: &[u8]) -> bool {
    let end = used.saturating_add(bytes.len());
    let Some(place) = to.get_mut(*used..end) else { return false };
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    *used = end;
    true
}

/// Puts decimal digits behind the `used` bytes.
#[inline(never)]
pub fn append_number(to: &mut [u8], used: &mut usize, number: u32) {
    if number >= 10 {
        append_number(to, used, number / 10);
    }
    let digit = u8::try_from(number % 10).unwrap_or(0);
    append(to, used, &[b'0'.wrapping_add(digit)]);
}
