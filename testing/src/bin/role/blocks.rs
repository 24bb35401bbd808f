//! One of the users of a broadcast channel of large messages, in blocks.
//!
//! `block-publisher|block-subscriber HOW PLACE [FLAG ...]`; HOW is `create` or `open`, and a flag is a policy, a strategy, `restartable`,
//! `oldest`, or one of `blocks=N`, `subscribers=N`. Message n is `message(n)`: its number all over, of a length of its own.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, place, say};
use strait::channel::Strategy;
use strait::channel::broadcast::{Held, Options, Policy, Publisher, RecvError, Subscriber, TryPublishError};
use strait_testing::blocks::{MAX, is_message, message};

fn options(flags: &[&str]) -> Options {
    let mut options = Options::new().blocks(8).max_message_bytes(MAX as u64);
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, "0"));
        let number: u32 = value.parse().expect("a number");
        options = match name {
            "block" => options.policy(Policy::Block),
            "drop-oldest" => options.policy(Policy::DropOldest),
            "drop-newest" => options.policy(Policy::DropNewest),
            "restartable" => options.restartable(true),
            "oldest" => options.from_oldest(),
            "spin" => options.wait(Strategy::Spin),
            "sleep" => options.wait(Strategy::Sleep),
            "blocks" => options.blocks(number),
            "subscribers" => options.subscribers(number),
            _ => panic!("no such flag: {flag}"),
        };
    }
    options
}

pub(crate) fn publisher(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("block-publisher HOW PLACE") };
    let options = options(flags);
    let came = match *how {
        "create" => Publisher::<[u8]>::create(place(at), &options),
        _ => Publisher::open(place(at), &options),
    };
    let mut tx = match came {
        Ok(tx) => tx,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["stream", count] => {
                let to = tx.published() + count.parse::<u64>().expect("a count");
                while tx.published() < to {
                    tx.publish(&message(tx.published())).expect("never fails");
                }
                format!("published {to}")
            }
            ["fill"] => loop {
                match tx.try_publish(&message(tx.published())) {
                    Ok(()) => {}
                    Err(TryPublishError::Full) => break format!("full {}", tx.published()),
                    Err(TryPublishError::Failed(e)) => break format!("failed: {e:?}"),
                }
            },
            ["block"] => {
                say("blocking");
                let next = tx.published();
                tx.publish(&message(next)).map_or_else(|e| format!("failed: {e:?}"), |()| format!("published {next}"))
            }
            ["wait-for", count] => {
                format!("{:?}", tx.wait_for_subscribers(count.parse().expect("a count"), strait_testing::LONG))
            }
            ["count"] => tx.published().to_string(),
            ["subscribers"] => tx.subscribers().to_string(),
            // Writes all of a block but one byte and stays there.
            ["reserve-and-stay"] => {
                let mut room = tx.reserve(MAX).expect("room");
                room[..MAX - 1].fill(0xEE);
                say("reserved");
                stay()
            }
            ["leave"] => {
                drop(tx);
                return say("left");
            }
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}

pub(crate) fn subscriber(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("block-subscriber HOW PLACE") };
    let options = options(flags);
    let came = match *how {
        "create" => Subscriber::<[u8]>::create(place(at), &options),
        _ => Subscriber::open(place(at), &options),
    };
    let mut rx = match came {
        Ok(rx) => Some(rx),
        Err(e) => return say(&error(&e)),
    };
    let mut held: Vec<Held<[u8]>> = Vec::new();
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let end = || panic!("the subscriber has left");
        let answer = match words[..] {
            ["recv", count] => {
                let rx = rx.as_mut().unwrap_or_else(end);
                let count: usize = count.parse().expect("a count");
                let got: Result<Vec<u64>, RecvError> = (0..count).map(|_| number(rx)).collect();
                got.map_or_else(|e| format!("failed: {e:?}"), |got| format!("{got:?}"))
            }
            ["hold", count] => {
                let rx = rx.as_mut().unwrap_or_else(end);
                for _ in 0..count.parse().expect("a count") {
                    held.push(rx.hold().expect("a message"));
                }
                format!("holding {}", held.len())
            }
            // What is held is what it was.
            ["check"] => {
                let changed = held.iter().find(|it| !is_message(it, it.origin().number));
                changed.map_or_else(|| "as they were".into(), |it| format!("message {} changed", it.origin().number))
            }
            ["let-go", count] => {
                held.drain(..count.parse::<usize>().expect("a count"));
                format!("holding {}", held.len())
            }
            // Everything there is, from the first or from now on, each the next or as many further as were said to be lost, one in some held for a while, and how it ends.
            ["drain" | "follow"] => {
                say("draining");
                let rx = rx.as_mut().unwrap_or_else(end);
                let mut next = (words == ["drain"]).then_some(0);
                loop {
                    match rx.hold() {
                        Ok(it) => {
                            let number = it.origin().number;
                            if next.is_some_and(|next| next != number) {
                                break format!("got {number} instead of {next:?}");
                            }
                            assert!(is_message(&it, number), "message {number}");
                            if number % 5 == 0 {
                                held.push(it);
                            }
                            if held.len() > 2 {
                                let old = held.remove(0);
                                assert!(
                                    is_message(&old, old.origin().number),
                                    "message {} changed",
                                    old.origin().number
                                );
                            }
                            next = Some(number + 1);
                        }
                        Err(RecvError::Lagged(lost)) => next = next.map(|next| next + lost),
                        Err(e) => break format!("0..{} then {e:?}", next.unwrap_or(0)),
                    }
                }
            }
            // A forked child reads what is held, and drops it and the subscriber.
            ["fork"] => {
                let pid = in_child(|| {
                    let reads = held.iter().all(|it| is_message(it, it.origin().number));
                    let forked = rx.as_mut().is_none_or(|rx| rx.hold().err() == Some(RecvError::Forked));
                    held.clear();
                    drop(rx.take());
                    first_false(&[reads, forked])
                });
                format!("child {}", status_of(pid))
            }
            ["leave"] => {
                rx = None;
                "left".into()
            }
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}

/// Receives a message in turn by copy and by loan: its number, if it is whole.
fn number(rx: &mut Subscriber<[u8]>) -> Result<u64, RecvError> {
    let is_copied = rx.received() % 2 == 0;
    let got = if is_copied { rx.recv()? } else { rx.recv_ref()?.to_vec() };
    let number = rx.origin().number;
    assert!(is_message(&got, number), "message {number} is not what was sent");
    Ok(number)
}

/// Until killed.
fn stay() -> ! {
    loop {
        std::thread::park();
    }
}
