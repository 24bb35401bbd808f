//! A ring's memory in one process, as the thread sanitizer can watch it.
//!
//! | access | is | so |
//! |---|---|---|
//! | words | atomic | ordered as the ring says, or less with [`Memory::new`]'s `is_relaxed` |
//! | runs of bytes | plain | touching one without a happens-before is a race, and is reported |

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use strait_mem::{Shared, SharedMut};

/// A side's progress.
const PROGRESS_WORDS: usize = 8;

/// The ring and the two sides' progress.
pub(crate) struct Memory {
    words: Box<[UnsafeCell<u64>]>,
    is_relaxed: bool,
}

// SAFETY: words are touched atomically. Runs of bytes are not: that the ring orders those is what the thread sanitizer is asked; a
// race is what the program exists to show.
unsafe impl Sync for Memory {}

impl Memory {
    /// All zero. `is_relaxed`: no store is a release.
    pub(crate) fn new(ring_bytes: usize, is_relaxed: bool) -> Self {
        let words = (0..2 * PROGRESS_WORDS + ring_bytes / 8).map(|_| UnsafeCell::new(0)).collect();
        Self { words, is_relaxed }
    }

    pub(crate) fn sender(&self) -> Window<'_> {
        Window { memory: self, start: 0, len: PROGRESS_WORDS * 8 }
    }

    pub(crate) fn receiver(&self) -> Window<'_> {
        Window { memory: self, start: PROGRESS_WORDS * 8, len: PROGRESS_WORDS * 8 }
    }

    pub(crate) fn ring(&self) -> Window<'_> {
        let start = 2 * PROGRESS_WORDS * 8;
        Window { memory: self, start, len: self.words.len() * 8 - start }
    }
}

/// A part of it.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    memory: &'a Memory,
    start: usize,
    len: usize,
}

impl Window<'_> {
    fn at(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(offset <= self.len && len <= self.len - offset, "{len} bytes at {offset} of {}", self.len);
        let first = UnsafeCell::raw_get(self.memory.words.as_ptr()).cast::<u8>();
        // SAFETY: the window is a part of `words`, and the offset is in the window.
        unsafe { first.add(self.start + offset) }
    }

    fn store_order(&self, order: Ordering) -> Ordering {
        if self.memory.is_relaxed { Ordering::Relaxed } else { order }
    }
}

impl Shared for Window<'_> {
    fn len_bytes(&self) -> usize {
        self.len
    }

    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        // SAFETY: in bounds (checked by `at`), aligned as the ring's offsets are, and alive as long as the borrow.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }.load(order)
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        // SAFETY: as in `load_u32`.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }.load(order)
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        // SAFETY: in bounds, and no part of `into`.
        unsafe { std::ptr::copy_nonoverlapping(self.at(offset, into.len()), into.as_mut_ptr(), into.len()) }
    }
}

impl SharedMut for Window<'_> {
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        // SAFETY: as in `load_u32`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }.store(value, self.store_order(order));
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        // SAFETY: as in `load_u32`.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }.store(value, self.store_order(order));
    }

    fn write(&self, offset: usize, from: &[u8]) {
        // SAFETY: in bounds, and `from` is no part of it.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.at(offset, from.len()), from.len()) }
    }
}
