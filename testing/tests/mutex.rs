//! A mutex between processes: who gets it when its holder dies, leaves, forks or panics, and how often anybody enters the kernel.

use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::PeerState;
use strait::region::{Place, Region};
use strait::sync::mutex::{LockError, LockTimeoutError};
use strait::sync::{Mutex, Options};
use strait_testing::LONG;
use strait_testing::names::{Name, Scratch};
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn made(name: &Name) -> Mutex<[u64; 4]> {
    Mutex::create(name.as_str(), &[5_u64; 4], &Options::new()).expect("create")
}

fn user(name: &Name, strategy: &str) -> Role {
    Role::ready(ROLE, &["mutex", "open", &posix(name), strategy])
}

/// Whoever waits for a holder that is killed, however it waits, gets the lock within 100 ms, with the last value that was whole; one of
/// them is told, and nobody after it.
#[test]
fn holder_dies() {
    for (strategy, ask, says) in [
        ("spin", "block", "blocking"),
        ("adaptive", "block", "blocking"),
        ("sleep", "block", "blocking"),
        ("adaptive", "poll", "polling"),
    ] {
        let name = Name::new("mutex-dies");
        let mut ours = made(&name);
        let (mut dies, mut waits) = (user(&name, strategy), user(&name, strategy));
        dies.expect_after("hold", "holding");
        dies.expect_after("set 9", "set");
        waits.expect_after(ask, says);
        let pid = dies.pid();
        let killed = dies.kill_now();
        waits.expect(&format!("recovered 5 from {pid}"));
        let took = killed.elapsed();
        eprintln!("holder_dies, {strategy} {ask}: told after {took:?}");
        assert!(took < LONG, "{took:?}");
        assert_eq!(waits.ask("lock"), "got 5");
        assert_eq!(*ours.lock().expect("it was looked at"), [5; 4]);
        // Who comes when everybody is dead is told at once.
        waits.expect_after("hold", "holding");
        waits.kill();
        assert!(matches!(ours.lock(), Err(LockError::Recovered(_))));
        drop((dies, waits, ours));
        assert!(name.left_over().is_empty());
    }
}

/// A holder that is stopped is alive: nobody gets the lock, and whoever waits can see who is in the way.
#[test]
fn holder_is_stopped() {
    let name = Name::new("mutex-stopped");
    let mut ours = made(&name);
    let mut holds = user(&name, "sleep");
    holds.expect_after("hold", "holding");
    holds.stop();
    assert!(matches!(ours.lock_timeout(Duration::from_millis(250)), Err(LockTimeoutError::TimedOut)));
    let holder = ours.holder().expect("it is held");
    assert_eq!((holder.pid, holder.state, holder.is_own), (holds.pid(), PeerState::Attached, false));
    assert!(holder.held_for >= Duration::from_millis(200), "{holder:?}");
    holds.signal(18);
    holds.expect_after("unlock", "unlocked");
    assert!(ours.lock().is_ok());
}

/// What a holder has changed when it unlocks is the value; a guard's copy that a forked child changes and drops is nobody's.
#[test]
fn value_passes_between_processes() {
    let name = Name::new("mutex-value");
    let mut ours = made(&name);
    let mut other = user(&name, "adaptive");
    other.expect_after("hold", "holding");
    other.expect_after("set 6", "set");
    assert_eq!(other.ask("fork"), "0");
    assert!(
        matches!(ours.lock_timeout(Duration::from_millis(5)), Err(LockTimeoutError::TimedOut)),
        "the child unlocked"
    );
    other.expect_after("unlock", "unlocked");
    assert_eq!(*ours.lock().expect("free"), [6; 4]);
    other.expect_after("hold", "holding");
    other.expect_after("panic", "panicked");
    let Err(LockError::Recovered(recovered)) = ours.lock() else { panic!("nobody is told of the panic") };
    assert_eq!(*recovered.repair([8; 4]), [8; 4]);
    assert_eq!(other.ask("lock"), "got 8");
    assert_eq!(other.ask("fork"), "0");
}

/// Several processes count to the same number, and a process that does nothing else is not alone with the lock for long.
#[test]
fn processes_count_together() {
    let name = Name::new("mutex-count");
    let mut ours = Mutex::create(name.as_str(), &[0_u64; 4], &Options::new()).expect("create");
    let mut users: Vec<_> = ["adaptive", "sleep", "adaptive"].iter().map(|how| user(&name, how)).collect();
    for user in &mut users {
        user.tell("count 20000");
    }
    for user in &mut users {
        user.expect("counted");
    }
    assert_eq!(*ours.lock().expect("free"), [60_000; 4]);
    users[0].expect_after("flood", "flooding");
    users[2].expect_after("flood", "flooding");
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let call = Instant::now();
        drop(ours.lock_timeout(LONG).expect("nobody starves"));
        longest = longest.max(call.elapsed());
    }
    eprintln!("processes_count_together: beside two who flood, the longest of 50 waits took {longest:?}");
}

/// Whoever of several is killed, at any moment under load: the others count on, and nothing that was counted is lost.
#[test]
fn random_kills() {
    let name = Name::new("mutex-kills");
    let mut ours = Mutex::create(name.as_str(), &[0_u64; 4], &Options::new()).expect("create");
    let mut last = 0;
    let mut told = 0;
    for round in 0..30 {
        let mut users: Vec<_> = (0..2).map(|_| user(&name, "adaptive")).collect();
        for user in &mut users {
            user.expect_after("flood", "flooding");
        }
        for user in &mut users {
            let call = Instant::now();
            user.kill();
            let value = match ours.lock_timeout(LONG) {
                Ok(guard) => *guard,
                Err(LockTimeoutError::Failed(LockError::Recovered(recovered))) => {
                    told += 1;
                    *recovered.accept()
                }
                Err(why) => panic!("round {round}: {why}"),
            };
            assert!(call.elapsed() < LONG, "round {round}: {:?}", call.elapsed());
            assert!(value == [value[0]; 4] && value[0] >= last, "round {round}: {value:?} after {last}");
            last = value[0];
        }
    }
    eprintln!("random_kills: counted {last}, {told} of 60 kills were told of");
}

/// A waiter that is killed, or stopped, holds nobody up.
#[test]
fn waiter_dies() {
    for fate in [9, 19] {
        let name = Name::new("mutex-waiter");
        let mut ours = made(&name);
        let (mut first, mut second) = (user(&name, "sleep"), user(&name, "sleep"));
        let guard = ours.lock().expect("free");
        for waits in [&mut first, &mut second] {
            waits.expect_after("block", "blocking");
            waits.is_blocked();
        }
        first.signal(fate);
        if fate == 9 {
            first.end();
        }
        drop(guard);
        if fate == 9 {
            second.expect("got 5");
        } else {
            // One that is stopped is alive: what it is handed it has, until it goes on.
            first.signal(18);
            first.expect("got 5");
            second.expect("got 5");
        }
    }
}

/// A mutex goes with its last user; a restartable one, and its value, stay until somebody removes it.
#[test]
fn names_go_with_the_last_user() {
    let name = Name::new("mutex-name");
    let ours = made(&name);
    let mut other = user(&name, "sleep");
    drop(ours);
    assert!(name.path().exists());
    other.expect_after("leave", "left");
    assert!(name.left_over().is_empty());
    let options = Options::new().restartable(true);
    let mut ours = Mutex::create(name.as_str(), &1_u64, &options).expect("create");
    *ours.lock().expect("free") = 2;
    drop(ours);
    let mut again = Mutex::<u64>::open(name.as_str(), &options).expect("it stays");
    assert_eq!(*again.lock().expect("free"), 2);
    Region::remove(Place::posix(name.as_str())).expect("removed");
}

/// A memfd is handed to a child, which finds the same mutex there; and a file keeps its value.
#[test]
fn memfd_and_file() {
    let mut ours = Mutex::create(Place::memfd("mutex"), &[5_u64; 4], &Options::new()).expect("create");
    let fd = ours.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut child = command(ROLE, &["mutex", "open", "fd:lock"]);
    child.hand_over("lock", fd);
    let mut child = Role::spawn(&mut child, "mutex");
    child.expect("ok");
    child.expect_after("count 3", "counted");
    assert_eq!(*ours.lock().expect("free"), [8; 4]);
    let directory = Scratch::new("mutex");
    let place = || Place::file(directory.path("lock"));
    drop(Mutex::create(place(), &7_u64, &Options::new()).expect("create"));
    assert_eq!(*Mutex::<u64>::open(place(), &Options::new()).expect("it stays").lock().expect("free"), 7);
}

/// What cannot be opened says why.
#[test]
fn refusals() {
    let name = Name::new("mutex-refusals");
    let open = || Mutex::<[u64; 4]>::open(name.as_str(), &Options::new());
    assert_eq!(open().expect_err("none").kind(), ErrorKind::NotFound);
    let ours = Mutex::create(name.as_str(), &[0_u64; 4], &Options::new().users(1)).expect("create");
    assert_eq!(open().expect_err("full").kind(), ErrorKind::Busy);
    let other = Mutex::<u64>::open(name.as_str(), &Options::new());
    assert_eq!(other.expect_err("another type").kind(), ErrorKind::Incompatible);
    let again = Mutex::create(name.as_str(), &[0_u64; 4], &Options::new());
    assert_eq!(again.expect_err("it exists").kind(), ErrorKind::AlreadyExists);
    let anonymous = Mutex::create(Place::anonymous(), &[0_u64; 4], &Options::new());
    assert_eq!(anonymous.expect_err("no descriptor").kind(), ErrorKind::Unsupported);
    let watch = strait::channel::watch::Reader::<u64>::open(name.as_str(), &strait::channel::watch::Options::new());
    assert_eq!(watch.expect_err("no watch").kind(), ErrorKind::Incompatible);
    drop(ours);
}

/// Locking and unlocking enter the kernel not once while nobody is in the way: each of its instructions was watched.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_system_call_uncontended() {
    use strait_testing::crash::run::trace;
    use strait_testing::crash::stage::Stage;
    use strait_testing::crash::table::row;
    let roles = std::path::Path::new(env!("CARGO_BIN_EXE_crash_role")).parent().expect("a folder").to_path_buf();
    let stage = Stage::new(roles).expect("a stage");
    for name in ["mutex-lock", "mutex-try-lock"] {
        let trace = trace(row(name).expect("a row"), &stage).expect("it runs");
        // The one at the end is the mark that says so.
        assert_eq!(trace.calls.len(), 1, "{name}: {:?}", trace.calls);
        eprintln!("no_system_call_uncontended: {name}, {} instructions for two critical sections", trace.len());
    }
}
