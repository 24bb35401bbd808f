//! A user of a mutex of four equal numbers, so that a mixture of two values shows.
//!
//! `mutex HOW PLACE [restartable] [spin|adaptive|sleep] [users=N]`, where HOW is `create`, `open` or `open-or-create`, and PLACE may be
//! `fd:NAME`, handed over.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::sync::mutex::{Guard, LockError, LockTimeoutError, TryLockError};
use strait::sync::{Mutex, Options};

type Value = [u64; 4];

fn options(flags: &[&str]) -> Options {
    let mut options = Options::new();
    for flag in flags {
        options = match flag.split_once('=').unwrap_or((flag, "")) {
            ("restartable", _) => options.restartable(true),
            ("spin", _) => options.wait(Strategy::Spin),
            ("adaptive", _) => options.wait(Strategy::SpinThenSleep),
            ("sleep", _) => options.wait(Strategy::Sleep),
            ("users", count) => options.users(count.parse().expect("a count")),
            _ => panic!("no such flag: {flag}"),
        };
    }
    options
}

/// The number of a value, which must be whole.
fn number(value: Value) -> u64 {
    assert!(value.iter().all(|&word| word == value[0]), "torn: {value:?}");
    value[0]
}

/// What came of a lock that is given back at once.
fn outcome(locked: Result<Guard<'_, Value>, LockError<'_, Value>>) -> String {
    match locked {
        Ok(guard) => format!("got {}", number(*guard)),
        Err(LockError::Recovered(recovered)) => {
            let pid = recovered.pid().unwrap_or(0);
            format!("recovered {} from {pid}", number(*recovered.accept()))
        }
        Err(why) => format!("failed: {why:?}"),
    }
}

/// Holds it, and does what it is told, until it unlocks.
fn hold(guard: Guard<'_, Value>, input: &mut impl Iterator<Item = String>) {
    // An option, so that a child can drop its copy while the parent keeps its own.
    let mut guard = Some(guard);
    for line in input {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["set", number] => {
                **guard.as_mut().expect("held") = [number.parse().expect("a number"); 4];
                say("set");
            }
            ["unlock"] => {
                drop(guard);
                return say("unlocked");
            }
            ["panic"] => {
                let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                    let mut guard = guard.take().expect("held");
                    *guard = [99; 4];
                    std::panic::resume_unwind(Box::new(()));
                }));
                return say(if panicked.is_err() { "panicked" } else { "did not panic" });
            }
            ["fork"] => {
                // The child has a copy of the guard, changes it and drops it: the lock is its parent's.
                let status = status_of(in_child(|| {
                    let mut copy = guard.take().expect("held");
                    *copy = [77; 4];
                    drop(copy);
                    0
                }));
                say(&status.to_string());
            }
            _ => panic!("no such line: {line}"),
        }
    }
}

pub(crate) fn user(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("mutex HOW PLACE") };
    let options = options(flags);
    let made = match (*how, passed(at)) {
        (_, Some(fd)) => Mutex::<Value>::from_fd(fd, &options),
        ("create", _) => Mutex::create(place(at), &[0; 4], &options),
        ("open", _) => Mutex::open(place(at), &options),
        ("open-or-create", _) => Mutex::open_or_create(place(at), &[0; 4], &options),
        _ => panic!("no such way: {how}"),
    };
    let mut mutex = match made {
        Ok(mutex) => mutex,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    let mut input = lines();
    while let Some(line) = input.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["hold"] => match mutex.lock() {
                Ok(guard) => {
                    say("holding");
                    hold(guard, &mut input);
                    continue;
                }
                Err(why) => format!("failed: {why:?}"),
            },
            ["lock"] => outcome(mutex.lock()),
            ["block"] => {
                say("blocking");
                outcome(mutex.lock())
            }
            ["try"] => match mutex.try_lock() {
                Err(TryLockError::Locked) => "locked".into(),
                Err(TryLockError::Failed(why)) => outcome(Err(why)),
                Ok(guard) => outcome(Ok(guard)),
            },
            ["poll"] => {
                say("polling");
                loop {
                    match mutex.try_lock() {
                        Err(TryLockError::Locked) => {}
                        Err(TryLockError::Failed(why)) => break outcome(Err(why)),
                        Ok(guard) => break outcome(Ok(guard)),
                    }
                }
            }
            ["timeout", ms] => match mutex.lock_timeout(Duration::from_millis(ms.parse().expect("ms"))) {
                Err(LockTimeoutError::TimedOut) => "timed out".into(),
                Err(LockTimeoutError::Failed(why)) => outcome(Err(why)),
                Ok(guard) => outcome(Ok(guard)),
            },
            // One after the other, for as long as it lives.
            ["flood"] => {
                say("flooding");
                loop {
                    match mutex.lock() {
                        Ok(mut guard) => *guard = [number(*guard) + 1; 4],
                        Err(LockError::Recovered(recovered)) => drop(recovered.accept()),
                        Err(why) => panic!("{why:?}"),
                    }
                }
            }
            ["count", times] => {
                for _ in 0..times.parse().expect("a number") {
                    match mutex.lock() {
                        Ok(mut guard) => *guard = [number(*guard) + 1; 4],
                        Err(why) => panic!("{why:?}"),
                    }
                }
                "counted".into()
            }
            ["holder"] => mutex.holder().map_or("nobody".into(), |it| format!("{} {:?}", it.pid, it.state)),
            ["fork"] => status_of(in_child(|| {
                let lock = matches!(mutex.lock(), Err(LockError::Forked));
                let try_lock = matches!(mutex.try_lock(), Err(TryLockError::Failed(LockError::Forked)));
                let no_time = Duration::ZERO;
                let timeout = matches!(mutex.lock_timeout(no_time), Err(LockTimeoutError::Failed(LockError::Forked)));
                first_false(&[lock, try_lock, timeout, mutex.try_clone().is_err()])
            }))
            .to_string(),
            ["leave"] => {
                drop(mutex);
                return say("left");
            }
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}
