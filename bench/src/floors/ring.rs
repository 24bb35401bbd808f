//! The raw ring of slots: one sender, one receiver, each with its own counter and a cached copy of the other's.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | messages published | sender |
//! | 256 | messages released | receiver |
//! | 4096 | slots of 8 or of 64 bytes | sender |
//!
//! With `batch` 1 every message is published and released by itself. With more, the sender fills a whole batch and
//! publishes it with one store, and the receiver releases it with one.

use std::hint::spin_loop;
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::contender::{Receiver, Sender, Side, Site};
use crate::message;
use crate::raw::{Line, Plain, Slots, Word};

/// What a slot holds.
trait Message: Plain {
    /// The message of that number.
    fn make(number: u64) -> Self;
    /// Reads all of it: 0 if it is the message of that number.
    fn differs(&self, number: u64) -> u64;
}

impl Message for u64 {
    #[inline(always)]
    fn make(number: u64) -> Self {
        number
    }

    #[inline(always)]
    fn differs(&self, number: u64) -> u64 {
        *self ^ number
    }
}

impl Message for Line {
    #[inline(always)]
    fn make(number: u64) -> Self {
        message::line(number)
    }

    #[inline(always)]
    fn differs(&self, number: u64) -> u64 {
        message::line_differs(self, number)
    }
}

struct End<T> {
    published: Word<AtomicU64>,
    released: Word<AtomicU64>,
    slots: Slots<T>,
    capacity: u64,
    batch: u64,
    /// This side's counter; the shared copy is for the other side.
    mine: u64,
    /// The other side's counter as last seen (it may have moved on).
    theirs: u64,
}

fn end<T: Message>(site: &Site) -> io::Result<End<T>> {
    let (capacity, batch) = (site.job.capacity, site.job.batch);
    assert!(capacity % batch == 0, "a batch must divide the ring's capacity");
    let shared = site.map(4096 + capacity as usize * size_of::<T>())?;
    Ok(End {
        published: shared.word(0),
        released: shared.word(256),
        slots: shared.slots(4096, capacity),
        capacity,
        batch,
        mine: 0,
        theirs: 0,
    })
}

pub(crate) fn sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    debug_assert!(site.side == Side::Here);
    Ok(match site.job.bytes {
        8 => Box::new(end::<u64>(site)?),
        64 => Box::new(end::<Line>(site)?),
        other => panic!("the raw ring has slots of 8 or 64 bytes, not {other}"),
    })
}

pub(crate) fn receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(match site.job.bytes {
        8 => Box::new(end::<u64>(site)?),
        64 => Box::new(end::<Line>(site)?),
        other => panic!("the raw ring has slots of 8 or 64 bytes, not {other}"),
    })
}

impl<T> End<T> {
    /// Waits until `count` slots are free.
    #[inline(always)]
    fn wait_for_room(&mut self, count: u64) {
        while self.mine + count - self.theirs > self.capacity {
            // Acquire, pairs with RING-RELEASE.
            self.theirs = self.released.load(Acquire);
            if self.mine + count - self.theirs > self.capacity {
                spin_loop();
            }
        }
    }

    /// Waits until `count` messages are there.
    #[inline(always)]
    fn wait_for_messages(&mut self, count: u64) {
        while self.theirs - self.mine < count {
            // Acquire, pairs with RING-COMMIT.
            self.theirs = self.published.load(Acquire);
            if self.theirs - self.mine < count {
                spin_loop();
            }
        }
    }
}

impl<T: Message> Sender for End<T> {
    fn send_all(&mut self, numbers: Range<u64>) {
        if self.batch == 1 {
            for number in numbers {
                self.wait_for_room(1);
                self.slots.write(self.mine, T::make(number));
                self.mine += 1;
                // Release, RING-COMMIT: the slots are written before they are counted.
                self.published.store(self.mine, Release);
            }
            return;
        }
        let batch = self.batch;
        for first in numbers.step_by(batch as usize) {
            self.wait_for_room(batch);
            for (slot, number) in self.slots.run_mut(self.mine, batch).iter_mut().zip(first..) {
                *slot = T::make(number);
            }
            self.mine += batch;
            // Release, RING-COMMIT, once for the batch.
            self.published.store(self.mine, Release);
        }
    }
}

impl<T: Message> Receiver for End<T> {
    fn recv_all(&mut self, numbers: Range<u64>) {
        // Differences are gathered and looked at once: a branch for each message would be the harness's cost.
        let mut wrong = 0;
        if self.batch == 1 {
            for number in numbers {
                self.wait_for_messages(1);
                wrong |= self.slots.read(self.mine).differs(number);
                self.mine += 1;
                // Release, RING-RELEASE: the slots are read before they are given back.
                self.released.store(self.mine, Release);
            }
        } else {
            let batch = self.batch;
            for first in numbers.step_by(batch as usize) {
                self.wait_for_messages(batch);
                for (slot, number) in self.slots.run_mut(self.mine, batch).iter().zip(first..) {
                    wrong |= slot.differs(number);
                }
                self.mine += batch;
                // Release, RING-RELEASE, once for the batch.
                self.released.store(self.mine, Release);
            }
        }
        assert_eq!(wrong, 0, "the ring lost, doubled or tore a message");
    }
}
