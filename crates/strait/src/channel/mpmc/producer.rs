//! Who pushes.

use super::error::{PushBatchError, PushError, PushTimeoutError, TryPushError};
use super::options::Options;
use super::setup::{self, JOBS, PRODUCER, ROOM, Seated, WORKER, now_ms, push_error};
use crate::channel::hub::Hub;
use crate::channel::message::{Item, Message};
use crate::error::Result;
use crate::region::Place;
use crate::ring::mpmc::producer::{NoRoom, Producer as Pushing};
use crate::wait::eventcount::Wake;
use crate::wait::turn::{Step, Turn, deadline_after};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_mem::LentMut;

/// How many bits of a position a producer that waits for room gives; above them is the kind.
const WAKE_BITS: u32 = 28;

/// 0.3 us where a pause takes 10 ns.
const PAUSES_AT_FULL: u32 = 32;

/// How often a producer that spins for room looks whether there is room for several before it takes what there is.
const LOOKS_FOR_MUCH: u32 = 64;

/// One who pushes jobs. See [the module](super) for what its calls have in common.
pub struct Producer<M: Message + ?Sized> {
    pub(super) ring: Pushing<LentMut>,
    pub(super) hub: Hub,
    /// The kind for which there was last no room: what is waited for beside other things.
    pub(super) wanted: u32,
    message: PhantomData<fn(&M)>,
}

impl<M: Message + ?Sized> Producer<M> {
    /// Makes a queue and takes a seat at it. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// `AlreadyExists`, unless what exists was left behind by the dead; `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds of
    /// region without a descriptor.
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Ok(Self::assemble(setup::create::<M>(&place.into(), options, PRODUCER)?))
    }

    /// Takes a seat at a queue that exists.
    ///
    /// # Errors
    /// `NotFound`; `Busy` where all seats are taken; `Incompatible` for another type of job, another version or something else entirely;
    /// `Damaged`; `Permission`.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Ok(Self::assemble(setup::open::<M>(&place.into(), options, PRODUCER)?))
    }

    /// [`Self::open`], asleep until the queue exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Ok(Self::assemble(setup::open_timeout::<M>(&place.into(), options, PRODUCER, timeout)?))
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Ok(Self::assemble(setup::open_or_create::<M>(&place.into(), options, PRODUCER)?))
    }

    /// Takes a seat at a queue whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`](crate::region::Region::from_fd).
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Ok(Self::assemble(setup::from_fd::<M>(fd, options, PRODUCER)?))
    }

    fn assemble(seated: Seated) -> Self {
        let Seated { hub, queue, me } = seated;
        Self { ring: Pushing::new(queue, me), hub, wanted: 0, message: PhantomData }
    }

    /// Pushes a copy of a job of kind 0; waits for room.
    ///
    /// No system call while there is room and no worker sleeps. When it returns the job is in the queue: it outlives this process.
    ///
    /// # Errors
    /// [`PushError::TooLarge`]; [`PushError::Disconnected`] when all workers are gone: at once if they left in good order, within 100 ms
    /// of waiting if they died.
    #[inline]
    pub fn push(&mut self, job: &M) -> Result<(), PushError> {
        self.push_kind(0, job)
    }

    /// [`Self::push`], of any kind.
    ///
    /// # Errors
    /// [`PushError::NoSuchKind`]; else as [`Self::push`].
    #[inline]
    pub fn push_kind(&mut self, kind: u32, job: &M) -> Result<(), PushError> {
        match self.put(kind, job.as_bytes()) {
            Err(TryPushError::Full) => self.wait_and_push(kind, job.as_bytes()),
            Err(TryPushError::Failed(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// [`Self::push`], if there is room now. Never waits; no system call unless a worker sleeps, or, at most every 10 ms, to see at a
    /// full queue who lives.
    ///
    /// A queue is full, too, where the next slots wait for a worker, although others behind them may be free.
    ///
    /// # Errors
    /// [`TryPushError::Full`]; else as [`Self::push`].
    #[inline]
    pub fn try_push(&mut self, job: &M) -> Result<(), TryPushError> {
        self.try_push_kind(0, job)
    }

    /// [`Self::try_push`], of any kind.
    ///
    /// # Errors
    /// [`PushError::NoSuchKind`]; else as [`Self::try_push`].
    #[inline]
    pub fn try_push_kind(&mut self, kind: u32, job: &M) -> Result<(), TryPushError> {
        self.try_push_bytes(kind, job.as_bytes())
    }

    #[inline]
    pub(super) fn try_push_bytes(&mut self, kind: u32, bytes: &[u8]) -> Result<(), TryPushError> {
        match self.put(kind, bytes) {
            Err(TryPushError::Full) => {
                self.full(kind)?;
                self.put(kind, bytes)
            }
            done => done,
        }
    }

    /// [`Self::push`]; waits for room for `timeout` at the most.
    ///
    /// # Errors
    /// [`PushTimeoutError::TimedOut`]; else as [`Self::push`].
    pub fn push_timeout(&mut self, job: &M, timeout: Duration) -> Result<(), PushTimeoutError> {
        self.push_kind_timeout(0, job, timeout)
    }

    /// [`Self::push_timeout`], of any kind.
    ///
    /// # Errors
    /// [`PushError::NoSuchKind`]; else as [`Self::push_timeout`].
    pub fn push_kind_timeout(&mut self, kind: u32, job: &M, timeout: Duration) -> Result<(), PushTimeoutError> {
        match self.put(kind, job.as_bytes()) {
            Err(TryPushError::Full) => {
                let bytes = job.as_bytes();
                self.wait_for_room(kind, bytes.len(), deadline_after(timeout), |it| it.push_anew(kind, bytes))
            }
            Err(TryPushError::Failed(error)) => Err(PushTimeoutError::Failed(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Jobs in the queue, those in hands and those put off included. Looks at every slot; no system call.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ring.queue().len()
    }

    /// Whether every job is done. Looks at every slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many jobs of each kind the queue holds.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.ring.queue().shape().slots()
    }

    /// How many kinds of job there are.
    #[must_use]
    pub fn kinds(&self) -> u32 {
        self.ring.queue().shape().kinds()
    }

    /// The longest job, in bytes.
    #[must_use]
    pub fn max_job_bytes(&self) -> u32 {
        self.ring.queue().shape().payload_max_bytes()
    }

    /// How many workers are here, as far as they say: the dead count until somebody finds them. No system call.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.hub.count(WORKER)
    }

    /// How many producers are here, this one included, as [`Self::workers`].
    #[must_use]
    pub fn producers(&self) -> u32 {
        self.hub.count(PRODUCER)
    }

    /// Where the queue lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.hub.region().place()
    }

    /// The queue's descriptor, to hand over to another process, which takes a seat with [`Self::from_fd`] or
    /// [`Worker::from_fd`](super::Worker::from_fd).
    /// Opened when it is first asked for, which enters the kernel; `None` where it cannot be, or in a forked child.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.hub.fd()
    }

    /// Writes what was pushed to the disk, for a queue in a file: then power loss does not take it.
    ///
    /// # Errors
    /// `Kernel` when the disk fails.
    pub fn sync(&self) -> Result<()> {
        self.hub.region().sync()
    }

    /// What can be said against a job of this kind and length before there is a slot for it.
    #[inline(always)]
    pub(super) fn check(&mut self, kind: u32, len: usize) -> Result<(), PushError> {
        self.hub.check().map_err(push_error)?;
        let shape = self.ring.queue().shape();
        if kind >= shape.kinds() || len > shape.payload_max_bytes() as usize {
            return Err(self.unfit(kind, len));
        }
        match self.hub.is_role_gone(WORKER) {
            Some(cause) => Err(PushError::Disconnected(cause)),
            None => Ok(()),
        }
    }

    #[cold]
    fn unfit(&self, kind: u32, len: usize) -> PushError {
        let kinds = self.kinds();
        if kind >= kinds {
            return PushError::NoSuchKind { kind, kinds };
        }
        PushError::TooLarge { len_bytes: len as u64, max_bytes: self.max_job_bytes().into() }
    }

    #[inline(always)]
    fn put(&mut self, kind: u32, bytes: &[u8]) -> Result<(), TryPushError> {
        self.check(kind, bytes.len()).map_err(TryPushError::Failed)?;
        match self.ring.push(kind, bytes) {
            Ok(()) => {
                self.after_push(kind, 1);
                Ok(())
            }
            Err(NoRoom::Full) => Err(TryPushError::Full),
            Err(NoRoom::Fault(fault)) => Err(TryPushError::Failed(push_error(self.hub.close(fault)))),
        }
    }

    #[inline(always)]
    pub(super) fn after_push(&mut self, kind: u32, jobs: u32) {
        // A worker sleeps for some kinds.
        self.hub.after_action_if(JOBS, Wake::UpTo(jobs), |kinds| kinds >> kind & 1 == 1);
    }

    /// Full, for now: or because what the dead hold is not mended, or full for good. `Ok`: it is worth another try.
    #[cold]
    pub(super) fn full(&mut self, kind: u32) -> Result<(), TryPushError> {
        self.wanted = kind;
        // Who tries again and again takes the lines from the workers' hands.
        for _ in 0..PAUSES_AT_FULL {
            std::hint::spin_loop();
        }
        if self.hub.is_time_to_look() && self.look_for_dead() > 0 { Ok(()) } else { Err(TryPushError::Full) }
    }

    pub(super) fn look_for_dead(&mut self) -> u32 {
        let Self { hub, ring, .. } = self;
        hub.look_for_dead(|seat, generation| ring.queue().mend(seat, generation, now_ms()))
    }

    #[cold]
    fn wait_and_push(&mut self, kind: u32, bytes: &[u8]) -> Result<(), PushError> {
        without_deadline(|| self.wait_for_room(kind, bytes.len(), None, |it| it.push_anew(kind, bytes)))
    }

    fn push_anew(&mut self, kind: u32, bytes: &[u8]) -> Result<(), NoRoom> {
        self.ring.push_anew(kind, bytes)?;
        self.after_push(kind, 1);
        Ok(())
    }

    /// Tries until there is room for a job of so many bytes.
    #[cold]
    pub(super) fn wait_for_room<V>(
        &mut self,
        kind: u32,
        len: usize,
        deadline: Option<Instant>,
        attempt: impl Fn(&mut Self) -> Result<V, NoRoom>,
    ) -> Result<V, PushTimeoutError> {
        let mut turn = Turn::patient(deadline);
        // Fewer than the steps for which a turn spins: after its announcement there must be a try.
        let mut looks_left = if self.hub.first_looks() > 0 { LOOKS_FOR_MUCH } else { 0 };
        loop {
            let step = self.hub.step(&mut turn, ROOM, self.room_at(kind));
            if looks_left > 0 {
                looks_left -= 1;
                if step == Step::Again && !self.ring.is_roomy(kind) {
                    continue;
                }
            }
            if step == Step::AgainAndLook || step == Step::TimedOut && self.hub.is_time_to_look() {
                self.look_for_dead();
            }
            let outcome = match self.check(kind, len) {
                Err(error) => Err(PushTimeoutError::Failed(error)),
                Ok(()) => match attempt(self) {
                    Ok(made) => Ok(made),
                    Err(NoRoom::Full) if step == Step::TimedOut => Err(PushTimeoutError::TimedOut),
                    Err(NoRoom::Full) => continue,
                    Err(NoRoom::Fault(fault)) => Err(PushTimeoutError::Failed(push_error(self.hub.close(fault)))),
                },
            };
            self.hub.end_turn(turn, ROOM, outcome.is_ok());
            return outcome;
        }
    }

    /// What to be woken by: a job of our kind that is done an eighth of the queue behind the one that we wait for.
    pub(super) fn room_at(&self, kind: u32) -> u32 {
        let slots = u64::from(self.capacity());
        let position = self.ring.position(kind).wrapping_sub(slots - slots / 8);
        // The low bits.
        kind << WAKE_BITS | position as u32 & ((1 << WAKE_BITS) - 1)
    }
}

/// A call without a deadline, which does not run out of time.
pub(super) fn without_deadline<V>(mut call: impl FnMut() -> Result<V, PushTimeoutError>) -> Result<V, PushError> {
    loop {
        match call() {
            Ok(value) => return Ok(value),
            Err(PushTimeoutError::Failed(error)) => return Err(error),
            // Not met.
            Err(PushTimeoutError::TimedOut) => {}
        }
    }
}

/// Whether a job that is done is what a producer waits for.
#[inline]
pub(super) fn is_room(wake_at: u32, kind: u32, position: u64) -> bool {
    // The low bits, compared on their circle.
    let ahead = ((position as u32).wrapping_sub(wake_at) << (32 - WAKE_BITS)) as i32;
    is_of_kind(wake_at, kind) && ahead >= 0
}

/// Whether a producer waits for a slot of that kind.
pub(super) fn is_of_kind(wake_at: u32, kind: u32) -> bool {
    wake_at >> WAKE_BITS == kind
}

impl<T: Item> Producer<T> {
    /// Pushes copies of many jobs of a kind; waits for room as it goes. Workers are woken once for all for which there is room.
    ///
    /// # Errors
    /// As [`Self::push_kind`], with the number of jobs that were pushed.
    pub fn push_batch(&mut self, kind: u32, jobs: &[T]) -> Result<(), PushBatchError> {
        self.push_many(kind, jobs.iter().map(Message::as_bytes))
    }
}

impl<T: Item> Producer<[T]> {
    /// Pushes copies of many jobs of a kind; waits for room as it goes. Workers are woken once for all for which there is room.
    ///
    /// # Errors
    /// As [`Self::push_kind`], with the number of jobs that were pushed.
    pub fn push_batch<'j>(&mut self, kind: u32, jobs: impl IntoIterator<Item = &'j [T]>) -> Result<(), PushBatchError>
    where
        T: 'j,
    {
        self.push_many(kind, jobs.into_iter().map(Message::as_bytes))
    }
}

impl<M: Message + ?Sized> Producer<M> {
    #[inline]
    fn push_many<'j>(&mut self, kind: u32, jobs: impl Iterator<Item = &'j [u8]>) -> Result<(), PushBatchError> {
        let (mut pushed, mut told) = (0, 0);
        // Said for the first: an empty batch of no kind is an error too.
        let mut outcome = self.check(kind, 0);
        for bytes in jobs {
            if outcome.is_err() {
                break;
            }
            if bytes.len() > self.max_job_bytes() as usize {
                outcome = Err(self.unfit(kind, bytes.len()));
                break;
            }
            match self.ring.push(kind, bytes) {
                Ok(()) => {}
                Err(NoRoom::Full) => {
                    // What is there must be told, or nobody makes room.
                    self.after_push(kind, (pushed - told) as u32);
                    told = pushed;
                    outcome = self.wait_and_push(kind, bytes);
                }
                Err(NoRoom::Fault(fault)) => outcome = Err(push_error(self.hub.close(fault))),
            }
            pushed += usize::from(outcome.is_ok());
        }
        if pushed > told {
            self.after_push(kind, (pushed - told) as u32);
        }
        outcome.map_err(|error| PushBatchError { pushed, error })
    }
}

impl<M: Message + ?Sized> Drop for Producer<M> {
    fn drop(&mut self) {
        let Self { ring, hub, .. } = self;
        if hub.is_own() {
            ring.take_all_back();
        }
        let is_restartable = hub.header().is_restartable;
        // A restartable queue that still holds jobs is worth something to the next worker.
        hub.leave(|| is_restartable && ring.queue().len() > 0);
    }
}

impl<M: Message + ?Sized> fmt::Debug for Producer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("place", self.place()).field("type", &M::type_name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room is made for who waits by a job of its kind at its position or behind it, round the circle.
    #[test]
    fn room_is_told_by_kind_and_position() {
        let wake_at = 3 << WAKE_BITS | 5;
        assert!(is_room(wake_at, 3, 5) && is_room(wake_at, 3, 9 + (1 << WAKE_BITS)));
        assert!(!is_room(wake_at, 3, 4) && !is_room(wake_at, 2, 9));
        assert!(is_room(3 << WAKE_BITS | ((1 << WAKE_BITS) - 1), 3, 1 << WAKE_BITS));
    }
}
