//! `cargo xtask sanitize`: what the sanitizers of the nightly toolchain, and valgrind, can see of this workspace.
//!
//! | tool | runs | sees | does not see |
//! |---|---|---|---|
//! | address, with leaks | unit tests of the libraries, `spsc` in one process, the kept fuzz inputs | this process's own memory: freed, overrun, leaked | a mapping overrun into the next one; the machine-code copies |
//! | thread | the ring between two threads on memory of its own, and again with its stores weakened, which must be reported | each order that the payload relies on | other processes, fences, `membarrier` |
//! | valgrind | the unit tests of `strait-mem` | every access of the copies, in whatever language | mappings, as above |
//! | miri | the unit tests of `strait-sum` | undefined behaviour of plain Rust | system calls: so no mapping at all |
//!
//! The standard library is not built for them (that needs `rust-src`), so the thread sanitizer is kept to a program that shares
//! nothing through it: `testing/src/bin/threads`. A row that cannot run says why, and is no failure.

use std::process::Command;
use std::time::Instant;

use crate::nightly::{self, TARGET};
use crate::{Failure, Outcome, cargo};

/// What became of a row.
enum Row {
    Passed,
    Failed(String),
    Skipped(String),
}

type Run = fn() -> Row;

const ROWS: &[(&str, Run)] = &[
    ("address", address),
    ("thread", thread),
    ("thread, weakened", thread_weakened),
    ("valgrind", valgrind),
    ("miri", miri),
];

pub(crate) fn run(args: &[String]) -> Outcome {
    crate::no_arguments("sanitize", args)?;
    let mut table = Vec::new();
    for (name, run) in ROWS {
        eprintln!("--- {name} ---");
        let began = Instant::now();
        let row = run();
        table.push((*name, row, began.elapsed().as_secs_f64()));
    }
    for (name, row, seconds) in &table {
        match row {
            Row::Passed => println!("{name:<17} passed   {seconds:>6.1} s"),
            Row::Failed(why) => println!("{name:<17} FAILED   {seconds:>6.1} s  {why}"),
            Row::Skipped(why) => println!("{name:<17} skipped            {why}"),
        }
    }
    let failed: Vec<&str> = table.iter().filter(|row| matches!(row.1, Row::Failed(_))).map(|row| row.0).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("not passed: {}", failed.join(", ")))) }
}

/// The same for a change: nothing without the nightly toolchain.
pub(crate) fn for_a_change() -> Outcome {
    nightly::missing().map_or_else(|| run(&[]), |why| Err(Failure::Skipped(why)))
}

/// Builds and runs with a sanitizer, in a folder of its own: other flags are another build of everything.
fn sanitized(flags: &str, args: &[&str]) -> Command {
    let mut command = nightly::cargo(args);
    command.args(["--target", TARGET]).env("RUSTFLAGS", flags);
    command.env("CARGO_TARGET_DIR", cargo::root().join("target/sanitize"));
    command
}

fn passed(command: &mut Command) -> Row {
    match cargo::run(command) {
        Ok(()) => Row::Passed,
        Err(Failure::Failed(why) | Failure::Usage(why) | Failure::Skipped(why)) => Row::Failed(why),
    }
}

fn address() -> Row {
    if let Some(why) = nightly::missing() {
        return Row::Skipped(why);
    }
    let packages = ["-p", "strait-sys", "-p", "strait-mem", "-p", "strait", "-p", "strait-sum"];
    let with = |args: &[&str]| sanitized("-Zsanitizer=address", &[&["test", "--quiet"], args].concat());
    // The models explore orders, not memory, and take their time.
    let mut units = with(&[&packages[..], &["--lib"]].concat());
    for command in [
        units.args(["--", "--skip", "model"]),
        &mut with(&["-p", "strait-testing", "--test", "spsc_one_process"]),
        &mut with(&["-p", "strait-fuzz-bodies"]),
    ] {
        let row = passed(command);
        if !matches!(row, Row::Passed) {
            return row;
        }
    }
    Row::Passed
}

const THREAD: &str = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer";

fn threads(args: &[&str]) -> Command {
    let mut command = sanitized(THREAD, &["run", "--quiet", "-p", "strait-testing", "--bin", "threads"]);
    command.env("TSAN_OPTIONS", "halt_on_error=1").args(args);
    command
}

fn thread() -> Row {
    match nightly::missing() {
        Some(why) => Row::Skipped(why),
        None => passed(&mut threads(&[])),
    }
}

/// The proof that the sanitizer looks: the same ring on a memory without a release is reported.
fn thread_weakened() -> Row {
    if let Some(why) = nightly::missing() {
        return Row::Skipped(why);
    }
    let mut command = threads(&["--", "--relaxed"]);
    eprintln!("$ {}", cargo::show(&command));
    match command.output() {
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("ThreadSanitizer: data race") => Row::Passed,
        Ok(output) => Row::Failed(format!("a ring without releases is not reported: it ended with {}", output.status)),
        Err(error) => Row::Failed(format!("start cargo: {error}")),
    }
}

/// Without the one test whose system call valgrind knows nothing of: `mremap` from a size of 0, which shows shared pages a second time.
fn valgrind() -> Row {
    if !cargo::works(&mut cargo::program("valgrind", &["--version"])) {
        return Row::Skipped(String::from("valgrind is not installed"));
    }
    let skipped = "--skip=mapping::tests::pages_to_sleep_on_are_the_same";
    let mut command =
        cargo::cargo(&["test", "--quiet", "-p", "strait-mem", "--lib", "--", "--test-threads=1", skipped]);
    let runner = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER";
    passed(command.env(runner, "valgrind --quiet --error-exitcode=9 --leak-check=no"))
}

fn miri() -> Row {
    if !cargo::works(&mut nightly::cargo(&["miri", "--version"])) {
        return Row::Skipped(String::from("`rustup +nightly component add miri rust-src` adds it"));
    }
    passed(&mut nightly::cargo(&["miri", "test", "--quiet", "-p", "strait-sum", "--lib"]))
}
