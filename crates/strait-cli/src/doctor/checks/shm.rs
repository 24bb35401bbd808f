//! `/dev/shm`: where shared memory with a name lies.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use crate::figures;

const GROUP: &str = "shared memory";
/// What container engines give where nobody asks for more.
const CONTAINER_BYTES: u64 = 64 << 20;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let finding = |state, found: String| Finding::new(GROUP, "/dev/shm", state, found);
    let Some((kind, options)) = machine.mount("/dev/shm") else {
        let missing = finding(State::Bad, "nothing is mounted there".into());
        return vec![
            missing
                .means("Names of shared memory then lie on the root file system, or cannot be made at all.")
                .mend("sudo mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm"),
        ];
    };
    let mut findings = Vec::new();
    if kind != "tmpfs" {
        findings.push(
            finding(State::Warn, format!("it is a {kind}, not a tmpfs"))
                .means("Shared memory is then as slow as that file system, and may outlive a reboot.")
                .mend("sudo mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm"),
        );
    }
    if options.split(',').any(|it| it == "ro") {
        findings.push(
            finding(State::Bad, "it is mounted read-only".into())
                .means("Nobody can make shared memory with a name.")
                .mend("sudo mount -o remount,rw /dev/shm"),
        );
    }
    findings.extend(machine.shm.map(|space| room(machine, space.total_bytes, space.free_bytes)));
    findings.extend(machine.shm.and_then(|space| names(space.files, space.free_files)));
    findings
}

fn room(machine: &Machine, total: u64, free: u64) -> Finding {
    let used = total.saturating_sub(free);
    let share = (100.0 * used as f64 / total.max(1) as f64) as u64;
    let found = format!("{} of {} used ({share} %)", figures::size(used), figures::size(total));
    let grow = grow(machine, total);
    match share {
        _ if total == 0 => Finding::new(GROUP, "/dev/shm", State::Ok, "its size is not limited"),
        98.. => Finding::new(GROUP, "/dev/shm", State::Bad, found)
            .means("It is full: making shared memory fails with ENOSPC, and programs that do not reserve it die of SIGBUS.")
            .mend("strait gc")
            .mend("strait ls --all")
            .mend(grow),
        85.. => Finding::new(GROUP, "/dev/shm", State::Warn, found)
            .means("It is nearly full: the next large region may not fit.")
            .mend("strait gc")
            .mend(grow),
        _ if total <= CONTAINER_BYTES => Finding::new(GROUP, "/dev/shm", State::Warn, found)
            .means("That is what container engines give where nobody asks for more: one ring of 64 MiB does not fit.")
            .mend(grow),
        _ => Finding::new(GROUP, "/dev/shm", State::Ok, found),
    }
}

/// How it is made larger, which in a container is asked of the engine.
fn grow(machine: &Machine, total: u64) -> String {
    if super::containers::is_apart(machine) {
        return "docker run --shm-size=1g (Compose: shm_size; Kubernetes: emptyDir, medium: Memory)".into();
    }
    let gib = total.saturating_mul(2).div_ceil(1 << 30).max(1);
    format!("sudo mount -o remount,size={gib}G /dev/shm")
}

fn names(files: u64, free: u64) -> Option<Finding> {
    let used = files.checked_sub(free).filter(|_| files > 0)?;
    let state = super::state_of_use(used, files);
    (state != State::Ok).then(|| {
        Finding::new(GROUP, "names in /dev/shm", state, format!("{used} of {files} used"))
            .means("When all are used, no name can be made however much room there is.")
            .mend("strait gc")
            .mend(format!("sudo mount -o remount,nr_inodes={} /dev/shm", files.saturating_mul(2)))
    })
}
