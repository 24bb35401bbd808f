//! Survivors that wait.

use super::{PROMISE, SLACK};
use crate::LONG;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
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
    pub fn new(end: Box<End>, call: impl FnOnce(&mut End) -> Said + Send + 'static) -> Result<Self, String> {
        let (mut sleeper, id) = Self::start(end, call)?;
        let start = Instant::now();
        let stat = format!("/proc/self/task/{id}/stat");
        // Its only system call that sleeps is the one it is to sleep in.
        while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S ")) {
            if start.elapsed() > LONG {
                return Err("a sleeper does not fall asleep".into());
            }
            std::thread::yield_now();
        }
        sleeper.since = Instant::now();
        Ok(sleeper)
    }

    /// Makes the call in a thread of its own, whether it sleeps in it or not.
    ///
    /// # Errors
    /// A sentence.
    pub fn called(end: Box<End>, call: impl FnOnce(&mut End) -> Said + Send + 'static) -> Result<Self, String> {
        Ok(Self::start(end, call)?.0)
    }

    fn start(mut end: Box<End>, call: impl FnOnce(&mut End) -> Said + Send + 'static) -> Result<(Self, i32), String> {
        let (say, answer) = mpsc::channel();
        // Not by a channel: who sends there may sleep in it.
        let id = Arc::new(AtomicI32::new(0));
        let say_id = Arc::clone(&id);
        std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || {
                say_id.store(rustix::thread::gettid().as_raw_nonzero().get(), Relaxed);
                let said = call(&mut end);
                let _ = say.send((end, said, Instant::now()));
            })
            .map_err(|e| format!("start a thread: {e}"))?;
        let start = Instant::now();
        while id.load(Relaxed) == 0 {
            if start.elapsed() > LONG {
                return Err("a sleeper does not start".into());
            }
            std::thread::yield_now();
        }
        Ok((Self { since: Instant::now(), answer, early: None }, id.load(Relaxed)))
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

/// One that holds a lock until it is told to let go.
pub struct Holding<End> {
    go: mpsc::Sender<()>,
    thread: JoinHandle<End>,
}

impl<End: Send + 'static> Holding<End> {
    /// Holds it in a thread of its own: `hold` calls what it is given while it does. Returns when it does.
    ///
    /// # Errors
    /// A sentence.
    pub fn new(mut end: End, hold: impl FnOnce(&mut End, &dyn Fn()) + Send + 'static) -> Result<Self, String> {
        let (go, told) = mpsc::channel::<()>();
        let (say, held) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            hold(&mut end, &|| {
                let _ = say.send(());
                // Also when nobody tells any more.
                let _ = told.recv();
            });
            end
        });
        held.recv_timeout(LONG).map_err(|_| "a holder does not get the lock")?;
        Ok(Self { go, thread })
    }

    /// Lets go, and gives the end back.
    ///
    /// # Errors
    /// A sentence.
    pub fn let_go(self) -> Result<End, String> {
        let _ = self.go.send(());
        self.thread.join().map_err(|_| "a holder failed".to_owned())
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
