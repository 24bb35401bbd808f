//! A lane: the messages of one publisher, read by any number of subscribers that take nothing away.
//!
//! | part | offset | field | who writes |
//! |---|---:|---|---|
//! | lane | 0 | `sent`: messages committed | publisher |
//! | | 64 | `claimed`: messages below this number may be written any moment | publisher |
//! | | 128 | `dropped`: messages that found no room and were given up | publisher |
//! | position | 0 | the subscriber's next message in this lane; 2^64 - 1 where it holds nothing | subscriber |
//! | slots | 0 | slots, one behind the other; message n lies in slot n modulo their number | publisher |
//!
//! | a slot for | begins with | and is |
//! |---|---|---|
//! | items of at most 56 bytes | `sequence`: the message's number + 1 | one cache line |
//! | larger items | the item | as long as the item |
//! | slices | `sequence`, then `len_bytes` in 8 bytes | as long as the longest message, in whole lines |
//! | messages that lie in blocks ([`blocks`]) | `sequence`, then `reference`: which block, how many bytes of it | one cache line |
//!
//! 1. A message exists when the `sequence` of its slot says its number + 1, or, where slots have none, when `sent` is beyond it. That
//!    word is stored last, so a publisher killed before has done nothing. One write serves all subscribers.
//! 2. The publisher claims numbers in runs of an eighth of the slots before it writes them. Message n is as it was sent while `claimed`
//!    is at most n + the number of slots. So seven eighths of the slots are history that whoever comes can read, whenever a publisher dies.
//! 3. A publisher that *keeps* its subscribers writes no slot that one of them has not passed: it looks at their positions once for each
//!    claim, and again when that is used up. One that does not keep them never looks; they copy, and then look at `claimed` (as with a
//!    seqlock): a copy of a message that may have been overwritten is thrown away, and how many were lost is known exactly.
//! 4. Who joins stores a position, passes a barrier and then loads `claimed`; who claims stores it, passes a barrier and then loads
//!    the positions (`LANE-JOIN`). One of them sees the other: the publisher keeps the position, or the subscriber begins behind
//!    what may be overwritten.
//! 5. A position is stored at the end of each *run*: at each sixteenth of the slots, or each 256 messages if that is less, and where all that was
//!    seen to be there has been read. It only says what may be overwritten: a subscriber that dies is not succeeded. One beyond `sent` is a
//!    lie that gains nothing: it counts as `sent`.
//! 6. `sent` is behind the sequences by what a kill left; the next publisher mends it by walking them.
//! 7. Looking for the next message in its slot costs one line for each message, which in a dialogue is the least there can be. In a
//!    stream `sent` is looked at instead, a moment apart, and says many at once (rule 6 of [`super::slots`]).

pub(crate) mod blocks;
#[cfg(test)]
mod plain;
mod reader;
mod writer;

pub(crate) use reader::{Front, Item, Reader};
pub(crate) use writer::Writer;

use crate::ring::PeerFault;

/// Of a lane.
pub(crate) const SENT: usize = 0;
pub(crate) const CLAIMED: usize = 64;
pub(crate) const DROPPED: usize = 128;
pub(crate) const LANE_BYTES: u64 = 256;
/// Of a slot that has them.
pub(crate) const SEQUENCE: usize = 0;
pub(crate) const LEN_BYTES: usize = 8;
pub(crate) const REFERENCE: usize = 8;
/// A position that keeps nothing.
pub(crate) const NOWHERE: u64 = u64::MAX;

/// Name, offset and length of each field.
pub(crate) const LANE_FIELDS: [(&str, usize, usize); 3] =
    [("sent", SENT, 8), ("claimed", CLAIMED, 8), ("dropped", DROPPED, 8)];
pub(crate) const SLOT_FIELDS: [(&str, usize, usize); 2] = [("sequence", SEQUENCE, 8), ("len_bytes", LEN_BYTES, 8)];
/// The same, of a slot whose message lies in a block.
pub(crate) const REFERRING_FIELDS: [(&str, usize, usize); 2] = [SLOT_FIELDS[0], ("reference", REFERENCE, 8)];

pub(crate) const COUNT_MIN: u32 = 16;
pub(crate) const COUNT_MAX: u32 = 1 << 30;
/// A claim is this part of the slots, and so much of them is not history.
const CLAIMS: u32 = 8;
/// A position is stored for this part of the slots, and for so many at the most. Both are powers of two, as is the number of slots, so that the
/// last slot ends a run.
const RUNS: u32 = 16;
const RUN_MAX: u32 = 256;
const LINE_BYTES: usize = 64;
const WORD_BYTES: usize = 8;

/// What lies in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Item,
    Slice,
    /// The message is in a block.
    Reference,
}

/// The shape of a lane, agreed when it was made and checked when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// A power of two.
    count: u32,
    /// The longest message that lies in a slot; that of every message where it is no slice.
    max_bytes: u32,
    form: Form,
}

impl Shape {
    /// A shape, if the numbers can be one.
    pub(crate) fn new(count: u32, max_bytes: u32, is_slice: bool) -> Option<Self> {
        let is_sound = count.is_power_of_two() && (COUNT_MIN..=COUNT_MAX).contains(&count) && max_bytes <= 1 << 30;
        let form = if is_slice { Form::Slice } else { Form::Item };
        (is_sound && (max_bytes > 0 || is_slice)).then_some(Self { count, max_bytes, form })
    }

    /// The shape of a lane whose messages lie in blocks, if it can have so many slots.
    pub(crate) fn referring(count: u32) -> Option<Self> {
        let is_sound = count.is_power_of_two() && (COUNT_MIN..=COUNT_MAX).contains(&count);
        is_sound.then_some(Self { count, max_bytes: 0, form: Form::Reference })
    }

    /// A shape of a few slots, for the models.
    #[cfg(test)]
    pub(crate) fn tiny(count: u32, max_bytes: u32) -> Self {
        Self { count, max_bytes, form: Form::Item }
    }

    /// The same, of references.
    #[cfg(test)]
    pub(crate) fn tiny_referring(count: u32) -> Self {
        Self { count, max_bytes: 0, form: Form::Reference }
    }

    /// How many slots keep `messages` messages (rule 2), if there can be so many.
    pub(crate) fn count_for(messages: u64) -> Option<u32> {
        let slots = messages.checked_mul(u64::from(CLAIMS))?.div_ceil(u64::from(CLAIMS - 1)).max(u64::from(COUNT_MIN));
        u32::try_from(slots).ok().filter(|&slots| slots <= COUNT_MAX).map(u32::next_power_of_two)
    }

    pub(crate) fn count(self) -> u32 {
        self.count
    }

    pub(crate) fn max_bytes(self) -> u32 {
        self.max_bytes
    }

    /// How many messages are kept whatever happens.
    pub(crate) fn history(self) -> u32 {
        self.count - self.claim()
    }

    /// What lies before a message in its slot.
    pub(crate) fn head_bytes(self) -> u32 {
        self.each().head as u32
    }

    /// From one slot to the next. Lengths are at most 2^30.
    pub(crate) fn slot_bytes(self) -> u32 {
        self.each().step as u32
    }

    /// How each of its slots is.
    pub(crate) fn each(self) -> Slot {
        match self.form {
            Form::Item => Slot::of_item(self.max_bytes as usize),
            Form::Slice | Form::Reference => Slot::with_head(2 * WORD_BYTES, self.max_bytes as usize),
        }
    }

    /// How many bytes the slots take.
    pub(crate) fn ring_bytes(self) -> u64 {
        u64::from(self.count) * u64::from(self.slot_bytes())
    }

    /// Messages of one claim.
    fn claim(self) -> u32 {
        (self.count / CLAIMS).max(1)
    }

    /// Where a message's slot begins.
    #[cfg(test)]
    fn slot(self, number: u64) -> usize {
        Plan::of(self).at(number, self.each())
    }
}

/// How messages lie in their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// What lies before a message.
    head: usize,
    /// From one slot to the next.
    step: usize,
}

impl Slot {
    /// Of items of that length: numbers that the compiler knows where it knows the length.
    #[inline(always)]
    pub(crate) const fn of_item(bytes: usize) -> Self {
        if bytes + WORD_BYTES <= LINE_BYTES {
            Self::with_head(WORD_BYTES, bytes)
        } else {
            Self { head: 0, step: bytes.next_multiple_of(WORD_BYTES) }
        }
    }

    const fn with_head(head: usize, bytes: usize) -> Self {
        Self { head, step: (head + bytes).next_multiple_of(LINE_BYTES) }
    }
}

/// What the shape comes to, worked out once.
#[derive(Clone, Copy, Debug)]
struct Plan {
    shape: Shape,
    count: u64,
    claim: u64,
    run: u64,
    slot: Slot,
}

impl Plan {
    fn of(shape: Shape) -> Self {
        Self {
            shape,
            count: u64::from(shape.count),
            claim: u64::from(shape.claim()),
            run: u64::from((shape.count / RUNS).clamp(1, RUN_MAX)),
            slot: shape.each(),
        }
    }

    /// Where a message's slot begins, in a lane of such slots.
    #[inline(always)]
    fn at(&self, number: u64, slot: Slot) -> usize {
        (number & (self.count - 1)) as usize * slot.step
    }
}

#[cold]
fn fault(what: &'static str, offset: usize, found: u64) -> PeerFault {
    PeerFault { what, offset: offset as u64, found }
}
