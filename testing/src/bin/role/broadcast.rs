//! One of the users of a broadcast channel of numbers.
//!
//! `publisher|subscriber HOW PLACE [FLAG ...]`, where HOW is `create`, `open` or `open-timeout=MS`, PLACE may be `fd:NAME`, handed over,
//! and a flag is a policy, a strategy, `restartable`, `oldest`, or one of `publishers=N`, `subscribers=N`, `capacity=N`.

use crate::{error, lines, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::channel::broadcast::{Options, Policy, Publisher, RecvError, Subscriber, TryPublishError, TryRecvError};

fn options(flags: &[&str]) -> Options {
    let mut options = Options::new().capacity(14);
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
            "adaptive" => options.wait(Strategy::SpinThenSleep),
            "sleep" => options.wait(Strategy::Sleep),
            "publishers" => options.publishers(number),
            "subscribers" => options.subscribers(number),
            "capacity" => options.capacity(u64::from(number)),
            _ => panic!("no such flag: {flag}"),
        };
    }
    options
}

macro_rules! come {
    ($end:ident, $how:expr, $at:expr, $options:expr) => {
        match ($how, $how.strip_prefix("open-timeout=")) {
            ("open", _) if $at.starts_with("fd:") => {
                $end::<u64>::from_fd(strait::process::handed(&$at[3..]).expect("handed over"), $options)
            }
            ("create", _) => $end::create(place($at), $options),
            ("open", _) => $end::open(place($at), $options),
            (_, Some(ms)) => {
                say("opening");
                $end::open_timeout(place($at), $options, Duration::from_millis(ms.parse().expect("ms")))
            }
            _ => panic!("no such way: {}", $how),
        }
    };
}

pub(crate) fn publisher(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("publisher HOW PLACE") };
    let mut tx = match come!(Publisher, *how, at, &options(flags)) {
        Ok(tx) => tx,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["publish", from, to] => {
                let (from, to): (u64, u64) = (from.parse().expect("from"), to.parse().expect("to"));
                let all = (from..to).try_for_each(|n| tx.publish(&n));
                all.map_or_else(|e| format!("failed: {e:?}"), |()| "published".into())
            }
            ["fill"] => loop {
                let next = tx.published();
                match tx.try_publish(&next) {
                    Ok(()) => {}
                    Err(TryPublishError::Full) => break format!("full {next}"),
                    Err(TryPublishError::Failed(e)) => break format!("failed: {e:?}"),
                }
            },
            ["block"] => {
                say("blocking");
                let next = tx.published();
                tx.publish(&next).map_or_else(|e| format!("failed: {e:?}"), |()| format!("published {next}"))
            }
            ["poll"] => {
                say("polling");
                let next = tx.published();
                loop {
                    match tx.try_publish(&next) {
                        Ok(()) => break format!("published {next}"),
                        Err(TryPublishError::Full) => {}
                        Err(TryPublishError::Failed(e)) => break format!("failed: {e:?}"),
                    }
                }
            }
            // A stream until told otherwise by its end.
            ["stream", count] => {
                let to = tx.published() + count.parse::<u64>().expect("a count");
                while tx.published() < to {
                    tx.publish(&tx.published()).expect("never fails");
                }
                format!("published {to}")
            }
            ["wait-for", count] => {
                let count = count.parse().expect("a count");
                format!("{:?}", tx.wait_for_subscribers(count, strait_testing::LONG))
            }
            ["count"] => tx.published().to_string(),
            ["dropped"] => tx.dropped().to_string(),
            ["subscribers"] => tx.subscribers().to_string(),
            // Writes half of a message in place and stays there.
            ["reserve-and-stay"] => {
                *tx.reserve().expect("room") = u64::MAX;
                let mut room = tx.reserve().expect("room");
                *room = u64::MAX;
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
    let [how, at, flags @ ..] = how else { panic!("subscriber HOW PLACE") };
    let mut rx = match come!(Subscriber, *how, at, &options(flags)) {
        Ok(rx) => rx,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["recv", count] => {
                let count: usize = count.parse().expect("a count");
                let got: Result<Vec<u64>, RecvError> = (0..count).map(|_| rx.recv()).collect();
                got.map_or_else(|e| format!("failed: {e:?}"), |got| format!("{got:?}"))
            }
            ["block"] => {
                say("blocking");
                rx.recv().map_or_else(|e| format!("failed: {e:?}"), |n| format!("got {n}"))
            }
            ["poll"] => {
                say("polling");
                loop {
                    match rx.try_recv() {
                        Ok(n) => break format!("got {n}"),
                        Err(TryRecvError::Empty) => {}
                        Err(TryRecvError::Failed(e)) => break format!("failed: {e:?}"),
                    }
                }
            }
            // Takes messages and keeps the last one in its hands.
            ["hold", count] => {
                for _ in 1..count.parse().expect("a count") {
                    rx.recv().expect("a message");
                }
                let lent = rx.recv_ref().expect("a message");
                say(&format!("holding {}", *lent));
                stay()
            }
            // Everything there is, each the next or as many further as were said to be lost, and how it ends.
            ["drain", first] => {
                say("draining");
                let first: u64 = first.parse().expect("a number");
                let mut next = first;
                loop {
                    match rx.recv() {
                        Ok(n) if n == next => next += 1,
                        Ok(n) => break format!("got {n} instead of {next}"),
                        Err(RecvError::Lagged(lost)) => next += lost,
                        Err(e) => break format!("{first}..{next} then {e:?}"),
                    }
                }
            }
            ["lost"] => rx.lost().to_string(),
            ["dropped"] => rx.dropped().to_string(),
            ["leave"] => {
                drop(rx);
                return say("left");
            }
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}

/// Until killed.
fn stay() -> ! {
    loop {
        std::thread::park();
    }
}
