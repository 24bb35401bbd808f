//! [read(2)](https://man7.org/linux/man-pages/man2/read.2.html) and [write(2)](https://man7.org/linux/man-pages/man2/write.2.html) on pipes:
//! a reader that is gone is an error, never a signal.
//!
//! Writing to a pipe without a reader raises `SIGPIPE`, which ends a process that does not ignore it. Whether it does is the program's
//! business. Linux 6.18 can be asked not to raise it (`RWF_NOSIGNAL`); before that the signal is blocked around the call, and taken if
//! the call raised it, which costs four more system calls. Where it is ignored anyway neither is needed, and the plain `write` costs a fifth
//! less than the call that takes flags: see [`PipeSignal`].
//!
//! A call that does not wait says so for itself (`RWF_NOWAIT`): `O_NONBLOCK` would be shared with every process that has the descriptor.
//! FIFOs do not know it, nor do pipes before Linux 6.4: there a look goes before the call, which is as good while nobody else uses
//! the same end. A FIFO's writers open it with `O_NONBLOCK`, each for itself, so nothing is left to chance there.
#![allow(unsafe_code)]

use crate::poll::{Interest, Wait, poll_one};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// `RWF_NOSIGNAL` of linux/fs.h.
const NO_SIGNAL: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x100);
/// In place of an offset: at the file position, which a pipe does not have.
const NO_OFFSET: u64 = u64::MAX;

/// What this process does about `SIGPIPE`, as far as [`write()`] has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeSignal {
    /// It ignores it, as Rust's programs do from their start, and goes on to do so.
    Ignored,
    /// It must not be raised.
    Unwanted,
}

impl PipeSignal {
    /// What this process does at present. A system call.
    #[doc(alias = "sigaction")]
    #[must_use]
    pub fn now() -> Self {
        // SAFETY: a struct of integers and a pointer to a function that may be null, for which zero is a value.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: nothing is changed, and what there is is written to a valid place.
        let asked = unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action) };
        if asked == 0 && action.sa_sigaction == libc::SIG_IGN { Self::Ignored } else { Self::Unwanted }
    }
}

/// Whether the kernel has refused [`NO_SIGNAL`].
static NO_SIGNAL_IS_UNKNOWN: AtomicBool = AtomicBool::new(false);

/// Reads what there is into the parts, one behind the other; says how many bytes. Zero when no writer is left.
///
/// # Errors
///
/// `EAGAIN`: there is nothing now. `EINTR`.
#[doc(alias = "readv")]
pub fn read(fd: BorrowedFd<'_>, parts: &mut [IoSliceMut<'_>], wait: Wait) -> io::Result<usize> {
    if wait == Wait::No {
        match rustix::io::preadv2(fd, parts, NO_OFFSET, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => is_ready(fd, Interest::Read)?,
            done => return Ok(done?),
        }
    }
    match parts {
        // The same with less to copy.
        [part] => Ok(rustix::io::read(fd, &mut **part)?),
        parts => Ok(rustix::io::readv(fd, parts)?),
    }
}

/// Writes the parts one behind the other, in one step as far as the pipe has room; says how many bytes. Up to `PIPE_BUF` bytes are written
/// together or not at all. `signal` is what [`PipeSignal::now`] has said.
///
/// # Errors
///
/// `EPIPE`: no reader is left. `EAGAIN`: there is no room now. `EINTR`.
#[doc(alias = "writev")]
#[doc(alias = "SIGPIPE")]
pub fn write(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>], wait: Wait, signal: PipeSignal) -> io::Result<usize> {
    if wait == Wait::No {
        match write_quietly(fd, parts, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP) => is_ready(fd, Interest::Write)?,
            done => return Ok(done?),
        }
    }
    if let (PipeSignal::Ignored, [part]) = (signal, parts) {
        return Ok(rustix::io::write(fd, part)?);
    }
    Ok(write_quietly(fd, parts, ReadWriteFlags::empty())?)
}

/// Writes without raising a signal. `EOPNOTSUPP`: the flags are not known, or one of them and [`NO_SIGNAL`] is not.
fn write_quietly(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>], flags: ReadWriteFlags) -> Result<usize, Errno> {
    // Relaxed, here and below: a flag on its own; who misses it asks once more.
    if !NO_SIGNAL_IS_UNKNOWN.load(Relaxed) {
        match rustix::io::pwritev2(fd, parts, NO_OFFSET, flags | NO_SIGNAL) {
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) if flags.is_empty() => {
                NO_SIGNAL_IS_UNKNOWN.store(true, Relaxed);
            }
            done => return done,
        }
    }
    write_with_signal_held(fd, parts, flags)
}

/// `EAGAIN` where a call would wait.
fn is_ready(fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
    if poll_one(fd, interest, Some(Duration::ZERO))? { Ok(()) } else { Err(Errno::AGAIN.into()) }
}

/// Writes with `SIGPIPE` blocked, and takes it away if this call raised it: it is sent to the thread that writes, so no other is meant.
fn write_with_signal_held(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>], flags: ReadWriteFlags) -> Result<usize, Errno> {
    let pipe = set_of_pipe();
    if is_pending() {
        // One that was there before stays there: ours would be merged into it.
        return rustix::io::pwritev2(fd, parts, NO_OFFSET, flags);
    }
    // SAFETY: a struct of integers, for which zero is a value.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: both sets are valid.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before) };
    let written = rustix::io::pwritev2(fd, parts, NO_OFFSET, flags);
    if written == Err(Errno::PIPE) {
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set and the time are valid; what was received is not asked for.
        unsafe { libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now) };
    }
    // SAFETY: the set is the one that was there.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    written
}

fn set_of_pipe() -> libc::sigset_t {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: a valid set and a valid number.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn is_pending() -> bool {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: a valid set and a valid number.
    unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    /// A pipe without a reader is an error, in both ways, whatever the program does about the signal.
    #[test]
    fn nobody_reads() {
        let thread = std::thread::spawn(|| {
            let (read_end, write_end) = crate::pipe::pipe().expect("pipe");
            let parts = [IoSlice::new(b"hel"), IoSlice::new(b"lo")];
            let held = |fd, parts: &[IoSlice<'_>]| {
                write_with_signal_held(fd, parts, ReadWriteFlags::empty()).map_err(io::Error::from)
            };
            let write = |fd, parts: &[IoSlice<'_>], wait| write(fd, parts, wait, PipeSignal::Unwanted);
            assert_eq!(write(write_end.as_fd(), &parts, Wait::Yes).expect("room"), 5);
            assert_eq!(held(write_end.as_fd(), &parts).expect("room"), 5);
            let mut into = [0; 16];
            assert_eq!(read(read_end.as_fd(), &mut [IoSliceMut::new(&mut into)], Wait::Yes).expect("there"), 10);
            drop(read_end);
            for _ in 0..2 {
                for error in [
                    write(write_end.as_fd(), &parts, Wait::Yes).expect_err("nobody reads"),
                    write(write_end.as_fd(), &parts, Wait::No).expect_err("nobody reads"),
                    held(write_end.as_fd(), &parts).expect_err("nobody reads"),
                ] {
                    assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
                    assert!(!is_pending());
                }
                // As an older kernel would have it.
                NO_SIGNAL_IS_UNKNOWN.store(true, Relaxed);
            }
        });
        thread.join().expect("passes");
    }

    /// Where the signal is ignored, as it is in Rust's programs, the plain call meets no signal either.
    #[test]
    fn nobody_reads_and_the_signal_is_ignored() {
        assert_eq!(PipeSignal::now(), PipeSignal::Ignored);
        let (read_end, write_end) = crate::pipe::pipe().expect("pipe");
        let write = || write(write_end.as_fd(), &[IoSlice::new(b"hello")], Wait::Yes, PipeSignal::now());
        assert_eq!(write().expect("room"), 5);
        drop(read_end);
        assert_eq!(write().expect_err("nobody reads").raw_os_error(), Some(libc::EPIPE));
    }

    /// A call that does not wait does not, full or empty, on a descriptor that blocks.
    #[test]
    fn no_waiting() {
        let (read_end, write_end) = crate::pipe::pipe().expect("pipe");
        let mut into = [0; 16];
        let empty = read(read_end.as_fd(), &mut [IoSliceMut::new(&mut into)], Wait::No).expect_err("empty");
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        let piece = [7; 4096];
        let write = |piece: &[u8]| write(write_end.as_fd(), &[IoSlice::new(piece)], Wait::No, PipeSignal::now());
        while write(&piece).is_ok() {}
        let full = write(b"x").expect_err("full");
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }
}
