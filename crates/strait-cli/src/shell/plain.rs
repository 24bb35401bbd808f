//! Streams of bytes as other programs speak them: without lengths, the messages separated as on standard input and output.
//!
//! The ends are those of [`strait::transport`], which open, accept and close; their descriptors are read and written here.

use super::Failure;
use super::address::Address;
use super::framing::{Framing, Misframed, Splitter};
use super::inlet::{Hand, Inlet, Letter, NotReceived};
use super::input::words;
use super::outlet::{NotSent, Outlet};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait::transport::{MessageReceiver, MessageSender};

/// How long the end of a message may take when the command ends.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// The sending end.
pub(super) struct PlainOutlet {
    /// Closes the connection when it is dropped.
    _end: Box<dyn MessageSender>,
    fd: OwnedFd,
    framing: Framing,
    max_bytes: usize,
    /// What is still to be written of the last message.
    pending: Vec<u8>,
}

fn again(fd: Option<BorrowedFd<'_>>, address: &Address) -> Result<OwnedFd, Failure> {
    let missing = || Failure::refused(format!("open {address}: it has no descriptor"));
    fd.ok_or_else(missing)?
        .try_clone_to_owned()
        .map_err(|e| Failure::refused(format!("duplicate the descriptor of {address}: {}", words(&e))))
}

/// Whether it is ready, at its end or broken, or is so in time.
fn is_ready(fd: &OwnedFd, flags: PollFlags, until: Instant) -> Result<bool, Errno> {
    loop {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        match poll(&mut [PollFd::new(fd, flags)], left.as_ref()) {
            Err(Errno::INTR) => {}
            ready => return ready.map(|count| count > 0),
        }
    }
}

impl PlainOutlet {
    pub(super) fn new(address: &Address, end: Box<dyn MessageSender>, framing: Framing) -> Result<Self, Failure> {
        let fd = again(end.fd(), address)?;
        Ok(Self { max_bytes: end.message_bytes_max().max(64 << 10), _end: end, fd, framing, pending: Vec::new() })
    }

    fn write_pending(&mut self, until: Instant) -> Result<bool, NotSent> {
        let failed = |e: Errno| NotSent::Failed(Failure::refused(format!("write: {}", words(&e.into()))));
        let mut written = 0;
        while written < self.pending.len() {
            let rest = &self.pending[written..];
            let sent = match rustix::net::send(&self.fd, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                // A FIFO, whose end to write to was opened so that it does not wait.
                Err(Errno::NOTSOCK) => rustix::io::write(&self.fd, rest),
                sent => sent,
            };
            match sent {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(NotSent::Gone("the receiver is gone".to_owned())),
                Err(Errno::AGAIN) => {
                    if !is_ready(&self.fd, PollFlags::OUT, until).map_err(failed)? {
                        break;
                    }
                }
                Err(e) => return Err(failed(e)),
            }
        }
        self.pending.drain(..written);
        Ok(self.pending.is_empty())
    }
}

impl Outlet for PlainOutlet {
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent> {
        if !self.write_pending(until)? {
            return Err(NotSent::Late);
        }
        self.framing.append(message, &mut self.pending);
        let len = self.pending.len();
        // As soon as something of it is written the whole of it is sent, this time or the next.
        if !self.write_pending(until)? && self.pending.len() == len {
            self.pending.clear();
            return Err(NotSent::Late);
        }
        Ok(())
    }

    fn message_bytes_max(&self) -> usize {
        self.max_bytes
    }

    fn finish(&mut self, until: Instant) -> Result<bool, NotSent> {
        self.write_pending(until)
    }
}

impl Drop for PlainOutlet {
    /// A message that was begun is ended, unless its receiver takes longer than a person who waits for the prompt.
    fn drop(&mut self) {
        let _ = self.write_pending(Instant::now() + LAST_PATIENCE);
    }
}

/// The receiving end.
pub(super) struct PlainInlet {
    /// Closes the connection when it is dropped.
    _end: Box<dyn MessageReceiver>,
    fd: OwnedFd,
    splitter: Splitter,
    is_over: bool,
}

impl PlainInlet {
    pub(super) fn new(
        address: &Address,
        end: Box<dyn MessageReceiver>,
        framing: Framing,
        max_bytes: usize,
    ) -> Result<Self, Failure> {
        let fd = again(end.fd(), address)?;
        Ok(Self { _end: end, fd, splitter: Splitter::new(framing, max_bytes), is_over: false })
    }

    fn read(fd: &OwnedFd, into: &mut [u8]) -> std::io::Result<usize> {
        let read = match rustix::net::recv(fd, &mut *into, RecvFlags::DONTWAIT) {
            // It was found ready, and has no other reader.
            Err(Errno::NOTSOCK) => rustix::io::read(fd, &mut *into),
            read => read.map(|(count, _)| count),
        };
        match read {
            Err(Errno::CONNRESET) => Ok(0),
            read => Ok(read?),
        }
    }
}

impl Inlet for PlainInlet {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        let refuse = |wrong| match wrong {
            Misframed::TooLong => NotReceived::Failed(Failure::no(
                "a message is longer than allowed; allow more with --message-bytes, or take --raw, which needs no separators",
            )),
            Misframed::Cut { arrived_bytes } => NotReceived::Failed(Failure::peer(format!(
                "the sender went away in the middle of a message, {arrived_bytes} bytes after its beginning"
            ))),
        };
        loop {
            let found = match self.is_over {
                false => self.splitter.take().map_err(refuse)?,
                true => None,
            };
            if let Some(at) = found {
                return Ok(hand(&Letter::of(self.splitter.message(at)))?);
            }
            if self.is_over {
                return Err(NotReceived::Over(None));
            }
            let failed = |e: std::io::Error| NotReceived::Failed(Failure::refused(format!("read: {}", words(&e))));
            if !is_ready(&self.fd, PollFlags::IN, until).map_err(|e| failed(e.into()))? {
                return Err(NotReceived::Late);
            }
            let fd = &self.fd;
            match self.splitter.fill(|into| Self::read(fd, into)) {
                Ok(0) => {
                    self.is_over = true;
                    if let Some(at) = self.splitter.rest().map_err(refuse)? {
                        return Ok(hand(&Letter::of(self.splitter.message(at)))?);
                    }
                }
                Ok(_) => {}
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(failed(e)),
            }
        }
    }
}
