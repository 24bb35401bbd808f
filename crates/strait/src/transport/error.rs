//! What can come of sending and receiving.

use crate::error::Error;
use std::fmt;

/// Why nothing was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room now.
    Full,
    /// There was no room in time.
    TimedOut,
    /// Nobody is there to receive, any more or yet.
    Disconnected,
    /// The message is longer than the mechanism, or the limit that was set for it, takes.
    TooLarge {
        /// Its length.
        len_bytes: usize,
        /// The longest that fits.
        max_bytes: usize,
    },
    /// The mechanism cannot carry a message without bytes: to a receiver it is the end.
    Empty,
    /// Something else stands in the way; the error says what.
    Failed(Error),
}

/// Why nothing was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// There is no message now.
    Empty,
    /// There was no message in time.
    TimedOut,
    /// Everything that was sent has been received, and nobody is there to send more.
    Disconnected,
    /// The sender went away in the middle of a message. The next call says `Disconnected`.
    Cut {
        /// How many of its bytes arrived.
        arrived_bytes: usize,
        /// How many it has.
        len_bytes: usize,
    },
    /// The sender wrote what cannot be. Every later call says the same.
    Fault {
        /// What it is about.
        what: &'static str,
        /// What was found.
        found: u64,
    },
    /// More descriptors came with the message than this process can take, so all that came were closed, and the message is lost.
    LostDescriptors,
    /// Something else stands in the way; the error says what.
    Failed(Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("there is no room now"),
            Self::TimedOut => f.write_str("there was no room until the time ran out"),
            Self::Disconnected => f.write_str("the receiver is gone"),
            Self::TooLarge { len_bytes, max_bytes } => {
                write!(f, "a message of {len_bytes} bytes is longer than the {max_bytes} bytes that fit")
            }
            Self::Empty => f.write_str("a message without bytes cannot be sent this way; send at least one byte"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no message now"),
            Self::TimedOut => f.write_str("no message came until the time ran out"),
            Self::Disconnected => f.write_str("the sender is gone"),
            Self::Cut { arrived_bytes, len_bytes } => {
                write!(f, "the sender went away after {arrived_bytes} of the {len_bytes} bytes of a message")
            }
            Self::LostDescriptors => f.write_str(
                "a message was lost, for this process can open no more of the descriptors that came with it; raise its limit (ulimit -n)",
            ),
            Self::Fault { what, found } => write!(f, "the sender wrote an impossible {what}: {found}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}
impl std::error::Error for RecvError {}

impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Error> for RecvError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
