//! What a person reads of a process.

use super::object::{by, indented, rights, within};
use super::tree;
use crate::figures::age;
use crate::screen::{self, Align, Column, Paint};
use crate::seen::users::Users;
use crate::seen::{Seen, Thing, json};
use crate::text::safe;
use std::fs;
use std::time::Duration;
use strait::discovery::Status;
use strait::inspect::machine::{By, Hold, Process};

const KIND: Column = Column { head: "KIND", align: Align::Left, least: None };
const NAME: Column = Column { head: "NAME", align: Align::Middle, least: Some(12) };
const ROLE: Column = Column { head: "ROLE", align: Align::Left, least: None };
const STATE: Column = Column { head: "STATE", align: Align::Left, least: None };
const CONTENT: Column = Column { head: "CONTENT", align: Align::Left, least: Some(10) };
const BY: Column = Column { head: "BY", align: Align::Left, least: None };
const RIGHTS: Column = Column { head: "RIGHTS", align: Align::Left, least: None };
const SHARED: Column = Column { head: "SHARED WITH", align: Align::Left, least: Some(12) };

pub(super) fn text(seen: &Seen, users: &Users, process: &Process, width: Option<usize>, paint: Paint) -> String {
    let title = format!("process {} {}", process.pid, safe(&process.command));
    let mut text = format!("{}  {}\n", paint.bold(&title), state(process.state));
    for (what, words) in facts(users, process) {
        text += &format!("  {what:<9} {words}\n");
    }
    text += &format!("\n{}\n{}", paint.bold("parents and children"), tree::text(seen, process, paint));
    if !process.is_open && process.state != 'Z' {
        let why = "what it has open and mapped may not be looked at: it belongs to another user, or has rights that we have not";
        return text + &paint.warning(&format!("\n{why}\n"));
    }
    let channels = channels(seen, process, width, paint);
    if !channels.is_empty() {
        text += &format!("\n{}\n{channels}", paint.bold("channels"));
    }
    let holds = holds(seen, process);
    if !holds.is_empty() {
        let row = |(thing, hold): &(&Thing, &Hold)| {
            vec![by(hold), rights(hold), thing.kind(), thing.label(), others(seen, thing, process.pid, hold)]
        };
        let rows: Vec<Vec<String>> = holds.iter().map(row).collect();
        let columns = [BY, RIGHTS, KIND, NAME, SHARED];
        let list = screen::list(&columns, &rows, within(width), |_, _, cell| cell.to_owned(), |head| paint.faint(head));
        text += &format!("\n{}\n{}", paint.bold("descriptors and memory"), indented(&list));
    }
    text
}

fn facts(users: &Users, process: &Process) -> Vec<(&'static str, String)> {
    let mut facts = vec![("user", users.name(process.uid))];
    if let Some(line) = command_line(process.pid) {
        facts.push(("command", safe(&line)));
    }
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let uptime = fs::read_to_string("/proc/uptime").ok();
    let uptime = uptime.and_then(|text| text.split_ascii_whitespace().next()?.parse::<f64>().ok());
    if let Some(uptime) = uptime {
        let since = uptime - process.start_ticks as f64 / per_second as f64;
        facts.push(("started", format!("{} ago", age(Duration::from_secs_f64(since.clamp(0.0, 1e12))))));
    }
    facts.push(("CPU", format!("{:.2} s", process.cpu_ticks as f64 / per_second as f64)));
    facts
}

/// With its arguments; `None` where it has none, as a zombie.
pub(super) fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|bytes| !bytes.is_empty())?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_end_matches('\0').replace('\0', " "))
}

fn state(state: char) -> &'static str {
    match state {
        'R' => "runs",
        'S' | 'I' => "sleeps",
        'D' => "waits for a device, and cannot be interrupted",
        'T' | 't' => "is stopped",
        'Z' => "zombie: it has ended, and its parent has not waited for it",
        _ => "ends",
    }
}

/// What it is to strait's channels.
fn channels(seen: &Seen, process: &Process, width: Option<usize>, paint: Paint) -> String {
    let mut rows = Vec::new();
    for thing in seen.things.iter().filter(|it| it.is_held_by(process.pid)) {
        let Some(Status::Channel(channel)) = &thing.own else { continue };
        for peer in channel.peers.iter().filter(|it| it.pid == process.pid) {
            let state = json::peer(peer.state).to_owned();
            rows.push(vec![thing.kind(), safe(thing.name()), safe(&peer.role), state, thing.content()]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let columns = [KIND, NAME, ROLE, STATE, CONTENT];
    indented(&screen::list(&columns, &rows, within(width), |_, _, cell| cell.to_owned(), |head| paint.faint(head)))
}

/// Descriptors by number, then memory by address.
fn holds<'a>(seen: &'a Seen, process: &Process) -> Vec<(&'a Thing, &'a Hold)> {
    let all = seen.things.iter().flat_map(|thing| thing.object.holds.iter().map(move |hold| (thing, hold)));
    let mut own: Vec<(&Thing, &Hold)> = all.filter(|(_, hold)| hold.pid == process.pid).collect();
    own.sort_by_key(|(_, hold)| match hold.by {
        By::Descriptor(fd) => (0, u64::from(fd)),
        By::Mapping { start, .. } => (1, start),
        _ => (2, 0),
    });
    own
}

/// Who else has it: of a mapping, where the same page is there; of others, what they can do.
fn others(seen: &Seen, thing: &Thing, pid: u32, own: &Hold) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut named: Vec<u32> = Vec::new();
    for hold in thing.object.holds.iter().filter(|hold| hold.pid != pid) {
        let command = seen.process(hold.pid).map(|it| safe(&it.command)).unwrap_or_default();
        match (&own.by, &hold.by) {
            (By::Mapping { offset_bytes: ours, .. }, By::Mapping { start, end, offset_bytes: theirs, .. }) => {
                let reaches = ours.checked_sub(*theirs).filter(|&into| into < end - start);
                if let Some(into) = reaches {
                    words.push(format!("{} {command} at {:#x} {}", hold.pid, start + into, rights(hold)));
                }
            }
            (By::Mapping { .. }, _) | (_, By::Mapping { .. }) => {}
            _ if named.contains(&hold.pid) => {}
            _ => {
                named.push(hold.pid);
                words.push(format!("{} {command} ({}, {})", hold.pid, by(hold), rights(hold)));
            }
        }
    }
    match words.len() {
        0..=6 => words.join("; "),
        n => format!("{}; {}", words[..5].join("; "), format_args!("{} more", n - 5)),
    }
}
