//! `waitid(2)`: how a child ended, and its burial. Always for one child, by its pidfd (Linux 5.4); never for "any child".

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It called exit with this code.
    Exited(i32),
    /// A signal killed it.
    Killed {
        /// The signal's number.
        signal: i32,
        /// The kernel wrote (or piped to a handler) an image of its memory.
        core_dumped: bool,
    },
}

/// What a look at a process shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is our child and runs.
    Runs,
    /// It was our child; now it is buried and its pid is free.
    Ended(Ended),
    /// It is not, or no longer, a child of ours: somebody else has waited for it, or the process ignores `SIGCHLD`, so that the
    /// kernel buried it.
    NotOurs,
}

/// Whether the process behind `pidfd` is a child of ours that is still to be waited for. Does not block, changes nothing.
///
/// # Errors
///
/// `EINVAL`: a kernel before Linux 5.4.
#[doc(alias = "WNOWAIT")]
pub fn is_our_child(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match retry_on_intr(|| rustix::process::waitid(WaitId::PidFd(pidfd), look)) {
        Ok(_) => Ok(true),
        Err(Errno::CHILD) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Whether this descriptor is a pidfd at all, of whatever process. Does not block, changes nothing.
#[must_use]
pub fn is_pidfd(fd: BorrowedFd<'_>) -> bool {
    // Of a pidfd it says yes or "no child of yours"; of anything else EBADF.
    is_our_child(fd).is_ok()
}

/// Buries the child behind `pidfd` if it has ended. Does not block.
///
/// # Errors
///
/// `EBADF`: not a pidfd. `EINVAL`: a kernel before Linux 5.4.
///
/// References: <https://man7.org/linux/man-pages/man2/waitid.2.html>.
#[doc(alias = "WNOHANG")]
pub fn reap_if_ended(pidfd: BorrowedFd<'_>) -> io::Result<Look> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match retry_on_intr(|| rustix::process::waitid(WaitId::PidFd(pidfd), options)) {
        Ok(status) => Ok(status.as_ref().and_then(ended).map_or(Look::Runs, Look::Ended)),
        Err(Errno::CHILD) => Ok(Look::NotOurs),
        Err(e) => Err(e.into()),
    }
}

/// Waits until the process behind `pidfd` is no child of ours any more, and buries it if that falls to us. Blocks.
pub fn reap(pidfd: BorrowedFd<'_>) {
    // An error says that there is nothing to wait for.
    let _ = retry_on_intr(|| rustix::process::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED));
}

/// Kills and buries the child with this pid, for the case that no pidfd can be had. Blocks until it has ended.
///
/// # Errors
///
/// `ECHILD`: that pid is no child of ours (any more). Nothing was signalled then.
pub fn kill_and_reap(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ECHILD))?;
    // A child that was not waited for keeps its pid. So after this look the pid is the child's, unless another thread waits for
    // any child in between.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), look))?;
    rustix::process::kill_process(pid, Signal::KILL)?;
    retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED))?;
    Ok(())
}

fn ended(status: &WaitIdStatus) -> Option<Ended> {
    if let Some(code) = status.exit_status() {
        return Some(Ended::Exited(code));
    }
    let signal = status.terminating_signal()?;
    Some(Ended::Killed { signal, core_dumped: status.dumped() })
}
