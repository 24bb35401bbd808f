//! The calling side: one row of slots, and which of them are taken.

use crate::ring::PeerFault;
use crate::ring::rpc::{
    ANSWER_BYTES, Claimant, GIVEN_UP, NUMBER_MASK, REQUEST, REQUEST_BYTES, Shape, State, WORD, Word, is_before,
};
use std::ops::Range;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use strait_mem::{Claim, SharedRmw};

/// What has become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No server has begun.
    Ready,
    /// Such a one is at it.
    Serving(Claimant),
    /// The answer is there, so long.
    Done(u32),
    /// The server said that it cannot be answered, with such a code.
    Failed(u32),
    /// The server dropped it.
    Dropped,
}

/// One caller's row.
#[derive(Debug)]
pub(crate) struct Caller<W> {
    shape: Shape,
    row: W,
    me: Claimant,
    /// The number of the next call.
    next: u64,
    /// Slots whose calls are awaited, a bit for each. The truth.
    awaited: u64,
    /// Slots of calls that were given up while a server was at them (rule 4).
    left_alone: u64,
    /// Slots whose request is being written, or whose answer is being read, in place.
    in_hands: u64,
}

impl<W: SharedRmw> Caller<W> {
    /// Takes a row over from whoever had it: its calls that no server has claimed are withdrawn, the others left alone.
    pub(crate) fn attach(shape: Shape, row: W, me: Claimant) -> Self {
        let mut caller = Self { shape, row, me, next: 0, awaited: 0, left_alone: 0, in_hands: 0 };
        let mut last = None;
        for slot in 0..shape.in_flight {
            let word = caller.word(slot);
            let is_taken = match word.state() {
                State::Ready => !caller.withdraw_word(slot, word),
                State::Serving => true,
                _ => false,
            };
            if is_taken {
                caller.leave_alone(slot);
            }
            if last.is_none_or(|last| is_before(last, word.number())) {
                last = Some(word.number());
            }
        }
        caller.next = last.map_or(0, |last| last.wrapping_add(1) & NUMBER_MASK);
        caller
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Calls awaited.
    pub(crate) fn in_flight(&self) -> u32 {
        self.awaited.count_ones()
    }

    /// The number of the call that is awaited at a slot, as the slot says.
    pub(crate) fn awaited_at(&self, slot: u32) -> Option<u64> {
        (self.awaited & 1 << slot != 0).then(|| self.word(slot).number())
    }

    /// Whether any slot is taken by a call that was given up.
    pub(crate) fn leaves_any_alone(&self) -> bool {
        self.left_alone != 0
    }

    /// The number that the next call gets; none while all slots are taken.
    #[inline(always)]
    pub(crate) fn free(&self) -> Option<u64> {
        let taken = self.awaited | self.left_alone | self.in_hands;
        if taken & self.bit(self.next) == 0 {
            return Some(self.next);
        }
        self.free_behind(taken)
    }

    /// Leaves numbers out whose slots are taken (rule 5).
    #[cold]
    fn free_behind(&self, taken: u64) -> Option<u64> {
        let behind = |ahead: u32| self.next.wrapping_add(u64::from(ahead)) & NUMBER_MASK;
        (1..=self.shape.in_flight).map(behind).find(|&number| taken & self.bit(number) == 0)
    }

    /// Makes a call whose number came from [`Self::free`]; the request is not longer than the shape says.
    #[inline(always)]
    pub(crate) fn post(&mut self, number: u64, request: &[u8]) {
        self.row.write(self.at(number) + REQUEST, request);
        self.next = number.wrapping_add(1) & NUMBER_MASK;
        // At most 2^30.
        self.make(number, request.len() as u32);
    }

    /// Takes a number that came from [`Self::free`] for a request that is written in place, in [`Self::request`]. It is published, or let go of.
    pub(crate) fn reserve(&mut self, number: u64) {
        self.in_hands |= self.bit(number);
        self.next = number.wrapping_add(1) & NUMBER_MASK;
    }

    /// Makes a call whose number was reserved, and whose request lies where it belongs.
    pub(crate) fn publish(&mut self, number: u64, len_bytes: u32) {
        self.let_go(number);
        self.make(number, len_bytes);
    }

    #[inline(always)]
    fn make(&mut self, number: u64, len_bytes: u32) {
        let at = self.at(number);
        self.row.store_u32(at + REQUEST_BYTES, len_bytes, Relaxed);
        self.awaited |= self.bit(number);
        // Release, RPC-POST: the request is written before it is seen; and the last answer here was read before another is written.
        self.row.store_u64(at + WORD, Word::new(State::Ready, self.me, number).0, Release);
    }

    /// Whether a call is over, whatever came of it. One load.
    #[inline(always)]
    pub(crate) fn is_over(&self, number: u64) -> bool {
        // The closer look is [`Self::look`], which pairs with RPC-ANSWER.
        let word = Word(self.row.load_u64(self.at(number) + WORD, Relaxed));
        !matches!(word.state(), State::Ready | State::Serving)
    }

    /// What has become of a call that is awaited.
    #[inline]
    pub(crate) fn look(&self, number: u64) -> Result<Seen, PeerFault> {
        let slot = self.shape.slot_of(number);
        let word = self.word(slot);
        let code = || self.row.load_u32(self.at(number) + ANSWER_BYTES, Relaxed);
        if word.number() != number {
            return Err(self.fault("number of a call", slot, word.0));
        }
        match word.state() {
            // Ours alone is ever ready here; another's could not be withdrawn when nobody is left to answer it.
            State::Ready if word.by() != self.me => Err(self.fault("caller of a call", slot, word.0)),
            State::Ready => Ok(Seen::Ready),
            // Callers have the first seats.
            State::Serving if word.by().seat < self.shape.rows => Err(self.fault("claimant of a call", slot, word.0)),
            State::Serving => Ok(Seen::Serving(word.by())),
            State::Done => match Claim::new(code()).within(self.shape.answer_max) {
                Ok(len_bytes) => Ok(Seen::Done(len_bytes)),
                Err(refuted) => Err(self.fault("length of an answer", slot, refuted.found)),
            },
            State::Failed => Ok(Seen::Failed(code())),
            State::Dropped => Ok(Seen::Dropped),
            // Its owner alone brings a call there, and has not.
            State::Free | State::Impossible => Err(self.fault("state of a call", slot, word.0)),
        }
    }

    /// Copies the answer of a call that is done; it is not longer than the shape says.
    #[inline]
    pub(crate) fn read(&self, number: u64, into: &mut [u8]) {
        self.row.read(self.at(number) + self.shape.answer_at, into);
    }

    /// The answer of a call that is done is read in place, in [`Self::answer`], until the slot is let go of.
    pub(crate) fn keep(&mut self, number: u64) {
        self.in_hands |= self.bit(number);
        self.finish(number);
    }

    /// What was reserved or kept is in nobody's hands any more.
    pub(crate) fn let_go(&mut self, number: u64) {
        self.in_hands &= !self.bit(number);
    }

    /// The row's window, to lend parts of it.
    pub(crate) fn row(&self) -> &W {
        &self.row
    }

    /// Where in the row a request of so many bytes lies; at most as many as the shape says.
    pub(crate) fn request(&self, number: u64, len_bytes: usize) -> Range<usize> {
        let start = self.at(number) + REQUEST;
        start..start + len_bytes
    }

    /// The same of an answer.
    pub(crate) fn answer(&self, number: u64, len_bytes: usize) -> Range<usize> {
        let start = self.at(number) + self.shape.answer_at;
        start..start + len_bytes
    }

    /// What was to be known of a call that is over has been read: its slot is free.
    #[inline(always)]
    pub(crate) fn finish(&mut self, number: u64) {
        self.awaited &= !self.bit(number);
    }

    /// Gives a call up. If no server has begun none will; says whether that is so.
    pub(crate) fn give_up(&mut self, number: u64) -> bool {
        if self.withdraw(number) {
            return true;
        }
        self.finish(number);
        let slot = self.shape.slot_of(number);
        if self.word(slot).state() == State::Serving {
            self.leave_alone(slot);
        }
        false
    }

    /// Withdraws a call that nobody will ever claim; says whether nobody has.
    pub(crate) fn withdraw(&mut self, number: u64) -> bool {
        let slot = self.shape.slot_of(number);
        let is_withdrawn = self.withdraw_word(slot, Word::new(State::Ready, self.me, number));
        if is_withdrawn {
            self.finish(number);
        }
        is_withdrawn
    }

    /// Takes a call back from a dead server; says whether it had not answered.
    pub(crate) fn take_back(&mut self, number: u64, from: Claimant) -> bool {
        let serving = Word::new(State::Serving, from, number);
        let is_taken = self.exchange(self.shape.slot_of(number), serving, serving.to(State::Free, self.me));
        if is_taken {
            self.finish(number);
        }
        is_taken
    }

    /// Offers a call of a dead server to the others; says whether it had not answered.
    pub(crate) fn repeat(&mut self, number: u64, from: Claimant) -> bool {
        let serving = Word::new(State::Serving, from, number);
        self.exchange(self.shape.slot_of(number), serving, serving.to(State::Ready, self.me))
    }

    /// Frees the slots of calls that were given up and are now over, or whose server `is_gone`.
    pub(crate) fn collect(&mut self, is_gone: impl Fn(Claimant) -> bool) {
        let left_alone = self.left_alone;
        for slot in (0..self.shape.in_flight).filter(|slot| left_alone & 1 << slot != 0) {
            let word = self.word(slot);
            let is_free = match word.state() {
                // A failure: it has just been answered, and is found so the next time.
                State::Serving => is_gone(word.by()) && self.exchange(slot, word, word.to(State::Free, self.me)),
                _ => true,
            };
            if is_free {
                self.left_alone &= !(1 << slot);
            }
        }
    }

    /// Gives everything up: nobody will begin with any of it.
    pub(crate) fn give_all_up(&mut self) {
        for slot in 0..self.shape.in_flight {
            if let Some(number) = self.awaited_at(slot) {
                self.give_up(number);
            }
        }
    }

    /// A server is at it: it can see that nobody waits, and the slot is its own until it has answered (rule 4).
    fn leave_alone(&mut self, slot: u32) {
        self.left_alone |= 1 << slot;
        let at = self.shape.at(0, slot) + REQUEST_BYTES;
        self.row.store_u32(at, self.row.load_u32(at, Relaxed) | GIVEN_UP, Relaxed);
    }

    fn withdraw_word(&self, slot: u32, ready: Word) -> bool {
        self.exchange(slot, ready, ready.to(State::Free, self.me))
    }

    fn exchange(&self, slot: u32, from: Word, to: Word) -> bool {
        let at = self.shape.at(0, slot) + WORD;
        // AcqRel: a request that is offered again was written before; a server's answer that came before is whole. Of a failure nothing
        // is concluded: the word is loaded again.
        self.row.compare_exchange_u64(at, from.0, to.0, AcqRel, Relaxed).is_ok()
    }

    #[inline(always)]
    fn word(&self, slot: u32) -> Word {
        // Acquire, pairs with RPC-ANSWER: the answer is read after the word that says it is there, and the request written after it
        // was read.
        Word(self.row.load_u64(self.shape.at(0, slot) + WORD, Acquire))
    }

    #[inline(always)]
    fn at(&self, number: u64) -> usize {
        self.shape.at(0, self.shape.slot_of(number))
    }

    #[inline(always)]
    fn bit(&self, number: u64) -> u64 {
        1 << self.shape.slot_of(number)
    }

    #[cold]
    fn fault(&self, what: &'static str, slot: u32, found: u64) -> PeerFault {
        PeerFault { what, offset: self.shape.at(0, slot) as u64, found }
    }
}
