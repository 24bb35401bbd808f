//! A broadcast channel, lied about: in every word, to a publisher beside a subscriber that reads nothing, and to a subscriber beside two
//! publishers.

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
use strait::channel::broadcast::{self, Options, Policy, Publisher, Subscriber};
use strait::channel::layout::Field;
use strait::region::Place;

/// The channel's part of the lies.
pub const CHANNEL: Channel = Channel { name: "broadcast", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] = &[
    &Scene::Publishing,
    &Scene::PublishingDead,
    &Scene::PublishingBytes,
    &Scene::Kept,
    &Scene::Overwritten,
    &Scene::Bytes,
    &Scene::NoneDead,
];

const SPEEDS: &[Speed] = &[
    Speed { name: "speed/broadcast", ends: &[&Scene::Publishing, &Scene::Kept], is_restartable: true },
    Speed { name: "speed/broadcast_bytes", ends: &[&Scene::PublishingBytes, &Scene::Bytes], is_restartable: false },
];

const MAX_BYTES: u64 = 100;

/// Which end it is an operation of, and what is there when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// A publisher of numbers, and a subscriber that holds up what was published last.
    Publishing,
    /// The same, and the subscriber dies now.
    PublishingDead,
    /// A publisher of bytes, and a subscriber.
    PublishingBytes,
    /// A subscriber that is kept, and two publishers' numbers.
    Kept,
    /// One that is not.
    Overwritten,
    /// The same of bytes.
    Bytes,
    /// A subscriber with nothing to read, whose publisher dies now.
    NoneDead,
}

enum Ends {
    NumberPublisher(Publisher<u64>),
    BytePublisher(Publisher<[u8]>),
    NumberSubscriber(Subscriber<u64>),
    ByteSubscriber(Subscriber<[u8]>),
}

impl Scene {
    fn publishes(self) -> bool {
        matches!(self, Self::Publishing | Self::PublishingDead | Self::PublishingBytes)
    }

    fn is_of_bytes(self) -> bool {
        matches!(self, Self::PublishingBytes | Self::Bytes)
    }

    fn is_dying(self) -> bool {
        matches!(self, Self::PublishingDead | Self::NoneDead)
    }

    /// Options of the channel.
    fn shape(self) -> Options {
        let policy = match self {
            Self::Overwritten | Self::Bytes => Policy::DropOldest,
            Self::PublishingBytes => Policy::DropNewest,
            _ => Policy::Block,
        };
        Options::new().publishers(2).subscribers(2).capacity(14).max_message_bytes(MAX_BYTES).policy(policy)
    }

    fn options(self, how: How) -> Options {
        self.shape().wait(how.strategy).restartable(how.is_restartable).from_oldest()
    }
}

fn publisher<M: Message + ?Sized>(at: &At<'_>, options: &Options) -> Result<Publisher<M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Publisher::from_fd(opened(path)?, options)?,
        At::Name(name) => Publisher::open_or_create(Place::posix(name), options)?,
    })
}

fn subscriber<M: Message + ?Sized>(at: &At<'_>, options: &Options) -> Result<Subscriber<M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Subscriber::from_fd(opened(path)?, options)?,
        At::Name(name) => Subscriber::open_or_create(Place::posix(name), options)?,
    })
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Publishing => "broadcast_publishing",
            Self::PublishingDead => "broadcast_publishing_dead",
            Self::PublishingBytes => "broadcast_publishing_bytes",
            Self::Kept => "broadcast_kept",
            Self::Overwritten => "broadcast_overwritten",
            Self::Bytes => "broadcast_bytes",
            Self::NoneDead => "broadcast_none_dead",
        }
    }

    fn end(&self) -> &'static str {
        match (self.publishes(), self.is_of_bytes()) {
            (true, false) => "publisher of numbers",
            (true, true) => "publisher of bytes",
            (false, false) => "subscriber of numbers",
            (false, true) => "subscriber of bytes",
        }
    }

    fn layout(&self) -> Vec<Field> {
        if self.is_of_bytes() {
            broadcast::layout::<[u8]>(&self.shape())
        } else {
            broadcast::layout::<u64>(&self.shape())
        }
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.sent" | "body.claimed" => word.weight(12).value(count),
            "body.position" => word.weight(6).value(count),
            "body.sequence" => word.value(count),
            "body.len_bytes" => word.value(length),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        if self.is_of_bytes() { made::<[u8]>(*self, &[7; 90]) } else { made::<u64>(*self, &7) }
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        let options = self.options(how);
        Ok(Box::new(match (self.publishes(), self.is_of_bytes()) {
            (true, false) => Ends::NumberPublisher(publisher(at, &options)?),
            (true, true) => Ends::BytePublisher(publisher(at, &options)?),
            (false, false) => Ends::NumberSubscriber(subscriber(at, &options)?),
            (false, true) => Ends::ByteSubscriber(subscriber(at, &options)?),
        }))
    }

    fn dying(&self) -> Vec<u64> {
        let seats = match self {
            Self::PublishingDead => 2..3,
            Self::NoneDead => 0..1,
            _ => 0..0,
        };
        many::leases(&self.layout(), seats)
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
    }

    fn passing(&self) -> &'static [&'static str] {
        &["Empty", "Full", "TimedOut", "TooLarge", "Untrusted", "Overwritable", "Lagged"]
    }
}

/// A region with honest ends, who stay, or die with the operation.
fn made<M: Message + ?Sized + 'static>(scene: Scene, message: &M) -> Result<Made, Box<dyn Error>> {
    let options = scene.shape();
    let mut tx = Publisher::<M>::create(Place::memfd("scene"), &options)?;
    let fd = || tx.fd().ok_or("no descriptor").map(|fd| fd.try_clone_to_owned());
    let (file, another) = (File::from(fd()??), fd()??);
    let memory = Memory::of(&file)?;
    let past = memory.copy(0, memory.len());
    if scene.publishes() {
        let rx = Subscriber::<M>::from_fd(another, &options)?;
        for _ in 0..10 {
            tx.try_publish(message)?;
        }
        let living = memory.copy(0, memory.len());
        // The operation's publisher takes its seat.
        drop(tx);
        if !scene.is_dying() {
            return Ok(Made { file, others: Box::new(rx), past: vec![past] });
        }
        drop(rx);
        memory.put(0, &living);
        return Ok(Made { file, others: Box::new(()), past: vec![past] });
    }
    if scene == Scene::NoneDead {
        let living = memory.copy(0, memory.len());
        drop(tx);
        memory.put(0, &living);
        return Ok(Made { file, others: Box::new(()), past: Vec::new() });
    }
    let mut other = Publisher::<M>::from_fd(another, &options)?;
    for _ in 0..20 {
        tx.publish(message)?;
        other.publish(message)?;
    }
    Ok(Made { file, others: Box::new((tx, other)), past: vec![past] })
}

/// About as many as there are, or as there are slots.
fn count(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    let by = any(&[0, 1, 2, 3, 14, 15, 16, 17, 32, 1 << 32, u64::MAX / 2], random);
    match random.below(6) {
        0 | 1 => Some(now.wrapping_add(by)),
        2 | 3 => Some(now.wrapping_sub(by)),
        4 => Some(any(&[0, 1, 20, 36, u64::MAX, u64::MAX - 1, u64::MAX - 16], random)),
        _ => None,
    }
}

/// About as long as what fits.
fn length(_: &Memory, _: usize, _: u64, random: &mut Random) -> Option<u64> {
    let around = [0, 1, 7, 99, 100, 101, 128, 1 << 30, u64::from(u32::MAX), u64::MAX];
    (random.below(4) != 0).then(|| any(&around, random))
}

/// A message is no longer than the channel says that one may be, and that is no more than its memory has room for.
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

/// All operations.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("broadcast_publish", Publishing, Bare, NumberPublisher, |tx, _random| Ok(tx.publish(&7).map(|()| 1)?)),
    operation!("broadcast_publish_many", Publishing, Bare, NumberPublisher, |tx, _random| {
        for n in 0..40 {
            tx.publish(&n)?;
        }
        Ok(40)
    }),
    operation!("broadcast_publish_dead", PublishingDead, Bounded, NumberPublisher, |tx, _random| {
        for n in 0..40 {
            tx.publish_timeout(&n, std::time::Duration::from_millis(300))?;
        }
        Ok(40)
    }),
    operation!("broadcast_try_publish", Publishing, Bounded, NumberPublisher, |tx, _random| {
        let count = (0..40).take_while(|n| tx.try_publish(n).is_ok()).count() as u64;
        Ok(tx.try_publish(&7).map(|()| count)?)
    }),
    operation!("broadcast_publish_timeout", Publishing, Bounded, NumberPublisher, |tx, random| Ok(tx.publish_timeout(&7, short(random)).map(|()| 1)?)),
    operation!("broadcast_publish_batch", Publishing, Bare, NumberPublisher, |tx, _random| Ok(tx.publish_batch(&[5; 50]).map(|()| 50)?)),
    operation!("broadcast_reserve", Publishing, Bare, NumberPublisher, |tx, _random| {
        let mut room = tx.reserve()?;
        *room = 7;
        room.publish();
        Ok(1)
    }),
    operation!("broadcast_reserve_timeout", Publishing, Bounded, NumberPublisher, |tx, random| Ok(tx.reserve_timeout(short(random)).map(|room| { room.publish(); 1 })?)),
    operation!("broadcast_drain", Publishing, Bounded, NumberPublisher, |tx, random| Ok(tx.drain(short(random)).map(u64::from)?)),
    operation!("broadcast_wait_for_subscribers", Publishing, Bounded, NumberPublisher, |tx, random| Ok(tx.wait_for_subscribers(2, short(random)).map(u64::from)?)),
    operation!("broadcast_publisher_looks", Publishing, Bounded, NumberPublisher, |tx, _random| {
        let _ = (tx.is_empty(), tx.published(), tx.dropped(), tx.capacity(), tx.place().to_string(), tx.number());
        let (len, subscribers) = (tx.len(), u64::from(tx.subscribers()));
        promised(len <= tx.published() && subscribers <= u64::from(many::seats(4)), "more than there can be", len.max(subscribers))
    }),
    operation!("broadcast_publish_bytes", PublishingBytes, Bounded, BytePublisher, |tx, random| {
        let len = [0, 1, 48, 100, 101][random.below(5) as usize];
        for _ in 0..20 {
            tx.publish(&[9; 101][..len])?;
        }
        Ok(20)
    }),
    operation!("broadcast_reserve_bytes", PublishingBytes, Bounded, BytePublisher, |tx, random| {
        let mut room = tx.reserve_timeout(60, short(random))?;
        room.fill(3);
        room.publish_first(random.below(70) as usize);
        Ok(1)
    }),

    operation!("broadcast_recv", Kept, Bare, NumberSubscriber, |rx, _random| {
        for _ in 0..50 {
            rx.recv()?;
        }
        Ok(50)
    }),
    operation!("broadcast_try_recv", Kept, Bounded, NumberSubscriber, |rx, _random| {
        for _ in 0..50 {
            rx.try_recv()?;
        }
        Ok(50)
    }),
    operation!("broadcast_recv_timeout", Kept, Bounded, NumberSubscriber, |rx, random| {
        for _ in 0..50 {
            rx.recv_timeout(short(random))?;
        }
        Ok(50)
    }),
    operation!("broadcast_recv_ref", Kept, Bounded, NumberSubscriber, |rx, random| {
        for _ in 0..20 {
            let _ = *rx.recv_ref_timeout(short(random))?;
        }
        Ok(20)
    }),
    operation!("broadcast_put_back", Kept, Bounded, NumberSubscriber, |rx, _random| Ok(rx.try_recv_ref().map(|lent| { lent.put_back(); 1 })?)),
    operation!("broadcast_recv_batch", Kept, Bare, NumberSubscriber, |rx, random| {
        let mut into = [0; 60];
        let len = [1, 7, 16, 60][random.below(4) as usize];
        let count = rx.recv_batch(&mut into[..len])?;
        promised((1..=len).contains(&count), "a batch of more than was asked for", count as u64)
    }),
    operation!("broadcast_wait_timeout", Kept, Bounded, NumberSubscriber, |rx, random| Ok(rx.wait_timeout(short(random)).map(u64::from)?)),
    operation!("broadcast_subscriber_looks", Kept, Bounded, NumberSubscriber, |rx, _random| {
        let _ = (rx.len(), rx.is_empty(), rx.dropped(), rx.received(), rx.lost(), rx.origin(), rx.place().to_string());
        let count = rx.publishers().max(rx.subscribers());
        promised(count <= many::seats(4), "more than there are seats", u64::from(count))
    }),
    operation!("broadcast_recv_overwritten", Overwritten, Bounded, NumberSubscriber, |rx, random| {
        for _ in 0..50 {
            rx.recv_timeout(short(random))?;
        }
        Ok(50)
    }),
    operation!("broadcast_try_recv_overwritten", Overwritten, Bounded, NumberSubscriber, |rx, _random| {
        for _ in 0..50 {
            rx.try_recv()?;
        }
        Ok(50)
    }),
    operation!("broadcast_recv_batch_overwritten", Overwritten, Bare, NumberSubscriber, |rx, _random| {
        let count = rx.recv_batch(&mut [0; 30])?;
        promised((1..=30).contains(&count), "a batch of more than was asked for", count as u64)
    }),
    operation!("broadcast_iterate_overwritten", Overwritten, Bare, NumberSubscriber, |rx, _random| {
        for number in rx.iter().take(30) {
            number?;
        }
        Ok(30)
    }),
    operation!("broadcast_recv_bytes", Bytes, Bare, ByteSubscriber, |rx, _random| {
        for _ in 0..30 {
            fits(&rx.recv()?, rx.max_message_bytes())?;
        }
        Ok(30)
    }),
    operation!("broadcast_try_recv_bytes", Bytes, Bounded, ByteSubscriber, |rx, _random| fits(&rx.try_recv()?, rx.max_message_bytes())),
    operation!("broadcast_recv_bytes_ref", Bytes, Bounded, ByteSubscriber, |rx, random| {
        let max_bytes = rx.max_message_bytes();
        fits(&rx.recv_ref_timeout(short(random))?, max_bytes)
    }),
    operation!("broadcast_recv_none_dead", NoneDead, Bounded, NumberSubscriber, |rx, _random| {
        let mut count = 0;
        while count < 200 {
            rx.recv_timeout(std::time::Duration::from_millis(300))?;
            count += 1;
        }
        Ok(count)
    }),
    operation!(attach "broadcast_attach_publisher", Publishing),
    operation!(attach "broadcast_attach_publisher_of_bytes", PublishingBytes),
    operation!(attach "broadcast_attach_subscriber", Kept),
    operation!(attach "broadcast_attach_subscriber_of_bytes", Bytes),
];
