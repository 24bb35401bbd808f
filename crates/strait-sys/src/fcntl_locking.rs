//! [`fcntl_locking(2)`](https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html): open-file-description locks on bytes.
//!
//! Such a lock belongs to the open file description, not to the process: it conflicts between two descriptors of one process,
//! is shared by duplicates and by forked children, and is dropped by the kernel when the last of them is closed, however its
//! owner ends. The bytes need not exist: a lock past the end of the file is as good as one inside.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Takes the write lock of the byte at `offset`, or says at once that it is taken.
///
/// `Ok(false)`: another open file description holds it. The descriptor must be open for writing. One system call, no wait.
#[doc(alias = "F_OFD_SETLK")]
pub fn try_lock(fd: BorrowedFd<'_>, offset: u64) -> io::Result<bool> {
    set(fd, libc::F_WRLCK, offset)
}

/// Gives the lock of the byte at `offset` back. Harmless where none is held.
#[doc(alias = "F_UNLCK")]
pub fn unlock(fd: BorrowedFd<'_>, offset: u64) -> io::Result<()> {
    set(fd, libc::F_UNLCK, offset).map(drop)
}

/// The first byte of `offset .. offset + len` on which *another* open file description holds a write lock.
///
/// One system call, about a microsecond. Locks of `fd`'s own description are not seen.
#[doc(alias = "F_OFD_GETLK")]
pub fn held_by_another(fd: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<Option<u64>> {
    let mut lock = request(libc::F_WRLCK, offset, len)?;
    // SAFETY: the descriptor is open (borrowed), and `lock` is a valid `flock` for the kernel to read and overwrite.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    // The kernel answers with the conflicting lock, which may begin before the range that was asked about.
    Ok(Some(u64::try_from(lock.l_start).unwrap_or(0).max(offset)))
}

fn set(fd: BorrowedFd<'_>, kind: libc::c_int, offset: u64) -> io::Result<bool> {
    let lock = request(kind, offset, 1)?;
    loop {
        // SAFETY: the descriptor is open (borrowed), and `lock` is a valid `flock` for the kernel to read.
        let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        if result != -1 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EAGAIN | libc::EACCES) => return Ok(false),
            _ => return Err(error),
        }
    }
}

fn request(kind: libc::c_int, offset: u64, len: u64) -> io::Result<libc::flock> {
    let too_far = |_| io::Error::from_raw_os_error(libc::EOVERFLOW);
    // SAFETY: `flock` is a C struct of integers, for which all zeroes is a value (and `l_pid` must be zero here).
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = libc::off_t::try_from(offset).map_err(too_far)?;
    lock.l_len = libc::off_t::try_from(len).map_err(too_far)?;
    Ok(lock)
}
