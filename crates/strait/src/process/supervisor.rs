//! Workers that are started again when they die.
//!
//! ```text
//!               exit code 0
//!    Running ----------------> Over     (Event::Finished)
//!     |   ^
//!     |   | due, spawned                (Event::Restarted)
//!     v   |
//!    Pausing ----------------> Over     (Event::Died or StartFailed with restart_after: None)
//!     died       too often
//! ```
//!
//! One thread looks after all of them and sleeps in between; nothing happens but in [`Supervisor::wait`]. A death is reported
//! before the restart happens, so that the caller can put the worker's unfinished work in order first.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strait_sys::poll::poll_readable;

use super::child::Child;
use super::command::Command;
use super::exit::Exit;
use super::restart::{Backoff, Restart, Verdict};
use super::waker::{Waker, cannot_wait};
use crate::error::{Error, Result};

/// Something that happened to a supervised worker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// It exited with code 0: it is done and is not started again.
    Finished,
    /// It ended in any other way.
    Died {
        /// How it ended.
        exit: Exit,
        /// The pause before it is started again; `None`: given up, for it died too often without progress.
        restart_after: Option<Duration>,
    },
    /// It was started again.
    Restarted {
        /// The pid of the new process, to be shown to people.
        id: u32,
    },
    /// It could not be started again; counts as a death without progress.
    StartFailed {
        /// Why not.
        error: Error,
        /// The pause before the next attempt; `None`: given up.
        restart_after: Option<Duration>,
    },
}

#[derive(Debug)]
enum State {
    Running(Child),
    /// Until then, or for ever if the clock cannot count that far.
    Pausing(Option<Instant>),
    Over,
}

/// A worker's progress: whoever sees it do something useful says so here, in whatever thread.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    /// Whether `outstanding` is kept; if not, the worker counts as busy always.
    is_tracked: AtomicBool,
    outstanding: AtomicU64,
}

impl Progress {
    /// From now on the worker's pieces of work are counted: a death with nothing outstanding is nobody's fault. It costs a pause, and
    /// the worker is never given up for it.
    pub fn track(&self) {
        self.0.is_tracked.store(true, Ordering::Relaxed);
    }

    /// Notes that the worker was given a piece of work.
    pub fn assigned(&self) {
        self.0.outstanding.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the worker has finished a piece of work that was [`assigned`](Self::assigned).
    pub fn finished(&self) {
        // One who finishes more than was assigned has nothing outstanding.
        let _ = self.0.outstanding.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        self.note();
    }

    /// How much has been assigned and is not finished.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.0.outstanding.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.0.is_tracked.load(Ordering::Relaxed) && self.0.outstanding.load(Ordering::Relaxed) == 0
    }

    /// Notes that the worker has done something useful: its next death is the first in a row again. No system call.
    pub fn note(&self) {
        // Relaxed: a count and nothing that hangs on it.
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// One worker: a command, a policy, and the process if there is one. Dropped, it kills that (see [`Child`]).
#[derive(Debug)]
pub struct Supervised {
    command: Command,
    backoff: Backoff,
    progress: Progress,
    /// The progress noted when it last died.
    progress_seen: u64,
    state: State,
}

impl Supervised {
    /// Starts the worker for the first time.
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`].
    pub fn start(command: Command, policy: Restart) -> Result<Self> {
        let child = command.spawn()?;
        Ok(Self {
            command,
            backoff: Backoff::new(policy),
            progress: Progress::default(),
            progress_seen: 0,
            state: State::Running(child),
        })
    }

    /// The process, while there is one.
    #[must_use]
    pub fn child(&self) -> Option<&Child> {
        match &self.state {
            State::Running(child) => Some(child),
            _ => None,
        }
    }

    /// Whether nothing will happen any more: it finished, was given up, or was stopped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Where to note the worker's progress.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// What happened since the last look, if anything; starts the process again if that is due. Never waits.
    ///
    /// # Errors
    ///
    /// The kernel's refusal to say how the process is.
    pub fn poll(&mut self) -> Result<Option<Event>> {
        match &mut self.state {
            State::Running(child) => {
                let Some(exit) = child.try_wait()? else { return Ok(None) };
                if exit.success() {
                    self.state = State::Over;
                    return Ok(Some(Event::Finished));
                }
                let restart_after = self.pause();
                Ok(Some(Event::Died { exit, restart_after }))
            }
            State::Pausing(Some(due)) if *due <= Instant::now() => match self.command.spawn() {
                Ok(child) => {
                    let id = child.id();
                    self.state = State::Running(child);
                    Ok(Some(Event::Restarted { id }))
                }
                Err(error) => {
                    let restart_after = self.pause();
                    Ok(Some(Event::StartFailed { error, restart_after }))
                }
            },
            State::Pausing(_) | State::Over => Ok(None),
        }
    }

    /// Ends the process politely, then firmly ([`Child::stop`]), and does not start it again. `None` if there was no process.
    ///
    /// # Errors
    ///
    /// As [`Child::stop`].
    pub fn stop(&mut self, grace: Duration) -> Result<Option<Exit>> {
        let exit = match &mut self.state {
            State::Running(child) => Some(child.stop(grace)?),
            _ => None,
        };
        self.state = State::Over;
        Ok(exit)
    }

    /// Asks the backoff, and changes the state accordingly.
    fn pause(&mut self) -> Option<Duration> {
        let progress = self.progress.0.done.load(Ordering::Relaxed);
        let progressed = progress != self.progress_seen;
        self.progress_seen = progress;
        match if self.progress.is_idle() { self.backoff.died_idle() } else { self.backoff.died(progressed) } {
            Verdict::RestartAfter(pause) => {
                self.state = State::Pausing(Instant::now().checked_add(pause));
                Some(pause)
            }
            Verdict::GiveUp => {
                self.state = State::Over;
                None
            }
        }
    }
}

/// A pool of workers, looked after by one thread.
///
/// ```
/// use strait::process::{Command, Event, Restart, Supervisor};
///
/// # fn main() -> strait::Result<()> {
/// let mut pool = Supervisor::new()?;
/// let mut clumsy = Command::new("sh");
/// clumsy.args(["-c", "exit 3"]);
/// pool.start(clumsy, Restart { limit: 1, ..Restart::default() })?;
/// while let Some((worker, event)) = pool.wait(None)? {
///     match event {
///         Event::Died { exit, restart_after } => println!("worker {worker} {exit}; again after {restart_after:?}"),
///         other => println!("worker {worker}: {other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Supervisor {
    workers: Vec<Supervised>,
    waker: Waker,
    /// Where the next look begins, so that a worker that dies all the time does not hide the others.
    next: usize,
}

impl Supervisor {
    /// A pool without workers.
    ///
    /// # Errors
    ///
    /// As [`Waker::new`].
    pub fn new() -> Result<Self> {
        Ok(Self { workers: Vec::new(), waker: Waker::new()?, next: 0 })
    }

    /// Starts one more worker and returns its index: 0, 1, 2 ...
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`].
    pub fn start(&mut self, command: Command, policy: Restart) -> Result<usize> {
        self.workers.push(Supervised::start(command, policy)?);
        Ok(self.workers.len() - 1)
    }

    /// The workers, by index.
    #[must_use]
    pub fn workers(&self) -> &[Supervised] {
        &self.workers
    }

    /// Ends a [`wait`](Self::wait) from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until something happens to one of the workers, and says to which one. `None`: the time is up, or the
    /// [`waker`](Self::waker) was used, or all workers are over and nothing can happen any more (at once).
    ///
    /// Restarts happen in here, when they are due. Blocks without using CPU; a death is seen as it happens.
    ///
    /// # Errors
    ///
    /// The kernel's refusal to wait. A worker that cannot be started again is an [`Event::StartFailed`].
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<(usize, Event)>> {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        loop {
            if let Some(happened) = self.look()? {
                return Ok(Some(happened));
            }
            if self.waker.clear() || self.workers.iter().all(Supervised::is_over) {
                return Ok(None);
            }
            let now = Instant::now();
            if deadline.is_some_and(|d| d <= now) {
                return Ok(None);
            }
            let restarts = self.workers.iter().filter_map(|w| match w.state {
                State::Pausing(due) => due,
                _ => None,
            });
            let until = restarts.chain(deadline).min();
            let mut fds: Vec<BorrowedFd<'_>> = vec![self.waker.as_fd()];
            fds.extend(self.workers.iter().filter_map(Supervised::child).map(AsFd::as_fd));
            poll_readable(&fds, until.map(|u| u.saturating_duration_since(now))).map_err(cannot_wait)?;
        }
    }

    /// Ends all workers: asks all, gives them `grace` together, then kills those that are left, and buries all. None is started
    /// again.
    ///
    /// Blocks for at most `grace` and the moment that a kill takes.
    ///
    /// # Errors
    ///
    /// The first refusal of the kernel, after all others were seen to.
    pub fn stop(&mut self, grace: Duration) -> Result<()> {
        let mut outcome = Ok(());
        for child in self.workers.iter().filter_map(Supervised::child) {
            outcome = outcome.and(child.ask_to_end());
        }
        let deadline = Instant::now().checked_add(grace);
        for worker in &mut self.workers {
            let left = deadline.map_or(grace, |d| d.saturating_duration_since(Instant::now()));
            outcome = outcome.and(worker.stop(left).map(drop));
        }
        outcome
    }

    fn look(&mut self) -> Result<Option<(usize, Event)>> {
        let count = self.workers.len();
        for index in (0..count).map(|i| (self.next + i) % count) {
            if let Some(event) = self.workers[index].poll()? {
                self.next = index + 1;
                return Ok(Some((index, event)));
            }
        }
        Ok(None)
    }
}
