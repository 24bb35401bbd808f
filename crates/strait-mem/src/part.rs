//! A part of a window, whose place is checked once.
//!
//! Where several accesses of a hot path go to a place that is only known when it is reached, a slot of a ring, a [`ViewMut`] holds each of them
//! against its length, and reads that length and its beginning anew, for to the compiler any store may have changed them. A part is a
//! value of its own: it stays in registers, and what was checked of it stays checked.
#![allow(unsafe_code)]

use crate::loan::LentMut;
use crate::payload;
use crate::shared::{Parts, Shared, SharedMut, SharedRmw};
use crate::view::{ViewMut, misaligned, outside};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const WORD_BYTES: usize = 8;

/// A part of a window for reading and writing.
#[derive(Clone, Copy, Debug)]
pub struct PartMut<'w> {
    /// Truth: where the part begins, at a multiple of [`WORD_BYTES`].
    start: *mut u8,
    len: usize,
    window: PhantomData<&'w ViewMut>,
}

impl Parts for ViewMut {
    type Part<'w> = PartMut<'w>;

    #[inline(always)]
    fn part(&self, offset: usize, len: usize) -> PartMut<'_> {
        let start = self.as_view().at(offset, len);
        if start.addr() % WORD_BYTES != 0 {
            misaligned(offset);
        }
        PartMut { start, len, window: PhantomData }
    }
}

impl Parts for LentMut {
    type Part<'w> = PartMut<'w>;

    #[inline(always)]
    fn part(&self, offset: usize, len: usize) -> PartMut<'_> {
        self.as_view_mut().part(offset, len)
    }
}

impl PartMut<'_> {
    #[inline(always)]
    fn at(&self, offset: usize, len: usize) -> *mut u8 {
        if offset > self.len || len > self.len - offset {
            outside(offset, len, self.len);
        }
        // SAFETY: within the part, which `part` found to be within the window, and so mapped as long as that lives, which is borrowed.
        unsafe { self.start.add(offset) }
    }

    #[inline(always)]
    fn word_u32(&self, offset: usize) -> &AtomicU32 {
        let at = self.at(offset, 4);
        if offset % 4 != 0 {
            misaligned(offset);
        }
        // SAFETY: in bounds (`at`), and aligned as the part is; only ever accessed atomically or by `payload`'s opaque copies.
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
}

impl Shared for PartMut<'_> {
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
    fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        // SAFETY: `from` is valid for `into.len()` bytes of the mapping; `into` is ordinary memory of this process.
        unsafe { payload::copy_out(from, into.as_mut_ptr(), into.len()) }
    }
}

impl SharedMut for PartMut<'_> {
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
        // SAFETY: `into` is valid for `from.len()` bytes of a writable mapping; `from` is ordinary memory of this process.
        unsafe { payload::copy_in(from.as_ptr(), into, from.len()) }
    }
}

impl SharedRmw for PartMut<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mapping;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::Ordering::Relaxed;

    fn window() -> ViewMut {
        Mapping::anonymous(4096, None, false).expect("memory").view_mut(0..4096).expect("free")
    }

    /// A part is its window's bytes, from its own beginning to its own end.
    #[test]
    fn part_is_of_its_window() {
        let window = window();
        let part = window.part(64, 32);
        part.store_u64(8, 7, Relaxed);
        part.store_u32(4, 5, Relaxed);
        part.write(16, b"sixteen bytes!!!");
        assert_eq!((window.load_u64(72, Relaxed), window.load_u32(68, Relaxed), part.load_u32(4, Relaxed)), (7, 5, 5));
        let mut copy = [0; 16];
        part.read(16, &mut copy);
        assert_eq!((part.len_bytes(), &copy), (32, b"sixteen bytes!!!"));
        assert_eq!(part.compare_exchange_u64(8, 6, 8, Relaxed, Relaxed), Err(7));
        assert_eq!(part.compare_exchange_u64(8, 7, 8, Relaxed, Relaxed), Ok(7));
        assert_eq!((part.fetch_add_u64(8, 1, Relaxed), part.fetch_or_u64(8, 16, Relaxed)), (8, 9));
        assert_eq!((part.fetch_and_u64(8, 16, Relaxed), part.fetch_add_u32(8, 1, Relaxed)), (25, 16));
        assert_eq!(window.load_u64(72, Relaxed), 17);
    }

    /// What does not lie in it is refused before memory is touched.
    #[test]
    fn outside_is_refused() {
        let window = window();
        let part = window.part(64, 32);
        let accesses: [(&str, &dyn Fn()); 7] = [
            ("a part behind the end", &|| _ = window.part(4096, 8)),
            ("a part longer than the rest", &|| _ = window.part(64, usize::MAX)),
            ("a part between words", &|| _ = window.part(4, 8)),
            ("a word across the end", &|| _ = part.load_u64(25, Relaxed)),
            ("a word behind the end", &|| part.store_u64(32, 0, Relaxed)),
            ("a word between words", &|| _ = part.load_u32(2, Relaxed)),
            ("bytes across the end", &|| part.write(31, &[0; 2])),
        ];
        for (what, access) in accesses {
            assert!(catch_unwind(AssertUnwindSafe(access)).is_err(), "{what}");
        }
    }
}
