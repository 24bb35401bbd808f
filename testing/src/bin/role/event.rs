//! A user of an event: `event HOW PLACE manual|auto [spin|adaptive|sleep]`, where HOW is `create` or `open`, and PLACE may be `fd:NAME`,
//! handed over.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::sync::event::{Event, Reset};
use strait::sync::{HandleError, Options, TryWaitError, WaitTimeoutError};

pub(crate) fn user(how: &[&str]) {
    let [how, at, kind, flags @ ..] = how else { panic!("event HOW PLACE KIND") };
    let options = match flags {
        ["spin"] => Options::new().wait(Strategy::Spin),
        ["sleep"] => Options::new().wait(Strategy::Sleep),
        _ => Options::new(),
    };
    let kind = if *kind == "auto" { Reset::Auto } else { Reset::Manual };
    let made = match (*how, passed(at)) {
        (_, Some(fd)) => Event::from_fd(fd, kind, &options),
        ("create", _) => Event::create(place(at), kind, &options),
        _ => Event::open(place(at), kind, &options),
    };
    let mut event = match made {
        Ok(event) => event,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["set"] => format!("{:?}", event.set()),
            ["reset"] => format!("{:?}", event.reset()),
            ["is-set"] => event.is_set().to_string(),
            ["wait"] => {
                say("waiting");
                format!("{:?}", event.wait())
            }
            ["try"] => format!("{:?}", event.try_wait()),
            ["timeout", ms] => format!("{:?}", event.wait_timeout(Duration::from_millis(ms.parse().expect("ms")))),
            // Takes what comes, for as long as it lives.
            ["flood"] => {
                say("flooding");
                loop {
                    event.wait().expect("nobody forks");
                    event.set().expect("nobody forks");
                }
            }
            ["fork"] => status_of(in_child(|| {
                first_false(&[
                    event.set() == Err(HandleError::Forked),
                    event.reset() == Err(HandleError::Forked),
                    event.wait() == Err(HandleError::Forked),
                    event.try_wait() == Err(TryWaitError::Failed(HandleError::Forked)),
                    event.wait_timeout(Duration::ZERO) == Err(WaitTimeoutError::Failed(HandleError::Forked)),
                    event.try_clone().is_err(),
                ])
            }))
            .to_string(),
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}
