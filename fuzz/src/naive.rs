//! Turns control bytes into messages the slow way, in one loop over `i128` positions: what the crate is compared with.
//!
//! Written from `cmsg(3)` and not from the crate: nothing here is taken from it, its sizes neither.

/// Bytes of a `size_t`, which a `cmsg_len` is, and of the alignment.
pub const WORD: usize = (usize::BITS / 8) as usize;
/// Bytes of a header: `size_t`, `int`, `int`.
pub const HEADER: usize = WORD + 8;

/// What is found at one header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where the header starts.
    pub at: usize,
    /// What its `cmsg_len` says.
    pub claims: usize,
    pub level: i32,
    pub kind: i32,
    /// Whether the length can be true.
    pub good: bool,
}

impl Found {
    /// Where the payload is.
    pub fn payload(&self) -> core::ops::Range<usize> {
        self.at + HEADER..self.at + self.claims
    }
}

/// Every header up to the first that cannot be true, and where the bytes start that were not walked.
pub fn walk(bytes: &[u8]) -> (Vec<Found>, usize) {
    let end = bytes.len() as i128;
    let mut found = Vec::new();
    let mut at = 0_i128;
    while end - at >= HEADER as i128 {
        let mut word = [0; WORD];
        word.copy_from_slice(&bytes[at as usize..][..WORD]);
        let claims = usize::from_ne_bytes(word);
        let good = claims as i128 >= HEADER as i128 && at + claims as i128 <= end;
        let (level, kind) = (int(&bytes[at as usize + WORD..]), int(&bytes[at as usize + WORD + 4..]));
        found.push(Found { at: at as usize, claims, level, kind, good });
        if !good {
            return (found, at as usize);
        }
        at += claims as i128;
        // The next header is at the next multiple of a word, if the bytes go on so far.
        while at % WORD as i128 != 0 {
            at += 1;
        }
        at = at.min(end);
    }
    (found, at as usize)
}

/// The `int` that `bytes` start with.
pub fn int(bytes: &[u8]) -> i32 {
    i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Appends a message, behind the padding of the one before it.
pub fn append(bytes: &mut Vec<u8>, level: i32, kind: i32, payload: &[u8]) {
    append_claiming(bytes, HEADER + payload.len(), level, kind, payload);
}

/// Appends a message whose header claims any length.
pub fn append_claiming(bytes: &mut Vec<u8>, claims: usize, level: i32, kind: i32, payload: &[u8]) {
    pad(bytes);
    bytes.extend(claims.to_ne_bytes());
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
}

/// Appends padding up to where the next header can start.
pub fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(WORD), 0);
}
