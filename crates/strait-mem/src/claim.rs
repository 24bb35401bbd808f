//! A number that a peer alleged.
//!
//! It was read from shared memory *once*. There is no way to its value but through a check, and afterwards only the checked copy
//! is used, so that a peer which changes the word between check and use changes nothing.

/// A number as a peer wrote it, not yet believed.
#[derive(Clone, Copy)]
#[must_use = "a claim is to be checked"]
pub struct Claim<T>(T);

/// A claim that did not hold: what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuted {
    /// The alleged number.
    pub found: u64,
}

impl<T: Copy + PartialOrd + Into<u64>> Claim<T> {
    /// Wraps a number at the moment it is read.
    #[inline]
    pub const fn new(alleged: T) -> Self {
        Self(alleged)
    }

    /// The number, if it is at most `limit`.
    #[inline]
    pub fn within(self, limit: T) -> Result<T, Refuted> {
        if self.0 <= limit { Ok(self.0) } else { Err(self.refuted()) }
    }

    /// The number, if it is `expected`.
    #[inline]
    pub fn exactly(self, expected: T) -> Result<T, Refuted> {
        if self.0 == expected { Ok(self.0) } else { Err(self.refuted()) }
    }

    /// The number, if `check` finds it plausible.
    #[inline]
    pub fn when(self, check: impl FnOnce(T) -> bool) -> Result<T, Refuted> {
        if check(self.0) { Ok(self.0) } else { Err(self.refuted()) }
    }

    /// The number for people to read: shown, never computed with.
    #[inline]
    pub fn for_display(self) -> T {
        self.0
    }

    fn refuted(self) -> Refuted {
        Refuted { found: self.0.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A claim yields its number exactly when the check holds.
    #[test]
    fn limit_is_inclusive() {
        assert_eq!(Claim::new(7_u32).within(7), Ok(7));
        assert_eq!(Claim::new(8_u32).within(7), Err(Refuted { found: 8 }));
        assert_eq!(Claim::new(u64::MAX).exactly(3), Err(Refuted { found: u64::MAX }));
        assert_eq!(Claim::new(6_u32).when(|n| n % 2 == 0), Ok(6));
    }
}
