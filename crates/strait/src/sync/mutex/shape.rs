//! Where a mutex's words lie in its body.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | `claim`: who holds it ([`crate::sync::claim`]) | who takes it, by an exchange; its holder |
//! | 8 or 64 | two copies of the value | the holder |
//!
//! Where both copies fit behind the claim they share its cache line, so that a small value travels with the lock in one transfer; else each
//! begins on a line of its own.
//!
//! 1. The claim says which copy is the value. The holder writes only the other one.
//! 2. The store that gives the lock back makes the other copy the value, or not: with it everything has happened, and without it nothing.

use crate::sync::claim::Claim;

pub(in crate::sync) const CLAIM: usize = 0;
const CLAIM_BYTES: u64 = 8;
const LINE_BYTES: u64 = 64;
/// Values are copied through the stack.
pub(super) const VALUE_BYTES_MAX: u64 = 16 << 20;

/// Name, offset and length of each field, but for the copies.
pub(super) const FIELDS: [(&str, usize, usize); 1] = [("claim", CLAIM, CLAIM_BYTES as usize)];

/// Where the copies of a value lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    first: u64,
    stride: u64,
}

impl Shape {
    pub(super) const fn of(value_bytes: u64) -> Self {
        let whole = value_bytes.next_multiple_of(8);
        if CLAIM_BYTES + 2 * whole <= LINE_BYTES {
            return Self { first: CLAIM_BYTES, stride: whole };
        }
        Self { first: LINE_BYTES, stride: whole.next_multiple_of(LINE_BYTES) }
    }

    /// Whether both copies lie in the claim's line.
    #[inline(always)]
    pub(super) fn is_in_line(self) -> bool {
        self.first < LINE_BYTES
    }

    pub(super) fn body_bytes(self) -> u64 {
        self.first + 2 * self.stride
    }

    /// Where the copy lies that this claim says is the value.
    #[inline(always)]
    pub(super) fn copy_at(self, claim: Claim) -> usize {
        // In a body that is mapped, so it fits.
        (self.first + claim.current() * self.stride) as usize
    }

    /// The two copies.
    pub(super) fn copies(self) -> [u64; 2] {
        [self.first, self.first + self.stride]
    }
}
