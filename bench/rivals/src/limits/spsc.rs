//! One sender, one receiver: each with its own counter and a cached copy of the other's.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | messages published | sender |
//! | 256 | messages released | receiver |
//! | 4096 | slots | sender |
//!
//! Every message is published by itself. The receiver releases what it found at one look with one store.

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::payload::{Pause, Tally};
use crate::raw::{Shared, Slot, Slots, Word};
use crate::seam::{Receiver, Sender, Traits, Way, Wire};

pub(crate) struct Wires;

pub(crate) struct End {
    published: Word<AtomicU64>,
    released: Word<AtomicU64>,
    slots: Slots,
    capacity: u64,
    /// This side's counter; the shared copy is for the other side.
    mine: u64,
    /// The other side's counter as last seen (it may have moved on).
    theirs: u64,
    pause: Pause,
}

fn end(way: &Way<'_>) -> io::Result<End> {
    let (capacity, slot) = (way.job.capacity, Slot::plain(way.job.bytes));
    let shared = Shared::of(way, 4096 + slot.ring_bytes(capacity))?;
    Ok(End {
        published: shared.word(0),
        released: shared.word(256),
        slots: shared.slots(4096, capacity, slot),
        capacity,
        mine: 0,
        theirs: 0,
        pause: Pause::new(way.job.wait),
    })
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: false, selects: false, reopens: false };
    type Tx = End;
    type Rx = End;

    fn tx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn rx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }
}

impl Sender for End {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            while self.mine - self.theirs == self.capacity {
                // Acquire, pairs with SPSC-RELEASE.
                self.theirs = self.released.load(Acquire);
                if self.mine - self.theirs == self.capacity {
                    self.pause.idle();
                }
            }
            self.slots.fill(self.mine, stamp);
            self.mine += 1;
            // Release, SPSC-COMMIT: the slot is written before it is counted.
            self.published.store(self.mine, Release);
        }
        self.pause.reset();
        Ok(())
    }
}

impl Receiver for End {
    #[inline(always)]
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        if self.theirs == self.mine {
            // Acquire, pairs with SPSC-COMMIT.
            self.theirs = self.published.load(Acquire);
            if self.theirs == self.mine {
                return Ok(false);
            }
        }
        while self.mine < self.theirs && !tally.is_full() {
            tally.note(self.slots.read(self.mine));
            self.mine += 1;
        }
        // Release, SPSC-RELEASE: the slots are read before they are given back.
        self.released.store(self.mine, Release);
        Ok(true)
    }
}
