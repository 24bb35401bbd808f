//! The word of an event.
//!
//! | bits | |
//! |---:|---|
//! | 0 | `set` |
//! | 1..31 | `turn`: how often it was set, the lower 30 bits |
//! | 31 | `asleep` ([`crate::wait::futex`]) |
//! | 32..64 | `turn_high`: the upper 32 |
//!
//! 1. It is set by an exchange, also where it is set already: so who sees it set has seen all that came before every one of the calls.
//! 2. Of an auto-reset event a signal is taken by one exchange, of the very word that was seen set, by the one who waits itself: nothing is
//!    handed to anybody. Who is killed before that has taken nothing, whether or not it was woken; so exactly one takes it.
//! 3. Of a manual-reset event who waits sees `set`, or another `turn` than when it came: it is let through although somebody has reset it before
//!    it was awake.

use crate::wait::futex::{ASLEEP, Futex, Woken};
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use strait_mem::{Parking, SharedRmw};

pub(super) const STATE: usize = 0;
pub(super) const RUNG_ON: usize = 8;
pub(super) const BODY_BYTES: u64 = 64;

/// Name, offset and length of each field.
pub(super) const FIELDS: [(&str, usize, usize); 2] = [("state", STATE, 8), ("rung_on", RUNG_ON, 4)];
/// Name, first bit and number of bits of what is in the word.
pub(super) const BITS: [(&str, u32, u32); 4] =
    [("set", 0, 1), ("turn", TURN_SHIFT, TURN_BITS), ("asleep", 31, 1), ("turn_high", 32, 32)];

const SET: u64 = 1;
const TURN_SHIFT: u32 = 1;
const TURN_BITS: u32 = 30;
const TURN_MASK: u64 = (1 << TURN_BITS) - 1;
const _: () = assert!(1 << (TURN_SHIFT + TURN_BITS) == ASLEEP);

/// How often it was set, round the circle of 62 bits.
pub(crate) fn turn(word: u64) -> u64 {
    word >> 32 << TURN_BITS | word >> TURN_SHIFT & TURN_MASK
}

pub(crate) fn is_set(word: u64) -> bool {
    word & SET != 0
}

/// What the word is when it was set once more, if it was not.
fn set_once(word: u64) -> u64 {
    if is_set(word) {
        return word;
    }
    let turn = turn(word).wrapping_add(1);
    // What does not fit into 62 bits is shifted out.
    SET | (turn & TURN_MASK) << TURN_SHIFT | turn >> TURN_BITS << 32
}

/// Sets it, and wakes who waits (rule 1).
#[inline(always)]
pub(crate) fn set<W: SharedRmw + Parking>(futex: &Futex<'_, W>, woken: Woken, words: &W, at: usize) {
    if futex.act(woken, |seen| Some(set_once(seen))).is_err() {
        set_at_once(futex, words, at);
    }
}

/// The same without an exchange of what was seen: somebody changes the word all the time, which nobody honest does for so long.
#[cold]
#[inline(never)]
fn set_at_once<W: SharedRmw + Parking>(futex: &Futex<'_, W>, words: &W, at: usize) {
    words.fetch_or_u64(at, SET, AcqRel);
    futex.wake(Woken::All);
}

/// Takes a signal (rule 2), or says what the word is. `owes` as in [`Futex::take`].
#[inline(always)]
pub(crate) fn take<W: SharedRmw + Parking>(futex: &Futex<'_, W>, owes: u64) -> Result<(), u64> {
    futex.take(owes, |seen| is_set(seen).then_some(seen & !SET)).map(|_| ())
}

/// Whether one that found it at this turn when it came may go (rule 3).
#[inline(always)]
pub(crate) fn has_happened<W: SharedRmw>(words: &W, at: usize, since: u64) -> bool {
    // Acquire, pairs with FUTEX-WORD: what came before it was set is seen.
    let word = words.load_u64(at, Acquire);
    is_set(word) || turn(word) != since
}

/// Takes `set` away; whether it was there.
pub(crate) fn reset<W: SharedRmw>(words: &W, at: usize) -> bool {
    // AcqRel, FUTEX-WORD. Sleepers are not concerned.
    is_set(words.fetch_and_u64(at, !SET, AcqRel))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The turn is one number, whose halves carry, and a set that is one already is not counted.
    #[test]
    fn turns_are_counted() {
        let once = set_once(0);
        assert_eq!((turn(once), is_set(once), set_once(once)), (1, true, once));
        let low_full = (TURN_MASK) << TURN_SHIFT;
        let next = set_once(low_full);
        assert_eq!((turn(low_full), turn(next), next & ASLEEP), (TURN_MASK, TURN_MASK + 1, 0));
        let full = low_full | u64::from(u32::MAX) << 32;
        assert_eq!((turn(full), turn(set_once(full))), ((1 << 62) - 1, 0));
    }
}
