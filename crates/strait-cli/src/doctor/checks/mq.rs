//! POSIX message queues: the limits, and what uses them up.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use crate::figures;

const GROUP: &str = "POSIX message queues";
/// Of the kernel, for each message, beside its bytes.
const OVERHEAD_BYTES: u64 = 56;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let Some(most) = machine.number("/proc/sys/fs/mqueue/queues_max") else {
        return vec![
            Finding::new(GROUP, "queues", State::Note, "this kernel has none, or hides their limits")
                .means("mq_open fails with ENOSYS; strait uses them only where it is asked to."),
        ];
    };
    let mut findings = vec![queues(machine, most)];
    findings.extend(messages(machine));
    findings.extend(per_user(machine));
    findings
}

fn queues(machine: &Machine, most: u64) -> Finding {
    let Some(names) = machine.mount("/dev/mqueue").and_then(|_| machine.names("/dev/mqueue")) else {
        return Finding::new(
            GROUP,
            "queues",
            State::Note,
            format!("at most {most}; which there are is not to be seen"),
        )
        .means("Their file system is not mounted, so nobody can list or remove them by name.")
        .mend("sudo mkdir -p /dev/mqueue && sudo mount -t mqueue mqueue /dev/mqueue");
    };
    let used = names.len() as u64;
    let state = super::state_of_use(used, most);
    let finding = Finding::new(GROUP, "queues", state, format!("{used} of {most}"));
    if state == State::Ok {
        return finding;
    }
    finding
        .means("When the limit is reached, mq_open of a new one fails with ENOSPC. They stay when their makers die.")
        .mend("strait ls --kind posix-mq; strait rm posix-mq:/NAME")
        .mend(format!("sudo sysctl fs.mqueue.queues_max={}", most.saturating_mul(2)))
}

fn messages(machine: &Machine) -> Option<Finding> {
    let (count, size) =
        (machine.number("/proc/sys/fs/mqueue/msg_max")?, machine.number("/proc/sys/fs/mqueue/msgsize_max")?);
    let found = format!("{count} messages of {} in each at the most", figures::size(size));
    let finding = Finding::new(GROUP, "size of a queue", if machine.uid == 0 { State::Ok } else { State::Note }, found);
    if machine.uid == 0 {
        return Some(finding);
    }
    Some(
        finding
            .means("mq_open that asks for more fails with EINVAL; root may ask for more.")
            .mend("sudo sysctl fs.mqueue.msg_max=1024 fs.mqueue.msgsize_max=65536"),
    )
}

fn per_user(machine: &Machine) -> Option<Finding> {
    let limit = machine.limits.msgqueue.0?;
    let count = machine.number("/proc/sys/fs/mqueue/msg_default").unwrap_or(10);
    let size = machine.number("/proc/sys/fs/mqueue/msgsize_default").unwrap_or(8192);
    let each = count.saturating_mul(size.saturating_add(OVERHEAD_BYTES)).max(1);
    let found = format!(
        "{} of queues for each user, about {} of {count} messages of {}",
        figures::size(limit),
        limit / each,
        figures::size(size)
    );
    let state = if limit < each { State::Warn } else { State::Note };
    Some(
        Finding::new(GROUP, "RLIMIT_MSGQUEUE", state, found)
            .means(
                "mq_open fails with EMFILE beyond that, counted over all processes of the user, dead queues included.",
            )
            .mend(super::raise('q', "msgqueue", 8 << 20, 1, machine.limits.msgqueue.1))
            .mend("LimitMSGQUEUE=8M (of a service)")
            .mend("* - msgqueue 8388608 (in /etc/security/limits.conf)"),
    )
}
