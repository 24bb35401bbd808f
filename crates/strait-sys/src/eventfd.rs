//! `eventfd(2)`: a counter that can be waited for like any descriptor.

use std::io::{self, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::poll::{Wait, is_writable};
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

/// A new counter of which each reading takes one (`EFD_SEMAPHORE`): see [`add`] and [`take`], which wait or not as they are told.
///
/// # Errors
///
/// As [`eventfd`].
#[doc(alias = "EFD_SEMAPHORE")]
pub fn semaphore() -> io::Result<OwnedFd> {
    Ok(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::SEMAPHORE)?)
}

/// Adds one to a [`semaphore`]. One system call; two where it is not to wait.
///
/// # Errors
///
/// `EAGAIN`: there is no room, which takes 2^64 - 2 that nobody has taken. `EINTR`.
pub fn add(counter: BorrowedFd<'_>, wait: Wait) -> io::Result<()> {
    // Writing knows no `RWF_NOWAIT`. Between the look and the write somebody would have to fill it.
    if wait == Wait::No && !is_writable(counter)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(rustix::io::write(counter, &1u64.to_ne_bytes()).map(drop)?)
}

/// Takes one from a [`semaphore`]. One system call.
///
/// # Errors
///
/// `EAGAIN`: there is none. `EINTR`.
pub fn take(counter: BorrowedFd<'_>, wait: Wait) -> io::Result<()> {
    crate::write::read(counter, &mut [IoSliceMut::new(&mut [0; 8])], wait).map(drop)
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

/// Sets it to zero; says whether it was anything else.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    /// Each take takes one; without any, and without room, a call that is not to wait does not, though the descriptor would.
    #[test]
    fn semaphore_counts() {
        let counter = semaphore().expect("a counter");
        let fd = counter.as_fd();
        assert_eq!(take(fd, Wait::No).expect_err("none").kind(), io::ErrorKind::WouldBlock);
        add(fd, Wait::Yes).expect("room");
        add(fd, Wait::No).expect("room");
        take(fd, Wait::Yes).expect("there");
        take(fd, Wait::No).expect("there");
        assert_eq!(take(fd, Wait::No).expect_err("none").kind(), io::ErrorKind::WouldBlock);
        rustix::io::write(fd, &(u64::MAX - 1).to_ne_bytes()).expect("room");
        assert_eq!(add(fd, Wait::No).expect_err("full").kind(), io::ErrorKind::WouldBlock);
        take(fd, Wait::Yes).expect("there");
        add(fd, Wait::No).expect("room");
    }
}
