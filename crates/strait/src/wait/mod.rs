//! Waiting: spin, then sleep, then be woken. The one place that knows how.
//!
//! [`link`] is the protocol between two sides and [`eventcount`] the one among many, free of clocks and kernels, so that the models can
//! explore them; [`futex`] is a word in which its own waiters sleep; [`turn`] is the
//! loop of one blocked call: it spins as long as that pays, announces its sleep, sleeps in slices, and looks whether the other
//! side still lives. [`source`] is waiting on many things at once.

pub(crate) mod bridge;
pub(crate) mod eventcount;
pub(crate) mod futex;
pub(crate) mod link;
pub(crate) mod source;
pub(crate) mod spin;
pub(crate) mod turn;

#[cfg(test)]
pub(crate) mod model;

/// How a blocked call waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Never sleep: the lowest latency, and a whole core for as long as the call waits. For a core of its own.
    Spin,
    /// Spin as long as that has paid lately and the other side runs on another core, then sleep. The default. Among many, who finds
    /// others on its own core who are awake leaves it to them (`sched_yield(2)`) instead of spinning.
    #[default]
    SpinThenSleep,
    /// Sleep at once. The least CPU; each wake-up costs 2 us on the same core, 2 to 60 us from another.
    Sleep,
}
