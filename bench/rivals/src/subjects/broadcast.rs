//! The `broadcast` channel, of the policy that loses nothing: items copied, anything longer written and read in place.

use std::io;
use std::ops::Range;

use strait::channel::broadcast::{Options, Policy, Publisher, Subscriber, TryRecvError};

use super::payload::{Fixed, Stamped, is_killed, strategy};
use super::{of_bytes, open};
use crate::job::Shape;
use crate::payload::Tally;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

/// From so many bytes on.
const LARGE: usize = 1 << 20;

pub(super) fn options(way: &Way<'_>) -> Options {
    // A replacement may come before the dead one's seat is found to be free.
    let spare = usize::from(is_killed(way));
    // As its documentation advises: large messages lie in blocks.
    let blocks = if way.job.bytes >= LARGE { way.job.capacity as u32 } else { 0 };
    Options::new()
        .publishers((way.senders + spare) as u32)
        .subscribers((way.receivers + spare) as u32)
        .capacity(way.job.capacity)
        .max_message_bytes(way.job.bytes as u64)
        .blocks(blocks)
        .policy(Policy::Block)
        .populate(way.job.shape != Shape::SetUp)
        .restartable(is_killed(way))
        .wait(strategy(way.job.wait))
}

struct Tx<M: Stamped + ?Sized> {
    publisher: Publisher<M>,
    words: usize,
}

struct Rx<M: Stamped + ?Sized>(Subscriber<M>);

impl<M: Stamped + ?Sized> Tx<M> {
    fn open(way: &Way<'_>) -> io::Result<Self> {
        Ok(Self { publisher: open!(Publisher<M>, way, &options(way))?, words: way.job.words() })
    }
}

impl<M: Stamped + ?Sized> Rx<M> {
    fn open(way: &Way<'_>) -> io::Result<Self> {
        Ok(Self(open!(Subscriber<M>, way, &options(way))?))
    }
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: true, fans_in: true, shares: false, sleeps: true, selects: false, reopens: true };
    type Tx = Box<dyn Sender>;
    type Rx = Box<dyn Receiver>;

    fn tx(way: &Way<'_>) -> io::Result<Self::Tx> {
        of_bytes!(way, Tx)
    }

    fn rx(way: &Way<'_>) -> io::Result<Self::Rx> {
        of_bytes!(way, Rx)
    }
}

impl<M: Fixed> Sender for Tx<M> {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            M::lend(stamp, &mut [], |message| self.publisher.publish(message)).map_err(other)?;
        }
        Ok(())
    }
}

impl Sender for Tx<[u64]> {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            let mut message = self.publisher.reserve(self.words).map_err(other)?;
            message.fill(stamp);
            message.publish();
        }
        Ok(())
    }
}

impl<M: Fixed> Receiver for Rx<M> {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        while !tally.is_full() {
            match self.0.try_recv() {
                Ok(message) => tally.note(message.stamp()),
                Err(TryRecvError::Empty) => break,
                Err(error) => return Err(other(error)),
            }
            some = true;
        }
        Ok(some)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            tally.note(self.0.recv().map_err(other)?.stamp());
        }
        Ok(())
    }
}

impl Receiver for Rx<[u64]> {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        while !tally.is_full() {
            match self.0.try_recv_ref() {
                Ok(message) => tally.note(message.stamp()),
                Err(TryRecvError::Empty) => break,
                Err(error) => return Err(other(error)),
            }
            some = true;
        }
        Ok(some)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            tally.note(self.0.recv_ref().map_err(other)?.stamp());
        }
        Ok(())
    }
}
