//! A sample of the liar (`cargo xtask hostile` is the whole): honest ends return values and errors, whatever is written where.
#![cfg(target_arch = "x86_64")]

use std::process::Command;

/// Lied to in every word, before an operation, between its instructions and at full speed, honest ends return a value or a typed error
/// in time.
#[test]
fn honest_ends_are_not_hurt() {
    // By the program, for its exit status is part of what is promised.
    let output = Command::new(env!("CARGO_BIN_EXE_hostile"))
        .args(["--sample", "--seed", "1"])
        .output()
        .expect("start the harness");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let sums = out.lines().rev().take(3).collect::<Vec<_>>();
    // The table is long, and what went wrong is said at the end.
    assert!(output.status.success(), "{sums:#?}\n{err}");
    eprintln!("{out}");
}

/// A case can be run alone, and one that does not exist is a mistake that is told.
#[test]
fn one_case_alone() {
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_hostile")).args(arguments).output().expect("start");
    let output = run(&["--seed", "7", "--only", "still/try_recv", "--run", "3"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("seed 7") && text.contains("still/try_recv "), "{text}");
    for wrong in [&["--only", "no such case"][..], &["--run", "3"], &["--colour"], &["--roles", "/nowhere"]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
