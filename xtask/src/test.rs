//! `cargo xtask test`: every test of the workspace; further arguments go to `cargo test`.

use crate::Outcome;
use crate::cargo;

pub(crate) fn run(args: &[String]) -> Outcome {
    cargo::run(cargo::cargo(&["test", "--workspace"]).args(args))
}
