//! A file mapped writable and without any check: what a stranger has.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

/// All of a file, mapped for reading and writing.
#[derive(Debug)]
pub struct Memory {
    start: *mut u8,
    len: usize,
}

// SAFETY: the bytes are reached by atomic accesses only, and no thread owns them.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps a file at the length that it has now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(file: &File) -> io::Result<Self> {
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the address is the kernel's choice, so no mapping of ours is replaced; the descriptor is open.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, rights, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), len })
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none; the kernel maps none such.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The aligned `width`-byte word at `at`: 1, 4 or 8 bytes.
    #[must_use]
    pub fn load(&self, at: usize, width: usize) -> u64 {
        let word = self.word(at, width);
        match width {
            // SAFETY: `word` has checked that the bytes are inside and aligned.
            1 => u64::from(unsafe { &*word.cast::<AtomicU8>() }.load(Relaxed)),
            // SAFETY: as above.
            4 => u64::from(unsafe { &*word.cast::<AtomicU32>() }.load(Relaxed)),
            // SAFETY: as above.
            _ => unsafe { &*word.cast::<AtomicU64>() }.load(Relaxed),
        }
    }

    /// Stores the lower `width` bytes of a value.
    pub fn store(&self, at: usize, width: usize, value: u64) {
        let word = self.word(at, width);
        match width {
            // SAFETY: `word` has checked that the bytes are inside and aligned. Truncation: the lower byte.
            1 => unsafe { &*word.cast::<AtomicU8>() }.store(value as u8, Relaxed),
            // SAFETY: as above. Truncation: the lower half.
            4 => unsafe { &*word.cast::<AtomicU32>() }.store(value as u32, Relaxed),
            // SAFETY: as above.
            _ => unsafe { &*word.cast::<AtomicU64>() }.store(value, Relaxed),
        }
    }

    /// Copies bytes out, from a multiple of 8 on.
    #[must_use]
    pub fn copy(&self, from: usize, len: usize) -> Vec<u8> {
        (from..from + len).step_by(8).flat_map(|at| self.load(at, 8).to_le_bytes()).take(len).collect()
    }

    /// Writes bytes, a multiple of 8 of them, from a multiple of 8 on.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        for (word, bytes) in bytes.chunks_exact(8).enumerate() {
            let value = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            self.store(at + word * 8, 8, value);
        }
    }

    /// Wakes whoever sleeps on a word.
    pub fn wake(&self, at: usize) {
        // SAFETY: the word is inside the mapping; waking changes no memory.
        unsafe { libc::syscall(libc::SYS_futex, self.word(at, 4), libc::FUTEX_WAKE, i32::MAX) };
    }

    fn word(&self, at: usize, width: usize) -> *mut u8 {
        assert!(at % width == 0 && at + width <= self.len, "{width} bytes at {at} of {}", self.len);
        // SAFETY: inside the mapping, as just asserted.
        unsafe { self.start.add(at) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, and nobody has a reference into it.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}
