//! An eventfd as a semaphore: it wakes who waits or polls, and counts.
//!
//! A message has no bytes: only how many were sent matters. It takes one descriptor, handed to a child or passed over a Unix socket, and
//! both ends are the same.
//!
//! See [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html).

use crate::error::{Error, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::stream::too_large;
use crate::transport::wait::kernel;
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Patience};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_sys::poll::{Interest, poll_one};
use strait_sys::{eventfd, open};

/// An end of an eventfd, which sends and receives.
#[derive(Debug)]
pub struct Counter {
    fd: OwnedFd,
}

/// A new eventfd, twice. Two system calls.
///
/// # Errors
/// `Kernel`: too many descriptors.
pub fn pair() -> Result<(Counter, Counter)> {
    let refuse = |e| Error::kernel("make", "an eventfd", e, "close descriptors");
    let fd = eventfd::semaphore().map_err(refuse)?;
    let twin = open::duplicate(fd.as_fd()).map_err(refuse)?;
    Ok((Counter { fd }, Counter { fd: twin }))
}

impl Counter {
    /// An end on a descriptor that was inherited or received; it must have been made by [`pair`].
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    fn wait(&self, interest: Interest, patience: Patience) -> io::Result<bool> {
        let timeout = match patience {
            Patience::None => return Ok(false),
            Patience::Until(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            Patience::Endless => None::<Duration>,
        };
        poll_one(self.fd.as_fd(), interest, timeout)
    }
}

impl MessageSender for Counter {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if !message.is_empty() {
            return Err(too_large(message.len(), 0));
        }
        loop {
            match eventfd::try_add(self.fd.as_fd()) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(e) => return Err(kernel("add to", "an eventfd", e).into()),
            }
            if !self.wait(Interest::Write, patience).map_err(|e| kernel("add to", "an eventfd", e))? {
                return Err(if patience == Patience::None { SendError::Full } else { SendError::TimedOut });
            }
        }
    }

    fn message_bytes_max(&self) -> usize {
        0
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Eventfd
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

impl MessageReceiver for Counter {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        loop {
            match eventfd::eventfd_clear(self.fd.as_fd()) {
                Ok(true) => {
                    into.clear();
                    return Ok(());
                }
                Ok(false) => {}
                Err(e) => return Err(kernel("take from", "an eventfd", e).into()),
            }
            if !self.wait(Interest::Read, patience).map_err(|e| kernel("take from", "an eventfd", e))? {
                return Err(if patience == Patience::None { RecvError::Empty } else { RecvError::TimedOut });
            }
        }
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Eventfd
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}
