//! The C library's semaphores and mutexes, and System V semaphores, shared with a C program (`testing/c/locks.c`): either makes them, either
//! waits, either is killed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::mem::{CMutex, Trust};
use strait::region::{Options, Place, Region};
use strait::sync::pthread_mutex::LockError;
use strait::sync::sysv_semaphores::{self, Operation};
use strait::sync::{PosixSemaphore, PthreadMutex, SysvSemaphores};
use strait_testing::LONG;
use strait_testing::names::{Name, sysv_key};
use strait_testing::role::Role;

/// The C program, compiled once; `None`, said so, where there is no C compiler.
fn c_program() -> Option<&'static str> {
    static PROGRAM: OnceLock<Option<String>> = OnceLock::new();
    let compile = || {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        // Given its name when it is whole: another run may be at the same.
        let (program, draft) = (target.join("c-locks"), target.join(format!("c-locks-{}", std::process::id())));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let mut command = Command::new(&compiler);
        command.args(["-Wall", "-Wextra", "-Werror", "-O1", "-pthread", "-o"]).arg(&draft);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/c/locks.c"));
        match command.status() {
            Ok(status) => assert!(status.success(), "{compiler}: {status}"),
            Err(e) => {
                eprintln!("not tested with a C program: {compiler}: {e}");
                return None;
            }
        }
        std::fs::rename(&draft, &program).expect("rename");
        Some(program.into_os_string().into_string().expect("a path of text"))
    };
    PROGRAM.get_or_init(compile).as_deref()
}

/// A name that C programs use too, removed in the end.
struct Semaphore(Name);

impl Semaphore {
    fn new(word: &str) -> Self {
        Self(Name::new(word))
    }

    fn name(&self) -> String {
        format!("/{}", self.0.as_str())
    }
}

/// A System V set that goes with the test.
struct Set(SysvSemaphores);

impl Drop for Set {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.remove();
    }
}

/// A semaphore that strait made is one for `sem_open`, and the other way round: permits go both ways, sleepers are woken.
#[test]
fn semaphore_with_c() {
    let Some(program) = c_program() else { return };
    let ours = Semaphore::new("c-semaphore");
    let here = PosixSemaphore::create(&ours.name(), 0, &Options::new()).expect("create");
    let mut there = Role::ready(program, &["sem", &ours.name()]);
    there.expect_after("wait", "blocking");
    there.is_blocked();
    here.post().expect("room");
    there.expect("0");

    let theirs = Semaphore::new("c-semaphore-of-theirs");
    let mut maker = Role::ready(program, &["sem-new", &theirs.name(), "3"]);
    let opened = PosixSemaphore::open(&theirs.name(), &Options::new()).expect("open");
    assert_eq!(opened.value(), 3);
    for left in [true, true, true, false] {
        assert_eq!(opened.try_wait().expect("a semaphore"), left);
    }
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| opened.wait_timeout(LONG).expect("a semaphore"));
        maker.expect_after("post", "0");
        assert!(waits.join().expect("no panic"));
    });
    maker.kill();
    assert_eq!(opened.value(), 0);
    assert!(!opened.wait_timeout(Duration::from_millis(20)).expect("a semaphore"));
    PosixSemaphore::remove(&theirs.name()).expect("there");
    PosixSemaphore::remove(&ours.name()).expect("there");
    assert!(ours.0.left_over().is_empty() && theirs.0.left_over().is_empty());
}

/// One in a region without a name, and what is refused: bad names and places, memory that others may write, a file that is too short.
#[test]
fn semaphore_places() {
    let kind = |refused: strait::Result<PosixSemaphore>| refused.map(drop).expect_err("refused").kind();
    let options = Options::new();
    for name in ["", "/", "a/b", "a\0b", &"x".repeat(252)] {
        assert_eq!(kind(PosixSemaphore::create(name, 0, &options)), ErrorKind::Usage, "{name:?}");
    }
    let name = Semaphore::new("semaphore-places");
    assert_eq!(kind(PosixSemaphore::open(&name.name(), &options)), ErrorKind::NotFound);
    assert_eq!(kind(PosixSemaphore::create(&name.name(), u32::MAX, &options)), ErrorKind::Usage);
    let made = PosixSemaphore::open_or_create(&name.name(), 7, &options).expect("create");
    assert_eq!(kind(PosixSemaphore::create(&name.name(), 0, &options)), ErrorKind::AlreadyExists);
    let opened = PosixSemaphore::open_or_create(&name.name(), 9, &options).expect("open");
    assert_eq!((made.value(), opened.value()), (7, 7));
    PosixSemaphore::remove(&name.name()).expect("there");

    let full = PosixSemaphore::create(&name.name(), u32::MAX >> 1, &options).expect("as many as there may be");
    assert_eq!(full.post().expect_err("full").kind(), ErrorKind::NoSpace);
    PosixSemaphore::remove(&name.name()).expect("there");

    let short = Region::create(Place::posix_raw(&format!("/sem.{}", name.0.as_str())), 8, &options).expect("create");
    assert_eq!(kind(PosixSemaphore::open(&name.name(), &options)), ErrorKind::Usage);
    drop(short);
    PosixSemaphore::remove(&name.name()).expect("there");
    let shared = PosixSemaphore::create(&name.name(), 1, &options.clone().mode(0o622)).map(drop);
    assert_eq!(shared.expect_err("others may write").kind(), ErrorKind::Permission);

    let region = Region::create(Place::memfd("locks"), 4096, &options).expect("create");
    let inside = PosixSemaphore::make_in(&region, 64, 1, None).expect("make");
    let again = PosixSemaphore::open_in(&region, 64, None).expect("open");
    inside.wait().expect("a semaphore");
    assert!(!again.try_wait().expect("a semaphore"));
    assert_eq!(kind(PosixSemaphore::make_in(&region, 65, 1, None)), ErrorKind::Usage);
    assert_eq!(kind(PosixSemaphore::make_in(&region, 4090, 1, None)), ErrorKind::Usage);
    let anonymous = Region::create(Place::anonymous(), 4096, &options).expect("create");
    assert_eq!(kind(PosixSemaphore::make_in(&anonymous, 0, 1, None)), ErrorKind::Permission, "nobody knows who has it");
    // SAFETY: nobody else has it.
    let trust = unsafe { Trust::assume() };
    PosixSemaphore::make_in(&anonymous, 0, 1, Some(trust)).expect("vouched for").wait().expect("a semaphore");
}

/// Both add to one number under a mutex that C made; a holder that is killed leaves it to the other, who is told, whichever it is.
#[test]
fn mutex_with_c() {
    const EACH: u64 = 20_000;
    let Some(program) = c_program() else { return };
    let name = Name::new("c-mutex");
    let raw = format!("/{}", name.as_str());
    let mut theirs = Role::ready(program, &["mutex-new", &raw]);
    let region = Region::open(Place::posix_raw(&raw), &Options::new()).expect("open");
    let mut ours = PthreadMutex::open_in(&region, 0, None).expect("open");
    let count = || {
        let mut bytes = [0; 8];
        region.read(CMutex::BYTES as u64, &mut bytes).expect("inside");
        u64::from_ne_bytes(bytes)
    };
    theirs.tell(&format!("add {EACH}"));
    for _ in 0..EACH {
        let guard = ours.lock().expect("nobody dies");
        region.write(CMutex::BYTES as u64, &(count() + 1).to_ne_bytes()).expect("inside");
        drop(guard);
    }
    theirs.expect("0");
    assert_eq!(count(), 2 * EACH);

    // Who waits is blocked until the holder is killed, and is told.
    let mut holds = Role::ready(program, &["mutex", &raw]);
    holds.tell("lock");
    holds.expect("blocking");
    holds.expect("0");
    assert!(matches!(ours.try_lock(), Err(LockError::Locked)));
    assert!(matches!(ours.lock_timeout(Duration::from_millis(10)), Err(LockError::TimedOut)));
    theirs.expect_after("lock", "blocking");
    theirs.is_blocked();
    let killed = holds.kill_now();
    theirs.expect("EOWNERDEAD");
    assert!(killed.elapsed() < LONG);
    theirs.expect_after("consistent", "0");
    theirs.kill();
    let recovered = match ours.lock() {
        Err(LockError::Recovered(recovered)) => recovered,
        other => panic!("{other:?}"),
    };
    drop(recovered.accept().expect("ours"));
    drop(ours.lock().expect("in order again"));

    // What nobody accepts is lost, for C too.
    let mut dies = Role::ready(program, &["mutex", &raw]);
    dies.tell("lock");
    dies.expect("blocking");
    dies.expect("0");
    dies.kill();
    assert!(matches!(ours.lock(), Err(LockError::Recovered(_))), "and dropped");
    assert!(matches!(ours.lock(), Err(LockError::NotRecoverable)));
    let mut after = Role::ready(program, &["mutex", &raw]);
    after.expect_after("lock", "blocking");
    after.expect("ENOTRECOVERABLE");
}

/// A mutex that strait made is one for C; a thread that locks twice is told, and one that ends with it is dead.
#[test]
fn mutex_of_ours() {
    let name = Name::new("mutex-of-ours");
    let raw = format!("/{}", name.as_str());
    let region = Region::create(Place::posix_raw(&raw), 4096, &Options::new()).expect("create");
    let mut here = PthreadMutex::make_in(&region, 0, None).expect("make");
    let mut again = PthreadMutex::open_in(&region, 0, None).expect("open");
    let guard = here.lock().expect("free");
    assert!(matches!(again.lock(), Err(LockError::Deadlock)));
    if let Some(program) = c_program() {
        let mut there = Role::ready(program, &["mutex", &raw]);
        there.expect_after("lock", "blocking");
        there.is_blocked();
        drop(guard);
        there.expect("0");
        assert!(matches!(again.try_lock(), Err(LockError::Locked)));
        there.expect_after("unlock", "0");
    } else {
        drop(guard);
    }
    std::thread::scope(|scope| {
        let forgets = || {
            let mut mutex = PthreadMutex::open_in(&region, 0, None).expect("open");
            std::mem::forget(mutex.lock().expect("free"));
        };
        scope.spawn(forgets).join().expect("no panic");
    });
    // The scope is over when the thread's closure is; the kernel is told when the thread is.
    let start = Instant::now();
    let dead = loop {
        match again.try_lock() {
            Err(LockError::Locked) => assert!(start.elapsed() < LONG),
            other => break other.map(drop),
        }
    };
    let Err(LockError::Recovered(recovered)) = dead else { panic!("{dead:?}") };
    drop(recovered.accept().expect("ours"));
    let misplaced = PthreadMutex::make_in(&region, 4, None).map(drop).expect_err("misaligned");
    assert_eq!(misplaced.kind(), ErrorKind::Usage);
}

/// Sets are shared with C; several changes are one; what a killed process is to undo is undone, and only that.
#[test]
fn sets_with_c() {
    let Some(program) = c_program() else { return };
    let key = sysv_key();
    let ours = Set(SysvSemaphores::create(key, &[2, 0, 5], 0o600).expect("create"));
    let mut there = Role::ready(program, &["sysv", &key.to_string()]);
    there.expect_after("operate 0 -1 1 1 1 0", "blocking");
    there.expect("0");
    assert_eq!(ours.0.values().expect("there"), [1, 1, 5]);
    assert_eq!(ours.0.state_of(0).expect("there").last_pid, there.pid().cast_signed());
    there.expect_after("operate 0 -2 0", "blocking");
    there.is_blocked();
    let waiting = || ours.0.state_of(0).expect("there").waiting_for_more;
    while waiting() == 0 {
        std::thread::yield_now();
    }
    there.kill();
    // What it had taken of the first to be undone is back; what it had added to the second for good stays.
    assert_eq!((ours.0.values().expect("there"), waiting()), (vec![2, 1, 5], 0));

    let theirs_key = sysv_key();
    let mut maker = Role::ready(program, &["sysv-new", &theirs_key.to_string()]);
    let unready = SysvSemaphores::open(theirs_key).expect_err("never operated on");
    assert_eq!(unready.kind(), ErrorKind::Damaged);
    let theirs = Set(SysvSemaphores::open_as_is(theirs_key).expect("open"));
    assert_eq!(theirs.0.values().expect("there"), [1, 0]);
    maker.expect_after("operate 1 -1 0", "blocking");
    theirs.0.operate(&[Operation::take(0, 1), Operation::add(1, 1)]).expect("possible");
    maker.expect("0");
    assert_eq!(SysvSemaphores::open(theirs_key).expect("operated on"), theirs.0);
    maker.expect_after("operate 1 -1 0", "blocking");
    maker.is_blocked();
    theirs.0.remove().expect("there");
    let told = maker.answer();
    assert!(told == "EIDRM" || told == "EINVAL", "{told}");
}

/// What a set refuses, and how it says so.
#[test]
fn sets_refuse() {
    let kind = |refused: strait::Result<SysvSemaphores>| refused.expect_err("refused").kind();
    let limits = sysv_semaphores::limits();
    assert_eq!(kind(SysvSemaphores::create_private(&[], 0o600)), ErrorKind::Usage);
    assert_eq!(kind(SysvSemaphores::create_private(&[32_768], 0o600)), ErrorKind::Usage);
    assert_eq!(kind(SysvSemaphores::create_private(&vec![0; 65_536], 0o600)), ErrorKind::Usage);
    let key = sysv_key();
    assert_eq!(kind(SysvSemaphores::open(key)), ErrorKind::NotFound);
    let set = Set(SysvSemaphores::open_or_create(key, &[1, 2], 0o600).expect("create"));
    assert_eq!(SysvSemaphores::open_or_create(key, &[9, 9], 0o600).expect("open"), set.0);
    assert_eq!(kind(SysvSemaphores::create(key, &[1], 0o600)), ErrorKind::AlreadyExists);
    assert_eq!(kind(SysvSemaphores::open_or_create(key, &[1], 0o600)), ErrorKind::Incompatible);
    let set = set.0;
    let refused = |operations: &[Operation]| set.operate(operations).expect_err("refused").kind();
    assert_eq!(refused(&[Operation::add(2, 1)]), ErrorKind::Usage);
    assert_eq!(refused(&[Operation::add(0, 32_767)]), ErrorKind::Usage);
    assert_eq!(refused(&vec![Operation::add(0, 0); limits.operations_max as usize + 1]), ErrorKind::Usage);
    assert_eq!(set.set_value(2, 0).expect_err("two").kind(), ErrorKind::Usage);
    assert_eq!(set.state_of(2).expect_err("two").kind(), ErrorKind::Usage);
    assert!(!set.try_operate(&[Operation::take(0, 1), Operation::take(1, 3)]).expect("there"));
    assert!(!set.operate_timeout(&[Operation::until_zero(0)], Duration::from_millis(5)).expect("there"));
    assert_eq!(set.values().expect("there"), [1, 2], "neither was done");
    set.remove().expect("there");
    let gone = set.operate(&[Operation::add(0, 1)]).expect_err("gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(gone.to_string().ends_with("it was removed"), "{gone}");

    // More semaphores than one operation may change are born whole too.
    let many = vec![3; limits.operations_max as usize + 2];
    let large = Set(SysvSemaphores::create_private(&many, 0o600).expect("create"));
    assert_eq!(large.0.values().expect("there"), many);
    assert_ne!(large.0.state().expect("there").operated_at_s, 0);
}
