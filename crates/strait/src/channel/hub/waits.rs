//! A user of a channel of many, as what can be waited for beside other things: the half that is the same for all channels.
//!
//! A channel says of an end of its own which eventcount it waits for, when it is ready, and how it looks for the dead ([`HubEnd`]); a
//! selector and `async` code take it from there ([`hub_source`]).

use crate::channel::hub::{EVENTS_AT, Hub, ROLES_AT, SEATS_AT, at};
use crate::peer::lease::Leases;
use crate::peer::seat::{self, Presence, SEAT_BYTES, State};
use crate::wait::eventcount::{EVENT_BYTES, asleep_words, is_in, ring_at};
use crate::wait::source::Vigil;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use strait_mem::{Shared as _, View, Word};

/// An end of a channel of many that can be waited for.
pub(crate) trait HubEnd {
    /// The eventcount that it waits for.
    const EVENT: usize;

    fn hub(&self) -> impl Deref<Target = Hub>;

    fn hub_mut(&mut self) -> impl DerefMut<Target = Hub>;

    /// The hub's [`Hub::doorbell`].
    fn doorbell(&self) -> &Word;

    /// What it waits for there, where somebody asks whether that is enough.
    fn wake_at(&mut self) -> u32 {
        0
    }

    /// Whether the call that waits would return at once; as [`crate::wait::source::Source::is_ready`]. Ready too where [`Hub::check`] says no.
    fn is_ready(&mut self) -> bool;

    /// Looks for the dead, and mends what they left.
    fn look(&mut self);

    /// Who tells, from another thread, of what nobody rings for: deaths of those that [`Self::look`] looks at, above all.
    fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        let hub = self.hub();
        Some(Arc::new(hub.vigil(Self::EVENT, 0..hub.header.seats)?))
    }
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
                let wake_at = $crate::channel::hub::waits::HubEnd::wake_at(self);
                let event = <Self as $crate::channel::hub::waits::HubEnd>::EVENT;
                $crate::channel::hub::waits::HubEnd::hub_mut(self).announce(event, wake_at)
            }

            fn is_fenced(&self) -> bool {
                let event = <Self as $crate::channel::hub::waits::HubEnd>::EVENT;
                $crate::channel::hub::waits::HubEnd::hub(self).is_fenced(event)
            }

            fn word(&self) -> &strait_mem::Word {
                $crate::channel::hub::waits::HubEnd::doorbell(self)
            }

            fn withdraw(&mut self) {
                let event = <Self as $crate::channel::hub::waits::HubEnd>::EVENT;
                $crate::channel::hub::waits::HubEnd::hub_mut(self).withdraw(event);
            }

            fn settle(&mut self, is_made_good: bool) {
                $crate::channel::hub::waits::HubEnd::hub_mut(self).settle(is_made_good);
            }

            fn peer_cpu(&self) -> u32 {
                let event = <Self as $crate::channel::hub::waits::HubEnd>::EVENT;
                $crate::channel::hub::waits::HubEnd::hub(self).rung_on(event)
            }

            fn set_cpu(&self, cpu: u32) {
                $crate::channel::hub::waits::HubEnd::hub(self).set_cpu(cpu);
            }

            fn vigil(&self) -> Option<std::sync::Arc<dyn $crate::wait::source::Vigil>> {
                $crate::channel::hub::waits::HubEnd::vigil(self)
            }
        }
    };
}
pub(crate) use hub_source;

impl Hub {
    /// Announces that we are about to sleep, beside other things; says what our doorbell was. The barrier is the caller's.
    pub(crate) fn announce(&mut self, event: usize, wake_at: u32) -> u32 {
        self.announced += 1;
        self.waiter.announce(&self.events, event, wake_at)
    }

    /// Takes that back; our bit stays as long as another of this seat is announced. A forked child's is its parent's.
    pub(crate) fn withdraw(&mut self, event: usize) {
        if !self.is_own() {
            return;
        }
        self.announced = self.announced.saturating_sub(1);
        if self.announced > 0 {
            return;
        }
        self.waiter.withdraw(&self.events, event);
    }

    /// The wait is over: a ring for us is made good by what is taken next, or passed on.
    pub(crate) fn settle(&mut self, is_made_good: bool) {
        if !self.is_own() {
            return;
        }
        if is_made_good {
            self.waiter.forget_debt();
        } else {
            self.waiter.pass_on(&mut self.events);
        }
    }

    /// Rings our own doorbell: somebody here sleeps on it beside other things, and another wait of this seat has taken its announcement
    /// back.
    #[cold]
    pub(crate) fn ring_own(&self) {
        ring_at(&self.seats, self.seat);
    }

    /// The word to sleep on after an announcement.
    pub(crate) fn doorbell(&self) -> &Word {
        &self.doorbell
    }

    /// Whether a full barrier behind an announcement is enough there.
    pub(crate) fn is_fenced(&self, event: usize) -> bool {
        self.events[event].are_actions_fenced()
    }

    /// The core from which somebody was last rung for there.
    pub(crate) fn rung_on(&self, event: usize) -> u32 {
        self.waiter.rung_on(&self.events, event)
    }

    /// Says which core we wait on.
    pub(crate) fn set_cpu(&self, cpu: u32) {
        self.waiter.set_cpu(&self.events, cpu);
    }

    /// Who can look, from another thread, whether somebody at these seats has died, and whether our announcement there still stands.
    pub(crate) fn vigil(&self, event: usize, at: Range<u32>) -> Option<SeatVigil> {
        let end = SEATS_AT + u64::from(self.header.seats) * SEAT_BYTES;
        let seats = self.region.view(SEATS_AT..end).ok()?;
        let roles = self.region.view(ROLES_AT..ROLES_AT + 8).ok()?;
        let event_at = EVENTS_AT + event as u64 * EVENT_BYTES;
        let event = self.region.view(event_at..event_at + EVENT_BYTES).ok()?;
        let is_restartable = self.header.is_restartable;
        Some(SeatVigil { leases: Arc::clone(&self.leases), seats, roles, event, own: self.seat, at, is_restartable })
    }
}

/// Looks whether anybody at some seats who says that it is here is dead, and whether who sleeps can still be rung for: somebody who was
/// killed between clearing its bit and ringing is mourned by others, and nobody rings in its place.
#[derive(Debug)]
pub(crate) struct SeatVigil {
    leases: Arc<Leases>,
    seats: View,
    roles: View,
    /// What is waited for.
    event: View,
    /// Our own seat: its owner lives.
    own: u32,
    at: Range<u32>,
    is_restartable: bool,
}

impl SeatVigil {
    fn presence(&self, seat: u32) -> Presence {
        // Acquire, as in `Hub::presence`.
        Presence::from_word(self.seats.load_u64(at(seat, seat::PRESENCE), Acquire))
    }

    /// [`Hub::all_gone`], for these seats.
    pub(crate) fn is_all_gone(&self, role: u32) -> bool {
        // Acquire, as in `Hub::all_gone`.
        if self.is_restartable || self.roles.load_u64(0, Acquire) & 1 << role == 0 {
            return false;
        }
        let is_one = |seat: u32| {
            self.presence(seat).state() == State::Attached && self.seats.load_u32(at(seat, seat::ROLE), Relaxed) == role
        };
        !self.at.clone().any(is_one)
    }
}

impl Vigil for SeatVigil {
    fn is_disturbed(&self) -> bool {
        let is_dead = |seat: u32| {
            let is_here = seat != self.own && self.presence(seat).state() == State::Attached;
            is_here && !self.leases.is_held_by_another(seat)
        };
        !is_in(&asleep_words(&self.event, 0), self.own) || self.at.clone().any(is_dead)
    }
}
