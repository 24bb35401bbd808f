//! [sem_overview(7)](https://man7.org/linux/man-pages/man7/sem_overview.7.html): POSIX semaphores in memory that processes share.
//!
//! A named one is the same thing in a file of its own (`/dev/shm/sem.NAME`), so only the unnamed form is here: where the bytes come from is
//! the caller's business. They have to be a semaphore's: where they make the kernel refuse to wait, glibc ends the process.
#![allow(unsafe_code)]

use crate::dlsym::{Deadline, Symbol};
use std::io;
use std::ptr::NonNull;
use std::time::Duration;

/// A semaphore as the C library lays it out.
pub type Semaphore = libc::sem_t;

/// Makes a semaphore of `value` permits that processes share (`sem_init(3)`). No system call.
///
/// # Errors
/// `EINVAL`: more than `SEM_VALUE_MAX`, 2^31 - 1.
///
/// # Safety
/// `at` is aligned, writable memory of a semaphore's size that nobody uses yet.
pub unsafe fn sem_init(at: NonNull<Semaphore>, value: u32) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::sem_init(at.as_ptr(), 1, value) })
}

/// Adds a permit (`sem_post(3)`). A system call only where somebody waits.
///
/// # Errors
/// `EOVERFLOW`: it has as many as there may be.
///
/// # Safety
/// `at` is a semaphore in writable shared memory, which nobody but the C library writes.
pub unsafe fn sem_post(at: NonNull<Semaphore>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::sem_post(at.as_ptr()) })
}

/// Takes a permit, or waits for one (`sem_wait(3)`).
///
/// # Errors
/// `EINTR`.
///
/// # Safety
/// As for [`sem_post`].
pub unsafe fn sem_wait(at: NonNull<Semaphore>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::sem_wait(at.as_ptr()) })
}

/// Takes a permit, if there is one. No system call.
///
/// # Errors
/// `EAGAIN`: there is none.
///
/// # Safety
/// As for [`sem_post`].
pub unsafe fn sem_trywait(at: NonNull<Semaphore>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::sem_trywait(at.as_ptr()) })
}

/// Takes a permit, or waits for one for `timeout` (`sem_clockwait(3)`), by the monotonic clock, or by the wall clock where the C library has no such call.
///
/// # Errors
/// `ETIMEDOUT`, `EINTR`.
///
/// # Safety
/// As for [`sem_post`].
pub unsafe fn sem_timedwait(at: NonNull<Semaphore>, timeout: Duration) -> io::Result<()> {
    type ClockWait = unsafe extern "C" fn(*mut Semaphore, libc::clockid_t, *const libc::timespec) -> libc::c_int;
    static CLOCK_WAIT: Symbol = Symbol::new(c"sem_clockwait");

    let deadline = Deadline::after(timeout, &CLOCK_WAIT);
    if deadline.clock == libc::CLOCK_REALTIME {
        // SAFETY: the caller's promise, and a valid time.
        return done(unsafe { libc::sem_timedwait(at.as_ptr(), &raw const deadline.time) });
    }
    // SAFETY: the function of this name has this type (sem_clockwait(3)), and is there: the deadline says so.
    let wait = unsafe { std::mem::transmute::<*mut libc::c_void, ClockWait>(CLOCK_WAIT.address()) };
    // SAFETY: the caller's promise, and a valid time.
    done(unsafe { wait(at.as_ptr(), deadline.clock, &raw const deadline.time) })
}

/// How many permits there are (`sem_getvalue(3)`). No system call.
///
/// # Safety
/// As for [`sem_post`].
pub unsafe fn sem_getvalue(at: NonNull<Semaphore>) -> u32 {
    let mut value = 0;
    // SAFETY: the caller's promise, and a valid place for the answer. It has no other error than that of a bad pointer.
    let _ = unsafe { libc::sem_getvalue(at.as_ptr(), &raw mut value) };
    u32::try_from(value).unwrap_or(0)
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Permits are counted; a wait with a time ends by itself.
    #[test]
    fn counted() {
        // SAFETY: a struct of plain bytes, for which zero is a value.
        let mut semaphore: Semaphore = unsafe { std::mem::zeroed() };
        let at = NonNull::from(&mut semaphore);
        let errno = |call: unsafe fn(NonNull<Semaphore>) -> io::Result<()>| {
            // SAFETY: a semaphore on this stack, used by this thread only.
            unsafe { call(at) }.err().and_then(|e| e.raw_os_error())
        };
        // SAFETY: as above.
        assert!(unsafe { sem_init(at, u32::MAX) }.is_err());
        // SAFETY: as above.
        unsafe { sem_init(at, 1) }.expect("small");
        assert_eq!(errno(sem_post), None);
        // SAFETY: as above.
        assert_eq!(unsafe { sem_getvalue(at) }, 2);
        assert_eq!((errno(sem_wait), errno(sem_trywait), errno(sem_trywait)), (None, None, Some(libc::EAGAIN)));
        // SAFETY: as above.
        let late = unsafe { sem_timedwait(at, Duration::from_millis(1)) };
        assert_eq!(late.expect_err("none").raw_os_error(), Some(libc::ETIMEDOUT));
    }
}
