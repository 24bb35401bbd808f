//! The two lines with a payload: copied in, the flag set, seen, copied out.
//!
//! One such block each way; the second begins on a page of its own.
//!
//! | offset in a block | field |
//! |---:|---|
//! | 0 | messages sent |
//! | 16 | payload of up to 48 bytes: it travels in the flag's line |
//! | 64 | a longer payload |

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::contender::{Duplex, Side, Site};
use crate::raw::{Bytes, Word};

struct Payload {
    mine: (Word<AtomicU64>, Bytes),
    theirs: (Word<AtomicU64>, Bytes),
    sent: u64,
    seen: u64,
}

pub(crate) fn open(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let bytes = site.job.bytes;
    let payload_offset = if bytes <= 48 { 16 } else { 64 };
    let block = (payload_offset + bytes).next_multiple_of(4096);
    let shared = site.map(2 * block)?;
    let way = |base: usize| (shared.word(base), shared.bytes(base + payload_offset, bytes));
    let (mine, theirs) = if site.side == Side::Here { (0, block) } else { (block, 0) };
    Ok(Box::new(Payload { mine: way(mine), theirs: way(theirs), sent: 0, seen: 0 }))
}

impl Duplex for Payload {
    fn send(&mut self, payload: &[u8]) {
        self.sent += 1;
        self.mine.1.copy_in(0, payload);
        // Release, PAYLOAD-TURN: the payload is written before its flag is seen.
        self.mine.0.store(self.sent, Release);
    }

    fn recv(&mut self, payload: &mut [u8]) {
        self.seen += 1;
        // Acquire, pairs with PAYLOAD-TURN.
        while self.theirs.0.load(Acquire) != self.seen {
            spin_loop();
        }
        self.theirs.1.copy_out(0, payload);
    }
}
