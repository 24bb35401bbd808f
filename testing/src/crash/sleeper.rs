//! Survivors that wait.

use super::{PROMISE, SLACK};
use crate::LONG;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A call that somebody sleeps in: an end, and what it said at last.
pub struct Sleeper<End: ?Sized, Said> {
    since: Instant,
    answer: mpsc::Receiver<(Box<End>, Said, Instant)>,
    early: Option<(Box<End>, Said, Instant)>,
}

impl<End: ?Sized + Send + 'static, Said: Send + 'static> Sleeper<End, Said> {
    /// Makes the call in a thread of its own, and returns when that is asleep.
    ///
    /// # Errors
    /// A sentence.
    pub fn new(mut end: Box<End>, call: impl FnOnce(&mut End) -> Said + Send + 'static) -> Result<Self, String> {
        let (say, answer) = mpsc::channel();
        let (say_id, id) = mpsc::channel();
        std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || {
                let _ = say_id.send(rustix::thread::gettid());
                let said = call(&mut end);
                let _ = say.send((end, said, Instant::now()));
            })
            .map_err(|e| format!("start a thread: {e}"))?;
        let id = id.recv_timeout(LONG).map_err(|_| "a sleeper does not start")?;
        let start = Instant::now();
        let stat = format!("/proc/self/task/{}/stat", id.as_raw_nonzero());
        // Its only system call that sleeps is the one it is to sleep in.
        while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S ")) {
            if start.elapsed() > LONG {
                return Err("a sleeper does not fall asleep".into());
            }
            std::thread::yield_now();
        }
        Ok(Self { since: Instant::now(), answer, early: None })
    }

    /// Whether it has returned, waiting for it until so long after it fell asleep; how long after.
    pub fn returned(&mut self, patience: Duration) -> (Duration, bool) {
        let left = patience.saturating_sub(self.since.elapsed());
        self.early = self.early.take().or_else(|| self.answer.recv_timeout(left).ok());
        self.early.as_ref().map_or((patience, false), |(.., at)| (at.duration_since(self.since), true))
    }

    /// What it said at last, and how long after `since`.
    ///
    /// # Errors
    /// A sentence.
    pub fn join(mut self, since: Instant) -> Result<(Box<End>, Said, Duration), String> {
        let early = self.early.take();
        let (end, said, at) = match early {
            Some(early) => early,
            None => self.answer.recv_timeout(LONG).map_err(|_| "the survivor sleeps for ever")?,
        };
        Ok((end, said, at.saturating_duration_since(since)))
    }
}

/// How long somebody waited, if that is within what is promised.
///
/// # Errors
/// That it is not.
pub fn in_time(who: &str, waited: Duration) -> Result<Duration, String> {
    if waited > PROMISE + SLACK {
        return Err(format!("{who} was kept waiting for {waited:?}; promised are {PROMISE:?}"));
    }
    Ok(waited)
}
