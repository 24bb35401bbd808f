//! Jobs in a worker's hands.

use super::worker::Worker;
use crate::channel::message::Message;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// A job in a worker's hands: nobody else has it. Dropped without [`ack`](Job::ack) it is for somebody else again, at once.
#[must_use = "a job that is dropped is given back"]
pub struct Job<'w, M: Message + ?Sized> {
    worker: &'w mut Worker<M>,
}

impl<'w, M: Message + ?Sized> Job<'w, M> {
    /// The one job in the worker's hands.
    #[inline]
    pub(super) fn new(worker: &'w mut Worker<M>) -> Self {
        Self { worker }
    }

    /// It is done, and out of the queue.
    #[inline]
    pub fn ack(self) {
        self.worker.ack_only();
    }

    /// It is for somebody else, at once: the next that asks, maybe this worker.
    pub fn nack(self) {
        self.worker.nack(1, Duration::ZERO);
    }

    /// It is for somebody else, after `delay`, of 12 days at the most; some milliseconds later when everybody is busy. It does not hold up
    /// what is behind it. A delay ends when the last user of the queue leaves.
    pub fn nack_after(self, delay: Duration) {
        self.worker.nack(1, delay);
    }

    /// How often it was given to a worker, this time included: 1 for a job that is done at the first attempt. Counts to 255.
    #[must_use]
    pub fn deliveries(&self) -> u32 {
        self.worker.held().first().map_or(0, |claim| claim.deliveries)
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.worker.held().first().map_or(0, |claim| claim.kind)
    }
}

impl<M: Message + ?Sized> Deref for Job<'_, M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        self.worker.job(0).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> Drop for Job<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if !self.worker.held().is_empty() {
            self.worker.give_back();
        }
    }
}

impl<M: Message + ?Sized + fmt::Debug> fmt::Debug for Job<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("job", &&**self).field("deliveries", &self.deliveries()).finish()
    }
}

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

/// Not reached: a worker takes no job in its hands whose bytes are not one.
#[cold]
fn misfit() -> ! {
    unreachable!("a job in a worker's hands is as long and as aligned as its type")
}
