//! How much memory there is to share: the machine's, the control group's, and what may be locked.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use crate::figures;

const GROUP: &str = "memory";
/// Version 1 says so for "without limit".
const UNLIMITED: u64 = 1 << 60;
/// Enough for a few rings.
const MEMLOCK_SMALL: u64 = 16 << 20;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(available(machine));
    findings.push(control_group(machine));
    findings.push(locked(machine));
    findings
}

fn available(machine: &Machine) -> Option<Finding> {
    let total = machine.kib_field("/proc/meminfo", "MemTotal")?;
    let available = machine.kib_field("/proc/meminfo", "MemAvailable")?;
    let found = format!("{} of {} available", figures::size(available), figures::size(total));
    if available >= total / 20 {
        return Some(Finding::new(GROUP, "memory", State::Ok, found));
    }
    Some(
        Finding::new(GROUP, "memory", State::Warn, found)
            .means("Shared memory is memory: what is written there is swapped out, or somebody is killed for it.")
            .mend("strait ls --all")
            .mend("ps aux --sort=-rss | head"),
    )
}

/// The tightest limit of the groups that this process is in.
fn control_group(machine: &Machine) -> Finding {
    let Some((limit, used)) = limits(machine).into_iter().min() else {
        return Finding::new(GROUP, "memory cgroup", State::Ok, "no limit");
    };
    let found = format!("{} of {} used", figures::size(used), figures::size(limit));
    let finding = |state| Finding::new(GROUP, "memory cgroup", state, found.clone());
    let raise = "systemctl set-property UNIT MemoryMax=4G";
    let raise_there = "docker run --memory=4g (Kubernetes: resources.limits.memory)";
    let means =
        "Pages of shared memory count for the group that touched them first, and it is killed when it has too many.";
    if super::state_of_use(used, limit) != State::Ok {
        return finding(State::Warn).means(means).mend("strait gc").mend(raise).mend(raise_there);
    }
    match machine.shm {
        Some(shm) if shm.total_bytes > limit => finding(State::Note)
            .means(format!(
                "/dev/shm ({}) is larger than that, so it cannot be filled. {means}",
                figures::size(shm.total_bytes)
            ))
            .mend(raise)
            .mend(raise_there),
        _ => finding(State::Ok),
    }
}

/// Limit and use of each group from this process's up to the root, where there is a limit.
fn limits(machine: &Machine) -> Vec<(u64, u64)> {
    let mut limits = Vec::new();
    for (base, path, limit, used) in groups(machine) {
        for group in upwards(&path) {
            let file = |name: &str| machine.number(&format!("{base}{group}/{name}"));
            if let Some(bytes) = file(limit).filter(|&it| it < UNLIMITED) {
                limits.push((bytes, file(used).unwrap_or(0)));
            }
        }
    }
    limits
}

/// Where the groups of memory lie, this process's group, and what its files are called.
fn groups(machine: &Machine) -> Vec<(&'static str, String, &'static str, &'static str)> {
    let text = machine.read("/proc/self/cgroup").unwrap_or_default();
    let of = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?.to_owned());
        if id == "0" && controllers.is_empty() {
            return Some(("/sys/fs/cgroup", path, "memory.max", "memory.current"));
        }
        let is_memory = controllers.split(',').any(|it| it == "memory");
        is_memory.then_some(("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes"))
    };
    text.lines().filter_map(of).collect()
}

/// A group and those above it; the root's is the empty path.
pub(super) fn upwards(path: &str) -> Vec<String> {
    let mut path = path.trim_end_matches('/').to_owned();
    let mut groups = vec![path.clone()];
    while let Some(at) = path.rfind('/') {
        path.truncate(at);
        groups.push(path.clone());
    }
    groups
}

fn locked(machine: &Machine) -> Finding {
    let (current, most) = machine.limits.memlock;
    let Some(limit) = current else { return Finding::new(GROUP, "RLIMIT_MEMLOCK", State::Ok, "no limit") };
    let up_to = most.map_or("without limit".into(), figures::size);
    let found = format!("{} may be locked, up to {up_to} on request", figures::size(limit));
    if limit >= MEMLOCK_SMALL {
        return Finding::new(GROUP, "RLIMIT_MEMLOCK", State::Ok, found);
    }
    Finding::new(GROUP, "RLIMIT_MEMLOCK", State::Note, found)
        .means("Regions that are to be locked in memory (Options::lock) are refused beyond that; all others are not concerned.")
        .mend(super::raise('l', "memlock", 64 << 20, 1024, most))
        .mend("LimitMEMLOCK=64M (of a service)")
        .mend("* - memlock 65536 (in /etc/security/limits.conf)")
}
