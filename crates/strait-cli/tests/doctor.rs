//! `strait doctor` on this very machine, whatever that is: it says something about each group, in both forms.

use std::process::{Command, Output, Stdio};

fn doctor(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strait")).arg("doctor").args(args).output().expect("start")
}

/// The exit code says whether anything is bad, and both forms say the same.
#[test]
fn findings_are_told_in_both_forms() {
    let output = doctor(&["--json"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = document["findings"].as_array().expect("a list");
    let is_bad = findings.iter().any(|it| it["state"] == "bad");
    assert_eq!((output.status.code(), document["is_good"].as_bool()), (Some(i32::from(is_bad)), Some(!is_bad)));
    for finding in findings {
        assert!(finding["what"].is_string() && finding["found"].is_string(), "{finding}");
        let is_serious = finding["state"] == "warn" || finding["state"] == "bad";
        assert!(!is_serious || (finding["means"].is_string() && finding["mend"].is_array()), "{finding}");
    }
    let text = doctor(&[]);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    for group in ["shared memory", "memory", "files", "users", "kernel", "containers", "processors"] {
        assert!(text.lines().any(|line| line == group), "{group} in {text}");
        assert!(findings.iter().any(|it| it["group"] == group), "{group}");
    }
    let widest = text
        .lines()
        .filter(|line| !line.contains("mend:") && !line.contains("or:  "))
        .map(|line| line.chars().count())
        .max();
    assert!(widest.is_some_and(|it| it <= 80), "{text}");
    assert!(!text.contains('\x1b'), "no colours in a pipe");
}

/// Who reads no more of it ends it without a word.
#[test]
fn closed_output_ends_it() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_strait"))
        .arg("doctor")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
