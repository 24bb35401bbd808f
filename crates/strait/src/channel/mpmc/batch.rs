//! Many jobs at once.

use super::error::{PopError, PopTimeoutError, TryPopError};
use super::options::Kinds;
use super::setup::pop_error;
use super::worker::Worker;
use crate::channel::message::Message;
use std::fmt;
use std::time::Duration;

/// Jobs in a worker's hands, in their order. Those that are not acknowledged when it is dropped are for others again, at once.
#[must_use = "jobs that are dropped are given back"]
pub struct Jobs<'w, M: Message + ?Sized> {
    worker: &'w mut Worker<M>,
}

impl<'w, M: Message + ?Sized> Jobs<'w, M> {
    pub(super) fn new(worker: &'w mut Worker<M>) -> Self {
        Self { worker }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.worker.held().len()
    }

    /// Whether all have been acknowledged or given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, 0 the first of those that are left.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&M> {
        self.worker.job(index)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &M> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// How often one of them was given to a worker, this time included.
    #[must_use]
    pub fn deliveries(&self, index: usize) -> Option<u32> {
        Some(self.worker.held().get(index)?.deliveries)
    }

    /// The kind of one of them.
    #[must_use]
    pub fn kind(&self, index: usize) -> Option<u32> {
        Some(self.worker.held().get(index)?.kind)
    }

    /// All are done, and out of the queue.
    pub fn ack(self) {
        self.worker.ack(usize::MAX);
    }

    /// The first `count` of them are done: the rest is left, numbered from 0 again.
    pub fn ack_first(&mut self, count: usize) {
        self.worker.ack(count);
    }

    /// The first `count` of them are for others, after `delay`: the rest is left, numbered from 0 again.
    pub fn nack_first(&mut self, count: usize, delay: Duration) {
        self.worker.nack(count, delay);
    }
}

impl<M: Message + ?Sized> Drop for Jobs<'_, M> {
    fn drop(&mut self) {
        if !self.worker.held().is_empty() {
            self.worker.give_back();
        }
    }
}

impl<M: Message + ?Sized> fmt::Debug for Jobs<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("len", &self.len()).finish()
    }
}

impl<M: Message + ?Sized> Worker<M> {
    /// As many jobs as there are now, up to `max`, all in our hands; waits for the first.
    ///
    /// # Errors
    /// As [`Self::pop`], when there is not even one.
    pub fn pop_batch(&mut self, max: usize) -> Result<Jobs<'_, M>, PopError> {
        self.pop_batch_kind(Kinds::ALL, max)
    }

    /// [`Self::pop_batch`], of one kind or some kinds.
    ///
    /// # Errors
    /// As [`Self::pop_batch`].
    pub fn pop_batch_kind(&mut self, kinds: impl Into<Kinds>, max: usize) -> Result<Jobs<'_, M>, PopError> {
        let kinds = kinds.into().bits();
        if max > 0 {
            if !self.hold_next(kinds) {
                self.hold_anew(kinds)?;
            }
            self.hold_more(kinds, max)?;
        }
        Ok(Jobs::new(self))
    }

    /// [`Self::pop_batch`], if there is a job now; waits as little as [`Self::try_pop`].
    ///
    /// # Errors
    /// As [`Self::try_pop`], when there is not even one.
    pub fn try_pop_batch(&mut self, max: usize) -> Result<Jobs<'_, M>, TryPopError> {
        self.try_pop_batch_kind(Kinds::ALL, max)
    }

    /// [`Self::try_pop_batch`], of one kind or some kinds.
    ///
    /// # Errors
    /// As [`Self::try_pop_batch`].
    pub fn try_pop_batch_kind(&mut self, kinds: impl Into<Kinds>, max: usize) -> Result<Jobs<'_, M>, TryPopError> {
        let kinds = kinds.into().bits();
        if max > 0 {
            if !self.hold_next(kinds) {
                self.try_hold_anew(kinds)?;
            }
            self.hold_more(kinds, max).map_err(TryPopError::Failed)?;
        }
        Ok(Jobs::new(self))
    }

    /// [`Self::pop_batch`]; waits for the first for `timeout` at the most.
    ///
    /// # Errors
    /// As [`Self::pop_timeout`], when there is not even one.
    pub fn pop_batch_timeout(&mut self, max: usize, timeout: Duration) -> Result<Jobs<'_, M>, PopTimeoutError> {
        self.pop_batch_kind_timeout(Kinds::ALL, max, timeout)
    }

    /// [`Self::pop_batch_timeout`], of one kind or some kinds.
    ///
    /// # Errors
    /// As [`Self::pop_batch_timeout`].
    pub fn pop_batch_kind_timeout(
        &mut self,
        kinds: impl Into<Kinds>,
        max: usize,
        timeout: Duration,
    ) -> Result<Jobs<'_, M>, PopTimeoutError> {
        let kinds = kinds.into().bits();
        if max > 0 {
            let claim = self.claim_until(kinds, timeout)?;
            self.hold(claim).and_then(|()| self.hold_more(kinds, max)).map_err(PopTimeoutError::Failed)?;
        }
        Ok(Jobs::new(self))
    }

    /// Takes what else there is, until so many are in our hands.
    fn hold_more(&mut self, kinds: u32, max: usize) -> Result<(), PopError> {
        while self.held().len() < max {
            if let Some(claim) = self.claim_next(kinds) {
                self.keep(claim);
                continue;
            }
            match self.look(kinds) {
                Ok(Some(claim)) => self.hold(claim)?,
                Ok(None) => break,
                Err(fault) => return Err(pop_error(self.fail(fault))),
            }
        }
        Ok(())
    }
}
