//! A barrier between processes: who passes, who is told of whom when somebody dies, and how it is put right.

use std::time::Duration;
use strait::ErrorKind;
use strait::channel::{Cause, PeerState};
use strait::region::Place;
use strait::sync::barrier::{WaitError, WaitTimeoutError};
use strait::sync::{Barrier, Once, Options};
use strait_testing::LONG;
use strait_testing::names::Name;
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn participant(name: &Name, strategy: &str) -> Role {
    Role::ready(ROLE, &["barrier", "open", &format!("posix:{}", name.as_str()), strategy])
}

fn made(name: &Name, participants: u32) -> Barrier {
    Barrier::create(name.as_str(), participants, &Options::new()).expect("create")
}

/// Processes pass together, however they wait, and one leads; who is missing is said meanwhile.
#[test]
fn processes_pass_together() {
    let name = Name::new("barrier-pass");
    let mut ours = made(&name, 4);
    let never_there = ours.missing();
    assert_eq!((never_there.len(), never_there[3].state), (4, PeerState::NotYet));
    let mut others = ["spin", "adaptive", "sleep"].map(|strategy| participant(&name, strategy));
    assert_eq!(others[0].ask("fork"), "0");
    for _ in 0..3 {
        others.iter_mut().for_each(|it| it.expect_after("wait", "waiting"));
        others[2].is_blocked();
        while ours.missing().len() > 1 {
            std::thread::yield_now();
        }
        assert!(ours.missing()[0].is_own);
        let led = ours.wait().expect("nobody has died");
        let said: Vec<_> = others.iter_mut().map(Role::answer).collect();
        let leaders = said.iter().filter(|it| *it == "Ok(true)").count() + usize::from(led);
        assert_eq!((leaders, said.iter().all(|it| it.starts_with("Ok("))), (1, true), "{said:?}");
    }
    assert_eq!(others[1].ask("timeout 20"), "Err(TimedOut)");
    assert_eq!(others[1].ask("missing"), "4");
    drop((others, ours));
    assert!(name.left_over().is_empty());
}

/// One that is killed before it has come is told of to all that wait, within 100 ms; a successor puts it right.
#[test]
fn one_dies() {
    for strategy in ["spin", "adaptive", "sleep"] {
        let name = Name::new("barrier-dies");
        let mut ours = made(&name, 3);
        let (mut dies, mut waits) = (participant(&name, strategy), participant(&name, strategy));
        let pid = dies.pid();
        waits.expect_after("wait", "waiting");
        let killed = dies.kill_now();
        let told = ours.wait_timeout(LONG);
        let broken = WaitError::Broken { pid: Some(pid), cause: Cause::Died };
        assert_eq!(told, Err(WaitTimeoutError::Failed(broken)));
        waits.expect(&format!("{:?}", Err::<bool, _>(broken)));
        let took = killed.elapsed();
        eprintln!("one_dies, {strategy}: after {took:?}");
        assert!(took < LONG, "{took:?}");
        assert_eq!((ours.wait(), ours.broken()), (Err(broken), Some(broken)));
        let mut heir = participant(&name, strategy);
        assert_eq!(heir.ask("reset"), "Ok(true)");
        heir.expect_after("wait", "waiting");
        waits.expect_after("wait", "waiting");
        assert!(ours.wait_timeout(LONG).is_ok());
        assert!(heir.answer().starts_with("Ok(") && waits.answer().starts_with("Ok("));
    }
}

/// One that is stopped is alive, and is waited for; one that has come and is killed counts.
#[test]
fn one_is_stopped_and_one_dies_behind_its_arrival() {
    let name = Name::new("barrier-stopped");
    let mut ours = made(&name, 3);
    let (mut stopped, mut dies) = (participant(&name, "sleep"), participant(&name, "sleep"));
    stopped.stop();
    assert_eq!(ours.wait_timeout(Duration::from_millis(250)), Err(WaitTimeoutError::TimedOut));
    dies.expect_after("wait", "waiting");
    dies.is_blocked();
    dies.kill();
    stopped.signal(18);
    stopped.expect_after("wait", "waiting");
    assert!(ours.wait_timeout(LONG).is_ok());
    assert!(stopped.answer().starts_with("Ok("));
    assert!(matches!(ours.wait(), Err(WaitError::Broken { cause: Cause::Died, .. })));
}

/// However they are killed under load, the others are told; and behind each it is as new.
#[test]
fn random_kills() {
    let name = Name::new("barrier-kills");
    let mut ours = made(&name, 3);
    let mut stays = participant(&name, "adaptive");
    for round in 0..20 {
        let mut dies = participant(&name, "adaptive");
        ours.reset().expect("ours");
        stays.expect_after("flood", "flooding");
        dies.expect_after("flood", "flooding");
        for _ in 0..round * 5 {
            ours.wait().expect("nobody has died");
        }
        let killed = dies.kill_now();
        let told = std::iter::from_fn(|| Some(ours.wait_timeout(LONG))).find_map(Result::err).expect("an error");
        assert!(matches!(told, WaitTimeoutError::Failed(WaitError::Broken { cause: Cause::Died, .. })), "{told:?}");
        assert!(stays.answer().starts_with("Broken"), "round {round}");
        assert!(killed.elapsed() < LONG, "round {round}: {:?}", killed.elapsed());
    }
}

/// A memfd is handed to a child, a file keeps its phase, and what is no barrier is refused.
#[test]
fn places_and_refusals() {
    let mut ours = Barrier::create(Place::memfd("barrier"), 2, &Options::new()).expect("create");
    let fd = ours.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut child = command(ROLE, &["barrier", "open", "fd:it"]);
    child.hand_over("it", fd);
    let mut child = Role::spawn(&mut child, "barrier");
    child.expect("ok");
    child.expect_after("wait", "waiting");
    assert!(ours.wait_timeout(LONG).is_ok());
    assert!(child.answer().starts_with("Ok("));
    let directory = strait_testing::names::Scratch::new("barrier");
    let file = directory.path("barrier");
    drop(Barrier::create(Place::file(&file), 1, &Options::new()).expect("create"));
    let mut again = Barrier::open(Place::file(&file), &Options::new()).expect("it stays");
    assert_eq!((again.wait(), again.wait(), again.participants()), (Ok(true), Ok(true), 1));
    let name = Name::new("barrier-refusals");
    let once = Once::create(name.as_str(), &Options::new()).expect("create");
    assert_eq!(Barrier::open(name.as_str(), &Options::new()).expect_err("a once").kind(), ErrorKind::Incompatible);
    drop(once);
}

/// The last one to come wakes all that sleep by one system call: each instruction was watched.
#[cfg(target_arch = "x86_64")]
#[test]
fn one_system_call_for_all_that_sleep() {
    use strait_testing::crash::run::trace;
    use strait_testing::crash::stage::Stage;
    use strait_testing::crash::table::row;
    let roles = std::path::Path::new(env!("CARGO_BIN_EXE_crash_role")).parent().expect("a folder").to_path_buf();
    let stage = Stage::new(roles).expect("a stage");
    let wakes = || {
        let trace = trace(row("barrier-last").expect("a row"), &stage).expect("it runs");
        trace.calls.iter().filter(|call| u32::try_from(call.1) == Ok(libc::SYS_futex as u32)).count()
    };
    // On a busy machine those who sleep may just be looking around, as they do every 80 ms, and nobody needs a wake.
    let most = std::iter::repeat_with(wakes).take(5).max();
    assert_eq!(most, Some(1));
}
