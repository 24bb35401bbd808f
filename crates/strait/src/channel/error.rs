//! What can come of an operation on a channel.

use crate::peer::Cause;
use crate::ring::PeerFault;
use std::fmt;

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The receiver is gone, and the channel is not restartable.
    Disconnected(Cause),
    /// The message is longer than half the capacity of the channel.
    TooLarge {
        /// Its length in bytes.
        len_bytes: u64,
        /// The longest that fits.
        max_bytes: u64,
    },
    /// The receiver wrote something impossible. This end is closed: every later call says the same.
    Fault(PeerFault),
    /// The other processes that may write to the region do not all run as this user, so its memory cannot be lent; send by copying.
    Untrusted,
    /// This end was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// The sender is gone, everything that it sent has been received, and the channel is not restartable.
    Disconnected(Cause),
    /// The sender wrote something impossible. This end is closed: every later call says the same.
    Fault(PeerFault),
    /// The other processes that may write to the region do not all run as this user, so its memory cannot be lent; receive by copying.
    Untrusted,
    /// This end was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why a call that never waits did not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrySendError {
    /// There is no room now.
    Full,
    /// It cannot be sent, now or later.
    Failed(SendError),
}

/// Why a call with a timeout did not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendTimeoutError {
    /// There was no room in time.
    TimedOut,
    /// It cannot be sent, now or later.
    Failed(SendError),
}

/// Why a call that never waits did not receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no message now.
    Empty,
    /// There will be none.
    Failed(RecvError),
}

/// Why a call with a timeout did not receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// There was no message in time.
    TimedOut,
    /// There will be none.
    Failed(RecvError),
}

/// Why a batch was not sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// How many of its messages were sent, from the front.
    pub sent: usize,
    /// Why the next one was not.
    pub error: SendError,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(cause) => cause.fmt(f),
            Self::TooLarge { len_bytes, max_bytes } => write!(
                f,
                "a message of {len_bytes} bytes is longer than the {max_bytes} bytes that fit; make the channel with a larger capacity"
            ),
            Self::Fault(fault) => fault.fmt(f),
            Self::Untrusted => {
                f.write_str("another user can write to the region, so its memory is not lent; send by copying")
            }
            Self::Forked => f.write_str("this end was made before a fork; make one in the child"),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(cause) => cause.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
            Self::Untrusted => {
                f.write_str("another user can write to the region, so its memory is not lent; receive by copying")
            }
            Self::Forked => f.write_str("this end was made before a fork; make one in the child"),
        }
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the channel is full"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for SendTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the channel stayed full until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the channel is empty"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no message came until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} messages: {}", self.sent, self.error)
    }
}

impl std::error::Error for SendError {}
impl std::error::Error for RecvError {}
impl std::error::Error for TrySendError {}
impl std::error::Error for SendTimeoutError {}
impl std::error::Error for TryRecvError {}
impl std::error::Error for RecvTimeoutError {}
impl std::error::Error for BatchError {}
