//! Something that is done once, lied about: in every word, to a user who does it, waits for it while another one is about it, or one is that is dead.

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
use strait::sync::once::{self, Once, State};

/// The part of the lies about what is done once.
pub const CHANNEL: Channel = Channel { name: "once", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[&Scene::New, &Scene::Dead];

const SPEEDS: &[Speed] = &[Speed { name: "speed/once", ends: &[&Scene::New, &Scene::New], is_restartable: false }];

const USERS: u32 = 4;

/// What is there when an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Others, who have not begun.
    New,
    /// One who is about it, and dies now.
    Dead,
}

fn options() -> Options {
    Options::new().users(USERS)
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::New => "once_new",
            Self::Dead => "once_dead",
        }
    }

    fn end(&self) -> &'static str {
        "user of a once"
    }

    fn layout(&self) -> Vec<Field> {
        once::layout(USERS)
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.claim" => word.weight(20).value(claim),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let mut one = Once::create(Place::memfd("scene"), &options())?;
        let fd = || one.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
        let file = File::from(fd()??);
        let memory = Memory::of(&file)?;
        let past = memory.copy(0, memory.len());
        let other = one.try_clone()?;
        if *self == Self::New {
            return Ok(Made { file, others: Box::new((one, other)), past: vec![past] });
        }
        let mut living = Vec::new();
        one.call_once(|| living = memory.copy(0, memory.len()))?;
        drop((one, other));
        memory.put(0, &living);
        Ok(Made { file, others: Box::new(()), past: vec![past] })
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = options().wait(how.strategy).restartable(how.is_restartable);
        Ok(Box::new(match at {
            At::Path(path) => Once::from_fd(opened(path)?, &options)?,
            At::Name(name) => Once::open_or_create(Place::posix(name), &options)?,
        }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), 0..if *self == Self::Dead { 2 } else { 0 })
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
        // Who only waits is waiting for something that nobody need do: it is done.
        let claims = self.layout().into_iter().filter(|it| it.name == "claim");
        claims.for_each(|it| memory.store(it.offset as usize, 8, 3));
    }

    fn passing(&self) -> &'static [&'static str] {
        &["Running", "TimedOut"]
    }
}

/// A claim of somebody: of each state, of a seat that there is or is not, of about now.
fn claim(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let state = random.below(16);
    let seat = any(&[0, 1, 2, 3, 4, 255], random);
    let generation = any(&[0, 1, 2, 3, u64::from(u32::MAX)], random);
    match random.below(4) {
        0 => Some(now ^ 1 << random.below(64)),
        1 => Some(random.below(4)),
        2 => Some(generation << 32 | seat << 16 | state),
        _ => None,
    }
}

/// What a closure does.
fn looks(state: &State) {
    let _ = (state.is_recovered(), state.pid());
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut::<Once>() {
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
    operation!("once_call", New, Bare, |it, _random| Ok(it.call_once_with(looks).map(u64::from)?)),
    operation!("once_try_call", New, Bounded, |it, _random| Ok(it.try_call_once(looks).map(u64::from)?)),
    operation!("once_timeout", New, Bounded, |it, random| Ok(it.call_once_timeout(short(random), |_| ()).map(u64::from)?)),
    operation!("once_wait", New, Bounded, |it, random| Ok(it.wait_timeout(short(random)).map(|()| 1)?)),
    operation!("once_wait_bare", New, Bare, |it, _random| Ok(it.wait().map(|()| 1)?)),
    operation!("once_looks", New, Bounded, |it, _random| {
        let _ = (it.is_completed(), it.place().to_string(), it.holder().map(|it| it.to_string()));
        promised(it.users() <= many::seats(USERS), "more users than seats", it.users().into())
    }),
    operation!("once_dead", Dead, Bounded, |it, _random| {
        Ok(it.call_once_timeout(Duration::from_millis(300), looks).map(u64::from)?)
    }),
    operation!(attach "once_attach", New),
];
