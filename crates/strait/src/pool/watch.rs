//! The thread that watches the workers, and what it shares with the feeder and the collector.

use crate::error::{Error, Result};
use crate::process::{Event, Progress, Supervisor};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long feeder and collector wait before they look whether the pool was stopped.
pub(super) const SLICE: Duration = Duration::from_millis(50);
/// How long a worker that was asked to end may take.
const GRACE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Shared {
    /// Nothing more is to be done.
    pub(super) stop: AtomicBool,
    /// All jobs are done: the workers are expected to end.
    pub(super) finishing: AtomicBool,
    pub(super) restarts: AtomicU64,
    /// For each worker: how it ended, once it has been given up.
    given_up: Vec<OnceLock<String>>,
    /// The feeder will hand out no more, and has said so to the workers.
    pub(super) finished: AtomicBool,
    /// For each worker: jobs handed out (the feeder says so) and collected (the collector).
    pub(super) progress: Vec<Progress>,
    pids: Vec<AtomicU32>,
}

impl Shared {
    pub(super) fn new(progress: Vec<Progress>) -> Self {
        let workers = progress.len();
        Self {
            stop: AtomicBool::new(false),
            finishing: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
            given_up: (0..workers).map(|_| OnceLock::new()).collect(),
            finished: AtomicBool::new(false),
            progress,
            pids: (0..workers).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        // Relaxed, here and elsewhere: flags that are looked at again soon, and counts.
        self.stop.load(Relaxed)
    }

    /// How a worker that was given up ended.
    pub(super) fn given_up(&self, worker: usize) -> Option<&str> {
        self.given_up[worker].get().map(String::as_str)
    }

    pub(super) fn is_any_given_up(&self) -> bool {
        self.given_up.iter().any(|exit| exit.get().is_some())
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.pids.iter().map(|pid| pid.load(Relaxed)).filter(|&pid| pid != 0).collect()
    }
}

pub(super) fn spawn(supervisor: Supervisor, shared: Arc<Shared>) -> Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("strait-pool".into())
        .stack_size(128 << 10)
        .spawn(move || watch(supervisor, &shared))
        .map_err(|e| Error::kernel("start", "the thread that watches the workers", e, ""))
}

fn watch(mut supervisor: Supervisor, shared: &Shared) {
    loop {
        for (pid, worker) in shared.pids.iter().zip(supervisor.workers()) {
            pid.store(worker.child().map_or(0, crate::process::Child::id), Relaxed);
        }
        match supervisor.wait(None) {
            Ok(Some((worker, event))) => note(shared, worker, event),
            // Woken, or all are over.
            Ok(None) => {}
            Err(error) => {
                for given_up in &shared.given_up {
                    let _ = given_up.set(format!("could not be watched: {error}"));
                }
                break;
            }
        }
        let is_over = supervisor.workers().iter().all(crate::process::Supervised::is_over);
        if is_over || shared.is_stopped() || shared.finishing.load(Relaxed) {
            break;
        }
    }
    // When the work is done the workers have been told so and are ending by themselves.
    if shared.finishing.load(Relaxed) && !shared.is_stopped() {
        let mut patience = GRACE;
        while !patience.is_zero() && !supervisor.workers().iter().all(crate::process::Supervised::is_over) {
            let slice = patience.min(Duration::from_millis(20));
            patience -= slice;
            if let Ok(Some((worker, event))) = supervisor.wait(Some(slice)) {
                note(shared, worker, event);
            }
        }
    }
    // A worker that cannot be stopped is the kernel's affair; it sees that its parent is gone.
    let _ = supervisor.stop(GRACE);
}

fn note(shared: &Shared, worker: usize, event: Event) {
    let exit = match event {
        Event::Restarted { .. } => {
            shared.restarts.fetch_add(1, Relaxed);
            return;
        }
        Event::Died { exit, restart_after: None } => format!("{exit}"),
        Event::StartFailed { error, restart_after: None } => format!("could not be started: {error}"),
        _ => return,
    };
    // Given up once; a second report would say the same.
    let _ = shared.given_up[worker].set(exit);
}
