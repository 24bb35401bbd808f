//! strait's own channels of bytes behind the traits of the classic mechanisms.
//!
//! | | what `send` and `recv` are | and then |
//! |---|---|---|
//! | `spsc` | `send`, `recv_into` | |
//! | `mpmc` | `push` of kind 0, `pop` of any | the job is acknowledged as it is received: one that a killed worker had received is not given out again |
//! | `broadcast` | `publish`, `recv_into` | what a subscriber has missed ([`broadcast::RecvError::Lagged`]) is an error, once |
//!
//! That the other side left or died is `Disconnected` alike: the channels' own calls tell which.

use crate::channel::{self, PeerFault, broadcast, mpmc, spsc};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Options, Patience, RecvError, SendError};
use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How many of the longest messages a channel of many holds.
const MESSAGES: u32 = 8;

/// The options of a channel of one to one.
pub(super) fn spsc(options: &Options) -> spsc::Options {
    // The longest message is half of it, with its header.
    let least = (options.message_bytes_max as u64 + 64) * 2;
    let wanted = options.capacity_bytes.map_or(256 << 10, |bytes| bytes as u64);
    spsc::Options::new().capacity_bytes(least.max(wanted)).mode(options.mode)
}

pub(super) fn mpmc(options: &Options) -> Result<mpmc::Options> {
    let longest = u32::try_from(options.message_bytes_max).map_err(|_| {
        Error::new(ErrorKind::Usage, format!("make a queue of messages of up to {} bytes", options.message_bytes_max))
    })?;
    Ok(mpmc::Options::new().capacity(MESSAGES).job_max_bytes(longest).mode(options.mode))
}

pub(super) fn broadcast(options: &Options) -> broadcast::Options {
    let longest = options.message_bytes_max as u64;
    broadcast::Options::new().capacity(MESSAGES.into()).max_message_bytes(longest).from_oldest().mode(options.mode)
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A peer's lie, or a fork.
fn failed(error: impl fmt::Display, kind: ErrorKind) -> Error {
    Error::new(kind, error.to_string())
}

fn too_large(len_bytes: u64, max_bytes: u64) -> SendError {
    let number = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    SendError::TooLarge { len_bytes: number(len_bytes), max_bytes: number(max_bytes) }
}

fn lie(fault: PeerFault) -> Error {
    failed(fault, ErrorKind::Damaged)
}

impl From<channel::SendError> for SendError {
    fn from(error: channel::SendError) -> Self {
        match error {
            channel::SendError::Disconnected(_) => Self::Disconnected,
            channel::SendError::TooLarge { len_bytes, max_bytes } => too_large(len_bytes, max_bytes),
            channel::SendError::Fault(fault) => Self::Failed(lie(fault)),
            channel::SendError::Untrusted => Self::Failed(failed(error, ErrorKind::Permission)),
            channel::SendError::Forked => Self::Failed(failed(error, ErrorKind::Forked)),
        }
    }
}

impl From<channel::RecvError> for RecvError {
    fn from(error: channel::RecvError) -> Self {
        match error {
            channel::RecvError::Disconnected(_) => Self::Disconnected,
            channel::RecvError::Fault(fault) => Self::Failed(lie(fault)),
            channel::RecvError::Untrusted => Self::Failed(failed(error, ErrorKind::Permission)),
            channel::RecvError::Forked => Self::Failed(failed(error, ErrorKind::Forked)),
        }
    }
}

impl MessageSender for spsc::Sender<[u8]> {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        match patience {
            Patience::Endless => self.send(message)?,
            Patience::None => self.try_send(message).map_err(|error| match error {
                channel::TrySendError::Full => SendError::Full,
                channel::TrySendError::Failed(error) => error.into(),
            })?,
            Patience::Until(deadline) => self.send_timeout(message, left(deadline)).map_err(|error| match error {
                channel::SendTimeoutError::TimedOut => SendError::TimedOut,
                channel::SendTimeoutError::Failed(error) => error.into(),
            })?,
        }
        Ok(())
    }

    fn message_bytes_max(&self) -> usize {
        usize::try_from(self.max_message_bytes()).unwrap_or(usize::MAX)
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Spsc
    }

    /// Nothing to poll: [`crate::select`] waits for channels and descriptors together.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl MessageReceiver for spsc::Receiver<[u8]> {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        match patience {
            Patience::Endless => return Ok(self.recv_into(into)?),
            Patience::None => {}
            Patience::Until(deadline) => {
                if !self.wait_timeout(left(deadline))? {
                    return Err(RecvError::TimedOut);
                }
            }
        }
        self.try_recv_into(into).map_err(|error| match error {
            channel::TryRecvError::Empty => RecvError::Empty,
            channel::TryRecvError::Failed(error) => error.into(),
        })
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Spsc
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl From<mpmc::PushError> for SendError {
    fn from(error: mpmc::PushError) -> Self {
        match error {
            mpmc::PushError::Disconnected(_) => Self::Disconnected,
            mpmc::PushError::TooLarge { len_bytes, max_bytes } => too_large(len_bytes, max_bytes),
            mpmc::PushError::Fault(fault) => Self::Failed(lie(fault)),
            mpmc::PushError::NoSuchKind { .. } => Self::Failed(failed(error, ErrorKind::Usage)),
            mpmc::PushError::Untrusted => Self::Failed(failed(error, ErrorKind::Permission)),
            mpmc::PushError::Forked => Self::Failed(failed(error, ErrorKind::Forked)),
        }
    }
}

impl From<mpmc::PopError> for RecvError {
    fn from(error: mpmc::PopError) -> Self {
        match error {
            mpmc::PopError::Disconnected(_) => Self::Disconnected,
            mpmc::PopError::Fault(fault) => Self::Failed(lie(fault)),
            mpmc::PopError::Forked => Self::Failed(failed(error, ErrorKind::Forked)),
        }
    }
}

impl MessageSender for mpmc::Producer<[u8]> {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        match patience {
            Patience::Endless => self.push(message)?,
            Patience::None => self.try_push(message).map_err(|error| match error {
                mpmc::TryPushError::Full => SendError::Full,
                mpmc::TryPushError::Failed(error) => error.into(),
            })?,
            Patience::Until(deadline) => self.push_timeout(message, left(deadline)).map_err(|error| match error {
                mpmc::PushTimeoutError::TimedOut => SendError::TimedOut,
                mpmc::PushTimeoutError::Failed(error) => error.into(),
            })?,
        }
        Ok(())
    }

    fn message_bytes_max(&self) -> usize {
        self.max_job_bytes() as usize
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Mpmc
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl MessageReceiver for mpmc::Worker<[u8]> {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        let job = match patience {
            Patience::Endless => self.pop()?,
            Patience::None => self.try_pop().map_err(|error| match error {
                mpmc::TryPopError::Empty => RecvError::Empty,
                mpmc::TryPopError::Failed(error) => error.into(),
            })?,
            Patience::Until(deadline) => self.pop_timeout(left(deadline)).map_err(|error| match error {
                mpmc::PopTimeoutError::TimedOut => RecvError::TimedOut,
                mpmc::PopTimeoutError::Failed(error) => error.into(),
            })?,
        };
        into.clear();
        into.extend_from_slice(&job);
        job.ack();
        Ok(())
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Mpmc
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl From<broadcast::PublishError> for SendError {
    fn from(error: broadcast::PublishError) -> Self {
        match error {
            broadcast::PublishError::TooLarge { len_bytes, max_bytes } => too_large(len_bytes, max_bytes),
            broadcast::PublishError::Fault(fault) => Self::Failed(lie(fault)),
            broadcast::PublishError::Untrusted => Self::Failed(failed(error, ErrorKind::Permission)),
            broadcast::PublishError::Forked => Self::Failed(failed(error, ErrorKind::Forked)),
        }
    }
}

impl From<broadcast::RecvError> for RecvError {
    fn from(error: broadcast::RecvError) -> Self {
        match error {
            broadcast::RecvError::Disconnected(_) => Self::Disconnected,
            broadcast::RecvError::Fault(fault) => Self::Failed(lie(fault)),
            broadcast::RecvError::Forked => Self::Failed(failed(error, ErrorKind::Forked)),
            error => Self::Failed(failed(error, ErrorKind::Unsupported)),
        }
    }
}

impl MessageSender for broadcast::Publisher<[u8]> {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        match patience {
            Patience::Endless => self.publish(message)?,
            Patience::None => self.try_publish(message).map_err(|error| match error {
                broadcast::TryPublishError::Full => SendError::Full,
                broadcast::TryPublishError::Failed(error) => error.into(),
            })?,
            Patience::Until(deadline) => {
                self.publish_timeout(message, left(deadline)).map_err(|error| match error {
                    broadcast::PublishTimeoutError::TimedOut => SendError::TimedOut,
                    broadcast::PublishTimeoutError::Failed(error) => error.into(),
                })?;
            }
        }
        Ok(())
    }

    fn message_bytes_max(&self) -> usize {
        usize::try_from(self.max_message_bytes()).unwrap_or(usize::MAX)
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Broadcast
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl MessageReceiver for broadcast::Subscriber<[u8]> {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        match patience {
            Patience::Endless => return Ok(self.recv_into(into)?),
            Patience::None => {}
            Patience::Until(deadline) => {
                if !self.wait_timeout(left(deadline))? {
                    return Err(RecvError::TimedOut);
                }
            }
        }
        self.try_recv_into(into).map_err(|error| match error {
            broadcast::TryRecvError::Empty => RecvError::Empty,
            broadcast::TryRecvError::Failed(error) => error.into(),
        })
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Broadcast
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
