//! When to start a worker again: a state machine of one counter. It knows no clock and no process.
//!
//! ```text
//!   died, after progress:     restarts := 0, then as below
//!   died, restarts < limit:   restart after min(first * 2^restarts, max); restarts += 1
//!   died, restarts = limit:   give up
//! ```
//!
//! *Progress* is the caller's word: a worker that does something useful and then dies is restarted for ever, one that dies
//! again and again on the same input is not.

use std::time::Duration;

/// The policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The pause before the first restart. Each further one without progress in between doubles it. Zero means at once, always.
    pub backoff_first: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// How many restarts in a row without progress; the next death after them is final. 0: never restart.
    pub limit: u32,
}

impl Default for Restart {
    /// 10 ms, 20 ms, 40 ms ..., at most 1 s; five in a row.
    fn default() -> Self {
        Self { backoff_first: Duration::from_millis(10), backoff_max: Duration::from_secs(1), limit: 5 }
    }
}

/// What to do about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this pause.
    RestartAfter(Duration),
    /// It died too often in a row.
    GiveUp,
}

/// A [`Restart`] policy at work for one worker. No system call, never blocks.
///
/// ```
/// use std::time::Duration;
/// use strait::process::{Backoff, Restart, Verdict};
///
/// let ms = Duration::from_millis;
/// let mut backoff = Backoff::new(Restart { backoff_first: ms(10), backoff_max: ms(15), limit: 2 });
/// assert_eq!(backoff.died(false), Verdict::RestartAfter(ms(10)));
/// assert_eq!(backoff.died(false), Verdict::RestartAfter(ms(15)));
/// assert_eq!(backoff.died(true), Verdict::RestartAfter(ms(10)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    policy: Restart,
    /// Restarts since the last progress; at most `policy.limit`.
    restarts: u32,
    /// Deaths with nothing to do, since the last one with something to do.
    idle_deaths: u32,
}

impl Backoff {
    /// A worker that was started just now.
    #[must_use]
    pub fn new(policy: Restart) -> Self {
        Self { policy, restarts: 0, idle_deaths: 0 }
    }

    /// It died with nothing to do: a pause, growing with each such death in a row, and no step nearer to giving up. A limit of 0
    /// forbids restarts all the same.
    pub fn died_idle(&mut self) -> Verdict {
        if self.policy.limit == 0 {
            return Verdict::GiveUp;
        }
        let pause = self.pause(self.idle_deaths);
        self.idle_deaths = self.idle_deaths.saturating_add(1);
        Verdict::RestartAfter(pause)
    }

    /// It died; `progressed` says whether it did anything useful since its last start.
    pub fn died(&mut self, progressed: bool) -> Verdict {
        if progressed {
            self.restarts = 0;
        }
        if self.restarts >= self.policy.limit {
            return Verdict::GiveUp;
        }
        let pause = self.pause(self.restarts);
        self.restarts += 1;
        self.idle_deaths = 0;
        Verdict::RestartAfter(pause)
    }

    fn pause(&self, deaths: u32) -> Duration {
        let factor = 1u32.checked_shl(deaths).unwrap_or(u32::MAX);
        self.policy.backoff_first.saturating_mul(factor).min(self.policy.backoff_max)
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Restart, Verdict};
    use std::time::Duration;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn policy(limit: u32) -> Restart {
        Restart { backoff_first: ms(10), backoff_max: ms(50), limit }
    }

    /// Pauses double up to the longest one; after `limit` restarts the next death is final, and stays so.
    #[test]
    fn doubles_and_gives_up() {
        let mut backoff = Backoff::new(policy(4));
        for pause in [10, 20, 40, 50] {
            assert_eq!(backoff.died(false), Verdict::RestartAfter(ms(pause)));
        }
        assert_eq!(backoff.died(false), Verdict::GiveUp);
        assert_eq!(backoff.died(false), Verdict::GiveUp);
    }

    /// Progress starts the counting again, also on the very last chance.
    #[test]
    fn progress_resets() {
        let mut backoff = Backoff::new(policy(2));
        for _ in 0..1000 {
            assert_eq!(backoff.died(true), Verdict::RestartAfter(ms(10)));
            assert_eq!(backoff.died(false), Verdict::RestartAfter(ms(20)));
        }
        assert_eq!(backoff.died(false), Verdict::GiveUp);
    }

    /// Deaths with nothing to do never add up to giving up.
    #[test]
    fn idle_deaths_are_forgiven() {
        let mut backoff = Backoff::new(policy(2));
        for pause in [10, 20, 40, 50, 50] {
            assert_eq!(backoff.died_idle(), Verdict::RestartAfter(ms(pause)));
        }
        assert_eq!(backoff.died(false), Verdict::RestartAfter(ms(10)));
        assert_eq!(Backoff::new(policy(0)).died_idle(), Verdict::GiveUp);
    }

    /// A limit of zero never restarts, progress or not.
    #[test]
    fn zero_never_restarts() {
        assert_eq!(Backoff::new(policy(0)).died(true), Verdict::GiveUp);
    }

    /// No number of deaths overflows anything.
    #[test]
    fn many_deaths_stay_in_bounds() {
        let mut backoff = Backoff::new(Restart { backoff_first: ms(1), backoff_max: Duration::MAX, limit: u32::MAX });
        let mut last = Duration::ZERO;
        for _ in 0..200 {
            let Verdict::RestartAfter(pause) = backoff.died(false) else { panic!("gave up") };
            assert!(pause >= last);
            last = pause;
        }
        let mut none = Backoff::new(Restart { backoff_first: Duration::ZERO, ..policy(100) });
        assert!((0..100).all(|_| none.died(false) == Verdict::RestartAfter(Duration::ZERO)));
    }
}
