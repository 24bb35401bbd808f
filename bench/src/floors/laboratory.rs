//! The laboratory exercise as it is set: a 4 KiB region, one flag, one line at a time, and `usleep(1000)` on both sides.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | state: 0 free, 1 a line is ready, 2 the end | both |
//! | 8 | length of the line in bytes | parent |
//! | 64 | the line: ten numbers as text | parent |
//!
//! A message is a line. The child adds the numbers up; it makes the same line itself to know that the sum is right.

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread::sleep;
use std::time::Duration;

use crate::contender::{Receiver, Sender, Site};
use crate::floors::digits::Totals;
use crate::raw::{Bytes, Word};
use crate::text;

const FREE: u64 = 0;
const READY: u64 = 1;
const END: u64 = 2;
const LINE_OFFSET: usize = 64;
const NUMBERS_PER_LINE: u64 = 10;

struct Laboratory {
    state: Word<AtomicU64>,
    len: Word<AtomicU64>,
    line: Bytes,
    buffer: Vec<u8>,
}

fn open(site: &Site) -> io::Result<Laboratory> {
    let shared = site.map(4096)?;
    let line = shared.bytes(LINE_OFFSET, 4096 - LINE_OFFSET);
    Ok(Laboratory { state: shared.word(0), len: shared.word(8), line, buffer: Vec::new() })
}

pub(crate) fn sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(open(site)?))
}

pub(crate) fn receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(open(site)?))
}

impl Laboratory {
    fn wait_until(&self, wanted: impl Fn(u64) -> bool) -> u64 {
        loop {
            // Acquire, pairs with LAB-STATE.
            let state = self.state.load(Acquire);
            if wanted(state) {
                return state;
            }
            sleep(Duration::from_millis(1));
        }
    }
}

impl Sender for Laboratory {
    fn send_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.buffer.clear();
            let _ = text::line(&mut self.buffer, number, NUMBERS_PER_LINE);
            self.wait_until(|state| state == FREE);
            self.line.copy_in(0, &self.buffer);
            self.len.store(self.buffer.len() as u64, Relaxed);
            // Release, LAB-STATE: the line and its length are written before they are ready.
            self.state.store(READY, Release);
        }
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        // Nobody looks at it after the last block; it is part of the protocol.
        self.state.store(END, Relaxed);
    }
}

impl Receiver for Laboratory {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            let state = self.wait_until(|state| state != FREE);
            assert_eq!(state, READY, "the parent ended before line {number}");
            self.buffer.resize(self.len.load(Relaxed) as usize, 0);
            self.line.copy_out(0, &mut self.buffer);
            // Release, LAB-STATE: the line is read before it is free.
            self.state.store(FREE, Release);
            let mut totals = Totals::default();
            totals.add(&self.buffer);
            self.buffer.clear();
            let expected = text::line(&mut self.buffer, number, NUMBERS_PER_LINE);
            assert_eq!(totals.sum, expected, "line {number} has another sum");
        }
    }
}
