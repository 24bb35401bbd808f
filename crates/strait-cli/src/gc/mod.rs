//! `strait gc`: removes what is provably dead, and says by which proof.
//!
//! | file | job |
//! |---|---|
//! | `own` | strait's channels and locks: dead by lease |
//! | `foreign` | everybody else's: only when asked, and only what the kernel says nobody has |
//! | `found` | one object, what is said of it, and its removal |
//! | `page` | what a person, or a program, is told |
//!
//! 1. Looking changes nothing. What it finds dead is asked about again behind its door at the moment of removal: somebody may have come.
//! 2. Nothing is removed before the user has said so: `--yes`, or the answer to a question that shows everything first.
//! 3. What cannot be proven is kept, and it is said why.

mod foreign;
mod found;
mod own;
mod page;

use crate::exit::Exit;
use crate::figures::{counted, size};
use crate::parse::duration;
use crate::say;
use found::{Found, Outcome};
use page::Page;
use std::io::{self, IsTerminal as _};
use std::time::Duration;
use strait::discovery::matches;

/// Removes what is provably dead.
///
/// A channel or lock of strait's is dead when the kernel holds no lease of any process on it and it is not restartable. The question is asked
/// behind the region's door, so a process that attaches at the same moment is seen, or finds nothing and makes its own. No pid, clock or
/// heartbeat decides; a stopped or swapped-out process is alive. Raw regions have no leases and are never removed.
///
/// With --foreign also what other programs have made, where the kernel proves that nobody has it: a POSIX object or queue that no process of
/// the machine has open or mapped (the kernel gives a write lease on it), a queue only if it is empty; a System V segment that is attached
/// nowhere and whose creator has ended. Limits of that proof: no kernel knows whether a program is about to open the name, and it does not keep
/// who made a POSIX object. So for those you must say with --older-than how long they must have lain there. Of System V queues and
/// semaphores the kernel counts no users: they are never removed here (see `strait rm`). Nor are FIFOs, which are made to wait for their users,
/// and files of Unix sockets, which nothing lists (`strait doctor` names some that nobody is bound to). What is in another IPC or mount namespace
/// is left to who is there.
///
/// Exit status: 0 done, and if there was nothing to do; 1 the question was answered with no; 2 wrong usage, or not asked because there is
/// no terminal; 3 the kernel refused to remove something.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Only what has one of these names (`*` any run of characters, `?` any one): for strait's `feed`, for others `/feed` or `0x53000001`.
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Say what would be removed, and remove nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Only what was made, and last changed, longer ago than this: `90s`, `10m`, `2h`, `7d`.
    #[arg(long, value_name = "T", value_parser = duration)]
    older_than: Option<Duration>,
    /// Other programs' objects too; see above for what is proven of them.
    #[arg(long)]
    foreign: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  strait gc --dry-run                   what is dead, and by which proof
  strait gc --yes 'feed*'               remove it without a question
  strait gc --foreign --older-than 1d   other programs' too, where nobody has them and they are older than a day

The JSON document: dead (with --dry-run) or removed, each with name, kind, bytes, age_s (seconds) and proof; bytes, the sum of these;
kept, each with name, kind, bytes, state (alive, stays, young, damaged, unproven, hidden, kept) and why.";

pub(crate) fn run(args: &Args) -> Exit {
    if args.json && !args.yes && !args.dry_run {
        say::line("strait gc: --json asks no questions; add --yes to remove, or --dry-run to look");
        return Exit::Usage;
    }
    let mut found = match own::all(args) {
        Ok(found) => found,
        Err(error) => {
            say::line(format_args!("strait gc: {error}"));
            return Exit::Refused;
        }
    };
    if args.foreign {
        match foreign::all(args) {
            Ok(others) => found.extend(others),
            Err(error) => {
                say::line(format_args!("strait gc: {error}"));
                return Exit::Refused;
            }
        }
    }
    let mut page = Page::new(args.json);
    if !args.yes && !args.dry_run {
        return ask(&found, &mut page);
    }
    let mut exit = Exit::Done;
    for one in &found {
        if !one.is_dead() {
            page.kept(one);
        } else if args.dry_run {
            page.would(one);
        } else {
            exit = remove(one, &mut page, exit);
        }
    }
    page.end(args.dry_run, exit)
}

/// Shows everything, asks once, and does what was answered.
fn ask(found: &[Found], page: &mut Page) -> Exit {
    found.iter().filter(|one| one.is_dead()).for_each(|one| page.would(one));
    found.iter().filter(|one| !one.is_dead()).for_each(|one| page.kept(one));
    let dead: Vec<&Found> = found.iter().filter(|one| one.is_dead()).collect();
    if dead.is_empty() {
        return page.end(true, Exit::Done);
    }
    let (exit, is_open) = page.pause();
    if !is_open {
        return exit;
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        say::line("strait gc: nobody is at a terminal to be asked; add --yes to remove, or --dry-run to look");
        return Exit::Usage;
    }
    let sum = dead.iter().map(|one| one.bytes).sum();
    say::words(format_args!("Remove {} ({})? [y/N] ", counted(dead.len() as u64, "object"), size(sum)));
    let mut answer = String::new();
    let is_yes = io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !is_yes {
        say::line("strait gc: nothing was removed");
        return Exit::No;
    }
    let exit = dead.into_iter().fold(Exit::Done, |exit, one| remove(one, page, exit));
    page.end(false, exit)
}

fn remove(one: &Found, page: &mut Page, exit: Exit) -> Exit {
    match one.remove() {
        Outcome::Removed => page.removed(one),
        // Somebody was faster: it is what was wanted.
        Outcome::Gone => {}
        Outcome::Kept(why) => page.kept(&one.because(why)),
        Outcome::Refused(error) => {
            say::line(format_args!("strait gc: {error}"));
            page.kept(&one.because(error.to_string()));
            return Exit::Refused;
        }
    }
    exit
}

/// Whether a name is meant: no pattern means all.
fn is_meant(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stars and question marks, and no pattern at all.
    #[test]
    fn patterns() {
        let is = |pattern: &str, name: &str| is_meant(&[pattern.to_owned()], name);
        assert!(is_meant(&[], "x") && is("a*c?e", "abbcde") && is("*", "") && is("**", "x") && is("feed", "feed"));
        assert!(!is("a*c?e", "abbce") && !is("feed", "feeds") && !is("", "x") && !is("?", ""));
    }
}
