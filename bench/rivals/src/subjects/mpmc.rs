//! The `mpmc` queue: jobs pushed and popped one by one, anything longer than a line read in place, large ones written there too, each
//! acknowledged when it has been read.

use std::io;
use std::ops::Range;

use strait::channel::mpmc::{Options, Producer, TryPopError, Worker};

use super::payload::{Fixed, Stamped, is_killed, strategy};
use super::{of_bytes, open};
use crate::job::{Job, Shape};
use crate::payload::Tally;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

/// As long as this, a job is written in place.
const LARGE: usize = 1 << 20;

pub(super) fn options(way: &Way<'_>) -> Options {
    Options::new()
        .capacity(way.job.capacity as u32)
        .seats((way.senders + way.receivers + 1) as u32)
        .job_max_bytes(way.job.bytes as u32)
        .populate(way.job.shape != Shape::SetUp)
        .restartable(is_killed(way))
        .wait(strategy(way.job.wait))
}

struct Tx<M: Stamped + ?Sized> {
    producer: Producer<M>,
    /// Where a slice is made before it is pushed; a large one is made in place.
    room: Vec<u64>,
}

struct Rx<M: Stamped + ?Sized>(Worker<M>);

impl<M: Stamped + ?Sized> Tx<M> {
    fn open(way: &Way<'_>) -> io::Result<Self> {
        Ok(Self { producer: open!(Producer<M>, way, &options(way))?, room: vec![0; way.job.words()] })
    }
}

impl<M: Stamped + ?Sized> Rx<M> {
    fn open(way: &Way<'_>) -> io::Result<Self> {
        Ok(Self(open!(Worker<M>, way, &options(way))?))
    }
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: true, shares: true, sleeps: true, selects: false, reopens: true };
    type Tx = Box<dyn Sender>;
    type Rx = Box<dyn Receiver>;

    fn tx(way: &Way<'_>) -> io::Result<Self::Tx> {
        of_bytes!(way, Tx)
    }

    fn rx(way: &Way<'_>) -> io::Result<Self::Rx> {
        of_bytes!(way, Rx)
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        (job.shape == Shape::OneToN && job.n > 1).then_some("-")
    }
}

impl<M: Fixed> Sender for Tx<M> {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            M::lend(stamp, &mut [], |message| self.producer.push(message)).map_err(other)?;
        }
        Ok(())
    }
}

impl Sender for Tx<[u64]> {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let Self { producer, room } = self;
        for stamp in stamps {
            if room.len() * 8 < LARGE {
                <[u64]>::lend(stamp, room, |message| producer.push(message)).map_err(other)?;
            } else {
                let mut job = producer.reserve(0, room.len()).map_err(other)?;
                job.fill(stamp);
                job.publish();
            }
        }
        Ok(())
    }
}

impl<M: Stamped + ?Sized> Receiver for Rx<M> {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        while !tally.is_full() {
            match self.0.try_pop() {
                Ok(job) => {
                    tally.note(job.stamp());
                    job.ack();
                }
                Err(TryPopError::Empty) => break,
                Err(error) => return Err(other(error)),
            }
            some = true;
        }
        Ok(some)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            let job = self.0.pop().map_err(other)?;
            tally.note(job.stamp());
            job.ack();
        }
        Ok(())
    }
}
