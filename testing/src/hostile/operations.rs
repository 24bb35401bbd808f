//! What honest ends do while they are lied to: one row for each operation. A later channel adds its rows here.
//!
//! An operation ends with a value, which is held against what is promised of values, or with a typed error. Anything else is a defect.

use crate::random::Random;
use std::error::Error;
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::time::Duration;
use strait::channel::Strategy;
use strait::channel::layout::Field;
use strait::channel::spsc::{self, Options, Receiver, Sender};

/// How large the rings are that operations meet one by one.
pub const CAPACITY: u64 = 4096;

/// How an operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Never, or for the time that it was given.
    Bounded,
    /// Until something happens. A liar that erases the message must at least leave, for the call to end.
    Bare,
    /// Never; and nobody lies while it goes on, for what is promised is of a ring that stands still.
    Still,
}

/// Which end it is an operation of, and what is in the ring when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
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

/// An operation.
#[derive(Clone, Copy)]
pub struct Operation {
    /// `recv_batch`.
    pub name: &'static str,
    /// Where it is called.
    pub world: World,
    /// How it waits.
    pub waits: Waits,
    /// Whether it makes its end itself: [`Ends::Region`] is what it gets.
    pub attaches: bool,
    /// The operation.
    pub run: fn(&mut Ends, &mut Random) -> Outcome,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What came of an operation; the value is how much was received or sent.
pub type Outcome = Result<u64, Box<dyn Error>>;

/// An end, or what is to become one.
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
    /// The path of the region's file, and options.
    Region(String, Options),
}

impl World {
    /// Every one.
    pub const ALL: [Self; 19] = [
        Self::Numbers,
        Self::NumbersFull,
        Self::Bytes,
        Self::NumbersThere,
        Self::NumbersHalf,
        Self::NumbersNone,
        Self::NumbersFullDead,
        Self::NumbersNoneDead,
        Self::BytesThere,
        Self::BytesWrapped,
        Self::Lines,
        Self::LinesFull,
        Self::LinesThere,
        Self::LinesHalf,
        Self::LinesNone,
        Self::LinesFullDead,
        Self::LinesNoneDead,
        Self::OddsFull,
        Self::OddsHalf,
    ];

    /// Whether the end in question sends.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::Numbers | Self::Bytes | Self::Lines) || self.is_full()
    }

    /// Whether the other end is dead, and its lease free.
    #[must_use]
    pub fn is_dead(self) -> bool {
        matches!(self, Self::NumbersFullDead | Self::NumbersNoneDead | Self::LinesFullDead | Self::LinesNoneDead)
    }

    /// Whether there is no room in the ring.
    #[must_use]
    pub fn is_full(self) -> bool {
        matches!(
            self,
            Self::NumbersFull | Self::NumbersFullDead | Self::LinesFull | Self::LinesFullDead | Self::OddsFull
        )
    }

    /// Whether a receiver finds nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        matches!(self, Self::NumbersNone | Self::NumbersNoneDead | Self::LinesNone | Self::LinesNoneDead)
    }

    /// Whether some of its messages were received.
    #[must_use]
    pub fn is_half(self) -> bool {
        matches!(self, Self::NumbersHalf | Self::LinesHalf | Self::OddsHalf)
    }

    /// What is sent.
    #[must_use]
    pub fn messages(self) -> Messages {
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

    /// Where what lies in its region.
    #[must_use]
    pub fn layout(self) -> Vec<Field> {
        match self.messages() {
            Messages::Numbers => spsc::layout::<u64>(CAPACITY),
            Messages::Bytes => spsc::layout::<[u8]>(CAPACITY),
            Messages::Lines => spsc::layout::<Line>(CAPACITY),
            Messages::Odds => spsc::layout::<Odd>(CAPACITY / 100 * 100),
        }
    }

    /// Whether the channel goes on without its other side.
    #[must_use]
    pub fn is_restartable(self) -> bool {
        matches!(self, Self::NumbersFull | Self::NumbersHalf | Self::BytesWrapped | Self::LinesFull)
    }
}

impl Ends {
    /// Takes the end of a world whose region has this path.
    ///
    /// # Errors
    /// Those of `from_fd`, and of opening the path.
    pub fn attach(world: World, path: &str, options: &Options) -> Result<Self, Box<dyn Error>> {
        let fd =
            || -> Result<OwnedFd, Box<dyn Error>> { Ok(OpenOptions::new().read(true).write(true).open(path)?.into()) };
        Ok(match (world.messages(), world.sends()) {
            (Messages::Numbers, true) => Self::NumberSender(Sender::from_fd(fd()?, options)?),
            (Messages::Bytes, true) => Self::ByteSender(Sender::from_fd(fd()?, options)?),
            (Messages::Lines, true) => Self::LineSender(Sender::from_fd(fd()?, options)?),
            (Messages::Odds, true) => Self::OddSender(Sender::from_fd(fd()?, options)?),
            (Messages::Numbers, false) => Self::NumberReceiver(Receiver::from_fd(fd()?, options)?),
            (Messages::Bytes, false) => Self::ByteReceiver(Receiver::from_fd(fd()?, options)?),
            (Messages::Lines, false) => Self::LineReceiver(Receiver::from_fd(fd()?, options)?),
            (Messages::Odds, false) => Self::OddReceiver(Receiver::from_fd(fd()?, options)?),
        })
    }

    /// Meets the other side, while it lives: from now on its death is known, whatever is written.
    pub fn meet(&mut self) {
        match self {
            Self::NumberSender(tx) => drop(tx.try_send(&0)),
            Self::NumberReceiver(rx) => drop(rx.try_recv()),
            Self::LineSender(tx) => drop(tx.try_send(&[0; 8])),
            Self::LineReceiver(rx) => drop(rx.try_recv()),
            _ => {}
        }
    }

    /// The largest message.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        match self {
            Self::NumberSender(tx) => tx.max_message_bytes(),
            Self::NumberReceiver(rx) => rx.max_message_bytes(),
            Self::ByteSender(tx) => tx.max_message_bytes(),
            Self::ByteReceiver(rx) => rx.max_message_bytes(),
            Self::LineSender(tx) => tx.max_message_bytes(),
            Self::LineReceiver(rx) => rx.max_message_bytes(),
            Self::OddSender(tx) => tx.max_message_bytes(),
            Self::OddReceiver(rx) => rx.max_message_bytes(),
            Self::Region(..) => CAPACITY / 2,
        }
    }
}

/// How an end waits: any way, but one that waits without limit does so asleep, where it can be seen to.
#[must_use]
pub fn any_options(waits: Waits, random: &mut Random) -> Options {
    let strategies = [Strategy::SpinThenSleep, Strategy::Sleep, Strategy::Spin];
    let count = if waits == Waits::Bare { 2 } else { 3 };
    Options::new().capacity_bytes(CAPACITY).wait(strategies[random.below(count) as usize])
}

fn short(random: &mut Random) -> Duration {
    Duration::from_micros([0, 50, 1000, 5000][random.below(4) as usize])
}

/// What should have been an end of another kind: a defect of the harness.
fn wrong() -> Outcome {
    Err("BROKEN: the harness gave an operation the wrong end".into())
}

/// A promise about a value.
fn promised(holds: bool, what: &str, found: u64) -> Outcome {
    if holds { Ok(found) } else { Err(format!("BROKEN: {what}: {found}").into()) }
}

fn message(len: usize, max: u64) -> Outcome {
    promised(len as u64 <= max, "a message longer than half the capacity was received", len as u64)
}

/// How often an operation of lines succeeds while nothing in the memory changes, if it does not fail: a limited number of times.
fn until_the_end(limit: u64, mut succeeds: impl FnMut() -> bool) -> Outcome {
    let count = (0..=limit).take_while(|_| succeeds()).count() as u64;
    promised(count <= limit, "a ring that stands still gives or takes without end", count)
}

/// What is lent at once of slots: no more than there are.
fn lent(len: usize, limit: u64) -> Outcome {
    promised(len as u64 <= limit, "more messages were lent than the ring has slots", len as u64)
}

/// Counts that others lie about are any number, but asking for them must end.
fn look_of_sender<M: strait::channel::Message + ?Sized>(tx: &Sender<M>) -> Outcome {
    let _ = (tx.len(), tx.is_empty(), tx.receiver_pid(), tx.capacity_bytes(), tx.place().to_string());
    let _ = (tx.sent(), tx.receiver_state());
    Ok(0)
}

fn look_of_receiver<M: strait::channel::Message + ?Sized>(rx: &Receiver<M>) -> Outcome {
    let _ = (rx.len(), rx.is_empty(), rx.sender_pid(), rx.capacity_bytes(), rx.place().to_string(), rx.received());
    let _ = rx.sender_state();
    Ok(0)
}

macro_rules! operation {
    ($name:literal, $world:ident, $waits:ident, $end:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: World::$world,
            waits: Waits::$waits,
            attaches: false,
            run: |ends, $random| match ends {
                Ends::$end($it) => $run,
                _ => wrong(),
            },
        }
    };
    (attach $name:literal, $world:ident, |$path:ident, $options:ident| $run:expr) => {
        Operation {
            name: $name,
            world: World::$world,
            waits: Waits::Bounded,
            attaches: true,
            run: |ends, _| match ends {
                Ends::Region($path, $options) => $run,
                _ => wrong(),
            },
        }
    };
}

/// Attaches and leaves.
fn attach(world: World, path: &str, options: &Options) -> Outcome {
    Ends::attach(world, path, options).map(|ends| ends.max_message_bytes())
}

/// All operations.
#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    operation!("send", Numbers, Bare, NumberSender, |tx, _random| Ok(tx.send(&7).map(|()| 1)?)),
    operation!("send_full", NumbersFull, Bounded, NumberSender, |tx, random| Ok(tx.send_timeout(&7, short(random)).map(|()| 1)?)),
    operation!("try_send", Numbers, Bounded, NumberSender, |tx, _random| {
        (0..3).try_for_each(|n| tx.try_send(&n))?;
        Ok(3)
    }),
    operation!("try_send_full", NumbersFull, Bounded, NumberSender, |tx, _random| Ok(tx.try_send(&7).map(|()| 1)?)),
    operation!("send_timeout", Numbers, Bounded, NumberSender, |tx, random| Ok(tx.send_timeout(&7, short(random)).map(|()| 1)?)),
    operation!("send_batch", Numbers, Bare, NumberSender, |tx, _random| Ok(tx.send_batch(&[5; 100]).map(|()| 100)?)),
    operation!("reserve", Numbers, Bare, NumberSender, |tx, _random| {
        let mut room = tx.reserve()?;
        *room = 7;
        room.publish();
        Ok(1)
    }),
    operation!("try_reserve", NumbersFull, Bounded, NumberSender, |tx, _random| Ok(tx.try_reserve().map(|room| { room.publish(); 1 })?)),
    operation!("reserve_timeout", NumbersFull, Bounded, NumberSender, |tx, random| Ok(tx.reserve_timeout(short(random)).map(|room| { room.publish(); 1 })?)),
    operation!("drain", NumbersFull, Bounded, NumberSender, |tx, random| Ok(tx.drain(short(random)).map(u64::from)?)),
    operation!("wait_for_receiver", Numbers, Bounded, NumberSender, |tx, random| Ok(tx.wait_for_receiver(short(random)).map(u64::from)?)),
    operation!("sender_looks", Numbers, Bounded, NumberSender, |tx, _random| look_of_sender(tx)),
    operation!("send_bytes", Bytes, Bare, ByteSender, |tx, random| {
        let len = [0, 1, 48, 56, 57, 2048][random.below(6) as usize];
        Ok(tx.send(&[9; 2048][..len]).map(|()| 1)?)
    }),
    operation!("send_bytes_too_large", Bytes, Bounded, ByteSender, |tx, _random| Ok(tx.try_send(&[9; 2049]).map(|()| 1)?)),
    operation!("send_bytes_batch", Bytes, Bare, ByteSender, |tx, _random| {
        let messages: [&[u8]; 4] = [&[1; 8], &[2; 500], &[], &[3; 900]];
        Ok(tx.send_batch(messages).map(|()| 4)?)
    }),
    operation!("reserve_bytes", Bytes, Bounded, ByteSender, |tx, random| {
        let mut room = tx.reserve_timeout(500, short(random))?;
        room.fill(3);
        room.publish_first(random.below(501) as usize);
        Ok(1)
    }),
    operation!("send_until_full", Bytes, Bounded, ByteSender, |tx, _random| {
        let mut sent = 0;
        while sent < 12 && tx.try_send(&[9; 700]).is_ok() {
            sent += 1;
        }
        Ok(sent)
    }),

    operation!("recv", NumbersThere, Bare, NumberReceiver, |rx, _random| {
        for _ in 0..3 {
            rx.recv()?;
        }
        Ok(3)
    }),
    operation!("recv_half", NumbersHalf, Bounded, NumberReceiver, |rx, random| Ok(rx.recv_timeout(short(random)).map(|_| 1)?)),
    operation!("try_recv", NumbersThere, Bounded, NumberReceiver, |rx, _random| {
        for _ in 0..22 {
            rx.try_recv()?;
        }
        Ok(22)
    }),
    operation!("try_recv_none", NumbersNone, Bounded, NumberReceiver, |rx, _random| Ok(rx.try_recv().map(|_| 1)?)),
    operation!("recv_timeout_none", NumbersNone, Bounded, NumberReceiver, |rx, random| Ok(rx.recv_timeout(short(random)).map(|_| 1)?)),
    operation!("recv_none", NumbersNone, Bare, NumberReceiver, |rx, _random| Ok(rx.recv().map(|_| 1)?)),
    operation!("recv_ref", NumbersThere, Bare, NumberReceiver, |rx, _random| Ok(rx.recv_ref().map(|lent| { let _ = *lent; 1 })?)),
    operation!("try_recv_ref", NumbersHalf, Bounded, NumberReceiver, |rx, _random| Ok(rx.try_recv_ref().map(|lent| { lent.put_back(); 1 })?)),
    operation!("recv_ref_timeout", NumbersThere, Bounded, NumberReceiver, |rx, random| Ok(rx.recv_ref_timeout(short(random)).map(|lent| { let _ = *lent; 1 })?)),
    operation!("recv_batch", NumbersThere, Bare, NumberReceiver, |rx, random| {
        let mut into = [0; 600];
        let len = [1, 7, 25, 600][random.below(4) as usize];
        let count = rx.recv_batch(&mut into[..len])?;
        promised((1..=len).contains(&count), "a batch of more than was asked for", count as u64)
    }),
    operation!("recv_batch_ref", NumbersThere, Bare, NumberReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        let batch = rx.recv_batch_ref()?;
        let _: u64 = batch.iter().fold(0, |sum, n| sum ^ n);
        message(batch.len() * 8, max)
    }),
    operation!("iterate", NumbersThere, Bare, NumberReceiver, |rx, _random| {
        let mut count = 0;
        for number in rx.iter().take(24) {
            number?;
            count += 1;
        }
        Ok(count)
    }),
    operation!("wait_timeout", NumbersNone, Bounded, NumberReceiver, |rx, random| Ok(rx.wait_timeout(short(random)).map(u64::from)?)),
    operation!("receiver_looks", NumbersThere, Bounded, NumberReceiver, |rx, _random| look_of_receiver(rx)),
    // The kernel knows that the other side is dead, whatever the liar writes: these end by themselves.
    operation!("send_dead", NumbersFullDead, Bounded, NumberSender, |tx, _random| {
        loop {
            tx.send(&7)?;
        }
    }),
    operation!("sender_looks_dead", NumbersFullDead, Bounded, NumberSender, |tx, _random| look_of_sender(tx)),
    operation!("wait_for_dead", NumbersFullDead, Bounded, NumberSender, |tx, random| Ok(tx.wait_for_receiver(short(random)).map(u64::from)?)),
    operation!("recv_dead", NumbersNoneDead, Bounded, NumberReceiver, |rx, _random| {
        let mut count = 0;
        while count < 100 {
            rx.recv()?;
            count += 1;
        }
        Ok(count)
    }),
    operation!("receiver_looks_dead", NumbersNoneDead, Bounded, NumberReceiver, |rx, _random| look_of_receiver(rx)),
    operation!("recv_bytes", BytesThere, Bare, ByteReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        for _ in 0..3 {
            message(rx.recv()?.len(), max)?;
        }
        Ok(3)
    }),
    operation!("try_recv_bytes", BytesWrapped, Bounded, ByteReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        let mut into = Vec::new();
        for _ in 0..6 {
            rx.try_recv_into(&mut into)?;
            message(into.len(), max)?;
        }
        Ok(6)
    }),
    operation!("recv_bytes_timeout", BytesWrapped, Bounded, ByteReceiver, |rx, random| {
        let max = rx.max_message_bytes();
        message(rx.recv_timeout(short(random))?.len(), max)
    }),
    operation!("recv_bytes_ref", BytesThere, Bounded, ByteReceiver, |rx, random| {
        let max = rx.max_message_bytes();
        let lent = rx.recv_ref_timeout(short(random))?;
        let _ = lent.iter().fold(0, |sum, n| sum ^ n);
        message(lent.len(), max)
    }),
    operation!("iterate_bytes", BytesThere, Bare, ByteReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        let mut count = 0;
        for bytes in rx.iter().take(5) {
            message(bytes?.len(), max)?;
            count += 1;
        }
        Ok(count)
    }),

    // In slots, where the two counts are all that is believed.
    operation!("send_line", Lines, Bare, LineSender, |tx, _random| Ok(tx.send(&[7; 8]).map(|()| 1)?)),
    operation!("try_send_line", Lines, Bounded, LineSender, |tx, _random| {
        (0..70).try_for_each(|n| tx.try_send(&[n; 8]))?;
        Ok(70)
    }),
    operation!("try_send_line_full", LinesFull, Bounded, LineSender, |tx, _random| Ok(tx.try_send(&[7; 8]).map(|()| 1)?)),
    operation!("send_line_timeout", LinesFull, Bounded, LineSender, |tx, random| Ok(tx.send_timeout(&[7; 8], short(random)).map(|()| 1)?)),
    operation!("send_line_batch", Lines, Bare, LineSender, |tx, _random| Ok(tx.send_batch(&[[5; 8]; 100]).map(|()| 100)?)),
    operation!("reserve_line", Lines, Bare, LineSender, |tx, _random| {
        let mut room = tx.reserve()?;
        *room = [7; 8];
        room.publish();
        Ok(1)
    }),
    operation!("reserve_line_timeout", LinesFull, Bounded, LineSender, |tx, random| Ok(tx.reserve_timeout(short(random)).map(|room| { room.publish(); 1 })?)),
    operation!("drain_lines", LinesFull, Bounded, LineSender, |tx, random| Ok(tx.drain(short(random)).map(u64::from)?)),
    operation!("line_sender_looks", LinesFull, Bounded, LineSender, |tx, _random| look_of_sender(tx)),
    // Once as many as it is told that there is room for.
    operation!("send_all_lines", LinesFull, Still, LineSender, |tx, _random| until_the_end(SLOTS, || tx.try_send(&[7; 8]).is_ok())),
    operation!("send_line_dead", LinesFullDead, Bounded, LineSender, |tx, _random| {
        loop {
            tx.send(&[7; 8])?;
        }
    }),
    operation!("line_sender_looks_dead", LinesFullDead, Bounded, LineSender, |tx, _random| look_of_sender(tx)),
    operation!("send_odd", OddsFull, Bounded, OddSender, |tx, random| {
        (0..50).try_for_each(|n| tx.send_timeout(&[n; 100], short(random)))?;
        Ok(50)
    }),
    operation!("send_odd_batch", OddsFull, Bare, OddSender, |tx, _random| Ok(tx.send_batch(&[[5; 100]; 50]).map(|()| 50)?)),
    operation!("recv_line", LinesThere, Bare, LineReceiver, |rx, _random| {
        // One more than was known when it attached: the count is looked at.
        for _ in 0..26 {
            rx.recv()?;
        }
        Ok(26)
    }),
    operation!("try_recv_line", LinesHalf, Bounded, LineReceiver, |rx, _random| {
        for _ in 0..22 {
            rx.try_recv()?;
        }
        Ok(22)
    }),
    operation!("recv_line_timeout", LinesNone, Bounded, LineReceiver, |rx, random| Ok(rx.recv_timeout(short(random)).map(|_| 1)?)),
    operation!("recv_line_none", LinesNone, Bare, LineReceiver, |rx, _random| Ok(rx.recv().map(|_| 1)?)),
    operation!("recv_line_ref", LinesHalf, Bounded, LineReceiver, |rx, random| Ok(rx.recv_ref_timeout(short(random)).map(|lent| { let _ = *lent; 1 })?)),
    operation!("try_recv_line_ref", LinesThere, Bounded, LineReceiver, |rx, _random| Ok(rx.try_recv_ref().map(|lent| { lent.put_back(); 1 })?)),
    operation!("recv_line_batch", LinesHalf, Bare, LineReceiver, |rx, random| {
        let mut into = [[0; 8]; 200];
        let len = [1, 7, 25, 200][random.below(4) as usize];
        let mut sum = 0;
        for _ in 0..2 {
            let count = rx.recv_batch(&mut into[..len])?;
            sum += promised((1..=len).contains(&count), "a batch of more than was asked for", count as u64)?;
        }
        Ok(sum)
    }),
    operation!("recv_line_batch_ref", LinesHalf, Bare, LineReceiver, |rx, _random| {
        let mut sum = 0;
        // Up to the end of the ring, from there on, and what the count says then.
        for _ in 0..3 {
            let batch = rx.recv_batch_ref()?;
            let _: u64 = batch.iter().flatten().fold(0, |sum, n| sum ^ n);
            sum += lent(batch.len(), SLOTS)?;
        }
        Ok(sum)
    }),
    // Those that it knew of, and once as many as it is told of.
    operation!("recv_all_lines", LinesThere, Still, LineReceiver, |rx, _random| until_the_end(2 * SLOTS, || rx.try_recv().is_ok())),
    operation!("recv_line_dead", LinesNoneDead, Bounded, LineReceiver, |rx, _random| {
        let mut count = 0;
        while count < 200 {
            rx.recv()?;
            count += 1;
        }
        Ok(count)
    }),
    operation!("line_receiver_looks_dead", LinesNoneDead, Bounded, LineReceiver, |rx, _random| look_of_receiver(rx)),
    operation!("wait_for_line", LinesNone, Bounded, LineReceiver, |rx, random| Ok(rx.wait_timeout(short(random)).map(u64::from)?)),
    operation!("line_receiver_looks", LinesThere, Bounded, LineReceiver, |rx, _random| look_of_receiver(rx)),
    operation!("try_recv_odd", OddsHalf, Bounded, OddReceiver, |rx, _random| {
        for _ in 0..30 {
            rx.try_recv()?;
        }
        Ok(30)
    }),
    operation!("recv_odd_batch_ref", OddsHalf, Bare, OddReceiver, |rx, _random| {
        let mut sum = 0;
        for _ in 0..3 {
            let batch = rx.recv_batch_ref()?;
            let _ = batch.iter().flatten().fold(0, |sum, n| sum ^ n);
            sum += lent(batch.len(), CAPACITY / 100)?;
        }
        Ok(sum)
    }),

    operation!(attach "attach_sender", Numbers, |path, options| attach(World::Numbers, path, options)),
    operation!(attach "attach_sender_full", NumbersFull, |path, options| attach(World::NumbersFull, path, options)),
    operation!(attach "attach_receiver", NumbersThere, |path, options| attach(World::NumbersThere, path, options)),
    operation!(attach "attach_receiver_half", NumbersHalf, |path, options| attach(World::NumbersHalf, path, options)),
    operation!(attach "attach_wrapped", BytesWrapped, |path, options| attach(World::BytesWrapped, path, options)),
    operation!(attach "attach_line_sender", Lines, |path, options| attach(World::Lines, path, options)),
    operation!(attach "attach_line_sender_full", LinesFull, |path, options| attach(World::LinesFull, path, options)),
    operation!(attach "attach_line_receiver", LinesNone, |path, options| attach(World::LinesNone, path, options)),
    operation!(attach "attach_line_receiver_half", LinesHalf, |path, options| attach(World::LinesHalf, path, options)),
    operation!(attach "attach_odd_sender_full", OddsFull, |path, options| attach(World::OddsFull, path, options)),
    operation!(attach "attach_odd_receiver_half", OddsHalf, |path, options| attach(World::OddsHalf, path, options)),
];
