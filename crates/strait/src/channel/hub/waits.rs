//! A user of a channel of many, as what can be waited for beside other things: the half that is the same for all channels.
//!
//! A channel says of an end of its own which eventcount it waits for, when it is ready, and how it looks for the dead ([`HubEnd`]); a
//! selector and `async` code take it from there ([`hub_source`]).

use crate::channel::hub::{Hub, SEATS_AT, at};
use crate::peer::lease::Leases;
use crate::peer::seat::{self, Presence, SEAT_BYTES, State};
use crate::wait::source::Vigil;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use strait_mem::{Shared as _, View, Word};

/// An end of a channel of many that can be waited for.
pub(crate) trait HubEnd {
    fn hub(&self) -> &Hub;

    fn hub_mut(&mut self) -> &mut Hub;

    /// The eventcount that it waits for.
    fn event(&self) -> usize;

    /// What it waits for there, where somebody asks whether that is enough.
    fn wake_at(&mut self) -> u32 {
        0
    }

    /// Whether the call that waits would return at once; as [`crate::wait::source::Source::is_ready`]. Ready too where [`Hub::check`] says no.
    fn is_ready(&mut self) -> bool;

    /// Looks for the dead, and mends what they left.
    fn look(&mut self);
}

/// Makes an end of a channel of many a [`Source`]: `hub_source!([M: Message + ?Sized] Worker<M>);`
///
/// A macro, because a blanket implementation would meet that for `&mut` of a source.
macro_rules! hub_source {
    ([$($generics:tt)*] $end:ty) => {
        impl<$($generics)*> $crate::wait::source::Source for $end {
            fn is_ready(&mut self) -> bool {
                $crate::channel::hub::waits::HubEnd::is_ready(self)
            }

            fn look(&mut self) {
                $crate::channel::hub::waits::HubEnd::look(self);
            }

            fn announce(&mut self) -> u32 {
                let (event, wake_at) = $crate::channel::hub::waits::waited_for(self);
                $crate::channel::hub::waits::HubEnd::hub_mut(self).announce(event, wake_at)
            }

            fn word(&self) -> &strait_mem::Word {
                $crate::channel::hub::waits::HubEnd::hub(self).doorbell()
            }

            fn withdraw(&mut self) {
                let (event, _) = $crate::channel::hub::waits::waited_for(self);
                $crate::channel::hub::waits::HubEnd::hub_mut(self).withdraw(event);
            }

            fn settle(&mut self, is_chosen: bool) {
                $crate::channel::hub::waits::HubEnd::hub_mut(self).settle(is_chosen);
            }

            fn peer_cpu(&self) -> u32 {
                let event = $crate::channel::hub::waits::HubEnd::event(self);
                $crate::channel::hub::waits::HubEnd::hub(self).rung_on(event)
            }

            fn set_cpu(&self, cpu: u32) {
                $crate::channel::hub::waits::HubEnd::hub(self).set_cpu(cpu);
            }

            fn vigil(&self) -> Option<std::sync::Arc<dyn $crate::wait::source::Vigil>> {
                $crate::channel::hub::waits::HubEnd::hub(self).vigil()
            }
        }
    };
}
pub(crate) use hub_source;

/// The eventcount, and what is waited for there.
pub(crate) fn waited_for(end: &mut impl HubEnd) -> (usize, u32) {
    (end.event(), end.wake_at())
}

impl Hub {
    /// Announces that we are about to sleep, beside other things; says what our doorbell was. The barrier is the caller's.
    pub(crate) fn announce(&mut self, event: usize, wake_at: u32) -> u32 {
        self.waiter.announce(&self.events, event, wake_at)
    }

    /// Takes that back. A forked child's is its parent's.
    pub(crate) fn withdraw(&mut self, event: usize) {
        if !self.is_own() {
            return;
        }
        self.waiter.withdraw(&self.events, event);
    }

    /// The wait is over: what was meant for one of several is passed on, or about to be taken. Then it is owed until something is taken,
    /// or we wait again.
    pub(crate) fn settle(&mut self, is_chosen: bool) {
        if is_chosen || !self.is_own() {
            return;
        }
        self.waiter.pass_on(&mut self.events);
    }

    /// The word to sleep on after an announcement.
    pub(crate) fn doorbell(&self) -> &Word {
        &self.doorbell
    }

    /// The core from which somebody was last rung for there.
    pub(crate) fn rung_on(&self, event: usize) -> u32 {
        self.waiter.rung_on(&self.events, event)
    }

    /// Says which core we wait on.
    pub(crate) fn set_cpu(&self, cpu: u32) {
        self.waiter.set_cpu(&self.events, cpu);
    }

    /// Who can look, from another thread, whether somebody has died.
    pub(crate) fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        let end = SEATS_AT + u64::from(self.header.seats) * SEAT_BYTES;
        let seats = self.region.view(SEATS_AT..end).ok()?;
        let (leases, seat, count) = (Arc::clone(&self.leases), self.seat, self.header.seats);
        Some(Arc::new(SeatVigil { leases, seats, seat, count }))
    }
}

/// Looks whether anybody who says that it is here is dead.
#[derive(Debug)]
struct SeatVigil {
    leases: Arc<Leases>,
    seats: View,
    /// Our own, which lives.
    seat: u32,
    count: u32,
}

impl Vigil for SeatVigil {
    fn is_disturbed(&self) -> bool {
        (0..self.count).filter(|seat| *seat != self.seat).any(|seat| {
            // Acquire, as in `Hub::presence`.
            let presence = Presence::from_word(self.seats.load_u64(at(seat, seat::PRESENCE), Acquire));
            presence.state() == State::Attached && !self.leases.is_held_by_another(seat)
        })
    }
}
