//! [open(2)](https://man7.org/linux/man-pages/man2/open.2.html): descriptors for files that exist, for one without a name, and again.

use crate::mmap::Access;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Opens the file `path` as it is: no symbolic link is followed at its end, a FIFO does not block, exec closes it.
pub fn existing(path: &Path, access: Access) -> io::Result<OwnedFd> {
    let flags = flags(access) | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Opens what a path leads to, `/proc/PID/fd/N` as well, to look at it: without the right to write, and at once or not at all.
pub fn to_look(path: &Path) -> io::Result<OwnedFd> {
    let flags = flags(Access::ReadOnly) | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Makes a file without a name in `directory` (`O_TMPFILE`): gone with its last descriptor, unless [`crate::linkat::name`] names it.
#[doc(alias = "O_TMPFILE")]
pub fn nameless(directory: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Makes the empty file `path`, mode 0600; it must not exist.
#[doc(alias = "O_EXCL")]
pub fn new(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Opens the file behind `fd` once more: a new open file description with locks of its own. Needs `/proc`.
pub fn again(fd: BorrowedFd<'_>, access: Access) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::open(path, flags(access), Mode::empty())?)
}

/// Another descriptor of the same open file description, closed on exec (`F_DUPFD_CLOEXEC`).
pub fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}

/// Sets the permission bits, whatever the umask says (`fchmod(2)`).
pub fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?)
}

/// Sets the size of a file (`ftruncate(2)`).
pub fn set_len(fd: BorrowedFd<'_>, len_bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::ftruncate(fd, len_bytes)?)
}

fn flags(access: Access) -> OFlags {
    let access = match access {
        Access::ReadOnly => OFlags::RDONLY,
        Access::ReadWrite => OFlags::RDWR,
    };
    access | OFlags::CLOEXEC
}

/// Sets the permission bits of what a path leads to, for what cannot be opened, a socket, or shall not be, a FIFO (`chmod(2)`).
pub fn set_mode_of_path(path: &Path, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?)
}
