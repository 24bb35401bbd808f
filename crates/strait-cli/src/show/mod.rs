//! `strait show`: everything about one object or one process.
//!
//! | file | job |
//! |---|---|
//! | `object` | what a person reads of an object: facts, peers, holders |
//! | `process` | what a person reads of a process: its channels, descriptors, memory |
//! | `shared` | which descriptors lead to one open file description |
//! | `tree` | parents and children |

mod object;
mod own;
mod peers;
mod process;
mod shared;
mod tree;

use crate::exit::Exit;
use crate::say;
use crate::screen::{self, Paint};
use crate::seen::users::Users;
use crate::seen::{Seen, Thing, Wanted, json};
use crate::text::safe;
use serde::Serialize;

/// Shows everything about one object, or one process.
///
/// Of an object: what it is, its state and why, who has it by what, which descriptors are one and the same open file, where each process
/// has it mapped, and of a channel its peers. Of a process: its channels, memory and descriptors, who else has those, its parents and
/// children. Looking disturbs nobody.
///
/// Exit status: 0 shown; 1 there is no such thing; 2 wrong usage; 3 the kernel refused.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// A name (feed, /feed, a path), a process, an inode, a key (0x1234), or with the kind before it: sysv-shm:id:7, inode:4711, pid:412.
    #[arg(value_name = "NAME|ID|PID")]
    name: String,
    /// Write one JSON document.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  strait show feed            strait's channel, or whatever is called so
  strait show /dev/shm/feed
  strait show 412             process 412
  strait show sysv-shm:id:7

The JSON document (schema_version 1; a field that has no value is null):
  objects     id (finds this one and no other), kind (posix-shm, memfd, unix ...), what (spsc, watch ... of strait's channels, else the kind),
              name, number (inode, System V id), path (that leads to it here), is_elsewhere (it is in another IPC or mount namespace: its name
              means something else here), ipc_namespace (of System V objects and POSIX queues), state, because, size_bytes, allocated_bytes,
              swapped_bytes, resident_bytes (in memory now), huge_bytes (of it in huge pages), uid, user, mode, created, changed and used
              (seconds since 1970; what is written through a mapping changes neither), is_unlinked, creator_pid, attach_count, content (messages, bytes, connections, semaphores,
              count), channel (kind, message, item_bytes, is_slice, answer, schema_id, capacity_bytes, seats, is_restartable, is_kept, fill, waiting,
              peers: role, pid, state), holders (pid, command, user, by: descriptor or mapping, fd, start, end, offset_bytes, can_read,
              can_write, can_execute)
  processes   pid, parent_pid, command, uid, user, state, is_zombie, start_ticks, cpu_ticks, is_open (may be looked into); ancestors and
              children likewise; of a process its objects are above
  hidden      processes (that may not be looked into), lists (that could not be read, and why)";

/// What `--json` writes.
#[derive(Serialize)]
struct Document {
    schema_version: u32,
    objects: Vec<json::ObjectForm>,
    processes: Vec<ProcessForm>,
    hidden: json::HiddenForm,
}

#[derive(Serialize)]
struct ProcessForm {
    #[serde(flatten)]
    process: json::ProcessForm,
    command_line: Option<String>,
    /// The parent first.
    ancestors: Vec<json::ProcessForm>,
    /// And their children, parents before children.
    children: Vec<json::ProcessForm>,
}

pub(crate) fn run(args: &Args) -> Exit {
    let wanted = match Wanted::parse(&args.name) {
        Ok(wanted) => wanted,
        Err(why) => {
            say::line(format_args!("strait show: {why}"));
            return Exit::Usage;
        }
    };
    let seen = match Seen::look() {
        Ok(seen) => seen,
        Err(error) => {
            say::line(format_args!("strait show: {error}"));
            return Exit::Refused;
        }
    };
    let found = seen.find(&wanted);
    if found.process.is_none() && found.things.is_empty() {
        say::line(format_args!("strait show: {}", nothing(&seen, &args.name)));
        return Exit::No;
    }
    let users = Users::read();
    if args.json {
        return put_json(&seen, &users, &found);
    }
    let (paint, width) = (Paint::on_output(), screen::width());
    let mut parts: Vec<String> = Vec::new();
    if let Some(it) = found.process {
        parts.push(process::text(&seen, &users, it, width, paint));
    }
    match found.process {
        // A process is meant far more often than an inode.
        Some(_) if !found.things.is_empty() => {
            let ids: Vec<String> =
                found.things.iter().map(|it| format!("strait show {}", safe(&it.address()))).collect();
            parts.push(format!("The same number is that of other things: {}\n", ids.join(", ")));
        }
        _ => parts.extend(found.things.iter().map(|it| object::text(&seen, &users, it, width, paint))),
    }
    screen::put("show", &parts.join("\n"), Exit::Done)
}

/// That there is none, and what may have been meant.
fn nothing(seen: &Seen, name: &str) -> String {
    let shown = safe(name);
    let mut why = format!("there is no object and no process '{shown}'");
    let bare = name.rsplit([':', '/']).next().unwrap_or(name).to_lowercase();
    let is_like = |it: &&Thing| bare.len() >= 2 && it.name().to_lowercase().contains(&bare);
    let like: Vec<String> = seen.things.iter().filter(is_like).take(3).map(|it| safe(&it.address())).collect();
    if !like.is_empty() {
        why += &format!("; there is {}", like.join(", "));
    }
    match seen.hidden.processes {
        0 => why,
        1 => why + "; one process may not be looked into, and what only that one has is hidden",
        n => why + &format!("; {n} processes may not be looked into, and what only those have is hidden"),
    }
}

fn put_json(seen: &Seen, users: &Users, found: &crate::seen::Found<'_>) -> Exit {
    let of = |it: &strait::inspect::machine::Process| json::process(users, it);
    let process = |it: &strait::inspect::machine::Process| ProcessForm {
        process: of(it),
        command_line: process::command_line(it.pid),
        ancestors: tree::ancestors(seen, it).into_iter().map(of).collect(),
        children: tree::descendants(seen, it).into_iter().map(|(_, it)| of(it)).collect(),
    };
    // Of what a process has there may be thousands.
    let measured = |it: &Thing| if found.process.is_some() { it.measured() } else { it.looked_through() };
    let things: Vec<_> = match found.process {
        Some(it) => seen.things.iter().filter(|thing| thing.is_held_by(it.pid)).collect(),
        None => found.things.clone(),
    };
    let document = Document {
        schema_version: json::SCHEMA_VERSION,
        objects: things.into_iter().map(|it| json::object(seen, users, it, &measured(it))).collect(),
        processes: found.process.into_iter().map(process).collect(),
        hidden: json::hidden(seen),
    };
    match serde_json::to_string_pretty(&document) {
        Ok(text) => screen::put("show", &(text + "\n"), Exit::Done),
        Err(error) => {
            say::line(format_args!("strait show: write JSON: {error}"));
            Exit::Refused
        }
    }
}
