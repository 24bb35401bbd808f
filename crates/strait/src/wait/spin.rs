//! How long it pays to spin before sleeping.
//!
//! A sleep and its wake-up cost 2 us on one core and up to 60 us across the cores of a virtual machine. Spinning as long as a
//! sleep costs is never more than twice as bad as knowing the future. So the budget is at most [`BUDGET_MAX`]; it doubles when
//! spinning has met what it waited for and halves when it has not, and now and then the whole budget is tried again.
//! On the core of the other side spinning only keeps it from running: there the budget is nothing. On a core with other users of the channel who
//! are awake, each look that finds nothing leaves the core to them ([`Company`]).

use std::time::Duration;

/// About what a sleep costs where it costs most.
const BUDGET_MAX: Duration = Duration::from_micros(50);
/// Small against even the cheapest sleep.
const BUDGET_MIN: Duration = Duration::from_nanos(500);
/// After so many waits in a row that ended asleep, the whole budget is tried once.
const PROBE_EVERY: u32 = 64;
/// What a core that was left to others is away for at the most, where they wait too: less than any scheduler's slice.
pub(super) const AWAY_MAX: Duration = Duration::from_millis(1);
/// What it is away for at the least, where anybody takes it.
const AWAY_MIN: Duration = Duration::from_micros(1);
/// How often in a row it may come back sooner.
const AT_ONCE_MAX: u32 = 32;
/// The most waits that company is not tried again for.
const REST_MAX: u32 = 1 << 16;

/// The memory of past waits that the next one draws on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    now: Duration,
    asleep_in_a_row: u32,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { now: BUDGET_MAX, asleep_in_a_row: 0 }
    }

    /// How long to spin this time.
    pub(crate) fn grant(&self) -> Duration {
        if self.asleep_in_a_row % PROBE_EVERY == PROBE_EVERY - 1 { BUDGET_MAX } else { self.now }
    }

    /// Spinning met what it waited for.
    pub(crate) fn paid(&mut self) {
        // A probe that paid brings the whole budget back.
        self.now = if self.asleep_in_a_row >= PROBE_EVERY - 1 { BUDGET_MAX } else { (self.now * 2).min(BUDGET_MAX) };
        self.asleep_in_a_row = 0;
    }

    /// The wait ended asleep.
    pub(crate) fn wasted(&mut self) {
        self.now = (self.now / 2).max(BUDGET_MIN);
        self.asleep_in_a_row = self.asleep_in_a_row.saturating_add(1);
    }
}

/// Others on our core who are awake, and whether it pays to leave the core to them (`sched_yield(2)`) instead of spinning: it does where they, too,
/// take what has come and look again. One that computes keeps the core for its slice, milliseconds, and what comes meanwhile would have woken a
/// sleeper at once; and where the core comes back at once, again and again, nobody is there who wants it. After either it is not done for a while.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Company {
    is_there: bool,
    /// How often in a row the core came back at once.
    at_once: u32,
    /// Waits until it is tried again, and how many those were the last time.
    left: u32,
    rest: u32,
}

impl Company {
    /// A wait has looked around.
    pub(crate) fn seen(&mut self, is_there: bool) {
        self.is_there = is_there;
        self.left = self.left.saturating_sub(1);
    }

    /// Whether to leave the core to others.
    #[inline(always)]
    pub(crate) fn has_core(&self) -> bool {
        self.is_there && self.left == 0
    }

    /// How long the core was away.
    pub(crate) fn took(&mut self, time: Duration) {
        self.at_once = if time < AWAY_MIN { self.at_once + 1 } else { 0 };
        if time > AWAY_MAX || self.at_once >= AT_ONCE_MAX {
            self.rest = (self.rest * 2).clamp(PROBE_EVERY, REST_MAX);
            (self.left, self.at_once) = (self.rest, 0);
        } else if time >= AWAY_MIN {
            self.rest = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The core is left to others as long as they give it back soon; after one that did not, less and less often.
    #[test]
    fn company_that_keeps_the_core_is_left_alone() {
        let mut company = Company::default();
        company.seen(false);
        assert!(!company.has_core());
        company.seen(true);
        assert!(company.has_core());
        company.took(AWAY_MAX);
        assert!(company.has_core());
        for rest in [PROBE_EVERY, 2 * PROBE_EVERY, 4 * PROBE_EVERY] {
            company.took(AWAY_MAX * 2);
            for _ in 0..rest {
                assert!(!company.has_core(), "{rest}");
                company.seen(true);
            }
            assert!(company.has_core());
        }
        (0..40).for_each(|_| company.took(AWAY_MAX * 2));
        assert_eq!(company.left, REST_MAX);
    }

    /// Company that is not there, for the core comes back at once, is not left the core for ever.
    #[test]
    fn company_that_is_not_there_is_found_out() {
        let mut company = Company::default();
        company.seen(true);
        (1..AT_ONCE_MAX).for_each(|_| company.took(Duration::ZERO));
        company.took(AWAY_MIN);
        (1..AT_ONCE_MAX).for_each(|_| company.took(Duration::ZERO));
        assert!(company.has_core(), "not so often in a row");
        company.took(Duration::ZERO);
        assert!(!company.has_core());
        assert_eq!(company.left, PROBE_EVERY);
    }

    /// The budget shrinks while waits end asleep, is probed now and then, and comes back when spinning pays.
    #[test]
    fn budget_follows_what_pays() {
        let mut budget = Budget::new();
        assert_eq!(budget.grant(), BUDGET_MAX);
        for _ in 0..PROBE_EVERY - 2 {
            budget.wasted();
            assert!(budget.grant() < BUDGET_MAX);
        }
        assert_eq!(budget.grant(), BUDGET_MIN);
        budget.wasted();
        assert_eq!(budget.grant(), BUDGET_MAX);
        budget.paid();
        assert_eq!(budget.grant(), BUDGET_MAX);
        budget.wasted();
        budget.wasted();
        budget.paid();
        assert_eq!(budget.grant(), BUDGET_MAX / 2);
    }
}
