//! [fifo(7)](https://man7.org/linux/man-pages/man7/fifo.7.html): pipes with a name.
//!
//! Neither opening nor the descriptors returned here ever block.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Makes a FIFO; nothing may have the name. The umask takes permissions away: [`crate::open::set_mode`] sets them.
#[doc(alias = "mknod")]
pub fn mkfifo(path: &Path, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(mode & 0o777), 0)?)
}

/// Opens the end to read from, at once, whether there is a writer or not; reading waits then, while there is one. It does not follow a
/// symbolic link.
pub fn open_to_read(path: &Path) -> io::Result<OwnedFd> {
    let fd = open(path, OFlags::RDONLY)?;
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    rustix::fs::fcntl_setfl(&fd, flags - OFlags::NONBLOCK)?;
    Ok(fd)
}

/// Opens the end to write to, which never waits, if there is a reader: else `ENXIO`. It does not follow a symbolic link.
pub fn open_to_write(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::WRONLY)
}

fn open(path: &Path, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
