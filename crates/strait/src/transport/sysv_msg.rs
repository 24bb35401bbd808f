//! System V message queues: by key or id, messages selected by type.
//!
//! A queue stays, with its messages, until it is removed or the machine restarted, whoever dies. Nobody is told that the other side is gone.
//!
//! 1. A message has a type, a number above zero: [`Sender::send_type`]; [`Receiver::recv_select`] asks for one, for any but one, or for the
//!    lowest up to one. The traits' calls use type 1 and take any.
//! 2. The kernel has no wait with a time for these queues and no descriptor to poll. So a call with a timeout looks, sleeps, and looks
//!    again, at intervals that grow from 50 us to 5 ms: that is what such a wait costs here. Calls without one wait in the kernel.
//!
//! See [sysvipc(7)](https://man7.org/linux/man-pages/man7/sysvipc.7.html), [msgop(2)](https://man7.org/linux/man-pages/man2/msgop.2.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::stream::too_large;
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Options, Patience};
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use strait_sys::errno::{E2BIG, EIDRM, EINVAL, ENOMSG};
use strait_sys::msgget::{self, Buffer, QueueStat, Wait};
use strait_sys::shmget::{self, Create};

pub use strait_sys::msgget::Select;

/// The type of messages that have none.
const PLAIN: i64 = 1;
/// See rule 2.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(5);

/// The longest message that the system allows (`msgmax`).
#[must_use]
pub fn message_bytes_max() -> usize {
    let text = std::fs::read_to_string("/proc/sys/kernel/msgmax");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(8192)
}

/// A queue by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queue(i32);

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "System V queue {}", self.0)
    }
}

impl Queue {
    /// Makes the queue of a key, which must not have one yet. One system call.
    ///
    /// # Errors
    /// `AlreadyExists`; `NoSpace`: as many queues as `/proc/sys/kernel/msgmni` allows; `Permission`.
    pub fn create(key: i32, options: &Options) -> Result<Self> {
        Self::get(key, Create::New, options.mode, "create")
    }

    /// Makes a queue without a key, found only by its id.
    ///
    /// # Errors
    /// `NoSpace`: as many queues as `/proc/sys/kernel/msgmni` allows.
    #[doc(alias = "IPC_PRIVATE")]
    pub fn create_private(options: &Options) -> Result<Self> {
        Self::get(shmget::PRIVATE, Create::New, options.mode, "create")
    }

    /// Finds the queue of a key. One system call.
    ///
    /// # Errors
    /// `NotFound`, `Permission`.
    pub fn open(key: i32) -> Result<Self> {
        Self::get(key, Create::No, 0, "open")
    }

    /// The queue of an id that is known, from a parent or from `ipcs -q`. No system call; what is wrong with it is found later.
    #[must_use]
    pub fn of_id(id: i32) -> Self {
        Self(id)
    }

    fn get(key: i32, create: Create, mode: u32, verb: &str) -> Result<Self> {
        msgget::msgget(key, create, mode).map(Self).map_err(|e| {
            let is_full = e.kind() == io::ErrorKind::StorageFull;
            let remedy = if is_full { "remove one (ipcs -q, ipcrm -q), or raise /proc/sys/kernel/msgmni" } else { "" };
            Error::kernel(verb, format_args!("the System V queue of key {key:#010x}"), e, remedy)
        })
    }

    /// Its id, to be told to others.
    #[must_use]
    pub fn id(self) -> i32 {
        self.0
    }

    /// What the kernel keeps about it. One system call.
    ///
    /// # Errors
    /// `NotFound`: it was removed; `Permission`.
    pub fn state(self) -> Result<QueueStat> {
        msgget::msgctl_stat(self.0).map_err(|e| self.refuse("look at", e))
    }

    /// Removes it with all it holds. Who waits is told `Disconnected`.
    ///
    /// # Errors
    /// `NotFound`, `Permission`.
    #[doc(alias = "IPC_RMID")]
    pub fn remove(self) -> Result<()> {
        msgget::msgctl_remove(self.0).map_err(|e| self.refuse("remove", e))
    }

    /// An end that sends. Asks nothing of the kernel.
    #[must_use]
    pub fn sender(self, options: &Options) -> Sender {
        let message_bytes_max = options.message_bytes_max.min(message_bytes_max());
        Sender { queue: self, message_bytes_max, buffer: Buffer::default() }
    }

    /// An end that receives. Asks nothing of the kernel.
    #[must_use]
    pub fn receiver(self, options: &Options) -> Receiver {
        let message_bytes_max = options.message_bytes_max.min(message_bytes_max());
        Receiver { queue: self, message_bytes_max, buffer: Buffer::default() }
    }

    fn refuse(self, verb: &str, e: io::Error) -> Error {
        let is_gone = matches!(e.raw_os_error(), Some(EINVAL | EIDRM));
        Error::kernel(verb, self, e, if is_gone { "it was removed" } else { "" })
            .with_kind_if(is_gone, ErrorKind::NotFound)
    }
}

/// What the kernel's answer means to a call.
enum Answer<T> {
    Done(T),
    /// Nothing to be had without waiting.
    NotNow,
    Gone,
    TooLong(io::Error),
    Refused(io::Error),
}

fn answer<T>(outcome: io::Result<T>) -> Option<Answer<T>> {
    Some(match outcome {
        Ok(value) => Answer::Done(value),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => return None,
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Answer::NotNow,
        Err(e) => match e.raw_os_error() {
            Some(ENOMSG) => Answer::NotNow,
            Some(EIDRM | EINVAL) => Answer::Gone,
            Some(E2BIG) => Answer::TooLong(e),
            _ => Answer::Refused(e),
        },
    })
}

/// Calls until it is done or the patience ends (rule 2); `NotNow` then.
fn patiently<T>(patience: Patience, mut call: impl FnMut(Wait) -> io::Result<T>) -> Answer<T> {
    let wait = if patience == Patience::Endless { Wait::Yes } else { Wait::No };
    let mut pause = PAUSE_MIN;
    loop {
        match (answer(call(wait)), patience) {
            (None, _) => {}
            (Some(Answer::NotNow), Patience::Until(deadline)) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Answer::NotNow;
                }
                std::thread::sleep(pause.min(left));
                pause = (pause * 2).min(PAUSE_MAX);
            }
            (Some(done), _) => return done,
        }
    }
}

/// The sending end of a queue.
#[derive(Debug)]
pub struct Sender {
    queue: Queue,
    message_bytes_max: usize,
    buffer: Buffer,
}

impl Sender {
    /// Sends a message of a type above zero.
    ///
    /// # Errors
    /// As [`MessageSender::send_with`]; `Disconnected`: the queue was removed; `Kernel`: the type.
    pub fn send_type(&mut self, kind: i64, message: &[u8], patience: Patience) -> Result<(), SendError> {
        if kind <= 0 {
            let why = format!("send to {}: a message's type is above zero, not {kind}", self.queue);
            return Err(Error::new(ErrorKind::Usage, why).into());
        }
        if message.len() > self.message_bytes_max {
            return Err(too_large(message.len(), self.message_bytes_max));
        }
        let Self { queue, buffer, .. } = self;
        match patiently(patience, |wait| msgget::msgsnd(queue.0, kind, message, buffer, wait)) {
            Answer::Done(()) => Ok(()),
            Answer::NotNow if patience == Patience::None => Err(SendError::Full),
            Answer::NotNow => Err(SendError::TimedOut),
            Answer::Gone => Err(SendError::Disconnected),
            Answer::TooLong(e) | Answer::Refused(e) => Err(self.queue.refuse("send to", e).into()),
        }
    }
}

impl MessageSender for Sender {
    fn send_with(&mut self, message: &[u8], patience: Patience) -> Result<(), SendError> {
        self.send_type(PLAIN, message, patience)
    }

    fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::SysvMsg
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The receiving end of a queue.
#[derive(Debug)]
pub struct Receiver {
    queue: Queue,
    message_bytes_max: usize,
    buffer: Buffer,
}

impl Receiver {
    /// Receives the oldest message of those asked for, and says its type.
    ///
    /// # Errors
    /// As [`MessageReceiver::recv_with`]; `Disconnected`: the queue was removed. `Fault`: a message is longer than was agreed; it stays in the
    /// queue.
    pub fn recv_select(&mut self, select: Select, into: &mut Vec<u8>, patience: Patience) -> Result<i64, RecvError> {
        let (id, max) = (self.queue.0, self.message_bytes_max);
        let buffer = &mut self.buffer;
        match patiently(patience, |wait| msgget::msgrcv(id, select, max, buffer, wait)) {
            Answer::Done((kind, len)) => {
                into.clear();
                into.extend_from_slice(self.buffer.bytes(len));
                Ok(kind)
            }
            Answer::NotNow if patience == Patience::None => Err(RecvError::Empty),
            Answer::NotNow => Err(RecvError::TimedOut),
            Answer::Gone => Err(RecvError::Disconnected),
            Answer::TooLong(_) => Err(RecvError::Fault { what: "message length, beyond", found: max as u64 }),
            Answer::Refused(e) => Err(self.queue.refuse("receive from", e).into()),
        }
    }
}

impl MessageReceiver for Receiver {
    fn recv_with(&mut self, into: &mut Vec<u8>, patience: Patience) -> Result<(), RecvError> {
        self.recv_select(Select::Any, into, patience).map(drop)
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::SysvMsg
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
