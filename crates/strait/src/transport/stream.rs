//! Messages over what carries only bytes: pipes, FIFOs, Unix and TCP streams.
//!
//! ```text
//! | length, 4 bytes | message | length | message ...
//! ```
//!
//! 1. A message's length and its beginning go out in one system call. On a pipe with several senders the whole message does.
//! 2. A message of which anything has been written is sent: what there was no room for is kept, and goes out before the next message, by
//!    [`StreamSender::flush`], or when the sender is dropped, which waits for it.
//! 3. The receiver reads ahead into a buffer, so small messages cost less than a system call each. Of a long message the rest is read
//!    to where it is handed over, and copied no more.

use crate::error::{Error, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::wait::{Refusal, is_ready, kernel};
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Options, Patience};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_sys::poll::{Interest, poll_one};
use strait_sys::{socket, write};

/// The length in front of a message.
const LEN_BYTES: usize = 4;
/// What the kernel writes to a pipe in one step (`PIPE_BUF`).
pub(super) const PIPE_BUF: usize = 4096;
/// How much is read ahead.
const AHEAD_BYTES: usize = 64 << 10;

/// A descriptor of a stream, and which calls it takes.
#[derive(Debug)]
pub(super) enum Bytes {
    Pipe(OwnedFd),
    Socket(OwnedFd),
}

impl Bytes {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Pipe(fd) | Self::Socket(fd) => fd.as_fd(),
        }
    }

    /// Writes what there is room for; waits for the first byte only with endless patience.
    fn write(&self, parts: [&[u8]; 2], patience: Patience) -> Result<usize, Refusal> {
        match self {
            Self::Socket(fd) => Ok(socket::send(fd.as_fd(), &parts.map(IoSlice::new), of(patience))?),
            Self::Pipe(fd) if patience == Patience::Endless => Ok(write::write(fd.as_fd(), &parts.map(IoSlice::new))?),
            Self::Pipe(fd) => {
                if !is_ready(fd.as_fd(), Interest::Write, Patience::None)? {
                    return Err(Refusal::Again);
                }
                // A pipe that is ready has room for so much; more might wait.
                let first = &parts[0][..parts[0].len().min(PIPE_BUF)];
                let second = &parts[1][..parts[1].len().min(PIPE_BUF - first.len())];
                Ok(write::write(fd.as_fd(), &[first, second].map(IoSlice::new))?)
            }
        }
    }

    fn read(&self, into: &mut [u8], patience: Patience) -> Result<usize, Refusal> {
        match self {
            Self::Socket(fd) => Ok(socket::recv(fd.as_fd(), into, of(patience), false)?),
            Self::Pipe(fd) => {
                if patience != Patience::Endless && !is_ready(fd.as_fd(), Interest::Read, Patience::None)? {
                    return Err(Refusal::Again);
                }
                Ok(write::read(fd.as_fd(), into)?)
            }
        }
    }
}

fn of(patience: Patience) -> socket::Wait {
    if patience == Patience::Endless { socket::Wait::Yes } else { socket::Wait::No }
}

/// The sending end of a stream.
#[derive(Debug)]
pub struct StreamSender {
    bytes: Bytes,
    mechanism: Mechanism,
    message_bytes_max: usize,
    /// What is still to be written of the last message (rule 2).
    pending: Vec<u8>,
    is_gone: bool,
}

impl StreamSender {
    pub(super) fn new(bytes: Bytes, mechanism: Mechanism, options: &Options) -> Self {
        let is_pipe = matches!(bytes, Bytes::Pipe(_));
        let limit = if is_pipe && options.is_shared { PIPE_BUF - LEN_BYTES } else { usize::MAX };
        let message_bytes_max = options.message_bytes_max.min(limit);
        Self { bytes, mechanism, message_bytes_max, pending: Vec::new(), is_gone: false }
    }

    /// Writes what is left of the last message. Without effect, and without a system call, where nothing is.
    ///
    /// # Errors
    /// As [`MessageSender::send_with`]; what is left then stays.
    pub fn flush(&mut self, patience: Patience) -> Result<(), SendError> {
        while !self.pending.is_empty() {
            let written = write_some(&self.bytes, self.mechanism, [&self.pending, &[]], patience);
            let written = written.inspect_err(|error| self.is_gone = matches!(error, SendError::Disconnected))?;
            self.pending.drain(..written);
        }
        Ok(())
    }
}

/// Writes some of the parts, at least a byte of them.
fn write_some(bytes: &Bytes, mechanism: Mechanism, parts: [&[u8]; 2], patience: Patience) -> Result<usize, SendError> {
    loop {
        match bytes.write(parts, patience) {
            Ok(written) => return Ok(written),
            Err(Refusal::Interrupted) => {}
            Err(Refusal::Gone) => return Err(SendError::Disconnected),
            Err(Refusal::Again) => {
                let is_ready = is_ready(bytes.fd(), Interest::Write, patience);
                if !is_ready.map_err(|error| kernel("send to", mechanism.name(), error))? {
                    return Err(if patience == Patience::None { SendError::Full } else { SendError::TimedOut });
                }
            }
            Err(Refusal::TooLarge) => return Err(too_large(parts[0].len() + parts[1].len(), PIPE_BUF)),
            Err(Refusal::Other(error)) => return Err(kernel("send to", mechanism.name(), error).into()),
        }
    }
}

pub(super) fn too_large(len_bytes: usize, max_bytes: usize) -> SendError {
    SendError::TooLarge { len_bytes, max_bytes }
}

impl MessageSender for StreamSender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if message.len() > self.message_bytes_max {
            return Err(too_large(message.len(), self.message_bytes_max));
        }
        self.flush(patience)?;
        // At most `message_bytes_max`, which is a `u32`.
        let len = (message.len() as u32).to_le_bytes();
        let written = write_some(&self.bytes, self.mechanism, [&len, message], patience)?;
        if written == LEN_BYTES + message.len() {
            return Ok(());
        }
        self.pending.extend_from_slice(&len[written.min(LEN_BYTES)..]);
        self.pending.extend_from_slice(&message[written.saturating_sub(LEN_BYTES)..]);
        match self.flush(patience) {
            // It is sent (rule 2); what is left goes out later.
            Ok(()) | Err(SendError::Full | SendError::TimedOut) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.bytes.fd())
    }
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        if !self.is_gone {
            // Whoever is gone by now receives nothing more.
            let _ = self.flush(Patience::Endless);
        }
    }
}

/// The receiving end of a stream.
#[derive(Debug)]
pub struct StreamReceiver {
    bytes: Bytes,
    mechanism: Mechanism,
    message_bytes_max: usize,
    /// What was read ahead: `ahead[taken..filled]` is to be looked at.
    ahead: Vec<u8>,
    taken: usize,
    filled: usize,
    /// A message of which a part is still to come: its first `arrived` bytes are there.
    partial: Option<Partial>,
    /// A length that was too large: there is no way to find the next message.
    fault: Option<u32>,
}

#[derive(Debug)]
struct Partial {
    message: Vec<u8>,
    arrived: usize,
}

impl StreamReceiver {
    pub(super) fn new(bytes: Bytes, mechanism: Mechanism, options: &Options) -> Self {
        let ahead = vec![0; AHEAD_BYTES.min(options.message_bytes_max.saturating_add(LEN_BYTES)).max(PIPE_BUF)];
        let message_bytes_max = options.message_bytes_max;
        Self { bytes, mechanism, message_bytes_max, ahead, taken: 0, filled: 0, partial: None, fault: None }
    }

    /// Waits in a poll, however great the patience, until there is something to read or the end.
    pub(super) fn poll(&self, patience: Patience) -> Result<bool, RecvError> {
        let timeout = match patience {
            Patience::None => Some(Duration::ZERO),
            Patience::Until(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            Patience::Endless => None,
        };
        poll_one(self.bytes.fd(), Interest::Read, timeout).map_err(|error| self.kernel(error).into())
    }

    /// Takes the next message out of what was read ahead, if it is whole; begins it, if it is not; `None` where its length is not there yet.
    fn take_ahead(&mut self, into: &mut Vec<u8>) -> Result<Option<bool>, RecvError> {
        let there = &self.ahead[self.taken..self.filled];
        let Some((len, rest)) = there.split_first_chunk::<LEN_BYTES>() else { return Ok(None) };
        let len = u32::from_le_bytes(*len);
        if len as usize > self.message_bytes_max {
            self.fault = Some(len);
            return Err(fault(len));
        }
        let len = len as usize;
        if let Some(message) = rest.get(..len) {
            into.clear();
            into.extend_from_slice(message);
            self.taken += LEN_BYTES + len;
            return Ok(Some(true));
        }
        // It is at most as long as we allow; the memory is the one that was handed to us.
        let mut message = std::mem::take(into);
        message.clear();
        message.extend_from_slice(rest);
        let arrived = rest.len();
        message.resize(len, 0);
        self.partial = Some(Partial { message, arrived });
        (self.taken, self.filled) = (0, 0);
        Ok(Some(false))
    }

    /// Reads some bytes to where they are wanted; zero at the end.
    fn read_some(&mut self, patience: Patience) -> Result<usize, RecvError> {
        loop {
            let into = match &mut self.partial {
                Some(partial) => &mut partial.message[partial.arrived..],
                None => {
                    if self.taken > 0 {
                        self.ahead.copy_within(self.taken..self.filled, 0);
                        (self.taken, self.filled) = (0, self.filled - self.taken);
                    }
                    &mut self.ahead[self.filled..]
                }
            };
            match self.bytes.read(into, patience) {
                Ok(read) => {
                    match &mut self.partial {
                        Some(partial) => partial.arrived += read,
                        None => self.filled += read,
                    }
                    return Ok(read);
                }
                Err(Refusal::Interrupted) => {}
                Err(Refusal::Gone) => return Ok(0),
                Err(Refusal::Again | Refusal::TooLarge) => {
                    let is_ready = is_ready(self.bytes.fd(), Interest::Read, patience);
                    if !is_ready.map_err(|error| self.kernel(error))? {
                        return Err(if patience == Patience::None { RecvError::Empty } else { RecvError::TimedOut });
                    }
                }
                Err(Refusal::Other(error)) => return Err(self.kernel(error).into()),
            }
        }
    }

    fn kernel(&self, error: io::Error) -> Error {
        kernel("receive from", self.mechanism.name(), error)
    }

    /// Nobody sends any more; was that in the middle of a message?
    #[cold]
    fn end(&mut self) -> RecvError {
        if let Some(partial) = self.partial.take() {
            return RecvError::Cut { arrived_bytes: partial.arrived, len_bytes: partial.message.len() };
        }
        let arrived_bytes = self.filled - self.taken;
        (self.taken, self.filled) = (0, 0);
        if arrived_bytes > 0 { RecvError::Cut { arrived_bytes, len_bytes: LEN_BYTES } } else { RecvError::Disconnected }
    }
}

fn fault(len: u32) -> RecvError {
    RecvError::Fault { what: "message length", found: len.into() }
}

impl MessageReceiver for StreamReceiver {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        if let Some(len) = self.fault {
            return Err(fault(len));
        }
        loop {
            if let Some(partial) = self.partial.take_if(|it| it.arrived == it.message.len()) {
                *into = partial.message;
                return Ok(());
            }
            if self.partial.is_none() && self.take_ahead(into)? == Some(true) {
                return Ok(());
            }
            if self.read_some(patience)? == 0 {
                return Err(self.end());
            }
        }
    }

    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.bytes.fd())
    }
}
