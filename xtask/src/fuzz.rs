//! `cargo xtask fuzz [--seconds N] [TARGET ...]`: fuzzes each target (or those named) for N seconds, 60 if not said.
//!
//! Needs the nightly toolchain and cargo-fuzz. It starts from `fuzz/corpus` and `fuzz/regressions` and changes neither: inputs that
//! reach something new are left in `fuzz/target/found/<target>`, and `fuzz/README.md` says how to keep them. The first crash ends
//! the run, with the command that replays it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, thread};

use crate::{Failure, Outcome, cargo, nightly};

/// How long each target is fuzzed if nothing is said.
const SECONDS: u64 = 60;
/// How long all of them are fuzzed together for a change.
const SECONDS_FOR_A_CHANGE: u64 = 60;
/// A change is judged by the inputs that the one before it was judged by; new ones are looked for by `cargo xtask fuzz`.
const SEED_FOR_A_CHANGE: u32 = 1;
/// An input takes milliseconds; this long is a hang.
const INPUT_SECONDS: u64 = 10;
/// No allocation by a number in the input: what is larger than this is one.
const ALLOCATION_MAX_MIB: u64 = 64;
/// How long installing cargo-fuzz may take.
const INSTALL: Duration = Duration::from_secs(150);

pub(crate) fn run(args: &[String]) -> Outcome {
    let (seconds, named) = split(args)?;
    let all = targets()?;
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        let known = all.join(", ");
        return Err(Failure::Usage(format!("no fuzz target is called '{unknown}'; there are {known}")));
    }
    if let Some(why) = nightly::missing().or_else(missing) {
        return Err(Failure::Skipped(why));
    }
    fuzz(if named.is_empty() { &all } else { &named }, seconds, None)
}

/// All targets for a minute together. Installs cargo-fuzz where it is missing and that is quick.
pub(crate) fn for_a_change() -> Outcome {
    if let Some(why) = nightly::missing() {
        return Err(Failure::Skipped(why));
    }
    if missing().is_some() {
        install();
    }
    if let Some(why) = missing() {
        return Err(Failure::Skipped(why));
    }
    let all = targets()?;
    fuzz(&all, SECONDS_FOR_A_CHANGE / all.len().max(1) as u64, Some(SEED_FOR_A_CHANGE))
}

fn missing() -> Option<String> {
    let works = cargo::works(&mut nightly::cargo(&["fuzz", "--version"]));
    (!works).then(|| String::from("cargo-fuzz is not installed; `cargo install --locked cargo-fuzz` adds it"))
}

/// Tries, for a limited time. Whether it worked is seen afterwards.
fn install() {
    let mut command = cargo::cargo(&["install", "--locked", "--quiet", "cargo-fuzz"]);
    eprintln!("$ {}", cargo::show(&command));
    let Ok(mut child) = command.spawn() else { return };
    let began = std::time::Instant::now();
    while began.elapsed() < INSTALL {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(200)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    eprintln!("given up after {INSTALL:?}");
    // What is gone already needs no end.
    let _ = child.kill();
    let _ = child.wait();
}

/// Every target: the programs of `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = cargo::root().join("fuzz/fuzz_targets");
    let trouble = |error| Failure::Failed(format!("read folder '{}': {error}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(trouble)? {
        let name = entry.map_err(trouble)?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".rs").map(String::from));
    }
    names.sort();
    Ok(names)
}

fn split(args: &[String]) -> Result<(u64, Vec<String>), Failure> {
    let mut seconds = SECONDS;
    let mut named = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg != "--seconds" {
            named.push(arg.clone());
            continue;
        }
        let given = args.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
        seconds = given.ok_or_else(|| Failure::Usage(String::from("--seconds is followed by a number above zero")))?;
    }
    Ok((seconds, named))
}

fn fuzz(targets: &[String], seconds: u64, seed: Option<u32>) -> Outcome {
    cargo::run(&mut nightly::cargo(&["fuzz", "build"]))?;
    let mut table = format!("{:<10} {:>10} {:>9} {:>10}\n", "target", "executions", "coverage", "new inputs");
    for target in targets {
        let found = fuzz_one(target, seconds, seed)?;
        table.push_str(&format!("{target:<10} {:>10} {:>9} {:>10}\n", found.executions, found.coverage, found.inputs));
    }
    println!(
        "{table}each target for {seconds} s; new inputs are in fuzz/target/found, fuzz/README.md says how to keep them"
    );
    Ok(())
}

/// What came of fuzzing a target.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    executions: u64,
    /// Edges of the program.
    coverage: u64,
    /// Inputs that reached something new.
    inputs: usize,
}

fn fuzz_one(target: &str, seconds: u64, seed: Option<u32>) -> Result<Found, Failure> {
    let found = format!("fuzz/target/found/{target}");
    let folder = cargo::root().join(&found);
    // Nothing is there the first time.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|e| Failure::Failed(format!("make folder '{found}': {e}")))?;
    let mut folders = vec![found.clone(), format!("fuzz/corpus/{target}"), format!("fuzz/regressions/{target}")];
    folders.retain(|folder| cargo::root().join(folder).is_dir());
    let mut command = nightly::cargo(&["fuzz", "run", target]);
    command.args(&folders).args([
        String::from("--"),
        format!("-max_total_time={seconds}"),
        format!("-timeout={INPUT_SECONDS}"),
        format!("-malloc_limit_mb={ALLOCATION_MAX_MIB}"),
        String::from("-print_final_stats=1"),
    ]);
    command.args(seed.map(|seed| format!("-seed={seed}")));
    eprintln!("$ {}", cargo::show(&command));
    let output = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| Failure::Failed(format!("start cargo fuzz: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(crashed(target, &said));
    }
    let inputs = fs::read_dir(&folder).map_or(0, Iterator::count);
    Ok(Found { executions: executions(&said), coverage: coverage(&said), inputs })
}

/// The end of what was said, and how to see it again.
fn crashed(target: &str, said: &str) -> Failure {
    let lines: Vec<&str> = said.lines().filter(|line| !line.contains("cov: ")).collect();
    for line in &lines[lines.len().saturating_sub(60)..] {
        eprintln!("{line}");
    }
    Failure::Failed(match artifact(said) {
        Some(path) => {
            let path = Path::new(path);
            let path = path.strip_prefix(cargo::root()).unwrap_or(path).display();
            let input = input_in_base64(said);
            format!(
                "the fuzz target '{target}' fails; again with: cargo +nightly fuzz run {target} {path}; in base64: {input}"
            )
        }
        None => format!("the fuzz target '{target}' did not run to its end, see above"),
    })
}

/// The file that holds the failing input.
fn artifact(said: &str) -> Option<&str> {
    let (_, after) = said.rsplit_once("Test unit written to ")?;
    after.lines().next().map(str::trim)
}

/// The failing input as the fuzzer prints it when it is short, for who has the report and not the file.
fn input_in_base64(said: &str) -> &str {
    said.rsplit_once("\nBase64: ").and_then(|(_, after)| after.lines().next()).unwrap_or("too long to be shown")
}

fn executions(said: &str) -> u64 {
    number_after(said, "stat::number_of_executed_units:")
}

fn coverage(said: &str) -> u64 {
    number_after(said, " cov: ")
}

/// The number behind the last occurrence of a word; zero where there is none.
fn number_after(said: &str, word: &str) -> u64 {
    let number = said.rsplit_once(word).and_then(|(_, after)| after.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    /// Seconds and targets come in any order, and a limit that is none is refused.
    #[test]
    fn arguments_are_read() {
        assert_eq!(split(&words("sum --seconds 5 attach")), Ok((5, words("sum attach"))));
        assert_eq!(split(&[]), Ok((SECONDS, Vec::new())));
        assert!(matches!(split(&words("--seconds")), Err(Failure::Usage(_))));
        assert!(matches!(split(&words("--seconds 0")), Err(Failure::Usage(_))));
        assert!(matches!(run(&words("nothing")), Err(Failure::Usage(_))));
    }

    /// The last figures that the fuzzer prints are read.
    #[test]
    fn figures_are_read() {
        let said = "#2 INITED cov: 7 ft: 9\n#80 NEW    cov: 12 ft: 14 corp: 3/3b\nstat::number_of_executed_units: 80\n";
        assert_eq!((executions(said), coverage(said)), (80, 12));
        assert_eq!(coverage("nothing"), 0);
    }

    /// The failing input is found in what the fuzzer prints.
    #[test]
    fn artifact_is_found() {
        let said = "panicked\nTest unit written to /w/fuzz/artifacts/sum/crash-1\nBase64: AA==\n";
        assert_eq!(artifact(said), Some("/w/fuzz/artifacts/sum/crash-1"));
        assert_eq!(artifact("panicked"), None);
    }

    /// Each target has a corpus that is played again with the stable toolchain.
    #[test]
    fn targets_have_corpora() {
        let targets = targets().expect("readable");
        assert!(!targets.is_empty());
        for target in targets {
            assert!(cargo::root().join("fuzz/corpus").join(&target).is_dir(), "{target}");
        }
    }
}
