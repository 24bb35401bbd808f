//! A lane as its publisher has it.

use super::{CLAIMED, DROPPED, Form, LEN_BYTES, NOWHERE, Plan, REFERENCE, SENT, SEQUENCE, Shape, Slot, fault};
use crate::ring::PeerFault;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use strait_mem::{Claim, SharedMut};

/// The publisher's side.
#[derive(Debug)]
pub(crate) struct Writer<Ring, Own> {
    plan: Plan,
    ring: Ring,
    own: Own,
    /// Messages committed. The truth.
    sent: u64,
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
        // At most the claim of the last publisher. Relaxed: the lease came from it, and what it stored came before.
        for _ in 0..plan.claim {
            if plan.slot.head == 0
                || ring.load_u64(plan.at(sent, plan.slot) + SEQUENCE, Relaxed) != sent.wrapping_add(1)
            {
                break;
            }
            sent = sent.wrapping_add(1);
        }
        // Nothing wraps: `sent` may be a lie at the end of all numbers.
        let is_sound = |claimed: u64| match shape.form {
            // Before the first publisher.
            Form::Reference if claimed == 0 => sent == 0,
            // The slots, and how many messages may have lost their blocks.
            Form::Reference => (sent.max(plan.count)..=sent.saturating_add(plan.count)).contains(&claimed),
            Form::Item | Form::Slice => (sent..=sent.saturating_add(plan.claim)).contains(&claimed),
        };
        let claimed = claimed
            .when(|claimed| claimed < NOWHERE / 2 && is_sound(claimed))
            .map_err(|it| fault("claim of a lane", CLAIMED, it.found))?;
        // Release, LANE-COMMIT: the messages were there before.
        own.store_u64(SENT, sent, Release);
        let dropped = own.load_u64(DROPPED, Relaxed);
        Ok(Self { plan, ring, own, sent, limit: sent, claimed, dropped })
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
        // Never beyond the last slot, whatever was claimed before us.
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
                slowest().saturating_add(count).min(wanted).max(self.sent)
            }
            None => {
                // LANE-CLAIM: the claim is stored before any byte of what it claims is written.
                self.own.fence(Release);
                wanted
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
        self.at() + self.plan.slot.head
    }

    #[inline(always)]
    fn at(&self) -> usize {
        self.plan.at(self.sent, self.plan.slot)
    }

    /// Publishes a copy of a message, if there is room as far as is known: the common case. If not, nothing has been done. It is at most
    /// as long as messages of this shape are.
    #[inline(always)]
    pub(crate) fn put_ready(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.sent < self.limit;
        if has_room {
            self.ring.write_fresh(self.payload(), bytes);
            self.publish(bytes.len());
        }
        has_room
    }

    /// The same in a lane for items, whose slots are such.
    #[inline(always)]
    pub(crate) fn put_item_ready(&mut self, item: &[u8], slot: Slot) -> bool {
        let has_room = self.sent < self.limit;
        if has_room {
            debug_assert_eq!(slot, self.plan.slot);
            let at = self.plan.at(self.sent, slot);
            self.ring.write_fresh(at + slot.head, item);
            self.finish(at, slot);
            self.commit();
        }
        has_room
    }

    /// Publishes the message of `len` bytes that lies where the next one goes.
    #[inline(always)]
    pub(crate) fn publish(&mut self, len: usize) {
        let at = self.at();
        if self.plan.shape.form == Form::Slice {
            self.ring.store_u64(at + LEN_BYTES, len as u64, Relaxed);
        }
        self.finish(at, self.plan.slot);
        self.commit();
    }

    /// Publishes the message that a reference names. There is a slot for every message that has a block.
    pub(super) fn publish_reference(&mut self, reference: u64) {
        let at = self.at();
        self.ring.store_u64(at + REFERENCE, reference, Relaxed);
        self.finish(at, self.plan.slot);
        self.commit();
        // There is never room in a slot itself.
        self.limit = self.sent;
    }

    /// The reference of a message that is among the last ones.
    pub(super) fn reference(&self, number: u64) -> Claim<u64> {
        Claim::new(self.ring.load_u64(self.reference_at(number), Relaxed))
    }

    /// Where a message's reference lies, for a fault.
    pub(super) fn reference_at(&self, number: u64) -> usize {
        self.plan.at(number, self.plan.slot) + REFERENCE
    }

    /// The first message that may still have its block, by what `claimed` says.
    pub(super) fn retired(&self) -> u64 {
        self.claimed.saturating_sub(self.plan.count)
    }

    /// Says that messages below this number may lose their blocks any moment, and passes the barrier behind which it may be looked at who
    /// has them.
    pub(super) fn retire(&mut self, below: u64) {
        self.claimed = self.claimed.max(below + self.plan.count);
        // Release, as in `claim`. Stored even where it says so already: the one who said so may have been killed before its barrier.
        self.own.store_u64(CLAIMED, self.claimed, Release);
        // BLOCK-HOLD, LANE-JOIN and LANE-CLAIM: the claim is stored before bits and positions are loaded, and before a block is written.
        self.own.fence(SeqCst);
    }

    /// Publishes copies of as many of the items as there is room for as far as is known; says how many.
    pub(crate) fn put_many(&mut self, items: &[u8]) -> usize {
        let slot = self.plan.slot;
        let item = self.plan.shape.max_bytes as usize;
        let count = (items.len() / item).min(self.room() as usize);
        // Then nothing lies between them.
        if slot.step == item {
            self.ring.write(self.at(), &items[..count * item]);
            self.sent += count as u64;
        } else {
            for bytes in items.chunks_exact(item).take(count) {
                let at = self.at();
                self.ring.write(at + slot.head, bytes);
                self.finish(at, slot);
            }
        }
        self.commit();
        count
    }

    /// Ends the slot being written.
    #[inline(always)]
    fn finish(&mut self, at: usize, slot: Slot) {
        self.sent += 1;
        if slot.head != 0 {
            // Release, LANE-COMMIT: the message is written before its sequence.
            self.ring.store_u64(at + SEQUENCE, self.sent, Release);
        }
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
