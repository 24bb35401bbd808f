//! What the liar lies about: the channels, a line each, and what each says of itself.
//!
//! A later channel is a file like [`super::spsc`] with a `CHANNEL`, and a line in [`CHANNELS`]; `testing/README.md` has the recipe.

use super::memory::Memory;
use super::words::{self, Word};
use super::{barrier, blocks, broadcast, condvar, event, mpmc, mutex, once, rpc, rwlock, semaphore, spsc, watch};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::sync::LazyLock;
use std::time::Duration;
use strait::channel::Strategy;
use strait::channel::layout::{Field, Part};

/// What is lied about in one channel.
pub struct Channel {
    /// What stands before the names of its words.
    pub name: &'static str,
    /// Where its operations are called.
    pub worlds: &'static [&'static dyn World],
    /// What honest ends do.
    pub operations: &'static [Operation],
    /// Ends at full speed.
    pub speeds: &'static [Speed],
}

/// All of them.
pub const CHANNELS: &[Channel] = &[
    spsc::CHANNEL,
    rpc::CHANNEL,
    mpmc::CHANNEL,
    broadcast::CHANNEL,
    blocks::CHANNEL,
    watch::CHANNEL,
    mutex::CHANNEL,
    semaphore::CHANNEL,
    rwlock::CHANNEL,
    condvar::CHANNEL,
    event::CHANNEL,
    once::CHANNEL,
    barrier::CHANNEL,
];

/// Where an operation is called: a region that honest ends have made, and one end on it.
pub trait World: Sync {
    /// One that no other world of any channel has.
    fn name(&self) -> &'static str;

    /// What the end is: worlds whose ends are of the same kind can have each other's operations.
    fn end(&self) -> &'static str;

    /// Where what lies in its region.
    fn layout(&self) -> Vec<Field>;

    /// Makes the region with honest ends.
    ///
    /// # Errors
    /// Anybody's.
    fn make(&self) -> Result<Made, Box<dyn Error>>;

    /// Takes the end: what its operations get.
    ///
    /// # Errors
    /// The library's, and the kernel's.
    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>>;

    /// Writes that all others have left, and rings: so that a call ends that waits without limit.
    fn leave(&self, memory: &Memory);

    /// Whether a call that is given a time may take longer: until somebody who lives gives back what it was said to hold.
    fn waits_for_the_living(&self) -> bool {
        false
    }

    /// The locks of others who are there until the operation begins, and die then: bytes past the end of the file.
    fn dying(&self) -> Vec<u64> {
        Vec::new()
    }

    /// Meets the others while they live: from now on their death is known, whatever is written.
    fn meet(&self, _end: &mut dyn Any) {}

    /// The words that lies are told in, each field of the layout among them.
    fn words(&self) -> Vec<Word> {
        words::of(&self.layout())
    }

    /// The number around which lies are told: how long the ring or the body is.
    fn capacity(&self) -> u64 {
        let is_body = |it: &&Field| matches!(it.part, Part::Ring | Part::Body);
        self.layout().iter().filter(is_body).map(|it| it.len_bytes).max().unwrap_or(4096)
    }

    /// How long the region is.
    fn region_bytes(&self) -> usize {
        let end = self.layout().iter().filter(|it| it.part != Part::Locks).map(|it| it.offset + it.len_bytes).max();
        usize::try_from(end.unwrap_or(0)).map_or(0, |end| end.next_multiple_of(4096))
    }

    /// Names of errors after which an end is as good as before.
    fn passing(&self) -> &'static [&'static str] {
        &["Empty", "Full", "TimedOut", "TooLarge", "Untrusted"]
    }
}

/// Where an end is taken.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    /// Of what a descriptor of this path leads to: `from_fd`.
    Path(&'a str),
    /// Of the channel of this name, or a new one: `open_or_create`.
    Name(&'a str),
}

/// How an end is taken.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// How it waits.
    pub strategy: Strategy,
    /// Whether a new channel is restartable.
    pub is_restartable: bool,
}

impl How {
    /// Any way, but one that waits without limit does so asleep, where it can be seen to.
    #[must_use]
    pub fn any(waits: Waits, is_restartable: bool, random: &mut Random) -> Self {
        let strategies = [Strategy::SpinThenSleep, Strategy::Sleep, Strategy::Spin];
        let count = if waits == Waits::Bare { 2 } else { 3 };
        Self { strategy: strategies[random.below(count) as usize], is_restartable }
    }
}

/// What honest ends have made.
pub struct Made {
    /// The region's file: a memfd.
    pub file: File,
    /// The others, who stay. Empty where they are to die: the harness holds their locks.
    pub others: Box<dyn Any>,
    /// What the region looked like before.
    pub past: Vec<Vec<u8>>,
}

/// How an operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Never, or for the time that it was given.
    Bounded,
    /// Until something happens. A liar that erases the message must at least leave, for the call to end.
    Bare,
    /// Never; and nobody lies while it goes on, for what is promised is of a region that stands still.
    Still,
}

/// What an honest end does.
#[derive(Clone, Copy)]
pub struct Operation {
    /// `recv_batch`; one that no other operation of any channel has.
    pub name: &'static str,
    /// Where it is called.
    pub world: &'static dyn World,
    /// How it waits.
    pub waits: Waits,
    /// The operation.
    pub run: Run,
}

/// What an operation is.
#[derive(Clone, Copy)]
pub enum Run {
    /// A call on an end that was taken before.
    Call(fn(&mut dyn Any, &mut Random) -> Outcome),
    /// It takes the end, and leaves.
    Attach,
}

impl Operation {
    /// Whether it takes its end itself.
    #[must_use]
    pub fn attaches(&self) -> bool {
        matches!(self.run, Run::Attach)
    }
}

/// What came of an operation; the value is how much was received or sent.
pub type Outcome = Result<u64, Box<dyn Error>>;

/// Ends and a liar at full speed, each a process.
#[derive(Clone, Copy)]
pub struct Speed {
    /// `speed/numbers`; one that no other has.
    pub name: &'static str,
    /// Who takes part: each has its bounded operations.
    pub ends: &'static [&'static dyn World],
    /// Whether the channel goes on without one of them.
    pub is_restartable: bool,
}

/// A world, and the channel that it is of.
#[derive(Clone, Copy)]
pub struct Place {
    /// The channel's name.
    pub channel: &'static str,
    /// The world.
    pub world: &'static dyn World,
}

impl Place {
    /// Its words, by their names in the report.
    #[must_use]
    pub fn words(&self) -> Vec<Word> {
        let mut words = self.world.words();
        words.iter_mut().for_each(|word| word.name = format!("{}/{}", self.channel, word.name));
        words
    }
}

/// Every world of every channel: a role is told of one by its index.
#[must_use]
pub fn places() -> &'static [Place] {
    static ALL: LazyLock<Vec<Place>> = LazyLock::new(|| {
        let of = |channel: &'static Channel| {
            channel.worlds.iter().map(|&world| Place { channel: channel.name, world }).collect::<Vec<_>>()
        };
        CHANNELS.iter().flat_map(of).collect()
    });
    &ALL
}

/// Where a world is among all.
///
/// # Panics
/// When its channel does not list it.
#[must_use]
pub fn index(world: &dyn World) -> usize {
    let name = world.name();
    places()
        .iter()
        .position(|it| it.world.name() == name)
        .unwrap_or_else(|| panic!("no channel lists the world {name}"))
}

/// Every operation of every channel: a role is told of one by its index.
#[must_use]
pub fn operations() -> &'static [Operation] {
    static ALL: LazyLock<Vec<Operation>> =
        LazyLock::new(|| CHANNELS.iter().flat_map(|channel| channel.operations.iter().copied()).collect());
    &ALL
}

/// Every case at full speed.
pub fn speeds() -> impl Iterator<Item = &'static Speed> {
    CHANNELS.iter().flat_map(|channel| channel.speeds)
}

/// The descriptor of a region that the harness has open.
///
/// # Errors
/// The kernel's.
pub fn opened(path: &str) -> Result<OwnedFd, Box<dyn Error>> {
    Ok(OpenOptions::new().read(true).write(true).open(path)?.into())
}

/// A time to wait that is soon over.
#[must_use]
pub fn short(random: &mut Random) -> Duration {
    Duration::from_micros([0, 50, 1000, 5000][random.below(4) as usize])
}

/// What should have been an end of another kind: a defect of the harness.
///
/// # Errors
/// Always.
pub fn wrong() -> Outcome {
    Err("BROKEN: the harness gave an operation the wrong end".into())
}

/// A promise about a value.
///
/// # Errors
/// That it is not kept.
pub fn promised(holds: bool, what: &str, found: u64) -> Outcome {
    if holds { Ok(found) } else { Err(format!("BROKEN: {what}: {found}").into()) }
}
