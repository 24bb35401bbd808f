//! A user of a semaphore: `semaphore HOW PLACE [spin|adaptive|sleep]`, where HOW is `create` (one permit of two) or `open`, and PLACE may be
//! `fd:NAME`, handed over.

use crate::fork::{first_false, in_child, status_of};
use crate::{error, lines, passed, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::sync::semaphore::{AcquireError, ReleaseError, TryAcquireError};
use strait::sync::{Options, Semaphore};

pub(crate) fn user(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("semaphore HOW PLACE") };
    let options = match flags {
        ["spin"] => Options::new().wait(Strategy::Spin),
        ["sleep"] => Options::new().wait(Strategy::Sleep),
        _ => Options::new(),
    };
    let made = match (*how, passed(at)) {
        (_, Some(fd)) => Semaphore::from_fd(fd, &options),
        ("create", _) => Semaphore::create(place(at), 1, 2, &options),
        _ => Semaphore::open(place(at), &options),
    };
    let mut semaphore = match made {
        Ok(semaphore) => semaphore,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["acquire"] => format!("{:?}", semaphore.acquire()),
            ["block"] => {
                say("blocking");
                format!("{:?}", semaphore.acquire())
            }
            ["wait"] => {
                say("blocking");
                format!("{:?}", semaphore.wait())
            }
            ["timeout", ms] => {
                format!("{:?}", semaphore.acquire_timeout(Duration::from_millis(ms.parse().expect("ms"))))
            }
            ["release"] => format!("{:?}", semaphore.release()),
            ["post"] => format!("{:?}", semaphore.post()),
            ["available"] => semaphore.available().to_string(),
            // Takes one and gives it back, for as long as it lives.
            ["flood"] => {
                say("flooding");
                loop {
                    semaphore.acquire().expect("nobody forks");
                    semaphore.release().expect("it is held");
                }
            }
            ["fork"] => status_of(in_child(|| {
                first_false(&[
                    semaphore.acquire() == Err(AcquireError::Forked),
                    semaphore.try_wait() == Err(TryAcquireError::Failed(AcquireError::Forked)),
                    semaphore.release() == Err(ReleaseError::Forked),
                    semaphore.post() == Err(ReleaseError::Forked),
                ])
            }))
            .to_string(),
            _ => panic!("no such line: {line}"),
        };
        say(&answer);
    }
}
