//! System V message queues: by key or id, messages selected by type.
//!
//! A queue stays, with its messages, until it is removed or the machine restarted, whoever dies. Nobody is told that the other side is gone.
//!
//! 1. A message has a type, a number above zero: [`Sender::send_type`]; [`Receiver::recv_select`] asks for one, for any but one, or for the
//!    lowest up to one. The traits' calls use type 1 and take any.
//! 2. A key is any number that several programs agree on, and another program may have chosen the same: nothing tells them apart. Create a
//!    queue without a key where its id can be handed on.
//! 3. A message longer than the whole queue would wait for ever: it is refused.
//! 4. The kernel has no wait with a time for these queues and no descriptor to poll. So a call with a timeout looks, sleeps, and looks
//!    again, at intervals that grow from 50 us to 5 ms: that is what such a wait costs here. Calls without one wait in the kernel.
//!
//! See [sysvipc(7)](https://man7.org/linux/man-pages/man7/sysvipc.7.html), [msgop(2)](https://man7.org/linux/man-pages/man2/msgop.2.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::error::{RecvError, SendError};
use crate::transport::wait::{Refusal, patiently, paused};
use crate::transport::{Mechanism, MessageReceiver, MessageSender, Options, Patience};
use std::fmt;
use std::io;
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use strait_sys::errno::{E2BIG, EIDRM, EINVAL, ENOMSG};
use strait_sys::msgget::{self, Buffer};
use strait_sys::shmget::{self, Create};

pub use strait_sys::msgget::{QueueStat, Select};

/// The type of messages that have none.
const PLAIN: NonZero<u32> = NonZero::<u32>::MIN;

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

    /// An end that sends. One system call, and a file to read.
    ///
    /// # Errors
    /// `NotFound`: it was removed; `Permission`.
    pub fn sender(self, options: &Options) -> Result<Sender> {
        Ok(Sender { queue: self, message_bytes_max: self.limit(options)?, buffer: Buffer::default() })
    }

    /// An end that receives. One system call, and a file to read.
    ///
    /// # Errors
    /// `NotFound`: it was removed; `Permission`.
    pub fn receiver(self, options: &Options) -> Result<Receiver> {
        Ok(Receiver { queue: self, message_bytes_max: self.limit(options)?, buffer: Buffer::default() })
    }

    /// The longest message (rule 3).
    fn limit(self, options: &Options) -> Result<usize> {
        let capacity = usize::try_from(self.state()?.capacity_bytes).unwrap_or(usize::MAX);
        Ok(options.message_bytes_max.min(message_bytes_max()).min(capacity))
    }

    fn refuse(self, verb: &str, e: io::Error) -> Error {
        let is_gone = matches!(e.raw_os_error(), Some(EINVAL | EIDRM));
        Error::kernel(verb, self, e, if is_gone { "it was removed" } else { "" })
            .with_kind_if(is_gone, ErrorKind::NotFound)
    }
}

/// The kernel's answer in the words of the others: empty is "not now", a queue that was removed is one without anybody.
fn answer<T>(outcome: io::Result<T>) -> io::Result<T> {
    outcome.map_err(|error| match error.raw_os_error() {
        Some(ENOMSG) => io::ErrorKind::WouldBlock.into(),
        Some(EIDRM | EINVAL) => io::ErrorKind::ConnectionReset.into(),
        _ => error,
    })
}

/// The sending end of a queue.
#[derive(Debug)]
pub struct Sender {
    queue: Queue,
    message_bytes_max: usize,
    buffer: Buffer,
}

impl Sender {
    /// Sends a message of a type, which receivers can ask for.
    ///
    /// # Errors
    /// As [`MessageSender::send_with`]; `Disconnected`: the queue was removed.
    pub fn send_type(&mut self, kind: NonZero<u32>, message: &[u8], patience: Patience) -> Result<(), SendError> {
        let Self { queue, message_bytes_max: max_bytes, buffer } = self;
        if message.len() > *max_bytes {
            return Err(SendError::TooLarge { len_bytes: message.len(), max_bytes: *max_bytes });
        }
        let sent = patiently(patience, paused(), |wait| answer(msgget::msgsnd(queue.0, kind, message, buffer, wait)));
        sent.map_err(|refusal| refusal.of_send(queue, message.len(), *max_bytes))
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
    /// As [`MessageReceiver::recv_with`]; `Disconnected`: the queue was removed. `Fault`: a message is longer than this end's limit, which is
    /// the number that is told; the message stays in the queue.
    pub fn recv_select(&mut self, select: Select, into: &mut Vec<u8>, patience: Patience) -> Result<u64, RecvError> {
        let Self { queue, message_bytes_max: max, buffer } = self;
        let received =
            patiently(patience, paused(), |wait| answer(msgget::msgrcv(queue.0, select, *max, buffer, wait)));
        match received {
            Ok((kind, len)) => {
                into.clear();
                into.extend_from_slice(buffer.bytes(len));
                Ok(kind)
            }
            Err(Refusal::Other(e)) if e.raw_os_error() == Some(E2BIG) => {
                Err(RecvError::Fault { what: "message length: it is beyond the limit of this end", found: *max as u64 })
            }
            Err(refusal) => Err(refusal.of_recv(queue)),
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
