//! Eight bytes each way, both sides asleep between their turns: one wake and one wait for each message. The wait has no end; or, as that of
//! everybody who wants to find a death, one after 80 ms, for which the kernel sets a timer and takes it back; or that too, on two words at once,
//! as of one who waits for more than one thing.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0, 8 | messages sent (the futex), payload | here |
//! | 256, 264 | the same | there |
//! | 512 | a word that nobody changes | |

use std::io;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::thread::futex::{self, Flags, Timespec, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::{ClockId, clock_gettime};

use crate::contender::{Duplex, Side, Site};
use crate::raw::Word;

struct Futex {
    mine: (Word<AtomicU32>, Word<AtomicU64>),
    theirs: (Word<AtomicU32>, Word<AtomicU64>),
    sent: u32,
    seen: u32,
    sleep: Sleep,
    quiet: Word<AtomicU32>,
}

#[derive(Clone, Copy)]
enum Sleep {
    Endless,
    InSlices,
    OfTwo,
}

const SLICE: Timespec = Timespec { tv_sec: 0, tv_nsec: 80_000_000 };

pub(crate) fn endless(site: &Site) -> io::Result<Box<dyn Duplex>> {
    open(site, Sleep::Endless)
}

pub(crate) fn in_slices(site: &Site) -> io::Result<Box<dyn Duplex>> {
    open(site, Sleep::InSlices)
}

pub(crate) fn of_two_in_slices(site: &Site) -> io::Result<Box<dyn Duplex>> {
    open(site, Sleep::OfTwo)
}

fn open(site: &Site, sleep: Sleep) -> io::Result<Box<dyn Duplex>> {
    assert_eq!(site.job.bytes, 8, "the futex floor carries eight bytes");
    let shared = site.map(4096)?;
    let way = |base: usize| (shared.word32(base), shared.word(base + 8));
    let (mine, theirs) = if site.side == Side::Here { (0, 256) } else { (256, 0) };
    let (mine, theirs, quiet) = (way(mine), way(theirs), shared.word32(512));
    Ok(Box::new(Futex { mine, theirs, sent: 0, seen: 0, sleep, quiet }))
}

impl Futex {
    /// Sleeps while the other side has sent no more than that.
    fn sleep_while(&self, before: u32) {
        let word = &self.theirs.0;
        // Whatever ended the wait (a wake, a changed word, a signal), the word is looked at again.
        let _ = match self.sleep {
            Sleep::Endless => futex::wait(word, Flags::empty(), before, None),
            Sleep::InSlices => futex::wait(word, Flags::empty(), before, Some(&SLICE)),
            Sleep::OfTwo => {
                let one = |word: &AtomicU32, expected: u32| {
                    let mut wait = Wait::new();
                    wait.val = u64::from(expected);
                    wait.uaddr = WaitPtr::new(word.as_ptr().cast());
                    wait.flags = WaitFlags::SIZE_U32;
                    wait
                };
                let until = clock_gettime(ClockId::Monotonic).checked_add(SLICE);
                let words = [one(&self.quiet, 0), one(word, before)];
                futex::waitv(&words, WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic).map(|_| ())
            }
        };
    }
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
            self.sleep_while(before);
        }
        self.theirs.1.get(payload);
    }
}
