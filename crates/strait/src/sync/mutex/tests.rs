use super::*;
use crate::channel::Strategy;
use crate::peer::PeerState;
use crate::region::{self, Region};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(5);

fn two<T: Item>(value: &T) -> (Mutex<T>, Mutex<T>) {
    let one = Mutex::create(Place::memfd("mutex"), value, &Options::new().users(4)).expect("memory");
    let two = one.try_clone().expect("a seat");
    (one, two)
}

/// Its lock bits, for tests that write there.
fn memory<T: Item>(of: &Mutex<T>) -> Region {
    let fd = of.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    Region::from_fd(fd, &region::Options::new()).expect("mapped")
}

fn field(users: u32, name: &str) -> u64 {
    layout::<u64>(users).into_iter().find(|it| it.name == name).expect("a field of that name").offset
}

/// What is changed under the lock is the value for the next one; what is only looked at is not.
#[test]
fn changes_are_seen_by_the_next() {
    let (mut one, mut two) = two(&5_u64);
    *one.lock().expect("free") += 1;
    assert_eq!(*two.lock().expect("free"), 6);
    *two.lock().expect("free") = 9;
    assert_eq!(*one.try_lock().expect("free"), 9);
}

/// Values of all sizes, in the claim's line and beside it, are whole.
#[test]
fn values_of_all_sizes() {
    fn check<T: Item>() {
        let (mut one, mut two) = two(&T::new_zeroed());
        for round in 1..5_u8 {
            let mut guard = if round % 2 == 0 { one.lock() } else { two.lock() }.expect("free");
            assert!(guard.as_bytes().iter().all(|&byte| byte == round - 1));
            guard.as_mut_bytes().fill(round);
        }
    }
    check::<u8>();
    check::<[u8; 24]>();
    check::<[u8; 25]>();
    check::<[u64; 8]>();
    check::<[u8; 5000]>();
}

/// One who holds it keeps the other out, however that one asks; it says who holds it and for how long.
#[test]
fn holder_keeps_others_out() {
    let (mut one, mut two) = two(&0_u64);
    assert_eq!(two.holder(), None);
    let guard = one.lock().expect("free");
    assert!(matches!(two.try_lock(), Err(TryLockError::Locked)));
    let began = Instant::now();
    assert!(matches!(two.lock_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
    assert!(began.elapsed() >= SHORT);
    let holder = two.holder().expect("it is held");
    assert_eq!((holder.pid, holder.state, holder.is_own), (std::process::id(), PeerState::Attached, false));
    assert!(holder.held_for >= SHORT / 2 && holder.start_ticks != 0, "{holder:?}");
    drop(guard);
    assert_eq!(two.holder(), None);
    let again = one.lock().expect("free");
    // Another lock of the same holder begins anew.
    assert!(two.holder().expect("it is held").held_for < LONG);
    drop(again);
    assert!(two.lock_timeout(SHORT).is_ok());
}

/// A holder that panics has changed nothing, and the next one is told, until somebody accepts it.
#[test]
fn panic_changes_nothing() {
    let (mut one, mut two) = two(&5_u64);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        *one.lock().expect("free") = 6;
        let mut guard = one.lock().expect("free");
        *guard = 7;
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    for _ in 0..2 {
        let Err(LockError::Recovered(recovered)) = two.lock() else { panic!("nobody is told") };
        assert_eq!((*recovered.value(), recovered.pid()), (6, None));
    }
    let Err(TryLockError::Failed(LockError::Recovered(recovered))) = one.try_lock() else { panic!("nobody is told") };
    assert_eq!(*recovered.repair(10), 10);
    assert_eq!(*two.lock().expect("repaired"), 10);
}

/// A guard that is made and dropped while something else panics is an honest one; what its handle does later is as ever.
#[test]
fn guard_within_a_panic() {
    struct OnDrop<'a>(&'a mut Mutex<u64>);
    impl Drop for OnDrop<'_> {
        fn drop(&mut self) {
            *self.0.lock().expect("free") += 1;
        }
    }
    let (mut one, mut two) = two(&5_u64);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _counts = OnDrop(&mut one);
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert_eq!(*two.lock().expect("nothing is marked"), 6);
    drop(one.lock().expect("free"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        *one.lock().expect("free") = 7;
        let _guard = one.lock().expect("free");
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    let Err(LockError::Recovered(recovered)) = two.lock() else { panic!("nobody is told") };
    assert_eq!(*recovered.accept(), 7);
}

/// A guard that is forgotten locks for as long as its handle lives; then, or when that handle locks again, somebody is told.
#[test]
fn forgotten_guard() {
    let (mut one, mut two) = two(&5_u64);
    std::mem::forget(one.lock().expect("free"));
    assert!(matches!(two.try_lock(), Err(TryLockError::Locked)));
    let Err(LockError::Recovered(recovered)) = one.lock() else { panic!("nobody is told") };
    drop(recovered.accept());
    std::mem::forget(one.lock().expect("free"));
    drop(one);
    assert!(matches!(two.lock(), Err(LockError::Recovered(_))));
}

/// Every user counts; a handle that is dropped makes room for another.
#[test]
fn users_are_counted() {
    let first = Mutex::create(Place::memfd("mutex"), &0_u8, &Options::new().users(2)).expect("memory");
    let second = first.try_clone().expect("a seat");
    assert_eq!(first.users(), 2);
    assert_eq!(first.try_clone().expect_err("it is full").kind(), ErrorKind::Busy);
    drop(second);
    assert!(first.try_clone().is_ok());
    let none = Mutex::create(Place::memfd("mutex"), &0_u8, &Options::new().users(0));
    assert_eq!(none.expect_err("nobody can use it").kind(), ErrorKind::Usage);
}

/// Many threads, however they wait, count to the same number, and none of them starves.
#[test]
fn threads_count_together() {
    const EACH: u64 = 20_000;
    // More than 64 have more than one word of bits for those who sleep.
    for (strategy, users) in [(Strategy::SpinThenSleep, 8), (Strategy::Sleep, 8), (Strategy::Sleep, 100)] {
        let options = Options::new().users(users).wait(strategy);
        let mut first = Mutex::create(Place::memfd("mutex"), &[0_u64; 4], &options).expect("memory");
        let handles: Vec<_> = (0..4).map(|_| first.try_clone().expect("a seat")).collect();
        thread::scope(|scope| {
            for mut handle in handles {
                scope.spawn(move || {
                    for _ in 0..EACH {
                        let mut guard = handle.lock().expect("nobody dies");
                        let next = guard[0] + 1;
                        assert!(guard.iter().all(|&word| word + 1 == next), "torn: {:?}", *guard);
                        *guard = [next; 4];
                    }
                });
            }
        });
        assert_eq!(first.lock().expect("free")[0], 4 * EACH, "{strategy:?}, {users} users");
    }
}

/// One who has slept for long is handed the lock by who unlocks, however soon that one locks again.
#[test]
fn sleeper_is_not_overtaken_for_long() {
    let (mut greedy, mut patient) = two(&0_u64);
    let waited = thread::scope(|scope| {
        let mut guard = greedy.lock().expect("free");
        let sleeper = scope.spawn(move || {
            let began = Instant::now();
            *patient.lock().expect("nobody dies") = 1;
            began.elapsed()
        });
        // It holds it all the time, but for the moments between unlocking and locking.
        let began = Instant::now();
        while *guard == 0 && began.elapsed() < LONG {
            drop(guard);
            guard = greedy.lock().expect("nobody dies");
            let busy = Instant::now();
            while busy.elapsed() < Duration::from_micros(200) {
                std::hint::spin_loop();
            }
        }
        assert_eq!(*guard, 1, "it starves");
        drop(guard);
        sleeper.join().expect("ended")
    });
    eprintln!("sleeper_is_not_overtaken_for_long: {waited:?}");
}

/// Of what lies in the claim, whatever it is, something comes in bounded time: a lock, a `Recovered`, or that another one has it.
#[test]
fn lies_in_the_claim() {
    let (mut one, two) = two(&5_u64);
    let memory = memory(&one);
    let at = field(4, "claim");
    let mut outcomes = [0; 3];
    for lie in (0..64).map(|bit| 1_u64 << bit).chain([3, 0x1_0001, 0x2_0002, u64::MAX, u64::MAX - 1, u64::MAX - 2]) {
        memory.write(at, &lie.to_ne_bytes()).expect("writable");
        let outcome = match one.lock_timeout(Duration::from_millis(1)) {
            Ok(guard) => {
                drop(guard);
                0
            }
            Err(LockTimeoutError::Failed(LockError::Recovered(recovered))) => {
                drop(recovered.accept());
                1
            }
            Err(LockTimeoutError::TimedOut) => 2,
            Err(error) => panic!("{lie:#x}: {error:?}"),
        };
        outcomes[outcome] += 1;
        let _ = (one.holder(), two.holder());
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
}

/// No two fields share a byte, and whatever users do, what they write is in a field.
#[test]
fn every_byte_written_is_in_a_field() {
    let table = layout::<[u8; 40]>(4);
    for (field, next) in table.iter().zip(&table[1..]) {
        assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
    }
    let (mut one, mut two) = two(&[0xFF_u8; 40]);
    let region = memory(&one);
    let mut bytes = vec![0; region.len() as usize];
    for _ in 0..50 {
        let mut guard = one.lock().expect("free");
        guard.fill(0xFF);
        let _ = two.lock_timeout(Duration::from_micros(200));
        region.read(0, &mut bytes).expect("inside");
        for at in (0..bytes.len()).filter(|&at| bytes[at] != 0) {
            let is_known = table.iter().any(|it| (it.offset..it.offset + it.len_bytes).contains(&(at as u64)));
            assert!(is_known, "byte {at} is in no field");
        }
    }
}

/// `docs/format.md` has a row for each field of the body and each bit of a claim.
#[test]
fn documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
    let (_, text) = text.split_once("## A lock").expect("a part of its own");
    let rows: Vec<Vec<&str>> =
        text.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let has = |cells: &[String]| {
        let is_there = rows.iter().any(|row| row.len() >= cells.len() && cells.iter().zip(row).all(|(a, b)| a == b));
        assert!(is_there, "docs/format.md has no row {cells:?}");
    };
    let tables = [&shape::FIELDS[..], &crate::sync::user::SHARED_FIELDS, &crate::sync::user::PROGRESS_FIELDS];
    for (name, offset, len) in tables.into_iter().flatten() {
        has(&[offset.to_string(), len.to_string(), format!("`{name}`")]);
    }
    for (name, first, count) in crate::sync::claim::BITS {
        has(&[format!("{first}..{}", first + count), format!("`{name}`")]);
    }
}
