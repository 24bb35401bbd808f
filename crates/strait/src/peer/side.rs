//! A side's page: what one peer tells the other.
//!
//! | offset | field | read by the other side |
//! |---:|---|---|
//! | 0 | `presence`, see below | at each operation |
//! | 8 | `wake_at`: the position that it waits for, a sleeping sender's | when it sleeps |
//! | 12 | `cpu`: the core on which it last waited or woke the other | when the other waits |
//! | 16 | `fences`: 1 while it passes a full barrier at each of its actions | when the other goes to sleep |
//! | 64 | `bell`: counts the rings for the *other* side, which sleeps on it | when the other sleeps |
//! | 128 | progress, 64 bytes, the ring's | by the ring |
//! | 192 | `pid`, `start_ticks` (200), `pid_namespace` (208), `since_ns` (216), for people | by people |
//!
//! Only the owner of the side writes its page. The presence word says in one word whether the owner is there and whether it
//! sleeps, so the other side learns of both with one load of a line that seldom changes:
//!
//! | bits | |
//! |---:|---|
//! | 0..32 | how often it went to sleep and woke up: odd while it sleeps |
//! | 32..34 | 0 never, 1 attached, 2 left |
//! | 34..64 | generation: how many owners the side has had |

use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Shared, SharedMut};

/// A side takes a page, so that a peer that must not write it can be given it read-only.
pub(crate) const SIDE_BYTES: u64 = 4096;
pub(crate) const PRESENCE: usize = 0;
pub(crate) const WAKE_AT: usize = 8;
pub(crate) const CPU: usize = 12;
pub(crate) const FENCES: usize = 16;
pub(crate) const BELL: usize = 64;
/// How much of the page the waiting protocol uses.
pub(crate) const LINK_BYTES: u64 = 128;
pub(crate) const PROGRESS: u64 = 128;
pub(crate) const WHO: u64 = 192;
pub(crate) const WHO_BYTES: u64 = 32;
const PID: usize = 0;
const START_TICKS: usize = 8;
const PID_NAMESPACE: usize = 16;
const SINCE_NS: usize = 24;

const STATE_SHIFT: u32 = 32;
const GENERATION_SHIFT: u32 = 34;

/// Name, offset and length of each field, but for the ring's progress.
pub(crate) const FIELDS: [(&str, usize, usize); 9] = [
    ("presence", PRESENCE, 8),
    ("wake_at", WAKE_AT, 4),
    ("cpu", CPU, 4),
    ("fences", FENCES, 4),
    ("bell", BELL, 4),
    ("pid", WHO as usize + PID, 4),
    ("start_ticks", WHO as usize + START_TICKS, 8),
    ("pid_namespace", WHO as usize + PID_NAMESPACE, 8),
    ("since_ns", WHO as usize + SINCE_NS, 8),
];
/// Name, first bit and number of bits of what is in a presence word.
pub(crate) const PRESENCE_BITS: [(&str, u32, u32); 3] = [
    ("sleeps", 0, STATE_SHIFT),
    ("state", STATE_SHIFT, GENERATION_SHIFT - STATE_SHIFT),
    ("generation", GENERATION_SHIFT, GENERATION_MASK.count_ones()),
];
const GENERATION_MASK: u64 = (1 << 30) - 1;

/// What a presence word says its owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Never,
    Attached,
    Left,
}

/// A presence word, taken apart.
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

    /// The next owner of a side that looks like this: attached, awake.
    pub(crate) fn succeeded(self) -> Self {
        let generation = ((self.0 >> GENERATION_SHIFT) + 1) & GENERATION_MASK;
        // The count of sleeps goes on, evenly, so that no old odd value is ever met again soon.
        let sleeps = u64::from(self.sleeps().wrapping_add(1) & !1);
        Self(generation << GENERATION_SHIFT | 1 << STATE_SHIFT | sleeps)
    }

    /// The same owner, gone in good order and awake.
    pub(crate) fn left(self) -> Self {
        let awake = u64::from(self.sleeps().wrapping_add(1) & !1);
        Self(self.0 >> GENERATION_SHIFT << GENERATION_SHIFT | 2 << STATE_SHIFT | awake)
    }

    /// The same owner, one step on in its count of sleeps.
    #[inline]
    pub(crate) fn turned(self) -> Self {
        Self(self.0 >> STATE_SHIFT << STATE_SHIFT | u64::from(self.sleeps().wrapping_add(1)))
    }

    #[inline]
    pub(crate) fn is_asleep(self) -> bool {
        self.0 & 1 == 1
    }

    /// Truncation: the lower half is the count.
    #[inline]
    fn sleeps(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn state(self) -> State {
        match self.0 >> STATE_SHIFT & 3 {
            1 => State::Attached,
            0 => State::Never,
            // 3 is nothing that an honest side writes; a side that lies has left the channel.
            _ => State::Left,
        }
    }

    /// Generation and state, without the sleeping.
    pub(crate) fn owner(self) -> u64 {
        self.0 >> STATE_SHIFT
    }
}

/// Writes who this process is, for people. `who` is the window at [`WHO`].
pub(crate) fn sign(who: &impl SharedMut) {
    let me = strait_sys::proc::whoami();
    who.store_u32(PID, me.pid, Relaxed);
    who.store_u64(START_TICKS, me.start_ticks, Relaxed);
    who.store_u64(PID_NAMESPACE, me.pid_namespace, Relaxed);
    who.store_u64(SINCE_NS, strait_sys::clock_gettime::realtime_ns(), Relaxed);
}

/// Who a side says that it is, for people. `who` is the window at [`WHO`].
pub(crate) fn alleged(who: &impl Shared) -> strait_sys::proc::Whoami {
    strait_sys::proc::Whoami {
        pid: who.load_u32(PID, Relaxed),
        start_ticks: who.load_u64(START_TICKS, Relaxed),
        pid_namespace: who.load_u64(PID_NAMESPACE, Relaxed),
    }
}

/// Since when a side says that it is there, by `CLOCK_REALTIME`, for people. `who` is the window at [`WHO`].
pub(crate) fn alleged_since_ns(who: &impl Shared) -> u64 {
    who.load_u64(SINCE_NS, Relaxed)
}

/// The pid that a side alleges, for people.
pub(crate) fn alleged_pid(who: &impl Shared) -> u32 {
    who.load_u32(PID, Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A side's life: never, attached, asleep, awake, left, and the next owner, each told apart by the word alone.
    #[test]
    fn presence_tells_the_life_of_a_side() {
        let never = Presence::from_word(0);
        assert_eq!(never.state(), State::Never);
        let attached = never.succeeded();
        assert_eq!((attached.state(), attached.is_asleep()), (State::Attached, false));
        let asleep = attached.turned();
        assert!(asleep.is_asleep());
        assert_eq!(asleep.owner(), attached.owner());
        assert!(!asleep.turned().is_asleep());
        let left = asleep.left();
        assert_eq!((left.state(), left.is_asleep()), (State::Left, false));
        let next = asleep.succeeded();
        assert_eq!((next.state(), next.is_asleep()), (State::Attached, false));
        assert_ne!(next.owner(), attached.owner());
        assert_eq!(Presence::from_word(3 << 32).state(), State::Left);
        assert_eq!(Presence::from_word(u64::MAX).succeeded().state(), State::Attached);
    }
}
