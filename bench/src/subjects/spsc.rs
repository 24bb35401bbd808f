//! The `spsc` channel: `u64`s and arrays of them as typed messages, slices of bytes of any length.
//!
//! Both processes open a named channel; the measuring one creates it. Nothing here that a user could not write.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;
use std::time::{Duration, Instant};

use strait::channel::Strategy;
use strait::channel::spsc::{Options, Receiver as Rx, Sender as Tx};

use crate::contender::{Duplex, Lender, Receiver, Sender, Side, Site};
use crate::job::Wait;
use crate::message;
use crate::raw::Line;

pub(super) fn strategy(site: &Site) -> Strategy {
    match site.job.wait {
        Wait::Spin => Strategy::Spin,
        Wait::Adaptive => Strategy::SpinThenSleep,
        Wait::Sleep => Strategy::Sleep,
    }
}

pub(super) fn options(site: &Site, capacity_bytes: u64) -> Options {
    Options::new().capacity_bytes(capacity_bytes).populate(true).wait(strategy(site))
}

/// As many bytes as the floor's ring has for the same capacity in messages; single words get a cache line each.
pub(super) fn typed_bytes(site: &Site) -> u64 {
    let stride = if site.job.bytes == 8 && site.job.batch == 1 { 64 } else { site.job.bytes as u64 };
    site.job.capacity * stride
}

pub(super) fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// There and back, each by a channel of its own.
struct Echo<S, R> {
    tx: S,
    rx: R,
}

macro_rules! duplex {
    ($site:expr, $message:ty, $capacity:expr) => {{
        let options = options($site, $capacity);
        let (there, back) = (format!("{}-there", $site.name()), format!("{}-back", $site.name()));
        match $site.side {
            Side::Here => Echo {
                tx: Tx::<$message>::create(&there, &options).map_err(other)?,
                rx: Rx::<$message>::create(&back, &options).map_err(other)?,
            },
            Side::There => Echo {
                tx: Tx::<$message>::open(&back, &options).map_err(other)?,
                rx: Rx::<$message>::open(&there, &options).map_err(other)?,
            },
        }
    }};
}

/// Both ends of a round trip of numbers.
pub(super) fn open_duplex(site: &Site, options: &Options) -> io::Result<(Tx<u64>, Rx<u64>)> {
    let (there, back) = (format!("{}-there", site.name()), format!("{}-back", site.name()));
    Ok(match site.side {
        Side::Here => (Tx::create(&there, options).map_err(other)?, Rx::create(&back, options).map_err(other)?),
        Side::There => (Tx::open(&back, options).map_err(other)?, Rx::open(&there, options).map_err(other)?),
    })
}

pub(crate) fn typed_duplex(site: &Site) -> io::Result<Box<dyn Duplex>> {
    Ok(match site.job.bytes {
        8 => Box::new(duplex!(site, u64, typed_bytes(site))),
        48 => Box::new(duplex!(site, [u64; 6], typed_bytes(site))),
        64 => Box::new(duplex!(site, [u64; 8], typed_bytes(site))),
        bytes => panic!("typed round trips carry 8, 48 or 64 bytes, not {bytes}"),
    })
}

type BytesEcho = Echo<Tx<[u8]>, Rx<[u8]>>;

pub(crate) fn bytes_duplex(site: &Site) -> io::Result<Box<dyn Duplex>> {
    Ok(Box::new(duplex!(site, [u8], site.job.capacity)))
}

impl<T: strait::channel::Item> Duplex for Echo<Tx<T>, Rx<T>> {
    fn send(&mut self, payload: &[u8]) {
        let message = T::read_from_bytes(payload).expect("as long as the job says");
        self.tx.send(&message).expect("the peer lives");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let message = self.rx.recv().expect("the peer lives");
        message.write_to(payload).expect("as long as the job says");
    }
}

impl Duplex for BytesEcho {
    fn send(&mut self, payload: &[u8]) {
        self.tx.send(payload).expect("the peer lives");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let message = self.rx.recv_ref().expect("the peer lives");
        payload.copy_from_slice(&message);
    }
}

/// One end of a typed stream.
struct Typed<E, T> {
    end: E,
    batch: Vec<T>,
}

/// A message of the typed streams.
trait Stamped: strait::channel::Item + Copy {
    fn of(number: u64) -> Self;
    fn differs(&self, number: u64) -> u64;
}

impl Stamped for u64 {
    #[inline(always)]
    fn of(number: u64) -> Self {
        number
    }

    #[inline(always)]
    fn differs(&self, number: u64) -> u64 {
        *self ^ number
    }
}

impl Stamped for [u64; 8] {
    #[inline(always)]
    fn of(number: u64) -> Self {
        message::line(number).0
    }

    #[inline(always)]
    fn differs(&self, number: u64) -> u64 {
        message::line_differs(&Line(*self), number)
    }
}

fn typed_end<T: Stamped, E>(site: &Site, end: E) -> Typed<E, T> {
    Typed { end, batch: vec![T::of(0); usize::try_from(site.job.batch).unwrap_or(1)] }
}

pub(crate) fn typed_sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    let options = options(site, typed_bytes(site));
    Ok(match site.job.bytes {
        8 => Box::new(typed_end::<u64, _>(site, Tx::<u64>::create(site.name(), &options).map_err(other)?)),
        64 => Box::new(typed_end::<[u64; 8], _>(site, Tx::<[u64; 8]>::create(site.name(), &options).map_err(other)?)),
        bytes => panic!("typed streams carry 8 or 64 bytes, not {bytes}"),
    })
}

pub(crate) fn typed_receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    let options = options(site, typed_bytes(site));
    Ok(match site.job.bytes {
        8 => Box::new(typed_end::<u64, _>(site, Rx::<u64>::open(site.name(), &options).map_err(other)?)),
        64 => Box::new(typed_end::<[u64; 8], _>(site, Rx::<[u64; 8]>::open(site.name(), &options).map_err(other)?)),
        bytes => panic!("typed streams carry 8 or 64 bytes, not {bytes}"),
    })
}

impl<T: Stamped> Sender for Typed<Tx<T>, T> {
    fn send_all(&mut self, numbers: Range<u64>) {
        if self.batch.len() <= 1 {
            for number in numbers {
                self.end.send(&T::of(number)).expect("the peer lives");
            }
            return;
        }
        let mut next = numbers.start;
        while next < numbers.end {
            let count = self.batch.len().min((numbers.end - next) as usize);
            for (offset, message) in self.batch[..count].iter_mut().enumerate() {
                *message = T::of(next + offset as u64);
            }
            self.end.send_batch(&self.batch[..count]).expect("the peer lives");
            next += count as u64;
        }
    }
}

impl<T: Stamped> Receiver for Typed<Rx<T>, T> {
    fn recv_all(&mut self, numbers: Range<u64>) {
        let mut differs = 0;
        if self.batch.len() <= 1 {
            for number in numbers {
                differs |= self.end.recv().expect("the peer lives").differs(number);
            }
            assert!(differs == 0, "a message is not what was sent");
            return;
        }
        let mut next = numbers.start;
        while next < numbers.end {
            let count = self.batch.len().min((numbers.end - next) as usize);
            let count = self.end.recv_batch(&mut self.batch[..count]).expect("the peer lives");
            for (offset, message) in self.batch[..count].iter().enumerate() {
                differs |= message.differs(next + offset as u64);
            }
            next += count as u64;
        }
        assert!(differs == 0, "a message is not what was sent");
    }
}

/// One end of a stream of bytes.
struct Bytes<E> {
    end: E,
    payload: Vec<u8>,
    batch: usize,
}

fn bytes_end<E>(site: &Site, end: E) -> Bytes<E> {
    Bytes { end, payload: vec![7; site.job.bytes], batch: usize::try_from(site.job.batch).unwrap_or(1) }
}

fn bytes_tx(site: &Site) -> io::Result<Bytes<Tx<[u8]>>> {
    let tx = Tx::<[u8]>::create(site.name(), &options(site, site.job.capacity)).map_err(other)?;
    Ok(bytes_end(site, tx))
}

pub(crate) fn bytes_sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(bytes_tx(site)?))
}

pub(crate) fn bytes_receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    let rx = Rx::<[u8]>::open(site.name(), &options(site, site.job.capacity)).map_err(other)?;
    Ok(Box::new(bytes_end(site, rx)))
}

pub(crate) fn lender(site: &Site) -> io::Result<Box<dyn Lender>> {
    Ok(Box::new(bytes_tx(site)?))
}

impl Sender for Bytes<Tx<[u8]>> {
    fn send_all(&mut self, numbers: Range<u64>) {
        if self.batch <= 1 {
            for number in numbers {
                message::stamp(&mut self.payload, number);
                self.end.send(&self.payload).expect("the peer lives");
            }
            return;
        }
        let mut next = numbers.start;
        while next < numbers.end {
            let count = (self.batch as u64).min(numbers.end - next);
            let mut batch = Vec::with_capacity(self.batch);
            for number in next..next + count {
                message::stamp(&mut self.payload, number);
                batch.push(self.payload.clone());
            }
            self.end.send_batch(batch.iter().map(Vec::as_slice)).expect("the peer lives");
            next += count;
        }
    }
}

impl Receiver for Bytes<Rx<[u8]>> {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.end.recv_into(&mut self.payload).expect("the peer lives");
            message::check(&self.payload, number);
        }
    }
}

impl Lender for Bytes<Tx<[u8]>> {
    fn lend(&mut self, number: u64) -> Duration {
        let began = Instant::now();
        let mut room = self.end.reserve(self.payload.len()).expect("the peer lives");
        let reserved = began.elapsed();
        message::stamp(&mut self.payload, number);
        room.copy_from_slice(&self.payload);
        // What still waits in the store buffer is the user's writing.
        fence(SeqCst);
        let began = Instant::now();
        room.publish();
        reserved + began.elapsed()
    }

    fn settled(&self) -> bool {
        self.end.is_empty()
    }
}
