//! What the kernel, as it is configured here, can do: tried, not concluded from a version.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;

const GROUP: &str = "kernel";

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let tried = &machine.features;
    let sandbox = "a newer kernel, or: docker run --security-opt seccomp=PROFILE that allows it";
    let mut findings = vec![
        feature(
            "OFD locks",
            &tried.ofd_locks,
            State::Bad,
            "The leases that say who is alive are made of them: no channel can be opened.",
            "mount /proc, and use a kernel from Linux 3.15 on",
        ),
        feature(
            "O_TMPFILE",
            &tried.tmpfile,
            State::Bad,
            "Regions are made whole before they have a name: none can be made in /dev/shm.",
            "sudo mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm",
        ),
        feature(
            "memfd_create",
            &tried.memfd,
            State::Warn,
            "There are no sealed regions without a name; those with one are not concerned.",
            sandbox,
        ),
        feature(
            "pidfd",
            &tried.pidfd,
            State::Warn,
            "Child processes cannot be waited for safely: strait sum and strait::process need it.",
            sandbox,
        ),
        feature(
            "membarrier",
            &tried.membarrier,
            State::Note,
            "Each message costs its sender a fence (10 ns) instead.",
            sandbox,
        ),
        feature(
            "futex_waitv",
            &tried.futex_waitv,
            State::Note,
            "Who waits for several channels at once looks at them again and again.",
            sandbox,
        ),
    ];
    if machine.read("/proc/self/stat").is_none() {
        findings.push(
            Finding::new(GROUP, "/proc", State::Bad, "it is not mounted")
                .means("Descriptors are opened anew through it, and all that is shown of processes is read there.")
                .mend("sudo mount -t proc proc /proc"),
        );
    }
    findings.extend(noexec(machine));
    findings
}

fn feature(what: &'static str, missing: &Option<String>, state: State, means: &str, mend: &str) -> Finding {
    match missing {
        None => Finding::new(GROUP, what, State::Ok, "works"),
        Some(why) => Finding::new(GROUP, what, state, format!("does not work: {why}")).means(means).mend(mend),
    }
}

fn noexec(machine: &Machine) -> Option<Finding> {
    let setting = machine.number("/proc/sys/vm/memfd_noexec")?;
    let finding = |state, found: &str| Finding::new(GROUP, "vm.memfd_noexec", state, format!("{setting}: {found}"));
    Some(match setting {
        0 => finding(State::Ok, "memfds are as their makers ask"),
        1 => finding(State::Ok, "memfds cannot be executed unless their makers ask for it"),
        _ => finding(State::Note, "memfds that could be executed are refused")
            .means("strait's are made with MFD_NOEXEC_SEAL and not concerned; programs that do not ask for that fail with EACCES.")
            .mend("sudo sysctl vm.memfd_noexec=1"),
    })
}
