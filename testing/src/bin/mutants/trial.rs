//! Whether anybody notices a mutant: the checks, cheapest first, until one fails.
//!
//! | stage | what | takes |
//! |---|---|---:|
//! | models | unit tests and models of the module that was changed, and of what stands on it | 1 to 30 s |
//! | processes | tests with real processes: attach, regions, leases, forks, channels in one process and in two | 10 s |
//!
//! 1. Mutants are built together, each behind a switch that an environment variable turns on. Those that cannot be switched, a handful,
//!    are built one by one; what does not compile then is no mutant.
//! 2. The checks must pass while no switch is on.
//! 3. A check that hangs has noticed: its limit is many times what it takes without a mutant. A test with processes must fail twice.

use crate::scan::{self, Mutant};
use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::time::Duration;
use strait_testing::variant::run::{self, Ended, Limits};
use strait_testing::variant::{Edit, Program, Workshop, root};

/// Turns a switch on: its number.
const SWITCH: &str = "STRAIT_MUTANT";
/// Asked at each switch.
const QUESTION: &str = "
fn mutant_is(number: usize) -> bool {
    static NUMBER: std::sync::LazyLock<Option<usize>> =
        std::sync::LazyLock::new(|| std::env::var(\"STRAIT_MUTANT\").ok()?.parse().ok());
    *NUMBER == Some(number)
}
";
/// Where that stands: in the library, and in the program that compiles its ring in.
const CRATES: [&str; 2] = ["crates/strait/src/lib.rs", "testing/src/bin/threads/main.rs"];

/// At the most for one check, and for one of which it is not known how long it takes.
const LIMIT: Duration = Duration::from_secs(150);
const HANGS: &str = ", which hangs";
/// Beside the tree: how long the checks took without a mutant, and on which sources.
const TOOK: &str = "took";
const OUTPUT_BYTES: u64 = 1 << 18;
/// Tests with real processes, quickest first.
pub(crate) const PROCESSES: [&str; 6] =
    ["spsc_one_process", "regions", "fork_guard", "attach_garbage", "spsc_two_processes", "leases"];

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

/// One run of a program of tests.
#[derive(Clone, Debug)]
struct Check {
    program: Program,
    arguments: Vec<String>,
    limit: Duration,
}

/// A build, and the checks to be run on it.
pub(crate) struct Built {
    unit: Program,
    processes: Vec<Program>,
    /// How long each check took without a mutant.
    took: BTreeMap<String, Duration>,
}

/// Builds all mutants that have a switch, each with its number, and makes sure that all checks pass while none is on.
pub(crate) fn build_switched(
    workshop: &mut Workshop,
    sources: &BTreeMap<String, String>,
    mutants: &[Mutant],
    fingerprint: &str,
) -> Result<Built, String> {
    let mut edits = Vec::new();
    for (file, text) in sources {
        let own = mutants.iter().enumerate().filter(|(_, mutant)| mutant.file == *file && mutant.has_switch());
        let new = scan::with_switches(text, own);
        if new != *text {
            edits.push(Edit { file: file.clone(), old: text.clone(), new });
        }
    }
    for file in CRATES {
        let text = std::fs::read_to_string(root().join(file)).map_err(|e| format!("read {file}: {e}"))?;
        edits.push(Edit { file: file.to_owned(), new: format!("{text}{QUESTION}"), old: text });
    }
    workshop.make(&edits)?;
    let mut built = build(workshop)?;
    built.took = known(workshop, fingerprint);
    for module in ["ring", "wait", "peer", "channel"] {
        for check in built.checks(module) {
            if built.took.contains_key(&check.name()) {
                continue;
            }
            let (by, took) = notices(workshop, &check, None)?;
            if let Some(by) = by {
                return Err(format!("without any mutant: {by} fails"));
            }
            built.took.insert(check.name(), took);
            // One by one: who is interrupted goes on from there.
            keep(workshop, fingerprint, &built.took).map_err(|e| format!("write {TOOK}: {e}"))?;
        }
    }
    Ok(built)
}

fn keep(workshop: &Workshop, fingerprint: &str, took: &BTreeMap<String, Duration>) -> std::io::Result<()> {
    let lines: String = took.iter().map(|(name, took)| format!("{name}\t{}\n", took.as_millis())).collect();
    std::fs::write(workshop.tree().with_file_name(TOOK), format!("{fingerprint}\n{lines}"))
}

/// How long the checks took, if they have passed on these very sources before.
fn known(workshop: &Workshop, fingerprint: &str) -> BTreeMap<String, Duration> {
    let text = std::fs::read_to_string(workshop.tree().with_file_name(TOOK)).unwrap_or_default();
    let Some((_, lines)) = text.split_once('\n').filter(|(then, _)| *then == fingerprint) else {
        return BTreeMap::new();
    };
    let took = |line: &str| {
        let (name, millis) = line.split_once('\t')?;
        Some((name.to_owned(), Duration::from_millis(millis.parse().ok()?)))
    };
    lines.lines().filter_map(took).collect()
}

/// Runs the checks on a mutant that is behind a switch.
pub(crate) fn switched(workshop: &Workshop, built: &Built, number: usize, mutant: &Mutant) -> Result<Verdict, String> {
    verdict(workshop, built, mutant, Some(number))
}

/// Builds one mutant alone and runs the checks on it.
pub(crate) fn alone(workshop: &mut Workshop, built: &Built, mutant: &Mutant, text: &str) -> Result<Verdict, String> {
    workshop.make(&[mutant.edit(text)])?;
    let Ok(alone) = build(workshop) else { return Ok(Verdict::NotRust) };
    verdict(workshop, &Built { took: built.took.clone(), ..alone }, mutant, None)
}

fn verdict(workshop: &Workshop, built: &Built, mutant: &Mutant, number: Option<usize>) -> Result<Verdict, String> {
    // `crates/strait/src/ring/spsc.rs`: the module `ring`.
    let module = mutant.file.split('/').nth(3).unwrap_or_default();
    for check in built.checks(module) {
        // Twice, where the machine may have its part in it: a test that fails now and then would catch everything.
        let is_model = check.program == built.unit;
        let (Some(by), _) = notices(workshop, &check, number)? else { continue };
        if is_model || by.ends_with(HANGS) || notices(workshop, &check, number)?.0.is_some() {
            return Ok(Verdict::Caught(by));
        }
    }
    Ok(Verdict::Survived)
}

fn build(workshop: &Workshop) -> Result<Built, String> {
    let programs = workshop.build(&["test", "--release", "--no-run", "-p", "strait", "--lib"])?;
    let [unit] = &programs[..] else { return Err(format!("one program was expected: {programs:?}")) };
    let mut arguments = vec!["test", "--release", "--no-run", "-p", "strait-testing"];
    arguments.extend(PROCESSES.iter().flat_map(|name| ["--test", name]));
    let processes = workshop.build(&arguments)?;
    Ok(Built { unit: unit.clone(), processes, took: BTreeMap::new() })
}

impl Built {
    /// The checks for a mutant in a module, in their order.
    fn checks(&self, module: &str) -> Vec<Check> {
        let own = format!("{module}::");
        let mut models: Vec<&[&str]> = Vec::new();
        let (quick, own): ([&str; 3], [&str; 1]) = ([&own, "--skip", "model"], [&own]);
        // No model knows the channels: their checks are the tests with processes. Waiting stands on peers; else a module's models are its own.
        match module {
            "channel" => {}
            "peer" => models.extend([&quick[..], &own, &["wait::"]]),
            _ => models.extend([&quick[..], &own]),
        }
        let models = models.into_iter().map(|arguments| (&self.unit, arguments));
        let processes = PROCESSES.iter().filter_map(|name| self.processes.iter().find(|it| it.name == *name));
        let processes = processes.map(|program| (program, &[][..]));
        models.chain(processes).map(|(program, arguments)| self.check(program, arguments)).collect()
    }

    fn check(&self, program: &Program, arguments: &[&str]) -> Check {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut check = Check { program: program.clone(), arguments, limit: LIMIT };
        if let Some(took) = self.took.get(&check.name()) {
            check.limit = (*took * 6 + Duration::from_secs(10)).min(LIMIT);
        }
        check
    }
}

impl Check {
    fn name(&self) -> String {
        format!("{} {}", self.program.name, self.arguments.join(" "))
    }
}

/// Which test fails, if one does; and how long it took.
fn notices(workshop: &Workshop, check: &Check, number: Option<usize>) -> Result<(Option<String>, Duration), String> {
    let mut command = Command::new(&check.program.path);
    command.args(&check.arguments).current_dir(workshop.tree()).env_remove("RUST_BACKTRACE");
    if let Some(number) = number {
        command.env(SWITCH, number.to_string());
    }
    let limits = Limits { time: check.limit, output_bytes: OUTPUT_BYTES };
    // The first test that fails is enough.
    let said = run::until(command, limits, |line| failed(line).is_some());
    let said = said.map_err(|e| format!("start {}: {e}", check.name()))?;
    let failed = said.output.lines().find_map(failed);
    let by = match said.ended {
        Ended::Well => None,
        Ended::OutOfTime => Some(format!("{}{HANGS}", check.name())),
        Ended::Enough => Some(failed.unwrap_or_default().to_owned()),
        Ended::Badly(how) => Some(failed.map_or_else(|| format!("{}: {how}", check.name()), str::to_owned)),
    };
    Ok((by, said.took))
}

/// The name of a test, if the line says that it failed.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}
