//! [clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html): what time it is, and roughly what time it is.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// `CLOCK_MONOTONIC_COARSE`: time since boot, to the last timer tick (1 to 10 ms).
///
/// No system call where the vDSO has it (x86-64 and aarch64 do); about 5 ns.
#[inline]
#[must_use]
pub fn monotonic_coarse() -> Duration {
    since_zero(clock_gettime(ClockId::MonotonicCoarse))
}

/// `CLOCK_MONOTONIC`: nanoseconds since boot, the same for all processes of one time namespace.
///
/// No system call where the vDSO has it; about 20 ns.
#[must_use]
pub fn monotonic_ns() -> u64 {
    u64::try_from(since_zero(clock_gettime(ClockId::Monotonic)).as_nanos()).unwrap_or(u64::MAX)
}

/// `CLOCK_REALTIME`: nanoseconds since 1970, for people to read; it may jump.
#[must_use]
pub fn realtime_ns() -> u64 {
    u64::try_from(since_zero(clock_gettime(ClockId::Realtime)).as_nanos()).unwrap_or(u64::MAX)
}

fn since_zero(time: rustix::time::Timespec) -> Duration {
    // A clock before its own zero reads as zero; nanoseconds are below 10^9 by the kernel's promise.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0).min(999_999_999);
    Duration::new(seconds, nanoseconds)
}
