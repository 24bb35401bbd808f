//! What can come of reading a watch.

use crate::channel::hub::End;
use crate::peer::Cause;
use crate::ring::PeerFault;
use std::fmt;

/// Why no value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The writer is gone, there is no value that was not read, and the channel is not restartable. A value that was set stays
    /// readable by `get`.
    Disconnected(Cause),
    /// The writer was faster than this reader many times in a row: nothing whole was copied. Try again, or make the channel with more
    /// copies.
    Busy,
    /// The writer wrote something impossible. This end is closed: every later call says the same.
    Fault(PeerFault),
    /// This end was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why a call that never waits read nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryReadError {
    /// There is no value, or no newer one, yet.
    NotYet,
    /// It cannot be read.
    Failed(ReadError),
}

/// Why a call with a timeout read nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadTimeoutError {
    /// There was no value, or no newer one, in time.
    TimedOut,
    /// It cannot be read.
    Failed(ReadError),
}

impl From<End> for ReadError {
    fn from(end: End) -> Self {
        match end {
            End::Fault(fault) => Self::Fault(fault),
            End::Forked => Self::Forked,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(cause) => cause.fmt(f),
            Self::Busy => f.write_str(
                "the writer was faster each time; try again, or make the channel with more copies (Options::copies)",
            ),
            Self::Fault(fault) => fault.fmt(f),
            Self::Forked => f.write_str("this end was made before a fork; make one in the child"),
        }
    }
}

impl fmt::Display for TryReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet => f.write_str("no newer value has been set"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ReadTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no newer value was set until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}
impl std::error::Error for TryReadError {}
impl std::error::Error for ReadTimeoutError {}
