//! The loop of one blocked call.
//!
//! The caller tries, and if there is nothing yet it takes a step here and tries again:
//!
//! ```text
//! spin .. spin   announce   sleep        wake up
//!    try    try         try      (slice)        try ...
//! ```
//!
//! 1. After the announcement there is a try before the sleep: that is step 4 of [`super::link`].
//! 2. A sleep is cut into slices, and after each the other side's lease is looked at: a death is known within 100 ms.

use crate::wait::Strategy;
use crate::wait::link::{Announced, Link};
use crate::wait::spin::Budget;
use std::time::{Duration, Instant};
use strait_mem::{Parking, Shared, SharedMut};

/// How long a sleep lasts before the other side's lease is looked at.
const SLICE: Duration = Duration::from_millis(80);
/// Turns that are spun before anything else is looked at: about what a message that is on its way takes.
const TURNS_FIRST: u32 = 128;
/// Turns between two looks at the clock.
const TURNS_PER_LOOK: u32 = 32;
/// See [`Turn::patient`].
const PAUSES_OF_THE_PATIENT: u32 = 32;
/// Turns without a `pause`, which takes 10 to 50 ns: a ping-pong is met at once.
const TURNS_WITHOUT_PAUSE: u32 = 32;

/// When a call with this timeout gives up; `None`, never, for one beyond what the clock can count.
pub(crate) fn deadline_after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// What an endpoint remembers about waiting, between its calls.
#[derive(Debug)]
pub(crate) struct Waiting {
    strategy: Strategy,
    budget: Budget,
    /// Whether the other side was on our core when last looked at: then its core is looked at before the first spin.
    shared_core: bool,
}

impl Waiting {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self { strategy, budget: Budget::new(), shared_core: false }
    }

    /// How often a caller looks, at once and again, before it takes a turn; then [`Turn::eager`] does not do it again. None where
    /// spinning is of no use.
    #[inline(always)]
    pub(crate) fn first_looks(&self) -> u32 {
        let may_spin = match self.strategy {
            Strategy::Spin => true,
            Strategy::SpinThenSleep => !self.shared_core,
            Strategy::Sleep => false,
        };
        if may_spin { TURNS_FIRST } else { 0 }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Try again.
    Again,
    /// Try again, and look whether the other side lives: some time has passed.
    AgainAndLook,
    /// The deadline has passed; the last try came after it.
    TimedOut,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Spinning,
    Announced(Announced),
}

/// One blocked call.
#[derive(Debug)]
pub(crate) struct Turn {
    deadline: Option<Instant>,
    /// How many pauses are made between two tries.
    pauses: u32,
    phase: Phase,
    turns: u32,
    /// When the spinning began; unknown until the first look at the clock.
    began: Option<Instant>,
    looked: Option<Instant>,
    has_slept: bool,
}

impl Turn {
    /// A wait for something that is due any moment: each try comes as soon as possible after the last.
    ///
    /// The caller has made its [`Waiting::first_looks`].
    pub(crate) fn eager(deadline: Option<Instant>) -> Self {
        Self::new(deadline, 1, TURNS_FIRST)
    }

    /// A wait for one of many things that come one after the other: tries are about 0.3 us apart, so that several have come by the
    /// next, and the line in which they show is left alone meanwhile.
    pub(crate) fn patient(deadline: Option<Instant>) -> Self {
        Self::new(deadline, PAUSES_OF_THE_PATIENT, 0)
    }

    fn new(deadline: Option<Instant>, pauses: u32, turns: u32) -> Self {
        Self { deadline, pauses, phase: Phase::Spinning, turns, began: None, looked: None, has_slept: false }
    }

    #[inline]
    fn pause(&self) {
        for _ in 0..self.pauses {
            std::hint::spin_loop();
        }
    }

    /// One step of waiting. `wake_at` is what a sleeping sender waits for.
    #[inline]
    pub(crate) fn step<Own: SharedMut + Parking, Peer: Shared + Parking>(
        &mut self,
        waiting: &mut Waiting,
        link: &mut Link<Own, Peer>,
        wake_at: u32,
    ) -> Step {
        if let Phase::Spinning = self.phase {
            let may_spin = match waiting.strategy {
                Strategy::Spin => true,
                Strategy::SpinThenSleep => !waiting.shared_core && !self.has_slept,
                Strategy::Sleep => false,
            };
            if may_spin && self.turns < TURNS_FIRST {
                self.turns += 1;
                if self.turns > TURNS_WITHOUT_PAUSE || self.pauses > 1 {
                    self.pause();
                }
                return Step::Again;
            }
        }
        self.slow_step(waiting, link, wake_at)
    }

    #[cold]
    #[inline(never)]
    fn slow_step<Own: SharedMut + Parking, Peer: Shared + Parking>(
        &mut self,
        waiting: &mut Waiting,
        link: &mut Link<Own, Peer>,
        wake_at: u32,
    ) -> Step {
        if let Phase::Announced(announced) = self.phase {
            return self.sleep(link, announced);
        }
        self.turns = self.turns.wrapping_add(1);
        if self.turns % TURNS_PER_LOOK != 0 && waiting.strategy != Strategy::Sleep && !waiting.shared_core {
            self.pause();
            return Step::Again;
        }
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Step::TimedOut;
        }
        if self.keeps_spinning(waiting, link, now) {
            self.pause();
            let looked = *self.looked.get_or_insert(now);
            if now - looked < SLICE {
                return Step::Again;
            }
            self.looked = Some(now);
            return Step::AgainAndLook;
        }
        self.phase = Phase::Announced(link.announce(wake_at));
        Step::Again
    }

    fn keeps_spinning<Own: SharedMut + Parking, Peer: Shared + Parking>(
        &mut self,
        waiting: &mut Waiting,
        link: &mut Link<Own, Peer>,
        now: Instant,
    ) -> bool {
        match waiting.strategy {
            Strategy::Spin => true,
            Strategy::Sleep => false,
            Strategy::SpinThenSleep => {
                let cpu = strait_sys::getcpu::current();
                link.set_cpu(cpu);
                waiting.shared_core = link.peer_cpu() == cpu;
                let began = *self.began.get_or_insert(now);
                !waiting.shared_core && !self.has_slept && now - began < waiting.budget.grant()
            }
        }
    }

    fn sleep<Own: SharedMut + Parking, Peer: Shared + Parking>(
        &mut self,
        link: &mut Link<Own, Peer>,
        announced: Announced,
    ) -> Step {
        let slice = match self.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()).min(SLICE),
            None => SLICE,
        };
        let began = Instant::now();
        if !slice.is_zero() {
            link.sleep(announced, slice);
        }
        link.wake_up();
        self.phase = Phase::Spinning;
        self.has_slept = true;
        if began.elapsed() >= SLICE { Step::AgainAndLook } else { Step::Again }
    }

    /// Ends the wait, however it ended, and remembers what it teaches.
    #[inline]
    pub(crate) fn end<Own: SharedMut + Parking, Peer: Shared + Parking>(
        self,
        waiting: &mut Waiting,
        link: &mut Link<Own, Peer>,
    ) {
        if self.turns <= TURNS_FIRST && matches!(self.phase, Phase::Spinning) {
            return;
        }
        self.slow_end(waiting, link);
    }

    #[cold]
    #[inline(never)]
    fn slow_end<Own: SharedMut + Parking, Peer: Shared + Parking>(
        self,
        waiting: &mut Waiting,
        link: &mut Link<Own, Peer>,
    ) {
        if let Phase::Announced(_) = self.phase {
            link.wake_up();
        }
        if waiting.strategy == Strategy::SpinThenSleep && !waiting.shared_core {
            if self.has_slept { waiting.budget.wasted() } else { waiting.budget.paid() }
        }
    }
}
