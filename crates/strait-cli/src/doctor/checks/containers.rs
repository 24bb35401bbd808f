//! Whether this is the machine, or a part of it that is kept apart: what is in another part is not seen here, and the other way round.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;

const GROUP: &str = "containers";
/// The kernel numbers the first namespaces of each kind so.
const FIRST_IPC: &str = "ipc:[4026531839]";
const FIRST_USER: &str = "user:[4026531837]";
const FIRST_PID: &str = "pid:[4026531836]";

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![container(machine)];
    let kinds = [
        (
            "ipc namespace",
            "/proc/self/ns/ipc",
            FIRST_IPC,
            "System V objects and POSIX queues of the host and of other containers are not seen, and ours not there.",
            "docker run --ipc=host, or --ipc=container:NAME",
        ),
        (
            "pid namespace",
            "/proc/self/ns/pid",
            FIRST_PID,
            "Processes have other numbers outside, and those outside are not seen: holders there cannot be named. Who is alive is not concerned, for a kernel lock says it.",
            "docker run --pid=host",
        ),
        (
            "user namespace",
            "/proc/self/ns/user",
            FIRST_USER,
            "Users have other numbers outside: a region that belongs to 'user 65534' here belongs to one who has no number here.",
            "docker run --userns=host",
        ),
    ];
    for (what, link, first, means, mend) in kinds {
        let Some(own) = machine.link(link) else { continue };
        findings.push(if own == first {
            Finding::new(GROUP, what, State::Ok, "the machine's first")
        } else {
            Finding::new(GROUP, what, State::Note, format!("one of its own, {own}")).means(means).mend(mend)
        });
    }
    findings
}

/// Whether this is in a container, and not on the machine itself, as its marks and namespaces say.
pub(super) fn is_apart(machine: &Machine) -> bool {
    engine(machine).is_some() && machine.link("/proc/self/ns/ipc").as_deref() != Some(FIRST_IPC)
}

/// Whose marks there are.
fn engine(machine: &Machine) -> Option<&'static str> {
    let groups = machine.read("/proc/self/cgroup").unwrap_or_default();
    let is_in_group = |word: &str| groups.contains(word);
    if machine.exists("/.dockerenv") || is_in_group("/docker/") || is_in_group("/docker-") {
        Some("docker")
    } else if machine.exists("/run/.containerenv") || is_in_group("libpod") {
        Some("podman")
    } else if is_in_group("kubepods") || machine.exists("/var/run/secrets/kubernetes.io") {
        Some("kubernetes")
    } else if is_in_group("/lxc") {
        Some("lxc")
    } else if machine.exists("/run/host/container-manager") || machine.exists("/run/systemd/container") {
        Some("container")
    } else {
        None
    }
}

fn container(machine: &Machine) -> Finding {
    let Some(kind) = engine(machine) else {
        return Finding::new(GROUP, "container", State::Ok, "none that shows");
    };
    if !is_apart(machine) {
        return Finding::new(
            GROUP,
            "container",
            State::Ok,
            format!("marks of {kind}, but the machine's own namespaces"),
        );
    }
    Finding::new(GROUP, "container", State::Note, format!("{kind}: /dev/shm, and what has a name there, is this container's alone"))
        .means("Two containers share channels by a common /dev/shm, or by a file in a common volume, or by a memfd over a common Unix socket.")
        .mend("docker run --ipc=shareable --name a; docker run --ipc=container:a")
        .mend("docker run --volume /dev/shm:/dev/shm")
}
