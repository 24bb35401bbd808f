//! Locks: a mutex or a reader-writer lock that one process has for itself, and one that two want at once; an event, a semaphore, a condition, and
//! the kernel's semaphores, that wake the other side.

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use strait::sync::event::{Event, Reset};
use strait::sync::posix_semaphore::PosixSemaphore;
use strait::sync::sysv_semaphores::{Operation, SysvSemaphores};
use strait::sync::{Condvar, Mutex, Options, RwLock, Semaphore};

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

/// Read-locked and unlocked, by one side or by both at once.
struct Reading {
    lock: RwLock<u64>,
    is_reading: bool,
}

fn open_to_read(site: &Site, is_reading: bool) -> io::Result<Reading> {
    let lock = match site.side {
        Side::Here => RwLock::create(site.name(), &0, &options(site)),
        Side::There => RwLock::open(site.name(), &options(site)),
    };
    Ok(Reading { lock: lock.map_err(io::Error::other)?, is_reading })
}

pub(crate) fn not_reading(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(open_to_read(site, false)?))
}

pub(crate) fn reading_sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(open_to_read(site, true)?))
}

pub(crate) fn reading_receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(open_to_read(site, true)?))
}

impl Reading {
    fn read(&mut self, times: Range<u64>) {
        for _ in times {
            drop(self.lock.read().expect("nobody dies here"));
        }
    }
}

impl Sender for Reading {
    fn send_all(&mut self, numbers: Range<u64>) {
        if self.is_reading {
            self.read(numbers);
        }
    }
}

impl Receiver for Reading {
    fn recv_all(&mut self, numbers: Range<u64>) {
        self.read(numbers);
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

/// Removed by whoever made it.
struct Named {
    semaphore: PosixSemaphore,
    made: Option<String>,
}

impl Drop for Named {
    fn drop(&mut self) {
        if let Some(name) = &self.made {
            let _ = PosixSemaphore::remove(name);
        }
    }
}

impl Signal for Named {
    fn open(name: &str, site: &Site) -> io::Result<Self> {
        let options = strait::region::Options::new();
        let made = (site.side == Side::Here).then(|| name.to_owned());
        let semaphore = match &made {
            Some(name) => PosixSemaphore::create(name, 0, &options),
            None => PosixSemaphore::open(name, &options),
        };
        Ok(Self { semaphore: semaphore.map_err(io::Error::other)?, made })
    }

    fn tell(&mut self) {
        self.semaphore.post().expect("it is far from full");
    }

    fn await_it(&mut self) {
        self.semaphore.wait().expect("it is there");
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

pub(crate) fn posix_semaphore(site: &Site) -> io::Result<Box<dyn Duplex>> {
    told::<Named>(site)
}

/// Two semaphores of one set, and what they are about.
struct Set {
    semaphores: SysvSemaphores,
    is_ours: bool,
    mine: (u16, Word<AtomicU64>),
    theirs: (u16, Word<AtomicU64>),
}

pub(crate) fn sysv_semaphores(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let shared = site.map(4096)?;
    let place = shared.word32(512);
    let is_ours = site.side == Side::Here;
    let semaphores = if is_ours {
        let made = SysvSemaphores::create_private(&[0, 0], 0o600).map_err(io::Error::other)?;
        // Relaxed: the peer is started after this.
        place.store(u32::from_ne_bytes(made.id().to_ne_bytes()), Relaxed);
        made
    } else {
        SysvSemaphores::of_id(i32::from_ne_bytes(place.load(Relaxed).to_ne_bytes()))
    };
    let (there, back) = ((0, shared.word(0)), (1, shared.word(256)));
    let (mine, theirs) = if is_ours { (there, back) } else { (back, there) };
    Ok(Box::new(Set { semaphores, is_ours, mine, theirs }))
}

impl Drop for Set {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = self.semaphores.remove();
        }
    }
}

impl Duplex for Set {
    fn send(&mut self, payload: &[u8]) {
        self.mine.1.put(payload);
        self.semaphores.operate(&[Operation::add(self.mine.0, 1)]).expect("far from the limit");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        self.semaphores.operate(&[Operation::take(self.theirs.0, 1)]).expect("nobody removes it");
        self.theirs.1.get(payload);
    }
}

/// A value under a mutex, and the condition that it has changed: one each way.
struct Board {
    mutex: Mutex<u64>,
    has_come: Condvar,
}

struct Boards {
    mine: Board,
    theirs: Board,
    seen: u64,
    payload: [Word<AtomicU64>; 2],
}

pub(crate) fn condvar(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let board = |name: &str| {
        let name = format!("{}-{name}", site.name());
        let mutex = match site.side {
            Side::Here => Mutex::create(name, &0, &options(site)),
            Side::There => Mutex::open(name, &options(site)),
        };
        let mutex = mutex.map_err(io::Error::other)?;
        let has_come = Condvar::of(&mutex, 0).map_err(io::Error::other)?;
        Ok::<_, io::Error>(Board { mutex, has_come })
    };
    let shared = site.map(4096)?;
    let (there, back) = (board("there")?, board("back")?);
    let words = [shared.word(0), shared.word(256)];
    let is_here = site.side == Side::Here;
    let (mine, theirs) = if is_here { (there, back) } else { (back, there) };
    let [first, second] = words;
    let payload = if is_here { [first, second] } else { [second, first] };
    Ok(Box::new(Boards { mine, theirs, seen: 0, payload }))
}

impl Duplex for Boards {
    fn send(&mut self, payload: &[u8]) {
        self.payload[0].put(payload);
        *self.mine.mutex.lock().expect("nobody dies here") += 1;
        self.mine.has_come.notify_one().expect("nobody forks here");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let Board { mutex, has_come } = &mut self.theirs;
        let guard = mutex.lock().expect("nobody dies here");
        let guard = has_come.wait_while(guard, |number| *number == self.seen).expect("nobody dies here");
        self.seen = *guard;
        drop(guard);
        self.payload[1].get(payload);
    }
}

impl<S: Signal> Duplex for Told<S> {
    fn send(&mut self, payload: &[u8]) {
        self.mine.1.put(payload);
        self.mine.0.tell();
    }

    fn recv(&mut self, payload: &mut [u8]) {
        self.theirs.0.await_it();
        self.theirs.1.get(payload);
    }
}
