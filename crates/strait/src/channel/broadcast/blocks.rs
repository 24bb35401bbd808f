//! Messages in blocks: what a publisher writes into, and what subscribers hold.
//!
//! The rules are those of [`crate::ring::lane::blocks`]. Here is what they rest on: seats that are attached, rows that are somebody's own, and
//! windows on the blocks.
//!
//! 1. A subscriber's [`Shelf`] is shared by it and by all that it holds. The last of them leaves the seat: so a [`Held`] message outlives the
//!    subscriber, and its bit counts until it is gone.
//! 2. A subscriber that is gone and whose messages are held keeps no positions and is not counted as one; its seat is taken all the same.

use crate::channel::broadcast::lanes::Origin;
use crate::channel::broadcast::setup::{self, Plan, ROOM};
use crate::channel::hub::{Departure, Hub};
use crate::channel::message::Message;
use crate::error::{Error, ErrorKind, Result};
use crate::peer::seat::State;
use crate::ring::lane::blocks::{self, Blocks, Pool};
use crate::ring::lane::{Item as Place, Writer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use strait_mem::{Lent, LentMut, Shared as _, SharedMut, View, ViewMut};

/// A window that shows no byte of a lane's blocks twice.
fn in_use(hub: &Hub) -> Error {
    let why = format!("attach to {}: its blocks are in use in this mapping", hub.region().place());
    Error::new(ErrorKind::Usage, why)
}

fn within(hub: &Hub, part: &Range<u64>) -> Range<usize> {
    let start = hub.body().start;
    // The region is mapped, so its length fits.
    (start + part.start) as usize..(start + part.end) as usize
}

/// A publisher's blocks. Its calls stay out of the way of a publisher that has none: they are not inlined.
#[derive(Debug)]
pub(super) struct Lending {
    pool: Pool,
    window: LentMut,
}

impl Lending {
    /// Takes the blocks of our lane over.
    pub(super) fn attach<Ring: SharedMut, Own: SharedMut>(
        hub: &Hub,
        plan: Plan,
        blocks: Blocks,
        lane: &mut Writer<Ring, Own>,
        rows: &View,
    ) -> Result<Self> {
        let (number, _) = hub.seat();
        let window = hub.region().mapping().lent_mut(within(hub, &plan.pool(number)), hub.trust());
        let window = window.ok_or_else(|| in_use(hub))?;
        let sent = lane.sent();
        let slowest = plan.is_kept().then_some(|| slowest(hub, plan, rows, number, sent));
        let pool = Pool::attach(blocks, lane, slowest, |word| held(hub, plan, rows, number, word));
        let pool = pool.map_err(|fault| setup::damaged(hub.region(), fault))?;
        Ok(Self { pool, window })
    }

    /// Whether there is a block for the next message; makes one free if that can be.
    #[inline(never)]
    pub(super) fn has_room<Ring: SharedMut, Own: SharedMut>(
        &mut self,
        hub: &Hub,
        plan: Plan,
        lane: &mut Writer<Ring, Own>,
        rows: &View,
    ) -> bool {
        let (number, _) = hub.seat();
        let sent = lane.sent();
        let slowest = plan.is_kept().then_some(|| slowest(hub, plan, rows, number, sent));
        self.pool.has_room(lane, slowest, |word| held(hub, plan, rows, number, word))
    }

    /// The first position, on the circle of 32 bits, at which a block may be free.
    pub(super) fn wake_at<Ring: SharedMut, Own: SharedMut>(&self, lane: &Writer<Ring, Own>) -> u32 {
        // Truncation: the circle.
        self.pool.oldest(lane).wrapping_add(1) as u32
    }

    /// Publishes a copy of a message for which there is room.
    #[inline(never)]
    pub(super) fn put<Ring: SharedMut, Own: SharedMut>(&mut self, lane: &mut Writer<Ring, Own>, bytes: &[u8]) {
        if let Some(at) = self.pool.next() {
            self.window.write(at, bytes);
            self.publish(lane, bytes.len());
        }
    }

    /// Publishes what lies where the next message goes.
    #[inline(never)]
    pub(super) fn publish<Ring: SharedMut, Own: SharedMut>(&mut self, lane: &mut Writer<Ring, Own>, len: usize) {
        // Held against the longest message before.
        self.pool.publish(lane, len as u32);
    }

    /// Where the next message goes, for reading; `None` without trust or room.
    pub(super) fn slice(&self, len: usize) -> Option<&[u8]> {
        self.window.slice(self.pool.next()?, len)
    }

    /// The same, for writing.
    pub(super) fn slice_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        self.window.slice_mut(self.pool.next()?, len)
    }
}

/// The first message of a lane that somebody has still to read: `sent` if there is none. A position beyond that is as good as `sent`.
pub(super) fn slowest(hub: &Hub, plan: Plan, rows: &View, lane: u32, sent: u64) -> u64 {
    let mut slowest = sent;
    for subscriber in 0..plan.subscribers {
        // Acquire, pairs with LANE-RELEASE: it has read what we overwrite; and its seat is not older than its position.
        let position = rows.load_u64(plan.position(subscriber, lane), Acquire);
        if position < slowest && hub.presence(plan.publishers + subscriber).state() == State::Attached {
            slowest = position;
        }
    }
    slowest
}

/// A word of the bits of all subscribers that are here.
fn held(hub: &Hub, plan: Plan, rows: &View, lane: u32, word: usize) -> u64 {
    let mut held = 0;
    for subscriber in 0..plan.subscribers {
        // At most 64 rows of 16 lanes of 128 bytes. The load is an acquire: its seat is not older than its bits.
        let bits = blocks::held(rows, plan.holds(subscriber, lane).start as usize, word);
        if bits != 0 && hub.presence(plan.publishers + subscriber).state() == State::Attached {
            held |= bits;
        }
    }
    held
}

/// The blocks as a subscriber, and what it holds, see them (rule 1).
#[derive(Debug)]
pub(super) struct Shelf {
    blocks: Blocks,
    /// Those of each lane.
    windows: Vec<Lent>,
    /// Our own bits for each.
    bits: Vec<ViewMut>,
    is_trusted: bool,
    departure: Departure,
}

impl Shelf {
    /// Sees the blocks of all lanes, and lets go of what our seat's last owner held.
    pub(super) fn open(hub: &Hub, plan: Plan, blocks: Blocks) -> Result<Self> {
        let (seat, _) = hub.seat();
        let mapping = hub.region().mapping();
        let window = |lane| mapping.lent(within(hub, &plan.pool(lane)), hub.trust()).ok_or_else(|| in_use(hub));
        let own = |lane| {
            let at = plan.holds(seat - plan.publishers, lane);
            let start = hub.body().start;
            hub.region().view_mut(start + at.start..start + at.end)
        };
        let windows = (0..plan.publishers).map(window).collect::<Result<Vec<_>>>()?;
        let bits = (0..plan.publishers).map(own).collect::<Result<Vec<_>>>()?;
        bits.iter().for_each(blocks::let_all_go);
        Ok(Self { blocks, windows, bits, is_trusted: hub.trust().is_some(), departure: hub.departure()? })
    }

    /// Whether blocks can be lent.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// The block, and the place in its lane's blocks, of an alleged reference, if it can be one.
    pub(super) fn find(&self, reference: u64) -> Option<(u32, Place)> {
        let (block, len_bytes) = self.blocks.check(reference)?;
        Some((block, Place { offset: self.blocks.start(block), len_bytes }))
    }

    /// See [`blocks::hold`].
    pub(super) fn hold(&self, lane: usize, block: u32) -> bool {
        blocks::hold(&self.bits[lane], block)
    }

    /// Lets go of a block, and wakes its publisher if it waits for one. In a forked child nothing is held: the seat is its parent's.
    pub(super) fn let_go(&self, lane: usize, block: u32) {
        if self.departure.is_own() {
            blocks::let_go(&self.bits[lane], block);
            // At most 16 lanes.
            self.departure.after_action_for(ROOM, lane as u32);
        }
    }

    pub(super) fn read(&self, lane: usize, offset: usize, into: &mut [u8]) {
        self.windows[lane].read(offset, into);
    }

    /// A message in its block; `None` without trust, and where it is no whole number of items.
    pub(super) fn message<M: Message + ?Sized>(&self, lane: usize, at: Place) -> Option<&M> {
        self.windows[lane].slice(at.offset, at.len_bytes as usize).and_then(M::from_bytes)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.departure.leave();
    }
}

/// A message that stays as it is as long as somebody holds it: [`super::Subscriber::hold`] gives it. Dropping it gives the block back to its
/// publisher.
///
/// It borrows nothing: it can be kept beside others, sent to another thread, and outlive the subscriber, whose seat it then keeps taken: the last
/// one leaves it, which enters the kernel. When the process dies its blocks are free again; until then one that is leaked keeps its block. In a
/// forked child it can be read as long as the parent holds it, and dropping it does nothing.
pub struct Held<M: Message + ?Sized> {
    lane: usize,
    block: u32,
    at: Place,
    origin: Origin,
    shelf: Arc<Shelf>,
    /// It is read from many threads, as through an `Arc`.
    message: PhantomData<Arc<M>>,
}

impl<M: Message + ?Sized> Held<M> {
    /// Of a block of which a new hold was taken, and a message that can be read.
    pub(super) fn new(shelf: Arc<Shelf>, lane: usize, block: u32, at: Place, origin: Origin) -> Self {
        Self { lane, block, at, origin, shelf, message: PhantomData }
    }

    /// Where the message came from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

impl<M: Message + ?Sized> Deref for Held<M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        self.shelf.message(self.lane, self.at).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> Drop for Held<M> {
    fn drop(&mut self) {
        self.shelf.let_go(self.lane, self.block);
    }
}

impl<M: Message + ?Sized> fmt::Debug for Held<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("type", &M::type_name()).field("origin", &self.origin).finish()
    }
}

/// A subscriber has a hold of the block of the message that it lent: in which lane, and which block.
pub(super) type Loan = (usize, u32);

/// Not reached: the same conversion of the same bytes was made before there was a hold.
#[cold]
fn misfit() -> ! {
    unreachable!("a held message is as long and as aligned as its type")
}
