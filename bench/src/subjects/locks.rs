//! Locks: a mutex that one process has for itself, and one that two want at once; an event and a semaphore that wake the other side.

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use strait::sync::event::{Event, Reset};
use strait::sync::{Mutex, Options, Semaphore};

use crate::contender::{Duplex, Receiver, Sender, Side, Site};
use crate::job::Wait;
use crate::raw::Word;

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

/// What tells the other side that there is a number: 8 bytes there and back, in words beside it, as the futex floor has them.
trait Signal: Sized {
    fn open(name: &str, site: &Site) -> io::Result<Self>;
    fn tell(&mut self);
    fn await_it(&mut self);
}

impl Signal for Event {
    fn open(name: &str, site: &Site) -> io::Result<Self> {
        match site.side {
            Side::Here => Self::create(name, Reset::Auto, &options(site)),
            Side::There => Self::open(name, Reset::Auto, &options(site)),
        }
        .map_err(io::Error::other)
    }

    fn tell(&mut self) {
        self.set().expect("nobody forks here");
    }

    fn await_it(&mut self) {
        self.wait().expect("nobody forks here");
    }
}

impl Signal for Semaphore {
    fn open(name: &str, site: &Site) -> io::Result<Self> {
        match site.side {
            Side::Here => Self::create(name, 0, 1, &options(site)),
            Side::There => Self::open(name, &options(site)),
        }
        .map_err(io::Error::other)
    }

    fn tell(&mut self) {
        self.post().expect("the last one was taken");
    }

    fn await_it(&mut self) {
        self.wait().expect("nobody forks here");
    }
}

/// A signal each way, and what it is about.
struct Told<S> {
    mine: (S, Word<AtomicU64>),
    theirs: (S, Word<AtomicU64>),
}

fn told<S: Signal + 'static>(site: &Site) -> io::Result<Box<dyn Duplex>> {
    assert_eq!(site.job.bytes, 8, "a signal is about eight bytes");
    let shared = site.map(4096)?;
    let way = |name: &str, at: usize| {
        Ok::<_, io::Error>((S::open(&format!("{}-{name}", site.name()), site)?, shared.word(at)))
    };
    let (there, back) = (way("there", 0)?, way("back", 256)?);
    let (mine, theirs) = if site.side == Side::Here { (there, back) } else { (back, there) };
    Ok(Box::new(Told { mine, theirs }))
}

pub(crate) fn event(site: &Site) -> io::Result<Box<dyn Duplex>> {
    told::<Event>(site)
}

pub(crate) fn semaphore(site: &Site) -> io::Result<Box<dyn Duplex>> {
    told::<Semaphore>(site)
}

impl<S: Signal> Duplex for Told<S> {
    fn send(&mut self, payload: &[u8]) {
        if let Some(bytes) = payload.first_chunk::<8>() {
            // Relaxed: the signal is what orders it.
            self.mine.1.store(u64::from_ne_bytes(*bytes), Relaxed);
        }
        self.mine.0.tell();
    }

    fn recv(&mut self, payload: &mut [u8]) {
        self.theirs.0.await_it();
        if let Some(bytes) = payload.first_chunk_mut::<8>() {
            *bytes = self.theirs.1.load(Relaxed).to_ne_bytes();
        }
    }
}
