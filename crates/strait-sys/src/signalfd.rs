//! [signalfd(2)](https://man7.org/linux/man-pages/man2/signalfd.2.html), [sigqueue(3)](https://man7.org/linux/man-pages/man3/sigqueue.3.html):
//! signals that carry a value, read from a descriptor.
//!
//! A signal that is read from a descriptor must be blocked in every thread, or it is delivered the ordinary way, which for a real-time
//! signal ends the process. Real-time signals of one number queue up in order, up to `RLIMIT_SIGPENDING` of the receiving user.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The real-time signals that programs may use: the C library keeps the first of them.
#[must_use]
pub fn real_time() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// Blocks a signal in the calling thread and in threads that it makes from now on. One system call.
#[doc(alias = "pthread_sigmask")]
pub fn block(signal: i32) -> io::Result<()> {
    let set = set_of(signal)?;
    // SAFETY: a valid set; the old one is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A descriptor to read a blocked signal from: close-on-exec, and reading never blocks. One system call.
pub fn signalfd(signal: i32) -> io::Result<OwnedFd> {
    let set = set_of(signal)?;
    // SAFETY: -1 asks for a new descriptor; the set is valid.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it; the kernel says so.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// The value, where it was sent by [`sigqueue`]; `None` for a plain `kill`.
    pub value: Option<u64>,
}

/// Reads the oldest signal that is pending, if there is one. One system call.
pub fn read(fd: BorrowedFd<'_>) -> io::Result<Option<Received>> {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    let len = size_of_val(&info);
    // SAFETY: the descriptor is open, and the struct is valid for that many bytes.
    let got = unsafe { libc::read(fd.as_raw_fd(), (&raw mut info).cast(), len) };
    if got < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    let value = (info.ssi_code == libc::SI_QUEUE).then_some(info.ssi_ptr);
    Ok(Some(Received { pid: info.ssi_pid, uid: info.ssi_uid, value }))
}

/// Sends a signal with a value to a process. One system call.
///
/// # Errors
///
/// `EAGAIN`: as many are pending as `RLIMIT_SIGPENDING` allows. `ESRCH`: no such process. `EPERM`: another user's.
pub fn sigqueue(pid: i32, signal: i32, value: u64) -> io::Result<()> {
    // Truncation: addresses are 64 bits wherever the value is to be.
    let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value as usize) };
    // SAFETY: plain numbers; the value is never followed.
    if unsafe { libc::sigqueue(pid, signal, value) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set_of(signal: i32) -> io::Result<libc::sigset_t> {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: a valid set; a bad number is an error.
    if unsafe { libc::sigaddset(&raw mut set, signal) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    /// Values come in the order in which they were sent.
    #[test]
    fn values_in_order() {
        let signal = libc::SIGRTMAX() - 3;
        // In a thread of its own, so that no other test's thread has the signal blocked or not.
        let thread = std::thread::spawn(move || {
            block(signal).expect("a signal");
            let fd = signalfd(signal).expect("descriptor");
            assert_eq!(read(fd.as_fd()).expect("open"), None);
            // To this thread alone: others of the test program have the signal unblocked.
            // SAFETY: plain numbers; the value is never followed.
            let own = unsafe { libc::pthread_self() };
            for value in [7_usize, u32::MAX as usize + 9] {
                let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
                // SAFETY: a live thread, a valid number.
                assert_eq!(unsafe { libc::pthread_sigqueue(own, signal, value) }, 0);
            }
            let values: Vec<_> = std::iter::from_fn(|| read(fd.as_fd()).expect("open")).map(|it| it.value).collect();
            assert_eq!(values, [Some(7), Some(u64::from(u32::MAX) + 9)]);
        });
        thread.join().expect("passes");
    }

    #[test]
    fn no_such_process() {
        assert_eq!(sigqueue(i32::MAX, 0, 1).expect_err("nobody").raw_os_error(), Some(libc::ESRCH));
        assert!(block(4096).is_err());
    }
}
