//! Who waits for a condition, and who was notified: a word in each user's own seat.
//!
//! | offset in `progress` of a seat | | who writes |
//! |---:|---|---|
//! | 32 | `waits_for`: what its owner waits for | owner; who notifies it, by an exchange |
//!
//! | bits of `waits_for` | | |
//! |---:|---|---|
//! | 0..2 | `state` | 0 does not wait, 1 waits, 2 notified |
//! | 2..4 | `number` | of the condition |
//! | 4..64 | `since_ns` | since when, by `CLOCK_MONOTONIC` |
//!
//! ```text
//!             wait, holding the mutex           one exchange: that is the notification
//!   does not ------------------------> waits ------------------------------------------> notified
//!     ^                                  | the time is over: one exchange                    |
//!     +----------------------------------+---------------------------------------------------+  awake
//! ```
//!
//! 1. *No notification is lost on the way.* Who waits says so before it gives the mutex back. So whoever has the mutex after it, changes what it
//!    waits for and then notifies, finds that it waits.
//! 2. *A notification is one exchange*, of the very word that was looked at: it is one waiter's or not made, and who gives up has either not been
//!    notified, or has.
//! 3. *A death notifies everybody.* Who finds a user dead notifies all who wait, before it says that it has found it: if it dies in between, the
//!    next one does it again. So it does not matter whom the dead one was to notify, or what it was notified of and has not done: all who wait
//!    look for themselves.
//! 4. Words are exchanged first, doorbells rung then. Who is notified and not rung for finds out when its slice ends.

use crate::channel::hub::Hub;
use crate::channel::hub::locks::SeatWords;
use crate::error::Result;

/// How many conditions a mutex has.
pub(super) const CONDITIONS: u32 = 3;

pub(super) const WAITS_FOR: usize = 32;
/// Name, offset and length of what a seat says of conditions.
pub(super) const FIELDS: [(&str, usize, usize); 1] = [("waits_for", WAITS_FOR, 8)];
/// Name, first bit and number of bits of what is in that word.
pub(super) const BITS: [(&str, u32, u32); 3] =
    [("state", 0, 2), ("number", 2, SINCE_SHIFT - 2), ("since_ns", SINCE_SHIFT, 64 - SINCE_SHIFT)];

const STATE_MASK: u64 = 3;
const WAITING: u64 = 1;
const NOTIFIED: u64 = 2;
const NUMBER_SHIFT: u32 = 2;
const NUMBER_MASK: u64 = 3;
const SINCE_SHIFT: u32 = 4;

/// A word of one that waits for a condition, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait(u64);

impl Wait {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) fn word(self) -> u64 {
        self.0
    }

    pub(super) fn new(number: u32, since_ns: u64) -> Self {
        Self(since_ns << SINCE_SHIFT | (u64::from(number) & NUMBER_MASK) << NUMBER_SHIFT | WAITING)
    }

    pub(super) fn is_waiting(self) -> bool {
        self.0 & STATE_MASK == WAITING
    }

    pub(super) fn is_waiting_for(self, number: u32) -> bool {
        self.is_waiting() && self.0 >> NUMBER_SHIFT & NUMBER_MASK == u64::from(number)
    }

    pub(super) fn since_ns(self) -> u64 {
        self.0 >> SINCE_SHIFT
    }

    fn notified(self) -> Self {
        Self(self.0 & !STATE_MASK | NOTIFIED)
    }
}

/// The words of all seats.
pub(super) trait Waiters {
    /// How many there are.
    fn seats(&self) -> u32;

    /// What a seat's owner waits for, and what it did before it said so.
    fn wait_of(&self, seat: u32) -> Wait;

    /// Changes that word, if it is still `from`.
    fn exchange(&self, seat: u32, from: Wait, to: Wait) -> bool;
}

/// Notifies the one that has waited longest for this condition, and says at which seat; `None`, nobody waits.
pub(super) fn notify_one(waiters: &impl Waiters, number: u32) -> Option<u32> {
    // Each time that another one was faster it has notified somebody, or somebody has given up.
    for _ in 0..=waiters.seats() {
        let waiting = |seat: u32| Some((seat, waiters.wait_of(seat))).filter(|it| it.1.is_waiting_for(number));
        let (seat, wait) = (0..waiters.seats()).filter_map(waiting).min_by_key(|it| it.1.since_ns())?;
        if waiters.exchange(seat, wait, wait.notified()) {
            return Some(seat);
        }
    }
    None
}

/// Notifies everybody who waits for this condition, or for any; `ring` is called for each.
pub(super) fn notify_all(waiters: &impl Waiters, number: Option<u32>, ring: impl Fn(u32)) -> u32 {
    let mut count = 0;
    for seat in 0..waiters.seats() {
        let wait = waiters.wait_of(seat);
        let is_meant = number.map_or(wait.is_waiting(), |number| wait.is_waiting_for(number));
        // A failure is as good: it was notified, or has given up.
        if is_meant && waiters.exchange(seat, wait, wait.notified()) {
            count += 1;
            ring(seat);
        }
    }
    count
}

/// Gives up waiting; says whether we were notified meanwhile.
pub(super) fn give_up(waiters: &impl Waiters, seat: u32) -> bool {
    let wait = waiters.wait_of(seat);
    !(wait.is_waiting() && waiters.exchange(seat, wait, Wait::NONE))
}

/// The seats of a region.
#[derive(Debug)]
pub(super) struct Seats {
    words: SeatWords,
}

impl Seats {
    pub(super) fn of(hub: &Hub) -> Result<Self> {
        Ok(Self { words: hub.seat_words(WAITS_FOR)? })
    }
}

impl Waiters for Seats {
    fn seats(&self) -> u32 {
        self.words.count()
    }

    fn wait_of(&self, seat: u32) -> Wait {
        Wait::from_word(self.words.load(seat))
    }

    fn exchange(&self, seat: u32, from: Wait, to: Wait) -> bool {
        self.words.exchange(seat, from.word(), to.word())
    }
}
