//! The sending end.

use crate::channel::endpoint::{End, Endpoint};
use crate::channel::error::{BatchError, SendError, SendTimeoutError, TrySendError};
use crate::channel::message::{Item, Message};
use crate::channel::spsc::options::Options;
use crate::channel::spsc::setup::{self, Attached, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerState;
use crate::region::{Place, Region};
use crate::ring::spsc::{NoRoom, Producer, Staged};
use crate::wait::turn::{Turn, deadline_after};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_mem::{LentMut, SharedMut as _, View, ViewMut};

/// The end that sends. See [the module](super) for what its calls have in common.
pub struct Sender<M: Message + ?Sized> {
    pub(super) ring: Producer<LentMut, ViewMut, View>,
    /// The longest message.
    max_bytes: u32,
    /// What last found no room: what one waits for who waits on many.
    pub(super) wanted_bytes: u32,
    pub(super) endpoint: Endpoint,
    message: PhantomData<fn(&M)>,
}

impl<M: Message + ?Sized> Sender<M> {
    /// Makes a channel and takes its sending end. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// `AlreadyExists`, unless what exists was left behind by the dead; `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds
    /// of region without a descriptor.
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::create::<M>(&place.into(), options, Role::Sender)?)
    }

    /// Takes the sending end of a channel that exists.
    ///
    /// # Errors
    /// `NotFound`; `Busy` where it has a sender; `Closed` where it had one and is not restartable; `Incompatible` for another type of
    /// message, another version or something else entirely; `Damaged`; `Permission`.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::open::<M>(&place.into(), options, Role::Sender)?)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Self::assemble(setup::open_timeout::<M>(&place.into(), options, Role::Sender, timeout)?)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::open_or_create::<M>(&place.into(), options, Role::Sender)?)
    }

    /// Takes the sending end of a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`].
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::assemble(setup::attach::<M>(Region::from_fd(fd, &options.region)?, options, Role::Sender)?)
    }

    fn assemble(attached: Attached) -> Result<Self> {
        let range = attached.ring_range();
        let Attached { mut endpoint, shape, own_progress, peer_progress, trust } = attached;
        let Some(window) = endpoint.region().mapping().lent_mut(range, trust) else {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("attach to {}: it was opened read-only", endpoint.region().place()),
            ));
        };
        match Producer::attach(shape, window, own_progress, peer_progress) {
            Ok(ring) => {
                Ok(Self { ring, max_bytes: shape.payload_max_bytes(), wanted_bytes: 0, endpoint, message: PhantomData })
            }
            Err(fault) => {
                endpoint.leave(|| true);
                Err(setup::damaged(endpoint.region(), fault))
            }
        }
    }

    /// Sends a copy of a message; waits for room.
    ///
    /// No system call while there is room and the receiver is awake. When it returns, the message is in the channel: it outlives
    /// this process.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; [`SendError::Disconnected`] when the receiver is gone, at once if it left in good order, within
    /// 100 ms of waiting if it died.
    #[inline]
    pub fn send(&mut self, message: &M) -> Result<(), SendError> {
        let bytes = message.as_bytes();
        if self.put_ready(bytes) { Ok(()) } else { self.send_anew(bytes) }
    }

    /// Sends a copy of a message if there is room now. Never waits; no system call unless the receiver sleeps.
    ///
    /// # Errors
    /// [`TrySendError::Full`]; else as [`Self::send`]. One who only tries learns of a receiver's death too, at a full channel.
    #[inline]
    pub fn try_send(&mut self, message: &M) -> Result<(), TrySendError> {
        let bytes = message.as_bytes();
        if self.put_ready(bytes) { Ok(()) } else { self.try_send_anew(bytes) }
    }

    #[inline(never)]
    fn send_anew(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        let staged = match self.stage(bytes.len())? {
            Ok(staged) => staged,
            Err((len_bytes, until)) => self.wait_for_room(len_bytes, until)?,
        };
        self.write(staged, bytes);
        Ok(())
    }

    #[inline(never)]
    fn try_send_anew(&mut self, bytes: &[u8]) -> Result<(), TrySendError> {
        match self.stage(bytes.len()).map_err(TrySendError::Failed)? {
            Ok(staged) => {
                self.write(staged, bytes);
                Ok(())
            }
            Err(_) => Err(self.full()),
        }
    }

    /// Sends a copy of a message; waits for room, for `timeout` at the most.
    ///
    /// # Errors
    /// [`SendTimeoutError::TimedOut`]; else as [`Self::send`].
    pub fn send_timeout(&mut self, message: &M, timeout: Duration) -> Result<(), SendTimeoutError> {
        let bytes = message.as_bytes();
        let staged = self.stage_timeout(bytes.len(), timeout)?;
        self.write(staged, bytes);
        Ok(())
    }

    /// Messages sent and not yet released by the receiver. No system call.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ring.len()
    }

    /// Whether the receiver has released everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_drained()
    }

    /// Messages sent since the channel was made, by this sender and those before it.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.ring.sent()
    }

    /// How many bytes the channel holds.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        self.ring.shape().capacity_bytes()
    }

    /// The longest message, in bytes: half the capacity.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        u64::from(self.max_bytes)
    }

    /// What is known of the receiver. One system call while it is attached.
    #[must_use]
    pub fn receiver_state(&self) -> PeerState {
        self.endpoint.peer_state()
    }

    /// The process id that the receiver wrote, for people to read; zero before there was one.
    #[must_use]
    pub fn receiver_pid(&self) -> u32 {
        self.endpoint.peer_pid()
    }

    /// Where the channel lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.endpoint.region().place()
    }

    /// The channel's descriptor, to hand over to another process, which takes the other end with [`super::Receiver::from_fd`].
    /// Opened when it is first asked for, which enters the kernel; `None` where it cannot be, or in a forked child.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.endpoint.fd()
    }

    /// Waits until the receiver has released everything that was sent, for `timeout` at the most; says whether it has.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] when the receiver is gone first.
    pub fn drain(&mut self, timeout: Duration) -> Result<bool, SendError> {
        self.wait_until(deadline_after(timeout), |sender| sender.ring.is_drained())
    }

    /// Waits until there is a receiver, for `timeout` at the most; says whether there is.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] when there was one and it is gone.
    pub fn wait_for_receiver(&mut self, timeout: Duration) -> Result<bool, SendError> {
        self.wait_until(deadline_after(timeout), |sender| sender.receiver_state() == PeerState::Attached)
    }

    /// Writes what was sent to the disk, for a channel in a file: then power loss does not take it.
    ///
    /// # Errors
    /// `Kernel` when the disk fails.
    pub fn sync(&self) -> Result<()> {
        self.endpoint.region().sync()
    }

    /// Sends a copy of a message if nothing stands in its way; if something does, nothing has been done.
    #[inline(always)]
    fn put_ready(&mut self, bytes: &[u8]) -> bool {
        let is_put = self.endpoint.is_undisturbed() && self.ring.put_ready(bytes);
        if is_put {
            self.endpoint.after_action(|_| true);
        }
        is_put
    }

    /// Room for `len` bytes, or the length and the position to wait for.
    #[inline]
    fn stage(&mut self, len: usize) -> Result<Result<Staged, (u32, u32)>, SendError> {
        self.endpoint.check().map_err(send_error)?;
        self.endpoint.look_at_peer().map_err(send_error)?;
        let Some(len_bytes) = u32::try_from(len).ok().filter(|&len| len <= self.max_bytes) else {
            return Err(SendError::TooLarge { len_bytes: len as u64, max_bytes: u64::from(self.max_bytes) });
        };
        match self.ring.stage(len_bytes) {
            Ok(staged) => Ok(Ok(staged)),
            Err(NoRoom::Until(head)) => {
                self.wanted_bytes = len_bytes;
                Ok(Err((len_bytes, head)))
            }
            Err(NoRoom::Fault(fault)) => Err(send_error(self.endpoint.close(End::Fault(fault)))),
        }
    }

    /// Copies the message in and makes it visible.
    #[inline]
    fn write(&mut self, staged: Staged, bytes: &[u8]) {
        self.ring.ring().write(staged.payload, bytes);
        self.publish(staged, staged.len_bytes, 1);
    }

    #[inline]
    fn publish(&mut self, staged: Staged, len_bytes: u32, items: u32) {
        self.ring.publish_and_commit(staged, len_bytes, items);
        self.endpoint.after_action(|_| true);
    }

    /// Publishes what was lent. In a forked child that was lent nothing, for the channel is its parent's.
    fn publish_reserved(&mut self, staged: Staged, len_bytes: u32) {
        if self.endpoint.is_own() {
            self.publish(staged, len_bytes, 1);
        }
    }

    #[inline]
    fn commit(&mut self) {
        self.ring.commit();
        self.endpoint.after_action(|_| true);
    }

    /// Why there is no room: full, or full because the receiver is gone.
    #[cold]
    fn full(&mut self) -> TrySendError {
        match self.endpoint.look_at_lease_now_and_then() {
            Ok(()) => TrySendError::Full,
            Err(end) => TrySendError::Failed(send_error(end)),
        }
    }

    fn stage_timeout(&mut self, len: usize, timeout: Duration) -> Result<Staged, SendTimeoutError> {
        match self.stage(len).map_err(SendTimeoutError::Failed)? {
            Ok(staged) => Ok(staged),
            Err((len_bytes, until)) => self.wait_for_room_until(len_bytes, until, deadline_after(timeout)),
        }
    }

    /// Waits for room as long as it takes.
    #[cold]
    fn wait_for_room(&mut self, len_bytes: u32, until: u32) -> Result<Staged, SendError> {
        loop {
            match self.wait_for_room_until(len_bytes, until, None) {
                Ok(staged) => return Ok(staged),
                Err(SendTimeoutError::Failed(error)) => return Err(error),
                // Not met without a deadline.
                Err(SendTimeoutError::TimedOut) => {}
            }
        }
    }

    #[cold]
    fn wait_for_room_until(
        &mut self,
        len_bytes: u32,
        until: u32,
        deadline: Option<Instant>,
    ) -> Result<Staged, SendTimeoutError> {
        let wake_at = self.ring.wake_at(until);
        if self.ring.was_released() {
            self.endpoint.has_met();
        }
        let mut turn = Turn::patient(deadline);
        loop {
            let step = self.endpoint.step(&mut turn, wake_at);
            let outcome = match step {
                Err(end) => Err(end),
                Ok(goes_on) => match self.ring.stage(len_bytes) {
                    Ok(staged) => Ok(Some(staged)),
                    Err(NoRoom::Fault(fault)) => Err(self.endpoint.close(End::Fault(fault))),
                    Err(NoRoom::Until(_)) if goes_on => continue,
                    Err(NoRoom::Until(_)) => Ok(None),
                },
            };
            self.endpoint.end_turn(turn);
            return match outcome {
                Ok(staged) => staged.ok_or(SendTimeoutError::TimedOut),
                Err(end) => Err(SendTimeoutError::Failed(send_error(end))),
            };
        }
    }

    fn wait_until(
        &mut self,
        deadline: Option<Instant>,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, SendError> {
        self.endpoint.check().map_err(send_error)?;
        let wake_at = self.ring.tail();
        let mut turn = Turn::patient(deadline);
        loop {
            let so = is_so(self);
            let outcome = match self.endpoint.step(&mut turn, wake_at) {
                _ if so => Some(Ok(true)),
                // It may have released the last message and left since we looked.
                Err(End::Gone(_)) if is_so(self) => Some(Ok(true)),
                Err(end) => Some(Err(send_error(end))),
                Ok(true) => None,
                Ok(false) => Some(Ok(is_so(self))),
            };
            if let Some(outcome) = outcome {
                self.endpoint.end_turn(turn);
                return outcome;
            }
        }
    }
}

impl<T: Item> Sender<T> {
    /// Lends room for a message, to be written in place; waits for it. What the room holds is whatever was there.
    ///
    /// # Errors
    /// As [`Self::send`]; [`SendError::Untrusted`] where the memory of the channel cannot be lent.
    pub fn reserve(&mut self) -> Result<Reservation<'_, T>, SendError> {
        self.reserve_items(1)
    }

    /// [`Self::reserve`], if there is room now.
    ///
    /// # Errors
    /// [`TrySendError::Full`]; else as [`Self::reserve`].
    pub fn try_reserve(&mut self) -> Result<Reservation<'_, T>, TrySendError> {
        self.try_reserve_items(1)
    }

    /// [`Self::reserve`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`SendTimeoutError::TimedOut`]; else as [`Self::reserve`].
    pub fn reserve_timeout(&mut self, timeout: Duration) -> Result<Reservation<'_, T>, SendTimeoutError> {
        self.reserve_items_timeout(1, timeout)
    }

    /// Sends copies of many messages; waits for room as it goes. Faster than one by one: many share a header and a commit.
    ///
    /// # Errors
    /// As [`Self::send`], with the number of messages that were sent.
    pub fn send_batch(&mut self, messages: &[T]) -> Result<(), BatchError> {
        // An eighth of the ring at a time: the receiver works on one part while the next is written.
        let at_once = (self.max_bytes as usize / 4 / size_of::<T>()).max(1);
        let mut sent = 0;
        while sent < messages.len() {
            let bytes = Message::as_bytes(&messages[sent..messages.len().min(sent + at_once)]);
            let staged = match self.stage(bytes.len()) {
                Ok(Ok(staged)) => Ok(staged),
                Ok(Err((len_bytes, until))) => self.wait_for_room(len_bytes, until),
                Err(error) => Err(error),
            };
            let staged = staged.map_err(|error| BatchError { sent, error })?;
            // The room may be for fewer: those before the end of the ring.
            let items = staged.len_bytes as usize / size_of::<T>();
            self.ring.ring().write(staged.payload, &bytes[..staged.len_bytes as usize]);
            // At most half of 4 GiB of items.
            self.publish(staged, staged.len_bytes, items as u32);
            sent += items;
        }
        Ok(())
    }
}

impl<T: Item> Sender<[T]> {
    /// Lends room for a message of `len` items, to be written in place; waits for it. What the room holds is whatever was there.
    ///
    /// # Errors
    /// As [`Self::send`]; [`SendError::Untrusted`] where the memory of the channel cannot be lent.
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_, [T]>, SendError> {
        self.reserve_items(len)
    }

    /// [`Self::reserve`], if there is room now.
    ///
    /// # Errors
    /// [`TrySendError::Full`]; else as [`Self::reserve`].
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_, [T]>, TrySendError> {
        self.try_reserve_items(len)
    }

    /// [`Self::reserve`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`SendTimeoutError::TimedOut`]; else as [`Self::reserve`].
    pub fn reserve_timeout(&mut self, len: usize, timeout: Duration) -> Result<Reservation<'_, [T]>, SendTimeoutError> {
        self.reserve_items_timeout(len, timeout)
    }

    /// Sends copies of many messages; waits for room as it goes. Those for which there is room become visible at once.
    ///
    /// # Errors
    /// As [`Self::send`], with the number of messages that were sent.
    pub fn send_batch<'m>(&mut self, messages: impl IntoIterator<Item = &'m [T]>) -> Result<(), BatchError>
    where
        T: 'm,
    {
        let mut sent = 0;
        let mut outcome = Ok(());
        for (index, message) in messages.into_iter().enumerate() {
            let bytes = Message::as_bytes(message);
            let staged = match self.stage(bytes.len()) {
                Ok(Ok(staged)) => Ok(staged),
                Ok(Err((len_bytes, until))) => {
                    // What is published so far must be seen, or the receiver cannot make room.
                    self.commit();
                    sent = index;
                    self.wait_for_room(len_bytes, until)
                }
                Err(error) => Err(error),
            };
            match staged {
                Ok(staged) => {
                    self.ring.ring().write(staged.payload, bytes);
                    self.ring.publish(staged, staged.len_bytes, 1);
                }
                Err(error) => {
                    outcome = Err((index, error));
                    break;
                }
            }
        }
        // A forked child or a broken channel publishes nothing more.
        if self.endpoint.check().is_ok() {
            self.commit();
            if let Err((index, _)) = outcome {
                sent = index;
            }
        }
        outcome.map_err(|(_, error)| BatchError { sent, error })
    }
}

impl<M: Message + ?Sized> Sender<M> {
    fn reserve_items(&mut self, len: usize) -> Result<Reservation<'_, M>, SendError> {
        let staged = match self.stage(len.saturating_mul(size_of::<M::Item>()))? {
            Ok(staged) => staged,
            Err((len_bytes, until)) => self.wait_for_room(len_bytes, until)?,
        };
        self.lend(staged)
    }

    fn reserve_items_timeout(&mut self, len: usize, timeout: Duration) -> Result<Reservation<'_, M>, SendTimeoutError> {
        let staged = self.stage_timeout(len.saturating_mul(size_of::<M::Item>()), timeout)?;
        self.lend(staged).map_err(SendTimeoutError::Failed)
    }

    fn try_reserve_items(&mut self, len: usize) -> Result<Reservation<'_, M>, TrySendError> {
        match self.stage(len.saturating_mul(size_of::<M::Item>())).map_err(TrySendError::Failed)? {
            Ok(staged) => self.lend(staged).map_err(TrySendError::Failed),
            Err(_) => Err(self.full()),
        }
    }

    fn lend(&mut self, staged: Staged) -> Result<Reservation<'_, M>, SendError> {
        // Checked once here, so that the accesses through the reservation can rely on it.
        let bytes = self.ring.ring_mut().slice_mut(staged.payload, staged.len_bytes as usize);
        match bytes.and_then(M::from_bytes_mut) {
            Some(_) => Ok(Reservation { sender: self, staged }),
            None => Err(SendError::Untrusted),
        }
    }
}

impl<M: Message + ?Sized> Drop for Sender<M> {
    fn drop(&mut self) {
        // A restartable channel that still holds messages is worth something to the next receiver.
        let Self { ring, endpoint, .. } = self;
        let is_restartable = endpoint.is_restartable();
        endpoint.leave(|| is_restartable && !ring.is_drained());
    }
}

impl<M: Message + ?Sized> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("sent", &self.sent())
            .finish()
    }
}

/// Room for a message in the channel, to be written in place. Dropped without [`publish`](Reservation::publish), it was nothing.
pub struct Reservation<'a, M: Message + ?Sized> {
    sender: &'a mut Sender<M>,
    staged: Staged,
}

impl<M: Message + ?Sized> Reservation<'_, M> {
    /// Makes the message visible. The time it takes does not depend on the length.
    pub fn publish(self) {
        let Self { sender, staged } = self;
        sender.publish_reserved(staged, staged.len_bytes);
    }
}

impl<T: Item> Reservation<'_, [T]> {
    /// [`Self::publish`], of the first `len` items only. More than were reserved are as many as were reserved.
    pub fn publish_first(self, len: usize) {
        let Self { sender, staged } = self;
        let len_bytes = len.saturating_mul(size_of::<T>()).min(staged.len_bytes as usize);
        // At most `staged.len_bytes`.
        sender.publish_reserved(staged, len_bytes as u32);
    }
}

impl<M: Message + ?Sized> Deref for Reservation<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        let bytes = self.sender.ring.ring().slice(self.staged.payload, self.staged.len_bytes as usize);
        bytes.and_then(M::from_bytes).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> DerefMut for Reservation<'_, M> {
    fn deref_mut(&mut self) -> &mut M {
        let bytes = self.sender.ring.ring_mut().slice_mut(self.staged.payload, self.staged.len_bytes as usize);
        bytes.and_then(M::from_bytes_mut).unwrap_or_else(|| misfit())
    }
}

/// Not reached: [`Sender::lend`] made the same conversion of the same bytes before there was a reservation.
#[cold]
fn misfit() -> ! {
    unreachable!("a reservation is as long and as aligned as its message")
}

fn send_error(end: End) -> SendError {
    match end {
        End::Gone(cause) => SendError::Disconnected(cause),
        End::Fault(fault) => SendError::Fault(fault),
        End::Forked => SendError::Forked,
    }
}

#[cfg(test)]
mod tests {
    use crate::channel::spsc::{Options, pair};
    use std::time::Duration;

    /// A receiver that takes the last message and leaves has taken it, whenever the sender looks.
    #[test]
    fn drained_and_left_is_drained() {
        for round in 0..300 {
            let (mut tx, mut rx) = pair::<u64>(&Options::new().capacity_bytes(4096)).expect("memory");
            tx.send(&round).expect("room");
            let receiving = std::thread::spawn(move || rx.recv());
            assert_eq!(tx.drain(Duration::from_secs(60)), Ok(true), "round {round}");
            assert_eq!(receiving.join().expect("no panic"), Ok(round));
        }
    }
}
