//! Checked windows on a mapping.
#![allow(unsafe_code)]

use crate::mapping::Mapping;
use crate::payload;
use crate::shared::{Parking, Shared, SharedMut, SharedRmw};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence, fence};
use std::time::Duration;
use strait_sys::futex::Awake;
use strait_sys::{futex, membarrier};

/// A window for reading.
#[derive(Debug)]
pub struct View {
    /// First byte of the window. Truth: `mapping.start() + bytes.start`, kept here to spare the addition.
    start: NonNull<u8>,
    len: usize,
    bytes: Range<usize>,
    mapping: Arc<Mapping>,
    is_lent: bool,
    can_write: bool,
}

// SAFETY: a view is a pointer into a `Mapping`, which is itself Send and Sync, kept alive by the `Arc` beside it.
unsafe impl Send for View {}
// SAFETY: every access through `&View` is atomic or opaque to the compiler.
unsafe impl Sync for View {}

impl View {
    /// `bytes` is registered with the mapping and lies inside it.
    pub(crate) fn new(mapping: Arc<Mapping>, bytes: Range<usize>) -> Self {
        // SAFETY: `bytes.start <= mapping.len()`, so the sum stays inside the mapped range or one past its end.
        let start = unsafe { mapping.start().add(bytes.start) };
        Self { start, len: bytes.len(), bytes, mapping, is_lent: false, can_write: false }
    }

    pub(crate) fn lent(mut self) -> Self {
        self.is_lent = true;
        self
    }

    /// The range was registered for writing.
    pub(crate) fn writable(mut self) -> Self {
        self.can_write = true;
        self
    }

    /// A window on a part of this one, which must be writable, that is alone there but for this one; `None` where it cannot be.
    pub(crate) fn part(&self, part: Range<usize>, can_write: bool) -> Option<Self> {
        let bytes = self.bytes.start.checked_add(part.start)?..self.bytes.start.checked_add(part.end)?;
        self.mapping.register_part(&self.bytes, bytes.clone(), can_write)?;
        let part = Self::new(Arc::clone(&self.mapping), bytes).lent();
        Some(if can_write { part.writable() } else { part })
    }

    /// The address of `offset`, after checking that `len` bytes from there are in the window.
    #[inline(always)]
    pub(crate) fn at(&self, offset: usize, len: usize) -> *mut u8 {
        if offset > self.len || len > self.len - offset {
            outside(offset, len, self.len);
        }
        // SAFETY: `offset <= self.len`, and the window's bytes are all inside the mapping, which lives as long as `self`.
        unsafe { self.start.as_ptr().add(offset) }
    }

    pub(crate) fn is_aligned_for_u32(&self) -> bool {
        self.start.cast::<AtomicU32>().is_aligned()
    }

    /// The word at `offset`, for loads and futex calls only where the mapping is read-only.
    #[inline(always)]
    pub(crate) fn word_u32(&self, offset: usize) -> &AtomicU32 {
        let at = self.at(offset, 4).cast::<AtomicU32>();
        if !at.is_aligned() {
            misaligned(offset);
        }
        // SAFETY: in bounds and aligned (checked above), mapped as long as `self` lives, and only ever accessed atomically or by
        // `payload`'s opaque copies.
        unsafe { &*at }
    }

    #[inline(always)]
    fn word_u64(&self, offset: usize) -> &AtomicU64 {
        let at = self.at(offset, 8).cast::<AtomicU64>();
        if !at.is_aligned() {
            misaligned(offset);
        }
        // SAFETY: as in `word_u32`.
        unsafe { &*at }
    }
}

impl Parking for View {
    fn sleep_while(&self, offset: usize, expected: u32, timeout: Duration) -> bool {
        // Woken, changed, interrupted, out of time, or (never for a mapped aligned word) refused: the caller looks again.
        matches!(futex::wait(self.word_u32(offset), expected, timeout), Ok(Awake::TimedOut))
    }

    fn wake(&self, offset: usize) {
        // The only error is an address that is no futex; a mapped aligned word is one.
        let _ = futex::wake(self.word_u32(offset), i32::MAX as u32);
    }

    fn wake_one(&self, offset: usize) {
        // As in `wake`.
        let _ = futex::wake(self.word_u32(offset), 1);
    }

    #[inline(always)]
    fn light_barrier(&self) {
        if membarrier::is_registered() {
            // The other side's heavy barrier reaches into this thread; only the compiler must be held back.
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    fn heavy_barrier(&self) {
        // A kernel that lacks the call, or a sandbox that forbids it, leaves the plain fence; then the frequent side, which
        // could not register there either, fences too. Where only this side is forbidden, a wake-up can be late by one slice.
        if !membarrier::global() {
            fence(Ordering::SeqCst);
        }
    }

    #[inline(always)]
    fn full_barrier(&self) {
        fence(Ordering::SeqCst);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.mapping.unregister(&self.bytes, self.is_lent, self.can_write);
    }
}

impl Shared for View {
    #[inline(always)]
    fn len_bytes(&self) -> usize {
        self.len
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
    fn fetch_ahead(&self, offset: usize) {
        if offset < self.len {
            payload::fetch(self.at(offset, 1));
        }
    }

    #[inline(always)]
    fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        // SAFETY: `from` is valid for `into.len()` bytes of the mapping (checked by `at`), `into` is ordinary memory of this
        // process, so the two do not overlap.
        unsafe { payload::copy_out(from, into.as_mut_ptr(), into.len()) }
    }

    #[inline(always)]
    fn read_for_use(&self, offset: usize, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        // SAFETY: as in `read`.
        unsafe { payload::copy_out_for_use(from, into.as_mut_ptr(), into.len()) }
    }
}

/// A window for reading and writing.
#[derive(Debug)]
pub struct ViewMut(View);

impl ViewMut {
    /// `view` is registered for writing.
    pub(crate) fn new(view: View) -> Self {
        Self(view.writable())
    }

    /// The same window for reading.
    #[must_use]
    pub fn as_view(&self) -> &View {
        &self.0
    }
}

impl Shared for ViewMut {
    #[inline(always)]
    fn len_bytes(&self) -> usize {
        self.0.len
    }

    #[inline(always)]
    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        self.0.load_u32(offset, order)
    }

    #[inline(always)]
    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        self.0.load_u64(offset, order)
    }

    #[inline(always)]
    fn read(&self, offset: usize, into: &mut [u8]) {
        self.0.read(offset, into);
    }

    #[inline(always)]
    fn read_for_use(&self, offset: usize, into: &mut [u8]) {
        self.0.read_for_use(offset, into);
    }
}

impl SharedMut for ViewMut {
    #[inline(always)]
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        self.0.word_u32(offset).store(value, order);
    }

    #[inline(always)]
    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        self.0.word_u64(offset).store(value, order);
    }

    #[inline(always)]
    fn write(&self, offset: usize, from: &[u8]) {
        let into = self.0.at(offset, from.len());
        // SAFETY: `into` is valid for `from.len()` bytes of a writable mapping; `from` is ordinary memory of this process.
        unsafe { payload::copy_in(from.as_ptr(), into, from.len()) }
    }

    #[inline(always)]
    fn write_fresh(&self, offset: usize, from: &[u8]) {
        let into = self.0.at(offset, from.len());
        // SAFETY: as in `write`.
        unsafe { payload::copy_in_fresh(from.as_ptr(), into, from.len()) }
    }
}

impl SharedRmw for ViewMut {
    #[inline(always)]
    fn compare_exchange_u64(
        &self,
        offset: usize,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.0.word_u64(offset).compare_exchange(current, new, success, failure)
    }

    #[inline(always)]
    fn fetch_add_u32(&self, offset: usize, add: u32, order: Ordering) -> u32 {
        self.0.word_u32(offset).fetch_add(add, order)
    }

    #[inline(always)]
    fn fetch_add_u64(&self, offset: usize, add: u64, order: Ordering) -> u64 {
        self.0.word_u64(offset).fetch_add(add, order)
    }

    #[inline(always)]
    fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        self.0.word_u64(offset).fetch_or(bits, order)
    }

    #[inline(always)]
    fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        self.0.word_u64(offset).fetch_and(bits, order)
    }
}

impl Parking for ViewMut {
    fn sleep_while(&self, offset: usize, expected: u32, timeout: Duration) -> bool {
        self.0.sleep_while(offset, expected, timeout)
    }

    fn wake(&self, offset: usize) {
        self.0.wake(offset);
    }

    fn wake_one(&self, offset: usize) {
        self.0.wake_one(offset);
    }

    #[inline(always)]
    fn light_barrier(&self) {
        self.0.light_barrier();
    }

    fn heavy_barrier(&self) {
        self.0.heavy_barrier();
    }

    #[inline(always)]
    fn full_barrier(&self) {
        self.0.full_barrier();
    }
}

#[cold]
#[inline(never)]
pub(crate) fn outside(offset: usize, len: usize, window: usize) -> ! {
    panic!("{len} bytes at offset {offset} of a window of {window} bytes");
}

#[cold]
#[inline(never)]
pub(crate) fn misaligned(offset: usize) -> ! {
    panic!("a word at offset {offset}, which is not aligned to its size");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    fn window(len: usize) -> ViewMut {
        let mapping = Mapping::anonymous(len, None, false).expect("memory");
        mapping.view_mut(0..len).expect("writable")
    }

    /// Bytes come back as they were written, for every length and alignment around the sizes at which the copy changes its way.
    #[test]
    fn copies_every_length() {
        let view = window(16384);
        for write in [ViewMut::write, ViewMut::write_fresh] {
            for len in (0..300).chain([511, 512, 513, 2047, 2048, 2049, 5000]) {
                for shift in [0, 1, 3, 8] {
                    let from: Vec<u8> = (0..len).map(|i| (i * 7 + len + shift) as u8).collect();
                    view.write(0, &vec![0x55; shift + len + 1]);
                    write(&view, shift, &from);
                    let mut into = vec![0xAA; len + 1];
                    for read in [ViewMut::read, ViewMut::read_for_use] {
                        into[..len].fill(0xAA);
                        read(&view, shift, &mut into[..len]);
                        assert_eq!(into[..len], from, "length {len} at {shift}");
                        assert_eq!(into[len], 0xAA, "length {len} at {shift} was read past its end");
                    }
                    view.read(shift + len, &mut into[..1]);
                    assert_eq!(into[0], 0x55, "length {len} at {shift} was written past its end");
                }
            }
        }
    }

    /// Words and bytes show the same memory.
    #[test]
    fn words_are_little_endian_runs_of_bytes() {
        let view = window(64);
        view.store_u64(8, u64::from_ne_bytes(*b"straitly"), Relaxed);
        let mut bytes = [0; 8];
        view.read(8, &mut bytes);
        assert_eq!(&bytes, b"straitly");
        assert_eq!(view.load_u32(8, Relaxed), u32::from_ne_bytes(*b"stra"));
    }

    /// Each step on a word says what the word held before.
    #[test]
    fn steps_on_a_word_say_what_it_held() {
        let view = window(64);
        assert_eq!(view.compare_exchange_u64(8, 0, 6, Relaxed, Relaxed), Ok(0));
        assert_eq!(view.compare_exchange_u64(8, 0, 7, Relaxed, Relaxed), Err(6));
        assert_eq!(view.fetch_or_u64(8, 1, Relaxed), 6);
        assert_eq!(view.fetch_and_u64(8, 3, Relaxed), 7);
        assert_eq!(view.fetch_add_u64(8, u64::MAX, Relaxed), 3);
        assert_eq!(view.fetch_add_u32(8, 5, Relaxed), 2);
        assert_eq!(view.load_u64(8, Relaxed), 7);
    }

    #[test]
    #[should_panic(expected = "of a window of 64 bytes")]
    fn word_outside_is_refused() {
        let _ = window(64).load_u64(64, Relaxed);
    }

    #[test]
    #[should_panic(expected = "not aligned")]
    fn crooked_word_is_refused() {
        let _ = window(64).load_u64(4, Relaxed);
    }
}
