//! `pidfd_send_signal(2)`: a signal to exactly this process, never to a later one with the same pid.
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroI32;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::Signal;

pub use libc::{SIGCONT, SIGKILL, SIGTERM};

/// Sends signal number `signal` to the process behind `pidfd`; `false` if that has ended and was waited for.
///
/// # Errors
///
/// `EPERM`: it belongs to somebody else. `EINVAL`: no such signal (0, the test for
/// existence, is refused too: poll the pidfd instead).
///
/// Does not block. References: <https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html>.
#[doc(alias = "kill")]
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<bool> {
    let signal = known(signal).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    match rustix::process::pidfd_send_signal(pidfd, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn known(number: i32) -> Option<Signal> {
    if let Some(named) = Signal::from_named_raw(number) {
        return Some(named);
    }
    let number = NonZeroI32::new(number)?;
    if !(libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number.get()) {
        return None;
    }
    // SAFETY: the number must not be one that the C library keeps to itself; those are below SIGRTMIN(), which is the C
    // library's own answer to which real-time signals programs may use.
    Some(unsafe { Signal::from_raw_nonzero_unchecked(number) })
}
