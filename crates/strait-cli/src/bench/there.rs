//! The peer: answers questions, or receives what is sent, until all has come, and checks every message.

use crate::bench::control::Control;
use crate::bench::ends::{self, Left, Rx, Server, Tx, failed};
use crate::bench::here::{ANSWERS, FIRST, QUESTIONS, READY};
use crate::bench::job::{Job, Measure, There, Trouble, Used, to_line};
use crate::bench::subject::Subject;
use crate::bench::{message, usage};
use crate::exit::Exit;
use std::io::Write as _;
use std::time::Instant;
use strait::process;
use strait::transport::Mechanism;

/// What this process has.
enum Link {
    Way(Rx),
    Ways(Rx, Tx),
    Desk(Server),
}

/// Plays its part, and reports.
pub(crate) fn answer(job: &Job) -> Exit {
    let outcome = try_answer(job);
    say(&to_line(&outcome));
    Exit::Done
}

/// A line for the process that measures; if that is gone, this one is about to end.
fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn try_answer(job: &Job) -> Result<There, Trouble> {
    let is_signal = job.subject == Subject::Mechanism(Mechanism::Signal);
    let began = Instant::now();
    // Before there are threads, which then have the signal blocked.
    let signals = if is_signal { Some(ends::take_rx(job, QUESTIONS)?) } else { None };
    let mut setup = began.elapsed();
    if !job.subject.tells_end() {
        let left = Left::default();
        left.watch_over(job, FIRST);
        left.watch_over(job, QUESTIONS);
        if job.measure == Measure::RoundTrip {
            left.watch_over(job, ANSWERS);
        }
        if let Some(parent) = process::parent() {
            parent.end_with_it(move || left.remove())?;
        }
    }
    usage::pin(job.there_cpu)?;
    let control = Control::take()?;
    let (began, link) = match signals {
        Some(signals) => (Instant::now(), Link::Way(signals)),
        None => {
            drop(take(job, FIRST)?);
            (Instant::now(), take(job, QUESTIONS)?)
        }
    };
    setup += began.elapsed();
    let mut link = match (link, job.measure) {
        (Link::Way(rx), Measure::RoundTrip) => {
            Link::Ways(rx, ends::take_tx(job, ANSWERS, std::os::unix::process::parent_id())?)
        }
        (link, _) => link,
    };
    say(READY);
    let mut there = match &mut link {
        Link::Way(rx) => receive(job, &control, rx)?,
        link => serve(job, &control, link)?,
    };
    there.setup_ns = u64::try_from(setup.as_nanos()).unwrap_or(u64::MAX);
    Ok(there)
}

fn take(job: &Job, name: &str) -> Result<Link, Trouble> {
    Ok(match (job.subject, job.both_ways()) {
        (Subject::Rpc, _) => Link::Desk(ends::take_server(job, name)?),
        (_, Some(_)) => {
            let (tx, rx) = ends::take_both(job, name)?;
            Link::Ways(rx, tx)
        }
        (_, None) => Link::Way(ends::take_rx(job, name)?),
    })
}

/// Answers each question by turning its number round.
fn serve(job: &Job, control: &Control, link: &mut Link) -> Result<There, Trouble> {
    let (mut question, mut answer) = (Vec::new(), vec![0; job.bytes]);
    let (mut before, mut begun, mut number) = (Used::default(), Instant::now(), 0);
    loop {
        let mut turn = |question: &[u8]| {
            message::check(question, number, job.bytes)?;
            if number == control.begin() {
                (before, begun) = (Used::so_far(), Instant::now());
            }
            message::stamp(&mut answer, !number);
            Ok::<_, Trouble>(())
        };
        match link {
            Link::Way(_) => return Err(failed("nobody is there to be answered")),
            Link::Ways(rx, tx) => {
                rx.recv(&mut question)?;
                turn(&question)?;
                tx.send(&answer)?;
            }
            Link::Desk(server) => {
                let request = server.recv().map_err(failed)?;
                turn(&request)?;
                request.answer(&answer).map_err(failed)?;
            }
        }
        number += 1;
        if number == control.total() {
            break;
        }
    }
    let received = number.saturating_sub(control.begin() + 1);
    Ok(There { setup_ns: 0, elapsed_ns: begun.elapsed().as_nanos() as u64, received, used: Used::since(before) })
}

/// Receives all there is.
fn receive(job: &Job, control: &Control, rx: &mut Rx) -> Result<There, Trouble> {
    let mut message = Vec::new();
    let (mut before, mut begun, mut is_begun) = (Used::default(), Instant::now(), false);
    let (mut number, mut received) = (0, 0);
    let mut last = begun;
    loop {
        rx.recv(&mut message)?;
        if !job.subject.is_reliable() {
            // Some may be missing before it.
            number = message::number_of(&message).max(number);
        }
        if number >= control.total() {
            break;
        }
        message::check(&message, number, job.bytes)?;
        if is_begun {
            received += 1;
        } else if number >= control.begin() {
            is_begun = true;
            (before, begun) = (Used::so_far(), Instant::now());
        }
        number += 1;
        if !job.subject.is_reliable() {
            // What follows the last one may come late.
            last = Instant::now();
        }
        if number == control.total() {
            break;
        }
    }
    if job.subject.is_reliable() {
        last = Instant::now();
    }
    let used = Used::since(before);
    control.done();
    let elapsed_ns = last.saturating_duration_since(begun).as_nanos() as u64;
    Ok(There { setup_ns: 0, elapsed_ns, received, used })
}
