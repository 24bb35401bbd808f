//! What lies about channels of many have in common: the hub's words are the same in all.

use super::memory::Memory;
use strait::channel::layout::{Field, Part};

/// Where the seats begin, and how long each is, in every channel of many.
const SEATS_AT: u32 = 4608;
const SEAT_BYTES: u32 = 256;
const PAGE_BYTES: u32 = 4096;

/// Writes into every seat that its owner has left, and rings: what [`super::world::World::leave`] does in a channel of many.
pub fn leave(layout: &[Field], memory: &Memory) {
    let of = |name: &'static str| {
        layout.iter().filter(move |it| matches!(it.part, Part::Seat(_)) && it.name == name).map(|it| it.offset as usize)
    };
    for presence in of("presence") {
        let generation = memory.load(presence, 8) >> 32;
        memory.store(presence, 8, generation << 32 | 2);
    }
    // Who waits for a role to be gone must have seen somebody of it.
    layout.iter().filter(|it| it.part == Part::Roles).for_each(|it| memory.store(it.offset as usize, 8, u64::MAX));
    for doorbell in of("doorbell") {
        memory.store(doorbell, 4, memory.load(doorbell, 4) + 1);
        memory.wake(doorbell);
    }
}

/// How many seats a header can allege where so many were asked for: as many as a region of that size has room for. Whoever opens it
/// believes that, for it may be so.
#[must_use]
pub const fn seats(asked: u32) -> u32 {
    (asked * SEAT_BYTES + SEATS_AT).next_multiple_of(PAGE_BYTES).saturating_sub(SEATS_AT) / SEAT_BYTES
}

/// The locks of these seats: what [`super::world::World::dying`] says where their owners die.
#[must_use]
pub fn leases(layout: &[Field], seats: impl IntoIterator<Item = usize>) -> Vec<u64> {
    let all: Vec<u64> = layout.iter().filter(|it| it.name == "seat_lease").map(|it| it.offset).collect();
    seats.into_iter().filter_map(|seat| all.get(seat).copied()).collect()
}
