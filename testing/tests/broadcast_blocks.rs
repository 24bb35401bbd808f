//! Large messages in blocks between processes: who holds what, who is held up by whom, and what a kill leaves behind.

use std::time::Duration;
use strait::channel::broadcast::{Options, Policy, Publisher, RecvError, Subscriber, TryRecvError};
use strait::region::Place;
use strait_testing::LONG;
use strait_testing::blocks::{MAX, is_message, message};
use strait_testing::names::Name;
use strait_testing::random::Random;
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");
const POLICIES: [(&str, Policy); 3] =
    [("block", Policy::Block), ("drop-oldest", Policy::DropOldest), ("drop-newest", Policy::DropNewest)];

fn role(part: &str, how: &str, name: &Name, flags: &[&str]) -> Role {
    Role::ready(ROLE, &[&[part, how, &format!("posix:{}", name.as_str())], flags].concat())
}

fn publisher(name: &Name, how: &str, flags: &[&str]) -> Role {
    role("block-publisher", how, name, flags)
}

fn subscriber(name: &Name, flags: &[&str]) -> Role {
    role("block-subscriber", "open", name, flags)
}

fn options() -> Options {
    Options::new().blocks(8).max_message_bytes(MAX as u64)
}

/// Every subscriber gets every message, whole, whatever it waits like, and what it holds for a while stays as it was.
#[test]
fn everybody_gets_everything() {
    for (policy, _) in POLICIES {
        let name = Name::new("blocks-all");
        let mut tx = publisher(&name, "create", &[policy, "blocks=20"]);
        let mut all: Vec<Role> = ["spin", "sleep", "sleep"].map(|it| subscriber(&name, &[it])).into();
        assert_eq!(tx.ask("wait-for 3"), "Ok(true)");
        for rx in &mut all {
            rx.expect_after("drain", "draining");
        }
        // What is given up has no number.
        let published = tx.ask("stream 3000");
        assert_eq!(published, "published 3000");
        assert_eq!(tx.ask("leave"), "left");
        for rx in &mut all {
            rx.expect("0..3000 then Disconnected(Left)");
        }
    }
}

/// A subscriber that is killed with all blocks in its hands gives them back: a publisher that sleeps for one goes on, and so does one that
/// never waits; who takes the dead one's seat holds nothing of what it held.
#[test]
fn killed_while_holding() {
    for (policy, _) in POLICIES {
        let name = Name::new("blocks-dead");
        let mut tx = publisher(&name, "create", &[policy, "sleep", "subscribers=2"]);
        let mut dead = subscriber(&name, &[]);
        let mut lives = subscriber(&name, &[]);
        for _ in 0..2 {
            let from: u64 = tx.ask("count").parse().expect("a number");
            assert_eq!(tx.ask("stream 8"), format!("published {}", from + 8));
            assert_eq!(dead.ask("hold 8"), "holding 8");
            let all: Vec<u64> = (from..from + 8).collect();
            assert_eq!(lives.ask("recv 8"), format!("{all:?}"));
            assert_eq!(tx.ask("fill"), format!("full {}", from + 8));
            if policy == "drop-newest" {
                dead.kill();
                // It gives up what it has no room for until it finds out.
                assert_eq!(tx.ask("stream 1"), format!("published {}", from + 9));
            } else {
                tx.expect_after("block", "blocking");
                tx.is_blocked();
                assert_eq!(dead.ask("check"), "as they were");
                dead.kill();
                tx.expect(&format!("published {}", from + 8));
            }
            assert_eq!(lives.ask("recv 1"), format!("[{}]", from + 8));
            assert_eq!(tx.ask("subscribers"), "1");
            dead = subscriber(&name, &[]);
            assert_eq!(tx.ask("wait-for 2"), "Ok(true)");
        }
    }
}

/// What is held goes on being what it was, however much is published; dropping some of it is enough for the publisher to go on, asleep or not.
#[test]
fn long_holds_under_drop_oldest() {
    let name = Name::new("blocks-long");
    let mut tx = publisher(&name, "create", &["drop-oldest", "sleep", "blocks=12"]);
    let mut holder = subscriber(&name, &["sleep"]);
    let mut other = subscriber(&name, &[]);
    assert_eq!(tx.ask("stream 7"), "published 7");
    assert_eq!(holder.ask("hold 6"), "holding 6");
    other.expect_after("drain", "draining");
    // The other one holds up to four: two are left for the newest message, and for the next.
    assert_eq!(tx.ask("stream 20000"), "published 20007");
    assert_eq!(holder.ask("check"), "as they were");
    assert_eq!(holder.ask("leave"), "left");
    assert_eq!(tx.ask("stream 2000"), "published 22007");
    assert_eq!(holder.ask("check"), "as they were");
    assert_eq!(tx.ask("leave"), "left");
    other.expect("0..22007 then Disconnected(Left)");
}

/// A publisher that waits for a block is woken when a subscriber lets go of one, also after that subscriber itself has gone.
#[test]
fn all_held_and_woken() {
    for (policy, _) in POLICIES {
        let name = Name::new("blocks-full");
        let mut tx = publisher(&name, "create", &[policy, "sleep"]);
        let mut rx = subscriber(&name, &[]);
        assert_eq!(tx.ask("stream 8"), "published 8");
        assert_eq!(rx.ask("hold 8"), "holding 8");
        assert_eq!(tx.ask("fill"), "full 8");
        if policy != "drop-newest" {
            tx.expect_after("block", "blocking");
            tx.is_blocked();
            assert_eq!(rx.ask("leave"), "left");
            assert_eq!(tx.answer_within(Duration::from_millis(120)), None, "they are held");
            assert_eq!(rx.ask("let-go 1"), "holding 7");
            tx.expect("published 8");
        }
        assert_eq!(rx.ask("check"), "as they were");
    }
}

/// A publisher killed while it writes into a block has published nothing of it; the next one goes on with the numbers, and with the holds and
/// the history that there are.
#[test]
fn publisher_killed_while_writing() {
    for (policy, _) in POLICIES {
        let name = Name::new("blocks-killed");
        let mut rx = role("block-subscriber", "create", &name, &["restartable", policy, "blocks=16"]);
        for life in 0..4_u64 {
            let mut tx = publisher(&name, "open", &[policy]);
            assert_eq!(tx.ask("count"), (life * 5).to_string());
            assert_eq!(tx.ask("stream 5"), format!("published {}", life * 5 + 5));
            tx.tell("reserve-and-stay");
            tx.expect("reserved");
            assert_eq!(rx.ask("hold 1"), format!("holding {}", life + 1));
            let rest: Vec<u64> = (life * 5 + 1..life * 5 + 5).collect();
            assert_eq!(rx.ask("recv 4"), format!("{rest:?}"));
            tx.kill();
            assert_eq!(rx.ask("check"), "as they were");
        }
        // Who comes later still gets the last of it: 14 are kept but for the four blocks that are held.
        let mut late = Subscriber::<[u8]>::open(name.as_str(), &options().from_oldest()).expect("a seat");
        let kept = late.len();
        assert!((10..=16).contains(&kept), "{policy}: {kept} are kept");
        for number in 20 - kept..20 {
            assert!(is_message(&late.recv().expect("kept"), number), "{policy}: message {number}");
        }
    }
}

/// Publishers and subscribers are killed and replaced again and again, each with blocks in its hands: messages are whole and in order, what is
/// held does not change, and no block is lost.
#[test]
fn killed_again_and_again() {
    for (policy, of) in POLICIES {
        let name = Name::new("blocks-again");
        let options = options().restartable(true).policy(of);
        let mut rx = Subscriber::<[u8]>::create(name.as_str(), &options).expect("memory");
        let mut random = Random::new(11);
        let (mut next, mut kept) = (0_u64, Vec::new());
        for _ in 0..10 {
            let mut tx = publisher(&name, "open", &[]);
            let mut other = subscriber(&name, &[]);
            tx.tell("stream 100000000");
            other.tell("follow");
            for _ in 0..random.below(400) {
                match rx.hold_timeout(LONG) {
                    Ok(got) => {
                        assert_eq!(got.origin().number, next, "{policy}");
                        assert!(is_message(&got, next), "{policy}: message {next}");
                        if random.below(20) == 0 {
                            kept.push(got);
                        }
                        next += 1;
                    }
                    Err(strait::channel::broadcast::RecvTimeoutError::Failed(RecvError::Lagged(lost))) => next += lost,
                    Err(error) => panic!("{policy}: {error}"),
                }
                if kept.len() > 3 {
                    kept.remove(0);
                }
                assert!(kept.iter().all(|it| is_message(it, it.origin().number)), "{policy}: what is held changed");
            }
            other.kill();
            tx.kill();
        }
        loop {
            match rx.try_recv() {
                Ok(got) => assert!(is_message(&got, rx.origin().number), "{policy}"),
                Err(TryRecvError::Failed(RecvError::Lagged(_))) => {}
                Err(error) => break assert_eq!(error, TryRecvError::Empty, "{policy}"),
            }
        }
        drop(kept);
        let mut tx = Publisher::<[u8]>::open(name.as_str(), &options).expect("a seat");
        for _ in 0..8 {
            tx.try_publish(&message(tx.published())).expect("all blocks are there");
        }
    }
}

/// A forked child reads what its parent holds, and what it drops there is still held.
#[test]
fn forked_child_drops_nothing() {
    let name = Name::new("blocks-fork");
    let mut tx = publisher(&name, "create", &["blocks=3"]);
    let mut rx = subscriber(&name, &[]);
    assert_eq!(tx.ask("stream 3"), "published 3");
    assert_eq!(rx.ask("hold 3"), "holding 3");
    assert_eq!(rx.ask("fork"), "child 0", "else: the number of the claim in blocks.rs that did not hold");
    assert_eq!(tx.ask("fill"), "full 3");
    assert_eq!(tx.ask("subscribers"), "1");
    assert_eq!(rx.ask("check"), "as they were");
    assert_eq!(rx.ask("let-go 3"), "holding 0");
    assert_eq!(tx.ask("fill"), "full 6");
}

/// A channel in a file keeps the blocks' messages when everybody has gone.
#[test]
fn file_survives_restart() {
    let scratch = strait_testing::names::Scratch::new("blocks");
    let path = scratch.path("frames");
    let place = || Place::file(&path);
    let mut tx = Publisher::<[u8]>::create(place(), &options()).expect("a file");
    for number in 0..5 {
        tx.publish(&message(number)).expect("room");
    }
    drop(tx);
    let mut tx = Publisher::<[u8]>::open(place(), &options()).expect("it is still there");
    let mut rx = Subscriber::<[u8]>::open(place(), &options().from_oldest()).expect("still there");
    tx.publish(&message(5)).expect("room");
    for number in 0..6 {
        assert!(is_message(&rx.hold().expect("kept"), number));
    }
}
