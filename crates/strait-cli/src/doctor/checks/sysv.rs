//! System V: the limits, and what uses them up.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use crate::figures;
use std::collections::BTreeMap;

const GROUP: &str = "System V";
const PAGE_BYTES: u64 = 4096;

/// One table of `/proc/sysvipc`.
struct Table {
    what: &'static str,
    file: &'static str,
    /// The column of the owner's user id.
    uid: usize,
    /// What `strait ls` calls them.
    kind: &'static str,
    /// What `ipcrm` calls them.
    flag: char,
}

const SEGMENTS: Table = Table { what: "segments", file: "/proc/sysvipc/shm", uid: 7, kind: "sysv-shm", flag: 'm' };
const QUEUES: Table = Table { what: "queues", file: "/proc/sysvipc/msg", uid: 7, kind: "sysv-msg", flag: 'q' };
const SETS: Table = Table { what: "semaphore sets", file: "/proc/sysvipc/sem", uid: 4, kind: "sysv-sem", flag: 's' };

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    if !machine.exists("/proc/sysvipc") {
        return vec![
            Finding::new(GROUP, "System V", State::Note, "this kernel has none of it")
                .means("shmget, msgget and semget fail with ENOSYS; strait uses them only where it is asked to."),
        ];
    }
    let sem = machine.numbers("/proc/sys/kernel/sem");
    let sets_max = sem.as_ref().and_then(|it| it.get(3).copied());
    let mut findings = Vec::new();
    findings.extend(counted(machine, &SEGMENTS, machine.number("/proc/sys/kernel/shmmni"), |it| {
        format!("sudo sysctl kernel.shmmni={it}")
    }));
    findings.extend(pages(machine));
    findings.extend(largest(machine));
    findings.extend(counted(machine, &QUEUES, machine.number("/proc/sys/kernel/msgmni"), |it| {
        format!("sudo sysctl kernel.msgmni={it}")
    }));
    findings.extend(queue_bytes(machine));
    findings
        .extend(counted(machine, &SETS, sets_max, |it| format!("sudo sysctl kernel.sem='32000 1024000000 500 {it}'")));
    findings
}

/// The cells of a table's lines.
fn rows(machine: &Machine, file: &str) -> Vec<Vec<String>> {
    let text = machine.read(file).unwrap_or_default();
    text.lines().skip(1).map(|line| line.split_ascii_whitespace().map(str::to_owned).collect()).collect()
}

fn counted(machine: &Machine, table: &Table, limit: Option<u64>, raise: impl Fn(u64) -> String) -> Option<Finding> {
    let limit = limit?;
    let rows = rows(machine, table.file);
    let used = rows.len() as u64;
    let state = super::state_of_use(used, limit);
    let mut found = format!("{used} of {limit}");
    let mut users: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        *users.entry(row.get(table.uid).map_or("?", String::as_str)).or_default() += 1;
    }
    if let Some((user, count)) = users.iter().max_by_key(|it| it.1).filter(|_| state != State::Ok) {
        found += &format!(", {count} of them of user {user}");
    }
    let finding = Finding::new(GROUP, table.what, state, found);
    if state == State::Ok {
        return Some(finding);
    }
    let Table { flag, kind, .. } = table;
    Some(
        finding
            .means("When the limit is reached, making another one fails with ENOSPC. They stay when their makers die.")
            .mend(format!("strait ls --kind {kind}; ipcrm -{flag} ID"))
            .mend(raise(limit.saturating_mul(2))),
    )
}

/// All segments together.
fn pages(machine: &Machine) -> Option<Finding> {
    let limit = machine.number("/proc/sys/kernel/shmall")?;
    let size = |row: &Vec<String>| row.get(3)?.parse::<u64>().ok();
    let used = rows(machine, SEGMENTS.file)
        .iter()
        .filter_map(size)
        .fold(0_u64, |sum, it| sum.saturating_add(it.div_ceil(PAGE_BYTES)));
    let state = super::state_of_use(used, limit);
    (state != State::Ok).then(|| {
        let (used, limit_bytes) =
            (figures::size(used.saturating_mul(PAGE_BYTES)), figures::size(limit.saturating_mul(PAGE_BYTES)));
        Finding::new(GROUP, "bytes of segments", state, format!("{used} of {limit_bytes} (shmall)"))
            .means("When the limit is reached, shmget fails with ENOSPC.")
            .mend("strait ls --kind sysv-shm; ipcrm -m ID")
            .mend(format!("sudo sysctl kernel.shmall={}", limit.saturating_mul(2)))
    })
}

/// One segment.
fn largest(machine: &Machine) -> Option<Finding> {
    let limit = machine.number("/proc/sys/kernel/shmmax")?;
    (limit < 1 << 30).then(|| {
        Finding::new(GROUP, "largest segment", State::Warn, format!("{} (shmmax)", figures::size(limit)))
            .means("shmget of more fails with EINVAL. Old kernels had 32 MiB; since 3.16 there is in effect no limit.")
            .mend("sudo sysctl kernel.shmmax=18446744073692774399")
    })
}

fn queue_bytes(machine: &Machine) -> Option<Finding> {
    let (message, queue) = (machine.number("/proc/sys/kernel/msgmax")?, machine.number("/proc/sys/kernel/msgmnb")?);
    let found = format!("messages of up to {}, {} in a queue", figures::size(message), figures::size(queue));
    if message >= 8192 && queue >= 16_384 {
        return Some(Finding::new(GROUP, "queue sizes", State::Ok, found));
    }
    Some(
        Finding::new(GROUP, "queue sizes", State::Warn, found)
            .means("That is less than the kernel's own defaults: msgsnd fails with EINVAL, or waits at once.")
            .mend("sudo sysctl kernel.msgmax=8192 kernel.msgmnb=16384"),
    )
}
