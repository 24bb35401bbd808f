//! What can be waited for beside other things, and how one waits for many.
//!
//! ```text
//! the many                                 one source
//!   each: announce                           read its word, say that we are about to sleep   (1, 2)
//!   full barrier, and a heavy one            passed once, for all                            (3)
//!     unless each other side fences
//!   each: is it ready? then withdraw all     look                                            (4)
//!   sleep while each word is as read         futex_waitv                                     (5)
//!   each: withdraw                           say that we are awake
//! ```
//!
//! 1. *No wake-up is lost.* Each source follows the protocol of one ([`super::link`], [`super::eventcount`]) with its own word, and every
//!    look comes after the barriers, which come after every announcement. So an event of any source is seen by our look, or its maker sees
//!    our announcement and changes that source's word after we have read it; and the kernel compares each word and sleeps in one step.
//! 2. Whatever ends the wait, every announcement is withdrawn before the caller goes on, and what woke us and is not taken is passed on.
//! 3. *Fair.* Each wait begins to look behind the source that was ready last, so one that is always ready keeps no other waiting for
//!    more than one round.
//! 4. Sleeps are cut into slices ([`super::turn`]), after which each source looks whether who it waits for lives: a death makes it ready.

use crate::wait::turn::{Sleeper, Step, Turn, Waiting};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strait_mem::{SleepAny, Word};

/// Something that can be waited for beside others. `W` is a word to sleep on; the models have their own.
///
/// Named in public bounds, and of use only inside the crate.
pub trait Source<W = Word> {
    /// Whether the call that waits would return at once, with what it waits for or with why it will never come. No system call, and
    /// cheap: it is called many times.
    fn is_ready(&mut self) -> bool;

    /// Asks the kernel whether those that are waited for live. What it finds, [`Self::is_ready`] says.
    fn look(&mut self) {}

    /// Says that we are about to sleep; returns what [`Self::word`] held before. Not called twice without [`Self::withdraw`] between.
    fn announce(&mut self) -> u32;

    /// Whether a full barrier behind the announcement is enough, because whoever rings passes one too. Asked after a full barrier.
    fn is_fenced(&self) -> bool {
        false
    }

    /// The word that changes when there may be something. The same one always.
    fn word(&self) -> &W;

    /// Takes the announcement back.
    fn withdraw(&mut self);

    /// The wait is over and the announcement taken back. A ring that was meant for one of several sleepers, and came to this one, is made
    /// good by a try that comes after it; if there is to be none, or there has been one already, it is passed on.
    fn settle(&mut self, is_made_good: bool) {
        let _ = is_made_good;
    }

    /// The core that whoever is waited for was last seen on.
    fn peer_cpu(&self) -> u32 {
        u32::MAX
    }

    /// Says which core we wait on.
    fn set_cpu(&self, cpu: u32) {
        let _ = cpu;
    }

    /// Who looks from another thread whether those that are waited for live, where that has a meaning.
    fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        None
    }
}

/// Looks, from another thread than that of the end, whether something has happened that the end would find in [`Source::look`].
pub trait Vigil: Send + Sync + fmt::Debug {
    /// Whether the end should look.
    fn is_disturbed(&self) -> bool;
}

macro_rules! forward {
    ($($of:ty),*) => {$(
        impl<W, S: Source<W> + ?Sized> Source<W> for $of {
            fn is_ready(&mut self) -> bool {
                (**self).is_ready()
            }

            fn look(&mut self) {
                (**self).look();
            }

            fn announce(&mut self) -> u32 {
                (**self).announce()
            }

            fn is_fenced(&self) -> bool {
                (**self).is_fenced()
            }

            fn word(&self) -> &W {
                (**self).word()
            }

            fn withdraw(&mut self) {
                (**self).withdraw();
            }

            fn settle(&mut self, is_made_good: bool) {
                (**self).settle(is_made_good);
            }

            fn peer_cpu(&self) -> u32 {
                (**self).peer_cpu()
            }

            fn set_cpu(&self, cpu: u32) {
                (**self).set_cpu(cpu);
            }

            fn vigil(&self) -> Option<Arc<dyn Vigil>> {
                (**self).vigil()
            }
        }
    )*};
}

forward!(&mut S, Box<S>);

/// What one who waits for many remembers between its waits.
#[derive(Debug)]
pub(crate) struct Rounds {
    waiting: Waiting,
    /// Where the next look begins (rule 3).
    next: usize,
    /// What the words held before the announcements; kept for its memory.
    expected: Vec<u32>,
}

impl Rounds {
    pub(crate) fn new(waiting: Waiting) -> Self {
        Self { waiting, next: 0, expected: Vec::new() }
    }

    /// The first that is ready, from where it is due (rule 3).
    pub(crate) fn look<W, S: Source<W>>(&mut self, sources: &mut [S]) -> Option<usize> {
        let first = self.next.min(sources.len());
        let found = (first..sources.len()).chain(0..first).find(|index| sources[*index].is_ready())?;
        self.next = found + 1;
        Some(found)
    }

    /// Waits until one is ready; `None` when the time is up.
    pub(crate) fn wait<W: SleepAny, S: Source<W>>(
        &mut self,
        sources: &mut [S],
        deadline: Option<Instant>,
    ) -> Option<usize> {
        if let Some(found) = self.look(sources) {
            return Some(found);
        }
        let mut turn = Turn::eager(deadline);
        loop {
            let step = turn.step(&mut self.waiting, &mut Many::of(sources, self.next, &mut self.expected), 0);
            if step == Step::AgainAndLook {
                sources.iter_mut().for_each(S::look);
            }
            let found = self.look(sources);
            if found.is_none() && step != Step::TimedOut {
                continue;
            }
            // Found between the announcement and the sleep: it may be older than what we have been rung for since.
            let is_behind_ring = !turn.is_announced();
            turn.end(&mut self.waiting, &mut Many::of(sources, self.next, &mut self.expected));
            let is_made_good = |index| is_behind_ring && found == Some(index);
            sources.iter_mut().enumerate().for_each(|(index, source)| source.settle(is_made_good(index)));
            return found;
        }
    }
}

/// Announces that who waits for one source is about to sleep, barriers and all; the caller looks once more.
pub(crate) fn announce<W: SleepAny>(source: &mut impl Source<W>) {
    // For who will ring, and for whom it matters whether it shares our core.
    source.set_cpu(strait_sys::getcpu::current());
    source.announce();
    pass_barriers(std::slice::from_ref(source));
}

/// SLEEP-ANNOUNCE and COUNT-ANNOUNCE, the rare half, once for all: each announcement is stored before the caller looks.
fn pass_barriers<W: SleepAny, S: Source<W>>(sources: &[S]) {
    W::full_barrier();
    if !sources.iter().all(S::is_fenced) {
        W::heavy_barrier();
    }
}

/// Many sources, as the loop of a blocked call sees them.
struct Many<'a, W, S> {
    sources: &'a mut [S],
    /// The one that was ready last: where the next event is expected from.
    last: usize,
    expected: &'a mut Vec<u32>,
    word: std::marker::PhantomData<fn() -> W>,
}

impl<'a, W, S: Source<W>> Many<'a, W, S> {
    fn of(sources: &'a mut [S], next: usize, expected: &'a mut Vec<u32>) -> Self {
        let last = next.saturating_sub(1);
        Self { sources, last, expected, word: std::marker::PhantomData }
    }
}

impl<W: SleepAny, S: Source<W>> Sleeper for Many<'_, W, S> {
    type Announced = ();

    fn announce(&mut self, _: u32) {
        self.expected.clear();
        self.expected.extend(self.sources.iter_mut().map(S::announce));
        pass_barriers(self.sources);
    }

    fn sleep(&self, (): (), timeout: Duration) -> bool {
        let words: Vec<(&W, u32)> = self.sources.iter().map(S::word).zip(self.expected.iter().copied()).collect();
        W::sleep_any(&words, timeout)
    }

    fn wake_up(&mut self) {
        self.sources.iter_mut().for_each(S::withdraw);
    }

    fn peer_cpu(&self) -> u32 {
        self.sources.get(self.last).map_or(u32::MAX, S::peer_cpu)
    }

    fn set_cpu(&self, cpu: u32) {
        self.sources.iter().for_each(|source| source.set_cpu(cpu));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Strategy;
    use std::cell::RefCell;

    thread_local! {
        /// What was done, in its order.
        static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn note(what: impl Into<String>) {
        LOG.with_borrow_mut(|log| log.push(what.into()));
    }

    fn noted() -> Vec<String> {
        LOG.take()
    }

    /// A word whose sleeps end at once.
    struct Sign;

    impl SleepAny for Sign {
        fn sleep_any(words: &[(&Self, u32)], _: Duration) -> bool {
            note(format!("sleep on {:?}", words.iter().map(|it| it.1).collect::<Vec<_>>()));
            false
        }

        fn full_barrier() {
            note("full barrier");
        }

        fn heavy_barrier() {
            note("heavy barrier");
        }
    }

    /// A source that is ready at its n-th look, from one on.
    struct Bare {
        number: u32,
        ready_at: u32,
        looks: u32,
        word: Sign,
    }

    impl Bare {
        fn new(number: u32, ready_at: u32) -> Self {
            Self { number, ready_at, looks: 0, word: Sign }
        }
    }

    impl Source<Sign> for Bare {
        fn is_ready(&mut self) -> bool {
            self.looks += 1;
            note(format!("look at {}", self.number));
            self.looks >= self.ready_at
        }

        fn announce(&mut self) -> u32 {
            note(format!("announce to {}", self.number));
            self.number
        }

        fn word(&self) -> &Sign {
            &self.word
        }

        fn withdraw(&mut self) {
            note(format!("withdraw from {}", self.number));
        }

        fn settle(&mut self, is_made_good: bool) {
            note(format!("settle {} {is_made_good}", self.number));
        }
    }

    /// The same, and who rings for it passes a full barrier, or does not.
    struct Fenced(Bare, bool);

    impl Source<Sign> for Fenced {
        fn is_ready(&mut self) -> bool {
            self.0.is_ready()
        }

        fn announce(&mut self) -> u32 {
            self.0.announce()
        }

        fn is_fenced(&self) -> bool {
            note(format!("fenced {}", self.0.number));
            self.1
        }

        fn word(&self) -> &Sign {
            self.0.word()
        }

        fn withdraw(&mut self) {
            self.0.withdraw();
        }
    }

    fn rounds() -> Rounds {
        Rounds::new(Waiting::new(Strategy::Sleep))
    }

    /// Before a sleep everything is announced, then the barriers are passed, and then everything is looked at. What is found there may be
    /// older than what we were rung for, which is therefore passed on.
    #[test]
    fn found_before_the_sleep() {
        let mut sources = [Box::new(Bare::new(0, 9)), Box::new(Bare::new(1, 2))];
        assert_eq!(rounds().wait(&mut sources, None), Some(1));
        let order = [
            "look at 0",
            "look at 1",
            "announce to 0",
            "announce to 1",
            "full barrier",
            "heavy barrier",
            "look at 0",
            "look at 1",
            "withdraw from 0",
            "withdraw from 1",
            "settle 0 false",
            "settle 1 false",
        ];
        assert_eq!(noted(), order);
    }

    /// What is found behind a sleep makes good what woke us there; what others were rung for is passed on.
    #[test]
    fn found_behind_the_sleep() {
        let mut sources = [Bare::new(0, 9), Bare::new(1, 3)];
        let mut sources: Vec<&mut Bare> = sources.iter_mut().collect();
        assert_eq!(rounds().wait(&mut sources, None), Some(1));
        let order = [
            "sleep on [0, 1]",
            "withdraw from 0",
            "withdraw from 1",
            "look at 0",
            "look at 1",
            "settle 0 false",
            "settle 1 true",
        ];
        assert_eq!(noted()[8..], order);
    }

    /// The heavy barrier is left out where everybody fences, and the full one never.
    #[test]
    fn barriers_are_passed_as_needed() {
        for (fenced, order) in [
            ([true, true], &["full barrier", "fenced 0", "fenced 1"][..]),
            ([true, false], &["full barrier", "fenced 0", "fenced 1", "heavy barrier"]),
            ([false, true], &["full barrier", "fenced 0", "heavy barrier"]),
        ] {
            let mut sources = [0, 1].map(|number| Box::new(Fenced(Bare::new(number, 2), fenced[number as usize])));
            assert_eq!(rounds().wait(&mut sources, None), Some(0));
            let noted = noted();
            assert_eq!(noted[4..4 + order.len()], *order, "{noted:?}");
            assert_eq!(noted[4 + order.len()], "look at 0", "{noted:?}");
        }
    }

    /// Who was ready last is looked at last.
    #[test]
    fn each_has_its_turn() {
        let (mut rounds, mut sources) = (rounds(), [0, 1, 2].map(|number| Bare::new(number, 1)));
        let found: Vec<_> = (0..6).map(|_| rounds.wait(&mut sources, None)).collect();
        assert_eq!(found, [0, 1, 2, 0, 1, 2].map(Some));
        noted();
    }
}
