//! The `broadcast` channel, lossless, with one subscriber: `u64`s and lines of them as typed messages, and bytes in blocks. (More subscribers
//! are in `rivals/`.)
//!
//! Both processes open a named channel; the measuring one creates it. Nothing here that a user could not write.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;
use std::time::{Duration, Instant};

use strait::channel::Strategy;
use strait::channel::broadcast::{Options, Publisher, Subscriber};
use zerocopy::{FromBytes as _, IntoBytes as _};

use crate::contender::{Duplex, Lender, Receiver, Sender, Side, Site};
use crate::job::Wait;
use crate::message;
use crate::raw::Line;

/// As many slots as the floor's ring has: an eighth of them is not counted as capacity.
fn options(site: &Site) -> Options {
    let strategy = match site.job.wait {
        Wait::Spin => Strategy::Spin,
        Wait::Adaptive => Strategy::SpinThenSleep,
        Wait::Sleep => Strategy::Sleep,
    };
    // Whoever comes second misses nothing.
    Options::new().capacity(site.job.capacity / 8 * 7).from_oldest().populate(true).wait(strategy)
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// There and back, each by a channel of its own.
struct Echo {
    tx: Publisher<u64>,
    rx: Subscriber<u64>,
}

pub(crate) fn duplex(site: &Site) -> io::Result<Box<dyn Duplex>> {
    assert!(site.job.bytes == 8, "round trips carry 8 bytes, not {}", site.job.bytes);
    let options = options(site);
    let (there, back) = (format!("{}-there", site.name()), format!("{}-back", site.name()));
    Ok(Box::new(match site.side {
        Side::Here => Echo {
            tx: Publisher::create(&there, &options).map_err(other)?,
            rx: Subscriber::create(&back, &options).map_err(other)?,
        },
        Side::There => Echo {
            tx: Publisher::open(&back, &options).map_err(other)?,
            rx: Subscriber::open(&there, &options).map_err(other)?,
        },
    }))
}

impl Duplex for Echo {
    fn send(&mut self, payload: &[u8]) {
        let message = u64::read_from_bytes(payload).expect("as long as the job says");
        self.tx.publish(&message).expect("the peer lives");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let message = self.rx.recv().expect("the peer lives");
        message.write_to(payload).expect("as long as the job says");
    }
}

struct Tx(Publisher<[u64; 8]>);
struct Rx(Subscriber<[u64; 8]>);

pub(crate) fn sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    assert!(site.job.bytes == 64, "streams carry 64 bytes, not {}", site.job.bytes);
    Ok(Box::new(Tx(Publisher::create(site.name(), &options(site)).map_err(other)?)))
}

pub(crate) fn receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(Rx(Subscriber::open(site.name(), &options(site)).map_err(other)?)))
}

impl Sender for Tx {
    fn send_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.0.publish(&message::line(number).0).expect("the peer lives");
        }
    }
}

impl Receiver for Rx {
    fn recv_all(&mut self, numbers: Range<u64>) {
        let mut differs = 0;
        for number in numbers {
            differs |= message::line_differs(&Line(self.0.recv().expect("the peer lives")), number);
        }
        assert!(differs == 0, "a message is not what was sent");
    }
}

/// As many blocks as the job's capacity, all of the longest message of any job.
fn frame_options(site: &Site) -> Options {
    let blocks = u32::try_from(site.job.capacity).unwrap_or(u32::MAX);
    options(site).blocks(blocks).max_message_bytes(1 << 20)
}

/// One end of a stream of large messages.
struct Frames<E> {
    end: E,
    payload: Vec<u8>,
}

pub(crate) fn lender(site: &Site) -> io::Result<Box<dyn Lender>> {
    let end = Publisher::<[u8]>::create(site.name(), &frame_options(site)).map_err(other)?;
    Ok(Box::new(Frames { end, payload: vec![7; site.job.bytes] }))
}

pub(crate) fn holder(site: &Site) -> io::Result<Box<dyn Receiver>> {
    let end = Subscriber::<[u8]>::open(site.name(), &frame_options(site)).map_err(other)?;
    Ok(Box::new(Frames { end, payload: vec![7; site.job.bytes] }))
}

impl Lender for Frames<Publisher<[u8]>> {
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

impl Receiver for Frames<Subscriber<[u8]>> {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            let held = self.end.hold().expect("the peer lives");
            self.payload.copy_from_slice(&held);
            message::check(&self.payload, number);
        }
    }
}
