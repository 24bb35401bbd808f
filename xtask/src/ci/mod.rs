//! `cargo xtask ci`: everything that must pass before a change goes in.
//!
//! The tests themselves (`cargo test --workspace`) are run before it, see `.ci/run`. A step that fails does not stop the
//! next one, so one run shows everything. A step whose tool is missing is skipped, and the table at the end says why.

mod links;
mod packages;

use std::time::{Duration, Instant};

use crate::{Failure, Outcome, cargo, check, crash, fuzz, hostile, model, sanitize};

struct Step {
    name: &'static str,
    run: fn() -> Verdict,
}

enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

const STEPS: &[Step] = &[
    Step { name: "format", run: || verdict(cargo::run(&mut cargo::cargo(&["fmt", "--all", "--check"]))) },
    Step { name: "lints", run: lints },
    Step { name: "rules", run: || verdict(check::run(&[])) },
    Step { name: "docs", run: docs },
    Step { name: "doc links", run: || verdict(links::check(&cargo::root())) },
    Step { name: "models", run: || verdict(model::run(&[])) },
    Step { name: "crash", run: || verdict(crash::run(&seeded(&[]))) },
    Step { name: "liar", run: || verdict(hostile::run(&seeded(&["--no-asan"]))) },
    Step { name: "fuzz", run: || skippable(fuzz::for_a_change()) },
    Step { name: "sanitize", run: || skippable(sanitize::for_a_change()) },
    Step { name: "packages", run: || verdict(packages::build()) },
    Step { name: "licences", run: licences },
    Step { name: "spelling", run: spelling },
];

/// A change is judged by the points and the lies that the one before it was judged by; new ones are looked for by the verbs themselves.
fn seeded(args: &[&str]) -> Vec<String> {
    args.iter().chain(&["--seed", "1"]).map(ToString::to_string).collect()
}

pub(crate) fn run(args: &[String]) -> Outcome {
    crate::no_arguments("ci", args)?;
    let mut rows = Vec::new();
    for step in STEPS {
        eprintln!("\n=== {} ===", step.name);
        let start = Instant::now();
        let verdict = (step.run)();
        let took = start.elapsed();
        eprintln!("--- {}", row(step.name, &verdict, took));
        rows.push((step.name, verdict, took));
    }
    eprintln!("\n=== summary ===");
    for (name, verdict, took) in &rows {
        eprintln!("{}", row(name, verdict, *took));
    }
    let failed: Vec<&str> = rows.iter().filter(|it| matches!(it.1, Verdict::Failed(_))).map(|it| it.0).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("not passed: {}", failed.join(", ")))) }
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

fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Ok(()) => Verdict::Passed,
        Err(Failure::Failed(why) | Failure::Usage(why)) => Verdict::Failed(why),
    }
}

/// `Ok(Some(why))`: it was not done.
fn skippable(outcome: Result<Option<String>, Failure>) -> Verdict {
    match outcome {
        Ok(Some(why)) => Verdict::Skipped(why),
        other => verdict(other.map(|_| ())),
    }
}

/// Also holds the oldest supported compiler: clippy's `incompatible_msrv` is among the lints of the workspace.
fn lints() -> Verdict {
    verdict(cargo::run(&mut cargo::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])))
}

fn docs() -> Verdict {
    let mut command = cargo::cargo(&["doc", "--workspace", "--no-deps"]);
    verdict(cargo::run(command.env("RUSTDOCFLAGS", "-D warnings")))
}

fn licences() -> Verdict {
    if !cargo::works(&mut cargo::cargo(&["deny", "--version"])) {
        return missing("cargo-deny");
    }
    verdict(cargo::run(&mut cargo::cargo(&["deny", "check", "bans", "licenses", "sources"])))
}

fn spelling() -> Verdict {
    let mut version = cargo::program("typos", &["--version"]);
    if !cargo::works(&mut version) {
        return missing("typos-cli");
    }
    verdict(cargo::run(&mut cargo::program("typos", &[])))
}

fn missing(tool: &str) -> Verdict {
    Verdict::Skipped(format!("{tool} is not installed; `cargo install --locked {tool}` adds it"))
}
