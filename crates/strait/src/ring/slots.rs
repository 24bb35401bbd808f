//! A ring of slots of one size, between one sender and one receiver: for items that with a header would not fit into a cache line.
//!
//! | part | offset | field | who writes |
//! |---|---:|---|---|
//! | sender's progress | 0 | unused | |
//! | | 8 | `sent`: messages committed | sender |
//! | receiver's progress | 0 | unused | |
//! | | 8 | `received`: messages released | receiver |
//! | ring | 0 | slots, one behind the other; message n lies in slot n modulo their number | sender |
//!
//! Where a record of 72 bytes shares a cache line with its neighbour, a slot of 64 shares none: in a stream each line travels once.
//! What it costs: in a dialogue two lines travel, the count and the slot. So do they for a record of that size.
//!
//! 1. A message exists when `sent` is beyond it. The count is stored last, so a sender killed before that has done nothing.
//! 2. The sender may write a slot only when `received` has passed the message that lay there.
//! 3. `received` moves last: what was not released before a kill is received again by the next receiver.
//! 4. Each side's truth about its own count is private; the shared copy is for the other side and for a successor. One word holds
//!    all there is to know, so a kill leaves nothing to mend.
//! 5. `sent` is never behind `received`, nor ahead of it by more than there are slots. Anything else is a lie.
//! 6. A receiver that reads the count as soon as it has taken a message takes that line from a sender which is just about to write
//!    there. So when several messages came at once the last time, it waits a moment before it looks.

use crate::ring::PeerFault;
use crate::ring::moment::Moment;
use crate::ring::spsc::{Item, NoRoom, RECEIVED, SENT, Staged};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use strait_mem::{Claim, Shared, SharedMut};

/// How far ahead of the message being taken its successors are fetched, and how many must be there for it.
const FETCH_AHEAD_BYTES: usize = 512;
const FETCH_FROM: u64 = 10;

/// The shape of a ring, agreed when it was made and checked when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    count: u32,
    item_bytes: u32,
}

impl Shape {
    /// A shape, if the numbers can be one: at least two slots.
    pub(crate) fn new(capacity_bytes: u64, item_bytes: u32) -> Option<Self> {
        let count = u32::try_from(capacity_bytes.checked_div(u64::from(item_bytes))?).ok()?;
        // At most 2^31 slots: positions on the circle of 32 bits can be compared.
        (2..=1 << 31).contains(&count).then_some(Self { count, item_bytes })
    }

    pub(crate) fn count(self) -> u32 {
        self.count
    }

    /// How many bytes the slots take.
    pub(crate) fn ring_bytes(self) -> usize {
        self.count as usize * self.item_bytes as usize
    }

    /// `sent` and `received` as they were alleged, if they can be (rule 5).
    fn both(self, sent: u64, received: u64) -> Result<(u64, u64), PeerFault> {
        let sent = Claim::new(sent).when(|sent| sent.wrapping_sub(received) <= u64::from(self.count));
        Ok((sent.map_err(|r| count_fault("sender's count", SENT, r.found))?, received))
    }

    /// The slot of a message. A division: for attaching only.
    fn place(self, number: u64) -> u32 {
        // Below `count`, which is 32 bits.
        (number % u64::from(self.count)) as u32
    }
}

#[cold]
fn count_fault(what: &'static str, offset: usize, found: u64) -> PeerFault {
    PeerFault { what, offset: offset as u64, found }
}

/// The sending side.
#[derive(Debug)]
pub(crate) struct Producer<Ring, Own, Peer> {
    shape: Shape,
    ring: Ring,
    own: Own,
    peer: Peer,
    /// Messages committed or published. The truth.
    sent: u64,
    /// The slot of the next one.
    place: u32,
    /// The receiver's count when last looked at: may be stale, and then there is more room than it says.
    received_seen: u64,
}

impl<Ring: SharedMut, Own: SharedMut, Peer: Shared> Producer<Ring, Own, Peer> {
    /// Takes the sending side over from whoever had it. `own` and `peer` are the two sides' progress.
    pub(crate) fn attach(shape: Shape, ring: Ring, own: Own, peer: Peer) -> Result<Self, PeerFault> {
        // Acquire, pairs with SLOTS-RELEASE: as in `look_at_received`.
        let (sent, received_seen) = shape.both(own.load_u64(SENT, Relaxed), peer.load_u64(RECEIVED, Acquire))?;
        Ok(Self { shape, ring, own, peer, sent, place: shape.place(sent), received_seen })
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Where the receiver's count will be when it has released everything, on the circle of 32 bits.
    pub(crate) fn tail(&self) -> u32 {
        self.sent as u32
    }

    /// Messages committed since the channel was made.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Messages committed and not yet released by the receiver, as far as it says.
    pub(crate) fn len(&self) -> u64 {
        self.sent.saturating_sub(self.peer.load_u64(RECEIVED, Relaxed))
    }

    /// Whether a receiver is known to have released anything since the channel was made.
    pub(crate) fn was_released(&self) -> bool {
        self.received_seen != 0
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(crate) fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// Makes room for as many messages as are `len_bytes` long, or for those of them that lie before the end of the ring. Nothing is
    /// visible yet, and forgetting the result undoes it.
    #[inline(always)]
    pub(crate) fn stage(&mut self, len_bytes: u32) -> Result<Staged, NoRoom> {
        let item_bytes = self.shape.item_bytes;
        let items = if len_bytes == item_bytes { 1 } else { self.items_before_end(len_bytes) };
        if self.sent.wrapping_sub(self.received_seen) + u64::from(items) > u64::from(self.shape.count) {
            self.look_for_room(items)?;
        }
        Ok(Staged::at(self.place as usize * item_bytes as usize, items * item_bytes))
    }

    /// Sends a message, if it is a single one and there is room as far as is known: the common case. If not, nothing has been done.
    #[inline(always)]
    pub(crate) fn put_ready(&mut self, bytes: &[u8]) -> bool {
        let is_room = self.sent.wrapping_sub(self.received_seen) < u64::from(self.shape.count);
        if !is_room || bytes.len() != self.shape.item_bytes as usize {
            return false;
        }
        self.ring.write_fresh(self.place as usize * self.shape.item_bytes as usize, bytes);
        self.publish(1);
        self.commit();
        true
    }

    #[inline(never)]
    fn items_before_end(&self, len_bytes: u32) -> u32 {
        (len_bytes / self.shape.item_bytes).min(self.shape.count - self.place)
    }

    /// Counts staged messages, whose payload is complete. They become visible with [`Self::commit`].
    #[inline(always)]
    pub(crate) fn publish(&mut self, items: u32) {
        self.sent = self.sent.wrapping_add(u64::from(items));
        self.place += items;
        if self.place >= self.shape.count {
            self.place = 0;
        }
    }

    /// Makes all published messages visible, at once. The channel wakes the receiver afterwards, if it sleeps.
    #[inline(always)]
    pub(crate) fn commit(&mut self) {
        // Release, SLOTS-COMMIT: payloads are written before they are counted.
        self.own.store_u64(SENT, self.sent, Release);
    }

    #[cold]
    #[inline(never)]
    fn look_for_room(&mut self, items: u32) -> Result<(), NoRoom> {
        // Acquire, pairs with SLOTS-RELEASE: the receiver has read what it released before we overwrite it.
        let received = self.peer.load_u64(RECEIVED, Acquire);
        // It only ever moves forward, and never past what was sent.
        let behind = self.sent.wrapping_sub(self.received_seen);
        self.received_seen = Claim::new(received)
            .when(|received| self.sent.wrapping_sub(received) <= behind)
            .map_err(|r| NoRoom::Fault(count_fault("receiver's count", RECEIVED, r.found)))?;
        let end = self.sent.wrapping_add(u64::from(items));
        let count = u64::from(self.shape.count);
        if end.wrapping_sub(self.received_seen) <= count {
            return Ok(());
        }
        Err(NoRoom::Until(end.wrapping_sub(count) as u32))
    }

    /// The count, on the circle of 32 bits, at which an eighth of the ring (or `until`, if that is later) is free: when to wake a sender
    /// that waits for room.
    pub(crate) fn wake_at(&self, until: u32) -> u32 {
        let from = self.tail().wrapping_sub(self.shape.count);
        let eighth = from.wrapping_add(self.shape.count / 8);
        if eighth.wrapping_sub(from) > until.wrapping_sub(from) { eighth } else { until }
    }
}

/// The receiving side.
#[derive(Debug)]
pub(crate) struct Consumer<Ring, Own, Peer> {
    shape: Shape,
    ring: Ring,
    own: Own,
    peer: Peer,
    /// Messages taken. The truth, ahead of the shared copy until [`Self::release`].
    received: u64,
    /// The slot of the next one.
    place: u32,
    /// Messages committed, when the sender's count was last read and checked.
    sent_seen: u64,
    moment: Moment,
}

impl<Ring: Shared, Own: SharedMut, Peer: Shared> Consumer<Ring, Own, Peer> {
    /// Takes the receiving side over: goes on at the first message not released.
    pub(crate) fn attach(shape: Shape, ring: Ring, own: Own, peer: Peer) -> Result<Self, PeerFault> {
        // Acquire, pairs with SLOTS-COMMIT: as in `front`.
        let (sent_seen, received) = shape.both(peer.load_u64(SENT, Acquire), own.load_u64(RECEIVED, Relaxed))?;
        Ok(Self { shape, ring, own, peer, received, place: shape.place(received), sent_seen, moment: Moment::new() })
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Messages taken since the channel was made.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Messages committed and not yet taken, as far as the sender says.
    pub(crate) fn len(&self) -> u64 {
        self.peer.load_u64(SENT, Relaxed).saturating_sub(self.received)
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The count of what was taken, on the circle of 32 bits, for the comparison with a sender's [`Producer::wake_at`].
    pub(crate) fn head(&self) -> u32 {
        self.received as u32
    }

    /// What is done before the front is looked at: keeps a distance (rule 6), if the caller may wait.
    #[inline(always)]
    pub(crate) fn get_ready(&mut self, may_wait: bool) {
        if may_wait && self.sent_seen == self.received {
            self.moment.pass();
        }
    }

    /// The messages at the front, looking again so many times, a pause apart. `None` also where the sender's count cannot be:
    /// [`Self::front`] tells.
    #[inline(always)]
    pub(crate) fn front_soon(&mut self, mut looks_left: u32) -> Option<Item> {
        if self.sent_seen != self.received {
            return Some(self.item());
        }
        loop {
            match self.look() {
                Ok(true) => return Some(self.item()),
                Ok(false) if looks_left > 0 => {
                    looks_left -= 1;
                    std::hint::spin_loop();
                }
                Ok(false) | Err(_) => return None,
            }
        }
    }

    /// The messages at the front, if there are any: those up to the end of the ring.
    #[inline]
    pub(crate) fn front(&mut self) -> Result<Option<Item>, PeerFault> {
        let is_there = self.sent_seen != self.received || self.look()?;
        Ok(is_there.then(|| self.item()))
    }

    /// The front, where there is one.
    #[inline(always)]
    fn item(&self) -> Item {
        let ahead = self.sent_seen.wrapping_sub(self.received);
        let offset = self.place as usize * self.shape.item_bytes as usize;
        if ahead >= FETCH_FROM {
            self.ring.fetch_ahead(offset + FETCH_AHEAD_BYTES);
        }
        // At most the number of slots (rule 5).
        let count = (ahead as u32).min(self.shape.count - self.place);
        Item { offset, len_bytes: self.shape.item_bytes, count }
    }

    /// Reads the sender's count; says whether there is something new.
    #[inline(always)]
    fn look(&mut self) -> Result<bool, PeerFault> {
        // Acquire, pairs with SLOTS-COMMIT: the payload is read after its count.
        let sent = self.peer.load_u64(SENT, Acquire);
        if sent == self.received {
            return Ok(false);
        }
        (self.sent_seen, _) = self.shape.both(sent, self.received)?;
        self.moment.learn(self.sent_seen.wrapping_sub(self.received));
        Ok(true)
    }

    /// Takes `count` messages of the front, at most as many as it has. They are gone for a successor only with [`Self::release`].
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) {
        let there = self.sent_seen.wrapping_sub(self.received) as u32;
        let count = count.min(there).min(self.shape.count - self.place);
        self.received = self.received.wrapping_add(u64::from(count));
        self.place += count;
        if self.place == self.shape.count {
            self.place = 0;
        }
    }

    /// Releases what was taken: the sender may overwrite it. The channel wakes the sender afterwards, if it sleeps.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        // Release, SLOTS-RELEASE: the messages have been read before the sender sees that they may be overwritten.
        self.own.store_u64(RECEIVED, self.received, Release);
    }
}
