//! A ring of records between one sender and one receiver: messages of any length, each with a header.
//!
//! | part | offset | field | who writes |
//! |---|---:|---|---|
//! | sender's progress | 0 | unused | |
//! | | 8 | `sent`: messages committed | sender |
//! | receiver's progress | 0 | `head`: position of the oldest record (upper half), messages of it released (lower half) | receiver |
//! | | 8 | `received`: messages released | receiver |
//! | ring | 0 | records ([`super::record`]) | sender |
//!
//! 1. The receiver finds messages by their headers alone; there is no shared tail. A header is stored last, so until then the
//!    message does not exist, and a sender killed before that store has done nothing.
//! 2. The sender may write a word of the ring only when the receiver's `head` has passed it.
//! 3. `head` moves last: what was not released before a kill is received again by the next receiver.
//! 4. Each side's truth about its own counters is private; the shared copy is for the other side and for a successor. A
//!    successor believes the ring more than the counts: the numbers in the headers mend what a kill left one step off.
//! 5. Several records become visible at once when the first header of the chain is stored last.
//! 6. A receiver that polls the next header as soon as it has taken a message takes the line from a sender that is just writing
//!    there, and both crawl from line to line. So it first reads the sender's count: by the time that has come, several messages
//!    are there, and they are taken without disturbing the sender. While there are several each time, it waits a moment before
//!    it looks again. In a dialogue there is one at a time, and it looks only now and then.
//! 7. The next header's place follows from the last one's length. Computed from the loaded header, each load would wait for the one
//!    before, a cache miss each time. A header that is bit for bit what a record of the last one's length has is taken as that.
//! 8. Messages of one length follow each other more often than not. What a message of the last one's length needs (its place, its
//!    header, the zero behind it) is got ready by both sides after the last one, while that is on its way.
//!
//! What a kill leaves: of the sender, garbage beyond the last header, which the next sender overwrites; of the receiver, a `head`
//! that is at most one release behind.

use crate::ring::PeerFault;
use crate::ring::moment::Moment;
use crate::ring::record::{self, NUMBER_MASK, Shape, WORD_BYTES};
use crate::ring::spsc::{HEAD, Item, NoRoom, RECEIVED, SENT, Staged};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use strait_mem::{Claim, Shared, SharedMut};

const HEAD_SHIFT: u32 = 32;

/// Name, first bit and number of bits of what is in a head.
pub(crate) const HEAD_BITS: [(&str, u32, u32); 2] = [("released", 0, HEAD_SHIFT), ("position", HEAD_SHIFT, u32::BITS)];

/// How far ahead of the message being taken its successors are fetched, and how many must be there for it.
const FETCH_AHEAD_BYTES: usize = 512;
const FETCH_FROM: u64 = 10;
/// In a dialogue the count is read once in so many messages, and twice as many each time that there is but one: it costs the sender
/// a cache line.
const LOOK_EVERY_MIN: u32 = 16;
const LOOK_EVERY_MAX: u32 = 1024;

fn pack(position: u32, index: u32) -> u64 {
    u64::from(position) << HEAD_SHIFT | u64::from(index)
}

/// The position of a head, in words: where in the ring its oldest record is.
pub(crate) fn position_of(head: u64) -> u32 {
    unpack(head).0
}

fn unpack(head: u64) -> (u32, u32) {
    // Truncation: the two halves.
    ((head >> HEAD_SHIFT) as u32, head as u32)
}

/// The record that comes next, if it is as long as the last one (rule 8).
#[derive(Clone, Copy, Debug)]
struct Ready {
    len_bytes: u32,
    words: u32,
    payload: usize,
    header: u64,
}

/// Nothing is ready: no message is that long.
const NOT_READY: Ready = Ready { len_bytes: u32::MAX, words: 0, payload: 0, header: 0 };

/// The sending side.
#[derive(Debug)]
pub(crate) struct Producer<Ring, Own, Peer> {
    shape: Shape,
    ring: Ring,
    own: Own,
    peer: Peer,
    /// Position of the next record. The truth.
    tail: u32,
    /// The receiver's head when last looked at: may be stale, and then there is more room than it says.
    head_seen: u32,
    /// Messages committed or staged. The truth.
    sent: u64,
    /// At the tail, with room, a zero behind it, and nothing withheld.
    ready: Ready,
    /// Header of the first record of a chain that is not committed yet, and where it goes (rule 5).
    withheld: Option<(usize, u64)>,
}

impl<Ring: SharedMut, Own: SharedMut, Peer: Shared> Producer<Ring, Own, Peer> {
    /// Takes the sending side over from whoever had it: walks from the receiver's head to the first header of zero.
    ///
    /// `own` and `peer` are the two sides' progress. At most one step per record in the ring.
    pub(crate) fn attach(shape: Shape, ring: Ring, own: Own, peer: Peer) -> Result<Self, PeerFault> {
        // Acquire, pairs with SPSC-RELEASE: as in `look_at_head`.
        let (head, _) = unpack(peer.load_u64(HEAD, Acquire));
        let head = Claim::new(head).when(|p| shape.is_aligned(p)).map_err(|r| head_fault(r.found))?;
        let alleged = Claim::new(peer.load_u64(RECEIVED, Relaxed)).for_display();
        let mut tail = head;
        let mut sent = None;
        // Acquire, pairs with SPSC-COMMIT of the sender before this one.
        while let Some(record) = shape.decode(tail, ring.load_u64(shape.header_offset(tail), Acquire))? {
            tail = tail.wrapping_add(record.words);
            if tail.wrapping_sub(head) > shape.capacity_words() {
                let offset = record.payload as u64 - WORD_BYTES as u64;
                return Err(PeerFault { what: "chain of records", offset, found: u64::from(tail) });
            }
            let first = sent.unwrap_or_else(|| record::widen(alleged, record.number));
            sent = Some(record::widen(first, record.number).wrapping_add(u64::from(record.items)));
        }
        // Nothing in the ring: then everything that was sent has been received, and `received` is exact (rule 4).
        let sent = sent.unwrap_or(alleged);
        own.store_u64(SENT, sent, Relaxed);
        Ok(Self { shape, ring, own, peer, tail, head_seen: head, sent, ready: NOT_READY, withheld: None })
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Where the receiver's head will be when it has released everything.
    pub(crate) fn tail(&self) -> u32 {
        self.tail
    }

    /// Messages committed since the channel was made.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Messages committed and not yet released by the receiver, as far as it says.
    pub(crate) fn len(&self) -> u64 {
        self.sent.saturating_sub(self.peer.load_u64(RECEIVED, Relaxed))
    }

    /// Whether the receiver has released everything, as far as it says.
    pub(crate) fn is_drained(&self) -> bool {
        unpack(self.peer.load_u64(HEAD, Relaxed)) == (self.tail, 0)
    }

    /// Whether a receiver is known to have released anything since the channel was made, but for one position in 2^32.
    pub(crate) fn was_released(&self) -> bool {
        self.head_seen != 0
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(crate) fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// Makes room for a message of `len_bytes`, which is at most [`Shape::payload_max_bytes`]. Nothing is visible yet, and
    /// forgetting the result undoes it.
    #[inline(always)]
    pub(crate) fn stage(&mut self, len_bytes: u32) -> Result<Staged, NoRoom> {
        if len_bytes == self.ready.len_bytes {
            return Ok(Staged { payload: self.ready.payload, len_bytes, padding_words: 0, is_ready: true });
        }
        self.stage_anew(len_bytes)
    }

    /// Sends a message, if it is one for which all is ready (rule 8): the common case, and the fastest. If not, nothing has been done.
    #[inline(always)]
    pub(crate) fn put_ready(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() != self.ready.len_bytes as usize {
            return false;
        }
        self.ring.write_fresh(self.ready.payload, bytes);
        self.commit_ready(1);
        self.make_ready(self.ready.len_bytes, self.ready.words);
        true
    }

    #[inline(never)]
    fn stage_anew(&mut self, len_bytes: u32) -> Result<Staged, NoRoom> {
        let words = self.shape.record_words(len_bytes);
        let padding_words = self.shape.padding_before(self.tail, words);
        // One word more for the next header (rule 1 of the record).
        let needed = padding_words + words + 1;
        if self.tail.wrapping_add(needed).wrapping_sub(self.head_seen) > self.shape.capacity_words() {
            self.look_for_room(needed)?;
        }
        // What is written from here on may cover the zero.
        self.ready = NOT_READY;
        let start = self.tail.wrapping_add(padding_words);
        let payload = self.shape.header_offset(start) + WORD_BYTES;
        Ok(Staged { payload, len_bytes, padding_words, is_ready: false })
    }

    /// Writes the header of a staged message, whose payload is complete and `len_bytes` long, at most what was staged.
    /// It becomes visible with [`Self::commit`]. `items` is how many messages it is.
    #[inline]
    pub(crate) fn publish(&mut self, staged: Staged, len_bytes: u32, items: u32) {
        self.ready = NOT_READY;
        if staged.padding_words > 0 {
            self.put_header(self.tail, record::padding_header(staged.padding_words, self.sent));
            self.tail = self.tail.wrapping_add(staged.padding_words);
        }
        let end = self.tail.wrapping_add(self.shape.record_words(len_bytes));
        self.ring.store_u64(self.shape.header_offset(end), 0, Relaxed);
        self.put_header(self.tail, record::message_header(len_bytes, self.sent));
        self.tail = end;
        self.sent = self.sent.wrapping_add(u64::from(items));
    }

    /// Makes all published messages visible, at once. The channel wakes the receiver afterwards, if it sleeps.
    #[inline]
    pub(crate) fn commit(&mut self) {
        let Some((offset, header)) = self.withheld.take() else { return };
        // Release, SPSC-COMMIT: payloads, later headers and the zero behind them are written before this header is seen.
        self.ring.store_u64(offset, header, Release);
        self.own.store_u64(SENT, self.sent, Relaxed);
    }

    /// [`Self::publish`] and [`Self::commit`] of one record, the common case.
    #[inline(always)]
    pub(crate) fn publish_and_commit(&mut self, staged: Staged, len_bytes: u32, items: u32) {
        if staged.is_ready && len_bytes == staged.len_bytes {
            self.commit_ready(items);
        } else {
            self.publish(staged, len_bytes, items);
            self.commit();
        }
        self.make_ready(len_bytes, self.shape.record_words(len_bytes));
    }

    /// Commits the record that is ready, whose payload has been written.
    #[inline(always)]
    fn commit_ready(&mut self, items: u32) {
        // Release, SPSC-COMMIT: the payload is written before this header is seen, and so is the zero behind it, which was stored
        // before the record was called ready.
        self.ring.store_u64(self.ready.payload - WORD_BYTES, self.ready.header, Release);
        self.tail = self.tail.wrapping_add(self.ready.words);
        self.sent = self.sent.wrapping_add(u64::from(items));
        self.own.store_u64(SENT, self.sent, Relaxed);
    }

    /// Looks for the next record's place and zeroes its end now, so that a message of the same size has nothing left to do but its
    /// payload and its header: off the path of the message just sent (rule 8).
    #[inline(always)]
    fn make_ready(&mut self, len_bytes: u32, words: u32) {
        let end = self.tail.wrapping_add(words);
        let is_free = end.wrapping_add(1).wrapping_sub(self.head_seen) <= self.shape.capacity_words();
        if !is_free || self.shape.padding_before(self.tail, words) != 0 {
            self.ready = NOT_READY;
            return;
        }
        self.ring.store_u64(self.shape.header_offset(end), 0, Relaxed);
        let payload = self.shape.header_offset(self.tail) + WORD_BYTES;
        self.ready = Ready { len_bytes, words, payload, header: record::message_header(len_bytes, self.sent) };
    }

    #[inline(always)]
    fn put_header(&mut self, position: u32, header: u64) {
        let offset = self.shape.header_offset(position);
        if self.withheld.is_none() {
            self.withheld = Some((offset, header));
        } else {
            // Relaxed: invisible until SPSC-COMMIT of the chain's first header, which is released.
            self.ring.store_u64(offset, header, Relaxed);
        }
    }

    #[cold]
    fn look_for_room(&mut self, needed: u32) -> Result<(), NoRoom> {
        let head = self.look_at_head().map_err(NoRoom::Fault)?;
        let end = self.tail.wrapping_add(needed);
        if end.wrapping_sub(head) <= self.shape.capacity_words() {
            return Ok(());
        }
        Err(NoRoom::Until(end.wrapping_sub(self.shape.capacity_words())))
    }

    fn look_at_head(&mut self) -> Result<u32, PeerFault> {
        // Acquire, pairs with SPSC-RELEASE: the receiver has read what it released before we overwrite it.
        let (head, _) = unpack(self.peer.load_u64(HEAD, Acquire));
        let behind = self.tail.wrapping_sub(self.head_seen);
        // It only ever moves forward, and never past what was sent.
        let head = Claim::new(head)
            .when(|p| self.tail.wrapping_sub(p) <= behind && self.shape.is_aligned(p))
            .map_err(|r| head_fault(r.found))?;
        self.head_seen = head;
        Ok(head)
    }

    /// The head at which an eighth of the ring (or `until`, if that is later) is free: when to wake a sender that waits for room.
    pub(crate) fn wake_at(&self, until: u32) -> u32 {
        let eighth = self.tail.wrapping_sub(self.shape.capacity_words() - self.shape.capacity_words() / 8);
        // Later, on the circle of positions, seen from the oldest that can be.
        let from = self.tail.wrapping_sub(self.shape.capacity_words());
        if eighth.wrapping_sub(from) > until.wrapping_sub(from) { eighth } else { until }
    }
}

fn head_fault(found: u64) -> PeerFault {
    PeerFault { what: "receiver's position", offset: HEAD as u64, found }
}

/// The receiving side.
#[derive(Debug)]
pub(crate) struct Consumer<Ring, Own, Peer> {
    shape: Shape,
    ring: Ring,
    own: Own,
    peer: Peer,
    /// Position of the oldest record not taken whole. The truth, ahead of the shared copy until [`Self::release`].
    head: u32,
    /// Messages of that record taken.
    index: u32,
    /// Messages of that record not taken; zero until its header has been read and checked, which happens once.
    left: u32,
    /// Where that record's payload begins, once it has been looked at.
    payload: usize,
    /// Where the header at the head is, in bytes from the start of the ring.
    at: usize,
    /// What that header is if its record is like the last one (rules 7, 8); zero while that is not known.
    expected: u64,
    /// The header of the record that was last looked at in full, without its number; and what follows from it, which holds for
    /// every record of that length (rule 7). None has been looked at while `alike_items` is zero.
    alike_header: u64,
    alike_words: u32,
    alike_items: u32,
    alike_len_bytes: u32,
    /// Messages taken. The truth.
    received: u64,
    /// Messages committed, when the sender's count was last read: a hint that may be stale, or a lie.
    sent_seen: u64,
    /// What the sender is given before it is read again.
    moment: Moment,
    /// How many messages are taken one by one before it is read again to see whether there are several.
    until_look: u32,
    look_every: u32,
}

impl<Ring: Shared, Own: SharedMut, Peer: Shared> Consumer<Ring, Own, Peer> {
    /// Takes the receiving side over: goes on at the first message not released.
    pub(crate) fn attach(shape: Shape, ring: Ring, own: Own, peer: Peer) -> Result<Self, PeerFault> {
        let (head, index) = unpack(own.load_u64(HEAD, Acquire));
        let head = Claim::new(head).when(|p| shape.is_aligned(p)).map_err(|r| head_fault(r.found))?;
        let alleged = Claim::new(own.load_u64(RECEIVED, Relaxed)).for_display();
        let index_fault = |found| PeerFault { what: "receiver's index", offset: HEAD as u64, found };
        // Acquire, pairs with SPSC-COMMIT.
        let header = ring.load_u64(shape.header_offset(head), Acquire);
        let received = match shape.decode(head, header)? {
            Some(record) => {
                // A record taken whole is not the oldest any more.
                let is_sound = |i| i < record.items || i == 0;
                let index = Claim::new(index).when(is_sound).map_err(|r| index_fault(r.found))?;
                record::widen(alleged, record.number.wrapping_add(u64::from(index)) & NUMBER_MASK)
            }
            None if index != 0 => return Err(index_fault(u64::from(index))),
            None => alleged,
        };
        let mut consumer = Self {
            shape,
            ring,
            own,
            peer,
            head,
            index,
            left: 0,
            payload: 0,
            at: shape.header_offset(head),
            expected: 0,
            alike_header: 0,
            alike_words: 0,
            alike_items: 0,
            alike_len_bytes: 0,
            received,
            sent_seen: received,
            moment: Moment::new(),
            until_look: 0,
            look_every: LOOK_EVERY_MIN,
        };
        consumer.release();
        Ok(consumer)
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

    /// The head as released, for the comparison with a sender's [`Producer::wake_at`].
    pub(crate) fn head(&self) -> u32 {
        self.head
    }

    /// The messages at the front, looking again so many times, a pause apart. `None` also where a closer look is needed:
    /// [`Self::front`] tells.
    #[inline(always)]
    pub(crate) fn front_soon(&mut self, mut looks_left: u32) -> Option<Item> {
        if self.left > 0 {
            return Some(self.item());
        }
        loop {
            // Acquire, pairs with SPSC-COMMIT: the payload is read after its header.
            let header = self.ring.load_u64(self.at, Acquire);
            if header != 0 {
                // Rule 7.
                if header != self.expected {
                    return None;
                }
                let offset = self.at + WORD_BYTES;
                (self.payload, self.left) = (offset, self.alike_items);
                // Not from the fields, which have only just been stored.
                return Some(Item { offset, len_bytes: self.alike_len_bytes, count: self.alike_items });
            }
            if looks_left == 0 {
                return None;
            }
            looks_left -= 1;
            std::hint::spin_loop();
        }
    }

    /// The messages at the front, if there are any: those of one record that were not taken yet.
    #[inline]
    pub(crate) fn front(&mut self) -> Result<Option<Item>, PeerFault> {
        if self.left == 0 {
            // Acquire, pairs with SPSC-COMMIT: the payload is read after its header.
            let header = self.ring.load_u64(self.at, Acquire);
            if !self.look_closely(header)? {
                return Ok(None);
            }
        }
        Ok(Some(self.item()))
    }

    /// The front, where there is one.
    #[inline(always)]
    fn item(&self) -> Item {
        let offset = self.payload + self.index as usize * self.alike_len_bytes as usize;
        Item { offset, len_bytes: self.alike_len_bytes, count: self.left }
    }

    /// What is done before the front is looked at, while a message may be on its way: works out how a message like the last one
    /// will look (rule 8), and keeps a distance (rule 6): reads the sender's count once, when all that it last said has been taken.
    /// A receiver that may wait, and got several messages the last time, gives the sender a moment first.
    #[inline(always)]
    pub(crate) fn get_ready(&mut self, may_wait: bool) {
        if self.left > 0 {
            return;
        }
        self.foresee();
        if self.known_ahead() > 0 {
            return;
        }
        if !self.moment.is_any() && self.until_look > 0 {
            self.until_look -= 1;
            return;
        }
        self.look_at_sent(may_wait);
    }

    #[inline(never)]
    fn look_at_sent(&mut self, may_wait: bool) {
        if may_wait {
            self.moment.pass();
        }
        // Relaxed: a hint; what is there is what a header says.
        self.sent_seen = self.peer.load_u64(SENT, Relaxed);
        let found = self.known_ahead();
        self.look_every = if found > 1 { LOOK_EVERY_MIN } else { (self.look_every * 2).min(LOOK_EVERY_MAX) };
        self.until_look = self.look_every;
        self.moment.learn(found);
    }

    /// How many messages the sender has said are there. A message can be taken before that has been said.
    #[inline(always)]
    fn known_ahead(&self) -> u64 {
        self.sent_seen.saturating_sub(self.received)
    }

    /// Works out the header that a record like the last one has at the head (rules 7, 8); says whether there can be one.
    #[inline(always)]
    pub(super) fn foresee(&mut self) -> bool {
        let is_there =
            self.index == 0 && self.alike_items > 0 && self.shape.padding_before(self.head, self.alike_words) == 0;
        self.expected = if is_there { record::with_number(self.alike_header, self.received) } else { 0 };
        if self.known_ahead() >= FETCH_FROM {
            self.ring.fetch_ahead(self.at + FETCH_AHEAD_BYTES);
        }
        is_there
    }

    #[inline(never)]
    fn look_closely(&mut self, mut header: u64) -> Result<bool, PeerFault> {
        // Padding is followed by a message in the same commit, so two turns are enough; a third would be a lie.
        for _ in 0..2 {
            let Some(record) = self.shape.decode(self.head, header)? else { return Ok(false) };
            let expected = self.received.wrapping_sub(u64::from(self.index)) & NUMBER_MASK;
            if record.number != expected {
                return Err(self.fault("message number", record.number));
            }
            // Only a receiver that has just attached finds itself in the middle of a record.
            if let Some(left) = record.items.checked_sub(self.index).filter(|&left| left > 0) {
                self.payload = record.payload;
                self.left = left;
                self.alike_header = record::with_number(header, 0);
                self.alike_words = record.words;
                self.alike_items = record.items;
                self.alike_len_bytes = self.shape.item_len(&record);
                return Ok(true);
            }
            if record.items > 0 {
                return Err(self.fault("receiver's index", u64::from(self.index)));
            }
            self.head = self.head.wrapping_add(record.words);
            self.at = self.shape.header_offset(self.head);
            // Acquire, pairs with SPSC-COMMIT: the payload is read after its header.
            header = self.ring.load_u64(self.at, Acquire);
        }
        Err(self.fault("padding after padding", 0))
    }

    /// Takes `count` messages of the front, at most as many as it has. They are gone for a successor only with [`Self::release`].
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) {
        let count = count.min(self.left);
        if count == 0 {
            return;
        }
        self.left -= count;
        self.index += count;
        self.received = self.received.wrapping_add(u64::from(count));
        if self.left == 0 {
            self.head = self.head.wrapping_add(self.alike_words);
            self.at = self.shape.header_offset(self.head);
            self.index = 0;
            self.expected = 0;
        }
    }

    /// Releases what was taken: the sender may overwrite it. The channel wakes the sender afterwards, if it sleeps.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        // Before the head: a successor that finds the ring empty relies on it (rule 4).
        self.own.store_u64(RECEIVED, self.received, Relaxed);
        // Release, SPSC-RELEASE: the messages have been read, and counted, before the sender sees that they may be overwritten.
        self.own.store_u64(HEAD, pack(self.head, self.index), Release);
    }

    #[cold]
    #[inline(never)]
    fn fault(&self, what: &'static str, found: u64) -> PeerFault {
        PeerFault { what, offset: self.shape.header_offset(self.head) as u64, found }
    }
}
