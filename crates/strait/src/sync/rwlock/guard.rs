//! What a reader has in its hands.

use super::RwLock;
use crate::channel::Item;
use crate::sync::claim::Claim;
use std::fmt;
use std::ops::Deref;

/// A lock that nobody writes under, and a copy of its value. Dropping it lets writers in.
///
/// In a forked child it is a copy of its parent's value, and dropping it does nothing.
#[must_use = "dropping it lets writers in"]
pub struct ReadGuard<'a, T: Item> {
    lock: &'a mut RwLock<T>,
    value: T,
    is_unfinished: bool,
}

impl<'a, T: Item> ReadGuard<'a, T> {
    #[inline(always)]
    pub(super) fn new(lock: &'a mut RwLock<T>, claim: Claim) -> Self {
        let mut value = T::new_zeroed();
        lock.mutex.read(claim, &mut value);
        Self { lock, value, is_unfinished: claim.is_marked() }
    }

    /// Whether a writer died or panicked before it had finished, and no other has looked after it since. The value is the one from before it,
    /// whole; but what else that writer was about is not known.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.is_unfinished
    }
}

impl<T: Item> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Item> Drop for ReadGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lock.mutex.user.hub.is_own() {
            self.lock.leave();
        }
    }
}

impl<T: Item> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the value: it need not be one that can be shown.
        f.debug_struct("ReadGuard").field("is_unfinished", &self.is_unfinished).finish_non_exhaustive()
    }
}
