//! The `mpmc` queue: a question through one, an answer through another; each job is acknowledged.

use std::io;

use strait::channel::Strategy;
use strait::channel::mpmc::{Options, Producer, Worker};

use crate::contender::{Duplex, Side, Site};
use crate::job::Wait;

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

struct Echo {
    tx: Producer<u64>,
    rx: Worker<u64>,
}

pub(crate) fn duplex(site: &Site) -> io::Result<Box<dyn Duplex>> {
    assert!(site.job.bytes == 8, "round trips through queues carry 8 bytes");
    let strategy = match site.job.wait {
        Wait::Spin => Strategy::Spin,
        Wait::Adaptive => Strategy::SpinThenSleep,
        Wait::Sleep => Strategy::Sleep,
    };
    let capacity = u32::try_from(site.job.capacity).unwrap_or(u32::MAX);
    let options = Options::new().capacity(capacity).populate(true).wait(strategy);
    let (there, back) = (format!("{}-there", site.name()), format!("{}-back", site.name()));
    Ok(Box::new(match site.side {
        Side::Here => Echo {
            tx: Producer::create(&there, &options).map_err(other)?,
            rx: Worker::create(&back, &options).map_err(other)?,
        },
        Side::There => Echo {
            tx: Producer::open(&back, &options).map_err(other)?,
            rx: Worker::open(&there, &options).map_err(other)?,
        },
    }))
}

impl Duplex for Echo {
    fn send(&mut self, payload: &[u8]) {
        let message = u64::from_ne_bytes(payload.try_into().expect("8 bytes"));
        self.tx.push(&message).expect("the peer lives");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let job = self.rx.pop().expect("the peer lives");
        payload.copy_from_slice(&job.to_ne_bytes());
        job.ack();
    }
}
