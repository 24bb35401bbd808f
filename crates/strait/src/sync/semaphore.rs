//! A number of permits: who takes one keeps it until it gives it back, or is dead; or takes it away for good, as one takes a signal.
//!
//! ```text
//!   acquire --->  held by us  ---> release, or we die ---> another one's
//!   wait ------>  gone
//!                 one more   <---- post
//! ```
//!
//! ```
//! use strait::sync::{Options, Semaphore};
//!
//! # let name = format!("doc-semaphore-{}", std::process::id());
//! let mut here = Semaphore::create(&name, 2, 8, &Options::new())?; // two permits, eight at the most
//! let mut there = Semaphore::open(&name, &Options::new())?; // usually in another process
//!
//! here.acquire()?;
//! assert_eq!(there.available(), 1);
//! here.release()?;
//!
//! here.post()?; // a third
//! there.wait()?; // and it is gone
//! assert_eq!(there.available(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | take one, to give it back | [`try_acquire`](Semaphore::try_acquire) | [`acquire`](Semaphore::acquire) | [`acquire_timeout`](Semaphore::acquire_timeout) |
//! | take one for good | [`try_wait`](Semaphore::try_wait) | [`wait`](Semaphore::wait) | [`wait_timeout`](Semaphore::wait_timeout) |
//! | give back, add one | [`release`](Semaphore::release), [`post`](Semaphore::post) | | |
//!
//! # When somebody dies, at any instruction
//!
//! - What it had acquired is there again, within 100 ms for who waits. What it had taken for good is gone; what it had posted is there. Of the
//!   call that it was in either all has happened or nothing.
//! - One that waits, or was being given a permit, holds nobody up for longer than that.
//!
//! # Who is next
//!
//! Whoever finds a permit takes it. But who gives one back or adds one, and sees that somebody has slept for 1 ms or longer, gives it to the
//! one who has waited longest: nobody starves, as with a [mutex](crate::sync::mutex).
//!
//! # What it costs
//!
//! Each permit that there may be is a word, which names its holder: that is why none is ever lost. A call looks at them in turn, so a
//! semaphore is for tens of permits, up to 4,096; for counting to millions take a channel. No system call while there is a permit and nobody
//! sleeps.
//!
//! | offset in the body | field | who writes |
//! |---:|---|---|
//! | 0 | `permit`: a claim for each permit that there may be (`docs/format.md` has its bits); absent, if there is no such permit | everybody, by an exchange; its holder |

use crate::channel::layout::Field;
use crate::error::{Error, ErrorKind, Result};
use crate::region::Place;
use crate::region::header::{CHANNEL_SEMAPHORE, MessageType};
use crate::sync::claim::{self, BITS, Claim, Owner, State};
use crate::sync::frame::frame;
use crate::sync::layout_of;
use crate::sync::options::Options;
use crate::sync::user::{Design, FREED, InTheWay, Known, User, Way};
use crate::wait::turn::deadline_after;
use std::fmt;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::Duration;
use strait_mem::{Shared as _, SharedMut as _, SharedRmw as _};

/// More permits than this no semaphore has.
pub const PERMITS_MAX: u32 = 4096;
const PERMIT_BYTES: usize = 8;

/// One user's handle of a semaphore. See [the module](self).
pub struct Semaphore {
    user: User,
    /// How many permits there may be.
    most: u32,
    /// Which of them are ours.
    held: Vec<u32>,
    /// Where the next search begins.
    next: u32,
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// This handle was made before a fork and is used in the child. Open one in the child.
    Forked,
}

/// Why a call that never waits took no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// There is none now.
    Empty,
    /// There will be none.
    Failed(AcquireError),
}

/// Why a call with a timeout took no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireTimeoutError {
    /// There was none until the time ran out.
    TimedOut,
    /// There will be none.
    Failed(AcquireError),
}

/// Why a permit was not given back or added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// This handle holds none.
    NotHeld,
    /// There are as many as there may be.
    Full,
    /// This handle was made before a fork and is used in the child.
    Forked,
}

/// What becomes of a permit that is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    ToHold,
    ForGood,
}

frame!([] Semaphore, "semaphore");

impl Semaphore {
    /// Makes a semaphore with `permits` permits, of which there may be `most` at the most. Enters the kernel; nothing of that name may exist,
    /// unless it was left behind by the dead.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds of region without a descriptor.
    pub fn create(place: impl Into<Place>, permits: u32, most: u32, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::made(Way::Create(&place), &place, permits, most, options)
    }

    /// Opens a semaphore, or makes it where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, permits: u32, most: u32, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::made(Way::OpenOrCreate(&place), &place, permits, most, options)
    }

    /// One more user of the same semaphore, for another thread. It holds nothing. Enters the kernel.
    ///
    /// # Errors
    /// `Busy` where there is no room for another user; `Forked`; `Kernel`.
    pub fn try_clone(&self) -> Result<Self> {
        Self::assemble(self.user.another()?)
    }

    fn made(way: Way<'_>, place: &Place, permits: u32, most: u32, options: &Options) -> Result<Self> {
        if !(1..=PERMITS_MAX).contains(&most) || permits > most {
            let why = format!("create {place}: {permits} permits of {most} are asked for; give up to {PERMITS_MAX}");
            return Err(Error::new(ErrorKind::Usage, why));
        }
        let user = User::come(way, options, Self::design(u64::from(most) * PERMIT_BYTES as u64), |body| {
            for number in permits..most {
                body.store_u64(at(number), Claim::ABSENT.word(), Relaxed);
            }
            Ok(())
        })?;
        Self::assemble(user)
    }

    fn come(way: Way<'_>, options: &Options) -> Result<Self> {
        Self::assemble(User::come(way, options, Self::design(0), |_| Ok(()))?)
    }

    fn design(body_bytes: u64) -> Design {
        Design { channel: CHANNEL_SEMAPHORE, message: MessageType::default(), body_bytes }
    }

    fn assemble(mut user: User) -> Result<Self> {
        // As many as there is room for: checked against the region's size when it was opened.
        let most = user.hub.header().capacity_bytes / PERMIT_BYTES as u64;
        match u32::try_from(most).ok().filter(|most| (1..=PERMITS_MAX).contains(most)) {
            Some(most) => {
                // A permit that is added is there to be taken by one who sleeps.
                user.hub.fence_actions(FREED);
                Ok(Self { user, most, held: Vec::new(), next: 0 })
            }
            None => {
                let why = format!("open {}: its header says {most} permits", user.hub.region().place());
                user.leave();
                Err(Error::new(ErrorKind::Damaged, why))
            }
        }
    }

    /// Takes a permit, which comes back when it is [released](Self::release), or this handle is dropped, or its process is dead. Waits for
    /// one: spinning for a moment, then asleep.
    ///
    /// # Errors
    /// [`AcquireError::Forked`].
    pub fn acquire(&mut self) -> Result<(), AcquireError> {
        self.take(Take::ToHold)
    }

    /// [`Self::acquire`], if there is one now. Never waits; no system call but to see, at most every 10 ms, whether those who hold some live.
    ///
    /// # Errors
    /// [`TryAcquireError::Empty`]; else as [`Self::acquire`].
    pub fn try_acquire(&mut self) -> Result<(), TryAcquireError> {
        self.try_take(Take::ToHold)
    }

    /// [`Self::acquire`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`AcquireTimeoutError::TimedOut`]; else as [`Self::acquire`].
    pub fn acquire_timeout(&mut self, timeout: Duration) -> Result<(), AcquireTimeoutError> {
        self.take_timeout(Take::ToHold, timeout)
    }

    /// Takes a permit for good: there is one less. Waits for one as [`Self::acquire`] does.
    ///
    /// # Errors
    /// [`AcquireError::Forked`].
    #[doc(alias = "sem_wait")]
    pub fn wait(&mut self) -> Result<(), AcquireError> {
        self.take(Take::ForGood)
    }

    /// [`Self::wait`], if there is one now. Never waits.
    ///
    /// # Errors
    /// As [`Self::try_acquire`].
    pub fn try_wait(&mut self) -> Result<(), TryAcquireError> {
        self.try_take(Take::ForGood)
    }

    /// [`Self::wait`], for `timeout` at the most.
    ///
    /// # Errors
    /// As [`Self::acquire_timeout`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<(), AcquireTimeoutError> {
        self.take_timeout(Take::ForGood, timeout)
    }

    /// Gives the permit back that was acquired last. Wakes one who waits; no system call where nobody does.
    ///
    /// # Errors
    /// [`ReleaseError::NotHeld`], [`ReleaseError::Forked`].
    pub fn release(&mut self) -> Result<(), ReleaseError> {
        if !self.user.hub.is_own() {
            return Err(ReleaseError::Forked);
        }
        let number = self.held.pop().ok_or(ReleaseError::NotHeld)?;
        self.user.give_back(at(number), Claim::FREE);
        Ok(())
    }

    /// Adds a permit, whoever took one away. Wakes one who waits; no system call where nobody does.
    ///
    /// # Errors
    /// [`ReleaseError::Full`] where there are as many as there may be; [`ReleaseError::Forked`].
    #[doc(alias = "sem_post")]
    pub fn post(&mut self) -> Result<(), ReleaseError> {
        if !self.user.hub.is_own() {
            return Err(ReleaseError::Forked);
        }
        for number in (self.next..self.most).chain(0..self.next) {
            let seen = self.claim(number);
            if seen.state() == State::Absent && self.user.put(at(number), seen) {
                self.next = number;
                return Ok(());
            }
        }
        Err(ReleaseError::Full)
    }

    fn take(&mut self, take: Take) -> Result<(), AcquireError> {
        if !self.user.hub.is_own() {
            return Err(AcquireError::Forked);
        }
        let (most, next) = (self.most, self.next);
        if let Ok(number) = search(&self.user, most, next, take) {
            return self.taken(take, number);
        }
        loop {
            // Without a deadline it does not come back with nothing.
            if let Some(number) = self.user.wait_for(FREED, None, |user| search(user, most, next, take)) {
                return self.taken(take, number);
            }
        }
    }

    fn try_take(&mut self, take: Take) -> Result<(), TryAcquireError> {
        if !self.user.hub.is_own() {
            return Err(TryAcquireError::Failed(AcquireError::Forked));
        }
        let mut found = search(&self.user, self.most, self.next, take);
        if found == Err(InTheWay::Anybody) && self.user.hub.is_time_to_look() && self.user.look_at_all() {
            found = search(&self.user, self.most, self.next, take);
        }
        let number = found.map_err(|_| TryAcquireError::Empty)?;
        self.taken(take, number).map_err(TryAcquireError::Failed)
    }

    fn take_timeout(&mut self, take: Take, timeout: Duration) -> Result<(), AcquireTimeoutError> {
        if !self.user.hub.is_own() {
            return Err(AcquireTimeoutError::Failed(AcquireError::Forked));
        }
        let (most, next) = (self.most, self.next);
        let found = match search(&self.user, most, next, take) {
            Ok(number) => Some(number),
            Err(_) => self.user.wait_for(FREED, deadline_after(timeout), |user| search(user, most, next, take)),
        };
        let number = found.ok_or(AcquireTimeoutError::TimedOut)?;
        self.taken(take, number).map_err(AcquireTimeoutError::Failed)
    }

    fn taken(&mut self, take: Take, number: u32) -> Result<(), AcquireError> {
        self.next = number;
        if take == Take::ToHold {
            self.held.push(number);
        }
        Ok(())
    }

    /// How many permits this handle holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// How many permits there are that nobody holds; those of the dead count as held until they are found. For people: a moment later there
    /// may be others. No system call.
    #[must_use]
    pub fn available(&self) -> u32 {
        let is_free = |&number: &u32| self.claim(number).is_free();
        // At most 4,096.
        (0..self.most).filter(is_free).count() as u32
    }

    /// How many permits there may be.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most
    }

    fn claim(&self, number: u32) -> Claim {
        // Relaxed: what it says is acted upon by an exchange, or shown.
        Claim::from_word(self.user.body.load_u64(at(number), Relaxed))
    }
}

/// Every word of the region of a semaphore by name, in the order of their offsets, for so many [`users`](Options::users) and permits at the
/// most. Bytes that are in no field mean nothing.
#[must_use]
pub fn layout(users: u32, most: u32) -> Vec<Field> {
    let rows: Vec<_> = (0..most).map(|number| ("permit", at(number), PERMIT_BYTES)).collect();
    layout_of(users, crate::channel::hub::layout::body(users, &rows), &[("permit", &BITS)])
}

fn at(number: u32) -> usize {
    number as usize * PERMIT_BYTES
}

/// Takes any permit that is to be had, from `first` on and round; says which.
fn search(user: &User, most: u32, first: u32, take: Take) -> Result<u32, InTheWay> {
    let mut in_the_way = InTheWay::Nobody;
    for number in (first..most).chain(0..first.min(most)) {
        // Relaxed: the exchange finds out whether it is still so, and acquires.
        let seen = Claim::from_word(user.body.load_u64(at(number), Relaxed));
        let held_by_us = |owner: Owner| owner == user.me;
        match seen.state() {
            State::Absent => continue,
            State::Held(owner) if held_by_us(owner) => continue,
            _ => {}
        }
        let Some(next) = claim::taken(seen, user.me, &Known(&user.hub)) else {
            in_the_way = InTheWay::Anybody;
            continue;
        };
        let next = match take {
            Take::ToHold => next.marked(false),
            Take::ForGood => Claim::ABSENT,
        };
        // Acquire, pairs with CLAIM-RELEASE; Release: who makes an absent one anew comes behind us.
        if user.body.compare_exchange_u64(at(number), seen.word(), next.word(), AcqRel, Relaxed).is_ok() {
            return Ok(number);
        }
    }
    Err(in_the_way)
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        if self.user.hub.is_own() {
            while let Some(number) = self.held.pop() {
                self.user.give_back(at(number), Claim::FREE);
            }
        }
        self.user.leave();
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("place", self.place()).field("held", &self.held.len()).finish()
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => f.write_str("this handle was made before a fork; open one in the child"),
        }
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no permit now"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for AcquireTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("there was no permit until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHeld => "this handle holds no permit; post adds one",
            Self::Full => "there are as many permits as there may be; make the semaphore with a larger limit",
            Self::Forked => "this handle was made before a fork; open one in the child",
        })
    }
}

impl std::error::Error for AcquireError {}
impl std::error::Error for TryAcquireError {}
impl std::error::Error for AcquireTimeoutError {}
impl std::error::Error for ReleaseError {}

#[cfg(test)]
mod tests;
