//! A flag that another thread sets, to be waited for beside channels.

use crate::wait::source::Source;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use strait_mem::Word;

/// Set by one thread of this process, waited for by another. Clones are the same event.
///
/// It stays set until it is taken, so a wake-up is not lost; set several times before that, it is set once.
///
/// ```
/// use strait::select::{Event, Selector};
///
/// let stop = Event::new();
/// let other = stop.clone();
/// let thread = std::thread::spawn(move || other.set());
/// let mut waits_for = stop;
/// assert_eq!(Selector::new().ready(&mut [&mut waits_for]), Some(0));
/// assert!(waits_for.take() && !waits_for.is_set());
/// # thread.join().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    /// 0 or 1.
    state: Arc<AtomicU32>,
    word: Word,
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl Event {
    /// An event that is not set. No system call.
    #[must_use]
    pub fn new() -> Self {
        let state = Arc::new(AtomicU32::new(0));
        Self { word: Word::own(Arc::clone(&state)), state }
    }

    /// Sets it, and wakes who waits for it. One system call, none where it is set. Never blocks.
    pub fn set(&self) {
        // Release, EVENT-SET: who sees it set sees what came before. Acquire: and what came before an earlier setting, for who takes both.
        if self.state.swap(1, AcqRel) == 0 {
            self.word.wake();
        }
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        // Acquire, pairs with EVENT-SET.
        self.state.load(Acquire) != 0
    }

    /// Clears it; says whether it was set. Of several who take it at once one is told so.
    pub fn take(&self) -> bool {
        // Acquire, pairs with EVENT-SET.
        self.state.swap(0, AcqRel) != 0
    }
}

impl Source for Event {
    fn is_ready(&mut self) -> bool {
        self.is_set()
    }

    /// Setting it always wakes: there is nothing to say.
    fn announce(&mut self) -> u32 {
        0
    }

    fn is_fenced(&self) -> bool {
        true
    }

    fn word(&self) -> &Word {
        &self.word
    }

    fn withdraw(&mut self) {}
}
