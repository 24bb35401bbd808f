//! Two cache lines, one flag each way, both sides spinning: the least that a round trip between two cores can cost.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | messages sent from here | here |
//! | 256 | messages sent from there | there |
//!
//! The lines lie apart so that no adjacent-line prefetch ties them together. No payload travels.

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::contender::{Duplex, Side, Site};
use crate::raw::Word;

struct Lines {
    mine: Word<AtomicU64>,
    theirs: Word<AtomicU64>,
    sent: u64,
    seen: u64,
    pause: u32,
}

pub(crate) fn open(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let shared = site.map(1<<20)?;
    let (mine, theirs) = {
        let off: usize = std::env::var("OFF").map_or(256, |v| v.parse().unwrap());
        if site.side == Side::Here { (0, off) } else { (off, 0) }
    };
    Ok(Box::new(Lines { mine: shared.word(mine), theirs: shared.word(theirs), sent: 0, seen: 0, pause: std::env::var("PAUSE").unwrap().parse().unwrap() }))
}

impl Duplex for Lines {
    fn send(&mut self, _: &[u8]) {
        self.sent += 1;
        // Release, LINES-TURN: what a user did before is done before the other side sees its turn.
        self.mine.store(self.sent, Release);
    }

    fn recv(&mut self, _: &mut [u8]) {
        self.seen += 1;
        // Acquire, pairs with LINES-TURN.
        while self.theirs.load(Acquire) != self.seen {
            for _ in 0..self.pause { spin_loop(); }
        }
    }
}
