//! An event between processes: who is let through, whoever dies, and how often anybody enters the kernel.

use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::region::Place;
use strait::sync::event::{Event, Reset};
use strait::sync::{Options, Semaphore, TryWaitError, WaitTimeoutError};
use strait_testing::LONG;
use strait_testing::names::Name;
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn user(name: &Name, kind: &str, strategy: &str) -> Role {
    Role::ready(ROLE, &["event", "open", &format!("posix:{}", name.as_str()), kind, strategy])
}

fn made(name: &Name, kind: Reset) -> Event {
    Event::create(name.as_str(), kind, &Options::new()).expect("create")
}

/// A set wakes all who sleep, or one of them, in other processes; who comes later finds it as they left it.
#[test]
fn sets_reach_other_processes() {
    let name = Name::new("event-manual");
    let mut ours = made(&name, Reset::Manual);
    let mut others = [(); 3].map(|()| user(&name, "manual", "sleep"));
    for other in &mut others {
        other.expect_after("wait", "waiting");
        other.is_blocked();
    }
    ours.set().expect("ours");
    others.iter_mut().for_each(|other| other.expect("Ok(())"));
    assert_eq!((others[0].ask("try"), others[1].ask("fork")), ("Ok(())".to_owned(), "0".to_owned()));
    assert_eq!(others[1].ask("reset"), "Ok(true)");
    assert_eq!(ours.try_wait(), Err(TryWaitError::NotYet));
    let name = Name::new("event-auto");
    let mut ours = made(&name, Reset::Auto);
    let mut others = [(); 2].map(|()| user(&name, "auto", "sleep"));
    for other in &mut others {
        other.expect_after("wait", "waiting");
        other.is_blocked();
    }
    ours.set().expect("ours");
    // One of the two has it, and the other one the next.
    let mut through = 0;
    while through < 1 {
        through += others.iter_mut().filter_map(|it| it.answer_within(Duration::from_millis(5))).count();
    }
    assert_eq!((through, ours.is_set()), (1, false));
    ours.set().expect("ours");
    while through < 2 {
        through += others.iter_mut().filter_map(|it| it.answer_within(Duration::from_millis(5))).count();
    }
    assert_eq!(ours.wait_timeout(Duration::from_millis(150)), Err(WaitTimeoutError::TimedOut));
}

/// Sleepers that are killed swallow nothing: the next signal is another's at once or within 100 ms, and goes with its name at last.
#[test]
fn sleepers_die() {
    for strategy in ["spin", "adaptive", "sleep"] {
        let name = Name::new("event-dies");
        let mut ours = made(&name, Reset::Auto);
        let (mut dies, mut waits) = (user(&name, "auto", strategy), user(&name, "auto", strategy));
        dies.expect_after("wait", "waiting");
        waits.expect_after("wait", "waiting");
        dies.kill();
        let set = Instant::now();
        ours.set().expect("ours");
        waits.expect("Ok(())");
        let took = set.elapsed();
        eprintln!("sleepers_die, {strategy}: after {took:?}");
        assert!(took < LONG, "{took:?}");
        drop((dies, waits, ours));
        assert!(name.left_over().is_empty());
    }
}

/// One that is stopped after it was woken keeps nobody from the signal.
#[test]
fn sleeper_is_stopped() {
    let name = Name::new("event-stopped");
    let mut ours = made(&name, Reset::Auto);
    let (mut stopped, mut waits) = (user(&name, "auto", "sleep"), user(&name, "auto", "sleep"));
    stopped.expect_after("wait", "waiting");
    stopped.is_blocked();
    waits.expect_after("wait", "waiting");
    waits.is_blocked();
    stopped.stop();
    let set = Instant::now();
    // The one that is stopped has slept longest, and is woken.
    ours.set().expect("ours");
    waits.expect("Ok(())");
    assert!(set.elapsed() < LONG, "{:?}", set.elapsed());
    stopped.signal(18);
    ours.set().expect("ours");
    stopped.expect("Ok(())");
}

/// However many are killed at any moment under load, what is set then is seen, by one.
#[test]
fn random_kills() {
    let name = Name::new("event-kills");
    let mut ours = made(&name, Reset::Auto);
    for round in 0..20 {
        ours.set().expect("ours");
        let mut users: Vec<_> = (0..3).map(|_| user(&name, "auto", "adaptive")).collect();
        users.iter_mut().for_each(|user| user.expect_after("flood", "flooding"));
        users.iter_mut().for_each(Role::kill);
        // One that had taken it took it along.
        ours.set().expect("ours");
        assert_eq!(ours.wait_timeout(LONG), Ok(()), "round {round}");
        assert_eq!(ours.try_wait(), Err(TryWaitError::NotYet), "round {round}");
    }
}

/// A memfd is handed to a child, a file keeps what was set, and what is no such event is refused.
#[test]
fn places_and_refusals() {
    let mut ours = Event::create(Place::memfd("event"), Reset::Manual, &Options::new()).expect("create");
    let fd = ours.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut child = command(ROLE, &["event", "open", "fd:it", "manual"]);
    child.hand_over("it", fd);
    let mut child = Role::spawn(&mut child, "event");
    child.expect("ok");
    child.expect_after("set", "Ok(())");
    assert_eq!(ours.wait_timeout(LONG), Ok(()));
    let directory = strait_testing::names::Scratch::new("event");
    let file = directory.path("event");
    let mut first = Event::create(Place::file(&file), Reset::Auto, &Options::new()).expect("create");
    first.set().expect("ours");
    drop(first);
    let mut again = Event::open(Place::file(&file), Reset::Auto, &Options::new()).expect("it stays");
    assert_eq!(again.try_wait(), Ok(()));
    let name = Name::new("event-refusals");
    let semaphore = Semaphore::create(name.as_str(), 1, 1, &Options::new()).expect("create");
    let other = Event::open(name.as_str(), Reset::Auto, &Options::new());
    assert_eq!(other.expect_err("a semaphore").kind(), ErrorKind::Incompatible);
    drop(semaphore);
}

/// Setting, resetting and taking what is set enter the kernel not once while nobody sleeps: each instruction was watched.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_system_call_while_nobody_sleeps() {
    use strait_testing::crash::run::trace;
    use strait_testing::crash::stage::Stage;
    use strait_testing::crash::table::row;
    let roles = std::path::Path::new(env!("CARGO_BIN_EXE_crash_role")).parent().expect("a folder").to_path_buf();
    let stage = Stage::new(roles).expect("a stage");
    for name in ["event-set", "event-set-auto", "event-reset", "event-take"] {
        let trace = trace(row(name).expect("a row"), &stage).expect("it runs");
        // The one at the end is the mark that says so.
        assert_eq!(trace.calls.len(), 1, "{name}: {:?}", trace.calls);
    }
}
