//! What travels through strait's channels: `u64` and `[u64; 8]` as typed messages, anything longer as a slice of words.

use strait::channel::{Item, Message, Strategy};

use crate::job::{Shape, Wait};
use crate::payload::read_words;
use crate::seam::Way;

/// A message that can be verified.
pub(crate) trait Stamped: Message {
    /// Makes it, in `room` if it is a slice, and lends it.
    fn lend<R>(stamp: u64, room: &mut [u64], to: impl FnOnce(&Self) -> R) -> R;

    /// Reads all of it.
    fn stamp(&self) -> u64;
}

/// One of a fixed length.
pub(crate) trait Fixed: Stamped + Item {}

impl Fixed for u64 {}
impl Fixed for [u64; 8] {}

impl Stamped for u64 {
    #[inline(always)]
    fn lend<R>(stamp: u64, _room: &mut [u64], to: impl FnOnce(&Self) -> R) -> R {
        to(&stamp)
    }

    #[inline(always)]
    fn stamp(&self) -> u64 {
        *self
    }
}

impl Stamped for [u64; 8] {
    #[inline(always)]
    fn lend<R>(stamp: u64, _room: &mut [u64], to: impl FnOnce(&Self) -> R) -> R {
        to(&[stamp; 8])
    }

    #[inline(always)]
    fn stamp(&self) -> u64 {
        read_words(self)
    }
}

impl Stamped for [u64] {
    #[inline(always)]
    fn lend<R>(stamp: u64, room: &mut [u64], to: impl FnOnce(&Self) -> R) -> R {
        room.fill(stamp);
        to(room)
    }

    #[inline(always)]
    fn stamp(&self) -> u64 {
        read_words(self)
    }
}

/// The strategy that a job's way of waiting asks for.
pub(crate) fn strategy(wait: Wait) -> Strategy {
    match wait {
        Wait::Spin => Strategy::Spin,
        Wait::Yield => Strategy::SpinThenSleep,
        Wait::Sleep => Strategy::Sleep,
    }
}

/// Whether one of its ends dies and is replaced.
pub(crate) fn is_killed(way: &Way<'_>) -> bool {
    matches!(way.job.shape, Shape::KillSender | Shape::KillReceiver)
}
