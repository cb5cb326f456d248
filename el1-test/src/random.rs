//! Random numbers that a seed determines.

/// A generator (xorshift64*).
pub struct Random(u64);

impl Random {
    /// Different seeds, however alike, give different sequences.
    pub fn new(seed: u64) -> Self {
        // Never zero, which would stay zero.
        let mut mixed = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63);
        mixed.next();
        mixed
    }

    /// 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `limit`; 0 if there is nothing below it.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit.max(1)
    }
}
