//! Messages over what carries only bytes: pipes, FIFOs, Unix and TCP streams.
//!
//! ```text
//! | length, 4 bytes | message | length | message ...
//! ```
//!
//! 1. A message's length and its beginning go out in one system call. On a pipe with several senders the whole message does.
//! 2. A message of which anything has been written is sent: what there was no room for is kept, and goes out before the next message, by
//!    [`MessageSender::flush_with`], or when the sender is dropped, which waits for it.
//! 3. The receiver reads ahead into a buffer, so small messages cost less than a system call each. Of a long message the rest is read
//!    to where it is handed over, and copied no more; behind a long one the next is expected to be as long, and is read there at once.
//!    Behind several that came at once there are more on their way: the receiver lets them come for [`LINGER`] before it reads again. One
//!    that is always there first would sleep, and be woken by its sender, for each. Not so on TCP, where a receiver in its call takes a part
//!    of the sender's work over.
//! 4. The length is what the sender says. One beyond the limit is a fault, and memory is taken as the bytes arrive, not as they are announced.

use crate::transport::error::{RecvError, SendError};
use crate::transport::wait::{Refusal, is_ready, patiently, polled};
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Options, Patience};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strait_sys::poll::{Interest, Wait};
use strait_sys::socket::Way;
use strait_sys::write::PipeSignal;
use strait_sys::{socket, write};

/// The length in front of a message.
const LEN_BYTES: usize = 4;
/// What the kernel writes to a pipe in one step (`PIPE_BUF`).
pub(super) const PIPE_BUF: usize = 4096;
/// Up to here a message is copied behind its length: that costs less than what the kernel asks for a second part.
const JOINED_BYTES_MAX: usize = 1024;
/// A message of this length on is worth a call of its own, less than a copy.
const LONG_BYTES: usize = 8 << 10;
/// How much is read ahead, and how much memory a length is worth before its bytes are there.
const AHEAD_BYTES: usize = 64 << 10;
/// How long a receiver lets messages come that follow each other closely: a few, at what a system call costs. Less than a wake-up.
const LINGER: Duration = Duration::from_micros(5);

/// A descriptor of a stream, and which calls it takes.
#[derive(Debug)]
pub(super) enum Bytes {
    Pipe(OwnedFd),
    /// Opened by us alone, so that the end to write to does not block; the other has one reader, who can look before it reads.
    Fifo(OwnedFd),
    /// In common with the other half of the connection.
    Socket(Arc<OwnedFd>),
}

impl Bytes {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Pipe(fd) | Self::Fifo(fd) => fd.as_fd(),
            Self::Socket(fd) => fd.as_fd(),
        }
    }

    fn write(&self, parts: [&[u8]; 2], wait: Wait, signal: PipeSignal) -> io::Result<usize> {
        let parts = parts.map(IoSlice::new);
        // The kernel asks a price for each part.
        let parts = if parts[1].is_empty() { &parts[..1] } else { &parts[..] };
        match self {
            Self::Socket(fd) => socket::send(fd.as_fd(), parts, wait),
            Self::Pipe(fd) => write::write(fd.as_fd(), parts, wait, signal),
            Self::Fifo(fd) => write::write(fd.as_fd(), parts, Wait::Yes, signal),
        }
    }

    fn leave(&self, way: Way) {
        if let Self::Socket(fd) = self {
            leave(fd, way);
        }
    }

    fn read(&self, parts: &mut [IoSliceMut<'_>], wait: Wait) -> io::Result<usize> {
        match self {
            Self::Socket(fd) => socket::recv(fd.as_fd(), parts, wait),
            Self::Pipe(fd) => write::read(fd.as_fd(), parts, wait),
            // FIFOs do not know how not to wait for once.
            Self::Fifo(fd) if wait == Wait::No && !is_ready(fd.as_fd(), Interest::Read, Patience::None)? => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Self::Fifo(fd) => write::read(fd.as_fd(), parts, Wait::Yes),
        }
    }

    /// Reads until there is something or the patience ends; zero at the end.
    fn read_with(
        &self,
        mut parts: [&mut [u8]; 2],
        patience: Patience,
        mechanism: Mechanism,
    ) -> Result<usize, RecvError> {
        let read = patiently(patience, polled(self.fd(), Interest::Read), |wait| match &mut parts {
            [only, []] => self.read(&mut [IoSliceMut::new(only)], wait),
            [first, second] => self.read(&mut [IoSliceMut::new(first), IoSliceMut::new(second)], wait),
        });
        match read {
            Ok(read) => Ok(read),
            Err(Refusal::Gone) => Ok(0),
            Err(refusal) => Err(refusal.of_recv(mechanism.name())),
        }
    }
}

/// Tells the other side that this half of a connection goes while the other stays. When both go, closing the socket says so.
pub(super) fn leave(socket: &Arc<OwnedFd>, way: Way) {
    if Arc::strong_count(socket) > 1 {
        // Where it fails the connection is over already.
        let _ = socket::shutdown(socket.as_fd(), way);
    }
}

/// The sending end of a stream.
#[derive(Debug)]
pub struct StreamSender {
    bytes: Bytes,
    mechanism: Mechanism,
    message_bytes_max: usize,
    signal: PipeSignal,
    /// What is still to be written of the last message (rule 2).
    pending: Vec<u8>,
    is_gone: bool,
}

impl StreamSender {
    pub(super) fn new(bytes: Bytes, mechanism: Mechanism, options: &Options) -> Self {
        let is_shared = match bytes {
            Bytes::Pipe(_) => options.is_shared.unwrap_or(false),
            Bytes::Fifo(_) => options.is_shared.unwrap_or(true),
            Bytes::Socket(_) => false,
        };
        let signal = match bytes {
            Bytes::Pipe(_) | Bytes::Fifo(_) => PipeSignal::now(),
            // Each of its calls says so.
            Bytes::Socket(_) => PipeSignal::Unwanted,
        };
        let limit = if is_shared { PIPE_BUF - LEN_BYTES } else { usize::MAX };
        let message_bytes_max = options.message_bytes_max.min(limit);
        Self { bytes, mechanism, message_bytes_max, signal, pending: Vec::new(), is_gone: false }
    }

    /// Writes some of the parts, at least a byte of them.
    fn write_some(&self, parts: [&[u8]; 2], patience: Patience) -> Result<usize, SendError> {
        let written = patiently(patience, polled(self.bytes.fd(), Interest::Write), |wait| {
            self.bytes.write(parts, wait, self.signal)
        });
        let len = parts[0].len() + parts[1].len();
        written.map_err(|refusal| refusal.of_send(self.mechanism.name(), len, self.message_bytes_max))
    }
}

impl MessageSender for StreamSender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if message.len() > self.message_bytes_max {
            return Err(SendError::TooLarge { len_bytes: message.len(), max_bytes: self.message_bytes_max });
        }
        self.flush_with(patience)?;
        // At most `message_bytes_max`, which is a `u32`.
        let len = (message.len() as u32).to_le_bytes();
        let written = match message.len() {
            0..=JOINED_BYTES_MAX => {
                self.pending.extend_from_slice(&len);
                self.pending.extend_from_slice(message);
                let written = self.write_some([&self.pending, &[]], patience);
                self.pending.clear();
                written?
            }
            _ => self.write_some([&len, message], patience)?,
        };
        if written == LEN_BYTES + message.len() {
            return Ok(());
        }
        if patience == Patience::Endless && written >= LEN_BYTES {
            // The rest without a copy of it.
            let mut rest = &message[written - LEN_BYTES..];
            while !rest.is_empty() {
                rest = &rest[self.write_some([rest, &[]], patience)?..];
            }
            return Ok(());
        }
        self.pending.extend_from_slice(&len[written.min(LEN_BYTES)..]);
        self.pending.extend_from_slice(&message[written.saturating_sub(LEN_BYTES)..]);
        match self.flush_with(patience) {
            // It is sent (rule 2); what is left goes out later.
            Ok(()) | Err(SendError::Full | SendError::TimedOut) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn flush_with(&mut self, patience: Patience) -> Result<(), SendError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        let outcome = loop {
            let rest = &self.pending[written..];
            if rest.is_empty() {
                break Ok(());
            }
            match self.write_some([rest, &[]], patience) {
                Ok(count) => written += count,
                Err(error) => break Err(error),
            }
        };
        self.pending.drain(..written);
        self.is_gone |= matches!(outcome, Err(SendError::Disconnected));
        outcome
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
            let _ = self.flush_with(Patience::Endless);
        }
        self.bytes.leave(Way::Write);
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
    /// How long the last message was.
    last_bytes: usize,
    /// How many messages were whole in what was read last.
    at_once: usize,
    /// A message of which a part is still to come.
    partial: Option<Partial>,
    /// A length that was too large: there is no way to find the next message.
    fault: Option<u32>,
}

/// A message that has begun to arrive: of its `len` bytes the first `arrived` are there, and room for some more (rule 4).
#[derive(Debug)]
struct Partial {
    message: Vec<u8>,
    arrived: usize,
    len: usize,
}

impl Partial {
    /// Where the next bytes go.
    fn room(&mut self) -> &mut [u8] {
        if self.arrived == self.message.len() {
            self.message.resize(self.len.min((self.arrived * 2).max(AHEAD_BYTES)), 0);
        }
        &mut self.message[self.arrived..]
    }
}

impl StreamReceiver {
    pub(super) fn new(bytes: Bytes, mechanism: Mechanism, options: &Options) -> Self {
        let ahead = vec![0; AHEAD_BYTES.min(options.message_bytes_max.saturating_add(LEN_BYTES)).max(PIPE_BUF)];
        let message_bytes_max = options.message_bytes_max;
        Self {
            bytes,
            mechanism,
            message_bytes_max,
            ahead,
            taken: 0,
            filled: 0,
            last_bytes: 0,
            at_once: 0,
            partial: None,
            fault: None,
        }
    }

    /// Whether there is something to read or the end, or will be in time; what was read ahead does not count.
    pub(super) fn is_ready(&self, patience: Patience) -> io::Result<bool> {
        is_ready(self.bytes.fd(), Interest::Read, patience)
    }

    /// Takes the next message out of what was read ahead, if it is whole; begins it, if it is not. Says whether `into` has it.
    fn take_ahead(&mut self, into: &mut Vec<u8>) -> Result<bool, RecvError> {
        let there = &self.ahead[self.taken..self.filled];
        let Some((len, rest)) = there.split_first_chunk::<LEN_BYTES>() else { return Ok(false) };
        let len = u32::from_le_bytes(*len);
        let len = checked(len, self.message_bytes_max, &mut self.fault)?;
        if let Some(message) = rest.get(..len) {
            into.clear();
            into.extend_from_slice(message);
            self.taken += LEN_BYTES + len;
            self.last_bytes = len;
            self.at_once += 1;
            return Ok(true);
        }
        // The memory is the one that was handed to us.
        let mut message = std::mem::take(into);
        message.clear();
        message.extend_from_slice(rest);
        self.partial = Some(Partial { message, arrived: rest.len(), len });
        (self.taken, self.filled) = (0, 0);
        Ok(false)
    }

    /// Reads some bytes to where they are wanted; zero at the end.
    fn read_some(&mut self, patience: Patience) -> Result<usize, RecvError> {
        let Self { bytes, partial, ahead, taken, filled, .. } = self;
        let into = match partial {
            Some(partial) => partial.room(),
            None => {
                if *taken > 0 {
                    ahead.copy_within(*taken..*filled, 0);
                    (*taken, *filled) = (0, *filled - *taken);
                }
                &mut ahead[*filled..]
            }
        };
        let read = bytes.read_with([into, &mut []], patience, self.mechanism)?;
        match partial {
            Some(partial) => partial.arrived += read,
            None => *filled += read,
        }
        Ok(read)
    }

    /// Reads the next message to where it is wanted, if it is as long as the last one (rule 3); nothing was read ahead. What comes behind a
    /// shorter one is read ahead.
    fn read_expected(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<usize, RecvError> {
        let (room, before) = (self.last_bytes.min(self.ahead.len()), into.len());
        if before < room {
            into.resize(room, 0);
        }
        let mut len = [0; LEN_BYTES];
        let read = self.bytes.read_with([&mut len, &mut into[..room]], patience, self.mechanism);
        let Some(arrived) = read.as_ref().ok().and_then(|read| read.checked_sub(LEN_BYTES)) else {
            // Nothing, or less than a length.
            into.truncate(before);
            let read = read?;
            self.ahead[..read].copy_from_slice(&len[..read]);
            (self.taken, self.filled) = (0, read);
            return Ok(read);
        };
        let len = checked(u32::from_le_bytes(len), self.message_bytes_max, &mut self.fault)?;
        let behind = into[..arrived].get(len..).unwrap_or_default();
        self.ahead[..behind.len()].copy_from_slice(behind);
        (self.taken, self.filled) = (0, behind.len());
        let mut message = std::mem::take(into);
        message.truncate(len.min(room));
        self.partial = Some(Partial { message, arrived: arrived.min(len), len });
        read
    }

    /// Nobody sends any more; was that in the middle of a message?
    #[cold]
    fn end(&mut self) -> RecvError {
        if let Some(partial) = self.partial.take() {
            return RecvError::Cut { arrived_bytes: partial.arrived, len_bytes: partial.len };
        }
        let arrived_bytes = self.filled - self.taken;
        (self.taken, self.filled) = (0, 0);
        if arrived_bytes > 0 { RecvError::Cut { arrived_bytes, len_bytes: LEN_BYTES } } else { RecvError::Disconnected }
    }
}

/// Leaves the core of a sender alone for a while: see rule 3. Of no use where there is but one core, and short there.
fn linger() {
    let began = Instant::now();
    while began.elapsed() < LINGER {
        std::hint::spin_loop();
    }
}

/// A length that a sender said, if it may be so long; else it is noted as a fault.
fn checked(len: u32, max_bytes: usize, noted: &mut Option<u32>) -> Result<usize, RecvError> {
    if len as usize > max_bytes {
        *noted = Some(len);
        return Err(fault(len));
    }
    Ok(len as usize)
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
            if let Some(mut partial) = self.partial.take_if(|it| it.arrived == it.len) {
                partial.message.truncate(partial.len);
                *into = partial.message;
                self.last_bytes = partial.len;
                return Ok(());
            }
            if self.partial.is_none() && self.take_ahead(into)? {
                return Ok(());
            }
            let is_nothing_ahead = self.partial.is_none() && self.taken == self.filled;
            if std::mem::take(&mut self.at_once) > 1 && patience != Patience::None && self.mechanism != Mechanism::Tcp {
                linger();
            }
            let read = match self.last_bytes {
                LONG_BYTES.. if is_nothing_ahead => self.read_expected(into, patience)?,
                _ => self.read_some(patience)?,
            };
            if read == 0 {
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

impl Drop for StreamReceiver {
    fn drop(&mut self) {
        self.bytes.leave(Way::Read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::unix;

    /// Messages of any lengths in any order are what was sent, however they lie in what is read at once.
    #[test]
    fn lengths_in_any_order() {
        let lengths =
            [0, 1, LONG_BYTES, LONG_BYTES, 3, AHEAD_BYTES, AHEAD_BYTES, AHEAD_BYTES - 1, 200_000, 200_001, 5, 0];
        let around = |round: usize| lengths.into_iter().cycle().skip(round).step_by(1 + round % 5).take(40);
        let options = Options::new();
        let (here, there) = unix::pair(&options).expect("a pair");
        let (mut here, mut there) = (here.into_sender(), there.into_receiver());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (round, len) in (0..12).flat_map(|round| around(round).map(move |len| (round, len))) {
                    // Bytes that tell where they lie.
                    let message: Vec<u8> = (0..len).map(|at| (at * 7 + round) as u8).collect();
                    here.send(&message).expect("it is received");
                }
            });
            let mut message = Vec::new();
            for (round, len) in (0..12).flat_map(|round| around(round).map(move |len| (round, len))) {
                there.recv(&mut message).expect("it is sent");
                assert_eq!(message.len(), len);
                assert!(message.iter().enumerate().all(|(at, &byte)| byte == (at * 7 + round) as u8), "{round} {len}");
            }
        });
    }
}
