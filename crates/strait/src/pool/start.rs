//! Starting and ending a pool.

use crate::channel::Strategy;
use crate::channel::spsc::{self, Receiver, Sender};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::collector::Collector;
use crate::pool::feeder::Feeder;
use crate::pool::part::PART_BYTES;
use crate::pool::watch::{self, Shared};
use crate::process::{Command, Progress, Restart, Stdio, Supervised, Supervisor, Waker};
use crate::region::Place;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Under these names the channels are handed over to a worker.
pub(super) const JOBS: &str = "pool.jobs";
pub(super) const RESULTS: &str = "pool.results";
/// How many jobs fit into a worker's channel: the one it works on, the next, and one that is being written.
const JOBS_PER_CHANNEL: u64 = 4;
/// How many parts of results fit.
const PARTS_PER_CHANNEL: u64 = 4;

/// Options of a pool.
#[derive(Clone, Debug)]
pub struct Options {
    workers: usize,
    job_bytes_max: usize,
    strategy: Strategy,
    restart: Restart,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// A worker for each core that this process may use, jobs of up to 128 KiB, adaptive waiting, and 16 restarts in a row without a
    /// finished job before a worker is given up.
    #[must_use]
    pub fn new() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let restart =
            Restart { backoff_first: Duration::from_millis(1), backoff_max: Duration::from_millis(100), limit: 16 };
        Self { workers, job_bytes_max: 128 << 10, strategy: Strategy::default(), restart }
    }

    /// How many worker processes.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The longest job. A worker's channel holds four of them.
    #[must_use]
    pub fn job_bytes_max(mut self, bytes: usize) -> Self {
        self.job_bytes_max = bytes;
        self
    }

    /// How the parent waits.
    #[must_use]
    pub fn wait(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// When a worker that dies is started again, and when it is given up.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }
}

/// A running pool. Dropped, it kills its workers.
pub struct Pool {
    shared: Arc<Shared>,
    waker: Waker,
    watcher: Option<JoinHandle<()>>,
}

/// Stops a pool from another thread.
#[derive(Clone)]
pub struct Stopper {
    shared: Arc<Shared>,
}

impl Stopper {
    /// Makes the feeder and the collector return [`super::Stopped::Asked`] within 50 ms.
    pub fn stop(&self) {
        self.shared.stop.store(true, Relaxed);
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

/// Starts the workers: `command`, which must call [`super::Worker::inherit`], once for each.
///
/// `T` is what the caller wants to remember of each job until its result comes.
///
/// # Errors
/// What starting processes and making channels says; `Usage` for no workers or a job size beyond 1 GiB.
pub fn start<T: Send>(command: &Command, options: &Options) -> Result<(Pool, Feeder<T>, Collector<T>)> {
    if options.workers == 0 {
        return Err(Error::new(ErrorKind::Usage, "start a pool: it needs at least one worker"));
    }
    if options.job_bytes_max == 0 || options.job_bytes_max > 1 << 30 {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("start a pool: jobs of up to {} bytes; 1 to 1 GiB is possible", options.job_bytes_max),
        ));
    }
    let mut supervisor = Supervisor::new()?;
    let mut jobs = Vec::new();
    let mut results = Vec::new();
    for _ in 0..options.workers {
        let (job, result) = channels(options)?;
        let mut command = command.try_clone()?;
        command
            .stdin(Stdio::Null)
            .own_group(true)
            .hand_over(JOBS, duplicate(job.fd())?)
            .hand_over(RESULTS, duplicate(result.fd())?);
        supervisor.start(command, options.restart)?;
        jobs.push(job);
        results.push(result);
    }
    let progress: Vec<Progress> = supervisor.workers().iter().map(Supervised::progress).collect();
    progress.iter().for_each(Progress::track);
    let shared = Arc::new(Shared::new(progress));
    let waker = supervisor.waker();
    let watcher = watch::spawn(supervisor, Arc::clone(&shared))?;
    let (order, ordered) = mpsc::channel();
    let feeder = Feeder::new(jobs, order, Arc::clone(&shared), options.job_bytes_max);
    let collector = Collector::new(results, ordered, Arc::clone(&shared), feeder.descriptors()?);
    Ok((Pool { shared, waker, watcher: Some(watcher) }, feeder, collector))
}

/// A worker's two channels, our ends of them: jobs go out, results come in.
type Channels = (Sender<[u8]>, Receiver<[u8]>);

fn channels(options: &Options) -> Result<Channels> {
    let channel = spsc::Options::new().restartable(true).wait(options.strategy);
    // A record's header and its alignment come on top of the job.
    let job_bytes = (options.job_bytes_max as u64 + 128) * JOBS_PER_CHANNEL;
    let jobs = Sender::create(Place::memfd("strait.jobs"), &channel.clone().capacity_bytes(job_bytes))?;
    let result_bytes = PART_BYTES as u64 * PARTS_PER_CHANNEL;
    let results = Receiver::create(Place::memfd("strait.results"), &channel.capacity_bytes(result_bytes))?;
    Ok((jobs, results))
}

pub(super) fn duplicate(fd: Option<std::os::fd::BorrowedFd<'_>>) -> Result<OwnedFd> {
    let Some(fd) = fd else {
        return Err(Error::new(ErrorKind::Unsupported, "start a pool: its channels have no descriptors"));
    };
    fd.try_clone_to_owned()
        .map_err(|e| Error::kernel("duplicate", "a descriptor", e, "raise the limit on open files (ulimit -n)"))
}

impl Pool {
    /// How often a worker was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Relaxed)
    }

    /// The pids of the workers that run now, to be shown to people.
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.shared.pids()
    }

    /// A handle that stops the pool from elsewhere, a signal's thread for instance.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { shared: Arc::clone(&self.shared) }
    }

    /// Waits until the workers have ended, after the feeder has [finished](Feeder::finish); those that linger are ended.
    pub fn finish(mut self) {
        self.shared.finishing.store(true, Relaxed);
        self.join();
    }

    fn join(&mut self) {
        self.waker.wake();
        if let Some(watcher) = self.watcher.take() {
            // A panic there has been printed; the workers end with their supervisor either way.
            let _ = watcher.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.join();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("restarts", &self.restarts()).finish_non_exhaustive()
    }
}
