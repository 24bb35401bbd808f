//! Locks of the C library in shared memory: a robust process-shared mutex ([pthread_mutexattr_setrobust(3)]), a condition variable
//! ([pthread_cond_init(3)]), a reader-writer lock ([pthread_rwlock_init(3)]) and a semaphore ([sem_init(3)]).
//!
//! Whoever is there first makes them with `make`; the other side, which is started after that, uses `of`.
//!
//! [pthread_mutexattr_setrobust(3)]: https://man7.org/linux/man-pages/man3/pthread_mutexattr_setrobust.3.html
//! [pthread_cond_init(3)]: https://man7.org/linux/man-pages/man3/pthread_cond_init.3p.html
//! [pthread_rwlock_init(3)]: https://man7.org/linux/man-pages/man3/pthread_rwlock_init.3p.html
//! [sem_init(3)]: https://man7.org/linux/man-pages/man3/sem_init.3.html

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

/// A condition variable, at a place of the mapping.
pub(crate) struct Condition {
    at: NonNull<libc::pthread_cond_t>,
    _keep: Shared,
}

impl Condition {
    pub(crate) fn of(shared: &Shared, offset: usize) -> Self {
        Self { at: shared.place(offset, 1), _keep: shared.clone() }
    }

    pub(crate) fn make(shared: &Shared, offset: usize) -> io::Result<Self> {
        let made = Self::of(shared, offset);
        let mut attributes = MaybeUninit::<libc::pthread_condattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the pointer is to memory of the attributes' size.
        done(unsafe { libc::pthread_condattr_init(attributes) })?;
        // SAFETY: initialised above.
        done(unsafe { libc::pthread_condattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: `at` is aligned memory of the condition's size inside the mapping (checked by `place`), which nobody uses yet.
        done(unsafe { libc::pthread_cond_init(made.at.as_ptr(), attributes) })?;
        Ok(made)
    }

    /// Waits; the caller holds the mutex, and holds it again then.
    pub(crate) fn wait(&self, mutex: &Robust) {
        // SAFETY: both were made by `make` before the peer was started, and are never moved; the caller holds the mutex.
        let result = unsafe { libc::pthread_cond_wait(self.at.as_ptr(), mutex.at.as_ptr()) };
        assert_eq!(result, 0, "nobody dies here");
    }

    pub(crate) fn notify_one(&self) {
        // SAFETY: made by `make` before the peer was started; never moved.
        let result = unsafe { libc::pthread_cond_signal(self.at.as_ptr()) };
        assert_eq!(result, 0, "a condition can be signalled");
    }
}

/// A reader-writer lock, at a place of the mapping.
pub(crate) struct ReadWrite {
    at: NonNull<libc::pthread_rwlock_t>,
    _keep: Shared,
}

impl ReadWrite {
    pub(crate) fn of(shared: &Shared, offset: usize) -> Self {
        Self { at: shared.place(offset, 1), _keep: shared.clone() }
    }

    pub(crate) fn make(shared: &Shared, offset: usize) -> io::Result<Self> {
        let made = Self::of(shared, offset);
        let mut attributes = MaybeUninit::<libc::pthread_rwlockattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the pointer is to memory of the attributes' size.
        done(unsafe { libc::pthread_rwlockattr_init(attributes) })?;
        // SAFETY: initialised above.
        done(unsafe { libc::pthread_rwlockattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: `at` is aligned memory of the lock's size inside the mapping (checked by `place`), which nobody uses yet.
        done(unsafe { libc::pthread_rwlock_init(made.at.as_ptr(), attributes) })?;
        Ok(made)
    }

    pub(crate) fn read(&self) {
        // SAFETY: made by `make` before the peer was started; never moved.
        let result = unsafe { libc::pthread_rwlock_rdlock(self.at.as_ptr()) };
        assert_eq!(result, 0, "nobody writes here");
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: as above; the caller has locked it.
        let result = unsafe { libc::pthread_rwlock_unlock(self.at.as_ptr()) };
        assert_eq!(result, 0, "it is ours");
    }
}

/// A semaphore, at a place of the mapping.
pub(crate) struct Semaphore {
    at: NonNull<libc::sem_t>,
    _keep: Shared,
}

impl Semaphore {
    pub(crate) fn of(shared: &Shared, offset: usize) -> Self {
        Self { at: shared.place(offset, 1), _keep: shared.clone() }
    }

    /// Makes it, with nothing in it.
    pub(crate) fn make(shared: &Shared, offset: usize) -> io::Result<Self> {
        let made = Self::of(shared, offset);
        // SAFETY: `at` is aligned memory of the semaphore's size inside the mapping (checked by `place`), which nobody uses yet.
        match unsafe { libc::sem_init(made.at.as_ptr(), 1, 0) } {
            0 => Ok(made),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn post(&self) {
        // SAFETY: made by `make` before the peer was started; never moved.
        let result = unsafe { libc::sem_post(self.at.as_ptr()) };
        assert_eq!(result, 0, "it is far from full");
    }

    pub(crate) fn wait(&self) {
        // SAFETY: as above. A signal ends it early, and there is none.
        while unsafe { libc::sem_wait(self.at.as_ptr()) } != 0 {}
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}
