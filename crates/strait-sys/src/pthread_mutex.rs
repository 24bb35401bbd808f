//! [pthread_mutex_lock(3p)](https://man7.org/linux/man-pages/man3/pthread_mutex_lock.3p.html),
//! [pthread_mutexattr_setrobust(3)](https://man7.org/linux/man-pages/man3/pthread_mutexattr_setrobust.3.html): the C library's robust mutex
//! in memory that processes share.
//!
//! The C library keeps those that a thread holds in a list that runs through the mutexes themselves, and writes to its neighbours there. So
//! who writes nonsense into a held one corrupts its holder: a robust mutex is for processes that trust each other. The kernel walks the list
//! when a thread ends ([get_robust_list(2)](https://man7.org/linux/man-pages/man2/get_robust_list.2.html)).
#![allow(unsafe_code)]

use crate::dlsym::{Deadline, Symbol};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::Duration;

/// A mutex as the C library lays it out.
pub type Mutex = libc::pthread_mutex_t;

/// Makes a robust mutex that processes share, and that tells its holder instead of waiting for itself. No system call.
///
/// # Errors
/// `ENOTSUP`: this C library has none.
///
/// # Safety
/// `at` is aligned, writable memory of a mutex's size that nobody uses yet.
#[doc(alias = "pthread_mutexattr_setrobust")]
pub unsafe fn init(at: NonNull<Mutex>) -> io::Result<()> {
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: memory of the attributes' size.
    done(unsafe { libc::pthread_mutexattr_init(attributes) })?;
    // SAFETY: initialised above.
    done(unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
    // SAFETY: as above.
    done(unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) })?;
    // SAFETY: as above.
    done(unsafe { libc::pthread_mutexattr_settype(attributes, libc::PTHREAD_MUTEX_ERRORCHECK) })?;
    // SAFETY: as above, and the caller's promise.
    done(unsafe { libc::pthread_mutex_init(at.as_ptr(), attributes) })
}

/// Locks it, or waits. A system call only where somebody holds it. The thread has it then, no other may unlock it.
///
/// # Errors
/// `EOWNERDEAD`: it is locked, and its last holder died. `ENOTRECOVERABLE`: after such a death it was unlocked without [`consistent`].
/// `EDEADLK`: this thread holds it.
///
/// # Safety
/// `at` is an initialised mutex that stays where it is, mapped, for as long as this thread holds it; nobody but the C library writes there.
pub unsafe fn lock(at: NonNull<Mutex>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::pthread_mutex_lock(at.as_ptr()) })
}

/// Locks it if nobody holds it. No system call.
///
/// # Errors
/// `EBUSY`; else those of [`lock`].
///
/// # Safety
/// As for [`lock`].
pub unsafe fn trylock(at: NonNull<Mutex>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::pthread_mutex_trylock(at.as_ptr()) })
}

/// Locks it, or waits for `timeout` at the most, by the monotonic clock where the C library has `pthread_mutex_clocklock`, else by the wall
/// clock.
///
/// # Errors
/// `ETIMEDOUT`; else those of [`lock`].
///
/// # Safety
/// As for [`lock`].
#[doc(alias = "pthread_mutex_clocklock")]
pub unsafe fn timedlock(at: NonNull<Mutex>, timeout: Duration) -> io::Result<()> {
    type ClockLock = unsafe extern "C" fn(*mut Mutex, libc::clockid_t, *const libc::timespec) -> libc::c_int;
    static CLOCK_LOCK: Symbol = Symbol::new(c"pthread_mutex_clocklock");

    let deadline = Deadline::after(timeout, &CLOCK_LOCK);
    if deadline.clock == libc::CLOCK_REALTIME {
        // SAFETY: the caller's promise, and a valid time.
        return done(unsafe { libc::pthread_mutex_timedlock(at.as_ptr(), &raw const deadline.time) });
    }
    // SAFETY: the function of this name has this type, and is there: the deadline says so.
    let lock = unsafe { std::mem::transmute::<*mut libc::c_void, ClockLock>(CLOCK_LOCK.address()) };
    // SAFETY: the caller's promise, and a valid time.
    done(unsafe { lock(at.as_ptr(), deadline.clock, &raw const deadline.time) })
}

/// Says that what the mutex protects is in order again, after `EOWNERDEAD` (`pthread_mutex_consistent(3)`). No system call.
///
/// # Errors
/// `EINVAL`: it is not so.
///
/// # Safety
/// As for [`lock`], and this thread holds it.
pub unsafe fn consistent(at: NonNull<Mutex>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::pthread_mutex_consistent(at.as_ptr()) })
}

/// Unlocks it. A system call only where somebody waits. After `EOWNERDEAD` without [`consistent`] nobody can lock it again.
///
/// # Errors
/// `EPERM`: this thread does not hold it.
///
/// # Safety
/// As for [`lock`].
pub unsafe fn unlock(at: NonNull<Mutex>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    done(unsafe { libc::pthread_mutex_unlock(at.as_ptr()) })
}

/// These return their error, and leave `errno` alone.
fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call, by its error number.
    fn errno(call: unsafe fn(NonNull<Mutex>) -> io::Result<()>, at: NonNull<Mutex>) -> Option<i32> {
        // SAFETY: the test's mutex is not moved, and is freed when nobody has it any more.
        unsafe { call(at) }.err().and_then(|e| e.raw_os_error())
    }

    /// A thread that ends with it leaves it to the next one, who is told; one that is not repaired is lost.
    #[test]
    fn told_of_the_dead() {
        // SAFETY: a struct of plain bytes, for which zero is a value.
        let mut mutex: Box<Mutex> = Box::new(unsafe { std::mem::zeroed() });
        let at = NonNull::from(&mut *mutex);
        let die_with_it = || {
            let address = at.as_ptr().expose_provenance();
            let thread = std::thread::spawn(move || {
                let at = NonNull::new(std::ptr::with_exposed_provenance_mut::<Mutex>(address)).expect("not null");
                errno(lock, at)
            });
            assert_eq!(thread.join().expect("no panic"), None);
        };
        assert_eq!(errno(init, at), None);
        die_with_it();
        assert_eq!(errno(lock, at), Some(libc::EOWNERDEAD));
        assert_eq!(errno(trylock, at), Some(libc::EDEADLK));
        assert_eq!(errno(lock, at), Some(libc::EDEADLK));
        assert_eq!(errno(consistent, at), None);
        assert_eq!(errno(unlock, at), None);
        assert_eq!(errno(unlock, at), Some(libc::EPERM));

        die_with_it();
        // SAFETY: as in `errno`.
        let late = unsafe { timedlock(at, Duration::from_millis(1)) };
        assert_eq!(late.expect_err("dead").raw_os_error(), Some(libc::EOWNERDEAD));
        assert_eq!(errno(unlock, at), None);
        assert_eq!(errno(lock, at), Some(libc::ENOTRECOVERABLE));
    }
}
