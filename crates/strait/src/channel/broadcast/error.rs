//! What can come of an operation.

use crate::channel::hub::End;
use crate::peer::Cause;
use crate::ring::PeerFault;
use std::fmt;

/// Why nothing was published. That there is nobody to read it is no reason: subscribers come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The message is longer than the channel was made for.
    TooLarge {
        /// Its length in bytes.
        len_bytes: u64,
        /// The longest that fits.
        max_bytes: u64,
    },
    /// Somebody wrote something impossible. This publisher is closed: every later call says the same.
    Fault(PeerFault),
    /// The other processes that may write to the region do not all run as this user, so its memory cannot be lent; publish by copying.
    Untrusted,
    /// This publisher was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// So many messages were overwritten before they were read ([`super::Policy::DropOldest`]). Said once; the next call goes on with
    /// the oldest message there is.
    Lagged(u64),
    /// All publishers are gone, everything that they published has been received, and the channel is not restartable.
    Disconnected(Cause),
    /// A publisher wrote something impossible. This subscriber is closed: every later call says the same.
    Fault(PeerFault),
    /// The other processes that may write to the region do not all run as this user, so its memory cannot be lent; receive by copying.
    Untrusted,
    /// The publishers do not wait for subscribers, so a lent message could change under its reader; receive by copying, or make the
    /// channel with [`super::Options::blocks`].
    Overwritable,
    /// The channel was made without [`super::Options::blocks`], so messages lie in their slots, and none can be held.
    NoBlocks,
    /// This subscriber was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why a call that never waits did not publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPublishError {
    /// The slowest subscriber is a whole lane behind; or subscribers hold all blocks that are not for messages still to be read.
    Full,
    /// It cannot be published, now or later.
    Failed(PublishError),
}

/// Why a call with a timeout did not publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishTimeoutError {
    /// The slowest subscriber stayed a whole lane behind; or subscribers held all blocks that are not for messages still to be read.
    TimedOut,
    /// It cannot be published, now or later.
    Failed(PublishError),
}

/// Why a call that never waits did not receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no message now.
    Empty,
    /// There is none to be had, or some were lost.
    Failed(RecvError),
}

/// Why a call with a timeout did not receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// There was no message in time.
    TimedOut,
    /// There is none to be had, or some were lost.
    Failed(RecvError),
}

/// Why a batch was not published to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishBatchError {
    /// How many of its messages were published, from the front.
    pub published: usize,
    /// Why the next one was not.
    pub error: PublishError,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len_bytes, max_bytes } => write!(
                f,
                "a message of {len_bytes} bytes is longer than the {max_bytes} bytes that fit; make the channel with a larger max_message_bytes"
            ),
            Self::Fault(fault) => fault.fmt(f),
            Self::Untrusted => {
                f.write_str("another user can write to the region, so its memory is not lent; publish by copying")
            }
            Self::Forked => f.write_str("this publisher was made before a fork; make one in the child"),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(count) => write!(
                f,
                "{count} messages were overwritten before they were read; read faster, or make the channel with a larger capacity"
            ),
            Self::Disconnected(cause) => cause.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
            Self::Untrusted => {
                f.write_str("another user can write to the region, so its memory is not lent; receive by copying")
            }
            Self::Overwritable => f.write_str(
                "publishers of this channel do not wait, so a lent message could change; receive by copying, or make it with blocks",
            ),
            Self::NoBlocks => f.write_str(
                "the channel was made without blocks, so a message cannot be held; receive by copying, or make it with blocks",
            ),
            Self::Forked => f.write_str("this subscriber was made before a fork; make one in the child"),
        }
    }
}

impl fmt::Display for TryPublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the slowest subscriber is a whole lane behind, or all blocks are held"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PublishTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str(
                "the slowest subscriber stayed a whole lane behind, or all blocks were held, until the time ran out",
            ),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no message"),
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

impl fmt::Display for PublishBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} messages: {}", self.published, self.error)
    }
}

impl std::error::Error for PublishError {}
impl std::error::Error for RecvError {}
impl std::error::Error for TryPublishError {}
impl std::error::Error for PublishTimeoutError {}
impl std::error::Error for TryRecvError {}
impl std::error::Error for RecvTimeoutError {}
impl std::error::Error for PublishBatchError {}

impl From<End> for PublishError {
    fn from(end: End) -> Self {
        match end {
            End::Fault(fault) => Self::Fault(fault),
            End::Forked => Self::Forked,
        }
    }
}

impl From<End> for RecvError {
    fn from(end: End) -> Self {
        match end {
            End::Fault(fault) => Self::Fault(fault),
            End::Forked => Self::Forked,
        }
    }
}
