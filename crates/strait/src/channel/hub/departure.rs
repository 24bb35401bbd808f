//! Leaving a channel later than the end that took the seat: while something of it is still in somebody's hands.
//!
//! The end makes its [`Departure`] when it comes. It then goes by [`Hub::leave_later`] instead of [`Hub::leave`], and whoever has the departure
//! leaves for it: until then the seat is attached, its lease is held, and the region stays mapped and named.

use super::{Events, Hub, LEAVE_PATIENCE, at};
use crate::channel::endpoint::rules_of;
use crate::error::Result;
use crate::peer::entry::{self, Site};
use crate::peer::lease::Leases;
use crate::peer::seat::{self, Presence};
use crate::region::Region;
use crate::wait::eventcount::{EventCount, Wake};
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use strait_mem::{SharedMut as _, ViewMut};
use strait_sys::fork::Birthmark;

/// What it takes to leave a seat, and to ring for others until then.
#[derive(Debug)]
pub(crate) struct Departure {
    birthmark: Birthmark,
    seat: u32,
    presence: Presence,
    is_restartable: bool,
    is_kept: bool,
    seats: ViewMut,
    events: Events,
    leases: Arc<Leases>,
    region: Arc<Region>,
}

impl Hub {
    /// What it takes to leave this seat when the end itself is gone.
    pub(crate) fn departure(&self) -> Result<Departure> {
        let mut events = super::events(&self.region, self.header.seats)?;
        // Enough for whatever the end has chosen: its actions and ours are the same seat's.
        events.iter_mut().for_each(EventCount::fence_actions);
        Ok(Departure {
            birthmark: self.birthmark,
            seat: self.seat,
            presence: self.presence,
            is_restartable: self.header.is_restartable,
            is_kept: self.header.is_kept,
            seats: super::table(&self.region, self.header.seats)?,
            events,
            leases: Arc::clone(&self.leases),
            region: Arc::clone(&self.region),
        })
    }

    /// Goes without leaving: whoever has the departure leaves for it.
    pub(crate) fn leave_later(&mut self) {
        if self.is_own() {
            self.waiter.pass_on(&mut self.events);
            self.events.iter_mut().for_each(EventCount::fence_again);
        }
    }
}

impl Departure {
    /// Whether this process is the one that took the seat.
    pub(crate) fn is_own(&self) -> bool {
        self.birthmark.is_here()
    }

    /// As [`Hub::after_action_for`], from any thread.
    pub(crate) fn after_action_for(&self, event: usize, seat: u32) {
        self.events[event].act_for(seat);
    }

    /// As [`Hub::leave`].
    pub(crate) fn leave(&mut self) {
        if !self.is_own() {
            return;
        }
        let Self { seat, presence, seats, events, leases, region, .. } = self;
        let rules = rules_of(region, self.is_restartable);
        let say = || {
            // Release, as in `Hub::leave`.
            seats.store_u64(at(*seat, seat::PRESENCE), presence.left().word(), Release);
            for event in events {
                event.after_action(Wake::Everybody);
            }
        };
        entry::leave(&Site { region, leases }, rules, *seat, LEAVE_PATIENCE, say, || self.is_kept);
    }
}
