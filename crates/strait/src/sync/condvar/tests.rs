use super::*;
use crate::ErrorKind;
use crate::channel::Strategy;
use crate::region::{self, Place, Region};
use crate::sync::{Options, RwLock};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(5);

type Pair = (Mutex<u64>, Condvar);

fn pair(of: &Mutex<u64>) -> Pair {
    let mutex = of.try_clone().expect("a seat");
    let condvar = Condvar::of(&mutex, 0).expect("a seat");
    (mutex, condvar)
}

fn two(strategy: Strategy) -> [Pair; 2] {
    let options = Options::new().users(12).wait(strategy);
    let mutex = Mutex::create(Place::memfd("condvar"), &0, &options).expect("memory");
    [pair(&mutex), pair(&mutex)]
}

/// Two that hand a number back and forth each wake the other, however they wait.
#[test]
fn ping_pong() {
    for strategy in [Strategy::SpinThenSleep, Strategy::Sleep, Strategy::Spin] {
        let [here, there] = two(strategy);
        let play = |(mut mutex, condvar): Pair, is_mine: fn(u64) -> bool| {
            let mut guard = mutex.lock().expect("nobody dies");
            while *guard < 1_000 {
                guard = condvar.wait_while(guard, |value| *value < 1_000 && !is_mine(*value)).expect("nobody dies");
                *guard += 1;
                condvar.notify_one().expect("no fork");
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| play(there, |value| value % 2 == 1));
            play(here, |value| value % 2 == 0);
        });
    }
}

/// A wait is over when the time is, with the mutex held again; or when it is so no more.
#[test]
fn waits_for_a_time() {
    let [(mut mutex, condvar), (mut other, notifies)] = two(Strategy::default());
    let guard = mutex.lock().expect("free");
    let began = Instant::now();
    let Err(WaitTimeoutError::TimedOut(guard)) = condvar.wait_timeout(guard, SHORT) else { panic!("notified") };
    assert!(began.elapsed() >= SHORT && other.try_lock().is_err());
    let Err(WaitTimeoutError::TimedOut(guard)) = condvar.wait_timeout_while(guard, SHORT, |it| *it == 0) else {
        panic!("it is not so any more")
    };
    drop(guard);
    assert_eq!((notifies.notify_one(), notifies.notify_all()), (Ok(false), Ok(0)));
    thread::scope(|scope| {
        scope.spawn(move || {
            while notifies.waiting() == 0 {
                thread::yield_now();
            }
            *other.lock().expect("free") = 1;
            assert_eq!(notifies.notify_one(), Ok(true));
        });
        let guard = mutex.lock().expect("free");
        assert_eq!(*condvar.wait_timeout_while(guard, LONG, |it| *it == 0).expect("notified"), 1);
    });
}

/// One notification wakes the one that has waited longest, all wake all; other conditions are not meant.
#[test]
fn one_or_all_are_woken() {
    let mutex = Mutex::create(Place::memfd("condvar"), &0, &Options::new().users(16)).expect("memory");
    let notifies = Condvar::of(&mutex, 0).expect("a seat");
    let other = Condvar::of(&mutex, 1).expect("a seat");
    let (say, woken) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        for number in 0..4 {
            let ((mut mutex, condvar), say) = (pair(&mutex), say.clone());
            scope.spawn(move || {
                let guard = mutex.lock().expect("free");
                drop(condvar.wait(guard).expect("nobody dies"));
                let _ = say.send(number);
            });
            let began = Instant::now();
            while notifies.waiting() != number + 1 {
                assert!(began.elapsed() < LONG, "it does not wait");
                thread::yield_now();
            }
        }
        assert_eq!((other.notify_one(), other.notify_all()), (Ok(false), Ok(0)));
        for number in 0..2 {
            assert_eq!(notifies.notify_one(), Ok(true));
            assert_eq!(woken.recv_timeout(LONG), Ok(number));
        }
        assert_eq!((notifies.notify_all(), notifies.waiting()), (Ok(2), 0));
    });
}

/// A guard of another mutex is handed back, locked as it was; numbers beyond the last are refused; one is a user like others.
#[test]
fn other_guards_are_refused() {
    let [(mut mutex, condvar), _] = two(Strategy::default());
    let [(mut other, _), _] = two(Strategy::default());
    let Err(WaitError::OtherMutex(guard)) = condvar.wait(other.lock().expect("free")) else { panic!("it waits") };
    drop(guard);
    let mut lock = RwLock::create(Place::memfd("rwlock"), &0_u64, &Options::new()).expect("memory");
    assert!(matches!(condvar.wait(lock.write().expect("free")), Err(WaitError::OtherMutex(_))));
    assert!(mutex.lock().is_ok());
    assert_eq!(Condvar::of(&mutex, CONDITIONS).expect_err("refused").kind(), ErrorKind::Usage);
    let small = Mutex::create(Place::memfd("condvar"), &0_u64, &Options::new().users(1)).expect("memory");
    assert_eq!(Condvar::of(&small, 0).expect_err("no room").kind(), ErrorKind::Busy);
}

/// Who is notified all the time, and for nothing, still waits for no longer than it wants to.
#[test]
fn notified_for_nothing() {
    let [(mut mutex, condvar), (_other, notifies)] = two(Strategy::default());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                notifies.notify_all().expect("no fork");
            }
        });
        let waited = condvar.wait_timeout_while(mutex.lock().expect("free"), SHORT, |_| true);
        is_over.store(true, Relaxed);
        assert!(matches!(waited, Err(WaitTimeoutError::TimedOut(_))));
    });
}

/// Who waits, and wakes when the mutex's holder had panicked, is told.
#[test]
fn recovered_on_the_way_back() {
    let [(mut mutex, condvar), (mut other, notifies)] = two(Strategy::default());
    thread::scope(|scope| {
        scope.spawn(move || {
            while notifies.waiting() == 0 {
                thread::yield_now();
            }
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut guard = other.lock().expect("free");
                *guard = 9;
                notifies.notify_one().expect("no fork");
                std::panic::resume_unwind(Box::new(()));
            }));
            assert!(panicked.is_err());
        });
        let Err(WaitError::Recovered(recovered)) = condvar.wait(mutex.lock().expect("free")) else {
            panic!("nobody is told")
        };
        assert_eq!(*recovered.accept(), 0);
    });
}

/// Of what lies in the words of waiters, whatever it is, something comes in bounded time.
#[test]
fn lies_in_the_words() {
    let [(mut mutex, condvar), (_other, notifies)] = two(Strategy::default());
    let fd = mutex.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let memory = Region::from_fd(fd, &region::Options::new()).expect("mapped");
    let words = crate::sync::mutex::layout::<u64>(12).into_iter().filter(|it| it.name == "waits_for");
    for field in words {
        for lie in (0..64).map(|bit| 1_u64 << bit).chain([3, 5, u64::MAX, u64::MAX - 2]) {
            memory.write(field.offset, &lie.to_ne_bytes()).expect("writable");
            assert!(notifies.waiting() <= 12 && notifies.notify_one().is_ok() && notifies.notify_all().is_ok());
            let _ = condvar.wait_timeout(mutex.lock().expect("free"), SHORT / 50).map(drop);
        }
    }
}

/// `docs/format.md` has a row for the word of waiters and each bit of it.
#[test]
fn documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
    for (name, offset, len) in waiters::FIELDS {
        assert!(text.contains(&format!("| {offset} | {len} | `{name}` |")), "docs/format.md has no row for {name}");
    }
    let (_, text) = text.split_once("`waits_for`").expect("it is there");
    for (name, first, count) in waiters::BITS {
        assert!(
            text.contains(&format!("| {first}..{} | `{name}` |", first + count)),
            "docs/format.md has no row for {name}"
        );
    }
}
