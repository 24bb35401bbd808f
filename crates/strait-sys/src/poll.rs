//! `poll(2)`: sleep until one of several descriptors has something to say.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// Waits until one of `fds` is readable, at its end or broken, and returns the index of the first such; `None` when `timeout`
/// has run out (zero only looks). Without a timeout, or with one beyond what the clock can count, it waits for ever.
///
/// A signal does not end the wait: it goes on with the time that is left. Uses no CPU.
///
/// # Errors
///
/// `EINVAL`: more descriptors than `RLIMIT_NOFILE`. `ENOMEM`.
///
/// References: <https://man7.org/linux/man-pages/man2/poll.2.html>.
#[doc(alias = "ppoll")]
pub fn poll_readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Option<usize>> {
    let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
    let mut set: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let left = left.and_then(|d| Timespec::try_from(d).ok());
        match rustix::event::poll(&mut set, left.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(set.iter().position(|fd| !fd.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not: `EAGAIN` instead.
    No,
    /// As long as it takes, where the descriptor blocks. A signal handler ends it with `EINTR`.
    Yes,
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// There is something to read, or the end.
    Read,
    /// There is room to write, or nobody to read it.
    Write,
}

/// Waits until `fd` is ready for this, at its end or broken; `false` when `timeout` has run out (zero only looks). As
/// [`poll_readable`] else.
pub fn poll_one(fd: BorrowedFd<'_>, interest: Interest, timeout: Option<Duration>) -> io::Result<bool> {
    let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
    let flags = match interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
    };
    let mut set = [PollFd::from_borrowed_fd(fd, flags)];
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let left = left.and_then(|d| Timespec::try_from(d).ok());
        match rustix::event::poll(&mut set, left.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether `fd` can be written to now, or nobody reads it any more. Only looks; one system call.
///
/// # Errors
///
/// `ENOMEM`. References: <https://man7.org/linux/man-pages/man2/poll.2.html>.
pub fn is_writable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let set = &mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    Ok(rustix::io::retry_on_intr(|| rustix::event::poll(set, Some(&now)))? > 0)
}
