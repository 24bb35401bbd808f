//! Numbers from a seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// Xorshift: not good, but the same each time for the same seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From `STRAIT_SEED`, or the clock; says which on standard error, which the harness shows for a test that fails.
    #[must_use]
    pub fn seeded(test: &str) -> Self {
        let given = std::env::var("STRAIT_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
        let seed = given.unwrap_or_else(clock) | 1;
        eprintln!("{test}: again with STRAIT_SEED={seed} cargo test -p strait-testing {test}");
        Self(seed)
    }

    /// From a number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next one.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// One below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }
}
