//! The end that publishes.

use crate::channel::broadcast::blocks::{Lending, slowest};
use crate::channel::broadcast::error::{PublishBatchError, PublishError, PublishTimeoutError, TryPublishError};
use crate::channel::broadcast::options::{Options, Policy};
use crate::channel::broadcast::setup::{self, How, MESSAGES, PUBLISHER, Plan, ROOM};
use crate::channel::broadcast::subscriber;
use crate::channel::hub::Hub;
use crate::channel::message::{Item, Message};
use crate::error::{Error, ErrorKind, Result};
use crate::region::Place;
use crate::ring::lane::{Slot, Writer};
use crate::wait::eventcount::Wake;
use crate::wait::turn::{Step, Turn, deadline_after};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_mem::{LentMut, View, ViewMut};

/// What a publisher has of the region: its lane, the subscribers' rows, its blocks.
type Windows = (Writer<LentMut, ViewMut>, View, Option<Box<Lending>>);

/// The end that publishes. See [the module](super) for what its calls have in common.
pub struct Publisher<M: Message + ?Sized> {
    lane: Writer<LentMut, ViewMut>,
    plan: Plan,
    /// Our lane, which is our seat.
    number: u32,
    /// Where subscribers say what they have read, and what they hold.
    rows: View,
    /// Where messages lie in blocks. The lane then never has room as far as it knows itself.
    lending: Option<Box<Lending>>,
    pub(super) hub: Hub,
    message: PhantomData<fn(&M)>,
}

impl<M: Message + ?Sized> Publisher<M> {
    /// Makes a channel and takes a publisher's seat in it. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// `AlreadyExists`, unless what exists was left behind by the dead; `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds
    /// of region without a descriptor.
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, PUBLISHER, &How::Create)?)
    }

    /// Takes a publisher's seat in a channel that exists.
    ///
    /// # Errors
    /// `NotFound`; `Busy` where all such seats are taken; `Incompatible` for another type of message, another version or something else
    /// entirely; `Damaged`; `Permission`.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, PUBLISHER, &How::Open)?)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, PUBLISHER, &How::OpenTimeout(timeout))?)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, PUBLISHER, &How::OpenOrCreate)?)
    }

    /// Takes a publisher's seat in a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`crate::region::Region::from_fd`].
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::assemble(setup::from_fd::<M>(fd, options, PUBLISHER)?)
    }

    fn assemble((mut hub, plan): (Hub, Plan)) -> Result<Self> {
        let (number, _) = hub.seat();
        match Self::windows(&hub, plan, number) {
            Ok((lane, rows, lending)) => Ok(Self { lane, plan, number, rows, lending, hub, message: PhantomData }),
            Err(error) => {
                hub.leave(|| true);
                Err(error)
            }
        }
    }

    fn windows(hub: &Hub, plan: Plan, number: u32) -> Result<Windows> {
        let region = hub.region();
        let start = hub.body().start;
        let body = |part: std::ops::Range<u64>| start + part.start..start + part.end;
        let slots = body(plan.slots(number));
        let Some(window) = region.mapping().lent_mut(slots.start as usize..slots.end as usize, hub.trust()) else {
            return Err(Error::new(ErrorKind::Usage, format!("attach to {}: it was opened read-only", region.place())));
        };
        let own = region.view_mut(body(plan.lane(number)))?;
        let rows = region.view(body(plan.rows()))?;
        let mut lane = Writer::attach(plan.lane, window, own).map_err(|fault| setup::damaged(region, fault))?;
        let lending = plan.blocks.map(|blocks| Lending::attach(hub, plan, blocks, &mut lane, &rows)).transpose()?;
        Ok((lane, rows, lending.map(Box::new)))
    }

    /// Publishes a copy of a message. Under [`Policy::Block`] it waits for room; under [`Policy::DropNewest`] a message for which there is
    /// none is given up, and counted by [`Self::dropped`]. Under [`Policy::DropOldest`] it only waits where messages lie in blocks, and
    /// subscribers hold all of them.
    ///
    /// No system call while there is room and no subscriber sleeps. When it returns, the message is in the channel: it outlives this
    /// process.
    ///
    /// # Errors
    /// [`PublishError::TooLarge`]. That nobody is there to read it is no error.
    #[inline]
    pub fn publish(&mut self, message: &M) -> Result<(), PublishError> {
        let bytes = message.as_bytes();
        if self.put_ready(bytes) { Ok(()) } else { self.publish_anew(bytes) }
    }

    /// Publishes a copy of a message if there is room now. Never waits; no system call unless a subscriber sleeps.
    ///
    /// # Errors
    /// [`TryPublishError::Full`], and nothing is counted; else as [`Self::publish`].
    #[inline]
    pub fn try_publish(&mut self, message: &M) -> Result<(), TryPublishError> {
        let bytes = message.as_bytes();
        if self.put_ready(bytes) { Ok(()) } else { self.try_publish_anew(bytes) }
    }

    /// Publishes a copy of a message; waits for room, for `timeout` at the most, whatever the policy.
    ///
    /// # Errors
    /// [`PublishTimeoutError::TimedOut`]; else as [`Self::publish`].
    pub fn publish_timeout(&mut self, message: &M, timeout: Duration) -> Result<(), PublishTimeoutError> {
        let bytes = message.as_bytes();
        self.check(bytes.len()).map_err(PublishTimeoutError::Failed)?;
        if !self.has_room() {
            self.wait_for_room(deadline_after(timeout))?;
        }
        self.put(bytes);
        Ok(())
    }

    #[inline(never)]
    fn publish_anew(&mut self, bytes: &[u8]) -> Result<(), PublishError> {
        self.check(bytes.len())?;
        if !self.has_room() {
            if self.plan.policy == Policy::DropNewest {
                self.lane.count_dropped();
                return Ok(());
            }
            self.wait_for_room_always()?;
        }
        self.put(bytes);
        Ok(())
    }

    #[inline(never)]
    fn try_publish_anew(&mut self, bytes: &[u8]) -> Result<(), TryPublishError> {
        self.check(bytes.len()).map_err(TryPublishError::Failed)?;
        if !self.has_room() {
            return Err(TryPublishError::Full);
        }
        self.put(bytes);
        Ok(())
    }

    /// Messages published in this lane since the channel was made, by this publisher and those before it: the number of the next one.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.lane.sent()
    }

    /// Messages of this lane that were given up because there was no room ([`Policy::DropNewest`]), since the channel was made.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lane.dropped()
    }

    /// Messages that the slowest subscriber has not read, as far as it says. No system call.
    #[must_use]
    pub fn len(&self) -> u64 {
        let sent = self.lane.sent();
        sent - slowest(&self.hub, self.plan, &self.rows, self.number, sent)
    }

    /// Whether all subscribers have read everything, as far as they say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages of each publisher are kept, at least.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        u64::from(self.plan.history())
    }

    /// The longest message, in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        u64::from(self.plan.max_bytes)
    }

    /// What happens to messages for which there is no room.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.plan.policy
    }

    /// Which of the publishers this is: what [`super::Origin::publisher`] says of its messages.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How many subscribers there are. The dead count until they are found, within 100 ms of waiting for them. No system call.
    #[must_use]
    pub fn subscribers(&self) -> u32 {
        subscriber::joined(&self.hub, self.plan)
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

    /// Waits until there are `count` subscribers, for `timeout` at the most; says whether there are. What is published then reaches them.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn wait_for_subscribers(&mut self, count: u32, timeout: Duration) -> Result<bool, PublishError> {
        self.wait_until(deadline_after(timeout), |it| it.subscribers() >= count)
    }

    /// Waits until all subscribers have read what was published, for `timeout` at the most; says whether they have.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn drain(&mut self, timeout: Duration) -> Result<bool, PublishError> {
        self.wait_until(deadline_after(timeout), |it| it.is_empty())
    }

    /// Writes what was published to the disk, for a channel in a file: then power loss does not take it.
    ///
    /// # Errors
    /// `Kernel` when the disk fails.
    pub fn sync(&self) -> Result<()> {
        self.hub.region().sync()
    }

    /// Publishes a copy of a message if nothing stands in its way; if something does, nothing has been done.
    #[inline(always)]
    fn put_ready(&mut self, bytes: &[u8]) -> bool {
        // That an item is as long as the lane's was checked when the channel was opened. Where messages lie in blocks the lane has no room.
        let is_put = self.hub.check().is_ok()
            && if M::IS_SLICE {
                bytes.len() <= self.plan.lane.max_bytes() as usize && self.lane.put_ready(bytes)
            } else {
                self.lane.put_item_ready(bytes, Slot::of_item(bytes.len()))
            };
        if is_put {
            self.hub.after_action(MESSAGES, Wake::Everybody);
        }
        is_put
    }

    /// Publishes a message for which there is room.
    fn put(&mut self, bytes: &[u8]) {
        match &mut self.lending {
            Some(lending) => lending.put(&mut self.lane, bytes),
            None => {
                self.lane.put_ready(bytes);
            }
        }
        self.hub.after_action(MESSAGES, Wake::Everybody);
    }

    fn check(&self, len: usize) -> Result<(), PublishError> {
        self.hub.check()?;
        let (len_bytes, max_bytes) = (len as u64, self.max_message_bytes());
        if len_bytes > max_bytes { Err(PublishError::TooLarge { len_bytes, max_bytes }) } else { Ok(()) }
    }

    /// Whether there is room. One who never waits learns of the dead too, now and then.
    fn has_room(&mut self) -> bool {
        if self.has_room_now() {
            return true;
        }
        self.hub.is_time_to_look() && self.hub.look_for_dead(|_, _| {}) > 0 && self.claim()
    }

    pub(super) fn has_room_now(&mut self) -> bool {
        self.lane.room() > 0 || self.claim()
    }

    /// What to be woken by, where there is no room.
    pub(super) fn room_at(&self) -> u32 {
        self.lending.as_ref().map_or_else(|| self.lane.wake_at(), |it| it.wake_at(&self.lane))
    }

    fn claim(&mut self) -> bool {
        let Self { lane, plan, number, rows, lending, hub, .. } = self;
        if let Some(lending) = lending {
            return lending.has_room(hub, *plan, lane, rows);
        }
        let sent = lane.sent();
        lane.claim(plan.is_kept().then_some(|| slowest(hub, *plan, rows, *number, sent)))
    }

    #[cold]
    fn wait_for_room_always(&mut self) -> Result<(), PublishError> {
        loop {
            match self.wait_for_room(None) {
                Ok(()) => return Ok(()),
                Err(PublishTimeoutError::Failed(error)) => return Err(error),
                // Not met without a deadline.
                Err(PublishTimeoutError::TimedOut) => {}
            }
        }
    }

    #[cold]
    fn wait_for_room(&mut self, deadline: Option<Instant>) -> Result<(), PublishTimeoutError> {
        let wake_at = self.room_at();
        let mut turn = Turn::patient(deadline);
        loop {
            let step = self.hub.step(&mut turn, ROOM, wake_at);
            if step == Step::AgainAndLook {
                self.hub.look_for_dead(|_, _| {});
            }
            let is_room = if step == Step::TimedOut { self.has_room() } else { self.claim() };
            if is_room || step == Step::TimedOut {
                self.hub.end_turn(turn, ROOM, true);
                return if is_room { Ok(()) } else { Err(PublishTimeoutError::TimedOut) };
            }
        }
    }

    fn wait_until(
        &mut self,
        deadline: Option<Instant>,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, PublishError> {
        self.hub.check()?;
        // Truncation: the circle of 32 bits.
        let wake_at = self.lane.sent() as u32;
        let mut turn = Turn::patient(deadline);
        loop {
            let step = self.hub.step(&mut turn, ROOM, wake_at);
            if step == Step::AgainAndLook || (step == Step::TimedOut && self.hub.is_time_to_look()) {
                self.hub.look_for_dead(|_, _| {});
            }
            let so = is_so(self);
            if so || step == Step::TimedOut {
                self.hub.end_turn(turn, ROOM, true);
                return Ok(so);
            }
        }
    }

    fn reserve_bytes(&mut self, len: usize) -> Result<Reservation<'_, M>, PublishError> {
        self.check(len)?;
        if !self.has_room() {
            self.wait_for_room_always()?;
        }
        self.lend(len)
    }

    fn try_reserve_bytes(&mut self, len: usize) -> Result<Reservation<'_, M>, TryPublishError> {
        self.check(len).map_err(TryPublishError::Failed)?;
        if !self.has_room() {
            return Err(TryPublishError::Full);
        }
        self.lend(len).map_err(TryPublishError::Failed)
    }

    fn reserve_bytes_timeout(
        &mut self,
        len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_, M>, PublishTimeoutError> {
        self.check(len).map_err(PublishTimeoutError::Failed)?;
        if !self.has_room() {
            self.wait_for_room(deadline_after(timeout))?;
        }
        self.lend(len).map_err(PublishTimeoutError::Failed)
    }

    fn lend(&mut self, len: usize) -> Result<Reservation<'_, M>, PublishError> {
        // Checked once here, so that the accesses through the reservation can rely on it.
        match self.room_mut(len).and_then(M::from_bytes_mut) {
            Some(_) => Ok(Reservation { publisher: self, len }),
            None => Err(PublishError::Untrusted),
        }
    }

    /// The bytes of the room that there is.
    fn room_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        if let Some(lending) = &mut self.lending {
            return lending.slice_mut(len);
        }
        let at = self.lane.payload();
        self.lane.ring_mut().slice_mut(at, len)
    }

    /// Publishes what was lent. In a forked child that was lent nothing, for the channel is its parent's.
    fn publish_reserved(&mut self, len: usize) {
        if self.hub.is_own() {
            match &mut self.lending {
                Some(lending) => lending.publish(&mut self.lane, len),
                None => self.lane.publish(len),
            }
            self.hub.after_action(MESSAGES, Wake::Everybody);
        }
    }
}

impl<T: Item> Publisher<T> {
    /// Lends room for a message, to be written in place; waits for it, unless the policy is [`Policy::DropOldest`]. What the room holds is
    /// whatever was there.
    ///
    /// # Errors
    /// As [`Self::publish`]; [`PublishError::Untrusted`] where the memory of the channel cannot be lent.
    pub fn reserve(&mut self) -> Result<Reservation<'_, T>, PublishError> {
        self.reserve_bytes(size_of::<T>())
    }

    /// [`Self::reserve`], if there is room now.
    ///
    /// # Errors
    /// [`TryPublishError::Full`]; else as [`Self::reserve`].
    pub fn try_reserve(&mut self) -> Result<Reservation<'_, T>, TryPublishError> {
        self.try_reserve_bytes(size_of::<T>())
    }

    /// [`Self::reserve`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`PublishTimeoutError::TimedOut`]; else as [`Self::reserve`].
    pub fn reserve_timeout(&mut self, timeout: Duration) -> Result<Reservation<'_, T>, PublishTimeoutError> {
        self.reserve_bytes_timeout(size_of::<T>(), timeout)
    }

    /// Publishes copies of many messages, as [`Self::publish`] does one by one; those for which there is room are counted at once.
    ///
    /// # Errors
    /// As [`Self::publish`], with the number of messages that were published.
    pub fn publish_batch(&mut self, messages: &[T]) -> Result<(), PublishBatchError> {
        let mut published = 0;
        while published < messages.len() {
            let failed = |error| PublishBatchError { published, error };
            self.check(size_of::<T>()).map_err(failed)?;
            if !self.has_room() {
                if self.plan.policy == Policy::DropNewest {
                    self.lane.count_dropped();
                    published += 1;
                    continue;
                }
                self.wait_for_room_always().map_err(failed)?;
            }
            if self.lending.is_some() {
                self.put(Message::as_bytes(&messages[published]));
                published += 1;
                continue;
            }
            published += self.lane.put_many(Message::as_bytes(&messages[published..]));
            self.hub.after_action(MESSAGES, Wake::Everybody);
        }
        Ok(())
    }
}

impl<T: Item> Publisher<[T]> {
    /// Lends room for a message of `len` items, to be written in place; waits for it, unless the policy is [`Policy::DropOldest`]. What the
    /// room holds is whatever was there.
    ///
    /// # Errors
    /// As [`Self::publish`]; [`PublishError::Untrusted`] where the memory of the channel cannot be lent.
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_, [T]>, PublishError> {
        self.reserve_bytes(len.saturating_mul(size_of::<T>()))
    }

    /// [`Self::reserve`], if there is room now.
    ///
    /// # Errors
    /// [`TryPublishError::Full`]; else as [`Self::reserve`].
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_, [T]>, TryPublishError> {
        self.try_reserve_bytes(len.saturating_mul(size_of::<T>()))
    }

    /// [`Self::reserve`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`PublishTimeoutError::TimedOut`]; else as [`Self::reserve`].
    pub fn reserve_timeout(
        &mut self,
        len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_, [T]>, PublishTimeoutError> {
        self.reserve_bytes_timeout(len.saturating_mul(size_of::<T>()), timeout)
    }
}

impl<M: Message + ?Sized> Drop for Publisher<M> {
    fn drop(&mut self) {
        self.hub.leave(|| false);
    }
}

impl<M: Message + ?Sized> fmt::Debug for Publisher<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("number", &self.number)
            .field("published", &self.published())
            .finish()
    }
}

/// Room for a message in the channel, to be written in place. Dropped without [`publish`](Reservation::publish), it was nothing.
#[derive(Debug)]
pub struct Reservation<'a, M: Message + ?Sized> {
    publisher: &'a mut Publisher<M>,
    len: usize,
}

impl<M: Message + ?Sized> Reservation<'_, M> {
    /// Makes the message visible. The time it takes does not depend on the length.
    pub fn publish(self) {
        let Self { publisher, len } = self;
        publisher.publish_reserved(len);
    }
}

impl<T: Item> Reservation<'_, [T]> {
    /// [`Self::publish`], of the first `len` items only. More than were reserved are as many as were reserved.
    pub fn publish_first(self, len: usize) {
        let Self { publisher, len: reserved } = self;
        publisher.publish_reserved(len.saturating_mul(size_of::<T>()).min(reserved));
    }
}

impl<M: Message + ?Sized> Deref for Reservation<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        let Publisher { lane, lending, .. } = &*self.publisher;
        let bytes = match lending {
            Some(lending) => lending.slice(self.len),
            None => lane.ring().slice(lane.payload(), self.len),
        };
        bytes.and_then(M::from_bytes).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> DerefMut for Reservation<'_, M> {
    fn deref_mut(&mut self) -> &mut M {
        self.publisher.room_mut(self.len).and_then(M::from_bytes_mut).unwrap_or_else(|| misfit())
    }
}

/// Not reached: [`Publisher::lend`] made the same conversion of the same bytes before there was a reservation.
#[cold]
fn misfit() -> ! {
    unreachable!("a reservation is as long and as aligned as its message")
}
