//! The ring of a channel with one sender and one receiver: of `records` or of `slots`, the modules beside this one, as its shape says.
//!
//! | messages | ring | because |
//! |---|---|---|
//! | items of at most 56 bytes | records | header and payload travel in one cache line |
//! | larger items | slots | their lines belong to one message each |
//! | slices and bytes | records | each says how long it is |

use crate::ring::record::{Shape as RecordShape, WORD_BYTES};
use crate::ring::{PeerFault, records, slots};
use strait_mem::{Shared, SharedMut};

/// Size of a side's progress, a cache line.
pub(crate) const PROGRESS_BYTES: usize = 64;
/// Of a sender's progress: messages committed.
pub(crate) const SENT: usize = 8;
/// Of a receiver's progress, in a ring of records: where the oldest one is, and how much of it is released.
pub(crate) const HEAD: usize = 0;
/// Of a receiver's progress: messages released.
pub(crate) const RECEIVED: usize = 8;

/// Name, offset and length of each field of a side's progress.
pub(crate) const SENDER_FIELDS: [(&str, usize, usize); 1] = [("sent", SENT, 8)];
pub(crate) const RECEIVER_FIELDS: [(&str, usize, usize); 2] = [("head", HEAD, 8), ("received", RECEIVED, 8)];
pub(crate) const RECEIVER_FIELDS_OF_SLOTS: [(&str, usize, usize); 1] = [("received", RECEIVED, 8)];

/// Which ring it is, and of what size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Records(RecordShape),
    Slots(slots::Shape),
}

impl Shape {
    /// How many bytes the ring takes with its margin.
    pub(crate) fn ring_bytes(self) -> usize {
        match self {
            Self::Records(shape) => shape.ring_bytes(),
            Self::Slots(shape) => shape.ring_bytes(),
        }
    }

    /// How many bytes of messages it holds, headers included.
    pub(crate) fn capacity_bytes(self) -> u64 {
        match self {
            Self::Records(shape) => u64::from(shape.capacity_words()) * WORD_BYTES as u64,
            Self::Slots(shape) => shape.ring_bytes() as u64,
        }
    }

    /// How many messages of one length it holds, give or take padding; `None` where lengths differ.
    pub(crate) fn capacity_messages(self) -> Option<u64> {
        match self {
            Self::Records(shape) => shape.capacity_items(),
            Self::Slots(shape) => Some(u64::from(shape.count())),
        }
    }

    /// The most that can be staged at once: half the capacity.
    pub(crate) fn payload_max_bytes(self) -> u32 {
        match self {
            Self::Records(shape) => shape.payload_max_bytes(),
            // At most half of 4 GiB.
            Self::Slots(shape) => (shape.ring_bytes() / 2) as u32,
        }
    }
}

/// Why nothing was staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// There is room when the receiver's head has reached this position.
    Until(u32),
    /// The receiver's head cannot be.
    Fault(PeerFault),
}

/// Room for a message, not yet visible to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Where the payload goes, in bytes from the start of the ring.
    pub(crate) payload: usize,
    /// How much was asked for; of several items in slots maybe less, those that lie before the end of the ring.
    pub(crate) len_bytes: u32,
    /// Padding before the record.
    pub(super) padding_words: u32,
    /// Whether it is the record that was made ready.
    pub(super) is_ready: bool,
}

impl Staged {
    #[inline(always)]
    pub(super) fn at(payload: usize, len_bytes: u32) -> Self {
        Self { payload, len_bytes, padding_words: 0, is_ready: false }
    }
}

/// A message that the receiver may read, until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it lies, in bytes from the start of the ring.
    pub(crate) offset: usize,
    /// How long one message is.
    pub(crate) len_bytes: u32,
    /// How many messages of that length lie here one after another.
    pub(crate) count: u32,
}

/// The sending side.
#[derive(Debug)]
pub(crate) enum Producer<Ring, Own, Peer> {
    Records(records::Producer<Ring, Own, Peer>),
    Slots(slots::Producer<Ring, Own, Peer>),
}

/// The same, done with whichever ring of an end it is: `either!(Consumer, end, ring => ring.len())`.
macro_rules! either {
    ($end:ident, $value:expr, $ring:ident => $body:expr) => {
        match $value {
            $end::Records($ring) => $body,
            $end::Slots($ring) => $body,
        }
    };
}
pub(crate) use either;

impl<Ring: SharedMut, Own: SharedMut, Peer: Shared> Producer<Ring, Own, Peer> {
    /// Takes the sending side over from whoever had it. `own` and `peer` are the two sides' progress.
    pub(crate) fn attach(shape: Shape, ring: Ring, own: Own, peer: Peer) -> Result<Self, PeerFault> {
        Ok(match shape {
            Shape::Records(shape) => Self::Records(records::Producer::attach(shape, ring, own, peer)?),
            Shape::Slots(shape) => Self::Slots(slots::Producer::attach(shape, ring, own, peer)?),
        })
    }

    #[inline(always)]
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Records(ring) => Shape::Records(ring.shape()),
            Self::Slots(ring) => Shape::Slots(ring.shape()),
        }
    }

    /// Where the receiver's head will be when it has released everything.
    pub(crate) fn tail(&self) -> u32 {
        either!(Self, self, ring => ring.tail())
    }

    /// Messages committed since the channel was made.
    pub(crate) fn sent(&self) -> u64 {
        either!(Self, self, ring => ring.sent())
    }

    /// Messages committed and not yet released by the receiver, as far as it says.
    pub(crate) fn len(&self) -> u64 {
        either!(Self, self, ring => ring.len())
    }

    /// Whether the receiver has released everything, as far as it says.
    pub(crate) fn is_drained(&self) -> bool {
        match self {
            Self::Records(ring) => ring.is_drained(),
            Self::Slots(ring) => ring.len() == 0,
        }
    }

    /// Whether a receiver is known to have released anything since the channel was made.
    pub(crate) fn was_released(&self) -> bool {
        either!(Self, self, ring => ring.was_released())
    }

    #[inline(always)]
    pub(crate) fn ring(&self) -> &Ring {
        either!(Self, self, ring => ring.ring())
    }

    #[inline(always)]
    pub(crate) fn ring_mut(&mut self) -> &mut Ring {
        either!(Self, self, ring => ring.ring_mut())
    }

    /// Sends a message, if nothing stands in its way; if something does, nothing has been done.
    #[inline(always)]
    pub(crate) fn put_ready(&mut self, bytes: &[u8]) -> bool {
        either!(Self, self, ring => ring.put_ready(bytes))
    }

    /// Makes room for a message, or for several items, of `len_bytes` in all, which is at most [`Shape::payload_max_bytes`]. Nothing
    /// is visible yet, and forgetting the result undoes it.
    #[inline(always)]
    pub(crate) fn stage(&mut self, len_bytes: u32) -> Result<Staged, NoRoom> {
        either!(Self, self, ring => ring.stage(len_bytes))
    }

    /// Finishes a staged message, whose payload is complete and `len_bytes` long, at most what was staged; `items` is how many
    /// messages it is. They become visible with [`Self::commit`].
    #[inline(always)]
    pub(crate) fn publish(&mut self, staged: Staged, len_bytes: u32, items: u32) {
        match self {
            Self::Records(ring) => ring.publish(staged, len_bytes, items),
            Self::Slots(ring) => ring.publish(items),
        }
    }

    /// Makes all published messages visible, at once. The channel wakes the receiver afterwards, if it sleeps.
    #[inline(always)]
    pub(crate) fn commit(&mut self) {
        either!(Self, self, ring => ring.commit());
    }

    /// [`Self::publish`] and [`Self::commit`], the common case.
    #[inline(always)]
    pub(crate) fn publish_and_commit(&mut self, staged: Staged, len_bytes: u32, items: u32) {
        match self {
            Self::Records(ring) => ring.publish_and_commit(staged, len_bytes, items),
            Self::Slots(ring) => {
                ring.publish(items);
                ring.commit();
            }
        }
    }

    /// The head at which to wake a sender that waits for room, which there is from `until` on.
    pub(crate) fn wake_at(&self, until: u32) -> u32 {
        either!(Self, self, ring => ring.wake_at(until))
    }
}

/// The receiving side.
#[derive(Debug)]
pub(crate) enum Consumer<Ring, Own, Peer> {
    Records(records::Consumer<Ring, Own, Peer>),
    Slots(slots::Consumer<Ring, Own, Peer>),
}

impl<Ring: Shared, Own: SharedMut, Peer: Shared> Consumer<Ring, Own, Peer> {
    /// Takes the receiving side over: goes on at the first message not released.
    pub(crate) fn attach(shape: Shape, ring: Ring, own: Own, peer: Peer) -> Result<Self, PeerFault> {
        Ok(match shape {
            Shape::Records(shape) => Self::Records(records::Consumer::attach(shape, ring, own, peer)?),
            Shape::Slots(shape) => Self::Slots(slots::Consumer::attach(shape, ring, own, peer)?),
        })
    }

    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Records(ring) => Shape::Records(ring.shape()),
            Self::Slots(ring) => Shape::Slots(ring.shape()),
        }
    }

    /// Messages taken since the channel was made.
    pub(crate) fn received(&self) -> u64 {
        either!(Self, self, ring => ring.received())
    }

    /// Messages committed and not yet taken, as far as the sender says.
    pub(crate) fn len(&self) -> u64 {
        either!(Self, self, ring => ring.len())
    }

    #[inline(always)]
    pub(crate) fn ring(&self) -> &Ring {
        either!(Self, self, ring => ring.ring())
    }

    /// The head as taken, for the comparison with a sender's [`Producer::wake_at`].
    #[inline(always)]
    pub(crate) fn head(&self) -> u32 {
        either!(Self, self, ring => ring.head())
    }

    /// The messages at the front, if there are any: those that lie one behind the other.
    #[inline]
    pub(crate) fn front(&mut self) -> Result<Option<Item>, PeerFault> {
        either!(Self, self, ring => ring.front())
    }

    /// Takes `count` messages of the front, at most as many as it has. They are gone for a successor only with [`Self::release`].
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) {
        either!(Self, self, ring => ring.take(count));
    }

    /// Releases what was taken: the sender may overwrite it. The channel wakes the sender afterwards, if it sleeps.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        either!(Self, self, ring => ring.release());
    }
}
