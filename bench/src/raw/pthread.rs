//! A robust process-shared mutex of the C library in shared memory ([pthread_mutexattr_setrobust(3)]).
//!
//! [pthread_mutexattr_setrobust(3)]: https://man7.org/linux/man-pages/man3/pthread_mutexattr_setrobust.3.html

use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::Shared;

/// The mutex, at a place of the mapping.
pub(crate) struct Robust {
    at: NonNull<libc::pthread_mutex_t>,
    _keep: Shared,
}

impl Robust {
    /// The mutex at `offset`, made by the other process.
    pub(crate) fn of(shared: &Shared, offset: usize) -> Self {
        Self { at: shared.place(offset, 1), _keep: shared.clone() }
    }

    /// Makes it.
    pub(crate) fn make(shared: &Shared, offset: usize) -> io::Result<Self> {
        let made = Self::of(shared, offset);
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the pointer is to memory of the attributes' size.
        done(unsafe { libc::pthread_mutexattr_init(attributes) })?;
        // SAFETY: initialised above.
        done(unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: as above.
        done(unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) })?;
        // SAFETY: `at` is aligned memory of the mutex's size inside the mapping (checked by `place`), which nobody uses yet.
        done(unsafe { libc::pthread_mutex_init(made.at.as_ptr(), attributes) })?;
        Ok(made)
    }

    pub(crate) fn lock(&self) {
        // SAFETY: made by `make` before the peer was started; never moved.
        let result = unsafe { libc::pthread_mutex_lock(self.at.as_ptr()) };
        assert_eq!(result, 0, "nobody dies here");
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: as above; the caller holds it.
        let result = unsafe { libc::pthread_mutex_unlock(self.at.as_ptr()) };
        assert_eq!(result, 0, "it is ours");
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}
