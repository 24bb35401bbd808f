//! What this kernel, as it is configured for this process, can do of what strait stands on: tried, not concluded from a version.

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use strait_sys::mmap::Access;
use strait_sys::{fcntl_locking, futex_waitv, membarrier, memfd_create, open, pidfd_open, seals};

/// Where shared memory has its names.
const SHM: &str = "/dev/shm";

/// What came of trying each feature.
#[derive(Debug)]
#[non_exhaustive]
pub struct Features {
    /// `futex_waitv(2)`, since Linux 5.16: to wait for several channels at once. Without it such waits look again and again.
    pub futex_waitv: io::Result<()>,
    /// `membarrier(2)`, global expedited, since Linux 4.16: who falls asleep pays for the fence, and not who sends.
    pub membarrier: io::Result<()>,
    /// Locks of open file descriptions, since Linux 3.15: the leases that say who is alive. No channel goes without them.
    pub ofd_locks: io::Result<()>,
    /// `pidfd_open(2)`, since Linux 5.3: to wait for processes without taking one for another.
    pub pidfd: io::Result<()>,
    /// `memfd_create(2)` with seals: regions without a name, which nobody can cut short.
    pub memfd: io::Result<()>,
    /// `O_TMPFILE` where shared memory has its names: regions that are whole before they have one.
    pub tmpfile: io::Result<()>,
}

impl Features {
    /// Tries them. A dozen system calls; what is made for it is gone afterwards.
    #[must_use]
    pub fn tried() -> Self {
        Self {
            futex_waitv: waits(),
            membarrier: if membarrier::register() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) },
            ofd_locks: locks(),
            pidfd: pidfd_open::pidfd_open_self().map(drop),
            memfd: sealed(),
            tmpfile: open::nameless(Path::new(SHM)).map(drop),
        }
    }
}

/// A word that is not as expected ends the wait at once, if there is such a wait.
fn waits() -> io::Result<()> {
    let words = [AtomicU32::new(0), AtomicU32::new(0)];
    futex_waitv::wait_any(words.iter().map(|word| (word, 1)), Duration::from_millis(1)).map(drop)
}

/// A lock that is taken through one description is seen through another.
fn locks() -> io::Result<()> {
    let file = memfd_create::memfd_create("strait-tries", None)?;
    let other = open::again(file.as_fd(), Access::ReadWrite)?;
    let is_taken = fcntl_locking::try_lock(file.as_fd(), 1 << 40)?;
    let is_seen = fcntl_locking::held_by_another(other.as_fd(), 1 << 40, 1)?.is_some();
    if is_taken && is_seen { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

fn sealed() -> io::Result<()> {
    let file = memfd_create::memfd_create("strait-tries", None)?;
    seals::fix_size(file.as_fd())?;
    if seals::cannot_shrink(file.as_fd()) { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the tests run all of it is there, or is refused by name; channels need what is said that they need.
    #[test]
    fn features_are_tried() {
        let tried = Features::tried();
        assert!(tried.ofd_locks.is_ok() && tried.memfd.is_ok(), "{tried:?}");
    }
}
