//! A broadcast channel between processes: who gets what, who is held up by whom, and what outlives a kill.

use std::time::Duration;
use strait::channel::Strategy;
use strait::channel::broadcast::{Options, Policy, Publisher, Subscriber};
use strait::region::Place;
use strait_testing::names::{Name, Scratch};
use strait_testing::random::Random;
use strait_testing::role::{Role, command};
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn publisher(name: &Name, how: &str, flags: &[&str]) -> Role {
    Role::ready(ROLE, &[&["publisher", how, &posix(name)], flags].concat())
}

fn subscriber(name: &Name, flags: &[&str]) -> Role {
    Role::ready(ROLE, &[&["subscriber", "open", &posix(name)], flags].concat())
}

/// Every subscriber gets every message, whatever it waits like; when the publisher leaves all are told.
#[test]
fn everybody_gets_everything() {
    let name = Name::new("everybody");
    let mut tx = publisher(&name, "create", &[]);
    let mut all: Vec<Role> = ["spin", "adaptive", "sleep", "sleep"].map(|it| subscriber(&name, &[it])).into();
    assert_eq!(tx.ask("wait-for 4"), "Ok(true)");
    for rx in &mut all {
        rx.expect_after("drain 0", "draining");
    }
    assert_eq!(tx.ask("stream 20000"), "published 20000");
    assert_eq!(tx.ask("leave"), "left");
    for rx in &mut all {
        rx.expect("0..20000 then Disconnected(Left)");
    }
}

/// A subscriber that is killed, asleep, awake or with a message in its hands, holds the publisher up no longer; the others lose nothing.
#[test]
fn dead_subscriber_holds_nobody_up() {
    for (strategy, held) in [("spin", "hold 3"), ("adaptive", "hold 1"), ("sleep", "block")] {
        let name = Name::new("deadsub");
        let mut tx = publisher(&name, "create", &[strategy]);
        let mut dead = subscriber(&name, &[]);
        let mut lives = subscriber(&name, &[]);
        if held == "block" {
            dead.expect_after("block", "blocking");
            dead.is_blocked();
            dead.stop();
            assert_eq!(tx.ask("fill"), "full 16");
        } else {
            assert_eq!(tx.ask("fill"), "full 16");
            assert!(dead.ask(held).starts_with("holding"));
        }
        let all: Vec<u64> = (0..16).collect();
        assert_eq!(lives.ask("recv 16"), format!("{all:?}"));
        let filled = tx.ask("fill");
        let next: u64 = filled.strip_prefix("full ").expect("full").parse().expect("a number");
        tx.expect_after("block", "blocking");
        dead.kill();
        tx.expect(&format!("published {next}"));
        assert_eq!(tx.ask("subscribers"), "1");
        let rest: Vec<u64> = (16..=next).collect();
        assert_eq!(lives.ask(&format!("recv {}", rest.len())), format!("{rest:?}"));
    }
}

/// A publisher that only ever polls learns of the death too, and so does one that drops the newest.
#[test]
fn polling_publisher_goes_on() {
    let name = Name::new("pollpub");
    let mut tx = publisher(&name, "create", &[]);
    let mut dead = subscriber(&name, &[]);
    assert_eq!(tx.ask("fill"), "full 16");
    tx.expect_after("poll", "polling");
    dead.kill();
    tx.expect("published 16");

    let name = Name::new("dropnew");
    let mut tx = publisher(&name, "create", &["drop-newest"]);
    let mut dead = subscriber(&name, &[]);
    tx.tell("stream 40");
    dead.kill();
    tx.expect("published 40");
}

/// A publisher that is killed has published what it had; the rest of what it was writing is never seen. Who comes later still gets
/// the last of it, and who takes its seat goes on with its numbers.
#[test]
fn publisher_killed_while_writing() {
    for policy in ["block", "drop-oldest", "drop-newest"] {
        let name = Name::new("killedpub");
        let mut rx = Role::ready(ROLE, &["subscriber", "create", &posix(&name), "restartable", policy]);
        for life in 0..3_u64 {
            let mut tx = publisher(&name, "open", &[]);
            assert_eq!(tx.ask("count"), (life * 4).to_string());
            assert_eq!(tx.ask(&format!("publish {} {}", life * 4, life * 4 + 4)), "published");
            tx.tell("reserve-and-stay");
            tx.expect("reserved");
            tx.kill();
        }
        assert_eq!(rx.ask("recv 12"), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]");
        let mut late = subscriber(&name, &["oldest"]);
        assert_eq!(late.ask("recv 12"), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]");
        rx.expect_after("block", "blocking");
        rx.is_blocked();
        assert_eq!(rx.answer_within(Duration::from_millis(150)), None, "it waits for the next publisher");
        let mut tx = publisher(&name, "open", &[]);
        assert_eq!(tx.ask("publish 12 13"), "published");
        rx.expect("got 12");
    }
}

/// Blocked and polling subscribers are told that the last publisher has died, after everything was received, and not before.
#[test]
fn death_of_the_last_publisher_is_told() {
    for call in ["block", "poll"] {
        let name = Name::new("lastpub");
        let mut one = publisher(&name, "create", &["publishers=2"]);
        let mut two = publisher(&name, "open", &[]);
        let mut rx = subscriber(&name, &[]);
        assert_eq!(one.ask("wait-for 1"), "Ok(true)");
        assert_eq!(one.ask("publish 5 6"), "published");
        assert_eq!(rx.ask("recv 1"), "[5]");
        rx.tell(call);
        assert!(rx.answer().ends_with("ing"));
        one.kill();
        assert_eq!(rx.answer_within(Duration::from_millis(150)), None, "one is left");
        two.kill();
        rx.expect("failed: Disconnected(Died)");
    }
}

/// Subscribers that cannot keep up with a publisher that never waits are told exactly what they lost; it is never held up by one that is
/// stopped.
#[test]
fn lagging_between_processes() {
    let name = Name::new("lagging");
    let mut tx = publisher(&name, "create", &["drop-oldest"]);
    let mut all: Vec<Role> = ["spin", "sleep"].map(|it| subscriber(&name, &[it])).into();
    let stopped = subscriber(&name, &[]);
    assert_eq!(tx.ask("wait-for 3"), "Ok(true)");
    stopped.stop();
    for rx in &mut all {
        rx.expect_after("drain 0", "draining");
    }
    assert_eq!(tx.ask("stream 300000"), "published 300000");
    assert_eq!(tx.ask("leave"), "left");
    for rx in &mut all {
        rx.expect("0..300000 then Disconnected(Left)");
    }
}

/// Publishers and subscribers are killed and replaced again and again: the survivor gets each publisher's messages in order, none twice and
/// none left out, and is never held up.
#[test]
fn killed_again_and_again() {
    for policy in [Policy::Block, Policy::DropNewest] {
        let name = Name::new("again");
        let options = Options::new().capacity(14).publishers(2).restartable(true).policy(policy);
        let mut rx = Subscriber::<u64>::create(name.as_str(), &options).expect("memory");
        let mut random = Random::new(7);
        let mut next = [0_u64; 2];
        for _ in 0..12 {
            let mut txs = [publisher(&name, "open", &[]), publisher(&name, "open", &[])];
            let mut other = subscriber(&name, &[]);
            for tx in &mut txs {
                tx.tell("stream 100000000");
            }
            other.tell("recv 100000000");
            for _ in 0..random.below(2000) {
                let got = rx.recv_timeout(LONG).expect("a message");
                let from = rx.origin();
                let due = &mut next[from.publisher as usize];
                assert_eq!((got, from.number), (*due, *due), "{policy:?}");
                *due += 1;
            }
            other.kill();
            for mut tx in txs {
                tx.kill();
            }
        }
        // What is left is whole, too.
        while let Ok(got) = rx.try_recv() {
            let due = &mut next[rx.origin().publisher as usize];
            assert_eq!(got, *due);
            *due += 1;
        }
        assert!(next[0] + next[1] > 0);
    }
}

/// A seat is free again when its owner dies, at once for who comes; until then a full house is said to be full.
#[test]
fn seats_are_taken_again() {
    let name = Name::new("seats");
    let tx = publisher(&name, "create", &["subscribers=2"]);
    let (mut one, _two) = (subscriber(&name, &[]), subscriber(&name, &[]));
    let mut third = Role::start(ROLE, &["subscriber", "open", &posix(&name)]);
    assert!(third.answer().starts_with("error Busy: attach to"), "all are taken");
    one.kill();
    let _again = subscriber(&name, &[]);
    drop(tx);
}

/// A channel in a file outlives everybody: its numbers go on and its history is there.
#[test]
fn file_survives_restart() {
    let scratch = Scratch::new("broadcast");
    let path = scratch.path("feed");
    let place = || Place::file(&path);
    let mut tx = Publisher::<u64>::create(place(), &Options::new()).expect("a file");
    tx.publish_batch(&[0, 1, 2]).expect("room");
    drop(tx);
    let mut tx = Publisher::<u64>::open(place(), &Options::new()).expect("it is still there");
    assert_eq!(tx.published(), 3);
    tx.publish(&3).expect("room");
    drop(tx);
    let mut rx = Subscriber::<u64>::open(place(), &Options::new().from_oldest()).expect("still there");
    assert_eq!((0..4).map(|_| rx.recv().expect("kept")).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

/// A channel without a name reaches the process that is handed its descriptor; one with a name is waited for.
#[test]
fn ways_to_come() {
    let mut tx = Publisher::<u64>::create(Place::memfd("handed"), &Options::new()).expect("memory");
    let mut child = command(ROLE, &["subscriber", "open", "fd:channel"]);
    child.hand_over("channel", tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor"));
    let mut rx = Role::spawn(&mut child, "subscriber");
    rx.expect("ok");
    assert_eq!(tx.wait_for_subscribers(1, LONG), Ok(true));
    tx.publish(&9).expect("room");
    assert_eq!(rx.ask("recv 1"), "[9]");

    let name = Name::new("waited");
    let mut rx = Role::start(ROLE, &["subscriber", "open-timeout=20000", &posix(&name)]);
    rx.expect("opening");
    let mut tx = Publisher::<u64>::create(name.as_str(), &Options::new()).expect("memory");
    rx.expect("ok");
    assert_eq!(tx.wait_for_subscribers(1, LONG), Ok(true));
    drop(tx);
    assert_eq!(rx.ask("recv 1"), "failed: Disconnected(Left)");
}

/// A name that was killed with all its users is swept by the next who wants it, and is gone with the last who leaves.
#[test]
fn nothing_is_left() {
    let name = Name::new("nothing");
    let mut tx = publisher(&name, "create", &[]);
    let mut rx = subscriber(&name, &[]);
    tx.kill();
    rx.kill();
    let tx = Publisher::<u64>::create(name.as_str(), &Options::new()).expect("what the dead left is swept");
    drop(tx);
    assert_eq!(name.left_over(), Vec::<String>::new());
}

/// A blocked publisher is woken by the reading of the slowest, and a blocked subscriber by a message, both asleep.
#[test]
fn sleepers_are_woken() {
    let name = Name::new("woken");
    let options = Options::new().capacity(14).wait(Strategy::Sleep);
    let mut tx = Publisher::<u64>::create(name.as_str(), &options).expect("memory");
    let mut rx = subscriber(&name, &["sleep"]);
    assert_eq!(tx.wait_for_subscribers(1, LONG), Ok(true));
    rx.expect_after("block", "blocking");
    rx.is_blocked();
    tx.publish(&0).expect("room");
    rx.expect("got 0");
    while tx.try_publish(&1).is_ok() {}
    let blocked = std::thread::spawn(move || tx.publish(&2).map(|()| tx));
    assert_eq!(rx.ask("recv 17"), format!("{:?}", [vec![1; 16], vec![2]].concat()));
    in_time("publish", move || blocked.join().expect("no panic").map(drop)).expect("published");
    assert_eq!(rx.ask("recv 1"), "failed: Disconnected(Left)");
}
