//! [linkat(2)](https://man7.org/linux/man-pages/man2/linkat.2.html): give a nameless file its name, and take names away.

use rustix::fs::{AtFlags, CWD};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

/// Gives the nameless file `fd` (made by [`crate::open::nameless`]) the name `path`, in one step.
///
/// `AlreadyExists` when the name is taken; a name is never replaced. Needs `/proc`.
pub fn name(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, link, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Removes a name (`unlink(2)`); the file lives on for those who hold it.
pub fn unlink(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::unlink(path)?)
}
