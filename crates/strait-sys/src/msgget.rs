//! [msgget(2)](https://man7.org/linux/man-pages/man2/msgget.2.html), [msgop(2)](https://man7.org/linux/man-pages/man2/msgop.2.html),
//! [msgctl(2)](https://man7.org/linux/man-pages/man2/msgctl.2.html): System V message queues.
//!
//! Each message has a type, a positive number, by which it can be selected. The kernel offers no wait with a time, and no descriptor.
#![allow(unsafe_code)]

use crate::poll::Wait;
use crate::shmget::Create;
use std::io;
use std::num::NonZero;

/// Finds or makes the queue of `key` and returns its id. One system call.
///
/// # Errors
///
/// `ENOENT`, `EEXIST`, `EACCES`. `ENOSPC`: as many queues as `/proc/sys/kernel/msgmni` allows.
pub fn msgget(key: i32, create: Create, mode: u32) -> io::Result<i32> {
    let flags = (mode & 0o777) as libc::c_int
        | match create {
            Create::No => 0,
            Create::IfMissing => libc::IPC_CREAT,
            Create::New => libc::IPC_CREAT | libc::IPC_EXCL,
        };
    // SAFETY: plain numbers, no pointer.
    match unsafe { libc::msgget(key, flags) } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(id),
    }
}

/// Which messages are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The oldest.
    Any,
    /// The oldest of this type.
    Type(NonZero<u32>),
    /// The oldest of another type than this (`MSG_EXCEPT`).
    Except(NonZero<u32>),
    /// The oldest of the lowest type, up to this one.
    LowestUpTo(NonZero<u32>),
}

/// Room for a message as the kernel takes and gives it: its type, then its bytes.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u64>);

impl Buffer {
    /// Makes it as long as a message of `len_bytes` needs.
    fn reserve(&mut self, len_bytes: usize) {
        self.0.resize(1 + len_bytes.div_ceil(8), 0);
    }

    /// The first bytes of the message.
    #[must_use]
    pub fn bytes(&self, len_bytes: usize) -> &[u8] {
        let words = self.0.get(1..).unwrap_or_default();
        // SAFETY: the words are initialised memory, any of whose bytes are valid; the length is theirs.
        let bytes = unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<u8>(), words.len() * 8) };
        &bytes[..len_bytes.min(bytes.len())]
    }
}

/// Sends a message of a type. One system call.
///
/// # Errors
///
/// `EAGAIN`: full; `EINVAL`: longer than `/proc/sys/kernel/msgmax`, or no such queue; `EIDRM`: it was removed; `EINTR`.
pub fn msgsnd(id: i32, kind: NonZero<u32>, message: &[u8], buffer: &mut Buffer, wait: Wait) -> io::Result<()> {
    buffer.reserve(message.len());
    buffer.0[0] = kind.get().into();
    // SAFETY: the words behind the first are at least `message.len()` bytes, and the message does not overlap them.
    unsafe { std::ptr::copy_nonoverlapping(message.as_ptr(), buffer.0[1..].as_mut_ptr().cast(), message.len()) };
    // SAFETY: a `long` and that many bytes behind it, as the kernel reads them.
    let sent = unsafe { libc::msgsnd(id, buffer.0.as_ptr().cast(), message.len(), flags(wait)) };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives a message of up to `len_bytes_max` bytes into `buffer`; says its type and length. One system call.
///
/// # Errors
///
/// `ENOMSG`: empty; `E2BIG`: it is longer, and stays; `EIDRM`: the queue was removed; `EINTR`.
pub fn msgrcv(
    id: i32,
    select: Select,
    len_bytes_max: usize,
    buffer: &mut Buffer,
    wait: Wait,
) -> io::Result<(u64, usize)> {
    let (kind, except) = match select {
        Select::Any => (0, 0),
        Select::Type(kind) => (kind.get().into(), 0),
        Select::Except(kind) => (kind.get().into(), libc::MSG_EXCEPT),
        Select::LowestUpTo(kind) => (-libc::c_long::from(kind.get()), 0),
    };
    buffer.reserve(len_bytes_max);
    // SAFETY: room for a `long` and for that many bytes behind it.
    let len = unsafe { libc::msgrcv(id, buffer.0.as_mut_ptr().cast(), len_bytes_max, kind, flags(wait) | except) };
    match usize::try_from(len) {
        Ok(len) => Ok((buffer.0[0], len)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

fn flags(wait: Wait) -> libc::c_int {
    if wait == Wait::No { libc::IPC_NOWAIT } else { 0 }
}

/// What the kernel keeps about a queue (`IPC_STAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStat {
    /// Owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// How many messages wait in it.
    pub messages: u64,
    /// How many bytes it may hold (`msg_qbytes`).
    pub capacity_bytes: u64,
    /// Who sent last; 0 if nobody.
    pub last_sender_pid: i32,
    /// Who received last; 0 if nobody.
    pub last_receiver_pid: i32,
}

/// Asks about a queue. One system call.
#[doc(alias = "IPC_STAT")]
pub fn msgctl_stat(id: i32) -> io::Result<QueueStat> {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut stat: libc::msqid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is valid for the kernel to write.
    if unsafe { libc::msgctl(id, libc::IPC_STAT, &raw mut stat) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(QueueStat {
        uid: stat.msg_perm.uid,
        mode: u32::from(stat.msg_perm.mode) & 0o777,
        messages: stat.msg_qnum,
        capacity_bytes: stat.msg_qbytes,
        last_sender_pid: stat.msg_lspid,
        last_receiver_pid: stat.msg_lrpid,
    })
}

/// Removes a queue with all it holds; who waits in it is told `EIDRM`. One system call.
#[doc(alias = "IPC_RMID")]
pub fn msgctl_remove(id: i32) -> io::Result<()> {
    // SAFETY: no struct is read or written for IPC_RMID.
    if unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shmget::PRIVATE;

    /// Messages are selected by type; an empty queue says `ENOMSG`, one that is too long stays.
    #[test]
    fn selection_by_type() {
        let id = msgget(PRIVATE, Create::New, 0o600).expect("queue");
        let mut buffer = Buffer::default();
        let kind = |kind| NonZero::new(kind).expect("above zero");
        for (number, text) in [(3, "three"), (1, "one"), (2, "two"), (1, "one more")] {
            msgsnd(id, kind(number), text.as_bytes(), &mut buffer, Wait::No).expect("room");
        }
        let mut take = |select, len_max| {
            let (kind, len) = msgrcv(id, select, len_max, &mut buffer, Wait::No)?;
            Ok::<_, io::Error>((kind, String::from_utf8_lossy(buffer.bytes(len)).into_owned()))
        };
        assert_eq!(take(Select::Type(kind(2)), 99).expect("there"), (2, "two".into()));
        assert_eq!(take(Select::LowestUpTo(kind(9)), 99).expect("there"), (1, "one".into()));
        assert_eq!(take(Select::Except(kind(3)), 3).expect_err("long").raw_os_error(), Some(libc::E2BIG));
        assert_eq!(take(Select::Except(kind(3)), 99).expect("there"), (1, "one more".into()));
        assert_eq!(take(Select::Any, 99).expect("there"), (3, "three".into()));
        assert_eq!(take(Select::Any, 99).expect_err("empty").raw_os_error(), Some(libc::ENOMSG));
        assert_eq!(msgctl_stat(id).expect("there").messages, 0);
        msgctl_remove(id).expect("there");
        assert!(msgctl_stat(id).is_err());
    }
}
