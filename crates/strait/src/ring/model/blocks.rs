//! The blocks of a lane in every order: a publisher, the next one if it is killed, and one subscriber.
//!
//! 1. Payload is tracked: a block that is written while somebody reads it is a race. Where it is copied without a hold it is atomic and relaxed,
//!    and what counts is that no copy of what was overwritten is taken for whole.
//! 2. There are two blocks, and four slots; one message is retired at a time.
//! 3. A subscriber's seat is attached from the first, but for one who takes a dead one's.

use super::memory::Flaw;
use super::{is_full, verify};
use crate::ring::lane::blocks::{self, Blocks, Pool};
use crate::ring::lane::{CLAIMED, DROPPED, Front, NOWHERE, Reader, SENT, Shape, Writer};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, SeqCst};
use strait_mem::{Shared, SharedMut, SharedRmw};

const WORD_BYTES: usize = 8;
const SLOTS: u32 = 4;
const BLOCKS: u32 = 2;
const BLOCK_WORDS: usize = 8;

#[derive(Debug)]
enum Word {
    Atomic(AtomicU64),
    /// As in [`super::memory`].
    Tracked {
        cell: UnsafeCell<()>,
        value: Cell<u64>,
    },
}

#[derive(Debug)]
struct Memory {
    /// Of each slot its sequence and its reference.
    slots: Vec<AtomicU64>,
    /// The first word of each block.
    payload: Vec<Word>,
    sent: AtomicU64,
    claimed: AtomicU64,
    position: AtomicU64,
    bits: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Slots,
    Lane,
    Position,
    Bits,
}

#[derive(Clone, Debug)]
struct Window {
    memory: Rc<Memory>,
    part: Part,
    is_publishers: bool,
    flaw: Flaw,
    /// How many stores its process still makes.
    stores_left: Rc<Cell<usize>>,
}

impl Window {
    fn word(&self, offset: usize) -> &AtomicU64 {
        match (self.part, offset) {
            (Part::Slots, _) => &self.memory.slots[offset / 64 * 2 + offset % 64 / WORD_BYTES],
            (Part::Lane, SENT) => &self.memory.sent,
            (Part::Lane, CLAIMED) => &self.memory.claimed,
            (Part::Position, 0) => &self.memory.position,
            (Part::Bits, 0) => &self.memory.bits,
            (part, _) => panic!("no word at {offset} of {part:?}"),
        }
    }

    /// Whether one more store is made.
    fn spend(&self) -> bool {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        left > 0
    }
}

impl Shared for Window {
    fn len_bytes(&self) -> usize {
        if self.part == Part::Bits { WORD_BYTES } else { SLOTS as usize * 64 }
    }

    fn load_u32(&self, offset: usize, _: Ordering) -> u32 {
        panic!("the lane loads a word of 4 bytes at {offset}")
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        if self.part == Part::Lane && offset == DROPPED {
            return 0;
        }
        match (self.flaw, self.part) {
            (Flaw::HeldLoadRelaxed, Part::Bits) => self.word(offset).load(Relaxed),
            (Flaw::HeldIgnored, Part::Bits) => 0,
            _ => self.word(offset).load(order),
        }
    }

    fn fence(&self, order: Ordering) {
        match (self.flaw, self.part) {
            (Flaw::HoldUnfenced, Part::Bits) | (Flaw::CopyUnfenced, Part::Slots) => {}
            (Flaw::RetireUnfenced, Part::Lane) if self.is_publishers => {}
            _ => loom::sync::atomic::fence(order),
        }
    }

    fn read(&self, offset: usize, _: &mut [u8]) {
        panic!("a slot is read at {offset}")
    }
}

impl SharedMut for Window {
    fn store_u32(&self, offset: usize, _: u32, _: Ordering) {
        panic!("the lane stores a word of 4 bytes at {offset}")
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        let order = match (self.flaw, self.part) {
            (Flaw::CommitRelaxed, Part::Slots) => Relaxed,
            (Flaw::CommitRelaxed, Part::Lane) if offset == SENT => Relaxed,
            (Flaw::ReleaseRelaxed, Part::Position) => Relaxed,
            _ => order,
        };
        if self.spend() {
            self.word(offset).store(value, order);
        }
    }

    fn write(&self, offset: usize, _: &[u8]) {
        panic!("a slot is written at {offset}")
    }
}

impl SharedRmw for Window {
    fn compare_exchange_u64(&self, offset: usize, _: u64, _: u64, _: Ordering, _: Ordering) -> Result<u64, u64> {
        panic!("a word is exchanged at {offset}")
    }

    fn fetch_add_u32(&self, offset: usize, _: u32, _: Ordering) -> u32 {
        panic!("a word of 4 bytes is counted at {offset}")
    }

    fn fetch_add_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("a word is counted at {offset}")
    }

    fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        if self.spend() { self.word(offset).fetch_or(bits, order) } else { 0 }
    }

    fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        let order = if self.flaw == Flaw::LetGoRelaxed { Relaxed } else { order };
        if self.spend() { self.word(offset).fetch_and(bits, order) } else { 0 }
    }
}

type TestReader = Reader<Window, Window, Window>;

/// A publisher, and how much of its life is left.
struct Publisher {
    lane: Writer<Window, Window>,
    pool: Pool,
    life: Rc<Cell<usize>>,
}

#[derive(Clone)]
struct Bench {
    shape: Shape,
    blocks: Blocks,
    memory: Rc<Memory>,
    is_kept: bool,
    flaw: Flaw,
}

impl Bench {
    /// Of subscribers that are kept or not; what is in blocks is tracked, or copied.
    fn new(is_kept: bool, is_tracked: bool, flaw: Flaw) -> Self {
        let word = |_| {
            if is_tracked {
                Word::Tracked { cell: UnsafeCell::new(()), value: Cell::new(0) }
            } else {
                Word::Atomic(AtomicU64::new(0))
            }
        };
        let memory = Memory {
            slots: (0..SLOTS * 2).map(|_| AtomicU64::new(0)).collect(),
            payload: (0..BLOCKS).map(word).collect(),
            sent: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            position: AtomicU64::new(NOWHERE),
            bits: AtomicU64::new(0),
        };
        let blocks = Blocks::new(BLOCKS, WORD_BYTES as u32).expect("sound");
        Self { shape: Shape::tiny_referring(SLOTS), blocks, memory: Rc::new(memory), is_kept, flaw }
    }

    fn window(&self, part: Part, is_publishers: bool, life: &Rc<Cell<usize>>) -> Window {
        let (memory, stores_left) = (Rc::clone(&self.memory), Rc::clone(life));
        Window { memory, part, is_publishers, flaw: self.flaw, stores_left }
    }

    fn publisher(&self, stores: usize) -> Publisher {
        let life = Rc::new(Cell::new(stores));
        let window = |part| self.window(part, true, &life);
        let mut lane = Writer::attach(self.shape, window(Part::Slots), window(Part::Lane)).expect("no lie");
        let slowest = self.is_kept.then_some(|| self.slowest(&life, self.flaw == Flaw::PositionsIgnored));
        let pool = Pool::attach(self.blocks, &mut lane, slowest, |word| self.held(&life, word)).expect("no lie");
        Publisher { lane, pool, life }
    }

    fn slowest(&self, life: &Rc<Cell<usize>>, is_ignored: bool) -> u64 {
        if is_ignored { NOWHERE } else { self.window(Part::Position, true, life).load_u64(0, Acquire) }
    }

    fn held(&self, life: &Rc<Cell<usize>>, word: usize) -> u64 {
        blocks::held(&self.window(Part::Bits, true, life), 0, word)
    }

    /// Publishes the next message, if there is room; says whether there was.
    fn publish(&self, publisher: &mut Publisher) -> bool {
        let Publisher { lane, pool, life } = publisher;
        let slowest = self.is_kept.then_some(|| self.slowest(life, false));
        if !pool.has_room(lane, slowest, |word| self.held(life, word)) {
            return false;
        }
        let block = pool.next().expect("room") / (BLOCK_WORDS * WORD_BYTES);
        let value_of = lane.sent() + 1;
        let window = self.window(Part::Slots, true, life);
        match &self.memory.payload[block] {
            _ if !window.spend() => {}
            Word::Atomic(word) => word.store(value_of, Relaxed),
            Word::Tracked { cell, value } => cell.with_mut(|_| value.set(value_of)),
        }
        pool.publish(lane, WORD_BYTES as u32);
        true
    }

    fn bits(&self) -> Window {
        self.window(Part::Bits, false, &Rc::new(Cell::new(usize::MAX)))
    }

    fn reader(&self, history: u64) -> TestReader {
        let life = Rc::new(Cell::new(usize::MAX));
        let window = |part| self.window(part, false, &life);
        let (slots, lane, own) = (window(Part::Slots), window(Part::Lane), window(Part::Position));
        Reader::join(self.shape, slots, lane, own, self.is_kept, history)
    }

    fn content(&self, block: u32) -> u64 {
        match &self.memory.payload[block as usize] {
            Word::Atomic(word) => word.load(Relaxed),
            Word::Tracked { cell, value } => cell.with(|_| value.get()),
        }
    }

    /// The block of the message at the front; `None` where there is no message, or it is lost.
    fn front(&self, reader: &mut TestReader) -> Option<u32> {
        if !reader.look().expect("no lie") {
            return None;
        }
        let Front::Block(reference) = reader.front().expect("no lie") else { panic!("it lies in a block") };
        match self.blocks.check(reference) {
            Some((block, _)) => Some(block),
            None => panic!("no reference: {reference:#x}"),
        }
    }

    /// Takes a hold of the message at the front, passes it and looks at it twice; says whether there was one.
    fn hold(&self, reader: &mut TestReader) -> bool {
        let Some(block) = self.front(reader) else { return false };
        let bits = self.bits();
        let is_intact = if self.flaw == Flaw::ValidatedFirst {
            let is_intact = reader.is_intact();
            assert!(blocks::hold(&bits, block), "of a block that is held");
            is_intact
        } else {
            assert!(blocks::hold(&bits, block), "of a block that is held");
            reader.is_intact()
        };
        let number = reader.position();
        if is_intact {
            if reader.pass() {
                reader.release();
            }
            assert_eq!(self.content(block), number + 1, "message {number}");
            thread::yield_now();
            assert_eq!(self.content(block), number + 1, "message {number}, held");
        } else {
            assert!(!self.is_kept && reader.skip_lost() > 0);
        }
        blocks::let_go(&bits, block);
        true
    }

    /// Reads the message at the front without a hold, and passes it.
    fn read(&self, reader: &mut TestReader) -> bool {
        let Some(block) = self.front(reader) else { return false };
        let content = self.content(block);
        if reader.is_intact() {
            assert_eq!(content, reader.position() + 1, "message {}", reader.position());
            if reader.pass() {
                reader.release();
            }
        } else {
            assert!(!self.is_kept && reader.skip_lost() > 0);
        }
        true
    }

    /// Runs both sides, and when they have gone the publisher finds every block free again.
    fn run(
        &self,
        publishing: impl FnOnce(&Self) -> Publisher + 'static,
        reading: impl FnOnce(&Self) -> TestReader + 'static,
    ) {
        let (one, other) = (self.clone(), self.clone());
        let publishing = thread::spawn(move || publishing(&one));
        let reading = thread::spawn(move || reading(&other));
        let (mut publisher, mut reader) = (publishing.join().expect("ended"), reading.join().expect("ended"));
        while reader.look_closely().expect("no lie") {
            self.read(&mut reader);
        }
        assert_eq!(reader.position(), publisher.lane.sent(), "everything that was published");
        for _ in 0..=BLOCKS {
            assert!(self.publish(&mut publisher), "a block is lost");
            assert!(self.read(&mut reader));
        }
    }
}

fn publish_some(bench: &Bench, count: usize) -> Publisher {
    let mut publisher = bench.publisher(usize::MAX);
    for _ in 0..count {
        bench.publish(&mut publisher);
    }
    publisher
}

/// What is held does not change: a publisher that waits for nobody sees the hold, or the holder sees that it came too late.
#[test]
fn model_block_is_held() {
    fn model(flaw: Flaw) {
        let bench = Bench::new(false, true, flaw);
        let mut reader = bench.reader(0);
        // Both blocks have a message: the next one takes the oldest's.
        let mut publisher = publish_some(&bench, 2);
        let publishing = move |bench: &Bench| {
            for _ in 0..if is_full() { 2 } else { 1 } {
                bench.publish(&mut publisher);
            }
            publisher
        };
        let reading = move |bench: &Bench| {
            bench.hold(&mut reader);
            reader
        };
        bench.run(publishing, reading);
    }
    let flaws = [
        Flaw::HoldUnfenced,
        Flaw::RetireUnfenced,
        Flaw::ValidatedFirst,
        Flaw::HeldIgnored,
        Flaw::LetGoRelaxed,
        Flaw::HeldLoadRelaxed,
    ];
    verify("block is held", 0..1, |flaw, _| model(flaw), &flaws);
}

/// Where subscribers are kept, what they have not passed is not overwritten, nor what they hold beyond that; and it is seen whole.
#[test]
fn model_block_is_kept() {
    fn model(flaw: Flaw, holds: bool) {
        let bench = Bench::new(true, true, flaw);
        let mut reader = bench.reader(0);
        let reading = move |bench: &Bench| {
            for _ in 0..if is_full() { 3 } else { 2 } {
                if holds {
                    bench.hold(&mut reader)
                } else {
                    bench.read(&mut reader)
                };
            }
            reader
        };
        bench.run(|bench| publish_some(bench, 3), reading);
    }
    let flaws = [Flaw::CommitRelaxed, Flaw::ReleaseRelaxed];
    verify("block is kept, read", 0..1, |flaw, _| model(flaw, false), &flaws);
    verify("block is kept, held", 0..1, |flaw, _| model(flaw, true), &[Flaw::HeldIgnored, Flaw::LetGoRelaxed]);
}

/// A copy without a hold, of what a publisher that waits for nobody has overwritten, is never taken for the message.
#[test]
fn model_block_is_copied() {
    fn model(flaw: Flaw) {
        let bench = Bench::new(false, false, flaw);
        let mut reader = bench.reader(0);
        let reading = move |bench: &Bench| {
            bench.read(&mut reader);
            reader
        };
        bench.run(|bench| publish_some(bench, 3), reading);
    }
    verify("block is copied", 0..1, |flaw, _| model(flaw), &[Flaw::RetireUnfenced, Flaw::CopyUnfenced]);
}

/// Who joins while messages are retired is kept from then on, or begins behind them.
#[test]
fn model_block_lane_is_joined() {
    fn model(flaw: Flaw) {
        let bench = Bench::new(true, true, flaw);
        let mut publisher = publish_some(&bench, 2);
        let publishing = move |bench: &Bench| {
            bench.publish(&mut publisher);
            publisher
        };
        let reading = |bench: &Bench| {
            let mut reader = bench.reader(NOWHERE);
            bench.read(&mut reader);
            reader
        };
        bench.run(publishing, reading);
    }
    verify("block lane is joined", 0..1, |flaw, _| model(flaw), &[Flaw::RetireUnfenced]);
}

/// Who takes a dead holder's seat lets go of what that held, beside a publisher that waits for it: no block is lost.
#[test]
fn model_block_holder_is_succeeded() {
    fn model(flaw: Flaw) {
        let bench = Bench::new(false, true, flaw);
        let mut publisher = publish_some(&bench, 2);
        bench.memory.bits.store(0b11, SeqCst);
        let publishing = move |bench: &Bench| {
            bench.publish(&mut publisher);
            publisher
        };
        let reading = |bench: &Bench| {
            let mut reader = bench.reader(NOWHERE);
            if bench.flaw != Flaw::NotCleared {
                blocks::let_all_go(&bench.bits());
            }
            if bench.flaw != Flaw::NotCleared || is_full() {
                bench.hold(&mut reader);
            }
            reader
        };
        bench.run(publishing, reading);
    }
    verify("block holder is succeeded", 0..1, |flaw, _| model(flaw), &[Flaw::NotCleared, Flaw::HoldUnfenced]);
}

/// A publisher that is killed anywhere has published a message or not; the next one goes on behind it, and writes into no block that somebody
/// reads or holds.
#[test]
fn model_block_lane_is_succeeded() {
    fn model(flaw: Flaw, is_kept: bool, kill: usize) {
        let bench = Bench::new(is_kept, true, flaw);
        // One that is kept joins meanwhile, at a message that the dead one may have been about to retire.
        let early = (!is_kept).then(|| bench.reader(0));
        drop(publish_some(&bench, 2));
        let mut publisher = bench.publisher(kill);
        let publishing = move |bench: &Bench| {
            if publisher.life.get() > 0 {
                bench.publish(&mut publisher);
            }
            drop(publisher);
            let mut publisher = bench.publisher(usize::MAX);
            bench.publish(&mut publisher);
            publisher
        };
        let reading = move |bench: &Bench| {
            let mut reader = early.unwrap_or_else(|| bench.reader(NOWHERE));
            // What one that is kept reads when all have gone is what it joined at.
            if !is_kept {
                bench.hold(&mut reader);
            }
            reader
        };
        bench.run(publishing, reading);
    }
    let flaws = [Flaw::HeldIgnored, Flaw::RetireUnfenced, Flaw::HoldUnfenced];
    verify("block lane is succeeded, held", 3..9, |flaw, kill| model(flaw, false, kill), &flaws);
    verify(
        "block lane is succeeded, kept",
        3..6,
        |flaw, kill| model(flaw, true, kill),
        &[Flaw::PositionsIgnored, Flaw::RetireUnfenced],
    );
}
