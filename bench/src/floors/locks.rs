//! What a lock is held against: two atomic exchanges, a mutex inside one process, and the C library's robust mutex and its reader-writer lock
//! between two.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | the mutex, or the word that is exchanged | both |
//! | 128 | what is counted under it | both |

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::contender::{Receiver, Sender, Side, Site};
use crate::raw::Word;
use crate::raw::pthread::{ReadWrite, Robust};

/// The side that does nothing.
pub(crate) struct Idle;

impl Sender for Idle {
    fn send_all(&mut self, _: Range<u64>) {}
}

pub(crate) fn idle(site: &Site) -> io::Result<Box<dyn Sender>> {
    site.map(4096)?;
    Ok(Box::new(Idle))
}

struct Exchanges(Word<AtomicU64>);

pub(crate) fn exchanges(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(Exchanges(site.map(4096)?.word(0))))
}

impl Receiver for Exchanges {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.0.swap(number, Acquire);
            self.0.swap(0, Release);
        }
    }
}

/// Counts under a mutex of this process.
struct InProcess(parking_lot::Mutex<u64>);

pub(crate) fn in_process_counting(_: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(InProcess(parking_lot::Mutex::new(0))))
}

/// The same, locked and unlocked, and what it holds left as it is.
struct InProcessLocking(parking_lot::Mutex<u64>);

pub(crate) fn in_process(_: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(InProcessLocking(parking_lot::Mutex::new(0))))
}

impl Receiver for InProcessLocking {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for _ in numbers {
            drop(self.0.lock());
        }
    }
}

impl Receiver for InProcess {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for _ in numbers {
            *self.0.lock() += 1;
        }
    }
}

/// Both sides count under the same mutex.
struct Counting {
    mutex: Robust,
    count: Word<AtomicU64>,
}

fn counting(site: &Site) -> io::Result<Counting> {
    let shared = site.map(4096)?;
    let mutex = match site.side {
        Side::Here => Robust::make(&shared, 0)?,
        Side::There => Robust::of(&shared, 0),
    };
    Ok(Counting { mutex, count: shared.word(128) })
}

pub(crate) fn counting_sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(counting(site)?))
}

pub(crate) fn counting_receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(counting(site)?))
}

impl Counting {
    fn count(&self, times: Range<u64>) {
        for _ in times {
            self.mutex.lock();
            // Relaxed: the mutex orders it.
            self.count.store(self.count.load(Relaxed) + 1, Relaxed);
            self.mutex.unlock();
        }
    }
}

impl Sender for Counting {
    fn send_all(&mut self, numbers: Range<u64>) {
        self.count(numbers);
    }
}

impl Receiver for Counting {
    fn recv_all(&mut self, numbers: Range<u64>) {
        self.count(numbers);
    }
}

/// Both sides read at once.
struct Reading(ReadWrite);

fn reading(site: &Site) -> io::Result<Reading> {
    let shared = site.map(4096)?;
    Ok(Reading(match site.side {
        Side::Here => ReadWrite::make(&shared, 0)?,
        Side::There => ReadWrite::of(&shared, 0),
    }))
}

pub(crate) fn reading_sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(reading(site)?))
}

pub(crate) fn reading_receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(reading(site)?))
}

/// The other user is there, and does nothing.
pub(crate) fn not_reading(site: &Site) -> io::Result<Box<dyn Sender>> {
    reading(site)?;
    Ok(Box::new(Idle))
}

impl Reading {
    fn read(&self, times: Range<u64>) {
        for _ in times {
            self.0.read();
            self.0.unlock();
        }
    }
}

impl Sender for Reading {
    fn send_all(&mut self, numbers: Range<u64>) {
        self.read(numbers);
    }
}

impl Receiver for Reading {
    fn recv_all(&mut self, numbers: Range<u64>) {
        self.read(numbers);
    }
}
