//! Many `spsc` channels of 64 B with one receiver that waits for all of them at once, by a `Selector`.

use std::io;

use strait::channel::TryRecvError::Empty;
use strait::channel::spsc::Receiver as StraitRx;
use strait::select::Selector;

use super::payload::strategy;
use super::spsc::{Rx, Tx, Wires as Spsc};
use crate::job::{Job, Shape};
use crate::payload::{Tally, read_words};
use crate::seam::{Receiver, Traits, Way, Wire, other};

pub(crate) struct Wires;

impl Wire for Wires {
    const TRAITS: Traits = Traits { selects: true, ..Spsc::TRAITS };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        Spsc::tx(way)
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        Spsc::rx(way)
    }

    fn gather(ends: Vec<Rx>, job: &Job) -> io::Result<Box<dyn Receiver>> {
        let line = |end| match end {
            Rx::Line(end) => Ok(end),
            Rx::Word(_) | Rx::Words(_) => Err(io::Error::other("messages of 64 B only")),
        };
        let ends = ends.into_iter().map(line).collect::<io::Result<_>>()?;
        Ok(Box::new(Chosen { ends, selector: Selector::waiting(strategy(job.wait)) }))
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        let many = job.shape == Shape::Many || (job.shape == Shape::NToOne && job.n > 1);
        (!many).then_some("one channel")
    }
}

/// The receivers of all channels, and who says which of them has something.
struct Chosen {
    ends: Vec<StraitRx<[u64; 8]>>,
    selector: Selector,
}

impl Chosen {
    /// Takes all that this one has.
    fn drain(&mut self, index: usize, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            match self.ends[index].try_recv() {
                Ok(line) => tally.note(read_words(&line)),
                Err(Empty) => break,
                Err(error) => return Err(other(error)),
            }
        }
        Ok(())
    }
}

impl Receiver for Chosen {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let ready = self.selector.try_ready(&mut self.ends);
        if let Some(index) = ready {
            self.drain(index, tally)?;
        }
        Ok(ready.is_some())
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            let Some(index) = self.selector.ready(&mut self.ends) else { return Err(io::Error::other("no channels")) };
            self.drain(index, tally)?;
        }
        Ok(())
    }
}
