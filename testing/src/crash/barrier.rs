//! What must hold of a barrier when one of its participants is killed, or stopped, while it comes, waits, goes again or puts it right.
//!
//! 1. Whoever waits, or comes, passes or is told who is gone, within 100 ms: all the same.
//! 2. One that had come when it was killed counts; one that had not is told of. One leads, if the dead one did not.
//! 3. Who is stopped is alive, and is waited for.
//! 4. With a successor, and put right, it is as new.
//! 5. When the last participant is gone so is the name.

use super::scratch::Scratch;
use super::sleeper::{Sleeper, in_time};
use super::stage::Where::{self, File, Memory, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::step::{Marks, Tracee};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::channel::Cause;
use strait::channel::Strategy;
use strait::sync::Options;
use strait::sync::barrier::{Barrier, TryWaitError, WaitError, WaitTimeoutError};

/// The barrier's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "barrier";
const SHORT: Duration = Duration::from_millis(2);

type Slept = Result<bool, WaitError>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let one = |name, part, at| Row::new(name, "participant", at, false, move || Box::new(OneDies::new(part, at)));
    vec![
        one("barrier-last",      "last",      Named),
        one("barrier-try-last",  "try-last",  Memory),
        one("barrier-first",     "first",     Named),
        one("barrier-try-first", "try-first", Memory),
        one("barrier-in-vain",   "in-vain",   File),
        one("barrier-reset",     "reset",     Named),
        one("barrier-leave",     "leave",     Named),
    ]
}

/// How many participants there are: the victim, and those who survive.
const ALL: u32 = 3;

fn options() -> Options {
    Options::new().wait(Strategy::Sleep)
}

fn come(at: At, how: How) -> strait::Result<Barrier> {
    match (at, how) {
        (At::Fd(fd), _) => Barrier::from_fd(fd, &options()),
        (At::Place(place), How::Create) => Barrier::create(place, ALL, &options()),
        (At::Place(place), How::Open) => Barrier::open(place, &options()),
        (At::Place(place), How::OpenOrCreate) => Barrier::open_or_create(place, ALL, &options()),
    }
}

/// Plays the victim: `PART PLACE`. Whether it led is logged.
fn play(words: &[&str]) {
    let [part, place] = *words else { panic!("not two words: {words:?}") };
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let mut barrier = come(At::from_word(place), How::Open).expect("a seat");
    if part == "leaves" {
        return drop(barrier);
    }
    marks.begin();
    let is_done = match part {
        "leave" => {
            drop(barrier);
            true
        }
        "try-last" => barrier.try_wait().inspect(|&led| scratch.log(u64::from(led))).is_ok(),
        // One that was stopped meanwhile may find the others there.
        "try-first" => !matches!(barrier.try_wait(), Err(TryWaitError::Failed(_))),
        "in-vain" => !matches!(barrier.wait_timeout(SHORT), Err(WaitTimeoutError::Failed(_))),
        "reset" => barrier.reset().is_ok(),
        _ => barrier.wait().inspect(|&led| scratch.log(u64::from(led))).is_ok(),
    };
    if !is_done {
        scratch.set_error(1);
    }
    scratch.add_done(1);
    marks.end();
}

/// A participant that is killed; two survive.
struct OneDies {
    part: &'static str,
    spot: Spot,
    survivors: Vec<Barrier>,
    asleep: Vec<Sleeper<Barrier, Slept>>,
    fd: Option<OwnedFd>,
}

impl OneDies {
    fn new(part: &'static str, at: Where) -> Self {
        Self { part, spot: Spot::new(at), survivors: Vec::new(), asleep: Vec::new(), fd: None }
    }

    fn at(&self) -> Result<At, String> {
        match (&self.spot, &self.fd) {
            (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
            _ => Ok(At::Place(self.spot.place())),
        }
    }

    /// All survivors come, and sleep.
    fn sleep(&mut self) -> Result<(), String> {
        for one in self.survivors.drain(..) {
            self.asleep.push(Sleeper::new(Box::new(one), |barrier: &mut Barrier| barrier.wait())?);
        }
        Ok(())
    }

    /// All survivors come, and may pass.
    fn go(&mut self) -> Result<(), String> {
        for one in self.survivors.drain(..) {
            self.asleep.push(Sleeper::called(Box::new(one), |barrier: &mut Barrier| barrier.wait())?);
        }
        Ok(())
    }

    /// What the survivors were told, who are awake again.
    fn join(&mut self, since: Instant, waited: &mut Duration) -> Result<Vec<Slept>, String> {
        let mut said = Vec::new();
        for sleeper in std::mem::take(&mut self.asleep) {
            let (one, slept, took) = sleeper.join(since)?;
            *waited = (*waited).max(in_time("one that slept", took)?);
            said.push(slept);
            self.survivors.push(*one);
        }
        Ok(said)
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        self.go()?;
        let said = self.join(since, &mut waited)?;
        let passed = said.iter().filter(|it| it.is_ok()).count();
        if passed != 0 && passed != said.len() {
            return Err(format!("not all were told the same: {said:?}"));
        }
        let led = said.iter().filter(|it| **it == Ok(true)).count() + usize::from(stage.scratch.logged() == [1]);
        let is_counted = stage.scratch.done() > 0 && matches!(self.part, "last" | "try-last" | "first");
        if passed == 0 && is_counted {
            return Err(format!("it had come, and was not counted: {said:?}"));
        }
        if led > 1 || passed > 0 && !is_dead && led != 1 {
            return Err(format!("{led} have led"));
        }
        let cause = if self.part == "leave" && stage.scratch.done() > 0 { Cause::Left } else { Cause::Died };
        for broken in said.iter().filter_map(|it| it.err()) {
            match broken {
                WaitError::Broken { cause: told, .. } if told == cause || self.part == "leave" || !is_dead => {}
                // It was broken before, and the victim puts it right.
                WaitError::Broken { .. } | WaitError::Reset if self.part == "reset" => {}
                other => return Err(format!("one that waited was told: {other}")),
            }
        }
        // A successor takes the seat, and puts it right.
        let mut heir = come(self.at()?, How::Open).map_err(|e| format!("a successor: {e}"))?;
        let call = Instant::now();
        if heir.broken().is_some() != heir.reset().map_err(|e| e.to_string())? {
            return Err("what is broken is not put right, or what is not is".into());
        }
        for _ in 0..2 {
            self.sleep()?;
            let others = heir.missing().len();
            if others != 1 {
                return Err(format!("{others} are missing, and not the successor alone"));
            }
            let led = heir.wait_timeout(LONG).map_err(|why| format!("a successor: {why}"))?;
            let said = self.join(Instant::now(), &mut waited)?;
            if said.iter().filter(|it| **it == Ok(true)).count() + usize::from(led) != 1 {
                return Err(format!("behind it: {said:?}, and the successor led: {led}"));
            }
        }
        in_time("all, behind it", call.elapsed())?;
        drop(heir);
        self.survivors.clear();
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: None, waited })
    }
}

impl Case for OneDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let mut one = come(At::Place(self.spot.place()), How::Create).map_err(|e| format!("create: {e}"))?;
        let fd = || one.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        let other = one.try_clone().map_err(|e| e.to_string())?;
        if self.part == "reset" {
            // Somebody has left, and that has been noticed.
            drop(one.try_clone().map_err(|e| e.to_string())?);
            if !matches!(one.wait(), Err(WaitError::Broken { .. })) {
                return Err("one has left, and nobody is told".into());
            }
        }
        self.survivors = vec![one, other];
        let arguments = [NAME, self.part, &self.spot.word()].map(String::from);
        let tracee = stage.start(&arguments, self.fd.as_ref())?;
        if matches!(self.part, "last" | "try-last" | "leave") {
            self.sleep()?;
        }
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        // It waits for the time to pass, or for the others.
        self.part == "in-vain" || self.part == "first" && !self.survivors.is_empty() && self.go().is_ok()
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let Some(one) = self.survivors.first_mut() else { return Ok(()) };
        match one.wait_timeout(Duration::from_millis(3)) {
            Err(WaitTimeoutError::Failed(WaitError::Broken { .. })) if self.part == "reset" => Ok(()),
            Err(WaitTimeoutError::TimedOut) => Ok(()),
            other => Err(format!("one is stopped and another one has not come, and this one was told: {other:?}")),
        }
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        // One that was stopped before it slept waits for the others.
        if self.part == "first" { self.go() } else { Ok(()) }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) => Err(format!("after it went on, its operation failed with error {error}")),
            None => self.after(stage, false),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        Some(self.asleep.first_mut()?.returned(patience))
    }
}
