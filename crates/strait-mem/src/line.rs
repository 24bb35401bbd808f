//! A cache line of a mapping, whose place is checked once.
//!
//! A [`ViewMut`] holds each access against its length. Where every access of a hot path is to one line, at offsets that the compiler knows,
//! a [`LineMut`] leaves nothing of that in the machine code: not for the time that a test takes, but because code that is short enough is
//! put where it is used.
#![allow(unsafe_code)]

use crate::payload;
use crate::shared::{Parking, Shared, SharedMut, SharedRmw};
use crate::view::{ViewMut, misaligned, outside};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::time::Duration;
use strait_sys::membarrier;

/// How long a line is, and at what its address is a multiple of.
pub const LINE_BYTES: usize = 64;
const WORD_BYTES: usize = 8;

/// A cache line for reading and writing.
#[derive(Debug)]
pub struct LineMut {
    /// Truth: where `view` begins, which [`Self::of`] found to be the beginning of a line that is all there.
    start: *mut u8,
    view: ViewMut,
}

// SAFETY: the pointer is into the mapping that the view beside it keeps alive, which is itself Send and Sync.
unsafe impl Send for LineMut {}
// SAFETY: every access through `&LineMut` is atomic or opaque to the compiler.
unsafe impl Sync for LineMut {}

impl LineMut {
    /// The first line of a window that begins with one; `None` where it does not, or ends before the line does.
    #[must_use]
    pub fn of(view: ViewMut) -> Option<Self> {
        if view.len_bytes() < LINE_BYTES {
            return None;
        }
        let start = view.as_view().at(0, LINE_BYTES);
        (start.addr() % LINE_BYTES == 0).then_some(Self { start, view })
    }

    #[inline(always)]
    fn at(&self, offset: usize, len: usize) -> *mut u8 {
        if offset > LINE_BYTES || len > LINE_BYTES - offset {
            outside(offset, len, LINE_BYTES);
        }
        // SAFETY: within the line, which `of` found to be within the window, and so mapped as long as `self` lives.
        unsafe { self.start.add(offset) }
    }

    #[inline(always)]
    fn word_u32(&self, offset: usize) -> &AtomicU32 {
        let at = self.at(offset, 4);
        if offset % 4 != 0 {
            misaligned(offset);
        }
        // SAFETY: in bounds (`at`), and aligned as the line is; only ever accessed atomically or by `payload`'s opaque copies.
        unsafe { &*at.cast() }
    }

    #[inline(always)]
    fn word_u64(&self, offset: usize) -> &AtomicU64 {
        let at = self.at(offset, WORD_BYTES);
        if offset % WORD_BYTES != 0 {
            misaligned(offset);
        }
        // SAFETY: as in `word_u32`.
        unsafe { &*at.cast() }
    }

    /// Whether a copy is one of words.
    #[inline(always)]
    fn is_of_words(offset: usize, len: usize) -> bool {
        offset % WORD_BYTES == 0 && len % WORD_BYTES == 0
    }
}

impl Shared for LineMut {
    #[inline(always)]
    fn len_bytes(&self) -> usize {
        LINE_BYTES
    }

    #[inline(always)]
    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        self.word_u32(offset).load(order)
    }

    #[inline(always)]
    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        self.word_u64(offset).load(order)
    }

    #[inline(always)]
    fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        if Self::is_of_words(offset, into.len()) {
            for (number, word) in into.chunks_exact_mut(WORD_BYTES).enumerate() {
                let found = self.load_u64(offset + number * WORD_BYTES, Ordering::Relaxed);
                word.copy_from_slice(&found.to_ne_bytes());
            }
            return;
        }
        // SAFETY: `from` is valid for `into.len()` bytes of the mapping, `into` is ordinary memory of this process.
        unsafe { payload::copy_out(from, into.as_mut_ptr(), into.len()) }
    }
}

impl SharedMut for LineMut {
    #[inline(always)]
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        self.word_u32(offset).store(value, order);
    }

    #[inline(always)]
    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        self.word_u64(offset).store(value, order);
    }

    #[inline(always)]
    fn write(&self, offset: usize, from: &[u8]) {
        let into = self.at(offset, from.len());
        if Self::is_of_words(offset, from.len()) {
            for (number, word) in from.chunks_exact(WORD_BYTES).enumerate() {
                let mut bytes = [0; WORD_BYTES];
                bytes.copy_from_slice(word);
                self.store_u64(offset + number * WORD_BYTES, u64::from_ne_bytes(bytes), Ordering::Relaxed);
            }
            return;
        }
        // SAFETY: `into` is valid for `from.len()` bytes of a writable mapping; `from` is ordinary memory of this process.
        unsafe { payload::copy_in(from.as_ptr(), into, from.len()) }
    }
}

impl SharedRmw for LineMut {
    #[inline(always)]
    fn compare_exchange_u64(
        &self,
        offset: usize,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.word_u64(offset).compare_exchange(current, new, success, failure)
    }

    #[inline(always)]
    fn fetch_add_u32(&self, offset: usize, add: u32, order: Ordering) -> u32 {
        self.word_u32(offset).fetch_add(add, order)
    }

    #[inline(always)]
    fn fetch_add_u64(&self, offset: usize, add: u64, order: Ordering) -> u64 {
        self.word_u64(offset).fetch_add(add, order)
    }

    #[inline(always)]
    fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        self.word_u64(offset).fetch_or(bits, order)
    }

    #[inline(always)]
    fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        self.word_u64(offset).fetch_and(bits, order)
    }
}

impl Parking for LineMut {
    fn sleep_while(&self, offset: usize, expected: u32, timeout: Duration) -> bool {
        self.view.sleep_while(offset, expected, timeout)
    }

    fn wake(&self, offset: usize) {
        self.view.wake(offset);
    }

    fn wake_one(&self, offset: usize) {
        self.view.wake_one(offset);
    }

    #[inline(always)]
    fn light_barrier(&self) {
        self.view.light_barrier();
    }

    fn is_barrier_light(&self) -> bool {
        membarrier::is_registered()
    }

    #[inline(always)]
    fn lightest_barrier(&self) {
        compiler_fence(Ordering::SeqCst);
    }

    fn heavy_barrier(&self) {
        self.view.heavy_barrier();
    }

    #[inline(always)]
    fn full_barrier(&self) {
        self.view.full_barrier();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Mapping;
    use std::sync::atomic::Ordering::Relaxed;

    fn line() -> LineMut {
        let mapping = Mapping::anonymous(4096, None, false).expect("memory");
        LineMut::of(mapping.view_mut(128..256).expect("writable")).expect("begins with a line")
    }

    /// A window that ends too soon, or begins elsewhere, has none.
    #[test]
    fn whole_lines_only() {
        let mapping = Mapping::anonymous(4096, None, false).expect("memory");
        for (bytes, has_one) in [(0..64, true), (0..63, false), (8..80, false), (4032..4096, true)] {
            assert_eq!(LineMut::of(mapping.view_mut(bytes.clone()).expect("writable")).is_some(), has_one, "{bytes:?}");
        }
    }

    /// Bytes come back as they were written, whether by words or not, and are where the mapping has them.
    #[test]
    fn copies_every_length() {
        let mapping = Mapping::anonymous(4096, None, false).expect("memory");
        let line = LineMut::of(mapping.view_mut(64..128).expect("writable")).expect("a line");
        let other = mapping.view(64..128).expect("readable");
        for len in 0..=64 {
            for at in 0..=64 - len {
                let from: Vec<u8> = (0..len).map(|byte| (byte * 7 + len + at) as u8).collect();
                let mut into = vec![0; len];
                line.write(at, &from);
                line.read(at, &mut into);
                assert_eq!(into, from, "{len} at {at}");
                other.read(at, &mut into);
                assert_eq!(into, from, "{len} at {at}");
            }
        }
    }

    /// Each step on a word says what the word held before.
    #[test]
    fn steps_on_a_word_say_what_it_held() {
        let line = line();
        assert_eq!(line.compare_exchange_u64(56, 0, 6, Relaxed, Relaxed), Ok(0));
        assert_eq!(line.compare_exchange_u64(56, 0, 7, Relaxed, Relaxed), Err(6));
        assert_eq!(line.fetch_or_u64(56, 1, Relaxed), 6);
        assert_eq!(line.fetch_and_u64(56, 3, Relaxed), 7);
        assert_eq!(line.fetch_add_u64(56, u64::MAX, Relaxed), 3);
        assert_eq!(line.fetch_add_u32(56, 5, Relaxed), 2);
        line.store_u32(60, 1, Relaxed);
        assert_eq!(line.load_u64(56, Relaxed), 1 << 32 | 7);
    }

    #[test]
    #[should_panic(expected = "of a window of 64 bytes")]
    fn word_outside_is_refused() {
        let _ = line().load_u64(64, Relaxed);
    }

    #[test]
    #[should_panic(expected = "not aligned")]
    fn crooked_word_is_refused() {
        let _ = line().load_u64(4, Relaxed);
    }
}
