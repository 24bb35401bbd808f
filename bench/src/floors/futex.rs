//! Eight bytes each way, both sides asleep between their turns: one wake and one wait for each message. The wait has no end; or, as that of
//! everybody who wants to find a death, one after 80 ms, for which the kernel sets a timer and takes it back.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0, 8 | messages sent (the futex), payload | here |
//! | 256, 264 | the same | there |

use std::io;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::thread::futex::{self, Flags, Timespec};

use crate::contender::{Duplex, Side, Site};
use crate::raw::Word;

struct Futex {
    mine: (Word<AtomicU32>, Word<AtomicU64>),
    theirs: (Word<AtomicU32>, Word<AtomicU64>),
    sent: u32,
    seen: u32,
    slice: Option<Timespec>,
}

pub(crate) fn endless(site: &Site) -> io::Result<Box<dyn Duplex>> {
    open(site, None)
}

pub(crate) fn in_slices(site: &Site) -> io::Result<Box<dyn Duplex>> {
    open(site, Some(Timespec { tv_sec: 0, tv_nsec: 80_000_000 }))
}

fn open(site: &Site, slice: Option<Timespec>) -> io::Result<Box<dyn Duplex>> {
    assert_eq!(site.job.bytes, 8, "the futex floor carries eight bytes");
    let shared = site.map(4096)?;
    let way = |base: usize| (shared.word32(base), shared.word(base + 8));
    let (mine, theirs) = if site.side == Side::Here { (0, 256) } else { (256, 0) };
    Ok(Box::new(Futex { mine: way(mine), theirs: way(theirs), sent: 0, seen: 0, slice }))
}

impl Duplex for Futex {
    fn send(&mut self, payload: &[u8]) {
        self.mine.1.put(payload);
        self.sent = self.sent.wrapping_add(1);
        // Release, FUTEX-TURN: the payload is written before its number is seen.
        self.mine.0.store(self.sent, Release);
        // Shared on purpose: the waiter is another process.
        futex::wake(&self.mine.0, Flags::empty(), 1).expect("waking a mapped word cannot fail");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let before = self.seen;
        self.seen = before.wrapping_add(1);
        // Acquire, pairs with FUTEX-TURN.
        while self.theirs.0.load(Acquire) != self.seen {
            // Whatever ended the wait (a wake, a changed word, a signal), the word is looked at again.
            let _ = futex::wait(&self.theirs.0, Flags::empty(), before, self.slice.as_ref());
        }
        self.theirs.1.get(payload);
    }
}
