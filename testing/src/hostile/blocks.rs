//! A broadcast channel whose messages lie in blocks, lied about: in every word, to a publisher beside a subscriber that holds a message, and to
//! a subscriber beside a publisher. What is said of every broadcast channel is in [`super::broadcast`].

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
use std::time::Duration;
use strait::channel::broadcast::{self, Held, Options, Policy, Publisher, Subscriber};
use strait::channel::layout::Field;
use strait::region::Place;

/// The channel's part of the lies.
pub const CHANNEL: Channel = Channel { name: "blocks", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] =
    &[&Scene::Publishing, &Scene::PublishingDead, &Scene::Overwriting, &Scene::Kept, &Scene::Over];

const SPEEDS: &[Speed] = &[
    Speed { name: "speed/blocks", ends: &[&Scene::Publishing, &Scene::Kept], is_restartable: true },
    Speed { name: "speed/blocks_over", ends: &[&Scene::Overwriting, &Scene::Over], is_restartable: true },
];

const MAX_BYTES: u64 = 1000;
const BLOCKS: u32 = 4;

/// Which end it is an operation of, and what is there when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// A publisher that waits, and a subscriber that holds a message and has read the others.
    Publishing,
    /// The same, and the subscriber dies now, with all but one block in its hands.
    PublishingDead,
    /// A publisher that does not wait, and a subscriber that holds a message.
    Overwriting,
    /// A subscriber that is kept, and a publisher's messages.
    Kept,
    /// One that is not.
    Over,
}

enum Ends {
    Publisher(Publisher<[u8]>),
    Subscriber(Subscriber<[u8]>),
}

impl Scene {
    fn publishes(self) -> bool {
        matches!(self, Self::Publishing | Self::PublishingDead | Self::Overwriting)
    }

    /// Options of the channel.
    fn shape(self) -> Options {
        let policy = if matches!(self, Self::Overwriting | Self::Over) { Policy::DropOldest } else { Policy::Block };
        Options::new().subscribers(2).blocks(BLOCKS).max_message_bytes(MAX_BYTES).policy(policy)
    }

    fn options(self, how: How) -> Options {
        self.shape().wait(how.strategy).restartable(how.is_restartable).from_oldest()
    }
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Publishing => "blocks_publishing",
            Self::PublishingDead => "blocks_publishing_dead",
            Self::Overwriting => "blocks_overwriting",
            Self::Kept => "blocks_kept",
            Self::Over => "blocks_over",
        }
    }

    fn end(&self) -> &'static str {
        if self.publishes() { "publisher into blocks" } else { "subscriber of blocks" }
    }

    fn layout(&self) -> Vec<Field> {
        broadcast::layout::<[u8]>(&self.shape())
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.sent" | "body.claimed" => word.weight(12).value(count),
            "body.position" => word.weight(6).value(count),
            "body.held" => word.weight(8).value(bits),
            "body.sequence" => word.value(count),
            "body.reference" => word.weight(6).value(reference),
            "body.block" => word.weight(1),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        let options = self.shape();
        let mut tx = Publisher::<[u8]>::create(Place::memfd("scene"), &options)?;
        let fd = || tx.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
        let (file, another) = (File::from(fd()??), fd()??);
        let memory = Memory::of(&file)?;
        let past = memory.copy(0, memory.len());
        if !self.publishes() {
            for _ in 0..if *self == Self::Kept { 3 } else { 9 } {
                tx.publish(&[7; 900])?;
            }
            return Ok(Made { file, others: Box::new(tx), past: vec![past] });
        }
        let mut rx = Subscriber::<[u8]>::from_fd(another, &options)?;
        let count = if *self == Self::PublishingDead { BLOCKS - 1 } else { 1 };
        let mut held = Vec::new();
        for _ in 0..BLOCKS - 1 {
            tx.publish(&[7; 900])?;
            held.push(rx.hold()?);
        }
        held.truncate(count as usize);
        let living = memory.copy(0, memory.len());
        // The operation's publisher takes its seat.
        drop(tx);
        if *self != Self::PublishingDead {
            return Ok(Made { file, others: Box::new((rx, held)), past: vec![past] });
        }
        drop((rx, held));
        memory.put(0, &living);
        Ok(Made { file, others: Box::new(()), past: vec![past] })
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = self.options(how);
        Ok(Box::new(match (self.publishes(), at) {
            (true, At::Path(path)) => Ends::Publisher(Publisher::from_fd(opened(path)?, &options)?),
            (true, At::Name(name)) => Ends::Publisher(Publisher::open_or_create(Place::posix(name), &options)?),
            (false, At::Path(path)) => Ends::Subscriber(Subscriber::from_fd(opened(path)?, &options)?),
            (false, At::Name(name)) => Ends::Subscriber(Subscriber::open_or_create(Place::posix(name), &options)?),
        }))
    }

    fn dying(&self) -> Vec<u64> {
        many::leases(&self.layout(), if *self == Self::PublishingDead { 1..2 } else { 0..0 })
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
    }

    fn passing(&self) -> &'static [&'static str] {
        &["Empty", "Full", "TimedOut", "TooLarge", "Untrusted", "Lagged"]
    }
}

/// About as many as there are, or as there are slots.
fn count(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let by = any(&[0, 1, 2, 3, 4, 5, 14, 15, 16, 17, 32, 1 << 32, u64::MAX / 2], random);
    match random.below(6) {
        0 | 1 => Some(now.wrapping_add(by)),
        2 | 3 => Some(now.wrapping_sub(by)),
        4 => Some(any(&[0, 1, 3, 4, 16, 19, 20, u64::MAX, u64::MAX - 1, u64::MAX - 16], random)),
        _ => None,
    }
}

/// Some blocks, those that there are not included.
fn bits(_: &Memory, _: usize, _: u64, random: &mut Random) -> Option<u64> {
    (random.below(4) != 0).then(|| any(&[0, 1, 2, 4, 8, 14, 15, 16, u64::MAX], random))
}

/// A block about as far as there are, and about as long as what fits.
fn reference(_: &Memory, _: usize, _: u64, random: &mut Random) -> Option<u64> {
    let block = any(&[0, 1, 2, 3, 4, 5, 1024, u64::from(u32::MAX)], random);
    let len = any(&[0, 1, 900, 999, 1000, 1001, 1 << 30, u64::from(u32::MAX)], random);
    (random.below(4) != 0).then_some(len << 32 | block)
}

/// A message is no longer than the channel says that one may be, and that is no more than a block of its memory has room for.
fn fits(message: &[u8], max_bytes: u64) -> Outcome {
    let len = message.len() as u64;
    promised(len <= max_bytes && max_bytes <= 4096, "a message longer than any may be", len.max(max_bytes))
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

/// Copies, of all lengths.
fn publish_timeout(tx: &mut Publisher<[u8]>, random: &mut Random, timeout: Duration) -> Outcome {
    let len = [0, 1, 64, 999, 1000, 1001][random.below(6) as usize];
    for _ in 0..20 {
        tx.publish_timeout(&[9; 1001][..len], timeout)?;
    }
    Ok(20)
}

/// Holds several at a time, and looks at all of them.
fn hold_several(rx: &mut Subscriber<[u8]>, random: &mut Random) -> Outcome {
    let mut held: Vec<Held<[u8]>> = Vec::new();
    for _ in 0..3 {
        held.push(rx.hold_timeout(short(random))?);
        if held.len() > 1 {
            held.remove(random.below(2) as usize);
        }
        for it in &held {
            fits(it, rx.max_message_bytes())?;
            std::hint::black_box(it.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
        }
    }
    Ok(3)
}

/// All operations.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("blocks_publish", Publishing, Bare, Publisher, |tx, _random| {
        for _ in 0..20 {
            tx.publish(&[3; 500])?;
        }
        Ok(20)
    }),
    operation!("blocks_try_publish", Publishing, Bounded, Publisher, |tx, _random| {
        let count = (0..20).take_while(|_| tx.try_publish(&[3; 500]).is_ok()).count() as u64;
        Ok(tx.try_publish(&[4; 3]).map(|()| count)?)
    }),
    operation!("blocks_publish_timeout", Publishing, Bounded, Publisher, |tx, random| publish_timeout(tx, random, Duration::from_millis(1))),
    operation!("blocks_publish_dead", PublishingDead, Bounded, Publisher, |tx, random| publish_timeout(tx, random, Duration::from_millis(300))),
    operation!("blocks_publish_over", Overwriting, Bounded, Publisher, |tx, random| publish_timeout(tx, random, Duration::from_millis(1))),
    operation!("blocks_reserve", Publishing, Bounded, Publisher, |tx, random| {
        let mut room = tx.reserve_timeout(600, short(random))?;
        room.fill(3);
        room.publish_first(random.below(700) as usize);
        Ok(1)
    }),
    operation!("blocks_reserve_over", Overwriting, Bounded, Publisher, |tx, _random| {
        for _ in 0..20 {
            let mut room = tx.try_reserve(1000)?;
            room.fill(3);
            room.publish();
        }
        Ok(20)
    }),
    operation!("blocks_publisher_looks", Publishing, Bounded, Publisher, |tx, _random| {
        let _ = (tx.is_empty(), tx.dropped(), tx.capacity(), tx.place().to_string());
        let (len, subscribers) = (tx.len(), u64::from(tx.subscribers()));
        promised(len <= tx.published() && subscribers <= u64::from(many::seats(3)), "more than there can be", len.max(subscribers))
    }),

    operation!("blocks_recv", Kept, Bounded, Subscriber, |rx, random| {
        for _ in 0..3 {
            fits(&rx.recv_timeout(short(random))?, rx.max_message_bytes())?;
        }
        Ok(3)
    }),
    operation!("blocks_recv_ref", Kept, Bounded, Subscriber, |rx, random| {
        for _ in 0..3 {
            let max_bytes = rx.max_message_bytes();
            fits(&rx.recv_ref_timeout(short(random))?, max_bytes)?;
        }
        Ok(3)
    }),
    operation!("blocks_hold", Kept, Bounded, Subscriber, |rx, random| hold_several(rx, random)),
    operation!("blocks_hold_bare", Kept, Bare, Subscriber, |rx, _random| {
        for _ in 0..3 {
            fits(&rx.hold()?, rx.max_message_bytes())?;
        }
        Ok(3)
    }),
    operation!("blocks_subscriber_looks", Kept, Bounded, Subscriber, |rx, _random| {
        let _ = (rx.len(), rx.is_empty(), rx.dropped(), rx.received(), rx.lost(), rx.origin(), rx.capacity());
        let count = rx.publishers().max(rx.subscribers());
        promised(count <= many::seats(3), "more than there are seats", u64::from(count))
    }),
    operation!("blocks_recv_over", Over, Bounded, Subscriber, |rx, random| {
        for _ in 0..3 {
            fits(&rx.recv_timeout(short(random))?, rx.max_message_bytes())?;
        }
        Ok(3)
    }),
    operation!("blocks_recv_ref_over", Over, Bounded, Subscriber, |rx, random| {
        for _ in 0..3 {
            let max_bytes = rx.max_message_bytes();
            let lent = rx.recv_ref_timeout(short(random))?;
            fits(&lent, max_bytes)?;
            if random.below(3) == 0 {
                lent.put_back();
            }
        }
        Ok(3)
    }),
    operation!("blocks_hold_over", Over, Bounded, Subscriber, |rx, random| hold_several(rx, random)),
    operation!(attach "blocks_attach_publisher", Publishing),
    operation!(attach "blocks_attach_publisher_over", Overwriting),
    operation!(attach "blocks_attach_subscriber", Kept),
    operation!(attach "blocks_attach_subscriber_over", Over),
];
