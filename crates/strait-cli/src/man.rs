//! `strait man`: manual pages, made of the table of flags that the command itself reads.

use crate::completions::{put, shown};
use crate::exit::Exit;
use crate::say;
use crate::shell::words;
use clap::Command;
use clap_mangen::Man;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the manual: all pages to DIR, or one to standard output.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to: strait.1, and strait-VERB.1 of each verb. It is made where it is not there.
    #[arg(value_name = "DIR", conflicts_with = "page")]
    directory: Option<PathBuf>,
    /// The page of this verb only, to standard output.
    #[arg(long, value_name = "VERB")]
    page: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  strait man ~/.local/share/man/man1
  strait man | man -l -
  strait man --page send | man -l -";

pub(crate) fn run(args: &Args, command: Command) -> Exit {
    let refused = |what: &Path, e: std::io::Error| {
        say::line(format_args!("strait man: write '{}': {}", what.display(), words(&e)));
        Exit::Refused
    };
    let pages = pages(shown(command));
    let Some(directory) = &args.directory else {
        let wanted = args.page.as_ref().map_or("strait.1".to_owned(), |verb| format!("strait-{verb}.1"));
        return match pages.iter().find(|(name, _)| *name == wanted) {
            Some((_, page)) => put("man", page),
            None => {
                say::line(format_args!("strait man: there is no page {wanted}; strait --help names the verbs"));
                Exit::Usage
            }
        };
    };
    if let Err(e) = fs::create_dir_all(directory) {
        return refused(directory, e);
    }
    for (name, page) in pages {
        let path = directory.join(name);
        if let Err(e) = fs::write(&path, page) {
            return refused(&path, e);
        }
    }
    Exit::Done
}

/// All pages, by the names of their files.
fn pages(mut command: Command) -> Vec<(String, Vec<u8>)> {
    // So that each verb knows how it is called: `strait send`.
    command.build();
    let verbs: Vec<Command> = command.get_subcommands().cloned().collect();
    let mut pages = vec![("strait.1".to_owned(), page(command))];
    pages.extend(verbs.into_iter().map(|verb| (format!("strait-{}.1", verb.get_name()), page(verb))));
    pages
}

fn page(command: Command) -> Vec<u8> {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = Man::new(command).render(&mut page);
    page
}
