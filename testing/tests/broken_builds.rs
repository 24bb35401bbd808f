//! The checks are checked: four builds, each broken on purpose, and for each the check that must notice.
//!
//! Each check is run on the sound build too, and must pass there, so that "it fails" means what it says. One test, for the builds
//! share a workshop. It takes about a minute the first time, and what the changed crates take after that.

use std::process::Command;
use std::time::Duration;
use strait_testing::variant::Workshop;
use strait_testing::variant::broken::Broken;
use strait_testing::variant::run::{self, Ended, Limits, Said};

const LIMITS: Limits = Limits { time: Duration::from_secs(120), output_bytes: 1 << 16 };

/// Who must notice: a test of a program, and what it says then.
struct Check {
    /// Which build.
    broken: &'static str,
    program: &'static str,
    test: &'static str,
    says: &'static str,
}

const CHECKS: [Check; 4] = [
    Check {
        broken: "publishes-early",
        program: "strait",
        test: "ring::model::model_messages_in_order",
        says: "Causality violation",
    },
    Check { broken: "keeps-the-dead", program: "leases", test: "both_killed", says: "" },
    Check { broken: "trusts-a-length", program: "strait", test: "ring::record::tests::lies_are_named", says: "a lie" },
    Check { broken: "wakes-nobody", program: "strait", test: "wait::model::model_message_wakes", says: "deadlock" },
];

/// A build that publishes before it writes, one that keeps a dead peer's slot, one that trusts a length and one that wakes nobody are
/// each noticed, and the sound build is not accused.
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

fn run_check(workshop: &mut Workshop, check: &Check, broken: Option<Broken>) -> Said {
    workshop.make(&broken.map_or(Vec::new(), |it| it.edits())).expect("edits that match");
    let what: &[&str] = match check.program {
        "strait" => &["test", "--release", "--no-run", "-p", "strait", "--lib"],
        test => &["test", "--release", "--no-run", "-p", "strait-testing", "--test", test],
    };
    let programs = workshop.build(what).unwrap_or_else(|why| panic!("build {:?}:\n{why}", broken.map(|it| it.name)));
    let program = programs.iter().find(|it| it.name == check.program).expect("was built");
    let mut command = Command::new(&program.path);
    command.args(["--exact", check.test]).current_dir(workshop.tree());
    let said = run::to_the_end(command, LIMITS).expect("start a test");
    assert!(said.output.contains("running 1 test"), "there is no test {}:\n{}", check.test, said.output);
    said
}
