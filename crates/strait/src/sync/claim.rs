//! A claim: one word that says who holds a thing, so that whoever dies holds nothing up.
//!
//! | bits | |
//! |---:|---|
//! | 0..2 | 0 free, 1 held, 2 granted: given to one who waits and has not taken it up yet, 3 absent: there is no such thing |
//! | 2 | `current`: which of the two copies of a mutex's value is the value |
//! | 3 | `marked`: a holder has not finished, and nobody has looked at what it left |
//! | 4 | `shared`: granted to one that reads, so everybody may read |
//! | 5..16 | zero |
//! | 16..24 | seat of the holder, or of the one it was granted to |
//! | 24..32 | `turn`: counts the claims, so that two of the same holder are told apart |
//! | 32..64 | generation of the seat |
//!
//! ```text
//!            take                                    release, nobody has waited long
//!   free ------------> held by A ---------------------------------------------------> free
//!                       |   |                        release, B has waited long
//!                       |   +----------------------> granted to B ----> held by B
//!                       | A dies                       | B dies, or waits no more
//!                       v                              v
//!                     held by B, marked              held by C, who came first
//! ```
//!
//! 1. A thing is taken by one exchange of the very word that was looked at, and given back by one store of its holder. So at every
//!    instruction it is known whose it is.
//! 2. A claim of one who is known to be gone (its seat has a later generation, or is not attached) is nobody's: who takes the thing then
//!    finds it `marked`. A mark stays through any number of holders and deaths until one says that it has looked.
//! 3. A grant holds as long as its owner waits, which it says in its own seat. One that waits no more, or is gone, is overlooked; nothing was
//!    begun under it, so nothing is marked.
//! 4. A word that nobody honest writes names somebody who is not there, or nobody: it is taken like that of one who is gone.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use strait_mem::SharedRmw;

/// How often an exchange is tried when others are faster. Honest ones are so a few times; the caller comes again anyway.
const TRIES: u32 = 16;

const STATE_MASK: u64 = 3;
const CURRENT: u64 = 1 << 2;
const MARKED: u64 = 1 << 3;
const SHARED: u64 = 1 << 4;
const ZERO_SHIFT: u32 = 5;
const SEAT_SHIFT: u32 = 16;
const SEAT_MASK: u64 = 0xFF;
const TURN_SHIFT: u32 = 24;
const TURN_MASK: u64 = 0xFF;
const GENERATION_SHIFT: u32 = 32;
/// The seat and its generation.
const OWNER: u64 = SEAT_MASK << SEAT_SHIFT | (u32::MAX as u64) << GENERATION_SHIFT;
/// What stays when the thing goes from hand to hand.
const KEPT: u64 = CURRENT | MARKED | TURN_MASK << TURN_SHIFT;

/// Name, first bit and number of bits of what is in a claim.
pub(crate) const BITS: [(&str, u32, u32); 8] = [
    ("state", 0, 2),
    ("current", 2, 1),
    ("marked", 3, 1),
    ("shared", 4, 1),
    ("zero", ZERO_SHIFT, SEAT_SHIFT - ZERO_SHIFT),
    ("seat", SEAT_SHIFT, TURN_SHIFT - SEAT_SHIFT),
    ("turn", TURN_SHIFT, GENERATION_SHIFT - TURN_SHIFT),
    ("generation", GENERATION_SHIFT, 32),
];

/// A user: its seat and the seat's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

impl Owner {
    pub(crate) const fn new(seat: u32, generation: u32) -> Self {
        // As a claim has them: so that a claim is made of them in one step.
        Self((seat as u64 & SEAT_MASK) << SEAT_SHIFT | (generation as u64) << GENERATION_SHIFT)
    }

    #[inline(always)]
    pub(crate) fn seat(self) -> u32 {
        // Fits by the mask.
        (self.0 >> SEAT_SHIFT & SEAT_MASK) as u32
    }

    #[inline(always)]
    pub(crate) fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }
}

/// What a claim says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Held(Owner),
    Granted(Owner),
    Absent,
}

/// A claim's word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim(u64);

impl Claim {
    pub(crate) const FREE: Self = Self(0);
    /// There is no such thing.
    pub(crate) const ABSENT: Self = Self(3);

    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(crate) fn state(self) -> State {
        let owner = || Owner(self.0 & OWNER);
        match self.0 & STATE_MASK {
            0 => State::Free,
            1 => State::Held(owner()),
            2 => State::Granted(owner()),
            _ => State::Absent,
        }
    }

    #[inline(always)]
    pub(crate) fn is_free(self) -> bool {
        self.0 & STATE_MASK == 0
    }

    /// Which copy of the value is the value: 0 or 1.
    #[inline(always)]
    pub(crate) fn current(self) -> u64 {
        (self.0 & CURRENT) / CURRENT
    }

    #[inline(always)]
    pub(crate) fn is_marked(self) -> bool {
        self.0 & MARKED != 0
    }

    #[inline(always)]
    pub(crate) fn marked(self, is_marked: bool) -> Self {
        if is_marked { Self(self.0 | MARKED) } else { Self(self.0 & !MARKED) }
    }

    /// The same, with the other copy of the value as the value.
    #[inline(always)]
    pub(crate) fn flipped(self) -> Self {
        Self(self.0 ^ CURRENT)
    }

    #[inline(always)]
    fn with(self, state: u64, owner: Owner) -> Self {
        Self(self.0 & KEPT | state | owner.0)
    }

    #[inline(always)]
    pub(crate) fn free(self) -> Self {
        Self(self.0 & KEPT)
    }

    /// The next claim: this owner's.
    #[inline(always)]
    pub(crate) fn held_by(self, owner: Owner) -> Self {
        let turn = self.0.wrapping_add(1 << TURN_SHIFT) & TURN_MASK << TURN_SHIFT;
        Self(self.0 & (CURRENT | MARKED) | turn | owner.0 | 1)
    }

    #[inline(always)]
    pub(crate) fn granted_to(self, owner: Owner) -> Self {
        self.with(2, owner)
    }

    /// Granted to one that reads: others may read beside it.
    pub(crate) fn granted_to_reader(self, owner: Owner) -> Self {
        Self(self.granted_to(owner).0 | SHARED)
    }

    /// Whether it is granted to one that reads.
    #[inline(always)]
    pub(crate) fn is_shared(self) -> bool {
        self.0 & (STATE_MASK | SHARED) == 2 | SHARED
    }
}

/// What is known of the users that claims name.
pub(crate) trait Users {
    /// Whether whoever had the seat with this generation is known to be gone. The dead count as here until they are found.
    fn is_gone(&self, owner: Owner) -> bool;

    /// Whether the seat's owner says that it waits.
    fn is_waiting(&self, seat: u32) -> bool;
}

/// A claim that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Ours.
    pub(crate) claim: Claim,
    /// What was there before.
    pub(crate) before: Claim,
}

/// What the claim of a thing that we may have, as it was seen, becomes when we take it; `None` where it is in good hands.
#[inline(always)]
pub(crate) fn taken(seen: Claim, me: Owner, users: &impl Users) -> Option<Claim> {
    if seen.is_free() { Some(seen.held_by(me)) } else { taken_over(seen, me, users) }
}

/// [`try_take`], of what is free and not marked: all that there is to it while nobody is in the way.
#[inline(always)]
pub(crate) fn try_take_free<W: SharedRmw>(words: &W, at: usize, me: Owner) -> Option<Claim> {
    // Relaxed and Acquire, as in `try_take`.
    let seen = Claim(words.load_u64(at, Relaxed));
    if !seen.is_free() || seen.is_marked() {
        return None;
    }
    let next = seen.held_by(me);
    words.compare_exchange_u64(at, seen.word(), next.word(), Acquire, Relaxed).ok().map(|_| next)
}

/// Takes the thing whose claim is at `at`, if it is to be had; else says what is in the way.
pub(crate) fn try_take<W: SharedRmw>(words: &W, at: usize, me: Owner, users: &impl Users) -> Result<Taken, Claim> {
    // Relaxed: the exchange finds out whether it is still so, and acquires.
    let mut seen = Claim(words.load_u64(at, Relaxed));
    for _ in 0..TRIES {
        let next = taken(seen, me, users).ok_or(seen)?;
        // Acquire, pairs with CLAIM-RELEASE: what the last holder wrote is seen. One that died has passed it on: its own exchange acquired
        // it, and continues the release that it read from.
        match words.compare_exchange_u64(at, seen.word(), next.word(), Acquire, Relaxed) {
            Ok(_) => return Ok(Taken { claim: next, before: seen }),
            Err(found) => seen = Claim(found),
        }
    }
    Err(seen)
}

/// What a claim that is not free becomes when we take the thing all the same (rules 2 and 3); `None` where it is in good hands.
#[inline(never)]
fn taken_over(seen: Claim, me: Owner, users: &impl Users) -> Option<Claim> {
    given_up(seen, me, users).map(|free| free.held_by(me))
}

/// What a claim that is not free becomes when nobody has a right to it any more: free (rules 2 and 3); `None` where it is in good hands.
pub(crate) fn given_up(seen: Claim, me: Owner, users: &impl Users) -> Option<Claim> {
    match seen.state() {
        State::Granted(owner) if owner == me => Some(seen.free()),
        State::Granted(owner) => (!users.is_waiting(owner.seat()) || users.is_gone(owner)).then(|| seen.free()),
        // Whoever asks holds nothing: it has let go of a guard without giving the thing back.
        State::Held(owner) => (owner == me || users.is_gone(owner)).then(|| seen.free().marked(true)),
        // Rule 4. Where a thing may be absent that is looked at first.
        State::Free | State::Absent => Some(seen.free().marked(true)),
    }
}

/// Gives a thing back that we hold: it is free, or `next` says whose it is now.
#[inline(always)]
pub(crate) fn release<W: SharedRmw>(words: &W, at: usize, next: Claim) {
    // Release, CLAIM-RELEASE: what was written under the claim is seen by who takes it next. A plain store: nobody changes the word of a
    // holder who lives (rule 1).
    words.store_u64(at, next.word(), Release);
}

/// Gives a thing back to the one at `seat` who waits for it, to whom it is then `granted` (rule 3); `ring` wakes that one. Says whether it
/// still waits: if not, somebody else is to be woken.
pub(crate) fn grant<W: SharedRmw>(
    words: &W,
    at: usize,
    granted: Claim,
    seat: u32,
    users: &impl Users,
    ring: impl FnOnce(),
) -> bool {
    release(words, at, granted);
    ring();
    // SeqCst, CLAIM-WITHDRAW: that it is granted is stored before we look whether it is still wanted.
    words.fence(SeqCst);
    users.is_waiting(seat)
}

/// Waits no more, which `say` says; and tries a last time, for it may have been granted just then.
pub(crate) fn withdraw<W: SharedRmw, T>(
    words: &W,
    say: impl FnOnce(),
    attempt: impl FnOnce() -> Option<T>,
) -> Option<T> {
    say();
    // SeqCst, CLAIM-WITHDRAW, the other half: of the two one sees the other.
    words.fence(SeqCst);
    attempt()
}

/// Of those who wait, with the time since when, who has waited longest; only who has waited since `before` or longer counts.
pub(crate) fn longest_waiting(waiting: impl Iterator<Item = (u32, u64)>, before: u64) -> Option<u32> {
    waiting.filter(|&(_, since)| since != 0 && since <= before).min_by_key(|&(_, since)| since).map(|(seat, _)| seat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use strait_mem::{Mapping, Shared as _, SharedMut as _, ViewMut};

    const ME: Owner = Owner::new(3, 7);
    const OTHER: Owner = Owner::new(255, u32::MAX);

    /// Everybody in here is so.
    struct All {
        gone: bool,
        waiting: bool,
    }

    impl Users for All {
        fn is_gone(&self, _: Owner) -> bool {
            self.gone
        }

        fn is_waiting(&self, _: u32) -> bool {
            self.waiting
        }
    }

    fn word() -> ViewMut {
        let mapping: Arc<Mapping> = Mapping::anonymous(64, None, false).expect("memory");
        mapping.view_mut(0..64).expect("writable")
    }

    /// Whether it is taken from that state, and then with which mark.
    fn taken(from: Claim, gone: bool, waiting: bool) -> Option<bool> {
        let words = word();
        words.store_u64(8, from.word(), Relaxed);
        let took = try_take(&words, 8, ME, &All { gone, waiting });
        let now = Claim(words.load_u64(8, Relaxed));
        match took {
            Ok(taken) => assert_eq!((taken.claim, taken.before, now.state()), (now, from, State::Held(ME))),
            Err(claim) => assert_eq!((claim, now), (from, from)),
        }
        took.ok().map(|it| it.claim.is_marked())
    }

    /// Who is in the way of whom: each state, its owner here or gone, waiting or not.
    #[test]
    fn good_hands_are_left_alone() {
        let held = Claim::FREE.held_by(OTHER);
        let granted = Claim::FREE.granted_to(OTHER);
        assert_eq!(taken(Claim::FREE, false, false), Some(false));
        assert_eq!(taken(held, false, true), None);
        assert_eq!(taken(held, true, true), Some(true));
        assert_eq!(taken(granted, false, true), None);
        assert_eq!(taken(granted, true, true), Some(false));
        assert_eq!(taken(granted, false, false), Some(false));
        assert_eq!(taken(Claim::FREE.granted_to(ME), false, true), Some(false));
        assert_eq!(taken(Claim::FREE.held_by(ME), false, false), Some(true), "a guard that was let go of");
    }

    /// A mark, and which copy is the value, go from hand to hand until somebody says otherwise; claims of one owner are told apart.
    #[test]
    fn marks_are_kept() {
        let one = Claim::FREE.marked(true).flipped().held_by(OTHER);
        assert_eq!((one.state(), one.is_marked(), one.current()), (State::Held(OTHER), true, 1));
        let next = one.free().granted_to(ME);
        assert_eq!((next.state(), next.is_marked(), next.current()), (State::Granted(ME), true, 1));
        let two = next.held_by(OTHER);
        assert_ne!(one, two);
        assert_eq!(two.flipped().marked(false).free().current(), 0);
        assert!(!two.marked(false).free().is_marked());
        assert!((0..300).fold(one, |claim, _| claim.free().held_by(ME)).state() == State::Held(ME));
    }

    /// A word that nobody honest writes is in nobody's way: it names nobody, or somebody who is not there (rule 4).
    #[test]
    fn any_word_is_a_claim() {
        for word in [3, u64::MAX, u64::MAX - 1, u64::MAX - 2, 1 << 4, 0xFFF0] {
            assert!(taken(Claim(word), true, false).is_some(), "{word:#x}");
        }
    }

    /// Who has waited longest is next, of those who have waited long enough.
    #[test]
    fn longest_is_next() {
        let waiting = [(1, 50), (2, 0), (3, 20), (4, 90)];
        assert_eq!(longest_waiting(waiting.into_iter(), 100), Some(3));
        assert_eq!(longest_waiting(waiting.into_iter(), 20), Some(3));
        assert_eq!(longest_waiting(waiting.into_iter(), 19), None);
    }
}
