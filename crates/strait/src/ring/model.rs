//! The ring in every order: sender and receiver as two threads of loom, over memory that notices a read of what was not published.
//!
//! 1. Each model is run as the algorithm is written, and must hold in more than one execution; then with each of the flaws that it
//!    is there to find, and must fail. A model that cannot fail says nothing.
//! 2. Nobody spins. Each side tries a few times and goes; what is left is done when both have gone, which also shows that it
//!    could be done. So the executions are finite, and "not there yet" is among them.
//! 3. Both sides are spawned, and a sender's cursor is its own: loom 0.7 skips orders when one side runs on the model's first
//!    thread (tokio-rs/loom 392, 166).
//! 4. Positions and numbers begin just before they wrap.
//! 5. A killed process is one whose stores end after the n-th, for every n ([`memory::Life`]). Its successor runs on the same
//!    thread: the kernel gives the lease on only after the death, and that is a happens-before.
//!
//! `STRAIT_MODEL_FULL=1` raises the bounds.

mod blocks;
mod lane;
mod memory;
mod slots;
mod watch;

use crate::ring::record::{self, MARGIN_WORDS, NUMBER_MASK, Shape, WORD_BYTES};
use crate::ring::records::{Consumer, Producer};
use crate::ring::spsc::{NoRoom, Staged};
use loom::thread;
use memory::{Flaw, Life, Memory, Part, Window};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Shared as _, SharedMut as _};

type Sender = Producer<Window, Window, Window>;
type Receiver = Consumer<Window, Window, Window>;

/// The number of the first message of every model: the next one wraps in its header.
const FIRST: u64 = NUMBER_MASK;
/// Words of payload of an ordinary message.
const SHORT: usize = 3;

fn is_full() -> bool {
    std::env::var_os("STRAIT_MODEL_FULL").is_some_and(|it| it == "1")
}

/// Whether flaws are put in too: not where `STRAIT_MODEL_FLAWS=0` says that one is in the sources.
pub(super) fn has_flaws() -> bool {
    std::env::var_os("STRAIT_MODEL_FLAWS").is_none_or(|it| it != "0")
}

/// Runs `model` in every order within the bounds: how many there were, or what went wrong.
fn explore(model: impl Fn() + Send + Sync + 'static) -> Result<usize, String> {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = None;
    builder.max_branches = 10_000;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            counter.fetch_add(1, Relaxed);
            model();
        });
    }));
    match outcome {
        Ok(()) => Ok(executions.load(Relaxed)),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(String::from(why.unwrap_or_default()))
        }
    }
}

/// Explores `model` for each of its `kills`: it must hold as written, and for each flaw fail at one of the kills at least.
fn verify(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    let mut executions = 0;
    for kill in kills.clone() {
        let explored = explore(move || model(Flaw::None, kill));
        let explored = explored.unwrap_or_else(|why| panic!("{name}, killed after {kill} stores: {why}"));
        assert!(explored > 1, "{name}, killed after {kill} stores: a single order was explored");
        executions += explored;
    }
    println!("{name}: holds in {executions} executions");
    for &flaw in flaws.iter().filter(|_| has_flaws()) {
        let found = kills.clone().find_map(|kill| explore(move || model(flaw, kill)).err());
        let Some(why) = found else { panic!("{name}: {flaw:?} was not noticed") };
        println!("{name}: {flaw:?} is found: {}", why.lines().next().unwrap_or_default());
    }
}

/// A ring and both sides' progress.
struct Bench {
    shape: Shape,
    start: u32,
    ring: Rc<Memory>,
    sender: Rc<Memory>,
    receiver: Rc<Memory>,
    /// All messages are records of one length, without padding between them.
    is_uniform: bool,
    flaw: Flaw,
}

impl Bench {
    /// A ring whose next record begins at `place`, with headers at every `stride`-th word, of which the words `used` exist.
    fn new(shape: Shape, is_uniform: bool, stride: usize, used: Range<usize>, place: u32, flaw: Flaw) -> Rc<Self> {
        // The last lap before positions wrap.
        let start = place.wrapping_sub(shape.capacity_words());
        let stale = record::message_header(8, 7);
        let ring = Memory::new(shape.ring_bytes(), used, stride, |at| if at == place as usize { 0 } else { stale });
        let head = u64::from(start) << 32;
        let sender = Memory::new(64, 0..2, 1, |at| [0, FIRST][at]);
        let receiver = Memory::new(64, 0..2, 1, |at| [head, FIRST][at]);
        Rc::new(Self {
            shape,
            is_uniform,
            start,
            ring: Rc::new(ring),
            sender: Rc::new(sender),
            receiver: Rc::new(receiver),
            flaw,
        })
    }

    /// A ring of `lines` records of one cache line, at whose `place`-th line the next begins.
    fn lines(lines: u32, place: u32, flaw: Flaw) -> Rc<Self> {
        Self::new(Shape::tiny(lines * 8, 8), false, 8, 0..(lines * 8 + MARGIN_WORDS) as usize, place * 8, flaw)
    }

    /// The same, for messages of one length alone.
    fn uniform_lines(lines: u32, place: u32, flaw: Flaw) -> Rc<Self> {
        let used = 0..(lines * 8 + MARGIN_WORDS) as usize;
        Self::new(Shape::tiny(lines * 8, 8), Self::is_fast_enough(flaw), 8, used, place * 8, flaw)
    }

    /// The fast way never takes a stale header for a message; only the slow one notices it.
    fn is_fast_enough(flaw: Flaw) -> bool {
        flaw != Flaw::NotZeroed
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

    /// How far the receiver's head has moved, in records of one line, as the memory has it.
    fn released(&self) -> u64 {
        let head = self.window(&self.receiver, Part::ReceiversProgress, &Life::endless()).load_u64(0, Relaxed);
        u64::from(((head >> 32) as u32).wrapping_sub(self.start) / 8)
    }

    /// Room for a message of `words`.
    fn stage(&self, sender: &mut Sender, words: usize) -> Option<Staged> {
        match sender.stage((words * WORD_BYTES) as u32) {
            Ok(staged) => Some(staged),
            Err(NoRoom::Until(_)) => None,
            Err(NoRoom::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// Publishes a message if there is room: its number, all over.
    fn publish(&self, sender: &mut Sender, words: usize) -> bool {
        let Some(staged) = self.stage(sender, words) else { return false };
        sender.ring().write(staged.payload, &sender.sent().to_ne_bytes().repeat(words));
        sender.publish(staged, staged.len_bytes, 1);
        true
    }

    /// Sends a message if there is room.
    fn send(&self, sender: &mut Sender, words: usize) -> bool {
        if self.flaw == Flaw::PayloadLate {
            let number = sender.sent();
            let Some(staged) = self.stage(sender, words) else { return false };
            sender.publish_and_commit(staged, staged.len_bytes, 1);
            sender.ring().write(staged.payload, &number.to_ne_bytes().repeat(words));
            return true;
        }
        let payload = sender.sent().to_ne_bytes().repeat(words);
        if sender.put_ready(&payload) {
            return true;
        }
        let Some(staged) = self.stage(sender, words) else { return false };
        sender.ring().write(staged.payload, &payload);
        sender.publish_and_commit(staged, staged.len_bytes, 1);
        true
    }

    /// Takes a message if there is one: it is the next, and whole.
    fn take(&self, receiver: &mut Receiver) -> bool {
        // The fast way is taken where it must do, or every look would be two loads, and the orders too many.
        let item = if self.is_uniform && receiver.foresee() {
            receiver.front_soon(0)
        } else {
            receiver.front().expect("no lie")
        };
        let Some(item) = item else { return false };
        let expected = receiver.received();
        if self.flaw == Flaw::ReadLate {
            receiver.take(1);
            receiver.release();
            // Loom does not tell what directly follows a store from what precedes it; so something lies between.
            let _ = receiver.len();
        }
        let mut bytes = vec![0; item.len_bytes as usize];
        receiver.ring().read(item.offset, &mut bytes);
        for word in bytes.chunks_exact(WORD_BYTES) {
            assert_eq!(word, expected.to_ne_bytes(), "a word of message {expected}");
        }
        if self.flaw != Flaw::ReadLate {
            receiver.take(1);
        }
        true
    }

    fn receive(&self, receiver: &mut Receiver) -> bool {
        let is_received = self.take(receiver);
        if is_received {
            receiver.release();
        }
        is_received
    }

    /// Runs both sides, and when they have gone does what is left: `lens` are the lengths of all messages.
    fn run(
        self: &Rc<Self>,
        lens: &[usize],
        sending: impl FnOnce(&Self) -> Sender + 'static,
        receiving: impl FnOnce(&Self) -> Receiver + 'static,
    ) {
        let (bench, other) = (Rc::clone(self), Rc::clone(self));
        let sending = thread::spawn(move || sending(&bench));
        let receiving = thread::spawn(move || receiving(&other));
        let (mut sender, mut receiver) = (sending.join().expect("ended"), receiving.join().expect("ended"));
        assert_eq!(receiver.len(), sender.sent() - receiver.received(), "there, as far as the sender says");
        let total = lens.len() as u64;
        loop {
            let next = sender.sent() - FIRST;
            let is_sent = next < total && self.send(&mut sender, lens[next as usize]);
            if !self.receive(&mut receiver) && !is_sent {
                break;
            }
        }
        assert_eq!(sender.sent() - FIRST, total, "sent");
        assert_eq!(receiver.received() - FIRST, total, "received");
        assert_eq!((sender.len(), receiver.len(), sender.is_drained()), (0, 0, true), "left");
    }
}

/// Sends messages until there is no room.
fn send_all(bench: &Bench, lens: &[usize]) -> Sender {
    let mut sender = bench.sender(&Life::endless());
    for &words in lens {
        if !bench.send(&mut sender, words) {
            break;
        }
    }
    sender
}

/// Receives what is there, looking `tries` times.
fn receive_some(bench: &Bench, tries: usize) -> Receiver {
    let mut receiver = bench.receiver(&Life::endless());
    for _ in 0..tries {
        bench.receive(&mut receiver);
    }
    receiver
}

fn two_sides(bench: &Rc<Bench>, lens: &'static [usize]) {
    bench.run(lens, |bench| send_all(bench, lens), |bench| receive_some(bench, lens.len() + 1));
}

/// Messages are seen in the order they were sent, once, whole, and none early.
#[test]
fn model_messages_in_order() {
    fn model(flaw: Flaw, _: usize) {
        two_sides(&Bench::uniform_lines(4, 2, flaw), if is_full() { &[SHORT; 4] } else { &[SHORT; 3] });
    }
    let flaws = [Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed, Flaw::NotZeroed, Flaw::PayloadLate];
    verify("messages in order", 0..1, model, &flaws);
}

/// In a full ring the sender overwrites a message only when the receiver has read it.
#[test]
fn model_space_is_used_again() {
    fn model(flaw: Flaw, _: usize) {
        two_sides(&Bench::uniform_lines(2, 1, flaw), if is_full() { &[SHORT; 5] } else { &[SHORT; 4] });
    }
    let flaws = [Flaw::ReleaseRelaxed, Flaw::HeadLoadRelaxed, Flaw::NotZeroed, Flaw::CommitRelaxed];
    verify("space is used again", 0..1, model, &flaws);
}

/// So also in a ring of 8-byte records, where headers and payloads share cache lines.
#[test]
fn model_space_is_used_again_between_close_records() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(Shape::tiny(4, 1), Bench::is_fast_enough(flaw), 2, 0..20, 2, flaw);
        two_sides(&bench, if is_full() { &[1; 5] } else { &[1; 4] });
    }
    let flaws = [Flaw::ReleaseRelaxed, Flaw::HeadLoadRelaxed, Flaw::NotZeroed];
    verify("space between close records", 0..1, model, &flaws);
}

/// Padding and the message behind it become visible together; the message lies whole at the start of the ring.
#[test]
fn model_padding_is_skipped() {
    fn model(flaw: Flaw, _: usize) {
        two_sides(&Bench::lines(8, 6, flaw), &[32, SHORT, 32]);
    }
    let flaws =
        [Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed, Flaw::HeadersLate, Flaw::NotZeroed, Flaw::ReleaseRelaxed];
    verify("padding", 0..1, model, &flaws);
}

/// A message that runs into the margin is whole, and the ring goes on behind it.
#[test]
fn model_margin_is_used() {
    fn model(flaw: Flaw, _: usize) {
        // The second message's end lies where the first one was.
        two_sides(&Bench::lines(4, 0, flaw), &[16, 16, SHORT]);
    }
    let flaws = [Flaw::ReadLate, Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed, Flaw::NotZeroed];
    verify("margin", 0..1, model, &flaws);
}

/// Who sees the first record of a batch sees all of it.
#[test]
fn model_batch_is_seen_at_once() {
    fn model(flaw: Flaw, _: usize) {
        let sending = |bench: &Bench| {
            let mut sender = bench.sender(&Life::endless());
            for _ in 0..3 {
                assert!(bench.publish(&mut sender, SHORT));
            }
            sender.commit();
            sender
        };
        let receiving = |bench: &Bench| {
            let mut receiver = bench.receiver(&Life::endless());
            let mut is_seen = false;
            for _ in 0..4 {
                let is_received = bench.receive(&mut receiver);
                assert!(is_received || !is_seen || receiver.received() == FIRST + 3, "a part of the batch");
                is_seen |= is_received;
            }
            receiver
        };
        Bench::lines(4, 2, flaw).run(&[SHORT; 3], sending, receiving);
    }
    verify("batch", 0..1, model, &[Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed, Flaw::HeadersLate, Flaw::NotZeroed]);
}

/// A receiver that is killed anywhere is succeeded at the first message it has not released, and the numbers stay exact.
#[test]
fn model_receiver_is_succeeded() {
    fn model(flaw: Flaw, kill: usize) {
        let receiving = move |bench: &Bench| {
            let life = Life::of(kill);
            let mut receiver = bench.receiver(&life);
            // Releases after one message, then after up to two.
            for batch in [1, 2] {
                for _ in 0..batch {
                    bench.take(&mut receiver);
                }
                receiver.release();
                if life.is_over() {
                    break;
                }
            }
            // The last of them is taken and never released.
            if !life.is_over() {
                bench.take(&mut receiver);
            }
            drop(receiver);
            let mut receiver = bench.receiver(&Life::endless());
            assert_eq!(receiver.received() - FIRST, bench.released(), "goes on where it was released");
            bench.receive(&mut receiver);
            receiver
        };
        Bench::lines(4, 2, flaw).run(&[SHORT; 3], |bench| send_all(bench, &[SHORT; 3]), receiving);
    }
    verify("receiver succeeded", 0..7, model, &[Flaw::ReceivedLate, Flaw::CommitRelaxed, Flaw::NotZeroed]);
}

/// So also in the middle of a batch of items.
#[test]
fn model_receiver_is_succeeded_within_a_batch() {
    const BATCHES: [usize; 2] = [3, 2];
    fn send(bench: &Bench, sender: &mut Sender, items: usize) {
        let staged = bench.stage(sender, items).expect("room");
        let numbers = (sender.sent()..).take(items).flat_map(u64::to_ne_bytes);
        sender.ring().write(staged.payload, &numbers.collect::<Vec<u8>>());
        sender.publish_and_commit(staged, staged.len_bytes, items as u32);
    }
    fn model(flaw: Flaw, kill: usize) {
        let bench = Bench::new(Shape::new(4096, 64, 8).expect("sound"), false, 8, 0..32, 0, flaw);
        let other = Rc::clone(&bench);
        let sending = thread::spawn(move || {
            let mut sender = other.sender(&Life::endless());
            for items in BATCHES {
                send(&other, &mut sender, items);
            }
            sender
        });
        let other = Rc::clone(&bench);
        let receiving = thread::spawn(move || {
            let life = Life::of(kill);
            let mut receiver = other.receiver(&life);
            for _ in 0..4 {
                other.receive(&mut receiver);
                if life.is_over() {
                    break;
                }
            }
            drop(receiver);
            let mut receiver = other.receiver(&Life::endless());
            // The first release is that of attaching.
            let released = life.releases().saturating_sub(1);
            assert_eq!(receiver.received() - FIRST, released, "goes on where it was released");
            other.receive(&mut receiver);
            receiver
        });
        let (sender, mut receiver) = (sending.join().expect("ended"), receiving.join().expect("ended"));
        while bench.receive(&mut receiver) {}
        assert_eq!((sender.sent() - FIRST, receiver.received() - FIRST), (5, 5));
        assert!(sender.is_drained());
    }
    verify(
        "receiver succeeded within a batch",
        0..11,
        model,
        &[Flaw::ReceivedLate, Flaw::CommitRelaxed, Flaw::IndexLost],
    );
}

/// A sender that is killed anywhere has sent its batch or nothing; its successor goes on with exact numbers, beside a receiver
/// that releases.
#[test]
fn model_sender_is_succeeded() {
    fn model(flaw: Flaw, kill: usize) {
        let sending = move |bench: &Bench| {
            let life = Life::of(kill);
            let mut sender = bench.sender(&life);
            for _ in 0..2 {
                assert!(bench.publish(&mut sender, 1));
            }
            sender.commit();
            drop(sender);
            let mut sender = bench.sender(&Life::endless());
            assert_eq!(sender.sent() - FIRST, 2 * life.releases(), "a batch or nothing");
            bench.send(&mut sender, SHORT);
            sender
        };
        Bench::lines(4, 2, flaw).run(&[SHORT; 4], sending, |bench| receive_some(bench, 3));
    }
    let flaws = [
        Flaw::ReceivedLate,
        Flaw::ReleaseRelaxed,
        Flaw::HeadLoadRelaxed,
        Flaw::CommitRelaxed,
        Flaw::HeadersLate,
        Flaw::NotZeroed,
    ];
    verify("sender succeeded", 0..11, model, &flaws);
}
