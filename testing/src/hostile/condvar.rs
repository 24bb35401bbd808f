//! A condition of a mutex, lied about: in every word of the mutex, to a user who waits and notifies while another one waits, or did and is dead.

use super::many;
use super::memory::Memory;
use super::mutex::{Refused, Value, claim};
use super::words::{self, Word, any};
use super::world::{
    At, Channel, How, Made, Operation, Outcome, Run, Speed, Waits, World, opened, promised, short, wrong,
};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fs::File;
use std::time::Duration;
use strait::channel::layout::Field;
use strait::region::Place;
use strait::sync::condvar::{WaitError, WaitTimeoutError};
use strait::sync::mutex::LockError;
use strait::sync::{Condvar, Mutex, Options, mutex};

/// The condition's part of the lies.
pub const CHANNEL: Channel = Channel { name: "condvar", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[&Scene::Free, &Scene::Dead];

const SPEEDS: &[Speed] = &[Speed { name: "speed/condvar", ends: &[&Scene::Free, &Scene::Free], is_restartable: false }];

const USERS: u32 = 6;

/// What an operation has: a mutex and a condition of it.
struct End {
    mutex: Mutex<Value>,
    condvar: Condvar,
}

/// What is there when an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Others who do nothing, at seats of which one says that it waits.
    Free,
    /// The same, and they die now.
    Dead,
}

fn options() -> Options {
    Options::new().users(USERS)
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Free => "condvar_free",
            Self::Dead => "condvar_dead",
        }
    }

    fn end(&self) -> &'static str {
        "user of a condition"
    }

    fn layout(&self) -> Vec<Field> {
        mutex::layout::<Value>(USERS)
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.claim" => word.weight(8).value(claim),
            name if name.ends_with(".waits_for") => word.weight(6).value(wait),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let holder = Mutex::<Value>::create(Place::memfd("scene"), &[7; 4], &options())?;
        let other = Condvar::of(&holder, 0)?;
        let fd = || holder.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
        let file = File::from(fd()??);
        let memory = Memory::of(&file)?;
        let past = memory.copy(0, memory.len());
        let waits = self.layout().into_iter().find(|it| it.name == "waits_for").ok_or("a word of waiters")?;
        // Condition 0, since long ago.
        memory.store(usize::try_from(waits.offset)?, 8, 1 << 4 | 1);
        if *self == Self::Free {
            return Ok(Made { file, others: Box::new((holder, other)), past: vec![past] });
        }
        let living = memory.copy(0, memory.len());
        drop((holder, other));
        memory.put(0, &living);
        Ok(Made { file, others: Box::new(()), past: vec![past] })
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = options().wait(how.strategy).restartable(how.is_restartable);
        let mutex = match at {
            At::Path(path) => Mutex::from_fd(opened(path)?, &options)?,
            At::Name(name) => Mutex::open_or_create(Place::posix(name), &[7; 4], &options)?,
        };
        let condvar = Condvar::of(&mutex, 0)?;
        Ok(Box::new(End { mutex, condvar }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), 0..if *self == Self::Dead { 2 } else { 0 })
    }

    fn leave(&self, memory: &Memory) {
        // Who waits is notified: that somebody leaves is nothing to wait for.
        let waits = self.layout().into_iter().filter(|it| it.name == "waits_for");
        waits.for_each(|it| memory.store(it.offset as usize, 8, 2));
        many::leave(&self.layout(), memory);
    }

    fn waits_for_the_living(&self) -> bool {
        true
    }

    fn passing(&self) -> &'static [&'static str] {
        &["Locked", "TimedOut", "Recovered"]
    }
}

/// Somebody's wait: of each state and condition, since about now or never.
fn wait(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let since = any(&[0, 1, u64::MAX >> 4, now >> 4], random);
    match random.below(3) {
        0 => Some(now ^ 1 << random.below(64)),
        1 => Some(since << 4 | random.below(16)),
        _ => None,
    }
}

impl From<WaitError<'_, Value>> for Refused {
    fn from(error: WaitError<'_, Value>) -> Self {
        match error {
            WaitError::Recovered(recovered) => LockError::Recovered(recovered).into(),
            _ => Self::Forked,
        }
    }
}

impl From<WaitTimeoutError<'_, Value>> for Refused {
    fn from(error: WaitTimeoutError<'_, Value>) -> Self {
        match error {
            WaitTimeoutError::TimedOut(_) => Self::TimedOut,
            WaitTimeoutError::Failed(error) => error.into(),
        }
    }
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut::<End>() {
                Some($it) => $run,
                _ => wrong(),
            }),
        }
    };
    (attach $name:literal, $scene:ident) => {
        Operation { name: $name, world: &Scene::$scene, waits: Waits::Bounded, run: Run::Attach }
    };
}

fn notifies(condvar: &Condvar) -> Outcome {
    promised(condvar.waiting() <= many::seats(USERS), "more wait than there are seats", condvar.waiting().into())?;
    let count = u32::from(condvar.notify_one()?) + condvar.notify_all()?;
    promised(count <= many::seats(USERS) + 1, "more are woken than there are seats", count.into())
}

/// All operations.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("condvar_notify", Free, Bounded, |it, _random| notifies(&it.condvar)),
    operation!("condvar_wait", Free, Bare, |it, _random| {
        let guard = it.mutex.lock().map_err(Refused::from)?;
        let _ = it.condvar.wait(guard).map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("condvar_timeout", Free, Bounded, |it, random| {
        let guard = it.mutex.lock_timeout(Duration::from_millis(300)).map_err(Refused::from)?;
        let _ = it.condvar.wait_timeout(guard, short(random)).map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("condvar_dead", Dead, Bounded, |it, _random| {
        let guard = it.mutex.lock_timeout(Duration::from_millis(300)).map_err(Refused::from)?;
        let _ = it.condvar.wait_timeout(guard, Duration::from_millis(300)).map_err(Refused::from)?;
        notifies(&it.condvar)
    }),
    operation!(attach "condvar_attach", Free),
];
