//! The same job over a mechanism that one names: `strait sum --via pipe`.
//!
//! ```text
//!              a thread for each worker         its worker process
//!  Feeder ---> keeps the block at hand  <-----> sums it               ---> Collector puts
//!              until all of its result          (a link each way, or       results in order
//!              is in                             the laboratory's region)
//! ```
//!
//! 1. A block is under way to one worker at a time, and its thread keeps it until the whole result has come. What a mechanism loses with a
//!    worker that is killed (what is in a pipe, a queue, a socket), is so lost to nobody: the next worker gets the block again.
//! 2. Each life of a worker has links of its own, so nothing that a dead one has left behind is taken for an answer.
//! 3. A result's parts carry the block's number and their own; what does not fit ends the run.
//! 4. A worker that keeps dying on a block is given up, and the block is named.

mod lab;
mod life;
mod worker;

use crate::sum::Failure;
use crate::sum::carrier::Answer;
use crate::sum::input::{Kind, Tag};
use life::{Died, Life};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use strait::pool::Stopped;
use strait::process::{Backoff, Command, Restart, Verdict};
use strait::transport::{Boundaries, Mechanism};

pub(super) use worker::work;

/// How long anybody waits before looking whether the run was stopped, or a worker has died untold.
const SLICE: Duration = Duration::from_millis(50);

/// What carries the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Mechanism(Mechanism),
    /// The protocol of the exercise: [`lab`].
    Lab,
}

impl Via {
    /// What it is called on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mechanism(mechanism) => mechanism.name(),
            Self::Lab => "lab",
        }
    }

    /// Those that can carry the job.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        let able = Mechanism::ALL.into_iter().filter(|it| why_not(*it).is_none());
        able.map(Mechanism::name).chain([Self::Lab.name()])
    }

    /// The one of that name, or why there is none.
    pub(crate) fn of_name(name: &str) -> Result<Self, String> {
        if name == Self::Lab.name() {
            return Ok(Self::Lab);
        }
        let others = || Self::names().collect::<Vec<_>>().join(", ");
        let Some(mechanism) = Mechanism::of_name(name) else {
            return Err(format!("there is no such mechanism; name one of {}", others()));
        };
        match why_not(mechanism) {
            None => Ok(Self::Mechanism(mechanism)),
            Some(why) => Err(format!("it cannot carry the job: {why}; name one of {}", others())),
        }
    }
}

/// Why a mechanism cannot carry the job.
fn why_not(mechanism: Mechanism) -> Option<&'static str> {
    let it = mechanism.capabilities();
    match mechanism {
        _ if it.boundaries == Boundaries::Count => Some("it only counts"),
        _ if !it.is_reliable => Some("it loses messages without telling anybody"),
        Mechanism::Signal => Some("a message has seven bytes"),
        _ => None,
    }
}

struct Job {
    number: u64,
    block: Vec<u8>,
}

/// A block's result in parts, or why there is none.
type Outcome = Result<Vec<Vec<u8>>, Stopped>;

struct Shared {
    stop: AtomicBool,
    restarts: AtomicU64,
    handed_out: AtomicU64,
    collected: AtomicU64,
    finished: AtomicBool,
}

impl Shared {
    fn is_stopped(&self) -> bool {
        // Relaxed, here and elsewhere: flags that are looked at again soon, and counts.
        self.stop.load(Relaxed)
    }
}

/// Gives blocks out.
pub(super) struct Feeder {
    jobs: mpsc::SyncSender<Job>,
    order: mpsc::Sender<(u64, Tag)>,
    shared: Arc<Shared>,
    block_bytes: usize,
    /// The laboratory's protocol carries one line at a time.
    by_line: bool,
    room: Vec<u8>,
}

/// Room for a block.
pub(super) struct Room<'a> {
    feeder: &'a mut Feeder,
    len: usize,
}

/// Takes results in, in order.
pub(super) struct Collector {
    order: mpsc::Receiver<(u64, Tag)>,
    results: mpsc::Receiver<(u64, usize, Outcome)>,
    shared: Arc<Shared>,
    /// What came before its turn.
    early: BTreeMap<u64, Vec<Vec<u8>>>,
    /// The result at hand: its tag, its parts, and which is next.
    front: Option<(Tag, Vec<Vec<u8>>, usize)>,
}

/// The threads and their workers.
pub(super) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Starts the workers.
pub(super) fn start(
    command: &Command,
    via: Via,
    workers: u16,
    block_bytes: usize,
) -> Result<(Workers, Feeder, Collector), Failure> {
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        restarts: AtomicU64::new(0),
        handed_out: AtomicU64::new(0),
        collected: AtomicU64::new(0),
        finished: AtomicBool::new(false),
    });
    let refused = |e: strait::Error| Failure::refused(e.to_string());
    let (jobs, taken) = mpsc::sync_channel::<Job>(usize::from(workers) * 2);
    let taken = Arc::new(Mutex::new(taken));
    let (answered, results) = mpsc::channel();
    let mut threads = Vec::new();
    let mut longest = block_bytes;
    for index in 0..usize::from(workers) {
        let command = command.try_clone().map_err(refused)?;
        // The first lives here and now: what cannot be had is told before anything is read.
        let life = Life::begin(&command, via, block_bytes).map_err(refused)?;
        longest = longest.min(life.block_bytes_max());
        let desk = Desk {
            index,
            command,
            via,
            block_bytes,
            jobs: Arc::clone(&taken),
            results: answered.clone(),
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new().name(format!("worker {index}")).spawn(move || desk.serve(life));
        threads.push(thread.map_err(|e| Failure::refused(format!("start a thread: {e}")))?);
    }
    let (order, ordered) = mpsc::channel();
    let feeder = Feeder {
        jobs,
        order,
        shared: Arc::clone(&shared),
        block_bytes: longest,
        by_line: via == Via::Lab,
        room: Vec::new(),
    };
    let collector =
        Collector { order: ordered, results, shared: Arc::clone(&shared), early: BTreeMap::new(), front: None };
    Ok((Workers { shared, threads }, feeder, collector))
}

impl Feeder {
    pub(super) fn room(&mut self, len: usize) -> Room<'_> {
        let len = len.min(self.block_bytes);
        self.room.clear();
        self.room.resize(len, 0);
        Room { feeder: self, len }
    }

    pub(super) fn finish(self) {
        self.shared.finished.store(true, Relaxed);
    }

    fn hand_out(&mut self, block: Vec<u8>, tag: Tag) -> Result<(), Stopped> {
        let number = self.shared.handed_out.fetch_add(1, Relaxed);
        // A collector that is gone needs no order.
        let _ = self.order.send((number, tag));
        let mut job = Job { number, block };
        loop {
            if self.shared.is_stopped() {
                return Err(Stopped::Asked);
            }
            match self.jobs.try_send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::TrySendError::Disconnected(_)) => return Err(Stopped::Asked),
                Err(mpsc::TrySendError::Full(back)) => {
                    job = back;
                    thread::sleep(Duration::from_micros(50));
                }
            }
        }
    }
}

impl Room<'_> {
    pub(super) fn hand_out(self, len: usize, tag: Tag) -> Result<(), Stopped> {
        if len == 0 {
            return Ok(());
        }
        let block = self.feeder.room[..len.min(self.len)].to_vec();
        if !self.feeder.by_line || !matches!(tag.kind, Kind::Text) {
            return self.feeder.hand_out(block, tag);
        }
        block.split_inclusive(|&byte| byte == b'\n').try_for_each(|line| {
            let tag = Tag { bytes: line.len() as u64, kind: Kind::Text };
            self.feeder.hand_out(line.to_vec(), tag)
        })
    }
}

impl Deref for Room<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.feeder.room[..self.len]
    }
}

impl DerefMut for Room<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.feeder.room[..self.len]
    }
}

impl Collector {
    pub(super) fn next<T>(&mut self, take: impl FnOnce(&Answer<'_>) -> T) -> Result<Option<T>, Stopped> {
        if self.front.is_none() {
            let Some((number, tag)) = self.next_job()? else { return Ok(None) };
            let parts = self.result(number)?;
            self.front = Some((tag, parts, 0));
        }
        let Some((tag, parts, next)) = &mut self.front else { return Ok(None) };
        // A result has a part at least: its worker's thread has seen to that.
        let bytes = parts.get(*next).map_or(&[][..], Vec::as_slice);
        let (number, is_last) = (*next as u32, *next + 1 >= parts.len());
        let taken = take(&Answer { bytes, tag, number, is_last });
        *next += 1;
        if is_last {
            self.front = None;
            self.shared.collected.fetch_add(1, Relaxed);
        }
        Ok(Some(taken))
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.shared.handed_out.load(Relaxed) - self.shared.collected.load(Relaxed)
    }

    fn next_job(&self) -> Result<Option<(u64, Tag)>, Stopped> {
        loop {
            match self.order.recv_timeout(SLICE) {
                Ok(job) => return Ok(Some(job)),
                Err(RecvTimeoutError::Disconnected) if self.shared.finished.load(Relaxed) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(Stopped::Asked),
                Err(RecvTimeoutError::Timeout) if self.shared.is_stopped() => return Err(Stopped::Asked),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn result(&mut self, wanted: u64) -> Result<Vec<Vec<u8>>, Stopped> {
        loop {
            if let Some(parts) = self.early.remove(&wanted) {
                return Ok(parts);
            }
            match self.results.recv_timeout(SLICE) {
                Ok((number, _, Ok(parts))) => drop(self.early.insert(number, parts)),
                Ok((_, _, Err(stopped))) => return Err(stopped),
                Err(RecvTimeoutError::Timeout) if !self.shared.is_stopped() => {}
                Err(_) => return Err(Stopped::Asked),
            }
        }
    }
}

impl Workers {
    pub(super) fn restarts(&self) -> u64 {
        self.shared.restarts.load(Relaxed)
    }

    pub(super) fn stopper(&self) -> Box<dyn Fn() + Send> {
        let shared = Arc::clone(&self.shared);
        Box::new(move || shared.stop.store(true, Relaxed))
    }

    pub(super) fn finish(mut self) {
        self.join();
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A panic there has been printed; its worker ended with it.
            let _ = thread.join();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.join();
    }
}

/// A worker's thread.
struct Desk {
    index: usize,
    command: Command,
    via: Via,
    block_bytes: usize,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    results: mpsc::Sender<(u64, usize, Outcome)>,
    shared: Arc<Shared>,
}

impl Desk {
    fn serve(self, first: Life) {
        let mut life = Some(first);
        let mut backoff = Backoff::new(Restart {
            backoff_first: Duration::from_millis(1),
            backoff_max: Duration::from_millis(100),
            limit: 16,
        });
        let mut has_progressed = false;
        while let Some(job) = self.next_job() {
            let outcome = loop {
                if self.shared.is_stopped() {
                    break Err(Stopped::Asked);
                }
                match self.ask(&mut life, &job) {
                    Ok(parts) => {
                        has_progressed = true;
                        break Ok(parts);
                    }
                    Err(Died::Stopped) => break Err(Stopped::Asked),
                    Err(Died::Wrong(why)) => break Err(Stopped::Channel { worker: self.index, why }),
                    Err(Died::Gone(exit)) => {
                        life = None;
                        match backoff.died(std::mem::take(&mut has_progressed)) {
                            Verdict::RestartAfter(pause) => thread::sleep(pause),
                            Verdict::GiveUp => {
                                break Err(Stopped::Poisoned { worker: self.index, exit, job: job.block.clone() });
                            }
                        }
                    }
                }
            };
            let is_over = outcome.is_err();
            // A collector that is gone wants none.
            let _ = self.results.send((job.number, self.index, outcome));
            if is_over {
                break;
            }
        }
        match life {
            Some(life) if !self.shared.is_stopped() => life.end(),
            // Dropped, it kills its worker.
            life => drop(life),
        }
    }

    fn next_job(&self) -> Option<Job> {
        loop {
            if self.shared.is_stopped() {
                return None;
            }
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            match jobs.recv_timeout(SLICE) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn ask(&self, life: &mut Option<Life>, job: &Job) -> Result<Vec<Vec<u8>>, Died> {
        let life = match life {
            Some(life) => life,
            None => {
                let next = Life::begin(&self.command, self.via, self.block_bytes);
                self.shared.restarts.fetch_add(1, Relaxed);
                life.insert(next.map_err(|e| Died::Gone(format!("could not be started: {e}")))?)
            }
        };
        life.ask(job.number, &job.block, &|| self.shared.is_stopped())
    }
}
