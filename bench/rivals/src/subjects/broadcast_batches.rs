//! The `broadcast` channel in batches: a publisher that has many messages at once publishes them at once, a subscriber takes what is there.
//! For streams of 64 B: one message at a time is the other entrant.

use std::io;
use std::ops::Range;

use strait::channel::broadcast::{Publisher, Subscriber};

use super::broadcast::options;
use super::open;
use super::payload::Stamped as _;
use crate::job::{Job, Shape};
use crate::payload::Tally;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

/// Messages in one call, at the most.
const BATCH: usize = 32;

type Line = [u64; 8];

pub(crate) struct Wires;

pub(crate) struct Tx {
    publisher: Publisher<Line>,
    batch: Vec<Line>,
}

pub(crate) struct Rx {
    subscriber: Subscriber<Line>,
    batch: [Line; BATCH],
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: true, fans_in: true, shares: false, sleeps: true, selects: false, reopens: true };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        Ok(Tx { publisher: open!(Publisher<Line>, way, &options(way))?, batch: Vec::with_capacity(BATCH) })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        Ok(Rx { subscriber: open!(Subscriber<Line>, way, &options(way))?, batch: [[0; 8]; BATCH] })
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        let streams =
            matches!(job.shape, Shape::OneToN | Shape::Stream | Shape::NToOne) && job.bytes == size_of::<Line>();
        (!streams).then_some("batches")
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let mut next = stamps.start;
        while next < stamps.end {
            let end = stamps.end.min(next + BATCH as u64);
            self.batch.clear();
            self.batch.extend((next..end).map(|stamp| [stamp; 8]));
            self.publisher.publish_batch(&self.batch).map_err(|it| other(it.error))?;
            next = end;
        }
        Ok(())
    }
}

impl Receiver for Rx {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        // There is no `try_recv_batch`; nobody waits here without having seen that there is something.
        self.recv_all(tally)?;
        Ok(true)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            let most = BATCH.min(tally.left() as usize);
            let count = self.subscriber.recv_batch(&mut self.batch[..most]).map_err(other)?;
            self.batch[..count].iter().for_each(|message| tally.note(message.stamp()));
        }
        Ok(())
    }
}
