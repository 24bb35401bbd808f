//! Raw shared memory, for the floors only: pointers into a mapped memfd, and nothing that a real channel would add.
//!
//! A floor is what the hardware allows when both sides are right and neither dies, so nothing here protects one process
//! from the other. What this module does guarantee is what keeps the *bench* sound:
//!
//! 1. Every handle keeps the mapping alive (an `Rc`), and every object's place was checked against the mapping's length
//!    when the handle was made; slot numbers are masked and byte offsets are checked, so no access leaves the mapping.
//! 2. The memory is a memfd of the bench's own, grown once before it is mapped and never shrunk: no `SIGBUS`.
//! 3. Only the two processes of one run map it. They hand slots and bytes over through the atomic words (release store,
//!    acquire load), so plain accesses to one place never overlap in time.
//! 4. What is stored is [`Plain`]: every bit pattern is a value.

pub(crate) mod pthread;

use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A type of which every bit pattern is a value, with no padding.
///
/// # Safety
/// The implementor promises exactly that.
pub(crate) unsafe trait Plain: Copy + 'static {}

// SAFETY: an integer has no padding and no forbidden bit pattern.
unsafe impl Plain for u64 {}

/// A message of one cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u64; 8]);

// SAFETY: eight u64 fill the 64 bytes of the type exactly (asserted below), and any bits are eight u64.
unsafe impl Plain for Line {}
const _: () = assert!(size_of::<Line>() == 64);

/// A descriptor that this process was started with, and that nothing else here knows of.
pub(crate) fn inherited(number: i32) -> OwnedFd {
    // SAFETY: the process that started this one left it open under this number for it, names each number once (`kernel.rs`), and the peer
    // opens its end once.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// A mapped memfd.
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
    /// Maps the first `len` bytes of `memory`, every page present. `memory` must be that long already (rule 2).
    pub(crate) fn map(memory: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a null hint without MAP_FIXED lets the kernel choose a free range, so no existing mapping is replaced.
        let base = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags, memory, 0) }?;
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mmap returned the null page"))?;
        Ok(Self(Rc::new(Mapping { base, len })))
    }

    /// The checked address of `count` objects of type `T` at `offset`.
    fn place<T>(&self, offset: usize, count: usize) -> NonNull<T> {
        let end = size_of::<T>().checked_mul(count).and_then(|bytes| bytes.checked_add(offset));
        assert!(end.is_some_and(|end| end <= self.0.len), "a floor asks for memory beyond its mapping");
        assert!(offset % align_of::<T>() == 0, "a floor asks for misaligned memory");
        // SAFETY: `offset` is within the mapping (asserted above), so the sum stays in one allocated object.
        unsafe { self.0.base.add(offset) }.cast()
    }

    /// A 64-bit word.
    pub(crate) fn word(&self, offset: usize) -> Word<AtomicU64> {
        Word { at: self.place(offset, 1), _keep: self.clone() }
    }

    /// A 32-bit word, such as a futex wants.
    pub(crate) fn word32(&self, offset: usize) -> Word<AtomicU32> {
        Word { at: self.place(offset, 1), _keep: self.clone() }
    }

    /// `count` slots, a power of two.
    pub(crate) fn slots<T: Plain>(&self, offset: usize, count: u64) -> Slots<T> {
        assert!(count.is_power_of_two(), "a floor's ring is a power of two");
        Slots { at: self.place(offset, count as usize), mask: count - 1, _keep: self.clone(), _type: PhantomData }
    }

    /// `len` bytes.
    pub(crate) fn bytes(&self, offset: usize, len: usize) -> Bytes {
        Bytes { at: self.place(offset, len), len, _keep: self.clone() }
    }
}

/// An atomic word in shared memory.
pub(crate) struct Word<A> {
    at: NonNull<A>,
    _keep: Shared,
}

impl Word<AtomicU64> {
    /// Stores a payload of eight bytes; a shorter one leaves the word as it is.
    pub(crate) fn put(&self, payload: &[u8]) {
        if let Some(bytes) = payload.first_chunk::<8>() {
            // Relaxed: what tells the other side is what orders it.
            self.store(u64::from_ne_bytes(*bytes), Relaxed);
        }
    }

    /// Loads what was put there.
    pub(crate) fn get(&self, payload: &mut [u8]) {
        if let Some(bytes) = payload.first_chunk_mut::<8>() {
            *bytes = self.load(Relaxed).to_ne_bytes();
        }
    }
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

/// A ring of slots, addressed by a number that counts up for ever.
pub(crate) struct Slots<T> {
    at: NonNull<T>,
    mask: u64,
    _keep: Shared,
    _type: PhantomData<T>,
}

impl<T: Plain> Slots<T> {
    #[inline(always)]
    pub(crate) fn write(&self, number: u64, value: T) {
        // SAFETY: the masked number is below the count that `place` checked.
        let slot = unsafe { self.at.add((number & self.mask) as usize) };
        // SAFETY: `slot` is aligned and inside the mapping; the reader does not touch it until it is handed over (rule 3).
        unsafe { slot.write(value) };
    }

    #[inline(always)]
    pub(crate) fn read(&self, number: u64) -> T {
        // SAFETY: the masked number is below the count that `place` checked.
        let slot = unsafe { self.at.add((number & self.mask) as usize) };
        // SAFETY: as above; the writer handed the slot over and leaves it alone until it gets it back (rule 3); rule 4.
        unsafe { slot.read() }
    }

    /// The `count` slots from `number` on, which must not wrap, for the side that owns them at the moment.
    #[inline(always)]
    pub(crate) fn run_mut(&mut self, number: u64, count: u64) -> &mut [T] {
        let first = number & self.mask;
        assert!(count <= self.mask + 1 - first, "a run of slots must not wrap");
        // SAFETY: `first` is below the count that `place` checked.
        let start = unsafe { self.at.add(first as usize) };
        // SAFETY: `count` slots from `start` are inside the mapping (asserted), aligned, and hold values (rule 4); while the
        // slice lives no other process touches them (rule 3) and `&mut self` keeps this one from making a second.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), count as usize) }
    }
}

/// A stretch of shared bytes to copy into and out of.
pub(crate) struct Bytes {
    at: NonNull<u8>,
    len: usize,
    _keep: Shared,
}

impl Bytes {
    #[inline(always)]
    fn window(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(offset <= self.len && len <= self.len - offset, "a floor copies beyond its bytes");
        // SAFETY: `offset` is within the bytes that `place` checked (asserted above).
        unsafe { self.at.add(offset) }.as_ptr()
    }

    #[inline(always)]
    pub(crate) fn copy_in(&self, offset: usize, from: &[u8]) {
        let to = self.window(offset, from.len());
        // SAFETY: both sides are `from.len()` bytes long (`window` checked ours); `from` is private memory, so they do not
        // overlap; the other process waits for its turn (rule 3).
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
    }

    #[inline(always)]
    pub(crate) fn copy_out(&self, offset: usize, to: &mut [u8]) {
        let from = self.window(offset, to.len());
        // SAFETY: as in `copy_in`, the other way.
        unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
    }
}
