//! The parent's hand that gives jobs out.

use crate::channel::spsc::{Reservation, Sender};
use crate::channel::{SendError, SendTimeoutError, TrySendError};
use crate::error::Result;
use crate::pool::Stopped;
use crate::pool::start::duplicate;
use crate::pool::watch::{SLICE, Shared};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;

/// How long one worker's channel is waited for before another's is looked at.
const PATIENCE: Duration = Duration::from_millis(5);

/// Gives jobs out, each to the worker that has least to do.
///
/// Dropped without [`finish`](Feeder::finish), it has stopped early, and the collector says so.
pub struct Feeder<T> {
    jobs: Vec<Sender<[u8]>>,
    order: mpsc::Sender<(usize, T)>,
    shared: Arc<Shared>,
    job_bytes_max: usize,
    /// Where the search for the least loaded worker begins, so that ties go round.
    next: usize,
}

impl<T> Feeder<T> {
    pub(super) fn new(
        jobs: Vec<Sender<[u8]>>,
        order: mpsc::Sender<(usize, T)>,
        shared: Arc<Shared>,
        job_bytes_max: usize,
    ) -> Self {
        Self { jobs, order, shared, job_bytes_max, next: 0 }
    }

    /// The descriptors of the job channels, to look into one whose worker is gone.
    pub(super) fn descriptors(&self) -> Result<Vec<OwnedFd>> {
        self.jobs.iter().map(|jobs| duplicate(jobs.fd())).collect()
    }

    /// Room for a job of up to `len` bytes, in the channel of the worker that has least to do; waits for it.
    ///
    /// `len` is at most the pool's `job_bytes_max`, and more is cut to that.
    ///
    /// # Errors
    /// [`Stopped`] when the pool was stopped or a worker given up.
    pub fn room(&mut self, len: usize) -> Result<Room<'_, T>, Stopped> {
        let len = len.min(self.job_bytes_max);
        let worker = self.worker_with_room(len)?;
        let Self { jobs, order, shared, .. } = self;
        match jobs[worker].reserve(len) {
            Ok(room) => Ok(Room { room, worker, order, shared }),
            Err(error) => Err(failed(worker, error)),
        }
    }

    /// Tells the workers that there are no more jobs. The collector ends when it has the results of all.
    ///
    /// # Errors
    /// [`Stopped`] when the pool was stopped first.
    pub fn finish(mut self) -> Result<(), Stopped> {
        // Before the order of jobs ends, so that its end is known for one in good order.
        self.shared.finished.store(true, Relaxed);
        for worker in 0..self.jobs.len() {
            loop {
                // An empty job is the end.
                match self.jobs[worker].send_timeout(&[], SLICE) {
                    Ok(()) => break,
                    Err(SendTimeoutError::TimedOut) => self.check()?,
                    Err(SendTimeoutError::Failed(error)) => return Err(failed(worker, error)),
                }
            }
        }
        Ok(())
    }

    fn worker_with_room(&mut self, len: usize) -> Result<usize, Stopped> {
        loop {
            self.check()?;
            let mut by_load: Vec<usize> = (0..self.jobs.len()).map(|i| (self.next + i) % self.jobs.len()).collect();
            by_load.sort_by_key(|&worker| self.shared.progress[worker].outstanding());
            self.next = self.next.wrapping_add(1);
            for &worker in &by_load {
                match self.jobs[worker].try_reserve(len) {
                    Ok(_) => return Ok(worker),
                    Err(TrySendError::Full) => {}
                    Err(TrySendError::Failed(error)) => return Err(failed(worker, error)),
                }
            }
            // All full: wait for the one that is most likely to have room next.
            let Some(&worker) = by_load.first() else { return Err(Stopped::Asked) };
            match self.jobs[worker].reserve_timeout(len, PATIENCE) {
                Ok(_) => return Ok(worker),
                Err(SendTimeoutError::TimedOut) => {}
                Err(SendTimeoutError::Failed(error)) => return Err(failed(worker, error)),
            }
        }
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.shared.is_stopped() || self.shared.is_any_given_up() { Err(Stopped::Asked) } else { Ok(()) }
    }
}

impl<T> fmt::Debug for Feeder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeder").field("workers", &self.jobs.len()).finish_non_exhaustive()
    }
}

/// Room for a job, in the memory that the worker reads. Dropped, it was nothing.
pub struct Room<'a, T> {
    room: Reservation<'a, [u8]>,
    worker: usize,
    order: &'a mpsc::Sender<(usize, T)>,
    shared: &'a Shared,
}

impl<T> Room<'_, T> {
    /// Gives the first `len` bytes to the worker. `tag` comes back with the result. A job of no bytes is none.
    pub fn hand_out(self, len: usize, tag: T) {
        if len == 0 {
            return;
        }
        self.shared.progress[self.worker].assigned();
        // A collector that is gone needs no order.
        let _ = self.order.send((self.worker, tag));
        self.room.publish_first(len);
    }
}

impl<T> Deref for Room<'_, T> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.room
    }
}

impl<T> DerefMut for Room<'_, T> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.room
    }
}

impl<T> fmt::Debug for Room<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("worker", &self.worker).finish_non_exhaustive()
    }
}

fn failed(worker: usize, error: SendError) -> Stopped {
    Stopped::Channel { worker, why: error.to_string() }
}
