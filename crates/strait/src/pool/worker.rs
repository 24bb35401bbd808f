//! The worker's side.

use crate::channel::spsc::{self, Receiver, Sender};
use crate::channel::{RecvError, SendError, Strategy};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::part::{HEADER_BYTES, Header, PART_BYTES};
use crate::pool::start::{JOBS, RESULTS};
use crate::process;
use std::fmt;

/// A worker process's end of a pool.
pub struct Worker {
    jobs: Receiver<[u8]>,
    results: Sender<[u8]>,
}

impl Worker {
    /// Takes what the pool that started this process has handed over.
    ///
    /// # Errors
    /// `NotFound` or `Usage` where this process was not started by a pool.
    pub fn inherit() -> Result<Self> {
        Self::inherit_waiting(Strategy::default())
    }

    /// [`Self::inherit`], with a way of waiting of its own.
    ///
    /// # Errors
    /// As there.
    pub fn inherit_waiting(strategy: Strategy) -> Result<Self> {
        let options = spsc::Options::new().wait(strategy);
        let jobs = Receiver::from_fd(process::handed(JOBS)?, &options)?;
        let results = Sender::from_fd(process::handed(RESULTS)?, &options)?;
        Ok(Self { jobs, results })
    }

    /// Runs `and_then` and ends this process when the parent dies, whatever it does at that moment.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn end_with_parent(&self, and_then: impl FnOnce() + Send + 'static) -> Result<()> {
        match process::parent() {
            Some(parent) => parent.end_with_it(and_then),
            None => Ok(()),
        }
    }

    /// Does jobs until the pool says that there are no more.
    ///
    /// `work` may be called again with a job that an earlier process of this worker has begun: its output must depend on the job
    /// alone. Blocks, asleep, while there is nothing to do.
    ///
    /// # Errors
    /// What `work` says, or the channels.
    pub fn run(mut self, mut work: impl FnMut(&[u8], &mut Output<'_>) -> Result<()>) -> Result<()> {
        loop {
            let number = self.jobs.received();
            let job = self.jobs.recv_ref().map_err(cannot_receive)?;
            if job.is_empty() {
                return Ok(());
            }
            let mut output =
                Output { results: &mut self.results, job: number, part: 0, buffer: Vec::with_capacity(PART_BYTES) };
            output.begin();
            work(&job, &mut output)?;
            output.send(true)?;
            // Dropped here: released, for its whole result is in the other channel.
            drop(job);
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("jobs", &self.jobs).field("results", &self.results).finish()
    }
}

/// Where a worker writes the result of a job.
#[derive(Debug)]
pub struct Output<'a> {
    results: &'a mut Sender<[u8]>,
    job: u64,
    part: u32,
    /// A part being filled, with room for its header in front.
    buffer: Vec<u8>,
}

impl Output<'_> {
    /// Appends bytes to the result; full parts are sent on the way.
    ///
    /// # Errors
    /// When the channel fails.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.buffer.len() == PART_BYTES {
                self.send(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PART_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; HEADER_BYTES]);
    }

    fn send(&mut self, is_last: bool) -> Result<()> {
        let header = Header { job: self.job, part: self.part, is_last };
        self.buffer[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        self.results.send(&self.buffer).map_err(cannot_send)?;
        self.part += 1;
        self.begin();
        Ok(())
    }
}

fn cannot_receive(error: RecvError) -> Error {
    Error::new(ErrorKind::Damaged, format!("receive a job: {error}"))
}

fn cannot_send(error: SendError) -> Error {
    Error::new(ErrorKind::Damaged, format!("send a result: {error}"))
}
