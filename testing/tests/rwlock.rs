//! A read-write lock between processes: who goes on when a reader or a writer dies or is stopped, and how often anybody enters the kernel.

use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::PeerState;
use strait::region::Place;
use strait::sync::mutex::{LockError, LockTimeoutError};
use strait::sync::rwlock::ReadTimeoutError;
use strait::sync::{Mutex, Options, RwLock};
use strait_testing::LONG;
use strait_testing::names::{Name, Scratch};
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");
const STRATEGIES: [&str; 3] = ["spin", "adaptive", "sleep"];

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn made(name: &Name) -> RwLock<[u64; 4]> {
    RwLock::create(name.as_str(), &[5_u64; 4], &Options::new()).expect("create")
}

fn user(name: &Name, strategy: &str) -> Role {
    Role::ready(ROLE, &["rwlock", "open", &posix(name), strategy])
}

/// Who waits to write for a reader that is killed, however it waits, goes on within 100 ms, and is told of nothing; beside other readers
/// who live it waits for those.
#[test]
fn reader_dies() {
    for strategy in STRATEGIES {
        let name = Name::new("rwlock-reader");
        let mut ours = made(&name);
        let (mut dies, mut lives, mut waits) = (user(&name, strategy), user(&name, strategy), user(&name, strategy));
        dies.expect_after("hold read", "holding");
        lives.expect_after("hold read", "holding");
        waits.expect_after("block write", "blocking");
        dies.kill_now();
        assert!(matches!(ours.write_timeout(Duration::from_millis(120)), Err(LockTimeoutError::TimedOut)));
        let began = Instant::now();
        lives.expect_after("unlock", "unlocked");
        waits.expect("got 5");
        let took = began.elapsed();
        lives.expect_after("hold read", "holding");
        let killed = lives.kill_now();
        assert_eq!(*ours.write_timeout(LONG).expect("it is dead"), [5; 4]);
        eprintln!(
            "reader_dies, {strategy}: {took:?} after the living one had gone, {:?} after a kill",
            killed.elapsed()
        );
        assert!(took < LONG && killed.elapsed() < LONG);
        drop((dies, lives, waits, ours));
        assert!(name.left_over().is_empty());
    }
}

/// Who waits for a writer that is killed goes on within 100 ms with the last value that was whole: readers can see that it has not finished,
/// the next writer is told, and nobody after it.
#[test]
fn writer_dies() {
    for strategy in STRATEGIES {
        let name = Name::new("rwlock-writer");
        let mut ours = made(&name);
        let (mut dies, mut waits) = (user(&name, strategy), user(&name, strategy));
        dies.expect_after("hold write 9", "holding");
        waits.expect_after("block read", "blocking");
        let killed = dies.kill_now();
        waits.expect("read 5, unfinished");
        let took = killed.elapsed();
        eprintln!("writer_dies, {strategy}: a reader goes on after {took:?}");
        assert!(took < LONG, "{took:?}");
        assert_eq!(waits.ask("write"), "recovered 5");
        assert_eq!(waits.ask("read"), "read 5");
        let mut dies = user(&name, strategy);
        dies.expect_after("hold write 9", "holding");
        waits.expect_after("block write", "blocking");
        let killed = dies.kill_now();
        waits.expect("recovered 5");
        assert!(killed.elapsed() < LONG, "{:?}", killed.elapsed());
        assert_eq!(*ours.write().expect("it was looked at"), [5; 4]);
    }
}

/// Who is stopped holds what it holds, and is listed as who is in the way.
#[test]
fn holders_are_stopped() {
    let name = Name::new("rwlock-stopped");
    let mut ours = made(&name);
    let mut holds = user(&name, "sleep");
    holds.expect_after("hold read", "holding");
    holds.stop();
    assert!(matches!(ours.write_timeout(Duration::from_millis(250)), Err(LockTimeoutError::TimedOut)));
    let holders = ours.holders();
    assert_eq!(
        holders.readers.iter().map(|it| (it.pid, it.state)).collect::<Vec<_>>(),
        [(holds.pid(), PeerState::Attached)]
    );
    assert!(matches!(ours.write_timeout(Duration::from_millis(100)), Err(LockTimeoutError::TimedOut)));
    let longer = ours.holders();
    assert!(longer.readers[0].held_for >= Duration::from_millis(100), "{longer:?}");
    assert_eq!(*ours.read().expect("readers share"), [5; 4]);
    holds.signal(18);
    holds.expect_after("unlock", "unlocked");
    holds.expect_after("hold write 6", "holding");
    holds.stop();
    assert_eq!(ours.read_timeout(Duration::from_millis(250)).expect_err("written"), ReadTimeoutError::TimedOut);
    assert_eq!(ours.holders().writer.map(|it| it.pid), Some(holds.pid()));
    holds.signal(18);
    holds.expect_after("unlock", "unlocked");
    assert_eq!(*ours.read().expect("free"), [6; 4]);
}

/// One that waits to write keeps readers out of the way of nobody when it is killed.
#[test]
fn waiter_dies() {
    let name = Name::new("rwlock-waiter");
    let mut ours = made(&name);
    let (mut waits, mut reads) = (user(&name, "sleep"), user(&name, "sleep"));
    let guard = ours.read().expect("free");
    waits.expect_after("block write", "blocking");
    waits.is_blocked();
    reads.expect_after("block read", "blocking");
    let killed = waits.kill_now();
    reads.expect("read 5");
    let took = killed.elapsed();
    eprintln!("waiter_dies: a reader goes on after {took:?}");
    assert!(took < LONG, "{took:?}");
    drop(guard);
    assert_eq!(reads.ask("write"), "got 5");
}

/// Several processes count to the same number and read whole values; beside those who do nothing else one has its turn.
#[test]
fn processes_count_together() {
    let name = Name::new("rwlock-count");
    let mut ours = RwLock::create(name.as_str(), &[0_u64; 4], &Options::new()).expect("create");
    let mut users: Vec<_> = ["adaptive", "sleep", "adaptive"].iter().map(|how| user(&name, how)).collect();
    users.iter_mut().for_each(|user| user.tell("count 10000"));
    users.iter_mut().for_each(|user| user.expect("counted"));
    assert_eq!(*ours.read().expect("free"), [30_000; 4]);
    users[0].expect_after("flood read", "flooding");
    users[1].expect_after("flood write", "flooding");
    users[2].expect_after("flood read", "flooding");
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let call = Instant::now();
        drop(ours.read_timeout(LONG).expect("nobody starves"));
        let between = Instant::now();
        drop(ours.write_timeout(LONG).expect("nobody starves"));
        longest = longest.max(between - call).max(between.elapsed());
    }
    eprintln!("processes_count_together: beside three who flood, the longest of 100 waits took {longest:?}");
}

/// Whoever of several is killed, at any moment under load: the others go on, and nothing that was counted is lost.
#[test]
fn random_kills() {
    let name = Name::new("rwlock-kills");
    let mut ours = RwLock::create(name.as_str(), &[0_u64; 4], &Options::new()).expect("create");
    let (mut last, mut told) = (0, 0);
    for round in 0..30 {
        let mut users: Vec<_> = (0..3).map(|_| user(&name, "adaptive")).collect();
        for (number, user) in users.iter_mut().enumerate() {
            user.expect_after(if number == 1 { "flood write" } else { "flood read" }, "flooding");
        }
        for user in &mut users {
            let call = Instant::now();
            user.kill();
            let value = *ours.read_timeout(LONG).expect("nobody dead is in the way");
            let written = match ours.write_timeout(LONG) {
                Ok(guard) => *guard,
                Err(LockTimeoutError::Failed(LockError::Recovered(recovered))) => {
                    told += 1;
                    *recovered.accept()
                }
                Err(why) => panic!("round {round}: {why}"),
            };
            assert!(call.elapsed() < LONG, "round {round}: {:?}", call.elapsed());
            assert!(
                value == [value[0]; 4] && value[0] >= last && written[0] >= value[0],
                "round {round}: {value:?} after {last}"
            );
            last = written[0];
        }
    }
    eprintln!("random_kills: counted {last}, {told} of 90 kills were told of");
}

/// A memfd is handed to a child, a file keeps its value, a forked child is refused, and so is what is no such lock.
#[test]
fn places_and_refusals() {
    let mut ours = RwLock::create(Place::memfd("rwlock"), &[5_u64; 4], &Options::new()).expect("create");
    let fd = ours.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut child = command(ROLE, &["rwlock", "open", "fd:lock"]);
    child.hand_over("lock", fd);
    let mut child = Role::spawn(&mut child, "rwlock");
    child.expect("ok");
    child.expect_after("count 3", "counted");
    assert_eq!(child.ask("fork"), "0");
    child.expect_after("hold read", "holding");
    assert_eq!(child.ask("fork"), "0");
    assert!(
        matches!(ours.write_timeout(Duration::from_millis(5)), Err(LockTimeoutError::TimedOut)),
        "the child of the child let go"
    );
    child.expect_after("unlock", "unlocked");
    assert_eq!(*ours.write().expect("free"), [8; 4]);
    let directory = Scratch::new("rwlock");
    let place = || Place::file(directory.path("lock"));
    drop(RwLock::create(place(), &7_u64, &Options::new()).expect("create"));
    assert_eq!(*RwLock::<u64>::open(place(), &Options::new()).expect("it stays").read().expect("free"), 7);
    let name = Name::new("rwlock-refusals");
    let mutex = Mutex::create(name.as_str(), &0_u64, &Options::new()).expect("create");
    let other = RwLock::<u64>::open(name.as_str(), &Options::new());
    assert_eq!(other.expect_err("a mutex").kind(), ErrorKind::Incompatible);
    drop(mutex);
    let lock = RwLock::create(name.as_str(), &0_u64, &Options::new()).expect("create");
    assert_eq!(
        RwLock::<u32>::open(name.as_str(), &Options::new()).expect_err("another type").kind(),
        ErrorKind::Incompatible
    );
    assert_eq!(
        Mutex::<u64>::open(name.as_str(), &Options::new()).expect_err("no mutex").kind(),
        ErrorKind::Incompatible
    );
    drop(lock);
    assert!(name.left_over().is_empty());
}

/// Reading and writing enter the kernel not once while nobody is in the way: each of their instructions was watched.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_system_call_uncontended() {
    use strait_testing::crash::run::trace;
    use strait_testing::crash::stage::Stage;
    use strait_testing::crash::table::row;
    let roles = std::path::Path::new(env!("CARGO_BIN_EXE_crash_role")).parent().expect("a folder").to_path_buf();
    let stage = Stage::new(roles).expect("a stage");
    for name in ["rwlock-read", "rwlock-try-read", "rwlock-write", "rwlock-try-write"] {
        let trace = trace(row(name).expect("a row"), &stage).expect("it runs");
        // The one at the end is the mark that says so.
        assert_eq!(trace.calls.len(), 1, "{name}: {:?}", trace.calls);
        eprintln!("no_system_call_uncontended: {name}, {} instructions for two", trace.len());
    }
}
