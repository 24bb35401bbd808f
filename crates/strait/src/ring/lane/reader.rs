//! A lane as one of its subscribers has it.

use super::{CLAIMED, DROPPED, Form, LEN_BYTES, NOWHERE, Plan, REFERENCE, SENT, SEQUENCE, Shape, Slot, fault};
use crate::ring::PeerFault;
use crate::ring::moment::Moment;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use strait_mem::{Claim, Shared, SharedMut};

/// How far ahead of the message being read its successors are fetched, and how many must be there for it.
const FETCH_AHEAD_BYTES: usize = 512;
const FETCH_FROM: u64 = 10;
/// In a dialogue `sent` is read once in so many messages, and twice as many each time that there is but one.
const LOOK_EVERY_MIN: u32 = 16;
const LOOK_EVERY_MAX: u32 = 1024;

/// A message that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it lies, in bytes from the first slot.
    pub(crate) offset: usize,
    pub(crate) len_bytes: u32,
}

/// What is found at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// A message in its slot.
    Slot(Item),
    /// One in the block of this alleged reference.
    Block(u64),
    /// It was overwritten.
    Lost,
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
    /// Messages below this number are known to be there.
    sent_seen: u64,
    /// Messages below this number are passed with no thought but for themselves.
    run_end: u64,
    /// Below this number so many more are known to be there that their successors are fetched.
    fetch_end: u64,
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
            // Relaxed: they say where to begin, and nothing is read by them.
            let oldest = lane.load_u64(CLAIMED, Relaxed).saturating_sub(plan.count);
            let sent = lane.load_u64(SENT, Relaxed);
            sent.saturating_sub(history).max(oldest).max(at_least)
        };
        let first = start(0);
        own.store_u64(0, first, Release);
        // LANE-JOIN: the position is stored before the claim is loaded.
        own.fence(SeqCst);
        let position = match history {
            // The next message is the next from now on.
            0 => start(first),
            _ => first.max(lane.load_u64(CLAIMED, Relaxed).saturating_sub(plan.count)),
        };
        own.store_u64(0, position, Release);
        Self {
            plan,
            is_kept,
            ring,
            lane,
            own,
            position,
            sent_seen: position,
            run_end: position,
            fetch_end: position,
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
            self.begin_run();
            return Ok(true);
        }
        if self.plan.slot.head == 0 || self.moment.is_any() || self.until_look == 0 {
            return self.look_at_sent();
        }
        self.look_at_slot()
    }

    /// The same by every sign there is, for the last look: a publisher may have been killed between two of them (rule 6).
    #[inline(never)]
    pub(crate) fn look_closely(&mut self) -> Result<bool, PeerFault> {
        Ok(self.look_at_sent()? || (self.plan.slot.head != 0 && self.look_at_slot()?))
    }

    /// Looks how many are there, and not only whether one is.
    pub(crate) fn look_far(&mut self) -> Result<(), PeerFault> {
        let seen = self.sent_seen;
        self.look_at_sent()?;
        self.sent_seen = self.sent_seen.max(seen);
        self.begin_run();
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
        self.begin_run();
        self.moment.learn(found);
        self.look_every = if found > 1 { LOOK_EVERY_MIN } else { (self.look_every * 2).min(LOOK_EVERY_MAX) };
        self.until_look = self.look_every;
        Ok(true)
    }

    #[inline(always)]
    fn look_at_slot(&mut self) -> Result<bool, PeerFault> {
        let at = self.at();
        // Acquire, pairs with LANE-COMMIT: the message is read after its sequence.
        let sequence = self.ring.load_u64(at + SEQUENCE, Acquire);
        if sequence <= self.position {
            return Ok(false);
        }
        if self.is_kept && sequence != self.position + 1 {
            return Err(fault("sequence of a slot", at, sequence));
        }
        // Where we are not kept it may be a later one: then the copy will be thrown away.
        self.sent_seen = self.position + 1;
        self.begin_run();
        self.until_look = self.until_look.saturating_sub(1);
        Ok(true)
    }

    /// Reckons how far it goes straight on: to the end of what is known to be there, or to where a position is to be stored (rule 5).
    #[inline(always)]
    fn begin_run(&mut self) {
        // Nothing wraps: a liar may have had us join at the end of all numbers.
        self.run_end = self.sent_seen.min((self.position | (self.plan.run - 1)).saturating_add(1));
        self.fetch_end = self.sent_seen.saturating_sub(FETCH_FROM - 1);
    }

    /// The message at the front, which [`Self::look`] has found.
    #[inline(always)]
    pub(crate) fn front(&self) -> Result<Front, PeerFault> {
        let at = self.at();
        self.fetch_ahead(at);
        let offset = at + self.plan.slot.head;
        let max_bytes = self.plan.shape.max_bytes;
        match self.plan.shape.form {
            Form::Item => return Ok(Front::Slot(Item { offset, len_bytes: max_bytes })),
            Form::Slice => {}
            Form::Reference => return Ok(Front::Block(self.ring.load_u64(at + REFERENCE, Relaxed))),
        }
        let len_bytes = self.ring.load_u64(at + LEN_BYTES, Relaxed);
        match Claim::new(len_bytes).within(u64::from(max_bytes)) {
            // At most `max_bytes`.
            Ok(len_bytes) => Ok(Front::Slot(Item { offset, len_bytes: len_bytes as u32 })),
            Err(_) if !self.is_intact() => Ok(Front::Lost),
            Err(it) => Err(fault("length of a message", at + LEN_BYTES, it.found)),
        }
    }

    #[inline(always)]
    fn fetch_ahead(&self, at: usize) {
        if self.position < self.fetch_end {
            self.ring.fetch_ahead(at + FETCH_AHEAD_BYTES);
        }
    }

    /// Where the next message's slot begins.
    #[inline(always)]
    fn at(&self) -> usize {
        self.plan.at(self.position, self.plan.slot)
    }

    /// Where a reference lies, for a fault that is found in one.
    pub(crate) fn reference_at(&self) -> usize {
        self.at() + REFERENCE
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
        // Relaxed: not older than what was read when the loss was found, and nothing is read by it.
        let oldest = self.lane.load_u64(CLAIMED, Relaxed).saturating_sub(self.plan.count);
        let lost = oldest.saturating_sub(self.position);
        self.position += lost;
        // Looked for anew, by the count: there are many.
        self.until_look = 0;
        lost
    }

    /// Copies the next message of a lane for items, whose slots are such, and passes it, if the run goes on and it lies in its slot as it was
    /// sent: the common case of a stream. Says as [`Self::pass`]; `None`: nothing has been done.
    #[inline(always)]
    pub(crate) fn copy_ready(&mut self, into: &mut [u8], slot: Slot) -> Option<bool> {
        if self.position >= self.run_end || self.plan.shape.form != Form::Item {
            return None;
        }
        debug_assert_eq!(slot, self.plan.slot);
        let at = self.plan.at(self.position, slot);
        self.fetch_ahead(at);
        self.ring.read_for_use(at + slot.head, into);
        self.is_intact().then(|| self.pass())
    }

    /// Passes the message at the front. Says whether the run is over: then it is time to tell the publisher (rule 5).
    #[inline(always)]
    pub(crate) fn pass(&mut self) -> bool {
        self.pass_many(1)
    }

    /// Copies items out, as many as are known to be there, fit, and lie before the end of the slots; says how many. They are not passed.
    pub(crate) fn copy_many(&self, into: &mut [u8]) -> usize {
        let Plan { slot: Slot { step, head }, count, .. } = self.plan;
        let at = self.at();
        let item = self.plan.shape.max_bytes as usize;
        let to_end = count - (self.position & (count - 1));
        // At most `count`.
        let there = self.sent_seen.saturating_sub(self.position).min(to_end) as usize;
        let count = (into.len() / item).min(there);
        // Then nothing lies between them.
        if step == item {
            self.ring.read(at, &mut into[..count * item]);
        } else {
            for (i, bytes) in into.chunks_exact_mut(item).take(count).enumerate() {
                self.ring.read(at + i * step + head, bytes);
            }
        }
        count
    }

    /// Passes so many messages; as [`Self::pass`].
    #[inline(always)]
    pub(crate) fn pass_many(&mut self, count: usize) -> bool {
        self.position += count as u64;
        self.position >= self.run_end
    }

    /// Tells the publisher what may be overwritten. The channel wakes it afterwards, if it sleeps. Says the position on the circle of 32 bits.
    #[inline(always)]
    pub(crate) fn release(&mut self) -> u32 {
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
