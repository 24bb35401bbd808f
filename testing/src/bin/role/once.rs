//! A user of something that is done once: `once PLACE [spin|adaptive|sleep]`, opened or made; PLACE may be `fd:NAME`, handed over.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::sync::once::{Once, TryCallError};
use strait::sync::{HandleError, Options, WaitTimeoutError};

pub(crate) fn user(how: &[&str]) {
    let [at, flags @ ..] = how else { panic!("once PLACE") };
    let options = match flags {
        ["spin"] => Options::new().wait(Strategy::Spin),
        ["sleep"] => Options::new().wait(Strategy::Sleep),
        _ => Options::new(),
    };
    let made = match passed(at) {
        Some(fd) => Once::from_fd(fd, &options),
        None => Once::open_or_create(place(at), &options),
    };
    let mut once = match made {
        Ok(once) => once,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    let mut input = lines();
    while let Some(line) = input.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let mut told = String::new();
        let mut tell = |state: &strait::sync::once::State| {
            told = if state.is_recovered() { format!(" after {:?}", state.pid()) } else { " first".to_owned() };
        };
        let answer = match words[..] {
            ["call"] => format!("{:?}", once.call_once_with(tell)),
            ["block"] => {
                say("waiting");
                format!("{:?}", once.call_once_with(tell))
            }
            ["try"] => format!("{:?}", once.try_call_once(tell)),
            ["timeout", ms] => {
                format!("{:?}", once.call_once_timeout(Duration::from_millis(ms.parse().expect("ms")), tell))
            }
            ["wait"] => {
                say("waiting");
                format!("{:?}", once.wait())
            }
            // Is about it until the next line, or until it is dead.
            ["hold"] => format!(
                "{:?}",
                once.call_once_with(|state| {
                    tell(state);
                    say("running");
                    let _ = input.next();
                })
            ),
            ["is-completed"] => once.is_completed().to_string(),
            ["holder"] => once.holder().map_or("nobody".into(), |it| format!("{} {:?}", it.pid, it.state)),
            ["fork"] => status_of(in_child(|| {
                let running = TryCallError::Failed(HandleError::Forked);
                let timed = WaitTimeoutError::Failed(HandleError::Forked);
                first_false(&[
                    once.call_once(|| ()) == Err(HandleError::Forked),
                    once.try_call_once(|_| ()) == Err(running),
                    once.call_once_timeout(Duration::ZERO, |_| ()) == Err(timed),
                    once.wait() == Err(HandleError::Forked),
                    once.wait_timeout(Duration::ZERO) == Err(timed),
                    once.try_clone().is_err(),
                ])
            }))
            .to_string(),
            _ => panic!("no such line: {line}"),
        };
        say(&format!("{answer}{told}"));
    }
}
