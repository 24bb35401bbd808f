//! The `watch` channel: a value of 8 or 64 bytes there and another one back, and one that nobody changes.

use std::io;

use strait::channel::watch::{Options, Reader as Rx, Writer as Tx};

use crate::contender::{Duplex, Side, Site};
use crate::job::Wait;
use crate::message;

fn options(site: &Site) -> Options {
    let strategy = match site.job.wait {
        Wait::Spin => strait::channel::Strategy::Spin,
        Wait::Adaptive => strait::channel::Strategy::SpinThenSleep,
        Wait::Sleep => strait::channel::Strategy::Sleep,
    };
    Options::new().populate(true).wait(strategy)
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// There and back, each by a watch of its own.
struct Echo<T: strait::channel::Item> {
    tx: Tx<T>,
    rx: Rx<T>,
}

fn echo<T: strait::channel::Item + 'static>(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let options = options(site);
    let (there, back) = (format!("{}-there", site.name()), format!("{}-back", site.name()));
    Ok(Box::new(match site.side {
        Side::Here => Echo::<T> {
            tx: Tx::create(&there, &options).map_err(other)?,
            rx: Rx::create(&back, &options).map_err(other)?,
        },
        Side::There => {
            Echo::<T> { tx: Tx::open(&back, &options).map_err(other)?, rx: Rx::open(&there, &options).map_err(other)? }
        }
    }))
}

pub(crate) fn duplex(site: &Site) -> io::Result<Box<dyn Duplex>> {
    match site.job.bytes {
        8 => echo::<u64>(site),
        64 => echo::<[u64; 8]>(site),
        1024 => echo::<[u64; 128]>(site),
        bytes => panic!("watches carry 8, 64 or 1024 bytes, not {bytes}"),
    }
}

impl<T: strait::channel::Item> Duplex for Echo<T> {
    fn send(&mut self, payload: &[u8]) {
        let value = T::read_from_bytes(payload).expect("as long as the job says");
        self.tx.send(&value).expect("it fits");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let value = self.rx.changed().expect("the peer lives");
        value.write_to(payload).expect("as long as the job says");
    }
}

/// A value that the peer has set and does not change, read once a round here. What the measuring asks of a round besides, stamping
/// and checking 64 bytes, is in the figure.
enum Unchanged {
    Here(Rx<[u64; 8]>),
    /// With the number of the next round.
    There {
        _tx: Tx<[u64; 8]>,
        next: u64,
    },
}

const VALUE: [u64; 8] = [7; 8];

pub(crate) fn unchanged(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let options = options(site);
    Ok(Box::new(match site.side {
        Side::Here => Unchanged::Here(Rx::create(site.name(), &options).map_err(other)?),
        Side::There => {
            let mut tx = Tx::open(site.name(), &options).map_err(other)?;
            tx.send(&VALUE).map_err(other)?;
            Unchanged::There { _tx: tx, next: 0 }
        }
    }))
}

impl Duplex for Unchanged {
    fn send(&mut self, _: &[u8]) {}

    fn recv(&mut self, payload: &mut [u8]) {
        match self {
            Self::Here(rx) => {
                assert_eq!(rx.get().expect("the peer has set it"), VALUE);
                // The answer that is expected of a round.
                for byte in payload {
                    *byte = !*byte;
                }
            }
            Self::There { next, .. } => {
                message::stamp(payload, *next);
                *next += 1;
            }
        }
    }
}
