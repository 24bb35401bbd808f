//! What must hold of a pool when a worker is killed, or stopped, while it finishes a piece of work and takes the next.
//!
//! 1. Every job's result comes, whole, in order, exactly once.
//! 2. One who is stopped is not replaced.

use super::stage::{Stage, Where};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::step::{Mark, Marks, Stop, Tracee};
use std::time::{Duration, Instant};
use strait::pool::{Collector, Feeder, Options, Pool, start};
use strait::process::{Command, Restart};

/// The pool's part of the matrix.
pub const CHANNEL: Channel = Channel { name: "pool", rows, pairs: Vec::new, play };

fn rows() -> Vec<Row> {
    vec![Row::new("pool-commit", "worker", Where::Memory, true, || Box::new(WorkerDies::new())).untold()]
}

/// The job at which a worker makes its mark, and the one after it, where it makes the other.
pub const MARKED: u8 = b'm';
/// See [`MARKED`].
pub const NEXT: u8 = b'n';

/// Of several parts, so that the operation sends more than one.
const JOBS: [(&[u8], usize); 4] = [(b"before", 10), (b"m", 3), (b"next", 2), (b"z: the last", 1)];

/// The result of a job, as the role makes it: the job, repeated.
#[must_use]
pub fn result(job: &[u8], times: usize) -> Vec<u8> {
    job.repeat(times)
}

/// How often the result of a job repeats it.
#[must_use]
pub fn times(job: &[u8]) -> usize {
    JOBS.iter().find(|it| it.0 == job).map_or(1, |it| it.1)
}

/// A worker that is killed.
#[derive(Default)]
pub struct WorkerDies(Option<(Pool, Feeder<usize>, Collector<usize>)>);

impl WorkerDies {
    /// In a pool of its own.
    #[must_use]
    pub fn new() -> Self {
        Self(None)
    }

    fn collect(&mut self) -> Result<u64, String> {
        let (pool, feeder, mut collector) = self.0.take().ok_or("no pool")?;
        feeder.finish().map_err(|e| format!("finish: {e}"))?;
        let mut results: Vec<Vec<u8>> = Vec::new();
        loop {
            match collector.next() {
                Ok(Some(part)) => {
                    if part.number() == 0 {
                        if *part.tag() != results.len() {
                            return Err(format!("the result of job {} came as number {}", part.tag(), results.len()));
                        }
                        results.push(Vec::new());
                    }
                    results.last_mut().ok_or("a part before the first")?.extend_from_slice(part.bytes());
                }
                Ok(None) => break,
                Err(stopped) => return Err(format!("the pool stopped: {stopped}")),
            }
        }
        let restarts = pool.restarts();
        pool.finish();
        let expected: Vec<Vec<u8>> = JOBS.iter().map(|it| result(it.0, it.1)).collect();
        if results != expected {
            return Err(format!("{} results, not the {} that were to come", results.len(), expected.len()));
        }
        Ok(restarts)
    }
}

impl Case for WorkerDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let mut command = Command::new(stage.role());
        command.arg("pool");
        let restart =
            Restart { backoff_first: Duration::from_millis(1), backoff_max: Duration::from_millis(2), limit: 16 };
        let options = Options::new().workers(1).job_bytes_max(4096).restart(restart);
        let (pool, mut feeder, collector) = start::<usize>(&command, &options).map_err(|e| e.to_string())?;
        let begun = Instant::now();
        let pid = loop {
            if let Some(&pid) = pool.worker_pids().first() {
                break pid;
            }
            if begun.elapsed() > LONG {
                return Err("no worker starts".into());
            }
            std::thread::yield_now();
        };
        let mut tracee = Tracee::seize(pid).map_err(|e| format!("trace a worker: {e}"))?;
        for (index, (job, _)) in JOBS.iter().enumerate() {
            let mut room = feeder.room(job.len()).map_err(|e| e.to_string())?;
            room.copy_from_slice(job);
            room.hand_out(job.len(), index);
        }
        self.0 = Some((pool, feeder, collector));
        match tracee.next_mark() {
            Ok(Stop::Mark(Mark::Begin)) => Ok(tracee),
            other => Err(format!("before its operation: {other:?}")),
        }
    }

    fn killed(&mut self, _: &Stage) -> Result<Found, String> {
        self.collect().map(|_| Found::default())
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let Some((pool, ..)) = &self.0 else { return Err("no pool".into()) };
        if pool.restarts() > 0 { Err("a worker that is stopped was replaced".into()) } else { Ok(()) }
    }

    fn went_on(&mut self, _: &Stage) -> Result<Found, String> {
        match self.collect()? {
            0 => Ok(Found::default()),
            restarts => Err(format!("a worker that was stopped was replaced {restarts} times")),
        }
    }
}

/// Makes its marks at two jobs: what is between is the end of the one, and the beginning of the other.
fn play(_: &[&str]) {
    let marks = Marks::new();
    let worker = strait::pool::Worker::inherit_waiting(strait::channel::Strategy::Sleep).expect("a pool");
    let outcome = worker.run(|job, output| {
        if job.first() == Some(&NEXT) {
            marks.end();
        }
        let result = result(job, times(job));
        if job.first() == Some(&MARKED) {
            marks.begin();
        }
        output.write(&result)
    });
    outcome.expect("jobs until the end");
}
