//! That something has happened: one sets it, others wait for it. Told to all who wait and will wait, or to one.
//!
//! ```text
//!   manual:  set ---> everybody who waits or comes is let through ---> reset
//!   auto:    set ---> one is let through, and with it the signal is gone
//! ```
//!
//! ```
//! use strait::sync::event::{Event, Reset};
//! use strait::sync::Options;
//!
//! # let name = format!("doc-event-{}", std::process::id());
//! let mut ready = Event::create(&name, Reset::Manual, &Options::new())?;
//! let mut seen = Event::open(&name, Reset::Manual, &Options::new())?; // usually in another process
//!
//! ready.set()?;
//! seen.wait()?; // at once, as often as one likes
//! assert!(seen.is_set());
//! ready.reset()?;
//! assert!(seen.try_wait().is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | wait for it | [`try_wait`](Event::try_wait) | [`wait`](Event::wait) | [`wait_timeout`](Event::wait_timeout) |
//! | set it, take that back, look | [`set`](Event::set), [`reset`](Event::reset), [`is_set`](Event::is_set) | | |
//!
//! # What is promised
//!
//! 1. **A set is not lost.** Who comes after it, and who was waiting, is let through: all of them, if the reset is manual, also those who were
//!    not awake yet when it was reset again; one, if it is automatic.
//! 2. **An auto-reset event is one signal**, and not a count: setting what is set changes nothing. For signals that are counted take a
//!    [`Semaphore`](crate::sync::Semaphore).
//! 3. **What came before a set is seen** by who it lets through: before every one of the sets, also where it was set already.
//!
//! # When somebody dies, at any instruction
//!
//! | who dies | the others |
//! |---|---|
//! | who sets it | it is set, or it is not; who slept is let through within 100 ms, at once as a rule |
//! | who waits, asleep or woken, and has not taken the signal yet | the signal is another's, within 100 ms |
//! | who has taken the signal | the signal was its, as if it had died behind its call |
//!
//! A signal is taken by one exchange of the word, by the one who waits itself; nobody is handed anything. It cannot be told from outside whether
//! one that dies behind that exchange has acted upon the signal: where that matters, take a channel whose messages are
//! [acknowledged](crate::channel::mpmc).
//!
//! # Who is next
//!
//! Of several who wait for one signal the one is woken that has slept longest, by the kernel's count, in which it stands anew every 80 ms. But
//! whoever is awake and finds the signal takes it: nobody is promised a turn.
//!
//! # What it costs
//!
//! Setting is one exchange, and waiting for what is set a load (manual) or an exchange (auto). A set enters the kernel only where somebody has
//! gone to sleep: to wake one or all, in one call, and once more at the most for each that has slept.
//!
//! | offset in the body | field | who writes |
//! |---:|---|---|
//! | 0 | `state`: set or not, how often it was, whether somebody sleeps (`docs/format.md` has the bits) | everybody, by an exchange |
//! | 8 | `rung_on`: the core from which somebody was last woken | who wakes |
//!
//! How sleepers and setters meet in one word is told in `wait/futex.rs`, and why in `docs/design/0017`. Sources: the events of
//! [Windows](https://learn.microsoft.com/en-us/windows/win32/sync/event-objects), U. Drepper, *Futexes Are Tricky* (2011), and
//! [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).

pub(crate) mod word;

use crate::channel::hub::layout::body;
use crate::channel::layout::Field;
use crate::error;
use crate::region::Place;
use crate::region::header::{CHANNEL_EVENT_AUTO, CHANNEL_EVENT_MANUAL, MessageType};
use crate::sync::error::{HandleError, TryWaitError, WaitTimeoutError};
use crate::sync::frame::frame;
use crate::sync::layout_of;
use crate::sync::options::Options;
use crate::sync::user::{Design, User, Way};
use crate::wait::futex::{Futex, Woken};
use crate::wait::turn::{Waiting, deadline_after};
use std::fmt;
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};
use strait_mem::{Shared as _, ViewMut};
use word::{BITS, BODY_BYTES, FIELDS, RUNG_ON, STATE};

/// How an event goes back to not being set. All who use it must say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reset {
    /// By [`Event::reset`]: until then everybody is let through.
    Manual,
    /// By itself, when one was let through.
    Auto,
}

/// One user's handle of an event. See [the module](self).
pub struct Event {
    user: User,
    reset: Reset,
    waiting: Waiting,
}

frame!([] Event, "event", (reset: Reset));

impl Event {
    /// Makes an event that is not set. Enters the kernel; nothing of that name may exist, unless it was left behind by the dead.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds of region without a descriptor.
    pub fn create(place: impl Into<Place>, reset: Reset, options: &Options) -> error::Result<Self> {
        Self::come(Way::Create(&place.into()), reset, options)
    }

    /// Opens an event, or makes it where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, reset: Reset, options: &Options) -> error::Result<Self> {
        Self::come(Way::OpenOrCreate(&place.into()), reset, options)
    }

    /// One more user of the same event, for another thread. Enters the kernel.
    ///
    /// # Errors
    /// `Busy` where there is no room for another user; `Forked`; `Kernel`.
    pub fn try_clone(&self) -> error::Result<Self> {
        let user = self.user.another()?;
        Ok(Self { waiting: Waiting::new(user.strategy()), user, reset: self.reset })
    }

    fn come(way: Way<'_>, reset: Reset, options: &Options) -> error::Result<Self> {
        let channel = match reset {
            Reset::Manual => CHANNEL_EVENT_MANUAL,
            Reset::Auto => CHANNEL_EVENT_AUTO,
        };
        let design = Design { channel, message: MessageType::default(), body_bytes: BODY_BYTES };
        let user = User::come(way, options, design, |_| Ok(()))?;
        Ok(Self { waiting: Waiting::new(user.strategy()), user, reset })
    }

    /// Sets it: who waits is let through, or one of them. One exchange; enters the kernel only where somebody has gone to sleep.
    ///
    /// # Errors
    /// [`HandleError::Forked`].
    #[doc(alias = "SetEvent")]
    #[inline]
    pub fn set(&mut self) -> Result<(), HandleError> {
        self.check()?;
        let woken = if self.reset == Reset::Auto { Woken::One } else { Woken::All };
        word::set(&futex(&self.user.body), woken, &self.user.body, STATE);
        Ok(())
    }

    /// Takes back that it is set; whether it was. Who was waiting when a manual-reset event was set is let through all the same. Of an
    /// auto-reset event the signal is gone, as if somebody had waited. No system call.
    ///
    /// # Errors
    /// [`HandleError::Forked`].
    #[doc(alias = "ResetEvent")]
    #[inline]
    pub fn reset(&mut self) -> Result<bool, HandleError> {
        self.check()?;
        Ok(word::reset(&self.user.body, STATE))
    }

    /// Whether it is set: a moment later it may not be. One load.
    #[must_use]
    #[inline]
    pub fn is_set(&self) -> bool {
        // Acquire, pairs with FUTEX-WORD: who sees it set has seen what came before.
        word::is_set(self.user.body.load_u64(STATE, Acquire))
    }

    /// Waits until it is set; of an auto-reset event, takes the signal. Spins for a moment, then sleeps. No system call where it is set.
    ///
    /// # Errors
    /// [`HandleError::Forked`].
    #[inline]
    pub fn wait(&mut self) -> Result<(), HandleError> {
        self.check()?;
        if let Err(since) = self.look() {
            // Without a deadline it does not come back with nothing.
            while !self.sleeps(since, None) {}
        }
        Ok(())
    }

    /// [`Self::wait`], if it is set now. Never waits; no system call.
    ///
    /// # Errors
    /// [`TryWaitError::NotYet`]; [`TryWaitError::Failed`].
    #[inline]
    pub fn try_wait(&mut self) -> Result<(), TryWaitError> {
        self.check().map_err(TryWaitError::Failed)?;
        self.look().map_err(|_| TryWaitError::NotYet)
    }

    /// [`Self::wait`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`WaitTimeoutError::TimedOut`]; [`WaitTimeoutError::Failed`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<(), WaitTimeoutError> {
        self.check().map_err(WaitTimeoutError::Failed)?;
        match self.look() {
            Err(since) if !self.sleeps(since, deadline_after(timeout)) => Err(WaitTimeoutError::TimedOut),
            _ => Ok(()),
        }
    }

    /// How it is reset.
    #[must_use]
    pub fn kind(&self) -> Reset {
        self.reset
    }

    #[inline(always)]
    fn check(&self) -> Result<(), HandleError> {
        if self.user.hub.is_own() { Ok(()) } else { Err(HandleError::Forked) }
    }

    /// Goes through where it is set; else says at which turn it is.
    #[inline(always)]
    fn look(&self) -> Result<(), u64> {
        if self.reset == Reset::Auto {
            return word::take(&futex(&self.user.body), 0).map_err(word::turn);
        }
        // Acquire, as in `is_set`.
        let word = self.user.body.load_u64(STATE, Acquire);
        if word::is_set(word) { Ok(()) } else { Err(word::turn(word)) }
    }

    /// Waits; whether it was let through before the time ran out.
    #[cold]
    #[inline(never)]
    fn sleeps(&mut self, since: u64, deadline: Option<Instant>) -> bool {
        let Self { user, reset, waiting } = self;
        let futex = futex(&user.body);
        let attempt = |owes| match reset {
            Reset::Manual => word::has_happened(&user.body, STATE, since),
            Reset::Auto => word::take(&futex, owes).is_ok(),
        };
        futex.wait(waiting, deadline, |look| attempt(look.owes).then_some(())).is_some()
    }
}

fn futex(body: &ViewMut) -> Futex<'_, ViewMut> {
    Futex::new(body, STATE, RUNG_ON)
}

/// Every word of the region of an event by name, in the order of their offsets, for so many [`users`](Options::users). Bytes that are in no
/// field mean nothing.
#[must_use]
pub fn layout(users: u32) -> Vec<Field> {
    layout_of(users, body(users, &FIELDS), &[("state", &BITS)])
}

impl Drop for Event {
    fn drop(&mut self) {
        self.user.leave();
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("place", self.place()).field("kind", &self.reset).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
