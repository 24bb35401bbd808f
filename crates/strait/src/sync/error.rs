//! Why a call that only waits did not see what it waited for: the same for all locks that nobody holds.

use std::fmt;

/// Why a handle can do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// This handle was made before a fork and is used in the child. Open one in the child.
    Forked,
}

/// Why a call that never waits has not seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryWaitError {
    /// It has not happened yet.
    NotYet,
    /// It cannot be seen.
    Failed(HandleError),
}

/// Why a call with a timeout has not seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitTimeoutError {
    /// It had not happened when the time ran out.
    TimedOut,
    /// It cannot be seen.
    Failed(HandleError),
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => f.write_str("this handle was made before a fork; open one in the child"),
        }
    }
}

impl fmt::Display for TryWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet => f.write_str("it has not happened yet"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for WaitTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("it had not happened when the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HandleError {}
impl std::error::Error for TryWaitError {}
impl std::error::Error for WaitTimeoutError {}
