//! A watch, lied about: in every word, to a writer beside a reader, and to readers and an observer beside a writer.

use super::many;
use super::memory::Memory;
use super::words::{self, Word, any};
use super::world::{
    At, Channel, How, Made, Operation, Outcome, Run, Speed, Waits, World, opened, promised, short, wrong,
};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fs::File;
use strait::channel::Message;
use strait::channel::layout::Field;
use strait::channel::watch::{self, Observer, Options, Reader, Writer};
use strait::region::Place;

/// The channel's part of the lies.
pub const CHANNEL: Channel = Channel { name: "watch", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[
    &Scene::Writing,
    &Scene::WritingWords,
    &Scene::Reading,
    &Scene::ReadingWords,
    &Scene::ReadingDead,
    &Scene::Observing,
];

const SPEEDS: &[Speed] = &[
    Speed { name: "speed/watch", ends: &[&Scene::Writing, &Scene::Reading], is_restartable: true },
    Speed { name: "speed/watch_words", ends: &[&Scene::WritingWords, &Scene::ReadingWords], is_restartable: false },
];

const READERS: u32 = 3;
const MAX_BYTES: u64 = 100;

/// Which end it is an operation of, and what is there when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// A writer of bytes, and a reader.
    Writing,
    /// A writer of numbers, all in one cache line.
    WritingWords,
    /// A reader of bytes, and a writer that has set some.
    Reading,
    /// The same of numbers.
    ReadingWords,
    /// A reader of bytes, whose writer dies now.
    ReadingDead,
    /// One without a seat, and a writer.
    Observing,
}

enum Ends {
    ByteWriter(Writer<[u8]>),
    WordWriter(Writer<u64>),
    ByteReader(Reader<[u8]>),
    WordReader(Reader<u64>),
    ByteObserver(Observer<[u8]>),
}

impl Scene {
    fn is_of_words(self) -> bool {
        matches!(self, Self::WritingWords | Self::ReadingWords)
    }

    fn copies(self) -> u32 {
        if self.is_of_words() { 4 } else { 2 }
    }

    fn shape(self) -> Options {
        Options::new().readers(READERS).max_message_bytes(MAX_BYTES).copies(self.copies())
    }
}

fn writer<M: Message + ?Sized>(at: &At<'_>, options: &Options) -> Result<Writer<M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Writer::from_fd(opened(path)?, options)?,
        At::Name(name) => Writer::open_or_create(Place::posix(name), options)?,
    })
}

fn reader<M: Message + ?Sized>(at: &At<'_>, options: &Options) -> Result<Reader<M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Reader::from_fd(opened(path)?, options)?,
        At::Name(name) => Reader::open_or_create(Place::posix(name), options)?,
    })
}

fn observer(at: &At<'_>, options: &Options) -> Result<Observer<[u8]>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Observer::from_fd(opened(path)?, options)?,
        At::Name(name) => Observer::open(Place::posix(name), options)?,
    })
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Writing => "watch_writing",
            Self::WritingWords => "watch_writing_words",
            Self::Reading => "watch_reading",
            Self::ReadingWords => "watch_reading_words",
            Self::ReadingDead => "watch_reading_dead",
            Self::Observing => "watch_observing",
        }
    }

    fn end(&self) -> &'static str {
        match self {
            Self::Writing => "writer of bytes",
            Self::WritingWords => "writer of words",
            Self::Reading | Self::ReadingDead => "reader of bytes",
            Self::ReadingWords => "reader of words",
            Self::Observing => "observer of bytes",
        }
    }

    fn layout(&self) -> Vec<Field> {
        if self.is_of_words() {
            watch::layout::<u64>(READERS, self.copies(), 8)
        } else {
            watch::layout::<[u8]>(READERS, self.copies(), MAX_BYTES)
        }
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.version" => word.weight(12).value(version),
            "body.len_bytes" => word.weight(6).value(length),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        if self.is_of_words() { made::<u64>(*self, &7) } else { made::<[u8]>(*self, &[7; 90]) }
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = self.shape().wait(how.strategy).restartable(how.is_restartable);
        Ok(Box::new(match self {
            Self::Writing => Ends::ByteWriter(writer(at, &options)?),
            Self::WritingWords => Ends::WordWriter(writer(at, &options)?),
            Self::Reading | Self::ReadingDead => Ends::ByteReader(reader(at, &options)?),
            Self::ReadingWords => Ends::WordReader(reader(at, &options)?),
            Self::Observing => Ends::ByteObserver(observer(at, &options)?),
        }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), 0..usize::from(*self == Self::ReadingDead))
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
    }

    fn passing(&self) -> &'static [&'static str] {
        &["NotYet", "TimedOut", "TooLarge", "Busy"]
    }
}

/// A region with honest ends, who stay, or die with the operation.
fn made<M: Message + ?Sized + 'static>(scene: Scene, value: &M) -> Result<Made, Box<dyn Error>> {
    let mut tx = Writer::<M>::create(Place::memfd("scene"), &scene.shape())?;
    let fd = || tx.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
    let (file, another) = (File::from(fd()??), fd()??);
    let memory = Memory::of(&file)?;
    let past = memory.copy(0, memory.len());
    let rx = Reader::<M>::from_fd(another, &scene.shape())?;
    for _ in 0..5 {
        tx.send(value)?;
    }
    match scene {
        // The operation's writer takes its seat.
        Scene::Writing | Scene::WritingWords => {
            drop(tx);
            Ok(Made { file, others: Box::new(rx), past: vec![past] })
        }
        Scene::ReadingDead => {
            let living = memory.copy(0, memory.len());
            drop((tx, rx));
            memory.put(0, &living);
            Ok(Made { file, others: Box::new(()), past: vec![past] })
        }
        _ => Ok(Made { file, others: Box::new((tx, rx)), past: vec![past] }),
    }
}

/// A few versions on, or back, or as far as goes.
fn version(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let by = any(&[0, 1, 2, 3, 4, 5, 63, 64, 1 << 32, u64::MAX / 2], random);
    match random.below(6) {
        0 | 1 => Some(now.wrapping_add(by)),
        2 => Some(now.wrapping_sub(by)),
        3 => Some(any(&[0, 1, u64::MAX, u64::MAX - 1], random)),
        _ => None,
    }
}

/// About as long as what fits.
fn length(_: &Memory, _: usize, _: u64, random: &mut Random) -> Option<u64> {
    let around = [0, 1, 7, 99, 100, 101, 128, 1 << 30, u64::from(u32::MAX), u64::MAX];
    (random.below(4) != 0).then(|| any(&around, random))
}

/// A value is no longer than what was agreed when the end came, where a liar may have had a say; and that has room in the page.
fn fits(value: &[u8], max_bytes: u64) -> Outcome {
    let len = value.len() as u64;
    promised(len <= max_bytes && max_bytes <= 4096, "a value longer than any may be", len.max(max_bytes))
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, $end:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut() {
                Some(Ends::$end($it)) => $run,
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
    operation!("watch_send", Writing, Bounded, ByteWriter, |tx, random| {
        let len = [0, 1, 48, 100, 101][random.below(5) as usize];
        for _ in 0..5 {
            tx.send(&[9; 101][..len])?;
        }
        Ok(5)
    }),
    operation!("watch_writer_looks", Writing, Bounded, ByteWriter, |tx, _random| {
        let _ = (tx.version(), tx.copies(), tx.max_message_bytes(), tx.place().to_string());
        promised(tx.readers() <= many::seats(READERS + 1), "more readers than seats", tx.readers().into())
    }),
    operation!("watch_send_words", WritingWords, Bounded, WordWriter, |tx, _random| {
        for number in 0..5 {
            tx.send(&number)?;
        }
        // What it reads is what lies in the memory: any number, or none.
        let _ = tx.get();
        Ok(5)
    }),
    operation!("watch_get", Reading, Bare, ByteReader, |rx, _random| {
        let mut into = Vec::new();
        rx.get(&mut into)?;
        fits(&into, rx.max_message_bytes())
    }),
    operation!("watch_try_get", Reading, Bounded, ByteReader, |rx, _random| {
        let mut into = Vec::new();
        rx.try_get(&mut into)?;
        fits(&into, rx.max_message_bytes())
    }),
    operation!("watch_changed", Reading, Bare, ByteReader, |rx, _random| {
        let mut into = Vec::new();
        for _ in 0..3 {
            rx.changed(&mut into)?;
            fits(&into, rx.max_message_bytes())?;
        }
        Ok(3)
    }),
    operation!("watch_changed_timeout", Reading, Bounded, ByteReader, |rx, random| {
        let mut into = Vec::new();
        for _ in 0..3 {
            rx.changed_timeout(&mut into, short(random))?;
            fits(&into, rx.max_message_bytes())?;
        }
        Ok(3)
    }),
    operation!("watch_reader_looks", Reading, Bounded, ByteReader, |rx, _random| {
        let _ = (rx.version(), rx.has_changed(), rx.writer_pid(), rx.writer_state(), rx.place().to_string());
        fits(&[], rx.max_message_bytes())
    }),
    operation!("watch_changed_dead", ReadingDead, Bounded, ByteReader, |rx, _random| {
        let mut into = Vec::new();
        for _ in 0..50 {
            rx.changed_timeout(&mut into, std::time::Duration::from_millis(300))?;
            fits(&into, rx.max_message_bytes())?;
        }
        Ok(50)
    }),
    operation!("watch_get_words", ReadingWords, Bare, WordReader, |rx, _random| Ok(rx.get().map(|_| 1)?)),
    operation!("watch_try_changed_words", ReadingWords, Bounded, WordReader, |rx, random| {
        rx.get_timeout(short(random))?;
        Ok(rx.try_changed().map(|_| 1)?)
    }),
    operation!("watch_observe", Observing, Bounded, ByteObserver, |it, _random| {
        let mut into = Vec::new();
        let _ = (it.version(), it.seen(), it.writer_state());
        it.try_changed(&mut into)?;
        it.try_get(&mut into)?;
        fits(&into, it.max_message_bytes())
    }),
    operation!(attach "watch_attach_writer", WritingWords),
    operation!(attach "watch_attach_reader", Reading),
    operation!(attach "watch_attach_observer", Observing),
];
