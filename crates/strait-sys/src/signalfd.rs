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
    /// Who sent it. With a value this is what the sender says: the kernel fills it in only for a plain `kill`.
    pub pid: u32,
    /// Its user; as the pid.
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

/// What [`sigqueue`] sends along: `siginfo_t` of a signal with a value, as `rt_sigqueueinfo(2)` describes it.
#[repr(C)]
struct Queued {
    signal: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    fields: Fields,
    rest: [u8; REST_BYTES],
}

/// Aligned as the value is, which puts it where the kernel looks for it.
#[repr(C)]
struct Fields {
    pid: libc::pid_t,
    uid: libc::uid_t,
    value: usize,
}

const REST_BYTES: usize =
    size_of::<libc::siginfo_t>() - (3 * 4usize).next_multiple_of(align_of::<Fields>()) - size_of::<Fields>();
const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>(), "it is a siginfo_t");

/// Sends a signal with a value to the process behind a pidfd, and never to a later one with the same pid. Two or three system calls.
///
/// # Errors
///
/// `EAGAIN`: as many are pending as `RLIMIT_SIGPENDING` allows. `ESRCH`: it is gone. `EPERM`: another user's.
#[doc(alias = "rt_sigqueueinfo")]
#[doc(alias = "pidfd_send_signal")]
pub fn sigqueue(pidfd: BorrowedFd<'_>, signal: i32, value: u64) -> io::Result<()> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    // Truncation: of a value that is wider than an address nothing else could be sent.
    let fields = Fields { pid, uid: rustix::process::getuid().as_raw(), value: value as usize };
    let queued = Queued { signal, errno: 0, code: libc::SI_QUEUE, fields, rest: [0; REST_BYTES] };
    // SAFETY: the descriptor is open, and `queued` is laid out as a siginfo_t and as long, which the kernel reads.
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, &raw const queued, 0 as libc::c_uint)
    };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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

    /// A process that is gone is never mistaken for another, and 0 only asks.
    #[test]
    fn to_a_process_that_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep(1)");
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("there");
        sigqueue(pidfd.as_fd(), 0, 1).expect("there");
        sigqueue(pidfd.as_fd(), libc::SIGKILL, 1).expect("there");
        child.wait().expect("ends");
        assert_eq!(sigqueue(pidfd.as_fd(), 0, 1).expect_err("gone").raw_os_error(), Some(libc::ESRCH));
        assert!(block(4096).is_err());
    }
}
