//! Huge pages: those that are set aside, and those that the kernel makes where it can.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use crate::figures;

const GROUP: &str = "huge pages";
const ADVISE: &str = "echo advise | sudo tee /sys/kernel/mm/transparent_hugepage/shmem_enabled";

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(reserved(machine));
    findings.extend(transparent(machine));
    findings
}

fn reserved(machine: &Machine) -> Option<Finding> {
    let meminfo = machine.read("/proc/meminfo")?;
    let field = |name: &str| -> Option<u64> {
        meminfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?
            .split_ascii_whitespace()
            .next()?
            .parse()
            .ok()
    };
    let (total, free) = (field("HugePages_Total")?, field("HugePages_Free")?);
    let page = machine.kib_field("/proc/meminfo", "Hugepagesize").unwrap_or(2 << 20);
    if total == 0 {
        let found = "none are set aside";
        return Some(
            Finding::new(GROUP, "reserved", State::Note, found)
                .means("Regions that ask for huge pages (Options::huge_pages) are refused, or fall back to 4 KiB pages where they may.")
                .mend(format!("sudo sysctl vm.nr_hugepages=128 (128 pages of {})", figures::size(page))),
        );
    }
    let found = format!("{free} of {total} pages of {} free", figures::size(page));
    if free > 0 {
        return Some(Finding::new(GROUP, "reserved", State::Ok, found));
    }
    Some(
        Finding::new(GROUP, "reserved", State::Warn, found)
            .means("The next region that asks for one is refused.")
            .mend(format!("sudo sysctl vm.nr_hugepages={}", total.saturating_mul(2))),
    )
}

/// What is in use of a file such as `always [madvise] never`.
fn chosen(text: &str) -> Option<&str> {
    text.split_ascii_whitespace().find_map(|it| it.strip_prefix('[')?.strip_suffix(']'))
}

fn transparent(machine: &Machine) -> Option<Finding> {
    let text = machine.read("/sys/kernel/mm/transparent_hugepage/shmem_enabled")?;
    let setting = chosen(&text)?;
    let finding = |state| {
        Finding::new(GROUP, "shmem_enabled", state, format!("{setting}, for memfds and shared anonymous memory"))
    };
    Some(match setting {
        "never" | "deny" => finding(State::Note)
            .means("Large shared regions come in pages of 4 KiB: random access to them takes about twice as long as it could.")
            .mend(ADVISE)
            .mend("sudo mount -o remount,huge=advise /dev/shm"),
        "force" => finding(State::Warn)
            .means("It is meant for tests: each small region takes 2 MiB.")
            .mend(ADVISE),
        _ => finding(State::Ok),
    })
}
