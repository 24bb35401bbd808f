//! How a call waits: it is tried; where it cannot be done now, its descriptor is polled, and it is tried again.
//!
//! 1. A call whose patience is endless waits in the kernel: one system call. Where the descriptor does not block, a FIFO's to write
//!    to or one that another program has set so, it is polled.
//! 2. Any other call is told not to wait, in the call itself: being ready is a hint only, for another user of the same end may be faster.
//! 3. A signal handler that runs meanwhile does not end the wait, which goes on with the time that is left.
//! 4. What cannot be polled is looked at again, at intervals that grow from 50 us to 5 ms.

use crate::error::Error;
use crate::transport::Patience;
use crate::transport::error::{RecvError, SendError};
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use strait_sys::errno::{EMSGSIZE, ENOTCONN};
use strait_sys::poll::{Interest, Wait, poll_one};

/// See rule 4.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// Why a call was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It would have had to wait, and was not to.
    NotNow,
    /// It has waited, and the time is up.
    Late,
    /// Nobody is at the other end.
    Gone,
    /// Longer than the kernel takes.
    TooLarge,
    Other(io::Error),
}

/// Calls until it is done or the patience ends; `ready` waits in between, and says `false` when the time is up.
pub(super) fn patiently<T>(
    patience: Patience,
    mut ready: impl FnMut(Patience) -> io::Result<bool>,
    mut call: impl FnMut(Wait) -> io::Result<T>,
) -> Result<T, Refusal> {
    let wait = if patience == Patience::Endless { Wait::Yes } else { Wait::No };
    loop {
        let error = match call(wait) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::Interrupted => continue,
            io::ErrorKind::WouldBlock => {}
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused => {
                return Err(Refusal::Gone);
            }
            _ => {
                return Err(match error.raw_os_error() {
                    Some(EMSGSIZE) => Refusal::TooLarge,
                    Some(ENOTCONN) => Refusal::Gone,
                    _ => Refusal::Other(error),
                });
            }
        }
        if !ready(patience).map_err(Refusal::Other)? {
            return Err(if patience == Patience::None { Refusal::NotNow } else { Refusal::Late });
        }
    }
}

/// What [`patiently`] waits with: until a descriptor is ready, at its end or broken.
pub(super) fn polled(fd: BorrowedFd<'_>, interest: Interest) -> impl FnMut(Patience) -> io::Result<bool> {
    // It was tried a moment ago.
    move |patience| if patience == Patience::None { Ok(false) } else { is_ready(fd, interest, patience) }
}

/// Whether a descriptor is ready, at its end or broken, or is so in time.
pub(super) fn is_ready(fd: BorrowedFd<'_>, interest: Interest, patience: Patience) -> io::Result<bool> {
    match patience {
        Patience::None => poll_one(fd, interest, Some(Duration::ZERO)),
        Patience::Until(deadline) => poll_one(fd, interest, Some(left(deadline))),
        Patience::Endless => poll_one(fd, interest, None),
    }
}

/// What [`patiently`] waits with where nothing can be polled: a while (rule 4).
pub(super) fn paused() -> impl FnMut(Patience) -> io::Result<bool> {
    let mut pause = PAUSE_MIN;
    move |patience| {
        let left = match patience {
            Patience::None => Duration::ZERO,
            Patience::Until(deadline) => left(deadline),
            Patience::Endless => PAUSE_MAX,
        };
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(PAUSE_MAX);
        Ok(true)
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

impl Refusal {
    /// As an answer to who sends a message of `len_bytes` to `object`, which takes `max_bytes` at the most.
    pub(super) fn of_send(self, object: impl fmt::Display, len_bytes: usize, max_bytes: usize) -> SendError {
        match self {
            Self::NotNow => SendError::Full,
            Self::Late => SendError::TimedOut,
            Self::Gone => SendError::Disconnected,
            Self::TooLarge => SendError::TooLarge { len_bytes, max_bytes },
            Self::Other(error) => SendError::Failed(Error::kernel("send to", object, error, "")),
        }
    }

    /// As an answer to who receives from `object`.
    pub(super) fn of_recv(self, object: impl fmt::Display) -> RecvError {
        match self {
            Self::NotNow => RecvError::Empty,
            Self::Late => RecvError::TimedOut,
            Self::Gone => RecvError::Disconnected,
            Self::TooLarge => RecvError::Fault { what: "message length", found: 0 },
            Self::Other(error) => RecvError::Failed(Error::kernel("receive from", object, error, "")),
        }
    }
}
