//! [fork(2)](https://man7.org/linux/man-pages/man2/fork.2.html): knowing that it happened.
//!
//! Two independent means, because each sees what the other cannot:
//!
//! 1. A private page under `MADV_WIPEONFORK` holds this process's *identity*. The kernel zeroes the child's copy on every kind
//!    of fork, raw system calls included, so an identity read earlier differs from one read in the child.
//!    [`identity`] is one load.
//! 2. A handler under [pthread_atfork(3)](https://man7.org/linux/man-pages/man3/pthread_atfork.3.html) closes the registered
//!    descriptors in the child, so that an open-file-description lock of the parent dies with the parent alone. A fork that
//!    goes around the C library keeps such a lock alive until that child execs or ends.
#![allow(unsafe_code)]

use crate::mmap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

/// The identity word, once it exists: a page that every fork wipes, never unmapped.
static IDENTITY: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());
/// Counts identities in the line of forks that led to this process; copied by fork like all private memory.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many descriptors can be under guard at once; further ones are left to [`guard`]'s caller as an error.
const GUARDED_MAX: usize = 4096;
/// Descriptors that a forked child closes; -1 marks a free place.
static GUARDED: [AtomicI32; GUARDED_MAX] = [const { AtomicI32::new(-1) }; GUARDED_MAX];

/// A number that tells this process from its forked children: the same at each call until a fork, different in the child.
///
/// One load after [`prepare`]; never zero then. In a forked child it is zero until the child calls [`prepare`].
#[inline]
#[must_use]
pub fn identity() -> u64 {
    // Relaxed: the pointer is set once, before anybody can hold an identity to compare with.
    let word = IDENTITY.load(Ordering::Relaxed);
    if word.is_null() {
        return 0;
    }
    // SAFETY: a non-null pointer is the page that `prepare` mapped, aligned and never unmapped; only atomics touch it.
    let word = unsafe { &*word };
    word.load(Ordering::Relaxed)
}

/// The knowledge of which process we were when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Birthmark {
    word: &'static AtomicU64,
    identity: u64,
}

impl Birthmark {
    /// Of this process. Three system calls the first time in a process, none later.
    pub fn here() -> io::Result<Self> {
        let identity = prepare()?;
        // SAFETY: `prepare` succeeded, so the pointer is the mapped page (see `identity`), never unmapped.
        let word = unsafe { &*IDENTITY.load(Ordering::Relaxed) };
        Ok(Self { word, identity })
    }

    /// This one as a forked child finds it: not of here, in any process. For tests of what a child does with its parent's things.
    #[doc(hidden)]
    #[must_use]
    pub fn as_in_a_child(self) -> Self {
        // A page that is mapped and prepared never says zero again, and who asks has a birthmark.
        Self { identity: 0, ..self }
    }

    /// One that is of here in no process.
    #[must_use]
    pub fn of_nobody(self) -> Self {
        // Identities are counted from 1 on.
        Self { identity: u64::MAX, ..self }
    }

    /// Whether this is still that process, and not a forked child of it. One load.
    #[inline(always)]
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.word.load(Ordering::Relaxed) == self.identity
    }
}

/// Makes sure that this process has an identity and the handler in place, and returns the identity.
///
/// Three system calls the first time in a process, none later.
pub fn prepare() -> io::Result<u64> {
    static SETUP: OnceLock<Result<(), i32>> = OnceLock::new();
    let outcome = SETUP.get_or_init(|| set_up().map_err(|e| e.raw_os_error().unwrap_or(libc::ENOMEM)));
    if let Err(errno) = outcome {
        return Err(io::Error::from_raw_os_error(*errno));
    }
    let now = identity();
    if now != 0 {
        return Ok(now);
    }
    // First call in this process, or first in a child whose page the fork wiped.
    let fresh = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    // SAFETY: `set_up` succeeded, so the pointer is the mapped page (see `identity`).
    let word = unsafe { &*IDENTITY.load(Ordering::Relaxed) };
    match word.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(fresh),
        Err(another_thread) => Ok(another_thread),
    }
}

/// Makes a copy of this process that runs `work` and ends with the number that it returns, 101 where it panics; says its pid.
///
/// Only for a process of one thread: locks that other threads hold would stay held for ever in the copy. No destructor runs there but those of
/// what `work` owns, and no buffer is flushed.
///
/// # Errors
///
/// `EBUSY`: there are other threads. `EAGAIN`, `ENOMEM`; without `/proc` `ENOENT`.
pub fn fork_alone(work: impl FnOnce() -> u8) -> io::Result<u32> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: this thread is the only one, so nothing in the copy is in the hands of a thread that is not there; the descriptors that must not
    // be shared are closed by the handler.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            crate::exit::exit_at_once(outcome.map_or(101, i32::from))
        }
        pid => Ok(pid.unsigned_abs()),
    }
}

fn set_up() -> io::Result<()> {
    let page = mmap::private_wiped_on_fork(crate::page_size())?;
    // SAFETY: the handler only stores and closes, which is safe between fork and exec.
    let result = unsafe { libc::pthread_atfork(None, None, Some(close_guarded)) };
    if result != 0 {
        return Err(io::Error::from_raw_os_error(result));
    }
    IDENTITY.store(page.as_ptr().cast::<AtomicU64>(), Ordering::Relaxed);
    Ok(())
}

extern "C" fn close_guarded() {
    for place in &GUARDED {
        let fd = place.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the number was registered by a `Guarded` that still owned it at the moment of the fork, so in this
            // child it is that descriptor's copy; the child's `Guarded` will find its place empty and not close it again.
            unsafe { libc::close(fd) };
        }
    }
}

/// A descriptor that does not survive into forked children: closed there before `fork` returns.
#[derive(Debug)]
pub struct Guarded {
    /// `None` only while it is being dropped.
    fd: Option<OwnedFd>,
    place: usize,
    identity: u64,
}

/// Puts `fd` under guard. Fails with `EMFILE` when 4,096 are under guard already.
pub fn guard(fd: OwnedFd) -> io::Result<Guarded> {
    let identity = prepare()?;
    let number = fd.as_raw_fd();
    for (place, slot) in GUARDED.iter().enumerate() {
        if slot.compare_exchange(-1, number, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Ok(Guarded { fd: Some(fd), place, identity });
        }
    }
    Err(io::Error::from_raw_os_error(libc::EMFILE))
}

impl Guarded {
    /// The descriptor; in a forked child `None`, for there it is closed.
    #[must_use]
    pub fn get(&self) -> Option<BorrowedFd<'_>> {
        (identity() == self.identity).then_some(self.fd.as_ref()?.as_fd())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let Some(fd) = self.fd.take() else { return };
        let ours =
            GUARDED[self.place].compare_exchange(fd.as_raw_fd(), -1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if identity() != self.identity && !ours {
            // A forked child: the handler closed this number, and it may be somebody else's by now.
            std::mem::forget(fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The identity stays until a fork; a guarded descriptor is there until it is dropped.
    #[test]
    fn identity_is_stable_and_guard_gives_back() {
        let first = prepare().expect("memory for one page");
        assert_ne!(first, 0);
        assert_eq!(identity(), first);
        let fd = crate::memfd_create::memfd_create("guard", None).expect("memfd");
        let number = fd.as_raw_fd();
        let guarded = guard(fd).expect("room");
        assert_eq!(guarded.get().map(|fd| fd.as_raw_fd()), Some(number));
        drop(guarded);
        assert!(GUARDED.iter().all(|place| place.load(Ordering::Relaxed) != number));
    }
}
