//! Descriptors and what else of files is limited.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use crate::figures;

const GROUP: &str = "files";
/// A program with many channels needs more.
const NOFILE_SMALL: u64 = 1024;
const INSTANCES_SMALL: u64 = 16;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![descriptors(machine)];
    findings.extend(of_all(machine));
    findings.extend(file_size(machine));
    findings.extend(instances(machine));
    findings
}

fn descriptors(machine: &Machine) -> Finding {
    let (current, most) = machine.limits.nofile;
    let Some(limit) = current else { return Finding::new(GROUP, "RLIMIT_NOFILE", State::Ok, "no limit") };
    let up_to = most.map_or("without limit".into(), |it| it.to_string());
    let found = format!("{limit} descriptors, up to {up_to} on request");
    if limit > NOFILE_SMALL {
        return Finding::new(GROUP, "RLIMIT_NOFILE", State::Ok, found);
    }
    let state = if limit < 256 { State::Warn } else { State::Note };
    Finding::new(GROUP, "RLIMIT_NOFILE", state, found)
        .means("Each end of a channel takes one. A program that opens more fails with EMFILE.")
        .mend(super::raise('n', "nofile", 65_536, 1, most))
        .mend("LimitNOFILE=65536 (of a service)")
        .mend("* - nofile 65536 (in /etc/security/limits.conf)")
}

fn of_all(machine: &Machine) -> Option<Finding> {
    let used = *machine.numbers("/proc/sys/fs/file-nr")?.first()?;
    let limit = machine.number("/proc/sys/fs/file-max")?;
    let state = super::state_of_use(used, limit);
    (state != State::Ok).then(|| {
        Finding::new(GROUP, "file-max", state, format!("{used} of {limit} open files on this machine"))
            .means("When the limit is reached, opening anything fails with ENFILE.")
            .mend("ls -d /proc/[0-9]*/fd/* | cut -d/ -f3 | sort | uniq -c | sort -n | tail")
            .mend(format!("sudo sysctl fs.file-max={}", limit.saturating_mul(2)))
    })
}

fn file_size(machine: &Machine) -> Option<Finding> {
    let limit = machine.limits.file_size.0?;
    Some(
        Finding::new(GROUP, "RLIMIT_FSIZE", State::Warn, format!("files of at most {}", figures::size(limit)))
            .means(
                "Shared memory is a file: making a larger region fails with EFBIG, or ends the program with SIGXFSZ.",
            )
            .mend("ulimit -f unlimited"),
    )
}

fn instances(machine: &Machine) -> Option<Finding> {
    let limit = machine.number("/proc/sys/fs/inotify/max_user_instances")?;
    (limit < INSTANCES_SMALL).then(|| {
        Finding::new(GROUP, "inotify", State::Warn, format!("{limit} instances for each user"))
            .means("Whoever waits for a channel to be made (open_timeout) takes one, and fails with EMFILE when there is none.")
            .mend("sudo sysctl fs.inotify.max_user_instances=128")
    })
}
