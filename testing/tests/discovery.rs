//! What is told of channels of other processes, alive, dead, and of another user.

use strait::channel::{PeerState, spsc, watch};
use strait::discovery::{Channel, Fill, Found, Gauge, How, Kind, Lock, LockKind, LockState, Seen, Status, look_at};
use strait::sync::{self, Barrier, Event, Mutex, Once, RwLock, Semaphore, event::Reset};
use strait::{ErrorKind, list};
use strait_testing::is_root;
use strait_testing::names::Name;
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn channel(found: &Found) -> &Channel {
    match &found.status {
        Status::Channel(channel) => channel,
        other => panic!("{}: {other:?}", found.name),
    }
}

fn peers(name: &Name) -> Vec<(String, u32, PeerState)> {
    let found = look_at(name.as_str()).expect("there");
    channel(&found).peers.iter().map(|it| (it.role.clone(), it.pid, it.state)).collect()
}

fn lock(name: &Name) -> Box<Lock> {
    match look_at(name.as_str()).expect("there").status {
        Status::Lock(lock) => lock,
        other => panic!("{}: {other:?}", name.as_str()),
    }
}

/// Looks until it is so, for as long as an honest machine may take.
fn lock_once(name: &Name, is_so: impl Fn(&Lock) -> bool) -> Box<Lock> {
    let start = std::time::Instant::now();
    loop {
        let lock = lock(name);
        if is_so(&lock) {
            return lock;
        }
        assert!(start.elapsed() < strait_testing::LONG, "{lock:?}");
        std::thread::yield_now();
    }
}

/// A lock is told from a channel, and each kind from the others.
#[test]
fn a_lock_is_no_channel() {
    let (mutex, semaphore, read) = (Name::new("locked"), Name::new("permits"), Name::new("read"));
    let _mutex = Mutex::create(mutex.as_str(), &7_u64, &sync::Options::new()).expect("made");
    let mut permits = Semaphore::create(semaphore.as_str(), 2, 3, &sync::Options::new()).expect("made");
    let (event, once, barrier) = (Name::new("happened"), Name::new("done"), Name::new("passed"));
    let mut happens = Event::create(event.as_str(), Reset::Auto, &sync::Options::new()).expect("made");
    let mut done = Once::create(once.as_str(), &sync::Options::new()).expect("made");
    let _barrier = Barrier::create(barrier.as_str(), 2, &sync::Options::new()).expect("made");
    let mut rwlock = RwLock::create(read.as_str(), &7_u64, &sync::Options::new()).expect("made");
    permits.acquire().expect("free");
    happens.set().expect("ours");
    done.call_once(|| ()).expect("ours");
    let reads = rwlock.read().expect("free");
    let locks = [
        (&read, LockKind::RwLock, LockState::Held),
        (&mutex, LockKind::Mutex, LockState::Free),
        (&semaphore, LockKind::Semaphore, LockState::Permits { free: 1, most: 3 }),
        (&event, LockKind::AutoEvent, LockState::Event { is_set: true, times: 1 }),
        (&once, LockKind::Once, LockState::Done),
        (&barrier, LockKind::Barrier, LockState::Gathering { arrived: 0, participants: 2 }),
    ];
    for (name, kind, state) in locks {
        let lock = lock(name);
        assert_eq!((lock.kind, lock.state, lock.users.len()), (kind, state, 1));
        assert_eq!((lock.users[0].pid, lock.waiters()), (std::process::id(), 0));
    }
    let hold = |name| lock(name).holders.iter().map(|it| (it.slot, it.pid, it.how)).collect::<Vec<_>>();
    assert_eq!(hold(&read), [(0, std::process::id(), How::Reads)]);
    assert_eq!(hold(&semaphore), [(0, std::process::id(), How::Permits(1))]);
    assert_eq!(lock(&mutex).value.expect("has one").name, "u64");
    drop(reads);
}

/// Of a lock it is told who holds it and for how long, who waits, and that a holder has died over it.
#[test]
fn holders_and_waiters_are_told() {
    let name = Name::new("held");
    let mut holder = Role::ready(ROLE, &["mutex", "create", &posix(&name), "sleep"]);
    let mut waiter = Role::ready(ROLE, &["mutex", "open", &posix(&name), "sleep"]);
    holder.expect_after("hold", "holding");
    let held = lock(&name);
    assert_eq!((held.state, held.holders[0].pid, held.holders[0].how), (LockState::Held, holder.pid(), How::Alone));
    assert_eq!(held.holders[0].held_for, None, "it has kept nobody waiting");
    waiter.expect_after("block", "blocking");
    let held = lock_once(&name, |it| it.waiters() == 1 && it.holders.iter().all(|it| it.held_for.is_some()));
    let waits = held.users.iter().find(|it| it.waits_for.is_some()).expect("one does");
    assert_eq!((waits.pid, waits.role.as_str()), (waiter.pid(), "user"));
    lock_once(&name, |it| it.users.iter().any(|user| user.is_asleep && user.pid == waiter.pid()));
    let before = std::fs::read(name.path()).expect("readable");
    waiter.kill();
    holder.kill();
    let dead = lock(&name);
    assert_eq!((dead.holders[0].state, dead.waiters()), (PeerState::Died, 0));
    assert_eq!(std::fs::read(name.path()).expect("readable"), before, "looking changes nothing");

    let name = Name::new("met");
    let mut first = Role::ready(ROLE, &["barrier", "3", &posix(&name), "sleep"]);
    first.expect_after("wait", "waiting");
    lock_once(&name, |it| it.state == LockState::Gathering { arrived: 1, participants: 3 } && it.waiters() == 1);
}

/// Who sleeps in a channel of two is told, and what has gone through it, while a gauge is on it that nobody notices.
#[test]
fn sleepers_and_traffic_are_told() {
    let name = Name::new("gauged");
    let mut tx = Role::ready(ROLE, &["sender", "create", &posix(&name)]);
    let mut rx = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
    let mut gauge = Gauge::open(name.as_str()).expect("there");
    let mut look = || match gauge.look().expect("sound") {
        Seen::Channel(channel) => channel,
        other => panic!("{other:?}"),
    };
    assert_eq!(look().sleepers(), 0);
    rx.tell("recv 1");
    let start = std::time::Instant::now();
    while look().sleepers() == 0 {
        assert!(start.elapsed() < strait_testing::LONG, "{:?}", look());
        std::thread::yield_now();
    }
    let asleep: Vec<_> = look().peers.iter().filter(|it| it.is_asleep).map(|it| it.pid).collect();
    assert_eq!(asleep, [rx.pid()]);
    tx.expect_after("send 7 8", "sent");
    rx.answer();
    let traffic = look().traffic;
    assert_eq!((traffic.sent, traffic.received, traffic.bytes), (Some(1), Some(1), Some(8)));
}

/// Who lives, who left and who died is told of both kinds, by looking alone: not a byte changes.
#[test]
fn the_dead_are_told_from_the_living() {
    let name = Name::new("seen");
    let mut tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name), "restartable"]);
    let mut readers = [(); 3].map(|()| Role::ready(ROLE, &["watch-reader", "open", &posix(&name)]));
    tx.expect_after("send 7", "sent");
    let pids = [tx.pid(), readers[0].pid(), readers[1].pid(), readers[2].pid()];
    readers[0].kill();
    readers[1].expect_after("leave", "left");
    tx.kill();
    let before = std::fs::read(name.path()).expect("readable");
    let expected = [
        ("writer", PeerState::Died),
        ("reader", PeerState::Died),
        ("reader", PeerState::Left),
        ("reader", PeerState::Attached),
    ];
    let expected: Vec<_> = expected.iter().zip(pids).map(|(it, pid)| (it.0.to_owned(), pid, it.1)).collect();
    assert_eq!(peers(&name), expected);
    assert_eq!(std::fs::read(name.path()).expect("readable"), before, "looking changes nothing");
    let found = list(name.as_str()).expect("readable");
    assert_eq!((channel(&found[0]).kind, channel(&found[0]).fill.clone()), (Kind::Watch, Some(Fill::Version(1))));

    let name = Name::new("queue");
    let mut tx = Role::ready(ROLE, &["sender", "create", &posix(&name)]);
    let rx = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
    tx.expect_after("send 0 5", "sent");
    let pid = tx.pid();
    tx.kill();
    let sides = [("sender", pid, PeerState::Died), ("receiver", rx.pid(), PeerState::Attached)];
    assert_eq!(peers(&name), sides.map(|(role, pid, state)| (role.to_owned(), pid, state)));
    assert_eq!(channel(&look_at(name.as_str()).expect("there")).fill, Some(Fill::Messages(5)));
}

/// A channel of another user is listed, and that it cannot be read.
#[test]
fn another_users_is_listed() {
    if !is_root("another_users_is_listed") {
        return;
    }
    let name = Name::new("theirs");
    let mut tx = Role::start(ROLE, &["as-user", "65534", "sender", "create", &posix(&name)]);
    tx.expect("ok");
    let found = list(name.as_str()).expect("readable");
    match &found[0].status {
        Status::Unreadable(why) => assert!(why.contains("user 65534 owns it"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// Opening a channel as of another type or another kind says both.
#[test]
fn wrong_types_say_both() {
    let (one, two) = (Name::new("one"), Name::new("two"));
    let _tx = Role::ready(ROLE, &["sender", "create", &posix(&one)]);
    let _writer = Role::ready(ROLE, &["watch-writer", "create", &posix(&two)]);
    let (queue, value) = (spsc::Options::new(), watch::Options::new());
    let refusals = [
        (
            spsc::Receiver::<i64>::open(one.as_str(), &queue).expect_err("type"),
            ["'u64' of 8 bytes", "'i64' of 8 bytes"],
        ),
        (watch::Reader::<u64>::open(one.as_str(), &value).expect_err("kind"), ["kind 1 (spsc)", "not watch"]),
        (watch::Reader::<u64>::open(two.as_str(), &value).expect_err("type"), ["'[u64; 8]' of 64", "'u64' of 8 bytes"]),
        (spsc::Receiver::<u64>::open(two.as_str(), &queue).expect_err("kind"), ["kind 4 (watch)", "not spsc"]),
    ];
    for (refused, says) in refusals {
        assert_eq!(refused.kind(), ErrorKind::Incompatible);
        for part in says {
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }
}
