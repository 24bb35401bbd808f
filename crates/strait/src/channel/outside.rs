//! What can be told of a channel by who only reads its memory and takes nothing: no seat, no lock, not the door.
//!
//! 1. Asking for a lease takes none, and needs no right to write: the kernel answers who may read.
//! 2. What is read here is a picture of one moment, and as true as its writers are.

use crate::channel::hub::SEATS_AT;
use crate::error::Result;
use crate::peer::PeerState;
use crate::peer::lease;
use crate::peer::seat::{self, Presence, SEAT_BYTES, State};
use crate::peer::side::WHO;
use crate::region::Region;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use strait_mem::{Shared as _, View};

/// What one seat of a channel of many tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeatSeen {
    pub(crate) role: u32,
    pub(crate) state: PeerState,
    /// How many owners the seat has had.
    pub(crate) generation: u32,
    /// As its owner says.
    pub(crate) pid: u32,
}

/// The memory of one seat, of those that the region's size has been held against.
pub(crate) fn seat_view(region: &Region, seat: u32) -> Result<View> {
    let start = SEATS_AT + u64::from(seat) * SEAT_BYTES;
    region.view(start..start + SEAT_BYTES)
}

/// Looks at a seat. One system call where it says that somebody is attached.
pub(crate) fn look_at_seat(region: &Region, number: u32, seat: &View) -> SeatSeen {
    let said = || Presence::from_word(seat.load_u64(seat::PRESENCE, Acquire));
    let presence = said();
    let is_attached = presence.state() == State::Attached;
    // Said again: who left or was succeeded in between is not dead.
    let is_dead = is_attached && lease::is_held(region, number) == Some(false) && said() == presence;
    SeatSeen {
        role: seat.load_u32(seat::ROLE, Relaxed),
        state: if is_dead { PeerState::Died } else { presence.state().into() },
        generation: presence.generation(),
        pid: seat.load_u32(WHO as usize, Relaxed),
    }
}
