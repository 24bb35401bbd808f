//! Why a barrier was not passed.

use crate::peer::Cause;
use std::fmt;

/// Why nobody passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// A participant will not come. [Put it right](super::Barrier::reset) when there is a successor.
    Broken {
        /// The process id that it wrote, for people to read; `None` where its seat has another owner by now.
        pid: Option<u32>,
        /// Whether it died or left.
        cause: Cause,
    },
    /// It was broken while we waited, and has been put right since: come again.
    Reset,
    /// This handle was made before a fork and is used in the child. Open one in the child.
    Forked,
}

/// Why a call that never waits did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryWaitError {
    /// Somebody else has not come yet.
    Missing,
    /// Nobody passes.
    Failed(WaitError),
}

/// Why a call with a timeout did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitTimeoutError {
    /// Somebody had not come when the time ran out; we have gone again.
    TimedOut,
    /// Nobody passes.
    Failed(WaitError),
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { pid, cause } => {
                f.write_str("a participant of the barrier ")?;
                if let Some(pid) = pid {
                    write!(f, "(process {pid}) ")?;
                }
                let how = if *cause == Cause::Left { "left" } else { "died" };
                write!(f, "has {how} before it came; reset the barrier when it has a successor")
            }
            Self::Reset => f.write_str("the barrier was broken and put right while this one waited; come again"),
            Self::Forked => f.write_str("this handle was made before a fork; open one in the child"),
        }
    }
}

impl fmt::Display for TryWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("a participant has not come yet; missing() says who"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for WaitTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("a participant had not come when the time ran out; missing() says who"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WaitError {}
impl std::error::Error for TryWaitError {}
impl std::error::Error for WaitTimeoutError {}
