//! `eventfd(2)`: a counter that can be waited for like any descriptor.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::EventfdFlags;
use rustix::io::{Errno, retry_on_intr};

/// A new counter: close-on-exec, and reading or writing it never blocks. It is readable while it is not zero.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`, `ENOMEM`. References: <https://man7.org/linux/man-pages/man2/eventfd.2.html>.
pub fn eventfd(initial: u32) -> io::Result<OwnedFd> {
    Ok(rustix::event::eventfd(initial, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// A new counter of which each reading takes one (`EFD_SEMAPHORE`); else as [`eventfd`].
///
/// # Errors
///
/// As [`eventfd`].
#[doc(alias = "EFD_SEMAPHORE")]
pub fn semaphore() -> io::Result<OwnedFd> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
    Ok(rustix::event::eventfd(0, flags)?)
}

/// Adds one, if there is room for it; says whether there was.
///
/// # Errors
///
/// None on a descriptor from here.
pub fn try_add(counter: BorrowedFd<'_>) -> io::Result<bool> {
    match retry_on_intr(|| rustix::io::write(counter, &1u64.to_ne_bytes())) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Adds one, which makes it readable. A counter that is full stays as it is: it is readable already.
///
/// # Errors
///
/// None on a descriptor from [`eventfd`].
pub fn eventfd_add(counter: BorrowedFd<'_>) -> io::Result<()> {
    match retry_on_intr(|| rustix::io::write(counter, &1u64.to_ne_bytes())) {
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Sets it to zero, or takes one of a [`semaphore`]; says whether it was anything but zero.
///
/// # Errors
///
/// None on a descriptor from [`eventfd`].
pub fn eventfd_clear(counter: BorrowedFd<'_>) -> io::Result<bool> {
    let mut count = [0; 8];
    match retry_on_intr(|| rustix::io::read(counter, &mut count)) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
