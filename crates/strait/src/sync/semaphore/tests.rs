use super::*;
use crate::ErrorKind;
use crate::channel::Strategy;
use crate::region::{self, Region};
use std::thread;
use std::time::Instant;

const SHORT: Duration = Duration::from_millis(5);

fn two(permits: u32, most: u32) -> (Semaphore, Semaphore) {
    let one = Semaphore::create(Place::memfd("semaphore"), permits, most, &Options::new().users(4)).expect("memory");
    let two = one.try_clone().expect("a seat");
    (one, two)
}

/// Permits are taken until there are none, and given back by who has them: by a handle that is dropped too.
#[test]
fn permits_are_counted() {
    let (mut one, mut two) = two(2, 3);
    assert_eq!((one.acquire(), two.acquire()), (Ok(()), Ok(())));
    assert_eq!((one.available(), one.held(), one.most()), (0, 1, 3));
    assert_eq!(two.try_acquire(), Err(TryAcquireError::Empty));
    let began = Instant::now();
    assert_eq!(two.acquire_timeout(SHORT), Err(AcquireTimeoutError::TimedOut));
    assert!(began.elapsed() >= SHORT);
    assert_eq!(one.release(), Ok(()));
    assert_eq!(one.release(), Err(ReleaseError::NotHeld));
    assert_eq!(two.try_acquire(), Ok(()));
    assert_eq!((two.held(), one.available()), (2, 0));
    drop(two);
    assert_eq!(one.available(), 2);
}

/// What is posted can be taken for good, by anybody, up to as many as there may be.
#[test]
fn posts_are_signals() {
    let (mut one, mut two) = two(0, 2);
    assert_eq!(one.try_wait(), Err(TryAcquireError::Empty));
    assert_eq!((two.post(), two.post(), two.post()), (Ok(()), Ok(()), Err(ReleaseError::Full)));
    assert_eq!((one.wait(), one.wait_timeout(SHORT)), (Ok(()), Ok(())));
    assert_eq!((one.available(), one.held()), (0, 0));
    assert_eq!(one.wait_timeout(SHORT), Err(AcquireTimeoutError::TimedOut));
    // One that is held still counts.
    assert_eq!((two.post(), one.acquire(), two.post(), two.post()), (Ok(()), Ok(()), Ok(()), Err(ReleaseError::Full)));
}

/// A sleeper is woken by a post, and by a release.
#[test]
fn sleepers_are_woken() {
    for strategy in [Strategy::SpinThenSleep, Strategy::Sleep] {
        let options = Options::new().users(4).wait(strategy);
        let mut ping = Semaphore::create(Place::memfd("ping"), 0, 1, &options).expect("memory");
        let mut pong = Semaphore::create(Place::memfd("pong"), 0, 1, &options).expect("memory");
        let (mut theirs, mut answers) = (ping.try_clone().expect("a seat"), pong.try_clone().expect("a seat"));
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..500 {
                    assert_eq!((theirs.wait(), answers.post()), (Ok(()), Ok(())));
                }
            });
            for _ in 0..500 {
                assert_eq!((ping.post(), pong.wait()), (Ok(()), Ok(())));
            }
        });
        assert_eq!((ping.available(), pong.available()), (0, 0), "{strategy:?}");
    }
}

/// Never do more have a permit than there are, and none is lost, however many threads there are.
#[test]
fn never_more_than_there_are() {
    use std::sync::atomic::AtomicU32;
    let mut first = Semaphore::create(Place::memfd("semaphore"), 2, 2, &Options::new().users(8)).expect("memory");
    let inside = AtomicU32::new(0);
    let handles: Vec<_> = (0..4).map(|_| first.try_clone().expect("a seat")).collect();
    thread::scope(|scope| {
        for mut handle in handles {
            let inside = &inside;
            scope.spawn(move || {
                for _ in 0..5_000 {
                    assert_eq!(handle.acquire(), Ok(()));
                    assert!(inside.fetch_add(1, AcqRel) < 2, "a third is inside");
                    inside.fetch_sub(1, AcqRel);
                    assert_eq!(handle.release(), Ok(()));
                }
            });
        }
    });
    assert_eq!((first.available(), first.try_acquire()), (2, Ok(())));
}

/// What nobody can make is refused: no permits at all, more than there may be, more than any semaphore has.
#[test]
fn refusals() {
    for (permits, most) in [(0, 0), (2, 1), (1, PERMITS_MAX + 1)] {
        let made = Semaphore::create(Place::memfd("semaphore"), permits, most, &Options::new());
        assert_eq!(made.expect_err("refused").kind(), ErrorKind::Usage);
    }
    let all = Semaphore::create(Place::memfd("semaphore"), PERMITS_MAX, PERMITS_MAX, &Options::new());
    assert_eq!(all.expect("memory").available(), PERMITS_MAX);
}

/// Whatever lies in a claim: a permit, or that there is none, in bounded time.
#[test]
fn lies_in_the_claims() {
    let (mut one, two) = two(1, 2);
    let fd = one.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let memory = Region::from_fd(fd, &region::Options::new()).expect("mapped");
    let at = layout(4, 2).into_iter().find(|it| it.name == "permit").expect("a field").offset;
    for lie in (0..64).map(|bit| 1_u64 << bit).chain([3, 0x1_0001, 0x2_0002, u64::MAX, u64::MAX - 1, u64::MAX - 2]) {
        memory.write(at, &lie.to_ne_bytes()).expect("writable");
        let _ = (one.available(), two.available(), one.try_acquire(), one.acquire_timeout(Duration::from_millis(1)));
        let _ = (one.post(), one.try_wait(), one.release(), one.release());
    }
}
