use super::*;
use crate::channel::Strategy;
use crate::peer::PeerState;
use crate::region::{self, Region};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(5);

fn three<T: Item>(value: &T) -> [RwLock<T>; 3] {
    let one = RwLock::create(Place::memfd("rwlock"), value, &Options::new().users(4)).expect("memory");
    let (two, three) = (one.try_clone().expect("a seat"), one.try_clone().expect("a seat"));
    [one, two, three]
}

fn memory<T: Item>(of: &RwLock<T>) -> Region {
    let fd = of.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    Region::from_fd(fd, &region::Options::new()).expect("mapped")
}

/// Many read at once; who writes is alone; what it wrote is what is read next.
#[test]
fn many_read_or_one_writes() {
    let [mut one, mut two, mut three] = three(&5_u64);
    let (first, second) = (one.read().expect("free"), two.try_read().expect("readers share"));
    assert_eq!((*first, *second), (5, 5));
    assert!(matches!(three.try_write(), Err(TryLockError::Locked)));
    drop(first);
    let began = Instant::now();
    assert!(matches!(three.write_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
    assert!(began.elapsed() >= SHORT);
    drop(second);
    let mut guard = three.try_write().expect("free");
    *guard = 6;
    assert_eq!(one.try_read().expect_err("written"), TryReadError::Locked);
    assert_eq!(two.read_timeout(SHORT).expect_err("written"), ReadTimeoutError::TimedOut);
    drop(guard);
    assert_eq!(*one.read().expect("free"), 6);
    *two.write().expect("nobody has died") += 1;
    assert_eq!(*three.read_timeout(SHORT).expect("free"), 7);
}

/// One that gave up waiting for readers leaves no trace: others read and write at once.
#[test]
fn writer_that_gave_up_is_in_nobodys_way() {
    let [mut one, mut two, mut three] = three(&5_u64);
    let guard = one.read().expect("free");
    assert!(matches!(two.write_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
    assert_eq!(*three.try_read().expect("nobody waits"), 5);
    drop(guard);
    assert!(two.try_write().is_ok());
    assert!(!three.read().expect("free").is_unfinished());
}

/// While one waits to write no more readers come in, so it is served when those who are in have gone.
#[test]
fn readers_do_not_keep_a_writer_out() {
    let [mut one, mut two, mut three] = three(&0_u64);
    let guard = one.read().expect("free");
    thread::scope(|scope| {
        let writes = scope.spawn(move || {
            *two.write().expect("nobody dies") = 1;
            two
        });
        let began = Instant::now();
        while three.try_read().is_ok() {
            assert!(began.elapsed() < LONG, "nobody stops readers");
        }
        drop(guard);
        assert_eq!(*three.read_timeout(LONG).expect("served"), 1);
        let _ = writes.join().expect("ended");
    });
}

/// Beside writers who do nothing else, one who reads has its turn; beside readers who do nothing else, one who writes.
#[test]
fn nobody_starves() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    let is_over = AtomicBool::new(false);
    let options = Options::new().users(8);
    let mut first = RwLock::create(Place::memfd("rwlock"), &[0_u64; 4], &options).expect("memory");
    let mut handles: Vec<_> = (0..4).map(|_| first.try_clone().expect("a seat")).collect();
    thread::scope(|scope| {
        for (number, handle) in handles.iter_mut().enumerate() {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Relaxed) {
                    if number % 2 == 0 {
                        let value = handle.read().expect("no fork");
                        assert!(value.iter().all(|word| *word == value[0]), "torn: {:?}", *value);
                    } else {
                        let mut value = handle.write().expect("nobody dies");
                        *value = [value[0] + 1; 4];
                    }
                }
            });
        }
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            let began = Instant::now();
            assert!(first.read_timeout(LONG).is_ok());
            let between = Instant::now();
            assert!(first.write_timeout(LONG).is_ok());
            longest = longest.max(between - began).max(between.elapsed());
        }
        is_over.store(true, Relaxed);
        eprintln!("nobody_starves: the longest of 100 waits took {longest:?}");
    });
}

/// Each of many threads that write is counted, however they wait, and no reader sees half a value.
#[test]
fn threads_count_together() {
    const EACH: u64 = 4_000;
    for strategy in [Strategy::SpinThenSleep, Strategy::Sleep, Strategy::Spin] {
        let options = Options::new().users(8).wait(strategy);
        let mut first = RwLock::create(Place::memfd("rwlock"), &[0_u64; 9], &options).expect("memory");
        let handles: Vec<_> = (0..4).map(|_| first.try_clone().expect("a seat")).collect();
        thread::scope(|scope| {
            for (number, mut handle) in handles.into_iter().enumerate() {
                scope.spawn(move || {
                    for round in 0..EACH {
                        if number < 2 && round % 2 == 0 {
                            let value = handle.read().expect("no fork");
                            assert!(value.iter().all(|word| *word == value[0]), "torn: {:?}", *value);
                        } else {
                            let mut value = handle.write().expect("nobody dies");
                            *value = [value[0] + 1; 9];
                        }
                    }
                });
            }
        });
        assert_eq!(first.read().expect("free")[0], 3 * EACH, "{strategy:?}");
    }
}

/// A writer that panics has changed nothing: readers read on and can see that, and the next writer is told.
#[test]
fn panic_of_a_writer() {
    let [mut one, mut two, mut three] = three(&5_u64);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = one.write().expect("free");
        *guard = 7;
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    let guard = two.read().expect("readers read on");
    assert_eq!((*guard, guard.is_unfinished()), (5, true));
    drop(guard);
    let Err(LockError::Recovered(recovered)) = three.write() else { panic!("nobody is told") };
    drop(recovered.repair(6));
    let guard = two.read().expect("free");
    assert_eq!((*guard, guard.is_unfinished()), (6, false));
}

/// Guards that are forgotten hold for as long as their handle lives, or until it locks again.
#[test]
fn forgotten_guards() {
    let [mut one, mut two, mut three] = three(&5_u64);
    std::mem::forget(one.read().expect("free"));
    assert!(matches!(two.try_write(), Err(TryLockError::Locked)));
    assert!(one.try_write().is_ok());
    assert!(two.try_write().is_ok());
    std::mem::forget(one.read().expect("free"));
    drop(one);
    std::mem::forget(two.write().expect("free"));
    assert_eq!(three.try_read().expect_err("held"), TryReadError::Locked);
    drop(two);
    assert!(three.read().expect("free").is_unfinished());
}

/// Whoever is in is listed, with how long at least.
#[test]
fn holders_are_listed() {
    let [mut one, mut two, three] = three(&5_u64);
    assert_eq!(three.holders(), Holders::default());
    let (first, second) = (one.read().expect("free"), two.read().expect("free"));
    let holders = three.holders();
    assert_eq!((holders.readers.len(), holders.writer), (2, None));
    thread::sleep(SHORT);
    let again = three.holders().readers[0];
    assert_eq!((again.pid, again.state, again.is_own), (std::process::id(), PeerState::Attached, false));
    assert!(again.held_for >= SHORT / 2, "{again}");
    drop((first, second));
    let guard = one.write().expect("free");
    assert_eq!((three.holders().readers.len(), three.holders().writer.is_some()), (0, true));
    drop(guard);
}

/// Of what lies in the words of readers and the claim, whatever it is, something comes in bounded time.
#[test]
fn lies_in_the_words() {
    let [mut one, two, three] = three(&5_u64);
    let memory = memory(&one);
    for name in ["claim", "reads"] {
        for field in layout::<u64>(4).into_iter().filter(|it| it.name == name) {
            for lie in (0..64).map(|bit| 1_u64 << bit).chain([3, 0x1_0001, 0x2_0012, 0x1_0001_0001, u64::MAX]) {
                memory.write(field.offset, &lie.to_ne_bytes()).expect("writable");
                let _ = one.write_timeout(SHORT / 10).map_err(drop);
                let _ = (one.read_timeout(SHORT / 10).is_ok(), two.holders(), three.holders());
                if let Err(LockTimeoutError::Failed(LockError::Recovered(it))) = one.write_timeout(SHORT / 10) {
                    drop(it.accept());
                }
            }
            memory.write(field.offset, &0_u64.to_ne_bytes()).expect("writable");
        }
    }
    assert!(one.read().is_ok() && one.write().is_ok());
}

/// No two fields share a byte, and whatever users do, what they write is in a field.
#[test]
fn every_byte_written_is_in_a_field() {
    let table = layout::<[u8; 40]>(4);
    for (field, next) in table.iter().zip(&table[1..]) {
        assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
    }
    let [mut one, mut two, mut three] = three(&[0xFF_u8; 40]);
    let region = memory(&one);
    let mut bytes = vec![0; region.len() as usize];
    for _ in 0..20 {
        let guard = one.read().expect("free");
        let _ = two.write_timeout(Duration::from_micros(200));
        drop(guard);
        three.write().expect("free").fill(0xFF);
        region.read(0, &mut bytes).expect("inside");
        for at in (0..bytes.len()).filter(|&at| bytes[at] != 0) {
            let is_known = table.iter().any(|it| (it.offset..it.offset + it.len_bytes).contains(&(at as u64)));
            assert!(is_known, "byte {at} is in no field");
        }
    }
}

/// `docs/format.md` has a row for each word of readers.
#[test]
fn documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
    let (_, text) = text.split_once("### A read-write lock").expect("a part of its own");
    for (name, offset, len) in readers::FIELDS {
        assert!(text.contains(&format!("| {offset} | {len} | `{name}` |")), "docs/format.md has no row for {name}");
    }
}
