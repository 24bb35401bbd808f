//! The C library's semaphores and mutexes, where they lie in a mapping.
#![allow(unsafe_code)]

use crate::loan::Trust;
use crate::shared::Shared as _;
use crate::view::ViewMut;
use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use strait_sys::errno::EOWNERDEAD;
use strait_sys::{pthread_mutex, sem_overview};

/// A window on a semaphore (`sem_t`).
///
/// It has no pointer in it, but the C library ends the process (`abort`) where its words make the kernel refuse a call. So it needs [`Trust`].
#[derive(Debug)]
pub struct CSemaphore(ViewMut);

impl CSemaphore {
    /// How many bytes it takes.
    pub const BYTES: usize = size_of::<sem_overview::Semaphore>();

    /// The semaphore in `window`, all of whose writers are trusted, as the second argument says; gives the window back where that is too
    /// small or not aligned.
    pub fn of(window: ViewMut, _: Trust) -> Result<Self, ViewMut> {
        match place::<sem_overview::Semaphore>(&window) {
            Some(_) => Ok(Self(window)),
            None => Err(window),
        }
    }

    /// Makes it, with so many permits: only where nobody uses it yet.
    ///
    /// # Errors
    /// `EINVAL`: more than 2^31 - 1.
    pub fn make(&self, value: u32) -> io::Result<()> {
        // SAFETY: aligned memory of its size, mapped and writable as long as the window. Who uses it meanwhile sees words change.
        unsafe { sem_overview::sem_init(self.at(), value) }
    }

    /// See [`sem_overview::sem_post`].
    #[inline]
    pub fn post(&self) -> io::Result<()> {
        // SAFETY: aligned memory of its size, mapped and writable as long as the window.
        unsafe { sem_overview::sem_post(self.at()) }
    }

    /// See [`sem_overview::sem_wait`].
    #[inline]
    pub fn wait(&self) -> io::Result<()> {
        // SAFETY: as in `post`.
        unsafe { sem_overview::sem_wait(self.at()) }
    }

    /// See [`sem_overview::sem_trywait`].
    #[inline]
    pub fn try_wait(&self) -> io::Result<()> {
        // SAFETY: as in `post`.
        unsafe { sem_overview::sem_trywait(self.at()) }
    }

    /// See [`sem_overview::sem_timedwait`].
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<()> {
        // SAFETY: as in `post`.
        unsafe { sem_overview::sem_timedwait(self.at(), timeout) }
    }

    /// How many permits there are.
    #[must_use]
    pub fn value(&self) -> u32 {
        // SAFETY: as in `post`.
        unsafe { sem_overview::sem_getvalue(self.at()) }
    }

    #[inline]
    fn at(&self) -> NonNull<sem_overview::Semaphore> {
        place(&self.0).unwrap_or_else(|| unreachable!("it was when this was made"))
    }
}

/// A window on a robust mutex (`pthread_mutex_t`), one thread's.
///
/// The C library threads a list through the mutexes that a thread holds, so what others write there can make it write anywhere: a mutex
/// needs [`Trust`]. And it must stay mapped while it is held, which is why a window that goes while it is held leaves its mapping behind.
#[derive(Debug)]
pub struct CMutex {
    /// Always there, until it is dropped.
    window: Option<ViewMut>,
    at: NonNull<pthread_mutex::Mutex>,
    is_held: Cell<bool>,
    /// A held one is its thread's, and cannot go to another one; see [`Self::lock`].
    _thread: PhantomData<*mut ()>,
}

impl CMutex {
    /// How many bytes it takes.
    pub const BYTES: usize = size_of::<pthread_mutex::Mutex>();

    /// The mutex in `window`, all of whose writers are trusted, as the second argument says; gives the window back where that is too small
    /// or not aligned.
    pub fn of(window: ViewMut, _: Trust) -> Result<Self, ViewMut> {
        match place(&window) {
            Some(at) => Ok(Self { window: Some(window), at, is_held: Cell::new(false), _thread: PhantomData }),
            None => Err(window),
        }
    }

    /// Makes it: only where nobody uses it yet.
    ///
    /// # Errors
    /// `ENOTSUP`: this C library has none.
    pub fn make(&self) -> io::Result<()> {
        // SAFETY: aligned, writable memory of its size; others who may use it already are trusted (`of`).
        unsafe { pthread_mutex::init(self.at) }
    }

    /// Locks it, or says why not; then, and after `EOWNERDEAD`, it is this thread's until [`Self::unlock`].
    pub fn lock(&self) -> io::Result<()> {
        // SAFETY: it stays mapped while it is held: this value keeps the mapping, and leaves it behind where it goes earlier. Who writes
        // there is trusted to do it by the C library.
        self.held(unsafe { pthread_mutex::lock(self.at) })
    }

    /// The same, but does not wait.
    pub fn try_lock(&self) -> io::Result<()> {
        // SAFETY: as in `lock`.
        self.held(unsafe { pthread_mutex::trylock(self.at) })
    }

    /// The same, and waits for a time.
    pub fn lock_timeout(&self, timeout: Duration) -> io::Result<()> {
        // SAFETY: as in `lock`.
        self.held(unsafe { pthread_mutex::timedlock(self.at, timeout) })
    }

    /// Says that what it protects is in order again.
    pub fn consistent(&self) -> io::Result<()> {
        // SAFETY: as in `lock`; one that this thread does not hold is refused.
        unsafe { pthread_mutex::consistent(self.at) }
    }

    /// Unlocks it.
    pub fn unlock(&self) -> io::Result<()> {
        // SAFETY: as in `lock`; one that this thread does not hold is refused.
        let unlocked = unsafe { pthread_mutex::unlock(self.at) };
        if unlocked.is_ok() {
            self.is_held.set(false);
        }
        unlocked
    }

    fn held(&self, locked: io::Result<()>) -> io::Result<()> {
        let is_held = match &locked {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(EOWNERDEAD),
        };
        if is_held {
            self.is_held.set(true);
        }
        locked
    }
}

/// The windows of mutexes that were held when they were let go of: their mappings stay for as long as this process.
static LEFT_BEHIND: Mutex<Vec<ViewMut>> = Mutex::new(Vec::new());

impl Drop for CMutex {
    fn drop(&mut self) {
        if self.is_held.get() {
            LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner).extend(self.window.take());
        }
    }
}

/// Where a `T` of the C library is in a window: at its first byte, if it fits and is aligned.
#[inline]
fn place<T>(window: &ViewMut) -> Option<NonNull<T>> {
    if window.len_bytes() < size_of::<T>() {
        return None;
    }
    let at = NonNull::new(window.as_view().at(0, size_of::<T>()).cast::<T>())?;
    at.is_aligned().then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Mapping;

    /// A window that is too small, or not aligned, holds neither.
    #[test]
    fn room_and_alignment() {
        let mapping = Mapping::anonymous(4096, None, false).expect("memory");
        let window = |start: usize, len: usize| mapping.view_mut(start..start + len).expect("inside");
        // SAFETY: nobody else has it.
        let trust = unsafe { Trust::assume() };
        for (start, len, fits) in [(64, 64, true), (64, 8, false), (65, 64, false)] {
            assert_eq!(CSemaphore::of(window(start, len), trust).is_ok(), fits);
            assert_eq!(CMutex::of(window(start, len), trust).is_ok(), fits);
        }
    }

    /// A mutex that is let go of while it is held stays where it is: the thread's list of those it holds is not cut.
    #[test]
    fn held_ones_stay() {
        let mapping = Mapping::anonymous(4096, None, false).expect("memory");
        // SAFETY: nobody else has it.
        let trust = unsafe { Trust::assume() };
        let mutex = |at: usize| CMutex::of(mapping.view_mut(at..at + 64).expect("inside"), trust).expect("fits");
        mutex(0).make().expect("robust");
        let held = mutex(0);
        held.lock().expect("free");
        assert_eq!(std::sync::Arc::strong_count(&mapping), 2);
        drop(held);
        assert_eq!(std::sync::Arc::strong_count(&mapping), 2, "it is still mapped for the list");
        let other = mutex(128);
        other.make().expect("robust");
        other.lock().expect("free");
        other.unlock().expect("ours");
    }
}
