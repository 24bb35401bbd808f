//! A user of condition 0 of a mutex of a number: `condvar PLACE [spin|adaptive|sleep]`, where PLACE may be `fd:NAME`, handed over.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::sync::condvar::{NotifyError, WaitError, WaitTimeoutError};
use strait::sync::mutex::Guard;
use strait::sync::{Condvar, Mutex, Options};

/// What came of a wait.
fn outcome(waited: Result<Guard<'_, u64>, WaitError<'_, u64>>) -> String {
    match waited {
        Ok(guard) => format!("woke {}", *guard),
        Err(WaitError::Recovered(recovered)) => format!("recovered {}", *recovered.accept()),
        Err(why) => format!("failed: {why:?}"),
    }
}

pub(crate) fn user(how: &[&str]) {
    let [at, flags @ ..] = how else { panic!("condvar PLACE") };
    let options = match flags {
        ["spin"] => Options::new().wait(Strategy::Spin),
        ["sleep"] => Options::new().wait(Strategy::Sleep),
        _ => Options::new(),
    };
    let opened = match passed(at) {
        Some(fd) => Mutex::<u64>::from_fd(fd, &options),
        None => Mutex::open(place(at), &options),
    };
    let made = opened.and_then(|mutex| Condvar::of(&mutex, 0).map(|condvar| (mutex, condvar)));
    let (mut mutex, condvar) = match made {
        Ok(made) => made,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    let mut input = lines();
    while let Some(line) = input.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["wait"] => {
                let guard = mutex.lock().expect("nobody has died");
                say("waiting");
                outcome(condvar.wait(guard))
            }
            ["wait", ms] => {
                let guard = mutex.lock().expect("nobody has died");
                match condvar.wait_timeout(guard, Duration::from_millis(ms.parse().expect("ms"))) {
                    Err(WaitTimeoutError::TimedOut(_)) => "timed out".into(),
                    Err(WaitTimeoutError::Failed(why)) => outcome(Err(why)),
                    Ok(guard) => outcome(Ok(guard)),
                }
            }
            ["set", number] => {
                *mutex.lock().expect("nobody has died") = number.parse().expect("a number");
                "set".into()
            }
            ["notify", "one"] => format!("{:?}", condvar.notify_one()),
            ["notify", "all"] => format!("{:?}", condvar.notify_all()),
            ["hold"] => {
                let guard = mutex.lock().expect("nobody has died");
                say("holding");
                let _ = input.next();
                drop(guard);
                "unlocked".into()
            }
            // Takes what there is, and waits where there is nothing, until the number is 0 and `last`.
            ["consume"] => {
                let mut taken = 0_u64;
                let mut guard = mutex.lock().expect("nobody has died");
                loop {
                    guard = match condvar.wait_while(guard, |value| *value == 0) {
                        Ok(guard) => guard,
                        Err(WaitError::Recovered(recovered)) => recovered.accept(),
                        Err(why) => panic!("{why:?}"),
                    };
                    if *guard == u64::MAX {
                        break;
                    }
                    if *guard > 0 {
                        *guard -= 1;
                        taken += 1;
                    }
                }
                drop(guard);
                format!("took {taken}")
            }
            ["fork"] => status_of(in_child(|| {
                let notify = condvar.notify_one() == Err(NotifyError::Forked);
                let all = condvar.notify_all() == Err(NotifyError::Forked);
                first_false(&[notify, all, Condvar::of(&mutex, 0).is_err()])
            }))
            .to_string(),
            ["fork-waiting"] => {
                let mut guard = Some(mutex.lock().expect("nobody has died"));
                let status = status_of(in_child(|| {
                    let guard = guard.take().expect("held");
                    first_false(&[matches!(condvar.wait(guard), Err(WaitError::Forked))])
                }));
                drop(guard);
                status.to_string()
            }
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}
