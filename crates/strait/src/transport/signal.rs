//! Real-time signals with a value: seven bytes to a process.
//!
//! ```text
//! | bits 0..56: the message, first byte lowest | bits 56..64: its length |
//! ```
//!
//! 1. A [`Receiver`] blocks the signal in the thread that makes it, and in those that this thread makes later: make it before other threads
//!    are. Where one has it unblocked, the signal is delivered to that thread and, without a handler, ends the process. strait
//!    installs no handler.
//! 2. Signals of one number are received in order. When as many are pending as `RLIMIT_SIGPENDING` allows, sending says `Full`; there is
//!    nothing to wait on then, so a call that waits looks again at intervals that grow from 50 us to 5 ms.
//! 3. Anybody who may signal us may send, and may say to be anybody: who sent a signal with a value is what the sender wrote there. A signal
//!    without a value is no message, and reported as a fault.
//! 4. A sender holds a pidfd: a later process with the same id is never meant.
//!
//! Values have 64 bits where addresses have; elsewhere a message is cut to the bytes that fit.
//!
//! See [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html), [sigqueue(3)](https://man7.org/linux/man-pages/man3/sigqueue.3.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::wait::{patiently, paused, polled};
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Patience};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use strait_sys::errno::ESRCH;
use strait_sys::pidfd_open;
use strait_sys::poll::Interest;
use strait_sys::signalfd;

/// The longest message.
pub const MESSAGE_BYTES_MAX: usize = size_of::<usize>() - 1;

fn check(signal: i32) -> Result<()> {
    let all = signalfd::real_time();
    if all.contains(&signal) {
        return Ok(());
    }
    let (first, last) = (all.start(), all.end());
    let why =
        format!("use signal {signal}: only real-time signals carry a value, {first} (SIGRTMIN) to {last} (SIGRTMAX)");
    Err(Error::new(ErrorKind::Usage, why))
}

/// Sends signals to a process.
#[derive(Debug)]
pub struct Sender {
    pidfd: OwnedFd,
    signal: i32,
}

impl Sender {
    /// Signals go to the process that has this id now. Two system calls, to find it and to see that it is ours to signal.
    ///
    /// # Errors
    /// `Usage`: no real-time signal, or no process id; `NotFound`, `Permission`.
    pub fn new(pid: u32, signal: i32) -> Result<Self> {
        let refuse = |e: io::Error| {
            let is_gone = e.raw_os_error() == Some(ESRCH);
            Error::kernel("signal process", pid, e, "").with_kind_if(is_gone, ErrorKind::NotFound)
        };
        check(signal)?;
        if pid == 0 || i32::try_from(pid).is_err() {
            let why = format!("signal process {pid}: a process id is 1 to {}", i32::MAX);
            return Err(Error::new(ErrorKind::Usage, why));
        }
        let gone = || refuse(io::Error::from_raw_os_error(ESRCH));
        let pidfd = pidfd_open::pidfd_open(pid).map_err(refuse)?.ok_or_else(gone)?;
        signalfd::sigqueue(pidfd.as_fd(), 0, 0).map_err(refuse)?;
        Ok(Self { pidfd, signal })
    }
}

impl MessageSender for Sender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(SendError::TooLarge { len_bytes: message.len(), max_bytes: MESSAGE_BYTES_MAX });
        }
        let mut bytes = [0; size_of::<usize>()];
        bytes[..message.len()].copy_from_slice(message);
        // At most 7.
        bytes[MESSAGE_BYTES_MAX] = message.len() as u8;
        let value = usize::from_le_bytes(bytes) as u64;
        let (pidfd, signal) = (self.pidfd.as_fd(), self.signal);
        let sent = patiently(patience, paused(), |_| match signalfd::sigqueue(pidfd, signal, value) {
            Err(e) if e.raw_os_error() == Some(ESRCH) => Err(io::ErrorKind::ConnectionRefused.into()),
            sent => sent,
        });
        sent.map_err(|refusal| refusal.of_send("a process", message.len(), MESSAGE_BYTES_MAX))
    }

    fn message_bytes_max(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Signal
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Who sent a signal, as the sender says (rule 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// Receives signals of one number.
#[derive(Debug)]
pub struct Receiver {
    fd: OwnedFd,
}

impl Receiver {
    /// Receives this signal, which is blocked in this thread from now on (rule 1). Two system calls.
    ///
    /// # Errors
    /// `Usage`: no real-time signal. `Kernel`: too many descriptors.
    pub fn new(signal: i32) -> Result<Self> {
        check(signal)?;
        let fd = signalfd::block(signal).and_then(|()| signalfd::signalfd(signal));
        Ok(Self { fd: fd.map_err(|e| Error::kernel("receive signal", signal, e, ""))? })
    }

    /// Receives a message, and what its sender says of itself.
    ///
    /// # Errors
    /// As [`MessageReceiver::recv_with`]; `Fault`: a signal that is no message.
    pub fn recv_from(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<Origin, RecvError> {
        let fd = self.fd.as_fd();
        let received = patiently(patience, polled(fd, Interest::Read), |_| {
            signalfd::read(fd)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
        });
        let received = received.map_err(|refusal| refusal.of_recv("a signal"))?;
        let value = received.value.unwrap_or(u64::MAX);
        // The bits beyond an address are not there to be sent.
        let bytes = (value as usize).to_le_bytes();
        let len = usize::from(bytes[MESSAGE_BYTES_MAX]);
        let Some(message) = bytes.get(..len).filter(|_| len <= MESSAGE_BYTES_MAX) else {
            return Err(RecvError::Fault { what: "value of a signal", found: value });
        };
        into.clear();
        into.extend_from_slice(message);
        Ok(Origin { pid: received.pid, uid: received.uid })
    }
}

impl MessageReceiver for Receiver {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        self.recv_from(into, patience).map(drop)
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Signal
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}
