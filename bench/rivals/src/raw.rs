//! Raw shared memory for the limits: pointers into a mapped file, and nothing that a real channel would add.
//!
//! 1. Every handle keeps the mapping alive (an `Rc`), and every object's place was checked against the mapping's length
//!    when the handle was made; slot numbers are masked, so no access leaves the mapping.
//! 2. The file is the run's own, grown before it is mapped and never shrunk: no `SIGBUS`.
//! 3. Only the parties of one run map it. They hand slots over through the atomic words (release store, acquire load): a slot
//!    is written by one party while nobody reads it, and read by any number while nobody writes it.
//! 4. All that is stored is 64-bit words, of which any bits are a value.

use std::fs::OpenOptions;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::payload;
use crate::seam::Way;

/// A mapped file.
#[derive(Clone)]
pub(crate) struct Shared(Rc<Mapping>);

struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` and `len` are what mmap returned and was asked for; this is the last handle (rule 1), so nothing
        // points into the range any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

impl Shared {
    /// The bytes of one channel, `len` of them, zero at first.
    pub(crate) fn of(way: &Way<'_>, len: usize) -> io::Result<Self> {
        let path = way.job.dir.join(&way.name);
        let file = OpenOptions::new().read(true).write(true).create(way.creates).truncate(false).open(path)?;
        if way.creates {
            file.set_len(len as u64)?;
        }
        Self::map(file.as_fd(), len)
    }

    /// Maps the first `len` bytes, every page present. The file must be that long already (rule 2).
    pub(crate) fn map(file: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a null hint without MAP_FIXED lets the kernel choose a free range, so no existing mapping is replaced.
        let base = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags, file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mmap returned the null page"))?;
        Ok(Self(Rc::new(Mapping { base, len })))
    }

    /// The checked address of `bytes` bytes at `offset`, aligned for 64-bit words.
    fn place(&self, offset: usize, bytes: usize) -> NonNull<u8> {
        assert!(
            offset.checked_add(bytes).is_some_and(|end| end <= self.0.len),
            "a limit asks for memory beyond its mapping"
        );
        assert!(offset % 8 == 0, "a limit asks for misaligned memory");
        // SAFETY: `offset` is within the mapping (asserted above), so the sum stays in one allocated object.
        unsafe { self.0.base.add(offset) }
    }

    /// A 64-bit word.
    pub(crate) fn word(&self, offset: usize) -> Word<AtomicU64> {
        Word { at: self.place(offset, 8).cast(), _keep: self.clone() }
    }

    /// A 32-bit word, such as a futex wants.
    pub(crate) fn word32(&self, offset: usize) -> Word<AtomicU32> {
        Word { at: self.place(offset, 8).cast(), _keep: self.clone() }
    }

    /// `count` slots, a power of two, of `words` words of payload each.
    pub(crate) fn slots(&self, offset: usize, count: u64, shape: Slot) -> Slots {
        assert!(count.is_power_of_two(), "a limit's ring is a power of two");
        Slots { at: self.place(offset, shape.stride * count as usize), mask: count - 1, shape, _keep: self.clone() }
    }
}

/// An atomic word in shared memory.
pub(crate) struct Word<A> {
    at: NonNull<A>,
    _keep: Shared,
}

impl<A> Deref for Word<A> {
    type Target = A;

    #[inline(always)]
    fn deref(&self) -> &A {
        // SAFETY: `at` is aligned, inside a live mapping (rule 1) and only ever accessed as this atomic; made by `word` and
        // `word32` alone, so `A` is an atomic integer, of which any bits are a value.
        unsafe { self.at.as_ref() }
    }
}

/// How a slot is laid out.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    words: usize,
    /// Where the payload begins.
    payload: usize,
    stride: usize,
}

impl Slot {
    /// The payload alone, on lines of its own if it is as long as one.
    pub(crate) fn plain(bytes: usize) -> Self {
        let stride = if bytes < 64 { bytes } else { bytes.next_multiple_of(64) };
        Self { words: bytes / 8, payload: 0, stride }
    }

    /// A word before the payload: in its line if both fit into one, else in a line of its own.
    pub(crate) fn with_word(bytes: usize) -> Self {
        let payload = if bytes <= 56 { 8 } else { 64 };
        Self { words: bytes / 8, payload, stride: (payload + bytes).next_multiple_of(64) }
    }

    pub(crate) fn ring_bytes(self, count: u64) -> usize {
        self.stride * count as usize
    }
}

/// A ring of slots, addressed by a number that counts up for ever.
pub(crate) struct Slots {
    at: NonNull<u8>,
    mask: u64,
    shape: Slot,
    _keep: Shared,
}

impl Slots {
    #[inline(always)]
    fn slot(&self, number: u64) -> NonNull<u8> {
        // SAFETY: the masked number is below the count that `slots` checked.
        unsafe { self.at.add((number & self.mask) as usize * self.shape.stride) }
    }

    /// The slot's word, of a slot that has one.
    #[inline(always)]
    pub(crate) fn word(&self, number: u64) -> &AtomicU64 {
        debug_assert!(self.shape.payload > 0);
        // SAFETY: the slot is inside the live mapping (rule 1) and its first eight bytes are only ever accessed as this
        // atomic, as the payload begins behind them; strides are multiples of eight, so it is aligned.
        unsafe { self.slot(number).cast().as_ref() }
    }

    #[inline(always)]
    fn payload(&self, number: u64) -> NonNull<u64> {
        // SAFETY: the payload is within the slot's stride.
        unsafe { self.slot(number).add(self.shape.payload) }.cast()
    }

    /// Writes the message of that stamp into a slot that nobody reads.
    #[inline(always)]
    pub(crate) fn fill(&self, number: u64, stamp: u64) {
        let at = self.payload(number);
        // SAFETY: `words` words from `at` are inside the slot, aligned, and nobody else touches them now (rule 3).
        let words = unsafe { slice::from_raw_parts_mut(at.as_ptr(), self.shape.words) };
        match words {
            [word] => *word = stamp,
            [a, b, c, d, e, f, g, h] => [a, b, c, d, e, f, g, h].into_iter().for_each(|word| *word = stamp),
            words => words.fill(stamp),
        }
    }

    /// Reads all of the message in a slot that nobody writes.
    #[inline(always)]
    pub(crate) fn read(&self, number: u64) -> u64 {
        let at = self.payload(number);
        // SAFETY: as above; readers share it.
        let words = unsafe { slice::from_raw_parts(at.as_ptr(), self.shape.words) };
        match words {
            [word] => *word,
            [first, rest @ ..] if rest.len() == 7 => {
                payload::whole(*first, rest.iter().fold(0, |bits, word| bits | (word ^ first)))
            }
            words => payload::read_words(words),
        }
    }
}
