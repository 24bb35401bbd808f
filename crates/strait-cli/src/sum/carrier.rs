//! What carries blocks to the workers and their results back: strait's pool, or one of the classic mechanisms ([`via`]).

use crate::sum::input::Tag;
use crate::sum::via;
use std::ops::{Deref, DerefMut};
use strait::pool::{self, Stopped};

/// Gives blocks out.
pub(super) enum Feeder {
    Pool(pool::Feeder<Tag>),
    Via(via::Feeder),
}

/// Room for a block.
pub(super) enum Room<'a> {
    Pool(pool::Room<'a, Tag>),
    Via(via::Room<'a>),
}

/// Takes results in, in the order of their blocks.
pub(super) enum Collector {
    Pool(pool::Collector<Tag>),
    Via(via::Collector),
}

/// The workers.
pub(super) enum Workers {
    Pool(pool::Pool),
    Via(via::Workers),
}

/// A part of a block's result.
pub(super) struct Answer<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) tag: &'a Tag,
    /// 0, 1, 2 ...
    pub(super) number: u32,
    pub(super) is_last: bool,
}

impl Feeder {
    /// Room for a block of up to `len` bytes, or of what the mechanism takes if that is less; waits for it.
    pub(super) fn room(&mut self, len: usize) -> Result<Room<'_>, Stopped> {
        match self {
            Self::Pool(feeder) => feeder.room(len).map(Room::Pool),
            Self::Via(feeder) => Ok(Room::Via(feeder.room(len))),
        }
    }

    pub(super) fn finish(self) -> Result<(), Stopped> {
        match self {
            Self::Pool(feeder) => feeder.finish(),
            Self::Via(feeder) => {
                feeder.finish();
                Ok(())
            }
        }
    }
}

impl Room<'_> {
    /// Gives the first `len` bytes to a worker; `tag` comes back with the result.
    pub(super) fn hand_out(self, len: usize, tag: Tag) -> Result<(), Stopped> {
        match self {
            Self::Pool(room) => {
                room.hand_out(len, tag);
                Ok(())
            }
            Self::Via(room) => room.hand_out(len, tag),
        }
    }
}

impl Deref for Room<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Pool(room) => room,
            Self::Via(room) => room,
        }
    }
}

impl DerefMut for Room<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Pool(room) => room,
            Self::Via(room) => room,
        }
    }
}

impl Collector {
    /// The next part of the result of the oldest block, handed to `take`; waits for it. `None`: that was all.
    pub(super) fn next<T>(&mut self, take: impl FnOnce(&Answer<'_>) -> T) -> Result<Option<T>, Stopped> {
        match self {
            Self::Pool(collector) => Ok(collector.next()?.map(|part| {
                let (number, is_last) = (part.number(), part.is_last());
                take(&Answer { bytes: part.bytes(), tag: part.tag(), number, is_last })
            })),
            Self::Via(collector) => collector.next(take),
        }
    }

    pub(super) fn outstanding(&self) -> u64 {
        match self {
            Self::Pool(collector) => collector.outstanding(),
            Self::Via(collector) => collector.outstanding(),
        }
    }
}

impl Workers {
    pub(super) fn restarts(&self) -> u64 {
        match self {
            Self::Pool(pool) => pool.restarts(),
            Self::Via(workers) => workers.restarts(),
        }
    }

    /// Stops all from elsewhere.
    pub(super) fn stopper(&self) -> Box<dyn Fn() + Send> {
        match self {
            Self::Pool(pool) => {
                let stopper = pool.stopper();
                Box::new(move || stopper.stop())
            }
            Self::Via(workers) => workers.stopper(),
        }
    }

    /// Waits until the workers have ended, after the feeder has finished.
    pub(super) fn finish(self) {
        match self {
            Self::Pool(pool) => pool.finish(),
            Self::Via(workers) => workers.finish(),
        }
    }
}
