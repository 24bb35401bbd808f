//! A lane in every order, as [`super`] does it for records: a publisher and one subscriber, who may join at any moment.
//!
//! 1. Where the publisher keeps its subscribers all payload is tracked: a message that is overwritten while it is read is a race. Where
//!    it does not, payload is atomic and relaxed, and what counts is that no copy which was overwritten is taken for whole.
//! 2. A subscriber's seat is its position: there while that is not [`NOWHERE`].

use super::memory::Flaw;
use super::{is_full, verify};
use crate::ring::lane::{CLAIMED, DROPPED, Front, NOWHERE, Reader, SENT, SEQUENCE, Shape, Writer};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed};
use strait_mem::{Shared, SharedMut};

const WORD_BYTES: usize = 8;
/// Items that have a sequence before them, in slots of eight words.
const SMALL: u32 = 16;
/// Items that have none. Only their first words are used.
const LARGE: u32 = 64;
const SLOT_WORDS: usize = 8;
/// Words of payload that are written and read.
const PAYLOAD_WORDS: usize = 2;

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
    slots: Vec<Word>,
    sent: AtomicU64,
    claimed: AtomicU64,
    dropped: AtomicU64,
    position: AtomicU64,
}

/// Whose window it is, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    WritersSlots,
    WritersLane,
    ReadersSlots,
    ReadersLane,
    Position,
}

#[derive(Clone, Debug)]
struct Window {
    memory: Rc<Memory>,
    part: Part,
    flaw: Flaw,
    /// How many stores its process still makes.
    stores_left: Rc<Cell<usize>>,
}

impl Window {
    fn word(&self, offset: usize) -> &AtomicU64 {
        match (self.part, offset) {
            (Part::Position, 0) => &self.memory.position,
            (Part::WritersLane | Part::ReadersLane, SENT) => &self.memory.sent,
            (Part::WritersLane | Part::ReadersLane, CLAIMED) => &self.memory.claimed,
            (Part::WritersLane | Part::ReadersLane, DROPPED) => &self.memory.dropped,
            (Part::WritersSlots | Part::ReadersSlots, _) => match &self.memory.slots[offset / WORD_BYTES] {
                Word::Atomic(word) => word,
                Word::Tracked { .. } => panic!("the word at {offset} is payload"),
            },
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
        self.memory.slots.len() * WORD_BYTES
    }

    fn load_u32(&self, offset: usize, _: Ordering) -> u32 {
        panic!("the lane loads a word of 4 bytes at {offset}")
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        let is_commit = self.part == Part::ReadersSlots || (self.part == Part::ReadersLane && offset == SENT);
        match self.flaw {
            Flaw::HeaderLoadRelaxed if is_commit => self.word(offset).load(Relaxed),
            Flaw::NotWalked if self.part == Part::WritersSlots && offset % 64 == SEQUENCE => 0,
            _ => self.word(offset).load(order),
        }
    }

    fn fence(&self, order: Ordering) {
        match (self.flaw, self.part) {
            (Flaw::JoinUnfenced, Part::Position)
            | (Flaw::ClaimUnfenced, Part::WritersLane)
            | (Flaw::CopyUnfenced, Part::ReadersSlots) => {}
            _ => loom::sync::atomic::fence(order),
        }
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        for (i, bytes) in into.chunks_exact_mut(WORD_BYTES).enumerate() {
            let value = match &self.memory.slots[offset / WORD_BYTES + i] {
                Word::Atomic(word) => word.load(Relaxed),
                Word::Tracked { cell, value } => cell.with(|_| value.get()),
            };
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }
}

impl SharedMut for Window {
    fn store_u32(&self, offset: usize, _: u32, _: Ordering) {
        panic!("the lane stores a word of 4 bytes at {offset}")
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        let is_commit = self.part == Part::WritersSlots || (self.part == Part::WritersLane && offset == SENT);
        let order = match self.flaw {
            Flaw::CommitRelaxed if is_commit => Relaxed,
            Flaw::ReleaseRelaxed if self.part == Part::Position => Relaxed,
            _ => order,
        };
        if self.spend() {
            self.word(offset).store(value, order);
        }
    }

    fn write(&self, offset: usize, from: &[u8]) {
        for (i, bytes) in from.chunks_exact(WORD_BYTES).enumerate() {
            let new = u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
            match &self.memory.slots[offset / WORD_BYTES + i] {
                _ if !self.spend() => {}
                Word::Atomic(word) => word.store(new, Relaxed),
                Word::Tracked { cell, value } => cell.with_mut(|_| value.set(new)),
            }
        }
    }
}

type TestWriter = Writer<Window, Window>;
type TestReader = Reader<Window, Window, Window>;

/// A message: its number all over, and never what memory begins with.
fn payload(number: u64) -> Vec<u8> {
    (number + 1).to_ne_bytes().repeat(PAYLOAD_WORDS)
}

/// A lane of two slots.
#[derive(Clone)]
struct Bench {
    shape: Shape,
    memory: Rc<Memory>,
    is_kept: bool,
    flaw: Flaw,
}

impl Bench {
    fn new(item_bytes: u32, is_kept: bool, flaw: Flaw) -> Self {
        let shape = Shape::tiny(2, item_bytes);
        let word = |at: usize| match at % SLOT_WORDS {
            0 if shape.head_bytes() > 0 => Word::Atomic(AtomicU64::new(0)),
            _ if is_kept => Word::Tracked { cell: UnsafeCell::new(()), value: Cell::new(0) },
            _ => Word::Atomic(AtomicU64::new(0)),
        };
        let memory = Memory {
            slots: (0..2 * SLOT_WORDS).map(word).collect(),
            sent: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            position: AtomicU64::new(NOWHERE),
        };
        Self { shape, memory: Rc::new(memory), is_kept, flaw }
    }

    fn window(&self, part: Part, stores: &Rc<Cell<usize>>) -> Window {
        Window { memory: Rc::clone(&self.memory), part, flaw: self.flaw, stores_left: Rc::clone(stores) }
    }

    fn writer(&self, stores: usize) -> (TestWriter, Rc<Cell<usize>>) {
        let life = Rc::new(Cell::new(stores));
        let (slots, lane) = (self.window(Part::WritersSlots, &life), self.window(Part::WritersLane, &life));
        (Writer::attach(self.shape, slots, lane).expect("no lie"), life)
    }

    fn reader(&self, history: u64) -> TestReader {
        let life = Rc::new(Cell::new(usize::MAX));
        let window = |part| self.window(part, &life);
        let (slots, lane, own) = (window(Part::ReadersSlots), window(Part::ReadersLane), window(Part::Position));
        Reader::join(self.shape, slots, lane, own, self.is_kept, history)
    }

    /// Publishes the next message, if there is room.
    fn publish(&self, writer: &mut TestWriter) -> bool {
        let bytes = payload(writer.sent());
        let order = if self.flaw == Flaw::HeadLoadRelaxed { Relaxed } else { Acquire };
        let sent = writer.sent();
        if writer.room() == 0 {
            let position = &self.memory.position;
            writer.claim(self.is_kept.then_some(|| position.load(order).min(sent)));
        }
        // By either way in turn.
        if sent % 2 == 0 { writer.put_item_ready(&bytes, self.shape.each()) } else { writer.put_ready(&bytes) }
    }

    /// Reads the next message if there is one: it is the one of that number, and whole. Says how many were passed, lost ones included.
    fn read(&self, reader: &mut TestReader) -> u64 {
        if reader.look().expect("no lie") { self.take(reader) } else { 0 }
    }

    fn take(&self, reader: &mut TestReader) -> u64 {
        let (mut bytes, number) = ([0; PAYLOAD_WORDS * WORD_BYTES], reader.position());
        let Some(is_time) = reader.copy_ready(&mut bytes, self.shape.each()) else {
            let lost = reader.skip_lost();
            assert!(lost > 0 && !self.is_kept);
            return lost;
        };
        assert_eq!(bytes[..], payload(number), "message {number}");
        if is_time {
            reader.release();
        }
        1
    }

    /// Runs both sides, and when they have gone reads what is left: all of it, to the last of `sent`.
    fn run(
        &self,
        publishing: impl FnOnce(&Self) -> TestWriter + 'static,
        reading: impl FnOnce(&Self) -> TestReader + 'static,
    ) {
        let (one, other) = (self.clone(), self.clone());
        let publishing = thread::spawn(move || publishing(&one));
        let reading = thread::spawn(move || reading(&other));
        let (writer, mut reader) = (publishing.join().expect("ended"), reading.join().expect("ended"));
        while reader.look_closely().expect("no lie") {
            self.take(&mut reader);
        }
        assert_eq!(reader.position(), writer.sent(), "everything that was published");
        assert_eq!(reader.len(), 0);
    }
}

fn publish_some(bench: &Bench, count: u64) -> TestWriter {
    let (mut writer, _) = bench.writer(usize::MAX);
    for _ in 0..count {
        bench.publish(&mut writer);
    }
    writer
}

fn read_some(bench: &Bench, mut reader: TestReader, tries: usize) -> TestReader {
    for _ in 0..tries {
        bench.read(&mut reader);
    }
    reader
}

/// Messages are seen in the order in which they were published, once, whole, none early; what a subscriber has not read is not overwritten.
#[test]
fn model_lane_in_order() {
    fn model(item_bytes: u32, flaw: Flaw) {
        let bench = Bench::new(item_bytes, true, flaw);
        let reader = bench.reader(0);
        let tries = if is_full() { 3 } else { 2 };
        bench.run(|bench| publish_some(bench, 3), move |bench| read_some(bench, reader, tries));
    }
    let flaws = [Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed, Flaw::ReleaseRelaxed, Flaw::HeadLoadRelaxed];
    verify("lane in order, sequences", 0..1, |flaw, _| model(SMALL, flaw), &flaws);
    verify("lane in order, counted", 0..1, |flaw, _| model(LARGE, flaw), &flaws);
}

/// Who joins while a publisher claims room is kept from then on: by the one or by the other, nothing is overwritten that it reads.
#[test]
fn model_lane_is_joined() {
    fn model(flaw: Flaw, history: u64) {
        let bench = Bench::new(LARGE, true, flaw);
        // There is a message already; the one after the next takes its slot.
        drop(publish_some(&bench, 1));
        let reading = move |bench: &Bench| {
            let reader = bench.reader(history);
            // Of the next alone, orders are many and flaws none.
            read_some(bench, reader, usize::from(history > 0 || is_full()))
        };
        bench.run(|bench| publish_some(bench, if is_full() { 3 } else { 2 }), reading);
    }
    let flaws = [Flaw::JoinUnfenced, Flaw::ClaimUnfenced];
    verify("lane is joined at the next", 0..1, |flaw, _| model(flaw, 0), &[]);
    verify("lane is joined at the oldest", 0..1, |flaw, _| model(flaw, NOWHERE), &flaws);
}

/// What a subscriber has read when it leaves may be overwritten at once, and not before.
#[test]
fn model_lane_is_left() {
    fn model(flaw: Flaw) {
        let bench = Bench::new(LARGE, true, flaw);
        let mut reader = bench.reader(0);
        let (one, other) = (bench.clone(), bench);
        let publishing = thread::spawn(move || publish_some(&one, 3));
        let reading = thread::spawn(move || {
            if reader.look().expect("no lie") {
                // Lent, and not passed: only its leaving says that it is done.
                let Ok(Front::Slot(item)) = reader.front() else { panic!("no message in a slot") };
                let mut bytes = [0; PAYLOAD_WORDS * WORD_BYTES];
                reader.ring().read(item.offset, &mut bytes);
                assert_eq!(bytes[..], payload(0));
            }
            reader.leave();
            drop(other);
        });
        publishing.join().expect("ended");
        reading.join().expect("ended");
    }
    verify("lane is left", 0..1, |flaw, _| model(flaw), &[Flaw::ReleaseRelaxed, Flaw::HeadLoadRelaxed]);
}

/// A copy of what a publisher that waits for nobody has overwritten is never taken for a message, and what was lost is counted exactly.
#[test]
fn model_lane_is_overwritten() {
    fn model(item_bytes: u32, flaw: Flaw) {
        let bench = Bench::new(item_bytes, false, flaw);
        let reader = bench.reader(0);
        bench.run(|bench| publish_some(bench, 3), move |bench| read_some(bench, reader, if is_full() { 2 } else { 1 }));
    }
    let flaws = [Flaw::ClaimUnfenced, Flaw::CopyUnfenced, Flaw::CommitRelaxed, Flaw::HeaderLoadRelaxed];
    verify("lane is overwritten, sequences", 0..1, |flaw, _| model(SMALL, flaw), &flaws);
    verify("lane is overwritten, counted", 0..1, |flaw, _| model(LARGE, flaw), &flaws);
}

/// A publisher that is killed anywhere has published a message or not; the next one goes on behind it, beside a subscriber that reads.
#[test]
fn model_lane_is_succeeded() {
    fn model(item_bytes: u32, flaw: Flaw, kill: usize) {
        let bench = Bench::new(item_bytes, true, flaw);
        let reader = bench.reader(0);
        let publishing = move |bench: &Bench| {
            let (mut writer, life) = bench.writer(kill);
            for _ in 0..2 {
                if life.get() > 0 {
                    bench.publish(&mut writer);
                }
            }
            drop(writer);
            let (mut writer, _) = bench.writer(usize::MAX);
            bench.publish(&mut writer);
            writer
        };
        bench.run(publishing, move |bench| read_some(bench, reader, 2));
    }
    verify(
        "lane is succeeded, sequences",
        0..12,
        |flaw, kill| model(SMALL, flaw, kill),
        &[Flaw::NotWalked, Flaw::CommitRelaxed],
    );
    verify("lane is succeeded, counted", 0..10, |flaw, kill| model(LARGE, flaw, kill), &[Flaw::CommitRelaxed]);
}
