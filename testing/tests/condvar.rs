//! A condition between processes: who wakes when one notifies, is killed or stopped, and how often anybody enters the kernel.

use std::time::{Duration, Instant};
use strait::region::Place;
use strait::sync::condvar::WaitTimeoutError;
use strait::sync::mutex::LockError;
use strait::sync::{Condvar, Mutex, Options};
use strait_testing::LONG;
use strait_testing::names::Name;
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");
const STRATEGIES: [&str; 3] = ["spin", "adaptive", "sleep"];

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn made(name: &Name) -> (Mutex<u64>, Condvar) {
    let mutex = Mutex::create(name.as_str(), &0_u64, &Options::new()).expect("create");
    let condvar = Condvar::of(&mutex, 0).expect("a seat");
    (mutex, condvar)
}

fn user(name: &Name, strategy: &str) -> Role {
    Role::ready(ROLE, &["condvar", &posix(name), strategy])
}

/// Starts to wait, and waits.
fn waits(user: &mut Role, condvar: &Condvar) {
    let before = condvar.waiting();
    user.expect_after("wait", "waiting");
    let began = Instant::now();
    while condvar.waiting() == before {
        assert!(began.elapsed() < LONG, "it does not wait");
        std::thread::yield_now();
    }
}

/// One notification wakes the process that has waited longest, and all wake all, however they wait.
#[test]
fn processes_are_woken() {
    for strategy in STRATEGIES {
        let name = Name::new("condvar-woken");
        let (mut mutex, condvar) = made(&name);
        let mut users: Vec<_> = (0..3).map(|_| user(&name, strategy)).collect();
        users.iter_mut().for_each(|user| waits(user, &condvar));
        *mutex.lock().expect("free") = 7;
        assert_eq!(condvar.notify_one(), Ok(true));
        users[0].expect("woke 7");
        assert_eq!(condvar.notify_all(), Ok(2));
        users[1].expect("woke 7");
        users[2].expect("woke 7");
        assert_eq!(users[0].ask("wait 5"), "timed out");
        assert_eq!(users[0].ask("notify one"), "Ok(false)");
        drop((users, mutex, condvar));
        assert!(name.left_over().is_empty());
    }
}

/// One that is killed after it was notified, while it still waits for the mutex: another one is woken within 100 ms.
#[test]
fn notified_one_dies() {
    for strategy in STRATEGIES {
        let name = Name::new("condvar-notified");
        let (mut mutex, condvar) = made(&name);
        let (mut dies, mut other) = (user(&name, strategy), user(&name, strategy));
        waits(&mut dies, &condvar);
        waits(&mut other, &condvar);
        let guard = mutex.lock().expect("free");
        assert_eq!(condvar.notify_one(), Ok(true));
        let killed = dies.kill_now();
        drop(guard);
        other.expect("woke 0");
        let took = killed.elapsed();
        eprintln!("notified_one_dies, {strategy}: another wakes after {took:?}");
        assert!(took < LONG, "{took:?}");
    }
}

/// A death of any user wakes all who wait: of one that holds the mutex too, and then one of them is told. One that is stopped wakes nobody.
#[test]
fn deaths_wake_all() {
    for strategy in STRATEGIES {
        let name = Name::new("condvar-deaths");
        let (mut mutex, condvar) = made(&name);
        let (mut dies, mut one) = (user(&name, strategy), user(&name, strategy));
        waits(&mut one, &condvar);
        dies.expect_after("hold", "holding");
        dies.stop();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(condvar.waiting(), 1, "one that is stopped is alive");
        let killed = dies.kill_now();
        one.expect("recovered 0");
        let took = killed.elapsed();
        eprintln!("deaths_wake_all, {strategy}: after {took:?}");
        assert!(took < LONG, "{took:?}");
        assert!(mutex.lock().is_ok());
    }
}

/// Of several processes that take what one puts there each has its share, none sleeps for ever, and nothing is lost, whoever is killed.
#[test]
fn random_kills() {
    const ROUNDS: u64 = 40;
    let name = Name::new("condvar-kills");
    let (mut mutex, condvar) = made(&name);
    let mut put = 0;
    for round in 0..ROUNDS {
        let mut users: Vec<_> =
            (0..3).map(|_| user(&name, ["adaptive", "sleep", "adaptive"][round as usize % 3])).collect();
        users.iter_mut().for_each(|user| user.tell("consume"));
        let mut dies = users.pop().expect("three");
        for number in 0..60 {
            match mutex.lock() {
                Ok(mut guard) => *guard += 1,
                Err(LockError::Recovered(recovered)) => *recovered.accept() += 1,
                Err(why) => panic!("{why:?}"),
            }
            put += 1;
            condvar.notify_one().expect("no fork");
            if number == 20 + round {
                dies.kill();
            }
        }
        // All is taken, though one has died with what it was notified of.
        let began = Instant::now();
        loop {
            let left = match mutex.lock() {
                Ok(guard) => *guard,
                Err(LockError::Recovered(recovered)) => *recovered.accept(),
                Err(why) => panic!("{why:?}"),
            };
            if left == 0 {
                break;
            }
            assert!(began.elapsed() < LONG, "round {round}: {left} lie there and everybody sleeps");
            std::thread::yield_now();
        }
        *mutex.lock().expect("nobody dies now") = u64::MAX;
        condvar.notify_all().expect("no fork");
        for user in &mut users {
            let said = user.answer();
            assert!(said.starts_with("took "), "{said}");
        }
        *mutex.lock().expect("nobody dies now") = 0;
    }
    eprintln!("random_kills: {put} were put there and taken, beside {ROUNDS} kills");
}

/// A mutex in a memfd is handed to a child with its conditions; in a forked child they are refused.
#[test]
fn memfd_and_fork() {
    let mut mutex = Mutex::create(Place::memfd("condvar"), &0_u64, &Options::new()).expect("create");
    let condvar = Condvar::of(&mutex, 0).expect("a seat");
    let fd = mutex.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut child = command(ROLE, &["condvar", "fd:lock"]);
    child.hand_over("lock", fd);
    let mut child = Role::spawn(&mut child, "condvar");
    child.expect("ok");
    assert_eq!((child.ask("fork"), child.ask("fork-waiting")), ("0".into(), "0".into()));
    waits(&mut child, &condvar);
    *mutex.lock().expect("free") = 3;
    assert_eq!(condvar.notify_one(), Ok(true));
    child.expect("woke 3");
    let guard = mutex.lock().expect("free");
    child.tell("notify one");
    let waited = condvar.wait_timeout(guard, Duration::from_millis(500));
    // It may have come before the wait.
    assert!(matches!(waited, Ok(_) | Err(WaitTimeoutError::TimedOut(_))));
}
