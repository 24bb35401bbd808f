//! The `mpmc` queue in batches: a producer that has many jobs at once pushes them at once, a worker takes what is there and
//! acknowledges it at once. For streams of 64 B: one job at a time is the other entrant.

use std::io;
use std::ops::Range;

use strait::channel::mpmc::{Producer, Worker};

use super::batches::{self, BATCH, Line, send_in_batches};
use super::mpmc::options;
use super::open;
use super::payload::Stamped as _;
use crate::job::{Job, Shape};
use crate::payload::Tally;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

pub(crate) struct Tx(Producer<Line>);

pub(crate) struct Rx(Worker<Line>);

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: true, shares: true, sleeps: true, selects: false, reopens: true };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        Ok(Tx(open!(Producer<Line>, way, &options(way))?))
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        Ok(Rx(open!(Worker<Line>, way, &options(way))?))
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        batches::cannot(job, Shape::Queue)
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        send_in_batches(stamps, |batch| self.0.push_batch(0, batch).map_err(|it| other(it.error)))
    }
}

impl Receiver for Rx {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        // There is no `try_pop_batch`; nobody waits here without having seen that there is something.
        self.recv_all(tally)?;
        Ok(true)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            let most = BATCH.min(tally.left() as usize);
            let mut jobs = self.0.pop_batch(most).map_err(other)?;
            let mut read = 0;
            for job in jobs.iter() {
                tally.note(job.stamp());
                read += 1;
                if tally.is_full() {
                    break;
                }
            }
            // Behind this worker's own stop there may be those of the others.
            jobs.ack_first(read);
        }
        Ok(())
    }
}
