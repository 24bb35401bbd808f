//! POSIX message queues: by name, with priorities.
//!
//! A queue stays, with its messages, until [`remove`] or a restart of the machine, whoever dies. Nobody is told that the other side is gone,
//! and a queue that nobody drains stays full.
//!
//! A queue's limits are set when it is made and cannot exceed those of the system, which [`limits`] reads (only `CAP_SYS_RESOURCE` goes beyond). All queues of a user
//! together take at most `RLIMIT_MSGQUEUE` bytes, 800 KiB as a rule.
//!
//! An end can be handed over as a descriptor; a queue whose name was [removed](remove) lives until its last descriptor is closed, and leaves
//! nothing behind.
//!
//! See [mq_overview(7)](https://man7.org/linux/man-pages/man7/mq_overview.7.html). `/dev/mqueue` need not be mounted.

use crate::error::{Error, ErrorKind, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::wait::{patiently, polled};
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Options, Patience};
use std::ffi::CString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use strait_sys::errno::EMFILE;
use strait_sys::mq_open::{self, Create, Limits, Use};
use strait_sys::poll::Interest;

const OBJECT: &str = "a posix queue";

/// The highest priority is one less (`MQ_PRIO_MAX`).
pub const PRIORITIES: u32 = 32_768;

/// What the system allows a queue: how many messages, and how long each.
#[must_use]
pub fn limits() -> (u32, u32) {
    let read = |file: &str, otherwise| {
        let text = std::fs::read_to_string(format!("/proc/sys/fs/mqueue/{file}"));
        text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(otherwise)
    };
    (read("msg_max", 10), read("msgsize_max", 8192))
}

/// Makes a queue that holds [`Options::messages_max`] messages of up to [`Options::message_bytes_max`] bytes, or of what the system allows
/// if that is less. One system call.
///
/// # Errors
/// `AlreadyExists`; `NoSpace`: more messages than the system allows, or the user has too many queues, as the sentence says; `Usage`: the name.
pub fn create(name: &str, options: &Options) -> Result<()> {
    let c_name = c_name(name)?;
    let (messages, bytes) = limits();
    if options.messages_max > messages {
        let why = format!(
            "create posix queue '{name}' for {} messages: the system allows {messages}; raise /proc/sys/fs/mqueue/msg_max",
            options.messages_max
        );
        return Err(Error::new(ErrorKind::NoSpace, why));
    }
    // At most the system's limit, which is 32 bits.
    let message_bytes_max = options.message_bytes_max.min(bytes as usize).max(1) as u32;
    let wanted = Limits { messages_max: options.messages_max.max(1), message_bytes_max };
    let made = mq_open::mq_open(&c_name, Use::Receive, Create::New(wanted), options.mode);
    made.map(drop).map_err(|e| {
        let is_over = matches!(e.raw_os_error(), Some(EMFILE));
        let remedy = if is_over {
            "all queues of a user share RLIMIT_MSGQUEUE (ulimit -q); remove one, or raise it"
        } else {
            ""
        };
        Error::kernel("create", named(name), e, remedy).with_kind_if(is_over, ErrorKind::NoSpace)
    })
}

/// Takes a queue's name away; it goes with its last user.
///
/// # Errors
/// `NotFound`, `Permission`.
pub fn remove(name: &str) -> Result<()> {
    mq_open::mq_unlink(&c_name(name)?).map_err(|e| Error::kernel("remove", named(name), e, ""))
}

fn named(name: &str) -> String {
    format!("posix queue '{name}'")
}

fn c_name(name: &str) -> Result<CString> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let c_name =
        CString::new(format!("/{bare}")).ok().filter(|_| !bare.is_empty() && !bare.contains('/') && bare.len() < 255);
    c_name.ok_or_else(|| {
        let why = format!(
            "use name '{}': a queue's name has 1 to 254 bytes and no slash but a first one",
            name.escape_default()
        );
        Error::new(ErrorKind::Usage, why)
    })
}

fn open(name: &str, usage: Use) -> Result<OwnedFd> {
    mq_open::mq_open(&c_name(name)?, usage, Create::No, 0).map_err(|e| Error::kernel("open", named(name), e, ""))
}

/// The descriptors of both ends, the one to send with first.
pub(crate) fn ends(name: &str) -> Result<(OwnedFd, OwnedFd)> {
    Ok((open(name, Use::Send)?, open(name, Use::Receive)?))
}

fn message_bytes_max(fd: &OwnedFd) -> Result<usize> {
    let state = mq_open::mq_getattr(fd.as_fd()).map_err(|e| Error::kernel("look at", OBJECT, e, ""))?;
    Ok(state.limits.message_bytes_max as usize)
}

/// The sending end of a queue.
#[derive(Debug)]
pub struct Sender {
    fd: OwnedFd,
    message_bytes_max: usize,
}

impl Sender {
    /// Opens a queue that exists. Two system calls.
    ///
    /// # Errors
    /// `NotFound`, `Permission`, `Usage`: the name.
    pub fn open(name: &str) -> Result<Self> {
        Self::from_fd(open(name, Use::Send)?)
    }

    /// The sending end on a descriptor that was inherited or received.
    ///
    /// # Errors
    /// `Kernel`: it is no queue.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        Ok(Self { message_bytes_max: message_bytes_max(&fd)?, fd })
    }

    /// Sends a message of a priority, 0 to 32,767; a higher one is received first.
    ///
    /// # Errors
    /// As [`MessageSender::send_with`]; `Failed` with `Usage`: the priority.
    pub fn send_priority(&mut self, message: &[u8], priority: u32, patience: Patience) -> Result<(), SendError> {
        if message.len() > self.message_bytes_max {
            return Err(SendError::TooLarge { len_bytes: message.len(), max_bytes: self.message_bytes_max });
        }
        if priority >= PRIORITIES {
            let why = format!("send to {OBJECT}: a priority is at most {}, not {priority}", PRIORITIES - 1);
            return Err(Error::new(ErrorKind::Usage, why).into());
        }
        let fd = self.fd.as_fd();
        let sent =
            patiently(patience, polled(fd, Interest::Write), |wait| mq_open::mq_send(fd, message, priority, wait));
        sent.map_err(|refusal| refusal.of_send(OBJECT, message.len(), self.message_bytes_max))
    }

    /// How many messages wait in the queue. One system call.
    ///
    /// # Errors
    /// None for an open queue.
    pub fn len(&self) -> Result<u32> {
        mq_open::mq_getattr(self.fd.as_fd()).map(|it| it.messages).map_err(|e| Error::kernel("look at", OBJECT, e, ""))
    }

    /// Whether no message waits in the queue. One system call.
    ///
    /// # Errors
    /// None for an open queue.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl MessageSender for Sender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        self.send_priority(message, 0, patience)
    }

    fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::PosixMq
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}

/// The receiving end of a queue.
#[derive(Debug)]
pub struct Receiver {
    fd: OwnedFd,
    room: Vec<u8>,
}

impl Receiver {
    /// Opens a queue that exists. Two system calls.
    ///
    /// # Errors
    /// `NotFound`, `Permission`, `Usage`: the name.
    pub fn open(name: &str) -> Result<Self> {
        Self::from_fd(open(name, Use::Receive)?)
    }

    /// The receiving end on a descriptor that was inherited or received.
    ///
    /// # Errors
    /// `Kernel`: it is no queue.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        Ok(Self { room: vec![0; message_bytes_max(&fd)?], fd })
    }

    /// Receives the oldest message of the highest priority, and says that priority.
    ///
    /// # Errors
    /// As [`MessageReceiver::recv_with`].
    pub fn recv_priority(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<u32, RecvError> {
        let (fd, room) = (self.fd.as_fd(), &mut self.room);
        let received = patiently(patience, polled(fd, Interest::Read), |wait| mq_open::mq_receive(fd, room, wait));
        let (len, priority) = received.map_err(|refusal| refusal.of_recv(OBJECT))?;
        into.clear();
        into.extend_from_slice(&self.room[..len]);
        Ok(priority)
    }

    /// Asks for a signal when a message comes to the empty queue and nobody waits in a receiving call: once, and for one process at a time.
    /// `None` takes that back. What to do about the signal is the program's business: [`super::signal::Receiver`] receives real-time ones,
    /// and calls this one a fault, for it is sent by the kernel and carries no message.
    ///
    /// # Errors
    /// `Busy`: another process has asked.
    #[doc(alias = "mq_notify")]
    pub fn notify(&self, signal: Option<i32>) -> Result<()> {
        mq_open::mq_notify(self.fd.as_fd(), signal).map_err(|e| {
            let is_taken = e.kind() == std::io::ErrorKind::ResourceBusy;
            Error::kernel("ask for a signal of", OBJECT, e, "").with_kind_if(is_taken, ErrorKind::Busy)
        })
    }
}

impl MessageReceiver for Receiver {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        self.recv_priority(into, patience).map(drop)
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::PosixMq
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}
