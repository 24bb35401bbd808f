//! More sources than one sleep can be on: the bridge sleeps on those that are too many, and sets an event.
//!
//! The many are then waited for as 127 sources and one more, the [`Tail`], which is ready when one of the rest is.

use crate::select::Event;
use crate::wait::Strategy;
use crate::wait::bridge::{self, Registration};
use crate::wait::source::{Rounds, Source};
use crate::wait::turn::Waiting;
use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;
use strait_mem::Word;
use strait_mem::word::WORDS_MAX;

/// What is kept from one such wait to the next.
pub(super) struct Surplus {
    rounds: Rounds,
    /// For the words of the surplus, in their order.
    registered: Vec<Registration>,
    rung: Arc<Rung>,
}

impl fmt::Debug for Surplus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surplus").field("registered", &self.registered.len()).finish_non_exhaustive()
    }
}

/// Set when one of the surplus may be ready.
struct Rung(Event);

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        self.0.set();
    }
}

impl Surplus {
    pub(super) fn new(strategy: Strategy) -> Self {
        Self { rounds: Rounds::new(Waiting::new(strategy)), registered: Vec::new(), rung: Arc::new(Rung(Event::new())) }
    }

    /// [`Rounds::wait`], on more than one sleep can be on. `rounds` says whose turn it is.
    pub(super) fn wait<S: Source>(
        &mut self,
        rounds: &mut Rounds,
        sources: &mut [S],
        deadline: Option<Instant>,
    ) -> Option<usize> {
        loop {
            if let Some(found) = rounds.look(sources) {
                return Some(found);
            }
            let (head, rest) = sources.split_at_mut(WORDS_MAX - 1);
            register(&mut self.registered, rest);
            let waker = Waker::from(Arc::clone(&self.rung));
            let mut tail = Tail { sources: rest, registered: &self.registered, event: &self.rung.0, waker };
            let mut all: Vec<&mut dyn Source> = head.iter_mut().map(|source| source as &mut dyn Source).collect();
            all.push(&mut tail);
            self.rounds.wait(&mut all, deadline)?;
        }
    }
}

/// Has the bridge sleep on the word of each. Where no thread can be started the rest is noticed at the next slice.
fn register<S: Source>(registered: &mut Vec<Registration>, sources: &[S]) {
    for (index, source) in sources.iter().enumerate() {
        if registered.get(index).is_some_and(|it| it.is_here() && it.is_for(source.word())) {
            continue;
        }
        // They are in order: behind one that changed, all are new.
        registered.truncate(index);
        match bridge::register(source.word(), None) {
            Ok(fresh) => registered.push(fresh),
            Err(_) => return,
        }
    }
    registered.truncate(sources.len());
}

/// Those that are too many, as one source.
struct Tail<'a, S> {
    sources: &'a mut [S],
    registered: &'a [Registration],
    event: &'a Event,
    waker: Waker,
}

impl<S: Source> Source for Tail<'_, S> {
    fn is_ready(&mut self) -> bool {
        self.sources.iter_mut().any(S::is_ready)
    }

    fn look(&mut self) {
        self.sources.iter_mut().for_each(S::look);
    }

    fn announce(&mut self) -> u32 {
        // Before the wakers are left, and they before the announcements (rule 3 of the bridge).
        self.event.take();
        self.registered.iter().for_each(|registration| registration.leave_waker(&self.waker));
        for source in &mut *self.sources {
            source.announce();
        }
        0
    }

    fn is_fenced(&self) -> bool {
        self.sources.iter().all(S::is_fenced)
    }

    fn word(&self) -> &Word {
        self.event.word()
    }

    fn withdraw(&mut self) {
        self.registered.iter().for_each(Registration::take_waker);
        self.sources.iter_mut().for_each(S::withdraw);
    }

    fn settle(&mut self, _: bool) {
        // Who takes what is not known yet: a ring too many does no harm.
        self.sources.iter_mut().for_each(|source| source.settle(false));
    }

    fn set_cpu(&self, cpu: u32) {
        self.sources.iter().for_each(|source| source.set_cpu(cpu));
    }
}
