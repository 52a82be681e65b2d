//! Turns a seed, or a fuzzer's bytes, into decisions: the same on every machine.

pub enum Rng {
    /// SplitMix64.
    Seed(u64),
    /// One byte for a small decision, eight for a large one; zeros behind the last.
    Bytes(Vec<u8>, usize),
}

impl Rng {
    /// The numbers of one case.
    pub fn of(seed: u64, lane: u64, case: u64) -> Self {
        let mut rng = Self::Seed(seed ^ (lane << 56) ^ case.wrapping_mul(0xd134_2543_de82_ef95));
        rng.next();
        rng
    }

    /// The decisions of a fuzzer: a byte that changes changes one of them.
    #[allow(dead_code)]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec(), 0)
    }

    pub fn next(&mut self) -> u64 {
        self.take(8)
    }

    fn take(&mut self, bytes: u32) -> u64 {
        let state = match self {
            Self::Seed(state) => state,
            Self::Bytes(all, at) => {
                let mut next = || {
                    *at += 1;
                    u64::from(all.get(*at - 1).copied().unwrap_or(0))
                };
                return (0..bytes).fold(0, |number, _| number << 8 | next());
            }
        };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n` - 1.
    pub fn below(&mut self, n: u64) -> u64 {
        self.take(if n <= 256 { 1 } else { 8 }) % n
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
