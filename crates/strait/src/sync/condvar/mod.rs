//! Waiting, with a mutex given back meanwhile, until somebody says that something has changed.
//!
//! ```text
//!   process A                               the mutex's memory                  process B
//!   guard = there.lock()?                 +--------------------+
//!   wait(guard): gives the mutex back  -> | seat of A: waits   |
//!   asleep                                |                    | <- lock, change the value, unlock
//!   locks again, returns               <- | seat of A: notified| <- notify_one
//!                                         +--------------------+
//! ```
//!
//! ```
//! use strait::sync::{Condvar, Mutex, Options};
//!
//! # let name = format!("doc-condvar-{}", std::process::id());
//! let mut here = Mutex::create(&name, &0_u64, &Options::new())?;
//! let mut there = Mutex::<u64>::open(&name, &Options::new())?; // usually in another process
//! let has_come = Condvar::of(&here, 0)?; // condition 0 of this mutex, wherever it is open
//! let notifies = Condvar::of(&there, 0)?;
//!
//! let other = std::thread::spawn(move || {
//!     *there.lock().expect("nobody has died") = 42;
//!     notifies.notify_one()
//! });
//! let guard = here.lock().expect("nobody has died");
//! let guard = has_come.wait_while(guard, |value| *value == 0).expect("nobody has died");
//! assert_eq!(*guard, 42);
//! # drop(guard);
//! # other.join().expect("ended")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | | waits | waits for a time |
//! |---|---|---|
//! | until somebody notifies | [`wait`](Condvar::wait) | [`wait_timeout`](Condvar::wait_timeout) |
//! | while something is so | [`wait_while`](Condvar::wait_while) | [`wait_timeout_while`](Condvar::wait_timeout_while) |
//! | wake one, or all | [`notify_one`](Condvar::notify_one), [`notify_all`](Condvar::notify_all) | |
//!
//! # What is promised
//!
//! 1. *It lives in its mutex's memory.* A mutex has [`CONDITIONS`] conditions, known by their numbers; there is nothing to name and nothing to
//!    open beside it. A guard of another mutex is refused, and handed back.
//! 2. *No wake-up is lost.* Who waits is waiting before it has given the mutex back. Whoever changes what it waits for while holding the mutex and
//!    notifies then or later, wakes it.
//! 3. *One notification wakes one*, the one who has waited longest, or nobody if nobody waits. It is given in one step: there is none that two have,
//!    and who gives up has either not been notified, and says `TimedOut`, or has been.
//! 4. *Nobody wakes for nothing, except when a user of the mutex has died* (or lies). Then all who wait are woken, for what the dead one would
//!    have done, or was woken for, is unknown. So look at the value again, as [`wait_while`](Condvar::wait_while) does.
//! 5. Who wakes takes the mutex as everybody does: it waits for it, and may be given
//!    [`Recovered`](crate::sync::mutex::Recovered). With a timeout too: the time is that of the notification.
//!
//! # When somebody dies, at any instruction
//!
//! | who dies | the others |
//! |---|---|
//! | one who waits | its death wakes the others within 100 ms: a notification that it was given, even one that it had woken for, is not lost |
//! | one who notifies one | whoever was notified wakes within 100 ms, and so do all others |
//! | one who notifies all | all wake within 100 ms, whether or not it came to them: half a `notify_all` is finished by its death |
//! | one who holds the mutex and has not notified yet | all wake within 100 ms; the first gets `Recovered` |
//!
//! Who is stopped is alive, and keeps what it was notified of.
//!
//! # What it costs
//!
//! Notifying makes no system call while nobody sleeps; a look at a word of each user that there may be. Waiting spins for a moment and then sleeps, in
//! slices of 80 ms, after each of which the kernel is asked who has died.
//!
//! A `Condvar` is a user of the mutex, and takes a seat of its [`users`](crate::sync::Options::users): so that it is known when one dies who is
//! notifying. Sources: `pthread_cond_wait(3)`; robustness is none of its promises, which is why it is one of these.

use crate::channel::Item;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::mutex::{Guard, LockError, Mutex};
use crate::sync::user::User;
use crate::sync::waiters::{self, Waiters as _};
use crate::wait::turn::{deadline_after, has_passed};
use std::fmt;
use std::time::{Duration, Instant};

pub use error::{NotifyError, WaitError, WaitTimeoutError};

mod error;

/// How many conditions a mutex has.
pub const CONDITIONS: u32 = waiters::CONDITIONS;

/// One user's handle of one condition of a mutex. See [the module](self).
pub struct Condvar {
    user: User,
    number: u32,
}

/// How a wait ended, when the mutex is held again.
type Waited<'a, T> = std::result::Result<(Guard<'a, T>, bool), WaitError<'a, T>>;

impl Condvar {
    /// The condition of this number, below [`CONDITIONS`], of a mutex: the same one for all who have that mutex open. Enters the kernel.
    ///
    /// # Errors
    /// `Usage` for another number; `Busy` where the mutex has no room for another user; `Forked`; `Kernel`.
    pub fn of<T: Item>(mutex: &Mutex<T>, number: u32) -> Result<Self> {
        if number >= CONDITIONS {
            let why = format!(
                "make a condition of {}: number {number} is asked for; give one below {CONDITIONS}",
                mutex.place()
            );
            return Err(Error::new(ErrorKind::Usage, why));
        }
        Ok(Self { user: mutex.user.another()?, number })
    }

    /// Gives the mutex back and waits until somebody notifies, spinning for a moment and then asleep; holds the mutex again when it returns. It may
    /// return because somebody has died: look again.
    ///
    /// # Errors
    /// [`WaitError::Recovered`] where the last holder of the mutex has not finished; [`WaitError::OtherMutex`], [`WaitError::Forked`].
    pub fn wait<'a, T: Item>(&self, guard: Guard<'a, T>) -> std::result::Result<Guard<'a, T>, WaitError<'a, T>> {
        Ok(self.wait_until(guard, None)?.0)
    }

    /// [`Self::wait`], for `timeout` at the most; then for the mutex, for as long as that takes.
    ///
    /// # Errors
    /// [`WaitTimeoutError::TimedOut`], with the mutex held again; else as [`Self::wait`].
    pub fn wait_timeout<'a, T: Item>(
        &self,
        guard: Guard<'a, T>,
        timeout: Duration,
    ) -> std::result::Result<Guard<'a, T>, WaitTimeoutError<'a, T>> {
        match self.wait_until(guard, deadline_after(timeout)).map_err(WaitTimeoutError::Failed)? {
            (guard, true) => Ok(guard),
            (guard, false) => Err(WaitTimeoutError::TimedOut(guard)),
        }
    }

    /// Waits for as long as `is_so` of the value.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_while<'a, T: Item>(
        &self,
        mut guard: Guard<'a, T>,
        mut is_so: impl FnMut(&T) -> bool,
    ) -> std::result::Result<Guard<'a, T>, WaitError<'a, T>> {
        while is_so(&guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// [`Self::wait_while`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`WaitTimeoutError::TimedOut`] where it is still so; else as [`Self::wait`].
    pub fn wait_timeout_while<'a, T: Item>(
        &self,
        mut guard: Guard<'a, T>,
        timeout: Duration,
        mut is_so: impl FnMut(&T) -> bool,
    ) -> std::result::Result<Guard<'a, T>, WaitTimeoutError<'a, T>> {
        let deadline = deadline_after(timeout);
        let mut has_time = true;
        while is_so(&guard) {
            if !has_time {
                return Err(WaitTimeoutError::TimedOut(guard));
            }
            guard = self.wait_until(guard, deadline).map_err(WaitTimeoutError::Failed)?.0;
            // Also for who is notified all the time.
            has_time = !has_passed(deadline);
        }
        Ok(guard)
    }

    fn wait_until<'a, T: Item>(&self, mut guard: Guard<'a, T>, deadline: Option<Instant>) -> Waited<'a, T> {
        let mutex = guard.mutex();
        if !mutex.user.hub.is_own() || !self.user.hub.is_own() {
            return Err(WaitError::Forked);
        }
        if !self.user.is_of_one_region(&mutex.user) {
            return Err(WaitError::OtherMutex(guard));
        }
        // Rule 1 of `waiters`: before the mutex is given back.
        mutex.user.begin_wait(self.number);
        mutex.let_go();
        let is_notified = mutex.user.wait_for_notification(self.number, deadline);
        match guard.lock_again() {
            Ok(guard) => Ok((guard, is_notified)),
            Err(LockError::Recovered(recovered)) => Err(WaitError::Recovered(recovered)),
            Err(_) => Err(WaitError::Forked),
        }
    }

    /// Wakes the one who has waited longest; says whether anybody waited. No system call where nobody sleeps. With or without the mutex in one's
    /// hands: who is woken while another one holds it waits for it.
    ///
    /// # Errors
    /// [`NotifyError::Forked`].
    pub fn notify_one(&self) -> std::result::Result<bool, NotifyError> {
        if !self.user.hub.is_own() {
            return Err(NotifyError::Forked);
        }
        let notified = waiters::notify_one(&self.user.waiters, self.number);
        if let Some(seat) = notified {
            self.user.ring_waiter(seat);
        }
        Ok(notified.is_some())
    }

    /// Wakes all who wait; says how many those are.
    ///
    /// # Errors
    /// [`NotifyError::Forked`].
    pub fn notify_all(&self) -> std::result::Result<u32, NotifyError> {
        if !self.user.hub.is_own() {
            return Err(NotifyError::Forked);
        }
        let ring = |seat| self.user.ring_waiter(seat);
        Ok(waiters::notify_all(&self.user.waiters, Some(self.number), ring))
    }

    /// How many wait for it, as they say: the dead count until they are found. No system call.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        let is_waiting = |&seat: &u32| self.user.waiters.wait_of(seat).is_waiting_for(self.number);
        // At most 256.
        (0..self.user.waiters.seats()).filter(is_waiting).count() as u32
    }
}

impl Drop for Condvar {
    fn drop(&mut self) {
        self.user.leave();
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.user.hub.region().place();
        f.debug_struct("Condvar").field("mutex", place).field("number", &self.number).finish()
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
