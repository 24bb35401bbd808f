//! A word in which its own waiters sleep: what has happened and that somebody sleeps are said by the same word.
//!
//! | bits of the word | |
//! |---:|---|
//! | 0..31 | what is waited for, and a count: the lower half does not come back to what it was while somebody falls asleep |
//! | 31 | `asleep`: somebody sleeps here, or is about to; or has, and left it behind |
//! | 32..64 | more of what is waited for |
//!
//! ```text
//! A: exchange the word, `asleep` cleared         W: set `asleep`, by an exchange that says what was there  (1)
//!    was it set? wake one, or all                   has it happened? then awake                           (2)
//!                                                   sleep while the lower half is as (1) left it          (3)
//! ```
//!
//! 1. *No wake-up is lost*, and nobody passes a barrier: both exchange the same word, so of A and W one comes first. If A does, W finds what A
//!    has made of the word. If W does, A finds `asleep`; it wakes after its exchange has changed the lower half, so W's sleep ends or does not
//!    begin.
//! 2. A clears the bit for all who sleep. If it wakes one, that one owes the others the bit ([`Look::owes`]): it leaves it set when it takes
//!    what it was woken for, or goes without ([`Futex::go`]), or sleeps again.
//! 3. A bit that nobody sleeps behind (of one whose time ran out, or who is dead) costs A one system call, and is gone.
//! 4. One that dies between its wake-up and what it owes leaves others asleep without a bit. They look again when their slice ends.
//! 5. A peer that lies can wake for nothing or clear the bit; each sleep ends after a slice anyway, and an exchange is tried [`TRIES`] times.
//!
//! Against [`super::eventcount`]: no barrier for who falls asleep, which is half of what a sleep costs on one core, and one system call for all
//! sleepers; but an exchange for each action, and nobody knows who sleeps. So it is for what is exchanged anyway.

use crate::wait::turn::{Sleeper, Step, Turn, Waiting};
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::{Duration, Instant};
use strait_mem::{Parking, SharedRmw};

/// See [the module](self).
pub(crate) const ASLEEP: u64 = 1 << 31;
/// How often an exchange is tried when others are faster.
pub(crate) const TRIES: u32 = 64;
/// How far the lower half lies from the beginning of the word.
const LOWER: usize = if cfg!(target_endian = "little") { 0 } else { 4 };

/// Who of the sleepers is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    One,
    All,
}

/// Where somebody waits in a word.
#[derive(Debug)]
pub(crate) struct Futex<'a, W> {
    words: &'a W,
    at: usize,
    /// Where it is noted from which core somebody was last woken: 4 bytes.
    rung_on: usize,
}

/// One look at the word, of one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// [`ASLEEP`] where we may have been woken in the place of others (rule 2), else 0: to be kept in the word by who takes something.
    pub(crate) owes: u64,
    /// Whether the first sleep is about to begin.
    pub(crate) is_first: bool,
    /// Whether it is time to look who lives: after each slice, and when the time has run out.
    pub(crate) is_long: bool,
}

impl<'a, W: SharedRmw + Parking> Futex<'a, W> {
    pub(crate) fn new(words: &'a W, at: usize, rung_on: usize) -> Self {
        Self { words, at, rung_on }
    }

    /// Makes of the word what `next` says, and wakes who sleeps in it; `next` is not shown the bit. Says what was there; `Err`, what is there
    /// and is left so.
    #[inline(always)]
    pub(crate) fn act(&self, woken: Woken, next: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let before = self.exchange(|seen| next(seen & !ASLEEP))?;
        if before & ASLEEP != 0 {
            self.wake(woken);
        }
        Ok(before & !ASLEEP)
    }

    /// Makes of the word what `next` says, and leaves the sleepers asleep; `next` is not shown the bit. Says as [`Self::act`].
    #[inline(always)]
    pub(crate) fn take(&self, owes: u64, next: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let before = self.exchange(|seen| next(seen & !ASLEEP).map(|next| next | seen & ASLEEP | owes))?;
        Ok(before & !ASLEEP)
    }

    #[inline(always)]
    fn exchange(&self, next: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        // Relaxed: the exchange finds out whether it is still so.
        let mut seen = self.words.load_u64(self.at, Relaxed);
        for _ in 0..TRIES {
            let new = next(seen).ok_or(seen & !ASLEEP)?;
            // AcqRel, FUTEX-WORD: who changes the word has seen what came before every change of it, and passes that on.
            match self.words.compare_exchange_u64(self.at, seen, new, AcqRel, Relaxed) {
                Ok(before) => return Ok(before),
                Err(found) => seen = found,
            }
        }
        Err(seen & !ASLEEP)
    }

    /// Wakes who sleeps here.
    #[cold]
    #[inline(never)]
    pub(crate) fn wake(&self, woken: Woken) {
        self.words.store_u32(self.rung_on, strait_sys::getcpu::current(), Relaxed);
        match woken {
            Woken::One => self.words.wake_one(self.at + LOWER),
            Woken::All => self.words.wake(self.at + LOWER),
        }
    }

    /// Waits until `attempt` brings something; `None` when the time has run out. The caller has tried.
    pub(crate) fn wait<T>(
        &self,
        waiting: &mut Waiting,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(Look) -> Option<T>,
    ) -> Option<T> {
        let once = Look { owes: 0, is_first: false, is_long: false };
        for _ in 0..waiting.first_looks() {
            if let Some(found) = attempt(once) {
                return Some(found);
            }
        }
        let mut turn = Turn::eager(deadline);
        let mut bed = Bed { futex: self, was_woken: std::cell::Cell::new(false) };
        let mut has_looked = false;
        let found = loop {
            let step = turn.step(waiting, &mut bed, 0);
            let is_first = turn.is_announced() && !has_looked;
            has_looked |= is_first;
            let owes = if bed.was_woken.get() { ASLEEP } else { 0 };
            let look = Look { owes, is_first, is_long: step != Step::Again };
            match attempt(look) {
                None if step == Step::TimedOut => break None,
                None => {}
                found => break found,
            }
        };
        turn.end(waiting, &mut bed);
        if found.is_none() && bed.was_woken.get() {
            self.go();
        }
        found
    }

    /// Goes without what it was woken for (rule 2).
    #[cold]
    fn go(&self) {
        self.words.fetch_or_u64(self.at, ASLEEP, AcqRel);
    }
}

/// One who sleeps in a word.
struct Bed<'a, 'b, W> {
    futex: &'b Futex<'a, W>,
    /// Whether its last sleep ended before its time, and it has not announced another one.
    was_woken: std::cell::Cell<bool>,
}

impl<W: SharedRmw + Parking> Sleeper for Bed<'_, '_, W> {
    type Announced = u32;

    fn announce(&mut self, _: u32) -> u32 {
        self.was_woken.set(false);
        // AcqRel, FUTEX-WORD. Truncation: the lower half.
        (self.futex.words.fetch_or_u64(self.futex.at, ASLEEP, AcqRel) | ASLEEP) as u32
    }

    fn sleep(&self, announced: u32, timeout: Duration) -> bool {
        let is_all = self.futex.words.sleep_while(self.futex.at + LOWER, announced, timeout);
        self.was_woken.set(!is_all);
        is_all
    }

    /// The bit may be others' too, and stays (rule 3).
    fn wake_up(&mut self) {}

    fn peer_cpu(&self) -> u32 {
        self.futex.words.load_u32(self.futex.rung_on, Relaxed)
    }

    /// Nobody asks.
    fn set_cpu(&self, _: u32) {}
}
