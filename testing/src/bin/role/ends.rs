//! One end of a channel of numbers.
//!
//! `sender|receiver HOW PLACE [restartable] [spin|adaptive|sleep] [capacity=N] [owner=UID] [mode=OCTAL]`, where HOW is `create`, `open`,
//! `open-or-create` or `open-timeout=MS`, and PLACE may be `fd:NAME`, handed over, or `socket:PATH`.

use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::channel::{RecvError, RecvTimeoutError, SendTimeoutError, Strategy, TryRecvError, TrySendError};

fn options(flags: &[&str]) -> Options {
    let mut options = Options::new().capacity_bytes(4096);
    for flag in flags {
        options = match flag.split_once('=').unwrap_or((flag, "")) {
            ("restartable", _) => options.restartable(true),
            ("spin", _) => options.wait(Strategy::Spin),
            ("adaptive", _) => options.wait(Strategy::SpinThenSleep),
            ("sleep", _) => options.wait(Strategy::Sleep),
            ("capacity", bytes) => options.capacity_bytes(bytes.parse().expect("bytes")),
            ("owner", uid) => options.owner(uid.parse().expect("a uid")),
            ("mode", mode) => options.mode(u32::from_str_radix(mode, 8).expect("octal")),
            _ => panic!("no such flag: {flag}"),
        };
    }
    options
}

pub(crate) fn sender(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("sender HOW PLACE") };
    let options = options(flags);
    let timeout = how.strip_prefix("open-timeout=").map(|ms| Duration::from_millis(ms.parse().expect("ms")));
    let made = match (*how, timeout) {
        ("open", _) if at.starts_with("fd:") || at.starts_with("socket:") => {
            Sender::<u64>::from_fd(passed(at).expect("a descriptor"), &options)
        }
        ("create", _) => Sender::create(place(at), &options),
        ("open", _) => Sender::open(place(at), &options),
        ("open-or-create", _) => Sender::open_or_create(place(at), &options),
        (_, Some(timeout)) => {
            say("opening");
            Sender::open_timeout(place(at), &options, timeout)
        }
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
            ["send", from, to] => {
                let (from, to): (u64, u64) = (from.parse().expect("from"), to.parse().expect("to"));
                (from..to).try_for_each(|n| tx.send(&n)).map_or_else(|e| format!("failed: {e:?}"), |()| "sent".into())
            }
            ["fill"] => loop {
                let next = tx.sent();
                match tx.try_send(&next) {
                    Ok(()) => {}
                    Err(TrySendError::Full) => break format!("full {next}"),
                    Err(TrySendError::Failed(e)) => break format!("failed: {e:?}"),
                }
            },
            ["block"] => {
                say("blocking");
                let next = tx.sent();
                tx.send(&next).map_or_else(|e| format!("failed: {e:?}"), |()| format!("sent {next}"))
            }
            ["poll"] => {
                say("polling");
                let next = tx.sent();
                loop {
                    match tx.try_send(&next) {
                        Ok(()) => break format!("sent {next}"),
                        Err(TrySendError::Full) => {}
                        Err(TrySendError::Failed(e)) => break format!("failed: {e:?}"),
                    }
                }
            }
            ["poll-timeout", ms] => {
                let timeout = Duration::from_millis(ms.parse().expect("ms"));
                say("polling");
                let next = tx.sent();
                loop {
                    match tx.send_timeout(&next, timeout) {
                        Ok(()) => break format!("sent {next}"),
                        Err(SendTimeoutError::TimedOut) => {}
                        Err(SendTimeoutError::Failed(e)) => break format!("failed: {e:?}"),
                    }
                }
            }
            ["poll-drain", ms] => {
                let timeout = Duration::from_millis(ms.parse().expect("ms"));
                say("polling");
                loop {
                    match tx.drain(timeout) {
                        Ok(true) => break "drained".into(),
                        Ok(false) => {}
                        Err(e) => break format!("failed: {e:?}"),
                    }
                }
            }
            ["state"] => format!("{:?}", tx.receiver_state()),
            ["count"] => tx.sent().to_string(),
            // Becomes another program, without ending.
            ["exec", program, argument] => {
                use std::os::unix::process::CommandExt as _;
                let refused = std::process::Command::new(program).arg(argument).exec();
                format!("error: {refused}")
            }
            // Writes half of a message in place and stays there.
            ["reserve-and-stay"] => {
                let mut room = tx.reserve().expect("room");
                *room = u64::MAX;
                say("reserved");
                stay()
            }
            // Sends one message the moment that the receiver begins to leave, and dies.
            ["send-when-it-leaves-and-die"] => {
                while tx.receiver_state() != strait::channel::PeerState::Left {
                    std::thread::yield_now();
                }
                let next = tx.sent();
                tx.send(&next).expect("a restartable channel takes messages without a receiver");
                die()
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

pub(crate) fn receiver(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("receiver HOW PLACE") };
    let options = options(flags);
    let timeout = how.strip_prefix("open-timeout=").map(|ms| Duration::from_millis(ms.parse().expect("ms")));
    let made = match (*how, timeout) {
        ("open", _) if at.starts_with("fd:") || at.starts_with("socket:") => {
            Receiver::<u64>::from_fd(passed(at).expect("a descriptor"), &options)
        }
        ("create", _) => Receiver::create(place(at), &options),
        ("open", _) => Receiver::open(place(at), &options),
        ("open-or-create", _) => Receiver::open_or_create(place(at), &options),
        (_, Some(timeout)) => {
            say("opening");
            Receiver::open_timeout(place(at), &options, timeout)
        }
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
            ["poll-timeout", ms] => {
                let timeout = Duration::from_millis(ms.parse().expect("ms"));
                say("polling");
                loop {
                    match rx.recv_timeout(timeout) {
                        Ok(n) => break format!("got {n}"),
                        Err(RecvTimeoutError::TimedOut) => {}
                        Err(RecvTimeoutError::Failed(e)) => break format!("failed: {e:?}"),
                    }
                }
            }
            ["lend"] => rx.recv_ref().map_or_else(|e| format!("failed: {e:?}"), |lent| format!("lent {}", *lent)),
            // Takes messages and gives the last one not back.
            ["hold", count] => {
                for _ in 1..count.parse().expect("a count") {
                    rx.recv().expect("a message");
                }
                let lent = rx.recv_ref().expect("a message");
                say(&format!("holding {}", *lent));
                stay()
            }
            // Everything there is, and how it ends.
            ["drain"] => {
                say("draining");
                let first = rx.received();
                let mut next = first;
                loop {
                    match rx.recv() {
                        Ok(n) if n == next => next += 1,
                        Ok(n) => break format!("got {n} instead of {next}"),
                        Err(e) => break format!("{first}..{next} then {e:?}"),
                    }
                }
            }
            ["state"] => format!("{:?}", rx.sender_state()),
            ["count"] => rx.received().to_string(),
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

fn die() -> ! {
    // SAFETY: the call takes a number.
    unsafe { libc::raise(libc::SIGKILL) };
    unreachable!("killed")
}
