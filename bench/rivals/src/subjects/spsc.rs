//! The `spsc` channel: `u64` and `[u64; 8]` as typed messages, anything longer as a slice of words written and read in place.

use std::io;
use std::ops::Range;

use strait::channel::spsc::{Options, Receiver as StraitRx, Sender as StraitTx};

use super::payload::{is_killed, strategy};
use crate::job::Shape;
use crate::payload::{Tally, read_words};
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

pub(crate) enum Tx {
    Word(StraitTx<u64>),
    Line(StraitTx<[u64; 8]>),
    Words(StraitTx<[u64]>, usize),
}

pub(crate) enum Rx {
    Word(StraitRx<u64>),
    Line(StraitRx<[u64; 8]>),
    Words(StraitRx<[u64]>),
}

pub(super) fn options(way: &Way<'_>) -> Options {
    let stride = way.job.bytes.max(64) as u64 + if way.job.bytes > 64 { 64 } else { 0 };
    Options::new()
        .capacity_bytes((way.job.capacity * stride).next_power_of_two().max(1 << 16))
        .populate(way.job.shape != Shape::SetUp)
        .restartable(is_killed(way))
        .wait(strategy(way.job.wait))
}

macro_rules! open {
    ($end:ident, $way:expr) => {
        if $way.creates {
            $end::create(&*$way.name, &options($way)).map_err(other)?
        } else {
            $end::open(&*$way.name, &options($way)).map_err(other)?
        }
    };
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: false, reopens: true };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        Ok(match way.job.bytes {
            8 => Tx::Word(open!(StraitTx, way)),
            64 => Tx::Line(open!(StraitTx, way)),
            _ => Tx::Words(open!(StraitTx, way), way.job.words()),
        })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        Ok(match way.job.bytes {
            8 => Rx::Word(open!(StraitRx, way)),
            64 => Rx::Line(open!(StraitRx, way)),
            _ => Rx::Words(open!(StraitRx, way)),
        })
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        match self {
            Self::Word(tx) => {
                for stamp in stamps {
                    tx.send(&stamp).map_err(other)?;
                }
            }
            Self::Line(tx) => {
                for stamp in stamps {
                    tx.send(&[stamp; 8]).map_err(other)?;
                }
            }
            Self::Words(tx, len) => {
                for stamp in stamps {
                    let mut message = tx.reserve(*len).map_err(other)?;
                    message.fill(stamp);
                    message.publish();
                }
            }
        }
        Ok(())
    }
}

impl Receiver for Rx {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        use strait::channel::TryRecvError::Empty;
        let mut some = false;
        macro_rules! take {
            ($rx:expr, $call:ident, $read:expr) => {
                while !tally.is_full() {
                    match $rx.$call() {
                        Ok(message) => tally.note($read(&message)),
                        Err(Empty) => break,
                        Err(error) => return Err(other(error)),
                    }
                    some = true;
                }
            };
        }
        match self {
            Self::Word(rx) => take!(rx, try_recv, |word: &u64| *word),
            Self::Line(rx) => take!(rx, try_recv, |line: &[u64; 8]| read_words(line)),
            Self::Words(rx) => take!(rx, try_recv_ref, |words: &[u64]| read_words(words)),
        }
        Ok(some)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            match self {
                Self::Word(rx) => tally.note(rx.recv().map_err(other)?),
                Self::Line(rx) => tally.note(read_words(&rx.recv().map_err(other)?)),
                Self::Words(rx) => tally.note(read_words(&rx.recv_ref().map_err(other)?)),
            }
        }
        Ok(())
    }
}
