//! A semaphore between processes: whose permits come back when somebody dies, who is woken, and how often anybody enters the kernel.

use std::time::Duration;
use strait::ErrorKind;
use strait::region::Place;
use strait::sync::semaphore::AcquireTimeoutError;
use strait::sync::{Mutex, Options, Semaphore};
use strait_testing::LONG;
use strait_testing::names::Name;
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn user(name: &Name, strategy: &str) -> Role {
    Role::ready(ROLE, &["semaphore", "open", &posix(name), strategy])
}

/// What a process that is killed had acquired is another one's within 100 ms, however that one waits; its name goes with the last.
#[test]
fn holder_dies() {
    for strategy in ["spin", "adaptive", "sleep"] {
        let name = Name::new("semaphore-dies");
        let mut ours = Semaphore::create(name.as_str(), 1, 1, &Options::new()).expect("create");
        let (mut dies, mut waits) = (user(&name, strategy), user(&name, strategy));
        dies.expect_after("acquire", "Ok(())");
        waits.expect_after("block", "blocking");
        let killed = dies.kill_now();
        waits.expect("Ok(())");
        let took = killed.elapsed();
        eprintln!("holder_dies, {strategy}: after {took:?}");
        assert!(took < LONG, "{took:?}");
        waits.kill();
        assert_eq!(ours.acquire_timeout(LONG), Ok(()));
        drop((dies, waits, ours));
        assert!(name.left_over().is_empty());
    }
}

/// A holder that is stopped keeps its permit.
#[test]
fn holder_is_stopped() {
    let name = Name::new("semaphore-stopped");
    let mut ours = Semaphore::create(name.as_str(), 1, 1, &Options::new()).expect("create");
    let mut holds = user(&name, "sleep");
    holds.expect_after("acquire", "Ok(())");
    holds.stop();
    assert_eq!(ours.acquire_timeout(Duration::from_millis(250)), Err(AcquireTimeoutError::TimedOut));
    holds.signal(18);
    holds.expect_after("release", "Ok(())");
    assert_eq!(ours.acquire(), Ok(()));
}

/// Posts wake sleepers in another process, one each; what is taken for good does not come back with a death.
#[test]
fn posts_reach_another_process() {
    let name = Name::new("semaphore-posts");
    let mut ours = Semaphore::create(name.as_str(), 0, 2, &Options::new()).expect("create");
    let mut other = user(&name, "sleep");
    for _ in 0..3 {
        other.expect_after("wait", "blocking");
        other.is_blocked();
        ours.post().expect("room");
        other.expect("Ok(())");
    }
    assert_eq!(other.ask("post"), "Ok(())");
    assert_eq!(other.ask("fork"), "0");
    other.kill();
    assert_eq!((ours.available(), ours.wait()), (1, Ok(())));
    assert_eq!(ours.acquire_timeout(Duration::from_millis(150)), Err(AcquireTimeoutError::TimedOut));
}

/// However many are killed at any moment under load, there are as many permits as before.
#[test]
fn random_kills() {
    let name = Name::new("semaphore-kills");
    let mut ours = Semaphore::create(name.as_str(), 2, 2, &Options::new()).expect("create");
    for round in 0..20 {
        let mut users: Vec<_> = (0..3).map(|_| user(&name, "adaptive")).collect();
        for user in &mut users {
            user.expect_after("flood", "flooding");
        }
        for user in &mut users {
            user.kill();
        }
        assert_eq!((ours.acquire_timeout(LONG), ours.acquire_timeout(LONG)), (Ok(()), Ok(())), "round {round}");
        assert_eq!(ours.acquire_timeout(Duration::from_millis(1)), Err(AcquireTimeoutError::TimedOut), "round {round}");
        assert_eq!((ours.release(), ours.release()), (Ok(()), Ok(())));
    }
}

/// A memfd is handed to a child; what is no semaphore is refused.
#[test]
fn memfd_and_refusals() {
    let ours = Semaphore::create(Place::memfd("semaphore"), 2, 2, &Options::new()).expect("create");
    let fd = ours.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut child = command(ROLE, &["semaphore", "open", "fd:it"]);
    child.hand_over("it", fd);
    let mut child = Role::spawn(&mut child, "semaphore");
    child.expect("ok");
    child.expect_after("acquire", "Ok(())");
    assert_eq!(ours.available(), 1);
    let name = Name::new("semaphore-refusals");
    let mutex = Mutex::create(name.as_str(), &0_u64, &Options::new()).expect("create");
    let other = Semaphore::open(name.as_str(), &Options::new());
    assert_eq!(other.expect_err("a mutex").kind(), ErrorKind::Incompatible);
    drop(mutex);
}

/// Acquiring and releasing enter the kernel not once while there is a permit: each instruction was watched.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_system_call_while_there_is_one() {
    use strait_testing::crash::run::trace;
    use strait_testing::crash::stage::Stage;
    use strait_testing::crash::table::row;
    let roles = std::path::Path::new(env!("CARGO_BIN_EXE_crash_role")).parent().expect("a folder").to_path_buf();
    let stage = Stage::new(roles).expect("a stage");
    for name in ["semaphore-acquire", "semaphore-wait", "semaphore-post"] {
        let trace = trace(row(name).expect("a row"), &stage).expect("it runs");
        // The one at the end is the mark that says so. The list of what is held asks for memory once.
        let marks = trace.calls.iter().filter(|call| u32::try_from(call.1) != Ok(libc::SYS_brk as u32)).count();
        assert_eq!(marks, 1, "{name}: {:?}", trace.calls);
    }
}
