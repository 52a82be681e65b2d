//! Turns a choice of ABI into sizes, alignment and header fields: control bytes of this machine and of any other.
//!
//! ```text
//!              Native64                       Native32, Compat
//! cmsg_len     8 bytes at 0                   4 bytes at 0
//! cmsg_level   4 bytes at 8                   4 bytes at 4
//! cmsg_type    4 bytes at 12                  4 bytes at 8
//! payload      at 16, aligned to 8            at 12, aligned to 4
//! ```
//!
//! Laws: every function is total; sizes saturate; nothing is read or written past the slice that was given.

use crate::layout::CMSG_HEADER;
use crate::numbers::{int, word};

/// Which structures a program uses, and which kernel it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abi {
    /// A 64-bit program on a 64-bit kernel.
    Native64,
    /// A 32-bit program on a 32-bit kernel.
    Native32,
    /// A 32-bit program on a 64-bit kernel, which translates every control message.
    Compat,
}

/// The order of bytes in an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// How control bytes are laid out: for this machine, or for one that is emulated, traced or recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Width of `cmsg_len`, alignment, and which import path the kernel takes.
    pub abi: Abi,
    /// Byte order of every field.
    pub order: ByteOrder,
}

/// The three fields of a `cmsghdr`, whatever its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// `cmsg_len`, in bytes; header included.
    pub len: u64,
    /// `cmsg_level`.
    pub level: i32,
    /// `cmsg_type`.
    pub kind: i32,
}

impl Layout {
    /// The layout of the target this is compiled for. A 32-bit target counts as [`Abi::Native32`]; on a 64-bit kernel its
    /// programs meet [`Abi::Compat`].
    pub const NATIVE: Self = Self {
        abi: if CMSG_HEADER == 16 { Abi::Native64 } else { Abi::Native32 },
        order: if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little },
    };

    /// Bytes of a header: 16 or 12.
    #[inline]
    #[must_use]
    pub const fn header(self) -> usize {
        self.alignment().saturating_add(8)
    }

    /// Alignment of headers in bytes, and the width of `cmsg_len`: 8 or 4.
    #[inline]
    #[must_use]
    pub const fn alignment(self) -> usize {
        match self.abi {
            Abi::Native64 => 8,
            Abi::Native32 | Abi::Compat => 4,
        }
    }

    /// Rounds `len` bytes up to [`alignment`](Self::alignment); saturates.
    #[inline]
    #[must_use]
    pub const fn align(self, len: u64) -> u64 {
        let mask = self.alignment().wrapping_sub(1) as u64;
        match len.checked_add(mask) {
            Some(up) => up & !mask,
            None => u64::MAX,
        }
    }

    /// `CMSG_LEN` of this layout: header and payload. Saturates.
    #[inline]
    #[must_use]
    pub const fn cmsg_len(self, payload: u64) -> u64 {
        payload.saturating_add(self.header() as u64)
    }

    /// `CMSG_SPACE` of this layout: header, payload and padding. Saturates.
    #[inline]
    #[must_use]
    pub const fn cmsg_space(self, payload: u64) -> u64 {
        self.align(self.cmsg_len(payload))
    }

    /// The header at the start of `bytes`, `None` if they are fewer than a header.
    #[inline]
    #[must_use]
    pub fn read_header(self, bytes: &[u8]) -> Option<Header> {
        let (header, _) = bytes.split_at_checked(self.header())?;
        let (len, rest) = header.split_at_checked(self.alignment())?;
        let (level, kind) = rest.split_at_checked(4)?;
        Some(Header { len: self.read_word(len)?, level: self.read_i32(level)?, kind: self.read_i32(kind)? })
    }

    /// Writes a header at the start of `out`; `None`, with nothing written, if it is shorter than a header. A `len`
    /// wider than the field loses its upper half.
    #[inline]
    pub fn write_header(self, out: &mut [u8], header: Header) -> Option<()> {
        let (out, _) = out.split_at_mut_checked(self.header())?;
        let (len, rest) = out.split_at_mut_checked(self.alignment())?;
        let (level, kind) = rest.split_at_mut_checked(4)?;
        self.write_word(len, header.len)?;
        self.write_i32(level, header.level)?;
        self.write_i32(kind, header.kind)
    }

    /// The `size_t` at the start of `bytes`.
    #[inline]
    #[must_use]
    pub fn read_word(self, bytes: &[u8]) -> Option<u64> {
        match self.abi {
            Abi::Native64 => {
                let field = *bytes.first_chunk()?;
                Some(match self.order {
                    ByteOrder::Little => u64::from_le_bytes(field),
                    ByteOrder::Big => u64::from_be_bytes(field),
                })
            }
            Abi::Native32 | Abi::Compat => Some(u64::from(self.read_u32(bytes)?)),
        }
    }

    /// The unsigned 32-bit integer at the start of `bytes`.
    #[inline]
    #[must_use]
    pub fn read_u32(self, bytes: &[u8]) -> Option<u32> {
        let field = *bytes.first_chunk()?;
        Some(match self.order {
            ByteOrder::Little => u32::from_le_bytes(field),
            ByteOrder::Big => u32::from_be_bytes(field),
        })
    }

    /// The signed 32-bit integer at the start of `bytes`.
    #[inline]
    #[must_use]
    pub fn read_i32(self, bytes: &[u8]) -> Option<i32> {
        self.read_u32(bytes).map(int)
    }

    /// Writes a `size_t`; of a wider number the lower half. `None`, with nothing written, if `out` is too short.
    #[inline]
    pub fn write_word(self, out: &mut [u8], number: u64) -> Option<()> {
        match self.abi {
            Abi::Native64 => {
                *out.first_chunk_mut()? = match self.order {
                    ByteOrder::Little => number.to_le_bytes(),
                    ByteOrder::Big => number.to_be_bytes(),
                };
                Some(())
            }
            Abi::Native32 | Abi::Compat => self.write_u32(out, lower_half(number)),
        }
    }

    /// Writes an unsigned 32-bit integer. `None`, with nothing written, if `out` is too short.
    #[inline]
    pub fn write_u32(self, out: &mut [u8], number: u32) -> Option<()> {
        *out.first_chunk_mut()? = match self.order {
            ByteOrder::Little => number.to_le_bytes(),
            ByteOrder::Big => number.to_be_bytes(),
        };
        Some(())
    }

    /// Writes a signed 32-bit integer. `None`, with nothing written, if `out` is too short.
    #[inline]
    pub fn write_i32(self, out: &mut [u8], number: i32) -> Option<()> {
        self.write_u32(out, word(number))
    }
}

/// The lower 32 bits.
fn lower_half(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
