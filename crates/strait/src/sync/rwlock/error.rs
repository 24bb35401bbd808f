//! Why somebody does not read.

use std::fmt;

/// Why there is no guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// This handle was made before a fork and is used in the child. Open one in the child.
    Forked,
}

/// Why a call that never waits does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryReadError {
    /// Somebody writes, or waits to write, and is alive as far as is known.
    Locked,
    /// There is no guard.
    Failed(ReadError),
}

/// Why a call with a timeout does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadTimeoutError {
    /// Somebody wrote until the time ran out.
    TimedOut,
    /// There is no guard.
    Failed(ReadError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => f.write_str("this handle was made before a fork; open one in the child"),
        }
    }
}

impl fmt::Display for TryReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("another user writes, or is about to"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ReadTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("other users wrote until the time ran out; holders() says who"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}
impl std::error::Error for TryReadError {}
impl std::error::Error for ReadTimeoutError {}
