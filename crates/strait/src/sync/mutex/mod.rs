//! One holder at a time, and a value that only the holder sees: whoever dies, the next one goes on, with the last value that was whole.
//!
//! ```text
//!   process A                        shared memory                         process B
//!  +-------+  lock, *guard += 1   +-----------------------+   lock        +-------+
//!  | Mutex | -------------------> | claim | copy | copy   | <------------ | Mutex |  asleep until A
//!  +-------+  drop(guard)         +-----------------------+               +-------+  unlocks, or is dead
//! ```
//!
//! ```
//! use strait::sync::{Mutex, Options};
//!
//! # let name = format!("doc-mutex-{}", std::process::id());
//! let mut here = Mutex::create(&name, &41_u64, &Options::new())?;
//! let mut there = Mutex::<u64>::open(&name, &Options::new())?; // usually in another process
//!
//! *here.lock().expect("nobody has died") += 1;
//! assert_eq!(*there.lock().expect("nobody has died"), 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | lock | [`try_lock`](Mutex::try_lock) | [`lock`](Mutex::lock) | [`lock_timeout`](Mutex::lock_timeout) |
//! | unlock | drop the [`Guard`] | | |
//! | who holds it | [`holder`](Mutex::holder) | | |
//!
//! Locking and unlocking make no system call while nobody is in the way.
//!
//! # A value is changed as a whole, or not at all
//!
//! A [`Guard`] has a copy of the value. If it was changed it is written when the guard is dropped, beside the old one; the store that unlocks
//! makes it the value. So a holder that is killed, at any instruction, has changed nothing, and neither has one that panics. Values are plain
//! data ([`Item`]), of kilobytes rather than megabytes, for they are copied.
//!
//! # When a holder dies
//!
//! The next one is given [`Recovered`] instead of a guard: as an error, so that it cannot be overlooked. The value is the one from before, but
//! what else the dead one was about is not known: whether the file that the lock is for has its second line. Who gets it looks, and
//! [accepts](Recovered::accept) the value or [repairs](Recovered::repair) it. Who only drops it leaves it to the next one.
//!
//! | who dies, at any instruction | the others |
//! |---|---|
//! | the holder | one of those who wait gets `Recovered`, within 100 ms; who comes later at once |
//! | one who waits, or was about to be given the lock | the next one gets the lock, within 100 ms; nothing is marked |
//! | the holder, in its `drop` | either of the two |
//!
//! Who waits for the value to change rather than for the lock has a [`Condvar`](crate::sync::Condvar).
//!
//! A holder that is stopped, swapped out or in an endless loop is alive, and keeps the lock.
//!
//! # Who is next
//!
//! Whoever finds the lock free takes it, sleepers or not: that is the fast thing to do. But who unlocks, and sees that somebody has slept for 1 ms
//! or longer, hands the lock to the one who has waited longest. So nobody starves: a sleeper is overtaken for about a millisecond and then
//! waits at the most for those who came before it. (Users who [spin](crate::channel::Strategy::Spin) never sleep, and take their chance.)
//!
//! # Threads
//!
//! A handle is one user, and locks once at a time: the borrow checker sees to it that a thread does not wait for itself. Every thread has a
//! handle of its own ([`Mutex::try_clone`]).

mod error;
mod guard;
mod layout;
mod shape;

pub use error::{LockError, LockTimeoutError, TryLockError};
use guard::Held;
pub use guard::{Guard, Recovered};
pub(super) use layout::body_of;
pub use layout::layout;

use crate::channel::Item;
use crate::channel::message::type_of;
use crate::error::{Error, ErrorKind, Result};
use crate::region::Place;
use crate::region::header::CHANNEL_MUTEX;
use crate::sync::claim::{Claim, State, Taken};
use crate::sync::frame::frame;
use crate::sync::holder::Holder;
use crate::sync::options::Options;
use crate::sync::user::{Design, FREED, InTheWay, User, Way};
use crate::wait::turn::deadline_after;
pub(super) use shape::CLAIM;
use shape::{Shape, VALUE_BYTES_MAX};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use strait_mem::{Shared as _, SharedMut as _};

/// One user's handle of a value that one user at a time can see. See [the module](self).
pub struct Mutex<T: Item> {
    pub(super) user: User,
    /// What a guard has in its hands.
    held: Held<T>,
}

frame!([T: Item] Mutex<T>, "mutex");

impl<T: Item> Mutex<T> {
    /// Where the copies of the value lie.
    const SHAPE: Shape = Shape::of(size_of::<T>() as u64);

    /// Makes a mutex with a value, under a name, in a memfd or in a file. Enters the kernel; nothing of that name may exist, unless it was
    /// left behind by the dead.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds of region without a descriptor.
    pub fn create(place: impl Into<Place>, value: &T, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::made(Way::Create(&place), &place, value, options)
    }

    /// Opens a mutex, or makes it with this value where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, value: &T, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::made(Way::OpenOrCreate(&place), &place, value, options)
    }

    /// One more user of the same mutex, for another thread. Enters the kernel.
    ///
    /// # Errors
    /// `Busy` where there is no room for another user; `Forked`; `Kernel`.
    pub fn try_clone(&self) -> Result<Self> {
        let user = self.user.another()?;
        Ok(Self { held: Held::nothing(&user), user })
    }

    fn made(way: Way<'_>, place: &Place, value: &T, options: &Options) -> Result<Self> {
        Self::made_as(CHANNEL_MUTEX, way, place, value, options)
    }

    /// Makes what has a mutex in it, of that kind.
    pub(super) fn made_as(channel: u32, way: Way<'_>, place: &Place, value: &T, options: &Options) -> Result<Self> {
        if size_of::<T>() as u64 > VALUE_BYTES_MAX {
            let why = format!("create {place}: a value of {} bytes is too large to be copied", size_of::<T>());
            return Err(Error::new(ErrorKind::Usage, why));
        }
        Self::assemble(channel, way, options, Some(value))
    }

    fn come(way: Way<'_>, options: &Options) -> Result<Self> {
        Self::come_as(CHANNEL_MUTEX, way, options)
    }

    /// Comes to what has a mutex in it, of that kind.
    pub(super) fn come_as(channel: u32, way: Way<'_>, options: &Options) -> Result<Self> {
        Self::assemble(channel, way, options, None)
    }

    fn assemble(channel: u32, way: Way<'_>, options: &Options, value: Option<&T>) -> Result<Self> {
        let design = Design { channel, message: type_of::<T>(), body_bytes: Self::SHAPE.body_bytes() };
        let user = User::come(way, options, design, |body| {
            if let Some(value) = value {
                body.write(Self::SHAPE.copy_at(Claim::FREE), value.as_bytes());
            }
            Ok(())
        })?;
        Ok(Self { held: Held::nothing(&user), user })
    }

    /// Locks it; waits for as long as another one holds it: spinning for a moment, then asleep. No system call where nobody does.
    ///
    /// # Errors
    /// [`LockError::Recovered`] where the last holder died or panicked: within 100 ms of its death. [`LockError::Forked`].
    // Always: a guard that is built in one place, where it is used, costs half of one that is handed back.
    #[inline(always)]
    pub fn lock(&mut self) -> Result<Guard<'_, T>, LockError<'_, T>> {
        let free = if self.user.hub.is_own() { self.user.try_take_free(CLAIM) } else { None };
        // In two registers: what would come back through memory is stored before the next lock.
        let claim = if free.is_some() { free } else { self.lock_slowly() };
        match claim {
            Some(claim) => Ok(Guard::new(self, claim)),
            None => Err(self.refused()),
        }
    }

    /// The claim; `None`: it is marked, which the handle then has, or there is none.
    #[inline(never)]
    fn lock_slowly(&mut self) -> Option<Claim> {
        self.held.refused = None;
        if !self.user.hub.is_own() {
            return None;
        }
        let taken = self.wait();
        if !taken.claim.is_marked() {
            return Some(taken.claim);
        }
        self.held.refused = Some(taken);
        None
    }

    #[cold]
    #[inline(never)]
    fn refused(&mut self) -> LockError<'_, T> {
        match self.held.refused.take() {
            Some(taken) => LockError::Recovered(Recovered::new(self, taken)),
            None => LockError::Forked,
        }
    }

    /// [`Self::lock`], if nobody holds it now. Never waits; no system call but to see, at most every 10 ms, whether the holder lives.
    ///
    /// # Errors
    /// [`TryLockError::Locked`]; else as [`Self::lock`].
    #[inline(always)]
    pub fn try_lock(&mut self) -> Result<Guard<'_, T>, TryLockError<'_, T>> {
        if self.user.hub.is_own() {
            if let Some(claim) = self.user.try_take_free(CLAIM) {
                return Ok(Guard::new(self, claim));
            }
        }
        self.try_lock_slowly()
    }

    #[inline(never)]
    fn try_lock_slowly(&mut self) -> Result<Guard<'_, T>, TryLockError<'_, T>> {
        if !self.user.hub.is_own() {
            return Err(TryLockError::Failed(LockError::Forked));
        }
        let taken = match self.user.try_take(CLAIM) {
            Ok(taken) => taken,
            Err(in_the_way) => match self.user.try_take_from_dead(CLAIM, in_the_way) {
                Ok(taken) => taken,
                Err(_) => return Err(TryLockError::Locked),
            },
        };
        self.locked(taken).map_err(TryLockError::Failed)
    }

    /// [`Self::lock`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`LockTimeoutError::TimedOut`], and then [`Self::holder`] says who is in the way; else as [`Self::lock`].
    pub fn lock_timeout(&mut self, timeout: Duration) -> Result<Guard<'_, T>, LockTimeoutError<'_, T>> {
        if !self.user.hub.is_own() {
            return Err(LockTimeoutError::Failed(LockError::Forked));
        }
        let taken = match self.user.try_take(CLAIM) {
            Ok(taken) => taken,
            Err(_) => match self.wait_until(deadline_after(timeout)) {
                Some(taken) => taken,
                None => return Err(LockTimeoutError::TimedOut),
            },
        };
        self.locked(taken).map_err(LockTimeoutError::Failed)
    }

    fn wait(&mut self) -> Taken {
        loop {
            // Without a deadline it does not come back with nothing.
            if let Some(taken) = self.wait_until(None) {
                return taken;
            }
        }
    }

    pub(super) fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Taken> {
        match self.user.try_take(CLAIM) {
            Ok(taken) => Some(taken),
            Err(_) => self.user.wait_for(FREED, deadline, |user| user.try_take(CLAIM).map_err(InTheWay::One)),
        }
    }

    pub(super) fn locked(&mut self, taken: Taken) -> Result<Guard<'_, T>, LockError<'_, T>> {
        if taken.claim.is_marked() {
            return Err(LockError::Recovered(Recovered::new(self, taken)));
        }
        Ok(Guard::new(self, taken.claim))
    }

    /// Who holds it, and for how long at least; `None`, nobody. For people who look for a deadlock: a moment later it may be somebody
    /// else. One system call, to see whether that one is alive.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.user.holder(self.claim())
    }

    /// The claim as it is now.
    pub(super) fn claim(&self) -> Claim {
        // Relaxed: what it says is acted upon by an exchange, or shown.
        Claim::from_word(self.user.body.load_u64(CLAIM, Relaxed))
    }

    /// A copy of the value that this claim says.
    #[inline(always)]
    pub(super) fn read(&self, claim: Claim, value: &mut T) {
        guard::read(&self.user, claim, value);
    }
}

impl<T: Item> Drop for Mutex<T> {
    fn drop(&mut self) {
        let claim = self.claim();
        if self.user.hub.is_own() && claim.state() == State::Held(self.user.me) {
            // A guard was let go of without unlocking (`mem::forget`).
            self.user.give_back(CLAIM, claim.free().marked(true));
        }
        self.user.leave();
    }
}

impl<T: Item> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("place", self.place()).field("state", &self.claim().state()).finish()
    }
}

#[cfg(test)]
mod tests;
