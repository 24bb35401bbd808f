//! What a party does, from its opening to its report.
//!
//! | party says | orchestrator says |
//! |---|---|
//! | `opened` | when all have: `go` |
//! | `started` | when all have: `begin` |
//! | `report ...` | when all have: `end` |
//!
//! A party that is a process says it on its standard output and hears it on its standard input; a host of threads says it
//! once for all.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::entrants;
use crate::job::{Job, Shape};
use crate::payload::{STOP, Tally, first_stamp, sum_of};
use crate::run::HELPER;
use crate::seam::{Duplex, End, Latest, Parties, Receiver, Sender, one_channel};
use crate::stats::{Spread, trimmed_mean};
use crate::{kill, setup};

/// What a party has to say at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// Nanoseconds for a round or a message; 0 where this party measures nothing. Or what the shape is about.
    pub(crate) ns: f64,
    /// 50th, 99th and 99.9th percentile of single rounds.
    pub(crate) percentiles: [u64; 3],
    pub(crate) sent: u64,
    pub(crate) sent_sum: u64,
    pub(crate) received: u64,
    pub(crate) received_sum: u64,
    /// Further figures, as the shape names them.
    pub(crate) more: Vec<f64>,
}

impl Report {
    pub(crate) fn to_line(&self) -> String {
        let [p50, p99, p999] = self.percentiles;
        let Self { ns, sent, sent_sum, received, received_sum, more, .. } = self;
        let mut line = format!("report {ns} {p50} {p99} {p999} {sent} {sent_sum} {received} {received_sum}");
        for value in more {
            let _ = write!(line, " {value}");
        }
        line
    }

    /// Reads what `to_line` wrote.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("report ")?.split(' ');
        let ns = words.next()?.parse().ok()?;
        let mut number = || words.next()?.parse().ok();
        Some(Self {
            ns,
            percentiles: [number()?, number()?, number()?],
            sent: number()?,
            sent_sum: number()?,
            received: number()?,
            received_sum: number()?,
            more: words.map(|word| word.parse().ok()).collect::<Option<_>>()?,
        })
    }
}

/// A process that is one party, or the host of all if the entrant's parties are threads.
pub(crate) fn run(job: &Job, me: usize) -> io::Result<()> {
    // Whoever orchestrates is gone: nobody waits for a report, and a spinning orphan would take a core for ever.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let entrant = entrants::find(&job.entrant)?;
    if entrant.parties == Parties::Threads {
        return host(job);
    }
    pin(job, me)?;
    if let (HELPER, Some(help)) = (me, entrant.helper) {
        return help(job);
    }
    match job.shape {
        Shape::SetUp => return setup::party(job, me),
        Shape::KillSender | Shape::KillReceiver => return kill::party(job, me),
        _ => {}
    }
    let mut end = (entrant.open)(job, me)?;
    say("opened")?;
    hear("go")?;
    end.start()?;
    say("started")?;
    hear("begin")?;
    let report = act(&mut end, job, me)?;
    say(&report.to_line())?;
    hear("end")?;
    Ok(())
}

fn host(job: &Job) -> io::Result<()> {
    let (started, done) = (Barrier::new(job.n + 1), Barrier::new(job.n + 1));
    let turn = std::sync::Mutex::new(());
    let reports: Vec<io::Result<Report>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..=job.n)
            .map(|me| {
                let (started, done, turn) = (&started, &done, &turn);
                scope.spawn(move || {
                    pin(job, me)?;
                    let entrant = entrants::find(&job.entrant)?;
                    let end = {
                        let _turn = turn.lock().expect("no holder panics");
                        (entrant.open)(job, me)
                    };
                    started.wait();
                    end.and_then(|mut end| {
                        end.start()?;
                        let report = act(&mut end, job, me);
                        done.wait();
                        report
                    })
                })
            })
            .collect();
        // A party that panicked never comes to the barrier; the orchestrator's deadline ends the others.
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))))
            .collect()
    });
    for report in reports {
        say(&report?.to_line())?;
    }
    hear("end")
}

pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

pub(crate) fn hear(word: &str) -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() == word {
        Ok(())
    } else {
        Err(io::Error::other(format!("expected '{word}', heard '{}'", line.trim())))
    }
}

/// Party 0 has a core of its own, as far as there are two.
fn pin(job: &Job, me: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(if me == 0 { job.here } else { job.there });
    Ok(sched_setaffinity(None, &set)?)
}

fn act(end: &mut End, job: &Job, me: usize) -> io::Result<Report> {
    match end {
        // With many channels party 1 asks.
        End::Duplex(end) if (me == 0) != (job.shape == Shape::Many) => ask(&mut **end, job),
        End::Duplex(end) => answer(&mut **end),
        End::Latest(end) if me == 0 => read_latest(&mut **end, job),
        End::Latest(end) => write_latest(&mut **end, job),
        End::Sender(end) => send(&mut **end, job, me),
        End::Receiver(end) => receive(&mut **end, job),
    }
}

/// Share of the time that is not measured: it touches all memory and wakes all caches.
const WARM_SHARE: u32 = 5;
/// One in so many blocks is as fast as what [`Job::fastest`] asks for, or faster.
const FASTEST: usize = 20;
const BLOCK: Duration = Duration::from_millis(1);

/// Times for blocks of messages; blocks grow until they are long enough for the clock.
struct Blocks {
    /// Blocks are as long as they are from the first, and the fastest of them count.
    fastest: bool,
    start: Instant,
    warm: Duration,
    size: u64,
    /// Nanoseconds a message, for each block after the warm ones.
    times: Vec<f64>,
    messages: u64,
    elapsed: Duration,
    /// Messages of all blocks, the warm ones too.
    all: u64,
    last: Instant,
}

impl Blocks {
    fn new(job: &Job) -> Self {
        let now = Instant::now();
        let warm = job.duration() / WARM_SHARE;
        // Longer than what all channels hold: no block is a sender's or a receiver's alone.
        let size = if job.fastest { (4 * job.capacity * job.n as u64).max(256) } else { 1 };
        Self {
            fastest: job.fastest,
            start: now,
            warm,
            size,
            times: Vec::new(),
            messages: 0,
            elapsed: Duration::ZERO,
            all: 0,
            last: now,
        }
    }

    /// A block has ended that began when the last one did.
    fn note(&mut self, messages: u64) {
        let now = Instant::now();
        let took = now - self.last;
        self.last = now;
        self.all += messages;
        if now - self.start > self.warm && messages > 0 {
            self.times.push(took.as_nanos() as f64 / messages as f64);
            self.messages += messages;
            self.elapsed += took;
        }
        if !self.fastest && took < BLOCK && self.size < 1 << 20 {
            self.size *= 2;
        }
    }

    fn age(&self) -> Duration {
        self.last - self.start
    }

    /// Between two parties, without the slowest tenth: that is the host's. Where more parties than cores take turns, the
    /// turns belong to the figure.
    fn ns(self, parties: usize) -> f64 {
        if self.messages == 0 {
            // A run too short, or a machine too busy, for anything but a proof of correctness.
            return self.age().as_nanos().max(1) as f64 / self.all.max(1) as f64;
        }
        if self.fastest {
            let mut times = self.times;
            times.sort_by(f64::total_cmp);
            return times[times.len() / FASTEST];
        }
        if parties <= 2 {
            return trimmed_mean(self.times);
        }
        self.elapsed.as_nanos() as f64 / self.messages as f64
    }
}

fn send(end: &mut dyn Sender, job: &Job, me: usize) -> io::Result<Report> {
    let first = first_stamp(me.saturating_sub(1));
    let mut next = first;
    let mut blocks = Blocks::new(job);
    while blocks.age() < job.duration() {
        let size = blocks.size;
        end.send_all(next..next + size)?;
        blocks.note(size);
        next += size;
    }
    let traits = entrants::find(&job.entrant)?.traits;
    // One stop for each that looks at this channel by itself.
    let stops = if job.shape == Shape::Queue { job.n as u64 } else { 1 };
    debug_assert!(one_channel(job, traits) || stops == 1);
    end.send_all(STOP..STOP + stops)?;
    let ns = if me == 0 { blocks.ns(job.n + 1) } else { 0.0 };
    let sent = next - first;
    Ok(Report { ns, sent, sent_sum: sum_of(sent), ..Report::default() })
}

fn receive(end: &mut dyn Receiver, job: &Job) -> io::Result<Report> {
    let senders = if job.shape == Shape::NToOne { job.n } else { 1 };
    let mut tally = Tally::new(senders, job.shape != Shape::Queue, job.wait);
    let mut blocks = Blocks::new(job);
    while !tally.is_over() {
        let (before, size) = (tally.count, blocks.size);
        tally.want(size);
        end.recv_all(&mut tally)?;
        if tally.is_steady(senders) {
            blocks.note(tally.count - before);
        }
    }
    tally.check();
    let ns = blocks.ns(job.n + 1);
    Ok(Report { ns, received: tally.count, received_sum: tally.sum, ..Report::default() })
}

fn ask(end: &mut dyn Duplex, job: &Job) -> io::Result<Report> {
    let mut number = 0;
    let mut round = |number: u64| -> io::Result<()> {
        end.send(number)?;
        let answer = end.recv()?;
        assert!(answer == number, "question {number} got answer {answer}");
        Ok(())
    };
    let think_ns = think_cost_ns();
    let mut blocks = Blocks::new(job);
    while blocks.age() < job.duration() * 2 / 3 {
        let size = blocks.size;
        for _ in 0..size {
            think(number);
            round(number)?;
            number += 1;
        }
        blocks.note(size);
    }
    let ns = blocks.ns(2) - think_ns;
    let mut latency = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).map_err(io::Error::other)?;
    let start = Instant::now();
    while start.elapsed() < job.duration() / 3 || latency.len() < 50 {
        think(number);
        let start = Instant::now();
        round(number)?;
        latency.saturating_record(start.elapsed().as_nanos() as u64);
        number += 1;
    }
    end.send(STOP)?;
    let percentiles = [0.5, 0.99, 0.999].map(|quantile| latency.value_at_quantile(quantile));
    Ok(Report { ns, percentiles, ..Report::default() })
}

fn answer(end: &mut dyn Duplex) -> io::Result<Report> {
    loop {
        let stamp = end.recv()?;
        if stamp == STOP {
            return Ok(Report::default());
        }
        end.send(stamp)?;
    }
}

/// How often the latest value changes; `job.capacity` says how many times in a millisecond, 0 for once a run.
fn write_latest(end: &mut dyn Latest, job: &Job) -> io::Result<Report> {
    let start = Instant::now();
    let mut stamp = 1;
    end.write(stamp)?;
    while start.elapsed() < job.duration() {
        if job.capacity == 0 {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        // By the clock, so that reading does not set the pace of writing.
        let due = start.elapsed().as_micros() as u64 * job.capacity / 1000;
        if stamp < due {
            stamp += 1;
            end.write(stamp)?;
        }
    }
    end.write(STOP)?;
    Ok(Report::default())
}

fn read_latest(end: &mut dyn Latest, job: &Job) -> io::Result<Report> {
    let mut blocks = Blocks::new(job);
    loop {
        let size = blocks.size;
        if end.read_times(size)? == STOP {
            return Ok(Report { ns: blocks.ns(2), ..Report::default() });
        }
        blocks.note(size);
    }
}

/// Passes 0 to about 60 ns, another time for each number, without touching memory: two spinning processes that do nothing
/// else fall into step, and are a third faster or slower by luck.
#[inline]
fn think(number: u64) {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..bits >> 59 {
        bits = black_box(bits.wrapping_mul(0xd6e8_feb8_6659_fd93));
    }
}

fn think_cost_ns() -> f64 {
    let times = (0..21).map(|_| {
        let start = Instant::now();
        (0..10_000).for_each(think);
        start.elapsed().as_nanos() as f64 / 1e4
    });
    Spread::of(times).median
}

#[cfg(test)]
mod tests {
    use super::Report;

    /// A report is read back as it was said.
    #[test]
    fn report_travels() {
        let report = Report {
            ns: 12.5,
            percentiles: [1, 2, 3],
            sent: 4,
            sent_sum: u64::MAX,
            received: 6,
            received_sum: 7,
            more: vec![0.25, 8.0],
        };
        assert_eq!(Report::parse(&report.to_line()), Some(report));
    }
}
