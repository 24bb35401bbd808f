//! rtrb, between threads: one producer, one consumer, items written and read in place by chunks of one. A bar.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Mutex;

use ::rtrb::{Consumer, Producer, RingBuffer};

use crate::payload::{Pause, Tally, read_words};
use crate::seam::{Receiver, Sender, Traits, Way, Wire};

pub(crate) struct Wires;

/// The half that nobody has taken yet, of each ring.
static HALVES: Mutex<Option<Halves>> = Mutex::new(None);

type Halves = HashMap<String, Box<dyn Any + Send>>;

/// Makes the ring and takes one half, or takes the other half.
fn half<Mine: Send + 'static, Theirs: Send + 'static>(
    way: &Way<'_>,
    make: impl FnOnce(usize) -> (Mine, Theirs),
) -> Mine {
    let mut halves = HALVES.lock().expect("no holder panics");
    let halves = halves.get_or_insert_default();
    match halves.remove(&way.name) {
        Some(half) => *half.downcast().expect("one ring, one type"),
        None => {
            let (mine, theirs) = make(way.job.capacity as usize);
            halves.insert(way.name.clone(), Box::new(theirs));
            mine
        }
    }
}

pub(crate) enum Message<A, B, C> {
    Word(A),
    Line(B),
    Words(C),
}

pub(crate) struct Tx {
    end: Message<Producer<u64>, Producer<[u64; 8]>, Producer<u64>>,
    words: usize,
    pause: Pause,
}

pub(crate) struct Rx {
    end: Message<Consumer<u64>, Consumer<[u64; 8]>, Consumer<u64>>,
    words: usize,
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: false, selects: false, reopens: false };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        let words = way.job.words();
        let end = match words {
            1 => Message::Word(half(way, RingBuffer::new)),
            8 => Message::Line(half(way, RingBuffer::new)),
            _ => Message::Words(half(way, |capacity| RingBuffer::new(capacity * words))),
        };
        Ok(Tx { end, words, pause: Pause::new(way.job.wait) })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        let words = way.job.words();
        let swap = |(tx, rx)| (rx, tx);
        let end = match words {
            1 => Message::Word(half(way, |capacity| swap(RingBuffer::<u64>::new(capacity)))),
            8 => Message::Line(half(way, |capacity| {
                let (tx, rx) = RingBuffer::<[u64; 8]>::new(capacity);
                (rx, tx)
            })),
            _ => Message::Words(half(way, |capacity| swap(RingBuffer::<u64>::new(capacity * words)))),
        };
        Ok(Rx { end, words })
    }
}

fn send<T: Copy>(tx: &mut Producer<T>, message: T, pause: &mut Pause) {
    while tx.push(message).is_err() {
        pause.idle();
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let Self { end, words, pause } = self;
        for stamp in stamps {
            match end {
                Message::Word(tx) => send(tx, stamp, pause),
                Message::Line(tx) => send(tx, [stamp; 8], pause),
                Message::Words(tx) => loop {
                    // Zeroed, then written: its safe way to write in place.
                    if let Ok(mut chunk) = tx.write_chunk(*words) {
                        let (first, second) = chunk.as_mut_slices();
                        first.fill(stamp);
                        second.fill(stamp);
                        chunk.commit_all();
                        break;
                    }
                    pause.idle();
                },
            }
        }
        Ok(())
    }
}

impl Receiver for Rx {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        while !tally.is_full() {
            match &mut self.end {
                Message::Word(rx) => match rx.pop() {
                    Ok(word) => tally.note(word),
                    Err(_) => break,
                },
                Message::Line(rx) => match rx.pop() {
                    Ok(line) => tally.note(read_words(&line)),
                    Err(_) => break,
                },
                Message::Words(rx) => {
                    let Ok(chunk) = rx.read_chunk(self.words) else { break };
                    // Capacity is a whole number of messages, so none wraps.
                    let (message, _) = chunk.as_slices();
                    tally.note(read_words(message));
                    chunk.commit_all();
                }
            }
            some = true;
        }
        Ok(some)
    }
}
