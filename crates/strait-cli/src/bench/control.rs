//! A page that both processes of a run see: where the timed part begins, where it ends, and that it was received.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | number of the first timed message | here |
//! | 8 | how many messages there are in all | here |
//! | 64 | 1: all that came was received | there |
//!
//! A number is written before the message that it speaks of is sent, so it is there when that one is received. Until then both are the
//! greatest there is.

use std::sync::atomic::Ordering::{Acquire, Release};
use strait::mem::{Shared as _, SharedMut as _, ViewMut};
use strait::process::{Command, handed};
use strait::region::{Options, Place, Region};

const NAME: &str = "control";
const BYTES: u64 = 4096;
const BEGIN: usize = 0;
const TOTAL: usize = 8;
const DONE: usize = 64;

/// One side of it.
pub(super) struct Control(ViewMut);

impl Control {
    /// Makes it, and hands it over.
    pub(super) fn create(command: &mut Command) -> strait::Result<Self> {
        let region = Region::create(Place::memfd(NAME), BYTES, &Options::new())?;
        let control = Self(region.view_mut(0..BYTES)?);
        control.begin_at(u64::MAX);
        control.end_at(u64::MAX);
        if let Some(fd) = region.fd().and_then(|fd| fd.try_clone_to_owned().ok()) {
            command.hand_over(NAME, fd);
        }
        Ok(control)
    }

    /// The one that was handed over.
    pub(super) fn take() -> strait::Result<Self> {
        let region = Region::from_fd(handed(NAME)?, &Options::new())?;
        Ok(Self(region.view_mut(0..BYTES)?))
    }

    /// The message of this number is the first that is timed.
    pub(super) fn begin_at(&self, number: u64) {
        // Release, BENCH-MARK: the mark is there before the message is.
        self.0.store_u64(BEGIN, number, Release);
    }

    /// There are so many messages.
    pub(super) fn end_at(&self, total: u64) {
        // Release, BENCH-MARK.
        self.0.store_u64(TOTAL, total, Release);
    }

    pub(super) fn begin(&self) -> u64 {
        // Acquire, pairs with BENCH-MARK.
        self.0.load_u64(BEGIN, Acquire)
    }

    pub(super) fn total(&self) -> u64 {
        // Acquire, pairs with BENCH-MARK.
        self.0.load_u64(TOTAL, Acquire)
    }

    /// Everything that came was received.
    pub(super) fn done(&self) {
        // Release: nothing hangs on its order.
        self.0.store_u64(DONE, 1, Release);
    }

    pub(super) fn is_done(&self) -> bool {
        // Acquire: as above.
        self.0.load_u64(DONE, Acquire) == 1
    }
}
