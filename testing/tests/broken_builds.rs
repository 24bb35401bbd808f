//! The checks are checked: five builds, each broken on purpose, and for each the check that must notice.
//!
//! Each check is run on the sound build too, and must pass there, so that "it fails" means what it says. The builds share a workshop,
//! so the tests take turns. Only the library is built for them, optimised a little. The harnesses,
//! which need their programs built five times over, take longer: `cargo xtask crash --prove` runs them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use strait_testing::variant::Workshop;
use strait_testing::variant::broken::Broken;
use strait_testing::variant::run::{self, Ended, Limits, Said};

const LIMITS: Limits = Limits { time: Duration::from_secs(300), output_bytes: 1 << 16 };

/// Who must notice: a unit test of the library, and what it says then.
struct Check {
    /// Which build.
    broken: &'static str,
    test: &'static str,
    says: &'static str,
}

const CHECKS: [Check; 5] = [
    Check { broken: "publishes-early", test: "ring::model::model_messages_in_order", says: "Causality violation" },
    Check { broken: "keeps-the-dead", test: "channel::hub::tests::dead_are_found_once", says: "" },
    Check { broken: "trusts-a-length", test: "ring::record::tests::lies_are_named", says: "a lie" },
    Check { broken: "trusts-a-count", test: "ring::plain::slots::counts_at_attach", says: "a lie" },
    Check { broken: "wakes-nobody", test: "wait::model::model_message_wakes", says: "deadlock" },
];

/// A build that publishes before it writes, one that keeps a dead peer's slot, two that trust a length and a count, and one that wakes
/// nobody are each noticed, and the sound build is not accused.
#[test]
fn broken_builds_are_noticed() {
    let mut workshop = Workshop::open("broken").expect("a place under target");
    for check in &CHECKS {
        let said = run_check(&mut workshop, check, None);
        assert_eq!(said.ended, Ended::Well, "{} on the sound build:\n{}", check.test, said.output);
    }
    for check in &CHECKS {
        let broken = Broken::named(check.broken).expect("in the table");
        let said = run_check(&mut workshop, check, Some(broken));
        eprintln!("{}: {} took {:.1} s: {:?}", broken.name, check.test, said.took.as_secs_f64(), said.ended);
        assert_ne!(said.ended, Ended::Well, "{} did not notice a build that {}", check.test, broken.what);
        assert!(said.output.contains(check.says), "{}: not for the reason:\n{}", check.test, said.output);
    }
}

/// The harness that must notice.
#[derive(Clone, Copy)]
enum Harness {
    /// Ours, with role programs of the broken build.
    Ours(&'static str),
    /// That of the broken build: it holds the survivors.
    Theirs(&'static str),
}

/// What a harness must find.
struct Proof {
    broken: &'static str,
    harness: Harness,
    role: &'static str,
    arguments: &'static [&'static str],
}

/// The seeds are there so that a run can be repeated.
const PROOFS: [Proof; 5] = [
    Proof {
        broken: "publishes-early",
        harness: Harness::Ours(env!("CARGO_BIN_EXE_crash")),
        role: "crash_role",
        arguments: &["--seed", "1", "--stops", "0", "--only", "send-word"],
    },
    Proof {
        broken: "keeps-the-dead",
        harness: Harness::Theirs("crash"),
        role: "crash_role",
        arguments: &["--seed", "1", "--stops", "0", "--samples", "4", "--only", "send-word"],
    },
    Proof {
        broken: "trusts-a-length",
        harness: Harness::Ours(env!("CARGO_BIN_EXE_hostile")),
        role: "hostile_role",
        // Lies that stand before the call: they cost no steps, so there are over a thousand, and one in some hundred is such a length.
        arguments: &["--seed", "3", "--only", "still/recv_bytes"],
    },
    Proof {
        broken: "trusts-a-count",
        harness: Harness::Ours(env!("CARGO_BIN_EXE_hostile")),
        role: "hostile_role",
        arguments: &["--seed", "1", "--only", "still/recv_all_lines"],
    },
    Proof {
        broken: "wakes-nobody",
        harness: Harness::Ours(env!("CARGO_BIN_EXE_crash")),
        role: "crash_role",
        arguments: &["--seed", "1", "--stops", "0", "--samples", "4", "--only", "send-to-sleeper"],
    },
];

/// The harnesses notice each of the five builds, killing and lying, and do not accuse the sound one.
#[test]
#[cfg(target_arch = "x86_64")]
#[ignore = "minutes of building; `cargo xtask crash --prove` runs it"]
fn broken_builds_are_noticed_by_harnesses() {
    let mut workshop = Workshop::open("broken").expect("a place under target");
    for proof in &PROOFS {
        let said = run_proof(&mut workshop, proof, None);
        assert_eq!(said.ended, Ended::Well, "{:?} on the sound build:\n{}", proof.arguments, said.output);
    }
    for proof in &PROOFS {
        let broken = Broken::named(proof.broken).expect("in the table");
        let said = run_proof(&mut workshop, proof, Some(broken));
        let line =
            said.output.lines().find(|line| line.starts_with("FAILED") || line.contains("FAILED:")).unwrap_or_default();
        eprintln!("{}: {:.1} s: {line}", broken.name, said.took.as_secs_f64());
        // 1 is what a harness ends with that has found something; 2 would be one that could not run.
        assert_eq!(said.ended, Ended::Badly("exit status 1".into()), "a build that {}:\n{}", broken.what, said.output);
        assert!(!line.is_empty(), "{}: not for the reason:\n{}", broken.name, said.output);
    }
}

fn run_proof(workshop: &mut Workshop, proof: &Proof, broken: Option<Broken>) -> Said {
    workshop.make(&broken.map_or(Vec::new(), |it| it.edits())).expect("edits that match");
    let mut what = vec!["build", "--release", "-p", "strait-testing", "--bin", proof.role];
    if let Harness::Theirs(name) = proof.harness {
        what.extend(["--bin", name]);
    }
    let programs = workshop.build(&what).unwrap_or_else(|why| panic!("build {:?}:\n{why}", broken.map(|it| it.name)));
    let built = |name: &str| programs.iter().find(|it| it.name == name).map(|it| it.path.as_path()).expect("was built");
    let program = match proof.harness {
        Harness::Ours(path) => Path::new(path),
        Harness::Theirs(name) => built(name),
    };
    let roles = built(proof.role).parent().expect("a folder");
    let mut command = Command::new(program);
    command.args(proof.arguments).arg("--roles").arg(roles).current_dir(workshop.tree());
    run::to_the_end(command, LIMITS).expect("start a harness")
}

fn run_check(workshop: &mut Workshop, check: &Check, broken: Option<Broken>) -> Said {
    workshop.make(&broken.map_or(Vec::new(), |it| it.edits())).expect("edits that match");
    let programs = workshop.build(&["test", "--release", "--no-run", "-p", "strait", "--lib"]);
    let programs = programs.unwrap_or_else(|why| panic!("build {:?}:\n{why}", broken.map(|it| it.name)));
    let program = programs.iter().find(|it| it.name == "strait").expect("was built");
    let mut command = Command::new(&program.path);
    command.args(["--exact", check.test]).current_dir(workshop.tree());
    let said = run::to_the_end(command, LIMITS).expect("start a test");
    assert!(said.output.contains("running 1 test"), "there is no test {}:\n{}", check.test, said.output);
    said
}
