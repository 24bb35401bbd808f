//! What must hold of a read-write lock when one of its users is killed, or stopped, while it reads, writes, waits, unlocks or goes.
//!
//! 1. Whoever wants to read or to write next does so within 100 ms, one who slept for it as much as one who comes later.
//! 2. The value is one that was set, whole: all that was done when a call returned, and never half of what was being done.
//! 3. Of a writer that was killed one is told, once; of one that reads, or gave up, nobody is.
//! 4. Who is stopped is alive: what it holds it holds.
//! 5. When the last user is gone so is the name.

use super::scratch::Scratch;
use super::sleeper::{Holding, Sleeper, in_time};
use super::stage::Where::{self, File, Memory, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::step::{Marks, Tracee};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::channel::Strategy;
use strait::sync::mutex::{Guard, LockError, LockTimeoutError, TryLockError};
use strait::sync::rwlock::{ReadTimeoutError, TryReadError};
use strait::sync::{Options, RwLock};

/// The read-write lock's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "rwlock";
/// Calls of an operation, and what was counted before it.
const COUNT: u64 = 2;
const BEFORE: u64 = 5;
/// Longer than a sleeper is overtaken.
const OVERDUE: Duration = Duration::from_millis(2);

/// Equal words: a mixture shows. Four are too many for the claim's line.
type Value = [u64; 4];
type Handle = RwLock<Value>;
/// What one who slept was given: the value, and whether it was told of a death.
type Slept = Result<(Value, bool), String>;

/// What an operation does, and beside what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Read,
    TryRead,
    Write,
    TryWrite,
    /// Somebody writes, until the victim sleeps.
    ReadWait,
    /// Somebody reads, until the victim sleeps.
    WriteWait,
    /// Somebody writes, until the victim sleeps.
    WriteQueue,
    /// Somebody writes.
    ReadInVain,
    /// Somebody reads.
    WriteInVain,
    /// The victim reads, and somebody sleeps to write.
    ReadUnlock,
    /// The victim writes, and somebody sleeps to write.
    WriteUnlock,
    /// The victim writes, and somebody sleeps to read.
    WriteUnlockRead,
    Leave,
}

const PARTS: [(&str, Part, Where); 13] = [
    ("rwlock-read", Part::Read, Named),
    ("rwlock-try-read", Part::TryRead, Memory),
    ("rwlock-write", Part::Write, File),
    ("rwlock-try-write", Part::TryWrite, Memory),
    ("rwlock-read-wait", Part::ReadWait, Named),
    ("rwlock-write-wait", Part::WriteWait, Named),
    ("rwlock-write-queue", Part::WriteQueue, Named),
    ("rwlock-read-in-vain", Part::ReadInVain, Named),
    ("rwlock-write-in-vain", Part::WriteInVain, Named),
    ("rwlock-read-unlock-asleep", Part::ReadUnlock, Named),
    ("rwlock-write-unlock-asleep", Part::WriteUnlock, Named),
    ("rwlock-write-unlock-reader-asleep", Part::WriteUnlockRead, Named),
    ("rwlock-leave", Part::Leave, Named),
];

fn rows() -> Vec<Row> {
    let user = |(name, part, at)| Row::new(name, "user", at, false, move || Box::new(UserDies::new(name, part, at)));
    PARTS.map(user).into()
}

fn options() -> Options {
    // The victim, two survivors, and one who comes later.
    Options::new().users(4).wait(Strategy::Sleep)
}

fn come(at: At, how: How) -> strait::Result<Handle> {
    match (at, how) {
        (At::Fd(fd), _) => RwLock::from_fd(fd, &options()),
        (At::Place(place), How::Open) => RwLock::open(place, &options()),
        (At::Place(place), _) => RwLock::create(place, &[BEFORE; 4], &options()),
    }
}

fn count(guard: &mut Guard<'_, Value>) {
    **guard = guard.map(|word| word + 1);
}

/// Plays the victim: `NAME PLACE`.
fn play(words: &[&str]) {
    let [name, place] = *words else { panic!("not two words: {words:?}") };
    let (_, part, _) = PARTS.into_iter().find(|it| it.0 == name).unwrap_or_else(|| panic!("no part is called {name}"));
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let mut lock = come(At::from_word(place), How::Open).expect("a seat");
    let write = |lock: &mut Handle| match lock.write() {
        Ok(mut guard) => count(&mut guard),
        Err(LockError::Recovered(_)) => scratch.set_error(3),
        Err(_) => scratch.set_error(1),
    };
    let is_whole = |value: &Value| value.iter().all(|word| *word == value[0]);
    match part {
        Part::Leave => {
            marks.begin();
            drop(lock);
            scratch.add_done(1);
        }
        Part::ReadUnlock => {
            let guard = lock.read().expect("free");
            marks.begin();
            drop(guard);
            scratch.add_done(1);
        }
        Part::WriteUnlock | Part::WriteUnlockRead => {
            let mut guard = lock.write().expect("free");
            count(&mut guard);
            marks.begin();
            drop(guard);
            scratch.add_done(1);
        }
        Part::ReadInVain | Part::WriteInVain => {
            marks.begin();
            let is_in_vain = match part {
                Part::ReadInVain => matches!(lock.read_timeout(OVERDUE), Err(ReadTimeoutError::TimedOut)),
                _ => matches!(lock.write_timeout(OVERDUE), Err(LockTimeoutError::TimedOut)),
            };
            if !is_in_vain {
                scratch.set_error(2);
            }
            scratch.add_done(1);
        }
        Part::Read | Part::TryRead => {
            marks.begin();
            for _ in 0..COUNT {
                let is_good = match part {
                    Part::Read => lock.read().is_ok_and(|value| is_whole(&value)),
                    // One that was stopped meanwhile may find another one here.
                    _ => lock.try_read().map_or_else(|why| why == TryReadError::Locked, |value| is_whole(&value)),
                };
                if !is_good {
                    scratch.set_error(4);
                }
                scratch.add_done(1);
            }
        }
        Part::TryWrite => {
            marks.begin();
            for _ in 0..COUNT {
                match lock.try_write() {
                    Ok(mut guard) => count(&mut guard),
                    Err(TryLockError::Locked) => {}
                    Err(_) => scratch.set_error(1),
                }
                scratch.add_done(1);
            }
        }
        Part::ReadWait => {
            marks.begin();
            if !lock.read().is_ok_and(|value| is_whole(&value)) {
                scratch.set_error(4);
            }
            scratch.add_done(1);
        }
        Part::WriteWait | Part::WriteQueue => {
            marks.begin();
            write(&mut lock);
            scratch.add_done(1);
        }
        Part::Write => {
            marks.begin();
            for _ in 0..COUNT {
                write(&mut lock);
                scratch.add_done(1);
            }
        }
    }
    marks.end();
}

/// A user that is killed; others survive.
struct UserDies {
    name: &'static str,
    part: Part,
    spot: Spot,
    survivor: Option<Handle>,
    holding: Option<Holding<Handle>>,
    asleep: Option<Sleeper<Handle, Slept>>,
    fd: Option<OwnedFd>,
}

impl UserDies {
    fn new(name: &'static str, part: Part, at: Where) -> Self {
        Self { name, part, spot: Spot::new(at), survivor: None, holding: None, asleep: None, fd: None }
    }

    fn at(&self) -> Result<At, String> {
        match (&self.spot, &self.fd) {
            (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
            _ => Ok(At::Place(self.spot.place())),
        }
    }

    /// The least and the most that may have been counted.
    fn bounds(&self, stage: &Stage) -> (u64, u64) {
        let most = match self.part {
            Part::Write | Part::TryWrite => COUNT,
            Part::WriteWait | Part::WriteQueue | Part::WriteUnlock | Part::WriteUnlockRead => 1,
            _ => 0,
        };
        // What another one kept from it is not there.
        let least = if self.part == Part::TryWrite { 0 } else { stage.scratch.done().min(most) };
        (BEFORE + least, BEFORE + most)
    }

    fn check(&self, value: Value, stage: &Stage) -> Result<u64, String> {
        let (least, most) = self.bounds(stage);
        if value != [value[0]; 4] || !(least..=most).contains(&value[0]) {
            return Err(format!("the value is {value:?}, {least} to {most} were counted"));
        }
        Ok(value[0])
    }

    /// Whether one may be told of a death. One who waits for readers may die in the moment between having the lock and seeing them.
    fn may_tell(&self) -> bool {
        let (is_reader, is_leaving) =
            (matches!(self.part, Part::Read | Part::TryRead | Part::ReadWait), self.part == Part::Leave);
        !is_reader && !is_leaving && !matches!(self.part, Part::ReadInVain | Part::ReadUnlock)
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
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
        for (who, lock) in [("who comes later", &mut late), ("a survivor", &mut one)] {
            for _ in 0..2 {
                let call = Instant::now();
                let value = *lock.read_timeout(LONG).map_err(|why| format!("{who} reads: {why}"))?;
                self.check(value, stage)?;
                waited = waited.max(in_time(who, call.elapsed())?);
                let call = Instant::now();
                let value = match lock.write_timeout(LONG) {
                    Ok(guard) => *guard,
                    Err(LockTimeoutError::Failed(LockError::Recovered(recovered))) => {
                        told += 1;
                        *recovered.accept()
                    }
                    Err(why) => return Err(format!("{who} writes: {why}")),
                };
                waited = waited.max(in_time(who, call.elapsed())?);
                last = self.check(value, stage)?;
            }
        }
        if told > u32::from(is_dead && self.may_tell()) {
            return Err(format!("{told} were told of a death"));
        }
        let holders = one.holders();
        if holders.writer.is_some() || !holders.readers.is_empty() {
            return Err(format!("somebody is said to hold what nobody does: {holders:?}"));
        }
        *late.write().map_err(|e| e.to_string())? = [last + 1; 4];
        let guard = one.try_read().map_err(|e| e.to_string())?;
        if *guard != [last + 1; 4] || guard.is_unfinished() {
            return Err("what one has set another does not see".into());
        }
        drop(guard);
        drop(late);
        drop(one);
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: Some(last), waited })
    }
}

impl Case for UserDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let one = come(At::Place(self.spot.place()), How::Create).map_err(|e| format!("create: {e}"))?;
        let fd = || one.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        match self.part {
            Part::ReadWait | Part::WriteQueue | Part::ReadInVain => {
                let hold = |lock: &mut Handle, holds: &dyn Fn()| lock.write().map_or((), |_guard| holds());
                self.holding = Some(Holding::new(one, hold)?);
            }
            Part::WriteWait | Part::WriteInVain => {
                let hold = |lock: &mut Handle, holds: &dyn Fn()| lock.read().map_or((), |_guard| holds());
                self.holding = Some(Holding::new(one, hold)?);
            }
            _ => self.survivor = Some(one),
        }
        let tracee = stage.start(&[NAME, self.name, &self.spot.word()].map(String::from), self.fd.as_ref())?;
        if !matches!(self.part, Part::ReadUnlock | Part::WriteUnlock | Part::WriteUnlockRead) {
            return Ok(tracee);
        }
        let one = Box::new(self.survivor.take().ok_or("nobody")?);
        let mut sleeper = if self.part == Part::WriteUnlockRead {
            Sleeper::new(one, |lock: &mut Handle| {
                lock.read().map(|guard| (*guard, false)).map_err(|why| format!("one that slept: {why}"))
            })?
        } else {
            Sleeper::new(one, |lock: &mut Handle| match lock.write() {
                Ok(guard) => Ok((*guard, false)),
                Err(LockError::Recovered(recovered)) => Ok((*recovered.accept(), true)),
                Err(why) => Err(format!("one that slept: {why}")),
            })?
        };
        // Until it is overdue: it is handed the lock then.
        sleeper.returned(OVERDUE);
        self.asleep = Some(sleeper);
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        // They wait for the time to pass.
        if matches!(self.part, Part::ReadInVain | Part::WriteInVain) {
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
        let Some(lock) = &mut self.survivor else { return Ok(()) };
        let wait = Duration::from_millis(3);
        let read = lock.read_timeout(wait).map(|guard| (*guard, guard.is_unfinished())).ok();
        let written = match lock.write_timeout(wait) {
            Ok(guard) => Some((*guard, false)),
            Err(LockTimeoutError::TimedOut) => None,
            Err(why) => return Err(format!("the holder is stopped, and another user is told: {why}")),
        };
        for (value, is_unfinished) in read.into_iter().chain(written) {
            if value != [value[0]; 4] || value[0] > most || is_unfinished {
                return Err(format!("the value is {value:?}, unfinished: {is_unfinished}"));
            }
        }
        Ok(())
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        // One that was stopped before it slept waits for its turn.
        if matches!(self.part, Part::ReadWait | Part::WriteWait | Part::WriteQueue) {
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
