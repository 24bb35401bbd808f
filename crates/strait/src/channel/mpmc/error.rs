//! What can come of an operation on a queue.

use crate::peer::Cause;
use crate::ring::PeerFault;
use std::fmt;

/// Why nothing was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError {
    /// All workers are gone, and the queue is not restartable.
    Disconnected(Cause),
    /// The job is longer than a slot of the queue.
    TooLarge {
        /// Its length in bytes.
        len_bytes: u64,
        /// The longest that fits.
        max_bytes: u64,
    },
    /// The queue has no such kind.
    NoSuchKind {
        /// What was asked for.
        kind: u32,
        /// How many there are; they are numbered from 0.
        kinds: u32,
    },
    /// The other processes that may write to the region do not all run as this user, so its memory cannot be lent; push by copying.
    Untrusted,
    /// Somebody wrote something impossible. This handle is closed: every later call says the same.
    Fault(PeerFault),
    /// This handle was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why there is no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PopError {
    /// All producers are gone, every job has been done, and the queue is not restartable.
    Disconnected(Cause),
    /// Somebody wrote something impossible. This handle is closed: every later call says the same.
    Fault(PeerFault),
    /// This handle was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why a call that never waits did not push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPushError {
    /// There is no room now.
    Full,
    /// It cannot be pushed, now or later.
    Failed(PushError),
}

/// Why a call with a timeout did not push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushTimeoutError {
    /// There was no room in time.
    TimedOut,
    /// It cannot be pushed, now or later.
    Failed(PushError),
}

/// Why a call that never waits found no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPopError {
    /// There is no job now.
    Empty,
    /// There will be none.
    Failed(PopError),
}

/// Why a call with a timeout found no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopTimeoutError {
    /// There was no job in time.
    TimedOut,
    /// There will be none.
    Failed(PopError),
}

/// Why a batch was not pushed to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushBatchError {
    /// How many of its jobs were pushed, from the front.
    pub pushed: usize,
    /// Why the next one was not.
    pub error: PushError,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(cause) => write!(f, "no worker is left to do it: the last {}", gone(*cause)),
            Self::TooLarge { len_bytes, max_bytes } => write!(
                f,
                "a job of {len_bytes} bytes is longer than the {max_bytes} bytes that fit; make the queue with a larger job_max_bytes"
            ),
            Self::NoSuchKind { kind, kinds } => {
                write!(f, "there is no kind {kind}, the queue has {kinds}, numbered from 0; make it with more kinds")
            }
            Self::Untrusted => {
                f.write_str("another user can write to the region, so its memory is not lent; push by copying")
            }
            Self::Fault(fault) => fault.fmt(f),
            Self::Forked => f.write_str("this handle was made before a fork; make one in the child"),
        }
    }
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(cause) => {
                write!(f, "all jobs are done and no producer is left: the last {}", gone(*cause))
            }
            Self::Fault(fault) => fault.fmt(f),
            Self::Forked => f.write_str("this handle was made before a fork; make one in the child"),
        }
    }
}

fn gone(cause: Cause) -> &'static str {
    match cause {
        Cause::Left => "has left",
        Cause::Died => "has died",
    }
}

impl fmt::Display for TryPushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the queue is full"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PushTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the queue stayed full until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TryPopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the queue is empty"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PopTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no job came until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PushBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} jobs of the batch: {}", self.pushed, self.error)
    }
}

impl std::error::Error for PushError {}
impl std::error::Error for PopError {}
impl std::error::Error for TryPushError {}
impl std::error::Error for PushTimeoutError {}
impl std::error::Error for TryPopError {}
impl std::error::Error for PopTimeoutError {}
impl std::error::Error for PushBatchError {}
