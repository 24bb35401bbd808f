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
//! 5. A position is stored when a sixteenth of the slots has been read, or all that was seen to be there. It only says what may be
//!    overwritten: a subscriber that dies is not succeeded. One beyond `sent` is a lie that gains nothing: it counts as `sent`.
//! 6. `sent` is behind the sequences by what a kill left; the next publisher mends it by walking them.
//! 7. Looking for the next message in its slot costs one line for each message, which in a dialogue is the least there can be. In a
//!    stream `sent` is looked at instead, a moment apart, and says many at once (rule 6 of [`super::slots`]).

use crate::ring::PeerFault;
use crate::ring::moment::Moment;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use strait_mem::{Claim, Shared, SharedMut};

/// Of a lane.
pub(crate) const SENT: usize = 0;
pub(crate) const CLAIMED: usize = 64;
pub(crate) const DROPPED: usize = 128;
pub(crate) const LANE_BYTES: u64 = 256;
/// Of a slot that has them.
pub(crate) const SEQUENCE: usize = 0;
pub(crate) const LEN_BYTES: usize = 8;
/// A position that keeps nothing.
pub(crate) const NOWHERE: u64 = u64::MAX;

/// Name, offset and length of each field.
pub(crate) const LANE_FIELDS: [(&str, usize, usize); 3] =
    [("sent", SENT, 8), ("claimed", CLAIMED, 8), ("dropped", DROPPED, 8)];
pub(crate) const SLOT_FIELDS: [(&str, usize, usize); 2] = [("sequence", SEQUENCE, 8), ("len_bytes", LEN_BYTES, 8)];

pub(crate) const COUNT_MIN: u32 = 16;
pub(crate) const COUNT_MAX: u32 = 1 << 30;
/// A claim is this part of the slots, and so much of them is not history.
const CLAIMS: u32 = 8;
/// A position is stored for this part of the slots.
const RELEASES: u32 = 16;
const LINE_BYTES: u32 = 64;
const WORD_BYTES: u32 = 8;
/// How far ahead of the message being read its successors are fetched, and how many must be there for it.
const FETCH_AHEAD_BYTES: usize = 512;
const FETCH_FROM: u64 = 10;
/// In a dialogue `sent` is read once in so many messages, and twice as many each time that there is but one.
const LOOK_EVERY_MIN: u32 = 16;
const LOOK_EVERY_MAX: u32 = 1024;

/// The shape of a lane, agreed when it was made and checked when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// A power of two.
    count: u32,
    /// The longest message; that of every message where it is no slice.
    max_bytes: u32,
    is_slice: bool,
}

impl Shape {
    /// A shape, if the numbers can be one.
    pub(crate) fn new(count: u32, max_bytes: u32, is_slice: bool) -> Option<Self> {
        let is_sound = count.is_power_of_two() && (COUNT_MIN..=COUNT_MAX).contains(&count) && max_bytes <= 1 << 30;
        (is_sound && (max_bytes > 0 || is_slice)).then_some(Self { count, max_bytes, is_slice })
    }

    /// A shape of a few slots, for the models.
    #[cfg(test)]
    pub(crate) fn tiny(count: u32, max_bytes: u32) -> Self {
        Self { count, max_bytes, is_slice: false }
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
        match self.is_slice {
            true => 2 * WORD_BYTES,
            false if self.max_bytes + WORD_BYTES <= LINE_BYTES => WORD_BYTES,
            false => 0,
        }
    }

    /// From one slot to the next.
    pub(crate) fn slot_bytes(self) -> u32 {
        let bytes = self.head_bytes() + self.max_bytes;
        bytes.next_multiple_of(if self.head_bytes() == 0 { WORD_BYTES } else { LINE_BYTES })
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
    fn slot(self, number: u64) -> usize {
        (number & u64::from(self.count - 1)) as usize * self.slot_bytes() as usize
    }
}

/// What the shape comes to, worked out once.
#[derive(Clone, Copy, Debug)]
struct Plan {
    shape: Shape,
    count: u64,
    claim: u64,
    release: u64,
    head: usize,
    step: usize,
    end: usize,
}

impl Plan {
    fn of(shape: Shape) -> Self {
        Self {
            shape,
            count: u64::from(shape.count),
            claim: u64::from(shape.claim()),
            release: u64::from(shape.count / RELEASES),
            head: shape.head_bytes() as usize,
            step: shape.slot_bytes() as usize,
            end: shape.ring_bytes() as usize,
        }
    }

    /// Where the slot behind this one begins.
    #[inline(always)]
    fn next(&self, at: usize) -> usize {
        let next = at + self.step;
        if next >= self.end { 0 } else { next }
    }
}

#[cold]
fn fault(what: &'static str, offset: usize, found: u64) -> PeerFault {
    PeerFault { what, offset: offset as u64, found }
}

/// The publisher's side.
#[derive(Debug)]
pub(crate) struct Writer<Ring, Own> {
    plan: Plan,
    ring: Ring,
    own: Own,
    /// Messages committed. The truth.
    sent: u64,
    /// Where the slot of the next one begins.
    at: usize,
    /// Messages below this number may be written. The truth.
    limit: u64,
    /// What `claimed` says.
    claimed: u64,
    dropped: u64,
}

impl<Ring: SharedMut, Own: SharedMut> Writer<Ring, Own> {
    /// Takes a lane over from whoever had it, at the first message that it did not commit (rule 6).
    pub(crate) fn attach(shape: Shape, ring: Ring, own: Own) -> Result<Self, PeerFault> {
        let plan = Plan::of(shape);
        let mut sent = own.load_u64(SENT, Relaxed);
        let claimed = Claim::new(own.load_u64(CLAIMED, Relaxed));
        // At most the claim of the last publisher.
        for _ in 0..plan.claim {
            if plan.head == 0 || ring.load_u64(shape.slot(sent) + SEQUENCE, Acquire) != sent.wrapping_add(1) {
                break;
            }
            sent = sent.wrapping_add(1);
        }
        let claimed = claimed
            .when(|claimed| claimed < NOWHERE / 2 && claimed >= sent && claimed - sent <= plan.claim)
            .map_err(|it| fault("claim of a lane", CLAIMED, it.found))?;
        // Release, LANE-COMMIT: the messages were there before.
        own.store_u64(SENT, sent, Release);
        let dropped = own.load_u64(DROPPED, Relaxed);
        Ok(Self { plan, ring, own, sent, at: shape.slot(sent), limit: sent, claimed, dropped })
    }

    /// Messages committed since the channel was made.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(crate) fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// How many messages there is room for, as far as is known.
    #[inline(always)]
    pub(crate) fn room(&self) -> u64 {
        self.limit - self.sent
    }

    /// Claims room behind what was sent. `slowest` says, by positions loaded now, which message is the first that is still to be read by
    /// somebody, or `None` where subscribers are not kept. Says whether there is room.
    #[cold]
    #[inline(never)]
    pub(crate) fn claim(&mut self, slowest: Option<impl FnOnce() -> u64>) -> bool {
        let Plan { count, claim, .. } = self.plan;
        let wanted = (self.sent / claim + 1) * claim;
        if wanted > self.claimed {
            self.claimed = wanted;
            // Release: who sees the claim sees what was sent before it.
            self.own.store_u64(CLAIMED, wanted, Release);
        }
        self.limit = match slowest {
            Some(slowest) => {
                // LANE-JOIN: the claim is stored before the positions are loaded.
                self.own.fence(SeqCst);
                slowest().saturating_add(count).min(self.claimed).max(self.sent)
            }
            None => {
                // LANE-CLAIM: the claim is stored before any byte of what it claims is written.
                self.own.fence(Release);
                self.claimed
            }
        };
        self.limit > self.sent
    }

    /// The first position, on the circle of 32 bits, at which an eighth of the slots is free: when to wake a publisher that waits for room.
    pub(crate) fn wake_at(&self) -> u32 {
        // Truncation: the circle.
        self.sent.wrapping_add(self.plan.claim).wrapping_sub(self.plan.count) as u32
    }

    /// Where the next message goes. There is room.
    #[inline(always)]
    pub(crate) fn payload(&self) -> usize {
        self.at + self.plan.head
    }

    /// Publishes a copy of a message, if there is room as far as is known: the common case. If not, nothing has been done. It is at most
    /// as long as messages of this shape are.
    #[inline(always)]
    pub(crate) fn put_ready(&mut self, bytes: &[u8]) -> bool {
        if self.sent == self.limit {
            return false;
        }
        self.ring.write(self.payload(), bytes);
        self.publish(bytes.len());
        true
    }

    /// Publishes the message of `len` bytes that lies where the next one goes.
    #[inline(always)]
    pub(crate) fn publish(&mut self, len: usize) {
        if self.plan.shape.is_slice {
            self.ring.store_u64(self.at + LEN_BYTES, len as u64, Relaxed);
        }
        self.finish();
        self.commit();
    }

    /// Publishes copies of as many of the items as there is room for up to the end of the slots; says how many.
    pub(crate) fn put_many(&mut self, items: &[u8]) -> usize {
        let Plan { step, end, head, .. } = self.plan;
        let item = self.plan.shape.max_bytes as usize;
        let count = (items.len() / item).min(self.room() as usize).min((end - self.at) / step);
        if head == 0 && step == item {
            self.ring.write(self.at, &items[..count * item]);
            self.sent += count as u64;
            self.at += count * step;
            if self.at == end {
                self.at = 0;
            }
        } else {
            for bytes in items.chunks_exact(item).take(count) {
                self.ring.write(self.payload(), bytes);
                self.finish();
            }
        }
        self.commit();
        count
    }

    /// Ends the slot being written.
    #[inline(always)]
    fn finish(&mut self) {
        self.sent += 1;
        if self.plan.head != 0 {
            // Release, LANE-COMMIT: the message is written before its sequence.
            self.ring.store_u64(self.at + SEQUENCE, self.sent, Release);
        }
        self.at = self.plan.next(self.at);
    }

    #[inline(always)]
    fn commit(&mut self) {
        // Release, LANE-COMMIT: messages are written before they are counted.
        self.own.store_u64(SENT, self.sent, Release);
    }

    /// Counts a message that found no room.
    pub(crate) fn count_dropped(&mut self) {
        self.dropped = self.dropped.wrapping_add(1);
        self.own.store_u64(DROPPED, self.dropped, Relaxed);
    }
}

/// A message that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it lies, in bytes from the first slot.
    pub(crate) offset: usize,
    pub(crate) len_bytes: u32,
}

/// A subscriber's side of one lane.
#[derive(Debug)]
pub(crate) struct Reader<Ring, Lane, Own> {
    plan: Plan,
    /// Whether the publisher keeps what we have not read (rule 3).
    is_kept: bool,
    ring: Ring,
    lane: Lane,
    own: Own,
    /// The next message. The truth, ahead of the shared copy until [`Self::release`].
    position: u64,
    /// Where its slot begins.
    at: usize,
    /// Messages below this number are known to be there.
    sent_seen: u64,
    /// The position as the publisher knows it.
    released: u64,
    moment: Moment,
    /// Messages found one by one until `sent` is looked at next, and how many it was the last time.
    until_look: u32,
    look_every: u32,
}

impl<Ring: Shared, Lane: Shared, Own: SharedMut> Reader<Ring, Lane, Own> {
    /// Joins a lane: at the next message, or as many as `history` before it, as far as they are kept (rule 4).
    pub(crate) fn join(shape: Shape, ring: Ring, lane: Lane, own: Own, is_kept: bool, history: u64) -> Self {
        let plan = Plan::of(shape);
        let start = |at_least: u64| {
            // Acquire, pairs with the store of the claim: what is loaded next is not older.
            let oldest = lane.load_u64(CLAIMED, Acquire).saturating_sub(plan.count);
            // Acquire, pairs with LANE-COMMIT.
            let sent = lane.load_u64(SENT, Acquire);
            sent.saturating_sub(history).max(oldest).max(at_least)
        };
        let first = start(0);
        own.store_u64(0, first, Release);
        // LANE-JOIN: the position is stored before the claim is loaded.
        own.fence(SeqCst);
        let position = match history {
            // The next message is the next from now on.
            0 => start(first),
            _ => first.max(lane.load_u64(CLAIMED, Acquire).saturating_sub(plan.count)),
        };
        own.store_u64(0, position, Release);
        Self {
            plan,
            is_kept,
            ring,
            lane,
            own,
            position,
            at: shape.slot(position),
            sent_seen: position,
            released: position,
            moment: Moment::new(),
            until_look: LOOK_EVERY_MIN,
            look_every: LOOK_EVERY_MIN,
        }
    }

    /// The number of the next message.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Messages committed and not yet read, as far as the publisher says; those that are lost meanwhile included.
    pub(crate) fn len(&self) -> u64 {
        self.lane.load_u64(SENT, Relaxed).saturating_sub(self.position)
    }

    /// Messages that the publisher gave up.
    pub(crate) fn dropped(&self) -> u64 {
        self.lane.load_u64(DROPPED, Relaxed)
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Keeps a distance in a stream, if nothing is known to be there (rule 7).
    #[inline(always)]
    pub(crate) fn get_ready(&self) {
        if self.position >= self.sent_seen {
            self.moment.pass();
        }
    }

    /// Whether messages are known to be there, without a look.
    #[inline(always)]
    pub(crate) fn is_ready(&self) -> bool {
        self.position < self.sent_seen
    }

    /// Looks for the next message, if none is known to be there.
    #[inline(always)]
    pub(crate) fn look(&mut self) -> Result<bool, PeerFault> {
        if self.position < self.sent_seen {
            return Ok(true);
        }
        if self.plan.head == 0 || self.moment.is_any() || self.until_look == 0 {
            return self.look_at_sent();
        }
        self.look_at_slot()
    }

    /// The same by every sign there is, for the last look: a publisher may have been killed between two of them (rule 6).
    #[inline(never)]
    pub(crate) fn look_closely(&mut self) -> Result<bool, PeerFault> {
        Ok(self.look()? || self.look_at_sent()? || (self.plan.head != 0 && self.look_at_slot()?))
    }

    /// Looks how many are there, and not only whether one is.
    pub(crate) fn look_far(&mut self) -> Result<(), PeerFault> {
        let seen = self.sent_seen;
        self.look_at_sent()?;
        self.sent_seen = self.sent_seen.max(seen);
        Ok(())
    }

    #[inline(always)]
    fn look_at_sent(&mut self) -> Result<bool, PeerFault> {
        // Acquire, pairs with LANE-COMMIT: messages are read after their count.
        let sent = self.lane.load_u64(SENT, Acquire);
        if sent <= self.position {
            if self.until_look == 0 {
                // No stream: back to the slots.
                self.look_every = (self.look_every * 2).min(LOOK_EVERY_MAX);
                self.until_look = self.look_every;
            }
            return Ok(false);
        }
        let found = sent - self.position;
        if self.is_kept && found > self.plan.count {
            return Err(fault("count of a lane", SENT, sent));
        }
        self.sent_seen = sent;
        self.moment.learn(found);
        self.look_every = if found > 1 { LOOK_EVERY_MIN } else { (self.look_every * 2).min(LOOK_EVERY_MAX) };
        self.until_look = self.look_every;
        Ok(true)
    }

    #[inline(always)]
    fn look_at_slot(&mut self) -> Result<bool, PeerFault> {
        // Acquire, pairs with LANE-COMMIT: the message is read after its sequence.
        let sequence = self.ring.load_u64(self.at + SEQUENCE, Acquire);
        if sequence <= self.position {
            return Ok(false);
        }
        if self.is_kept && sequence != self.position + 1 {
            return Err(fault("sequence of a slot", self.at, sequence));
        }
        // Where we are not kept it may be a later one: then the copy will be thrown away.
        self.sent_seen = self.position + 1;
        self.until_look = self.until_look.saturating_sub(1);
        Ok(true)
    }

    /// The message at the front, which [`Self::look`] has found. `Ok(None)`: it was overwritten.
    #[inline(always)]
    pub(crate) fn front(&self) -> Result<Option<Item>, PeerFault> {
        if self.sent_seen - self.position >= FETCH_FROM {
            self.ring.fetch_ahead(self.at + FETCH_AHEAD_BYTES);
        }
        let offset = self.at + self.plan.head;
        let max_bytes = self.plan.shape.max_bytes;
        if !self.plan.shape.is_slice {
            return Ok(Some(Item { offset, len_bytes: max_bytes }));
        }
        let len_bytes = self.ring.load_u64(self.at + LEN_BYTES, Relaxed);
        match Claim::new(len_bytes).within(u64::from(max_bytes)) {
            // At most `max_bytes`.
            Ok(len_bytes) => Ok(Some(Item { offset, len_bytes: len_bytes as u32 })),
            Err(_) if !self.is_intact() => Ok(None),
            Err(it) => Err(fault("length of a message", self.at + LEN_BYTES, it.found)),
        }
    }

    /// Whether what was copied of the front is as it was sent (rule 3).
    #[inline(always)]
    pub(crate) fn is_intact(&self) -> bool {
        if self.is_kept {
            return true;
        }
        // LANE-CLAIM: the message was read before the claim is loaded.
        self.ring.fence(Acquire);
        self.lane.load_u64(CLAIMED, Relaxed).saturating_sub(self.position) <= self.plan.count
    }

    /// Goes on behind what may have been overwritten; says how many messages are lost.
    #[cold]
    #[inline(never)]
    pub(crate) fn skip_lost(&mut self) -> u64 {
        // Acquire, pairs with the store of the claim: `sent` is not older.
        let oldest = self.lane.load_u64(CLAIMED, Acquire).saturating_sub(self.plan.count);
        let lost = oldest.saturating_sub(self.position);
        self.position += lost;
        self.at = self.plan.shape.slot(self.position);
        // Looked for anew, by the count: there are many.
        self.until_look = 0;
        lost
    }

    /// Passes the message at the front. Says whether it is time to tell the publisher (rule 5).
    #[inline(always)]
    pub(crate) fn pass(&mut self) -> bool {
        self.position += 1;
        self.at = self.plan.next(self.at);
        self.is_to_release()
    }

    #[inline(always)]
    fn is_to_release(&self) -> bool {
        self.position >= self.sent_seen || self.position - self.released >= self.plan.release
    }

    /// Copies items out, as many as are known to be there, fit, and lie before the end of the slots; says how many. They are not passed.
    pub(crate) fn copy_many(&self, into: &mut [u8]) -> usize {
        let Plan { step, end, head, .. } = self.plan;
        let item = self.plan.shape.max_bytes as usize;
        let there = self.sent_seen.saturating_sub(self.position).min(self.plan.count) as usize;
        let count = (into.len() / item).min(there).min((end - self.at) / step);
        if head == 0 && step == item {
            self.ring.read(self.at, &mut into[..count * item]);
        } else {
            for (i, bytes) in into.chunks_exact_mut(item).take(count).enumerate() {
                self.ring.read(self.at + i * step + head, bytes);
            }
        }
        count
    }

    /// Passes so many messages; as [`Self::pass`].
    pub(crate) fn pass_many(&mut self, count: usize) -> bool {
        self.position += count as u64;
        self.at += count * self.plan.step;
        if self.at >= self.plan.end {
            self.at = 0;
        }
        self.is_to_release()
    }

    /// Tells the publisher what may be overwritten. The channel wakes it afterwards, if it sleeps. Says the position on the circle of 32 bits.
    #[inline(always)]
    pub(crate) fn release(&mut self) -> u32 {
        self.released = self.position;
        // Release, LANE-RELEASE: the messages have been read before the publisher sees that they may be overwritten.
        self.own.store_u64(0, self.position, Release);
        self.position as u32
    }

    /// Keeps nothing any more.
    pub(crate) fn leave(&mut self) {
        // Release, as in `release`.
        self.own.store_u64(0, NOWHERE, Release);
    }
}
