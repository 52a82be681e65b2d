//! The walk of `cmsg(3)`, said as literally and as slowly as possible: the oracle the decoder is compared with.
//!
//! `CMSG_FIRSTHDR` is the start if a whole header fits there. A header is believed if its `cmsg_len` is no less than a header
//! and no more than what is left from it. `CMSG_NXTHDR` is `CMSG_ALIGN(cmsg_len)` bytes further, if a whole header fits there.
//! All in integers that cannot wrap.

#![allow(dead_code, reason = "each test uses a part")]

/// Bytes of a header.
pub const H: usize = size_of::<usize>() + 4 + 4;
/// Alignment of a header: `sizeof(long)`.
pub const A: usize = size_of::<usize>();

/// One step of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A message: its level, its type, and where its payload starts and ends.
    Message { level: i32, kind: i32, start: usize, end: usize },
    /// A header that cannot be true, and the end of the walk.
    Malformed { offset: usize, claimed: usize, left: usize },
}

/// Rounds up by counting.
pub fn align(len: u128) -> u128 {
    let mut up = len;
    while up % A as u128 != 0 {
        up += 1;
    }
    up
}

/// A `size_t` at `at`.
fn size(bytes: &[u8], at: usize) -> usize {
    usize::from_ne_bytes(core::array::from_fn(|i| bytes[at + i]))
}

/// An `int` at `at`.
fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Every step, and where the bytes start that were not walked.
pub fn walk(bytes: &[u8]) -> (Vec<Step>, usize) {
    let controllen = bytes.len() as u128;
    let mut steps = Vec::new();
    let mut cmsg: u128 = 0;
    while cmsg + H as u128 <= controllen {
        let offset = cmsg as usize;
        let cmsg_len = size(bytes, offset);
        let left = controllen - cmsg;
        if cmsg_len < H || cmsg_len as u128 > left {
            steps.push(Step::Malformed { offset, claimed: cmsg_len, left: left as usize });
            return (steps, offset);
        }
        steps.push(Step::Message {
            level: int(bytes, offset + A),
            kind: int(bytes, offset + A + 4),
            start: offset + H,
            end: offset + cmsg_len,
        });
        cmsg += align(cmsg_len as u128);
    }
    // The padding of the last message can be missing: then the walk ended at the end.
    (steps, cmsg.min(controllen) as usize)
}

/// Appends one message, padded, as the kernel would find it.
pub fn append(bytes: &mut Vec<u8>, level: i32, kind: i32, payload: &[u8]) {
    append_claiming(bytes, H + payload.len(), level, kind, payload);
}

/// Appends one message whose header claims any length.
pub fn append_claiming(bytes: &mut Vec<u8>, cmsg_len: usize, level: i32, kind: i32, payload: &[u8]) {
    pad(bytes, 0);
    bytes.extend_from_slice(&cmsg_len.to_ne_bytes());
    bytes.extend_from_slice(&level.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(payload);
}

/// Appends padding up to where the next header can start.
pub fn pad(bytes: &mut Vec<u8>, with: u8) {
    while bytes.len() % A != 0 {
        bytes.push(with);
    }
}
