//! [posix_fallocate(3)](https://man7.org/linux/man-pages/man3/posix_fallocate.3.html): set memory or disk aside now, so that a later store cannot fail.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Sets aside the first `len_bytes` of `fd` and grows the file to at least that.
///
/// A full file system is `StorageFull` here instead of `SIGBUS` at some store. Retried when a signal interrupts it.
pub fn posix_fallocate(fd: BorrowedFd<'_>, len_bytes: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len_bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    loop {
        // SAFETY: the descriptor is open (borrowed); the call takes no pointer.
        // It *returns* the error number and leaves errno alone.
        match unsafe { libc::posix_fallocate(fd.as_raw_fd(), 0, len) } {
            0 => return Ok(()),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}
