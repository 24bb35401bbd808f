//! A few cases of the crash harness, so that the harness itself stays alive; `cargo xtask crash` runs the rest.
#![cfg(target_arch = "x86_64")]

use std::path::Path;
use strait_testing::LONG;
use strait_testing::crash::run::{Fate, Point, one, trace, wakes};
use strait_testing::crash::stage::Stage;
use strait_testing::crash::table::{row, rows};
use strait_testing::step::{Stop, pin};

fn stage() -> Stage {
    pin(0).expect("pin");
    let role = Path::new(env!("CARGO_BIN_EXE_crash_role"));
    Stage::new(role.parent().expect("a folder").to_path_buf()).expect("a stage")
}

/// A side that is killed, or stopped, at some points of an operation does its survivors no harm.
#[test]
fn victims_at_some_points() {
    let stage = stage();
    for name in ["send-wrapping", "recv-lent-restart", "leave-receiver", "pool-commit"] {
        let row = row(name).expect("a row");
        let trace = trace(row, &stage).unwrap_or_else(|why| panic!("{name}: {why}"));
        let len = trace.len();
        let &(call, _) = trace.calls.first().expect("the end mark is a call");
        let points = [
            Point::After(0),
            Point::After(len / 3),
            Point::After(len * 2 / 3),
            Point::After(len),
            Point::Entry(call),
            Point::Exit(call),
        ];
        for (point, fate) in points.map(|point| (point, Fate::Kill)).into_iter().chain([(points[1], Fate::Stop)]) {
            one(row, &stage, &trace, point, fate).unwrap_or_else(|why| panic!("{name} at {point}, {fate:?}: {why}"));
        }
    }
}

/// A survivor that sleeps is woken by what it waits for.
#[test]
fn sleeper_is_woken() {
    let stage = stage();
    wakes(row("send-to-sleeper").expect("a row"), &stage).expect("woken");
}

/// Who creates a channel where the dead left one succeeds, though another sweeps it first.
#[test]
fn creator_meets_another_sweeper() {
    let stage = stage();
    let mut case = row("sweep-by-create").expect("a row").case();
    let mut tracee = case.start(&stage).expect("start");
    // Up to where it has found the name taken.
    let linkat = u64::try_from(libc::SYS_linkat).expect("a number");
    while tracee.to_syscall().expect("run") != Stop::Entry(linkat) {}
    assert_eq!(tracee.to_syscall().expect("run"), Stop::Exit);
    tracee.stop_and_detach().expect("stop");
    case.stopped(&stage).expect("the other finds nothing, and sweeps");
    tracee.wake().expect("continue");
    assert_eq!(tracee.end(LONG).expect("wait"), Some(0));
    case.went_on(&stage).expect("it has created its own");
}

/// Each operation has a name of its own.
#[test]
fn names_of_operations_differ() {
    for (index, row) in rows().iter().enumerate() {
        assert!(rows()[..index].iter().all(|other| other.name != row.name), "{}", row.name);
    }
}
