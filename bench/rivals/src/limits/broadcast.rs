//! One sender, up to eight receivers that each get everything; nothing is lost: the sender waits for the slowest.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | messages published | sender |
//! | 256 | receivers that have taken a cursor | each receiver, once |
//! | 512, 768, ... | messages released | one receiver each |
//! | 4096 | slots | sender |

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::job::{Job, Shape};
use crate::payload::{Pause, Tally};
use crate::raw::{Shared, Slot, Slots, Word};
use crate::seam::{Receiver, Sender, Traits, Way, Wire};

const MOST: usize = 8;

pub(crate) struct Wires;

pub(crate) struct Tx {
    published: Word<AtomicU64>,
    cursors: Vec<Word<AtomicU64>>,
    slots: Slots,
    capacity: u64,
    sent: u64,
    /// The slowest receiver's cursor as last seen.
    slowest: u64,
    pause: Pause,
}

pub(crate) struct Rx {
    published: Word<AtomicU64>,
    cursor: Word<AtomicU64>,
    slots: Slots,
    taken: u64,
    /// What is published, as last seen.
    there: u64,
}

fn map(way: &Way<'_>) -> io::Result<(Shared, Slots)> {
    let (capacity, slot) = (way.job.capacity, Slot::plain(way.job.bytes));
    let shared = Shared::of(way, 4096 + slot.ring_bytes(capacity))?;
    let slots = shared.slots(4096, capacity, slot);
    Ok((shared, slots))
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: true, fans_in: false, shares: false, sleeps: false, selects: false, reopens: false };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        let (shared, slots) = map(way)?;
        assert!(way.receivers <= MOST, "the ring has eight cursors");
        Ok(Tx {
            published: shared.word(0),
            cursors: (0..way.receivers).map(|n| shared.word(512 + 256 * n)).collect(),
            slots,
            capacity: way.job.capacity,
            sent: 0,
            slowest: 0,
            pause: Pause::new(way.job.wait),
        })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        let (shared, slots) = map(way)?;
        // Relaxed: it only numbers.
        let number = shared.word(256).fetch_add(1, Relaxed) as usize;
        assert!(number < MOST, "the ring has eight cursors");
        Ok(Rx { published: shared.word(0), cursor: shared.word(512 + 256 * number), slots, taken: 0, there: 0 })
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        (!matches!(job.shape, Shape::OneToN | Shape::RoundTrip | Shape::Stream)).then_some("-")
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            while self.sent - self.slowest == self.capacity {
                // Acquire, pairs with BROADCAST-RELEASE.
                self.slowest = self.cursors.iter().map(|cursor| cursor.load(Acquire)).min().unwrap_or(self.sent);
                if self.sent - self.slowest == self.capacity {
                    self.pause.idle();
                }
            }
            self.slots.fill(self.sent, stamp);
            self.sent += 1;
            // Release, BROADCAST-COMMIT: the slot is written before it is counted.
            self.published.store(self.sent, Release);
        }
        self.pause.reset();
        Ok(())
    }
}

impl Receiver for Rx {
    #[inline(always)]
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        if self.there == self.taken {
            // Acquire, pairs with BROADCAST-COMMIT.
            self.there = self.published.load(Acquire);
            if self.there == self.taken {
                return Ok(false);
            }
        }
        while self.taken < self.there && !tally.is_full() {
            tally.note(self.slots.read(self.taken));
            self.taken += 1;
        }
        // Release, BROADCAST-RELEASE: the slots are read before they are given back.
        self.cursor.store(self.taken, Release);
        Ok(true)
    }
}
