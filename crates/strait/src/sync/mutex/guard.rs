//! What the holder of a mutex has in its hands.

use super::Mutex;
use super::shape::CLAIM;
use crate::channel::Item;
use crate::sync::claim::{Claim, Taken};
use crate::sync::mutex::LockError;
use std::fmt;
use std::ops::{Deref, DerefMut};
use strait_mem::{Shared as _, SharedMut as _};

/// A mutex that is locked, and a copy of its value. Dropping it unlocks; a copy that was changed is then the value.
///
/// The value is copied out when the guard is made, and copied in when it is dropped, if it was looked at as `&mut`. A guard that is dropped
/// by a panic changes nothing, and the next one is given [`Recovered`]. In a forked child it is a copy of its parent's value, and dropping
/// it does nothing.
#[must_use = "dropping it unlocks"]
pub struct Guard<'a, T: Item> {
    // What it holds lies in the handle: a guard of one word stays in a register, and is nowhere to be written and read back.
    mutex: &'a mut Mutex<T>,
}

/// What the holder has, in its handle.
pub(super) struct Held<T> {
    /// Ours.
    claim: Claim,
    value: T,
    is_changed: bool,
    was_panicking: bool,
}

impl<T: Item> Held<T> {
    pub(super) fn nothing() -> Self {
        Self { claim: Claim::FREE, value: T::new_zeroed(), is_changed: false, was_panicking: false }
    }
}

impl<'a, T: Item> Guard<'a, T> {
    #[inline(always)]
    pub(in crate::sync) fn new(mutex: &'a mut Mutex<T>, claim: Claim) -> Self {
        mutex.hold(claim);
        Self { mutex }
    }

    /// Of which mutex it is.
    pub(in crate::sync) fn mutex(&mut self) -> &mut Mutex<T> {
        self.mutex
    }

    /// Waits for the lock, which it has [let go of](Mutex::let_go).
    pub(in crate::sync) fn lock_again(self) -> Result<Self, LockError<'a, T>> {
        match self.mutex.lock_slowly() {
            Ok(claim) => {
                self.mutex.hold(claim);
                Ok(self)
            }
            Err(Some(taken)) => Err(LockError::Recovered(Recovered::again(self, taken))),
            Err(None) => Err(LockError::Forked),
        }
    }
}

impl<T: Item> Mutex<T> {
    /// Has the value of this claim, which is ours.
    #[inline(always)]
    pub(in crate::sync) fn hold(&mut self, claim: Claim) {
        self.held.claim = claim;
        self.held.is_changed = false;
        self.held.was_panicking = std::thread::panicking();
        self.user.body.read(self.shape.copy_at(claim), self.held.value.as_mut_bytes());
    }

    /// Gives the lock back, with the value if it was changed; not in a forked child, whose lock it is not.
    #[inline(always)]
    pub(in crate::sync) fn let_go(&mut self) {
        if !self.user.hub.is_own() {
            return;
        }
        let mut free = self.held.claim.free();
        if std::thread::panicking() && !self.held.was_panicking {
            free = free.marked(true);
        } else if self.held.is_changed {
            free = free.flipped();
            self.user.body.write(self.shape.copy_at(free), self.held.value.as_bytes());
        }
        self.user.give_back(CLAIM, free);
    }
}

impl<T: Item> Deref for Guard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.mutex.held.value
    }
}

impl<T: Item> DerefMut for Guard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        self.mutex.held.is_changed = true;
        &mut self.mutex.held.value
    }
}

impl<T: Item> Drop for Guard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.let_go();
    }
}

impl<T: Item> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the value: it need not be one that can be shown.
        f.debug_struct("Guard").field("is_changed", &self.mutex.held.is_changed).finish_non_exhaustive()
    }
}

/// A mutex that is locked, after a holder that has not finished: it died, or panicked. See [the module](super).
///
/// The value is the one from before that holder, whole. Dropping it unlocks, and leaves it to the next one to look.
#[must_use = "dropping it unlocks, and the next one is told the same"]
pub struct Recovered<'a, T: Item> {
    guard: Guard<'a, T>,
    pid: Option<u32>,
}

impl<'a, T: Item> Recovered<'a, T> {
    pub(super) fn new(mutex: &'a mut Mutex<T>, taken: Taken) -> Self {
        Self::again(Guard { mutex }, taken)
    }

    /// Of a guard that has let go of the lock meanwhile.
    fn again(guard: Guard<'a, T>, taken: Taken) -> Self {
        guard.mutex.hold(taken.claim);
        Self { pid: guard.mutex.user.pid_of(taken.before), guard }
    }

    /// The last value that was whole.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.guard
    }

    /// The process id that the holder wrote, for people to read. `None` where it panicked, or nobody has looked after it before.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Goes on with the value as it is.
    pub fn accept(self) -> Guard<'a, T> {
        let held = &mut self.guard.mutex.held;
        held.claim = held.claim.marked(false);
        self.guard
    }

    /// Goes on with another value.
    pub fn repair(self, value: T) -> Guard<'a, T> {
        let mut guard = self.accept();
        *guard = value;
        guard
    }
}

impl<T: Item> fmt::Debug for Recovered<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovered").field("pid", &self.pid).finish_non_exhaustive()
    }
}
