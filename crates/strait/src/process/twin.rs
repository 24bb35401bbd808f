//! A child that is a copy of this process.

use super::child::Child;
use crate::error::{Error, ErrorKind, Result};
use strait_sys::errno::EBUSY;
use strait_sys::fork;

/// Makes a copy of this process (`fork`) that runs `work`, and ends with the number that it returns; 101 where it panics.
///
/// What is in memory is there in both, and pages are copied when either writes to them; descriptors are shared with their offsets and flags.
/// This is for programs that show or use just that. To start another program, and from a process with threads, use [`super::Command`], which
/// does not fork. Handles of strait's that were made before say `Forked` in the copy. Two or three system calls; the more memory there is to map, the
/// longer it takes.
///
/// The [`Child`] is the parent's; dropped, it kills the copy. See [fork(2)](https://man7.org/linux/man-pages/man2/fork.2.html).
///
/// # Errors
/// `Busy`: this process has other threads, whose locks would stay locked in the copy; `Kernel`: no process to be had.
pub fn fork_alone(work: impl FnOnce() -> u8) -> Result<Child> {
    let refuse = |e: std::io::Error| {
        let has_threads = e.raw_os_error() == Some(EBUSY);
        let remedy =
            if has_threads { "it has other threads; fork before they are started, or use Command" } else { "" };
        Error::kernel("fork", "this process", e, remedy).with_kind_if(has_threads, ErrorKind::Busy)
    };
    let owner = fork::prepare().map_err(refuse)?;
    let pid = fork::fork_alone(work).map_err(refuse)?;
    Child::adopt(pid, String::from("fork"), owner)
}
