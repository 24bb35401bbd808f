//! What locks need of the hub: who sleeps, since when, and another seat in the same region.

use super::{Blueprint, Hub, Kind, SEAT_BYTES, SEATS_AT, at};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::seat::{self, State};
use crate::peer::side::{self, WHO, WHO_BYTES};
use crate::region::Region;
use crate::region::header::Header;
use std::ops::Range;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use strait_mem::{Shared as _, SharedMut as _, SharedRmw as _, ViewMut};
use strait_sys::{open, proc};

/// The largest body of a lock: two copies of a value.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// Every kind of lock, as far as the hub is concerned: users who are all alike, and a body of as many bytes as the header says.
#[derive(Debug)]
pub(crate) struct Lock;

impl Kind for Lock {
    const CHOOSES_FENCES: bool = false;

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

/// A word of each seat's progress, which others than its owner change too.
#[derive(Debug)]
pub(crate) struct SeatWords {
    seats: ViewMut,
    count: u32,
    offset: usize,
}

impl SeatWords {
    /// How many seats there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn load(&self, seat: u32) -> u64 {
        // Acquire: what whoever changed it did before is seen.
        self.seats.load_u64(at(seat, seat::PROGRESS as usize) + self.offset, Acquire)
    }

    /// Changes it, if it is still `from`.
    pub(crate) fn exchange(&self, seat: u32, from: u64, to: u64) -> bool {
        let at = at(seat, seat::PROGRESS as usize) + self.offset;
        // AcqRel: who sees it changed sees what we did before, and we what was done before it was as we found it.
        self.seats.compare_exchange_u64(at, from, to, AcqRel, Relaxed).is_ok()
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

    /// See [`EventCount::fence_actions`](crate::wait::eventcount::EventCount::fence_actions).
    pub(crate) fn fence_actions(&mut self, event: usize) {
        self.events[event].fence_actions();
    }

    /// Whether anybody sleeps on this eventcount, or is about to. A load or a few.
    #[inline(always)]
    pub(crate) fn is_anybody_asleep(&self, event: usize) -> bool {
        self.events[event].is_anybody_asleep()
    }

    /// Whether this is a channel of so few seats that [`Self::is_any_of_few_asleep`] and [`Self::is_any_of_few_to_ring`] may be asked.
    pub(crate) fn has_few_seats(&self) -> bool {
        self.events[0].has_few()
    }

    /// [`Self::is_anybody_asleep`], in one load.
    #[inline(always)]
    pub(crate) fn is_any_of_few_asleep(&self, event: usize) -> bool {
        self.events[event].is_any_of_few_asleep()
    }

    /// [`Self::is_anybody_to_ring`], in one load.
    #[inline(always)]
    pub(crate) fn is_any_of_few_to_ring(&self, event: usize) -> bool {
        self.events[event].is_any_of_few_to_ring()
    }

    /// As [`Self::after_action_for`], whatever it waits for.
    pub(crate) fn ring_for(&self, event: usize, seat: u32) {
        self.events[event].act_for(seat);
    }

    /// Whether somebody is to be rung for after an action. A load or a few.
    #[inline(always)]
    pub(crate) fn is_anybody_to_ring(&self, event: usize) -> bool {
        self.events[event].is_anybody_to_ring()
    }

    /// Rings, after an action, for everybody who sleeps on this eventcount.
    #[inline(always)]
    pub(crate) fn ring_sleepers(&self, event: usize) {
        if self.is_anybody_to_ring(event) {
            self.ring_each(event);
        }
    }

    #[cold]
    #[inline(never)]
    fn ring_each(&self, event: usize) {
        self.asleep(event).for_each(|seat| self.ring_for(event, seat));
    }

    /// What a seat's owner waits for, where it sleeps.
    pub(crate) fn wake_at(&self, seat: u32) -> u32 {
        self.events[0].wake_at(seat)
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

    /// [`Self::say`], after what was done before.
    #[inline]
    pub(crate) fn say_done(&self, offset: usize, value: u64) {
        // Release: who reads it sees what we did before.
        self.seats.store_u64(at(self.seat, seat::PROGRESS as usize) + offset, value, Release);
    }

    /// Notes something about a seat's owner, in words of its progress that are for that.
    pub(crate) fn note(&self, seat: u32, offset: usize, value: u64) {
        // Relaxed: for people.
        self.seats.store_u64(at(seat, seat::PROGRESS as usize) + offset, value, Relaxed);
    }

    /// That word of the progress of all seats.
    pub(crate) fn seat_words(&self, offset: usize) -> Result<SeatWords> {
        let end = SEATS_AT + u64::from(self.header.seats) * SEAT_BYTES;
        Ok(SeatWords { seats: self.region.view_mut(SEATS_AT..end)?, count: self.header.seats, offset })
    }

    /// Who a seat's owner says that it is, for people.
    pub(crate) fn alleged(&self, seat: u32) -> proc::Whoami {
        let start = at(seat, WHO as usize) as u64 + SEATS_AT;
        self.region.view(start..start + WHO_BYTES).map_or_else(|_| proc::Whoami::default(), |who| side::alleged(&who))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::hub::tests::Name;
    use crate::region::Options;
    use crate::wait::Strategy;

    /// A lock has a body, and none so large that nobody can have meant it.
    #[test]
    fn bodies_have_a_size() {
        let with = |capacity_bytes| Header { capacity_bytes, ..Header::default() };
        for (bytes, expected) in [(0, None), (1, Some(1)), (BODY_BYTES_MAX, Some(BODY_BYTES_MAX)), (u64::MAX, None)] {
            assert_eq!(Lock::body_bytes(&with(bytes)), expected);
        }
    }

    /// Who asks hears of each who sleeps, however it asks, and of nobody else.
    #[test]
    fn sleepers_are_asked_for() {
        for seats in [64, 65] {
            let header = Header { channel: 77, seats, capacity_bytes: 64, ..Header::default() };
            let region = Options::new();
            let blueprint = Blueprint { header, region, strategy: Strategy::Sleep, trust: None };
            let name = Name::new();
            let mut hub = Hub::create::<Lock>(&name.place(), &blueprint, USER, |_| Ok(())).expect("create");
            assert_eq!(hub.has_few_seats(), seats == 64 && strait_sys::membarrier::is_registered());
            for is_asleep in [false, true, false] {
                if is_asleep {
                    hub.announce(1, 0);
                }
                for (event, expected) in [(0, false), (1, is_asleep)] {
                    let one_load = (hub.is_any_of_few_asleep(event), hub.is_any_of_few_to_ring(event));
                    let some = (hub.is_anybody_asleep(event), hub.is_anybody_to_ring(event));
                    assert_eq!((one_load, some), ((expected, expected), (expected, expected)), "{seats}, {event}");
                }
                if is_asleep {
                    hub.withdraw(1);
                }
            }
            hub.leave(|| false);
        }
    }
}
