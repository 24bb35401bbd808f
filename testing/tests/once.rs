//! Something that is done once, between processes: who does it when another one dies over it, and how often anybody enters the kernel.

use std::time::Duration;
use strait::ErrorKind;
use strait::channel::PeerState;
use strait::region::Place;
use strait::sync::{Event, Once, Options, WaitTimeoutError, event::Reset};
use strait_testing::LONG;
use strait_testing::names::Name;
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn user(name: &Name, strategy: &str) -> Role {
    Role::ready(ROLE, &["once", &format!("posix:{}", name.as_str()), strategy])
}

fn made(name: &Name) -> Once {
    Once::open_or_create(name.as_str(), &Options::new()).expect("made")
}

/// Of several processes one does it, and the others see that it is done; a forked child of one is told so.
#[test]
fn one_does_it() {
    let name = Name::new("once-one");
    let mut ours = made(&name);
    let (mut does, mut waits, mut calls) = (user(&name, "sleep"), user(&name, "sleep"), user(&name, "adaptive"));
    assert_eq!(calls.ask("fork"), "0");
    does.expect_after("hold", "running");
    waits.expect_after("wait", "waiting");
    waits.is_blocked();
    calls.expect_after("block", "waiting");
    assert_eq!(ours.wait_timeout(Duration::from_millis(120)), Err(WaitTimeoutError::TimedOut));
    let holder = ours.holder().expect("one is about it");
    assert_eq!((holder.pid, holder.state), (does.pid(), PeerState::Attached));
    does.expect_after("go on", "Ok(true) first");
    waits.expect("Ok(())");
    calls.expect("Ok(false)");
    assert_eq!((ours.call_once(|| panic!("it is done")), ours.is_completed()), (Ok(false), true));
    drop((does, waits, calls, ours));
    assert!(name.left_over().is_empty());
}

/// Who is killed over it leaves it to one who waits, within 100 ms, who is told whom it was; nobody after that one is.
#[test]
fn one_dies_over_it() {
    for strategy in ["spin", "adaptive", "sleep"] {
        let name = Name::new("once-dies");
        let mut ours = made(&name);
        let (mut dies, mut next, mut waits) = (user(&name, strategy), user(&name, strategy), user(&name, "sleep"));
        dies.expect_after("hold", "running");
        waits.expect_after("wait", "waiting");
        next.expect_after("block", "waiting");
        let pid = dies.pid();
        let killed = dies.kill_now();
        next.expect(&format!("Ok(true) after Some({pid})"));
        waits.expect("Ok(())");
        let took = killed.elapsed();
        eprintln!("one_dies_over_it, {strategy}: after {took:?}");
        assert!(took < LONG, "{took:?}");
        assert_eq!(ours.call_once(|| panic!("it is done")), Ok(false));
    }
}

/// One that is stopped over it is alive: nobody takes over.
#[test]
fn one_is_stopped_over_it() {
    let name = Name::new("once-stopped");
    let mut ours = made(&name);
    let mut does = user(&name, "sleep");
    does.expect_after("hold", "running");
    does.stop();
    let call = ours.call_once_timeout(Duration::from_millis(250), |_| panic!("another is about it"));
    assert_eq!(call, Err(WaitTimeoutError::TimedOut));
    does.signal(18);
    does.expect_after("go on", "Ok(true) first");
    assert_eq!(ours.wait_timeout(LONG), Ok(()));
}

/// However many are killed over it one after the other, the last one does it, and is told.
#[test]
fn many_die_over_it() {
    let name = Name::new("once-many");
    let mut ours = made(&name);
    for round in 0..10 {
        let mut dies = user(&name, "adaptive");
        dies.expect_after("hold", "running");
        dies.kill();
        assert!(!ours.is_completed(), "round {round}");
    }
    assert_eq!(ours.call_once_timeout(LONG, |state| assert!(state.is_recovered())), Ok(true));
}

/// A memfd is handed to a child, a file stays done, and what is no once is refused.
#[test]
fn places_and_refusals() {
    let ours = Once::create(Place::memfd("once"), &Options::new()).expect("create");
    let fd = ours.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut child = command(ROLE, &["once", "fd:it"]);
    child.hand_over("it", fd);
    let mut child = Role::spawn(&mut child, "once");
    child.expect("ok");
    child.expect_after("call", "Ok(true) first");
    assert!(ours.is_completed());
    let directory = strait_testing::names::Scratch::new("once");
    let file = directory.path("once");
    assert_eq!(Once::create(Place::file(&file), &Options::new()).expect("create").call_once(|| ()), Ok(true));
    assert!(Once::open(Place::file(&file), &Options::new()).expect("it stays").is_completed());
    let name = Name::new("once-refusals");
    let event = Event::create(name.as_str(), Reset::Auto, &Options::new()).expect("create");
    assert_eq!(Once::open(name.as_str(), &Options::new()).expect_err("an event").kind(), ErrorKind::Incompatible);
    drop(event);
}

/// Doing it and finding it done enter the kernel not once while nobody sleeps: each instruction was watched.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_system_call_while_nobody_sleeps() {
    use strait_testing::crash::run::trace;
    use strait_testing::crash::stage::Stage;
    use strait_testing::crash::table::row;
    let roles = std::path::Path::new(env!("CARGO_BIN_EXE_crash_role")).parent().expect("a folder").to_path_buf();
    let stage = Stage::new(roles).expect("a stage");
    for name in ["once-call", "once-try-call", "once-completed"] {
        let trace = trace(row(name).expect("a row"), &stage).expect("it runs");
        // The one at the end is the mark that says so.
        assert_eq!(trace.calls.len(), 1, "{name}: {:?}", trace.calls);
    }
}
