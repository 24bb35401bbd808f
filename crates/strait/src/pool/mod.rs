//! A pool of worker processes: jobs are handed out, results come back in the order of the jobs, each exactly once, whoever dies.
//!
//! ```text
//!              jobs (spsc)                   results (spsc)
//!           +--------------> worker 0 --------------+
//!  Feeder --+--------------> worker 1 --------------+--> Collector
//!           +--------------> worker 2 --------------+
//!                 ^              |
//!                 |   restarts   v
//!                 +--------- a thread that watches them
//! ```
//!
//! 1. A job stays in its channel until its worker has sent the whole result, and is released only then. A worker that is killed
//!    leaves it there, and its successor does it again from the beginning.
//! 2. A result carries the job's number, and a part's number in it. The collector takes each part once, in order, and drops
//!    what a successor repeats. So the result of a job must depend on the job alone.
//! 3. Each worker's results come in the order of its jobs, and the collector remembers which worker got which job. So the whole
//!    comes in order without sorting.
//! 4. A worker that keeps dying without finishing a job is given up, and the job is named.
//! 5. The channels have no names (memfd): there is nothing to clean up, whoever is killed. When the parent dies the workers end.
//!
//! The parent:
//!
//! ```no_run
//! use strait::pool::{self, Options};
//! use strait::process::Command;
//!
//! let mut worker = Command::new("/proc/self/exe");
//! worker.arg("--worker");
//! let (pool, mut feeder, mut collector) = pool::start::<&str>(&worker, &Options::new())?;
//! let producer = std::thread::spawn(move || {
//!     for job in ["one", "two"] {
//!         let mut room = feeder.room(job.len()).ok()?;
//!         room.copy_from_slice(job.as_bytes());
//!         room.hand_out(job.len(), job);
//!     }
//!     feeder.finish().ok()
//! });
//! while let Some(part) = collector.next()? {
//!     println!("{} of {}: {:?}", part.number(), part.tag(), part.bytes());
//! }
//! producer.join().ok();
//! pool.finish();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The worker:
//!
//! ```no_run
//! strait::pool::Worker::inherit()?.run(|job, output| output.write(&job.to_ascii_uppercase()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod collector;
mod feeder;
mod part;
mod start;
mod watch;
mod worker;

pub use collector::{Collector, Part};
pub use feeder::{Feeder, Room};
pub use start::{Options, Pool, Stopper, start};
pub use worker::{Output, Worker};

use std::fmt;

/// Why a pool stopped before its work was done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stopped {
    /// Somebody used the [`Stopper`].
    Asked,
    /// A worker died again and again on one job.
    Poisoned {
        /// Which worker.
        worker: usize,
        /// How it ended the last time: `killed by signal 9 (SIGKILL)`.
        exit: String,
        /// The job.
        job: Vec<u8>,
    },
    /// A channel failed: a worker wrote something impossible, or the pool is used in a forked child.
    Channel {
        /// Which worker's channel.
        worker: usize,
        /// What happened.
        why: String,
    },
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("the pool was stopped"),
            Self::Poisoned { worker, exit, job } => {
                write!(
                    f,
                    "worker {worker} died again and again on one job of {} bytes; the last time: {exit}",
                    job.len()
                )
            }
            Self::Channel { worker, why } => write!(f, "the channel of worker {worker} failed: {why}"),
        }
    }
}

impl std::error::Error for Stopped {}
