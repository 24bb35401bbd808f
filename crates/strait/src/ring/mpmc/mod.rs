//! A queue of jobs between many producers and many workers: each job to one worker at a time, and out of the queue when that one says so.
//!
//! | offset | part | who writes |
//! |---:|---|---|
//! | 128 k | `tail` of kind k: a hint, see rule 4 | producers |
//! | 128 k + 64 | `head` of kind k: a hint, see rule 6 | workers |
//! | 128 k + 72 | `due` of kind k: a hint, see rule 8 | workers |
//! | 128 x kinds | the slots of kind 0, then those of kind 1, and so on | |
//!
//! | offset in a slot | field | who writes |
//! |---:|---|---|
//! | 0 | `word`, see [`word`]: what is in the slot, and whose it is | everybody, by exchange; who has it, by a store |
//! | 8 | `len_bytes` of the payload | who writes the job |
//! | 12 | `due_ms`: when a job that was put off is due | who put it off |
//! | 16 | payload | who writes the job |
//!
//! ```text
//!              push                      pop                     ack
//!   FREE(lap) -----> WRITING -----> READY -----> CLAIMED -----------> FREE(lap + 1)
//!                       |             ^            |  | nack_after
//!                       | dead        |    nack,   |  v
//!                       v             +--- dead ---+ LATER
//!                  FREE(lap + 1)      +------ due -----+
//! ```
//!
//! 1. The word of a slot is the truth, the only one. A claim names its claimant in the same word, so at every instruction it is known whose
//!    a slot is; a kill leaves a word that says what to do, and everything that mends exchanges that very word.
//! 2. A slot's lap only grows. So whoever has seen it beyond its own lap knows that nothing will ever be there for it.
//! 3. A producer takes the first free slot from its own position on, and its positions only grow: workers meet its jobs in their order. A
//!    slot that is still in somebody's hands from an earlier lap is passed over; the queue is smaller by it as long as that lasts.
//! 4. Everything before `tail` was taken or passed over. It may lag, but never behind a slot that was passed over when there is a job
//!    beyond it: who passes one over raises it before its job is seen. Who takes a slot and then finds `tail` beyond it gives it up.
//! 5. So a worker that finds nothing at a position passes on if `tail` is beyond it, and otherwise has come to the end. It reads `tail` and
//!    then the slot; the producer changes the slot and then reads `tail`; all of it in one order (`QUEUE-PASS`).
//! 6. Nothing before `head` is ready or being written. It may lag. It goes forward only by one who has looked at all it passes since it
//!    last read it; who makes a job ready behind it (puts it back) changes its epoch afterwards, so that everybody starts over from there.
//! 7. A slot that is being written is passed, and remembered ([`worker::Worker`]): it is looked at again before any job behind it is taken.
//! 8. `due` is not later than the earliest job put off. Who puts one off changes it afterwards, whatever it says.
//! 9. Rules 6 and 8 have a step after the word: who finds its owner dead does that step again ([`mend`]).
//! 10. Hints are allegations like all else: a wrong one costs looks, bounded by the number of slots, and no more.

mod mend;
#[cfg(test)]
mod model;
#[cfg(test)]
mod plain;
pub(crate) mod producer;
pub(crate) mod word;
pub(crate) mod worker;

use crate::ring::PeerFault;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use strait_mem::{Shared, SharedRmw};
use word::{Due, Head, LAP_BITS, State, Word, earlier};

/// Two cache lines for the hints of a kind.
pub(crate) const LANE_BYTES: usize = 128;
pub(crate) const TAIL: usize = 0;
pub(crate) const HEAD: usize = 64;
pub(crate) const DUE: usize = 72;
/// In a slot.
pub(crate) const LEN: usize = 8;
pub(crate) const DUE_MS: usize = 12;
pub(crate) const PAYLOAD: usize = 16;
pub(crate) const KINDS_MAX: u32 = 16;
pub(crate) const SLOTS_MIN: u32 = 2;
pub(crate) const SLOTS_MAX: u32 = 1 << 20;
const LINE_BYTES: u32 = 64;
/// See [`Shape::lag_max`].
const LAG_MAX: u32 = 32;
/// How often an exchange of a hint is tried. Each failure is somebody else's success, so only a liar makes it so many.
const EXCHANGES_MAX: u32 = 1 << 8;

/// Name, offset and length of the hints of a kind.
pub(crate) const LANE_FIELDS: [(&str, usize, usize); 3] = [("tail", TAIL, 8), ("head", HEAD, 8), ("due", DUE, 8)];
/// The same of what is in a slot before the payload.
pub(crate) const SLOT_FIELDS: [(&str, usize, usize); 3] =
    [("word", 0, 8), ("len_bytes", LEN, 4), ("due_ms", DUE_MS, 4)];

/// The shape of a queue, agreed when it was made and checked when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    slots: u32,
    kinds: u32,
    stride_bytes: u32,
    /// The longest payload, and each where lengths do not differ.
    payload_max_bytes: u32,
    has_lengths: bool,
    /// Follows from `slots`, as the next: which bits of a position are its lap.
    lap_shift: u32,
    /// Bits of 64 that a position does not have.
    unused_bits: u32,
}

impl Shape {
    /// A shape, if the numbers can be one. `item_bytes` is of every payload; 0 where lengths differ.
    pub(crate) fn new(slots: u32, kinds: u32, stride_bytes: u32, item_bytes: u32) -> Option<Self> {
        let is_one = slots.is_power_of_two()
            && (SLOTS_MIN..=SLOTS_MAX).contains(&slots)
            && (1..=KINDS_MAX).contains(&kinds)
            && stride_bytes >= LINE_BYTES
            && stride_bytes % LINE_BYTES == 0
            && item_bytes <= stride_bytes - PAYLOAD as u32;
        let has_lengths = item_bytes == 0;
        let payload_max_bytes = if has_lengths { stride_bytes.wrapping_sub(PAYLOAD as u32) } else { item_bytes };
        let lap_shift = slots.trailing_zeros();
        // At most 32, of 36.
        let unused_bits = 64 - LAP_BITS - lap_shift;
        let shape = Self { slots, kinds, stride_bytes, payload_max_bytes, has_lengths, lap_shift, unused_bits };
        (is_one && usize::try_from(shape.body_bytes()).is_ok()).then_some(shape)
    }

    /// How far apart slots for such payloads are; `None` where they cannot be.
    pub(crate) fn stride_for(payload_bytes: u32) -> Option<u32> {
        payload_bytes.checked_add(PAYLOAD as u32)?.checked_next_multiple_of(LINE_BYTES)
    }

    /// How many bytes a queue takes. Below 2^57.
    pub(crate) fn body_bytes(self) -> u64 {
        u64::from(self.kinds) * (LANE_BYTES as u64 + u64::from(self.slots) * u64::from(self.stride_bytes))
    }

    pub(crate) fn slots(self) -> u32 {
        self.slots
    }

    pub(crate) fn kinds(self) -> u32 {
        self.kinds
    }

    /// The longest payload.
    pub(crate) fn payload_max_bytes(self) -> u32 {
        self.payload_max_bytes
    }

    /// How far a hint may lag before it is moved: the less it is moved the better, but never so far that laps are lost sight of.
    #[inline]
    fn lag_max(self) -> i64 {
        i64::from((self.slots / 2).min(LAG_MAX))
    }

    /// Where a payload begins.
    pub(crate) fn payload(self, kind: u32, position: u64) -> usize {
        self.slot(kind, position) + PAYLOAD
    }

    /// Where the slot of a position begins.
    #[inline]
    pub(crate) fn slot(self, kind: u32, position: u64) -> usize {
        // Below `slots`, which is 32 bits.
        let index = position as usize & (self.slots as usize - 1);
        let first = self.kinds as usize * LANE_BYTES;
        first + (kind as usize * self.slots as usize + index) * self.stride_bytes as usize
    }

    #[inline]
    fn lap(self, position: u64) -> u64 {
        position >> self.lap_shift
    }

    /// The position of a job by its slot and lap.
    fn position(self, lap: u64, slot: u64) -> u64 {
        lap << self.lap_shift | slot & (u64::from(self.slots) - 1)
    }

    /// How far a position is ahead of another, on the circle.
    #[inline]
    fn ahead(self, position: u64, of: u64) -> i64 {
        ((position.wrapping_sub(of) << self.unused_bits) as i64) >> self.unused_bits
    }

    /// On the circle of positions.
    #[inline]
    fn on_circle(self, position: u64) -> u64 {
        position << self.unused_bits >> self.unused_bits
    }
}

fn lane(kind: u32, field: usize) -> usize {
    kind as usize * LANE_BYTES + field
}

/// Jobs in a queue: ready, in hands or put off. Looks at every slot of `window`, the body, and writes none.
pub(crate) fn jobs_in(shape: Shape, window: &impl Shared) -> u64 {
    let slots = (0..shape.kinds).flat_map(|kind| (0..u64::from(shape.slots)).map(move |slot| (kind, slot)));
    let is_job = |state| matches!(state, State::Ready | State::Claimed | State::Later);
    // Relaxed: a picture of a moment. What made the caller ask was an acquire.
    let state = |(kind, slot)| Word(window.load_u64(shape.slot(kind, slot), Relaxed)).state();
    // At most kinds times slots.
    slots.filter(|&at| state(at).is_some_and(is_job)).count() as u64
}

/// What who only looks finds in the slots of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Ready, in hands or put off.
    pub(crate) jobs: u64,
    /// Of those, such as were in hands before and came back.
    pub(crate) came_back: u64,
    /// How often a slot was used and is free again, all of them together.
    pub(crate) done: u64,
}

/// Counts what is in a queue; `in_hands` is told the seat of each job that is in hands. Looks at every slot of `window`, the body.
///
/// # Errors
/// A word that nobody honest writes.
pub(crate) fn census(shape: Shape, window: &impl Shared, mut in_hands: impl FnMut(u32)) -> Result<Census, PeerFault> {
    let mut census = Census::default();
    for kind in 0..shape.kinds {
        for slot in 0..u64::from(shape.slots) {
            let at = shape.slot(kind, slot);
            // Relaxed: a picture of a moment.
            let word = Word(window.load_u64(at, Relaxed));
            let given = match word.state() {
                Some(State::Free | State::Writing) => None,
                Some(State::Ready | State::Later) => Some(word.deliveries()),
                Some(State::Claimed) => {
                    in_hands(word.seat());
                    Some(word.deliveries().saturating_sub(1))
                }
                None => return Err(fault("state of a slot", at, word.0)),
            };
            census.jobs += u64::from(given.is_some());
            census.came_back += u64::from(given.is_some_and(|times| times > 0));
            // At most 2^24 slots of 2^28 laps each.
            census.done += word.lap();
        }
    }
    Ok(census)
}

/// The same by the hints alone, for a queue of too many slots: how many places were taken or passed over, and how many of them may be jobs.
pub(crate) fn estimate(shape: Shape, window: &impl Shared) -> (u64, u64) {
    let of = |kind: u32| {
        let head = Head(window.load_u64(lane(kind, HEAD), Relaxed)).position();
        let tail = shape.on_circle(window.load_u64(lane(kind, TAIL), Relaxed));
        let jobs = u64::try_from(shape.ahead(tail, head)).unwrap_or(0);
        (tail, jobs.min(u64::from(shape.slots)))
    };
    (0..shape.kinds).map(of).fold((0, 0), |sum: (u64, u64), (tail, jobs)| (sum.0.saturating_add(tail), sum.1 + jobs))
}

/// The shared words of a queue, as everybody uses them.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    shape: Shape,
    window: W,
}

impl<W: SharedRmw> Queue<W> {
    /// `window` is the body, [`Shape::body_bytes`] long at least.
    pub(crate) fn new(shape: Shape, window: W) -> Self {
        Self { shape, window }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn window(&self) -> &W {
        &self.window
    }

    /// Jobs in the queue: ready, in hands or put off. Looks at every slot.
    pub(crate) fn len(&self) -> u64 {
        jobs_in(self.shape, &self.window)
    }

    #[inline]
    fn load(&self, kind: u32, position: u64, order: std::sync::atomic::Ordering) -> Word {
        Word(self.window.load_u64(self.shape.slot(kind, position), order))
    }

    /// A slot's word, in the order of rule 5.
    #[inline]
    fn load_in_order(&self, kind: u32, position: u64) -> Word {
        // SeqCst, QUEUE-PASS. Acquire in it, pairs with QUEUE-COMMIT.
        self.load(kind, position, SeqCst)
    }

    /// Changes a slot's word, if it is as it was seen.
    #[inline]
    fn exchange(&self, kind: u32, position: u64, from: Word, to: Word) -> bool {
        // AcqRel: what was done in the slot is seen by who has it next.
        self.window.compare_exchange_u64(self.shape.slot(kind, position), from.0, to.0, AcqRel, Relaxed).is_ok()
    }

    #[inline]
    fn tail(&self, kind: u32) -> u64 {
        // SeqCst, QUEUE-PASS: see rule 5.
        self.shape.on_circle(self.window.load_u64(lane(kind, TAIL), SeqCst))
    }

    /// Raises `tail`, if it is not that far.
    fn raise_tail(&self, kind: u32, to: u64) -> Result<(), PeerFault> {
        for _ in 0..EXCHANGES_MAX {
            let seen = self.window.load_u64(lane(kind, TAIL), Acquire);
            if self.shape.ahead(seen, to) >= 0 {
                return Ok(());
            }
            // SeqCst, QUEUE-PASS: see rule 5.
            if self.window.compare_exchange_u64(lane(kind, TAIL), seen, to, SeqCst, Relaxed).is_ok() {
                return Ok(());
            }
        }
        Err(fault("tail that never rests", lane(kind, TAIL), to))
    }

    #[inline]
    fn head(&self, kind: u32) -> Head {
        // Acquire, pairs with HEAD-BACK: who sees the epoch sees the job that was put back.
        Head(self.window.load_u64(lane(kind, HEAD), Acquire))
    }

    /// Tells everybody that there is a job at a position that they may have passed (rule 6).
    fn move_head_back(&self, kind: u32, to: u64) {
        for _ in 0..EXCHANGES_MAX {
            let seen = self.head(kind);
            let position = if self.shape.ahead(to, seen.position()) < 0 { to } else { seen.position() };
            // Release, HEAD-BACK: the job is ready before the epoch changes.
            let back = seen.back(position);
            if self.window.compare_exchange_u64(lane(kind, HEAD), seen.0, back.0, AcqRel, Relaxed).is_ok() {
                return;
            }
        }
    }

    #[inline]
    fn due(&self, kind: u32) -> Due {
        // Acquire, pairs with DUE-NEXT.
        Due(self.window.load_u64(lane(kind, DUE), Acquire))
    }

    /// Tells everybody that a job was put off until then (rule 8).
    fn announce_due(&self, kind: u32, due_ms: u32, now_ms: u32) {
        for _ in 0..EXCHANGES_MAX {
            let seen = self.due(kind);
            // Release, DUE-NEXT: the job is put off before the hint changes.
            if self.exchange_due(kind, seen, seen.next(Some(earlier(seen.due_ms(), due_ms, now_ms)))) {
                return;
            }
        }
    }

    fn exchange_due(&self, kind: u32, from: Due, to: Due) -> bool {
        self.window.compare_exchange_u64(lane(kind, DUE), from.0, to.0, AcqRel, Relaxed).is_ok()
    }

    /// A word that nobody honest writes.
    #[cold]
    fn fault_at(&self, kind: u32, position: u64, word: Word) -> PeerFault {
        fault("state of a slot", self.shape.slot(kind, position), word.0)
    }

    #[inline]
    fn store(&self, kind: u32, position: u64, word: Word) {
        // Release: what was done in the slot is seen by who has it next.
        self.window.store_u64(self.shape.slot(kind, position), word.0, Release);
    }
}

#[cold]
fn fault(what: &'static str, offset: usize, found: u64) -> PeerFault {
    PeerFault { what, offset: offset as u64, found }
}
