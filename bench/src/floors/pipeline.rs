//! The raw copy pipeline: a ring of bytes, pieces copied in and copied out.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | bytes published | sender |
//! | 256 | bytes released | receiver |
//! | 4096 | the bytes | sender |
//!
//! A piece divides the capacity, so none wraps. With `batch` above 1, that many pieces are published, and released, with
//! one store.

use std::hint::spin_loop;
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::contender::{Receiver, Sender, Site};
use crate::message;
use crate::raw::{Bytes, Word};

struct Pipeline {
    published: Word<AtomicU64>,
    released: Word<AtomicU64>,
    bytes: Bytes,
    capacity: u64,
    /// The sender's source or the receiver's destination: private memory.
    piece: Vec<u8>,
    /// Bytes published or released together.
    together: u64,
    mine: u64,
    theirs: u64,
}

fn open(site: &Site) -> io::Result<Pipeline> {
    let capacity = site.job.capacity;
    assert!(capacity.is_power_of_two(), "a ring of bytes is a power of two");
    let together = site.job.bytes as u64 * site.job.batch;
    assert!(capacity % together == 0, "the pieces published together must divide the ring");
    let shared = site.map(4096 + capacity as usize)?;
    Ok(Pipeline {
        published: shared.word(0),
        released: shared.word(256),
        bytes: shared.bytes(4096, capacity as usize),
        capacity,
        piece: vec![0x5a; site.job.bytes],
        together,
        mine: 0,
        theirs: 0,
    })
}

pub(crate) fn sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(open(site)?))
}

pub(crate) fn receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(open(site)?))
}

impl Sender for Pipeline {
    fn send_all(&mut self, numbers: Range<u64>) {
        let len = self.piece.len() as u64;
        for number in numbers {
            message::stamp(&mut self.piece, number);
            while self.mine + len - self.theirs > self.capacity {
                // Acquire, pairs with PIPELINE-RELEASE.
                self.theirs = self.released.load(Acquire);
                spin_loop();
            }
            self.bytes.copy_in((self.mine & (self.capacity - 1)) as usize, &self.piece);
            self.mine += len;
            if self.mine % self.together == 0 {
                // Release, PIPELINE-COMMIT: the piece is written before it is counted.
                self.published.store(self.mine, Release);
            }
        }
    }
}

impl Receiver for Pipeline {
    fn recv_all(&mut self, numbers: Range<u64>) {
        let len = self.piece.len() as u64;
        for number in numbers {
            while self.theirs - self.mine < len {
                // Acquire, pairs with PIPELINE-COMMIT.
                self.theirs = self.published.load(Acquire);
                spin_loop();
            }
            self.bytes.copy_out((self.mine & (self.capacity - 1)) as usize, &mut self.piece);
            self.mine += len;
            if self.mine % self.together == 0 {
                // Release, PIPELINE-RELEASE: the piece is read before its space is given back.
                self.released.store(self.mine, Release);
            }
            message::check(&self.piece, number);
        }
    }
}
