//! Turns bytes and numbers into one line of text: a message, a path, a name, a request.
//!
//! Laws: no formatting machinery, which would be larger than the program; what does not fit is left out and remembered.

use scmsg::{BorrowedFd, Errno};

use crate::rt;

/// The most bytes: those of a path.
const ROOM: usize = 4096;

pub struct Text {
    used: usize,
    /// Whether something was left out.
    pub cut: bool,
    bytes: [u8; ROOM],
}

impl Text {
    pub const fn new() -> Self {
        Self { used: 0, cut: false, bytes: [0; ROOM] }
    }

    /// Starts again.
    #[inline(never)]
    pub fn clear(&mut self) -> &mut Self {
        (self.used, self.cut) = (0, false);
        self
    }

    /// Adds bytes, all or none.
    #[inline(never)]
    pub fn add(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.used.saturating_add(bytes.len());
        match self.bytes.get_mut(self.used..end) {
            Some(place) => {
                place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                self.used = end;
            }
            None => self.cut = true,
        }
        self
    }

    /// Adds decimal digits.
    #[inline(never)]
    pub fn number(&mut self, number: u32) -> &mut Self {
        if number >= 10 {
            self.number(number / 10);
        }
        let digit = u8::try_from(number % 10).unwrap_or(0);
        self.add(&[b'0'.wrapping_add(digit)])
    }

    #[inline(never)]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    /// Makes one line of it: a control character, whoever chose it, becomes a question mark.
    pub fn tame(&mut self) -> &mut Self {
        for byte in &mut self.bytes {
            if byte.is_ascii_control() {
                *byte = b'?';
            }
        }
        self
    }

    /// Writes it.
    #[inline(never)]
    pub fn write(&self, to: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut rest = self.as_bytes();
        while !rest.is_empty() {
            match rt::write(to, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}
