//! What must hold of a condition when one of its users is killed, or stopped, while it waits, notifies, wakes or goes.
//!
//! 1. Whoever waits when another one dies is awake within 100 ms: so no notification is lost that the dead one was given, or was about to give.
//! 2. Who was notified by one that goes on wakes.
//! 3. The mutex is as in [`super::mutex`]: the next one has it within 100 ms, the value is whole, of a holder's death one is told.
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
use strait::sync::condvar::{WaitError, WaitTimeoutError};
use strait::sync::mutex::{LockError, LockTimeoutError};
use strait::sync::{Condvar, Mutex, Options};

/// The condition's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "condvar";
/// What was counted before an operation.
const BEFORE: u64 = 5;
const IN_VAIN: Duration = Duration::from_millis(2);

/// Equal words: a mixture shows.
type Value = [u64; 4];
type Handle = (Mutex<Value>, Condvar);
/// What one who slept found: the value, and whether it was told of a death.
type Slept = Result<(Value, bool), String>;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Counts, and notifies one of two who sleep.
    NotifyOne,
    /// Counts, and notifies two who sleep.
    NotifyAll,
    /// Waits, is notified before another one that waits, and counts.
    Wait,
    /// Waits for a time, and nobody notifies.
    InVain,
    Leave,
}

const PARTS: [(&str, Part, Where); 5] = [
    ("condvar-notify-one", Part::NotifyOne, Named),
    ("condvar-notify-all", Part::NotifyAll, Memory),
    ("condvar-wait", Part::Wait, Named),
    ("condvar-wait-in-vain", Part::InVain, File),
    ("condvar-leave", Part::Leave, Named),
];

fn rows() -> Vec<Row> {
    let user = |(name, part, at)| Row::new(name, "user", at, false, move || Box::new(UserDies::new(name, part, at)));
    PARTS.map(user).into()
}

fn options() -> Options {
    // Four have a mutex and a condition each, and one more has a condition.
    Options::new().users(10).wait(Strategy::Sleep)
}

fn come(at: At, how: How) -> strait::Result<Handle> {
    let mutex = match (at, how) {
        (At::Fd(fd), _) => Mutex::from_fd(fd, &options()),
        (At::Place(place), How::Open) => Mutex::open(place, &options()),
        (At::Place(place), _) => Mutex::create(place, &[BEFORE; 4], &options()),
    }?;
    let condvar = Condvar::of(&mutex, 0)?;
    Ok((mutex, condvar))
}

/// Plays the victim: `NAME PLACE`.
fn play(words: &[&str]) {
    let [name, place] = *words else { panic!("not two words: {words:?}") };
    let (_, part, _) = PARTS.into_iter().find(|it| it.0 == name).unwrap_or_else(|| panic!("no part is called {name}"));
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let (mut mutex, condvar) = come(At::from_word(place), How::Open).expect("a seat");
    marks.begin();
    match part {
        Part::NotifyOne | Part::NotifyAll => {
            match mutex.lock() {
                Ok(mut guard) => *guard = guard.map(|word| word + 1),
                Err(_) => scratch.set_error(1),
            }
            let is_done =
                if part == Part::NotifyOne { condvar.notify_one().is_ok() } else { condvar.notify_all().is_ok() };
            if !is_done {
                scratch.set_error(2);
            }
        }
        Part::Wait => match mutex.lock().map_err(drop).map(|guard| condvar.wait(guard).map_err(drop)) {
            Ok(Ok(mut guard)) => *guard = guard.map(|word| word + 1),
            _ => scratch.set_error(3),
        },
        Part::InVain => match mutex.lock().map_err(drop).map(|guard| condvar.wait_timeout(guard, IN_VAIN)) {
            Ok(Err(WaitTimeoutError::TimedOut(guard))) => drop(guard),
            _ => scratch.set_error(4),
        },
        Part::Leave => drop((mutex, condvar)),
    }
    scratch.add_done(1);
    marks.end();
}

/// Waits once, whatever for.
fn asleep(handle: Handle) -> Result<Sleeper<Handle, Slept>, String> {
    Sleeper::new(Box::new(handle), |(mutex, condvar): &mut Handle| {
        let guard = mutex.lock().map_err(|why| format!("one that is to sleep: {why}"))?;
        match condvar.wait(guard) {
            Ok(guard) => Ok((*guard, false)),
            Err(WaitError::Recovered(recovered)) => Ok((*recovered.accept(), true)),
            Err(why) => Err(format!("one that slept: {why}")),
        }
    })
}

/// A user that is killed; others survive.
struct UserDies {
    name: &'static str,
    part: Part,
    spot: Spot,
    survivor: Option<Handle>,
    asleep: Vec<Sleeper<Handle, Slept>>,
    has_notified: bool,
    fd: Option<OwnedFd>,
}

impl UserDies {
    fn new(name: &'static str, part: Part, at: Where) -> Self {
        let (survivor, asleep) = (None, Vec::new());
        Self { name, part, spot: Spot::new(at), survivor, asleep, has_notified: false, fd: None }
    }

    fn at(&self) -> Result<At, String> {
        match (&self.spot, &self.fd) {
            (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
            _ => Ok(At::Place(self.spot.place())),
        }
    }

    fn check(&self, value: Value, stage: &Stage) -> Result<u64, String> {
        let most = u64::from(!matches!(self.part, Part::InVain | Part::Leave));
        let least = stage.scratch.done().min(most);
        if value != [value[0]; 4] || !(BEFORE + least..=BEFORE + most).contains(&value[0]) {
            return Err(format!("the value is {value:?}, {least} to {most} were counted"));
        }
        Ok(value[0])
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        let mut told = 0;
        let one = self.survivor.take().ok_or("nobody")?;
        // A death wakes all. One that lives has notified one of two, or all, or nobody.
        let woken = match self.part {
            _ if is_dead => self.asleep.len(),
            Part::NotifyOne => 1,
            Part::NotifyAll => 2,
            _ => 0,
        };
        for (number, sleeper) in std::mem::take(&mut self.asleep).into_iter().enumerate() {
            let since = if number < woken { since } else { Instant::now() };
            if number >= woken && one.1.notify_one() != Ok(true) {
                return Err(format!("of the sleepers number {number} does not wait any more"));
            }
            let (_, said, slept) = sleeper.join(since)?;
            let (value, is_told) = said?;
            self.check(value, stage)?;
            told += u32::from(is_told);
            waited = waited.max(in_time("one that slept", slept)?);
        }
        let mut late = come(self.at()?, How::Open).map_err(|e| format!("who comes later: {e}"))?;
        let mut last = 0;
        let mut one = one;
        for (who, handle) in [("who comes later", &mut late), ("a survivor", &mut one)] {
            let call = Instant::now();
            let value = match handle.0.lock_timeout(LONG) {
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
        if told > u32::from(is_dead && self.part != Part::Leave) {
            return Err(format!("{told} were told of a death"));
        }
        // It works: one waits, and is woken.
        let sleeper = asleep(late)?;
        if one.1.notify_one() != Ok(true) || one.1.waiting() != 0 {
            return Err("one who waits is not found, or somebody waits who is not there".into());
        }
        let (handle, said, _) = sleeper.join(Instant::now())?;
        said?;
        drop((handle, one));
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: Some(last), waited })
    }

    fn another(&self) -> Result<Handle, String> {
        come(self.at()?, How::Open).map_err(|e| format!("another: {e}"))
    }

    /// One more waits, and then the victim is notified, which has waited longer.
    fn notify_victim(&mut self) -> Result<bool, String> {
        if self.part != Part::Wait || self.has_notified {
            return Ok(false);
        }
        let another = self.another()?;
        let one = self.survivor.as_mut().ok_or("nobody")?;
        if one.1.waiting() == 0 {
            return Ok(false);
        }
        self.has_notified = true;
        self.asleep.push(asleep(another)?);
        one.1.notify_one().map_err(|e| e.to_string())
    }
}

impl Case for UserDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let one = come(At::Place(self.spot.place()), How::Create).map_err(|e| format!("create: {e}"))?;
        let fd = || one.0.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        self.survivor = Some(one);
        if matches!(self.part, Part::NotifyOne | Part::NotifyAll) {
            for _ in 0..2 {
                self.asleep.push(asleep(self.another()?)?);
            }
        }
        stage.start(&[NAME, self.name, &self.spot.word()].map(String::from), self.fd.as_ref())
    }

    fn blocked(&mut self) -> bool {
        // It waits for the time to pass.
        self.part == Part::InVain || self.notify_victim() == Ok(true)
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let Some((mutex, _)) = &mut self.survivor else { return Ok(()) };
        match mutex.lock_timeout(Duration::from_millis(3)) {
            Ok(_) | Err(LockTimeoutError::TimedOut) => Ok(()),
            Err(why) => Err(format!("one is stopped, and another user is told: {why}")),
        }
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        self.notify_victim().map(drop)
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) => Err(format!("after it went on, its operation failed with error {error}")),
            None => self.after(stage, false),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        // One that was put to sleep before the operation began.
        let is_early = matches!(self.part, Part::NotifyOne | Part::NotifyAll);
        self.asleep.first_mut().filter(|_| is_early).map(|it| it.returned(patience))
    }
}
