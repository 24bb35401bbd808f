//! FIFOs: pipes that strangers find by a path.
//!
//! ```text
//!   writer --\
//!   writer ---->  /run/my.fifo  --> reader
//!   writer --/
//! ```
//!
//! 1. Opening a FIFO the plain way blocks until the other side is there, with no way to say for how long. Here opening never blocks:
//!    [`Receiver::open`] returns at once, and [`sender`] and [`sender_timeout`] say that nobody reads.
//! 2. A server that reads is told the end each time its last client goes. A [`Receiver`] that shall outlast its senders
//!    [`stays`](Receiver::stay): it holds a writing end itself, so there is never an end.
//! 3. Whoever knows the path may send, so messages are at most what the kernel writes in one step, 4,092 bytes, unless a sender is
//!    [said to be alone](Options::shared). A client killed on the way has sent its message whole or not at all.
//! 4. The path stays when everybody is gone, and no message with it: what nobody has received goes with the last descriptor.
//!
//! See [fifo(7)](https://man7.org/linux/man-pages/man7/fifo.7.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::error::RecvError;
use crate::transport::pipe::set_capacity;
use crate::transport::stream::{Bytes, StreamReceiver, StreamSender};
use crate::transport::{Mechanism, MessageReceiver, Options, Patience};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strait_sys::errno::ENXIO;
use strait_sys::inotify::Openings;
use strait_sys::{fstat, mkfifo, open};

/// Makes a FIFO with these permissions, whatever the umask. Two system calls.
///
/// # Errors
/// `AlreadyExists`, `Permission`, `NotFound`: no such directory.
pub fn create(path: impl AsRef<Path>, options: &Options) -> Result<()> {
    let path = path.as_ref();
    let refuse = |e| Error::kernel("create", named(path), e, "");
    mkfifo::mkfifo(path, options.mode).map_err(refuse)?;
    // The umask may have taken permissions away. By the path: were it opened, a sender could find a reader that is gone in a moment.
    open::set_mode_of_path(path, options.mode).map_err(refuse)
}

/// The sending end, if somebody reads. Five system calls.
///
/// # Errors
/// `NotFound`: no FIFO, or nobody reads, as the sentence says; `Incompatible`: it is something else; `Permission`.
pub fn sender(path: impl AsRef<Path>, options: &Options) -> Result<StreamSender> {
    Ok(sender_from_fd(open_to_send(path.as_ref(), options)?, options))
}

fn open_to_send(path: &Path, options: &Options) -> Result<OwnedFd> {
    let fd = match mkfifo::open_to_write(path) {
        Ok(fd) => fd,
        Err(e) if e.raw_os_error() == Some(ENXIO) && is_fifo(path) => {
            let why = format!("open {} to send: nobody has it open to receive; start the receiver first", named(path));
            return Err(Error::new(ErrorKind::NotFound, why));
        }
        Err(e) => return Err(Error::kernel("open", named(path), e, "")),
    };
    check(path, fd.as_fd())?;
    set_capacity(&fd, options)?;
    Ok(fd)
}

/// The sending end on a descriptor that was inherited or received, opened by [`sender`] or with `O_NONBLOCK`.
#[must_use]
pub fn sender_from_fd(fd: OwnedFd, options: &Options) -> StreamSender {
    StreamSender::new(Bytes::Fifo(fd), Mechanism::Fifo, options)
}

/// The receiving end on a descriptor that was inherited or received. It says `Disconnected` when no sender is there, yet or any more.
#[must_use]
pub fn receiver_from_fd(fd: OwnedFd, options: &Options) -> StreamReceiver {
    StreamReceiver::new(Bytes::Fifo(fd), Mechanism::Fifo, options)
}

/// The descriptors of both ends, the one to write to first.
pub(crate) fn ends(path: &Path, options: &Options) -> Result<(OwnedFd, OwnedFd)> {
    let reader = open_to_receive(path, options)?;
    Ok((open_to_send(path, options)?, reader))
}

fn open_to_receive(path: &Path, options: &Options) -> Result<OwnedFd> {
    let fd = mkfifo::open_to_read(path).map_err(|e| Error::kernel("open", named(path), e, ""))?;
    check(path, fd.as_fd())?;
    set_capacity(&fd, options)?;
    Ok(fd)
}

/// [`sender`], asleep until somebody reads, for `timeout` at the most. The FIFO itself must be there.
///
/// # Errors
/// As [`sender`], with `TimedOut` where nobody read in time.
pub fn sender_timeout(path: impl AsRef<Path>, options: &Options, timeout: Duration) -> Result<StreamSender> {
    let path = path.as_ref();
    let deadline = Instant::now().checked_add(timeout);
    // Watched before the first try, so that a reader who comes in between is noticed.
    let openings = Openings::of(path).map_err(|e| Error::kernel("watch", named(path), e, ""))?;
    loop {
        match sender(path, options) {
            Err(error) if error.kind() == ErrorKind::NotFound && is_fifo(path) => {}
            done => return done,
        }
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            let why = format!("open {} to send: nobody opened it to receive within {timeout:?}", named(path));
            return Err(Error::new(ErrorKind::TimedOut, why));
        }
        openings.wait(left).map_err(|e| Error::kernel("watch", named(path), e, ""))?;
    }
}

fn is_fifo(path: &Path) -> bool {
    fstat::lstat(path).is_ok_and(|it| it.kind == fstat::Kind::Fifo)
}

fn check(path: &Path, fd: BorrowedFd<'_>) -> Result<()> {
    let stat = fstat::fstat(fd).map_err(|e| Error::kernel("open", named(path), e, ""))?;
    if stat.kind == fstat::Kind::Fifo {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Incompatible, format!("open {}: it is no FIFO", named(path))))
}

fn named(path: &Path) -> String {
    format!("fifo '{}'", path.display())
}

/// The receiving end of a FIFO.
#[derive(Debug)]
pub struct Receiver {
    stream: StreamReceiver,
    path: PathBuf,
    /// A writing end of our own: there is never an end then.
    stays: Option<OwnedFd>,
    /// Whether there was anything, be it the end: before the first sender a read would say the end, but a poll waits.
    has_met: bool,
}

impl Receiver {
    /// Opens the end to receive from, at once. Receiving waits for the first sender, and says `Disconnected` when all are gone; another
    /// may come then. Four system calls.
    ///
    /// # Errors
    /// `NotFound`, `Permission`; `Incompatible`: it is something else.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let path = path.as_ref();
        let stream = receiver_from_fd(open_to_receive(path, options)?, options);
        Ok(Self { stream, path: path.to_owned(), stays: None, has_met: false })
    }

    /// Stays open while senders come and go: waiting goes on when the last of them is gone. For servers.
    ///
    /// # Errors
    /// `Permission`: it may not be opened for writing.
    pub fn stay(mut self) -> Result<Self> {
        let opened = mkfifo::open_to_write(&self.path);
        self.stays =
            Some(opened.map_err(|e| Error::kernel("open", named(&self.path), e, "staying needs the right to write"))?);
        Ok(self)
    }
}

impl MessageReceiver for Receiver {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        if !self.has_met {
            let look = self.stream.is_ready(patience);
            self.has_met = look.map_err(|e| Error::kernel("receive from", named(&self.path), e, ""))?;
            if !self.has_met {
                return Err(if patience == Patience::None { RecvError::Empty } else { RecvError::TimedOut });
            }
        }
        self.stream.recv_with(into, patience)
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::Fifo
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stream.fd()
    }
}
