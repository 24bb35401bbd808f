//! `strait rm`: removes an object of any kind that has a name, a key or an id.
//!
//! | file | job |
//! |---|---|
//! | `target` | what is removed how, and who holds it |
//! | `path` | what only a path leads to: a FIFO, a socket or a region in a file that nobody has open |
//!
//! 1. What somebody holds stays, and it is said who has it by what. The kernel is asked at the moment of removal, not the list.
//! 2. `--force` takes the name away all the same. Who has the object keeps it; nobody new finds it.

mod path;
mod target;

use crate::exit::Exit;
use crate::say;
use crate::screen;
use crate::seen::{Seen, Thing, Wanted};
use crate::text::safe;
use target::{Outcome, Target};

/// Removes objects: strait's channels and locks, POSIX and System V shared memory, semaphores and queues, FIFOs, Unix sockets, regions in files.
///
/// What somebody holds stays, and it is said who has it and how. A channel that is restartable, or damaged, goes if nobody is attached to it.
/// A System V set or queue has no holders that the kernel knows of: it goes at once, and calls that wait on it fail. Plain files that are no
/// regions are left to rm(1).
///
/// Exit status: 0 removed; 1 there is no such object, or somebody holds it; 2 wrong usage; 3 the kernel refused.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// A name (feed, /feed), a pattern ('feed*'), a path, a key (0x1234), or with the kind before it: `posix-mq:/jobs`, `sysv-shm:id:7`.
    #[arg(value_name = "NAME|ID", required = true)]
    names: Vec<String>,
    /// Take the name away although somebody holds the object, or messages wait in a POSIX queue: who has it keeps it, nobody new finds it.
    #[arg(short, long)]
    force: bool,
}

const HELP: &str = "\
Examples:
  strait rm feed              strait's channel, or whatever is called so
  strait rm 'test-*'          everything whose name begins so
  strait rm 0x53000001        the System V object of this key
  strait rm sysv-msg:id:7     this one, if several have the number
  strait rm /tmp/feed.sock    a socket, FIFO or region in a file";

pub(crate) fn run(args: &Args) -> Exit {
    let mut wanted = Vec::new();
    for name in &args.names {
        match Wanted::parse(name) {
            Ok(one) => wanted.push((name, one)),
            Err(why) => {
                say::line(format_args!("strait rm: {why}"));
                return Exit::Usage;
            }
        }
    }
    let seen = match Seen::look() {
        Ok(seen) => seen,
        Err(error) => {
            say::line(format_args!("strait rm: {error}"));
            return Exit::Refused;
        }
    };
    let mut exit = Exit::Done;
    for (name, wanted) in wanted {
        let done = match meant(&seen, name, &wanted) {
            Ok(targets) => targets.iter().map(|target| remove(target, &seen, args.force)).fold(Exit::Done, worse),
            Err(why) => {
                say::line(format_args!("strait rm: {why}"));
                Exit::No
            }
        };
        exit = worse(exit, done);
    }
    exit
}

/// What a name means: one object, or all that a pattern means.
fn meant<'a>(seen: &'a Seen, name: &str, wanted: &Wanted) -> Result<Vec<Target<'a>>, String> {
    let found = seen.find(wanted);
    let shown = safe(name);
    match found.things.as_slice() {
        [] => match (path::target(name), found.process) {
            (Some(target), _) => Ok(vec![target?]),
            (None, Some(process)) => {
                let command = safe(&process.command);
                Err(format!(
                    "remove {shown}: it is a process ({command}), and no object; end it with kill {}",
                    process.pid
                ))
            }
            (None, None) => Err(format!("remove {shown}: there is no such object")),
        },
        several @ [_, _, ..] if !name.contains(['*', '?']) => {
            let addresses: Vec<String> = several.iter().map(|it| safe(&it.address())).collect();
            Err(format!("remove {shown}: that may be {}; say which", addresses.join(", ")))
        }
        things => Ok(things.iter().map(|thing: &&Thing| Target::of(thing)).collect()),
    }
}

fn remove(target: &Target<'_>, seen: &Seen, is_forced: bool) -> Exit {
    let shown = target.shown();
    match target.remove(is_forced) {
        Ok(Outcome::Removed(note)) => {
            let note = if note.is_empty() { note } else { format!("; {note}") };
            screen::put("rm", &format!("removed {shown}{note}\n"), Exit::Done)
        }
        Ok(Outcome::Gone) => {
            say::line(format_args!("strait rm: remove {shown}: it has gone meanwhile"));
            Exit::No
        }
        Ok(Outcome::Held(how)) => {
            let who = target.holders(seen).unwrap_or(how);
            let way = if is_forced { "" } else { "; end that, or take the name away with --force" };
            say::line(format_args!("strait rm: remove {shown}: {who}{way}"));
            Exit::No
        }
        Ok(Outcome::Nameless(why)) => {
            let who = target.holders(seen).map(|who| format!(": {who}")).unwrap_or_default();
            say::line(format_args!("strait rm: remove {shown}: {why}{who}"));
            Exit::No
        }
        Err(error) => {
            say::line(format_args!("strait rm: {}", safe(&error.to_string())));
            Exit::Refused
        }
    }
}

fn worse(a: Exit, b: Exit) -> Exit {
    if a.code() < b.code() { b } else { a }
}
