//! What a person reads of an object.

use super::shared::Shared;
use super::{own, peers};
use crate::figures::{age, grouped, size};
use crate::screen::{self, Align, Column, Paint};
use crate::seen::users::Users;
use crate::seen::{Seen, State, Thing};
use crate::text::safe;
use std::time::SystemTime;
use strait::discovery::Status;
use strait::inspect::machine::{By, Hold, Identity, Object};

pub(super) const PID: Column = Column { head: "PID", align: Align::Right, least: None };
pub(super) const COMMAND: Column = Column { head: "COMMAND", align: Align::Left, least: Some(8) };
const USER: Column = Column { head: "USER", align: Align::Left, least: None };
const BY: Column = Column { head: "BY", align: Align::Left, least: None };
const RIGHTS: Column = Column { head: "RIGHTS", align: Align::Left, least: None };
const NOTE: Column = Column { head: "", align: Align::Left, least: Some(10) };

pub(super) fn text(seen: &Seen, users: &Users, thing: &Thing, width: Option<usize>, paint: Paint) -> String {
    let state = match thing.state {
        State::Live => paint.good("live"),
        State::Idle => "idle".to_owned(),
        State::Unknown => paint.warning("unknown"),
        State::Dead | State::Corrupt => paint.bad(&thing.state.to_string()),
    };
    let title = format!("{} {}", thing.kind(), safe(thing.name()));
    let mut text = format!("{}  {state}: {}\n", paint.bold(&title), thing.because);
    for (what, words) in facts(seen, users, thing, &thing.looked_through()) {
        text += &format!("  {what:<9} {words}\n");
    }
    match &thing.own {
        Some(Status::Channel(channel)) => {
            text += &(format!("\n{}\n", paint.bold("peers")) + &peers::list(seen, &channel.peers, width, paint));
        }
        Some(Status::Lock(lock)) => {
            text += &(format!("\n{}\n", paint.bold("users")) + &peers::list(seen, &lock.users, width, paint));
        }
        _ => {}
    }
    text += &holders(seen, users, thing, width, paint);
    text
}

/// Of a thing whose object was measured.
fn facts(seen: &Seen, users: &Users, thing: &Thing, it: &Object) -> Vec<(&'static str, String)> {
    let mut facts = vec![("id", safe(&thing.address()))];
    if let Some(path) = &it.path {
        facts.push(("path", safe(&path.to_string_lossy())));
    }
    if it.is_path_elsewhere {
        let why =
            "in another mount namespace, or put away since: from here that path leads to something else, or nowhere";
        facts.push(("path", why.to_owned()));
    }
    if let Some(namespace) = it.ipc_namespace {
        let whose = if thing.is_elsewhere { "not ours: go there by nsenter --ipc --target PID" } else { "ours" };
        facts.push(("namespace", format!("ipc {namespace}, {whose}")));
    }
    if it.is_unlinked {
        facts.push(("name", "removed: nobody new can find it, and it goes with its last holder".to_owned()));
    }
    match it.identity {
        Identity::File(device, inode) => {
            let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
            facts.push(("inode", format!("{inode} of device {major}:{minor}")));
        }
        Identity::SysvId(id) | Identity::SysvIdIn(_, id) => {
            facts.push(("number", format!("id {id}, key {}", safe(&it.name))));
        }
        _ => {}
    }
    if let Some(bytes) = it.size_bytes {
        let allocated = it.allocated_bytes.map(|it| format!(", {} of it in memory or on disk", size(it)));
        let swapped = it.swapped_bytes.filter(|&it| it > 0).map(|it| format!(", {} swapped out", size(it)));
        let exact = if bytes >= 1024 { format!(" ({} bytes)", grouped(bytes)) } else { String::new() };
        facts.push((
            "size",
            format!("{}{exact}{}{}", size(bytes), allocated.unwrap_or_default(), swapped.unwrap_or_default()),
        ));
    }
    if let Some(bytes) = it.resident_bytes {
        let huge = match it.huge_bytes {
            Some(0) => ", none of it in huge pages".to_owned(),
            Some(huge) => format!(", {} of it in huge pages", size(huge)),
            None => String::new(),
        };
        facts.push(("memory", format!("{} resident{huge}", size(bytes))));
    }
    if let Some(uid) = it.uid {
        let mode = it.mode.map(|mode| format!(", mode {mode:04o}")).unwrap_or_default();
        facts.push(("owner", format!("{}{mode}", users.name(uid))));
    }
    let ago = |time: SystemTime| SystemTime::now().duration_since(time).map(|since| format!("{} ago", age(since))).ok();
    let changed = if it.created.is_some() { "last changed" } else { "made or last changed" };
    let times =
        [("made", it.created), (changed, it.changed.filter(|_| it.changed != it.created)), ("last used", it.used)];
    let times: Vec<String> =
        times.iter().filter_map(|(what, time)| Some(format!("{what} {}", ago((*time)?)?))).collect();
    if !times.is_empty() {
        facts.push(("time", times.join(", ")));
    }
    if let Some(pid) = it.creator_pid {
        facts.push(("creator", format!("process {pid}")));
    }
    if let Some(count) = it.attach_count {
        facts.push(("attached", format!("{count} times")));
    }
    match &thing.own {
        Some(Status::Channel(channel)) => facts.extend(own::channel(channel)),
        Some(Status::Lock(lock)) => facts.extend(own::lock(seen, lock)),
        _ => {}
    }
    let content = thing.content();
    if !content.is_empty() {
        facts.push(("content", content));
    }
    if let Some(Status::Other(why) | Status::Unreadable(why)) = &thing.own {
        facts.push(("strait's", safe(why)));
    }
    facts
}

fn holders(seen: &Seen, users: &Users, thing: &Thing, width: Option<usize>, paint: Paint) -> String {
    let holds = &thing.object.holds;
    if holds.is_empty() {
        return String::new();
    }
    let shared = Shared::of(&thing.object);
    let row = |hold: &Hold| {
        let process = seen.process(hold.pid);
        let command = process.map(|it| safe(&it.command)).unwrap_or_default();
        let user = process.map(|it| users.name(it.uid)).unwrap_or_default();
        let note = match hold.by {
            By::Descriptor(fd) => shared.words(hold.pid, fd),
            By::Mapping { offset_bytes, .. } => format!("from byte {offset_bytes} on"),
            _ => String::new(),
        };
        vec![hold.pid.to_string(), command, user, by(hold), rights(hold), note]
    };
    // What is mapped at the same place of the object stands together, whoever has it.
    let mut ordered: Vec<&Hold> = holds.iter().collect();
    ordered.sort_by_key(|hold| match hold.by {
        By::Descriptor(fd) => (0, u64::from(hold.pid), u64::from(fd)),
        By::Mapping { offset_bytes, .. } => (1, offset_bytes, hold.pid.into()),
        _ => (2, 0, 0),
    });
    let rows: Vec<Vec<String>> = ordered.into_iter().map(row).collect();
    let columns = [PID, COMMAND, USER, BY, RIGHTS, NOTE];
    let list = screen::list(&columns, &rows, within(width), |_, _, cell| cell.to_owned(), |head| paint.faint(head));
    let mut text = format!("\n{}\n{}", paint.bold("holders"), indented(&list));
    if !shared.is_known() {
        text += "  which of these descriptors are one open file cannot be told: the kernel does not compare them for us (kcmp)\n";
    }
    text
}

/// By what: `fd 3`, `0x7f00..0x7f10`.
pub(super) fn by(hold: &Hold) -> String {
    match hold.by {
        By::Descriptor(fd) => format!("fd {fd}"),
        By::Mapping { start, end, .. } => format!("{start:#x}-{end:#x}"),
        By::Lock { lease_slot: Some(slot), .. } => format!("lease slot {slot}"),
        By::Lock { kind, is_exclusive, .. } => {
            format!("{kind} lock, {}", if is_exclusive { "alone" } else { "shared" })
        }
        _ => String::new(),
    }
}

/// As the kernel writes them: of a mapping `rw-s`, of a descriptor `rw`.
pub(super) fn rights(hold: &Hold) -> String {
    let flag = |is: bool, c: char| if is { c } else { '-' };
    let both = format!("{}{}", flag(hold.can_read, 'r'), flag(hold.can_write, 'w'));
    match hold.by {
        By::Mapping { is_executable, .. } => format!("{both}{}s", flag(is_executable, 'x')),
        _ => both,
    }
}

/// Lists of a part stand below its head, two further in.
pub(super) fn indented(list: &str) -> String {
    list.lines().map(|line| format!("  {line}\n")).collect()
}

pub(super) fn within(width: Option<usize>) -> Option<usize> {
    width.map(|width| width.saturating_sub(2))
}
