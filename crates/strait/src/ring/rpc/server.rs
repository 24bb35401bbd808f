//! The serving side: finds calls in all rows, claims them, answers them.

use crate::ring::rpc::{
    ANSWER_BYTES, Claimant, GIVEN_UP, NUMBER_MASK, REQUEST, REQUEST_BYTES, Shape, State, WORD, Word, is_before,
};
use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use strait_mem::{Claim, SharedRmw};

const WORD_BITS: u32 = 64;

/// A call that this server has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) row: u32,
    at: usize,
    word: Word,
    /// Of the request, as the caller says: at most what the shape says. `None` where that is a lie.
    pub(crate) len_bytes: Option<u32>,
}

/// One server's view of all rows.
#[derive(Debug)]
pub(crate) struct Server<W> {
    shape: Shape,
    rows: W,
    me: Claimant,
    /// The number of each row's next call, as far as this server has seen. A place to begin looking, nothing else.
    next: Vec<u64>,
    /// The row to look at first, so that each has its turn.
    first: u32,
}

impl<W: SharedRmw> Server<W> {
    pub(crate) fn new(shape: Shape, rows: W, me: Claimant) -> Self {
        // Servers begin at different rows.
        let first = me.seat % shape.rows;
        Self { shape, rows, me, next: vec![1; shape.rows as usize], first }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Has the next look begin at some row.
    pub(crate) fn begin_at(&mut self, row: u32) {
        self.first = row % self.shape.rows;
    }

    /// Claims a call of one of the rows that `used` says are in use, 64 to a word: of each row the oldest that is there. Quickly: only
    /// what is foreseen is looked at. `is_here` says whether who posted it may still wait for an answer; what it did not outlive is dropped.
    #[inline(always)]
    pub(crate) fn claim(
        &mut self,
        quickly: bool,
        used: impl Fn(u32) -> u64,
        is_here: impl Fn(u32, Claimant) -> bool,
    ) -> Option<Claimed> {
        let words = self.shape.rows.div_ceil(WORD_BITS);
        let (first, bit) = (self.first / WORD_BITS, self.first % WORD_BITS);
        // The first word is looked at twice, unless it begins with the first row: from that row on, and at last up to it.
        let steps = words + u32::from(bit > 0);
        for step in 0..steps {
            // The sum is below twice `words`. No division: a request waits until this look is over.
            let word = if first + step < words { first + step } else { first + step - words };
            let from_first = u64::MAX << bit;
            let mut rows = used(word);
            rows &= match step {
                0 => from_first,
                _ if step == words => !from_first,
                _ => u64::MAX,
            };
            while rows != 0 {
                let row = word * WORD_BITS + rows.trailing_zeros();
                rows &= rows - 1;
                if row >= self.shape.rows {
                    break;
                }
                let claimed = self.claim_in(row, quickly, &is_here);
                if claimed.is_some() {
                    // `row` is below that.
                    self.first = if row + 1 < self.shape.rows { row + 1 } else { 0 };
                    return claimed;
                }
            }
        }
        None
    }

    #[inline(always)]
    fn claim_in(&mut self, row: u32, quickly: bool, is_here: &impl Fn(u32, Claimant) -> bool) -> Option<Claimed> {
        let next = self.next[row as usize];
        let at = self.shape.at(row, self.shape.slot_of(next));
        let word = self.word(at);
        if word.state() == State::Ready && word.number() == next {
            return self.try_claim(row, at, word, is_here);
        }
        if quickly { None } else { self.claim_oldest(row, is_here) }
    }

    /// Looks at all slots of a row (rule 5).
    #[inline(never)]
    fn claim_oldest(&mut self, row: u32, is_here: &impl Fn(u32, Claimant) -> bool) -> Option<Claimed> {
        let mut oldest: Option<(usize, Word)> = None;
        for slot in 0..self.shape.in_flight {
            let at = self.shape.at(row, slot);
            let word = self.word(at);
            let is_older = oldest.is_none_or(|(_, oldest)| is_before(word.number(), oldest.number()));
            if word.state() == State::Ready && is_older {
                oldest = Some((at, word));
            }
        }
        let (at, word) = oldest?;
        self.try_claim(row, at, word, is_here)
    }

    #[inline(always)]
    fn try_claim(
        &mut self,
        row: u32,
        at: usize,
        word: Word,
        is_here: &impl Fn(u32, Claimant) -> bool,
    ) -> Option<Claimed> {
        // Whoever gets it: it is no longer the next.
        self.next[row as usize] = word.number().wrapping_add(1) & NUMBER_MASK;
        if !is_here(row, word.by()) {
            // A failure: it has been withdrawn.
            let _ =
                self.rows.compare_exchange_u64(at + WORD, word.0, word.to(State::Free, word.by()).0, Relaxed, Relaxed);
            return None;
        }
        let serving = word.to(State::Serving, self.me);
        // Acquire, pairs with RPC-POST once more: the word may have gone to a server that died since it was loaded, and come back.
        self.rows.compare_exchange_u64(at + WORD, word.0, serving.0, Acquire, Relaxed).ok()?;
        let alleged = Claim::new(self.rows.load_u32(at + REQUEST_BYTES, Relaxed) & !GIVEN_UP);
        Some(Claimed { row, at, word: serving, len_bytes: alleged.within(self.shape.request_max).ok() })
    }

    #[inline(always)]
    fn word(&self, at: usize) -> Word {
        // Acquire, pairs with RPC-POST: the request is read after the word that says it is there, and the presence of who posted it.
        Word(self.rows.load_u64(at + WORD, Acquire))
    }

    /// Whether there is a call to claim in one of the rows in use, as in [`Self::claim`]. It is left where it is.
    pub(crate) fn has_call(&self, used: impl Fn(u32) -> u64) -> bool {
        let is_used = |row: &u32| used(row / WORD_BITS) & 1 << (row % WORD_BITS) != 0;
        let has_one = |row: u32| {
            let foreseen = self.shape.slot_of(self.next[row as usize]);
            let is_ready = |slot| self.word(self.shape.at(row, slot)).state() == State::Ready;
            is_ready(foreseen) || (0..self.shape.in_flight).any(is_ready)
        };
        (0..self.shape.rows).filter(is_used).any(has_one)
    }

    /// Copies the request out; it is not longer than the shape says.
    #[inline(always)]
    pub(crate) fn read(&self, claimed: &Claimed, into: &mut [u8]) {
        self.rows.read(claimed.at + REQUEST, into);
    }

    /// Whether the caller has given the call up. No system call.
    pub(crate) fn is_abandoned(&self, claimed: &Claimed) -> bool {
        self.rows.load_u32(claimed.at + REQUEST_BYTES, Relaxed) & GIVEN_UP != 0
    }

    /// Answers a call; the answer is not longer than the shape says. The channel wakes the caller afterwards, if it sleeps.
    #[inline(always)]
    pub(crate) fn answer(&self, claimed: &Claimed, answer: &[u8]) {
        self.rows.write(claimed.at + self.shape.answer_at, answer);
        // At most 2^30.
        self.publish(claimed, answer.len() as u32);
    }

    /// Answers a call whose answer lies where it belongs.
    #[inline(always)]
    pub(crate) fn publish(&self, claimed: &Claimed, len_bytes: u32) {
        self.end(claimed, State::Done, len_bytes);
    }

    /// The rows' window, to lend parts of it.
    pub(crate) fn rows(&self) -> &W {
        &self.rows
    }

    /// Where in the rows a request of so many bytes lies; at most as many as the shape says.
    pub(crate) fn request_of(&self, claimed: &Claimed, len_bytes: usize) -> Range<usize> {
        let start = claimed.at + REQUEST;
        start..start + len_bytes
    }

    /// The same of its answer.
    pub(crate) fn answer_of(&self, claimed: &Claimed, len_bytes: usize) -> Range<usize> {
        let start = claimed.at + self.shape.answer_at;
        start..start + len_bytes
    }

    /// Says that a call will not be answered, with a code of the user's own.
    pub(crate) fn fail(&self, claimed: &Claimed, code: u32) {
        self.end(claimed, State::Failed, code);
    }

    /// Says that a call will not be answered.
    pub(crate) fn drop(&self, claimed: &Claimed) {
        self.end(claimed, State::Dropped, 0);
    }

    #[inline(always)]
    fn end(&self, claimed: &Claimed, state: State, code: u32) {
        self.rows.store_u32(claimed.at + ANSWER_BYTES, code, Relaxed);
        // Release, RPC-ANSWER: the answer is written before it is seen, and the request was read before another is written (rule 4).
        self.rows.store_u64(claimed.at + WORD, claimed.word.to(state, self.me).0, Release);
    }
}
