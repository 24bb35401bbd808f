//! A read-write lock, lied about: in every word, to a user who reads and writes while nobody else is in, another one reads or writes, or those
//! do who are dead.

use super::many;
use super::memory::Memory;
use super::mutex::{Refused, Value, claim};
use super::words::{self, Word};
use super::world::{
    At, Channel, How, Made, Operation, Outcome, Run, Speed, Waits, World, opened, promised, short, wrong,
};
use std::any::Any;
use std::error::Error;
use std::fs::File;
use std::time::Duration;
use strait::channel::layout::Field;
use strait::region::Place;
use strait::sync::{Options, RwLock, rwlock};

/// The read-write lock's part of the lies.
pub const CHANNEL: Channel = Channel { name: "rwlock", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[&Scene::Free, &Scene::Read, &Scene::Written, &Scene::Dead];

const SPEEDS: &[Speed] = &[Speed { name: "speed/rwlock", ends: &[&Scene::Free, &Scene::Free], is_restartable: false }];

const USERS: u32 = 4;

type Handle = RwLock<Value>;

/// What is there when an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Others who are not in.
    Free,
    /// One who reads.
    Read,
    /// One who writes.
    Written,
    /// One who reads and one who waits to write, and both die now.
    Dead,
}

fn options() -> Options {
    Options::new().users(USERS)
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Free => "rwlock_free",
            Self::Read => "rwlock_read",
            Self::Written => "rwlock_written",
            Self::Dead => "rwlock_dead",
        }
    }

    fn end(&self) -> &'static str {
        "user of a read-write lock"
    }

    fn layout(&self) -> Vec<Field> {
        rwlock::layout::<Value>(USERS)
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.claim" => word.weight(20).value(claim),
            name if name.ends_with(".reads") => word.weight(6).value(claim),
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
        let mut other = holder.try_clone()?;
        match self {
            Self::Free => {}
            Self::Read => std::mem::forget(holder.read()?),
            Self::Written => std::mem::forget(holder.write().map_err(Refused::from)?),
            Self::Dead => {
                std::mem::forget(holder.read()?);
                let living = memory.copy(0, memory.len());
                drop(holder);
                std::mem::forget(other.write().map_err(Refused::from)?);
                let writing = memory.copy(0, memory.len());
                drop(other);
                memory.put(0, &living);
                // The claim is in the body, the reader in its seat.
                let body = self.layout().into_iter().find(|it| it.name == "claim").ok_or("a claim")?;
                let at = usize::try_from(body.offset)?;
                memory.put(at, &writing[at..at + 8]);
                return Ok(Made { file, others: Box::new(()), past: vec![past] });
            }
        }
        Ok(Made { file, others: Box::new((holder, other)), past: vec![past] })
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

fn looks(lock: &Handle) -> Outcome {
    let holders = lock.holders();
    let _ = (holders.writer.map(|it| it.to_string()), lock.place().to_string());
    promised(
        holders.readers.len() <= many::seats(USERS) as usize,
        "more readers than seats",
        holders.readers.len() as u64,
    )?;
    promised(lock.users() <= many::seats(USERS), "more users than seats", lock.users().into())
}

/// All operations.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("rwlock_read", Free, Bare, |it, _random| {
        (0..3).try_for_each(|_| it.read().map(drop))?;
        Ok(3)
    }),
    operation!("rwlock_write", Free, Bare, |it, _random| {
        for _ in 0..3 {
            let mut guard = it.write().map_err(Refused::from)?;
            guard[0] = guard[0].wrapping_add(1);
        }
        Ok(3)
    }),
    operation!("rwlock_try", Free, Bounded, |it, _random| {
        drop(it.try_read()?);
        it.try_write().map_err(Refused::from)?[1] = 9;
        Ok(1)
    }),
    operation!("rwlock_timeout", Free, Bounded, |it, random| {
        drop(it.read_timeout(short(random))?);
        let _ = it.write_timeout(short(random)).map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("rwlock_looks", Free, Bounded, |it, _random| looks(it)),
    operation!("rwlock_write_read", Read, Bare, |it, _random| {
        let _ = it.write().map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("rwlock_timeout_read", Read, Bounded, |it, random| {
        looks(it)?;
        drop(it.try_read()?);
        let _ = it.write_timeout(short(random)).map_err(Refused::from)?;
        Ok(1)
    }),
    operation!("rwlock_read_written", Written, Bare, |it, _random| Ok(it.read().map(|_| 1)?)),
    operation!("rwlock_timeout_written", Written, Bounded, |it, random| {
        looks(it)?;
        drop(it.read_timeout(short(random))?);
        Ok(1)
    }),
    operation!("rwlock_dead", Dead, Bounded, |it, _random| {
        for _ in 0..20 {
            drop(it.read_timeout(Duration::from_millis(300))?);
            let _ = it.write_timeout(Duration::from_millis(300)).map_err(Refused::from)?;
        }
        Ok(20)
    }),
    operation!(attach "rwlock_attach", Free),
];
