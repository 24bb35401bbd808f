//! A party is killed in the middle of its work and another process takes its place.
//!
//! | party | sender killed | receiver killed |
//! |---|---|---|
//! | 0, the survivor | receives | sends |
//! | 1, killed with `SIGKILL` by the orchestrator | sends | receives |
//! | 2, takes its place when told | sends | receives |
//!
//! Where an end can be taken while the other side keeps its own ([`Traits::reopens`](crate::seam::Traits)), party 2 opens
//! the same channel. Elsewhere the survivor must learn of the death by an error, and both open a second channel.
//!
//! Words in a file of the run: 0 messages sent, 256 messages received by party 1, 512 when party 2 was under way.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread::sleep;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::entrants;
use crate::job::{Job, Shape};
use crate::party::{Report, hear, say};
use crate::payload::{STOP, Tally, first_stamp};
use crate::seam::{End, Entrant};
use crate::setup::words;

/// Messages that the replacement moves.
const AFTER: u64 = 1000;
/// Between two messages: a channel that is not full when the kill comes, as most are not.
const PACE: Duration = Duration::from_micros(100);
/// Times, a millisecond apart, that the replacement tries to open what the survivor may not have made yet.
const TRIES: u32 = 2000;

/// Nanoseconds on the clock that all processes share.
pub(crate) fn now_ns() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

pub(crate) fn party(job: &Job, me: usize) -> io::Result<()> {
    let entrant = entrants::find(&job.entrant)?;
    let mut end = if me == 2 { None } else { Some((entrant.open)(job, me)?) };
    say("opened")?;
    hear("go")?;
    if me == 2 {
        end = Some(replacement(entrant, job)?);
    }
    let mut end = end.expect("opened above");
    end.start()?;
    let report = match (&mut end, me) {
        (End::Receiver(_), 0) => surviving_receiver(&mut end, entrant, job)?,
        (End::Sender(_), 0) => surviving_sender(&mut end, entrant, job)?,
        (End::Sender(end), _) => {
            let [sent, ..] = words(&job.dir)?;
            let first = first_stamp(me - 1);
            let count = if me == 1 { u64::MAX >> 20 } else { AFTER };
            for number in 0..count {
                end.send_all(first + number..first + number + 1)?;
                if me == 1 {
                    sent.store(number + 1, Release);
                    sleep(PACE);
                }
            }
            end.send_all(STOP..STOP + 1)?;
            Report::default()
        }
        (End::Receiver(end), _) => {
            let [_, received, ..] = words(&job.dir)?;
            let mut tally = Tally::new(1, false, job.wait);
            let mut first_at = 0.0;
            while !tally.is_over() {
                tally.want(1);
                end.recv_all(&mut tally)?;
                if tally.count == 1 && first_at == 0.0 {
                    first_at = now_ns();
                }
                if me == 1 {
                    received.store(tally.count, Release);
                }
            }
            Report { received: tally.count, more: vec![0.0, first_at], ..Report::default() }
        }
        (End::Duplex(_) | End::Latest(_), _) => return Err(io::Error::other("kills are one way")),
    };
    say(&report.to_line())?;
    hear("end")
}

/// The channel as the replacement finds it: the first one, or the second as soon as the survivor has made it.
fn replacement(entrant: &Entrant, job: &Job) -> io::Result<End> {
    let job = if entrant.traits.reopens { job.clone() } else { second(job) };
    let mut tries = TRIES;
    loop {
        match (entrant.open)(&job, 2) {
            Err(error) if tries == 0 => return Err(error),
            // A survivor that has yet to notice; or one whose side is not ready for another.
            Err(_) => tries -= 1,
            Ok(end) => return Ok(end),
        }
        sleep(Duration::from_millis(1));
    }
}

fn second(job: &Job) -> Job {
    Job { name: format!("{}-second", job.name), ..job.clone() }
}

fn surviving_receiver(end: &mut End, entrant: &Entrant, job: &Job) -> io::Result<Report> {
    let mut tally = Tally::new(1, false, job.wait);
    let (mut from_first, mut error_at, mut first_at) = (0, 0.0, 0.0);
    while !tally.is_over() {
        let End::Receiver(receiver) = end else { unreachable!("a receiver stays one") };
        tally.want(1);
        let before = tally.sum;
        let result = receiver.recv_all(&mut tally);
        match result {
            Ok(()) if tally.last_sender() == 0 && !tally.is_over() => from_first = tally.count,
            Ok(()) if first_at == 0.0 && tally.sum != before => first_at = now_ns(),
            Ok(()) => {}
            Err(error) if entrant.traits.reopens || error_at > 0.0 => return Err(error),
            Err(_) => {
                error_at = now_ns();
                *end = (entrant.open)(&second(job), 0)?;
                end.start()?;
            }
        }
    }
    let [sent, ..] = words(&job.dir)?;
    let lost = sent.load(Acquire) as f64 - from_first as f64 + AFTER as f64 - (tally.count - from_first) as f64;
    Ok(Report { more: vec![error_at, first_at, lost], ..Report::default() })
}

fn surviving_sender(end: &mut End, entrant: &Entrant, job: &Job) -> io::Result<Report> {
    debug_assert!(job.shape == Shape::KillReceiver);
    let [sent, _, ready, _] = words(&job.dir)?;
    let (mut number, mut error_at, mut after) = (0, 0.0, 0);
    // The orchestrator says when the replacement has been told.
    while after < AFTER {
        let End::Sender(sender) = end else { unreachable!("a sender stays one") };
        match sender.send_all(number..number + 1) {
            Ok(()) => number += 1,
            Err(error) if entrant.traits.reopens || error_at > 0.0 => return Err(error),
            Err(_) => {
                error_at = now_ns();
                *end = (entrant.open)(&second(job), 0)?;
                end.start()?;
                continue;
            }
        }
        sent.store(number, Release);
        if ready.load(Acquire) > 0 && (entrant.traits.reopens || error_at > 0.0) {
            after += 1;
        }
        sleep(PACE);
    }
    let End::Sender(sender) = end else { unreachable!("a sender stays one") };
    sender.send_all(STOP..STOP + 1)?;
    Ok(Report { sent: number, more: vec![error_at, 0.0], ..Report::default() })
}
