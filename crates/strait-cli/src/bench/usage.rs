//! What the processor gave to this thread, and which processor that is.

use crate::bench::job::{Trouble, Used};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::fs;

impl Used {
    /// Of this thread since it began; what finding that out takes is before it.
    pub(super) fn so_far() -> Self {
        let (voluntary_switches, involuntary_switches) = switches();
        Self { cpu_ns: cpu_ns(), voluntary_switches, involuntary_switches }
    }

    /// Of this thread since then; what finding that out takes is behind it.
    pub(super) fn since(before: Self) -> Self {
        let cpu_ns = cpu_ns();
        let (voluntary, involuntary) = switches();
        Self {
            cpu_ns: cpu_ns.saturating_sub(before.cpu_ns),
            voluntary_switches: voluntary.saturating_sub(before.voluntary_switches),
            involuntary_switches: involuntary.saturating_sub(before.involuntary_switches),
        }
    }
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}

/// Those that this thread wanted, by waiting, and those that it did not.
fn switches() -> (u64, u64) {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    };
    (field("voluntary_ctxt_switches:"), field("nonvoluntary_ctxt_switches:"))
}

/// The processors that this process may use.
pub(super) fn allowed_cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(None);
    allowed.map_or_else(|_| vec![0], |set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Has this thread run on that processor only.
pub(super) fn pin(cpu: usize) -> Result<(), Trouble> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|e| Trouble::Refused(format!("run on processor {cpu}: {e}")))
}
