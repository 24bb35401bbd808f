//! A watch between processes: what is read when somebody dies, who is told, and what nobody can see.

use std::time::{Duration, Instant};
use strait::channel::watch::{Observer, Options, ReadError, Reader, Writer};
use strait::channel::{Cause, PeerState};
use strait::region::Place;
use strait_testing::names::{Name, Scratch};
use strait_testing::random::Random;
use strait_testing::role::{Role, command};
use strait_testing::{in_time, is_root};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

/// A reader that waits, however it waits, gets what another process sets, and is told when that process dies; the last value stays.
#[test]
fn writer_dies() {
    for (strategy, ask, says) in [
        ("spin", "block", "blocking"),
        ("adaptive", "block", "blocking"),
        ("sleep", "block", "blocking"),
        ("adaptive", "poll", "polling"),
        ("adaptive", "poll-timeout 3", "polling"),
    ] {
        let name = Name::new("dies");
        let mut tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name)]);
        let mut rx = Role::ready(ROLE, &["watch-reader", "open", &posix(&name), strategy]);
        rx.expect_after(ask, says);
        tx.expect_after("send 7", "sent");
        rx.expect("got 7");
        rx.expect_after(ask, says);
        let killed = tx.kill_now();
        rx.expect("failed: Disconnected(Died)");
        let took = killed.elapsed();
        eprintln!("writer_dies, {strategy} {ask}: told after {took:?}");
        assert_eq!((rx.ask("get"), rx.ask("state")), ("got 7".into(), "Died".into()));
        rx.kill();
        // Swept by the next one: nobody is there.
        drop(Writer::<u64>::create(name.as_str(), &Options::new()).expect("the dead are swept"));
        assert!(name.left_over().is_empty());
    }
}

/// A value that was set before the writer died is given before its death is told.
#[test]
fn last_value_of_the_dead() {
    let name = Name::new("last");
    let mut tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name)]);
    let mut rx = Reader::<[u64; 8]>::open(name.as_str(), &Options::new()).expect("open");
    tx.expect_after("send 7", "sent");
    tx.kill();
    assert_eq!((rx.changed(), rx.changed()), (Ok([7; 8]), Err(ReadError::Disconnected(Cause::Died))));
    assert_eq!((rx.get(), rx.writer_state()), (Ok([7; 8]), PeerState::Died));
}

/// A reader of a restartable channel waits for the next writer, which goes on with the numbers of the dead one.
#[test]
fn next_writer_goes_on() {
    let name = Name::new("next");
    let mut rx = Role::ready(ROLE, &["watch-reader", "create", &posix(&name), "restartable"]);
    for life in 0..3_u64 {
        rx.expect_after("block", "blocking");
        rx.is_blocked();
        let mut tx = Role::ready(ROLE, &["watch-writer", "open", &posix(&name)]);
        assert_eq!(tx.ask("version"), life.to_string());
        assert_eq!(tx.ask("last"), if life == 0 { "None".into() } else { format!("Some({})", life + 9) });
        assert_eq!(rx.answer_within(Duration::from_millis(if life == 1 { 150 } else { 0 })), None);
        tx.expect_after(&format!("send {}", life + 10), "sent");
        rx.expect(&format!("got {}", life + 10));
        tx.kill();
    }
    assert_eq!((rx.ask("get"), rx.ask("version")), ("got 12".into(), "3".into()));
}

/// A writer killed at any instant of a flood leaves a whole value to be read at once, of a version that its successor goes on from.
#[test]
fn writer_killed_in_a_flood() {
    in_time("writer_killed_in_a_flood", || {
        for copies in ["copies=2", "copies=64"] {
            let name = Name::new("flood");
            let mut random = Random::seeded("writer_killed_in_a_flood");
            let mut tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name), "restartable", copies]);
            let mut rx = Reader::<[u64; 8]>::open(name.as_str(), &Options::new()).expect("open");
            let mut follower = Role::ready(ROLE, &["watch-reader", "open", &posix(&name)]);
            let mut last = 0;
            for life in 0..40 {
                tx.expect_after("flood", "flooding");
                if life == 0 {
                    follower.expect_after(&format!("follow {}", u64::MAX), "following");
                }
                let until = Instant::now() + Duration::from_micros(random.below(2000));
                while Instant::now() < until {
                    match rx.get() {
                        Ok(value) => {
                            assert!(value.iter().all(|&word| word == value[0]), "torn: {value:?}");
                            assert_eq!(value[0], rx.seen(), "the value of another version");
                            assert!(value[0] >= last, "{} after {last}", value[0]);
                            last = value[0];
                        }
                        Err(error) => assert_eq!(error, ReadError::Busy),
                    }
                }
                tx.kill();
                let kept = rx.get().expect("nobody writes: at once");
                assert_eq!((kept, kept[0]), ([rx.version(); 8], rx.seen()));
                last = kept[0];
                tx = Role::ready(ROLE, &["watch-writer", "open", &posix(&name)]);
                assert_eq!(tx.ask("version"), last.to_string());
            }
            assert_eq!(follower.answer_within(Duration::ZERO), None, "it follows still");
        }
    });
}

/// A reader that dies, waiting or not, holds nobody up, and its seat is free at once.
#[test]
fn reader_dies() {
    let name = Name::new("reader");
    let mut tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name), "readers=2"]);
    for life in 1..=3 {
        let mut readers = [(); 2].map(|()| Role::ready(ROLE, &["watch-reader", "open", &posix(&name), "sleep"]));
        let mut third = Role::start(ROLE, &["watch-reader", "open", &posix(&name)]);
        assert!(third.answer().starts_with("error Busy:"));
        assert_eq!(tx.ask("readers"), "2");
        for reader in &mut readers {
            if life > 1 {
                assert_eq!(reader.ask("get"), format!("got {}", life - 1));
            }
            reader.expect_after("block", "blocking");
            reader.is_blocked();
        }
        readers[0].kill();
        tx.expect_after(&format!("send {life}"), "sent");
        readers[1].expect(&format!("got {life}"));
        readers[1].kill();
    }
}

/// Eight readers follow a writer that was there first; each gets the last value, in order and whole.
#[test]
fn many_readers_follow() {
    let name = Name::new("many");
    let mut tx = Writer::<[u64; 8]>::create(name.as_str(), &Options::new()).expect("create");
    let mut readers: Vec<Role> = (0..8).map(|_| Role::ready(ROLE, &["watch-reader", "open", &posix(&name)])).collect();
    for reader in &mut readers {
        reader.expect_after("follow 20000", "following");
    }
    for number in 1..=20_000 {
        tx.send(&[number; 8]).expect("sent");
    }
    for reader in &mut readers {
        reader.expect("followed");
    }
}

/// A forked child cannot use its parent's ends, and its end gives nothing of them up.
#[test]
fn forked_child_is_refused() {
    let name = Name::new("fork");
    let mut tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name)]);
    let mut rx = Role::ready(ROLE, &["watch-reader", "open", &posix(&name)]);
    tx.expect_after("send 7", "sent");
    assert_eq!((tx.ask("fork"), rx.ask("fork")), ("0".into(), "0".into()));
    assert_eq!((rx.ask("state"), rx.ask("get")), ("Attached".into(), "got 7".into()));
    tx.expect_after("send 8", "sent");
    assert_eq!(rx.ask("get"), "got 8");
}

/// A file keeps its value when everybody has left or died, and the next writer goes on.
#[test]
fn file_outlives_its_users() {
    let scratch = Scratch::new("watch");
    let at = format!("file:{}", scratch.path("state").display());
    let mut tx = Role::ready(ROLE, &["watch-writer", "create", &at]);
    tx.expect_after("send 7", "sent");
    tx.kill();
    let mut rx = Role::ready(ROLE, &["watch-reader", "open", &at]);
    assert_eq!(rx.ask("get"), "got 7");
    rx.expect_after("leave", "left");
    let mut tx = Role::ready(ROLE, &["watch-writer", "open-or-create", &at]);
    tx.expect_after("send 8", "sent");
    tx.expect_after("leave", "left");
    let mut observer = Role::ready(ROLE, &["watch-observer", "open", &at]);
    assert_eq!((observer.ask("get"), observer.ask("state")), ("got 8".into(), "Left".into()));
}

/// A channel without a name goes to a child by its descriptor, whichever end.
#[test]
fn memfd_handed_to_a_child() {
    let mut tx = Writer::<[u64; 8]>::create(Place::memfd("watch"), &Options::new()).expect("create");
    let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut reader = command(ROLE, &["watch-reader", "open", "fd:feed"]);
    reader.hand_over("feed", fd);
    let mut rx = Role::spawn(&mut reader, "watch-reader");
    rx.expect("ok");
    rx.expect_after("block", "blocking");
    tx.send(&[3; 8]).expect("sent");
    rx.expect("got 3");
}

/// Another user may observe a channel of mode 0644 and nothing else; it sees the writer live and die, with no right to write.
#[test]
fn another_user_observes() {
    if !is_root("another_user_observes") {
        return;
    }
    let name = Name::new("users");
    let mut tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name), "mode=644"]);
    tx.expect_after("send 7", "sent");
    let nobody = |rest: &[&str]| Role::start(ROLE, &[&["as-user", "65534"], rest].concat());
    let refused = nobody(&["watch-observer", "open", &posix(&name)]).answer();
    assert!(refused.starts_with("error Permission:") && refused.contains("Options::owner"), "{refused}");
    let refused = nobody(&["watch-reader", "open", &posix(&name), "owner=0"]).answer();
    assert!(refused.starts_with("error Permission:"), "{refused}");
    let mut observer = nobody(&["watch-observer", "open", &posix(&name), "owner=0"]);
    observer.expect("ok");
    assert_eq!((observer.ask("get"), observer.ask("state")), ("got 7".into(), "Attached".into()));
    tx.kill();
    assert_eq!((observer.ask("get"), observer.ask("state")), ("got 7".into(), "Died".into()));
}

/// Readers map the values without the right to write, observers everything.
#[test]
fn values_are_mapped_read_only() {
    let name = Name::new("mapped");
    let rights = || -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("there");
        let ours = maps.lines().filter(|line| line.contains(name.as_str()));
        ours.map(|line| line.split(' ').nth(1).expect("rights").to_owned()).collect()
    };
    // In another process: the maker's own mapping is older than the name, and does not show it.
    let _tx = Role::ready(ROLE, &["watch-writer", "create", &posix(&name)]);
    let observer = Observer::<[u64; 8]>::open(name.as_str(), &Options::new()).expect("open");
    assert_eq!(rights(), ["r--s"]);
    drop(observer);
    let _rx = Reader::<[u64; 8]>::open(name.as_str(), &Options::new()).expect("open");
    let mut all = rights();
    all.sort();
    assert_eq!(all, ["r--s", "rw-s"]);
}
