//! Real-time signals with a value: seven bytes to a process whose id is known.
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
//! 3. Anybody who may signal us may send; the kernel says who did ([`Receiver::recv_from`]). A signal without a value is no message.
//!
//! See [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html), [sigqueue(3)](https://man7.org/linux/man-pages/man3/sigqueue.3.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::stream::too_large;
use crate::transport::wait::kernel;
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Patience};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_sys::errno::ESRCH;
use strait_sys::poll::{Interest, poll_one};
use strait_sys::signalfd;

/// The longest message.
pub const MESSAGE_BYTES_MAX: usize = 7;
const LEN_SHIFT: u32 = 56;
/// See rule 2.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(5);

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
    pid: i32,
    signal: i32,
}

impl Sender {
    /// Signals go to this process. One system call, to see that it is there and ours to signal.
    ///
    /// A process id may be used again when its process is gone: of children, ask their pidfd.
    ///
    /// # Errors
    /// `Usage`: no real-time signal, or no process id; `NotFound`, `Permission`.
    pub fn new(pid: i32, signal: i32) -> Result<Self> {
        check(signal)?;
        if pid <= 0 {
            return Err(Error::new(ErrorKind::Usage, format!("signal process {pid}: a process id is above zero")));
        }
        signalfd::sigqueue(pid, 0, 0).map_err(|e| {
            let is_gone = e.raw_os_error() == Some(ESRCH);
            Error::kernel("signal process", pid, e, "").with_kind_if(is_gone, ErrorKind::NotFound)
        })?;
        Ok(Self { pid, signal })
    }
}

impl MessageSender for Sender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(too_large(message.len(), MESSAGE_BYTES_MAX));
        }
        let mut bytes = [0; 8];
        bytes[..message.len()].copy_from_slice(message);
        // At most 7.
        let value = u64::from_le_bytes(bytes) | (message.len() as u64) << LEN_SHIFT;
        let mut pause = PAUSE_MIN;
        loop {
            match signalfd::sigqueue(self.pid, self.signal, value) {
                Ok(()) => return Ok(()),
                Err(e) if e.raw_os_error() == Some(ESRCH) => return Err(SendError::Disconnected),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(kernel("send", "a signal", e).into()),
            }
            let left = match patience {
                Patience::None => return Err(SendError::Full),
                Patience::Until(deadline) => deadline.saturating_duration_since(Instant::now()),
                Patience::Endless => PAUSE_MAX,
            };
            if left.is_zero() {
                return Err(SendError::TimedOut);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSE_MAX);
        }
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

/// Who sent a signal, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Receives a message, and says who sent it.
    ///
    /// # Errors
    /// As [`MessageReceiver::recv_with`]; `Fault`: a signal that is no message.
    pub fn recv_from(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<Origin, RecvError> {
        loop {
            match signalfd::read(self.fd.as_fd()) {
                Ok(Some(received)) => {
                    let value = received.value.unwrap_or(u64::MAX);
                    let len = usize::from(value.to_le_bytes()[7]);
                    let bytes = value.to_le_bytes();
                    let Some(message) = bytes.get(..len).filter(|_| len <= MESSAGE_BYTES_MAX) else {
                        return Err(RecvError::Fault { what: "value of a signal", found: value });
                    };
                    into.clear();
                    into.extend_from_slice(message);
                    return Ok(Origin { pid: received.pid, uid: received.uid });
                }
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(kernel("receive", "a signal", e).into()),
            }
            let timeout = match patience {
                Patience::None => return Err(RecvError::Empty),
                Patience::Until(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
                Patience::Endless => None,
            };
            let is_ready = poll_one(self.fd.as_fd(), Interest::Read, timeout);
            if !is_ready.map_err(|e| kernel("receive", "a signal", e))? {
                return Err(RecvError::TimedOut);
            }
        }
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
