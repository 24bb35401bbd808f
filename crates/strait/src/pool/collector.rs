//! The parent's hand that takes results in.

use crate::channel::RecvError;
use crate::channel::spsc::{self, Received, Receiver};
use crate::pool::Stopped;
use crate::pool::part::{HEADER_BYTES, Header};
use crate::pool::watch::{SLICE, Shared};
use crate::process::Progress;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};

/// Takes results in, in the order of their jobs.
pub struct Collector<T> {
    results: Vec<Receiver<[u8]>>,
    ordered: mpsc::Receiver<(usize, T)>,
    shared: Arc<Shared>,
    /// The job channels, to look into one whose worker was given up.
    jobs: Vec<OwnedFd>,
    /// For each worker: the number of its next job and of that job's next part.
    expected: Vec<(u64, u32)>,
    /// The job whose result is being collected.
    front: Option<(usize, T)>,
    /// Whether the part returned last was the last of its job.
    is_front_done: bool,
}

impl<T> Collector<T> {
    pub(super) fn new(
        results: Vec<Receiver<[u8]>>,
        ordered: mpsc::Receiver<(usize, T)>,
        shared: Arc<Shared>,
        jobs: Vec<OwnedFd>,
    ) -> Self {
        let expected = vec![(0, 0); results.len()];
        Self { results, ordered, shared, jobs, expected, front: None, is_front_done: false }
    }

    /// The next part of the result of the oldest job; waits for it. `None`: the feeder has finished and all results are in.
    ///
    /// # Errors
    /// [`Stopped`]: asked to, or the oldest job's worker was given up. All results of earlier jobs have been returned by then.
    #[expect(clippy::should_implement_trait, reason = "the part borrows from the collector, which Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<Part<'_, T>>, Stopped> {
        if self.is_front_done {
            self.front = None;
            self.is_front_done = false;
        }
        if self.front.is_none() && !self.next_job()? {
            return Ok(None);
        }
        let Some((worker, tag)) = &self.front else { return Ok(None) };
        let worker = *worker;
        let header =
            Self::wait_for_part(&mut self.results[worker], worker, self.expected[worker], &self.shared, &self.jobs)?;
        let expected = &mut self.expected[worker];
        if header.is_last {
            *expected = (expected.0 + 1, 0);
            self.is_front_done = true;
            self.shared.progress[worker].finished();
        } else {
            expected.1 = expected.1.checked_add(1).ok_or_else(|| Stopped::Channel {
                worker,
                why: format!("it sent more than {} parts of job {}", u32::MAX, header.job),
            })?;
        }
        let message = self.results[worker].recv_ref().map_err(|error| failed(worker, error))?;
        Ok(Some(Part { message, header, tag }))
    }

    /// How many jobs have been handed out whose results are not complete.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.shared.progress.iter().map(Progress::outstanding).sum()
    }

    /// Waits for the order of the next job; `false`: there will be none.
    fn next_job(&mut self) -> Result<bool, Stopped> {
        loop {
            match self.ordered.recv_timeout(SLICE) {
                Ok(front) => {
                    self.front = Some(front);
                    return Ok(true);
                }
                Err(RecvTimeoutError::Disconnected) if self.shared.finished.load(Relaxed) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => return Err(self.why_stopped()),
                Err(RecvTimeoutError::Timeout) if self.shared.is_stopped() => return Err(Stopped::Asked),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// The feeder has ended early: because a worker was given up, or because somebody asked.
    fn why_stopped(&self) -> Stopped {
        let given_up = (0..self.results.len()).find_map(|worker| Some((worker, self.shared.given_up(worker)?)));
        match given_up {
            Some((worker, exit)) => {
                Stopped::Poisoned { worker, exit: exit.to_owned(), job: look_into(&self.jobs[worker]) }
            }
            None => Stopped::Asked,
        }
    }

    /// Waits until the expected part is at the front of its worker's results, and drops what a successor repeats before it.
    fn wait_for_part(
        results: &mut Receiver<[u8]>,
        worker: usize,
        expected: (u64, u32),
        shared: &Shared,
        jobs: &[OwnedFd],
    ) -> Result<Header, Stopped> {
        loop {
            if shared.is_stopped() {
                return Err(Stopped::Asked);
            }
            // Asked before the look: what a worker sent before it was given up is there by then.
            let given_up = shared.given_up(worker);
            if !results.wait_timeout(SLICE).map_err(|error| failed(worker, error))? {
                match given_up {
                    Some(exit) => {
                        return Err(Stopped::Poisoned { worker, exit: exit.to_owned(), job: look_into(&jobs[worker]) });
                    }
                    None => continue,
                }
            }
            let message = results.recv_ref().map_err(|error| failed(worker, error))?;
            let Some(header) = Header::of(&message) else {
                let why = format!("it sent a result of {} bytes without a sound header", message.len());
                return Err(Stopped::Channel { worker, why });
            };
            let found = (header.job, header.part);
            if found == expected {
                message.put_back();
                return Ok(header);
            }
            if found > expected {
                let why = format!(
                    "it sent part {} of job {}, expected was part {} of job {}",
                    found.1, found.0, expected.1, expected.0
                );
                return Err(Stopped::Channel { worker, why });
            }
        }
    }
}

/// The job that a worker died on: still in its channel, whose receiving end is free now. Empty where it cannot be had.
fn look_into(jobs: &OwnedFd) -> Vec<u8> {
    let Ok(fd) = jobs.try_clone() else { return Vec::new() };
    let Ok(mut jobs) = Receiver::<[u8]>::from_fd(fd, &spsc::Options::new()) else { return Vec::new() };
    jobs.try_recv().unwrap_or_default()
}

impl<T> fmt::Debug for Collector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("expected", &self.expected).finish_non_exhaustive()
    }
}

/// A part of a job's result, in the memory that the worker wrote. The parts of a job come one after the other.
pub struct Part<'a, T> {
    message: Received<'a, [u8]>,
    header: Header,
    tag: &'a T,
}

impl<T> Part<'_, T> {
    /// The bytes. Empty for a job without a result.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.message.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// What the feeder said of the job.
    #[must_use]
    pub fn tag(&self) -> &T {
        self.tag
    }

    /// Which part of the result it is: 0, 1, 2 ...
    #[must_use]
    pub fn number(&self) -> u32 {
        self.header.part
    }

    /// Whether the result is complete with it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.header.is_last
    }
}

impl<T> fmt::Debug for Part<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("header", &self.header).finish_non_exhaustive()
    }
}

fn failed(worker: usize, error: RecvError) -> Stopped {
    Stopped::Channel { worker, why: error.to_string() }
}
