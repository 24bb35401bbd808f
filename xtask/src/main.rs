//! Developer verbs: `cargo xtask <verb>`.
//!
//! One file (or folder) per verb, one row per verb in [`VERBS`]. To add a verb, write `src/<verb>.rs` with a
//! `run(&[String]) -> Outcome` and add its row; the help and the dispatch follow.
//!
//! Exit status: 0 done, 1 something failed, 2 usage, 3 skipped because a tool is missing.
#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod check;
mod ci;
mod crash;
mod figures;
mod fuzz;
mod hostile;
mod model;
mod mutants;
mod nightly;
mod sanitize;
mod screens;
mod test;

use std::process::ExitCode;

/// What a verb ends with.
type Outcome = Result<(), Failure>;

/// Why a verb did not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The command line makes no sense: exit status 2.
    Usage(String),
    /// What was run, or looked at, is not as it should be: exit status 1.
    Failed(String),
    /// It was not tried, because something that it needs is missing: exit status [`SKIPPED`].
    Skipped(String),
}

/// The exit status of what was not tried.
const SKIPPED: u8 = 3;

struct Verb {
    name: &'static str,
    line: &'static str,
    run: fn(&[String]) -> Outcome,
}

const VERBS: &[Verb] = &[
    Verb { name: "check", line: "the house rules: import arrows, unsafe, sizes, dependencies", run: check::run },
    Verb { name: "test", line: "cargo test --workspace [ARGS ...]", run: test::run },
    Verb { name: "model", line: "the model tests, in release [--full] [ARGS ...]", run: model::run },
    Verb {
        name: "crash",
        line: "processes killed at every instruction of every operation [--full] [ARGS ...]",
        run: crash::run,
    },
    Verb {
        name: "hostile",
        line: "the liar [--full] [--seed S] [--only CASE [--run N]] [--roles DIR]",
        run: hostile::run,
    },
    Verb { name: "fuzz", line: "the fuzz targets, a minute each [--seconds N] [TARGET ...]", run: fuzz::run },
    Verb { name: "sanitize", line: "what the sanitizers of nightly and valgrind can see", run: sanitize::run },
    Verb {
        name: "mutants",
        line: "orderings, barriers and checks weakened in turn [--full] [ARGS ...]",
        run: mutants::run,
    },
    Verb {
        name: "bench",
        line: "floor, channel and `strait sum` in one run [ARGS ...], or beside the rivals: bench rivals [--aeron] [ARGS ...]",
        run: bench::run,
    },
    Verb {
        name: "figures",
        line: "what `strait bench --json` measured, into docs/guide: figures FILE",
        run: figures::run,
    },
    Verb {
        name: "screens",
        line: "what the command shows, in terminals of 80 and 160 columns, into docs/screens",
        run: screens::run,
    },
    Verb { name: "ci", line: "everything that must pass before a change goes in, or one STEP of it", run: ci::run },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(why)) => {
            eprintln!("xtask: {why}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(why)) => {
            eprintln!("xtask: {why}\n\n{}", help());
            ExitCode::from(2)
        }
        Err(Failure::Skipped(why)) => {
            eprintln!("xtask: {why}");
            ExitCode::from(SKIPPED)
        }
    }
}

fn dispatch(args: &[String]) -> Outcome {
    let Some((name, rest)) = args.split_first() else {
        return Err(Failure::Usage(String::from("no verb given")));
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        println!("{}", help());
        return Ok(());
    }
    match VERBS.iter().find(|verb| verb.name == name) {
        Some(verb) => (verb.run)(rest),
        None => Err(Failure::Usage(format!("no verb is called '{name}'"))),
    }
}

fn help() -> String {
    let mut text = String::from("usage: cargo xtask <verb> [ARGS ...]\n");
    for verb in VERBS {
        text.push_str(&format!("\n  {:<8} {}", verb.name, verb.line));
    }
    text
}

/// For the verbs that take no arguments.
fn no_arguments(verb: &str, args: &[String]) -> Outcome {
    match args.first() {
        None => Ok(()),
        Some(extra) => Err(Failure::Usage(format!("`{verb}` takes no arguments, and '{extra}' was given"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A verb that does not exist is a usage error, and so is none at all.
    #[test]
    fn unknown_verb_is_usage() {
        assert!(matches!(dispatch(&[String::from("chekc")]), Err(Failure::Usage(_))));
        assert!(matches!(dispatch(&[]), Err(Failure::Usage(_))));
    }

    /// An argument that a verb would ignore is refused.
    #[test]
    fn stray_argument_is_usage() {
        assert!(matches!(dispatch(&["check".into(), "--fast".into()]), Err(Failure::Usage(_))));
        assert!(matches!(dispatch(&["ci".into(), "no-such-step".into()]), Err(Failure::Usage(_))));
    }

    /// The help has a line for every verb.
    #[test]
    fn help_names_every_verb() {
        let help = help();
        for verb in VERBS {
            assert!(help.contains(verb.name) && help.contains(verb.line), "{} is missing from:\n{help}", verb.name);
        }
    }
}
