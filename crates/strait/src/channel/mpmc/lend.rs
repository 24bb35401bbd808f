//! Jobs in place: what is long is written where workers read it, and not copied.

use super::error::{PushError, PushTimeoutError, TryPushError};
use super::producer::{Producer, is_of_kind, without_deadline};
use super::setup::{ROOM, push_error};
use crate::channel::message::{Item, Message};
use crate::ring::mpmc::producer::{NoRoom, Staged};
use crate::wait::eventcount::Wake;
use crate::wait::turn::deadline_after;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// Room for a job, to be written in place through [`DerefMut`]. It begins with whatever was there. Dropped without
/// [`publish`](Reservation::publish), it was nothing, and its slot is of use again when the workers have come by.
///
/// Other producers and the workers go past it meanwhile; the queue has one slot less. In a forked child there is nothing to publish: the room is its
/// parent's.
#[must_use = "a reservation that is dropped is not pushed"]
pub struct Reservation<'p, M: Message + ?Sized> {
    producer: &'p mut Producer<M>,
    staged: Staged,
    /// In bytes.
    len: usize,
}

impl<M: Message + ?Sized> Reservation<'_, M> {
    /// Pushes the job. The time it takes does not depend on the length.
    pub fn publish(self) {
        let len = self.len;
        self.publish_bytes(len);
    }

    fn publish_bytes(self, len: usize) {
        let Producer { ring, hub, .. } = &mut *self.producer;
        // In a forked child nothing was lent: the queue is its parent's.
        if hub.is_own() {
            // At most as long as a slot, whose length is 32 bits.
            ring.publish(self.staged, len as u32);
            self.producer.after_push(self.staged.kind, 1);
        }
        std::mem::forget(self);
    }
}

impl<T: Item> Reservation<'_, [T]> {
    /// [`Self::publish`], of the first `len` items only. More than were reserved are as many as were reserved.
    pub fn publish_first(self, len: usize) {
        let len = self.len.min(len.saturating_mul(size_of::<T>()));
        self.publish_bytes(len);
    }
}

impl<M: Message + ?Sized> Deref for Reservation<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        let window = self.producer.ring.queue().window();
        window.slice(self.staged.payload(), self.len).and_then(M::from_bytes).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> DerefMut for Reservation<'_, M> {
    fn deref_mut(&mut self) -> &mut M {
        let window = self.producer.ring.window_mut();
        window.slice_mut(self.staged.payload(), self.len).and_then(M::from_bytes_mut).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> Drop for Reservation<'_, M> {
    fn drop(&mut self) {
        let Producer { ring, hub, .. } = &mut *self.producer;
        if hub.is_own() {
            ring.take_back(self.staged);
            // Who waits for room may have waited for this slot, or been passed over for us: all who wait for a slot of this kind look again.
            hub.after_action_if(ROOM, Wake::Everybody, |wanted| is_of_kind(wanted, self.staged.kind));
        }
    }
}

impl<M: Message + ?Sized> fmt::Debug for Reservation<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { staged, len, .. } = self;
        f.debug_struct("Reservation").field("kind", &staged.kind).field("len_bytes", len).finish_non_exhaustive()
    }
}

impl<T: Item> Producer<T> {
    /// Lends room for a job of a kind, to be written in place; waits for it.
    ///
    /// # Errors
    /// As [`Self::push_kind`]; [`PushError::Untrusted`] where the memory of the queue cannot be lent.
    pub fn reserve(&mut self, kind: u32) -> Result<Reservation<'_, T>, PushError> {
        self.reserve_bytes(kind, size_of::<T>())
    }

    /// [`Self::reserve`], if there is room now; never waits, as [`Self::try_push`].
    ///
    /// # Errors
    /// [`TryPushError::Full`]; else as [`Self::reserve`].
    pub fn try_reserve(&mut self, kind: u32) -> Result<Reservation<'_, T>, TryPushError> {
        self.try_reserve_bytes(kind, size_of::<T>())
    }

    /// [`Self::reserve`]; waits for `timeout` at the most.
    ///
    /// # Errors
    /// [`PushTimeoutError::TimedOut`]; else as [`Self::reserve`].
    pub fn reserve_timeout(&mut self, kind: u32, timeout: Duration) -> Result<Reservation<'_, T>, PushTimeoutError> {
        self.reserve_bytes_timeout(kind, size_of::<T>(), timeout)
    }
}

impl<T: Item> Producer<[T]> {
    /// Lends room for a job of a kind of `len` items, to be written in place; waits for it.
    ///
    /// # Errors
    /// As [`Self::push_kind`]; [`PushError::Untrusted`] where the memory of the queue cannot be lent.
    pub fn reserve(&mut self, kind: u32, len: usize) -> Result<Reservation<'_, [T]>, PushError> {
        self.reserve_bytes(kind, len.saturating_mul(size_of::<T>()))
    }

    /// [`Self::reserve`], if there is room now; never waits, as [`Self::try_push`].
    ///
    /// # Errors
    /// [`TryPushError::Full`]; else as [`Self::reserve`].
    pub fn try_reserve(&mut self, kind: u32, len: usize) -> Result<Reservation<'_, [T]>, TryPushError> {
        self.try_reserve_bytes(kind, len.saturating_mul(size_of::<T>()))
    }

    /// [`Self::reserve`]; waits for `timeout` at the most.
    ///
    /// # Errors
    /// [`PushTimeoutError::TimedOut`]; else as [`Self::reserve`].
    pub fn reserve_timeout(
        &mut self,
        kind: u32,
        len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_, [T]>, PushTimeoutError> {
        self.reserve_bytes_timeout(kind, len.saturating_mul(size_of::<T>()), timeout)
    }
}

impl<M: Message + ?Sized> Producer<M> {
    fn reserve_bytes(&mut self, kind: u32, len: usize) -> Result<Reservation<'_, M>, PushError> {
        let staged = match self.try_stage(kind, len) {
            Ok(staged) => staged,
            Err(TryPushError::Full) => {
                without_deadline(|| self.wait_for_room(kind, len, None, |it| it.ring.stage(kind)))?
            }
            Err(TryPushError::Failed(error)) => return Err(error),
        };
        Ok(Reservation { producer: self, staged, len })
    }

    fn try_reserve_bytes(&mut self, kind: u32, len: usize) -> Result<Reservation<'_, M>, TryPushError> {
        let staged = match self.try_stage(kind, len) {
            Err(TryPushError::Full) => {
                self.full(kind)?;
                self.try_stage(kind, len)?
            }
            tried => tried?,
        };
        Ok(Reservation { producer: self, staged, len })
    }

    fn reserve_bytes_timeout(
        &mut self,
        kind: u32,
        len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_, M>, PushTimeoutError> {
        let staged = match self.try_stage(kind, len) {
            Ok(staged) => staged,
            Err(TryPushError::Full) => {
                self.wait_for_room(kind, len, deadline_after(timeout), |it| it.ring.stage(kind))?
            }
            Err(TryPushError::Failed(error)) => return Err(PushTimeoutError::Failed(error)),
        };
        Ok(Reservation { producer: self, staged, len })
    }

    fn try_stage(&mut self, kind: u32, len: usize) -> Result<Staged, TryPushError> {
        self.check(kind, len).map_err(TryPushError::Failed)?;
        if self.hub.trust().is_none() {
            return Err(TryPushError::Failed(PushError::Untrusted));
        }
        self.ring.stage(kind).map_err(|no_room| match no_room {
            NoRoom::Full => TryPushError::Full,
            NoRoom::Fault(fault) => TryPushError::Failed(push_error(self.hub.close(fault))),
        })
    }
}

/// Not reached: what is reserved is as long as its message, and slots are as aligned; without trust nothing is.
#[cold]
fn misfit() -> ! {
    unreachable!("a reservation is as long and as aligned as its message")
}
