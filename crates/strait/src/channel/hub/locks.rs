//! What locks need of the hub: who sleeps, since when, and another seat in the same region.

use super::{Blueprint, Hub, Kind, SEATS_AT, at};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::seat::{self, State};
use crate::peer::side::{self, WHO, WHO_BYTES};
use crate::region::Region;
use crate::region::header::Header;
use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use strait_mem::{Shared as _, SharedMut as _};
use strait_sys::{open, proc};

/// The largest body of a lock: two copies of a value.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// Every kind of lock, as far as the hub is concerned: users who are all alike, and a body of as many bytes as the header says.
#[derive(Debug)]
pub(crate) struct Lock;

impl Kind for Lock {
    fn body_bytes(header: &Header) -> Option<u64> {
        (1..=BODY_BYTES_MAX).contains(&header.capacity_bytes).then_some(header.capacity_bytes)
    }

    fn seats(header: &Header, _: u32) -> Range<u32> {
        0..header.seats
    }

    fn role_name(_: u32) -> &'static str {
        "user"
    }
}

/// The role of everybody.
pub(crate) const USER: u32 = 0;

impl Hub {
    /// Takes one more seat in the same region, whatever its name leads to by now.
    pub(crate) fn another<K: Kind>(&self, blueprint: &Blueprint, role: u32) -> Result<Self> {
        let place = self.region.place();
        let Some(fd) = self.fd() else {
            let why = format!("attach to {place}: it was opened before a fork, or no more files can be opened");
            return Err(Error::new(ErrorKind::Forked, why));
        };
        let fd = open::duplicate(fd).map_err(|e| Error::kernel("attach to", place, e, ""))?;
        Self::attach::<K>(Region::from_fd(fd, &blueprint.region)?.at(place.clone()), blueprint, role)
    }

    /// Whether anybody sleeps on this eventcount, or is about to. A load or a few.
    #[inline(always)]
    pub(crate) fn is_anybody_asleep(&self, event: usize) -> bool {
        self.events[event].is_anybody_asleep()
    }

    /// As [`Self::after_action_for`], whatever it waits for.
    pub(crate) fn ring_for(&self, event: usize, seat: u32) {
        self.events[event].after_action_for(seat, |_| true);
    }

    /// The seats of those who do.
    pub(crate) fn asleep(&self, event: usize) -> impl Iterator<Item = u32> {
        self.events[event].asleep()
    }

    /// The generation of a seat, if there is such a seat, whose owner says that it is attached.
    pub(crate) fn attached(&self, seat: u32) -> Option<u32> {
        if seat >= self.header.seats {
            return None;
        }
        let presence = self.presence(seat);
        (presence.state() == State::Attached).then_some(presence.generation())
    }

    /// A word of what a seat's owner says of its progress.
    #[inline]
    pub(crate) fn said(&self, seat: u32, offset: usize) -> u64 {
        // Acquire: what it did before it said so is seen.
        self.seats.load_u64(at(seat, seat::PROGRESS as usize) + offset, Acquire)
    }

    /// Says a word of our own progress.
    #[inline]
    pub(crate) fn say(&self, offset: usize, value: u64) {
        // Relaxed: only words are meant, no memory behind them.
        self.seats.store_u64(at(self.seat, seat::PROGRESS as usize) + offset, value, Relaxed);
    }

    /// Who a seat's owner says that it is, for people.
    pub(crate) fn alleged(&self, seat: u32) -> proc::Whoami {
        let start = at(seat, WHO as usize) as u64 + SEATS_AT;
        self.region.view(start..start + WHO_BYTES).map_or_else(|_| proc::Whoami::default(), |who| side::alleged(&who))
    }
}
