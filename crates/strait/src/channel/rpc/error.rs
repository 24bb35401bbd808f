//! What can come of a call and of an answer.

use crate::peer::Cause;
use crate::ring::PeerFault;
use std::fmt;

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// All servers are gone, and none of them had begun with the request: it has not been done and will not be.
    Disconnected(Cause),
    /// The server that was at the request died, or left, without an answer. How far it had come is not known. The request is not
    /// repeated: that is for the caller to decide.
    ServerDied,
    /// The server says that it cannot answer, with a code of the user's own ([`Request::fail`](super::Request::fail)).
    Failed(u32),
    /// The server dropped the request without an answer.
    Dropped,
    /// As many calls are in flight as this client may have, and none of them will be over by waiting: take their answers first.
    Full,
    /// The request is longer than the channel was made for.
    TooLarge {
        /// Its length in bytes.
        len_bytes: u64,
        /// The longest that fits.
        max_bytes: u64,
    },
    /// The answer has been taken already.
    Taken,
    /// The other processes that may write to the region do not all run as this user, so its memory cannot be lent; call by copying.
    Untrusted,
    /// Somebody wrote something impossible. This end is closed: every later call says the same.
    Fault(PeerFault),
    /// This end was made before a fork and is used in the child. Make one in the child.
    Forked,
}

/// Why a call with a timeout has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallTimeoutError {
    /// There was none in time.
    TimedOut,
    /// There will be none.
    Failed(CallError),
}

/// Why there is no answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryWaitError {
    /// There may be one later.
    NotYet,
    /// There will be none.
    Failed(CallError),
}

/// Why an answer was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is longer than the channel was made for. The caller is told that its request was dropped.
    TooLarge {
        /// Its length in bytes.
        len_bytes: u64,
        /// The longest that fits.
        max_bytes: u64,
    },
    /// The other processes that may write to the region do not all run as this user, so its memory cannot be lent; answer by copying.
    Untrusted,
    /// The request was taken before a fork and is answered in the child. It is the parent's.
    Forked,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(Cause::Left) => {
                f.write_str("all servers have left, and none has begun with the request")
            }
            Self::Disconnected(Cause::Died) => f.write_str("all servers are gone, and none has begun with the request"),
            Self::ServerDied => f.write_str("the server died over the request; call again if it may be done twice"),
            Self::Failed(code) => write!(f, "the server could not answer (code {code})"),
            Self::Dropped => f.write_str("the server dropped the request"),
            Self::Full => f.write_str(
                "all calls of this client are in flight; wait for one, or make the channel with more in flight",
            ),
            Self::TooLarge { len_bytes, max_bytes } => write!(
                f,
                "a request of {len_bytes} bytes is longer than the {max_bytes} bytes that fit; make the channel with longer requests"
            ),
            Self::Taken => f.write_str("the answer has been taken already"),
            Self::Untrusted => {
                f.write_str("another user can write to the region, so its memory is not lent; call by copying")
            }
            Self::Fault(fault) => fault.fmt(f),
            Self::Forked => f.write_str("this end was made before a fork; make one in the child"),
        }
    }
}

impl fmt::Display for CallTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer came until the time ran out"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TryWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet => f.write_str("there is no answer yet"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len_bytes, max_bytes } => write!(
                f,
                "an answer of {len_bytes} bytes is longer than the {max_bytes} bytes that fit; make the channel with longer answers"
            ),
            Self::Untrusted => {
                f.write_str("another user can write to the region, so its memory is not lent; answer by copying")
            }
            Self::Forked => f.write_str("the request was taken before a fork; it is the parent's to answer"),
        }
    }
}

impl std::error::Error for CallError {}
impl std::error::Error for CallTimeoutError {}
impl std::error::Error for TryWaitError {}
impl std::error::Error for AnswerError {}

impl From<CallError> for CallTimeoutError {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

impl From<CallError> for TryWaitError {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}
