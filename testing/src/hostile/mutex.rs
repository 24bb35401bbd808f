//! A mutex, lied about: in every word, to a user who locks it while nobody else holds it, another one does, or one does that is dead.

use super::many;
use super::memory::Memory;
use super::words::{self, Word, any};
use super::world::{At, Channel, How, Made, Operation, Outcome, Run, Speed, Waits, World, promised, short, wrong};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::time::Duration;
use strait::channel::layout::Field;
use strait::region::Place;
use strait::sync::mutex::{self, LockError, LockTimeoutError, TryLockError};
use strait::sync::{Mutex, Options};

/// The mutex's part of the lies.
pub const CHANNEL: Channel = Channel { name: "mutex", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[&Scene::Free, &Scene::Held, &Scene::Dead];

const SPEEDS: &[Speed] = &[Speed { name: "speed/mutex", ends: &[&Scene::Free, &Scene::Free], is_restartable: false }];

const USERS: u32 = 4;

pub(super) type Value = [u64; 4];
type Handle = Mutex<Value>;

/// What is there when an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Others who hold nothing.
    Free,
    /// One who holds it.
    Held,
    /// One who holds it, and dies now.
    Dead,
}

/// Why there is no guard, without the borrow.
#[derive(Debug)]
pub(super) enum Refused {
    Locked,
    TimedOut,
    Recovered,
    Forked,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locked => "another user holds the lock",
            Self::TimedOut => "another user held the lock until the time ran out",
            Self::Recovered => "the last holder of the lock has not finished",
            Self::Forked => "this handle was made before a fork",
        })
    }
}

impl Error for Refused {}

impl From<LockError<'_, Value>> for Refused {
    fn from(error: LockError<'_, Value>) -> Self {
        match error {
            LockError::Recovered(recovered) => {
                let _ = (recovered.pid(), *recovered.value());
                drop(recovered.accept());
                Self::Recovered
            }
            _ => Self::Forked,
        }
    }
}

impl From<TryLockError<'_, Value>> for Refused {
    fn from(error: TryLockError<'_, Value>) -> Self {
        match error {
            TryLockError::Locked => Self::Locked,
            TryLockError::Failed(error) => error.into(),
        }
    }
}

impl From<LockTimeoutError<'_, Value>> for Refused {
    fn from(error: LockTimeoutError<'_, Value>) -> Self {
        match error {
            LockTimeoutError::TimedOut => Self::TimedOut,
            LockTimeoutError::Failed(error) => error.into(),
        }
    }
}

fn options() -> Options {
    Options::new().users(USERS)
}

fn opened(path: &str) -> Result<OwnedFd, Box<dyn Error>> {
    Ok(OpenOptions::new().read(true).write(true).open(path)?.into())
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Free => "mutex_free",
            Self::Held => "mutex_held",
            Self::Dead => "mutex_dead",
        }
    }

    fn end(&self) -> &'static str {
        "user of a mutex"
    }

    fn layout(&self) -> Vec<Field> {
        mutex::layout::<Value>(USERS)
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.claim" => word.weight(20).value(claim),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let mut holder = Handle::create(Place::memfd("scene"), &[7; 4], &options())?;
        let fd = || holder.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
        let file = File::from(fd()??);
        let memory = Memory::of(&file)?;
        let past = memory.copy(0, memory.len());
        let other = holder.try_clone()?;
        if *self == Self::Free {
            return Ok(Made { file, others: Box::new((holder, other)), past: vec![past] });
        }
        std::mem::forget(holder.lock().map_err(Refused::from)?);
        if *self == Self::Held {
            return Ok(Made { file, others: Box::new((holder, other)), past: vec![past] });
        }
        let living = memory.copy(0, memory.len());
        drop((holder, other));
        memory.put(0, &living);
        Ok(Made { file, others: Box::new(()), past: vec![past] })
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = options().wait(how.strategy).restartable(how.is_restartable);
        Ok(Box::new(match at {
            At::Path(path) => Handle::from_fd(opened(path)?, &options)?,
            At::Name(name) => Handle::open_or_create(Place::posix(name), &[7; 4], &options)?,
        }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), 0..if *self == Self::Dead { 2 } else { 0 })
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
    }

    fn passing(&self) -> &'static [&'static str] {
        &["Locked", "TimedOut", "Recovered"]
    }
}

/// A claim of somebody: of each state, of a seat that there is or is not, of about now.
pub(super) fn claim(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let state = random.below(32);
    let seat = any(&[0, 1, 2, 3, 4, 255], random);
    let generation = any(&[0, 1, 2, 3, u64::from(u32::MAX)], random);
    match random.below(4) {
        0 => Some(now ^ 1 << random.below(64)),
        1 => Some(random.below(4)),
        2 => Some(generation << 32 | seat << 16 | state),
        _ => None,
    }
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut::<Handle>() {
                Some($it) => $run,
                _ => wrong(),
            }),
        }
    };
    (attach $name:literal, $scene:ident) => {
        Operation { name: $name, world: &Scene::$scene, waits: Waits::Bounded, run: Run::Attach }
    };
}

fn looks(mutex: &Handle) -> Outcome {
    let _ = mutex.holder().map(|it| it.to_string());
    let _ = mutex.place().to_string();
    promised(mutex.users() <= many::seats(USERS), "more users than seats", mutex.users().into())
}

/// All operations.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("mutex_lock", Free, Bare, |it, _random| {
        for _ in 0..3 {
            let mut guard = it.lock().map_err(Refused::from)?;
            guard[0] = guard[0].wrapping_add(1);
        }
        Ok(3)
    }),
    operation!("mutex_try_lock", Free, Bounded, |it, _random| {
        let mut guard = it.try_lock().map_err(Refused::from)?;
        guard[1] = 9;
        Ok(1)
    }),
    operation!("mutex_timeout", Free, Bounded, |it, random| {
        let _ = it.lock_timeout(short(random)).map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("mutex_looks", Free, Bounded, |it, _random| looks(it)),
    operation!("mutex_lock_held", Held, Bare, |it, _random| {
        let _ = it.lock().map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("mutex_timeout_held", Held, Bounded, |it, random| {
        looks(it)?;
        let _ = it.lock_timeout(short(random)).map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("mutex_lock_dead", Dead, Bounded, |it, _random| {
        for _ in 0..50 {
            let _ = it.lock_timeout(Duration::from_millis(300)).map_err(Refused::from)?;
        }
        Ok(50)
    }),
    operation!(attach "mutex_attach", Free),
];
