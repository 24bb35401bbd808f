//! [mq_overview(7)](https://man7.org/linux/man-pages/man7/mq_overview.7.html): POSIX message queues.
//!
//! On Linux a queue descriptor is a file descriptor: it can be polled, handed over, and is close-on-exec here. A wait with a time is to poll it,
//! by the monotonic clock: `mq_timedsend` goes by the wall clock, which may be set while one waits.
#![allow(unsafe_code)]

use crate::poll::Wait;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// How [`mq_open`] treats the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// The queue must exist.
    No,
    /// It must not exist (`O_CREAT | O_EXCL`).
    New(Limits),
}

/// The limits of a queue, set when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many messages it holds (`mq_maxmsg`).
    pub messages_max: u32,
    /// The longest message (`mq_msgsize`).
    pub message_bytes_max: u32,
}

/// What a queue is to its opener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `O_RDONLY`.
    Receive,
    /// `O_WRONLY`.
    Send,
}

/// Opens or makes the queue of a name, which begins with a slash and has no other. One system call.
///
/// # Errors
///
/// `ENOENT`, `EEXIST`, `EACCES`. `EINVAL`: limits beyond `/proc/sys/fs/mqueue`, or a bad name. `EMFILE`: beyond `RLIMIT_MSGQUEUE`, too.
#[doc(alias = "mqd_t")]
pub fn mq_open(name: &CStr, usage: Use, create: Create, mode: u32) -> io::Result<OwnedFd> {
    let flags = libc::O_CLOEXEC
        | match usage {
            Use::Receive => libc::O_RDONLY,
            Use::Send => libc::O_WRONLY,
        };
    let fd = match create {
        // SAFETY: a valid C string; without O_CREAT no more arguments are read.
        Create::No => unsafe { libc::mq_open(name.as_ptr(), flags) },
        Create::New(limits) => {
            // SAFETY: a struct of integers, for which zero is a value.
            let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
            attributes.mq_maxmsg = limits.messages_max.into();
            attributes.mq_msgsize = limits.message_bytes_max.into();
            let flags = flags | libc::O_CREAT | libc::O_EXCL;
            // SAFETY: a valid C string, and the mode and a valid struct, as O_CREAT wants them.
            unsafe { libc::mq_open(name.as_ptr(), flags, mode & 0o777, &raw const attributes) }
        }
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns; on Linux `mqd_t` is one.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What a queue is and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its limits.
    pub limits: Limits,
    /// How many messages wait in it.
    pub messages: u32,
}

/// Asks for a queue's limits and fill. One system call.
pub fn mq_getattr(queue: BorrowedFd<'_>) -> io::Result<State> {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open (borrowed), and the struct is valid for the kernel to write.
    if unsafe { libc::mq_getattr(queue.as_raw_fd(), &raw mut attributes) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let number = |value: libc::c_long| u32::try_from(value).unwrap_or(0);
    let limits =
        Limits { messages_max: number(attributes.mq_maxmsg), message_bytes_max: number(attributes.mq_msgsize) };
    Ok(State { limits, messages: number(attributes.mq_curmsgs) })
}

/// Sends a message of a priority (0 lowest; higher ones are received first). One system call.
///
/// # Errors
///
/// `EAGAIN`: full; `EMSGSIZE`: longer than the queue's messages; `EINVAL`: priority beyond 32,767; `EINTR`.
pub fn mq_send(queue: BorrowedFd<'_>, message: &[u8], priority: u32, wait: Wait) -> io::Result<()> {
    let (queue, bytes, len) = (queue.as_raw_fd(), message.as_ptr().cast(), message.len());
    let sent = match wait {
        // SAFETY: the descriptor is open, and the pointer is valid for that many bytes.
        Wait::Yes => unsafe { libc::mq_send(queue, bytes, len, priority) },
        // SAFETY: the same, and a valid time.
        Wait::No => unsafe { libc::mq_timedsend(queue, bytes, len, priority, &raw const LONG_AGO) },
    };
    if sent == 0 { Ok(()) } else { Err(last_error()) }
}

/// Receives the oldest message of the highest priority; says its length and priority. One system call.
///
/// # Errors
///
/// `EAGAIN`: empty; `EMSGSIZE`: `into` is shorter than the queue's longest message; `EINTR`.
pub fn mq_receive(queue: BorrowedFd<'_>, into: &mut [u8], wait: Wait) -> io::Result<(usize, u32)> {
    let (queue, bytes, len) = (queue.as_raw_fd(), into.as_mut_ptr().cast(), into.len());
    let mut priority = 0;
    let received = match wait {
        // SAFETY: the descriptor is open, and both pointers are valid for what is written there.
        Wait::Yes => unsafe { libc::mq_receive(queue, bytes, len, &raw mut priority) },
        // SAFETY: the same, and a valid time.
        Wait::No => unsafe { libc::mq_timedreceive(queue, bytes, len, &raw mut priority, &raw const LONG_AGO) },
    };
    match usize::try_from(received) {
        Ok(len) => Ok((len, priority)),
        Err(_) => Err(last_error()),
    }
}

/// A deadline that is over by any clock: a call with it is done at once or not at all, whatever flags the descriptor has.
static LONG_AGO: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

fn last_error() -> io::Error {
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ETIMEDOUT) { io::Error::from_raw_os_error(libc::EAGAIN) } else { error }
}

/// Takes the name away; the queue goes with its last descriptor. One system call.
pub fn mq_unlink(name: &CStr) -> io::Result<()> {
    // SAFETY: a valid C string.
    if unsafe { libc::mq_unlink(name.as_ptr()) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks to be sent `signal` when a message comes to the empty queue; once, and by one process at a time. `None` takes it back.
#[doc(alias = "sigevent")]
pub fn mq_notify(queue: BorrowedFd<'_>, signal: Option<i32>) -> io::Result<()> {
    // SAFETY: a struct of integers and unions of them, for which zero is a value.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = signal.unwrap_or(0);
    let event = if signal.is_some() { &raw const event } else { std::ptr::null() };
    // SAFETY: the descriptor is open; null, or a valid struct.
    if unsafe { libc::mq_notify(queue.as_raw_fd(), event) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::os::fd::AsFd as _;

    /// The highest priority comes first, then the oldest; full and empty are `EAGAIN`.
    #[test]
    fn priority_then_age() {
        let name = CString::new(format!("/strait-sys-mq-{}", std::process::id())).expect("no zero");
        let limits = Limits { messages_max: 3, message_bytes_max: 16 };
        let tx = mq_open(&name, Use::Send, Create::New(limits), 0o600).expect("queue");
        let rx = mq_open(&name, Use::Receive, Create::No, 0).expect("there");
        mq_unlink(&name).expect("there");
        for (text, priority) in [("old", 1), ("new", 1), ("first", 7)] {
            mq_send(tx.as_fd(), text.as_bytes(), priority, Wait::No).expect("room");
        }
        assert_eq!(mq_getattr(rx.as_fd()).expect("open"), State { limits, messages: 3 });
        assert_eq!(mq_send(tx.as_fd(), b"more", 0, Wait::No).expect_err("full").raw_os_error(), Some(libc::EAGAIN));
        assert_eq!(mq_send(tx.as_fd(), &[0; 17], 0, Wait::Yes).expect_err("long").raw_os_error(), Some(libc::EMSGSIZE));
        let mut into = [0; 16];
        for (text, priority) in [("first", 7), ("old", 1), ("new", 1)] {
            let (len, found) = mq_receive(rx.as_fd(), &mut into, Wait::Yes).expect("there");
            assert_eq!((&into[..len], found), (text.as_bytes(), priority));
        }
        assert_eq!(mq_receive(rx.as_fd(), &mut into, Wait::No).expect_err("empty").raw_os_error(), Some(libc::EAGAIN));
    }
}
