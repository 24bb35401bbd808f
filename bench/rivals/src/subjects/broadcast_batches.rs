//! The `broadcast` channel in batches: a publisher that has many messages at once publishes them at once, a subscriber takes what is there.
//! For streams of 64 B: one message at a time is the other entrant.

use std::io;
use std::ops::Range;

use strait::channel::broadcast::{Publisher, Subscriber};

use super::batches::{self, BATCH, Line, send_in_batches};
use super::broadcast::options;
use super::open;
use super::payload::Stamped as _;
use crate::job::{Job, Shape};
use crate::payload::Tally;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

pub(crate) struct Tx(Publisher<Line>);

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
        Ok(Tx(open!(Publisher<Line>, way, &options(way))?))
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        Ok(Rx { subscriber: open!(Subscriber<Line>, way, &options(way))?, batch: [[0; 8]; BATCH] })
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        batches::cannot(job, Shape::OneToN)
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        send_in_batches(stamps, |batch| self.0.publish_batch(batch).map_err(|it| other(it.error)))
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
