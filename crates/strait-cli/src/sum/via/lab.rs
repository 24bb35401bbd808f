//! The protocol of the exercise: one region of a page, one flag, one line at a time, and a millisecond's sleep between two looks.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | flag, u32: 0 the parent's turn, 1 a line is there, 2 the end | both |
//! | 4 | length in bytes, u32: of the line, or of its result | both, in turn |
//! | 64 | the line, or its result | both, in turn |
//!
//! 1. Who has the turn owns the rest of the page. The flag is stored last, and orders what is written before it.
//! 2. A child that is killed leaves the flag at 1. The next child gets a fresh page with the same line.
//! 3. A length is the other side's word, and held against the page.
//!
//! What it costs: a millisecond and more for each line on each side, whatever the machine can do. Nobody is woken, so nobody learns of a death
//! but by looking.

use crate::sum::via::life::Died;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread::sleep;
use std::time::Duration;
use strait::mem::{Shared as _, SharedMut as _, ViewMut};
use strait::process::{self, Command};
use strait::region::{Options, Place, Region};

const REGION: &str = "lab";
const PAGE_BYTES: u64 = 4096;
const FLAG: usize = 0;
const LEN: usize = 4;
const LINE: usize = 64;

const PARENT: u32 = 0;
const CHILD: u32 = 1;
const END: u32 = 2;

const PAUSE: Duration = Duration::from_millis(1);

/// One side of it.
pub(super) struct Lab {
    page: ViewMut,
}

impl Lab {
    /// The longest line.
    pub(super) const BLOCK_BYTES_MAX: usize = PAGE_BYTES as usize - LINE;

    /// The parent's side; the child's is handed over.
    pub(super) fn create(command: &mut Command) -> strait::Result<Self> {
        let region = Region::create(Place::memfd(REGION), PAGE_BYTES, &Options::new())?;
        if let Some(fd) = region.fd().and_then(|fd| fd.try_clone_to_owned().ok()) {
            command.hand_over(REGION, fd);
        }
        Ok(Self { page: region.view_mut(0..PAGE_BYTES)? })
    }

    /// The child's side.
    pub(super) fn inherit() -> strait::Result<Self> {
        let region = Region::from_fd(process::handed(REGION)?, &Options::new())?;
        Ok(Self { page: region.view_mut(0..PAGE_BYTES)? })
    }

    /// Puts a line there and waits for its result.
    pub(super) fn ask(&self, line: &[u8], mut look: impl FnMut() -> Option<Died>) -> Result<Vec<u8>, Died> {
        self.put(line);
        // Release, LAB-TURN: the line and its length are written before it is the child's turn.
        self.page.store_u32(FLAG, CHILD, Release);
        // Acquire, pairs with LAB-TURN.
        while self.page.load_u32(FLAG, Acquire) == CHILD {
            look().map_or(Ok(()), Err)?;
            sleep(PAUSE);
        }
        self.take().ok_or_else(|| Died::Wrong("its result is longer than the page".to_owned()))
    }

    /// No more lines.
    pub(super) fn end(&self) {
        // Relaxed: nothing is written before it that counts.
        self.page.store_u32(FLAG, END, Relaxed);
    }

    /// Answers lines until there are no more.
    pub(super) fn answer(&self, mut work: impl FnMut(&[u8], &mut Vec<u8>)) -> Result<(), String> {
        let mut result = Vec::new();
        loop {
            // Acquire, pairs with LAB-TURN.
            match self.page.load_u32(FLAG, Acquire) {
                CHILD => {}
                END => return Ok(()),
                _ => {
                    sleep(PAUSE);
                    continue;
                }
            }
            let line = self.take().ok_or("the line is longer than the page")?;
            result.clear();
            work(&line, &mut result);
            if result.len() > Self::BLOCK_BYTES_MAX {
                return Err(format!(
                    "the result of a line has {} bytes, the page holds {}",
                    result.len(),
                    Self::BLOCK_BYTES_MAX
                ));
            }
            self.put(&result);
            // Release, LAB-TURN: the result and its length are written before it is the parent's turn.
            self.page.store_u32(FLAG, PARENT, Release);
        }
    }

    fn put(&self, bytes: &[u8]) {
        self.page.write(LINE, bytes);
        // At most a page. Relaxed: the flag orders it.
        self.page.store_u32(LEN, bytes.len() as u32, Relaxed);
    }

    fn take(&self) -> Option<Vec<u8>> {
        // Relaxed: the flag orders it. Read once, and checked (rule 3).
        let len = self.page.load_u32(LEN, Relaxed) as usize;
        let mut bytes = vec![0; Some(len).filter(|&len| len <= Self::BLOCK_BYTES_MAX)?];
        self.page.read(LINE, &mut bytes);
        Some(bytes)
    }
}
