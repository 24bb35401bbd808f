//! What an algorithm needs of bytes that it shares: words by atomic access, runs of bytes by copying.
//!
//! The traits are the seam between the rings and memory. [`crate::View`] and [`crate::ViewMut`] implement them over a mapping; the
//! models implement them over loom's and shuttle's words, so that the same code runs under every interleaving.
//!
//! Offsets are in bytes from the start of the window. An offset that does not fit, or a word that is not aligned to its size, is a
//! defect of the calling algorithm and not of any input, for algorithms compute offsets from checked numbers only; the window
//! answers with a panic before it touches memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

/// Bytes that others write.
pub trait Shared {
    /// How many bytes there are.
    fn len_bytes(&self) -> usize;

    /// Reads the word at `offset`.
    fn load_u32(&self, offset: usize, order: Ordering) -> u32;

    /// Reads the word at `offset`.
    fn load_u64(&self, offset: usize, order: Ordering) -> u64;

    /// Asks the processor to fetch the cache line at `offset` for reading, if there is one; nothing else happens.
    fn fetch_ahead(&self, offset: usize) {
        let _ = offset;
    }

    /// Orders this thread's accesses before it and behind it, to this window and to others.
    fn fence(&self, order: Ordering) {
        std::sync::atomic::fence(order);
    }

    /// Copies the bytes at `offset` out, in no particular order. A writer at the same time makes the copy a mixture.
    fn read(&self, offset: usize, into: &mut [u8]);

    /// [`Self::read`], of what is used at once, as one message is as a rule: a short one word by word, which the compiler can keep in
    /// registers. Where it is passed on through memory instead, [`Self::read`] is faster.
    #[inline(always)]
    fn read_for_use(&self, offset: usize, into: &mut [u8]) {
        self.read(offset, into);
    }
}

/// Bytes that this side may write.
pub trait SharedMut: Shared {
    /// Writes the word at `offset`.
    fn store_u32(&self, offset: usize, value: u32, order: Ordering);

    /// Writes the word at `offset`.
    fn store_u64(&self, offset: usize, value: u64, order: Ordering);

    /// Copies bytes in at `offset`, in no particular order.
    fn write(&self, offset: usize, from: &[u8]);

    /// [`Self::write`], of what was made a moment ago, as one message as a rule is: a short one word by word, as it was stored, for a load
    /// that is longer than the stores before it waits until those are done.
    #[inline(always)]
    fn write_fresh(&self, offset: usize, from: &[u8]) {
        self.write(offset, from);
    }
}

/// Bytes with words that several sides write, each by one indivisible step.
pub trait SharedRmw: SharedMut {
    /// Stores `new` in the word at `offset` if it holds `current`; else says what it holds.
    fn compare_exchange_u64(
        &self,
        offset: usize,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64>;

    /// Adds to the word at `offset`, round the circle, and says what it held.
    fn fetch_add_u32(&self, offset: usize, add: u32, order: Ordering) -> u32;

    /// Adds to the word at `offset`, round the circle, and says what it held.
    fn fetch_add_u64(&self, offset: usize, add: u64, order: Ordering) -> u64;

    /// Sets bits of the word at `offset`, and says what it held.
    fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64;

    /// Keeps only `bits` of the word at `offset`, and says what it held.
    fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64;
}

/// What the sleeping protocol needs besides words: sleep, wake, and the two halves of an asymmetric barrier.
///
/// The barrier's promise: of two threads, one that stores A, passes [`Parking::light_barrier`] and loads B, and one that stores B,
/// passes [`Parking::heavy_barrier`] and loads A, at least one sees the other's store.
pub trait Parking {
    /// Sleeps while the word at `offset` holds `expected`, for `timeout` at the most; may wake early for no reason. Says whether it was
    /// the time that ended it.
    fn sleep_while(&self, offset: usize, expected: u32, timeout: Duration) -> bool;

    /// Wakes everybody who sleeps on the word at `offset`.
    fn wake(&self, offset: usize);

    /// Wakes one who sleeps on the word at `offset`, if anybody does; all of them, where that cannot be told apart.
    fn wake_one(&self, offset: usize) {
        self.wake(offset);
    }

    /// The frequent side's half.
    fn light_barrier(&self);

    /// Whether the frequent side's half is a barrier for the compiler alone; once so, always so in this process.
    fn is_barrier_light(&self) -> bool {
        false
    }

    /// The frequent side's half, where [`Self::is_barrier_light`] has been found to be so.
    fn lightest_barrier(&self) {
        self.light_barrier();
    }

    /// The rare side's half.
    fn heavy_barrier(&self);

    /// A full barrier of this thread alone. Two of them, one on each side, do what a light and a heavy one do.
    fn full_barrier(&self);
}

/// What sleeping on several words at once needs, and the rare side's barriers, which are of no one word. The promise of the barriers is
/// that of [`Parking`].
pub trait SleepAny: Sized {
    /// Sleeps while each word holds what is expected of it, for `timeout` at the most; may wake early for no reason. Says whether it was
    /// the time that ended it. Of more words than a sleep can be on, the first ones.
    fn sleep_any(words: &[(&Self, u32)], timeout: Duration) -> bool;

    /// A full barrier of this thread alone.
    fn full_barrier();

    /// The rare side's half of the asymmetric barrier.
    fn heavy_barrier();
}
