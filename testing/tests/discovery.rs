//! What is told of channels of other processes, alive, dead, and of another user.

use strait::channel::discovery::{Channel, Fill, Found, Kind, Status, look_at};
use strait::channel::{PeerState, spsc, watch};
use strait::sync::{self, Mutex, Semaphore};
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

/// A lock is told from a channel, and from one that contradicts itself.
#[test]
fn a_lock_is_no_channel() {
    let (mutex, semaphore) = (Name::new("locked"), Name::new("permits"));
    let _mutex = Mutex::create(mutex.as_str(), &7_u64, &sync::Options::new()).expect("made");
    let _semaphore = Semaphore::create(semaphore.as_str(), 1, 1, &sync::Options::new()).expect("made");
    for (name, is) in [(&mutex, "it is a mutex"), (&semaphore, "it is a semaphore")] {
        let found = look_at(name.as_str()).expect("there");
        assert!(matches!(&found.status, Status::Other(why) if why.contains(is)), "{found:?}");
    }
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
