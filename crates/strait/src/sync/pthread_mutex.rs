//! The C library's robust mutex (`pthread_mutex_t`), for data that is shared with C programs.
//!
//! ```text
//!   struct shared {                                region, in C: mmap of shm_open("/books")
//!       pthread_mutex_t lock;   offset 0          +--------------+---------+---------------+
//!       uint64_t count;         offset 40         | lock (40)    | count   | ...           |
//!   };                                            +--------------+---------+---------------+
//! ```
//!
//! ```
//! use strait::mem::CMutex;
//! use strait::region::{self, Place, Region};
//! use strait::sync::PthreadMutex;
//!
//! # let name = format!("/doc-pthread-mutex-{}", std::process::id());
//! let place = Place::posix_raw(&name);
//! let region = Region::create(&place, 4096, &region::Options::new())?;
//! let mut mutex = PthreadMutex::make_in(&region, 0, None)?; // in C: pthread_mutex_init, shared and robust
//!
//! let guard = mutex.lock().expect("nobody has died");
//! let mut count = [0; 8];
//! region.read(CMutex::BYTES as u64, &mut count)?;
//! region.write(CMutex::BYTES as u64, &(u64::from_ne_bytes(count) + 1).to_ne_bytes())?;
//! drop(guard);
//! Region::remove(&place)?;
//! # Ok::<(), strait::Error>(())
//! ```
//!
//! 1. **When its holder dies**, by SIGKILL too, or its thread ends, the kernel unlocks it and the next one is told: [`LockError::Recovered`].
//!    It looks at what was left half done, and [accepts](Recovered::accept) it. If it does not, nobody ever locks the mutex again
//!    ([`LockError::NotRecoverable`]). strait's own [`Mutex`](super::Mutex) changes its value as a whole or not at all, and has no such state.
//! 2. **It is held by a thread**, the one that locked it; neither a handle nor a guard can go to another one. Each thread opens its own handle.
//! 3. **It is the C library's**, which believes what it finds there, pointers included: all who may write must be of the same user, or be
//!    vouched for by a [`Trust`].
//! 4. Locking and unlocking makes no system call while nobody is in the way. Who waits sleeps in the kernel. Times go by the monotonic clock,
//!    from glibc 2.30 on.
//! 5. It must be made before it is opened, which cannot be seen in its bytes: a zeroed one is a mutex of one process only.
//!
//! See [pthread_mutexattr_setrobust(3)](https://man7.org/linux/man-pages/man3/pthread_mutexattr_setrobust.3.html).

use crate::error::{Error, ErrorKind, Result};
use crate::region::{Place, Region};
use crate::sync::c_place;
use std::fmt;
use std::io;
use std::time::Duration;
use strait_mem::{CMutex, Trust};
use strait_sys::errno::{EBUSY, EDEADLK, ENOTRECOVERABLE, EOWNERDEAD};

/// One thread's handle of a robust mutex of the C library. See [the module](self).
#[doc(alias = "pthread_mutex_t")]
#[derive(Debug)]
pub struct PthreadMutex {
    mutex: CMutex,
    place: Place,
}

impl PthreadMutex {
    /// Makes one, robust and shared, `offset` bytes into a region, where nobody uses those bytes yet. No system call but to look at the owner.
    ///
    /// `trust` speaks for all who may write to the region, where that is not plain from its owner and mode.
    ///
    /// # Errors
    /// `Usage`: it does not fit there, the offset is no multiple of 8, or the region is read-only; `Permission`.
    #[doc(alias = "pthread_mutex_init")]
    pub fn make_in(region: &Region, offset: u64, trust: Option<Trust>) -> Result<Self> {
        let made = Self::open_in(region, offset, trust)?;
        made.mutex.make().map_err(|e| Error::kernel("make a mutex in", &made.place, e, ""))?;
        Ok(made)
    }

    /// Opens one that another program has made there (rule 5). No system call but to look at the owner.
    ///
    /// # Errors
    /// As for [`Self::make_in`].
    pub fn open_in(region: &Region, offset: u64, trust: Option<Trust>) -> Result<Self> {
        let (window, trust) = c_place::window(region, offset, CMutex::BYTES, trust, "mutex")?;
        let mutex = CMutex::of(window, trust).map_err(|_| c_place::misaligned(region, offset, "mutex"))?;
        Ok(Self { mutex, place: region.place().clone() })
    }

    /// Locks it, asleep until it is free.
    ///
    /// # Errors
    /// [`LockError`]: after a death above all.
    pub fn lock(&mut self) -> Result<Guard<'_>, LockError<'_>> {
        let locked = self.mutex.lock();
        self.guard(locked)
    }

    /// Locks it, if nobody holds it. No system call.
    ///
    /// # Errors
    /// [`LockError::Locked`]; else as [`Self::lock`].
    pub fn try_lock(&mut self) -> Result<Guard<'_>, LockError<'_>> {
        let locked = self.mutex.try_lock();
        self.guard(locked)
    }

    /// Locks it, asleep for `timeout` at the most.
    ///
    /// # Errors
    /// [`LockError::TimedOut`]; else as [`Self::lock`].
    pub fn lock_timeout(&mut self, timeout: Duration) -> Result<Guard<'_>, LockError<'_>> {
        let locked = self.mutex.lock_timeout(timeout);
        self.guard(locked)
    }

    fn guard(&mut self, locked: io::Result<()>) -> Result<Guard<'_>, LockError<'_>> {
        let Err(error) = locked else { return Ok(Guard(self)) };
        Err(match error.raw_os_error() {
            Some(EOWNERDEAD) => LockError::Recovered(Recovered(Guard(self))),
            Some(ENOTRECOVERABLE) => LockError::NotRecoverable,
            Some(EDEADLK) => LockError::Deadlock,
            Some(EBUSY) => LockError::Locked,
            _ if error.kind() == io::ErrorKind::TimedOut => LockError::TimedOut,
            _ => LockError::Failed(Error::kernel("lock", format_args!("the mutex in {}", self.place), error, "")),
        })
    }
}

/// The mutex is this thread's until this is dropped.
#[derive(Debug)]
#[must_use = "the mutex is unlocked where this is dropped"]
pub struct Guard<'a>(&'a PthreadMutex);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // In a forked child it is not ours: it is refused there, and stays the parent's.
        let _ = self.0.mutex.unlock();
    }
}

/// The mutex is this thread's, and its last holder died. Dropped without [`Self::accept`], nobody ever locks it again.
#[derive(Debug)]
pub struct Recovered<'a>(Guard<'a>);

impl<'a> Recovered<'a> {
    /// Says that what the mutex protects is in order, and goes on as with any guard.
    ///
    /// # Errors
    /// `Kernel`: it is not this thread's, in a forked child.
    #[doc(alias = "pthread_mutex_consistent")]
    pub fn accept(self) -> Result<Guard<'a>> {
        let mutex = self.0.0;
        mutex.mutex.consistent().map_err(|e| Error::kernel("accept the mutex in", &mutex.place, e, ""))?;
        Ok(self.0)
    }
}

/// Why there is no guard.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError<'a> {
    /// It is locked, after a holder that died: look, and [accept](Recovered::accept) what it left.
    Recovered(Recovered<'a>),
    /// After a death, somebody unlocked it without accepting what was left. Make a new one.
    NotRecoverable,
    /// Somebody holds it.
    Locked,
    /// Somebody held it until the time ran out.
    TimedOut,
    /// This thread holds it: a guard was forgotten, or another handle has it.
    Deadlock,
    /// The kernel or the C library refuses.
    Failed(Error),
}

impl fmt::Display for LockError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered(_) => {
                f.write_str("the last holder of the lock has died; look at what it left, then accept it")
            }
            Self::NotRecoverable => {
                f.write_str("a holder of the lock has died, and nobody accepted what it left; make a new one")
            }
            Self::Locked => f.write_str("another thread holds the lock"),
            Self::TimedOut => f.write_str("another thread held the lock until the time ran out"),
            Self::Deadlock => f.write_str("this thread holds the lock already"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LockError<'_> {}

/// Only for the kind of a refusal.
impl LockError<'_> {
    /// What kind of error it is, for who decides by that.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked | Self::Deadlock => ErrorKind::Busy,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Recovered(_) | Self::NotRecoverable => ErrorKind::Damaged,
            Self::Failed(error) => error.kind(),
        }
    }
}
