//! What the holder of a mutex has in its hands.

use super::Mutex;
use super::shape::CLAIM;
use crate::channel::Item;
use crate::sync::claim::{Claim, Taken};
use crate::sync::mutex::LockError;
use crate::sync::user::{FREED, User};
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
    /// What our claim becomes when the lock is given back.
    free: Claim,
    /// Why the last try has brought nothing.
    pub(super) refused: Option<Taken>,
    value: T,
    /// Whether the value is to be written back; not between two guards.
    is_changed: bool,
    /// Whether giving the lock back takes more than is put into each drop of a guard: because of its many seats, or of what follows.
    is_special: bool,
    /// Whether the guard was made while the thread panicked: then it does not say that something was left undone. Not between two guards.
    was_panicking: bool,
}

impl<T: Item> Held<T> {
    pub(super) fn nothing(user: &User) -> Self {
        let is_special = !user.hub.has_few_seats();
        Self {
            free: Claim::FREE,
            refused: None,
            value: T::new_zeroed(),
            is_changed: false,
            is_special,
            was_panicking: false,
        }
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
            Some(claim) => {
                self.mutex.hold(claim);
                Ok(self)
            }
            None => match self.mutex.held.refused.take() {
                Some(taken) => Err(LockError::Recovered(Recovered::again(self, taken))),
                None => Err(LockError::Forked),
            },
        }
    }
}

impl<T: Item> Mutex<T> {
    /// Has the value of this claim, which is ours.
    #[inline(always)]
    pub(in crate::sync) fn hold(&mut self, claim: Claim) {
        self.held.free = claim.free();
        if std::thread::panicking() {
            (self.held.is_special, self.held.was_panicking) = (true, true);
        }
        let Self { user, held, .. } = self;
        read(user, claim, &mut held.value);
    }

    /// Gives the lock back, with the value if it was changed; not in a forked child, whose lock it is not.
    // Short, or it is not put where it is used: then the stores of a call and its way back stand before the next lock's exchange, which has to
    // wait for them.
    #[inline(always)]
    pub(in crate::sync) fn let_go(&mut self) {
        let is_special = self.held.is_special || self.user.hub.is_any_of_few_asleep(FREED);
        if is_special || !self.user.hub.is_own() || std::thread::panicking() {
            return self.let_go_otherwise();
        }
        let mut free = self.held.free;
        if self.held.is_changed {
            self.held.is_changed = false;
            free = free.flipped();
            self.write(free);
        }
        self.user.give_back_to_nobody(CLAIM, free);
    }

    /// The same, where somebody sleeps, or may; in a forked child; and while the thread panics, or where it did when the guard was made.
    #[cold]
    #[inline(never)]
    fn let_go_otherwise(&mut self) {
        let is_changed = std::mem::take(&mut self.held.is_changed);
        let was_panicking = std::mem::take(&mut self.held.was_panicking);
        self.held.is_special = !self.user.hub.has_few_seats();
        if !self.user.hub.is_own() {
            return;
        }
        let mut free = self.held.free;
        if std::thread::panicking() && !was_panicking {
            free = free.marked(true);
        } else if is_changed {
            free = free.flipped();
            self.write(free);
        }
        self.user.give_back(CLAIM, free);
    }

    /// Writes the value to where this claim says that it is.
    #[inline(always)]
    fn write(&self, claim: Claim) {
        let bytes = self.held.value.as_bytes();
        if Self::SHAPE.is_in_line() {
            self.user.line.write(Self::SHAPE.copy_at(claim), bytes);
        } else {
            self.user.body.write(Self::SHAPE.copy_at(claim), bytes);
        }
    }
}

/// Copies the value out that this claim says.
#[inline(always)]
pub(in crate::sync) fn read<T: Item>(user: &User, claim: Claim, value: &mut T) {
    let (at, bytes) = (Mutex::<T>::SHAPE.copy_at(claim), value.as_mut_bytes());
    if Mutex::<T>::SHAPE.is_in_line() { user.line.read(at, bytes) } else { user.body.read(at, bytes) }
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
        // A guard that was let go of without being dropped may have left this.
        guard.mutex.held = Held::nothing(&guard.mutex.user);
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
        held.free = held.free.marked(false);
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
