//! Messages over what keeps their boundaries: packet pipes, seqpacket and datagram sockets, UDP.

use crate::transport::error::{RecvError, SendError};
use crate::transport::stream::{PIPE_BUF, too_large};
use crate::transport::wait::{Refusal, is_ready, kernel};
use crate::transport::{Boundaries, Mechanism, MessageReceiver, MessageSender, Options, Patience};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use strait_sys::poll::Interest;
use strait_sys::{socket, write};

/// The longest message of UDP over IPv4: 65,535 less the two headers.
const UDP_BYTES_MAX: usize = 65_507;

/// The sending end.
#[derive(Debug)]
pub struct PacketSender {
    fd: OwnedFd,
    mechanism: Mechanism,
    message_bytes_max: usize,
}

/// The receiving end.
#[derive(Debug)]
pub struct PacketReceiver {
    fd: OwnedFd,
    mechanism: Mechanism,
    message_bytes_max: usize,
    /// One byte longer than a message may be, to see where one is.
    room: Vec<u8>,
}

/// What the mechanism takes at the most, of what was asked for.
fn limit(mechanism: Mechanism, options: &Options) -> usize {
    options.message_bytes_max.min(match mechanism {
        Mechanism::PacketPipe => PIPE_BUF,
        Mechanism::Udp => UDP_BYTES_MAX,
        _ => usize::MAX,
    })
}

impl PacketSender {
    pub(super) fn new(fd: OwnedFd, mechanism: Mechanism, options: &Options) -> Self {
        Self { fd, mechanism, message_bytes_max: limit(mechanism, options) }
    }
}

impl PacketReceiver {
    pub(super) fn new(fd: OwnedFd, mechanism: Mechanism, options: &Options) -> Self {
        let message_bytes_max = limit(mechanism, options);
        Self { fd, mechanism, message_bytes_max, room: vec![0; message_bytes_max.saturating_add(1)] }
    }

    fn recv_once(&mut self, patience: Patience) -> io::Result<usize> {
        let wait = if patience == Patience::Endless { socket::Wait::Yes } else { socket::Wait::No };
        match self.mechanism {
            Mechanism::PacketPipe if !is_ready(self.fd.as_fd(), Interest::Read, of(patience))? => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Mechanism::PacketPipe => write::read(self.fd.as_fd(), &mut self.room),
            _ => socket::recv(self.fd.as_fd(), &mut self.room, wait, true),
        }
    }
}

/// A look, where the call itself could not be told not to wait.
fn of(patience: Patience) -> Patience {
    if patience == Patience::Endless { patience } else { Patience::None }
}

impl MessageSender for PacketSender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if message.len() > self.message_bytes_max {
            return Err(too_large(message.len(), self.message_bytes_max));
        }
        if message.is_empty() && self.mechanism.capabilities().boundaries != Boundaries::KeptEvenEmpty {
            return Err(SendError::Empty);
        }
        let parts = [IoSlice::new(message)];
        loop {
            let sent = match self.mechanism {
                Mechanism::PacketPipe => {
                    let is_ready = is_ready(self.fd.as_fd(), Interest::Write, of(patience));
                    is_ready.and_then(|ready| match ready {
                        true => write::write(self.fd.as_fd(), &parts),
                        false => Err(io::ErrorKind::WouldBlock.into()),
                    })
                }
                _ if patience == Patience::Endless => socket::send(self.fd.as_fd(), &parts, socket::Wait::Yes),
                _ => socket::send(self.fd.as_fd(), &parts, socket::Wait::No),
            };
            match sent.map_err(Refusal::from) {
                Ok(_) => return Ok(()),
                Err(Refusal::Interrupted) => {}
                Err(Refusal::Gone) => return Err(SendError::Disconnected),
                Err(Refusal::TooLarge) => {
                    // The kernel's limit is lower than ours: its buffer for sending.
                    let max_bytes = socket::send_buffer_bytes(&self.fd).unwrap_or(self.message_bytes_max);
                    return Err(too_large(message.len(), max_bytes.min(message.len().saturating_sub(1))));
                }
                Err(Refusal::Again) => {
                    let is_ready = is_ready(self.fd.as_fd(), Interest::Write, patience);
                    if !is_ready.map_err(|error| kernel("send to", self.mechanism.name(), error))? {
                        return Err(if patience == Patience::None { SendError::Full } else { SendError::TimedOut });
                    }
                }
                Err(Refusal::Other(error)) => return Err(kernel("send to", self.mechanism.name(), error).into()),
            }
        }
    }

    fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

impl MessageReceiver for PacketReceiver {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        loop {
            match self.recv_once(patience).map_err(Refusal::from) {
                Ok(0) if self.mechanism.capabilities().boundaries != Boundaries::KeptEvenEmpty => {
                    return Err(RecvError::Disconnected);
                }
                Ok(len) if len > self.message_bytes_max => {
                    return Err(RecvError::Fault { what: "message length", found: len as u64 });
                }
                Ok(len) => {
                    into.clear();
                    into.extend_from_slice(&self.room[..len]);
                    return Ok(());
                }
                Err(Refusal::Interrupted) => {}
                Err(Refusal::Gone) => return Err(RecvError::Disconnected),
                Err(Refusal::Again | Refusal::TooLarge) => {
                    let is_ready = is_ready(self.fd.as_fd(), Interest::Read, patience);
                    if !is_ready.map_err(|error| kernel("receive from", self.mechanism.name(), error))? {
                        return Err(if patience == Patience::None { RecvError::Empty } else { RecvError::TimedOut });
                    }
                }
                Err(Refusal::Other(error)) => {
                    return Err(kernel("receive from", self.mechanism.name(), error).into());
                }
            }
        }
    }

    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}
