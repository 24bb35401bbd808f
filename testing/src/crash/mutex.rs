//! What must hold of a mutex when one of its users is killed, or stopped, while it locks, unlocks, waits, comes or goes.
//!
//! 1. Whoever wants the lock next gets it within 100 ms, one who slept for it as much as one who comes later.
//! 2. The value is one that was set, whole: all that was done when a call returned, and never half of what was being done.
//! 3. Who was killed holding it is told of, once: one is given `Recovered`, and when that one has looked nobody else is.
//! 4. One that waits, or is given the lock, or comes or goes, marks nothing when it dies.
//! 5. Who is stopped is alive: nobody is told otherwise, and what it holds it holds.
//! 6. When the last user is gone so is the name.

use super::scratch::Scratch;
use super::sleeper::{Holding, Sleeper, in_time};
use super::stage::Where::{self, Memory, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::step::{Marks, Tracee};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::channel::Strategy;
use strait::sync::mutex::{LockError, LockTimeoutError, TryLockError};
use strait::sync::{Mutex, Options};

/// The mutex's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "mutex";
/// Critical sections of an operation, and what was counted before it.
const COUNT: u64 = 2;
const BEFORE: u64 = 5;
/// Longer than a sleeper is overtaken.
const OVERDUE: Duration = Duration::from_millis(2);

/// Equal words: a mixture shows. Four are too many for the claim's line.
type Value = [u64; 4];
type Handle = Mutex<Value>;
/// What one who slept was given: the value, and whether it was told of a death.
type Slept = Result<(Value, bool), String>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let user = |name, part, at| Row::new(name, "user", at, false, move || Box::new(UserDies::new(part, at)));
    vec![
        user("mutex-lock",            "lock",        Named),
        user("mutex-try-lock",        "try-lock",    Memory),
        user("mutex-wait",            "wait",        Named),
        user("mutex-wait-in-vain",    "in-vain",     Named),
        user("mutex-unlock-asleep",   "unlock",      Named),
        user("mutex-recover",         "recover",     Named),
        user("mutex-open",            "open",        Named),
        user("mutex-create",          "create",      Named).untold(),
        user("mutex-leave",           "leave",       Named),
    ]
}

fn options() -> Options {
    // The victim, two survivors, and one who comes later.
    Options::new().users(4).wait(Strategy::Sleep)
}

fn come(at: At, how: How) -> strait::Result<Handle> {
    let value = &[if how == How::Open { 0 } else { BEFORE }; 4];
    match (at, how) {
        (At::Fd(fd), _) => Mutex::from_fd(fd, &options()),
        (At::Place(place), How::Create) => Mutex::create(place, value, &options()),
        (At::Place(place), How::Open) => Mutex::open(place, &options()),
        (At::Place(place), How::OpenOrCreate) => Mutex::open_or_create(place, value, &options()),
    }
}

/// Plays the victim: `PART PLACE`.
fn play(words: &[&str]) {
    let [part, place] = *words else { panic!("not two words: {words:?}") };
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let at = At::from_word(place);
    let count = |mutex: &mut Handle| {
        match mutex.lock() {
            Ok(mut guard) => *guard = guard.map(|word| word + 1),
            Err(LockError::Recovered(recovered)) => {
                let mut guard = recovered.accept();
                *guard = guard.map(|word| word + 1);
            }
            Err(_) => scratch.set_error(1),
        }
        scratch.add_done(1);
    };
    match part {
        "open" | "create" => {
            let how = if part == "open" { How::Open } else { How::Create };
            marks.begin();
            let handle = come(at, how);
            if let Err(error) = &handle {
                scratch.set_error(error.kind() as u64);
            }
            scratch.add_done(1);
            return marks.end();
        }
        _ => {}
    }
    let mut mutex = come(at, How::Open).expect("a seat");
    match part {
        "leave" => {
            marks.begin();
            drop(mutex);
            scratch.add_done(1);
            return marks.end();
        }
        "unlock" => {
            let mut guard = mutex.lock().expect("free");
            *guard = guard.map(|word| word + 1);
            marks.begin();
            drop(guard);
            scratch.add_done(1);
        }
        // Held by the harness.
        "in-vain" => {
            marks.begin();
            match mutex.lock_timeout(OVERDUE) {
                Err(LockTimeoutError::TimedOut) => {}
                _ => scratch.set_error(2),
            }
            scratch.add_done(1);
        }
        "try-lock" => {
            marks.begin();
            for _ in 0..COUNT {
                match mutex.try_lock() {
                    Ok(mut guard) => *guard = guard.map(|word| word + 1),
                    // One that was stopped meanwhile may find another one here.
                    Err(TryLockError::Locked) => {}
                    Err(_) => scratch.set_error(1),
                }
                scratch.add_done(1);
            }
        }
        "wait" | "recover" => {
            marks.begin();
            count(&mut mutex);
        }
        // It ends here, with the lock in its hands.
        "die-holding" => {
            let guard = mutex.lock().expect("free");
            marks.begin();
            std::mem::forget(guard);
        }
        _ => {
            marks.begin();
            (0..COUNT).for_each(|_| count(&mut mutex));
        }
    }
    marks.end();
}

/// A user that is killed; others survive.
struct UserDies {
    part: &'static str,
    spot: Spot,
    survivor: Option<Handle>,
    holding: Option<Holding<Handle>>,
    asleep: Option<Sleeper<Handle, Slept>>,
    fd: Option<OwnedFd>,
}

impl UserDies {
    fn new(part: &'static str, at: Where) -> Self {
        Self { part, spot: Spot::new(at), survivor: None, holding: None, asleep: None, fd: None }
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

    /// The least and the most that may have been counted.
    fn bounds(&self, stage: &Stage) -> (u64, u64) {
        let most = match self.part {
            "lock" | "try-lock" => COUNT,
            "wait" | "recover" | "unlock" => 1,
            _ => 0,
        };
        // What another one kept from it is not there.
        let least = if self.part == "try-lock" { 0 } else { stage.scratch.done().min(most) };
        (BEFORE + least, BEFORE + most)
    }

    fn check(&self, value: Value, stage: &Stage) -> Result<u64, String> {
        let (least, most) = self.bounds(stage);
        if value != [value[0]; 4] || !(least..=most).contains(&value[0]) {
            return Err(format!("the value is {value:?}, {least} to {most} were counted"));
        }
        Ok(value[0])
    }

    /// How many may be told of a death. Of two who died one after the other, nobody having looked, one is.
    fn told_at_most(&self, is_dead: bool) -> u32 {
        let is_so = match self.part {
            "recover" => true,
            "lock" | "try-lock" | "wait" | "unlock" => is_dead,
            _ => false,
        };
        u32::from(is_so)
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        if self.part == "create" {
            return self.after_birth();
        }
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        let mut told = 0;
        if let Some(holding) = self.holding.take() {
            self.survivor = Some(holding.let_go()?);
        }
        if let Some(sleeper) = self.asleep.take() {
            let (handle, said, slept) = sleeper.join(since)?;
            let (value, is_told) = said?;
            self.check(value, stage)?;
            told += u32::from(is_told);
            waited = in_time("one that slept", slept)?;
            self.survivor = Some(*handle);
        }
        let mut one = self.survivor.take().ok_or("nobody")?;
        let mut late = come(self.at()?, How::Open).map_err(|e| format!("who comes later: {e}"))?;
        let mut last = 0;
        // Who comes later first, and each of them twice: one is told, and nobody after it.
        for (who, mutex) in [("who comes later", &mut late), ("a survivor", &mut one)] {
            for _ in 0..2 {
                let call = Instant::now();
                let value = match mutex.lock_timeout(LONG) {
                    Ok(guard) => *guard,
                    Err(LockTimeoutError::Failed(LockError::Recovered(recovered))) => {
                        told += 1;
                        *recovered.accept()
                    }
                    Err(why) => return Err(format!("{who}: {why}")),
                };
                waited = waited.max(in_time(who, call.elapsed())?);
                last = self.check(value, stage)?;
            }
        }
        if told > self.told_at_most(is_dead) {
            return Err(format!("{told} were told of a death"));
        }
        if one.holder().is_some() {
            return Err("somebody is said to hold what nobody does".into());
        }
        *late.lock().map_err(|e| e.to_string())? = [last + 1; 4];
        if *one.try_lock().map_err(|e| e.to_string())? != [last + 1; 4] {
            return Err("what one has set another does not see".into());
        }
        drop(late);
        drop(one);
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: Some(last), waited })
    }

    /// Whoever comes next finds a mutex that works, or none, and makes one.
    fn after_birth(&mut self) -> Result<Found, String> {
        let at = || At::Place(self.spot.place());
        let mut one = come(at(), How::OpenOrCreate).map_err(|e| format!("make: {e}"))?;
        let mut two = come(at(), How::Open).map_err(|e| format!("open: {e}"))?;
        if *one.lock().map_err(|e| e.to_string())? != [BEFORE; 4] {
            return Err("its value is not what it was made with".into());
        }
        *two.lock().map_err(|e| e.to_string())? = [1; 4];
        drop((one, two));
        self.spot.must_be_empty()?;
        Ok(Found::default())
    }
}

impl Case for UserDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        if self.part == "create" {
            return stage.start(&self.arguments(self.part), None);
        }
        let one = come(At::Place(self.spot.place()), How::Create).map_err(|e| format!("create: {e}"))?;
        let fd = || one.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        if matches!(self.part, "recover" | "open") {
            // Somebody has died with the lock in its hands.
            let dead = stage.start(&self.arguments("die-holding"), self.fd.as_ref())?;
            drop(dead);
        }
        if self.part == "open" {
            // And somebody has looked after it.
            let mut one = one;
            match one.lock() {
                Err(LockError::Recovered(recovered)) => drop(recovered.accept()),
                other => return Err(format!("nobody is told: {other:?}")),
            }
            self.survivor = Some(one);
        } else if matches!(self.part, "wait" | "in-vain") {
            let hold = |mutex: &mut Handle, holds: &dyn Fn()| mutex.lock().map_or((), |_guard| holds());
            self.holding = Some(Holding::new(one, hold)?);
        } else {
            self.survivor = Some(one);
        }
        let tracee = stage.start(&self.arguments(self.part), self.fd.as_ref())?;
        if self.part == "unlock" {
            let one = self.survivor.take().ok_or("nobody")?;
            let call = |mutex: &mut Handle| match mutex.lock() {
                Ok(guard) => Ok((*guard, false)),
                Err(LockError::Recovered(recovered)) => Ok((*recovered.accept(), true)),
                Err(why) => Err(format!("one that slept: {why}")),
            };
            let mut sleeper = Sleeper::new(Box::new(one), call)?;
            // Until it is overdue: it is handed the lock then.
            sleeper.returned(OVERDUE);
            self.asleep = Some(sleeper);
        }
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        // It waits for the time to pass.
        if self.part == "in-vain" {
            return true;
        }
        let Some(holding) = self.holding.take() else { return false };
        self.survivor = holding.let_go().ok();
        self.survivor.is_some()
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, stage: &Stage) -> Result<(), String> {
        let (_, most) = self.bounds(stage);
        let Some(mutex) = &mut self.survivor else { return Ok(()) };
        for _ in 0..2 {
            let value = match mutex.lock_timeout(Duration::from_millis(3)) {
                Ok(guard) => *guard,
                Err(LockTimeoutError::TimedOut) => continue,
                Err(LockTimeoutError::Failed(LockError::Recovered(recovered))) if self.part == "recover" => {
                    *recovered.value()
                }
                Err(why) => return Err(format!("the holder is stopped, and another user is told: {why}")),
            };
            if value != [value[0]; 4] || value[0] > most {
                return Err(format!("the value is {value:?}"));
            }
        }
        Ok(())
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        // One that was stopped before it slept waits for its turn.
        if self.part == "wait" {
            self.blocked();
        }
        Ok(())
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            // It came too late for its name.
            Some(_) if matches!(self.part, "create" | "open") => self.after(stage, false),
            Some(error) => Err(format!("after it went on, its operation failed with error {error}")),
            None => self.after(stage, false),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        Some(self.asleep.as_mut()?.returned(patience))
    }
}
