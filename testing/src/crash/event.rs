//! What must hold of an event when one of its users is killed, or stopped, while it sets it, resets it or waits for it.
//!
//! 1. What was set is seen by who waits and by who comes, within 100 ms; of the call that the dead one was in, all or nothing.
//! 2. A signal is one waiter's. One that is killed before it has taken it, asleep, woken or on its way, leaves it to another within 100 ms.
//! 3. Who is stopped keeps nobody from it.
//! 4. When the last user is gone so is the name.

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
use strait::channel::Strategy;
use strait::sync::event::{Event, Reset};
use strait::sync::{Options, WaitTimeoutError};

/// The event's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "event";
const SHORT: Duration = Duration::from_millis(2);

type Slept = Result<(), WaitTimeoutError>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let user = |name, part, at| Row::new(name, "user", at, false, move || Box::new(UserDies::new(part, at)));
    vec![
        user("event-set",              "set",              Named),
        user("event-set-auto",         "set-auto",         Memory),
        user("event-reset",            "reset",            Memory),
        user("event-take",             "take",             Named),
        user("event-wait",             "wait",             Named),
        user("event-wait-auto",        "wait-auto",        File),
        user("event-in-vain",          "in-vain",          Named),
        user("event-set-asleep",       "set-asleep",       Named),
        user("event-set-auto-asleep",  "set-auto-asleep",  Named),
        user("event-leave",            "leave",            Named),
    ]
}

fn kind(part: &str) -> Reset {
    match part {
        "set-auto" | "take" | "wait-auto" | "in-vain" | "set-auto-asleep" => Reset::Auto,
        _ => Reset::Manual,
    }
}

/// Whether it is set when the operation begins.
fn is_set_before(part: &str) -> bool {
    matches!(part, "reset" | "take")
}

fn options() -> Options {
    Options::new().users(4).wait(Strategy::Sleep)
}

fn come(at: At, how: How, part: &str) -> strait::Result<Event> {
    let kind = kind(part);
    match (at, how) {
        (At::Fd(fd), _) => Event::from_fd(fd, kind, &options()),
        (At::Place(place), How::Create) => Event::create(place, kind, &options()),
        (At::Place(place), How::Open) => Event::open(place, kind, &options()),
        (At::Place(place), How::OpenOrCreate) => Event::open_or_create(place, kind, &options()),
    }
}

/// Plays the victim: `PART PLACE`.
fn play(words: &[&str]) {
    let [part, place] = *words else { panic!("not two words: {words:?}") };
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let mut event = come(At::from_word(place), How::Open, part).expect("a seat");
    marks.begin();
    if part == "leave" {
        drop(event);
        scratch.add_done(1);
        return marks.end();
    }
    let is_done = match part {
        "reset" => event.reset().is_ok(),
        "take" | "wait" | "wait-auto" => event.wait().is_ok(),
        "in-vain" => event.wait_timeout(SHORT) == Err(WaitTimeoutError::TimedOut),
        _ => event.set().is_ok(),
    };
    if !is_done {
        scratch.set_error(1);
    }
    scratch.add_done(1);
    marks.end();
}

/// A user that is killed; others survive.
struct UserDies {
    part: &'static str,
    spot: Spot,
    survivor: Option<Event>,
    asleep: Option<Sleeper<Event, Slept>>,
    /// Whether it was set to wake the victim.
    was_set: bool,
    fd: Option<OwnedFd>,
}

impl UserDies {
    fn new(part: &'static str, at: Where) -> Self {
        Self { part, spot: Spot::new(at), survivor: None, asleep: None, was_set: false, fd: None }
    }

    fn at(&self) -> Result<At, String> {
        match (&self.spot, &self.fd) {
            (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
            _ => Ok(At::Place(self.spot.place())),
        }
    }

    /// Whether it must be set, or must not be: as far as that is certain.
    fn must_be(&self, stage: &Stage) -> Option<bool> {
        let is_done = stage.scratch.done() > 0;
        match self.part {
            "set" | "set-auto" => is_done.then_some(true),
            "reset" | "take" => is_done.then_some(false),
            "wait-auto" if is_done => Some(false),
            // Woken or not, what it has not taken is there, unless it has not said so yet.
            "wait-auto" => (!self.was_set).then_some(false),
            "wait" => Some(self.was_set),
            "leave" | "in-vain" => Some(false),
            _ => None,
        }
    }

    fn after(&mut self, stage: &Stage) -> Result<Found, String> {
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        let mut late = come(self.at()?, How::Open, self.part).map_err(|e| format!("who comes later: {e}"))?;
        if let Some(sleeper) = self.asleep.take() {
            // Perhaps nothing was set: somebody else does.
            if stage.scratch.done() == 0 {
                late.set().map_err(|e| e.to_string())?;
            }
            let (handle, said, slept) = sleeper.join(since)?;
            said.map_err(|e| format!("one that slept: {e}"))?;
            waited = in_time("one that slept", slept)?;
            self.survivor = Some(*handle);
        }
        let mut one = self.survivor.take().ok_or("nobody")?;
        if let Some(must) = self.must_be(stage).filter(|&must| must != late.is_set()) {
            return Err(format!(
                "it is {}set, and must {}be",
                if must { "not " } else { "" },
                if must { "" } else { "not " }
            ));
        }
        // Two calls at the most take what there is.
        let taken = (0..2).filter(|_| late.wait_timeout(SHORT).is_ok()).count();
        if kind(self.part) == Reset::Auto && taken > 1 {
            return Err("one signal lets two through".into());
        }
        late.reset().map_err(|e| e.to_string())?;
        if one.try_wait().is_ok() {
            return Err("what one has reset is set for another".into());
        }
        let mut sleeper = Sleeper::new(Box::new(one), |event: &mut Event| event.wait_timeout(LONG))?;
        let call = Instant::now();
        late.set().map_err(|e| e.to_string())?;
        sleeper.returned(LONG);
        let (one, said, slept) = sleeper.join(call)?;
        said.map_err(|e| format!("a survivor: {e}"))?;
        waited = waited.max(in_time("a survivor that waits for another", slept)?);
        drop((late, one));
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: None, waited })
    }
}

impl Case for UserDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let mut one = come(At::Place(self.spot.place()), How::Create, self.part).map_err(|e| format!("create: {e}"))?;
        if is_set_before(self.part) {
            one.set().map_err(|e| e.to_string())?;
        }
        let fd = || one.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        let arguments = [NAME, self.part, &self.spot.word()].map(String::from);
        let tracee = stage.start(&arguments, self.fd.as_ref())?;
        if self.part.ends_with("asleep") {
            self.asleep = Some(Sleeper::new(Box::new(one), |event: &mut Event| event.wait_timeout(LONG))?);
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
            Some(one) if !self.was_set => {
                self.was_set = true;
                one.set().is_ok()
            }
            _ => false,
        }
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        // It is looked at only: a signal is the victim's, if it comes to take it.
        if let Some(one) = &self.survivor {
            let _ = (one.is_set(), one.users());
        }
        Ok(())
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        // One that was stopped before it slept waits for its signal.
        if self.part.starts_with("wait") {
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
