//! [F_ADD_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html): promises about a memfd that nobody can take back.

use rustix::fs::SealFlags;
use std::io;
use std::os::fd::BorrowedFd;

/// Fixes the size for good: no shrink, no growth, no further seals.
#[doc(alias = "F_SEAL_SHRINK")]
pub fn fix_size(fd: BorrowedFd<'_>) -> io::Result<()> {
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    Ok(rustix::fs::fcntl_add_seals(fd, seals)?)
}

/// Whether nobody can ever make the file smaller. `false` for files that take no seals.
#[doc(alias = "F_GET_SEALS")]
#[must_use]
pub fn cannot_shrink(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}
