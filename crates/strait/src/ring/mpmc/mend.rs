//! What is done about the claims of the dead.
//!
//! Everybody may do it, at the same time, and be killed halfway: each step is an exchange of a word that names the dead, or a hint that
//! may be given twice.

use super::word::{State, Word};
use super::{DUE_MS, Queue};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use strait_mem::SharedRmw;

impl<W: SharedRmw> Queue<W> {
    /// Undoes what the owner of a seat, of this generation or one before it, has left undone, and repeats the last step of what it may
    /// have done without (rule 9). Looks at every slot.
    pub(crate) fn mend(&self, seat: u32, generation: u32, now_ms: u32) {
        for kind in 0..self.shape.kinds {
            let tail = self.tail(kind);
            let mut first: Option<u64> = None;
            for slot in 0..u64::from(self.shape.slots) {
                let mut word = self.load(kind, slot, Acquire);
                if word.is_of(seat, generation) {
                    word = self.mend_slot(kind, slot, word, now_ms);
                }
                let at = self.shape.position(word.lap(), slot);
                let is_first = first.is_none_or(|first| self.shape.ahead(at, tail) < self.shape.ahead(first, tail));
                if word.state() == Some(State::Ready) && is_first {
                    first = Some(at);
                }
            }
            if let Some(first) = first {
                self.move_head_back(kind, first);
            }
        }
    }

    /// What the slot holds afterwards, as far as we know.
    fn mend_slot(&self, kind: u32, slot: u64, word: Word, now_ms: u32) -> Word {
        let mended = match word.state() {
            Some(State::Writing) => Word::free(word.lap().wrapping_add(1)),
            Some(State::Claimed) => Word::ready(word.lap(), word.deliveries()),
            Some(State::Later) => {
                let due_ms = self.window.load_u32(self.shape.slot(kind, slot) + DUE_MS, Relaxed);
                self.announce_due(kind, due_ms, now_ms);
                return word;
            }
            _ => return word,
        };
        // A failure: somebody else was faster.
        if self.exchange(kind, slot, word, mended) { mended } else { self.load(kind, slot, Acquire) }
    }
}
