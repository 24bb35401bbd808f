//! Locks: a mutex that one process has for itself, and one that two want at once.

use std::io;
use std::ops::Range;

use strait::sync::{Mutex, Options};

use crate::contender::{Receiver, Sender, Side, Site};
use crate::job::Wait;

fn options(site: &Site) -> Options {
    let strategy = match site.job.wait {
        Wait::Spin => strait::channel::Strategy::Spin,
        Wait::Adaptive => strait::channel::Strategy::SpinThenSleep,
        Wait::Sleep => strait::channel::Strategy::Sleep,
    };
    Options::new().populate(true).wait(strategy)
}

/// A mutex; how often this side locks it for each number.
struct Counting {
    mutex: Mutex<u64>,
    is_counting: bool,
}

fn open(site: &Site, is_counting: bool) -> io::Result<Counting> {
    let mutex = match site.side {
        Side::Here => Mutex::create(site.name(), &0, &options(site)),
        Side::There => Mutex::open(site.name(), &options(site)),
    };
    Ok(Counting { mutex: mutex.map_err(io::Error::other)?, is_counting })
}

/// The other user is there, and does nothing.
pub(crate) fn alone_sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(open(site, false)?))
}

pub(crate) fn counting_sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(open(site, true)?))
}

pub(crate) fn receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(open(site, true)?))
}

impl Counting {
    fn count(&mut self, times: Range<u64>) {
        for _ in times {
            *self.mutex.lock().expect("nobody dies here") += 1;
        }
    }
}

impl Sender for Counting {
    fn send_all(&mut self, numbers: Range<u64>) {
        if self.is_counting {
            self.count(numbers);
        }
    }
}

impl Receiver for Counting {
    fn recv_all(&mut self, numbers: Range<u64>) {
        self.count(numbers);
    }
}

/// Locked and unlocked, and the value left as it is.
struct Locking(Mutex<u64>);

pub(crate) fn locking(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(Locking(open(site, false)?.mutex)))
}

impl Receiver for Locking {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for _ in numbers {
            drop(self.0.lock().expect("nobody dies here"));
        }
    }
}
