//! Why a mutex was not locked.

use super::Recovered;
use crate::channel::Item;
use std::fmt;

/// Why there is no guard.
#[non_exhaustive]
pub enum LockError<'a, T: Item> {
    /// It is locked, after a holder that died or panicked: look, and then [accept](Recovered::accept) or [repair](Recovered::repair) it.
    Recovered(Recovered<'a, T>),
    /// This handle was made before a fork and is used in the child. Open one in the child.
    Forked,
}

/// Why a call that never waits did not lock.
pub enum TryLockError<'a, T: Item> {
    /// Somebody holds it, and is alive as far as is known.
    Locked,
    /// There is no guard.
    Failed(LockError<'a, T>),
}

/// Why a call with a timeout did not lock.
pub enum LockTimeoutError<'a, T: Item> {
    /// Somebody held it until the time ran out.
    TimedOut,
    /// There is no guard.
    Failed(LockError<'a, T>),
}

impl<T: Item> fmt::Display for LockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered(recovered) => {
                f.write_str("the last holder of the lock ")?;
                if let Some(pid) = recovered.pid() {
                    write!(f, "(process {pid}) ")?;
                }
                f.write_str("has not finished; look at what it left, then accept or repair it")
            }
            Self::Forked => f.write_str("this handle was made before a fork; open one in the child"),
        }
    }
}

impl<T: Item> fmt::Display for TryLockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("another user holds the lock"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<T: Item> fmt::Display for LockTimeoutError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("another user held the lock until the time ran out; holder() says who"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<T: Item> fmt::Debug for LockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered(recovered) => f.debug_tuple("Recovered").field(&recovered.pid()).finish(),
            Self::Forked => f.write_str("Forked"),
        }
    }
}

impl<T: Item> fmt::Debug for TryLockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("Locked"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<T: Item> fmt::Debug for LockTimeoutError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<T: Item> std::error::Error for LockError<'_, T> {}
impl<T: Item> std::error::Error for TryLockError<'_, T> {}
impl<T: Item> std::error::Error for LockTimeoutError<'_, T> {}
