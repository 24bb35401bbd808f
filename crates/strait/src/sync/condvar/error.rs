//! Why a wait did not end with a guard.

use crate::channel::Item;
use crate::sync::mutex::{Guard, Recovered};
use std::fmt;

/// Why there is no guard.
#[non_exhaustive]
pub enum WaitError<'a, T: Item> {
    /// The wait is over and the mutex is held, after a holder that died or panicked: look, and then [accept](Recovered::accept) or
    /// [repair](Recovered::repair) it.
    Recovered(Recovered<'a, T>),
    /// The guard is of another mutex than the condition. Nobody has waited.
    OtherMutex(Guard<'a, T>),
    /// This handle or the mutex's was made before a fork and is used in the child. Open one in the child.
    Forked,
}

/// Why a wait with a timeout did not end with a notification.
pub enum WaitTimeoutError<'a, T: Item> {
    /// Nobody notified until the time ran out. The mutex is held again.
    TimedOut(Guard<'a, T>),
    /// There is no guard.
    Failed(WaitError<'a, T>),
}

/// Why nobody was notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifyError {
    /// This handle was made before a fork and is used in the child. Open one in the child.
    Forked,
}

impl<T: Item> fmt::Display for WaitError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recovered(_) => {
                "the last holder of the lock has not finished; look at what it left, then accept or repair it"
            }
            Self::OtherMutex(_) => "the guard is of another mutex; make the condition of the one that is locked",
            Self::Forked => "this handle was made before a fork; open one in the child",
        })
    }
}

impl<T: Item> fmt::Display for WaitTimeoutError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(_) => f.write_str("nobody notified until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => f.write_str("this handle was made before a fork; open one in the child"),
        }
    }
}

impl<T: Item> fmt::Debug for WaitError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered(recovered) => f.debug_tuple("Recovered").field(&recovered.pid()).finish(),
            Self::OtherMutex(_) => f.write_str("OtherMutex"),
            Self::Forked => f.write_str("Forked"),
        }
    }
}

impl<T: Item> fmt::Debug for WaitTimeoutError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(_) => f.write_str("TimedOut"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<T: Item> std::error::Error for WaitError<'_, T> {}
impl<T: Item> std::error::Error for WaitTimeoutError<'_, T> {}
impl std::error::Error for NotifyError {}
