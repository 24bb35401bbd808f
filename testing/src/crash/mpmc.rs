//! What must hold of a work queue when one of its users is killed, or stopped, at work.
//!
//! 1. Every job whose push had returned comes, whole, once, the victim's in their order. What was being pushed comes or does not.
//! 2. No job comes again whose acknowledgement had returned. What was being acknowledged comes once more or does not. All others that the
//!    victim had, or gave back, come once more.
//! 3. A job that was being sent to the dead letters is there, or in the queue, or both; never lost.
//! 4. Survivors get what the victim had within 100 ms, and are not held up meanwhile.
//! 5. The dead one's seat is taken again, and every slot is used again; the last to leave takes the name away.
//! 6. One who is stopped is alive: its seat is taken, and its jobs are its own.

use super::sleeper::in_time;
use super::stage::{At, Spot, Stage, Where};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::names::Name;
use crate::step::{Marks, Tracee};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::Strategy;
use strait::channel::mpmc::{Options, Producer, TryPopError, Worker};

/// The queue's part of the matrix.
pub const CHANNEL: Channel = Channel { name: "mpmc", rows, pairs: Vec::new, play };

/// A job: its number, all over, so that half of one is noticed. It takes two cache lines.
type Line = [u64; 8];
const CAPACITY: u32 = 4;
/// The victim's own jobs have numbers from here on.
const OWN: u64 = 100;

/// An operation.
#[derive(Clone, Copy, Debug)]
struct Plan {
    part: &'static str,
    at: Where,
    /// Jobs that were pushed before, of which the survivor has done so many.
    before: (u64, u64),
    /// Whether the first of those that are left is in slow hands.
    is_held: bool,
    /// Calls of the operation.
    count: u64,
}

fn rows() -> Vec<Row> {
    use Where::{File, Memory, Named};
    let row = |name, victim, part, at, before, is_held, count| {
        let plan = Plan { part, at, before, is_held, count };
        Row::new(name, victim, at, true, move || Box::new(UserDies::new(plan)))
    };
    vec![
        row("mpmc-push", "producer", "push", Named, (1, 0), false, 2),
        row("mpmc-push-round", "producer", "push", Memory, (3, 2), false, 3),
        row("mpmc-push-past-held", "producer", "push", Memory, (4, 3), true, 2),
        row("mpmc-push-batch", "producer", "push-batch", Named, (1, 0), false, 3),
        row("mpmc-reserve", "producer", "push-in-place", Named, (1, 0), false, 2),
        row("mpmc-reserve-past-held", "producer", "push-in-place", Memory, (4, 3), true, 2),
        row("mpmc-push-asleep", "producer", "push", Memory, (4, 0), false, 1),
        row("mpmc-push-file", "producer", "push", File, (1, 0), false, 1),
        row("mpmc-pop", "worker", "pop", Named, (3, 0), false, 2),
        row("mpmc-pop-past-held", "worker", "pop", Memory, (3, 0), true, 2),
        row("mpmc-pop-asleep", "worker", "pop", Memory, (1, 1), false, 1),
        row("mpmc-pop-batch", "worker", "pop-batch", Named, (4, 0), false, 3),
        row("mpmc-nack", "worker", "nack", Named, (3, 0), false, 1),
        row("mpmc-nack-later", "worker", "nack-later", Memory, (3, 0), false, 1),
        row("mpmc-bury", "worker", "bury", Named, (2, 0), false, 1),
        row("mpmc-leave-worker", "worker", "leave-worker", Named, (3, 0), false, 1),
        row("mpmc-leave-producer", "producer", "leave-producer", Named, (3, 0), false, 1),
        row("mpmc-open-worker", "worker", "open-worker", Named, (3, 0), false, 1),
    ]
}

fn options() -> Options {
    // Three survivors and the victim.
    Options::new().capacity(CAPACITY).seats(4).restartable(true).wait(Strategy::Sleep)
}

/// One who dies.
struct UserDies {
    plan: Plan,
    spot: Option<Spot>,
    letters: Option<Name>,
    producer: Option<Producer<Line>>,
    worker: Option<Worker<Line>>,
    /// It holds the first job, or nothing.
    slow: Option<Worker<Line>>,
    pushed: u64,
    came: Vec<u64>,
    /// Whether the victim has what it would sleep for.
    is_helped: bool,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl UserDies {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            spot: None,
            letters: None,
            producer: None,
            worker: None,
            slow: None,
            pushed: 0,
            came: Vec::new(),
            is_helped: false,
        }
    }

    /// Does what the victim would sleep for, once.
    fn help(&mut self) -> Result<bool, String> {
        let sleeps = matches!((self.plan.part, self.plan.before), ("push", (4, 0)) | ("pop", (1, 1)));
        if !sleeps || self.is_helped {
            return Ok(false);
        }
        self.is_helped = true;
        if self.plan.part == "push" {
            self.take(LONG)?.ok_or("no job")?;
        } else {
            self.push()?;
        }
        Ok(true)
    }

    fn push(&mut self) -> Result<(), String> {
        let producer = self.producer.as_mut().ok_or("no producer")?;
        producer.push_timeout(&[self.pushed; 8], LONG).map_err(|e| format!("a survivor pushes: {e}"))?;
        self.pushed += 1;
        Ok(())
    }

    /// The next job, done; `None` where there is none in time.
    fn take(&mut self, patience: Duration) -> Result<Option<()>, String> {
        let worker = self.worker.as_mut().ok_or("no worker")?;
        let job = match worker.pop_timeout(patience) {
            Ok(job) => job,
            Err(strait::channel::mpmc::PopTimeoutError::TimedOut) => return Ok(None),
            Err(error) => return Err(format!("a survivor pops: {error}")),
        };
        let number = job[0];
        if job.iter().any(|&it| it != number) {
            return Err(format!("a job that is half of one: {:?}", *job));
        }
        job.ack();
        self.came.push(number);
        Ok(Some(()))
    }

    fn fd(&self) -> Option<OwnedFd> {
        let fd = self.producer.as_ref()?.fd()?;
        fd.try_clone_to_owned().ok()
    }

    fn is_seat_free(&self) -> Result<bool, String> {
        let fd = self.fd().ok_or("no descriptor")?;
        match Worker::<Line>::from_fd(fd, &options()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Busy => Ok(false),
            Err(error) => Err(text(error)),
        }
    }

    /// Everything that is left comes: how long that took.
    fn drain(&mut self) -> Result<Duration, String> {
        let begun = Instant::now();
        let mut waited = Duration::ZERO;
        // What is in slow hands is let go first: it is no business of the victim's.
        self.slow = None;
        while !self.producer.as_ref().ok_or("no producer")?.is_empty() {
            if self.take(Duration::from_millis(5))?.is_some() {
                waited = begun.elapsed();
            } else if begun.elapsed() > LONG {
                let left = self.producer.as_ref().map_or(0, Producer::len);
                return Err(format!("{left} jobs never come"));
            }
        }
        Ok(waited)
    }

    /// What must hold when the victim is gone; `is_over`: of itself, so that nothing was under way.
    fn check(&mut self, stage: &Stage, is_over: bool) -> Result<Found, String> {
        let waited = in_time("a survivor", self.drain()?)?;
        let (done, logged) = (stage.scratch.done(), stage.scratch.logged());
        let (part, count) = (self.plan.part, self.plan.count);
        let (mut must, mut may): (BTreeSet<u64>, BTreeSet<u64>) = ((0..self.pushed).collect(), BTreeSet::new());
        let mut progress = None;
        match part {
            "push" | "push-batch" | "push-in-place" => {
                must.extend(OWN..OWN + done);
                if !is_over {
                    let under_way = if part == "push-batch" { count } else { 1 };
                    may.extend(OWN..OWN + (done + under_way).min(count));
                }
                progress = Some(self.came.iter().filter(|&&it| it >= OWN).count() as u64);
            }
            "pop" | "pop-batch" => {
                for (index, number) in logged.iter().enumerate() {
                    must.remove(number);
                    if index as u64 >= done {
                        may.insert(*number);
                    }
                }
            }
            "bury" => {
                let buried = self.buried()?;
                if buried.len() > 2 || buried.iter().any(|&it| it != 0) {
                    return Err(format!("dead letters {buried:?}"));
                }
                if !buried.is_empty() {
                    must.remove(&0);
                    may.insert(0);
                }
                progress = Some(u64::from(!buried.is_empty()));
            }
            _ => {}
        }
        let came: BTreeSet<u64> = self.came.iter().copied().collect();
        let shown = || format!("came {:?}, must {must:?}, may {may:?}, done {done}, logged {logged:?}", self.came);
        if came.len() != self.came.len() {
            return Err(format!("a job came twice: {}", shown()));
        }
        if !must.is_subset(&came) || came.difference(&must).any(|it| !may.contains(it)) {
            return Err(format!("a job is lost, or came again: {}", shown()));
        }
        let own: Vec<_> = self.came.iter().filter(|&&it| it >= OWN).collect();
        if own.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(format!("out of order: {}", shown()));
        }
        self.is_sound()?;
        Ok(Found { progress, waited })
    }

    fn buried(&mut self) -> Result<Vec<u64>, String> {
        let Some(letters) = &self.letters else { return Ok(Vec::new()) };
        let mut worker = match Worker::<Line>::open(letters.as_str(), &options()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            outcome => outcome.map_err(text)?,
        };
        let mut numbers = Vec::new();
        while !worker.is_empty() {
            match worker.try_pop() {
                Ok(job) => {
                    numbers.push(job[0]);
                    job.ack();
                }
                Err(TryPopError::Empty) => return Err("a dead letter that never comes".into()),
                Err(error) => return Err(text(error)),
            }
        }
        Ok(numbers)
    }

    /// The seat and every slot are used again, and nothing is left.
    fn is_sound(&mut self) -> Result<(), String> {
        // The slow one's, and the dead one's.
        let fd = self.fd().ok_or("no descriptor")?;
        let slow = Worker::<Line>::from_fd(fd, &options()).map_err(text)?;
        if !self.is_seat_free()? {
            return Err("the dead one's seat is not taken again".into());
        }
        drop(slow);
        let producer = self.producer.as_mut().ok_or("no producer")?;
        for slot in 0..u64::from(CAPACITY) {
            producer.try_push(&[slot; 8]).map_err(|e| format!("slot {slot} of {CAPACITY} is not used again: {e}"))?;
        }
        self.came.clear();
        self.drain()?;
        if self.came != (0..u64::from(CAPACITY)).collect::<Vec<_>>() {
            return Err(format!("then came {:?}", self.came));
        }
        (self.worker, self.slow) = (None, None);
        // Last, for it alone has come by the name, and knows it.
        self.producer = None;
        if let Some(letters) = self.letters.take() {
            let left = letters.left_over();
            if !left.is_empty() {
                return Err(format!("dead letters are left: {left:?}"));
            }
        }
        self.spot.take().ok_or("no place")?.must_be_empty()
    }
}

impl Case for UserDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let spot = Spot::new(self.plan.at);
        let producer = Producer::<Line>::create(spot.place(), &options()).map_err(text)?;
        self.producer = Some(producer);
        self.slow = Some(Worker::from_fd(self.fd().ok_or("no descriptor")?, &options()).map_err(text)?);
        self.worker = Some(Worker::from_fd(self.fd().ok_or("no descriptor")?, &options()).map_err(text)?);
        self.spot = Some(spot);
        let Plan { part, before: (pushed, done), is_held, count, .. } = self.plan;
        for _ in 0..pushed {
            self.push()?;
        }
        if is_held {
            let slow = self.slow.as_mut().ok_or("no slow worker")?;
            // In its hands until it is asked for the next one, or leaves.
            std::mem::forget(slow.try_pop().map_err(text)?);
        }
        for _ in 0..done {
            self.take(LONG)?.ok_or("no job")?;
        }
        let mut arguments = vec!["mpmc".to_owned(), part.to_owned(), String::new(), count.to_string()];
        if part == "bury" {
            let worker = self.worker.as_mut().ok_or("no worker")?;
            worker.try_pop().map_err(text)?.nack();
            let letters = Name::new("letters");
            arguments.push(letters.as_str().to_owned());
            self.letters = Some(letters);
        }
        let fd = self.fd();
        arguments[2] = "fd".to_owned();
        stage.start(&arguments, fd.as_ref())
    }

    fn blocked(&mut self) -> bool {
        self.help().is_ok_and(|is_helped| is_helped)
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.check(stage, false)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        if self.plan.part.starts_with("open") || self.plan.part.starts_with("leave") {
            return Ok(());
        }
        if self.is_seat_free()? {
            return Err("the seat of one who is stopped was taken".into());
        }
        self.help().map(|_| ())
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        self.check(stage, true)
    }
}

/// The victim: `PART fd COUNT [LETTERS]`.
fn play(words: &[&str]) {
    let [part, at, count, ref letters @ ..] = words[..] else { panic!("not enough words: {words:?}") };
    let At::Fd(fd) = At::from_word(at) else { panic!("a descriptor") };
    let count: u64 = count.parse().expect("a count");
    let scratch = super::scratch::Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let mut options = options();
    if let Some(letters) = letters.first() {
        options = options.max_deliveries(1).dead_letters(*letters);
    }
    if part == "open-worker" {
        marks.begin();
        let worker = Worker::<Line>::from_fd(fd, &options);
        scratch.add_done(u64::from(worker.is_ok()));
        marks.end();
        return;
    }
    if part.starts_with("push") || part == "leave-producer" {
        let mut producer = Producer::<Line>::from_fd(fd, &options).expect("a seat");
        let lines: Vec<Line> = (OWN..OWN + count).map(|number| [number; 8]).collect();
        marks.begin();
        match part {
            "push" => {
                for line in &lines {
                    producer.push(line).expect("room");
                    scratch.add_done(1);
                }
            }
            "push-in-place" => {
                // One that is given up first.
                drop(producer.reserve(0).expect("room"));
                for line in &lines {
                    let mut room = producer.reserve(0).expect("room");
                    *room = *line;
                    room.publish();
                    scratch.add_done(1);
                }
            }
            "push-batch" => {
                producer.push_batch(0, &lines).expect("room");
                scratch.add_done(count);
            }
            _ => drop(producer),
        }
        marks.end();
        return;
    }
    let mut worker = Worker::<Line>::from_fd(fd, &options).expect("a seat");
    if part == "leave-worker" {
        std::mem::forget(worker.pop().expect("a job"));
        marks.begin();
        drop(worker);
        marks.end();
        return;
    }
    marks.begin();
    match part {
        "pop" => {
            for _ in 0..count {
                let job = worker.pop().expect("a job");
                scratch.log(job[0]);
                job.ack();
                scratch.add_done(1);
            }
        }
        "pop-batch" => {
            let jobs = worker.pop_batch(count as usize).expect("jobs");
            jobs.iter().for_each(|job| scratch.log(job[0]));
            jobs.ack();
            scratch.add_done(count);
        }
        "nack" => worker.pop().expect("a job").nack(),
        "nack-later" => worker.pop().expect("a job").nack_after(Duration::from_millis(1)),
        // The first job goes to the dead letters, and the second one comes, and is dropped.
        "bury" => drop(worker.pop().expect("a job")),
        _ => panic!("no such part: {part}"),
    }
    marks.end();
}
