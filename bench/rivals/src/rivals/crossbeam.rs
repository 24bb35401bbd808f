//! crossbeam-channel, between threads: a bounded channel of `u64`, of `[u64; 8]`, or of vectors that change their owner.
//!
//! Nothing crosses a process, and a large message is not copied: a bar that no channel between processes has to meet.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Mutex;

use crossbeam_channel::{Receiver as CrossbeamRx, Sender as CrossbeamTx, TryRecvError, bounded};

use crate::job::Wait;
use crate::payload::{Pause, Tally, read_words};
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

/// Channels made by whoever opened first.
static CHANNELS: Mutex<Option<Channels>> = Mutex::new(None);

type Channels = HashMap<String, Box<dyn Any + Send>>;

type Pair<T> = (CrossbeamTx<T>, CrossbeamRx<T>);

fn pair<T: Send + 'static>(way: &Way<'_>) -> Pair<T> {
    let mut channels = CHANNELS.lock().expect("no holder panics");
    let capacity = way.job.capacity as usize;
    let made =
        channels.get_or_insert_default().entry(way.name.clone()).or_insert_with(|| Box::new(bounded::<T>(capacity)));
    made.downcast_ref::<Pair<T>>().expect("one channel, one type").clone()
}

pub(crate) enum Message<A, B, C> {
    Word(A),
    Line(B),
    Words(C),
}

pub(crate) struct Tx {
    end: Message<CrossbeamTx<u64>, CrossbeamTx<[u64; 8]>, CrossbeamTx<Vec<u64>>>,
    words: usize,
    wait: Wait,
    pause: Pause,
}

pub(crate) struct Rx {
    end: Message<CrossbeamRx<u64>, CrossbeamRx<[u64; 8]>, CrossbeamRx<Vec<u64>>>,
    wait: Wait,
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: true, shares: true, sleeps: true, selects: false, reopens: false };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        let end = match way.job.bytes {
            8 => Message::Word(pair(way).0),
            64 => Message::Line(pair(way).0),
            _ => Message::Words(pair(way).0),
        };
        Ok(Tx { end, words: way.job.words(), wait: way.job.wait, pause: Pause::new(way.job.wait) })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        let end = match way.job.bytes {
            8 => Message::Word(pair(way).1),
            64 => Message::Line(pair(way).1),
            _ => Message::Words(pair(way).1),
        };
        Ok(Rx { end, wait: way.job.wait })
    }
}

fn send<T: Send + 'static>(tx: &CrossbeamTx<T>, message: T, wait: Wait, pause: &mut Pause) -> io::Result<()> {
    if wait != Wait::Spin {
        return tx.send(message).map_err(other);
    }
    let mut message = message;
    loop {
        match tx.try_send(message) {
            Ok(()) => return Ok(()),
            Err(crossbeam_channel::TrySendError::Full(back)) => message = back,
            Err(error) => return Err(other(error)),
        }
        pause.idle();
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let Self { end, words, wait, pause } = self;
        for stamp in stamps {
            match end {
                Message::Word(tx) => send(tx, stamp, *wait, pause)?,
                Message::Line(tx) => send(tx, [stamp; 8], *wait, pause)?,
                Message::Words(tx) => send(tx, vec![stamp; *words], *wait, pause)?,
            }
        }
        Ok(())
    }
}

fn poll<T>(rx: &CrossbeamRx<T>, tally: &mut Tally, read: impl Fn(&T) -> u64) -> io::Result<bool> {
    let mut some = false;
    while !tally.is_full() {
        match rx.try_recv() {
            Ok(message) => tally.note(read(&message)),
            Err(TryRecvError::Empty) => break,
            Err(error) => return Err(other(error)),
        }
        some = true;
    }
    Ok(some)
}

impl Receiver for Rx {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        match &self.end {
            Message::Word(rx) => poll(rx, tally, |word| *word),
            Message::Line(rx) => poll(rx, tally, |line| read_words(line)),
            Message::Words(rx) => poll(rx, tally, |words| read_words(words)),
        }
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            if self.wait == Wait::Spin {
                if !self.poll(tally)? {
                    tally.pause.idle();
                }
                continue;
            }
            match &self.end {
                Message::Word(rx) => tally.note(rx.recv().map_err(other)?),
                Message::Line(rx) => tally.note(read_words(&rx.recv().map_err(other)?)),
                Message::Words(rx) => tally.note(read_words(&rx.recv().map_err(other)?)),
            }
        }
        Ok(())
    }
}
