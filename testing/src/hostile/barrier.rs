//! A barrier, lied about: in every word, to a participant who comes, goes again and puts it right while another one has come, or is dead.

use super::many;
use super::memory::Memory;
use super::words::{self, Word, any};
use super::world::{At, Channel, How, Made, Operation, Run, Speed, Waits, World, opened, promised, short, wrong};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fs::File;
use std::time::Duration;
use strait::channel::layout::Field;
use strait::region::Place;
use strait::sync::Options;
use strait::sync::barrier::{self, Barrier, TryWaitError, WaitError, WaitTimeoutError};

/// The barrier's part of the lies.
pub const CHANNEL: Channel = Channel { name: "barrier", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[&Scene::Come, &Scene::Dead];

const SPEEDS: &[Speed] = &[Speed { name: "speed/barrier", ends: &[&Scene::Come, &Scene::Come], is_restartable: false }];

const ALL: u32 = 3;

/// What is there when an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Two others, who have come.
    Come,
    /// One who has come, and one who has not; both die now.
    Dead,
}

/// Why nobody passes, by a name that says which.
#[derive(Debug)]
enum Refused {
    Broken(String),
    Reset,
    Missing,
    TimedOut,
    Forked,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(why) => f.write_str(why),
            Self::Reset => f.write_str("it was put right meanwhile"),
            Self::Missing => f.write_str("somebody has not come"),
            Self::TimedOut => f.write_str("somebody had not come when the time ran out"),
            Self::Forked => f.write_str("this handle was made before a fork"),
        }
    }
}

impl Error for Refused {}

impl From<WaitError> for Refused {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Broken { .. } => Self::Broken(error.to_string()),
            WaitError::Reset => Self::Reset,
            _ => Self::Forked,
        }
    }
}

impl From<TryWaitError> for Refused {
    fn from(error: TryWaitError) -> Self {
        match error {
            TryWaitError::Missing => Self::Missing,
            TryWaitError::Failed(error) => error.into(),
        }
    }
}

impl From<WaitTimeoutError> for Refused {
    fn from(error: WaitTimeoutError) -> Self {
        match error {
            WaitTimeoutError::TimedOut => Self::TimedOut,
            WaitTimeoutError::Failed(error) => error.into(),
        }
    }
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Come => "barrier_come",
            Self::Dead => "barrier_dead",
        }
    }

    fn end(&self) -> &'static str {
        "participant of a barrier"
    }

    fn layout(&self) -> Vec<Field> {
        barrier::layout(ALL)
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.state" => word.weight(20).value(state),
            name if name.ends_with(".arrived") => word.weight(6).value(state),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let one = Barrier::create(Place::memfd("scene"), ALL, &Options::new())?;
        let fd = || one.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
        let file = File::from(fd()??);
        let memory = Memory::of(&file)?;
        let past = memory.copy(0, memory.len());
        let other = one.try_clone()?;
        // They have come, as their seats say: to the first phase.
        let arrived = self.layout().into_iter().filter(|it| it.name == "arrived").map(|it| it.offset as usize);
        let come = if *self == Self::Come { 2 } else { 1 };
        arrived.take(come).for_each(|at| memory.store(at, 8, 1));
        if *self == Self::Come {
            return Ok(Made { file, others: Box::new((one, other)), past: vec![past] });
        }
        let living = memory.copy(0, memory.len());
        drop((one, other));
        memory.put(0, &living);
        Ok(Made { file, others: Box::new(()), past: vec![past] })
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = Options::new().wait(how.strategy).restartable(how.is_restartable);
        Ok(Box::new(match at {
            At::Path(path) => Barrier::from_fd(opened(path)?, &options)?,
            At::Name(name) => Barrier::open_or_create(Place::posix(name), ALL, &options)?,
        }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), 0..if *self == Self::Dead { 2 } else { 0 })
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
    }

    fn passing(&self) -> &'static [&'static str] {
        &["Missing", "TimedOut", "Broken", "Reset"]
    }
}

/// Any phase, broken or not, by a seat that there is or is not; or what somebody says who has come to about this one.
fn state(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let seat = any(&[0, 1, 2, 3, 255], random);
    let phase = any(&[0, 1, 2, 0x7FFE, 0x7FFF], random);
    match random.below(4) {
        0 => Some(now ^ 1 << random.below(64)),
        1 => Some(random.below(64) << 32 | random.below(2) << 31 | phase << 16 | seat << 8 | random.below(256)),
        2 => Some(phase << 16 | random.below(2)),
        _ => None,
    }
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut::<Barrier>() {
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
    operation!("barrier_wait", Come, Bare, |it, _random| Ok(it.wait().map(u64::from).map_err(Refused::from)?)),
    operation!("barrier_try_wait", Come, Bounded, |it, _random| Ok(it.try_wait().map(u64::from).map_err(Refused::from)?)),
    operation!("barrier_timeout", Come, Bounded, |it, random| {
        let led = it.wait_timeout(short(random)).map_err(Refused::from)?;
        let _ = it.wait_timeout(short(random)).map_err(Refused::from)?;
        Ok(u64::from(led))
    }),
    operation!("barrier_reset", Come, Bounded, |it, random| {
        let _ = it.wait_timeout(short(random));
        Ok(it.reset().map(u64::from).map_err(Refused::from)?)
    }),
    operation!("barrier_looks", Come, Bounded, |it, _random| {
        let _ = (it.broken().map(|it| it.to_string()), it.place().to_string(), it.users());
        let missing = it.missing();
        missing.iter().for_each(|it| drop(it.to_string()));
        promised(missing.len() as u64 <= u64::from(it.participants()), "more are missing than there are", missing.len() as u64)
    }),
    operation!("barrier_dead", Dead, Bounded, |it, _random| {
        Ok(it.wait_timeout(Duration::from_millis(300)).map(u64::from).map_err(Refused::from)?)
    }),
    operation!(attach "barrier_attach", Dead),
];
