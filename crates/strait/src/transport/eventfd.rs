//! An eventfd as a semaphore: it wakes who waits or polls, and counts.
//!
//! A message has no bytes: only how many were sent matters. It takes one descriptor, handed to a child or passed over a Unix socket, and
//! both ends are the same.
//!
//! See [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html).

use crate::error::{Error, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::wait::{patiently, polled};
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Patience};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use strait_sys::poll::Interest;
use strait_sys::{eventfd, open};

const OBJECT: &str = "an eventfd";

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
    let (fd, twin) = ends()?;
    Ok((Counter { fd }, Counter { fd: twin }))
}

/// Two descriptors of a new one.
pub(crate) fn ends() -> Result<(OwnedFd, OwnedFd)> {
    let refuse = |e| Error::kernel("make", OBJECT, e, "raise the limit on open files (ulimit -n)");
    let fd = eventfd::semaphore().map_err(refuse)?;
    let twin = open::duplicate(fd.as_fd()).map_err(refuse)?;
    Ok((fd, twin))
}

impl Counter {
    /// An end on a descriptor that was inherited or received; it must have been made by [`pair`].
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl MessageSender for Counter {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if !message.is_empty() {
            return Err(SendError::TooLarge { len_bytes: message.len(), max_bytes: 0 });
        }
        let fd = self.fd.as_fd();
        let sent = patiently(patience, polled(fd, Interest::Write), |wait| eventfd::add(fd, wait));
        sent.map_err(|refusal| refusal.of_send(OBJECT, 0, 0))
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
        let fd = self.fd.as_fd();
        let received = patiently(patience, polled(fd, Interest::Read), |wait| eventfd::take(fd, wait));
        received.map_err(|refusal| refusal.of_recv(OBJECT))?;
        into.clear();
        Ok(())
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Eventfd
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}
