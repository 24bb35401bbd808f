//! A point that a number of participants pass together, again and again: nobody before all have come, and nobody waits for the dead.
//!
//! ```text
//!   process A: ...work... wait ------\
//!   process B: ...work....... wait ---+--> all go on; one of them leads ---> the next phase
//!   process C: ...work.... wait -----/
//!                      C dies ----------> A and B: Broken, and who it was, within 100 ms
//! ```
//!
//! ```
//! use strait::sync::{Barrier, Options};
//!
//! # let name = format!("doc-barrier-{}", std::process::id());
//! let mut here = Barrier::create(&name, 2, &Options::new())?; // for two
//! let mut there = Barrier::open(&name, &Options::new())?; // usually in another process
//!
//! let other = std::thread::spawn(move || there.wait().map(|_| there));
//! here.wait()?; // when both are there
//! # let there = other.join().expect("ended")?;
//! assert_eq!(here.missing().len(), 2); // the next phase has begun, to which nobody has come
//! # drop(there);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | come, and pass when all have | [`try_wait`](Barrier::try_wait) | [`wait`](Barrier::wait) | [`wait_timeout`](Barrier::wait_timeout) |
//! | who has not come, and who broke it | [`missing`](Barrier::missing), [`broken`](Barrier::broken) | | |
//! | put it right | [`reset`](Barrier::reset) | | |
//!
//! # What is promised
//!
//! 1. **Nobody passes before all have come**, and what each did before it came is seen by all behind it.
//! 2. **One leads**: in each phase exactly one call returns `true`, unless that one dies in it.
//! 3. **All or nobody**: a phase is passed by all that wait, or broken for all.
//! 4. **Again and again**: who has passed may come to the next phase while others have not woken up yet.
//!
//! # Participants
//!
//! As many handles as there are participants: each has its seat, and is waited for. One who has not been there yet is waited for too, for as long
//! as it takes. A handle is one participant; a thread has a handle of its own ([`Barrier::try_clone`]).
//!
//! # When somebody dies or leaves, at any instruction
//!
//! | who is gone | the others |
//! |---|---|
//! | one that has not come to this phase | who waits, and who comes, is told [`Broken`](WaitError::Broken), with who it was and whether it died or left: within 100 ms |
//! | one that has come, asleep or awake | it counts as come; the phase is passed when all others have come; the next one is broken |
//! | the last one, in its call | all pass, or all are told, within 100 ms; whoever finds out leads |
//!
//! A participant that is stopped, swapped out or in an endless loop is alive, and is waited for: [`missing`](Barrier::missing) says who it is, and for
//! how long.
//!
//! # How it is put right
//!
//! A broken barrier stays so until somebody calls [`reset`](Barrier::reset): a new phase begins, to which nobody has come. The one that is gone must
//! have a successor, who [opens](Barrier::open) the barrier and has its seat; without one the next call finds it broken again. Usually the
//! successor calls `reset` when it has looked what is to be done again. A successor that takes the seat before anybody has noticed that it was
//! empty is waited for as its predecessor was, and nothing was broken.
//!
//! # When the time runs out
//!
//! Who waited [for a time](Barrier::wait_timeout) goes again, as if it had not come; the others go on waiting, for it too. (In Python and Java a timeout breaks the
//! barrier for all, because a thread that gives up does not come back. A process that has a look at something else does; and one
//! that does not is found to be gone.)
//!
//! # Who is next
//!
//! All at once. The last one to come leads, as a rule.
//!
//! # What it costs
//!
//! To come costs a store, a fence, and a look at the others' seats up to the first that is missing; the last one pays an exchange. The
//! kernel is entered by who sleeps, and by the last one, once for all that do.
//!
//! | offset in the body | field | who writes |
//! |---:|---|---|
//! | 0 | `state`: the phase, whether it is broken, whether somebody sleeps (`barrier/phase.rs`, `docs/format.md`) | everybody, by an exchange |
//! | 8 | `rung_on`: the core from which somebody was last woken | who wakes |
//!
//! | offset in `progress` of its seat | | who writes |
//! |---:|---|---|
//! | 8 | `arrived`: the phase to which the seat's owner has come | owner |
//!
//! Sources: [`pthread_barrier_wait`](https://man7.org/linux/man-pages/man3/pthread_barrier_wait.3p.html), Java's `CyclicBarrier` and Python's
//! `threading.Barrier` for what is broken and how that is told.

mod error;
pub(crate) mod phase;

pub use error::{TryWaitError, WaitError, WaitTimeoutError};

use crate::channel::hub::Hub;
use crate::channel::hub::layout::{body, progress};
use crate::channel::layout::Field;
use crate::error::{Error, ErrorKind, Result};
use crate::peer::Cause;
use crate::peer::seat::{SEATS_MAX, State};
use crate::region::Place;
use crate::region::header::{CHANNEL_BARRIER, MessageType};
use crate::sync::frame::frame;
use crate::sync::holder::Holder;
use crate::sync::layout_of;
use crate::sync::options::Options;
use crate::sync::user::{Design, User, WAITS_SINCE, Way};
use crate::wait::futex::{Futex, Look, Woken};
use crate::wait::turn::{Waiting, deadline_after};
use phase::{Arrivals, BITS, Outcome, arrival_at, arrive, missing, outcome, withdraw};
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};
use strait_mem::{Shared as _, SharedMut as _, ViewMut};
use strait_sys::clock_gettime::monotonic_ns;

const STATE: usize = 0;
const RUNG_ON: usize = 8;
const BODY_BYTES: u64 = 64;
/// Behind `waits_since_ns`.
const ARRIVED: usize = 8;

/// Name, offset and length of each field of the body, and of what a participant says beside what all users do.
const FIELDS: [(&str, usize, usize); 2] = [("state", STATE, 8), ("rung_on", RUNG_ON, 4)];
const PROGRESS_FIELDS: [(&str, usize, usize); 1] = [("arrived", ARRIVED, 8)];

/// One participant's handle of a barrier. See [the module](self).
pub struct Barrier {
    user: User,
    /// What we say in our seat.
    progress: ViewMut,
    waiting: Waiting,
}

frame!([] Barrier, "barrier");

impl Barrier {
    /// Makes a barrier for so many participants, up to 256, and is the first of them; [`Options::users`] means nothing here. Enters the kernel;
    /// nothing of that name may exist, unless it was left behind by the dead.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds of region without a descriptor.
    pub fn create(place: impl Into<Place>, participants: u32, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::made(Way::Create(&place), &place, participants, options)
    }

    /// Opens a barrier, or makes it for so many participants where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, participants: u32, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::made(Way::OpenOrCreate(&place), &place, participants, options)
    }

    /// One more participant of the same barrier, for another thread. Enters the kernel.
    ///
    /// # Errors
    /// `Busy` where all participants are there; `Forked`; `Kernel`.
    pub fn try_clone(&self) -> Result<Self> {
        Self::seated(self.user.another()?)
    }

    fn made(way: Way<'_>, place: &Place, participants: u32, options: &Options) -> Result<Self> {
        if !(1..=SEATS_MAX).contains(&participants) {
            let why = format!("create {place}: {participants} participants are asked for; give 1 to {SEATS_MAX}");
            return Err(Error::new(ErrorKind::Usage, why));
        }
        Self::come(way, &options.clone().users(participants))
    }

    fn come(way: Way<'_>, options: &Options) -> Result<Self> {
        let design = Design { channel: CHANNEL_BARRIER, message: MessageType::default(), body_bytes: BODY_BYTES };
        Self::seated(User::come(way, options, design, |_| Ok(()))?)
    }

    fn seated(mut user: User) -> Result<Self> {
        match user.hub.own_progress() {
            Ok(progress) => Ok(Self { progress, waiting: Waiting::new(user.strategy()), user }),
            Err(error) => {
                user.leave();
                Err(error)
            }
        }
    }

    /// Comes, and passes when all have: spinning for a moment, then asleep. `true`: we lead this phase.
    ///
    /// # Errors
    /// [`WaitError::Broken`], within 100 ms of a death, or at once where it was broken before; [`WaitError::Reset`]; [`WaitError::Forked`].
    #[doc(alias = "pthread_barrier_wait")]
    pub fn wait(&mut self) -> Result<bool, WaitError> {
        let mine = self.begins()?;
        loop {
            // Without a deadline it does not come back open.
            let outcome = self.comes(mine, None);
            if outcome != Outcome::Open {
                return self.settled(outcome);
            }
        }
    }

    /// [`Self::wait`], if all others are there; else we have not come. Never waits; no system call but to see, at most every 10 ms, whether those live who
    /// are missing.
    ///
    /// # Errors
    /// [`TryWaitError::Missing`]; else as [`Self::wait`].
    pub fn try_wait(&mut self) -> Result<bool, TryWaitError> {
        let mine = self.begins().map_err(TryWaitError::Failed)?;
        let Self { user: User { hub, body, me, .. }, progress, .. } = self;
        let mut outcome = looks(hub, body, progress, mine, false);
        let seats = Seats { hub, progress };
        if outcome == Outcome::Open && missing(&seats, mine).all(|seat| seat == me.seat()) {
            outcome = arrive(body, &futex(body), STATE, &seats, mine);
            if outcome == Outcome::Open {
                outcome = withdraw(body, STATE, &seats, mine);
            }
        } else if outcome == Outcome::Open && hub.is_time_to_look() {
            outcome = looks(hub, body, progress, mine, true);
        }
        if outcome == Outcome::Open {
            return Err(TryWaitError::Missing);
        }
        self.settled(outcome).map_err(TryWaitError::Failed)
    }

    /// [`Self::wait`], for `timeout` at the most; then we have not come, and the others wait on.
    ///
    /// # Errors
    /// [`WaitTimeoutError::TimedOut`], and then [`Self::missing`] says who else is; else as [`Self::wait`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<bool, WaitTimeoutError> {
        let mine = self.begins().map_err(WaitTimeoutError::Failed)?;
        let mut outcome = self.comes(mine, deadline_after(timeout));
        if outcome == Outcome::Open {
            let seats = Seats { hub: &self.user.hub, progress: &self.progress };
            outcome = withdraw(&self.user.body, STATE, &seats, mine);
        }
        if outcome == Outcome::Open {
            return Err(WaitTimeoutError::TimedOut);
        }
        self.settled(outcome).map_err(WaitTimeoutError::Failed)
    }

    /// Puts a broken barrier right: a new phase begins, to which nobody has come. `false`: it was not broken, and nothing is done.
    ///
    /// # Errors
    /// [`WaitError::Forked`].
    pub fn reset(&mut self) -> Result<bool, WaitError> {
        self.check()?;
        Ok(phase::reset(&futex(&self.user.body)))
    }

    /// Why it is broken, if it is. A load.
    #[must_use]
    pub fn broken(&self) -> Option<WaitError> {
        phase::broken(self.word()).map(|(seat, cause)| self.broken_by(seat, cause))
    }

    /// Who has not come to this phase, ourselves included, and for how long others have been waiting: [`PeerState::NotYet`](crate::channel::PeerState::NotYet) for a participant that was never
    /// there. For people: a moment later others are missing. A system call for each.
    #[must_use]
    pub fn missing(&self) -> Vec<Holder> {
        let seats = Seats { hub: &self.user.hub, progress: &self.progress };
        let word = self.word();
        let since = |seat| self.user.hub.said(seat, WAITS_SINCE);
        let waits = |&seat: &u32| seats.said(seat) == arrival_at(word) && since(seat) != 0;
        let waited_since = (0..seats.count()).filter(waits).map(since).min();
        let waited = waited_since.map_or(0, |since| monotonic_ns().saturating_sub(since));
        let holder = |seat| {
            let state = self.user.hub.peer_state(seat);
            let is_own = seat == self.user.me.seat();
            Holder::new(self.user.hub.alleged(seat), state, is_own, Duration::from_nanos(waited))
        };
        missing(&seats, word).map(holder).collect()
    }

    /// How many participants there are to be.
    #[must_use]
    pub fn participants(&self) -> u32 {
        self.user.hub.header().seats
    }

    fn word(&self) -> u64 {
        // Acquire, pairs with FUTEX-WORD.
        self.user.body.load_u64(STATE, Acquire)
    }

    fn check(&self) -> Result<(), WaitError> {
        if self.user.hub.is_own() { Ok(()) } else { Err(WaitError::Forked) }
    }

    /// The word as it is when we come, if there is a phase to come to.
    fn begins(&self) -> Result<u64, WaitError> {
        self.check()?;
        let mine = self.word();
        match phase::broken(mine) {
            Some((seat, cause)) => Err(self.broken_by(seat, cause)),
            None => Ok(mine),
        }
    }

    /// Comes, and waits until the phase is over, or the time.
    fn comes(&mut self, mine: u64, deadline: Option<Instant>) -> Outcome {
        let Self { user: User { hub, body, .. }, progress, waiting } = self;
        let came = arrive(body, &futex(body), STATE, &Seats { hub, progress }, mine);
        if came != Outcome::Open {
            return came;
        }
        hub.say(WAITS_SINCE, monotonic_ns().max(1));
        let attempt = |look: Look| {
            // Acquire, pairs with FUTEX-WORD: what all others did before they came is seen.
            let seen = outcome(body.load_u64(STATE, Acquire), mine);
            let is_over = |outcome: &Outcome| *outcome != Outcome::Open;
            Some(seen).filter(is_over).or_else(|| {
                (look.is_first || look.is_long || look.owes != 0)
                    .then(|| looks(hub, body, progress, mine, look.is_long))
                    .filter(is_over)
            })
        };
        let outcome = futex(body).wait(waiting, deadline, attempt);
        hub.say(WAITS_SINCE, 0);
        outcome.unwrap_or(Outcome::Open)
    }

    fn settled(&self, outcome: Outcome) -> Result<bool, WaitError> {
        match outcome {
            Outcome::Passed { is_leader } => Ok(is_leader),
            Outcome::Broken { seat, cause } => Err(self.broken_by(seat, cause)),
            // Open was looked for by the callers.
            Outcome::Reset | Outcome::Open => Err(WaitError::Reset),
        }
    }

    fn broken_by(&self, seat: u32, cause: Cause) -> WaitError {
        let is_vacant = seat < self.participants() && self.user.hub.attached(seat).is_none();
        WaitError::Broken { pid: is_vacant.then(|| self.user.hub.alleged_pid(seat)), cause }
    }
}

/// Whether the participant with this progress has come to the phase of a barrier's word, for who only looks.
pub(super) fn has_come(word: u64, progress: &impl strait_mem::Shared) -> bool {
    // Acquire: what it did before it came is seen.
    progress.load_u64(ARRIVED, Acquire) == arrival_at(word)
}

/// Who has broken it, by its word.
pub(super) fn broken_at(word: u64) -> Option<(u32, Cause)> {
    phase::broken(word)
}

/// What participants say in their seats.
struct Seats<'a> {
    hub: &'a Hub,
    progress: &'a ViewMut,
}

impl Arrivals for Seats<'_> {
    fn count(&self) -> u32 {
        self.hub.header().seats
    }

    #[inline]
    fn say(&self, arrived: u64) {
        // Release, BARRIER-ARRIVE: what we have done is seen by who sees that we have come.
        self.progress.store_u64(ARRIVED, arrived, Release);
    }

    #[inline]
    fn said(&self, seat: u32) -> u64 {
        // An acquire, pairs with BARRIER-ARRIVE.
        self.hub.said(seat, ARRIVED)
    }
}

/// Looks whether one that is missing is gone, or all are there: by what is known, or by asking the kernel first.
fn looks(hub: &mut Hub, body: &ViewMut, progress: &ViewMut, mine: u64, asks: bool) -> Outcome {
    if asks {
        // Nothing is to be mended: an arrival counts.
        hub.look_for_dead(|_, _| {});
    }
    let seats = Seats { hub, progress };
    let is_gone = |seat| match hub.presence(seat).state() {
        State::Died => Some(Cause::Died),
        State::Left => Some(Cause::Left),
        State::Never | State::Attached => None,
    };
    phase::look(body, &futex(body), STATE, &seats, mine, is_gone)
}

fn futex(body: &ViewMut) -> Futex<'_, ViewMut> {
    Futex::new(body, STATE, RUNG_ON)
}

/// Every word of the region of a barrier by name, in the order of their offsets, for so many participants. Bytes that are in no field mean
/// nothing.
#[must_use]
pub fn layout(participants: u32) -> Vec<Field> {
    let arrived = (0..participants).flat_map(|seat| progress(seat, &PROGRESS_FIELDS));
    layout_of(participants, body(participants, &FIELDS).chain(arrived), &[("state", &BITS)])
}

impl Drop for Barrier {
    fn drop(&mut self) {
        let is_own = self.user.hub.is_own();
        self.user.leave();
        if is_own {
            // The word stays as it is: who sleeps there looks who has gone.
            let _ = futex(&self.user.body).act(Woken::All, Some);
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("place", self.place())
            .field("participants", &self.participants())
            .field("broken", &self.broken())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
