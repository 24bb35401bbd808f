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

use crate::bench::VERB_THERE;
use crate::bench::control::Control;
use crate::bench::ends::{self, Client, Left, Rx, Tx, failed};
use crate::bench::job::{Job, Measure, Sample, There, Trouble, Used, of_line, to_line};
use crate::bench::stats::new_histogram;
use crate::bench::subject::Subject;
use crate::bench::{message, usage};
use crate::exit::Exit;
use crate::program;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::ChildStdout;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use strait::process::{self, Child, Command, Stdio};
use strait::transport::Mechanism;

/// The ways' names for the peer.
pub(super) const QUESTIONS: &str = "questions";
pub(super) const ANSWERS: &str = "answers";
/// A way that nobody uses: set-up is timed in processes that have done it once, for the first time reads programs from disk, and
/// introduces the process to the kernel.
pub(super) const FIRST: &str = "first";
/// What the peer says when it has opened its ends.
pub(super) const READY: &str = "ready";
/// How long this process, which has been told of a broken way, waits for the peer to say why.
const GRACE: Duration = Duration::from_secs(1);
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
fn tell(outcome: &Result<Sample, Trouble>) {
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
    if let Some(parent) = process::parent() {
        let left = left.clone();
        parent.end_with_it(move || left.remove())?;
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
    let heard = listen(&mut child, left)?;
    if heard.recv().unwrap_or_default().trim() != READY {
        // The report follows.
        return Err(cause(&heard, failed("the peer did not come up")));
    }
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
        Link::Way(mut tx) => stream(job, &control, &mut tx),
        link => round_trips(job, &control, link),
    };
    let mut sample = outcome.map_err(|trouble| cause(&heard, trouble))?;
    let there: There = of_line(&heard.recv().unwrap_or_default())?;
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

/// Hears what the peer says: that it is ready, and its report. A report of trouble ends this process, which may be waiting for a message
/// that never comes.
fn listen(child: &mut Child, left: &Left) -> Result<mpsc::Receiver<String>, Trouble> {
    let (say, heard) = mpsc::channel();
    let stdout: ChildStdout = child.stdout.take().ok_or_else(|| failed("the peer has no standard output"))?;
    let left = left.clone();
    let listen = move || {
        let mut stdout = BufReader::new(stdout);
        let (mut ready, mut report) = (String::new(), String::new());
        let _ = stdout.read_line(&mut ready);
        let _ = say.send(ready);
        let _ = stdout.read_to_string(&mut report);
        let trouble = of_line::<There>(&report).err();
        let _ = say.send(report);
        if let Some(trouble) = trouble {
            // The main thread knows more, if it has noticed.
            thread::sleep(GRACE);
            left.remove();
            tell(&Err(trouble));
            std::process::exit(Exit::Peer.code().into());
        }
    };
    let thread = thread::Builder::new().name("listen".into()).stack_size(64 << 10).spawn(listen);
    thread.map_err(|e| Trouble::Refused(format!("start a thread: {e}")))?;
    Ok(heard)
}

/// What the peer says of it, if it says anything; else what was seen from here.
fn cause(heard: &mpsc::Receiver<String>, seen: Trouble) -> Trouble {
    if matches!(seen, Trouble::TooLarge { .. }) {
        return seen;
    }
    match heard.recv_timeout(GRACE / 2).map(|report| of_line::<There>(&report)) {
        Ok(Err(told)) => told,
        _ => seen,
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

fn round_trips(job: &Job, control: &Control, mut link: Link) -> Result<Sample, Trouble> {
    let (mut question, mut answer) = (vec![0; job.bytes], Vec::new());
    let mut round = |number: u64| {
        message::stamp(&mut question, number);
        exchange(&mut link, &question, &mut answer)?;
        message::check(&answer, !number, job.bytes)
    };
    let mut number = 0;
    let began = Instant::now();
    while number < WARM || began.elapsed() < warm(job) {
        round(number)?;
        number += 1;
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

fn stream(job: &Job, control: &Control, tx: &mut Tx) -> Result<Sample, Trouble> {
    let mut payload = vec![0; job.bytes];
    let mut send = |number: u64| {
        message::stamp(&mut payload, number);
        tx.send(&payload)
    };
    let batch = (LOOK_BYTES / job.bytes.max(1)).clamp(1, LOOK_MESSAGES) as u64;
    let mut number = 0;
    let began = Instant::now();
    while number < WARM || began.elapsed() < warm(job) {
        send(number)?;
        number += 1;
    }
    control.begin_at(number);
    send(number)?;
    let first = number + 1;
    number = first;
    let duration = Duration::from_micros(job.duration_us);
    let before = Used::so_far();
    let start = Instant::now();
    while start.elapsed() < duration {
        for number in number..number + batch {
            send(number)?;
        }
        number += batch;
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
