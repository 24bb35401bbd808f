//! A user of a read-write lock of four equal numbers, so that a mixture of two values shows.
//!
//! `rwlock HOW PLACE [spin|adaptive|sleep]`, where HOW is `create` or `open`, and PLACE may be `fd:NAME`, handed over.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::sync::mutex::{LockError, LockTimeoutError, TryLockError};
use strait::sync::rwlock::{ReadError, ReadTimeoutError, TryReadError};
use strait::sync::{Options, RwLock};

type Value = [u64; 4];

/// The number of a value, which must be whole.
fn number(value: Value) -> u64 {
    assert!(value.iter().all(|&word| word == value[0]), "torn: {value:?}");
    value[0]
}

fn read(lock: &mut RwLock<Value>) -> String {
    match lock.read() {
        Ok(guard) => format!("read {}{}", number(*guard), if guard.is_unfinished() { ", unfinished" } else { "" }),
        Err(why) => format!("failed: {why:?}"),
    }
}

fn write(lock: &mut RwLock<Value>) -> String {
    match lock.write() {
        Ok(guard) => format!("got {}", number(*guard)),
        Err(LockError::Recovered(recovered)) => format!("recovered {}", number(*recovered.accept())),
        Err(why) => format!("failed: {why:?}"),
    }
}

fn forked(lock: &mut RwLock<Value>) -> i32 {
    let no_time = Duration::ZERO;
    let read = matches!(lock.read(), Err(ReadError::Forked));
    let try_read = matches!(lock.try_read(), Err(TryReadError::Failed(ReadError::Forked)));
    let read_timeout = matches!(lock.read_timeout(no_time), Err(ReadTimeoutError::Failed(ReadError::Forked)));
    let write = matches!(lock.write(), Err(LockError::Forked));
    let try_write = matches!(lock.try_write(), Err(TryLockError::Failed(LockError::Forked)));
    let write_timeout = matches!(lock.write_timeout(no_time), Err(LockTimeoutError::Failed(LockError::Forked)));
    first_false(&[read, try_read, read_timeout, write, try_write, write_timeout, lock.try_clone().is_err()])
}

pub(crate) fn user(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("rwlock HOW PLACE") };
    let options = match flags {
        ["spin"] => Options::new().wait(Strategy::Spin),
        ["sleep"] => Options::new().wait(Strategy::Sleep),
        _ => Options::new(),
    };
    let made = match (*how, passed(at)) {
        (_, Some(fd)) => RwLock::<Value>::from_fd(fd, &options),
        ("create", _) => RwLock::create(place(at), &[0; 4], &options),
        _ => RwLock::open(place(at), &options),
    };
    let mut lock = match made {
        Ok(lock) => lock,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    let mut input = lines();
    while let Some(line) = input.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["hold", "read"] => {
                // An option, so that a child can drop its copy while the parent keeps its own.
                let mut guard = Some(lock.read().expect("no fork"));
                say("holding");
                let fork = input.next().is_some_and(|line| line == "fork");
                if fork {
                    say(&status_of(in_child(|| guard.take().map_or(1, |_| 0))).to_string());
                    let _ = input.next();
                }
                drop(guard);
                "unlocked".into()
            }
            ["hold", "write", number] => {
                let mut guard = lock.write().expect("nobody has died");
                *guard = [number.parse().expect("a number"); 4];
                say("holding");
                let _ = input.next();
                drop(guard);
                "unlocked".into()
            }
            ["read"] => read(&mut lock),
            ["write"] => write(&mut lock),
            ["block", "read"] => {
                say("blocking");
                read(&mut lock)
            }
            ["block", "write"] => {
                say("blocking");
                write(&mut lock)
            }
            // Reads, or counts, for as long as it lives.
            ["flood", "read"] => {
                say("flooding");
                loop {
                    number(*lock.read().expect("no fork"));
                }
            }
            ["flood", "write"] => {
                say("flooding");
                loop {
                    match lock.write() {
                        Ok(mut guard) => *guard = [number(*guard) + 1; 4],
                        Err(LockError::Recovered(recovered)) => drop(recovered.accept()),
                        Err(why) => panic!("{why:?}"),
                    }
                }
            }
            ["count", times] => {
                for _ in 0..times.parse().expect("a number") {
                    let mut guard = lock.write().expect("nobody dies");
                    *guard = [number(*guard) + 1; 4];
                    drop(guard);
                    number(*lock.read().expect("no fork"));
                }
                "counted".into()
            }
            ["fork"] => status_of(in_child(|| forked(&mut lock))).to_string(),
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}
