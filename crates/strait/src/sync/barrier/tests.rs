use super::*;
use crate::channel::Strategy;
use crate::region::{self, Region};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(20);

fn all(participants: u32, strategy: Strategy) -> Vec<Barrier> {
    let options = Options::new().wait(strategy);
    let first = Barrier::create(Place::memfd("barrier"), participants, &options).expect("memory");
    let others: Vec<_> = (1..participants).map(|_| first.try_clone().expect("a seat")).collect();
    std::iter::once(first).chain(others).collect()
}

/// All pass each phase together, and one of them leads, however they wait.
#[test]
fn all_pass_together() {
    const PHASES: u32 = 500;
    for strategy in [Strategy::SpinThenSleep, Strategy::Sleep] {
        let (come, leaders) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for mut barrier in all(3, strategy) {
                let (come, leaders) = (&come, &leaders);
                scope.spawn(move || {
                    for phase in 1..=PHASES {
                        come.fetch_add(1, Relaxed);
                        let is_leader = barrier.wait().expect("nobody dies");
                        leaders.fetch_add(u32::from(is_leader), Relaxed);
                        let now = come.load(Relaxed);
                        assert!((3 * phase..=3 * phase + 2).contains(&now), "{now} came before phase {phase} was over");
                    }
                });
            }
        });
        assert_eq!(leaders.load(Relaxed), PHASES, "{strategy:?}");
    }
}

/// A barrier for one is no hindrance.
#[test]
fn alone() {
    let mut alone = all(1, Strategy::default()).remove(0);
    assert_eq!((alone.wait(), alone.try_wait(), alone.wait_timeout(SHORT)), (Ok(true), Ok(true), Ok(true)));
    assert_eq!((alone.missing().len(), alone.reset(), alone.broken()), (1, Ok(false), None));
}

/// Whose time runs out has not come; it is said who is missing, and it may come again.
#[test]
fn timeout_is_no_arrival() {
    let [mut one, mut two] = all(2, Strategy::default()).try_into().expect("two");
    assert_eq!(one.try_wait(), Err(TryWaitError::Missing));
    let began = Instant::now();
    assert_eq!(one.wait_timeout(SHORT), Err(WaitTimeoutError::TimedOut));
    assert!(began.elapsed() >= SHORT);
    assert_eq!(two.try_wait(), Err(TryWaitError::Missing));
    thread::scope(|scope| {
        let waits = scope.spawn(|| one.wait_timeout(LONG));
        while two.missing().len() == 2 {
            thread::yield_now();
        }
        thread::sleep(SHORT);
        let missing = two.missing();
        assert_eq!((missing.len(), missing[0].is_own, missing[0].pid), (1, true, std::process::id()));
        assert!(missing[0].held_for >= SHORT / 2, "{missing:?}");
        assert_eq!(two.try_wait(), Ok(true));
        assert_eq!(waits.join().expect("ended"), Ok(false));
    });
    assert_eq!(two.missing().len(), 2);
}

/// One that leaves before it has come breaks it, until there is a successor and somebody puts it right.
#[test]
fn leaving_breaks() {
    let [mut one, two] = all(2, Strategy::Sleep).try_into().expect("two");
    let waits = thread::spawn(move || (one.wait(), one));
    drop(two);
    let (told, mut one) = waits.join().expect("ended");
    let broken = Err(WaitError::Broken { pid: Some(std::process::id()), cause: Cause::Left });
    assert_eq!(told, broken);
    assert_eq!((one.wait(), one.broken().map(Err)), (broken, Some(broken)));
    assert_eq!((one.reset(), one.reset(), one.wait()), (Ok(true), Ok(false), broken));
    let mut heir = one.try_clone().expect("a seat");
    let told = heir.wait_timeout(LONG);
    assert_eq!(told, Err(WaitTimeoutError::Failed(WaitError::Broken { pid: None, cause: Cause::Left })));
    assert_eq!(heir.reset(), Ok(true));
    thread::scope(|scope| {
        let waits = scope.spawn(|| heir.wait().expect("put right"));
        let led = one.wait().expect("put right");
        assert_ne!(waits.join().expect("ended"), led);
    });
}

/// One that left when it had come is counted, and missed in the next phase.
#[test]
fn who_has_come_is_counted() {
    let [mut one, mut two] = all(2, Strategy::default()).try_into().expect("two");
    thread::scope(|scope| {
        let waits = scope.spawn(|| one.wait());
        assert!(two.wait().is_ok());
        assert!(waits.join().expect("ended").is_ok());
    });
    drop(two);
    assert!(matches!(one.wait_timeout(LONG), Err(WaitTimeoutError::Failed(WaitError::Broken { .. }))));
}

/// More than may be are refused, and none.
#[test]
fn refusals() {
    for participants in [0, SEATS_MAX + 1] {
        let made = Barrier::create(Place::memfd("barrier"), participants, &Options::new());
        assert_eq!(made.expect_err("refused").kind(), ErrorKind::Usage);
    }
    let all = all(2, Strategy::default());
    assert_eq!(all[0].try_clone().expect_err("all are there").kind(), ErrorKind::Busy);
    assert_eq!((all[1].participants(), all[1].users()), (2, 2));
}

/// Whatever lies in its words: a value or an error, in bounded time.
#[test]
fn lies_in_the_words() {
    let [mut one, two] = all(2, Strategy::default()).try_into().expect("two");
    let fd = one.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let memory = Region::from_fd(fd, &region::Options::new()).expect("mapped");
    for field in layout(2).into_iter().filter(|it| matches!(it.name, "state" | "arrived")) {
        for lie in (0..64).map(|bit| 1_u64 << bit).chain([u64::MAX, u64::MAX - 1, 0]) {
            memory.write(field.offset, &lie.to_ne_bytes()).expect("writable");
            let _ = (two.broken(), two.missing(), one.try_wait(), one.wait_timeout(Duration::from_micros(100)));
            let _ = (one.reset(), one.broken());
        }
    }
}

/// No two fields share a byte, and `docs/format.md` has a row for each and each bit.
#[test]
fn documented() {
    let table = layout(3);
    for (field, next) in table.iter().zip(&table[1..]) {
        assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
    }
    let fields = [&FIELDS[..], &PROGRESS_FIELDS].concat();
    crate::sync::assert_documented("### A barrier's body", &fields, &BITS);
}
