use super::*;
use crate::ErrorKind;
use crate::channel::Strategy;
use crate::region::{self, Region};
use std::thread;

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(20);

fn two(reset: Reset, strategy: Strategy) -> (Event, Event) {
    let one = Event::create(Place::memfd("event"), reset, &Options::new().users(4).wait(strategy)).expect("memory");
    let two = one.try_clone().expect("a seat");
    (one, two)
}

/// A manual-reset event lets everybody through until it is reset.
#[test]
fn manual_stays_set() {
    let (mut one, mut two) = two(Reset::Manual, Strategy::default());
    assert_eq!((two.try_wait(), one.is_set()), (Err(TryWaitError::NotYet), false));
    let began = Instant::now();
    assert_eq!(two.wait_timeout(SHORT), Err(WaitTimeoutError::TimedOut));
    assert!(began.elapsed() >= SHORT);
    assert_eq!((one.set(), one.set()), (Ok(()), Ok(())));
    assert_eq!((two.wait(), one.wait(), two.try_wait(), two.wait_timeout(SHORT)), (Ok(()), Ok(()), Ok(()), Ok(())));
    assert_eq!((one.reset(), two.reset(), two.is_set()), (Ok(true), Ok(false), false));
    assert_eq!(two.try_wait(), Err(TryWaitError::NotYet));
}

/// An auto-reset event lets one through, however often it was set before.
#[test]
fn auto_lets_one_through() {
    let (mut one, mut two) = two(Reset::Auto, Strategy::default());
    assert_eq!((one.set(), one.set(), one.is_set()), (Ok(()), Ok(()), true));
    assert_eq!((two.wait(), two.try_wait()), (Ok(()), Err(TryWaitError::NotYet)));
    assert_eq!(one.wait_timeout(SHORT), Err(WaitTimeoutError::TimedOut));
    assert_eq!((two.set(), one.reset(), one.try_wait()), (Ok(()), Ok(true), Err(TryWaitError::NotYet)));
}

/// A ping-pong of sleepers, and of those who spin first.
#[test]
fn sleepers_are_woken() {
    for strategy in [Strategy::SpinThenSleep, Strategy::Sleep] {
        let (mut ping, mut theirs) = two(Reset::Auto, strategy);
        let (mut pong, mut answers) = two(Reset::Auto, strategy);
        thread::scope(|scope| {
            scope.spawn(move || (0..500).for_each(|_| assert_eq!((theirs.wait(), answers.set()), (Ok(()), Ok(())))));
            (0..500).for_each(|_| assert_eq!((ping.set(), pong.wait()), (Ok(()), Ok(()))));
        });
        assert!(!ping.is_set() && !pong.is_set(), "{strategy:?}");
    }
}

/// Of several sleepers one goes with each set, and none is forgotten.
#[test]
fn each_set_lets_one_sleeper_through() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    let options = Options::new().users(8).wait(Strategy::Sleep);
    let mut first = Event::create(Place::memfd("event"), Reset::Auto, &options).expect("memory");
    let through = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut waits = first.try_clone().expect("a seat");
            let through = &through;
            scope.spawn(move || {
                for _ in 0..100 {
                    assert_eq!(waits.wait(), Ok(()));
                    through.fetch_add(1, Relaxed);
                }
            });
        }
        let began = Instant::now();
        for count in 1..=400 {
            assert_eq!(first.set(), Ok(()));
            while through.load(Relaxed) < count {
                assert!(began.elapsed() < LONG, "{count} were set");
                thread::yield_now();
            }
            assert_eq!(through.load(Relaxed), count);
        }
    });
    assert!(!first.is_set());
}

/// Who waits when a manual-reset event is set goes, although it is reset at once.
#[test]
fn pulse_lets_sleepers_through() {
    let (mut one, mut two) = two(Reset::Manual, Strategy::Sleep);
    for _ in 0..200 {
        thread::scope(|scope| {
            let waits = scope.spawn(|| two.wait_timeout(LONG));
            // Whoever is not there yet is not concerned by a pulse; whoever is goes with it.
            while !waits.is_finished() {
                assert_eq!((one.set(), one.reset()), (Ok(()), Ok(true)));
                thread::yield_now();
            }
            assert_eq!(waits.join().expect("ended"), Ok(()));
        });
    }
}

/// Who opens it must mean the same kind.
#[test]
fn kinds_are_checked() {
    let one = Event::create(Place::memfd("event"), Reset::Auto, &Options::new()).expect("memory");
    let fd = || one.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let refused = Event::from_fd(fd(), Reset::Manual, &Options::new()).expect_err("another kind");
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    assert!(refused.to_string().contains("auto-reset event"), "{refused}");
    assert_eq!(Event::from_fd(fd(), Reset::Auto, &Options::new()).expect("the same").kind(), Reset::Auto);
    assert_eq!(one.users(), 1);
}

/// Whatever lies in its words: a value or an error, in bounded time.
#[test]
fn lies_in_the_words() {
    for reset in [Reset::Manual, Reset::Auto] {
        let (mut one, two) = two(reset, Strategy::default());
        let fd = one.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
        let memory = Region::from_fd(fd, &region::Options::new()).expect("mapped");
        let at = layout(4).into_iter().find(|it| it.name == "state").expect("a field").offset;
        for lie in (0..64).map(|bit| 1_u64 << bit).chain([u64::MAX, u64::MAX - 1, 0]) {
            memory.write(at, &lie.to_ne_bytes()).expect("writable");
            let _ = (one.is_set(), two.is_set(), one.try_wait(), one.wait_timeout(Duration::from_micros(100)));
            assert_eq!((one.set(), one.wait()), (Ok(()), Ok(())), "{lie:#x}");
            let _ = one.reset();
        }
    }
}

/// No two fields share a byte, and `docs/format.md` has a row for each of the body and each bit.
#[test]
fn documented() {
    let table = layout(4);
    for (field, next) in table.iter().zip(&table[1..]) {
        assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
    }
    crate::sync::assert_documented("### An event's body", &FIELDS, &BITS);
}
