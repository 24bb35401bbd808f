//! [`fcntl_setlease(2)`](https://man7.org/linux/man-pages/man2/F_SETLEASE.2const.html): the kernel's word that nobody else has a file open.
//!
//! A write lease is given only where no other open file description of the file is in use, in any process of any namespace: what is
//! mapped is in use too. While it is held, who opens the file waits in that call until it is given back, for
//! `/proc/sys/fs/lease-break-time` seconds at the most. The holder is told by a signal: here by `SIGURG`, which does nothing by itself.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Of `asm-generic/fcntl.h`, which the C library's bindings lack.
const F_SETSIG: libc::c_int = 10;

/// Takes a write lease. `Ok(false)`: somebody has the file open or mapped. Needs the right of its owner, or `CAP_LEASE`.
///
/// Given back by [`release`], or with the last descriptor.
#[doc(alias = "F_SETLEASE")]
pub fn try_write_lease(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: plain numbers; the descriptor is open (borrowed).
    if unsafe { libc::fcntl(fd.as_raw_fd(), F_SETSIG, libc::SIGURG) } == -1 {
        return Err(io::Error::last_os_error());
    }
    match set(fd, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the lease is still whole: `false` once somebody waits to open the file.
#[doc(alias = "F_GETLEASE")]
pub fn is_whole(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: plain numbers; the descriptor is open (borrowed).
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETLEASE) } {
        -1 => Err(io::Error::last_os_error()),
        kind => Ok(kind == libc::F_WRLCK),
    }
}

/// Gives the lease back: who waits may go on.
pub fn release(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::F_UNLCK)
}

fn set(fd: BorrowedFd<'_>, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: plain numbers; the descriptor is open (borrowed).
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, kind) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
