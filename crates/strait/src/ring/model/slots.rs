//! The ring of slots in every order, as [`super`] does it for records. All words of the ring are tracked payload.

use super::memory::{Flaw, Life, Memory, Part, Window};
use super::{is_full, verify};
use crate::ring::slots::{Consumer, Producer, Shape};
use crate::ring::spsc::{NoRoom, Staged};
use loom::thread;
use std::rc::Rc;
use strait_mem::{Shared as _, SharedMut as _};

type Sender = Producer<Window, Window, Window>;
type Receiver = Consumer<Window, Window, Window>;

const ITEM_WORDS: usize = 2;
const ITEM_BYTES: u32 = 16;
/// The number of the first message: the slots wrap soon behind it, for rings of two and of three.
const FIRST: u64 = 5;

struct Bench {
    shape: Shape,
    ring: Rc<Memory>,
    sender: Rc<Memory>,
    receiver: Rc<Memory>,
    flaw: Flaw,
}

impl Bench {
    fn new(slots: u64, flaw: Flaw) -> Rc<Self> {
        let shape = Shape::new(slots * u64::from(ITEM_BYTES), ITEM_BYTES).expect("sound");
        let ring = Memory::new(shape.ring_bytes(), 0..slots as usize * ITEM_WORDS, 0, |_| 0);
        let progress = || Rc::new(Memory::new(64, 0..2, 1, |at| [0, FIRST][at]));
        Rc::new(Self { shape, ring: Rc::new(ring), sender: progress(), receiver: progress(), flaw })
    }

    fn window(&self, memory: &Rc<Memory>, part: Part, life: &Rc<Life>) -> Window {
        Window { memory: Rc::clone(memory), part, flaw: self.flaw, life: Rc::clone(life) }
    }

    fn sender(&self, life: &Rc<Life>) -> Sender {
        let ring = self.window(&self.ring, Part::SendersRing, life);
        let own = self.window(&self.sender, Part::SendersProgress, life);
        let peer = self.window(&self.receiver, Part::SendersViewOfReceiver, life);
        Producer::attach(self.shape, ring, own, peer).expect("no lie")
    }

    fn receiver(&self, life: &Rc<Life>) -> Receiver {
        let ring = self.window(&self.ring, Part::ReceiversRing, life);
        let own = self.window(&self.receiver, Part::ReceiversProgress, life);
        let peer = self.window(&self.sender, Part::ReceiversViewOfSender, life);
        Consumer::attach(self.shape, ring, own, peer).expect("no lie")
    }

    /// How many messages have been released, as the memory has it.
    fn released(&self) -> u64 {
        let receiver = self.window(&self.receiver, Part::ReceiversProgress, &Life::endless());
        receiver.load_u64(8, std::sync::atomic::Ordering::Relaxed) - FIRST
    }

    fn stage(sender: &mut Sender, items: u32) -> Option<Staged> {
        match sender.stage(items * ITEM_BYTES) {
            Ok(staged) => Some(staged),
            Err(NoRoom::Until(_)) => None,
            Err(NoRoom::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// Sends up to `items` messages at once if there is room, each its number all over; says how many.
    fn send(&self, sender: &mut Sender, items: u32) -> u32 {
        let payload = |sent: u64, items: u32| -> Vec<u8> {
            (sent..sent + u64::from(items)).flat_map(|number| number.to_ne_bytes().repeat(ITEM_WORDS)).collect()
        };
        let first = sender.sent();
        if self.flaw != Flaw::PayloadLate && items == 1 && sender.put_ready(&payload(first, 1)) {
            return 1;
        }
        let Some(staged) = Self::stage(sender, items) else { return 0 };
        let items = staged.len_bytes / ITEM_BYTES;
        if self.flaw != Flaw::PayloadLate {
            sender.ring().write(staged.payload, &payload(first, items));
        }
        sender.publish(items);
        sender.commit();
        if self.flaw == Flaw::PayloadLate {
            sender.ring().write(staged.payload, &payload(first, items));
        }
        items
    }

    /// Takes all messages of the front: they are the next ones, and whole. Says how many.
    fn take(&self, receiver: &mut Receiver) -> u32 {
        receiver.get_ready(false);
        let Some(item) = receiver.front_soon(0) else { return 0 };
        let first = receiver.received();
        if self.flaw == Flaw::ReadLate {
            receiver.take(item.count);
            receiver.release();
            // Loom does not tell what directly follows a store from what precedes it; so something lies between.
            let _ = receiver.len();
        }
        for number in 0..item.count {
            let mut bytes = [0; ITEM_BYTES as usize];
            receiver.ring().read(item.offset + (number * ITEM_BYTES) as usize, &mut bytes);
            let expected = (first + u64::from(number)).to_ne_bytes().repeat(ITEM_WORDS);
            assert_eq!(bytes[..], expected, "message {number} from {first} on");
        }
        if self.flaw != Flaw::ReadLate {
            receiver.take(item.count);
        }
        item.count
    }

    fn receive(&self, receiver: &mut Receiver) -> u32 {
        let taken = self.take(receiver);
        if taken > 0 {
            receiver.release();
        }
        taken
    }

    /// Runs both sides, and when they have gone does what is left of `total` messages.
    fn run(
        self: &Rc<Self>,
        total: u64,
        sending: impl FnOnce(&Self) -> Sender + 'static,
        receiving: impl FnOnce(&Self) -> Receiver + 'static,
    ) {
        let (bench, other) = (Rc::clone(self), Rc::clone(self));
        let sending = thread::spawn(move || sending(&bench));
        let receiving = thread::spawn(move || receiving(&other));
        let (mut sender, mut receiver) = (sending.join().expect("ended"), receiving.join().expect("ended"));
        loop {
            let is_sent = sender.sent() - FIRST < total && self.send(&mut sender, 1) > 0;
            if self.receive(&mut receiver) == 0 && !is_sent {
                break;
            }
        }
        assert_eq!((sender.sent() - FIRST, receiver.received() - FIRST), (total, total), "sent and received");
        assert_eq!((sender.len(), receiver.len()), (0, 0), "left");
    }
}

fn send_all(bench: &Bench, total: u64) -> Sender {
    let mut sender = bench.sender(&Life::endless());
    for _ in 0..total {
        if bench.send(&mut sender, 1) == 0 {
            break;
        }
    }
    sender
}

fn receive_some(bench: &Bench, tries: usize) -> Receiver {
    let mut receiver = bench.receiver(&Life::endless());
    for _ in 0..tries {
        bench.receive(&mut receiver);
    }
    receiver
}

/// Messages are seen in the order they were sent, once, whole, and none early.
#[test]
fn model_slots_in_order() {
    fn model(flaw: Flaw, _: usize) {
        let total = if is_full() { 4 } else { 3 };
        Bench::new(4, flaw).run(total, move |bench| send_all(bench, total), move |bench| receive_some(bench, 4));
    }
    verify("slots in order", 0..1, model, &[Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed, Flaw::PayloadLate]);
}

/// In a full ring the sender overwrites a slot only when the receiver has read it.
#[test]
fn model_slots_are_used_again() {
    fn model(flaw: Flaw, _: usize) {
        let (total, tries) = if is_full() { (5, 4) } else { (4, 3) };
        Bench::new(2, flaw).run(total, move |bench| send_all(bench, total), move |bench| receive_some(bench, tries));
    }
    verify(
        "slots are used again",
        0..1,
        model,
        &[Flaw::ReleaseRelaxed, Flaw::HeadLoadRelaxed, Flaw::CommitRelaxed, Flaw::ReadLate],
    );
}

/// Who sees the first of a batch sees all of it; a batch ends with the ring.
#[test]
fn model_slots_batch_is_seen_at_once() {
    fn model(flaw: Flaw, _: usize) {
        let sending = |bench: &Bench| {
            let mut sender = bench.sender(&Life::endless());
            // Message 5 lies in the last of three slots.
            assert_eq!(bench.send(&mut sender, 3), 1, "up to the end of the ring");
            assert_eq!(bench.send(&mut sender, 2), 2, "from its start");
            sender
        };
        let receiving = |bench: &Bench| {
            let mut receiver = bench.receiver(&Life::endless());
            for _ in 0..3 {
                let (before, taken) = (receiver.received(), bench.receive(&mut receiver));
                assert!(before == FIRST || taken != 1, "a part of the batch");
            }
            receiver
        };
        Bench::new(3, flaw).run(3, sending, receiving);
    }
    verify("slots in a batch", 0..1, model, &[Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed]);
}

/// A receiver that is killed anywhere is succeeded at the first message it has not released.
#[test]
fn model_slots_receiver_is_succeeded() {
    fn model(flaw: Flaw, kill: usize) {
        let receiving = move |bench: &Bench| {
            let life = Life::of(kill);
            let mut receiver = bench.receiver(&life);
            for _ in 0..if is_full() { 3 } else { 2 } {
                if !life.is_over() {
                    bench.receive(&mut receiver);
                }
            }
            drop(receiver);
            let receiver = bench.receiver(&Life::endless());
            assert_eq!(receiver.received() - FIRST, bench.released(), "goes on where it was released");
            receiver
        };
        Bench::new(2, flaw).run(3, |bench| send_all(bench, 3), receiving);
    }
    verify("slots, receiver succeeded", 0..4, model, &[Flaw::CommitRelaxed, Flaw::ReleaseRelaxed]);
}

/// A sender that is killed anywhere has sent a message or not; its successor goes on behind it, and overwrites what was released before
/// it came.
#[test]
fn model_slots_sender_is_succeeded() {
    fn model(flaw: Flaw, kill: usize) {
        let sending = move |bench: &Bench| {
            let life = Life::of(kill);
            let mut sender = bench.sender(&life);
            for _ in 0..2 {
                bench.send(&mut sender, 1);
            }
            drop(sender);
            let mut sender = bench.sender(&Life::endless());
            assert_eq!(sender.sent() - FIRST, life.releases(), "each whole, or nothing");
            bench.send(&mut sender, 1);
            sender
        };
        Bench::new(2, flaw).run(4, sending, |bench| receive_some(bench, 3));
    }
    let flaws = [Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed, Flaw::ReleaseRelaxed, Flaw::HeadLoadRelaxed];
    verify("slots, sender succeeded", 0..7, model, &flaws);
}
