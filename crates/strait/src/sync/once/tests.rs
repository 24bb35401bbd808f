use super::*;
use crate::channel::Strategy;
use crate::peer::PeerState;
use crate::region::{self, Region};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread;

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(20);

fn two() -> (Once, Once) {
    let one = Once::create(Place::memfd("once"), &Options::new().users(4)).expect("memory");
    let two = one.try_clone().expect("a seat");
    (one, two)
}

/// The first call runs its closure, and no other.
#[test]
fn runs_once() {
    let (mut one, mut two) = two();
    assert!(!one.is_completed());
    assert_eq!(two.wait_timeout(SHORT), Err(WaitTimeoutError::TimedOut));
    let mut told = None;
    assert_eq!(one.call_once_with(|state| told = Some(*state)), Ok(true));
    assert_eq!(told, Some(State { is_recovered: false, pid: None }));
    assert_eq!(two.call_once(|| panic!("it is done")), Ok(false));
    assert_eq!(two.try_call_once(|_| panic!("it is done")), Ok(false));
    assert_eq!(one.call_once_timeout(SHORT, |_| panic!("it is done")), Ok(false));
    assert_eq!((two.is_completed(), two.wait(), two.holder()), (true, Ok(()), None));
}

/// While one is about it the others wait or are told so, and who asks learns who it is.
#[test]
fn one_at_a_time() {
    let (mut one, mut two) = two();
    let ran = one.call_once(|| {
        assert_eq!(two.try_call_once(|_| panic!("another is about it")), Err(TryCallError::Running));
        assert_eq!(two.call_once_timeout(SHORT, |_| panic!("another is")), Err(WaitTimeoutError::TimedOut));
        assert_eq!(two.wait_timeout(SHORT), Err(WaitTimeoutError::TimedOut));
        let holder = two.holder().expect("one is about it");
        assert_eq!((holder.pid, holder.state, holder.is_own), (std::process::id(), PeerState::Attached, false));
        assert!(holder.held_for >= SHORT, "{holder:?}");
    });
    assert_eq!((ran, two.is_completed()), (Ok(true), true));
}

/// A closure that panics has not done it: the next one is told, as often as it takes.
#[test]
fn panic_is_told() {
    let (mut one, mut two) = two();
    for _ in 0..2 {
        let call = || one.call_once(|| std::panic::resume_unwind(Box::new(())));
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert!(!two.is_completed());
        assert_eq!(two.holder(), None);
    }
    let mut told = None;
    assert_eq!(two.call_once_with(|state| told = Some(*state)), Ok(true));
    assert_eq!(told, Some(State { is_recovered: true, pid: None }));
    assert_eq!(one.call_once(|| panic!("it is done")), Ok(false));
}

/// Of many threads that call at once one runs it, and all see what it did; those that only wait too.
#[test]
fn many_call_at_once() {
    for strategy in [Strategy::SpinThenSleep, Strategy::Sleep] {
        for _ in 0..50 {
            let options = Options::new().users(8).wait(strategy);
            let first = Once::create(Place::memfd("once"), &options).expect("memory");
            let (runs, value) = (AtomicU32::new(0), AtomicU64::new(0));
            thread::scope(|scope| {
                for number in 0..4 {
                    let mut once = first.try_clone().expect("a seat");
                    let (runs, value) = (&runs, &value);
                    scope.spawn(move || {
                        if number == 3 {
                            assert_eq!(once.wait_timeout(LONG), Ok(()));
                        } else {
                            let ran = once.call_once(|| {
                                runs.fetch_add(1, Relaxed);
                                value.store(7, Relaxed);
                            });
                            assert!(ran.is_ok());
                        }
                        assert_eq!(value.load(Relaxed), 7);
                    });
                }
            });
            assert_eq!(runs.load(Relaxed), 1, "{strategy:?}");
        }
    }
}

/// One whose closure panics hands over to one who sleeps.
#[test]
fn panic_wakes_the_next() {
    let (mut one, mut two) = two();
    let begun = std::sync::Barrier::new(2);
    thread::scope(|scope| {
        let next = scope.spawn(|| {
            begun.wait();
            two.call_once_timeout(LONG, |state| assert!(state.is_recovered()))
        });
        let call = || {
            one.call_once(|| {
                begun.wait();
                thread::sleep(SHORT);
                std::panic::resume_unwind(Box::new(()))
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert_eq!(next.join().expect("ended"), Ok(true));
    });
    assert!(one.is_completed());
}

/// Whatever lies in the claim: it is done, or to be done, or somebody is about it, in bounded time.
#[test]
fn lies_in_the_claim() {
    let (mut one, mut two) = two();
    let fd = one.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let memory = Region::from_fd(fd, &region::Options::new()).expect("mapped");
    let at = layout(4).into_iter().find(|it| it.name == "claim").expect("a field").offset;
    for lie in (0..64).map(|bit| 1_u64 << bit).chain([0, 3, 0x1_0001, 0x2_0002, u64::MAX, u64::MAX - 1, u64::MAX - 2]) {
        memory.write(at, &lie.to_ne_bytes()).expect("writable");
        let _ = (one.is_completed(), two.holder(), two.try_call_once(|_| ()));
        memory.write(at, &lie.to_ne_bytes()).expect("writable");
        let _ = one.call_once_timeout(Duration::from_millis(1), |_| ());
        let _ = two.wait_timeout(Duration::from_millis(1));
    }
}

/// `docs/format.md` has a row for each field of the body.
#[test]
fn documented() {
    crate::sync::assert_documented("### A once's body", &FIELDS, &[]);
}
