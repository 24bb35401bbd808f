//! A participant of a barrier: `barrier HOW PLACE [spin|adaptive|sleep]`, where HOW is a number of participants, to open it or make it for so
//! many, or `open`; PLACE may be `fd:NAME`, handed over.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::sync::Options;
use strait::sync::barrier::{Barrier, TryWaitError, WaitError, WaitTimeoutError};

pub(crate) fn participant(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("barrier HOW PLACE") };
    let options = match flags {
        ["spin"] => Options::new().wait(Strategy::Spin),
        ["sleep"] => Options::new().wait(Strategy::Sleep),
        _ => Options::new(),
    };
    let made = match (how.parse(), passed(at)) {
        (_, Some(fd)) => Barrier::from_fd(fd, &options),
        (Ok(participants), _) => Barrier::open_or_create(place(at), participants, &options),
        _ => Barrier::open(place(at), &options),
    };
    let mut barrier = match made {
        Ok(barrier) => barrier,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["wait"] => {
                say("waiting");
                format!("{:?}", barrier.wait())
            }
            ["try"] => format!("{:?}", barrier.try_wait()),
            ["timeout", ms] => {
                format!("{:?}", barrier.wait_timeout(Duration::from_millis(ms.parse().expect("ms"))))
            }
            ["reset"] => format!("{:?}", barrier.reset()),
            ["missing"] => barrier.missing().len().to_string(),
            // Comes to one phase after the other, until it is told otherwise.
            ["flood"] => {
                say("flooding");
                loop {
                    if let Err(why) = barrier.wait() {
                        break format!("{why:?}");
                    }
                }
            }
            ["fork"] => status_of(in_child(|| {
                let forked = WaitError::Forked;
                first_false(&[
                    barrier.wait() == Err(forked),
                    barrier.try_wait() == Err(TryWaitError::Failed(forked)),
                    barrier.wait_timeout(Duration::ZERO) == Err(WaitTimeoutError::Failed(forked)),
                    barrier.reset() == Err(forked),
                    barrier.try_clone().is_err(),
                ])
            }))
            .to_string(),
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}
