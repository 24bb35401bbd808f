//! `cargo xtask model [--full] [ARGS ...]`: the model tests, every order of a few steps.
//!
//! They are unit tests of the crate `strait`, because they reach into the algorithms: the modules called `model` beside them, such
//! as `crates/strait/src/ring/model.rs`. They run in release because exploring orders is all computation. `--full` sets
//! `STRAIT_MODEL_FULL=1`: wider bounds, for a night rather than for a change. Further arguments go to `cargo test`;
//! `-- --nocapture` shows how many executions there were, and which flaw was found how.

use crate::Outcome;
use crate::cargo;

pub(crate) fn run(args: &[String]) -> Outcome {
    let (full, rest) = split(args);
    let mut command = cargo::cargo(&["test", "--release", "-p", "strait", "--lib", "model"]);
    if full {
        command.env("STRAIT_MODEL_FULL", "1");
    }
    cargo::run(command.args(rest))
}

/// Takes our own `--full` out; what follows `--` belongs to the test programs.
fn split(args: &[String]) -> (bool, Vec<&String>) {
    let own = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let is_full = |(i, arg): &(usize, &String)| *i < own && *arg == "--full";
    let full = args.iter().enumerate().any(|it| is_full(&it));
    (full, args.iter().enumerate().filter(|it| !is_full(it)).map(|(_, arg)| arg).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    /// `--full` is ours only before `--`.
    #[test]
    fn full_is_taken_out_once() {
        assert_eq!(split(&words("--full --no-run")), (true, vec![&String::from("--no-run")]));
        assert!(!split(&words("-- --full")).0);
        assert_eq!(split(&words("-- --full")).1.len(), 2);
    }
}
