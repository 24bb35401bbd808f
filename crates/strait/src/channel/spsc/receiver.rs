//! The receiving end.

use crate::channel::endpoint::{End, Endpoint};
use crate::channel::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::channel::message::{Item, Message};
use crate::channel::spsc::options::Options;
use crate::channel::spsc::sender::Sender;
use crate::channel::spsc::setup::{self, Attached, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::{Cause, PeerState};
use crate::region::{Place, Region};
use crate::ring::spsc::{Consumer, Item as Front, either};
use crate::wait::turn::{Turn, deadline_after};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_mem::{Lent, Shared as _, View, ViewMut};
use strait_sys::open;
use zerocopy::IntoBytes as _;

/// The end that receives. See [the module](super) for what its calls have in common.
pub struct Receiver<M: Message + ?Sized> {
    pub(super) ring: Consumer<Lent, ViewMut, View>,
    pub(super) endpoint: Endpoint,
    message: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> Receiver<M> {
    /// Makes a channel and takes its receiving end. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// Those of [`Sender::create`].
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::create::<M>(&place.into(), options, Role::Receiver)?)
    }

    /// Takes the receiving end of a channel that exists.
    ///
    /// # Errors
    /// Those of [`Sender::open`].
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::open::<M>(&place.into(), options, Role::Receiver)?)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Self::assemble(setup::open_timeout::<M>(&place.into(), options, Role::Receiver, timeout)?)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::open_or_create::<M>(&place.into(), options, Role::Receiver)?)
    }

    /// Takes the receiving end of a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`].
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::assemble(setup::attach::<M>(Region::from_fd(fd, &options.region)?, options, Role::Receiver)?)
    }

    /// The other end of a nameless channel, in the same process.
    pub(super) fn attach_to(sender: &Sender<M>, options: &Options) -> Result<Self> {
        let Some(fd) = sender.fd() else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("attach to {}: it has no descriptor", sender.place()),
            ));
        };
        let fd = open::duplicate(fd).map_err(|e| Error::kernel("attach to", sender.place(), e, ""))?;
        Self::from_fd(fd, options)
    }

    fn assemble(attached: Attached) -> Result<Self> {
        let range = attached.ring_range();
        let Attached { mut endpoint, shape, own_progress, peer_progress, trust } = attached;
        let Some(window) = endpoint.region().mapping().lent(range, trust) else {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("attach to {}: its ring is in use in this mapping", endpoint.region().place()),
            ));
        };
        match Consumer::attach(shape, window, own_progress, peer_progress) {
            Ok(ring) => Ok(Self { ring, endpoint, message: PhantomData }),
            Err(fault) => {
                endpoint.leave(|| true);
                Err(setup::damaged(endpoint.region(), fault))
            }
        }
    }

    /// Lends the next message, to be read in place; waits for it. It is released when the loan is dropped, and comes again, to this
    /// receiver or its successor, if the process ends before that.
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv); [`RecvError::Untrusted`] where the memory of the channel cannot be lent.
    pub fn recv_ref(&mut self) -> Result<Received<'_, M>, RecvError> {
        let front = self.front()?;
        self.lend(front)
    }

    /// [`Self::recv_ref`], if there is a message now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv_ref`].
    pub fn try_recv_ref(&mut self) -> Result<Received<'_, M>, TryRecvError> {
        let front = self.try_front()?;
        self.lend(front).map_err(TryRecvError::Failed)
    }

    /// [`Self::recv_ref`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::recv_ref`].
    pub fn recv_ref_timeout(&mut self, timeout: Duration) -> Result<Received<'_, M>, RecvTimeoutError> {
        let front = self.front_timeout(timeout)?;
        self.lend(front).map_err(RecvTimeoutError::Failed)
    }

    /// Waits until there is a message, for `timeout` at the most; says whether there is. It is not taken.
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        match self.front_timeout(timeout) {
            Ok(_) => Ok(true),
            Err(RecvTimeoutError::TimedOut) => Ok(false),
            Err(RecvTimeoutError::Failed(error)) => Err(error),
        }
    }

    /// Messages sent and not yet received. No system call.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ring.len()
    }

    /// Whether there is no message now, as far as the sender says.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages received since the channel was made, by this receiver and those before it: the number of the next one.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.ring.received()
    }

    /// How many bytes the channel holds.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        self.ring.shape().capacity_bytes()
    }

    /// The longest message, in bytes: half the capacity.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        u64::from(self.ring.shape().payload_max_bytes())
    }

    /// What is known of the sender. One system call while it is attached.
    #[must_use]
    pub fn sender_state(&self) -> PeerState {
        self.endpoint.peer_state()
    }

    /// The process id that the sender wrote, for people to read; zero before there was one.
    #[must_use]
    pub fn sender_pid(&self) -> u32 {
        self.endpoint.peer_pid()
    }

    /// Where the channel lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.endpoint.region().place()
    }

    /// The channel's descriptor, to hand over to another process, which takes the other end with [`Sender::from_fd`].
    /// Opened when it is first asked for, which enters the kernel; `None` where it cannot be, or in a forked child.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.endpoint.fd()
    }

    /// The messages at the front, if there are any now.
    #[inline(always)]
    fn try_front(&mut self) -> Result<Front, TryRecvError> {
        self.endpoint.check().map_err(|end| TryRecvError::Failed(recv_error(end)))?;
        if let Some(front) = self.front_soon(false) {
            return Ok(front);
        }
        match self.ring.front() {
            Ok(Some(front)) => Ok(front),
            Ok(None) => self.front_or_gone(),
            Err(fault) => Err(TryRecvError::Failed(recv_error(self.endpoint.close(End::Fault(fault))))),
        }
    }

    /// Nothing there: is that for now, or for good?
    #[cold]
    fn front_or_gone(&mut self) -> Result<Front, TryRecvError> {
        let looked = self.endpoint.look_at_peer().and_then(|()| self.endpoint.look_at_lease_now_and_then());
        match looked {
            Ok(()) => Err(TryRecvError::Empty),
            Err(end) => self.last_front(end).map_err(TryRecvError::Failed),
        }
    }

    /// The other side is gone; what it sent before is still received.
    #[cold]
    fn last_front(&mut self, end: End) -> Result<Front, RecvError> {
        match self.ring.front() {
            Ok(Some(front)) => {
                self.endpoint.reopen();
                Ok(front)
            }
            Ok(None) => Err(recv_error(end)),
            Err(fault) => Err(recv_error(self.endpoint.close(End::Fault(fault)))),
        }
    }

    #[inline(always)]
    fn front(&mut self) -> Result<Front, RecvError> {
        self.endpoint.check().map_err(recv_error)?;
        match self.front_soon(true) {
            Some(front) => Ok(front),
            None => self.front_anew(),
        }
    }

    /// The messages at the front, if there are any now, or, for one who may wait, any moment. `None` also where a closer look is needed.
    #[inline(always)]
    fn front_soon(&mut self, may_wait: bool) -> Option<Front> {
        let looks = if may_wait { self.endpoint.first_looks() } else { 0 };
        either!(Consumer, &mut self.ring, ring => {
            ring.get_ready(may_wait);
            ring.front_soon(looks)
        })
    }

    #[inline(never)]
    fn front_anew(&mut self) -> Result<Front, RecvError> {
        match self.ring.front() {
            Ok(Some(front)) => Ok(front),
            Ok(None) => self.wait_for_front(),
            Err(fault) => Err(recv_error(self.endpoint.close(End::Fault(fault)))),
        }
    }

    #[inline(never)]
    fn wait_for_front(&mut self) -> Result<Front, RecvError> {
        loop {
            match self.wait_for_front_until(None) {
                Ok(front) => return Ok(front),
                Err(RecvTimeoutError::Failed(error)) => return Err(error),
                // Not met without a deadline.
                Err(RecvTimeoutError::TimedOut) => {}
            }
        }
    }

    fn front_timeout(&mut self, timeout: Duration) -> Result<Front, RecvTimeoutError> {
        match self.try_front() {
            Ok(front) => Ok(front),
            Err(TryRecvError::Failed(error)) => Err(RecvTimeoutError::Failed(error)),
            Err(TryRecvError::Empty) => self.wait_for_front_until(deadline_after(timeout)),
        }
    }

    #[inline]
    fn wait_for_front_until(&mut self, deadline: Option<Instant>) -> Result<Front, RecvTimeoutError> {
        // A sender that waits for more room than there was must see that all of it is free before we wait for it in turn.
        self.after_release();
        if self.ring.received() > 0 {
            self.endpoint.has_met();
        }
        let mut turn = Turn::eager(deadline);
        loop {
            let step = self.endpoint.step(&mut turn, 0);
            let outcome = match (step, self.ring.front()) {
                (_, Ok(Some(front))) => {
                    self.endpoint.reopen();
                    Ok(front)
                }
                (_, Err(fault)) => Err(RecvTimeoutError::Failed(recv_error(self.endpoint.close(End::Fault(fault))))),
                (Err(end), Ok(None)) => Err(RecvTimeoutError::Failed(recv_error(end))),
                (Ok(false), Ok(None)) => Err(RecvTimeoutError::TimedOut),
                (Ok(true), Ok(None)) => continue,
            };
            self.endpoint.end_turn(turn);
            return outcome;
        }
    }

    fn lend(&mut self, front: Front) -> Result<Received<'_, M>, RecvError> {
        // Checked once here, so that the accesses through the loan can rely on it.
        let bytes = self.ring.ring().slice(front.offset, front.len_bytes as usize);
        match bytes.and_then(M::from_bytes) {
            Some(_) => Ok(Received { front, receiver: self }),
            // Without trust, or a message that is no whole number of items.
            None if bytes.is_none() => Err(RecvError::Untrusted),
            None => Err(recv_error(self.misfit(front))),
        }
    }

    /// A message whose length is not that of its type.
    #[cold]
    fn misfit(&mut self, front: Front) -> End {
        let fault = crate::ring::PeerFault {
            what: "message length for its type",
            offset: front.offset as u64,
            found: u64::from(front.len_bytes),
        };
        self.endpoint.close(End::Fault(fault))
    }

    /// Releases what was lent. A forked child was lent nothing: the channel is its parent's.
    #[inline]
    fn give_back(&mut self, count: u32) {
        if self.endpoint.is_own() {
            self.release(count);
        }
    }

    #[inline]
    fn release(&mut self, count: u32) {
        let head = either!(Consumer, &mut self.ring, ring => {
            ring.take(count);
            ring.release();
            ring.head()
        });
        self.after_head(head);
    }

    #[inline]
    pub(super) fn after_release(&mut self) {
        self.after_head(self.ring.head());
    }

    #[inline(always)]
    fn after_head(&mut self, head: u32) {
        // On the circle of positions: reached or passed.
        self.endpoint.after_action(|wake_at| head.wrapping_sub(wake_at) as i32 >= 0);
    }
}

impl<T: Item> Receiver<T> {
    /// Receives a copy of the next message; waits for it.
    ///
    /// No system call while there are messages and the sender is awake. The message is released before this returns: whatever
    /// becomes of this process, it will not come again.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] when the sender is gone and everything has been received: at once if it left in good order,
    /// within 100 ms if it died.
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        let front = self.front()?;
        Ok(self.copy_one(front))
    }

    /// [`Self::recv`], if there is a message now. Never waits; no system call but to see, at most every 10 ms, whether the sender lives.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let front = self.try_front()?;
        Ok(self.copy_one(front))
    }

    /// [`Self::recv`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let front = self.front_timeout(timeout)?;
        Ok(self.copy_one(front))
    }

    /// Receives copies of as many messages as there are now, up to `into.len()`; waits for the first. Says how many.
    ///
    /// # Errors
    /// As [`Self::recv`], when there is not even one.
    pub fn recv_batch(&mut self, into: &mut [T]) -> Result<usize, RecvError> {
        if into.is_empty() {
            return Ok(0);
        }
        let mut front = self.front()?;
        let mut received = 0;
        loop {
            let count = (front.count as usize).min(into.len() - received);
            let part = &mut into[received..received + count];
            self.ring.ring().read(front.offset, part.as_mut_bytes());
            // At most `front.count`.
            self.ring.take(count as u32);
            received += count;
            if received == into.len() {
                break;
            }
            match self.ring.front() {
                Ok(Some(next)) => front = next,
                // A fault is told by the next call, which meets it first.
                Ok(None) | Err(_) => break,
            }
        }
        self.ring.release();
        self.after_release();
        Ok(received)
    }

    /// Lends all messages that lie one behind the other at the front: a batch as it was sent, or what is left of it; waits for the
    /// first. They are released together when the loan is dropped.
    ///
    /// # Errors
    /// As [`Self::recv_ref`].
    pub fn recv_batch_ref(&mut self) -> Result<ReceivedBatch<'_, T>, RecvError> {
        let front = self.front()?;
        let len_bytes = front.len_bytes as usize * front.count as usize;
        match self.ring.ring().slice(front.offset, len_bytes).and_then(<[T]>::from_bytes) {
            Some(_) => Ok(ReceivedBatch { front, receiver: self }),
            None => Err(RecvError::Untrusted),
        }
    }

    /// Iterates over copies of the messages, waiting for each; see [`Iter`].
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter { receiver: self, is_over: false }
    }

    #[inline(always)]
    fn copy_one(&mut self, front: Front) -> T {
        let mut message = <T as zerocopy::FromZeros>::new_zeroed();
        self.ring.ring().read_for_use(front.offset, message.as_mut_bytes());
        self.release(1);
        message
    }
}

impl<T: Item> Receiver<[T]> {
    /// Receives a copy of the next message; waits for it. As [`Receiver::recv`] of single items.
    ///
    /// # Errors
    /// As there.
    pub fn recv(&mut self) -> Result<Vec<T>, RecvError> {
        let mut message = Vec::new();
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// [`Self::recv`] into a vector that is used again: its old content goes, and it grows only to the longest message met.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn recv_into(&mut self, into: &mut Vec<T>) -> Result<(), RecvError> {
        let front = self.front()?;
        self.copy_slice(front, into)
    }

    /// [`Self::recv_into`], if there is a message now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv`].
    pub fn try_recv_into(&mut self, into: &mut Vec<T>) -> Result<(), TryRecvError> {
        let front = self.try_front()?;
        self.copy_slice(front, into).map_err(TryRecvError::Failed)
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
        let front = self.front_timeout(timeout)?;
        let mut message = Vec::new();
        self.copy_slice(front, &mut message).map_err(RecvTimeoutError::Failed)?;
        Ok(message)
    }

    /// Iterates over copies of the messages, waiting for each; see [`Iter`].
    pub fn iter(&mut self) -> Iter<'_, [T]> {
        Iter { receiver: self, is_over: false }
    }

    fn copy_slice(&mut self, front: Front, into: &mut Vec<T>) -> Result<(), RecvError> {
        let len_bytes = front.len_bytes as usize;
        if len_bytes % size_of::<T>() != 0 {
            return Err(recv_error(self.misfit(front)));
        }
        // The length was held against the capacity of the channel, which is our own number: at most half of it is allocated.
        into.resize_with(len_bytes / size_of::<T>(), <T as zerocopy::FromZeros>::new_zeroed);
        self.ring.ring().read(front.offset, into.as_mut_bytes());
        self.release(1);
        Ok(())
    }
}

impl<M: Message + ?Sized> Drop for Receiver<M> {
    fn drop(&mut self) {
        // A restartable channel that still holds messages is worth something to the next receiver.
        let Self { ring, endpoint, .. } = self;
        let is_restartable = endpoint.is_restartable();
        endpoint.leave(|| is_restartable && !matches!(ring.front(), Ok(None)));
    }
}

impl<M: Message + ?Sized> fmt::Debug for Receiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("received", &self.received())
            .finish()
    }
}

/// A message lent in place. Dropping it releases the message; leaking it leaves the message at the front, to be received again.
#[derive(Debug)]
pub struct Received<'a, M: Message + ?Sized> {
    front: Front,
    receiver: &'a mut Receiver<M>,
}

impl<M: Message + ?Sized> Received<'_, M> {
    /// Ends the loan and leaves the message at the front: the next call receives it again.
    pub fn put_back(self) {
        std::mem::forget(self);
    }
}

impl<M: Message + ?Sized> Deref for Received<'_, M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        let bytes = self.receiver.ring.ring().slice(self.front.offset, self.front.len_bytes as usize);
        bytes.and_then(M::from_bytes).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> Drop for Received<'_, M> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.give_back(1);
    }
}

/// A batch lent in place. Dropping it releases all of it.
#[derive(Debug)]
pub struct ReceivedBatch<'a, T: Item> {
    front: Front,
    receiver: &'a mut Receiver<T>,
}

impl<T: Item> Deref for ReceivedBatch<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let len_bytes = self.front.len_bytes as usize * self.front.count as usize;
        let bytes = self.receiver.ring.ring().slice(self.front.offset, len_bytes);
        bytes.and_then(<[T]>::from_bytes).unwrap_or_else(|| misfit())
    }
}

impl<T: Item> Drop for ReceivedBatch<'_, T> {
    fn drop(&mut self) {
        self.receiver.give_back(self.front.count);
    }
}

/// Copies of the messages, one after the other.
///
/// It ends when the sender has left in good order and everything has been received. A sender that died, or lied, is told of by one
/// last `Err`.
#[derive(Debug)]
pub struct Iter<'a, M: Message + ?Sized> {
    receiver: &'a mut Receiver<M>,
    is_over: bool,
}

impl<M: Message + ?Sized> Iter<'_, M> {
    fn pass<V>(&mut self, received: Result<V, RecvError>) -> Option<Result<V, RecvError>> {
        self.is_over = received.is_err();
        match received {
            Err(RecvError::Disconnected(Cause::Left)) => None,
            received => Some(received),
        }
    }
}

impl<T: Item> Iterator for Iter<'_, T> {
    type Item = Result<T, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = self.receiver.recv();
        self.pass(received)
    }
}

impl<T: Item> Iterator for Iter<'_, [T]> {
    type Item = Result<Vec<T>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = self.receiver.recv();
        self.pass(received)
    }
}

/// Not reached: the same conversion of the same bytes was made before there was a loan.
#[cold]
fn misfit() -> ! {
    unreachable!("a loan is as long and as aligned as its message")
}

fn recv_error(end: End) -> RecvError {
    match end {
        End::Gone(cause) => RecvError::Disconnected(cause),
        End::Fault(fault) => RecvError::Fault(fault),
        End::Forked => RecvError::Forked,
    }
}
