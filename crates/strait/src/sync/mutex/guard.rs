//! What the holder of a mutex has in its hands.

use super::Mutex;
use crate::channel::Item;
use crate::sync::claim::Claim;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A mutex that is locked, and a copy of its value. Dropping it unlocks; a copy that was changed is then the value.
///
/// The value is copied out when the guard is made, and copied in when it is dropped, if it was looked at as `&mut`. A guard that is dropped
/// by a panic changes nothing, and the next one is given [`Recovered`]. In a forked child it is a copy of its parent's value, and dropping
/// it does nothing.
#[must_use = "dropping it unlocks"]
pub struct Guard<'a, T: Item> {
    /// `None` when the lock was given back.
    mutex: Option<&'a mut Mutex<T>>,
    /// Ours.
    claim: Claim,
    value: T,
    is_changed: bool,
    was_panicking: bool,
}

impl<'a, T: Item> Guard<'a, T> {
    #[inline(always)]
    pub(super) fn new(mutex: &'a mut Mutex<T>, claim: Claim) -> Self {
        let mut value = T::new_zeroed();
        mutex.read(claim, &mut value);
        Self { mutex: Some(mutex), claim, value, is_changed: false, was_panicking: std::thread::panicking() }
    }

    /// Unlocks, and says of what; `None` in a forked child, whose lock it is not.
    #[inline(always)]
    fn unlock(&mut self) -> Option<&'a mut Mutex<T>> {
        let mutex = self.mutex.take()?;
        if !mutex.user.hub.is_own() {
            return None;
        }
        let mut free = self.claim.free();
        if std::thread::panicking() && !self.was_panicking {
            free = free.marked(true);
        } else if self.is_changed {
            free = free.flipped();
            mutex.write(free, &self.value);
        }
        mutex.unlock(free);
        Some(mutex)
    }
}

impl<T: Item> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Item> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.is_changed = true;
        &mut self.value
    }
}

impl<T: Item> Drop for Guard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let _ = self.unlock();
    }
}

impl<T: Item> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the value: it need not be one that can be shown.
        f.debug_struct("Guard").field("is_changed", &self.is_changed).finish_non_exhaustive()
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
    pub(super) fn new(guard: Guard<'a, T>, pid: Option<u32>) -> Self {
        Self { guard, pid }
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
        let mut guard = self.guard;
        guard.claim = guard.claim.marked(false);
        guard
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
