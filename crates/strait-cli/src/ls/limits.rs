//! What of the kernel's limits is nearly used up.

use crate::figures::{grouped, size};
use crate::seen::Seen;
use serde::Serialize;
use std::fs;
use strait::inspect::machine::{Content, Kind};

/// From here on it is worth a word.
const NEARLY_PERCENT: u64 = 80;

/// A limit, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Limit {
    pub(super) what: &'static str,
    pub(super) used: u64,
    pub(super) limit: u64,
    pub(super) percent: u64,
    /// What to change where it is not enough.
    pub(super) remedy: &'static str,
}

impl Limit {
    fn new(what: &'static str, used: u64, limit: Option<u64>, remedy: &'static str) -> Option<Self> {
        let limit = limit.filter(|&limit| limit > 0)?;
        let percent = u64::try_from(u128::from(used) * 100 / u128::from(limit)).unwrap_or(u64::MAX);
        (percent >= NEARLY_PERCENT).then_some(Self { what, used, limit, percent, remedy })
    }

    /// In a sentence.
    pub(super) fn words(&self) -> String {
        let number =
            |n| if self.what.ends_with("bytes") || self.what.starts_with("/dev") { size(n) } else { grouped(n) };
        let Self { what, used, limit, percent, remedy } = self;
        format!("{what}: {} of {} used ({percent} %); {remedy}", number(*used), number(*limit))
    }
}

/// Those that are nearly reached.
pub(super) fn near(seen: &Seen) -> Vec<Limit> {
    let count = |kind: Kind| seen.things.iter().filter(|it| it.object.kind == kind).count() as u64;
    let sum = |kind: Kind| {
        seen.things.iter().filter(|it| it.object.kind == kind).map(|it| it.object.size_bytes.unwrap_or(0)).sum::<u64>()
    };
    let semaphores = seen.things.iter().map(|it| match it.object.content {
        Content::Semaphores(count) => count,
        _ => 0,
    });
    // proc_sys_kernel(5): SEMMSL, SEMMNS, SEMOPM, SEMMNI.
    let sem = setting("kernel/sem");
    let number = |at: usize| sem.as_deref().and_then(|text| text.split_ascii_whitespace().nth(at)?.parse().ok());
    let one = |name: &str| setting(name).and_then(|text| text.trim().parse::<u64>().ok());
    let page = rustix::param::page_size() as u64;
    let shmall = one("kernel/shmall").map(|pages| pages.saturating_mul(page));
    let limits = [
        shm(),
        Limit::new(
            "System V segments",
            count(Kind::SysvShm),
            one("kernel/shmmni"),
            "raise it with sysctl kernel.shmmni",
        ),
        Limit::new("System V memory, bytes", sum(Kind::SysvShm), shmall, "raise it with sysctl kernel.shmall"),
        Limit::new("System V queues", count(Kind::SysvMsg), one("kernel/msgmni"), "raise it with sysctl kernel.msgmni"),
        Limit::new(
            "sets of System V semaphores",
            count(Kind::SysvSemaphores),
            number(3),
            "raise it with sysctl kernel.sem, the fourth number",
        ),
        Limit::new(
            "System V semaphores",
            semaphores.sum(),
            number(1),
            "raise it with sysctl kernel.sem, the second number",
        ),
        Limit::new(
            "POSIX queues",
            count(Kind::PosixMq),
            one("fs/mqueue/queues_max"),
            "raise it with sysctl fs.mqueue.queues_max",
        ),
    ];
    limits.into_iter().flatten().collect()
}

fn shm() -> Option<Limit> {
    let stat = rustix::fs::statvfs("/dev/shm").ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    Limit::new(
        "/dev/shm",
        bytes(used),
        Some(bytes(stat.f_blocks)),
        "make it larger with mount -o remount,size=SIZE /dev/shm",
    )
}

fn setting(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 80 percent on, and never of a limit that is none.
    #[test]
    fn nearly_reached() {
        assert_eq!(Limit::new("POSIX queues", 79, Some(100), ""), None);
        assert_eq!(Limit::new("POSIX queues", 79, None, ""), None);
        assert_eq!(Limit::new("POSIX queues", 79, Some(0), ""), None);
        let full = Limit::new("POSIX queues", 256, Some(256), "raise it").expect("it is full");
        assert_eq!(full.words(), "POSIX queues: 256 of 256 used (100 %); raise it");
        assert!(Limit::new("/dev/shm", u64::MAX, Some(1 << 20), "").is_some_and(|it| it.words().contains("1 MiB")));
    }
}
