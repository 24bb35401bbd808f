//! The lease: a lock that the kernel drops when its holder's process ends.
//!
//! | byte of the region's file | lock |
//! |---:|---|
//! | 2^40 | the *door*: held for the moments of attaching and leaving, so that those exclude each other |
//! | 2^40 + 1 + slot | the lease of a slot |
//!
//! 1. The descriptor is opened anew for each endpoint, so its locks are its own even inside one process. It is the only one that an end
//!    keeps; one to hand over is opened when it is asked for.
//! 2. It is closed in forked children ([`strait_sys::fork`]), so a child does not keep its parent's lease alive.
//! 3. Names are given, taken away and found dead only behind the door; whoever holds it and sees no lease knows that nobody is there.

use crate::error::{Error, ErrorKind, Result};
use crate::region::Region;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use strait_sys::errno::EMFILE;
use strait_sys::fcntl_locking;
use strait_sys::fork::{self, Guarded};
use strait_sys::mmap::Access;
use strait_sys::open;

pub(crate) const DOOR: u64 = 1 << 40;
pub(crate) const FIRST_SLOT: u64 = DOOR + 1;
/// More slots than any channel has.
const SLOTS: u64 = 4096;

/// One endpoint's hold on the lock bytes of a region.
#[derive(Debug)]
pub(crate) struct Leases {
    fd: Guarded,
    /// Without locks; opened when it is first asked for.
    to_hand_over: OnceLock<OwnedFd>,
    /// For messages.
    object: String,
}

impl Leases {
    /// Opens the region's file once more, for locks of its own. Needs `/proc`.
    pub(crate) fn open(region: &Region) -> Result<Self> {
        let object = region.place().to_string();
        let Some(fd) = region.fd() else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "attach to {object}: it has no descriptor to hold a lease on; use a posix, memfd or file region"
                ),
            ));
        };
        let fd = open::again(fd, Access::ReadWrite).map_err(|e| {
            let remedy = match e.raw_os_error() {
                Some(EMFILE) => "each end of a channel takes a descriptor; raise their limit (`ulimit -n`)",
                _ => "a lease needs /proc mounted and the right to write",
            };
            Error::kernel("attach to", &object, e, remedy)
        })?;
        Self::of(fd, object)
    }

    /// Locks by a descriptor that is nobody else's.
    pub(crate) fn of(fd: OwnedFd, object: String) -> Result<Self> {
        let fd = fork::guard(fd).map_err(|e| {
            Error::kernel("attach to", &object, e, "at most 4,096 endpoints can be open in one process")
        })?;
        Ok(Self { fd, to_hand_over: OnceLock::new(), object })
    }

    /// A descriptor of the region to hand over, opened at the first call: who has it shares no lock with us. `None` in a forked child that
    /// did not ask before the fork, and where no file can be opened any more.
    pub(crate) fn to_hand_over(&self) -> Option<BorrowedFd<'_>> {
        if self.to_hand_over.get().is_none() {
            let fd = open::again(self.fd.get()?, Access::ReadWrite).ok()?;
            // Another thread may have been first; then this one is closed.
            let _ = self.to_hand_over.set(fd);
        }
        self.to_hand_over.get().map(OwnedFd::as_fd)
    }

    /// Takes the lease of a slot; `false` when somebody else has it. One system call.
    pub(crate) fn try_take(&self, slot: u32) -> Result<bool> {
        fcntl_locking::try_lock(self.fd()?, FIRST_SLOT + u64::from(slot))
            .map_err(|e| Error::kernel("take a lease on", &self.object, e, "its file system must support locks"))
    }

    /// Gives the lease of a slot back.
    pub(crate) fn release(&self, slot: u32) {
        if let Some(fd) = self.fd.get() {
            // Unlocking a byte that we locked does not fail; closing the descriptor would do it too.
            let _ = fcntl_locking::unlock(fd, FIRST_SLOT + u64::from(slot));
        }
    }

    /// Whether another endpoint, of this process or another, holds the slot's lease. One system call, about a microsecond.
    ///
    /// A refusal of the kernel, which a descriptor that took a lease does not meet, reads as "held": nobody is declared dead by it.
    pub(crate) fn is_held_by_another(&self, slot: u32) -> bool {
        let Some(fd) = self.fd.get() else { return true };
        fcntl_locking::held_by_another(fd, FIRST_SLOT + u64::from(slot), 1).map_or(true, |held| held.is_some())
    }

    /// Whether another endpoint holds any lease of the region.
    pub(crate) fn is_anybody_else_here(&self) -> bool {
        let Some(fd) = self.fd.get() else { return true };
        fcntl_locking::held_by_another(fd, FIRST_SLOT, SLOTS).map_or(true, |held| held.is_some())
    }

    /// The slots whose leases other endpoints hold. A system call for each, and one.
    pub(crate) fn held_by_others(&self) -> Vec<u32> {
        self.fd.get().map_or_else(Vec::new, held)
    }

    /// Takes the door. Others hold it for microseconds; one who was stopped there is waited for until `timeout`, then `Busy`.
    pub(crate) fn enter(&self, timeout: Duration) -> Result<Door<'_>> {
        let deadline = Instant::now() + timeout;
        let mut pause = Duration::from_micros(20);
        loop {
            let fd = self.fd()?;
            let entered = fcntl_locking::try_lock(fd, DOOR)
                .map_err(|e| Error::kernel("take a lock on", &self.object, e, "its file system must support locks"))?;
            if entered {
                return Ok(Door { leases: self });
            }
            if Instant::now() >= deadline {
                return Err(Error::new(
                    ErrorKind::Busy,
                    format!(
                        "attach to {}: another process has been attaching or leaving for {timeout:?}; it may be stopped",
                        self.object
                    ),
                ));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    fn fd(&self) -> Result<BorrowedFd<'_>> {
        self.fd.get().ok_or_else(|| {
            Error::new(
                ErrorKind::Forked,
                format!("use {}: it was opened before a fork; open it anew in the child", self.object),
            )
        })
    }
}

/// Whether somebody holds the lease of a slot, asked through the region's own descriptor, which holds none: nothing is taken, and the
/// right to read is enough. `None` where the kernel does not say. One system call.
pub(crate) fn is_held(region: &Region, slot: u32) -> Option<bool> {
    let held = fcntl_locking::held_by_another(region.fd()?, FIRST_SLOT + u64::from(slot), 1).ok()?;
    Some(held.is_some())
}

/// The slots of a region's file whose leases somebody holds, but for `fd` itself. It takes none, and the right to read is enough.
pub(crate) fn held(fd: BorrowedFd<'_>) -> Vec<u32> {
    let mut slots = Vec::new();
    let mut next = FIRST_SLOT;
    while let Ok(Some(at)) = fcntl_locking::held_by_another(fd, next, FIRST_SLOT + SLOTS - next) {
        // Below `SLOTS`, for it lies in the range that was asked about.
        slots.push((at - FIRST_SLOT) as u32);
        next = at + 1;
        if next >= FIRST_SLOT + SLOTS {
            break;
        }
    }
    slots
}

/// Whether nobody but `fd` itself holds a lease, or the door. `None` where the kernel does not say.
pub(crate) fn is_deserted(fd: BorrowedFd<'_>) -> Option<bool> {
    let held = fcntl_locking::held_by_another(fd, DOOR, SLOTS + 1).ok()?;
    Some(held.is_none())
}

/// The door, held.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    leases: &'a Leases,
}

impl Drop for Door<'_> {
    fn drop(&mut self) {
        if let Some(fd) = self.leases.fd.get() {
            // As in `release`.
            let _ = fcntl_locking::unlock(fd, DOOR);
        }
    }
}
