//! Something that is done once, by one of many processes, and waited for by the others: who dies over it leaves it to the next.
//!
//! ```text
//!   process A: call_once ---> runs the closure ----> done ---> every later call: one load
//!   process B: call_once ---> waits for A ---------> done
//!                               A dies ---> B runs it, and is told
//! ```
//!
//! ```
//! use strait::sync::{Once, Options};
//!
//! # let name = format!("doc-once-{}", std::process::id());
//! let mut here = Once::open_or_create(&name, &Options::new())?;
//! let mut there = Once::open_or_create(&name, &Options::new())?; // usually in another process
//!
//! assert!(here.call_once(|| { /* fill the table, start the server ... */ })?); // it was this call that did it
//! assert!(!there.call_once(|| unreachable!())?); // it is done
//! assert!(there.is_completed());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | do it, or wait until it is done | [`try_call_once`](Once::try_call_once) | [`call_once`](Once::call_once), [`call_once_with`](Once::call_once_with) | [`call_once_timeout`](Once::call_once_timeout) |
//! | wait until another has done it | [`is_completed`](Once::is_completed) | [`wait`](Once::wait) | [`wait_timeout`](Once::wait_timeout) |
//! | who is about it, and for how long | [`holder`](Once::holder) | | |
//!
//! # What is promised
//!
//! 1. **One closure at a time, and one to its end**, whatever calls there are and wherever they come from.
//! 2. **What it did is seen** by every call that returns, and by who sees [`is_completed`](Once::is_completed).
//! 3. **It stays done** for as long as the region is there. One that is [`restartable`](Options::restartable), or lives in a file, is done for
//!    those who come when all others have gone, too.
//!
//! # When somebody dies, at any instruction
//!
//! | who dies | the others |
//! |---|---|
//! | who runs the closure, before it has said that it is done | one of those who wait in a call runs its own, within 100 ms, and is told ([`State::is_recovered`]) |
//! | who runs it, behind that | it is done; who slept knows within 100 ms |
//! | one who waits, or was given it and has not begun | nobody waits for that one longer than 100 ms; nothing is told |
//!
//! A closure that panics is one that died: the panic goes on in its own process, and the next one is told. As often as that happens the next one
//! tries; there is no state out of which nobody comes. What a dead one has done half lies where it did it: who is told looks there. A closure to
//! which that does not matter is one for [`call_once`](Once::call_once).
//!
//! Who runs it and is stopped, swapped out or in an endless loop is alive, and the others wait: [`holder`](Once::holder) says for whom.
//! Who only [waits](Once::wait) does not take over; it waits for somebody who calls.
//!
//! # Who is next
//!
//! Whoever comes first. Of those who wait when the one dies that was about it, whoever looks first; one that panicked gives it to the one who has
//! waited longest, if that is 1 ms or more.
//!
//! # What it costs
//!
//! When it is done, a load. Doing it costs an exchange and a store, and a system call where somebody sleeps.
//!
//! | offset in the body | field | who writes |
//! |---:|---|---|
//! | 0 | `claim`: who is about it, or that it is done (`once/protocol.rs`) | who begins, by an exchange; then that one |
//!
//! A closure must not call the same once, not even by another handle: it would wait for itself. Sources: `std::sync::Once`, whose words these
//! are, and [`pthread_once`](https://man7.org/linux/man-pages/man3/pthread_once.3p.html).

pub(crate) mod protocol;

use crate::channel::hub::layout::body;
use crate::channel::layout::Field;
use crate::error;
use crate::region::Place;
use crate::region::header::{CHANNEL_ONCE, MessageType};
use crate::sync::claim::{BITS, Claim, Taken};
use crate::sync::error::{HandleError, WaitTimeoutError};
use crate::sync::frame::frame;
use crate::sync::holder::Holder;
use crate::sync::layout_of;
use crate::sync::options::Options;
use crate::sync::user::{Design, FREED, InTheWay, Known, User, Way};
use crate::wait::eventcount::Wake;
use crate::wait::turn::deadline_after;
use protocol::{Begun, begin, finish, is_done};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use strait_mem::Shared as _;

const CLAIM: usize = 0;
const BODY_BYTES: u64 = 64;
/// The eventcount of those who only wait: they cannot take what is free.
const DONE: usize = 1;

/// Name, offset and length of each field of the body.
const FIELDS: [(&str, usize, usize); 1] = [("claim", CLAIM, 8)];

/// One user's handle of something that is done once. See [the module](self).
pub struct Once {
    user: User,
}

/// What a closure is told of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    is_recovered: bool,
    pid: Option<u32>,
}

impl State {
    /// Whether somebody has begun before, and has died or panicked over it.
    #[doc(alias = "is_poisoned")]
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    /// The process id that the one wrote who died last, for people to read. `None` where it panicked, or nobody has begun.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }
}

/// Why a call that never waits did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryCallError {
    /// Another one is about it, and is alive as far as is known.
    Running,
    /// It cannot be done.
    Failed(HandleError),
}

frame!([] Once, "once");

impl Once {
    /// Makes a once of which nothing is done. Enters the kernel; nothing of that name may exist, unless it was left behind by the dead.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds of region without a descriptor.
    pub fn create(place: impl Into<Place>, options: &Options) -> error::Result<Self> {
        Self::come(Way::Create(&place.into()), options)
    }

    /// Opens a once, or makes it where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> error::Result<Self> {
        Self::come(Way::OpenOrCreate(&place.into()), options)
    }

    /// One more user of the same once, for another thread. Enters the kernel.
    ///
    /// # Errors
    /// `Busy` where there is no room for another user; `Forked`; `Kernel`.
    pub fn try_clone(&self) -> error::Result<Self> {
        Ok(Self { user: self.user.another()? })
    }

    fn come(way: Way<'_>, options: &Options) -> error::Result<Self> {
        let design = Design { channel: CHANNEL_ONCE, message: MessageType::default(), body_bytes: BODY_BYTES };
        Ok(Self { user: User::come(way, options, design, |_| Ok(()))? })
    }

    /// Runs the closure, unless it is done; waits where another one is about it: spinning for a moment, then asleep. Says whether it was this
    /// call that did it. Where one before it died over it, the closure is run all the same.
    ///
    /// # Errors
    /// [`HandleError::Forked`].
    ///
    /// # Panics
    /// As the closure does; the next one is told.
    #[inline]
    pub fn call_once(&mut self, closure: impl FnOnce()) -> Result<bool, HandleError> {
        self.call_once_with(|_| closure())
    }

    /// [`Self::call_once`], with a closure that is told whether one before it died over it.
    ///
    /// # Errors
    /// [`HandleError::Forked`].
    ///
    /// # Panics
    /// As the closure does; the next one is told.
    #[doc(alias = "call_once_force")]
    #[inline]
    pub fn call_once_with(&mut self, closure: impl FnOnce(&State)) -> Result<bool, HandleError> {
        if is_done(&self.user.body, CLAIM) {
            return Ok(false);
        }
        loop {
            // Without a deadline it does not come back with nothing.
            if let Some(begun) = self.begins(None)? {
                return self.runs(begun, closure);
            }
        }
    }

    /// [`Self::call_once_with`], if nobody is about it now. Waits for nobody; no system call but to see, at most every 10 ms, whether the one
    /// lives that is about it.
    ///
    /// # Errors
    /// [`TryCallError::Running`]; [`TryCallError::Failed`].
    ///
    /// # Panics
    /// As the closure does; the next one is told.
    pub fn try_call_once(&mut self, closure: impl FnOnce(&State)) -> Result<bool, TryCallError> {
        if is_done(&self.user.body, CLAIM) {
            return Ok(false);
        }
        self.check().map_err(TryCallError::Failed)?;
        let begun = match attempt(&self.user) {
            Err(InTheWay::One(claim)) if self.user.hub.is_time_to_look() && self.user.look_at(claim) => {
                attempt(&self.user)
            }
            begun => begun,
        };
        let begun = begun.map_err(|_| TryCallError::Running)?;
        self.runs(begun, closure).map_err(TryCallError::Failed)
    }

    /// [`Self::call_once_with`], waiting for `timeout` at the most; a closure that has begun takes its time.
    ///
    /// # Errors
    /// [`WaitTimeoutError::TimedOut`], and then [`Self::holder`] says who is about it; [`WaitTimeoutError::Failed`].
    ///
    /// # Panics
    /// As the closure does; the next one is told.
    pub fn call_once_timeout(
        &mut self,
        timeout: Duration,
        closure: impl FnOnce(&State),
    ) -> Result<bool, WaitTimeoutError> {
        if is_done(&self.user.body, CLAIM) {
            return Ok(false);
        }
        let begun = self.begins(deadline_after(timeout)).map_err(WaitTimeoutError::Failed)?;
        let begun = begun.ok_or(WaitTimeoutError::TimedOut)?;
        self.runs(begun, closure).map_err(WaitTimeoutError::Failed)
    }

    /// Whether it is done. One load.
    #[must_use]
    #[inline]
    pub fn is_completed(&self) -> bool {
        is_done(&self.user.body, CLAIM)
    }

    /// Waits until somebody has done it: spinning for a moment, then asleep. Never takes over.
    ///
    /// # Errors
    /// [`HandleError::Forked`].
    pub fn wait(&mut self) -> Result<(), HandleError> {
        // Without a deadline it does not come back with nothing.
        while !self.sees_it_done(None)? {}
        Ok(())
    }

    /// [`Self::wait`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`WaitTimeoutError::TimedOut`], and then [`Self::holder`] says who is about it; [`WaitTimeoutError::Failed`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<(), WaitTimeoutError> {
        let is_done = self.sees_it_done(deadline_after(timeout)).map_err(WaitTimeoutError::Failed)?;
        if is_done { Ok(()) } else { Err(WaitTimeoutError::TimedOut) }
    }

    /// Who is about it, and for how long at least; `None`, nobody. For people: a moment later it may be done. One system call, to see whether
    /// that one is alive.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.user.holder(claim(&self.user))
    }

    fn check(&self) -> Result<(), HandleError> {
        if self.user.hub.is_own() { Ok(()) } else { Err(HandleError::Forked) }
    }

    /// What there is for us to do, perhaps nothing; `None` when the time has run out.
    #[inline(never)]
    fn begins(&mut self, deadline: Option<Instant>) -> Result<Option<Option<Taken>>, HandleError> {
        self.check()?;
        let begun = attempt(&self.user).ok();
        Ok(begun.or_else(|| self.user.wait_for(FREED, deadline, attempt)))
    }

    fn sees_it_done(&mut self, deadline: Option<Instant>) -> Result<bool, HandleError> {
        if self.is_completed() {
            return Ok(true);
        }
        self.check()?;
        let attempt = |user: &User| {
            if is_done(&user.body, CLAIM) { Ok(()) } else { Err(InTheWay::One(claim(user))) }
        };
        Ok(self.user.wait_for(DONE, deadline, attempt).is_some())
    }

    /// Runs the closure, if it is ours to run.
    fn runs(&mut self, begun: Option<Taken>, closure: impl FnOnce(&State)) -> Result<bool, HandleError> {
        let Some(taken) = begun else { return Ok(false) };
        let state = State { is_recovered: taken.claim.is_marked(), pid: self.user.pid_of(taken.before) };
        let running = Running { user: &mut self.user, claim: taken.claim, is_done: false };
        closure(&state);
        running.end()
    }
}

/// A closure that runs: dropped before its end, it has not come to it.
struct Running<'a> {
    user: &'a mut User,
    claim: Claim,
    is_done: bool,
}

impl Running<'_> {
    /// The closure has returned: in a forked child of who began, it is its parent's to say so.
    fn end(mut self) -> Result<bool, HandleError> {
        self.is_done = true;
        if !self.user.hub.is_own() {
            return Err(HandleError::Forked);
        }
        finish(&self.user.body, CLAIM);
        self.user.hub.after_action(FREED, Wake::Everybody);
        self.user.hub.after_action(DONE, Wake::Everybody);
        Ok(true)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.is_done && self.user.hub.is_own() {
            self.user.give_back(CLAIM, self.claim.free().marked(true));
        }
    }
}

/// What there is for this user to do: `None`, nothing, it is done.
fn attempt(user: &User) -> Result<Option<Taken>, InTheWay> {
    match begin(&user.body, CLAIM, user.me, &Known(&user.hub)) {
        Begun::Done => Ok(None),
        Begun::Ours(taken) => Ok(Some(taken)),
        Begun::InTheWay(claim) => Err(InTheWay::One(claim)),
    }
}

/// The claim as it is now.
fn claim(user: &User) -> Claim {
    // Relaxed: it is shown, or somebody is looked after.
    Claim::from_word(user.body.load_u64(CLAIM, Relaxed))
}

/// Every word of the region of a once by name, in the order of their offsets, for so many [`users`](Options::users). Bytes that are in no field
/// mean nothing.
#[must_use]
pub fn layout(users: u32) -> Vec<Field> {
    layout_of(users, body(users, &FIELDS), &[("claim", &BITS)])
}

impl Drop for Once {
    fn drop(&mut self) {
        self.user.leave();
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("place", self.place()).field("is_completed", &self.is_completed()).finish()
    }
}

impl fmt::Display for TryCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("another user is about it; holder() says who"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TryCallError {}

#[cfg(test)]
mod tests;
