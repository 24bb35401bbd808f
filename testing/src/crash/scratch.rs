//! A page that victim and harness share, in which the victim writes what has happened to it so far.
//!
//! | word | | |
//! |---:|---|---|
//! | 0 | `done` | how many calls of the operation have returned, each counted after its return |
//! | 1 | `error` | 1 + the number of the error that the operation returned, if it did |
//! | 2 | `logged` | how many messages it has written down |
//! | 3.. | log | their numbers, [`TORN`] for one that was not what was sent under its number |
//!
//! It is no part of the library, so it cannot lie for it: plain words in a memfd, written by the victim, read when it is gone.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A message that was not whole.
pub const TORN: u64 = u64::MAX;
/// The descriptor under which a role has it.
pub const FD: i32 = 60;
const BYTES: usize = 4096;
const WORDS: usize = BYTES / 8;
const LOG: usize = 3;

/// The page.
#[derive(Debug)]
pub struct Scratch {
    words: &'static [AtomicU64; WORDS],
    fd: OwnedFd,
}

impl Scratch {
    /// A new one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<Self> {
        let fd = rustix::fs::memfd_create("crash.scratch", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&fd, BYTES as u64)?;
        Self::map(fd)
    }

    /// The one that the harness handed to this role as descriptor [`FD`].
    ///
    /// # Errors
    /// The kernel's.
    pub fn inherit() -> io::Result<Self> {
        // SAFETY: the harness put it there, and nobody else in this process knows of it.
        Self::map(unsafe { OwnedFd::from_raw_fd(FD) })
    }

    fn map(fd: OwnedFd) -> io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        // SAFETY: a mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            mmap(std::ptr::null_mut(), BYTES, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd.as_fd(), 0)
        }?;
        // SAFETY: page-aligned, as long as the array, zero or whatever was stored, and unmapped only when `self` is dropped, which
        // gives the reference to nobody.
        let words = unsafe { &*start.cast::<[AtomicU64; WORDS]>() };
        Ok(Self { words, fd })
    }

    /// The descriptor to hand over.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }

    /// Counts a call that has returned.
    #[inline(always)]
    pub fn add_done(&self, count: u64) {
        self.words[0].store(self.words[0].load(Relaxed) + count, Relaxed);
    }

    /// Calls that have returned.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.words[0].load(Relaxed)
    }

    /// Notes the error of the operation.
    pub fn set_error(&self, error: u64) {
        self.words[1].store(error + 1, Relaxed);
    }

    /// The error of the operation, if it had one.
    #[must_use]
    pub fn error(&self) -> Option<u64> {
        self.words[1].load(Relaxed).checked_sub(1)
    }

    /// Writes a number down.
    #[inline(always)]
    pub fn log(&self, number: u64) {
        let count = self.words[2].load(Relaxed);
        if let Some(word) = self.words.get(LOG + count as usize) {
            word.store(number, Relaxed);
            self.words[2].store(count + 1, Relaxed);
        }
    }

    /// What was written down.
    #[must_use]
    pub fn logged(&self) -> Vec<u64> {
        let count = self.words[2].load(Relaxed) as usize;
        self.words[LOG..].iter().take(count).map(|word| word.load(Relaxed)).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, of that length; the reference to it ends with `self`.
        let _ = unsafe { rustix::mm::munmap(self.words.as_ptr().cast::<c_void>().cast_mut(), BYTES) };
    }
}
