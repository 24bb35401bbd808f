//! Who does the jobs.

use super::error::{PopError, PopTimeoutError, TryPopError};
use super::job::Job;
use super::options::{Kinds, Options};
use super::producer::{Producer, is_room};
use super::setup::{self, JOBS, PRODUCER, ROOM, Seated, WORKER, now_ms, pop_error};
use super::source::Alarm;
use crate::channel::hub::Hub;
use crate::channel::message::Message;
use crate::error::{Error, ErrorKind, Result};
use crate::region::Place;
use crate::ring::PeerFault;
use crate::ring::mpmc::worker::{Claim, Worker as Popping};
use crate::wait::eventcount::Wake;
use crate::wait::turn::{Step, Turn, deadline_after, has_passed};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait_mem::{LentMut, Shared as _};
use strait_sys::open;
use zerocopy::IntoBytes;

/// How long a job stays away when the dead letters have no room for it.
const BURIAL_AGAIN: Duration = Duration::from_millis(100);
const WORD_BYTES: usize = 8;

/// One who does jobs. See [the module](super) for what its calls have in common.
pub struct Worker<M: Message + ?Sized> {
    ring: Popping<LentMut>,
    pub(super) hub: Hub,
    /// Jobs in our hands, in the order they were claimed.
    held: Vec<Claim>,
    /// Copies of them, where memory is not lent: so many words for each.
    copies: Vec<u64>,
    burial: Option<Burial<M>>,
    /// The kinds of which there was last no job: what is waited for beside other things.
    pub(super) wanted: u32,
    pub(super) alarm: Alarm,
    message: PhantomData<fn() -> Box<M>>,
}

/// Where jobs go that nobody can do.
struct Burial<M: Message + ?Sized> {
    max_deliveries: u32,
    letters: Producer<M>,
}

impl<M: Message + ?Sized> Worker<M> {
    /// Makes a queue and takes a seat at it. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// Those of [`Producer::create`], and of [`Producer::open_or_create`] for the dead letters.
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::create::<M>(&place.into(), options, WORKER)?, options)
    }

    /// Takes a seat at a queue that exists.
    ///
    /// # Errors
    /// Those of [`Producer::open`], and of [`Producer::open_or_create`] for the dead letters.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::open::<M>(&place.into(), options, WORKER)?, options)
    }

    /// [`Self::open`], asleep until the queue exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Self::assemble(setup::open_timeout::<M>(&place.into(), options, WORKER, timeout)?, options)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(setup::open_or_create::<M>(&place.into(), options, WORKER)?, options)
    }

    /// Takes a seat at a queue whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`](crate::region::Region::from_fd).
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::assemble(setup::from_fd::<M>(fd, options, WORKER)?, options)
    }

    /// A seat at a nameless queue, in the same process.
    pub(super) fn attach_to(producer: &Producer<M>, options: &Options) -> Result<Self> {
        let Some(fd) = producer.fd() else {
            let why = format!("attach to {}: it has no descriptor", producer.place());
            return Err(Error::new(ErrorKind::Unsupported, why));
        };
        let fd = open::duplicate(fd).map_err(|e| Error::kernel("attach to", producer.place(), e, ""))?;
        Self::from_fd(fd, options)
    }

    fn assemble(seated: Seated, options: &Options) -> Result<Self> {
        let Seated { hub, queue, me } = seated;
        let mut worker = Self {
            ring: Popping::new(queue, me),
            hub,
            held: Vec::with_capacity(1),
            copies: Vec::new(),
            burial: None,
            wanted: Kinds::ALL.bits(),
            alarm: Alarm::default(),
            message: PhantomData,
        };
        if worker.hub.header().is_restartable && setup::is_alone(&worker.hub) {
            // A delay is by the clock of one boot, and does not outlive the last user.
            for kind in 0..worker.kinds() {
                worker.ring.make_due_ready(kind, now_ms(), true);
            }
        }
        worker.burial = match (&options.dead_letters, options.max_deliveries) {
            (None, None) => None,
            (Some(place), Some(max_deliveries)) if (1..255).contains(&max_deliveries) => {
                let letters = Producer::open_or_create(place.clone(), &options.of_dead_letters())?;
                Some(Burial { max_deliveries, letters })
            }
            _ => {
                let why = format!(
                    "attach to {}: max_deliveries, from 1 to 254, and dead_letters go together",
                    worker.place()
                );
                return Err(Error::new(ErrorKind::Usage, why));
            }
        };
        Ok(worker)
    }

    /// The next job, in our hands until it is acknowledged; waits for it. Of several kinds the lowest has the first.
    ///
    /// No system call while there are jobs and nobody sleeps. The job is given to nobody else meanwhile; a job that is dropped without
    /// [`Job::ack`] is for somebody else again, and so is that of a worker that dies.
    ///
    /// # Errors
    /// [`PopError::Disconnected`] when all producers are gone and every job is done, also those of other workers.
    #[inline]
    pub fn pop(&mut self) -> Result<Job<'_, M>, PopError> {
        self.pop_kind(Kinds::ALL)
    }

    /// [`Self::pop`], of one kind or some kinds.
    ///
    /// # Errors
    /// As [`Self::pop`].
    #[inline]
    pub fn pop_kind(&mut self, kinds: impl Into<Kinds>) -> Result<Job<'_, M>, PopError> {
        let kinds = kinds.into().bits();
        if !self.hold_next(kinds) {
            self.hold_anew(kinds)?;
        }
        Ok(Job::new(self))
    }

    /// [`Self::pop`], if there is a job now. Waits for nothing but, in a stream, some microseconds for a run of jobs; no system call but to see, at most every 10 ms, who lives.
    ///
    /// # Errors
    /// [`TryPopError::Empty`]; else as [`Self::pop`].
    #[inline]
    pub fn try_pop(&mut self) -> Result<Job<'_, M>, TryPopError> {
        self.try_pop_kind(Kinds::ALL)
    }

    /// [`Self::try_pop`], of one kind or some kinds.
    ///
    /// # Errors
    /// As [`Self::try_pop`].
    #[inline]
    pub fn try_pop_kind(&mut self, kinds: impl Into<Kinds>) -> Result<Job<'_, M>, TryPopError> {
        let kinds = kinds.into().bits();
        if !self.hold_next(kinds) {
            self.try_hold_anew(kinds)?;
        }
        Ok(Job::new(self))
    }

    /// [`Self::pop`]; waits for `timeout` at the most.
    ///
    /// # Errors
    /// [`PopTimeoutError::TimedOut`]; else as [`Self::pop`].
    pub fn pop_timeout(&mut self, timeout: Duration) -> Result<Job<'_, M>, PopTimeoutError> {
        self.pop_kind_timeout(Kinds::ALL, timeout)
    }

    /// [`Self::pop_timeout`], of one kind or some kinds.
    ///
    /// # Errors
    /// As [`Self::pop_timeout`].
    pub fn pop_kind_timeout(
        &mut self,
        kinds: impl Into<Kinds>,
        timeout: Duration,
    ) -> Result<Job<'_, M>, PopTimeoutError> {
        let claim = self.claim_until(kinds.into().bits(), timeout)?;
        self.hand_over(claim).map_err(PopTimeoutError::Failed)
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

    /// How many workers are here, this one included, as far as they say: the dead count until somebody finds them. No system call.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.hub.count(WORKER)
    }

    /// How many producers are here, as [`Self::workers`].
    #[must_use]
    pub fn producers(&self) -> u32 {
        self.hub.count(PRODUCER)
    }

    /// Where the queue lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.hub.region().place()
    }

    /// The queue's descriptor, to hand over to another process, which takes a seat with [`Self::from_fd`] or [`Producer::from_fd`].
    /// Opened when it is first asked for, which enters the kernel; `None` where it cannot be, or in a forked child.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.hub.fd()
    }

    /// Takes the very next job in our hands, if nothing stands in its way; if something does, nothing has been done. Not by way of
    /// [`Self::hold`]: a claim that comes from either of two places goes through memory, and is waited for there.
    #[inline(always)]
    pub(super) fn hold_next(&mut self, kinds: u32) -> bool {
        if self.hub.check().is_err() || !self.held.is_empty() {
            return false;
        }
        let Some(claim) = self.claim_next(kinds) else { return false };
        self.keep(claim);
        true
    }

    #[inline(never)]
    pub(super) fn hold_anew(&mut self, kinds: u32) -> Result<(), PopError> {
        let claim = self.claim(kinds)?;
        self.hold(claim)
    }

    #[inline(never)]
    pub(super) fn try_hold_anew(&mut self, kinds: u32) -> Result<(), TryPopError> {
        let claim = self.try_claim(kinds)?;
        self.hold(claim).map_err(TryPopError::Failed)
    }

    /// Claims the next job; waits for it for so long.
    pub(super) fn claim_until(&mut self, kinds: u32, timeout: Duration) -> Result<Claim, PopTimeoutError> {
        match self.try_claim(kinds) {
            Ok(claim) => Ok(claim),
            Err(TryPopError::Failed(error)) => Err(PopTimeoutError::Failed(error)),
            Err(TryPopError::Empty) => self.wait_for_job_until(kinds, deadline_after(timeout)),
        }
    }

    /// Claims the next job; waits for it.
    fn claim(&mut self, kinds: u32) -> Result<Claim, PopError> {
        self.get_ready()?;
        self.gather(kinds);
        let mut looks = self.hub.first_looks();
        loop {
            match self.look(kinds) {
                Ok(Some(claim)) => return Ok(claim),
                Ok(None) if looks == 0 => return self.wait_for_job(kinds),
                Ok(None) => self.ring.rest(),
                Err(fault) => return Err(pop_error(self.fail(fault))),
            }
            looks -= 1;
            std::hint::spin_loop();
        }
    }

    pub(crate) fn try_claim(&mut self, kinds: u32) -> Result<Claim, TryPopError> {
        self.get_ready().map_err(TryPopError::Failed)?;
        self.gather(kinds);
        match self.look(kinds) {
            Ok(Some(claim)) => Ok(claim),
            Ok(None) => {
                // Who asks again and again is as much in the way of producers as who waits.
                self.ring.rest();
                self.claim_or_gone(kinds)
            }
            Err(fault) => Err(TryPopError::Failed(pop_error(self.fail(fault)))),
        }
    }

    fn gather(&mut self, kinds: u32) {
        // Where spinning is of no use, as beside a producer on our own core, nothing is waited for.
        self.ring.gather(kinds.trailing_zeros(), self.hub.first_looks() > 0);
    }

    /// The next job of the first of these kinds, if it is plain that it is the one: nothing is put off, and it was never tried, so that it
    /// is not one for the dead letters.
    #[inline(always)]
    pub(super) fn claim_next(&mut self, kinds: u32) -> Option<Claim> {
        let kind = (kinds & (u32::MAX >> (32 - self.kinds()))).trailing_zeros();
        if kind >= self.kinds() || self.ring.due_ms(kind).is_some() {
            return None;
        }
        self.ring.pop_next(kind)
    }

    #[inline]
    fn get_ready(&mut self) -> Result<(), PopError> {
        self.hub.check().map_err(pop_error)?;
        if !self.held.is_empty() {
            // Those of a job that was forgotten and not dropped.
            self.give_back();
        }
        Ok(())
    }

    /// Nothing there: is that for now, or for good?
    #[cold]
    fn claim_or_gone(&mut self, kinds: u32) -> Result<Claim, TryPopError> {
        self.wanted = kinds;
        if self.hub.is_time_to_look() {
            self.look_for_dead();
        }
        match self.look_or_gone(kinds) {
            Ok(Some(claim)) => Ok(claim),
            Ok(None) => Err(TryPopError::Empty),
            Err(error) => Err(TryPopError::Failed(error)),
        }
    }

    /// The next job, if there is one; an error if there will be none.
    fn look_or_gone(&mut self, kinds: u32) -> Result<Option<Claim>, PopError> {
        // Before the look: what they pushed before they went is seen by it.
        let gone = self.hub.is_role_gone(PRODUCER);
        match (self.look(kinds), gone) {
            (Ok(None), Some(cause)) if self.ring.queue().len() == 0 => Err(PopError::Disconnected(cause)),
            (Ok(claim), _) => Ok(claim),
            (Err(fault), _) => Err(pop_error(self.fail(fault))),
        }
    }

    /// Whether there is a job of the kinds that are wanted, or will never be one. None is claimed.
    pub(super) fn has_job_or_end(&mut self) -> bool {
        if self.get_ready().is_err() {
            return true;
        }
        // Before the look, as in `look_or_gone`.
        let is_gone = self.hub.is_role_gone(PRODUCER).is_some();
        match self.has_job(self.wanted) {
            Ok(has_job) => has_job || is_gone && self.ring.queue().len() == 0,
            Err(fault) => {
                self.fail(fault);
                true
            }
        }
    }

    fn has_job(&mut self, kinds: u32) -> Result<bool, PeerFault> {
        for kind in (0..self.kinds()).filter(|kind| kinds >> kind & 1 == 1) {
            if self.ring.due_ms(kind).is_some() {
                self.make_due_ready(kind);
            }
            if self.ring.has_job(kind)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline(never)]
    fn wait_for_job(&mut self, kinds: u32) -> Result<Claim, PopError> {
        loop {
            match self.wait_for_job_until(kinds, None) {
                Ok(claim) => return Ok(claim),
                Err(PopTimeoutError::Failed(error)) => return Err(error),
                // Not met without a deadline.
                Err(PopTimeoutError::TimedOut) => {}
            }
        }
    }

    #[inline(never)]
    fn wait_for_job_until(&mut self, kinds: u32, deadline: Option<Instant>) -> Result<Claim, PopTimeoutError> {
        loop {
            // Until a job that was put off is due, if that is sooner.
            let due = self.next_due(kinds);
            let until = deadline.into_iter().chain(due).min();
            let mut turn = Turn::eager(until);
            let outcome = loop {
                let step = self.hub.step(&mut turn, JOBS, kinds);
                if step == Step::AgainAndLook || step == Step::TimedOut && self.hub.is_time_to_look() {
                    self.look_for_dead();
                }
                match self.look_or_gone(kinds) {
                    Ok(Some(claim)) => break Some(Ok(claim)),
                    Err(error) => break Some(Err(PopTimeoutError::Failed(error))),
                    Ok(None) if step == Step::TimedOut => break None,
                    Ok(None) if self.next_due(kinds).is_some_and(|it| due.is_none_or(|due| it < due)) => break None,
                    Ok(None) => {}
                }
            };
            // Who only goes to sleep again with another deadline has given nothing up.
            let is_timed_out = outcome.is_none() && has_passed(deadline);
            self.hub.end_turn(turn, JOBS, outcome.as_ref().map_or(!is_timed_out, std::result::Result::is_ok));
            match outcome {
                Some(outcome) => return outcome,
                None if is_timed_out => return Err(PopTimeoutError::TimedOut),
                None => {}
            }
        }
    }

    /// When the earliest job of these kinds that was put off is due.
    fn next_due(&self, kinds: u32) -> Option<Instant> {
        let left_ms = self.left_ms(kinds, now_ms())?;
        // The clock of delays is some milliseconds late.
        Instant::now().checked_add(Duration::from_millis(u64::from(left_ms) + 1))
    }

    /// The same, by the clock of delays.
    pub(super) fn next_due_ms(&self, kinds: u32) -> Option<u32> {
        let now = now_ms();
        Some(now.wrapping_add(self.left_ms(kinds, now)?))
    }

    fn left_ms(&self, kinds: u32, now_ms: u32) -> Option<u32> {
        let left = |kind| Some(self.ring.due_ms(kind)?.wrapping_sub(now_ms));
        let left_ms = (0..self.kinds()).filter(|kind| kinds >> kind & 1 == 1).filter_map(left);
        // One that was due a while ago looks very far away, and is looked for at once.
        left_ms.map(|left| if left > u32::MAX / 2 { 0 } else { left }).min()
    }

    /// Claims the next job of these kinds, if there is one.
    #[inline(always)]
    pub(super) fn look(&mut self, kinds: u32) -> Result<Option<Claim>, PeerFault> {
        let mut left = kinds & (u32::MAX >> (32 - self.kinds()));
        while left != 0 {
            let kind = left.trailing_zeros();
            left &= left - 1;
            if self.ring.due_ms(kind).is_some() {
                self.make_due_ready(kind);
            }
            if let Some(claim) = self.ring.pop(kind)? {
                match &self.burial {
                    Some(burial) if claim.deliveries > burial.max_deliveries => {
                        if let Some(claim) = self.bury(claim)? {
                            return Ok(Some(claim));
                        }
                    }
                    _ => return Ok(Some(claim)),
                }
            }
        }
        Ok(None)
    }

    /// Makes what is due ready, and tells the others if there is more than we can take.
    #[cold]
    fn make_due_ready(&mut self, kind: u32) {
        let now_ms = now_ms();
        if self.ring.due_ms(kind).is_some_and(|due_ms| now_ms.wrapping_sub(due_ms) <= u32::MAX / 2) {
            let count = self.ring.make_due_ready(kind, now_ms, false);
            self.after_return(kind, count.saturating_sub(1));
        }
    }

    /// Sends a job to the dead letters, and those behind it that belong there; the next one that does not.
    ///
    /// A kill between the two steps sends it twice.
    #[cold]
    fn bury(&mut self, first: Claim) -> Result<Option<Claim>, PeerFault> {
        let mut next = Some(first);
        // As many as there are slots: more there are not at once.
        for _ in 0..self.capacity() {
            let (Some(claim), Some(burial)) = (next, &mut self.burial) else { break };
            if claim.deliveries <= burial.max_deliveries {
                return Ok(Some(claim));
            }
            let mut bytes = vec![0; claim.len_bytes as usize];
            self.ring.queue().window().read(claim.payload, &mut bytes);
            let kind = if claim.kind < burial.letters.kinds() { claim.kind } else { 0 };
            if burial.letters.try_push_bytes(kind, &bytes).is_ok() {
                self.ring.ack(claim);
                self.after_ack(claim);
            } else {
                self.ring.nack_later(claim, setup::due_ms(BURIAL_AGAIN), now_ms());
            }
            next = self.ring.pop(claim.kind)?;
        }
        Ok(next)
    }

    pub(super) fn look_for_dead(&mut self) {
        let Self { hub, ring, .. } = self;
        hub.look_for_dead(|seat, generation| ring.queue().mend(seat, generation, now_ms()));
    }

    /// Gives up after a lie: what is in our hands is for others.
    #[cold]
    pub(super) fn fail(&mut self, fault: PeerFault) -> crate::channel::hub::End {
        self.give_back();
        self.hub.close(fault)
    }

    /// Puts a job into our hands, to be read by its user.
    pub(super) fn hold(&mut self, claim: Claim) -> Result<(), PopError> {
        let item_bytes = size_of::<M::Item>() as u32;
        self.keep(claim);
        if M::IS_SLICE && claim.len_bytes % item_bytes != 0 {
            let found = u64::from(claim.len_bytes);
            let fault = PeerFault { what: "job length for its type", offset: claim.payload as u64, found };
            return Err(pop_error(self.fail(fault)));
        }
        Ok(())
    }

    /// The same, of a job whose length is known to be right.
    #[inline(always)]
    pub(super) fn keep(&mut self, claim: Claim) {
        self.held.push(claim);
        if self.hub.trust().is_none() {
            self.copy_last();
        }
    }

    /// Copies the last of the jobs in our hands.
    #[cold]
    fn copy_last(&mut self) {
        let Some(&claim) = self.held.last() else { return };
        let words = self.words_each();
        let start = (self.held.len() - 1) * words;
        // As long as our own batch is.
        self.copies.resize(start + words, 0);
        let bytes = &mut self.copies[start..].as_mut_bytes()[..claim.len_bytes as usize];
        self.ring.queue().window().read(claim.payload, bytes);
    }

    fn words_each(&self) -> usize {
        (self.ring.queue().shape().payload_max_bytes() as usize).div_ceil(WORD_BYTES)
    }

    #[inline]
    pub(crate) fn hand_over(&mut self, claim: Claim) -> Result<Job<'_, M>, PopError> {
        self.hold(claim)?;
        Ok(Job::new(self))
    }

    pub(super) fn held(&self) -> &[Claim] {
        &self.held
    }

    /// A job in our hands.
    #[inline]
    pub(super) fn job(&self, index: usize) -> Option<&M> {
        let claim = self.held.get(index)?;
        let len = claim.len_bytes as usize;
        let bytes = match self.ring.queue().window().slice(claim.payload, len) {
            Some(bytes) => bytes,
            None => IntoBytes::as_bytes(self.copies.get(index * self.words_each()..)?).get(..len)?,
        };
        M::from_bytes(bytes)
    }

    /// The only job in our hands is done.
    #[inline]
    pub(super) fn ack_only(&mut self) {
        if !self.hub.is_own() {
            // In a forked child: it is its parent's.
            return;
        }
        if let Some(claim) = self.held.pop() {
            self.ring.ack(claim);
            self.after_ack(claim);
            self.copies.clear();
        }
    }

    /// The first `count` jobs in our hands are done.
    #[inline]
    pub(super) fn ack(&mut self, count: usize) {
        if !self.hub.is_own() {
            // In a forked child: they are its parent's.
            return;
        }
        let count = count.min(self.held.len());
        for &claim in &self.held[..count] {
            self.ring.ack(claim);
        }
        if let Some(&last) = self.held[..count].last() {
            self.after_acks(last, count as u32);
        }
        self.take_from_hands(count);
    }

    /// The first `count` jobs in our hands are for others, after `delay`.
    pub(super) fn nack(&mut self, count: usize, delay: Duration) {
        if !self.hub.is_own() {
            return;
        }
        let count = count.min(self.held.len());
        let due_ms = if delay.is_zero() { None } else { Some(setup::due_ms(delay)) };
        // The last first, so that the hint goes back step by step and comes to rest at the first.
        for &claim in self.held[..count].iter().rev() {
            match due_ms {
                None => self.ring.nack(claim),
                Some(due_ms) => self.ring.nack_later(claim, due_ms, now_ms()),
            }
        }
        for index in 0..count {
            self.after_return(self.held[index].kind, 1);
        }
        self.take_from_hands(count);
    }

    #[inline]
    fn take_from_hands(&mut self, count: usize) {
        if count == self.held.len() {
            self.held.clear();
            self.copies.clear();
            return;
        }
        self.held.drain(..count);
        if !self.copies.is_empty() {
            let words = (count * self.words_each()).min(self.copies.len());
            self.copies.drain(..words);
        }
    }

    /// Everything in our hands is for others.
    #[cold]
    pub(super) fn give_back(&mut self) {
        self.nack(usize::MAX, Duration::ZERO);
    }

    #[inline]
    fn after_ack(&mut self, claim: Claim) {
        self.after_acks(claim, 1);
    }

    #[inline]
    fn after_acks(&mut self, last: Claim, count: u32) {
        let Claim { kind, position, .. } = last;
        self.hub.after_action_if(ROOM, Wake::UpTo(count), |wake_at| is_room(wake_at, kind, position));
    }

    /// Jobs are there again, or will be: who sleeps looks when.
    fn after_return(&mut self, kind: u32, count: u32) {
        self.hub.after_action_if(JOBS, Wake::UpTo(count), |kinds| kinds >> kind & 1 == 1);
    }
}

impl<M: Message + ?Sized> Drop for Worker<M> {
    fn drop(&mut self) {
        self.give_back();
        let Self { ring, hub, .. } = self;
        let is_restartable = hub.header().is_restartable;
        // A restartable queue that still holds jobs is worth something to the next worker.
        hub.leave(|| is_restartable && ring.queue().len() > 0);
    }
}

impl<M: Message + ?Sized> fmt::Debug for Worker<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("held", &self.held.len())
            .finish()
    }
}
