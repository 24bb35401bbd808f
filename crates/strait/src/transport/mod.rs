//! The classic mechanisms of Unix behind one pair of traits, so that they can be swapped and compared.
//!
//! ```text
//!                 send / try_send / send_timeout
//!   MessageSender ------------------------------> | pipe, FIFO, socket, queue, signal ... | ---> MessageReceiver
//!                                                                          recv / try_recv / recv_timeout
//! ```
//!
//! | you want | look at | what is lost with it |
//! |---|---|---|
//! | bytes to a child | [`pipe`] | both ends must be inherited or passed |
//! | the same between strangers | [`fifo`] | one direction; who is at the other end |
//! | messages both ways, with credentials and descriptors | [`unix`] | speed, against shared memory |
//! | what also goes between machines | [`inet`] | the most speed |
//! | priorities | [`posix_mq`] | size: 8 KiB and ten messages, as a rule |
//! | selection by type, old programs | [`sysv_msg`] | waiting with a time; cleaning up |
//! | a number to a process whose pid is known | [`signal`] | size: 7 bytes |
//! | to wake somebody who polls | [`eventfd`] | messages: it counts |
//! | all of it fast, and safe from crashes and lies | [`crate::channel`] | nothing but other machines |
//!
//! What each can do is in [`Mechanism::capabilities`], and as a table in `docs/transports.md`, which is made of it.
//!
//! ```
//! use strait::transport::{MessageReceiver, MessageSender, Options, pipe};
//!
//! let (mut tx, mut rx) = pipe::pair(&Options::new())?;
//! tx.send(b"hello")?;
//! let mut message = Vec::new();
//! rx.recv(&mut message)?;
//! assert_eq!(message, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds for all
//!
//! 1. A message arrives whole or not at all. Where the mechanism has no boundaries, each message is preceded by its length, 4 bytes,
//!    little-endian; both ends must be ours then, or know that.
//! 2. `send` and `recv` wait in the kernel, without using CPU (but for 5 us where a stream is about to go on); `try_` never waits;
//!    `_timeout` goes by the monotonic clock. Signals that interrupt do not end a wait.
//! 3. A peer that is gone is [`SendError::Disconnected`] or [`RecvError::Disconnected`], never `SIGPIPE` (but see [`pipe`]). Whether it
//!    left or died the kernel does not tell; what it had sent before is received first.
//! 4. Lengths that a peer wrote are held against our own limit ([`Options::message_bytes_max`]) before anything is done with them.

mod bound;
mod capability;
mod error;
pub mod eventfd;
pub mod fifo;
pub mod inet;
mod options;
mod packet;
pub mod pipe;
pub mod posix_mq;
pub mod signal;
mod stream;
pub mod sysv_msg;
pub mod unix;
mod wait;

pub use capability::{Boundaries, Capabilities, Mechanism, Order, Survival, Users, table};
pub use error::{RecvError, SendError};
pub use options::Options;
pub use packet::{PacketReceiver, PacketSender};
pub use stream::{StreamReceiver, StreamSender};

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until then.
    Until(Instant),
    /// For ever.
    Endless,
}

impl Patience {
    /// For this long from now; for ever, where that is beyond what the clock can count.
    #[must_use]
    pub fn lasting(timeout: Duration) -> Self {
        Instant::now().checked_add(timeout).map_or(Self::Endless, Self::Until)
    }
}

/// The end of a mechanism that sends.
pub trait MessageSender: Send {
    /// Sends a message, if there is room or there will be in time. One system call while there is room.
    ///
    /// # Errors
    /// [`SendError::Full`] without patience, [`SendError::TimedOut`] with some; then nothing was sent.
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError>;

    /// Sends a message; waits for room.
    ///
    /// # Errors
    /// As [`Self::send_with`].
    fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_with(message, Patience::Endless)
    }

    /// Sends a message, if there is room now.
    ///
    /// # Errors
    /// As [`Self::send_with`].
    fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_with(message, Patience::None)
    }

    /// Sends a message; waits for room, for `timeout` at the most.
    ///
    /// # Errors
    /// As [`Self::send_with`].
    fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_with(message, Patience::lasting(timeout))
    }

    /// Sends what is left of the last message, of which there was room for a part only. Framed mechanisms keep such a rest when they are not
    /// to wait, and send it before the next message; for the others there is nothing to do.
    ///
    /// # Errors
    /// As [`Self::send_with`]; what is left stays then.
    fn flush_with(&mut self, patience: Patience) -> Result<(), SendError> {
        let _ = patience;
        Ok(())
    }

    /// The longest message.
    fn message_bytes_max(&self) -> usize;

    /// What this is.
    fn mechanism(&self) -> Mechanism;

    /// What can be polled for room, where there is such a thing.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}

/// The end of a mechanism that receives.
pub trait MessageReceiver: Send {
    /// Puts the next message in place of what is in `into`, if there is one or there will be in time.
    ///
    /// # Errors
    /// [`RecvError::Empty`] without patience, [`RecvError::TimedOut`] with some.
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError>;

    /// Receives a message; waits for it.
    ///
    /// # Errors
    /// As [`Self::recv_with`].
    fn recv(&mut self, into: &mut Vec<u8>) -> Result<(), RecvError> {
        self.recv_with(into, Patience::Endless)
    }

    /// Receives a message, if there is one now.
    ///
    /// # Errors
    /// As [`Self::recv_with`].
    fn try_recv(&mut self, into: &mut Vec<u8>) -> Result<(), RecvError> {
        self.recv_with(into, Patience::None)
    }

    /// Receives a message; waits for it, for `timeout` at the most.
    ///
    /// # Errors
    /// As [`Self::recv_with`].
    fn recv_timeout(&mut self, into: &mut Vec<u8>, timeout: Duration) -> Result<(), RecvError> {
        self.recv_with(into, Patience::lasting(timeout))
    }

    /// What this is.
    fn mechanism(&self) -> Mechanism;

    /// What can be polled for a message, where there is such a thing. One end may hold messages that it has read ahead: so try to receive
    /// until there is none before polling.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}
