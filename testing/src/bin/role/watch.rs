//! The ends of a watch of lines of eight equal numbers, so that a mixture of two values shows.
//!
//! `watch-writer|watch-reader|watch-observer HOW PLACE [restartable] [spin|adaptive|sleep] [readers=N] [copies=N] [owner=UID]
//! [mode=OCTAL]`, where HOW is `create`, `open` or `open-or-create`, and PLACE may be `fd:NAME`, handed over, or `socket:PATH`.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::watch::{Observer, Options, ReadError, ReadTimeoutError, Reader, TryReadError, Writer};
use strait::channel::{SendError, Strategy};

type Line = [u64; 8];

fn options(flags: &[&str]) -> Options {
    let mut options = Options::new();
    for flag in flags {
        options = match flag.split_once('=').unwrap_or((flag, "")) {
            ("restartable", _) => options.restartable(true),
            ("spin", _) => options.wait(Strategy::Spin),
            ("adaptive", _) => options.wait(Strategy::SpinThenSleep),
            ("sleep", _) => options.wait(Strategy::Sleep),
            ("readers", count) => options.readers(count.parse().expect("a count")),
            ("copies", count) => options.copies(count.parse().expect("a count")),
            ("owner", uid) => options.owner(uid.parse().expect("a uid")),
            ("mode", mode) => options.mode(u32::from_str_radix(mode, 8).expect("octal")),
            _ => panic!("no such flag: {flag}"),
        };
    }
    options
}

/// The number of a value, which must be whole.
fn number(value: Line) -> u64 {
    assert!(value.iter().all(|&word| word == value[0]), "torn: {value:?}");
    value[0]
}

pub(crate) fn writer(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("watch-writer HOW PLACE") };
    let options = options(flags);
    let made = match (*how, passed(at)) {
        (_, Some(fd)) => Writer::<Line>::from_fd(fd, &options),
        ("create", _) => Writer::create(place(at), &options),
        ("open", _) => Writer::open(place(at), &options),
        ("open-or-create", _) => Writer::open_or_create(place(at), &options),
        _ => panic!("no such way: {how}"),
    };
    let mut tx = match made {
        Ok(tx) => tx,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["send", number] => {
                let number = number.parse().expect("a number");
                tx.send(&[number; 8]).map_or_else(|e| format!("failed: {e:?}"), |()| "sent".into())
            }
            // The next version, again and again, until it is killed.
            ["flood"] => {
                say("flooding");
                loop {
                    tx.send(&[tx.version() + 1; 8]).expect("nobody refuses");
                }
            }
            ["version"] => tx.version().to_string(),
            ["last"] => format!("{:?}", tx.get().map(number)),
            ["readers"] => tx.readers().to_string(),
            ["fork"] => {
                status_of(in_child(|| first_false(&[tx.send(&[9; 8]) == Err(SendError::Forked), tx.version() == 1])))
                    .to_string()
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

pub(crate) fn reader(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("watch-reader HOW PLACE") };
    let options = options(flags);
    let made = match (*how, passed(at)) {
        (_, Some(fd)) => Reader::<Line>::from_fd(fd, &options),
        ("create", _) => Reader::create(place(at), &options),
        ("open", _) => Reader::open(place(at), &options),
        ("open-or-create", _) => Reader::open_or_create(place(at), &options),
        _ => panic!("no such way: {how}"),
    };
    let mut rx = match made {
        Ok(rx) => rx,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["get"] => rx.get().map_or_else(|e| format!("failed: {e:?}"), |value| format!("got {}", number(value))),
            ["block"] => {
                say("blocking");
                rx.changed().map_or_else(|e| format!("failed: {e:?}"), |value| format!("got {}", number(value)))
            }
            ["poll"] => {
                say("polling");
                loop {
                    match rx.try_changed() {
                        Ok(value) => break format!("got {}", number(value)),
                        Err(TryReadError::NotYet) => {}
                        Err(TryReadError::Failed(e)) => break format!("failed: {e:?}"),
                    }
                }
            }
            ["poll-timeout", ms] => {
                let timeout = Duration::from_millis(ms.parse().expect("ms"));
                say("polling");
                loop {
                    match rx.changed_timeout(timeout) {
                        Ok(value) => break format!("got {}", number(value)),
                        Err(ReadTimeoutError::TimedOut) => {}
                        Err(ReadTimeoutError::Failed(e)) => break format!("failed: {e:?}"),
                    }
                }
            }
            // Everything that it sees until its last line, in order, and whole.
            ["follow", last] => {
                let last: u64 = last.parse().expect("a number");
                say("following");
                let mut seen = 0;
                while seen < last {
                    match rx.changed() {
                        Ok(value) => {
                            let next = number(value);
                            assert!(next > seen && next <= rx.version(), "{next} after {seen}");
                            seen = next;
                        }
                        Err(ReadError::Busy) => {}
                        Err(e) => panic!("{e:?} after {seen}"),
                    }
                }
                "followed".into()
            }
            ["version"] => rx.version().to_string(),
            ["state"] => format!("{:?}", rx.writer_state()),
            ["fork"] => status_of(in_child(|| {
                first_false(&[
                    rx.get() == Err(ReadError::Forked),
                    rx.try_get() == Err(TryReadError::Failed(ReadError::Forked)),
                    rx.changed() == Err(ReadError::Forked),
                    rx.changed_timeout(Duration::ZERO) == Err(ReadTimeoutError::Failed(ReadError::Forked)),
                ])
            }))
            .to_string(),
            ["leave"] => {
                drop(rx);
                return say("left");
            }
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}

pub(crate) fn observer(how: &[&str]) {
    let ["open", at, flags @ ..] = how else { panic!("watch-observer open PLACE") };
    let made = match passed(at) {
        Some(fd) => Observer::<Line>::from_fd(fd, &options(flags)),
        None => Observer::open(place(at), &options(flags)),
    };
    let mut observer = match made {
        Ok(observer) => observer,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let answer = match line.as_str() {
            "get" => {
                observer.try_get().map_or_else(|e| format!("failed: {e:?}"), |value| format!("got {}", number(value)))
            }
            "state" => format!("{:?}", observer.writer_state()),
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}
