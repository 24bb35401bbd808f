//! `cargo xtask ci`: everything that must pass before a change goes in; `cargo xtask ci STEP`: one step of it.
//!
//! The tests themselves (`cargo test --workspace`) are run before it, see `.ci/run`. A step that fails does not stop the
//! next one, so one run shows everything. A step whose tool is missing is skipped, and the table at the end says why.
//!
//! Each step of a whole run is a process of its own, whose output goes to `target/ci/STEP.log`: steps say much while all is well. Of
//! a step that fails the end of it is shown, below the table, where who reads a report looks first.

mod links;
mod packages;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{Failure, Outcome, SKIPPED, cargo, check, crash, fuzz, hostile, model, mutants, sanitize};

struct Step {
    name: &'static str,
    run: fn() -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: || cargo::run(&mut cargo::cargo(&["fmt", "--all", "--check"])) },
    Step { name: "lints", run: lints },
    Step { name: "rules", run: || check::run(&[]) },
    Step { name: "docs", run: docs },
    Step { name: "links", run: || links::check(&cargo::root()) },
    Step { name: "models", run: || model::run(&[]) },
    Step { name: "mutants", run: || mutants::run(&seeded(&[])) },
    Step { name: "crash", run: || crash::run(&seeded(&[])) },
    Step { name: "liar", run: || hostile::run(&seeded(&["--no-asan"])) },
    Step { name: "fuzz", run: fuzz::for_a_change },
    Step { name: "sanitize", run: sanitize::for_a_change },
    Step { name: "packages", run: packages::build },
    Step { name: "licences", run: licences },
    Step { name: "spelling", run: spelling },
];

/// How much of a failed step's output is shown.
const SHOWN_LINES: usize = 80;

/// A change is judged by the points, the lies and the mutants that the one before it was judged by; new ones are looked for by the verbs themselves.
fn seeded(args: &[&str]) -> Vec<String> {
    args.iter().chain(&["--seed", "1"]).map(ToString::to_string).collect()
}

pub(crate) fn run(args: &[String]) -> Outcome {
    match args {
        [] => all(),
        [name] => one(name),
        [_, extra, ..] => Err(Failure::Usage(format!("`ci` takes one step at most, and '{extra}' was given too"))),
    }
}

fn one(name: &str) -> Outcome {
    let step = STEPS.iter().find(|step| step.name == name).ok_or_else(|| {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        Failure::Usage(format!("no step is called '{name}'; there are {}", known.join(", ")))
    })?;
    (step.run)()
}

fn all() -> Outcome {
    let folder = cargo::target().join("ci");
    fs::create_dir_all(&folder).map_err(|e| Failure::Failed(format!("make folder '{}': {e}", folder.display())))?;
    let mut rows = Vec::new();
    for step in STEPS {
        let start = Instant::now();
        let log = folder.join(format!("{}.log", step.name));
        let verdict = verdict(start_apart(step, &log), &log);
        let took = start.elapsed();
        eprintln!("{}", row(step.name, &verdict, took));
        rows.push((step.name, verdict, log));
    }
    let failed: Vec<(&str, &PathBuf)> =
        rows.iter().filter(|it| matches!(it.1, Verdict::Failed(_))).map(|it| (it.0, &it.2)).collect();
    for (name, log) in &failed {
        eprintln!("\n=== {name}: the last {SHOWN_LINES} lines ===\n{}", end_of(log));
    }
    let failed: Vec<&str> = failed.iter().map(|it| it.0).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("not passed: {}", failed.join(", ")))) }
}

/// Runs a step in a process of its own that writes to a file.
fn start_apart(step: &Step, log: &Path) -> io::Result<ExitStatus> {
    let file = File::create(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["ci", step.name]).stdin(Stdio::null());
    command.stdout(file.try_clone()?).stderr(file).status()
}

enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// What the process said last is why.
fn verdict(ended: io::Result<ExitStatus>, log: &Path) -> Verdict {
    let last = || {
        let said = fs::read(log).map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default();
        let last = said.lines().next_back().unwrap_or("it said nothing");
        String::from(last.strip_prefix("xtask: ").unwrap_or(last))
    };
    match ended {
        Ok(status) if status.success() => Verdict::Passed,
        Ok(status) if status.code() == Some(i32::from(SKIPPED)) => Verdict::Skipped(last()),
        Ok(_) => Verdict::Failed(last()),
        Err(error) => Verdict::Failed(format!("start it with its output in '{}': {error}", log.display())),
    }
}

/// `docs        passed     12.3 s`, with the reason where there is one.
fn row(name: &str, verdict: &Verdict, took: Duration) -> String {
    let (word, why) = match verdict {
        Verdict::Passed => ("passed", ""),
        Verdict::Failed(why) => ("FAILED", why.as_str()),
        Verdict::Skipped(why) => ("skipped", why.as_str()),
    };
    format!("{name:<10} {word:<8} {:>6.1} s  {why}", took.as_secs_f64()).trim_end().to_owned()
}

fn end_of(log: &Path) -> String {
    match fs::read(log) {
        Ok(said) => {
            let said = String::from_utf8_lossy(&said);
            let lines: Vec<&str> = said.lines().collect();
            lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
        }
        Err(error) => format!("read '{}': {error}", log.display()),
    }
}

/// Also holds the oldest supported compiler: clippy's `incompatible_msrv` is among the lints of the workspace.
fn lints() -> Outcome {
    cargo::run(&mut cargo::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn docs() -> Outcome {
    let mut command = cargo::cargo(&["doc", "--workspace", "--no-deps"]);
    cargo::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn licences() -> Outcome {
    if !cargo::works(&mut cargo::cargo(&["deny", "--version"])) {
        return missing("cargo-deny");
    }
    cargo::run(&mut cargo::cargo(&["deny", "check", "bans", "licenses", "sources"]))
}

fn spelling() -> Outcome {
    let mut version = cargo::program("typos", &["--version"]);
    if !cargo::works(&mut version) {
        return missing("typos-cli");
    }
    cargo::run(&mut cargo::program("typos", &[]))
}

fn missing(tool: &str) -> Outcome {
    Err(Failure::Skipped(format!("{tool} is not installed; `cargo install --locked {tool}` adds it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a step was skipped or failed is its last line.
    #[test]
    fn verdict_names_the_last_line() {
        let log = std::env::temp_dir().join(format!("xtask-verdict-{}.log", std::process::id()));
        let ends = |script: &str| {
            let file = File::create(&log).expect("a file");
            let ended = Command::new("sh")
                .args(["-c", script])
                .stdout(file.try_clone().expect("one more"))
                .stderr(file)
                .status();
            verdict(ended, &log)
        };
        let skipped =
            matches!(ends("echo much; echo 'xtask: no nightly'; exit 3"), Verdict::Skipped(why) if why == "no nightly");
        let failed = matches!(ends("echo 'xtask: broken'; exit 1"), Verdict::Failed(why) if why == "broken");
        let killed = matches!(ends("kill -9 $$"), Verdict::Failed(why) if why == "it said nothing");
        let passed = matches!(ends("true"), Verdict::Passed);
        fs::remove_file(&log).expect("it was there");
        assert!(skipped && failed && killed && passed, "{skipped} {failed} {killed} {passed}");
    }
}
