//! A word to sleep on, kept alive by whoever may sleep on it.

use crate::shared::{Shared as _, SleepAny};
use crate::view::View;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};
use strait_sys::futex::{self, Awake};
use strait_sys::{futex_waitv, membarrier};

/// How many words one sleep can be on.
pub const WORDS_MAX: usize = futex_waitv::WORDS_MAX;
/// How long one of several words is slept on where the kernel cannot sleep on several.
const TURN: Duration = Duration::from_millis(1);

/// A word of four bytes, in a mapping or in this process's own memory.
#[derive(Clone, Debug)]
pub struct Word(Place);

#[derive(Clone, Debug)]
enum Place {
    Mapped(Arc<View>),
    Own(Arc<AtomicU32>),
}

impl Word {
    /// The first word of a window, which begins at a multiple of four; `None` where there is none.
    #[must_use]
    pub fn of(view: View) -> Option<Self> {
        (view.len_bytes() >= 4 && view.is_aligned_for_u32()).then(|| Self(Place::Mapped(Arc::new(view))))
    }

    /// A word that only this process knows.
    #[must_use]
    pub fn own(word: Arc<AtomicU32>) -> Self {
        Self(Place::Own(word))
    }

    /// Whether both are one word, by way of clones.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Place::Mapped(view), Place::Mapped(other)) => Arc::ptr_eq(view, other),
            (Place::Own(word), Place::Own(other)) => Arc::ptr_eq(word, other),
            _ => false,
        }
    }

    /// What it holds.
    #[must_use]
    pub fn load(&self, order: Ordering) -> u32 {
        self.word().load(order)
    }

    /// Wakes everybody who sleeps on it. One system call.
    pub fn wake(&self) {
        // The only error is an address that is no futex; a mapped aligned word is one.
        let _ = futex::wake(self.word(), i32::MAX as u32);
    }

    fn word(&self) -> &AtomicU32 {
        match &self.0 {
            Place::Mapped(view) => view.word_u32(0),
            Place::Own(word) => word,
        }
    }
}

impl SleepAny for Word {
    fn sleep_any(words: &[(&Self, u32)], timeout: Duration) -> bool {
        static IS_MISSING: AtomicBool = AtomicBool::new(false);
        let few = &words[..words.len().min(WORDS_MAX)];
        // Relaxed: a thread that does not know it yet finds out for itself.
        if few.len() > 1 && IS_MISSING.load(Ordering::Relaxed) {
            return sleep_in_turn(few, timeout);
        }
        match futex_waitv::wait_any(few.iter().map(|(word, expected)| (word.word(), *expected)), timeout) {
            Ok(awake) => awake == Awake::TimedOut,
            Err(_) => {
                IS_MISSING.store(true, Ordering::Relaxed);
                sleep_in_turn(few, timeout)
            }
        }
    }

    fn full_barrier() {
        fence(Ordering::SeqCst);
    }

    fn heavy_barrier() {
        // As in `View`.
        if !membarrier::global() {
            fence(Ordering::SeqCst);
        }
    }
}

/// Sleeps on one word after the other, a little on each. What an older kernel can do: a change is seen within that little.
fn sleep_in_turn(words: &[(&Word, u32)], timeout: Duration) -> bool {
    let began = Instant::now();
    for (word, expected) in words.iter().cycle() {
        if words.iter().any(|(word, expected)| word.load(Ordering::Relaxed) != *expected) {
            return false;
        }
        let left = timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return true;
        }
        if !matches!(futex::wait(word.word(), *expected, left.min(TURN)), Ok(Awake::TimedOut)) {
            return false;
        }
    }
    // No words: nothing to sleep on.
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the kernel cannot sleep on several words, a change of any still ends the sleep, and so does time.
    #[test]
    fn words_are_slept_on_in_turn() {
        let own: Vec<_> = (0..3).map(|_| Arc::new(AtomicU32::new(0))).collect();
        let words: Vec<_> = own.iter().map(|word| Word::own(Arc::clone(word))).collect();
        let listed: Vec<_> = words.iter().map(|word| (word, 0)).collect();
        assert!(sleep_in_turn(&listed, Duration::from_millis(5)));
        assert!(!sleep_in_turn(&[], Duration::MAX));
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| sleep_in_turn(&listed, Duration::MAX));
            // Without a wake: the change itself is noticed.
            own[2].store(1, Ordering::Relaxed);
            assert!(!sleeper.join().expect("ended"));
        });
    }

    /// A word of a window is the window's memory; a window that has none is refused.
    #[test]
    fn word_of_a_window() {
        use crate::shared::SharedMut as _;
        let mapping = crate::Mapping::anonymous(64, None, false).expect("memory");
        let window = mapping.view_mut(0..64).expect("writable");
        let word = Word::of(mapping.view(4..8).expect("fits")).expect("a word");
        window.store_u32(4, 9, Ordering::Relaxed);
        assert_eq!(word.load(Ordering::Relaxed), 9);
        assert!(Word::of(mapping.view(4..6).expect("fits")).is_none());
        assert!(Word::of(mapping.view(5..16).expect("fits")).is_none());
    }
}
