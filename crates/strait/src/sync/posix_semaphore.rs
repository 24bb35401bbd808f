//! POSIX semaphores (`sem_open(3)`, `sem_init(3)`): shared with any program that uses the C library's.
//!
//! ```text
//!   process A                    /dev/shm/sem.NAME                C program
//!  +-----------------+  post    +-----------------+   sem_wait   +----------+
//!  | PosixSemaphore  | -------> | sem_t, 32 bytes | <----------- | sem_open |
//!  +-----------------+          +-----------------+              +----------+
//! ```
//!
//! ```
//! use strait::region;
//! use strait::sync::PosixSemaphore;
//!
//! # let name = format!("/doc-posix-semaphore-{}", std::process::id());
//! let here = PosixSemaphore::create(&name, 1, &region::Options::new())?;
//! let there = PosixSemaphore::open(&name, &region::Options::new())?; // in C: sem_open(name, 0)
//! there.wait()?;
//! assert!(!here.try_wait()?);
//! there.post()?;
//! assert_eq!(here.value(), 1);
//! PosixSemaphore::remove(&name)?;
//! # Ok::<(), strait::Error>(())
//! ```
//!
//! 1. **Nothing is given back by the dead.** A semaphore does not know who took a permit: what a process had when it was killed is gone.
//!    [`Semaphore`](super::Semaphore) gives it back; this one is for programs that share theirs with C.
//! 2. **A name stays** until [`PosixSemaphore::remove`], whoever dies. It is born whole: nobody can open one without its first value.
//! 3. **It is the C library's.** Its words are believed (glibc ends the process that finds impossible ones), so all who may write there must be
//!    of the same user, or be vouched for by a [`Trust`].
//! 4. Posting, and taking what is there, makes no system call where nobody waits. Who waits sleeps in the kernel.
//! 5. A signal handler that runs meanwhile does not end a wait. Times go by the monotonic clock, from glibc 2.30 on.
//!
//! See [sem_overview(7)](https://man7.org/linux/man-pages/man7/sem_overview.7.html).

use crate::error::{Error, ErrorKind, Result};
use crate::region::Newborn;
use crate::region::{self, Place, Region};
use crate::sync::c_place;
use std::io;
use std::time::{Duration, Instant};
use strait_mem::{CSemaphore, Trust};
use strait_sys::errno::EOVERFLOW;

/// What the C library puts before a semaphore's name, in the directory of shared memory.
const PREFIX: &str = "/sem.";

/// A semaphore of the C library. See [the module](self). Threads may share it.
#[doc(alias = "sem_t")]
#[derive(Debug)]
pub struct PosixSemaphore {
    semaphore: CSemaphore,
    place: Place,
}

impl PosixSemaphore {
    /// Makes the semaphore of a name, with so many permits. Enters the kernel a dozen times.
    ///
    /// # Errors
    /// `AlreadyExists`; `Usage`: the name, or more than 2^31 - 1 permits; `NoSpace`, `Permission`.
    #[doc(alias = "sem_open")]
    pub fn create(name: &str, value: u32, options: &region::Options) -> Result<Self> {
        let newborn = Newborn::make(named(name)?, CSemaphore::BYTES as u64, options)?;
        let made = Self::make_in(newborn.region(), 0, value, None)?;
        newborn.give_name()?;
        Ok(made)
    }

    /// Opens the semaphore of a name, whoever made it.
    ///
    /// # Errors
    /// `NotFound`; `Permission` where another user owns it, or its mode lets others write; `Damaged`: the file is too short.
    #[doc(alias = "sem_open")]
    pub fn open(name: &str, options: &region::Options) -> Result<Self> {
        Self::open_in(&Region::open(named(name)?, options)?, 0, None)
    }

    /// Opens the semaphore of a name, or makes it where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(name: &str, value: u32, options: &region::Options) -> Result<Self> {
        loop {
            match Self::open(name, options) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => return done,
            }
            match Self::create(name, value, options) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                done => return done,
            }
        }
    }

    /// Takes a semaphore's name away; who has it open keeps it. One system call.
    ///
    /// # Errors
    /// `NotFound`, `Permission`; `Usage`: the name.
    #[doc(alias = "sem_unlink")]
    pub fn remove(name: &str) -> Result<()> {
        Region::remove(named(name)?)
    }

    /// Makes one without a name, `offset` bytes into a region, where nobody uses those bytes yet. No system call but to look at the owner.
    ///
    /// `trust` speaks for all who may write to the region, where that is not plain from its owner and mode.
    ///
    /// # Errors
    /// `Usage`: it does not fit there, the offset is no multiple of 8, the region is read-only, or more than 2^31 - 1 permits; `Permission`.
    #[doc(alias = "sem_init")]
    pub fn make_in(region: &Region, offset: u64, value: u32, trust: Option<Trust>) -> Result<Self> {
        let made = Self::open_in(region, offset, trust)?;
        made.semaphore.make(value).map_err(|e| Error::kernel("make a semaphore in", &made.place, e, ""))?;
        Ok(made)
    }

    /// Opens one that another program has made, `offset` bytes into a region. No system call but to look at the owner.
    ///
    /// # Errors
    /// As for [`Self::make_in`]. That nobody has made it cannot be seen.
    pub fn open_in(region: &Region, offset: u64, trust: Option<Trust>) -> Result<Self> {
        let (window, trust) = c_place::window(region, offset, CSemaphore::BYTES, trust, "semaphore")?;
        let semaphore = CSemaphore::of(window, trust).map_err(|_| c_place::misaligned(region, offset, "semaphore"))?;
        Ok(Self { semaphore, place: region.place().clone() })
    }

    /// Adds a permit, and wakes one who waits; a system call only then.
    ///
    /// # Errors
    /// `NoSpace`: it has 2^31 - 1 (`SEM_VALUE_MAX`).
    #[doc(alias = "sem_post")]
    #[inline]
    pub fn post(&self) -> Result<()> {
        self.semaphore.post().map_err(|e| {
            let is_full = e.raw_os_error() == Some(EOVERFLOW);
            self.refused("post to", e).with_kind_if(is_full, ErrorKind::NoSpace)
        })
    }

    /// Takes a permit, or sleeps until there is one. No system call where there is one.
    ///
    /// # Errors
    /// `Kernel`; not for a semaphore that is one.
    #[doc(alias = "sem_wait")]
    #[inline]
    pub fn wait(&self) -> Result<()> {
        loop {
            match self.semaphore.wait() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                waited => return waited.map_err(|e| self.refused("wait for", e)),
            }
        }
    }

    /// Takes a permit if there is one, and says whether. No system call.
    ///
    /// # Errors
    /// As for [`Self::wait`].
    #[doc(alias = "sem_trywait")]
    #[inline]
    pub fn try_wait(&self) -> Result<bool> {
        loop {
            match self.semaphore.try_wait() {
                Ok(()) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.refused("wait for", e)),
            }
        }
    }

    /// [`Self::wait`], for `timeout` at the most; says whether it took one.
    ///
    /// # Errors
    /// As for [`Self::wait`].
    #[doc(alias = "sem_timedwait")]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            match self.semaphore.wait_timeout(timeout.saturating_sub(start.elapsed())) {
                Ok(()) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.refused("wait for", e)),
            }
        }
    }

    /// How many permits there are; by the time it is known it may be otherwise. No system call.
    #[doc(alias = "sem_getvalue")]
    #[must_use]
    pub fn value(&self) -> u32 {
        self.semaphore.value()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    fn refused(&self, verb: &str, error: io::Error) -> Error {
        Error::kernel(verb, format_args!("the semaphore in {}", self.place), error, "")
    }
}

/// Where the C library keeps the semaphore of a name.
fn named(name: &str) -> Result<Place> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    // A file's name has at most 255 bytes, of which four go to the prefix.
    if bare.is_empty() || bare.contains(['/', '\0']) || bare.len() > 251 {
        let shown = name.escape_default();
        let why = format!("use name '{shown}': a semaphore's name has 1 to 251 bytes and no slash but a first one");
        return Err(Error::new(ErrorKind::Usage, why));
    }
    Ok(Place::posix_raw(&format!("{PREFIX}{bare}")))
}
