//! A seat: what one of the many users of a channel tells the others.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | `presence`, see below | its owner; who finds the owner dead |
//! | 8 | `role`: what the owner is to the channel | owner |
//! | 12 | `wake_at`: what the owner waits for, of the channel's own meaning | owner |
//! | 16 | `cpu`: the core on which it last waited; all ones before that | owner |
//! | 64 | `doorbell`: counts the rings for the owner, which sleeps on it | everybody |
//! | 128 | progress, 64 bytes, the channel's | owner |
//! | 192 | `pid`, `start_ticks` (200), `pid_namespace` (208), `since_ns` (216), for people | owner |
//!
//! | bits of `presence` | |
//! |---:|---|
//! | 0..2 | 0 never, 1 attached, 2 left, 3 died |
//! | 2..32 | zero |
//! | 32..64 | generation: how many owners the seat has had |
//!
//! 1. A seat's owner holds its lease. It stores "attached" with the next generation after taking the lease, and "left" before it gives
//!    the lease back.
//! 2. What an owner claims elsewhere in the region names its seat and its generation in the same word. So whoever finds the seat
//!    attached and its lease free, or the seat's generation further on, knows that the claim is a dead one's.
//! 3. Who finds an owner dead mends what it left, and then says "died" by one exchange of the very word it saw: the next owner's word
//!    is a different one, and is never overwritten.

use crate::peer::PeerState;
use crate::peer::side::{WHO, WHO_BYTES};

pub(crate) const SEAT_BYTES: u64 = 256;
/// More seats than this no channel has.
pub(crate) const SEATS_MAX: u32 = 256;

pub(crate) const PRESENCE: usize = 0;
pub(crate) const ROLE: usize = 8;
pub(crate) const WAKE_AT: usize = 12;
pub(crate) const CPU: usize = 16;
/// Who has not waited yet.
pub(crate) const NO_CPU: u32 = u32::MAX;
pub(crate) const DOORBELL: usize = 64;
pub(crate) const PROGRESS: u64 = 128;
pub(crate) const PROGRESS_BYTES: u64 = 64;
const _: () = assert!(WHO == PROGRESS + PROGRESS_BYTES && WHO + WHO_BYTES <= SEAT_BYTES);

/// Name, offset and length of each field, but for the channel's progress and who the owner is.
pub(crate) const FIELDS: [(&str, usize, usize); 5] =
    [("presence", PRESENCE, 8), ("role", ROLE, 4), ("wake_at", WAKE_AT, 4), ("cpu", CPU, 4), ("doorbell", DOORBELL, 4)];
/// Name, first bit and number of bits of what is in a presence word.
pub(crate) const PRESENCE_BITS: [(&str, u32, u32); 3] = [
    ("state", 0, STATE_BITS),
    ("zero", STATE_BITS, GENERATION_SHIFT - STATE_BITS),
    ("generation", GENERATION_SHIFT, 32),
];

const STATE_BITS: u32 = 2;
const STATE_MASK: u64 = 3;
const GENERATION_SHIFT: u32 = 32;

/// What a presence word says of the seat's last owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Never,
    Attached,
    Left,
    Died,
}

/// A seat's presence word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presence(u64);

impl Presence {
    #[inline]
    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn state(self) -> State {
        match self.0 & STATE_MASK {
            0 => State::Never,
            1 => State::Attached,
            2 => State::Left,
            _ => State::Died,
        }
    }

    /// How many owners the seat has had, on the circle of 32 bits.
    #[inline]
    pub(crate) fn generation(self) -> u32 {
        // The upper half.
        (self.0 >> GENERATION_SHIFT) as u32
    }

    fn new(generation: u32, state: State) -> Self {
        let state = match state {
            State::Never => 0,
            State::Attached => 1,
            State::Left => 2,
            State::Died => 3,
        };
        Self(u64::from(generation) << GENERATION_SHIFT | state)
    }

    /// The next owner of a seat that looks like this.
    pub(crate) fn succeeded(self) -> Self {
        Self::new(self.generation().wrapping_add(1), State::Attached)
    }

    /// The same owner, gone in good order.
    pub(crate) fn left(self) -> Self {
        Self::new(self.generation(), State::Left)
    }

    /// The same owner, found dead.
    pub(crate) fn died(self) -> Self {
        Self::new(self.generation(), State::Died)
    }
}

impl From<State> for PeerState {
    /// What a seat says, as far as it can be believed without asking for the lease.
    fn from(state: State) -> Self {
        match state {
            State::Never => Self::NotYet,
            State::Attached => Self::Attached,
            State::Left => Self::Left,
            State::Died => Self::Died,
        }
    }
}

/// The seats of a channel, and what the kernel knows of their owners: what finding the dead asks for, so that the models can go through
/// every order of several finders, owners and successors.
pub(crate) trait Table {
    /// What the seat's last owner says of itself.
    fn presence(&self, seat: u32) -> Presence;
    /// Says `to` where it still says `from`.
    fn exchange(&self, seat: u32, from: Presence, to: Presence);
    /// Asks the kernel; never of one's own seat.
    fn is_held_by_another(&self, seat: u32) -> bool;
}

/// Whether the owner who wrote `presence` is dead. Not asked of one's own seat.
pub(crate) fn is_dead(table: &impl Table, seat: u32, presence: Presence) -> bool {
    let is_here = presence.state() != State::Attached || table.is_held_by_another(seat);
    // Read again: who left or was succeeded in between is not dead.
    !is_here && table.presence(seat) == presence
}

/// Whether whoever had the seat with this generation is known to be gone (rule 2); `mask` is how much of the generation a claim names. The
/// dead count as here until they are found.
pub(crate) fn is_known_gone(table: &impl Table, seat: u32, generation: u32, mask: u32) -> bool {
    let presence = table.presence(seat);
    presence.generation() & mask != generation & mask || presence.state() != State::Attached
}

/// The state of a seat's owner.
pub(crate) fn state_of(table: &impl Table, own: u32, seat: u32) -> PeerState {
    let presence = table.presence(seat);
    if seat != own && is_dead(table, seat, presence) { PeerState::Died } else { presence.state().into() }
}

/// Finds the dead of these seats, of which none is one's own: has each mended, by seat and generation, and then marks it (rule 3). Says
/// how many there were.
pub(crate) fn find_dead(table: &impl Table, seats: impl Iterator<Item = u32>, mut mend: impl FnMut(u32, u32)) -> u32 {
    let mut found = 0;
    for seat in seats {
        let presence = table.presence(seat);
        if !is_dead(table, seat, presence) {
            continue;
        }
        mend(seat, presence.generation());
        // Where it says something else somebody was faster, or the seat has its next owner.
        table.exchange(seat, presence, presence.died());
        found += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seat's life: never, attached, left or died, and the next owner, each told apart by the word alone.
    #[test]
    fn presence_tells_the_life_of_a_seat() {
        let never = Presence::from_word(0);
        assert_eq!((never.state(), never.generation()), (State::Never, 0));
        let attached = never.succeeded();
        assert_eq!((attached.state(), attached.generation()), (State::Attached, 1));
        assert_eq!((attached.left().state(), attached.left().generation()), (State::Left, 1));
        assert_eq!((attached.died().state(), attached.died().generation()), (State::Died, 1));
        assert_eq!(attached.died().succeeded(), attached.left().succeeded());
        assert_eq!(Presence::from_word(u64::MAX).succeeded().generation(), 0);
    }
}
