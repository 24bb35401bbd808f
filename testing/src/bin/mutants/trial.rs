//! Whether anybody notices a mutant: the checks, cheapest first, until one fails.
//!
//! | stage | what | takes |
//! |---|---|---:|
//! | types | it compiles; else it is no mutant | 5 s |
//! | own models | unit tests and models of the module that was changed | 1 to 15 s |
//! | models | those of the whole library | 15 s |
//! | processes | tests with real processes: attach, leases, channels in one process and in two | 30 s |
//!
//! A check that hangs has noticed. Each has a limit far beyond what it takes.

use crate::scan::Mutant;
use std::fmt;
use std::process::Command;
use std::time::Duration;
use strait_testing::variant::run::{self, Ended, Limits};
use strait_testing::variant::{Program, Workshop};

const LIMITS: Limits = Limits { time: Duration::from_secs(120), output_bytes: 1 << 18 };
/// Tests with real processes, quickest first.
const PROCESSES: [&str; 4] = ["spsc_one_process", "attach_garbage", "spsc_two_processes", "leases"];

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Which check noticed.
    Caught(String),
    /// The compiler did not take it.
    NotRust,
    Survived,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(by) => write!(f, "caught by {by}"),
            Self::NotRust => f.write_str("not Rust"),
            Self::Survived => f.write_str("SURVIVED"),
        }
    }
}

impl Verdict {
    /// What [`fmt::Display`] wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text {
            "not Rust" => Some(Self::NotRust),
            "SURVIVED" => Some(Self::Survived),
            caught => Some(Self::Caught(caught.strip_prefix("caught by ")?.to_owned())),
        }
    }
}

/// Runs all checks on the sources as they are: they must pass, or what they say of mutants means nothing.
pub(crate) fn sound(workshop: &mut Workshop) -> Result<(), String> {
    workshop.make(&[])?;
    match check(workshop, "")? {
        Verdict::Survived => Ok(()),
        other => Err(format!("without any mutant: {other}")),
    }
}

/// Makes the mutant and runs the checks on it.
pub(crate) fn of(workshop: &mut Workshop, mutant: &Mutant, text: &str) -> Result<Verdict, String> {
    workshop.make(&[mutant.edit(text)])?;
    // `crates/strait/src/ring/spsc.rs`: the module `ring`.
    let module = mutant.file.split('/').nth(3).unwrap_or_default();
    check(workshop, module)
}

fn check(workshop: &Workshop, own: &str) -> Result<Verdict, String> {
    let Ok(programs) = workshop.build(&["test", "--release", "--no-run", "-p", "strait", "--lib"]) else {
        return Ok(Verdict::NotRust);
    };
    let [unit] = &programs[..] else { return Err(format!("one program was expected: {programs:?}")) };
    let own = format!("{own}::");
    // The quick ones first: a model may be long in failing.
    for arguments in [&[&own[..], "--skip", "model"][..], &[&own], &["--skip", &own]] {
        if let Some(by) = notices(workshop, unit, arguments)? {
            return Ok(Verdict::Caught(by));
        }
    }
    let mut build = vec!["test", "--release", "--no-run", "-p", "strait-testing"];
    build.extend(PROCESSES.iter().flat_map(|name| ["--test", name]));
    let programs = workshop.build(&build)?;
    for name in PROCESSES {
        let program = programs.iter().find(|program| program.name == name).ok_or_else(|| format!("no test {name}"))?;
        if let Some(by) = notices(workshop, program, &[])? {
            return Ok(Verdict::Caught(by));
        }
    }
    Ok(Verdict::Survived)
}

/// Which test of the program fails, if one does.
fn notices(workshop: &Workshop, program: &Program, arguments: &[&str]) -> Result<Option<String>, String> {
    let mut command = Command::new(&program.path);
    command.args(arguments).current_dir(workshop.tree());
    let said = run::to_the_end(command, LIMITS).map_err(|e| format!("start {}: {e}", program.path.display()))?;
    let failed = said.output.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    Ok(match said.ended {
        Ended::Well => None,
        Ended::OutOfTime => Some(format!("{} {}: hangs", program.name, arguments.join(" "))),
        Ended::Badly(how) => Some(failed.map_or_else(|| format!("{}: {how}", program.name), str::to_owned)),
    })
}
