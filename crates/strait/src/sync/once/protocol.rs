//! How one begins, and says that it is done.
//!
//! | `state` of the claim ([`crate::sync::claim`]) | |
//! |---:|---|
//! | 0 | nobody has begun; `marked`: somebody has, and did not come to the end |
//! | 1 | somebody is about it |
//! | 2 | it was given to one who waits for it, and who has not begun yet |
//! | 3 | it is done, for good |
//!
//! 1. Who begins takes the claim by one exchange of the very word that was looked at; one that is done is nobody's to take.
//! 2. That it is done is one store, of the one who was about it, behind all that it did (`ONCE-DONE`); nobody else writes there while it lives.
//! 3. Who dies before that store has not done it, and who takes the claim from it finds it `marked`.

use crate::sync::claim::{self, Claim, Owner, State, Taken, Users};
use std::sync::atomic::Ordering::{Acquire, Release};
use strait_mem::{Shared, SharedMut, SharedRmw};

/// How often an exchange is tried when others are faster.
const TRIES: u32 = 16;

/// What came of an attempt to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It is done already.
    Done,
    /// It is ours to do.
    Ours(Taken),
    /// This one is about it.
    InTheWay(Claim),
}

/// Whether it is done. One load.
#[inline(always)]
pub(crate) fn is_done<W: Shared>(words: &W, at: usize) -> bool {
    // Acquire, pairs with ONCE-DONE: what was done is seen.
    Claim::from_word(words.load_u64(at, Acquire)).state() == State::Absent
}

/// Begins, if it is not done and nobody is about it.
pub(crate) fn begin<W: SharedRmw>(words: &W, at: usize, me: Owner, users: &impl Users) -> Begun {
    // Acquire, as in `is_done`.
    let mut seen = Claim::from_word(words.load_u64(at, Acquire));
    for _ in 0..TRIES {
        if seen.state() == State::Absent {
            return Begun::Done;
        }
        let Some(next) = claim::taken(seen, me, users) else { return Begun::InTheWay(seen) };
        // Acquire, pairs with CLAIM-RELEASE: what the last one left is seen. And where it failed, as in `is_done`.
        match words.compare_exchange_u64(at, seen.word(), next.word(), Acquire, Acquire) {
            Ok(_) => return Begun::Ours(Taken { claim: next, before: seen }),
            Err(found) => seen = Claim::from_word(found),
        }
    }
    Begun::InTheWay(seen)
}

/// Says that it is done: what we have begun.
pub(crate) fn finish<W: SharedMut>(words: &W, at: usize) {
    // Release, ONCE-DONE (rule 2).
    words.store_u64(at, Claim::ABSENT.word(), Release);
}
