//! `strait doctor`: what there is about this machine that a user of shared memory should know, and how it is mended.
//!
//! | file | does |
//! |---|---|
//! | [`machine`] | what the checks look at: files below a root that tests can replace, and what only system calls say |
//! | [`finding`] | what a check says |
//! | [`checks`] | the checks, a file for each group |
//! | [`show`] | findings for people and for programs |

mod checks;
mod finding;
mod machine;
mod show;

use crate::exit::Exit;
use crate::screen::{self, Paint};
use finding::State;
use machine::Machine;

/// Check this machine for what shared memory needs: sizes, limits, kernel, containers; each finding says how it is mended.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  strait doctor
  strait doctor --json | jq '.findings[] | select(.state == \"bad\")'

Exit code: 0, nothing is bad; 1, something is.")]
pub(crate) struct Args {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Exit {
    let findings = checks::all(&Machine::here());
    let text = if args.json { show::json(&findings) } else { show::text(&findings, show::width(), Paint::on_output()) };
    let is_bad = findings.iter().any(|it| it.state == State::Bad);
    screen::put("doctor", &text, if is_bad { Exit::No } else { Exit::Done })
}
