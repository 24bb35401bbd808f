//! `pidfd_open(2)`: a descriptor that stands for a process.
//!
//! A pid is a number that the kernel hands out again; a pidfd means the same process for ever. It becomes readable when the
//! process has ended (all of its threads), and it means the same in whatever pid namespace it is looked at.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

/// A descriptor for the process that has this pid *now*; `None` if there is none.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`. `ENOSYS`: a kernel before Linux 5.3.
///
/// Does not block. References: <https://man7.org/linux/man-pages/man2/pidfd_open.2.html>.
pub fn pidfd_open(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(Errno::SRCH) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// A descriptor for this process itself.
///
/// # Errors
///
/// As [`pidfd_open`].
pub fn pidfd_open_self() -> io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?)
}
