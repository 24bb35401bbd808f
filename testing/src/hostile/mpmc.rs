//! What honest ends of a work queue do while they are lied to.

use super::memory::Memory;
use super::world::Waits::{self, Bare, Bounded};
use super::world::{At, Channel, How, Made, Operation, Outcome, Run, Speed, World, opened, promised, short, wrong};
use super::{many, words};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fs::File;
use std::time::Duration;
use strait::channel::layout::Field;
use strait::channel::mpmc::{self, Kinds, Options, Producer, Worker};
use strait::region::Place;

/// The queue's part.
pub const CHANNEL: Channel = Channel {
    name: "mpmc",
    worlds: &[&Scene::Room, &Scene::Full, &Scene::Jobs, &Scene::None, &Scene::JobsHeld, &Scene::Bytes],
    operations: OPERATIONS,
    speeds: &[Speed { name: "speed/queue", ends: &[&Scene::Room, &Scene::Jobs], is_restartable: true }],
};

const SEATS: u32 = 4;
const KINDS: u32 = 2;
const CAPACITY: u32 = 16;
const BYTES_MAX: u32 = 112;

/// A queue, and one of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// A producer where there is room.
    Room,
    /// A producer where there is none.
    Full,
    /// A worker, and jobs.
    Jobs,
    /// A worker, and none.
    None,
    /// The same, and another worker has some in its hands.
    JobsHeld,
    /// A worker, and jobs of any length.
    Bytes,
}

enum Ends {
    Producer(Producer<u64>),
    Worker(Worker<u64>),
    ByteWorker(Worker<[u8]>),
}

fn options(how: How) -> Options {
    let options = Options::new().seats(SEATS).kinds(KINDS).capacity(CAPACITY).job_max_bytes(BYTES_MAX);
    options.wait(how.strategy).restartable(how.is_restartable)
}

fn made() -> Options {
    // Pipe-like: who waits without limit is told that the others have left.
    Options::new().seats(SEATS).kinds(KINDS).capacity(CAPACITY).job_max_bytes(BYTES_MAX)
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Room => "mpmc_room",
            Self::Full => "mpmc_full",
            Self::Jobs => "mpmc_jobs",
            Self::None => "mpmc_none",
            Self::JobsHeld => "mpmc_jobs_held",
            Self::Bytes => "mpmc_bytes",
        }
    }

    fn end(&self) -> &'static str {
        match self {
            Self::Room | Self::Full => "producer of jobs",
            Self::Jobs | Self::None | Self::JobsHeld => "worker at jobs",
            Self::Bytes => "worker at jobs of bytes",
        }
    }

    fn layout(&self) -> Vec<Field> {
        if *self == Self::Bytes {
            mpmc::layout::<[u8]>(SEATS, KINDS, CAPACITY, BYTES_MAX)
        } else {
            mpmc::layout::<u64>(SEATS, KINDS, CAPACITY, 8)
        }
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        if *self == Self::Bytes {
            let mut producer = Producer::<[u8]>::create(Place::memfd("scene"), &made())?;
            for len in [8, 100, 0, 112] {
                producer.push_kind(u32::from(len == 100), &vec![6; len])?;
            }
            let file = File::from(producer.fd().ok_or("no descriptor")?.try_clone_to_owned()?);
            return Ok(Made { file, others: Box::new(producer), past: Vec::new() });
        }
        let mut producer = Producer::<u64>::create(Place::memfd("scene"), &made())?;
        let file = File::from(producer.fd().ok_or("no descriptor")?.try_clone_to_owned()?);
        let mut worker = Worker::<u64>::from_fd(file.try_clone()?.into(), &made())?;
        let past = Memory::of(&file)?.copy(0, file.metadata()?.len() as usize);
        let jobs = match self {
            Self::Room | Self::None => 0,
            Self::Full => CAPACITY,
            _ => CAPACITY / 2,
        };
        for kind in 0..KINDS {
            (0..jobs).try_for_each(|job| producer.push_kind(kind, &u64::from(job)))?;
        }
        if *self == Self::JobsHeld {
            std::mem::forget(worker.pop_batch(3)?);
        }
        if *self == Self::Jobs {
            worker.pop()?.nack_after(Duration::from_millis(2));
        }
        Ok(Made { file, others: Box::new((producer, worker)), past: vec![past] })
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = options(how);
        Ok(Box::new(match (self, at) {
            (Self::Room | Self::Full, At::Path(path)) => Ends::Producer(Producer::from_fd(opened(path)?, &options)?),
            (Self::Room | Self::Full, At::Name(name)) => {
                Ends::Producer(Producer::open_or_create(Place::posix(name), &options)?)
            }
            (Self::Bytes, At::Path(path)) => Ends::ByteWorker(Worker::from_fd(opened(path)?, &options)?),
            (Self::Bytes, At::Name(name)) => Ends::ByteWorker(Worker::open_or_create(Place::posix(name), &options)?),
            (_, At::Path(path)) => Ends::Worker(Worker::from_fd(opened(path)?, &options)?),
            (_, At::Name(name)) => Ends::Worker(Worker::open_or_create(Place::posix(name), &options)?),
        }))
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
    }

    fn words(&self) -> Vec<words::Word> {
        words::of(&self.layout())
            .into_iter()
            .map(|word| match word.name.as_str() {
                "body.word" => word.weight(12).value(slot),
                "body.head" | "body.tail" | "body.due" => word.weight(4),
                _ => word,
            })
            .collect()
    }
}

/// A slot's word in another state, of another owner, or a few laps on.
fn slot(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let state = random.below(6);
    match random.below(4) {
        0 => Some(now & !7 | state),
        1 => Some(now.wrapping_add((random.below(5) << 36).wrapping_sub(2 << 36))),
        2 => Some(now & !(0xFF << 3) | random.below(6) << 3),
        _ => None,
    }
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:expr, $end:ident, |$it:ident, $random:ident| $body:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: $waits,
            run: Run::Call({
                fn run(end: &mut dyn Any, $random: &mut Random) -> Outcome {
                    let Some(Ends::$end($it)) = end.downcast_mut() else { return wrong() };
                    $body
                }
                run
            }),
        }
    };
}

const fn attach(name: &'static str, world: &'static dyn World) -> Operation {
    let waits: Waits = Bounded;
    Operation { name, world, waits, run: Run::Attach }
}

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("mpmc_push", Room, Bare, Producer, |producer, _random| {
        (0..5).try_for_each(|job| producer.push(&job))?;
        Ok(5)
    }),
    operation!("mpmc_try_push", Room, Bounded, Producer, |producer, random| Ok(producer.try_push_kind(random.below(3) as u32, &7).map(|()| 1)?)),
    operation!("mpmc_push_batch", Room, Bare, Producer, |producer, _random| Ok(producer.push_batch(1, &[5; 12]).map(|()| 12)?)),
    operation!("mpmc_reserve", Room, Bare, Producer, |producer, _random| {
        drop(producer.reserve(0)?);
        let mut room = producer.reserve(0)?;
        *room = 7;
        room.publish();
        Ok(1)
    }),
    operation!("mpmc_reserve_full", Full, Bounded, Producer, |producer, random| {
        let _ = producer.try_reserve(random.below(3) as u32);
        Ok(producer.reserve_timeout(0, short(random)).map(|room| { room.publish(); 1 })?)
    }),
    operation!("mpmc_push_timeout", Full, Bounded, Producer, |producer, random| Ok(producer.push_timeout(&7, short(random)).map(|()| 1)?)),
    operation!("mpmc_push_full", Full, Bare, Producer, |producer, _random| Ok(producer.push(&7).map(|()| 1)?)),
    operation!("mpmc_producer_looks", Full, Bounded, Producer, |producer, _random| {
        let (len, max) = (producer.len(), u64::from(KINDS * CAPACITY));
        promised(len <= max, "more jobs than slots", len)?;
        promised(producer.workers().max(producer.producers()) <= many::seats(SEATS), "more users than seats", 0)
    }),
    operation!("mpmc_try_pop", Jobs, Bounded, Worker, |worker, random| {
        for _ in 0..10 {
            let job = worker.try_pop()?;
            promised(job.kind() < KINDS, "a kind that there is not", job.kind().into())?;
            match random.below(4) {
                0 => job.nack(),
                1 => job.nack_after(short(random)),
                _ => job.ack(),
            }
        }
        Ok(10)
    }),
    operation!("mpmc_pop_timeout", None, Bounded, Worker, |worker, random| Ok(worker.pop_timeout(short(random)).map(|job| { job.ack(); 1 })?)),
    operation!("mpmc_pop_kind", Jobs, Bounded, Worker, |worker, random| {
        Ok(worker.pop_kind_timeout(Kinds::from(1), short(random)).map(|job| { let _ = *job; job.ack(); 1 })?)
    }),
    operation!("mpmc_pop_held", JobsHeld, Bounded, Worker, |worker, random| {
        let mut count = 0;
        while let Ok(job) = worker.pop_timeout(short(random)) {
            job.ack();
            count += 1;
            if count == 16 {
                break;
            }
        }
        Ok(count)
    }),
    operation!("mpmc_worker_looks", Jobs, Bounded, Worker, |worker, _random| {
        let (len, max) = (worker.len(), u64::from(KINDS * CAPACITY));
        promised(len <= max, "more jobs than slots", len)
    }),
    operation!("mpmc_pop_bytes", Bytes, Bounded, ByteWorker, |worker, _random| {
        for _ in 0..4 {
            let job = worker.try_pop()?;
            promised(job.len() <= BYTES_MAX as usize, "a job longer than a slot", job.len() as u64)?;
            job.ack();
        }
        Ok(4)
    }),
    attach("mpmc_attach_producer", &Scene::Room),
    attach("mpmc_attach_worker", &Scene::JobsHeld),
];
