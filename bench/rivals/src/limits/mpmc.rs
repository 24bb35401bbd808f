//! Any number of senders and receivers, each message to one receiver: Vyukov's bounded queue.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | next number to send | senders, by compare-and-swap |
//! | 256 | next number to receive | receivers, by compare-and-swap |
//! | 4096 | slots, each with its *turn* | whoever won the number |
//!
//! The turn of slot `n mod capacity` is `n` while it waits for message `n`, `n + 1` while it holds it, and `n + capacity` once
//! it has been read. The file is born as zeroes, so turns are stored less their slot's index.

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::job::{Job, Shape};
use crate::payload::{Pause, Tally};
use crate::raw::{Shared, Slot, Slots, Word};
use crate::seam::{Receiver, Sender, Traits, Way, Wire};

pub(crate) struct Wires;

pub(crate) struct End {
    tail: Word<AtomicU64>,
    head: Word<AtomicU64>,
    slots: Slots,
    capacity: u64,
    pause: Pause,
}

fn end(way: &Way<'_>) -> io::Result<End> {
    let (capacity, slot) = (way.job.capacity, Slot::with_word(way.job.bytes));
    let shared = Shared::of(way, 4096 + slot.ring_bytes(capacity))?;
    Ok(End {
        tail: shared.word(0),
        head: shared.word(256),
        slots: shared.slots(4096, capacity, slot),
        capacity,
        pause: Pause::new(way.job.wait),
    })
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: true, shares: true, sleeps: false, selects: false, reopens: true };
    type Tx = End;
    type Rx = End;

    fn tx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn rx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        (job.shape == Shape::OneToN && job.n > 1).then_some("-")
    }
}

impl End {
    /// The number that this side may work on, once the slot's turn is `number + ahead`; `None` if it is not there yet.
    #[inline(always)]
    fn claim(&self, counter: &AtomicU64, ahead: u64) -> Option<u64> {
        let mut number = counter.load(Relaxed);
        loop {
            let index = number & (self.capacity - 1);
            // Acquire, pairs with MPMC-TURN: what the slot's last user did is done.
            let turn = self.slots.word(number).load(Acquire) + index;
            if turn == number + ahead {
                // Relaxed: the slot's turn orders, the counter only numbers.
                match counter.compare_exchange_weak(number, number + 1, Relaxed, Relaxed) {
                    Ok(_) => return Some(number),
                    Err(now) => number = now,
                }
            } else if turn < number + ahead {
                return None;
            } else {
                number = counter.load(Relaxed);
            }
        }
    }

    #[inline(always)]
    fn hand_on(&self, number: u64, turn: u64) {
        // Release, MPMC-TURN: this side is done with the slot.
        self.slots.word(number).store(turn - (number & (self.capacity - 1)), Release);
    }
}

impl Sender for End {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            let number = loop {
                match self.claim(&self.tail, 0) {
                    Some(number) => break number,
                    None => self.pause.idle(),
                }
            };
            self.slots.fill(number, stamp);
            self.hand_on(number, number + 1);
        }
        self.pause.reset();
        Ok(())
    }
}

impl Receiver for End {
    #[inline(always)]
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        while !tally.is_full() {
            let Some(number) = self.claim(&self.head, 1) else { break };
            tally.note(self.slots.read(number));
            self.hand_on(number, number + self.capacity);
            some = true;
        }
        Ok(some)
    }
}
