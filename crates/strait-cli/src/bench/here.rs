//! The process that measures: makes both ways, starts its peer, asks or sends for as long as the job says, and reports.
//!
//! ```text
//!   strait bench  --starts-->  here  --starts-->  there
//!      <-- report, one line --   <-- ready, report --
//! ```
//!
//! 1. It dies with the command, and its peer with it; either takes away what would stay.
//! 2. What happens before the first timed message (making, starting, warming up) is not in the figures. That message itself is not either:
//!    while it is under way its receiver reads its own clocks.
//! 3. A peer that fails says why, and that is the report.
//! 4. Where the mechanism tells the end of the other side, each of the two has one thread, as most programs have: this one looks now and
//!    then whether the command lives, and its peer sees it end. Else threads watch, for either may be waiting for what never comes.

use crate::bench::VERB_THERE;
use crate::bench::control::Control;
use crate::bench::ends::{self, Client, Left, Rx, Tx, failed};
use crate::bench::heard::Heard;
use crate::bench::job::{Job, Measure, Sample, There, Trouble, Used, of_line, to_line};
use crate::bench::stats::new_histogram;
use crate::bench::subject::Subject;
use crate::bench::{message, usage};
use crate::exit::Exit;
use crate::program;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use strait::process::{self, Command, Parent, Stdio};
use strait::transport::Mechanism;

/// The ways' names for the peer.
pub(super) const QUESTIONS: &str = "questions";
pub(super) const ANSWERS: &str = "answers";
/// A way that nobody uses: set-up is timed in processes that have done it once, for the first time reads programs from disk, and
/// introduces the process to the kernel.
pub(super) const FIRST: &str = "first";
/// What the peer says when it has opened its ends.
pub(super) const READY: &str = "ready";
/// How often a process of one thread looks whether the command lives.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How many rounds or messages there are before the timed ones, at least.
const WARM: u64 = 20;
/// Bytes, and messages, between two looks at the clock.
const LOOK_BYTES: usize = 64 << 10;
const LOOK_MESSAGES: usize = 64;

/// What this process has.
enum Link {
    Way(Tx),
    Ways(Tx, Rx),
    Calls(Client),
}

/// Measures, and reports.
pub(crate) fn measure(job: &Job) -> Exit {
    let left = Left::default();
    let outcome = try_measure(job, &left);
    left.remove();
    tell(&outcome);
    Exit::Done
}

/// Reports, unless that was done.
pub(super) fn tell(outcome: &Result<Sample, Trouble>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    // Relaxed: who comes first writes, and that is all.
    if !TOLD.swap(true, Relaxed) {
        // Nobody is there to be told where this fails.
        let _ = writeln!(std::io::stdout(), "{}", to_line(outcome));
    }
}

fn try_measure(job: &Job, left: &Left) -> Result<Sample, Trouble> {
    let is_signal = job.subject == Subject::Mechanism(Mechanism::Signal);
    let mut command = program::again(VERB_THERE);
    command.stdin(Stdio::Null).stdout(Stdio::Piped);
    job.put(&mut command);
    // Before there are threads, which then have the signal blocked.
    let signals = if is_signal { Some(ends::make_rx(job, left, &mut command, ANSWERS)?) } else { None };
    let mut command_lives = Looks::new(process::parent());
    if !job.subject.tells_end() {
        if let Some(parent) = process::parent() {
            let left = left.clone();
            parent.end_with_it(move || left.remove())?;
        }
    }
    usage::pin(job.here_cpu)?;
    let control = Control::create(&mut command)?;
    let first = make(job, left, &mut command, FIRST)?;
    let began = Instant::now();
    let made = make(job, left, &mut command, QUESTIONS)?;
    let mut setup = began.elapsed();
    let made = match (made, job.measure) {
        (Some(Link::Way(tx)), Measure::RoundTrip) => {
            Some(Link::Ways(tx, ends::make_rx(job, left, &mut command, ANSWERS)?))
        }
        (made, _) => made,
    };
    if let Some(Link::Way(tx) | Link::Ways(tx, _)) = &made {
        let max_bytes = tx.bytes_max();
        if max_bytes < job.bytes {
            return Err(Trouble::TooLarge { max_bytes });
        }
    }
    let mut child = command.spawn()?;
    // It holds the other ends.
    drop(command);
    let mut heard = Heard::new(&mut child, job, left)?;
    heard.until_ready()?;
    drop(first);
    let link = match made {
        Some(link) => link,
        None => {
            let began = Instant::now();
            let tx = ends::signal_tx(job, child.id())?;
            setup += began.elapsed();
            match (signals, job.measure) {
                (Some(rx), Measure::RoundTrip) => Link::Ways(tx, rx),
                _ => Link::Way(tx),
            }
        }
    };
    let outcome = match link {
        Link::Way(tx) => stream(job, &control, tx, &mut command_lives),
        link => round_trips(job, &control, link, &mut command_lives),
    };
    let mut sample = outcome.map_err(|trouble| heard.cause(trouble))?;
    let there: There = of_line(&heard.line())?;
    child.wait()?;
    sample.setup_ns = u64::try_from(setup.as_nanos()).unwrap_or(u64::MAX).saturating_add(there.setup_ns);
    sample.there = there.used;
    if job.measure == Measure::Stream {
        // Time is the receiver's: what is sent is only under way.
        sample.lost = sample.messages.saturating_sub(there.received);
        (sample.messages, sample.elapsed_ns) = (there.received, there.elapsed_ns);
    }
    Ok(sample)
}

/// Makes what questions, or the stream, go by, and the answers too where that is the same; of signals nothing as yet.
fn make(job: &Job, left: &Left, command: &mut Command, name: &str) -> Result<Option<Link>, Trouble> {
    Ok(match (job.subject, job.both_ways()) {
        (Subject::Rpc, _) => Some(Link::Calls(ends::make_client(job, command, name)?)),
        (_, Some(mechanism)) => {
            let (tx, rx) = ends::make_both(job, mechanism, command, name)?;
            Some(Link::Ways(tx, rx))
        }
        (_, None) => ends::make_tx(job, left, command, name)?.map(Link::Way),
    })
}

/// Looks at the command, now and then.
struct Looks {
    command: Option<Parent>,
    last: Instant,
}

impl Looks {
    fn new(command: Option<Parent>) -> Self {
        Self { command, last: Instant::now() }
    }

    /// Fails once the command is gone: nobody is there to report to. A system call each [`LOOK_EVERY`].
    #[inline]
    fn look(&mut self, now: Instant) -> Result<(), Trouble> {
        if now.saturating_duration_since(self.last) < LOOK_EVERY {
            return Ok(());
        }
        self.last = now;
        let is_gone = self.command.is_some_and(|command| !command.is_alive());
        if is_gone { Err(failed("the command is gone")) } else { Ok(()) }
    }
}

fn warm(job: &Job) -> Duration {
    Duration::from_micros(job.duration_us / 10)
}

fn exchange(link: &mut Link, question: &[u8], answer: &mut Vec<u8>) -> Result<(), Trouble> {
    match link {
        Link::Way(tx) => tx.send(question),
        Link::Ways(tx, rx) => {
            tx.send(question)?;
            rx.recv(answer)
        }
        Link::Calls(client) => {
            *answer = client.call(question).map_err(failed)?;
            Ok(())
        }
    }
}

fn round_trips(job: &Job, control: &Control, mut link: Link, command_lives: &mut Looks) -> Result<Sample, Trouble> {
    let (mut question, mut answer) = (vec![0; job.bytes], Vec::new());
    let mut round = |number: u64| {
        message::stamp(&mut question, number);
        exchange(&mut link, &question, &mut answer)?;
        message::check(&answer, !number, job.bytes)
    };
    let mut number = 0;
    let began = Instant::now();
    let mut now = began;
    while number < WARM || now - began < warm(job) {
        command_lives.look(now)?;
        round(number)?;
        number += 1;
        now = Instant::now();
    }
    control.begin_at(number);
    round(number)?;
    number += 1;
    let mut latency = new_histogram();
    let duration = Duration::from_micros(job.duration_us);
    let before = Used::so_far();
    let start = Instant::now();
    let (mut last, mut rounds) = (start, 0);
    loop {
        let is_last = last - start >= duration;
        if is_last {
            control.end_at(number + 1);
        }
        round(number)?;
        let now = Instant::now();
        latency.saturating_record((now - last).as_nanos() as u64);
        (last, number, rounds) = (now, number + 1, rounds + 1);
        command_lives.look(now)?;
        if is_last {
            break;
        }
    }
    let here = Used::since(before);
    Ok(Sample {
        setup_ns: 0,
        elapsed_ns: (last - start).as_nanos() as u64,
        messages: 2 * rounds,
        lost: 0,
        here,
        there: Used::default(),
        latency: latency.iter_recorded().map(|it| (it.value_iterated_to(), it.count_at_value())).collect(),
    })
}

fn stream(job: &Job, control: &Control, mut tx: Tx, command_lives: &mut Looks) -> Result<Sample, Trouble> {
    let mut payload = vec![0; job.bytes];
    let mut send = |number: u64| {
        message::stamp(&mut payload, number);
        tx.send(&payload)
    };
    let batch = (LOOK_BYTES / job.bytes.max(1)).clamp(1, LOOK_MESSAGES) as u64;
    let mut number = 0;
    let began = Instant::now();
    let mut now = began;
    while number < WARM || now - began < warm(job) {
        command_lives.look(now)?;
        send(number)?;
        number += 1;
        now = Instant::now();
    }
    control.begin_at(number);
    send(number)?;
    let first = number + 1;
    number = first;
    let duration = Duration::from_micros(job.duration_us);
    let before = Used::so_far();
    let start = Instant::now();
    now = start;
    while now - start < duration {
        command_lives.look(now)?;
        for number in number..number + batch {
            send(number)?;
        }
        number += batch;
        now = Instant::now();
    }
    control.end_at(number + 1);
    send(number)?;
    number += 1;
    let here = Used::since(before);
    // Of a mechanism that loses messages the last may be among them: others, which do not count, follow until one has come.
    while !job.subject.is_reliable() && !control.is_done() {
        send(number)?;
        thread::sleep(Duration::from_millis(1));
    }
    let messages = number - first;
    Ok(Sample { setup_ns: 0, elapsed_ns: 0, messages, lost: 0, here, there: Used::default(), latency: Vec::new() })
}
