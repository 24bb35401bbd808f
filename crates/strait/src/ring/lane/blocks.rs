//! The blocks of a lane: large messages lie in them, and the slots say where.
//!
//! | part | offset | field | who writes |
//! |---|---:|---|---|
//! | slot | 8 | `reference`: bits 0..32 the block's number, bits 32..64 the message's length | publisher |
//! | lane | 64 | `claimed`: the number of slots, and how many messages may have lost their blocks: they are *retired* | publisher |
//! | holds | 0 | a bit for each block: the subscriber has it in its hands | subscriber, each in words of its own |
//! | blocks | 0 | blocks, each as long as the longest message, in lines of 64 bytes | publisher |
//!
//! ```text
//!  retired           sent                        blocks
//!     v                v                    +---+---+---+---+---+
//!  ---+---+---+---+---+                     | 0 | 1 | 2 | 3 | 4 |    free: 1
//!     | 2 | 0 | 4 |      slots              +---+---+---+---+---+    held by somebody, though retired: 3
//!  ---+---+---+---+---+                       ^       ^       ^
//! ```
//!
//! 1. One lane, one writer: only its publisher hands out its blocks. Which are free, and which messages have which, is in its private
//!    memory; a slot only repeats it. So there is nothing to exchange and nothing to mend.
//! 2. A lane has more slots than blocks, so that a slot is overwritten only when its message has long been retired, and that one word,
//!    `claimed`, says of both whether they are as they were sent (rule 2 of [`super`]).
//! 3. When no block is free the publisher looks first whether one was let go of. If none was it retires the oldest messages, an eighth of
//!    the blocks at a time: of subscribers that are kept only what all have passed. A retired message's block is free when nobody holds it.
//! 4. *A hold is a hazard pointer.* Who holds sets its bit, passes a barrier and then loads `claimed`; who retires stores `claimed`, passes
//!    a barrier and then loads the bits (`BLOCK-HOLD`). So the holder sees that the message is retired, and lets go, or the publisher sees the
//!    bit, and the block stays as it is until the bit is gone. A bit that was set in vain delays the block's use, and no more.
//! 5. Where subscribers are kept their positions protect what they have not passed, so a bit is only needed for what is held beyond that. It is
//!    set before the position is stored (`LANE-RELEASE`), and the publisher loads positions before bits.
//! 6. Bits count while their owner's seat is attached. Who takes a seat clears what its last owner left, before it holds anything.
//! 7. The next publisher walks back over the slots: blocks that no message has which is not retired are free, if nobody holds them. Of
//!    subscribers that are kept messages count from the slowest position on, as far as their blocks were not given to later ones.
//! 8. A reference is one word, so that it is never a mixture of two, and it is believed only within its bounds.

use super::{CLAIMED, CLAIMS, LINE_BYTES, Shape, Writer, fault};
use crate::ring::PeerFault;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use strait_mem::{Shared, SharedMut, SharedRmw};

/// One to be read and one to be written.
pub(crate) const COUNT_MIN: u32 = 2;
pub(crate) const COUNT_MAX: u32 = 1024;
const WORDS_MAX: usize = (COUNT_MAX / WORD_BITS) as usize;
const WORD_BITS: u32 = 64;
const WORD_BYTES: usize = 8;
const LEN_SHIFT: u32 = 32;

/// The blocks of each lane, agreed when the channel was made and checked when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    count: u32,
    /// The longest message.
    max_bytes: u32,
}

impl Blocks {
    /// So many blocks, if there can be.
    pub(crate) fn new(count: u32, max_bytes: u32) -> Option<Self> {
        let is_sound = (COUNT_MIN..=COUNT_MAX).contains(&count) && max_bytes <= 1 << 30;
        is_sound.then_some(Self { count, max_bytes })
    }

    pub(crate) fn count(self) -> u32 {
        self.count
    }

    /// The shape of a lane for them (rule 2).
    pub(crate) fn lane(self) -> Option<Shape> {
        Shape::count_for(u64::from(self.count)).and_then(Shape::referring)
    }

    /// How many messages are kept, whatever happens, where nothing is held.
    pub(crate) fn history(self) -> u32 {
        self.count - self.batch()
    }

    /// How many messages are retired at once.
    fn batch(self) -> u32 {
        (self.count / CLAIMS).max(1)
    }

    /// From one block to the next.
    pub(crate) fn block_bytes(self) -> u32 {
        self.max_bytes.max(1).next_multiple_of(LINE_BYTES as u32)
    }

    /// How many bytes the blocks of one lane take.
    pub(crate) fn pool_bytes(self) -> u64 {
        u64::from(self.count) * u64::from(self.block_bytes())
    }

    /// How many bytes a subscriber's bits for one lane take.
    pub(crate) fn holds_bytes(self) -> u64 {
        u64::from(self.count.div_ceil(WORD_BITS)) * WORD_BYTES as u64
    }

    /// Where a block begins.
    pub(crate) fn start(self, block: u32) -> usize {
        block as usize * self.block_bytes() as usize
    }

    fn reference(block: u32, len_bytes: u32) -> u64 {
        u64::from(len_bytes) << LEN_SHIFT | u64::from(block)
    }

    /// A reference that was read once: block and length, if they can be (rule 8).
    pub(crate) fn check(self, reference: u64) -> Option<(u32, u32)> {
        // Truncation: the two halves of the word.
        let (block, len_bytes) = (reference as u32, (reference >> LEN_SHIFT) as u32);
        (block < self.count && len_bytes <= self.max_bytes).then_some((block, len_bytes))
    }
}

/// The blocks of a lane as its publisher knows them (rule 1).
#[derive(Debug)]
pub(crate) struct Pool {
    blocks: Blocks,
    /// Of the messages that have one: the last of them is the last that was sent.
    used: VecDeque<u32>,
    free: Vec<u32>,
    /// Of retired messages, when last looked at in somebody's hands.
    held: Vec<u32>,
}

impl Pool {
    /// Takes the blocks over from the last publisher (rule 7). `slowest` and `held` are as for [`Self::has_room`].
    pub(crate) fn attach<Ring: SharedMut, Own: SharedMut>(
        blocks: Blocks,
        lane: &mut Writer<Ring, Own>,
        slowest: Option<impl Fn() -> u64>,
        held: impl Fn(usize) -> u64,
    ) -> Result<Self, PeerFault> {
        let (sent, retired) = (lane.sent(), lane.retired());
        if sent - retired > u64::from(blocks.count) {
            return Err(fault("claim of a lane", CLAIMED, retired));
        }
        lane.retire(retired);
        // At most as many as there are blocks.
        let earliest = sent.saturating_sub(u64::from(blocks.count));
        let first = slowest.map_or(retired, |slowest| slowest()).clamp(earliest, retired);
        let mut is_used = vec![false; blocks.count as usize];
        let mut used = VecDeque::with_capacity(is_used.len());
        for number in (first..sent).rev() {
            let reference = lane.reference(number);
            let block = reference.when(|it| blocks.check(it).is_some_and(|(block, _)| !is_used[block as usize]));
            match block {
                // Truncation: the block is in the lower half.
                Ok(reference) => {
                    is_used[reference as u32 as usize] = true;
                    used.push_front(reference as u32);
                }
                Err(it) if number >= retired => {
                    return Err(fault("reference of a message", lane.reference_at(number), it.found));
                }
                // Given to a later one.
                Err(_) => break,
            }
        }
        let rest = (0..blocks.count).filter(|&block| !is_used[block as usize]).collect();
        let mut pool = Self { blocks, used, free: Vec::with_capacity(is_used.len()), held: rest };
        pool.sweep(&held);
        Ok(pool)
    }

    /// Where the next message goes, if there is room.
    pub(crate) fn next(&self) -> Option<usize> {
        self.free.last().map(|&block| self.blocks.start(block))
    }

    /// Publishes the message of `len_bytes` that lies there.
    pub(crate) fn publish<Ring: SharedMut, Own: SharedMut>(&mut self, lane: &mut Writer<Ring, Own>, len_bytes: u32) {
        if let Some(block) = self.free.pop() {
            lane.publish_reference(Blocks::reference(block, len_bytes));
            self.used.push_back(block);
        }
    }

    /// Makes room, if there is none (rule 3); says whether there is. `slowest` says, by positions loaded now, which message is the first that
    /// is still to be read by somebody, or is `None` where subscribers are not kept; `held` says a word of the bits of all
    /// subscribers that are here, loaded now by an acquire.
    pub(crate) fn has_room<Ring: SharedMut, Own: SharedMut>(
        &mut self,
        lane: &mut Writer<Ring, Own>,
        slowest: Option<impl Fn() -> u64>,
        held: impl Fn(usize) -> u64,
    ) -> bool {
        if self.free.is_empty() && !self.held.is_empty() {
            self.sweep(&held);
        }
        while self.free.is_empty() {
            let oldest = self.oldest(lane);
            let end = (oldest + u64::from(self.blocks.batch())).min(lane.sent());
            let passed = |end: u64| slowest.as_ref().map_or(end, |slowest| slowest().min(end));
            let wanted = passed(end);
            if wanted <= oldest {
                return false;
            }
            lane.retire(wanted);
            // Who joined meanwhile may still read them (LANE-JOIN).
            let end = passed(wanted);
            if end <= oldest {
                return false;
            }
            // At most an eighth of the blocks.
            self.held.extend(self.used.drain(..(end - oldest) as usize));
            self.sweep(&held);
        }
        true
    }

    /// The oldest message that has its block.
    pub(crate) fn oldest<Ring: SharedMut, Own: SharedMut>(&self, lane: &Writer<Ring, Own>) -> u64 {
        lane.sent() - self.used.len() as u64
    }

    /// Frees what nobody holds any more.
    fn sweep(&mut self, held: &impl Fn(usize) -> u64) {
        let mut words = [0; WORDS_MAX];
        for (word, bits) in words.iter_mut().enumerate().take(self.blocks.count.div_ceil(WORD_BITS) as usize) {
            *bits = held(word);
        }
        let Self { held, free, .. } = self;
        held.retain(|&block| {
            let is_held = words[word_of(block)] & bit_of(block) != 0;
            if !is_held {
                free.push(block);
            }
            is_held
        });
    }
}

/// Takes a hold of a block; `bits` are the holder's own for its lane. It counts if the message is intact *afterwards*. Says whether it is new.
pub(crate) fn hold(bits: &impl SharedRmw, block: u32) -> bool {
    let before = bits.fetch_or_u64(word_of(block) * WORD_BYTES, bit_of(block), Relaxed);
    // BLOCK-HOLD: the bit is stored before the claim is loaded.
    bits.fence(SeqCst);
    before & bit_of(block) == 0
}

/// Lets go of a block. Whoever waits for one is to be woken afterwards.
pub(crate) fn let_go(bits: &impl SharedRmw, block: u32) {
    // Release, BLOCK-LET-GO: the block has been read before the publisher sees that it is free.
    bits.fetch_and_u64(word_of(block) * WORD_BYTES, !bit_of(block), Release);
}

/// Lets go of all blocks: those of the seat's last owner (rule 6).
pub(crate) fn let_all_go(bits: &impl SharedMut) {
    for word in 0..bits.len_bytes() / WORD_BYTES {
        // Release, as above: that owner is known to be gone.
        bits.store_u64(word * WORD_BYTES, 0, Release);
    }
}

/// A word of somebody's bits, which begin at `at`.
pub(crate) fn held(bits: &impl Shared, at: usize, word: usize) -> u64 {
    // Acquire, pairs with BLOCK-LET-GO: what was held has been read.
    bits.load_u64(at + word * WORD_BYTES, Acquire)
}

fn word_of(block: u32) -> usize {
    (block / WORD_BITS) as usize
}

fn bit_of(block: u32) -> u64 {
    1 << (block % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::lane::{LANE_BYTES, NOWHERE, REFERENCE, SEQUENCE};
    use std::cell::Cell;
    use std::sync::Arc;
    use strait_mem::{Mapping, ViewMut};

    const COUNT: u32 = 20;
    /// What says of subscribers that are not kept which message they have not passed.
    const NOBODY_KEPT: Option<fn() -> u64> = None;

    fn blocks() -> Blocks {
        Blocks::new(COUNT, 100).expect("sound")
    }

    /// A lane, then its slots, as a publisher that was killed left them.
    struct Lane {
        shape: Shape,
        mapping: Arc<Mapping>,
    }

    impl Lane {
        /// With so many messages, each in the next block round the circle, of which the first ones are retired.
        fn of(sent: u64, retired: u64) -> Self {
            let shape = blocks().lane().expect("sound");
            let len = LANE_BYTES as usize + shape.ring_bytes() as usize;
            let lane = Self { shape, mapping: Mapping::anonymous(len, None, false).expect("memory") };
            for number in 0..sent {
                let at = shape.slot(number);
                lane.slots().store_u64(
                    at + REFERENCE,
                    Blocks::reference((number % u64::from(COUNT)) as u32, 7),
                    Relaxed,
                );
                lane.slots().store_u64(at + SEQUENCE, number + 1, Relaxed);
            }
            lane.own().store_u64(super::super::SENT, sent, Relaxed);
            lane.own().store_u64(CLAIMED, retired + u64::from(shape.count()), Relaxed);
            lane
        }

        fn own(&self) -> ViewMut {
            self.mapping.view_mut(0..LANE_BYTES as usize).expect("writable")
        }

        fn slots(&self) -> ViewMut {
            self.mapping.view_mut(LANE_BYTES as usize..self.mapping.len()).expect("writable")
        }

        fn attach(&self, slowest: Option<u64>, bits: u64) -> Result<Pool, PeerFault> {
            let mut writer = Writer::attach(self.shape, self.slots(), self.own())?;
            Pool::attach(blocks(), &mut writer, slowest.map(|it| move || it), |_| bits)
        }
    }

    /// A reference is believed within its bounds, and no further.
    #[test]
    fn references_have_bounds() {
        assert_eq!(blocks().check(Blocks::reference(19, 100)), Some((19, 100)));
        assert_eq!(blocks().check(Blocks::reference(20, 100)), None);
        assert_eq!(blocks().check(Blocks::reference(19, 101)), None);
        assert_eq!(blocks().check(u64::MAX), None);
        assert_eq!((blocks().block_bytes(), blocks().pool_bytes(), blocks().holds_bytes()), (128, 2560, 8));
        assert_eq!((Blocks::new(1, 8), Blocks::new(1025, 8), Blocks::new(2, u32::MAX)), (None, None, None));
    }

    /// The next publisher finds free what no kept message has and nobody holds; of subscribers that are kept, from the slowest on, as far as
    /// blocks were not given to later messages.
    #[test]
    fn blocks_are_found_again() {
        let lane = Lane::of(45, 33);
        let found = |slowest, bits| lane.attach(slowest, bits).map(|it| (it.used.len(), it.free.len(), it.held.len()));
        assert_eq!(found(None, 0), Ok((12, 8, 0)));
        assert_eq!(found(None, 1 << 2 | 1 << 5 | 1 << 6), Ok((12, 6, 2)), "2 is one of those in use");
        assert_eq!(found(Some(45), 0), Ok((12, 8, 0)));
        assert_eq!(found(Some(30), 0), Ok((15, 5, 0)));
        assert_eq!(found(Some(0), 0), Ok((20, 0, 0)), "there are no more blocks than that");
        let reused = Blocks::reference(44 % COUNT, 7);
        lane.slots().store_u64(lane.shape.slot(31) + REFERENCE, reused, Relaxed);
        assert_eq!(found(Some(30), 0), Ok((13, 7, 0)), "message 31 has lost its block, and those before it");
    }

    /// Others' bits, lines that they write, are looked at only where no block is free, and once more only where something was held.
    #[test]
    fn bits_are_looked_at_in_need() {
        let lane = Lane::of(20, 0);
        let mut writer = Writer::attach(lane.shape, lane.slots(), lane.own()).expect("no lie");
        let mut pool = Pool::attach(blocks(), &mut writer, NOBODY_KEPT, |_| 0).expect("no lie");
        let looks = Cell::new(0);
        let mut has_room = |bits: u64| {
            looks.set(0);
            let held = |_| {
                looks.set(looks.get() + 1);
                bits
            };
            assert!(pool.has_room(&mut writer, NOBODY_KEPT, held));
            let found = (looks.get(), pool.free.len(), pool.held.len());
            pool.publish(&mut writer, 7);
            found
        };
        assert_eq!(has_room(1), (1, 1, 1), "two are retired, and one of them is held");
        assert_eq!(has_room(1), (2, 2, 1), "still; so are the next two");
        assert_eq!(has_room(1), (0, 1, 1), "one is free");
        assert_eq!(has_room(0), (1, 1, 0), "it was let go of");
        assert_eq!(has_room(0), (1, 2, 0), "none is held: two are retired at once");
    }

    /// The claim of a lane of references is the slots and what was retired, of what was sent; nothing before there was a publisher.
    #[test]
    fn claims_of_predecessors() {
        let last = NOWHERE / 2 - 1;
        for (sent, claimed, is_sound) in [
            (0, 0, true),
            (0, 31, false),
            (0, 32, true),
            (0, 33, false),
            (5, 0, false),
            (45, 33, false),
            (45, 45, true),
            (45, 77, true),
            (45, 78, false),
            (last, last, true),
            (last + 1, last + 1, false),
        ] {
            let lane = Lane::of(0, 0);
            lane.own().store_u64(super::super::SENT, sent, Relaxed);
            lane.own().store_u64(CLAIMED, claimed, Relaxed);
            let writer = Writer::attach(lane.shape, lane.slots(), lane.own());
            assert_eq!(writer.is_ok(), is_sound, "{claimed} after {sent}");
        }
    }

    /// What a dead publisher cannot have left is refused.
    #[test]
    fn lies_are_refused() {
        let lane = Lane::of(45, 33);
        assert_eq!(Lane::of(45, 24).attach(None, 0).expect_err("21 messages").what, "claim of a lane");
        assert_eq!(Lane::of(45, 46).attach(None, 0).expect_err("not sent").what, "claim of a lane");
        for reference in [Blocks::reference(44 % COUNT, 7), Blocks::reference(COUNT, 7), Blocks::reference(0, 101)] {
            lane.slots().store_u64(lane.shape.slot(40) + REFERENCE, reference, Relaxed);
            let fault = lane.attach(None, 0).expect_err("a lie");
            assert_eq!((fault.what, fault.found), ("reference of a message", reference));
        }
        lane.own().store_u64(CLAIMED, 3, Relaxed);
        assert_eq!(lane.attach(None, 0).expect_err("too low").what, "claim of a lane");
    }
}
