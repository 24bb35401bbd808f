//! How a queue is made and how a handle of it waits.

use crate::region::{self, Place};
use crate::wait::Strategy;
use strait_mem::Trust;

/// Options of a queue. Capacity, kinds, seats, `restartable` and what concerns memory count when it is created; waiting and dead letters
/// are each handle's own.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) capacity: u32,
    pub(super) kinds: u32,
    pub(super) seats: u32,
    pub(super) job_max_bytes: u32,
    pub(super) is_restartable: bool,
    pub(super) is_kept: bool,
    pub(super) max_deliveries: Option<u32>,
    pub(super) dead_letters: Option<Place>,
    pub(super) strategy: Strategy,
    pub(super) region: region::Options,
    pub(super) trust: Option<Trust>,
    pub(super) schema_id: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// 1,024 jobs of one kind, 64 seats, pipe-like, no dead letters, spin then sleep, mode 0600.
    #[must_use]
    pub fn new() -> Self {
        Self {
            capacity: 1024,
            kinds: 1,
            seats: 64,
            job_max_bytes: 240,
            is_restartable: false,
            is_kept: false,
            max_deliveries: None,
            dead_letters: None,
            strategy: Strategy::default(),
            region: region::Options::new(),
            trust: None,
            schema_id: 0,
        }
    }

    /// How many jobs of each kind the queue holds, at least: rounded up to a power of two from 2 to 1,048,576. Each takes 16 bytes more
    /// than its length, rounded up to whole cache lines.
    #[must_use]
    pub fn capacity(mut self, jobs: u32) -> Self {
        self.capacity = jobs;
        self
    }

    /// How many kinds of job there are, from 1 to 16: each has room of its own, and a worker takes those it asks for, or the lowest
    /// first. So a kind is what System V calls a message's type, or a priority, 0 the most urgent.
    #[must_use]
    pub fn kinds(mut self, kinds: u32) -> Self {
        self.kinds = kinds;
        self
    }

    /// How many producers and workers there can be at once, from 1 to 256.
    #[must_use]
    pub fn seats(mut self, seats: u32) -> Self {
        self.seats = seats;
        self
    }

    /// The longest job, in bytes, where jobs are slices. Every one takes that much room.
    #[must_use]
    pub fn job_max_bytes(mut self, bytes: u32) -> Self {
        self.job_max_bytes = bytes;
        self
    }

    /// Keeps the queue open while its users come and go: jobs stay when all have left, until they are done.
    ///
    /// Without it a queue is like a pipe: a producer is told when all workers are gone, and a worker when all producers are gone and the
    /// last job is done.
    #[must_use]
    pub fn restartable(mut self, restartable: bool) -> Self {
        self.is_restartable = restartable;
        self
    }

    /// Keeps the name, and the channel [restartable](Self::restartable), when the last user has left, whatever is in it: until somebody
    /// [removes](crate::gc::remove) it. What a POSIX or System V queue does.
    #[must_use]
    pub fn kept(mut self, kept: bool) -> Self {
        self.is_kept = kept;
        self
    }

    /// How often a job may be given to a worker, from 1 to 254, before it goes to the dead letters of the worker that would have been the
    /// next. Needs [`Self::dead_letters`].
    #[must_use]
    pub fn max_deliveries(mut self, deliveries: u32) -> Self {
        self.max_deliveries = Some(deliveries);
        self
    }

    /// The queue to which this worker sends the jobs that were given out [`Self::max_deliveries`] times and never acknowledged: opened,
    /// or made like this one and restartable, together with the worker. While it is full they stay where they are.
    #[must_use]
    pub fn dead_letters(mut self, place: impl Into<Place>) -> Self {
        self.dead_letters = Some(place.into());
        self
    }

    /// Those of the dead letters of a worker with these.
    pub(super) fn of_dead_letters(&self) -> Self {
        Self { is_restartable: true, max_deliveries: None, dead_letters: None, ..self.clone() }
    }
}

crate::channel::options::common!(Options, trust);

/// Kinds of job, to choose from: [`Kinds::ALL`], one by its number, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kinds(u32);

impl Kinds {
    /// All there are.
    pub const ALL: Self = Self(u32::MAX);

    /// Kind 0 to this one: System V's negative message type.
    #[must_use]
    pub fn up_to(kind: u32) -> Self {
        Self(2_u32.checked_shl(kind).unwrap_or(0).wrapping_sub(1))
    }

    /// These and one more.
    #[must_use]
    pub fn and(self, kind: u32) -> Self {
        Self(self.0 | Self::from(kind).0)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}

impl From<u32> for Kinds {
    /// One kind. Of a number that no kind has there are no jobs.
    fn from(kind: u32) -> Self {
        Self(1_u32.checked_shl(kind).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_sets() {
        assert_eq!(Kinds::from(3).bits(), 8);
        assert_eq!(Kinds::from(32).bits(), 0);
        assert_eq!(Kinds::up_to(0).bits(), 1);
        assert_eq!(Kinds::up_to(2).bits(), 7);
        assert_eq!(Kinds::up_to(31), Kinds::ALL);
        assert_eq!(Kinds::up_to(99), Kinds::ALL);
        assert_eq!(Kinds::from(1).and(4).bits(), 18);
    }
}
