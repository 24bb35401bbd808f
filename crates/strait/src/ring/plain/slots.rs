//! The ring of slots on plain memory: what either side believes of the other's count, and what it says when there is nothing.

use crate::ring::PeerFault;
use crate::ring::slots::{Consumer, Producer, Shape};
use crate::ring::spsc::{NoRoom, RECEIVED, SENT};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Mapping, Shared as _, SharedMut as _, View, ViewMut};

const ITEM_BYTES: u32 = 64;
const SLOTS: u64 = 4;
const ITEM: [u8; ITEM_BYTES as usize] = [7; ITEM_BYTES as usize];

struct Plain {
    shape: Shape,
    mapping: Arc<Mapping>,
}

impl Plain {
    fn new() -> Self {
        let shape = Shape::new(SLOTS * u64::from(ITEM_BYTES), ITEM_BYTES).expect("sound");
        Self { shape, mapping: Mapping::anonymous(shape.ring_bytes() + 128, None, false).expect("memory") }
    }

    fn at(&self, part: usize) -> std::ops::Range<usize> {
        [0..64, 64..128, 128..128 + self.shape.ring_bytes()][part].clone()
    }

    fn mine(&self, part: usize) -> ViewMut {
        self.mapping.view_mut(self.at(part)).expect("writable")
    }

    fn theirs(&self, part: usize) -> View {
        self.mapping.view(self.at(part)).expect("inside")
    }

    fn sender(&self) -> Result<Producer<ViewMut, ViewMut, View>, PeerFault> {
        Producer::attach(self.shape, self.mine(2), self.mine(0), self.theirs(1))
    }

    fn receiver(&self) -> Result<Consumer<View, ViewMut, View>, PeerFault> {
        Consumer::attach(self.shape, self.theirs(2), self.mine(1), self.theirs(0))
    }

    /// Writes the counts.
    fn allege(&self, sent: u64, received: u64) {
        self.mine(0).store_u64(SENT, sent, Relaxed);
        self.mine(1).store_u64(RECEIVED, received, Relaxed);
    }
}

/// A ring has at least two slots and at most 2^31, and a slot is not nothing.
#[test]
fn impossible_shapes_are_refused() {
    for (capacity_bytes, item_bytes) in [(0, 8), (8, 8), (15, 8), (64, 0), ((1 << 31) + 1, 1), (1 << 32, 1)] {
        assert_eq!(Shape::new(capacity_bytes, item_bytes), None, "{capacity_bytes} bytes of {item_bytes}");
    }
    for (capacity_bytes, item_bytes) in [(16, 8), (1 << 31, 1), (1 << 32, 2)] {
        assert!(Shape::new(capacity_bytes, item_bytes).is_some(), "{capacity_bytes} bytes of {item_bytes}");
    }
}

/// Who attaches refuses counts that contradict each other, and takes those that do not, around the end of all numbers too (rule 5).
#[test]
fn counts_at_attach() {
    let plain = Plain::new();
    for (sent, received) in [(0, 1), (SLOTS + 1, 0), (9 + SLOTS + 1, 9), (8, 9), (0, u64::MAX - SLOTS), (u64::MAX, 0)] {
        plain.allege(sent, received);
        let faults = [plain.sender().expect_err("a lie"), plain.receiver().expect_err("a lie")];
        assert!(faults.iter().all(|it| (it.what, it.found) == ("sender's count", sent)), "{faults:?}");
    }
    for (sent, received) in [(0, 0), (SLOTS, 0), (9 + SLOTS, 9), (9, 9), (1, u64::MAX)] {
        plain.allege(sent, received);
        let (sender, receiver) = (plain.sender().expect("no lie"), plain.receiver().expect("no lie"));
        assert_eq!((sender.sent(), receiver.received()), (sent, received));
    }
}

/// A sender's count that goes back, or is ahead by more than there are slots, is a lie to whoever looks for a message.
#[test]
fn senders_count_is_checked() {
    for lie in [8, 9 + SLOTS + 1, 0, u64::MAX] {
        let plain = Plain::new();
        plain.allege(9, 9);
        let mut receiver = plain.receiver().expect("no lie");
        plain.allege(lie, 9);
        assert_eq!(receiver.front_soon(0), None);
        assert_eq!(receiver.front().expect_err("a lie").found, lie);
    }
}

/// A receiver's count that goes back, or is beyond what was sent, is a lie to a sender that looks for room.
#[test]
fn receivers_count_is_checked() {
    for lie in [8, 9 + SLOTS + 1, 0, u64::MAX] {
        let plain = Plain::new();
        plain.allege(9 + SLOTS, 9);
        let mut sender = plain.sender().expect("no lie");
        plain.allege(9 + SLOTS, lie);
        let fault = PeerFault { what: "receiver's count", offset: RECEIVED as u64, found: lie };
        assert_eq!(sender.stage(ITEM_BYTES), Err(NoRoom::Fault(fault)));
    }
}

/// Nothing is at the front until something is sent; then it is there whichever way it is asked for, until it is taken.
#[test]
fn front_is_what_is_there() {
    let plain = Plain::new();
    let (mut sender, mut receiver) = (plain.sender().expect("sound"), plain.receiver().expect("sound"));
    for _ in 0..SLOTS {
        assert_eq!(receiver.front(), Ok(None));
        assert_eq!(receiver.front_soon(2), None);
        assert!(sender.put_ready(&ITEM));
        let item = receiver.front().expect("no lie").expect("a message");
        assert_eq!((receiver.front(), receiver.front_soon(0)), (Ok(Some(item)), Some(item)));
        assert_eq!((item.len_bytes, item.count), (ITEM_BYTES, 1));
        let mut bytes = [0; ITEM.len()];
        receiver.ring().read(item.offset, &mut bytes);
        assert_eq!(bytes, ITEM);
        receiver.take(1);
        receiver.release();
    }
}

/// What is not one item is not sent the short way: nothing has been done.
#[test]
fn only_single_items_are_put() {
    let plain = Plain::new();
    let mut sender = plain.sender().expect("sound");
    for len in [0, 1, ITEM.len() - 1, ITEM.len() + 1, 2 * ITEM.len()] {
        assert!(!sender.put_ready(&vec![1; len]), "{len} bytes");
        assert_eq!((sender.sent(), plain.theirs(0).load_u64(SENT, Relaxed)), (0, 0));
    }
    for _ in 0..SLOTS {
        assert!(sender.put_ready(&ITEM));
    }
    assert!(!sender.put_ready(&ITEM), "full");
    assert_eq!((sender.sent(), plain.theirs(0).load_u64(SENT, Relaxed)), (SLOTS, SLOTS));
}
