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
use crate::wait::spin::{AWAY_MAX, Budget, Company};
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

/// The time. In the models it stands still: how long a step takes must decide nothing there.
#[inline(always)]
fn now() -> Instant {
    #[cfg(test)]
    if let Some(then) = crate::wait::model::time() {
        return then;
    }
    Instant::now()
}

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

    /// Whether anybody else, who is awake, last waited on that core.
    fn has_company(&self, _cpu: u32) -> bool {
        false
    }
}

/// When a call with this timeout gives up; `None`, never, for one beyond what the clock can count.
pub(crate) fn deadline_after(timeout: Duration) -> Option<Instant> {
    now().checked_add(timeout)
}

/// Whether there is such a deadline, and it has passed.
pub(crate) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| now() >= deadline)
}

/// What an endpoint remembers about waiting, between its calls.
#[derive(Debug)]
pub(crate) struct Waiting {
    strategy: Strategy,
    budget: Budget,
    /// Whether the other side was on our core when last looked at: then its core is looked at before the first spin.
    shared_core: bool,
    company: Company,
}

impl Waiting {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self { strategy, budget: Budget::new(), shared_core: false, company: Company::default() }
    }

    /// How often a caller looks, at once and again, before it takes a turn; then [`Turn::eager`] does not do it again. None where
    /// spinning is of no use.
    #[inline(always)]
    pub(crate) fn first_looks(&self) -> u32 {
        if self.may_spin() { TURNS_FIRST } else { 0 }
    }

    /// Whether to look again and again without giving the core away.
    #[inline(always)]
    fn may_spin(&self) -> bool {
        match self.strategy {
            Strategy::Spin => true,
            Strategy::SpinThenSleep => !self.shared_core && !self.company.has_core(),
            Strategy::Sleep => false,
        }
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

    /// Whether the next step sleeps: what is to be known before that, such as who has gone, is looked for now.
    #[inline]
    pub(crate) fn is_announced(&self) -> bool {
        matches!(self.phase, Phase::Announced(_))
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
            let may_spin = waiting.may_spin() && !(self.has_slept && waiting.strategy == Strategy::SpinThenSleep);
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
        if self.turns % TURNS_PER_LOOK != 0 && waiting.may_spin() {
            self.pause();
            return Step::Again;
        }
        if has_passed(self.deadline) {
            return Step::TimedOut;
        }
        if let Some(now) = self.keeps_spinning(waiting, sleeper) {
            self.pause_or_yield(waiting, now);
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
            return Some(now());
        }
        let cpu = strait_sys::getcpu::current();
        sleeper.set_cpu(cpu);
        waiting.shared_core = sleeper.peer_cpu() == cpu;
        if waiting.strategy == Strategy::Sleep || waiting.shared_core || self.has_slept {
            return None;
        }
        let now = now();
        let began = *self.began.get_or_insert_with(|| {
            waiting.company.seen(sleeper.has_company(cpu));
            now
        });
        (now - began < waiting.budget.grant()).then_some(now)
    }

    /// Lets a little time go by, or others on our core run: but not where the deadline is nearer than they may give it back.
    fn pause_or_yield(&self, waiting: &mut Waiting, at: Instant) {
        let has_time = self.deadline.is_none_or(|deadline| deadline.saturating_duration_since(at) > AWAY_MAX);
        if waiting.company.has_core() && has_time {
            std::thread::yield_now();
            waiting.company.took(now() - at);
        } else {
            self.pause();
        }
    }

    fn sleep<S: Sleeper<Announced = A>>(&mut self, sleeper: &mut S, announced: A) -> Step {
        let now = now();
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
        if self.turns <= TURNS_FIRST && self.began.is_none() && matches!(self.phase, Phase::Spinning) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::side::{BELL, CPU, LINK_BYTES, PRESENCE, Presence};
    use crate::wait::link::{Announced, Link};
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;
    use strait_mem::{Mapping, Shared as _, SharedMut as _, View, ViewMut};

    const PAGE: usize = LINK_BYTES as usize;
    /// No core has this number.
    const ELSEWHERE: u32 = u32::MAX;
    /// A wait that takes longer hangs.
    const LONG: Duration = Duration::from_secs(10);

    /// One side, alone: the page of the other is written by the test.
    struct Side {
        link: Link<ViewMut, View>,
        waiting: Waiting,
        own: View,
        peer: ViewMut,
    }

    impl Side {
        fn new(strategy: Strategy) -> Self {
            let mapping: Arc<Mapping> = Mapping::anonymous(2 * PAGE, None, false).expect("memory");
            let theirs = || mapping.view(PAGE..2 * PAGE).expect("inside");
            let peer = mapping.view_mut(PAGE..2 * PAGE).expect("writable");
            peer.store_u32(CPU, ELSEWHERE, Relaxed);
            let link = Link::attach(mapping.view_mut(0..PAGE).expect("writable"), theirs());
            Self { link, waiting: Waiting::new(strategy), own: mapping.view(0..PAGE).expect("inside"), peer }
        }

        fn step(&mut self, turn: &mut Turn<Announced>) -> Step {
            turn.step(&mut self.waiting, &mut self.link, 0)
        }

        fn end(&mut self, turn: Turn<Announced>) {
            turn.end(&mut self.waiting, &mut self.link);
        }

        /// Whether it has announced that it sleeps.
        fn is_asleep(&self) -> bool {
            Presence::from_word(self.own.load_u64(PRESENCE, Relaxed)).is_asleep()
        }

        /// Takes steps until one comes to this; the ones before it are all `Again`.
        fn step_until(&mut self, turn: &mut Turn<Announced>, last: Step, before_each: impl Fn(&Self)) {
            let began = Instant::now();
            loop {
                before_each(self);
                let step = self.step(turn);
                if step == last {
                    return;
                }
                assert_eq!(step, Step::Again);
                assert!(began.elapsed() < LONG, "never {last:?}");
            }
        }
    }

    fn both(deadline: Option<Instant>) -> [Turn<Announced>; 2] {
        [Turn::eager(deadline), Turn::patient(deadline)]
    }

    /// However somebody waits, its deadline ends it, soon and not before.
    #[test]
    fn deadline_ends_each_wait() {
        for strategy in [Strategy::Spin, Strategy::SpinThenSleep, Strategy::Sleep] {
            let deadline = Instant::now() + Duration::from_millis(2);
            for mut turn in both(Some(deadline)) {
                let mut side = Side::new(strategy);
                side.step_until(&mut turn, Step::TimedOut, |_| {});
                assert!(Instant::now() >= deadline, "{strategy:?}");
                side.end(turn);
                assert!(!side.is_asleep(), "{strategy:?}");
            }
        }
    }

    /// Who is to sleep at once announces it in its first step, and takes it back when the wait ends.
    #[test]
    fn sleep_is_announced_at_once() {
        for mut turn in both(None) {
            let mut side = Side::new(Strategy::Sleep);
            assert_eq!((side.step(&mut turn), side.is_asleep()), (Step::Again, true));
            side.end(turn);
            assert!(!side.is_asleep());
        }
    }

    /// Spinning comes to an end, and a sleep behind it.
    #[test]
    fn spinning_ends_in_a_sleep() {
        for mut turn in both(None) {
            let mut side = Side::new(Strategy::SpinThenSleep);
            let began = Instant::now();
            while !side.is_asleep() {
                assert_eq!(side.step(&mut turn), Step::Again);
                assert!(began.elapsed() < LONG, "spins for ever");
            }
            side.end(turn);
        }
    }

    /// A slice that is slept through is followed by a look at the other side, at once (rule 2).
    #[test]
    fn slice_is_followed_by_a_look() {
        let (mut side, mut turn) = (Side::new(Strategy::Sleep), Turn::eager(None));
        assert_eq!(side.step(&mut turn), Step::Again);
        let began = Instant::now();
        assert_eq!(side.step(&mut turn), Step::AgainAndLook);
        assert!(began.elapsed() >= SLICE && !side.is_asleep());
    }

    /// Sleeps that end early do not put the look off, nor bring it forward (rule 2).
    #[test]
    fn bell_that_never_rests_puts_nothing_off() {
        let (mut side, mut turn) = (Side::new(Strategy::Sleep), Turn::eager(None));
        let began = Instant::now();
        let ring = |side: &Side| side.peer.store_u32(BELL, side.peer.load_u32(BELL, Relaxed).wrapping_add(1), Relaxed);
        side.step_until(&mut turn, Step::AgainAndLook, ring);
        assert!(began.elapsed() >= SLICE);
    }

    /// A sleep that the deadline cuts short is not followed by a look.
    #[test]
    fn deadline_within_a_slice() {
        let deadline = Instant::now() + Duration::from_millis(5);
        let (mut side, mut turn) = (Side::new(Strategy::Sleep), Turn::eager(Some(deadline)));
        side.step_until(&mut turn, Step::TimedOut, |_| {});
    }

    /// Who was on the other side's core asks at once whether it still is.
    #[test]
    fn shared_core_is_asked_at_once() {
        let (mut side, mut turn) = (Side::new(Strategy::SpinThenSleep), Turn::eager(None));
        side.waiting.shared_core = true;
        assert_eq!(side.step(&mut turn), Step::Again);
        assert!(!side.waiting.shared_core);
    }

    /// Who has company on its core neither looks again and again before it gives the core away, nor between two times that it does.
    #[test]
    fn company_has_the_core() {
        struct Crowded(std::cell::Cell<bool>);
        impl Sleeper for Crowded {
            type Announced = ();
            fn announce(&mut self, _: u32) {}
            fn sleep(&self, (): (), _: Duration) -> bool {
                false
            }
            fn wake_up(&mut self) {}
            fn peer_cpu(&self) -> u32 {
                ELSEWHERE
            }
            fn set_cpu(&self, _: u32) {}
            fn has_company(&self, cpu: u32) -> bool {
                assert_ne!(cpu, ELSEWHERE);
                self.0.get()
            }
        }
        let mut crowded = Crowded(std::cell::Cell::new(true));
        let mut waiting = Waiting::new(Strategy::SpinThenSleep);
        let steps_to_sleep = |crowded: &mut Crowded, waiting: &mut Waiting| {
            let mut turn = Turn::eager(None);
            let mut steps = 0;
            while !turn.is_announced() {
                assert_eq!(turn.step(waiting, crowded, 0), Step::Again);
                steps += 1;
            }
            turn.step(waiting, crowded, 0);
            turn.end(waiting, crowded);
            steps
        };
        assert_eq!(waiting.first_looks(), TURNS_FIRST);
        assert!(steps_to_sleep(&mut crowded, &mut waiting) > TURNS_PER_LOOK, "nobody had looked yet");
        waiting.company = Company::default();
        waiting.company.seen(true);
        assert_eq!(waiting.first_looks(), 0);
        (0..20).for_each(|_| waiting.budget.wasted());
        let steps = steps_to_sleep(&mut crowded, &mut waiting);
        // Unless the machine kept the core for itself so long that it is not tried again for a while.
        assert!(steps < TURNS_PER_LOOK || !waiting.company.has_core(), "{steps} steps");
        crowded.0.set(false);
        steps_to_sleep(&mut crowded, &mut waiting);
        assert_eq!(waiting.first_looks(), TURNS_FIRST, "it has gone");
        waiting.strategy = Strategy::Spin;
        waiting.company.seen(true);
        assert_eq!(waiting.first_looks(), TURNS_FIRST, "who asks to spin spins");
    }

    /// A wait teaches whether spinning pays, unless it was over before it began, nobody spun, or it was for a core.
    #[test]
    fn waits_teach() {
        let grant_after = |strategy, shared_core, steps: u32| {
            let (mut side, mut turn) = (Side::new(strategy), Turn::eager(None));
            (0..3).for_each(|_| side.waiting.budget.wasted());
            (0..steps).for_each(|_| assert_eq!(side.step(&mut turn), Step::Again));
            side.waiting.shared_core = shared_core;
            let before = side.waiting.budget.grant();
            side.end(turn);
            let after = side.waiting.budget.grant();
            (before.as_nanos(), after.as_nanos())
        };
        let (before, after) = grant_after(Strategy::SpinThenSleep, false, 1);
        assert_eq!(after, 2 * before, "it paid");
        for (strategy, shared_core, steps) in
            [(Strategy::SpinThenSleep, false, 0), (Strategy::SpinThenSleep, true, 1), (Strategy::Sleep, false, 1)]
        {
            let (before, after) = grant_after(strategy, shared_core, steps);
            assert_eq!(after, before, "{strategy:?}, {shared_core}, {steps} steps");
        }
        let (mut side, mut turn) = (Side::new(Strategy::SpinThenSleep), Turn::eager(None));
        side.step_until(&mut turn, Step::AgainAndLook, |_| {});
        let before = side.waiting.budget.grant();
        side.end(turn);
        assert_eq!(side.waiting.budget.grant(), before / 2, "it slept");
    }
}
