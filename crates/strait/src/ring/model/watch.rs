//! The latest value in every order: one writer, one reader or two, a writer that is killed between any two stores.
//!
//! A reader copies what a writer may be writing: that is the algorithm. So every word is loom's atomic here and payload is copied word by
//! word, relaxed, in which any mixture may come; what must hold is that no mixture is returned.

use super::{explore, has_flaws, is_full};
use crate::ring::watch::{Read, Reader, Shape, Writer};
use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed};
use strait_mem::{Shared, SharedMut};

/// What is wrong with the algorithm under test, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// WATCH-COMMIT is not a release.
    CommitRelaxed,
    /// The reader's load of the version is not an acquire.
    VersionLoadRelaxed,
    /// WATCH-ROUND is not there.
    NoRoundFence,
    /// The reader does not fence between the copying and the second look.
    NoSecondFence,
    /// The writer commits before it has written the value.
    ValueLate,
    /// The reader takes the version of the second look as close enough by one more.
    OneTooFar,
}

/// The body's words as one side sees them, until its process is killed.
struct Window {
    words: Rc<Vec<AtomicU64>>,
    flaw: Flaw,
    is_writers: bool,
    stores_left: Cell<usize>,
    /// What was loaded last: a reader's first look, when it takes the second.
    first: Cell<u64>,
    /// A word that the flaw puts off.
    late: Cell<Option<(usize, u64)>>,
}

impl Window {
    fn new(words: &Rc<Vec<AtomicU64>>, flaw: Flaw, is_writers: bool, stores: usize) -> Self {
        let late = Cell::new(None);
        Self { words: Rc::clone(words), flaw, is_writers, stores_left: Cell::new(stores), first: Cell::new(0), late }
    }

    /// Stores unless the process is dead.
    fn store(&self, offset: usize, value: u64, order: Ordering) {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        if left > 0 {
            self.words[offset / 8].store(value, order);
        }
    }
}

impl Shared for Window {
    fn len_bytes(&self) -> usize {
        self.words.len() * 8
    }

    fn load_u32(&self, offset: usize, _: Ordering) -> u32 {
        panic!("a word of 4 bytes at {offset}")
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        let is_first = order == Acquire;
        match self.flaw {
            Flaw::VersionLoadRelaxed => self.words[offset / 8].load(Relaxed),
            Flaw::OneTooFar if !self.is_writers && !is_first => {
                let now = self.words[offset / 8].load(order);
                now - u64::from(now > self.first.get())
            }
            _ => {
                let value = self.words[offset / 8].load(order);
                self.first.set(value);
                value
            }
        }
    }

    fn fence(&self, order: Ordering) {
        let missing = if self.is_writers { Flaw::NoRoundFence } else { Flaw::NoSecondFence };
        if self.flaw != missing {
            fence(order);
        }
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        for (i, bytes) in into.chunks_exact_mut(8).enumerate() {
            bytes.copy_from_slice(&self.words[offset / 8 + i].load(Relaxed).to_ne_bytes());
        }
    }
}

impl SharedMut for Window {
    fn store_u32(&self, offset: usize, _: u32, _: Ordering) {
        panic!("a word of 4 bytes at {offset}")
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        let order = if self.flaw == Flaw::CommitRelaxed { Relaxed } else { order };
        self.store(offset, value, order);
        if let Some((offset, value)) = self.late.take() {
            self.store(offset, value, Relaxed);
        }
    }

    fn write(&self, offset: usize, from: &[u8]) {
        for (i, bytes) in from.chunks_exact(8).enumerate() {
            let (at, value) = (offset + i * 8, u64::from_ne_bytes(bytes.try_into().expect("8 bytes")));
            if self.flaw == Flaw::ValueLate && i == 0 {
                self.late.set(Some((at, value)));
            } else {
                self.store(at, value, Relaxed);
            }
        }
    }
}

/// Words of a value.
const VALUE_WORDS: usize = 2;
/// Stores of one setting: the value, and the version.
const STORES: usize = VALUE_WORDS + 1;

struct Bench {
    shape: Shape,
    words: Rc<Vec<AtomicU64>>,
    flaw: Flaw,
}

impl Bench {
    /// With so many values set before anybody comes.
    fn new(copies: u32, set: usize, flaw: Flaw) -> Rc<Self> {
        let shape = Shape::new(copies, (VALUE_WORDS * 8) as u64, false).expect("sound");
        let words = Rc::new((0..shape.body_bytes() as usize / 8).map(|_| AtomicU64::new(0)).collect());
        let bench = Rc::new(Self { shape, words, flaw });
        bench.set(set, usize::MAX);
        bench
    }

    /// Sets so many values, each its version all over, unless it is killed after so many stores.
    fn set(&self, count: usize, stores: usize) {
        let mut writer = Writer::attach(self.shape, Window::new(&self.words, self.flaw, true, stores));
        for _ in 0..count {
            let value = (writer.version() + 1).to_ne_bytes().repeat(VALUE_WORDS);
            writer.set(&value);
        }
    }

    /// Reads what there is now: the version, 0 for none. It is whole, and of that version.
    fn read(&self, seen: u64) -> u64 {
        let reader = Reader::new(self.shape, Window::new(&self.words, self.flaw, false, 0));
        let mut value = [0; VALUE_WORDS * 8];
        match reader.read(seen, &mut value) {
            Read::Is(version) => {
                for word in value.chunks_exact(8) {
                    assert_eq!(word, version.to_ne_bytes(), "a word of version {version}");
                }
                assert!(version > seen, "version {version} after {seen}");
                version
            }
            Read::NotYet => seen,
            Read::Overtaken => panic!("overtaken more often than there are values"),
        }
    }
}

/// Runs `model` in every order, for each of its `kills`: it must hold as written, and for each flaw fail at one of the kills at least.
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

const ALL: [Flaw; 6] = [
    Flaw::CommitRelaxed,
    Flaw::VersionLoadRelaxed,
    Flaw::NoRoundFence,
    Flaw::NoSecondFence,
    Flaw::ValueLate,
    Flaw::OneTooFar,
];

/// With two copies, a reader gets values whole and in order, or copies again, while the writer goes round.
#[test]
fn model_watch_of_two_copies() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(2, 1, flaw);
        let (writing, reading) = (Rc::clone(&bench), Rc::clone(&bench));
        let writer = thread::spawn(move || writing.set(if is_full() { 3 } else { 2 }, usize::MAX));
        let reader = thread::spawn(move || {
            let first = reading.read(0);
            assert!(first > 0, "one was there before");
            reading.read(first)
        });
        writer.join().expect("ended");
        let seen = reader.join().expect("ended");
        assert_eq!(bench.read(seen).max(seen), if is_full() { 4 } else { 3 }, "the last one");
    }
    verify("watch of two copies", 0..1, model, &ALL);
}

/// With four copies a reader lets the writer come two further while it copies, and not three.
#[test]
fn model_watch_of_four_copies() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(4, 1, flaw);
        let (writing, reading) = (Rc::clone(&bench), Rc::clone(&bench));
        let writer = thread::spawn(move || writing.set(4, usize::MAX));
        let reader = thread::spawn(move || reading.read(0));
        writer.join().expect("ended");
        assert!(reader.join().expect("ended") > 0);
        assert_eq!(bench.read(0), 5, "the last one");
    }
    verify("watch of four copies", 0..1, model, &ALL);
}

/// A writer that is killed anywhere has set a value or not: what was committed is read at once, and its successor goes on behind it.
#[test]
fn model_watch_writer_is_succeeded() {
    fn model(flaw: Flaw, kill: usize) {
        let bench = Bench::new(2, 1, flaw);
        let (writing, reading) = (Rc::clone(&bench), Rc::clone(&bench));
        let writer = thread::spawn(move || {
            writing.set(2, kill);
            assert_eq!(writing.read(0), 1 + (kill / STORES) as u64, "what was committed");
            writing.set(1, usize::MAX);
        });
        let reader = thread::spawn(move || reading.read(0));
        writer.join().expect("ended");
        assert!(reader.join().expect("ended") > 0);
        assert_eq!(bench.read(0), 2 + (kill / STORES) as u64, "the last one");
    }
    verify("watch, writer succeeded", 0..2 * STORES, model, &ALL);
}
