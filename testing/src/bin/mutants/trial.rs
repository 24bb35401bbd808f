//! Whether anybody notices a mutant: the checks, cheapest first, until one fails.
//!
//! | stage | what | takes |
//! |---|---|---:|
//! | units | unit tests of the module that was changed | 1 s |
//! | models | models of the file that was changed, then of its module, then of what stands on it; without flaws | 1 to 15 s |
//! | processes | tests with real processes: attach, regions, leases, forks, lies, channels in one process and in two | 10 s |
//!
//! 1. Mutants are built together, each behind a switch that an environment variable turns on. Those that cannot be switched, a handful,
//!    are built one by one; what does not compile then is no mutant.
//! 2. The checks must pass while no switch is on.
//! 3. The first test that fails is enough; but what the machine may have its part in, a test with processes and whatever hangs, must
//!    fail twice. A check that hangs has had many times what it takes without a mutant, and the second time three times that.

use crate::scan::{self, Mutant};
use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::time::Duration;
use strait_testing::variant::run::{self, Ended, Limits};
use strait_testing::variant::{Edit, Program, Workshop, root};

/// Turns a switch on: its number.
const SWITCH: &str = "STRAIT_MUTANT";
/// Tells the models that the flaw is in the sources.
const NO_FLAWS: (&str, &str) = ("STRAIT_MODEL_FLAWS", "0");
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
pub(crate) const PROCESSES: [&str; 8] = [
    "hostile_slots",
    "spsc_one_process",
    "regions",
    "fork_guard",
    "attach_garbage",
    "hostile_dead",
    "spsc_two_processes",
    "leases",
];

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
    /// The names of its tests, one in a line.
    tests: String,
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
    for file in sources.keys() {
        for check in built.checks(file) {
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
    for mut check in built.checks(&mutant.file) {
        let (Some(by), _) = notices(workshop, &check, number)? else { continue };
        let is_sure = check.program == built.unit && !by.ends_with(HANGS);
        check.limit *= 3;
        // A test that fails now and then would catch everything.
        if is_sure || notices(workshop, &check, number)?.0.is_some() {
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
    let listed = Command::new(&unit.path).arg("--list").output().map_err(|e| format!("start {}: {e}", unit.name))?;
    let tests = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(Built { unit: unit.clone(), tests, processes, took: BTreeMap::new() })
}

impl Built {
    /// The checks for a mutant in a file, in their order.
    fn checks(&self, file: &str) -> Vec<Check> {
        // `crates/strait/src/ring/slots.rs`: the module `ring`, whose models `ring::model::slots` are the file's own.
        let module = file.split('/').nth(3).unwrap_or_default();
        let stem = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        let (all, models) = (format!("{module}::"), format!("{module}::model::"));
        let own = format!("{models}{stem}::");
        let mut units = vec![vec![all.as_str(), "--skip", "model"]];
        match self.tests.contains(&own) {
            true => units.extend([vec![own.as_str()], vec![&models, "--skip", &own]]),
            false => units.push(vec![&models]),
        }
        // Waiting stands on what sides tell each other.
        if file.ends_with("peer/side.rs") {
            units.push(vec!["wait::"]);
        }
        // No model knows the channels: their checks are the tests with processes.
        units.retain(|arguments| self.tests.contains(arguments[0]));
        let units = units.iter().map(|arguments| self.check(&self.unit, arguments));
        let processes = PROCESSES.iter().filter_map(|name| self.processes.iter().find(|it| it.name == *name));
        units.chain(processes.map(|program| self.check(program, &[]))).collect()
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
    command.env(NO_FLAWS.0, NO_FLAWS.1);
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
