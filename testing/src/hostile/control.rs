//! The page through which harness, honest roles and liar processes talk: nothing of strait's.
//!
//! | offset | | who writes |
//! |---:|---|---|
//! | 0 | what to do: operation | harness |
//! | 8 | its seed | harness |
//! | 16 | stop | harness |
//! | 64 | call: since when, 0 for none | role |
//! | 72 | call: which operation | role |
//! | 80 | calls | role |
//! | 88 | values | role |
//! | 96 | longest call, ns | role |
//! | 104 | calls with a guard on both sides of the mapping | role |
//! | 112 | scribbles | liar |
//! | 120 | which operation the longest call was | role |
//! | 512 | length of a text, and the text | role |
//! | 1024 | names of errors and how often | role |
//! | 4096 | hits, word by word | liar |

use super::memory::Memory;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::time::Duration;

/// A word of the page.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum Cell {
    /// Index of the operation.
    Operation = 0,
    /// Seed of its choices.
    Seed = 8,
    /// Not zero: end.
    Stop = 16,
    /// When the call began.
    Since = 64,
    /// Which it is.
    Calling = 72,
    /// How many there were.
    Calls = 80,
    /// How many returned a value.
    Values = 88,
    /// How long the longest took.
    Longest = 96,
    /// How many had nothing readable beside their mapping.
    Guarded = 104,
    /// How many changes a liar made.
    Scribbles = 112,
    /// Which operation the longest call was.
    LongestWas = 120,
}

const TEXT: usize = 512;
const TEXT_MAX: usize = 1024 - TEXT - 8;
const ERRORS: usize = 1024;
/// 24 bytes of name, 8 of count.
const ERROR_BYTES: usize = 32;
const HITS: usize = 4096;
const LEN: usize = 8192;

/// The page, mapped.
#[derive(Debug)]
pub struct Control {
    memory: Memory,
    /// Of who made it.
    file: Option<File>,
}

impl Control {
    /// Makes one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make() -> io::Result<Self> {
        let file = nameless(LEN)?;
        Ok(Self { memory: Memory::of(&file)?, file: Some(file) })
    }

    /// Where another process finds it, as long as this one lives.
    #[must_use]
    pub fn path(&self) -> String {
        self.file.as_ref().map(path_of).unwrap_or_default()
    }

    /// Maps somebody's.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { memory: Memory::of(&file)?, file: None })
    }

    /// Reads a cell.
    #[must_use]
    pub fn get(&self, cell: Cell) -> u64 {
        self.memory.load(cell as usize, 8)
    }

    /// Writes a cell.
    pub fn set(&self, cell: Cell, value: u64) {
        self.memory.store(cell as usize, 8, value);
    }

    /// Adds to a cell, of which there is one writer.
    pub fn add(&self, cell: Cell, value: u64) {
        self.set(cell, self.get(cell) + value);
    }

    /// The role's text.
    #[must_use]
    pub fn text(&self) -> String {
        let len = self.memory.load(TEXT, 8).min(TEXT_MAX as u64) as usize;
        String::from_utf8_lossy(&self.memory.copy(TEXT + 8, len)).into_owned()
    }

    /// Says something; allocates nothing.
    pub fn say(&self, text: &str) {
        let len = text.len().min(TEXT_MAX);
        for (at, &byte) in text.as_bytes()[..len].iter().enumerate() {
            self.memory.store(TEXT + 8 + at, 1, u64::from(byte));
        }
        self.memory.store(TEXT, 8, len as u64);
    }

    /// Counts an error of a name of up to 24 bytes.
    pub fn count_error(&self, name: &str) {
        let mut short = [0; 24];
        let len = name.len().min(24);
        short[..len].copy_from_slice(&name.as_bytes()[..len]);
        for at in (ERRORS..HITS).step_by(ERROR_BYTES) {
            let count = self.memory.load(at + 24, 8);
            if count > 0 && self.memory.copy(at, 24) != short {
                continue;
            }
            self.memory.put(at, &short);
            self.memory.store(at + 24, 8, count + 1);
            return;
        }
    }

    /// The errors that were counted.
    #[must_use]
    pub fn errors(&self) -> Vec<(String, u64)> {
        let rows = (ERRORS..HITS).step_by(ERROR_BYTES).map(|at| {
            let name = String::from_utf8_lossy(&self.memory.copy(at, 24)).trim_end_matches('\0').to_owned();
            (name, self.memory.load(at + 24, 8))
        });
        rows.filter(|row| row.1 > 0).collect()
    }

    /// Says how often each word was hit.
    pub fn set_hits(&self, hits: &[u64]) {
        for (word, &hits) in hits.iter().enumerate() {
            self.memory.store(HITS + word * 8, 8, hits);
        }
    }

    /// How often each of so many words was hit.
    #[must_use]
    pub fn hits(&self, words: usize) -> Vec<u64> {
        (0..words).map(|word| self.memory.load(HITS + word * 8, 8)).collect()
    }

    /// A call begins.
    pub fn begin(&self, operation: usize) {
        self.set(Cell::Calling, operation as u64);
        self.set(Cell::Since, now().as_nanos() as u64);
    }

    /// It has returned.
    pub fn end(&self) {
        let took = (now().as_nanos() as u64).saturating_sub(self.get(Cell::Since));
        self.set(Cell::Since, 0);
        if took > self.get(Cell::Longest) {
            self.set(Cell::Longest, took);
            self.set(Cell::LongestWas, self.get(Cell::Calling));
        }
        self.add(Cell::Calls, 1);
    }

    /// For how long the call that is under way has been.
    #[must_use]
    pub fn under_way(&self) -> Option<Duration> {
        let since = self.get(Cell::Since);
        (since != 0).then(|| now().saturating_sub(Duration::from_nanos(since)))
    }
}

/// A file without a name, of zeroes.
///
/// # Errors
/// The kernel's.
pub fn nameless(len: usize) -> io::Result<File> {
    // SAFETY: the name is a NUL-terminated string.
    let fd = unsafe { libc::memfd_create(c"hostile".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made just now, and nobody else has it.
    let file = unsafe { File::from_raw_fd(fd) };
    file.set_len(len as u64)?;
    Ok(file)
}

/// Takes or gives back a lock on a byte of a file: a lease, or the door.
///
/// # Errors
/// The kernel's: somebody else may have it.
pub fn hold(file: &File, byte: u64, takes: bool) -> io::Result<()> {
    let kind = if takes { libc::F_WRLCK } else { libc::F_UNLCK };
    // SAFETY: `flock` is a C struct of integers, for which all zeroes is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(kind).map_err(io::Error::other)?;
    lock.l_whence = i16::try_from(libc::SEEK_SET).map_err(io::Error::other)?;
    lock.l_start = i64::try_from(byte).map_err(io::Error::other)?;
    lock.l_len = 1;
    // SAFETY: the descriptor is open, and `lock` is a valid `flock`, which the kernel reads.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where another process of this user finds an open file of this one.
#[must_use]
pub fn path_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// The monotonic clock, the same for all processes.
fn now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
