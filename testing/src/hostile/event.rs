//! An event, lied about: in every word, to a user who sets it, resets it and waits for it while others are there, or are dead.

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
use strait::sync::Options;
use strait::sync::event::{self, Event, Reset};

/// The event's part of the lies.
pub const CHANNEL: Channel = Channel { name: "event", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[&Scene::Manual, &Scene::Auto, &Scene::Dead];

const SPEEDS: &[Speed] = &[
    Speed { name: "speed/event", ends: &[&Scene::Manual, &Scene::Manual], is_restartable: false },
    Speed { name: "speed/event-auto", ends: &[&Scene::Auto, &Scene::Auto], is_restartable: false },
];

const USERS: u32 = 4;

/// Which kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Manual,
    Auto,
    /// The same, with others that die now.
    Dead,
}

impl Scene {
    fn kind(self) -> Reset {
        match self {
            Self::Manual => Reset::Manual,
            Self::Auto | Self::Dead => Reset::Auto,
        }
    }
}

fn options() -> Options {
    Options::new().users(USERS)
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Manual => "event_manual",
            Self::Auto => "event_auto",
            Self::Dead => "event_dead",
        }
    }

    fn end(&self) -> &'static str {
        match self {
            Self::Manual => "user of a manual-reset event",
            Self::Auto | Self::Dead => "user of an auto-reset event",
        }
    }

    fn layout(&self) -> Vec<Field> {
        event::layout(USERS)
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.state" => word.weight(20).value(state),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let mut one = Event::create(Place::memfd("scene"), self.kind(), &options())?;
        let fd = || one.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
        let file = File::from(fd()??);
        let memory = Memory::of(&file)?;
        let past = memory.copy(0, memory.len());
        let other = one.try_clone()?;
        one.set()?;
        if *self != Self::Dead {
            return Ok(Made { file, others: Box::new((one, other)), past: vec![past] });
        }
        let living = memory.copy(0, memory.len());
        drop((one, other));
        memory.put(0, &living);
        Ok(Made { file, others: Box::new(()), past: vec![past] })
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = options().wait(how.strategy).restartable(how.is_restartable);
        Ok(Box::new(match at {
            At::Path(path) => Event::from_fd(opened(path)?, self.kind(), &options)?,
            At::Name(name) => Event::open_or_create(Place::posix(name), self.kind(), &options)?,
        }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), 0..if *self == Self::Dead { 2 } else { 0 })
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
        // Who waits for a signal is waiting for one that nobody need send: it is set, and who sleeps there is woken.
        let states = self.layout().into_iter().filter(|it| it.name == "state");
        states.for_each(|it| {
            let at = usize::try_from(it.offset).unwrap_or(0);
            memory.store(at, 8, memory.load(at, 8) | 1);
            memory.wake(at);
        });
    }

    fn passing(&self) -> &'static [&'static str] {
        &["NotYet", "TimedOut"]
    }
}

/// Set or not, asleep or not, at any turn.
fn state(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let turn = any(&[0, 1, 2, u64::from(u32::MAX) >> 2, u64::from(u32::MAX)], random);
    match random.below(3) {
        0 => Some(now ^ 1 << random.below(64)),
        1 => Some(turn << 32 | turn << 1 & 0x7FFF_FFFE | random.below(2) << 31 | random.below(2)),
        _ => None,
    }
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut::<Event>() {
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
    operation!("event_wait", Manual, Bare, |it, _random| Ok(it.wait().map(|()| 1)?)),
    operation!("event_set", Manual, Bounded, |it, _random| {
        it.set()?;
        it.reset()?;
        it.set()?;
        Ok(it.try_wait().map(|()| 1)?)
    }),
    operation!("event_timeout", Manual, Bounded, |it, random| {
        it.reset()?;
        Ok(it.wait_timeout(short(random)).map(|()| 1)?)
    }),
    operation!("event_looks", Manual, Bounded, |it, _random| {
        let _ = (it.is_set(), it.place().to_string());
        promised(it.users() <= many::seats(USERS), "more users than seats", it.users().into())
    }),
    // Once: the signal that the liar leaves behind is one.
    operation!("event_auto_wait", Auto, Bare, |it, _random| Ok(it.wait().map(|()| 1)?)),
    operation!("event_auto_set", Auto, Bounded, |it, _random| {
        it.set()?;
        Ok(it.try_wait().map(|()| 1)?)
    }),
    operation!("event_auto_timeout", Auto, Bounded, |it, random| Ok(it.wait_timeout(short(random)).map(|()| 1)?)),
    operation!("event_dead", Dead, Bounded, |it, random| Ok(it.wait_timeout(short(random)).map(|()| 1)?)),
    operation!(attach "event_attach", Auto),
];
