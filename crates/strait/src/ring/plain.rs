//! The ring on plain memory, one side after the other: lengths that change, laps, and what a lying peer left.

mod slots;

use crate::ring::record::{Shape, message_header, padding_header};
use crate::ring::records::{Consumer, Producer};
use crate::ring::spsc::{self, NoRoom};
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Mapping, Shared as _, SharedMut as _, View, ViewMut};

/// The head of the receiver's progress.
const HEAD: usize = 0;
/// Its count, and the sender's at the same place of the sender's.
const RECEIVED: usize = 8;

struct Plain {
    shape: Shape,
    mapping: std::sync::Arc<Mapping>,
}

impl Plain {
    fn new() -> Self {
        Self::of_items(0)
    }

    fn of_items(item_bytes: u32) -> Self {
        let shape = Shape::new(4096, 64, item_bytes).expect("sound");
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

    fn sender(&self) -> Result<Producer<ViewMut, ViewMut, View>, crate::ring::PeerFault> {
        Producer::attach(self.shape, self.mine(2), self.mine(0), self.theirs(1))
    }

    fn receiver(&self) -> Result<Consumer<View, ViewMut, View>, crate::ring::PeerFault> {
        Consumer::attach(self.shape, self.theirs(2), self.mine(1), self.theirs(0))
    }
}

/// Messages of one length, of others, and shorter than they were staged come as they were sent, over many laps.
#[test]
fn lengths_change_over_many_laps() {
    let plain = Plain::new();
    let (mut sender, mut receiver) = (plain.sender().expect("sound"), plain.receiver().expect("sound"));
    let (mut sent, mut received) = (0_u32, 0_u32);
    // Runs of one length, the last of each cut short: what was made ready for its length must not be used.
    let len = |number: u32| [24, 600, 1000, 0, 2048, 600, 56][(number / 7 % 7) as usize];
    let cut = |number: u32| if number % 7 == 6 { len(number) / 2 } else { len(number) };
    let bytes = |number: u32| vec![number as u8; cut(number) as usize];
    while received < 2000 {
        loop {
            match sender.stage(len(sent)) {
                Ok(staged) => {
                    sender.ring().write(staged.payload, &bytes(sent));
                    sender.publish_and_commit(staged, cut(sent), 1);
                    sent += 1;
                }
                Err(NoRoom::Until(_)) => break,
                Err(NoRoom::Fault(fault)) => panic!("{fault}"),
            }
        }
        assert!(sent > received, "neither room nor a message");
        while received < sent {
            receiver.get_ready(false);
            let soon = receiver.front_soon(0);
            let item = soon.unwrap_or_else(|| receiver.front().expect("no lie").expect("a message"));
            let mut into = vec![0; item.len_bytes as usize];
            receiver.ring().read(item.offset, &mut into);
            assert_eq!(into, bytes(received), "message {received}");
            receiver.take(1);
            receiver.release();
            received += 1;
        }
    }
}

/// A head that no record can begin at is a lie, to a sender and to a receiver that attach.
#[test]
fn crooked_head_is_refused() {
    let plain = Plain::new();
    plain.mine(1).store_u64(HEAD, 3 << 32, Relaxed);
    assert_eq!(plain.sender().expect_err("a lie").what, "receiver's position");
    assert_eq!(plain.receiver().expect_err("a lie").what, "receiver's position");
}

/// An index beyond what its record holds is a lie, and so is one of a record that is not there.
#[test]
fn index_of_nothing_is_refused() {
    let plain = Plain::new();
    plain.mine(1).store_u64(HEAD, 1, Relaxed);
    assert_eq!(plain.receiver().expect_err("a lie").what, "receiver's index");
    plain.mine(2).store_u64(0, message_header(8, 0), Relaxed);
    assert_eq!(plain.receiver().expect_err("a lie").what, "receiver's index");
    plain.mine(1).store_u64(HEAD, 0, Relaxed);
    let mut receiver = plain.receiver().expect("sound");
    assert!(receiver.front().expect("no lie").is_some());
}

/// A message of another number than the next one is a lie.
#[test]
fn number_out_of_order_is_refused() {
    let plain = Plain::new();
    let mut receiver = plain.receiver().expect("sound");
    plain.mine(2).store_u64(0, message_header(8, 5), Relaxed);
    assert_eq!(receiver.front().expect_err("a lie").what, "message number");
    assert_eq!(receiver.received(), 0);
}

/// Padding with nothing behind it, which no sender leaves, is no message.
#[test]
fn padding_alone_is_nothing() {
    let plain = Plain::new();
    plain.mine(1).store_u64(HEAD, 256 << 32, Relaxed);
    plain.mine(2).store_u64(256 * 8, padding_header(256, 0), Relaxed);
    let mut receiver = plain.receiver().expect("sound");
    receiver.get_ready(false);
    assert_eq!(receiver.front(), Ok(None));
    assert_eq!(receiver.front(), Ok(None));
}

/// A header that is like the last one is no record where that would run out of the ring.
#[test]
fn foreseen_record_has_its_place() {
    let plain = Plain::new();
    plain.mine(1).store_u64(HEAD, 8 << 32, Relaxed);
    plain.mine(2).store_u64(8 * 8, message_header(2048, 0), Relaxed);
    let mut receiver = plain.receiver().expect("sound");
    assert_eq!(receiver.front().expect("no lie").expect("a message").len_bytes, 2048);
    receiver.take(1);
    receiver.release();
    // 264 words on, and 264 more do not fit.
    plain.mine(2).store_u64(272 * 8, message_header(2048, 1), Relaxed);
    receiver.get_ready(false);
    assert_eq!(receiver.front_soon(0), None);
    assert_eq!(receiver.front().expect_err("a lie").what, "record length at the end of the ring");
}

/// A header that is not committed is no record, not even to a receiver that has seen none and foresees nothing.
#[test]
fn nothing_is_foreseen_at_first() {
    let plain = Plain::new();
    plain.mine(1).store_u64(RECEIVED, 5, Relaxed);
    let mut receiver = plain.receiver().expect("sound");
    receiver.get_ready(false);
    plain.mine(2).store_u64(0, 5 << 32, Relaxed);
    assert_eq!(receiver.front_soon(0), None);
    assert_eq!(receiver.front().expect_err("a lie").what, "record header");
}

/// A batch that shrinks while a receiver is in the middle of it is a lie.
#[test]
fn shrinking_batch_is_refused() {
    let plain = Plain::of_items(8);
    plain.mine(1).store_u64(HEAD, 2, Relaxed);
    plain.mine(2).store_u64(0, message_header(24, 0), Relaxed);
    let receiver = || plain.receiver().expect("sound");
    for (mut receiver, items) in [(receiver(), 2), (receiver(), 1)] {
        plain.mine(2).store_u64(0, message_header(items * 8, 0), Relaxed);
        assert_eq!(receiver.front().expect_err("a lie").what, "receiver's index", "{items}");
    }
}

/// Taking nothing changes nothing.
#[test]
fn nothing_is_taken() {
    let plain = Plain::new();
    let (mut sender, mut receiver) = (plain.sender().expect("sound"), plain.receiver().expect("sound"));
    for number in 1..=2 {
        let staged = sender.stage(8).expect("room");
        sender.publish_and_commit(staged, 8, 1);
        assert!(receiver.front().expect("no lie").is_some());
        receiver.take(1);
        receiver.take(1);
        receiver.release();
        assert_eq!((receiver.received(), receiver.head()), (number, sender.tail()));
    }
}

/// Both ends of a ring of lines, whichever ring it is.
struct Lines {
    shape: spsc::Shape,
    mapping: std::sync::Arc<Mapping>,
}

impl Lines {
    const LINE: [u8; 64] = [7; 64];

    fn both() -> [Self; 2] {
        let records = spsc::Shape::Records(Shape::new(4096, 64, 64).expect("sound"));
        let slots = spsc::Shape::Slots(crate::ring::slots::Shape::new(256, 64).expect("sound"));
        [records, slots].map(|shape| {
            let mapping = Mapping::anonymous(shape.ring_bytes() + 128, None, false).expect("memory");
            Self { shape, mapping }
        })
    }

    fn ends(&self) -> (spsc::Producer<ViewMut, ViewMut, View>, spsc::Consumer<View, ViewMut, View>) {
        let mine = |at| self.mapping.view_mut(at).expect("writable");
        let theirs = |at| self.mapping.view(at).expect("inside");
        let ring = 128..128 + self.shape.ring_bytes();
        let sender = spsc::Producer::attach(self.shape, mine(ring.clone()), mine(0..64), theirs(64..128));
        let receiver = spsc::Consumer::attach(self.shape, theirs(ring), mine(64..128), theirs(0..64));
        (sender.expect("sound"), receiver.expect("sound"))
    }
}

/// Counts that contradict each other are no length: nothing is less than nothing.
#[test]
fn counts_that_lie_are_no_length() {
    for lines in Lines::both() {
        let store = |side: usize, count| {
            let progress = lines.mapping.view_mut(side..side + 64).expect("writable");
            progress.store_u64(RECEIVED, count, Relaxed);
        };
        store(0, 7);
        store(64, 7);
        let (sender, receiver) = lines.ends();
        store(0, 5);
        store(64, 9);
        assert_eq!((sender.len(), receiver.len()), (0, 0), "{:?}", lines.shape);
    }
}

/// A sender knows that something was released, ever, once it has looked.
#[test]
fn release_is_remembered() {
    for lines in Lines::both() {
        let (mut sender, mut receiver) = lines.ends();
        let fill = |sender: &mut spsc::Producer<ViewMut, ViewMut, View>| {
            while let Ok(staged) = sender.stage(64) {
                sender.publish_and_commit(staged, 64, 1);
            }
        };
        fill(&mut sender);
        assert!(!sender.was_released(), "{:?}", lines.shape);
        assert!(receiver.front().expect("no lie").is_some());
        receiver.take(1);
        receiver.release();
        fill(&mut sender);
        assert!(sender.was_released(), "{:?}", lines.shape);
    }
}

/// A message like the last one is sent the short way.
#[test]
fn message_like_the_last_one_is_ready() {
    for lines in Lines::both() {
        let (mut sender, mut receiver) = lines.ends();
        let staged = sender.stage(64).expect("room");
        sender.ring().write(staged.payload, &Lines::LINE);
        sender.publish_and_commit(staged, 64, 1);
        assert!(sender.put_ready(&Lines::LINE), "{:?}", lines.shape);
        for number in 0..2 {
            let item = receiver.front().expect("no lie").expect("a message");
            let mut bytes = [0; 64];
            receiver.ring().read(item.offset, &mut bytes);
            assert_eq!(bytes, Lines::LINE, "{:?}: {number}", lines.shape);
            receiver.take(1);
        }
        assert_eq!(receiver.front(), Ok(None));
    }
}
