//! Many who read, or one who writes: whoever dies, the others go on, with the last value that was whole.
//!
//! ```text
//!   readers                            shared memory                             writer
//!  +--------+  reads, in its seat   +-----------------------+  claim           +--------+
//!  | RwLock | --------------------> | claim | copy | copy   | <--------------- | RwLock |  asleep until the readers
//!  +--------+  looks at the claim   +-----------------------+  looks at seats  +--------+  are out, or dead
//! ```
//!
//! ```
//! use strait::sync::{Options, RwLock};
//!
//! # let name = format!("doc-rwlock-{}", std::process::id());
//! let mut here = RwLock::create(&name, &[1_u64, 2], &Options::new())?;
//! let mut there = RwLock::<[u64; 2]>::open(&name, &Options::new())?; // usually in another process
//!
//! let (one, two) = (here.read()?, there.read()?); // both at once
//! assert_eq!(*one, *two);
//! drop((one, two));
//! there.write().expect("nobody has died")[0] = 7;
//! assert_eq!(*here.read()?, [7, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | read | [`try_read`](RwLock::try_read) | [`read`](RwLock::read) | [`read_timeout`](RwLock::read_timeout) |
//! | write | [`try_write`](RwLock::try_write) | [`write`](RwLock::write) | [`write_timeout`](RwLock::write_timeout) |
//! | unlock | drop the guard | | |
//! | who is in | [`holders`](RwLock::holders) | | |
//!
//! No call makes a system call while nobody is in the way. A read stores a word in its own seat, passes a fence and looks at one line that
//! readers only read, so they do not slow each other down. A write is an exchange, a fence and a look at a word of each user that there may
//! be ([`Options::users`]): reads are cheap at the expense of writes. Who writes as often as it reads takes a [mutex](crate::sync::mutex);
//! who wants the latest value and need not keep writers out, a [watch](crate::channel::watch).
//!
//! # What is promised of the value
//!
//! 1. A [`ReadGuard`] has a copy of the value, and while it is held nobody writes: the value stays what the copy says, and so does what
//!    else the lock is for, such as a file.
//! 2. Who writes has the [`Guard`] of a [mutex](crate::sync::mutex), with all that is said there: a value is changed as a whole or not at all.
//!    Values are plain data ([`Item`]), copied each time, of kilobytes rather than megabytes.
//!
//! # When somebody dies, at any instruction
//!
//! | who dies | the others |
//! |---|---|
//! | a reader | one who waits to write goes on within 100 ms; nothing is marked |
//! | a writer | who waits goes on within 100 ms, with the value from before: readers too, for it is whole ([`ReadGuard::is_unfinished`] tells them). The next writer gets [`Recovered`](crate::sync::mutex::Recovered), and none after it if it accepts or repairs |
//! | one who waits, to read or to write, or was about to be given the lock | the next one goes on within 100 ms; nothing is marked, but by one who dies in the few instructions between having the lock and finding readers |
//!
//! Who is stopped, swapped out or in an endless loop is alive, and keeps what it holds.
//!
//! # Who is next
//!
//! 1. *Readers do not keep a writer out.* Who wants to write takes its turn at once if no other writer has it; from then on no more readers
//!    come in, and it waits for those only who are in.
//! 2. *Writers do not keep a reader out.* Who has written, and sees that somebody has slept for 1 ms or longer, hands the lock to the one who
//!    has waited longest; if that is a reader, to all who wait to read.
//! 3. Else whoever comes first takes it. (Users who [spin](crate::channel::Strategy::Spin) never sleep, and take their chance with writers.)
//!
//! # Threads
//!
//! A handle is one user, and reads or writes once at a time: there is no way from a read to a write but to drop the guard. Every thread has a
//! handle of its own ([`RwLock::try_clone`]); one that reads through one handle and then through another waits for itself, if somebody has come
//! in between who wants to write.

mod error;
mod guard;
mod layout;
pub(in crate::sync) mod readers;

pub use error::{ReadError, ReadTimeoutError, TryReadError};
pub use guard::ReadGuard;
pub use layout::layout;

use crate::channel::Item;
use crate::error::Result;
use crate::region::Place;
use crate::region::header::CHANNEL_RWLOCK;
use crate::sync::claim::{self, Claim, Owner, Taken, Users};
use crate::sync::holder::Holder;
use crate::sync::mutex::{CLAIM, Guard, LockError, LockTimeoutError, Mutex, TryLockError};
use crate::sync::options::Options;
use crate::sync::user::{FREED, InTheWay, Known, TOGETHER, User, Way};
use crate::wait::turn::{deadline_after, has_passed};
use readers::{DRAINED, READS, READS_SEEN, READS_SEEN_SINCE, Readers};
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::{Duration, Instant};
use strait_mem::SharedRmw as _;
use strait_sys::clock_gettime::monotonic_ns;

/// One user's handle of a value that many read or one writes. See [the module](self).
pub struct RwLock<T: Item> {
    /// What who writes holds.
    mutex: Mutex<T>,
}

/// Who is in, and since when. See [`RwLock::holders`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holders {
    /// Who writes, or waits for readers to go, or is about to be given the lock.
    pub writer: Option<Holder>,
    /// Who reads.
    pub readers: Vec<Holder>,
}

/// What came of waiting for readers.
enum Drained {
    /// They are out, and the claim is this.
    Out(Claim),
    /// Somebody has taken our place.
    Lost,
    TimedOut,
}

/// The seats, as one user sees them.
struct Seats<'a>(&'a User);

impl Users for Seats<'_> {
    #[inline]
    fn is_gone(&self, owner: Owner) -> bool {
        Known(&self.0.hub).is_gone(owner)
    }

    #[inline]
    fn is_waiting(&self, seat: u32) -> bool {
        Known(&self.0.hub).is_waiting(seat)
    }
}

impl Readers for Seats<'_> {
    #[inline(always)]
    fn seats(&self) -> u32 {
        self.0.hub.header().seats
    }

    #[inline(always)]
    fn reads(&self, seat: u32) -> Claim {
        Claim::from_word(self.0.hub.said(seat, READS))
    }

    #[inline(always)]
    fn begin(&self, claim: Claim) {
        self.0.hub.say(READS, claim.word());
    }

    #[inline(always)]
    fn end(&self, claim: Claim) {
        // Release, RW-OUT: what we read was read before whoever writes next finds us out.
        self.0.hub.say_done(READS, claim.word());
        self.0.hub.ring_sleepers(DRAINED);
    }
}

impl<T: Item> RwLock<T> {
    /// Makes a lock with a value, as [`Mutex::create`] does.
    ///
    /// # Errors
    /// As there.
    pub fn create(place: impl Into<Place>, value: &T, options: &Options) -> Result<Self> {
        let place = place.into();
        Ok(Self::of(Mutex::made_as(CHANNEL_RWLOCK, Way::Create(&place), &place, value, options)?))
    }

    /// Opens a lock that exists, as [`Mutex::open`] does.
    ///
    /// # Errors
    /// As there.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::come(Way::Open(&place.into()), options)
    }

    /// [`Self::open`], asleep until the lock exists, for `timeout` at the most.
    ///
    /// # Errors
    /// `TimedOut`; else as [`Self::open`].
    pub fn open_timeout(place: impl Into<Place>, timeout: Duration, options: &Options) -> Result<Self> {
        Self::come(Way::OpenWithin(&place.into(), timeout), options)
    }

    /// Opens a lock, or makes it with this value where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, value: &T, options: &Options) -> Result<Self> {
        let place = place.into();
        Ok(Self::of(Mutex::made_as(CHANNEL_RWLOCK, Way::OpenOrCreate(&place), &place, value, options)?))
    }

    /// Opens a lock whose descriptor was inherited or received.
    ///
    /// # Errors
    /// As [`Mutex::from_fd`].
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::come(Way::Fd(fd), options)
    }

    /// One more user of the same lock, for another thread. Enters the kernel.
    ///
    /// # Errors
    /// As [`Mutex::try_clone`].
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self::of(self.mutex.try_clone()?))
    }

    fn come(way: Way<'_>, options: &Options) -> Result<Self> {
        Ok(Self::of(Mutex::come_as(CHANNEL_RWLOCK, way, options)?))
    }

    fn of(mutex: Mutex<T>) -> Self {
        // The seat's last owner may have died reading.
        mutex.user.hub.say(READS, Claim::FREE.word());
        Self { mutex }
    }

    /// Reads: nobody writes until the guard is dropped. Waits for as long as somebody does, or is about to: spinning for a moment, then asleep.
    /// No system call where nobody does.
    ///
    /// # Errors
    /// [`ReadError::Forked`].
    #[inline]
    pub fn read(&mut self) -> Result<ReadGuard<'_, T>, ReadError> {
        if !self.mutex.user.hub.is_own() {
            return Err(ReadError::Forked);
        }
        match self.enter() {
            Ok(claim) => Ok(ReadGuard::new(self, claim)),
            Err(_) => loop {
                // Without a deadline it does not come back with nothing.
                if let Some(claim) = self.wait_to_read(None) {
                    return Ok(ReadGuard::new(self, claim));
                }
            },
        }
    }

    /// [`Self::read`], if nobody writes now. Never waits; no system call but to see, at most every 10 ms, whether who writes is alive.
    ///
    /// # Errors
    /// [`TryReadError::Locked`]; else as [`Self::read`].
    #[inline]
    pub fn try_read(&mut self) -> Result<ReadGuard<'_, T>, TryReadError> {
        if !self.mutex.user.hub.is_own() {
            return Err(TryReadError::Failed(ReadError::Forked));
        }
        let entered = match self.enter() {
            Err(in_the_way) if self.is_found_dead(InTheWay::One(in_the_way)) => self.enter(),
            entered => entered,
        };
        let claim = entered.map_err(|_| TryReadError::Locked)?;
        Ok(ReadGuard::new(self, claim))
    }

    /// [`Self::read`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`ReadTimeoutError::TimedOut`], and then [`Self::holders`] says who is in the way; else as [`Self::read`].
    pub fn read_timeout(&mut self, timeout: Duration) -> Result<ReadGuard<'_, T>, ReadTimeoutError> {
        if !self.mutex.user.hub.is_own() {
            return Err(ReadTimeoutError::Failed(ReadError::Forked));
        }
        let entered = match self.enter() {
            Ok(claim) => Some(claim),
            Err(_) => self.wait_to_read(deadline_after(timeout)),
        };
        let claim = entered.ok_or(ReadTimeoutError::TimedOut)?;
        Ok(ReadGuard::new(self, claim))
    }

    /// Writes: nobody else reads or writes until the guard is dropped. Waits for as long as others do: spinning for a moment, then asleep. No
    /// system call where nobody does.
    ///
    /// # Errors
    /// [`LockError::Recovered`] where the last writer died or panicked: within 100 ms of its death. [`LockError::Forked`].
    #[inline]
    pub fn write(&mut self) -> Result<Guard<'_, T>, LockError<'_, T>> {
        if !self.mutex.user.hub.is_own() {
            return Err(LockError::Forked);
        }
        loop {
            if let Some(taken) = self.take(None) {
                return self.mutex.locked(taken);
            }
        }
    }

    /// [`Self::write`], if nobody reads or writes now. Never waits; no system call but to see, at most every 10 ms, whether who does is alive.
    ///
    /// # Errors
    /// [`TryLockError::Locked`]; else as [`Self::write`].
    pub fn try_write(&mut self) -> Result<Guard<'_, T>, TryLockError<'_, T>> {
        if !self.mutex.user.hub.is_own() {
            return Err(TryLockError::Failed(LockError::Forked));
        }
        self.let_go();
        match self.try_take() {
            Some(taken) => self.mutex.locked(taken).map_err(TryLockError::Failed),
            None => Err(TryLockError::Locked),
        }
    }

    /// [`Self::write`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`LockTimeoutError::TimedOut`], and then [`Self::holders`] says who is in the way; else as [`Self::write`].
    pub fn write_timeout(&mut self, timeout: Duration) -> Result<Guard<'_, T>, LockTimeoutError<'_, T>> {
        if !self.mutex.user.hub.is_own() {
            return Err(LockTimeoutError::Failed(LockError::Forked));
        }
        match self.take(deadline_after(timeout)) {
            Some(taken) => self.mutex.locked(taken).map_err(LockTimeoutError::Failed),
            None => Err(LockTimeoutError::TimedOut),
        }
    }

    #[inline(always)]
    fn enter(&self) -> Result<Claim, Claim> {
        let user = &self.mutex.user;
        readers::enter(&user.body, CLAIM, user.me, &Seats(user))
    }

    #[cold]
    #[inline(never)]
    fn wait_to_read(&mut self, deadline: Option<Instant>) -> Option<Claim> {
        let user = &mut self.mutex.user;
        let entered = user.wait_as(TOGETHER, FREED, deadline, |user| {
            readers::enter(&user.body, CLAIM, user.me, &Seats(user)).map_err(InTheWay::One)
        });
        // It may have been granted to us, and kept from who writes for that long.
        user.freed();
        entered
    }

    /// Takes the claim, and waits until all readers are out. `None` when the time has run out.
    #[inline]
    fn take(&mut self, deadline: Option<Instant>) -> Option<Taken> {
        self.let_go();
        loop {
            let taken = self.mutex.wait_until(deadline)?;
            match self.drain(taken.claim, deadline) {
                Drained::Out(claim) => return Some(Taken { claim, ..taken }),
                // Who lies can bring this about again and again, each time before the clock was looked at.
                Drained::Lost if has_passed(deadline) => return None,
                Drained::Lost => {}
                Drained::TimedOut => return None,
            }
        }
    }

    #[inline]
    fn drain(&mut self, claim: Claim, deadline: Option<Instant>) -> Drained {
        if self.all_out().is_ok() { Drained::Out(claim) } else { self.wait_for_readers(claim, deadline) }
    }

    #[inline(always)]
    fn all_out(&self) -> std::result::Result<(), InTheWay> {
        let user = &self.mutex.user;
        readers::all_out(&user.body, user.me, &Seats(user))
    }

    #[cold]
    #[inline(never)]
    fn wait_for_readers(&mut self, claim: Claim, deadline: Option<Instant>) -> Drained {
        let user = &mut self.mutex.user;
        // Since when each of them is in the way, for people.
        for (seat, claim) in reading(user, user.me.seat()) {
            seen_since(user, seat, claim);
        }
        user.say_waiting();
        claim::release(&user.body, CLAIM, readers::pending(claim, user.me));
        let out = user.wait_for(DRAINED, deadline, |user| readers::take_up(&user.body, CLAIM, user.me, &Seats(user)));
        match out {
            Some(Some(claim)) => Drained::Out(claim),
            Some(None) => Drained::Lost,
            None => {
                self.give_up();
                Drained::TimedOut
            }
        }
    }

    /// Gives the claim back that is granted to us, for we do not wait for readers any more.
    fn give_up(&mut self) {
        let seen = self.mutex.claim();
        let user = &mut self.mutex.user;
        if seen.state() != claim::State::Granted(user.me) {
            return;
        }
        // Release: a continued CLAIM-RELEASE. A failure is as good: somebody has seen that we do not wait.
        let _ = user.body.compare_exchange_u64(CLAIM, seen.word(), seen.free().word(), AcqRel, Relaxed);
        user.freed();
    }

    /// Takes the claim if nobody has it and nobody reads.
    fn try_take(&mut self) -> Option<Taken> {
        // Before anything is changed: a claim that is taken for a moment only stops others for that moment.
        if let Err(in_the_way) = self.all_out() {
            if !self.is_found_dead(in_the_way) || self.all_out().is_err() {
                return None;
            }
        }
        let user = &mut self.mutex.user;
        let taken = user.try_take(CLAIM).or_else(|seen| user.try_take_from_dead(CLAIM, seen)).ok()?;
        if self.all_out().is_ok() {
            return Some(taken);
        }
        self.mutex.user.give_back(CLAIM, taken.claim.free());
        None
    }

    /// Whether a call that does not wait should look again, because somebody in the way is found dead just now.
    #[cold]
    fn is_found_dead(&mut self, in_the_way: InTheWay) -> bool {
        let user = &mut self.mutex.user;
        user.hub.is_time_to_look() && user.looks(in_the_way)
    }

    /// A guard that was let go of without unlocking (`mem::forget`) reads no more.
    #[inline(always)]
    fn let_go(&mut self) {
        let user = &self.mutex.user;
        let seats = Seats(user);
        if !seats.reads(user.me.seat()).is_free() {
            self.leave();
        }
    }

    #[inline(always)]
    fn leave(&mut self) {
        let user = &self.mutex.user;
        readers::leave(user.me, &Seats(user));
    }

    /// Who is in, and for how long at least: for people who look for a deadlock. A moment later it may be others. A system call for each of them,
    /// to see whether it is alive.
    #[must_use]
    pub fn holders(&self) -> Holders {
        let user = &self.mutex.user;
        let reader = |(seat, claim)| user.holder_since(claim, || seen_since(user, seat, claim));
        Holders { writer: self.mutex.holder(), readers: reading(user, u32::MAX).filter_map(reader).collect() }
    }

    /// How many have it open, as they say: the dead count until they are found. No system call.
    #[must_use]
    pub fn users(&self) -> u32 {
        self.mutex.users()
    }

    /// Where it lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.mutex.place()
    }

    /// Its descriptor, to hand over to another process, which uses it with [`Self::from_fd`]. Opened when it is first asked for, which
    /// enters the kernel; `None` where it cannot be, or in a forked child.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.mutex.fd()
    }
}

/// Who reads, but for the one at seat `but`, and under which claims.
fn reading(user: &User, but: u32) -> impl Iterator<Item = (u32, Claim)> {
    let seats = Seats(user);
    let me = Owner::new(but, user.me.generation());
    (0..seats.seats()).filter_map(move |seat| Some((seat, readers::reading(seat, me, &seats)?)))
}

/// Notes when a reader's claim was first seen by somebody who asked; says when that was.
fn seen_since(user: &User, seat: u32, claim: Claim) -> u64 {
    if user.hub.said(seat, READS_SEEN) == claim.word() {
        return user.hub.said(seat, READS_SEEN_SINCE);
    }
    let now = monotonic_ns();
    user.hub.note(seat, READS_SEEN_SINCE, now);
    user.hub.note(seat, READS_SEEN, claim.word());
    now
}

impl<T: Item> Drop for RwLock<T> {
    fn drop(&mut self) {
        if self.mutex.user.hub.is_own() {
            self.let_go();
        }
    }
}

impl<T: Item> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").field("place", self.place()).field("state", &self.mutex.claim().state()).finish()
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
