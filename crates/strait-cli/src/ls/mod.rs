//! `strait ls`: every object through which processes of this machine exchange data, its size, its state and who has it.
//!
//! | file | job |
//! |---|---|
//! | `choice` | which of them are shown, in what order |
//! | `table` | the lines that a person reads |
//! | `summary` | the last lines: how many, how large, what is hidden |
//! | `limits` | what of the kernel's limits is nearly used up |

mod choice;
mod limits;
mod summary;
mod table;

use crate::exit::Exit;
use crate::say;
use crate::screen::{self, Paint};
use crate::seen::users::Users;
use crate::seen::{Kinds, Seen, State, Thing, Wanted, json};
use choice::{Choice, Sort};
use serde::Serialize;
use summary::Summary;

/// Lists what there is on this machine to exchange data through, for strait's own channels and for everybody else's objects alike.
///
/// Shown unless more is asked for: what is strait's, shared memory of every kind, and what has a name. Not shown then: anonymous pipes,
/// eventfds, and connections between sockets. Looking disturbs nobody.
///
/// State: live (somebody has it), idle (nobody has, and it stays), dead (nobody has, and nobody will: `strait gc` removes it), corrupt
/// (strait's, and it contradicts itself), unknown (a process that may not be looked into could have it; root sees all).
///
/// What a process in another IPC or mount namespace has is marked so: its name means something else here, or nothing. It is found by its number.
///
/// Exit status: 0 listed; 1 there is nothing like that; 2 wrong usage; 3 the kernel refused.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Only what this means: a name (feed, /feed, a path), a pattern ('feed*'), a key (0x1234), a process, an inode, or with the kind
    /// before it: sysv-shm:id:7, inode:4711.
    #[arg(value_name = "PATTERN", value_parser = Wanted::parse)]
    pattern: Option<Wanted>,
    /// Only these kinds: spsc, mpmc, broadcast, watch, rpc, strait (all of its own), posix-shm, posix-sem, posix-mq, sysv-shm, sysv-sem,
    /// sysv-msg, memfd, anonymous, file, pipe, fifo, unix, tcp, udp, eventfd; memory, posix, sysv, queue, semaphore, socket.
    #[arg(long, short, value_name = "KIND", value_delimiter = ',', value_parser = Kinds::of_name)]
    kind: Vec<Kinds>,
    /// Only those in this state.
    #[arg(long, short, value_name = "STATE", value_delimiter = ',', ignore_case = true)]
    state: Vec<State>,
    /// Everything: pipes, eventfds and connections, too.
    #[arg(long, short)]
    all: bool,
    /// The order.
    #[arg(long, value_name = "BY", default_value = "kind")]
    sort: Sort,
    /// The other way round.
    #[arg(long, short)]
    reverse: bool,
    /// Write one JSON document.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  strait ls                       what there is
  strait ls --state dead          what was left behind
  strait ls --kind memory --sort size --reverse
  strait ls 412                   what process 412 has
  strait ls 'feed*' --json

The JSON document (schema_version 1; a field that has no value is null):
  objects   see `strait show --help`
  summary   objects, bytes, dead_objects, dead_bytes, left_out (objects that --all shows), limits (what, used, limit, percent, remedy; from 80
            percent on)
  hidden    processes (that may not be looked into), lists (that could not be read, and why)";

/// What `--json` writes.
#[derive(Serialize)]
struct Document {
    schema_version: u32,
    objects: Vec<json::ObjectForm>,
    summary: Summary,
    hidden: json::HiddenForm,
}

pub(crate) fn run(args: &Args) -> Exit {
    let seen = match Seen::look() {
        Ok(seen) => seen,
        Err(error) => {
            say::line(format_args!("strait ls: {error}"));
            return Exit::Refused;
        }
    };
    let choice = Choice {
        wanted: args.pattern.as_ref(),
        kinds: &args.kind,
        states: &args.state,
        is_all: args.all,
        sort: args.sort,
        is_reversed: args.reverse,
    };
    let (things, left_out) = choice.of(&seen);
    let summary = Summary::of(&seen, &things, &left_out);
    let is_narrowed = args.pattern.is_some() || !args.kind.is_empty() || !args.state.is_empty();
    // What was asked for and is not there is a no.
    let done = if things.is_empty() && is_narrowed { Exit::No } else { Exit::Done };
    let users = Users::read();
    if args.json {
        return put_json(&seen, &users, &things, summary, done);
    }
    if done == Exit::No {
        let hidden = summary::hidden(&seen).map(|it| format!(" ({it})")).unwrap_or_default();
        say::line(format_args!("strait ls: there is nothing like that{hidden}"));
        return done;
    }
    let (paint, width) = (Paint::on_output(), screen::width());
    let mut text = table::text(&seen, &users, &things, width, paint);
    text += &summary.text(&seen, paint);
    screen::put("ls", &text, done)
}

fn put_json(seen: &Seen, users: &Users, things: &[&Thing], summary: Summary, done: Exit) -> Exit {
    let document = Document {
        schema_version: json::SCHEMA_VERSION,
        objects: things.iter().map(|it| json::object(seen, users, it, &it.measured())).collect(),
        summary,
        hidden: json::hidden(seen),
    };
    match serde_json::to_string_pretty(&document) {
        Ok(text) => screen::put("ls", &(text + "\n"), done),
        Err(error) => {
            say::line(format_args!("strait ls: write JSON: {error}"));
            Exit::Refused
        }
    }
}
