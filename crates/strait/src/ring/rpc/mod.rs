//! Call slots: a request and its answer in one place, between callers that own the slots and servers that race for the requests.
//!
//! Each caller has a row of slots, one behind the other; rows lie one behind the other too. A slot:
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | `word`, see below | caller; server |
//! | 8 | `request_bytes`: length of the request; bit 31: the caller has given the call up | caller |
//! | 12 | `answer_bytes`: length of the answer, or why there is none | the server that claimed the call |
//! | 16 | the request | caller |
//! | behind it, at a multiple of 8 | the answer | the server that claimed the call |
//!
//! | bits of `word` | |
//! |---:|---|
//! | 0..4 | state: 0 free, 1 ready, 2 serving, 3 done, 4 failed, 5 dropped |
//! | 4..12 | seat of whoever brought the word there |
//! | 12..28 | generation of that seat, its lower bits |
//! | 28..64 | number of the call |
//!
//! ```text
//!             caller: POST            server: claim             server: ANSWER
//!  free, done ------------> ready ----------------------> serving ------------> done, failed, dropped
//!    ^  ^                    | ^     (an exchange)         |   |                     |
//!    |  +--- caller: withdraw+ +--- caller: repeat --------+   |                     |
//!    |        (an exchange)      (its server is dead)          |                     |
//!    +------------------------- caller: take back -------------+                     |
//!    +-------------------------------------------------------------------------------+
//! ```
//!
//! A short request travels with its word in one cache line, and its answer comes back in the same.
//!
//! 1. A call exists when its word says ready: that is stored last. What a caller was killed before is nothing.
//! 2. Only the row's owner brings a word to ready, and only over one that is nobody's: free, done, failed, dropped, or a dead server's.
//! 3. A call is claimed by one exchange of the very word that says ready, which names the caller's generation. So it goes to one server
//!    at the most, and a dead caller's call is known from its successor's.
//! 4. From the claim on, the answer's bytes are the claiming server's until it stores done, failed or dropped. That is a plain store, for
//!    nobody else writes the word while that server lives: who gives up on a call, or succeeds a caller, says so beside it, and leaves the
//!    slot alone until then. A dead server stores nothing.
//! 5. Call n lies in slot n modulo their number. A caller whose next slot is taken leaves that number out. So the calls of a row that
//!    are ready are the more recent the larger their number is, and a server takes the smallest.
//! 6. A slot whose request is written in place, or whose answer is read in place, is out of the row meanwhile. What is written in place gets its
//!    number when it is begun, so it may be posted behind larger ones; then its place among the calls of its row is not promised.
//! 7. A server believes nothing of a row but that a word says ready, and a length that it has checked. So a caller that lies harms
//!    its own calls.

mod caller;
mod server;

#[cfg(test)]
mod model;
#[cfg(test)]
mod plain;

pub(crate) use caller::{Caller, Seen};
pub(crate) use server::{Claimed, Server};

use crate::ring::PeerFault;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::Shared;

const WORD: usize = 0;
const REQUEST_BYTES: usize = 8;
const ANSWER_BYTES: usize = 12;
const REQUEST: usize = 16;
/// Beside the length of a request: nobody waits for the answer any more.
const GIVEN_UP: u32 = 1 << 31;
const LINE_BYTES: u64 = 64;
/// Slots of one row are told apart in one word.
pub(crate) const IN_FLIGHT_MAX: u32 = 64;
/// Requests and answers are no longer than this.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 1 << 30;

/// Name, offset and length of each field of a slot before the request.
pub(crate) const SLOT_FIELDS: [(&str, usize, usize); 3] =
    [("word", WORD, 8), ("request_bytes", REQUEST_BYTES, 4), ("answer_bytes", ANSWER_BYTES, 4)];
/// Name, first bit and number of bits of what is in a word.
pub(crate) const WORD_BITS: [(&str, u32, u32); 4] = [
    ("state", 0, SEAT_SHIFT),
    ("seat", SEAT_SHIFT, GENERATION_SHIFT - SEAT_SHIFT),
    ("generation", GENERATION_SHIFT, NUMBER_SHIFT - GENERATION_SHIFT),
    ("number", NUMBER_SHIFT, 64 - NUMBER_SHIFT),
];

const STATE_MASK: u64 = 15;
const SEAT_SHIFT: u32 = 4;
const GENERATION_SHIFT: u32 = 12;
const NUMBER_SHIFT: u32 = 28;
/// How much of a generation a word names.
pub(crate) const GENERATION_MASK: u32 = 0xFFFF;
const NUMBER_MASK: u64 = u64::MAX >> NUMBER_SHIFT;

/// What a word says of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Ready,
    Serving,
    Done,
    Failed,
    Dropped,
    /// Nobody honest writes it.
    Impossible,
}

/// Who brought a word where it is: a seat, and as much of its generation as a word names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimant {
    pub(crate) seat: u32,
    pub(crate) generation: u32,
}

impl Claimant {
    /// The owner of a seat that fits into a word: below 256.
    pub(crate) fn new(seat: u32, generation: u32) -> Self {
        Self { seat: seat & 0xFF, generation: generation & GENERATION_MASK }
    }
}

/// A slot's word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    #[inline(always)]
    fn new(state: State, by: Claimant, number: u64) -> Self {
        let state = match state {
            State::Free => 0,
            State::Ready => 1,
            State::Serving => 2,
            State::Done => 3,
            State::Failed => 4,
            State::Dropped => 5,
            State::Impossible => STATE_MASK,
        };
        let by = u64::from(by.seat) << SEAT_SHIFT | u64::from(by.generation) << GENERATION_SHIFT;
        Self(state | by | number << NUMBER_SHIFT)
    }

    #[inline(always)]
    fn state(self) -> State {
        match self.0 & STATE_MASK {
            0 => State::Free,
            1 => State::Ready,
            2 => State::Serving,
            3 => State::Done,
            4 => State::Failed,
            5 => State::Dropped,
            _ => State::Impossible,
        }
    }

    #[inline(always)]
    fn by(self) -> Claimant {
        // Fields of 8 and 16 bits.
        Claimant::new((self.0 >> SEAT_SHIFT) as u32, (self.0 >> GENERATION_SHIFT) as u32)
    }

    #[inline(always)]
    fn number(self) -> u64 {
        self.0 >> NUMBER_SHIFT
    }

    /// The same call, brought to `state` by `by`.
    #[inline(always)]
    fn to(self, state: State, by: Claimant) -> Self {
        Self::new(state, by, self.number())
    }
}

/// Calls that wait for a server, or are being served.
#[cfg(test)]
pub(crate) fn calls_in(shape: Shape, rows: &impl Shared) -> u64 {
    census(shape, rows, |_| (), |_| ()).expect("honest words").open
}

/// What who only looks finds in the slots of all callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Calls that wait for a server, or are being served.
    pub(crate) open: u64,
    /// The numbers that calls have got, all rows together.
    pub(crate) numbered: u64,
}

/// Counts the calls; `waits` is told the row of each that is open, `serves` the seat of whom it is being served by. Looks at every slot of
/// `rows`, and writes none.
///
/// # Errors
/// A word that nobody honest writes.
pub(crate) fn census(
    shape: Shape,
    rows: &impl Shared,
    mut waits: impl FnMut(u32),
    mut serves: impl FnMut(u32),
) -> Result<Census, PeerFault> {
    let mut census = Census::default();
    for row in 0..shape.rows {
        let mut last = 0;
        for slot in 0..shape.in_flight {
            let at = shape.at(row, slot) + WORD;
            // Relaxed: a picture of a moment.
            let word = Word(rows.load_u64(at, Relaxed));
            match word.state() {
                State::Impossible => {
                    return Err(PeerFault { what: "state of a call", offset: at as u64, found: word.0 });
                }
                State::Ready => waits(row),
                State::Serving => {
                    waits(row);
                    serves(word.by().seat);
                }
                _ => {}
            }
            census.open += u64::from(matches!(word.state(), State::Ready | State::Serving));
            last = if is_before(last, word.number()) { word.number() } else { last };
        }
        // At most 256 numbers below 2^36.
        census.numbered += last;
    }
    Ok(census)
}

/// Whether one number was given out before the other, on their circle.
fn is_before(one: u64, other: u64) -> bool {
    other.wrapping_sub(one) & NUMBER_MASK <= NUMBER_MASK / 2 && one != other
}

/// The shape of all rows, agreed when they were made and checked when they were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    rows: u32,
    in_flight: u32,
    request_max: u32,
    answer_max: u32,
    answer_at: usize,
    slot_bytes: u64,
}

impl Shape {
    /// A shape, if the numbers can be one.
    pub(crate) fn new(rows: u32, in_flight: u32, request_max: u32, answer_max: u32) -> Option<Self> {
        let are_sound = (1..=256).contains(&rows)
            && (1..=IN_FLIGHT_MAX).contains(&in_flight)
            && request_max <= MESSAGE_BYTES_MAX
            && answer_max <= MESSAGE_BYTES_MAX;
        let answer_at = REQUEST as u64 + u64::from(request_max).next_multiple_of(8);
        let slot_bytes = (answer_at + u64::from(answer_max)).next_multiple_of(LINE_BYTES);
        // Some 2 GiB at the most.
        are_sound.then_some(Self {
            rows,
            in_flight,
            request_max,
            answer_max,
            answer_at: answer_at as usize,
            slot_bytes,
        })
    }

    /// How many bytes all rows take: at most 2^45.
    pub(crate) fn bytes(self) -> u64 {
        self.row_bytes() * u64::from(self.rows)
    }

    pub(crate) fn row_bytes(self) -> u64 {
        self.slot_bytes * u64::from(self.in_flight)
    }

    pub(crate) fn slot_bytes(self) -> u64 {
        self.slot_bytes
    }

    pub(crate) fn in_flight(self) -> u32 {
        self.in_flight
    }

    pub(crate) fn request_max(self) -> u32 {
        self.request_max
    }

    pub(crate) fn answer_max(self) -> u32 {
        self.answer_max
    }

    /// Where requests begin in a slot.
    pub(crate) fn request_at(self) -> usize {
        REQUEST
    }

    /// Where answers begin in a slot.
    pub(crate) fn answer_at(self) -> usize {
        self.answer_at
    }

    /// The slot of a call.
    #[inline(always)]
    fn slot_of(self, number: u64) -> u32 {
        let slots = u64::from(self.in_flight);
        // Below `in_flight`. A division takes as long as a call has left to lose, and most counts are powers of two.
        let slot = if slots.is_power_of_two() { number & (slots - 1) } else { number % slots };
        slot as u32
    }

    /// Where a slot of a row begins.
    #[inline(always)]
    fn at(self, row: u32, slot: u32) -> usize {
        (u64::from(row) * self.row_bytes() + u64::from(slot) * self.slot_bytes) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word says again what was put into it, at the ends of each field.
    #[test]
    fn words_come_apart() {
        for (state, seat, generation, number) in [
            (State::Free, 0, 0, 0),
            (State::Ready, 255, 0xFFFF, NUMBER_MASK),
            (State::Dropped, 1, 0x8000, 1 << 35),
            (State::Serving, 128, 1, 7),
        ] {
            let word = Word::new(state, Claimant::new(seat, generation), number);
            assert_eq!(
                (word.state(), word.by().seat, word.by().generation, word.number()),
                (state, seat, generation, number)
            );
        }
        assert_eq!(Word(u64::MAX).state(), State::Impossible);
    }

    /// Numbers are ordered across the end of their circle.
    #[test]
    fn numbers_go_round() {
        assert!(is_before(1, 2) && !is_before(2, 1) && !is_before(5, 5));
        assert!(is_before(NUMBER_MASK, 0) && !is_before(0, NUMBER_MASK));
    }

    /// A short request and its answer share a cache line; numbers that cannot be make no shape.
    #[test]
    fn shapes() {
        let shape = Shape::new(2, 8, 8, 8).expect("sound");
        assert_eq!((shape.slot_bytes(), shape.answer_at(), shape.bytes()), (64, 24, 1024));
        assert_eq!(Shape::new(1, 1, 13, 25).expect("sound").slot_bytes(), 64);
        assert_eq!(Shape::new(1, 1, 13, 33).expect("sound").slot_bytes(), 128);
        for (rows, in_flight, request, answer) in
            [(0, 1, 8, 8), (257, 1, 8, 8), (1, 0, 8, 8), (1, 65, 8, 8), (1, 1, u32::MAX, 8), (1, 1, 8, u32::MAX)]
        {
            assert_eq!(Shape::new(rows, in_flight, request, answer), None);
        }
    }
}
