//! `cargo xtask crash [--full] [ARGS ...]`: processes killed at every instruction of every operation.
//!
//! Builds the role programs and the harness in release, and runs the harness (`testing/src/crash`) with the arguments. Without
//! `--full` it takes a sample of the points, with a seed that it prints; `--only NAME --at N` runs one case again. `--full` can be run
//! in pieces, `--only NAME`; `--list` tells the names.

use crate::Outcome;
use crate::cargo;

pub(crate) fn run(args: &[String]) -> Outcome {
    cargo::run(&mut cargo::cargo(&["build", "--release", "--quiet", "-p", "strait-testing", "--bins"]))?;
    cargo::run(
        cargo::cargo(&["run", "--release", "--quiet", "-p", "strait-testing", "--bin", "crash", "--"]).args(args),
    )
}
