//! How a call on a descriptor waits.

use crate::error::Error;
use crate::transport::Patience;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;
use strait_sys::poll::{Interest, poll_one};

/// Whether the descriptor is ready, or is so in time. Does not enter the kernel where patience is endless: the call itself waits there.
pub(super) fn is_ready(fd: BorrowedFd<'_>, interest: Interest, patience: Patience) -> io::Result<bool> {
    match patience {
        Patience::Endless => Ok(true),
        Patience::None => poll_one(fd, interest, Some(std::time::Duration::ZERO)),
        Patience::Until(deadline) => poll_one(fd, interest, Some(deadline.saturating_duration_since(Instant::now()))),
    }
}

/// What the kernel said, as a call on a message sees it.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing can be done now; or only by waiting.
    Again,
    /// A signal handler ran.
    Interrupted,
    /// Nobody is at the other end.
    Gone,
    /// Longer than the kernel takes.
    TooLarge,
    Other(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        use strait_sys::errno::{EMSGSIZE, ENOBUFS, ENOTCONN};
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::Again,
            io::ErrorKind::Interrupted => Self::Interrupted,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused => Self::Gone,
            _ => match error.raw_os_error() {
                Some(EMSGSIZE) => Self::TooLarge,
                Some(ENOBUFS) => Self::Again,
                Some(ENOTCONN) => Self::Gone,
                _ => Self::Other(error),
            },
        }
    }
}

/// The kernel's refusal of an operation on an end.
pub(super) fn kernel(verb: &str, what: &str, error: io::Error) -> Error {
    Error::kernel(verb, what, error, "")
}
