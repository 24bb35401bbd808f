//! `cargo xtask mutants [--full] [ARGS ...]`: each ordering, barrier and check weakened in turn; somebody must notice.
//!
//! The work is done by the program `mutants` of the crate `strait-testing`, whose module doc says how and with which arguments. Without
//! any it tries a few mutants of a printed seed, for a change; `--full` tries all, for a night.

use crate::Outcome;
use crate::cargo;

pub(crate) fn run(args: &[String]) -> Outcome {
    let mut command = cargo::cargo(&["run", "--quiet", "-p", "strait-testing", "--bin", "mutants", "--"]);
    cargo::run(command.args(args))
}
