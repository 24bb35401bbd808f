//! A ring's memory on loom's words, and the flaws that the models must find.
//!
//! | bytes | are | so |
//! |---|---|---|
//! | words that can hold a header: every `record_words`-th, and both sides' progress | loom's atomics | a load may return any value that the orderings allow |
//! | all others: payload | tracked cells | touching one without a happens-before is a race, and the execution fails |
//!
//! 1. A header's place may be covered by a longer message. Then it is payload that is atomic and relaxed: the message's other
//!    words are still tracked.
//! 2. A ring is born full of what an older lap left: each header's place but the first holds a header that looks whole.
//! 3. A [`Life`] may end: after so many stores a process has been killed, and what its code still stores goes nowhere. Loads by the
//!    dead are harmless, for they change nothing that another thread sees; drivers stop at the next step anyway.

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering::{self, Relaxed, Release};
use strait_mem::{Shared, SharedMut};

const WORD_BYTES: usize = 8;

/// What is wrong with the algorithm under test, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is as it is written.
    None,
    /// SPSC-COMMIT, or SLOTS-COMMIT, is not a release.
    CommitRelaxed,
    /// The receiver's load of a header, or of the sender's count, is not an acquire.
    HeaderLoadRelaxed,
    /// SPSC-RELEASE, or SLOTS-RELEASE, is not a release.
    ReleaseRelaxed,
    /// The sender's load of the head, or of the receiver's count, is not an acquire.
    HeadLoadRelaxed,
    /// The next header's place is not zeroed (rule 1 of the record).
    NotZeroed,
    /// The headers behind a chain's first are stored after it (rule 5 of the ring).
    HeadersLate,
    /// `received` is stored after the head (rule 4 of the ring).
    ReceivedLate,
    /// The head says nothing of the messages released of its record.
    IndexLost,
    /// The sender commits before it has written the payload.
    PayloadLate,
    /// The receiver releases before it has read the payload.
    ReadLate,
    /// Who joins a lane passes no barrier (LANE-JOIN).
    JoinUnfenced,
    /// Who claims room in a lane passes no barrier (LANE-JOIN, LANE-CLAIM).
    ClaimUnfenced,
    /// A copy is held against the claim without a barrier (LANE-CLAIM).
    CopyUnfenced,
    /// The next publisher of a lane does not walk the sequences.
    NotWalked,
    /// Who holds a block passes no barrier (BLOCK-HOLD).
    HoldUnfenced,
    /// Who retires messages passes no barrier (BLOCK-HOLD).
    RetireUnfenced,
    /// Who holds a block looks at the claim first, and sets its bit then.
    ValidatedFirst,
    /// The publisher does not look at the bits.
    HeldIgnored,
    /// BLOCK-LET-GO is not a release.
    LetGoRelaxed,
    /// The publisher's load of the bits is not an acquire.
    HeldLoadRelaxed,
    /// Who takes a seat does not clear what its last owner held.
    NotCleared,
    /// The next publisher does not look at the positions.
    PositionsIgnored,
}

/// Whose window it is, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    SendersRing,
    SendersProgress,
    SendersViewOfReceiver,
    ReceiversRing,
    ReceiversProgress,
    ReceiversViewOfSender,
}

/// Bytes that both sides share.
#[derive(Debug)]
pub(super) struct Memory {
    len_bytes: usize,
    /// The words from this one on; what lies outside is not used by the model and costs nothing.
    first: usize,
    words: Vec<Word>,
}

#[derive(Debug)]
enum Word {
    Atomic(AtomicU64),
    /// The value lies beside the cell because reading it out of the cell would take `unsafe`; the cell makes sure that whoever
    /// comes here is allowed to.
    Tracked {
        cell: UnsafeCell<()>,
        value: Cell<u64>,
    },
}

impl Memory {
    /// `len_bytes` of memory of which the words in `used` exist; every `stride`-th is atomic (none where that is 0), and begins as
    /// `header(word)`.
    pub(super) fn new(len_bytes: usize, used: Range<usize>, stride: usize, header: impl Fn(usize) -> u64) -> Self {
        let word = |at: usize| match at.checked_rem(stride) {
            Some(0) => Word::Atomic(AtomicU64::new(header(at))),
            _ => Word::Tracked { cell: UnsafeCell::new(()), value: Cell::new(0) },
        };
        Self { len_bytes, first: used.start, words: used.map(word).collect() }
    }

    fn at(&self, offset: usize) -> &Word {
        assert!(offset % WORD_BYTES == 0 && offset < self.len_bytes, "no word at {offset}");
        let word = (offset / WORD_BYTES).checked_sub(self.first).and_then(|i| self.words.get(i));
        word.unwrap_or_else(|| panic!("the word at {offset} is not part of the model"))
    }

    fn atomic(&self, offset: usize) -> &AtomicU64 {
        match self.at(offset) {
            Word::Atomic(word) => word,
            Word::Tracked { .. } => panic!("the word at {offset} is payload"),
        }
    }
}

/// A process, until it is killed.
#[derive(Debug)]
pub(super) struct Life {
    stores_left: Cell<usize>,
    /// Stores that the flaws put off.
    late: RefCell<Vec<(usize, u64)>>,
    /// Release stores made: a sender's commits.
    releases: Cell<u64>,
}

impl Life {
    pub(super) fn endless() -> Rc<Self> {
        Self::of(usize::MAX)
    }

    /// A process that is killed after so many stores.
    pub(super) fn of(stores: usize) -> Rc<Self> {
        Rc::new(Self { stores_left: Cell::new(stores), late: RefCell::default(), releases: Cell::new(0) })
    }

    pub(super) fn is_over(&self) -> bool {
        self.stores_left.get() == 0
    }

    pub(super) fn releases(&self) -> u64 {
        self.releases.get()
    }

    /// Whether one more store is made.
    fn spend(&self) -> bool {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        left > 0
    }
}

/// One side's window on memory.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) memory: Rc<Memory>,
    pub(super) part: Part,
    pub(super) flaw: Flaw,
    pub(super) life: Rc<Life>,
}

impl Window {
    /// Stores unless the process is dead; says which.
    fn store(&self, offset: usize, value: u64, order: Ordering) -> bool {
        let alive = self.life.spend();
        if alive {
            self.memory.atomic(offset).store(value, order);
        }
        alive
    }

    /// Whether a store waits until the next release store has been made.
    fn is_late(&self, value: u64, order: Ordering) -> bool {
        let here = matches!(
            (self.flaw, self.part),
            (Flaw::HeadersLate, Part::SendersRing) | (Flaw::ReceivedLate, Part::ReceiversProgress)
        );
        here && order == Relaxed && value != 0
    }
}

impl Shared for Window {
    fn len_bytes(&self) -> usize {
        self.memory.len_bytes
    }

    fn load_u32(&self, offset: usize, _: Ordering) -> u32 {
        panic!("the ring loads a word of 4 bytes at {offset}")
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        let word = self.memory.atomic(offset);
        match (self.flaw, self.part) {
            (Flaw::HeaderLoadRelaxed, Part::ReceiversRing | Part::ReceiversViewOfSender)
            | (Flaw::HeadLoadRelaxed, Part::SendersViewOfReceiver) => word.load(Relaxed),
            _ => word.load(order),
        }
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        for (i, bytes) in into.chunks_exact_mut(WORD_BYTES).enumerate() {
            let value = match self.memory.at(offset + i * WORD_BYTES) {
                Word::Atomic(word) => word.load(Relaxed),
                Word::Tracked { cell, value } => cell.with(|_| value.get()),
            };
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }
}

impl SharedMut for Window {
    fn store_u32(&self, offset: usize, _: u32, _: Ordering) {
        panic!("the ring stores a word of 4 bytes at {offset}")
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        if self.is_late(value, order) {
            self.life.late.borrow_mut().push((offset, value));
            return;
        }
        let weaker = match (self.flaw, self.part) {
            (Flaw::NotZeroed, Part::SendersRing) if value == 0 => return,
            (Flaw::CommitRelaxed, Part::SendersRing | Part::SendersProgress)
            | (Flaw::ReleaseRelaxed, Part::ReceiversProgress) => Relaxed,
            _ => order,
        };
        let value = match (self.flaw, self.part) {
            (Flaw::IndexLost, Part::ReceiversProgress) if order == Release => value >> 32 << 32,
            _ => value,
        };
        let is_made = self.store(offset, value, weaker);
        if order == Release {
            self.life.releases.set(self.life.releases.get() + u64::from(is_made));
            for (offset, value) in self.life.late.take() {
                self.store(offset, value, Relaxed);
            }
        }
    }

    fn write(&self, offset: usize, from: &[u8]) {
        for (i, bytes) in from.chunks_exact(WORD_BYTES).enumerate() {
            let new = u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
            match self.memory.at(offset + i * WORD_BYTES) {
                _ if !self.life.spend() => {}
                Word::Atomic(word) => word.store(new, Relaxed),
                Word::Tracked { cell, value } => cell.with_mut(|_| value.set(new)),
            }
        }
    }
}
