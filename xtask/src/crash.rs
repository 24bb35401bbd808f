//! `cargo xtask crash [--full | --prove] [ARGS ...]`: processes killed at every instruction of every operation.
//!
//! Builds the role programs and the harness in release, and runs the harness (`testing/src/crash`) with the arguments. Without
//! `--full` it takes a sample of the points, with a seed that it prints; `--only NAME --at N` runs one case again. `--full` can be run
//! in pieces, `--only NAME`; `--list` tells the names. `--prove` shows that the harnesses, this and that of the liar, notice what they are
//! there for: five builds that are broken on purpose (`testing/tests/broken_builds.rs`).

use crate::Outcome;
use crate::cargo;

const PROVE: [&str; 9] = [
    "test",
    "-p",
    "strait-testing",
    "--test",
    "broken_builds",
    "--",
    "--ignored",
    "--nocapture",
    "broken_builds_are_noticed_by_harnesses",
];

pub(crate) fn run(args: &[String]) -> Outcome {
    if args == ["--prove"] {
        return cargo::run(&mut cargo::cargo(&PROVE));
    }
    cargo::run(&mut cargo::cargo(&["build", "--release", "--quiet", "-p", "strait-testing", "--bins"]))?;
    cargo::run(
        cargo::cargo(&["run", "--release", "--quiet", "-p", "strait-testing", "--bin", "crash", "--"]).args(args),
    )
}
