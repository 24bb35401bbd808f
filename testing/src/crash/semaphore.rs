//! What must hold of a semaphore when one of its users is killed, or stopped, while it takes permits, gives them back or adds some.
//!
//! 1. What the dead one held is there again, within 100 ms: never more permits than there were, never fewer.
//! 2. What it had taken for good is gone, what it had posted is there; of the call that it was in, all or nothing.
//! 3. Whoever waits goes on within 100 ms once there is a permit.
//! 4. Who is stopped is alive: what it holds it holds.
//! 5. When the last user is gone so is the name.

use super::scratch::Scratch;
use super::sleeper::{Sleeper, in_time};
use super::stage::Where::{self, Memory, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::step::{Marks, Tracee};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::channel::Strategy;
use strait::sync::semaphore::{AcquireTimeoutError, TryAcquireError};
use strait::sync::{Options, Semaphore};

/// The semaphore's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "semaphore";
/// Calls of an operation.
const COUNT: u32 = 2;
/// Permits that there may be.
const MOST: u32 = 4;
const OVERDUE: Duration = Duration::from_millis(2);

type Slept = Result<(), AcquireTimeoutError>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let user = |name, part, at| Row::new(name, "user", at, false, move || Box::new(UserDies::new(part, at)));
    vec![
        user("semaphore-acquire",     "acquire",   Named),
        user("semaphore-wait",        "wait",      Memory),
        user("semaphore-post",        "post",      Named),
        user("semaphore-sleep",       "sleep",     Named),
        user("semaphore-in-vain",     "in-vain",   Named),
        user("semaphore-release-asleep", "release", Named),
        user("semaphore-post-asleep", "post-asleep", Named),
        user("semaphore-leave",       "leave",     Named),
    ]
}

/// Permits that there are when an operation begins.
fn permits(part: &str) -> u32 {
    match part {
        "acquire" | "wait" | "leave" => COUNT,
        // The victim has it.
        "release" => 1,
        _ => 0,
    }
}

fn options() -> Options {
    Options::new().users(4).wait(Strategy::Sleep)
}

fn come(at: At, how: How, part: &str) -> strait::Result<Semaphore> {
    match (at, how) {
        (At::Fd(fd), _) => Semaphore::from_fd(fd, &options()),
        (At::Place(place), How::Create) => Semaphore::create(place, permits(part), MOST, &options()),
        (At::Place(place), How::Open) => Semaphore::open(place, &options()),
        (At::Place(place), How::OpenOrCreate) => Semaphore::open_or_create(place, permits(part), MOST, &options()),
    }
}

/// Plays the victim: `PART PLACE`.
fn play(words: &[&str]) {
    let [part, place] = *words else { panic!("not two words: {words:?}") };
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let mut semaphore = come(At::from_word(place), How::Open, part).expect("a seat");
    if matches!(part, "release" | "leave") {
        semaphore.acquire().expect("there is one");
    }
    marks.begin();
    if part == "leave" {
        drop(semaphore);
        scratch.add_done(1);
        return marks.end();
    }
    for _ in 0..calls(part) {
        let is_done = match part {
            // Each is given back by the next call, or by its death.
            "acquire" => semaphore.acquire().is_ok() && semaphore.release().is_ok(),
            "wait" | "sleep" => semaphore.wait().is_ok(),
            "in-vain" => semaphore.wait_timeout(OVERDUE) == Err(AcquireTimeoutError::TimedOut),
            "release" => semaphore.release().is_ok(),
            _ => semaphore.post().is_ok(),
        };
        if !is_done {
            scratch.set_error(1);
        }
        scratch.add_done(1);
    }
    marks.end();
}

fn calls(part: &str) -> u32 {
    if matches!(part, "acquire" | "wait" | "post") { COUNT } else { 1 }
}

/// A user that is killed; others survive.
struct UserDies {
    part: &'static str,
    spot: Spot,
    survivor: Option<Semaphore>,
    asleep: Option<Sleeper<Semaphore, Slept>>,
    /// Posted to wake the victim.
    posted: u32,
    fd: Option<OwnedFd>,
}

impl UserDies {
    fn new(part: &'static str, at: Where) -> Self {
        Self { part, spot: Spot::new(at), survivor: None, asleep: None, posted: 0, fd: None }
    }

    fn at(&self) -> Result<At, String> {
        match (&self.spot, &self.fd) {
            (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
            _ => Ok(At::Place(self.spot.place())),
        }
    }

    /// The least and the most permits that there may be when the victim is gone.
    fn bounds(&self, stage: &Stage) -> (u32, u32) {
        let there = permits(self.part) + self.posted;
        // At most two calls.
        let done = stage.scratch.done() as u32;
        let calls = calls(self.part);
        match self.part {
            "wait" | "sleep" => (there.saturating_sub(calls), there - done.min(there)),
            "post" | "post-asleep" => (there + done, there + calls),
            _ => (there, there),
        }
    }

    /// Takes all permits that there are, waiting for those of the dead; gives them back; says how many there were.
    fn count(&self, semaphore: &mut Semaphore, least: u32) -> Result<(u32, Duration), String> {
        let (mut count, mut waited) = (0, Duration::ZERO);
        while count < least {
            let call = Instant::now();
            semaphore.acquire_timeout(crate::LONG).map_err(|e| format!("of {least} permits number {count}: {e}"))?;
            waited = waited.max(in_time("one that wants a permit", call.elapsed())?);
            count += 1;
        }
        // Those of the dead that nobody has found yet come within a slice.
        while semaphore.acquire_timeout(Duration::from_millis(1)).is_ok() {
            count += 1;
        }
        (0..count).try_for_each(|_| semaphore.release()).map_err(|e| e.to_string())?;
        Ok((count, waited))
    }

    fn after(&mut self, stage: &Stage) -> Result<Found, String> {
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        let mut taken = 0;
        if let Some(sleeper) = self.asleep.take() {
            let (handle, said, slept) = if self.part == "post-asleep" && stage.scratch.done() == 0 {
                // Perhaps nothing was posted: somebody else does.
                let mut other = come(self.at()?, How::Open, self.part).map_err(|e| format!("another: {e}"))?;
                other.post().map_err(|e| e.to_string())?;
                self.posted += 1;
                sleeper.join(Instant::now())?
            } else {
                sleeper.join(since)?
            };
            said.map_err(|e| format!("one that slept: {e}"))?;
            waited = in_time("one that slept", slept)?;
            taken = 1;
            self.survivor = Some(*handle);
        }
        let (least, most) = self.bounds(stage);
        let mut one = self.survivor.take().ok_or("nobody")?;
        let mut late = come(self.at()?, How::Open, self.part).map_err(|e| format!("who comes later: {e}"))?;
        let (count, longest) = self.count(&mut late, least - taken.min(least))?;
        if !(least..=most).contains(&(count + taken)) {
            return Err(format!("{} permits are there, and not {least} to {most}", count + taken));
        }
        if self.count(&mut one, count)?.0 != count {
            return Err("two users find different numbers of permits".into());
        }
        if late.try_wait() == Err(TryAcquireError::Empty) {
            one.post().map_err(|e| e.to_string())?;
            late.wait_timeout(crate::LONG).map_err(|e| e.to_string())?;
        }
        drop(late);
        drop(one);
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: None, waited: waited.max(longest) })
    }
}

impl Case for UserDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let one = come(At::Place(self.spot.place()), How::Create, self.part).map_err(|e| format!("create: {e}"))?;
        let fd = || one.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        let arguments = [NAME, self.part, &self.spot.word()].map(String::from);
        let tracee = stage.start(&arguments, self.fd.as_ref())?;
        if matches!(self.part, "release" | "post-asleep") {
            let call = |semaphore: &mut Semaphore| semaphore.wait_timeout(crate::LONG);
            let mut sleeper = Sleeper::new(Box::new(one), call)?;
            // Until it is overdue: it is handed the permit then.
            sleeper.returned(OVERDUE);
            self.asleep = Some(sleeper);
        } else {
            self.survivor = Some(one);
        }
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        // It waits for the time to pass.
        if self.part == "in-vain" {
            return true;
        }
        match &mut self.survivor {
            Some(one) if self.posted == 0 => {
                self.posted = 1;
                one.post().is_ok()
            }
            _ => false,
        }
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let there = permits(self.part) + self.posted + calls(self.part);
        let Some(one) = &mut self.survivor else { return Ok(()) };
        let mut count = 0;
        while one.try_acquire().is_ok() {
            count += 1;
        }
        (0..count).try_for_each(|_| one.release()).map_err(|e| e.to_string())?;
        if count > there {
            return Err(format!("{count} permits are there, and at most {there} can be"));
        }
        Ok(())
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        // One that was stopped before it slept waits for its permit.
        if self.part == "sleep" {
            self.blocked();
        }
        Ok(())
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) => Err(format!("after it went on, its operation failed with error {error}")),
            None => self.after(stage),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        Some(self.asleep.as_mut()?.returned(patience))
    }
}
