//! A channel of two, lied about.

mod operations;
mod words;

pub use operations::OPERATIONS;

use super::memory::Memory;
use super::world::{At, Channel, How, Made, Speed, World, opened};
use std::any::Any;
use std::error::Error;
use std::fs::File;
use strait::channel::layout::{Field, Part};
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::channel::{Item, Message};
use strait::region::Place;

/// How large the rings are that operations meet.
pub const CAPACITY: u64 = 4096;

/// The channel's part of the lies.
pub const CHANNEL: Channel = Channel { name: "spsc", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[
    &Scene::Numbers,
    &Scene::NumbersFull,
    &Scene::Bytes,
    &Scene::NumbersThere,
    &Scene::NumbersHalf,
    &Scene::NumbersNone,
    &Scene::NumbersFullDead,
    &Scene::NumbersNoneDead,
    &Scene::BytesThere,
    &Scene::BytesWrapped,
    &Scene::Lines,
    &Scene::LinesFull,
    &Scene::LinesThere,
    &Scene::LinesHalf,
    &Scene::LinesNone,
    &Scene::LinesFullDead,
    &Scene::LinesNoneDead,
    &Scene::OddsFull,
    &Scene::OddsHalf,
];

const SPEEDS: &[Speed] = &[
    speed("speed/numbers", &[&Scene::Numbers, &Scene::NumbersThere], false),
    speed("speed/numbers_restartable", &[&Scene::Numbers, &Scene::NumbersThere], true),
    speed("speed/bytes", &[&Scene::Bytes, &Scene::BytesThere], false),
    speed("speed/bytes_restartable", &[&Scene::Bytes, &Scene::BytesThere], true),
    speed("speed/lines", &[&Scene::Lines, &Scene::LinesThere], false),
    speed("speed/lines_restartable", &[&Scene::Lines, &Scene::LinesThere], true),
    speed("speed/odds", &[&Scene::OddsFull, &Scene::OddsHalf], true),
];

const fn speed(name: &'static str, ends: &'static [&'static dyn World], is_restartable: bool) -> Speed {
    Speed { name, ends, is_restartable }
}

/// Which end it is an operation of, and what is in the ring when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scene {
    /// A sender of numbers, nothing in the ring.
    Numbers,
    /// A sender of numbers, no room in the ring.
    NumbersFull,
    /// A sender of bytes, nothing in the ring.
    Bytes,
    /// A receiver of numbers: a batch of twenty, and five single ones.
    NumbersThere,
    /// A receiver of numbers, in the middle of a batch.
    NumbersHalf,
    /// A receiver of numbers, of which there are none.
    NumbersNone,
    /// A sender of numbers, no room in the ring, whose receiver was met and dies now: whoever lies holds no lease.
    NumbersFullDead,
    /// A receiver of numbers, of which there are none, whose sender was met and dies now.
    NumbersNoneDead,
    /// A receiver of bytes: a few messages of several lengths.
    BytesThere,
    /// A receiver of bytes; its messages lie around the end of the ring.
    BytesWrapped,
    /// A sender of lines, in slots; nothing in the ring.
    Lines,
    /// A sender of lines, no room in the ring.
    LinesFull,
    /// A receiver of lines: twenty-five.
    LinesThere,
    /// A receiver of lines, which lie around the end of the ring.
    LinesHalf,
    /// A receiver of lines, of which there are none.
    LinesNone,
    /// A sender of lines, no room in the ring, whose receiver was met and dies now.
    LinesFullDead,
    /// A receiver of lines, of which there are none, whose sender was met and dies now.
    LinesNoneDead,
    /// A sender of messages of an odd size, no room in the ring.
    OddsFull,
    /// A receiver of messages of an odd size, which lie around the end of the ring.
    OddsHalf,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Messages {
    /// `u64`
    Numbers,
    /// `[u8]`
    Bytes,
    /// [`Line`]
    Lines,
    /// [`Odd`]
    Odds,
}

/// A message that lies in a slot of a cache line.
pub type Line = [u64; 8];
/// How many of them a ring has.
const SLOTS: u64 = CAPACITY / 64;
/// A message that lies in a slot across cache lines; behind the last slot there is a rest of the ring.
pub type Odd = [u8; 100];

/// An end.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Ends {
    NumberSender(Sender<u64>),
    NumberReceiver(Receiver<u64>),
    ByteSender(Sender<[u8]>),
    ByteReceiver(Receiver<[u8]>),
    LineSender(Sender<Line>),
    LineReceiver(Receiver<Line>),
    OddSender(Sender<Odd>),
    OddReceiver(Receiver<Odd>),
}

impl Scene {
    /// Whether the end in question sends.
    fn sends(self) -> bool {
        matches!(self, Self::Numbers | Self::Bytes | Self::Lines) || self.is_full()
    }

    /// Whether the other end is dead, and its lease free.
    fn is_dead(self) -> bool {
        matches!(self, Self::NumbersFullDead | Self::NumbersNoneDead | Self::LinesFullDead | Self::LinesNoneDead)
    }

    /// Whether there is no room in the ring.
    fn is_full(self) -> bool {
        matches!(
            self,
            Self::NumbersFull | Self::NumbersFullDead | Self::LinesFull | Self::LinesFullDead | Self::OddsFull
        )
    }

    /// Whether a receiver finds nothing.
    fn is_empty(self) -> bool {
        matches!(self, Self::NumbersNone | Self::NumbersNoneDead | Self::LinesNone | Self::LinesNoneDead)
    }

    /// Whether some of its messages were received.
    fn is_half(self) -> bool {
        matches!(self, Self::NumbersHalf | Self::LinesHalf | Self::OddsHalf)
    }

    /// What is sent.
    fn messages(self) -> Messages {
        match self {
            Self::Bytes | Self::BytesThere | Self::BytesWrapped => Messages::Bytes,
            Self::Lines
            | Self::LinesFull
            | Self::LinesThere
            | Self::LinesHalf
            | Self::LinesNone
            | Self::LinesFullDead
            | Self::LinesNoneDead => Messages::Lines,
            Self::OddsFull | Self::OddsHalf => Messages::Odds,
            _ => Messages::Numbers,
        }
    }

    /// Whether the channel goes on without its other side.
    fn is_restartable(self) -> bool {
        matches!(self, Self::NumbersFull | Self::NumbersHalf | Self::BytesWrapped | Self::LinesFull)
    }
}

fn options(how: How) -> Options {
    Options::new().capacity_bytes(CAPACITY).wait(how.strategy).restartable(how.is_restartable)
}

fn sender<M: Message + ?Sized>(at: &At<'_>, how: How) -> Result<Sender<M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Sender::from_fd(opened(path)?, &options(how))?,
        At::Name(name) => Sender::open_or_create(Place::posix(name), &options(how))?,
    })
}

fn receiver<M: Message + ?Sized>(at: &At<'_>, how: How) -> Result<Receiver<M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Receiver::from_fd(opened(path)?, &options(how))?,
        At::Name(name) => Receiver::open_or_create(Place::posix(name), &options(how))?,
    })
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::NumbersFull => "numbers_full",
            Self::Bytes => "bytes",
            Self::NumbersThere => "numbers_there",
            Self::NumbersHalf => "numbers_half",
            Self::NumbersNone => "numbers_none",
            Self::NumbersFullDead => "numbers_full_dead",
            Self::NumbersNoneDead => "numbers_none_dead",
            Self::BytesThere => "bytes_there",
            Self::BytesWrapped => "bytes_wrapped",
            Self::Lines => "lines",
            Self::LinesFull => "lines_full",
            Self::LinesThere => "lines_there",
            Self::LinesHalf => "lines_half",
            Self::LinesNone => "lines_none",
            Self::LinesFullDead => "lines_full_dead",
            Self::LinesNoneDead => "lines_none_dead",
            Self::OddsFull => "odds_full",
            Self::OddsHalf => "odds_half",
        }
    }

    fn end(&self) -> &'static str {
        match (self.messages(), self.sends()) {
            (Messages::Numbers, true) => "sender of numbers",
            (Messages::Bytes, true) => "sender of bytes",
            (Messages::Lines, true) => "sender of lines",
            (Messages::Odds, true) => "sender of odds",
            (Messages::Numbers, false) => "receiver of numbers",
            (Messages::Bytes, false) => "receiver of bytes",
            (Messages::Lines, false) => "receiver of lines",
            (Messages::Odds, false) => "receiver of odds",
        }
    }

    fn layout(&self) -> Vec<Field> {
        match self.messages() {
            Messages::Numbers => spsc::layout::<u64>(CAPACITY),
            Messages::Bytes => spsc::layout::<[u8]>(CAPACITY),
            Messages::Lines => spsc::layout::<Line>(CAPACITY),
            Messages::Odds => spsc::layout::<Odd>(CAPACITY / 100 * 100),
        }
    }

    fn words(&self) -> Vec<super::words::Word> {
        words::of(&self.layout())
    }

    fn region_bytes(&self) -> usize {
        // Header, two sides, ring, and a margin whether it is used or not.
        3 * 4096 + CAPACITY as usize + 4096
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let mut made = match self.messages() {
            Messages::Numbers => items::<u64>(*self, [1, 2, 3], 0)?,
            Messages::Bytes => bytes(*self)?,
            // So many before, so that what is there lies around the end of the ring.
            Messages::Lines => items::<Line>(*self, [[1; 8], [2; 8], [3; 8]], 50)?,
            Messages::Odds => items::<Odd>(*self, [[1; 100], [2; 100], [3; 100]], 25)?,
        };
        if self.is_dead() {
            made.others = Box::new(());
        }
        Ok(made)
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        Ok(Box::new(match (self.messages(), self.sends()) {
            (Messages::Numbers, true) => Ends::NumberSender(sender(at, how)?),
            (Messages::Bytes, true) => Ends::ByteSender(sender(at, how)?),
            (Messages::Lines, true) => Ends::LineSender(sender(at, how)?),
            (Messages::Odds, true) => Ends::OddSender(sender(at, how)?),
            (Messages::Numbers, false) => Ends::NumberReceiver(receiver(at, how)?),
            (Messages::Bytes, false) => Ends::ByteReceiver(receiver(at, how)?),
            (Messages::Lines, false) => Ends::LineReceiver(receiver(at, how)?),
            (Messages::Odds, false) => Ends::OddReceiver(receiver(at, how)?),
        }))
    }

    fn meet(&self, end: &mut dyn Any) {
        match end.downcast_mut() {
            Some(Ends::NumberSender(tx)) => drop(tx.try_send(&0)),
            Some(Ends::NumberReceiver(rx)) => drop(rx.try_recv()),
            Some(Ends::LineSender(tx)) => drop(tx.try_send(&[0; 8])),
            Some(Ends::LineReceiver(rx)) => drop(rx.try_recv()),
            _ => {}
        }
    }

    fn dying(&self) -> Vec<u64> {
        let name = if self.sends() { "receiver_lease" } else { "sender_lease" };
        let leases = self.layout().into_iter().filter(|it| it.name == name && self.is_dead());
        leases.map(|it| it.offset).collect()
    }

    fn leave(&self, memory: &Memory) {
        let other = if self.sends() { Part::ReceiverSide } else { Part::SenderSide };
        let layout = self.layout();
        let at = |name| layout.iter().find(|it| it.part == other && it.name == name).map_or(0, |it| it.offset as usize);
        let bell = at("bell");
        memory.store(at("presence"), 8, 1 << 34 | 2 << 32);
        memory.store(bell, 4, memory.load(bell, 4) + 1);
        memory.wake(bell);
    }
}

/// Single items: those that fill the ring, those that come one by one, and those of a batch. `laps` have passed before what is left half.
fn items<T: Item + Copy + Send + 'static>(
    scene: Scene,
    [full, single, batched]: [T; 3],
    laps: usize,
) -> Result<Made, Box<dyn Error>> {
    let options = Options::new().capacity_bytes(CAPACITY).restartable(scene.is_restartable());
    let place = Place::memfd("scene");
    if scene.sends() {
        let rx = Receiver::<T>::create(place, &options)?;
        let file = File::from(rx.fd().ok_or("no descriptor")?.try_clone_to_owned()?);
        if scene.is_full() {
            let mut tx = Sender::<T>::from_fd(file.try_clone()?.into(), &options)?;
            while tx.try_send(&full).is_ok() {}
        }
        if scene.is_full() && !scene.is_restartable() {
            // A pipe's end is taken once. The next one finds it as it was before.
            Memory::of(&file)?.store(4096, 8, 0);
        }
        return Ok(Made { file, others: Box::new(rx), past: Vec::new() });
    }
    let mut tx = Sender::<T>::create(place, &options)?;
    let file = File::from(tx.fd().ok_or("no descriptor")?.try_clone_to_owned()?);
    let past = Memory::of(&file)?.copy(0, file.metadata()?.len() as usize);
    let mut half = None;
    if scene.is_half() {
        let rx = half.insert(Receiver::<T>::from_fd(file.try_clone()?.into(), &options)?);
        for _ in 0..laps {
            tx.send(&single)?;
            rx.recv()?;
        }
    }
    if !scene.is_empty() {
        tx.send_batch(&[batched; 20])?;
        (0..5).try_for_each(|_| tx.send(&single))?;
    }
    if let Some(mut rx) = half {
        for _ in 0..7 {
            rx.recv()?;
        }
        drop(rx);
        if !scene.is_restartable() {
            // As above.
            Memory::of(&file)?.store(8192, 8, 0);
        }
    }
    Ok(Made { file, others: Box::new(tx), past: vec![past] })
}

/// Runs of bytes.
fn bytes(scene: Scene) -> Result<Made, Box<dyn Error>> {
    let options = Options::new().capacity_bytes(CAPACITY).restartable(scene.is_restartable());
    let place = Place::memfd("scene");
    if scene.sends() {
        let rx = Receiver::<[u8]>::create(place, &options)?;
        let file = File::from(rx.fd().ok_or("no descriptor")?.try_clone_to_owned()?);
        return Ok(Made { file, others: Box::new(rx), past: Vec::new() });
    }
    let mut tx = Sender::<[u8]>::create(place, &options)?;
    let file = File::from(tx.fd().ok_or("no descriptor")?.try_clone_to_owned()?);
    if scene == Scene::BytesWrapped {
        let mut rx = Receiver::<[u8]>::from_fd(file.try_clone()?.into(), &options)?;
        for _ in 0..3 {
            tx.send(&[7; 1000])?;
            rx.recv()?;
        }
    }
    let past = Memory::of(&file)?.copy(0, file.metadata()?.len() as usize);
    for len in [8, 100, 0, 1500] {
        tx.send(&vec![6; len])?;
    }
    Ok(Made { file, others: Box::new(tx), past: vec![past] })
}
