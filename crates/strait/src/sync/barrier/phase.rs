//! The word of a barrier, and who has come.
//!
//! | bits of `state` | |
//! |---:|---|
//! | 0..2 | `broken`: 0 no, 1 one has died, 2 one has left |
//! | 2..8 | `resets`: how often it was put right |
//! | 8..16 | `seat` of the one who broke it |
//! | 16..31 | `phase`: how often all have come, or it was put right |
//! | 31 | `asleep` ([`crate::wait::futex`]) |
//! | 32..64 | `version`: how often one that had come went again |
//!
//! Beside it each participant says in its own seat at which phase it has come last: `arrived`, `phase` and `resets` of the word as it found it,
//! and 1 in bit 0; or 0.
//!
//! ```text
//! who comes:  say `arrived` in our seat        who goes again:  take `arrived` back
//!             fence                                             version + 1
//!             are all there?  phase + 1, wake all               was it the same phase still? then gone
//!             else sleep until the word is another
//! ```
//!
//! 1. *One leader.* That all have come is said by one exchange of the very word that was loaded before it was looked who is there. Whoever
//!    does it leads; anybody may, also for one who died between its arrival and that exchange.
//! 2. *The last to come knows it.* Who comes stores its arrival, passes a fence, and looks at the others (`BARRIER-LAST`): of two who come at the same time one
//!    at least sees both.
//! 3. *Who has gone is not counted.* It takes its arrival back and then changes the version, so that an exchange by rule 1 that has seen it fails, and looks
//!    anew. If the phase was over before that, it has not gone: it has passed.
//! 4. *Phases are told apart* by more than a sleeper can miss: nobody passes a phase without each participant, so one that sleeps sees the next phase, or
//!    that the barrier was broken or put right since it came.
//! 5. *An arrival counts*, although its participant dies behind it: it had done what was to be done before. What breaks a phase is one
//!    that has not come and is gone; that is said by an exchange of the word, so a phase is passed by all or broken for all.

use crate::peer::Cause;
use crate::wait::futex::{ASLEEP, Futex, TRIES, Woken};
use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};
use strait_mem::{Parking, SharedRmw};

const BROKEN_MASK: u64 = 3;
const BROKEN_DIED: u64 = 1;
const BROKEN_LEFT: u64 = 2;
const RESETS_ONE: u64 = 1 << 2;
const RESETS_MASK: u64 = 0x3F << 2;
const SEAT_SHIFT: u32 = 8;
const SEAT_MASK: u64 = 0xFF << SEAT_SHIFT;
const PHASE_ONE: u64 = 1 << 16;
const PHASE_MASK: u64 = 0x7FFF << 16;
const VERSION_ONE: u64 = 1 << 32;
const ARRIVED: u64 = 1;
const _: () = assert!(PHASE_MASK + PHASE_ONE == ASLEEP);

/// Name, first bit and number of bits of what is in the word.
pub(super) const BITS: [(&str, u32, u32); 6] = [
    ("broken", 0, 2),
    ("resets", 2, 6),
    ("seat", SEAT_SHIFT, 8),
    ("phase", 16, 15),
    ("asleep", 31, 1),
    ("version", 32, 32),
];

/// What participants say of themselves.
pub(crate) trait Arrivals {
    /// How many there are.
    fn count(&self) -> u32;

    /// Says at which phase we have come, behind what we have done (`BARRIER-ARRIVE`, a release).
    fn say(&self, arrived: u64);

    /// What another one says: an acquire.
    fn said(&self, seat: u32) -> u64;
}

/// What has become of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Somebody has not come yet.
    Open,
    /// All have come; whether we said so.
    Passed { is_leader: bool },
    /// This one will not come.
    Broken { seat: u32, cause: Cause },
    /// It was broken, and was put right since.
    Reset,
}

/// What a participant says that has come while the word was this.
#[inline(always)]
pub(crate) fn arrival_at(word: u64) -> u64 {
    word & (PHASE_MASK | RESETS_MASK) | ARRIVED
}

/// Who has broken it, if it is broken.
#[inline(always)]
pub(crate) fn broken(word: u64) -> Option<(u32, Cause)> {
    let cause = match word & BROKEN_MASK {
        0 => return None,
        BROKEN_DIED => Cause::Died,
        _ => Cause::Left,
    };
    // Eight bits.
    Some(((word >> SEAT_SHIFT & 0xFF) as u32, cause))
}

fn next_phase(word: u64) -> u64 {
    word & !PHASE_MASK | word.wrapping_add(PHASE_ONE) & PHASE_MASK
}

fn broken_by(word: u64, seat: u32, cause: Cause) -> u64 {
    let how = if cause == Cause::Died { BROKEN_DIED } else { BROKEN_LEFT };
    word & !(BROKEN_MASK | SEAT_MASK) | how | u64::from(seat) << SEAT_SHIFT & SEAT_MASK
}

fn put_right(word: u64) -> u64 {
    let resets = word.wrapping_add(RESETS_ONE) & RESETS_MASK;
    next_phase(word & !(BROKEN_MASK | SEAT_MASK | RESETS_MASK) | resets)
}

/// What the word says of the phase of one that has come when it was `mine` (rule 4).
#[inline(always)]
pub(crate) fn outcome(now: u64, mine: u64) -> Outcome {
    if arrival_at(now) == arrival_at(mine) {
        return broken(now).map_or(Outcome::Open, |(seat, cause)| Outcome::Broken { seat, cause });
    }
    let is_next = arrival_at(now) == arrival_at(next_phase(mine));
    if is_next { Outcome::Passed { is_leader: false } } else { Outcome::Reset }
}

/// Comes to the phase of the word `mine`, which we have loaded (rule 2).
#[inline]
pub(crate) fn arrive<W: SharedRmw + Parking>(
    words: &W,
    futex: &Futex<'_, W>,
    at: usize,
    arrivals: &impl Arrivals,
    mine: u64,
) -> Outcome {
    arrivals.say(arrival_at(mine));
    // SeqCst, BARRIER-LAST: our arrival is stored before we look at the others'.
    words.fence(SeqCst);
    complete(words, futex, at, arrivals, mine)
}

/// Says that all have come to the phase of `mine`, if they have (rule 1).
pub(crate) fn complete<W: SharedRmw + Parking>(
    words: &W,
    futex: &Futex<'_, W>,
    at: usize,
    arrivals: &impl Arrivals,
    mine: u64,
) -> Outcome {
    for _ in 0..TRIES {
        // Acquire, pairs with FUTEX-WORD: who has gone before this word is not taken for one who is there (rule 3).
        let now = words.load_u64(at, Acquire) & !ASLEEP;
        let outcome = outcome(now, mine);
        if outcome != Outcome::Open || missing(arrivals, mine).next().is_some() {
            return outcome;
        }
        if futex.act(Woken::All, |seen| (seen == now).then(|| next_phase(seen))).is_ok() {
            return Outcome::Passed { is_leader: true };
        }
    }
    Outcome::Open
}

/// The seats of those who have not come to the phase of `mine`.
pub(crate) fn missing(arrivals: &impl Arrivals, mine: u64) -> impl Iterator<Item = u32> {
    let arrived = arrival_at(mine);
    (0..arrivals.count()).filter(move |&seat| arrivals.said(seat) != arrived)
}

/// Says that one will not come of whom that is known, if there is one; and else that all have come, if they have (rule 5).
pub(crate) fn look<W: SharedRmw + Parking>(
    words: &W,
    futex: &Futex<'_, W>,
    at: usize,
    arrivals: &impl Arrivals,
    mine: u64,
    is_gone: impl Fn(u32) -> Option<Cause>,
) -> Outcome {
    for _ in 0..TRIES {
        // Acquire, as in `complete`.
        let now = words.load_u64(at, Acquire) & !ASLEEP;
        let outcome = outcome(now, mine);
        if outcome != Outcome::Open {
            return outcome;
        }
        let gone = missing(arrivals, mine).find_map(|seat| Some((seat, is_gone(seat)?)));
        let Some((seat, cause)) = gone else { return complete(words, futex, at, arrivals, mine) };
        // Asked again behind what is known of it: what it did last is seen.
        if arrivals.said(seat) == arrival_at(mine) {
            continue;
        }
        if futex.act(Woken::All, |seen| (seen == now).then(|| broken_by(seen, seat, cause))).is_ok() {
            return Outcome::Broken { seat, cause };
        }
    }
    Outcome::Open
}

/// Goes again, having come to the phase of `mine` (rule 3): `Open`, it has gone; else what has become of the phase before that.
pub(crate) fn withdraw<W: SharedRmw>(words: &W, at: usize, arrivals: &impl Arrivals, mine: u64) -> Outcome {
    arrivals.say(0);
    // AcqRel, FUTEX-WORD: that we have gone is stored before the version, and seen by who sees that. The upper half: no sleeper is concerned.
    outcome(words.fetch_add_u64(at, VERSION_ONE, AcqRel), mine)
}

/// Puts a broken barrier right: whoever has come has not. Whether it was broken.
pub(crate) fn reset<W: SharedRmw + Parking>(futex: &Futex<'_, W>) -> bool {
    futex.act(Woken::All, |seen| broken(seen).map(|_| put_right(seen))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a phase, at any phase, round the circle too.
    #[test]
    fn outcomes() {
        for word in [0, PHASE_MASK, PHASE_MASK | RESETS_MASK | (7 * VERSION_ONE)] {
            let next = next_phase(word);
            assert_eq!(outcome(word, word), Outcome::Open);
            assert_eq!(outcome(word | ASLEEP, word), Outcome::Open);
            assert_eq!(outcome(word.wrapping_add(VERSION_ONE), word), Outcome::Open);
            assert_eq!(outcome(next, word), Outcome::Passed { is_leader: false });
            let broken = broken_by(word, 200, Cause::Left);
            assert_eq!(outcome(broken, word), Outcome::Broken { seat: 200, cause: Cause::Left });
            assert_eq!(outcome(broken_by(next, 3, Cause::Died), word), Outcome::Passed { is_leader: false });
            assert_eq!(outcome(put_right(broken), word), Outcome::Reset);
            assert_eq!(outcome(next_phase(put_right(broken)), word), Outcome::Reset);
            assert_eq!(super::broken(put_right(broken)), None);
            assert_eq!(next & !PHASE_MASK, word & !PHASE_MASK);
        }
    }
}
