//! A semaphore, lied about: in every word, to a user who takes and gives while nobody else holds anything, another one does, or one does that
//! is dead.

use super::many;
use super::memory::Memory;
use super::words::{self, Word, any};
use super::world::{At, Channel, How, Made, Operation, Run, Speed, Waits, World, opened, promised, short, wrong};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fs::File;
use strait::channel::layout::Field;
use strait::region::Place;
use strait::sync::semaphore;
use strait::sync::{Options, Semaphore};

/// The semaphore's part of the lies.
pub const CHANNEL: Channel = Channel { name: "semaphore", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[&Scene::Free, &Scene::Dead];

const SPEEDS: &[Speed] =
    &[Speed { name: "speed/semaphore", ends: &[&Scene::Free, &Scene::Free], is_restartable: false }];

const USERS: u32 = 4;
const MOST: u32 = 3;

/// What is there when an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// One permit, and another one that another user holds.
    Free,
    /// One permit, which one holds who dies now.
    Dead,
}

fn options() -> Options {
    Options::new().users(USERS)
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Free => "semaphore_free",
            Self::Dead => "semaphore_dead",
        }
    }

    fn end(&self) -> &'static str {
        "user of a semaphore"
    }

    fn layout(&self) -> Vec<Field> {
        semaphore::layout(USERS, MOST)
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.permit" => word.weight(12).value(permit),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let permits = if *self == Self::Free { 2 } else { 1 };
        let mut holder = Semaphore::create(Place::memfd("scene"), permits, MOST, &options())?;
        let fd = || holder.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
        let file = File::from(fd()??);
        let memory = Memory::of(&file)?;
        let past = memory.copy(0, memory.len());
        let other = holder.try_clone()?;
        holder.acquire()?;
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
        Ok(Box::new(match at {
            At::Path(path) => Semaphore::from_fd(opened(path)?, &options)?,
            At::Name(name) => Semaphore::open_or_create(Place::posix(name), 1, MOST, &options)?,
        }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), 0..if *self == Self::Dead { 2 } else { 0 })
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
        // Who takes for good is waiting for a permit that nobody need hold.
        let permits = self.layout().into_iter().filter(|it| it.name == "permit");
        permits.for_each(|it| memory.store(it.offset as usize, 8, 0));
    }

    fn passing(&self) -> &'static [&'static str] {
        &["Empty", "TimedOut", "NotHeld", "Full"]
    }
}

/// A claim of somebody: of each state, of a seat that there is or is not, of about now.
fn permit(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let seat = any(&[0, 1, 2, 3, 4, 255], random);
    let generation = any(&[0, 1, 2, 3, u64::from(u32::MAX)], random);
    match random.below(4) {
        0 => Some(now ^ 1 << random.below(64)),
        1 => Some(random.below(4)),
        2 => Some(generation << 32 | seat << 16 | random.below(16)),
        _ => None,
    }
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut::<Semaphore>() {
                Some($it) => $run,
                _ => wrong(),
            }),
        }
    };
    (attach $name:literal, $scene:ident) => {
        Operation { name: $name, world: &Scene::$scene, waits: Waits::Bounded, run: Run::Attach }
    };
}

/// All operations.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("semaphore_acquire", Free, Bare, |it, _random| {
        it.acquire()?;
        Ok(it.release().map(|()| 1)?)
    }),
    operation!("semaphore_wait", Free, Bare, |it, _random| Ok(it.wait().map(|()| 1)?)),
    operation!("semaphore_try", Free, Bounded, |it, _random| {
        it.post()?;
        it.try_wait()?;
        Ok(it.try_acquire().map(|()| 1)?)
    }),
    operation!("semaphore_timeout", Free, Bounded, |it, random| Ok(it.acquire_timeout(short(random)).map(|()| 1)?)),
    operation!("semaphore_looks", Free, Bounded, |it, _random| {
        let _ = (it.users(), it.held(), it.place().to_string());
        promised(it.available() <= it.most() && it.most() <= MOST, "more permits than may be", it.available().into())
    }),
    operation!("semaphore_dead", Dead, Bounded, |it, _random| {
        it.acquire_timeout(std::time::Duration::from_millis(300))?;
        Ok(it.release().map(|()| 1)?)
    }),
    operation!(attach "semaphore_attach", Free),
];
