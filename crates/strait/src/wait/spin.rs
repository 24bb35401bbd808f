//! How long it pays to spin before sleeping.
//!
//! A sleep and its wake-up cost 2 us on one core and up to 60 us across the cores of a virtual machine. Spinning as long as a
//! sleep costs is never more than twice as bad as knowing the future. So the budget is at most [`BUDGET_MAX`]; it doubles when
//! spinning has met what it waited for and halves when it has not, and now and then the whole budget is tried again.
//! On the core of the other side spinning only keeps it from running: there the budget is nothing.

use std::time::Duration;

/// About what a sleep costs where it costs most.
const BUDGET_MAX: Duration = Duration::from_micros(50);
/// Small against even the cheapest sleep.
const BUDGET_MIN: Duration = Duration::from_nanos(500);
/// After so many waits in a row that ended asleep, the whole budget is tried once.
const PROBE_EVERY: u32 = 64;

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

#[cfg(test)]
mod tests {
    use super::*;

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
