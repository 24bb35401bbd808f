//! The end that receives.

use crate::channel::broadcast::blocks::{Loan, Shelf};
use crate::channel::broadcast::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::channel::broadcast::lanes::{Lanes, Origin};
use crate::channel::broadcast::loan::{Iter, Received};
use crate::channel::broadcast::options::{Options, Policy};
use crate::channel::broadcast::setup::{self, How, MESSAGES, PUBLISHER, Plan, ROOM, SUBSCRIBER};
use crate::channel::hub::Hub;
use crate::channel::message::{Item, Message};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::Cause;
use crate::peer::seat::State;
use crate::region::Place;
use crate::ring::PeerFault;
use crate::ring::lane::{Front, Item as Found, Reader, Slot};
use crate::wait::eventcount::Wake;
use crate::wait::turn::{Step, Turn, deadline_after};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};
use strait_mem::{Shared as _, SharedMut as _};
use zerocopy::IntoBytes as _;

/// Of a subscriber's progress: the generation of the seat's owner that has joined all lanes.
pub(super) const JOINED: usize = 0;
/// Name, offset and length.
pub(super) const FIELDS: [(&str, usize, usize); 1] = [("joined", JOINED, 8)];

/// The end that receives. See [the module](super) for what its calls have in common.
pub struct Subscriber<M: Message + ?Sized> {
    pub(super) lanes: Lanes,
    pub(super) plan: Plan,
    pub(super) hub: Hub,
    /// Where messages lie in blocks.
    pub(super) shelf: Option<Arc<Shelf>>,
    /// The block that is lent, where its publisher does not wait for us.
    pub(super) loan: Option<Loan>,
    message: PhantomData<fn() -> Box<M>>,
}

/// How many subscribers have joined and have not left.
pub(super) fn joined(hub: &Hub, plan: Plan) -> u32 {
    let is_one = |seat: &u32| {
        let presence = hub.presence(*seat);
        let joined = || hub.progress_of(*seat).map_or(0, |it| it.load_u64(JOINED, Acquire));
        presence.state() == State::Attached && joined() == u64::from(presence.generation())
    };
    // At most 64.
    (plan.publishers..plan.publishers + plan.subscribers).filter(is_one).count() as u32
}

impl<M: Message + ?Sized> Subscriber<M> {
    /// Makes a channel and takes a subscriber's seat in it. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// Those of [`super::Publisher::create`].
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, SUBSCRIBER, &How::Create)?, options)
    }

    /// Takes a subscriber's seat in a channel that exists, from the next message on, or as [`Options::history`] says.
    ///
    /// # Errors
    /// Those of [`super::Publisher::open`].
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, SUBSCRIBER, &How::Open)?, options)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, SUBSCRIBER, &How::OpenTimeout(timeout))?, options)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::come::<M>(&place.into(), options, SUBSCRIBER, &How::OpenOrCreate)?, options)
    }

    /// Takes a subscriber's seat in a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`crate::region::Region::from_fd`].
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::assemble(setup::from_fd::<M>(fd, options, SUBSCRIBER)?, options)
    }

    fn assemble((mut hub, plan): (Hub, Plan), options: &Options) -> Result<Self> {
        let (lanes, shelf) = match Self::join(&hub, plan, options.history) {
            Ok(joined) => joined,
            Err(error) => {
                hub.leave(|| true);
                return Err(error);
            }
        };
        // A publisher may wait for us.
        hub.after_action(ROOM, Wake::Everybody);
        Ok(Self { lanes, plan, hub, shelf, loan: None, message: PhantomData })
    }

    fn join(hub: &Hub, plan: Plan, history: u64) -> Result<(Lanes, Option<Arc<Shelf>>)> {
        let region = hub.region();
        let start = hub.body().start;
        let body = |part: std::ops::Range<u64>| start + part.start..start + part.end;
        let (seat, generation) = hub.seat();
        let mapping = region.mapping();
        let part = body(plan.publishers_part());
        // What cannot be protected (pages that are too large) can be read all the same.
        let _ = mapping.protect(part.start as usize..part.end as usize);
        let lane = |number: u32| {
            let slots = body(plan.slots(number));
            let window = mapping.lent(slots.start as usize..slots.end as usize, hub.trust()).ok_or_else(|| {
                let why = format!("attach to {}: its slots are in use in this mapping", region.place());
                Error::new(ErrorKind::Usage, why)
            })?;
            let at = start + plan.position(seat - plan.publishers, number) as u64;
            let (lane, own) = (region.view(body(plan.lane(number)))?, region.view_mut(at..at + 8)?);
            Ok(Reader::join(plan.lane, window, lane, own, plan.is_kept(), history))
        };
        let progress = hub.own_progress()?;
        let lanes = (0..plan.publishers).map(lane).collect::<Result<Vec<_>>>()?;
        let shelf = plan.blocks.map(|blocks| Shelf::open(hub, plan, blocks)).transpose()?;
        // Release: who sees us joined sees our positions.
        progress.store_u64(JOINED, u64::from(generation), Release);
        Ok((Lanes::new(lanes), shelf.map(Arc::new)))
    }

    /// Lends the next message, to be read in place; waits for it. Its publisher does not overwrite it until the loan is dropped.
    ///
    /// # Errors
    /// As [`recv`](Subscriber::recv); [`RecvError::Untrusted`] where the memory of the channel cannot be lent;
    /// [`RecvError::Overwritable`] where its policy is [`Policy::DropOldest`] and it was made without [`Options::blocks`].
    pub fn recv_ref(&mut self) -> Result<Received<'_, M>, RecvError> {
        self.front()?;
        self.lend()
    }

    /// [`Self::recv_ref`], if there is a message now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv_ref`].
    pub fn try_recv_ref(&mut self) -> Result<Received<'_, M>, TryRecvError> {
        self.try_front()?;
        self.lend().map_err(TryRecvError::Failed)
    }

    /// [`Self::recv_ref`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::recv_ref`].
    pub fn recv_ref_timeout(&mut self, timeout: Duration) -> Result<Received<'_, M>, RecvTimeoutError> {
        self.front_timeout(timeout)?;
        self.lend().map_err(RecvTimeoutError::Failed)
    }

    /// Waits until there is a message, for `timeout` at the most; says whether there is. It is not taken.
    ///
    /// # Errors
    /// As [`recv`](Subscriber::recv).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        match self.front_timeout(timeout) {
            Ok(()) => Ok(true),
            Err(RecvTimeoutError::TimedOut) => Ok(false),
            Err(RecvTimeoutError::Failed(error)) => Err(error),
        }
    }

    /// Messages published and not yet received, those that were overwritten meanwhile included. No system call.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lanes.len()
    }

    /// Whether there is no message now, as far as the publishers say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that this subscriber has received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.lanes.received()
    }

    /// Messages that were overwritten before this subscriber read them ([`Policy::DropOldest`]): the sum of what
    /// [`RecvError::Lagged`] has said.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lanes.lost()
    }

    /// Messages that the publishers gave up since the channel was made ([`Policy::DropNewest`]). No subscriber gets them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lanes.dropped()
    }

    /// Where the message that was received last came from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.lanes.origin()
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

    /// How many publishers there are. The dead count until they are found, within 100 ms of waiting for them. No system call.
    #[must_use]
    pub fn publishers(&self) -> u32 {
        self.hub.count(PUBLISHER)
    }

    /// How many subscribers there are, this one included.
    #[must_use]
    pub fn subscribers(&self) -> u32 {
        joined(&self.hub, self.plan)
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

    /// Whether there is a message, or will never be one; by every sign there is, where it looks `closely`. None is taken.
    pub(super) fn has_front_or_end(&mut self, closely: bool) -> bool {
        if self.hub.check().is_err() {
            return true;
        }
        // Before the last look, as in `front_or_gone`.
        let is_gone = self.gone().is_some();
        match if closely || is_gone { self.lanes.look_closely() } else { self.lanes.look() } {
            Ok(is_there) => is_there || is_gone,
            Err(fault) => {
                self.hub.close(fault);
                true
            }
        }
    }

    /// Finds a message that is there or, for one who may wait, due any moment. `false` also where a closer look is needed.
    #[inline(always)]
    fn front_soon(&mut self, may_wait: bool) -> bool {
        let mut looks = 0;
        if may_wait {
            self.lanes.current().get_ready();
            looks = self.hub.first_looks();
        }
        loop {
            match self.lanes.look() {
                Ok(true) => return true,
                Ok(false) if looks > 0 => {
                    looks -= 1;
                    std::hint::spin_loop();
                }
                Ok(false) | Err(_) => return false,
            }
        }
    }

    #[inline(always)]
    pub(super) fn front(&mut self) -> Result<(), RecvError> {
        self.hub.check()?;
        if self.front_soon(true) { Ok(()) } else { self.wait_for_front_always() }
    }

    #[inline(always)]
    pub(super) fn try_front(&mut self) -> Result<(), TryRecvError> {
        self.hub.check().map_err(|end| TryRecvError::Failed(end.into()))?;
        if self.front_soon(false) { Ok(()) } else { self.front_or_gone() }
    }

    /// Nothing there: is that for now, or for good?
    #[cold]
    fn front_or_gone(&mut self) -> Result<(), TryRecvError> {
        if self.hub.is_time_to_look() {
            self.hub.look_for_dead(|_, _| {});
        }
        // Before the last look: what they published before they went is still received.
        let gone = self.gone();
        match (self.lanes.look_closely(), gone) {
            (Ok(true), _) => Ok(()),
            (Err(fault), _) => Err(TryRecvError::Failed(self.hub.close(fault).into())),
            (Ok(false), Some(cause)) => Err(TryRecvError::Failed(RecvError::Disconnected(cause))),
            (Ok(false), None) => Err(TryRecvError::Empty),
        }
    }

    pub(super) fn front_timeout(&mut self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        match self.try_front() {
            Ok(()) => Ok(()),
            Err(TryRecvError::Failed(error)) => Err(RecvTimeoutError::Failed(error)),
            Err(TryRecvError::Empty) => self.wait_for_front(deadline_after(timeout)),
        }
    }

    #[inline(never)]
    fn wait_for_front_always(&mut self) -> Result<(), RecvError> {
        loop {
            match self.wait_for_front(None) {
                Ok(()) => return Ok(()),
                Err(RecvTimeoutError::Failed(error)) => return Err(error),
                // Not met without a deadline.
                Err(RecvTimeoutError::TimedOut) => {}
            }
        }
    }

    fn wait_for_front(&mut self, deadline: Option<Instant>) -> Result<(), RecvTimeoutError> {
        let mut turn = Turn::eager(deadline);
        loop {
            let step = self.hub.step(&mut turn, MESSAGES, 0);
            if step == Step::AgainAndLook || (step == Step::TimedOut && self.hub.is_time_to_look()) {
                self.hub.look_for_dead(|_, _| {});
            }
            let gone = self.gone();
            let looked =
                if step == Step::Again && gone.is_none() { self.lanes.look() } else { self.lanes.look_closely() };
            let outcome = match (looked, gone) {
                (Ok(true), _) => Ok(()),
                (Err(fault), _) => Err(RecvTimeoutError::Failed(self.hub.close(fault).into())),
                (Ok(false), Some(cause)) => Err(RecvTimeoutError::Failed(RecvError::Disconnected(cause))),
                (Ok(false), None) if step == Step::TimedOut => Err(RecvTimeoutError::TimedOut),
                (Ok(false), None) => continue,
            };
            self.hub.end_turn(turn, MESSAGES, true);
            return outcome;
        }
    }

    /// Why there are no publishers any more, if that is for good.
    fn gone(&self) -> Option<Cause> {
        let is_there = |seat| self.hub.presence(seat).state() == State::Attached;
        if (0..self.plan.publishers).any(is_there) { None } else { self.hub.all_gone(PUBLISHER) }
    }

    fn lend(&mut self) -> Result<Received<'_, M>, RecvError> {
        if self.shelf.is_some() {
            return self.lend_block();
        }
        if !self.plan.is_kept() {
            return Err(RecvError::Overwritable);
        }
        let front = match self.lanes.current().front() {
            Ok(Front::Slot(front)) => front,
            Ok(Front::Lost | Front::Block(_)) => return Err(self.lagged()),
            Err(fault) => return Err(self.hub.close(fault).into()),
        };
        // Checked once here, so that the accesses through the loan can rely on it.
        let bytes = self.lanes.current().ring().slice(front.offset, front.len_bytes as usize);
        match bytes.and_then(M::from_bytes) {
            Some(_) => Ok(Received::new(self, front)),
            // Without trust, or a message that is no whole number of items.
            None if bytes.is_none() => Err(RecvError::Untrusted),
            None => Err(self.misfit(front)),
        }
    }

    /// The bytes that were lent.
    pub(super) fn lent(&self, front: Found) -> Option<&M> {
        if let Some(shelf) = &self.shelf {
            return shelf.message(self.lanes.number(), front);
        }
        let bytes = self.lanes.current().ring().slice(front.offset, front.len_bytes as usize);
        bytes.and_then(M::from_bytes)
    }

    /// Passes what was lent. A forked child was lent nothing: the channel is its parent's.
    pub(super) fn give_back(&mut self) {
        if self.hub.is_own() {
            self.end_loan();
            self.pass();
        }
    }

    /// Lets go of the block that was lent, if one was.
    pub(super) fn end_loan(&mut self) {
        if let Some(((lane, block), shelf)) = self.loan.take().zip(self.shelf.as_ref()) {
            shelf.let_go(lane, block);
        }
    }

    /// A message whose length is not that of its type.
    #[cold]
    pub(super) fn misfit(&mut self, front: Found) -> RecvError {
        let found = u64::from(front.len_bytes);
        let fault = PeerFault { what: "message length for its type", offset: front.offset as u64, found };
        self.hub.close(fault).into()
    }

    /// Goes on behind what was overwritten.
    #[cold]
    pub(super) fn lagged(&mut self) -> RecvError {
        RecvError::Lagged(self.lanes.skip_lost())
    }

    #[inline(always)]
    pub(super) fn pass(&mut self) {
        if self.lanes.current_mut().pass() {
            self.release();
        }
    }

    #[inline(never)]
    fn release(&mut self) {
        let position = self.lanes.current_mut().release();
        // On the circle of positions: reached or passed. At most 16 lanes.
        let is_enough = |wake_at: u32| position.wrapping_sub(wake_at) as i32 >= 0;
        self.hub.after_action_for(ROOM, self.lanes.number() as u32, is_enough);
    }
}

impl<T: Item> Subscriber<T> {
    /// Receives a copy of the next message; waits for it.
    ///
    /// No system call while there are messages and no publisher sleeps.
    ///
    /// # Errors
    /// [`RecvError::Lagged`], once for each time that messages were lost; [`RecvError::Disconnected`] when all publishers are gone and
    /// everything has been received: at once if they left in good order, within 100 ms if one died.
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        if let Some(message) = self.copy_ready() {
            return Ok(message);
        }
        self.front()?;
        self.copy_one()
    }

    /// [`Self::recv`], if there is a message now. Never waits; no system call but to see, at most every 10 ms, who lives.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(message) = self.copy_ready() {
            return Ok(message);
        }
        self.try_front()?;
        self.copy_one().map_err(TryRecvError::Failed)
    }

    /// [`Self::recv`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.front_timeout(timeout)?;
        self.copy_one().map_err(RecvTimeoutError::Failed)
    }

    /// Receives copies of as many messages of one publisher as there are now, up to `into.len()`; waits for the first. Says how many.
    ///
    /// # Errors
    /// As [`Self::recv`], when there is not even one.
    pub fn recv_batch(&mut self, into: &mut [T]) -> Result<usize, RecvError> {
        if into.is_empty() {
            return Ok(0);
        }
        self.front()?;
        if self.shelf.is_some() {
            return self.copy_blocks(into);
        }
        let lane = self.lanes.current_mut();
        lane.look_far().map_err(|fault| RecvError::from(self.hub.close(fault)))?;
        let (mut count, mut is_time) = (0, false);
        // Twice where the slots end in between.
        while count < into.len() && lane.is_ready() {
            let copied = lane.copy_many(into[count..].as_mut_bytes());
            // The oldest of them goes first.
            if !lane.is_intact() {
                break;
            }
            is_time |= lane.pass_many(copied);
            count += copied;
        }
        if count == 0 {
            return Err(self.lagged());
        }
        if is_time {
            self.release();
        }
        Ok(count)
    }

    /// Iterates over copies of the messages, waiting for each; see [`Iter`].
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// The next message, if the run goes on where the last one came from.
    #[inline(always)]
    fn copy_ready(&mut self) -> Option<T> {
        if self.hub.check().is_err() {
            return None;
        }
        let mut message = T::new_zeroed();
        if self.lanes.current_mut().copy_ready(message.as_mut_bytes(), Slot::of_item(size_of::<T>()))? {
            self.release();
        }
        Some(message)
    }

    #[inline(always)]
    fn copy_one(&mut self) -> Result<T, RecvError> {
        let lane = self.lanes.current();
        let front = match lane.front() {
            Ok(Front::Slot(front)) => front,
            other => return self.copy_block(other),
        };
        let mut message = T::new_zeroed();
        lane.ring().read_for_use(front.offset, message.as_mut_bytes());
        if !lane.is_intact() {
            return Err(self.lagged());
        }
        self.pass();
        Ok(message)
    }
}

impl<T: Item> Subscriber<[T]> {
    /// Receives a copy of the next message into `into`, which is made as long as that is; waits for it.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn recv_into(&mut self, into: &mut Vec<T>) -> Result<(), RecvError> {
        self.front()?;
        self.copy_slice(into)
    }

    /// Receives a copy of the next message; waits for it.
    ///
    /// # Errors
    /// As for single items.
    pub fn recv(&mut self) -> Result<Vec<T>, RecvError> {
        let mut message = Vec::new();
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// [`Self::recv_into`], if there is a message now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv`].
    pub fn try_recv_into(&mut self, into: &mut Vec<T>) -> Result<(), TryRecvError> {
        self.try_front()?;
        self.copy_slice(into).map_err(TryRecvError::Failed)
    }

    /// [`Self::recv`], if there is a message now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv`].
    pub fn try_recv(&mut self) -> Result<Vec<T>, TryRecvError> {
        let mut message = Vec::new();
        self.try_recv_into(&mut message)?;
        Ok(message)
    }

    /// [`Self::recv`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Vec<T>, RecvTimeoutError> {
        self.front_timeout(timeout)?;
        let mut message = Vec::new();
        self.copy_slice(&mut message).map_err(RecvTimeoutError::Failed)?;
        Ok(message)
    }

    /// Iterates over copies of the messages, waiting for each; see [`Iter`].
    pub fn iter(&mut self) -> Iter<'_, [T]> {
        Iter::new(self)
    }

    fn copy_slice(&mut self, into: &mut Vec<T>) -> Result<(), RecvError> {
        let front = match self.lanes.current().front() {
            Ok(Front::Slot(front)) => front,
            other => return self.copy_slice_block(other, into),
        };
        let len_bytes = front.len_bytes as usize;
        // The length was held against the longest message, which is our own number.
        into.resize_with(len_bytes / size_of::<T>(), T::new_zeroed);
        let lane = self.lanes.current();
        lane.ring().read(front.offset, into.as_mut_bytes());
        if !lane.is_intact() {
            return Err(self.lagged());
        }
        if len_bytes % size_of::<T>() != 0 {
            return Err(self.misfit(front));
        }
        self.pass();
        Ok(())
    }
}

impl<M: Message + ?Sized> Drop for Subscriber<M> {
    fn drop(&mut self) {
        if self.hub.is_own() {
            self.lanes.leave();
        }
        match self.shelf.take() {
            Some(shelf) => self.leave_to(shelf),
            None => self.hub.leave(|| false),
        }
    }
}

impl<M: Message + ?Sized> fmt::Debug for Subscriber<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("received", &self.received())
            .field("lost", &self.lost())
            .finish()
    }
}
