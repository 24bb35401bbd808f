//! One run of one contender by two processes: the measuring one (here) and its peer (there).
//!
//! 1. Here opens its end, then starts the peer with the run's memfd as its standard input.
//! 2. The peer pins itself, opens its end and says `ready`; then both begin. How much there is to do is in the [`Job`], so
//!    nothing needs to say stop.
//! 3. What the peer measured comes as one number on its standard output.
//!
//! The clock is `CLOCK_MONOTONIC` (fenced, 18 ns), looked at once a block. A run that hangs, or whose peer dies, ends the
//! whole bench: [`watch`].

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::contender::{self, Duplex, Lender, Receiver, Role, Side, Site};
use crate::job::{Cores, Job, Measure};
use crate::message;
use crate::stats::{Spread, trimmed_mean};

/// What one run came to.
#[derive(Clone)]
pub(crate) struct Sample {
    /// Nanoseconds for a round or a message; or, where the row's unit says so, a figure of another kind.
    pub(crate) value: f64,
    /// Bytes in a message, on average.
    pub(crate) bytes: f64,
    /// Single rounds in nanoseconds, where latency is what counts.
    pub(crate) latency: Option<Histogram<u64>>,
}

/// A histogram of nanoseconds, up to ten seconds, to three digits.
pub(crate) fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("the bounds are in order")
}

/// The role that the job wants of its contender.
fn find(job: &Job) -> io::Result<Role> {
    let missing = || io::Error::other(format!("there is no '{}' for this measure", job.contender));
    contender::find(&job.contender, job.measure).ok_or_else(missing)
}

/// How long a run takes once it is calibrated.
const BLOCK_ROUND_TRIP: Duration = Duration::from_micros(50);
const BLOCK_STREAM: Duration = Duration::from_millis(2);
const LENDS: u64 = 500;

/// The job with as many rounds or messages as fill `duration`.
pub(crate) fn calibrate(job: &Job, duration: Duration, cores: &CorePair) -> io::Result<Job> {
    let role = find(job)?;
    let mut job = job.clone();
    if job.measure == Measure::Idle {
        return Ok(job);
    }
    let (block_time, singles) = match role {
        Role::Duplex(_) => (BLOCK_ROUND_TRIP, true),
        Role::Stream(..) => (BLOCK_STREAM, false),
        Role::Lend(..) => {
            (job.blocks, job.warm_blocks) = (LENDS, LENDS / 10);
            return Ok(job);
        }
    };
    (job.block, job.blocks) = (job.batch, 20);
    // The first guess is coarse: a block of one message is mostly clock. The second is made with blocks of the right size.
    for _ in 0..2 {
        let ns = run(&job, cores)?.value.max(0.1);
        let messages = (block_time.as_nanos() as f64 / ns) as u64;
        job.block = messages.max(1).next_multiple_of(job.batch);
        let blocks = duration.as_nanos() as f64 / (ns * job.block as f64);
        (job.blocks, job.warm_blocks) = (20, 1);
        if blocks > 20.0 {
            job.blocks = blocks as u64;
            job.warm_blocks = job.blocks / 10;
        }
        if singles {
            job.singles = ((duration.as_nanos() as f64 / 4.0 / ns) as u64).clamp(100, 100_000);
        }
    }
    Ok(job)
}

/// How far apart the two cores are at the moment: a short two-line round trip, in nanoseconds.
///
/// On a virtual machine this is no constant: the host moves the virtual cores, at times to two threads of one core (60 ns),
/// at times to two caches (360 ns), and everything that crosses cores changes with it.
pub(crate) fn distance_ns(cores: &CorePair) -> io::Result<f64> {
    let mut job = Job::round_trip("raw lines", 0);
    (job.block, job.blocks) = (100, 30);
    Ok(run(&job, cores)?.value)
}

/// Takes up to 2 MiB of pages, other ones for each run, and keeps them from it.
///
/// The kernel hands out the page that was freed last. Without this, floor and subject would each get the same page again in
/// every repetition, and where a page lies moves a round trip by 5 %: a constant error that no repetition shows.
fn shuffle_pages(run: u64) -> Vec<u8> {
    let pages = (run + u64::from(std::process::id())).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55;
    vec![1; pages as usize * 4096 + 1]
}

/// Runs the job once.
pub(crate) fn run(job: &Job, cores: &CorePair) -> io::Result<Sample> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let mut job = job.clone();
    let number = RUNS.fetch_add(1, Relaxed);
    job.name = format!("bench-{}-{number}", std::process::id());
    let role = find(&job)?;
    cores.pin(Side::Here, job.cores)?;
    let _pages = shuffle_pages(number);
    let memory = memfd_create("bench-run", MemfdFlags::CLOEXEC)?;
    let site = Site { side: Side::Here, job, memory };

    let sample = match role {
        Role::Duplex(open) => {
            let mut end = open(&site)?;
            let mut peer = Peer::start(&site, cores)?;
            let sample = if site.job.measure == Measure::Idle {
                Sample { value: idle_percent(&mut *end, &site.job, &peer)?, bytes: 0.0, latency: None }
            } else {
                ask(&mut *end, &site.job)
            };
            peer.finish()?;
            sample
        }
        Role::Stream(open, _) => {
            let mut end = open(&site)?;
            let mut peer = Peer::start(&site, cores)?;
            let start = Instant::now();
            for block in blocks(&site.job) {
                end.send_all(block);
            }
            let sender_ns = start.elapsed().as_nanos() as f64 / site.job.total() as f64;
            let report = peer.finish()?;
            let ns: f64 = report.trim().parse().map_err(|_| io::Error::other("the peer reported no figure"))?;
            // Two clocks that know nothing of each other: the sender's, over everything, must not contradict the receiver's
            // by more than the blocks left out can explain. Short runs are calibration.
            if start.elapsed() > Duration::from_millis(20) && sender_ns > 2.0 * ns {
                eprintln!("  '{}': {ns:.1} ns a message there, but {sender_ns:.1} here", site.job.contender);
            }
            Sample { value: ns, bytes: site.job.bytes as f64, latency: None }
        }
        Role::Lend(open, _) => {
            let mut end = open(&site)?;
            let mut peer = Peer::start(&site, cores)?;
            let sample = lend(&mut *end, &site.job);
            peer.finish()?;
            sample
        }
    };
    watch::calm();
    Ok(sample)
}

/// The message numbers of each block, the untimed ones first.
fn blocks(job: &Job) -> impl Iterator<Item = std::ops::Range<u64>> + use<> {
    let block = job.block;
    (0..job.warm_blocks + job.blocks).map(move |n| n * block..(n + 1) * block)
}

fn ask(end: &mut dyn Duplex, job: &Job) -> Sample {
    let mut payload = vec![0; job.bytes];
    let mut round = |number: u64| {
        message::stamp(&mut payload, number);
        end.send(&payload);
        end.recv(&mut payload);
        message::check(&payload, !number);
    };
    let think_ns = think_cost_ns();
    let mut times = Vec::with_capacity(job.blocks as usize);
    for (n, block) in blocks(job).enumerate() {
        let start = Instant::now();
        for number in block {
            think(number);
            round(number);
        }
        if n as u64 >= job.warm_blocks {
            times.push(start.elapsed().as_nanos() as f64 / job.block as f64 - think_ns);
        }
    }
    let mut latency = new_histogram();
    for number in job.total() - job.singles..job.total() {
        think(number);
        let start = Instant::now();
        round(number);
        latency.saturating_record(start.elapsed().as_nanos() as u64);
    }
    Sample { value: trimmed_mean(times), bytes: job.bytes as f64, latency: Some(latency) }
}

/// Passes 0 to about 60 ns, another time for each number, without touching memory.
///
/// Two spinning processes that do nothing else fall into step: the answer comes just before a look or just after it, round
/// after round, and the same program is a third faster or slower by luck (59 or 84 ns, seen on a Zen 4). A moment's thought
/// before each question lets it come at any time, as a user's would.
#[inline]
fn think(number: u64) {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..bits >> 59 {
        // Each turn waits for the one before.
        bits = std::hint::black_box(bits.wrapping_mul(0xd6e8_feb8_6659_fd93));
    }
}

/// What [`think`] takes on average: it is in every block and in no answer.
fn think_cost_ns() -> f64 {
    let times = (0..21).map(|_| {
        let start = Instant::now();
        (0..10_000).for_each(think);
        start.elapsed().as_nanos() as f64 / 1e4
    });
    Spread::of(times).median
}

fn answer(end: &mut dyn Duplex, job: &Job) {
    let mut payload = vec![0; job.bytes];
    for number in 0..job.total() {
        end.recv(&mut payload);
        message::check(&payload, number);
        message::stamp(&mut payload, !number);
        end.send(&payload);
    }
}

/// The share of a core that the peer, which waits for a question, uses during a second.
fn idle_percent(end: &mut dyn Duplex, job: &Job, peer: &Peer) -> io::Result<f64> {
    let mut payload = vec![0; job.bytes];
    let mut percent = 0.0;
    for number in 0..job.total() {
        if number == job.total() - 1 {
            // It has answered and goes to sleep; what it does until then is not waiting.
            sleep(Duration::from_millis(200));
            let (start, before) = (Instant::now(), peer.cpu_ns()?);
            sleep(Duration::from_secs(1));
            percent = 100.0 * (peer.cpu_ns()? - before) as f64 / start.elapsed().as_nanos() as f64;
        }
        message::stamp(&mut payload, number);
        end.send(&payload);
        end.recv(&mut payload);
    }
    Ok(percent)
}

fn lend(end: &mut dyn Lender, job: &Job) -> Sample {
    let mut latency = new_histogram();
    let mut times = Vec::new();
    for number in 0..job.total() {
        let cost = end.lend(number);
        if number >= job.warm_blocks * job.block {
            latency.saturating_record(cost.as_nanos() as u64);
            times.push(cost.as_nanos() as f64);
        }
        while !end.settled() {
            std::hint::spin_loop();
        }
    }
    Sample { value: Spread::of(times).median, bytes: job.bytes as f64, latency: Some(latency) }
}

fn receive(end: &mut dyn Receiver, job: &Job) -> f64 {
    let mut times = Vec::with_capacity(job.blocks as usize);
    for (n, block) in blocks(job).enumerate() {
        let start = Instant::now();
        end.recv_all(block);
        if n as u64 >= job.warm_blocks {
            times.push(start.elapsed().as_nanos() as f64 / job.block as f64);
        }
    }
    trimmed_mean(times)
}

/// The peer process: standard input is the run's memfd, standard output takes `ready` and the figure.
pub(crate) fn peer(job: Job, cores: &CorePair) -> io::Result<()> {
    // Whoever measures is gone: nobody waits for an answer, and a spinning orphan would take a core for ever.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    cores.pin(Side::There, job.cores)?;
    let role = find(&job)?;
    let memory = io::stdin().as_fd().try_clone_to_owned()?;
    let site = Site { side: Side::There, job, memory };
    match role {
        Role::Duplex(open) => {
            let mut end = open(&site)?;
            say("ready")?;
            answer(&mut *end, &site.job);
            Ok(())
        }
        Role::Stream(_, open) | Role::Lend(_, open) => {
            let mut end = open(&site)?;
            say("ready")?;
            say(&receive(&mut *end, &site.job).to_string())
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The other process, seen from here. Killed and waited for when dropped.
struct Peer {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Peer {
    /// Starts it and returns when it is ready.
    fn start(site: &Site, cores: &CorePair) -> io::Result<Self> {
        // The program as it was when this process began: the file may have been built anew since.
        let mut child = Command::new("/proc/self/exe")
            .arg("peer")
            .args(site.job.to_args())
            .arg(format!("--here={}", cores.here))
            .arg(format!("--there={}", cores.there))
            .stdin(Stdio::from(site.memory.try_clone()?))
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("the peer has no output"))?);
        let mut peer = Self { child, out };
        watch::over(peer.child.id(), &site.job.contender);
        let mut line = String::new();
        peer.out.read_line(&mut line)?;
        if line.trim() != "ready" {
            return Err(io::Error::other(format!("the peer of '{}' did not come up", site.job.contender)));
        }
        Ok(peer)
    }

    /// Waits for its end and returns what it said.
    fn finish(&mut self) -> io::Result<String> {
        let mut report = String::new();
        self.out.read_to_string(&mut report)?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!("the peer ended with {status}")));
        }
        Ok(report)
    }

    /// Processor time that all of its threads have used.
    fn cpu_ns(&self) -> io::Result<u64> {
        let mut sum = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = text.split(' ').next().and_then(|field| field.parse::<u64>().ok());
            sum += first.ok_or_else(|| io::Error::other("this kernel has no schedstat"))?;
        }
        Ok(sum)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The cores the two sides are pinned to: the first and the last that this process may use.
pub(crate) struct CorePair {
    allowed: CpuSet,
    here: usize,
    there: usize,
}

impl CorePair {
    /// Reads them; call before anything is pinned.
    pub(crate) fn find() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let here = cores.next().ok_or_else(|| io::Error::other("no core allowed"))?;
        let there =
            cores.next_back().ok_or_else(|| io::Error::other("two cores are needed; this process may use one"))?;
        Ok(Self { allowed, here, there })
    }

    /// The cores that another process found: the peer is started pinned, and cannot find them itself.
    pub(crate) fn of(numbers: (usize, usize)) -> Self {
        let mut allowed = CpuSet::new();
        allowed.set(numbers.0);
        allowed.set(numbers.1);
        Self { allowed, here: numbers.0, there: numbers.1 }
    }

    /// The numbers of the two cores, for the peer's arguments and the record.
    pub(crate) fn numbers(&self) -> (usize, usize) {
        (self.here, self.there)
    }

    /// Pins this thread.
    pub(crate) fn pin(&self, side: Side, cores: Cores) -> io::Result<()> {
        let core = if side == Side::Here || cores == Cores::One { self.here } else { self.there };
        let mut set = CpuSet::new();
        set.set(core);
        Ok(sched_setaffinity(None, &set)?)
    }

    /// Lets this thread, and what it starts, run anywhere again.
    pub(crate) fn unpin(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.allowed)?)
    }
}

/// Ends the bench when a run hangs: a spinning side whose other side died would wait for ever.
pub(crate) mod watch {
    use std::process::exit;
    use std::sync::Mutex;
    use std::thread::{sleep, spawn};
    use std::time::{Duration, Instant};

    const LIMIT: Duration = Duration::from_secs(60);

    /// The run that is going on: the peer, what it runs, since when.
    static RUN: Mutex<Option<(u32, String, Instant)>> = Mutex::new(None);

    /// Starts the thread that looks once a second.
    pub(crate) fn start() {
        spawn(|| {
            let mut suspect = None;
            loop {
                sleep(Duration::from_secs(1));
                suspect = look(suspect);
            }
        });
    }

    /// A run begins.
    pub(super) fn over(peer: u32, contender: &str) {
        *RUN.lock().expect("no holder panics") = Some((peer, contender.to_owned(), Instant::now()));
    }

    /// The run has ended.
    pub(super) fn calm() {
        *RUN.lock().expect("no holder panics") = None;
    }

    /// Returns the peer if it is dead and not waited for: at the end of every run it is so for a moment, so only a peer
    /// that was so at the last look too (`suspect`) has died too early.
    fn look(suspect: Option<u32>) -> Option<u32> {
        let run = RUN.lock().expect("no holder panics");
        let (peer, contender, since) = run.as_ref()?;
        let stat = std::fs::read_to_string(format!("/proc/{peer}/stat")).unwrap_or_default();
        let dead = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
        if dead && suspect == Some(*peer) {
            eprintln!("strait-bench: the peer of '{contender}' died");
        } else if since.elapsed() > LIMIT {
            eprintln!("strait-bench: '{contender}' has made no end for {} s", LIMIT.as_secs());
        } else {
            return dead.then_some(*peer);
        }
        // The peer, if it lives, is killed by the kernel: see `peer`.
        exit(1);
    }
}
