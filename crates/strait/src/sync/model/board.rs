//! A few words that all can exchange and in the first of which they sleep, on the words of loom and of shuttle: for what is built on
//! [`crate::wait::futex`]. The rules of [`crate::wait::model::page`] hold here too: time never passes, so a wake-up that is lost is a deadlock.

use crate::wait::Strategy;
use crate::wait::futex::{Futex, Look};
use crate::wait::model::endless;
use crate::wait::model::page::{Life, World};
use crate::wait::turn::Waiting;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{self, Relaxed, Release, SeqCst};
use std::time::Duration;
use strait_mem::{Parking, Shared, SharedMut, SharedRmw};

/// Where hints for the length of the spinning would be, which the models leave out.
pub(super) const HINT: usize = 4096;

/// What is wrong with the protocol under test, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is as it is written.
    None,
    /// A sleep begins whatever the word says.
    SleepsUnseeing,
    /// Who acts wakes nobody.
    NobodyWoken,
    /// Who is about to sleep does not look again after it has said so.
    NoSecondLook,
    /// Who was woken in the place of others does not leave the bit behind.
    OwesNothing,
    /// The word is exchanged in any order.
    ExchangeRelaxed,
    /// The word is stored, whatever is there by then.
    ExchangeByStore,
    /// What is set already is not exchanged.
    SetSkips,
    /// Who sets gives the signal to one who sleeps.
    HandedOver,
    /// Who waits looks only whether it is set.
    NoTurn,
    /// Who arrives does not fence before it looks who else has.
    NoArrivalFence,
    /// Who arrives does not release what it has done.
    ArrivalRelaxed,
    /// Others' arrivals are read without acquiring.
    LooksRelaxed,
    /// Who withdraws does not say so in the word that the last one exchanges.
    WithdrawsSilently,
    /// A reset is taken for a completion.
    ResetUncounted,
    /// Arrivals are not of one phase.
    PhaseForgotten,
    /// Nobody is ever found dead.
    NobodyGone,
    /// Whoever runs it is taken for dead.
    EverybodyGone,
    /// That it is done is said before it is.
    DoneEarly,
    /// What is done is begun again.
    DoneForgotten,
    /// Who takes over is told of nothing.
    NoMark,
}

/// What all share.
pub(super) struct Board<W: World> {
    words: Vec<W::Word>,
    bed: W::Bed,
    wakes: AtomicUsize,
}

impl<W: World> Board<W> {
    /// With these words.
    pub(super) fn new(words: &[u64]) -> Arc<Self> {
        let words = words.iter().map(|&it| W::word(it)).collect();
        Arc::new(Self { words, bed: W::bed(), wakes: AtomicUsize::new(0) })
    }

    /// How often somebody entered the kernel to wake.
    pub(super) fn wakes(&self) -> usize {
        self.wakes.load(Relaxed)
    }
}

/// One user's window on it.
pub(super) struct Window<W: World> {
    pub(super) board: Arc<Board<W>>,
    pub(super) flaw: Flaw,
    pub(super) life: Life,
}

impl<W: World> Window<W> {
    pub(super) fn new(board: &Arc<Board<W>>, flaw: Flaw) -> Self {
        Self::mortal(board, flaw, &endless())
    }

    /// Of one who dies after so many stores.
    pub(super) fn mortal(board: &Arc<Board<W>>, flaw: Flaw, life: &Life) -> Self {
        Self { board: Arc::clone(board), flaw, life: Arc::clone(life) }
    }

    pub(super) fn lives(&self) -> bool {
        self.life.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    pub(super) fn futex(&self) -> Futex<'_, Self> {
        Futex::new(self, 0, HINT)
    }

    /// Waits as [`Futex::wait`] does, asleep at once, and for ever.
    pub(super) fn wait<T>(&self, mut attempt: impl FnMut(Look) -> Option<T>) -> T {
        let is_second = Cell::new(true);
        let attempt = |look: Look| {
            let skips = self.flaw == Flaw::NoSecondLook && is_second.replace(!is_second.get());
            let owes = if self.flaw == Flaw::OwesNothing { 0 } else { look.owes };
            if skips { None } else { attempt(Look { owes, ..look }) }
        };
        self.futex().wait(&mut Waiting::new(Strategy::Sleep), None, attempt).expect("there is no deadline")
    }

    /// Adds one to a word, as somebody does who is alone.
    pub(super) fn count(&self, number: usize) {
        let word = &self.board.words[number];
        W::store(word, W::load(word, Relaxed) + 1, Relaxed);
    }

    pub(super) fn word(&self, number: usize) -> u64 {
        W::load(&self.board.words[number], Relaxed)
    }

    pub(super) fn at(&self, offset: usize) -> &W::Word {
        assert_eq!(offset % 8, 0, "the word at {offset} is not part of the model");
        &self.board.words[offset / 8]
    }
}

impl<W: World> Shared for Window<W> {
    fn len_bytes(&self) -> usize {
        self.board.words.len() * 8
    }

    fn load_u32(&self, offset: usize, _: Ordering) -> u32 {
        assert_eq!(offset, HINT, "a word of 4 bytes is read at {offset}");
        u32::MAX
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        let order = if self.flaw == Flaw::LooksRelaxed { Relaxed } else { order };
        W::load(self.at(offset), order)
    }

    fn fence(&self, order: Ordering) {
        assert_eq!(order, SeqCst, "a fence of another kind");
        if self.flaw != Flaw::NoArrivalFence {
            W::fence();
        }
    }

    fn read(&self, offset: usize, _: &mut [u8]) {
        panic!("bytes are read at {offset}")
    }
}

impl<W: World> SharedMut for Window<W> {
    fn store_u32(&self, offset: usize, _: u32, _: Ordering) {
        assert_eq!(offset, HINT, "a word of 4 bytes is written at {offset}");
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        let order = if self.flaw == Flaw::ArrivalRelaxed { Relaxed } else { order };
        if self.lives() {
            W::store(self.at(offset), value, order);
        }
    }

    fn write(&self, offset: usize, _: &[u8]) {
        panic!("bytes are written at {offset}")
    }
}

impl<W: World> SharedRmw for Window<W> {
    fn compare_exchange_u64(&self, at: usize, now: u64, new: u64, yes: Ordering, no: Ordering) -> Result<u64, u64> {
        if !self.lives() {
            return Err(now);
        }
        match self.flaw {
            Flaw::ExchangeRelaxed => W::exchange_as(self.at(at), now, new, Relaxed, Relaxed),
            Flaw::ExchangeByStore => {
                W::store(self.at(at), new, Release);
                Ok(now)
            }
            _ => W::exchange_as(self.at(at), now, new, yes, no),
        }
    }

    fn fetch_add_u32(&self, offset: usize, _: u32, _: Ordering) -> u32 {
        panic!("the word at {offset} is not added to")
    }

    fn fetch_add_u64(&self, offset: usize, add: u64, order: Ordering) -> u64 {
        let add = if self.lives() { add } else { 0 };
        W::add(self.at(offset), add, order)
    }

    fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        if !self.lives() {
            return W::load(self.at(offset), Relaxed);
        }
        W::or(self.at(offset), bits, order)
    }

    fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        if !self.lives() {
            return W::load(self.at(offset), Relaxed);
        }
        W::and(self.at(offset), bits, order)
    }
}

impl<W: World> Parking for Window<W> {
    fn sleep_while(&self, offset: usize, expected: u32, _: Duration) -> bool {
        let is_same = || {
            // Truncation: the half that the kernel compares.
            W::load(self.at(offset), Relaxed) as u32 == expected
        };
        if !self.lives() {
            return false;
        }
        W::sleep(&self.board.bed, || self.flaw == Flaw::SleepsUnseeing || is_same());
        false
    }

    fn wake(&self, _: usize) {
        if self.lives() && self.flaw != Flaw::NobodyWoken {
            self.board.wakes.fetch_add(1, Relaxed);
            W::wake(&self.board.bed);
        }
    }

    fn wake_one(&self, _: usize) {
        if self.lives() && self.flaw != Flaw::NobodyWoken {
            self.board.wakes.fetch_add(1, Relaxed);
            W::wake_one(&self.board.bed);
        }
    }

    fn light_barrier(&self) {
        panic!("nobody passes a barrier")
    }

    fn heavy_barrier(&self) {
        panic!("nobody passes a barrier")
    }

    fn full_barrier(&self) {
        panic!("nobody passes a barrier")
    }
}
