//! Whether anybody notices a mutant: the checks, cheapest first, until one fails.
//!
//! | stage | what | takes |
//! |---|---|---:|
//! | units | unit tests of what was changed | 1 s |
//! | models | its own models; without flaws | 1 to 15 s |
//! | processes | tests with real processes that use it | 10 s |
//!
//! Which these are for which file is in [`checks`].
//!
//! 1. Mutants are built together, each behind a switch that an environment variable turns on. Those that cannot be switched, a handful,
//!    are built one by one; what does not compile then is no mutant.
//! 2. A check must pass while no switch is on, which is seen before it is first used. The programs of the last stage are built when the
//!    first mutant gets that far: a sample mostly does without. A name of tests that is no test's is an error.
//! 3. The first test that fails is enough; but what the machine may have its part in, a test with processes and whatever hangs, must
//!    fail twice. A check that hangs has had many times what it takes without a mutant, and the second time three times that.

use crate::checks;
use crate::scan::{self, Mutant};
use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
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
    /// Those of the last stage that are built, by name.
    processes: Mutex<BTreeMap<String, Program>>,
    /// How long each check took without a mutant.
    took: Mutex<BTreeMap<String, Duration>>,
    /// What the sources were, where no mutant is on unless its switch is.
    fingerprint: Option<String>,
}

/// Builds all mutants that have a switch, each with its number.
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
    let took = known(workshop, fingerprint);
    Ok(Built { took: Mutex::new(took), fingerprint: Some(fingerprint.to_owned()), ..build(workshop)? })
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
    let took = Mutex::new(locked(&built.took)?.clone());
    verdict(workshop, &Built { took, ..alone }, mutant, None)
}

fn verdict(workshop: &Workshop, built: &Built, mutant: &Mutant, number: Option<usize>) -> Result<Verdict, String> {
    let mut by = first_to_notice(workshop, built, built.units(&mutant.file)?, number)?;
    if by.is_none() {
        by = first_to_notice(workshop, built, built.processes(workshop, &mutant.file)?, number)?;
    }
    Ok(by.map_or(Verdict::Survived, Verdict::Caught))
}

fn first_to_notice(
    workshop: &Workshop,
    built: &Built,
    checks: Vec<Check>,
    number: Option<usize>,
) -> Result<Option<String>, String> {
    for mut check in checks {
        check.limit = built.limit(workshop, &check)?;
        let (Some(by), _) = notices(workshop, &check, number)? else { continue };
        let is_sure = check.program == built.unit && !by.ends_with(HANGS);
        check.limit *= 3;
        // A test that fails now and then would catch everything.
        if is_sure || notices(workshop, &check, number)?.0.is_some() {
            return Ok(Some(by));
        }
    }
    Ok(None)
}

fn build(workshop: &Workshop) -> Result<Built, String> {
    let programs = workshop.build(&["test", "--release", "--no-run", "-p", "strait", "--lib"])?;
    let [unit] = &programs[..] else { return Err(format!("one program was expected: {programs:?}")) };
    let listed = Command::new(&unit.path).arg("--list").output().map_err(|e| format!("start {}: {e}", unit.name))?;
    Ok(Built {
        unit: unit.clone(),
        tests: String::from_utf8_lossy(&listed.stdout).into_owned(),
        processes: Mutex::default(),
        took: Mutex::default(),
        fingerprint: None,
    })
}

fn locked<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, String> {
    mutex.lock().map_err(|_| String::from("a thread panicked"))
}

impl Built {
    /// Unit tests and models for a mutant in a file, in their order.
    fn units(&self, file: &str) -> Result<Vec<Check>, String> {
        let checks = checks::of(file)?;
        if let Some(name) = checks.units.iter().chain(checks.models).find(|name| !self.tests.contains(**name)) {
            return Err(format!("no unit test is called {name}; see testing/src/bin/mutants/checks.rs"));
        }
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut units = Vec::new();
        if !checks.units.is_empty() {
            units.push([own(checks.units), own(&["--skip", "model"])].concat());
        }
        units.extend(checks.models.iter().map(|name| own(&[name])));
        Ok(units.into_iter().map(|arguments| Check::new(&self.unit, arguments)).collect())
    }

    /// The tests with processes for a mutant in a file, in their order.
    fn processes(&self, workshop: &Workshop, file: &str) -> Result<Vec<Check>, String> {
        let names = checks::of(file)?.processes;
        let mut built = locked(&self.processes)?;
        let missing: Vec<&str> = names.iter().copied().filter(|name| !built.contains_key(*name)).collect();
        if !missing.is_empty() {
            let mut arguments = vec!["test", "--release", "--no-run", "-p", "strait-testing"];
            arguments.extend(missing.iter().flat_map(|name| ["--test", name]));
            let programs = workshop.build(&arguments)?.into_iter();
            built.extend(programs.map(|program| (program.name.clone(), program)));
        }
        let program = |name: &&str| built.get(*name).ok_or_else(|| format!("{name} was not built"));
        names.iter().map(|name| Ok(Check::new(program(name)?, Vec::new()))).collect()
    }

    /// How long a check may take: many times what it takes without a mutant, with which it must pass.
    fn limit(&self, workshop: &Workshop, check: &Check) -> Result<Duration, String> {
        let limit = |took: Duration| (took * 6 + Duration::from_secs(10)).min(LIMIT);
        if let Some(took) = locked(&self.took)?.get(&check.name()) {
            return Ok(limit(*took));
        }
        let Some(fingerprint) = &self.fingerprint else { return Ok(LIMIT) };
        let (by, took) = notices(workshop, check, None)?;
        if let Some(by) = by {
            return Err(format!("without any mutant: {by} fails"));
        }
        let mut all = locked(&self.took)?;
        all.insert(check.name(), took);
        // One by one: who is interrupted goes on from there.
        keep(workshop, fingerprint, &all).map_err(|e| format!("write {TOOK}: {e}"))?;
        Ok(limit(took))
    }
}

impl Check {
    fn new(program: &Program, arguments: Vec<String>) -> Self {
        Self { program: program.clone(), arguments, limit: LIMIT }
    }

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
