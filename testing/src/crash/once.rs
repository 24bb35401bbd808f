//! What must hold of something that is done once when one of its users is killed, or stopped, while it does it or waits for it.
//!
//! 1. It is done by one closure to its end, whatever else has begun.
//! 2. Who was killed over it is told of, once, to the next one, who runs its own within 100 ms. One that has done it, or only waited, is not.
//! 3. What was done when a call returned stays done, for who waits and for who comes.
//! 4. Who is stopped is alive: nobody takes over from it.
//! 5. When the last user is gone so is the name.

use super::scratch::Scratch;
use super::sleeper::{Sleeper, in_time};
use super::stage::Where::{self, File, Memory, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::step::{Marks, Tracee};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strait::channel::{PeerState, Strategy};
use strait::sync::once::Once;
use strait::sync::{Options, WaitTimeoutError};

/// The part of the matrix of what is done once.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "once";
const SHORT: Duration = Duration::from_millis(2);

/// Whether one that slept in a call has done it, and was told of a death.
type Slept = Result<(bool, bool), String>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let user = |name, part, at| Row::new(name, "user", at, false, move || Box::new(UserDies::new(part, at)));
    vec![
        user("once-call",          "call",          Named),
        user("once-try-call",      "try-call",      Memory),
        user("once-finish-asleep", "finish-asleep", Named),
        user("once-panic-asleep",  "panic-asleep",  Named),
        user("once-completed",     "completed",     Memory),
        user("once-recover",       "recover",       Named),
        user("once-wait-to-call",  "wait-to-call",  Named),
        user("once-wait",          "wait",          File),
        user("once-in-vain",       "in-vain",       Named),
        user("once-leave",         "leave",         Named),
    ]
}

fn options() -> Options {
    // The victim, one that holds or sleeps, another one, and one who comes later.
    Options::new().users(4).wait(Strategy::Sleep)
}

fn come(at: At, how: How) -> strait::Result<Once> {
    match (at, how) {
        (At::Fd(fd), _) => Once::from_fd(fd, &options()),
        (At::Place(place), How::Create) => Once::create(place, &options()),
        (At::Place(place), How::Open) => Once::open(place, &options()),
        (At::Place(place), How::OpenOrCreate) => Once::open_or_create(place, &options()),
    }
}

/// Plays the victim: `PART PLACE`. What its closure has done is logged; that it was told, too.
fn play(words: &[&str]) {
    let [part, place] = *words else { panic!("not two words: {words:?}") };
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let mut once = come(At::from_word(place), How::Open).expect("a seat");
    // What is watched begins within the closure.
    let within = match part {
        "die-over-it" => Some(once.call_once(|| {
            marks.begin();
            std::process::abort();
        })),
        "finish-asleep" => Some(once.call_once(|| {
            marks.begin();
            scratch.log(1);
        })),
        "panic-asleep" => {
            let call = || {
                once.call_once(|| {
                    marks.begin();
                    std::panic::resume_unwind(Box::new(()))
                })
            };
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
            Some(panicked.unwrap_or(Ok(true)))
        }
        _ => None,
    };
    if let Some(outcome) = within {
        if outcome.is_err() {
            scratch.set_error(1);
        }
        scratch.add_done(1);
        return marks.end();
    }
    marks.begin();
    if part == "leave" {
        drop(once);
        scratch.add_done(1);
        return marks.end();
    }
    let is_done = match part {
        "wait" => once.wait().is_ok(),
        "in-vain" => once.call_once_timeout(SHORT, |_| scratch.log(1)) == Err(WaitTimeoutError::TimedOut),
        // One that was stopped meanwhile may find another one about it.
        "try-call" => once.try_call_once(|_| scratch.log(1)).is_ok() || scratch.logged().is_empty(),
        _ => once.call_once(|| scratch.log(1)).is_ok(),
    };
    if !is_done {
        scratch.set_error(1);
    }
    scratch.add_done(1);
    marks.end();
}

/// One that is about it until it is told to end.
struct Running {
    go: mpsc::Sender<()>,
    thread: JoinHandle<Once>,
}

impl Running {
    fn new(mut once: Once) -> Result<Self, String> {
        let (go, told) = mpsc::channel::<()>();
        let (say, begun) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _ = once.call_once(|| {
                let _ = say.send(());
                // Also when nobody tells any more.
                let _ = told.recv();
            });
            once
        });
        begun.recv_timeout(LONG).map_err(|_| "one does not begin")?;
        Ok(Self { go, thread })
    }

    fn end(self) -> Result<Once, String> {
        let _ = self.go.send(());
        self.thread.join().map_err(|_| "a closure failed".to_owned())
    }
}

/// A user that is killed; others survive.
struct UserDies {
    part: &'static str,
    spot: Spot,
    survivor: Option<Once>,
    running: Option<Running>,
    asleep: Option<Sleeper<Once, Slept>>,
    fd: Option<OwnedFd>,
}

impl UserDies {
    fn new(part: &'static str, at: Where) -> Self {
        Self { part, spot: Spot::new(at), survivor: None, running: None, asleep: None, fd: None }
    }

    fn at(&self) -> Result<At, String> {
        match (&self.spot, &self.fd) {
            (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
            _ => Ok(At::Place(self.spot.place())),
        }
    }

    fn arguments(&self, part: &str) -> Vec<String> {
        [NAME, part, &self.spot.word()].map(String::from).to_vec()
    }

    /// Whether another one does it, and not the victim.
    fn is_done_by_another(&self) -> bool {
        matches!(self.part, "wait-to-call" | "wait" | "in-vain" | "completed")
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        let (mut ran, mut told) = (0, 0);
        if let Some(running) = self.running.take() {
            self.survivor = Some(running.end()?);
        }
        if let Some(sleeper) = self.asleep.take() {
            let (once, said, slept) = sleeper.join(since)?;
            let (has_run, is_told) = said?;
            (ran, told) = (ran + u32::from(has_run), told + u32::from(is_told));
            waited = in_time("one that slept", slept)?;
            self.survivor = Some(*once);
        }
        let mut one = self.survivor.take().ok_or("nobody")?;
        let mut late = come(self.at()?, How::Open).map_err(|e| format!("who comes later: {e}"))?;
        let must_be_done = self.is_done_by_another()
            || ran > 0
            || stage.scratch.done() > 0 && !matches!(self.part, "panic-asleep" | "leave" | "try-call");
        if must_be_done && !late.is_completed() {
            return Err("it was done, and is not".into());
        }
        for (who, once) in [("who comes later", &mut late), ("a survivor", &mut one)] {
            let call = Instant::now();
            let mut is_told = false;
            let has_run = once.call_once_timeout(LONG, |state| is_told = state.is_recovered());
            ran += u32::from(has_run.map_err(|why| format!("{who}: {why}"))?);
            told += u32::from(is_told);
            waited = waited.max(in_time(who, call.elapsed())?);
        }
        let by_victim = u32::from(stage.scratch.done() > 0 && !stage.scratch.logged().is_empty());
        if !self.is_done_by_another() && ran + by_victim != 1 && !(is_dead && ran == 0 && by_victim == 0) {
            return Err(format!("{ran} have done it beside the victim, which says {by_victim}"));
        }
        let may_be_told = match self.part {
            "recover" | "panic-asleep" => true,
            "call" | "try-call" | "finish-asleep" => is_dead,
            _ => false,
        };
        if told > u32::from(may_be_told) {
            return Err(format!("{told} were told of a death"));
        }
        if self.part == "panic-asleep" && stage.scratch.done() > 0 && told != 1 {
            return Err("nobody was told of a panic".into());
        }
        if late.wait_timeout(SHORT).is_err() || one.holder().is_some() {
            return Err("it is done, and somebody is said to be about it".into());
        }
        drop((late, one));
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: None, waited })
    }
}

impl Case for UserDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let mut one = come(At::Place(self.spot.place()), How::Create).map_err(|e| format!("create: {e}"))?;
        let fd = || one.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        if self.part == "recover" {
            // Somebody has died over it.
            drop(stage.start(&self.arguments("die-over-it"), self.fd.as_ref())?);
        }
        match self.part {
            "completed" => {
                one.call_once(|| ()).map_err(|e| e.to_string())?;
                self.survivor = Some(one);
            }
            "wait-to-call" | "wait" | "in-vain" => self.running = Some(Running::new(one)?),
            _ => self.survivor = Some(one),
        }
        let tracee = stage.start(&self.arguments(self.part), self.fd.as_ref())?;
        if self.part.ends_with("asleep") {
            let one = self.survivor.take().ok_or("nobody")?;
            let call = |once: &mut Once| {
                let mut is_told = false;
                let has_run = once.call_once_timeout(LONG, |state| is_told = state.is_recovered());
                has_run.map(|has_run| (has_run, is_told)).map_err(|why| format!("one that slept: {why}"))
            };
            self.asleep = Some(Sleeper::new(Box::new(one), call)?);
        }
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        // It waits for the time to pass.
        if self.part == "in-vain" {
            return true;
        }
        let Some(running) = self.running.take() else { return false };
        self.survivor = running.end().ok();
        self.survivor.is_some()
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        if let Some(one) = &mut self.survivor {
            // Who is about it is alive.
            if one.holder().is_some_and(|it| it.state == PeerState::Attached) && one.try_call_once(|_| ()).is_ok() {
                return Err("one that is stopped was taken over from".into());
            }
        }
        Ok(())
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        // One that was stopped before it slept waits for it to be done.
        if self.part.starts_with("wait") {
            self.blocked();
        }
        Ok(())
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) => Err(format!("after it went on, its operation failed with error {error}")),
            None => self.after(stage, false),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        Some(self.asleep.as_mut()?.returned(patience))
    }
}
