//! What becomes of a user's shared memory when the user logs out, and what is hidden from whoever looks.

use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;

const GROUP: &str = "users";
/// Users below are of the system, and spared.
const USERS_FROM: u32 = 1000;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![remove_ipc(machine)];
    findings.extend(hidden(machine));
    findings.extend(ptrace(machine));
    findings
}

/// logind takes the shared memory of users away who have logged out.
fn remove_ipc(machine: &Machine) -> Finding {
    let finding = |state, found: &str| Finding::new(GROUP, "logind RemoveIPC", state, found);
    if !machine.exists("/run/systemd/seats") && !machine.exists("/run/systemd/sessions") {
        return finding(State::Ok, "no systemd-logind runs here");
    }
    if !is_removed(machine) {
        return finding(State::Ok, "no: shared memory stays when its user logs out");
    }
    if machine.uid < USERS_FROM {
        return finding(State::Note, "yes, but users of the system (ids below 1000) are spared, and this is one")
            .means("Of other users the names in /dev/shm, queues and System V objects vanish when their last session ends.");
    }
    let name = user_name(machine).unwrap_or_else(|| machine.uid.to_string());
    if machine.exists(&format!("/var/lib/systemd/linger/{name}")) {
        return finding(State::Ok, "yes, but this user lingers, and is never logged out");
    }
    finding(State::Warn, "yes")
        .means("When this user's last session ends, the names of its shared memory, queues and System V objects are removed, under the feet of programs that go on (nohup, screen, cron).")
        .mend(format!("sudo loginctl enable-linger {name}"))
        .mend("RemoveIPC=no (in /etc/systemd/logind.conf, and restart systemd-logind)")
}

/// By the files that logind reads, of which the last one to speak counts. It is so unless one says no.
fn is_removed(machine: &Machine) -> bool {
    let mut files = vec![String::from("/usr/lib/systemd/logind.conf"), String::from("/etc/systemd/logind.conf")];
    for directory in ["/usr/lib/systemd/logind.conf.d", "/run/systemd/logind.conf.d", "/etc/systemd/logind.conf.d"] {
        let names = machine.names(directory).unwrap_or_default();
        files.extend(names.iter().filter(|it| it.ends_with(".conf")).map(|name| format!("{directory}/{name}")));
    }
    let mut is_removed = true;
    for file in files {
        let text = machine.read(&file).unwrap_or_default();
        for line in text.lines().map(str::trim) {
            if let Some(value) = line.strip_prefix("RemoveIPC").and_then(|it| it.trim_start().strip_prefix('=')) {
                is_removed = !matches!(value.trim().to_lowercase().as_str(), "no" | "false" | "off" | "0" | "n" | "f");
            }
        }
    }
    is_removed
}

fn user_name(machine: &Machine) -> Option<String> {
    let users = machine.read("/etc/passwd")?;
    let is_ours = |line: &&str| line.split(':').nth(2) == Some(machine.uid.to_string().as_str());
    users.lines().find(is_ours)?.split(':').next().map(str::to_owned)
}

fn hidden(machine: &Machine) -> Option<Finding> {
    let (_, options) = machine.mount("/proc")?;
    let setting = options.split(',').find_map(|it| it.strip_prefix("hidepid="));
    if let Some(setting) = setting.filter(|it| !matches!(*it, "0" | "off")) {
        if machine.uid != 0 {
            return Some(
                Finding::new(GROUP, "hidepid", State::Warn, format!("/proc hides other users' processes (hidepid={setting})"))
                    .means("Who holds an object cannot be told where that is another user, so nothing of theirs is called dead.")
                    .mend("sudo strait ...")
                    .mend("sudo mount -o remount,hidepid=0 /proc"),
            );
        }
    }
    if machine.uid == 0 {
        return Some(Finding::new(
            GROUP,
            "visibility",
            State::Ok,
            "root sees the descriptors and mappings of all processes",
        ));
    }
    Some(
        Finding::new(GROUP, "visibility", State::Note, "descriptors and mappings of other users' processes are hidden")
            .means("ls, show, map and gc say so where it matters: what is hidden counts as held.")
            .mend("sudo strait ..."),
    )
}

fn ptrace(machine: &Machine) -> Option<Finding> {
    let scope = machine.number("/proc/sys/kernel/yama/ptrace_scope")?;
    if scope < 2 {
        return None;
    }
    Some(
        Finding::new(GROUP, "ptrace_scope", State::Note, format!("{scope}: only root may trace processes, or nobody"))
            .means("Debuggers cannot attach. What strait shows is not concerned: it reads /proc, and traces nobody.")
            .mend("sudo sysctl kernel.yama.ptrace_scope=1"),
    )
}
