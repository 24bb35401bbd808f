//! The words of a queue, taken apart.
//!
//! | bits of a slot's word | |
//! |---:|---|
//! | 0..3 | `state`: 0 free, 1 writing, 2 ready, 3 claimed, 4 later; no other |
//! | 3..11 | `seat` of who writes or claims, or put it off; 0 in free and ready |
//! | 11..28 | `generation` of that seat, its low bits; 0 in free and ready |
//! | 28..36 | `deliveries`: how often the job was given to a worker; stays at 255 |
//! | 36..64 | `lap`: of a free slot the first lap in which it may be taken; else the lap of the job in it |
//!
//! A *position* is the number of a place in the endless row of jobs of a kind, on a circle: the slot in its low bits, the lap above them.

/// Positions of hints have so many bits.
pub(crate) const POSITION_BITS: u32 = 48;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;
const STATE_BITS: u32 = 3;
const SEAT_SHIFT: u32 = STATE_BITS;
const SEAT_BITS: u32 = 8;
const GENERATION_SHIFT: u32 = SEAT_SHIFT + SEAT_BITS;
const GENERATION_BITS: u32 = 17;
const DELIVERIES_SHIFT: u32 = GENERATION_SHIFT + GENERATION_BITS;
const DELIVERIES_BITS: u32 = 8;
pub(super) const LAP_SHIFT: u32 = DELIVERIES_SHIFT + DELIVERIES_BITS;
pub(super) const LAP_BITS: u32 = 28;
const _: () = assert!(LAP_SHIFT + LAP_BITS == 64);
/// How much of a seat's generation a claim names.
pub(crate) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
const DELIVERIES_MASK: u64 = (1 << DELIVERIES_BITS) - 1;
const LAP_MASK: u64 = (1 << LAP_BITS) - 1;

/// Name, first bit and number of bits of what is in a slot's word.
pub(crate) const WORD_BITS: [(&str, u32, u32); 5] = [
    ("state", 0, STATE_BITS),
    ("seat", SEAT_SHIFT, SEAT_BITS),
    ("generation", GENERATION_SHIFT, GENERATION_BITS),
    ("deliveries", DELIVERIES_SHIFT, DELIVERIES_BITS),
    ("lap", LAP_SHIFT, LAP_BITS),
];
/// The same of the hint of the first job.
pub(crate) const HEAD_BITS: [(&str, u32, u32); 2] = [("position", 0, POSITION_BITS), ("epoch", POSITION_BITS, 16)];
/// The same of the hint of what was put off.
pub(crate) const DUE_BITS: [(&str, u32, u32); 3] = [("due_ms", 0, 32), ("is_any", 32, 1), ("version", 33, 31)];

/// What is in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Free,
    /// What a producer has not finished.
    Writing,
    /// A job for anybody.
    Ready,
    /// A job in the hands of a worker.
    Claimed,
    /// A job for anybody, when it is due.
    Later,
}

/// Who writes or claims: a seat and its generation, where they lie in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimant(u64);

impl Claimant {
    pub(crate) fn new(seat: u32, generation: u32) -> Self {
        let seat = u64::from(seat) & ((1 << SEAT_BITS) - 1);
        Self(seat << SEAT_SHIFT | u64::from(generation & GENERATION_MASK) << GENERATION_SHIFT)
    }
}

/// The word of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(super) u64);

impl Word {
    #[inline]
    fn new(lap: u64, state: u64, rest: u64) -> Self {
        Self((lap & LAP_MASK) << LAP_SHIFT | rest | state)
    }

    #[inline]
    pub(super) fn free(lap: u64) -> Self {
        Self::new(lap, 0, 0)
    }

    #[inline]
    pub(super) fn writing(lap: u64, by: Claimant) -> Self {
        Self::new(lap, 1, by.0)
    }

    #[inline]
    pub(super) fn ready(lap: u64, deliveries: u32) -> Self {
        Self::new(lap, 2, u64::from(deliveries) << DELIVERIES_SHIFT)
    }

    #[inline]
    pub(super) fn claimed(lap: u64, deliveries: u32, by: Claimant) -> Self {
        Self::new(lap, 3, u64::from(deliveries) << DELIVERIES_SHIFT | by.0)
    }

    #[inline]
    pub(super) fn later(lap: u64, deliveries: u32, by: Claimant) -> Self {
        Self::new(lap, 4, u64::from(deliveries) << DELIVERIES_SHIFT | by.0)
    }

    /// `None` for a number that nobody honest writes.
    #[inline]
    pub(super) fn state(self) -> Option<State> {
        Some(match self.0 & ((1 << STATE_BITS) - 1) {
            0 => State::Free,
            1 => State::Writing,
            2 => State::Ready,
            3 => State::Claimed,
            4 => State::Later,
            _ => return None,
        })
    }

    #[inline]
    pub(super) fn lap(self) -> u64 {
        self.0 >> LAP_SHIFT
    }

    #[inline]
    pub(super) fn deliveries(self) -> u32 {
        // 8 bits.
        (self.0 >> DELIVERIES_SHIFT & DELIVERIES_MASK) as u32
    }

    /// The seat that it names.
    pub(super) fn seat(self) -> u32 {
        (self.0 >> SEAT_SHIFT & ((1 << SEAT_BITS) - 1)) as u32
    }

    /// Whether it names this seat, in this generation or one before it.
    pub(super) fn is_of(self, seat: u32, generation: u32) -> bool {
        let named = (self.0 >> SEAT_SHIFT) as u32;
        let since = generation.wrapping_sub((self.0 >> GENERATION_SHIFT) as u32) & GENERATION_MASK;
        named & ((1 << SEAT_BITS) - 1) == seat && since <= GENERATION_MASK / 2
    }

    /// How far this lap is ahead of another, on the circle.
    #[inline]
    pub(super) fn laps_ahead(self, lap: u64) -> i64 {
        ((self.lap().wrapping_sub(lap) << (64 - LAP_BITS)) as i64) >> (64 - LAP_BITS)
    }
}

/// The hint of the first job: nothing before its position is ready, unless it is put back there, and then the epoch changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head(pub(super) u64);

impl Head {
    #[inline]
    pub(super) fn position(self) -> u64 {
        self.0 & POSITION_MASK
    }

    #[inline]
    pub(super) fn is_of_epoch(self, other: Self) -> bool {
        (self.0 ^ other.0) >> POSITION_BITS == 0
    }

    pub(super) fn forward(self, position: u64) -> Self {
        Self(self.0 & !POSITION_MASK | position & POSITION_MASK)
    }

    pub(super) fn back(self, position: u64) -> Self {
        Self((self.0 >> POSITION_BITS).wrapping_add(1) << POSITION_BITS | position & POSITION_MASK)
    }
}

/// The hint of the earliest job that was put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due(pub(super) u64);

impl Due {
    /// When, by a clock of milliseconds on the circle of 32 bits.
    #[inline]
    pub(super) fn due_ms(self) -> Option<u32> {
        (self.0 >> 32 & 1 == 1).then_some(self.0 as u32)
    }

    /// Another word, whatever it says: who has looked at the slots before the change knows that it must look again.
    pub(super) fn next(self, due_ms: Option<u32>) -> Self {
        let version = (self.0 >> 33).wrapping_add(1) << 33;
        Self(version | due_ms.map_or(0, |due_ms| 1 << 32 | u64::from(due_ms)))
    }
}

/// Whether `due` is there at `now`, on the circle.
pub(super) fn is_due(due_ms: u32, now_ms: u32) -> bool {
    now_ms.wrapping_sub(due_ms) <= u32::MAX / 2
}

/// The earlier of two times that are both about `now`.
pub(super) fn earlier(a: Option<u32>, b: u32, now_ms: u32) -> u32 {
    match a {
        Some(a) if (a.wrapping_sub(now_ms) as i32) < (b.wrapping_sub(now_ms) as i32) => a,
        _ => b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is put into a word comes out of it again, and nothing of it runs into its neighbour.
    #[test]
    fn word_keeps_its_parts() {
        let by = Claimant::new(255, u32::MAX);
        let word = Word::claimed(LAP_MASK, 255, by);
        assert_eq!((word.state(), word.lap(), word.deliveries()), (Some(State::Claimed), LAP_MASK, 255));
        assert!(
            word.is_of(255, u32::MAX) && word.is_of(255, 0) && !word.is_of(255, u32::MAX - 1) && !word.is_of(254, 0)
        );
        let word = Word::ready(LAP_MASK + 6, 0);
        assert_eq!((word.state(), word.lap(), word.deliveries()), (Some(State::Ready), 5, 0));
        assert_eq!(word.laps_ahead(LAP_MASK), 6);
        assert_eq!(Word::free(LAP_MASK).laps_ahead(5), -6);
        assert_eq!(Word(5).state(), None);
    }

    /// A hint that goes back is another word even where its position stays.
    #[test]
    fn hints_change_when_they_must() {
        let head = Head(u64::MAX);
        assert_eq!(head.back(7), Head(7));
        assert!(!head.back(head.position()).is_of_epoch(head) && head.forward(3).is_of_epoch(head));
        let due = Due(0);
        assert_eq!(due.due_ms(), None);
        assert_eq!(due.next(Some(5)).due_ms(), Some(5));
        assert_ne!(due.next(None), due);
        assert!(is_due(5, 5) && is_due(u32::MAX, 3) && !is_due(6, 5));
        assert_eq!(earlier(Some(u32::MAX), 3, 1), u32::MAX);
    }
}
