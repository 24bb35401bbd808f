//! [read(2)](https://man7.org/linux/man-pages/man2/read.2.html) and [write(2)](https://man7.org/linux/man-pages/man2/write.2.html) on pipes:
//! a reader that is gone is an error, never a signal.
//!
//! Writing to a pipe without a reader raises `SIGPIPE`, which ends a process that does not ignore it. Whether it does is the program's
//! business. Linux 6.18 can be asked not to raise it (`RWF_NOSIGNAL`); before that the signal is blocked around the call, and taken if
//! the call raised it, which costs three more system calls in a program that does not ignore it.
#![allow(unsafe_code)]

use rustix::io::{Errno, ReadWriteFlags};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// `RWF_NOSIGNAL` of linux/fs.h.
const NO_SIGNAL: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x100);
/// In place of an offset: at the file position, which a pipe does not have.
const NO_OFFSET: u64 = u64::MAX;

/// Whether the kernel has refused [`NO_SIGNAL`].
static IS_TOO_OLD: AtomicBool = AtomicBool::new(false);

/// Reads what there is, `into.len()` bytes at the most; zero when no writer is left. Waits as the descriptor does. `EINTR` is an error.
pub fn read(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(fd, into)?)
}

/// Writes the parts one behind the other, in one step as far as the pipe has room; says how many bytes. Waits as the descriptor does. Up to
/// `PIPE_BUF` bytes are written together or not at all.
///
/// # Errors
///
/// `EPIPE`: no reader is left. `EAGAIN`, `EINTR`.
#[doc(alias = "writev")]
#[doc(alias = "SIGPIPE")]
pub fn write(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    // Relaxed: a flag on its own; who misses it asks once more.
    if !IS_TOO_OLD.load(Ordering::Relaxed) {
        match rustix::io::pwritev2(fd, parts, NO_OFFSET, NO_SIGNAL) {
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => IS_TOO_OLD.store(true, Ordering::Relaxed),
            done => return Ok(done?),
        }
    }
    write_with_signal_held(fd, parts)
}

/// Writes with `SIGPIPE` blocked, and takes it away if this call raised it: it is sent to the thread that writes, so no other is meant.
fn write_with_signal_held(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    let pipe = set_of_pipe();
    if is_pending() {
        // One that was there before stays there: ours would be merged into it.
        return Ok(rustix::io::writev(fd, parts)?);
    }
    // SAFETY: a struct of integers, for which zero is a value.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: both sets are valid.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before) };
    let written = rustix::io::writev(fd, parts);
    if written == Err(Errno::PIPE) {
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set and the time are valid; what was received is not asked for.
        unsafe { libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now) };
    }
    // SAFETY: the set is the one that was there.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    Ok(written?)
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
            assert_eq!(write(write_end.as_fd(), &parts).expect("room"), 5);
            assert_eq!(write_with_signal_held(write_end.as_fd(), &parts).expect("room"), 5);
            let mut into = [0; 16];
            assert_eq!(read(read_end.as_fd(), &mut into).expect("there"), 10);
            drop(read_end);
            for write in [write, write_with_signal_held] {
                let error = write(write_end.as_fd(), &parts).expect_err("nobody reads");
                assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
                assert!(!is_pending());
            }
        });
        thread.join().expect("passes");
    }
}
