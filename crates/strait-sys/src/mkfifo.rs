//! [fifo(7)](https://man7.org/linux/man-pages/man7/fifo.7.html): pipes with a name.
//!
//! The descriptors returned here block when read or written; opening never does.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Makes a FIFO; nothing may have the name. The umask takes permissions away: [`crate::open::set_mode`] sets them.
#[doc(alias = "mknod")]
pub fn mkfifo(path: &Path, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(mode & 0o777), 0)?)
}

/// Opens the end to read from, at once, whether there is a writer or not. It does not follow a symbolic link.
pub fn open_to_read(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::RDONLY)
}

/// Opens the end to write to, if there is a reader: else `ENXIO`. It does not follow a symbolic link.
pub fn open_to_write(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::WRONLY)
}

fn open(path: &Path, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    // It is only the opening that must not block.
    rustix::fs::fcntl_setfl(&fd, rustix::fs::fcntl_getfl(&fd)? - OFlags::NONBLOCK)?;
    Ok(fd)
}

/// How many bytes a pipe holds (`F_GETPIPE_SZ`).
pub fn capacity_bytes(pipe: &impl std::os::fd::AsFd) -> io::Result<usize> {
    Ok(rustix::pipe::fcntl_getpipe_size(pipe)?)
}

/// Asks for a pipe of so many bytes at least, and says how many it holds then (`F_SETPIPE_SZ`).
///
/// # Errors
///
/// `EPERM`: beyond `/proc/sys/fs/pipe-max-size`.
pub fn set_capacity_bytes(pipe: &impl std::os::fd::AsFd, bytes: usize) -> io::Result<usize> {
    Ok(rustix::pipe::fcntl_setpipe_size(pipe, bytes)?)
}
