//! Messages over what keeps their boundaries: packet pipes, seqpacket and datagram sockets, UDP.
//!
//! 1. A message is one system call, and received straight into the caller's memory.
//! 2. A message that is longer than our limit is a fault, and gone: the kernel drops what does not fit.
//! 3. Zero bytes are the end of a pipe and of a connection, so a message without bytes is refused there.

use crate::error::{Error, ErrorKind};
use crate::process::Credentials;
use crate::transport::bound::Bound;
use crate::transport::error::{RecvError, SendError};
use crate::transport::stream::{PIPE_BUF, leave};
use crate::transport::wait::{Refusal, patiently, polled};
use crate::transport::{Boundaries, Mechanism, MessageReceiver, MessageSender, Options, Patience};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use strait_sys::poll::{Interest, Wait};
use strait_sys::sendmsg::{self, FDS_MAX, Packet};
use strait_sys::socket::Way;
use strait_sys::write::PipeSignal;
use strait_sys::{socket, write};

/// The longest message of UDP over IPv4: 65,535 less the two headers.
const UDP_BYTES_MAX: usize = 65_507;

/// The sending end.
#[derive(Debug)]
pub struct PacketSender {
    /// In common with the other half of a connection.
    fd: Arc<OwnedFd>,
    mechanism: Mechanism,
    message_bytes_max: usize,
    signal: PipeSignal,
}

/// The receiving end.
#[derive(Debug)]
pub struct PacketReceiver {
    /// In common with the other half of a connection.
    fd: Arc<OwnedFd>,
    mechanism: Mechanism,
    message_bytes_max: usize,
    /// The name that it is found by, gone with it.
    name: Option<Bound>,
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
    pub(super) fn new(fd: Arc<OwnedFd>, mechanism: Mechanism, options: &Options) -> Self {
        let signal = match mechanism {
            Mechanism::PacketPipe => PipeSignal::now(),
            // Each of a socket's calls says so.
            _ => PipeSignal::Unwanted,
        };
        Self { fd, mechanism, message_bytes_max: limit(mechanism, options), signal }
    }

    pub(super) fn check(&self, message: &[u8]) -> Result<(), SendError> {
        if message.len() > self.message_bytes_max {
            return Err(SendError::TooLarge { len_bytes: message.len(), max_bytes: self.message_bytes_max });
        }
        if message.is_empty() && self.mechanism.capabilities().boundaries != Boundaries::KeptEvenEmpty {
            return Err(SendError::Empty);
        }
        Ok(())
    }

    fn refuse(&self, refusal: Refusal, len_bytes: usize) -> SendError {
        // The kernel's limit is lower than ours: its buffer for sending, less what it keeps of each message.
        let max_bytes = match refusal {
            Refusal::TooLarge => socket::send_buffer_bytes(&*self.fd).unwrap_or(0).min(len_bytes.saturating_sub(1)),
            _ => 0,
        };
        refusal.of_send(self.mechanism.name(), len_bytes, max_bytes)
    }

    /// Sends a message with descriptors, over a Unix socket: up to 253. The receiver has its own of the same open file descriptions; ours stay.
    ///
    /// # Errors
    /// As [`MessageSender::send_with`]; `Failed` with `Usage`: too many, or no Unix socket.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send_fds(&mut self, message: &[u8], fds: &[BorrowedFd<'_>], patience: Patience) -> Result<(), SendError> {
        self.check(message)?;
        usage(self.mechanism, fds.len())?;
        let sent = patiently(patience, polled(self.fd.as_fd(), Interest::Write), |wait| {
            sendmsg::send_packet(self.fd.as_fd(), message, fds, wait)
        });
        sent.map(drop).map_err(|refusal| self.refuse(refusal, message.len()))
    }
}

/// Descriptors go over Unix sockets, and not all at once.
fn usage(mechanism: Mechanism, count: usize) -> Result<(), Error> {
    let usage = |why| Err(Error::new(ErrorKind::Usage, why));
    if !mechanism.capabilities().passes_descriptors {
        return usage(format!("pass descriptors over {}: only Unix sockets do", mechanism.name()));
    }
    if count > FDS_MAX {
        return usage(format!("send {count} descriptors with one message: the kernel takes {FDS_MAX}"));
    }
    Ok(())
}

impl MessageSender for PacketSender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        self.check(message)?;
        let parts = [IoSlice::new(message)];
        let sent = patiently(patience, polled(self.fd.as_fd(), Interest::Write), |wait| match self.mechanism {
            Mechanism::PacketPipe => write::write(self.fd.as_fd(), &parts, wait, self.signal),
            _ => socket::send(self.fd.as_fd(), &parts, wait),
        });
        sent.map(drop).map_err(|refusal| self.refuse(refusal, message.len()))
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

impl PacketReceiver {
    pub(super) fn new(fd: Arc<OwnedFd>, mechanism: Mechanism, options: &Options) -> Self {
        Self { fd, mechanism, message_bytes_max: limit(mechanism, options), name: None }
    }

    pub(super) fn named(mut self, name: Bound) -> Self {
        self.name = Some(name);
        self
    }

    /// Receives a message over a Unix socket, with the descriptors that came with it, closed on exec, and with who sent it, by the kernel's
    /// word, where [`Self::ask_for_sender`] was called.
    ///
    /// [`MessageReceiver::recv_with`] closes descriptors that come with a message.
    ///
    /// # Errors
    /// As there; [`RecvError::LostDescriptors`]: they did not all arrive, and those that did are closed; `Failed` with `Usage`: no Unix socket.
    #[doc(alias = "SCM_RIGHTS")]
    #[doc(alias = "SCM_CREDENTIALS")]
    pub fn recv_from(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<Received, RecvError> {
        usage(self.mechanism, 0)?;
        let Self { fd, mechanism, message_bytes_max, .. } = &*self;
        let room = message_bytes_max.saturating_add(1);
        let received = patiently(patience, polled(fd.as_fd(), Interest::Read), |wait| {
            into.clear();
            into.reserve(room);
            sendmsg::receive_packet(fd.as_fd(), into, wait)
        });
        let Packet { len_bytes, fds, is_truncated, from, .. } = received.map_err(|it| it.of_recv(mechanism.name()))?;
        if is_truncated {
            // What did arrive is closed here.
            return Err(RecvError::LostDescriptors);
        }
        self.judge(len_bytes)?;
        Ok(Received { fds, from: from.map(Credentials::from) })
    }

    /// Has the kernel say with each message who sent it. One system call.
    ///
    /// # Errors
    /// `Usage`: no Unix socket.
    #[doc(alias = "SO_PASSCRED")]
    pub fn ask_for_sender(&self) -> Result<(), Error> {
        usage(self.mechanism, 0)?;
        socket::set_pass_credentials(self.fd.as_fd()).map_err(|e| Error::kernel("set up", "a socket", e, ""))
    }

    /// Whether what was received is a message (rules 2 and 3).
    fn judge(&self, len: usize) -> Result<(), RecvError> {
        if len == 0 && self.mechanism.capabilities().boundaries != Boundaries::KeptEvenEmpty {
            return Err(RecvError::Disconnected);
        }
        if len > self.message_bytes_max {
            return Err(RecvError::Fault { what: "message length", found: len as u64 });
        }
        Ok(())
    }
}

/// What came with a message.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// Descriptors, closed on exec. What they are, whoever uses them finds out.
    pub fds: Vec<OwnedFd>,
    /// Who sent it.
    pub from: Option<Credentials>,
}

impl MessageReceiver for PacketReceiver {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        let Self { fd, mechanism, message_bytes_max, .. } = &*self;
        let room = message_bytes_max.saturating_add(1);
        let received = patiently(patience, polled(fd.as_fd(), Interest::Read), |wait| {
            into.clear();
            into.reserve(room);
            match mechanism {
                Mechanism::PacketPipe => read_packet(fd.as_fd(), into, room, wait),
                _ => socket::recv_message(fd.as_fd(), into, wait),
            }
        });
        let len = received.map_err(|it| it.of_recv(mechanism.name()))?;
        self.judge(len)
    }

    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

impl Drop for PacketSender {
    fn drop(&mut self) {
        if self.mechanism == Mechanism::UnixSeqpacket {
            leave(&self.fd, Way::Write);
        }
    }
}

impl Drop for PacketReceiver {
    fn drop(&mut self) {
        if self.mechanism == Mechanism::UnixSeqpacket {
            leave(&self.fd, Way::Read);
        }
    }
}

fn read_packet(fd: BorrowedFd<'_>, into: &mut Vec<u8>, room: usize, wait: Wait) -> io::Result<usize> {
    into.resize(room, 0);
    let read = write::read(fd, &mut [IoSliceMut::new(into)], wait);
    into.truncate(read.as_ref().map_or(0, |&len| len));
    read
}
