//! `cargo xtask model [--full] [ARGS ...]`: the model tests, every order of a few steps.
//!
//! They are unit tests of the crate `strait`, because they reach into the algorithms: the modules called `model` beside them, such
//! as `crates/strait/src/ring/model.rs`. They run in release because exploring orders is all computation. `--full` sets
//! `STRAIT_MODEL_FULL=1`: wider bounds, for a night rather than for a change. Further arguments go to `cargo test`. Each model says how
//! many executions it holds in and how each flaw was found; the sums are printed last.

use std::process::Stdio;

use crate::cargo;
use crate::{Failure, Outcome};

pub(crate) fn run(args: &[String]) -> Outcome {
    let (full, rest) = split(args);
    let mut command = cargo::cargo(&["test", "--release", "-p", "strait", "--lib", "model"]);
    if full {
        command.env("STRAIT_MODEL_FULL", "1");
    }
    command.args(&rest);
    if !rest.iter().any(|arg| *arg == "--") {
        command.arg("--");
    }
    // The flaws make the models panic, which is what they are for: where, is of no interest.
    command.arg("--nocapture").env("RUST_BACKTRACE", "0").stderr(Stdio::piped());
    let shown = cargo::show(&command);
    eprintln!("$ {shown}");
    let output = command.output().map_err(|error| Failure::Failed(format!("start `{shown}`: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    if !output.status.success() {
        eprint!("{}", last_words(&said, &String::from_utf8_lossy(&output.stderr)));
        return Err(Failure::Failed(format!("`{shown}` ended with {}", output.status)));
    }
    println!("{}", sums(&said));
    Ok(())
}

/// What each test that failed said last: of all the panics those that no flaw explains. Everything where no test is said to have failed.
fn last_words(said: &str, panics: &str) -> String {
    let failed = said.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    let words: Vec<&str> = failed
        .map(|name| {
            let start = panics.rfind(&format!("thread '{name}'")).unwrap_or(0);
            let own = &panics[start..];
            // Up to the next panic, of whatever thread.
            let end = own.match_indices("\nthread '").next().map_or(own.len(), |(end, _)| end + 1);
            &own[..end]
        })
        .collect();
    if words.is_empty() { String::from(panics) } else { words.concat() }
}

/// How many models there were, what they hold in, and how many flaws they found.
fn sums(said: &str) -> String {
    let (mut models, mut executions, mut states, mut found) = (0, 0.0, 0, 0);
    for line in said.lines() {
        if let Some((_, holds)) = line.split_once(": holds in ") {
            let numbers: Vec<f64> = holds.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            models += 1;
            match numbers[..] {
                // States that stand for many executions each.
                [_, some] => states += some as u64,
                [some] => executions += some,
                _ => {}
            }
        }
        found += usize::from(line.contains(" is found: "));
    }
    format!("{models} models: hold in {executions} executions and {states} states; {found} flaws put in, all found")
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

    /// What the models say is added up.
    #[test]
    fn counts_are_added_up() {
        let said = "test a ... ring: holds in 12 executions\nring: Late is found: why\nlease: holds in 1e30 executions, 7 states\nok";
        assert_eq!(sums(said), "2 models: hold in 12 executions and 7 states; 1 flaws put in, all found");
    }

    /// Of a test that failed its last panic is shown, and no other's.
    #[test]
    fn last_words_are_of_who_failed() {
        let said = "test model::a ... ok\ntest model::b ... FAILED\n";
        let panics = "\nthread 'model::b' (1) panicked at x:\na flaw\n\nthread 'model::b' (1) panicked at y:\nwhy\n\nthread 'model::a' (2) panicked at z:\na flaw\n";
        assert_eq!(last_words(said, panics), "thread 'model::b' (1) panicked at y:\nwhy\n\n");
        assert_eq!(last_words("", "error: no such crate"), "error: no such crate");
    }

    /// `--full` is ours only before `--`.
    #[test]
    fn full_is_taken_out_once() {
        assert_eq!(split(&words("--full --no-run")), (true, vec![&String::from("--no-run")]));
        assert!(!split(&words("-- --full")).0);
        assert_eq!(split(&words("-- --full")).1.len(), 2);
    }
}
