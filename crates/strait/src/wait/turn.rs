//! The loop of one blocked call.
//!
//! The caller tries, and if there is nothing yet it takes a step here and tries again:
//!
//! ```text
//! spin .. spin   announce   sleep        wake up
//!    try    try         try      (slice)        try ...
//! ```
//!
//! 1. After the announcement there is a try before the sleep: that is step 4 of [`super::link`] and [`super::eventcount`].
//! 2. A sleep is cut into slices, and after each the other side's lease is looked at: a death is known within 100 ms. Sleeps that
//!    end early, for nothing, do not put the look off.

use crate::wait::Strategy;
use crate::wait::spin::Budget;
use std::time::{Duration, Instant};

/// How long a sleep lasts before the other side's lease is looked at.
pub(super) const SLICE: Duration = Duration::from_millis(80);
/// Turns that are spun before anything else is looked at: about what a message that is on its way takes.
const TURNS_FIRST: u32 = 128;
/// Turns between two looks at the clock.
const TURNS_PER_LOOK: u32 = 32;
/// See [`Turn::patient`].
const PAUSES_OF_THE_PATIENT: u32 = 32;
/// Turns without a `pause`, which takes 10 to 50 ns: a ping-pong is met at once.
const TURNS_WITHOUT_PAUSE: u32 = 32;

/// How a blocked call sleeps and is woken: [`super::link::Link`] between two, [`super::eventcount::Chair`] among many.
pub(crate) trait Sleeper {
    /// What was seen before the announcement, and must still be so for the sleep to begin.
    type Announced: Copy;

    /// Announces that we are about to sleep, until `wake_at` is reached where that has a meaning. The caller must look once more for what
    /// it waits for, and then [`Self::sleep`] or [`Self::wake_up`].
    fn announce(&mut self, wake_at: u32) -> Self::Announced;

    /// Sleeps until rung for, or for `timeout` at the most; says whether it slept for all of it.
    fn sleep(&self, announced: Self::Announced, timeout: Duration) -> bool;

    /// Takes the announcement back.
    fn wake_up(&mut self);

    /// The core that whoever is waited for was last seen on.
    fn peer_cpu(&self) -> u32;

    /// Says which core we wait on.
    fn set_cpu(&self, cpu: u32);
}

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
enum Phase<A> {
    Spinning,
    Announced(A),
}

/// One blocked call.
#[derive(Debug)]
pub(crate) struct Turn<A> {
    deadline: Option<Instant>,
    /// How many pauses are made between two tries.
    pauses: u32,
    phase: Phase<A>,
    turns: u32,
    /// When the spinning began; unknown until the first look at the clock.
    began: Option<Instant>,
    looked: Option<Instant>,
    has_slept: bool,
}

impl<A: Copy> Turn<A> {
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
    pub(crate) fn step<S: Sleeper<Announced = A>>(
        &mut self,
        waiting: &mut Waiting,
        sleeper: &mut S,
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
        self.slow_step(waiting, sleeper, wake_at)
    }

    #[cold]
    #[inline(never)]
    fn slow_step<S: Sleeper<Announced = A>>(&mut self, waiting: &mut Waiting, sleeper: &mut S, wake_at: u32) -> Step {
        if let Phase::Announced(announced) = self.phase {
            return self.sleep(sleeper, announced);
        }
        self.turns = self.turns.wrapping_add(1);
        if self.turns % TURNS_PER_LOOK != 0 && waiting.strategy != Strategy::Sleep && !waiting.shared_core {
            self.pause();
            return Step::Again;
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Step::TimedOut;
        }
        if let Some(now) = self.keeps_spinning(waiting, sleeper) {
            self.pause();
            let looked = *self.looked.get_or_insert(now);
            if now - looked < SLICE {
                return Step::Again;
            }
            self.looked = Some(now);
            return Step::AgainAndLook;
        }
        self.phase = Phase::Announced(sleeper.announce(wake_at));
        Step::Again
    }

    /// The time, if there is still some to be spun. Who is about to sleep says which core it is on: for the one who will wake it.
    fn keeps_spinning<S: Sleeper<Announced = A>>(&mut self, waiting: &mut Waiting, sleeper: &mut S) -> Option<Instant> {
        if waiting.strategy == Strategy::Spin {
            return Some(Instant::now());
        }
        let cpu = strait_sys::getcpu::current();
        sleeper.set_cpu(cpu);
        waiting.shared_core = sleeper.peer_cpu() == cpu;
        if waiting.strategy == Strategy::Sleep || waiting.shared_core || self.has_slept {
            return None;
        }
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        (now - began < waiting.budget.grant()).then_some(now)
    }

    fn sleep<S: Sleeper<Announced = A>>(&mut self, sleeper: &mut S, announced: A) -> Step {
        let now = Instant::now();
        // Counted from the last look, not from the last sleep: whoever rings all the time keeps nobody from looking (rule 2).
        let until_look = SLICE.saturating_sub(now - *self.looked.get_or_insert(now));
        let slice =
            self.deadline.map_or(until_look, |deadline| deadline.saturating_duration_since(now).min(until_look));
        let is_all = slice.is_zero() || sleeper.sleep(announced, slice);
        sleeper.wake_up();
        self.phase = Phase::Spinning;
        self.has_slept = true;
        if is_all && slice == until_look {
            self.looked = None;
            return Step::AgainAndLook;
        }
        Step::Again
    }

    /// Ends the wait, however it ended, and remembers what it teaches.
    #[inline]
    pub(crate) fn end<S: Sleeper<Announced = A>>(self, waiting: &mut Waiting, sleeper: &mut S) {
        if self.turns <= TURNS_FIRST && matches!(self.phase, Phase::Spinning) {
            return;
        }
        self.slow_end(waiting, sleeper);
    }

    #[cold]
    #[inline(never)]
    fn slow_end<S: Sleeper<Announced = A>>(self, waiting: &mut Waiting, sleeper: &mut S) {
        if let Phase::Announced(_) = self.phase {
            sleeper.wake_up();
        }
        if waiting.strategy == Strategy::SpinThenSleep && !waiting.shared_core {
            if self.has_slept { waiting.budget.wasted() } else { waiting.budget.paid() }
        }
    }
}
