//! The reading end.

use crate::channel::hub::Hub;
use crate::channel::message::{Item, Message};
use crate::channel::watch::error::{ReadError, ReadTimeoutError, TryReadError};
use crate::channel::watch::kind::{CHANGED, READER, WRITERS_SEAT, Watch, asked, planned, shape_at};
use crate::channel::watch::options::Options;
use crate::channel::watch::value::{Look, one, slice};
use crate::error::Result;
use crate::peer::seat::State;
use crate::peer::{Cause, PeerState};
use crate::region::Place;
use crate::ring::PeerFault;
use crate::ring::watch::{self as ring, Read};
use crate::wait::turn::{Step, Turn, deadline_after};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_mem::View;

/// The end that reads the value; there are as many as the channel has seats. See [the module](super).
pub struct Reader<M: Message + ?Sized> {
    ring: ring::Reader<View>,
    /// The version that was read last.
    seen: u64,
    pub(super) hub: Hub,
    message: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> Reader<M> {
    /// Makes a channel and takes a reading end. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// Those of [`Writer::create`](super::Writer::create).
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::assemble(Hub::create::<Watch>(&place, &planned::<M>(&place, options)?, READER, |_| Ok(()))?)
    }

    /// Takes a reading end of a channel that exists.
    ///
    /// # Errors
    /// `NotFound`; `Busy` where all seats for readers are taken; `Incompatible` for another type of value, another kind of channel,
    /// another version or something else entirely; `Damaged`; `Permission`.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(Hub::open::<Watch>(&place.into(), &asked::<M>(options), READER)?)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Self::assemble(Hub::open_timeout::<Watch>(&place.into(), &asked::<M>(options), READER, timeout)?)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::assemble(Hub::open_or_create::<Watch>(&place, &planned::<M>(&place, options)?, READER, |_| Ok(()))?)
    }

    /// Takes a reading end of a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`](crate::region::Region::from_fd).
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::assemble(Hub::from_fd::<Watch>(fd, &asked::<M>(options), READER)?)
    }

    fn assemble(mut hub: Hub) -> Result<Self> {
        let body = match shape_at(&hub).and_then(|shape| Ok((shape, hub.region().view(hub.body())?))) {
            Ok(body) => body,
            Err(error) => {
                hub.leave(|| true);
                return Err(error);
            }
        };
        // Which fits, for a window on it was given. A kernel with pages too large for it refuses: then only the types say that no value
        // is written here.
        let _ = hub.region().mapping().protect(hub.body().start as usize..hub.body().end as usize);
        Ok(Self { ring: ring::Reader::new(body.0, body.1), seen: 0, hub, message: PhantomData })
    }

    /// How often a value was set, as the writer says; 0, never. One load.
    #[must_use]
    #[inline]
    pub fn version(&self) -> u64 {
        self.ring.version()
    }

    /// The version of the value that this reader was given last; 0, none yet. What lies between two of them was never seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether there is a newer value than the one that was read last. One load.
    #[must_use]
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.ring.version() != self.seen
    }

    /// The longest value, in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        self.ring.shape().value_bytes()
    }

    /// What is known of the writer. One system call while it is attached.
    #[must_use]
    pub fn writer_state(&self) -> PeerState {
        self.hub.peer_state(WRITERS_SEAT)
    }

    /// The process id that the writer wrote, for people to read; zero before there was one.
    #[must_use]
    pub fn writer_pid(&self) -> u32 {
        self.hub.alleged_pid(WRITERS_SEAT)
    }

    /// Where the channel lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.hub.region().place()
    }

    /// The channel's descriptor, to hand over to another process.
    /// Opened when it is first asked for, which enters the kernel; `None` where it cannot be, or in a forked child.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.hub.fd()
    }

    /// Looks once for a value that is newer than `seen`.
    #[inline(always)]
    fn now(&mut self, seen: u64, look: &mut impl Look) -> Result<(), TryReadError> {
        self.hub.check().map_err(|end| TryReadError::Failed(end.into()))?;
        match look.look(&self.ring, seen) {
            Ok(Read::Is(version)) => {
                self.seen = version;
                Ok(())
            }
            other => self.nothing(seen, other, look),
        }
    }

    /// No value: is that for now, or for good?
    #[cold]
    #[inline(never)]
    fn nothing(
        &mut self,
        seen: u64,
        looked: Result<Read, PeerFault>,
        look: &mut impl Look,
    ) -> Result<(), TryReadError> {
        if looked == Ok(Read::NotYet) && self.hub.is_time_to_look() {
            self.look_for_dead_writer();
        }
        let Some(outcome) = self.settle(seen, looked, look) else { return Err(TryReadError::NotYet) };
        outcome.map_err(TryReadError::Failed)
    }

    /// What a look means, if it is more than "not yet".
    #[inline]
    fn settle(
        &mut self,
        seen: u64,
        looked: Result<Read, PeerFault>,
        look: &mut impl Look,
    ) -> Option<Result<(), ReadError>> {
        let mut looked = looked;
        let gone = match looked {
            Ok(Read::NotYet) => Some(self.writer_gone()?),
            _ => None,
        };
        if gone.is_some() {
            // What it set just before it went is still read.
            looked = look.look(&self.ring, seen);
        }
        Some(match (looked, gone) {
            (Ok(Read::Is(version)), _) => {
                self.seen = version;
                Ok(())
            }
            (Ok(Read::NotYet), Some(cause)) => Err(ReadError::Disconnected(cause)),
            // Not met: "not yet" of the first look has a cause.
            (Ok(Read::NotYet), None) => return None,
            (Ok(Read::Overtaken), _) => Err(ReadError::Busy),
            (Err(fault), _) => Err(self.hub.close(fault).into()),
        })
    }

    /// Why nobody will set a value any more. No system call.
    #[inline]
    pub(super) fn writer_gone(&self) -> Option<Cause> {
        match self.hub.presence(WRITERS_SEAT).state() {
            State::Never | State::Attached => None,
            _ if self.hub.header().is_restartable => None,
            State::Left => Some(Cause::Left),
            State::Died => Some(Cause::Died),
        }
    }

    /// Asks the kernel whether the writer lives. It leaves nothing to mend.
    #[cold]
    pub(super) fn look_for_dead_writer(&mut self) {
        self.hub.look_for_dead_at(WRITERS_SEAT..WRITERS_SEAT + 1, |_, _| {});
    }

    /// Looks for a value that is newer than `seen`, at once, or for one who waits any moment, and then asleep until there is one.
    #[inline(always)]
    fn wait(&mut self, seen: u64, look: &mut impl Look) -> Result<(), ReadError> {
        self.hub.check()?;
        let mut looks = self.hub.first_looks();
        while self.ring.version() == seen && looks > 0 {
            looks -= 1;
            std::hint::spin_loop();
        }
        match look.look(&self.ring, seen) {
            Ok(Read::Is(version)) => {
                self.seen = version;
                Ok(())
            }
            looked => self.wait_anew(seen, looked, look),
        }
    }

    #[inline(never)]
    fn wait_anew(&mut self, seen: u64, looked: Result<Read, PeerFault>, look: &mut impl Look) -> Result<(), ReadError> {
        if let Some(outcome) = self.settle(seen, looked, look) {
            return outcome;
        }
        loop {
            match self.wait_until(seen, None, look) {
                Ok(()) => return Ok(()),
                Err(ReadTimeoutError::Failed(error)) => return Err(error),
                // Not met without a deadline.
                Err(ReadTimeoutError::TimedOut) => {}
            }
        }
    }

    fn wait_timeout(&mut self, seen: u64, timeout: Duration, look: &mut impl Look) -> Result<(), ReadTimeoutError> {
        match self.now(seen, look) {
            Ok(()) => Ok(()),
            Err(TryReadError::Failed(error)) => Err(ReadTimeoutError::Failed(error)),
            Err(TryReadError::NotYet) => self.wait_until(seen, deadline_after(timeout), look),
        }
    }

    #[inline]
    fn wait_until(
        &mut self,
        seen: u64,
        deadline: Option<Instant>,
        look: &mut impl Look,
    ) -> Result<(), ReadTimeoutError> {
        let mut turn = Turn::eager(deadline);
        let outcome = loop {
            let step = self.hub.step(&mut turn, CHANGED, 0);
            // Who waits a little again and again learns of a death too.
            if step == Step::AgainAndLook || step == Step::TimedOut && self.hub.is_time_to_look() {
                self.look_for_dead_writer();
            }
            let looked = look.look(&self.ring, seen);
            match self.settle(seen, looked, look) {
                Some(outcome) => break outcome.map_err(ReadTimeoutError::Failed),
                None if step == Step::TimedOut => break Err(ReadTimeoutError::TimedOut),
                None => {}
            }
        };
        self.hub.end_turn(turn, CHANGED, true);
        outcome
    }
}

impl<T: Item> Reader<T> {
    /// A copy of the value; waits only while none was ever set. No system call and no write to shared memory once there is one.
    ///
    /// # Errors
    /// [`ReadError::Busy`]; [`ReadError::Disconnected`] where the writer is gone and never set a value.
    #[doc(alias = "borrow")]
    #[inline]
    pub fn get(&mut self) -> Result<T, ReadError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.wait(0, &mut one(&mut value))?;
        Ok(value)
    }

    /// [`Self::get`], if a value was ever set. Never waits.
    ///
    /// # Errors
    /// [`TryReadError::NotYet`]; else as [`Self::get`].
    #[inline]
    pub fn try_get(&mut self) -> Result<T, TryReadError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.now(0, &mut one(&mut value))?;
        Ok(value)
    }

    /// [`Self::get`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`ReadTimeoutError::TimedOut`]; else as [`Self::get`].
    pub fn get_timeout(&mut self, timeout: Duration) -> Result<T, ReadTimeoutError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.wait_timeout(0, timeout, &mut one(&mut value))?;
        Ok(value)
    }

    /// Waits for a value that is newer than the one this reader was given last, and returns a copy of the latest. Asleep, after a
    /// moment of spinning.
    ///
    /// # Errors
    /// [`ReadError::Disconnected`] when the writer is gone and its last value was read: at once if it left in good order, within
    /// 100 ms if it died. [`ReadError::Busy`].
    #[inline]
    pub fn changed(&mut self) -> Result<T, ReadError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.wait(self.seen, &mut one(&mut value))?;
        Ok(value)
    }

    /// [`Self::changed`], if there is a newer value now. Never waits; no system call but to see, at most every 10 ms, whether the writer
    /// lives.
    ///
    /// # Errors
    /// [`TryReadError::NotYet`]; else as [`Self::changed`].
    #[inline]
    pub fn try_changed(&mut self) -> Result<T, TryReadError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.now(self.seen, &mut one(&mut value))?;
        Ok(value)
    }

    /// [`Self::changed`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`ReadTimeoutError::TimedOut`]; else as [`Self::changed`].
    pub fn changed_timeout(&mut self, timeout: Duration) -> Result<T, ReadTimeoutError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.wait_timeout(self.seen, timeout, &mut one(&mut value))?;
        Ok(value)
    }
}

/// Slices are read into a vector that is used again: its old content goes, and it grows only to the longest value met. After an error
/// what is in it means nothing.
impl<T: Item> Reader<[T]> {
    /// As [`Reader::get`] of single items.
    ///
    /// # Errors
    /// As there.
    pub fn get(&mut self, into: &mut Vec<T>) -> Result<(), ReadError> {
        self.wait(0, &mut slice(into))
    }

    /// [`Self::get`], if a value was ever set. Never waits.
    ///
    /// # Errors
    /// [`TryReadError::NotYet`]; else as [`Self::get`].
    pub fn try_get(&mut self, into: &mut Vec<T>) -> Result<(), TryReadError> {
        self.now(0, &mut slice(into))
    }

    /// [`Self::get`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`ReadTimeoutError::TimedOut`]; else as [`Self::get`].
    pub fn get_timeout(&mut self, into: &mut Vec<T>, timeout: Duration) -> Result<(), ReadTimeoutError> {
        self.wait_timeout(0, timeout, &mut slice(into))
    }

    /// As [`Reader::changed`] of single items.
    ///
    /// # Errors
    /// As there.
    pub fn changed(&mut self, into: &mut Vec<T>) -> Result<(), ReadError> {
        self.wait(self.seen, &mut slice(into))
    }

    /// [`Self::changed`], if there is a newer value now. Never waits.
    ///
    /// # Errors
    /// [`TryReadError::NotYet`]; else as [`Self::changed`].
    pub fn try_changed(&mut self, into: &mut Vec<T>) -> Result<(), TryReadError> {
        self.now(self.seen, &mut slice(into))
    }

    /// [`Self::changed`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`ReadTimeoutError::TimedOut`]; else as [`Self::changed`].
    pub fn changed_timeout(&mut self, into: &mut Vec<T>, timeout: Duration) -> Result<(), ReadTimeoutError> {
        self.wait_timeout(self.seen, timeout, &mut slice(into))
    }
}

impl<M: Message + ?Sized> Drop for Reader<M> {
    fn drop(&mut self) {
        let is_kept = self.hub.header().is_restartable;
        let Self { hub, ring, .. } = self;
        hub.leave(|| is_kept && ring.version() > 0);
    }
}

impl<M: Message + ?Sized> fmt::Debug for Reader<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("seen", &self.seen())
            .finish()
    }
}
