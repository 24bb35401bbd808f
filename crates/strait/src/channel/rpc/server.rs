//! The end that answers.

use crate::channel::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::channel::hub::{End, Hub};
use crate::channel::message::Message;
use crate::channel::rpc::desk::used;
use crate::channel::rpc::error::AnswerError;
use crate::channel::rpc::options::Options;
use crate::channel::rpc::setup::{ANSWERS, CLIENT, REQUESTS, Rpc, SERVER, blueprint, claimant, shape_of_hub};
use crate::error::Result;
use crate::peer::Cause;
use crate::region::Place;
use crate::ring::rpc::{self, Claimed, GENERATION_MASK};
use crate::wait::turn::{Step, Turn, deadline_after};
use std::borrow::Borrow as _;
use std::cell::{RefCell, RefMut};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait_mem::{ViewMut, Word};

/// Of the first looks for a request, every so many-th is at all slots and not only at those where the next are foreseen.
const LOOKS_PER_SEARCH: u32 = 8;

/// The end that answers. See [the module](super) for what its calls have in common.
///
/// It is used through `&self`, so that several requests can be held at a time; by one thread at a time.
pub struct Server<Req: Message + ?Sized, Res: Message + ?Sized> {
    // Borrowed within one method at a time, and none of them calls what the user wrote: never twice.
    pub(super) counter: RefCell<Counter>,
    /// Our seat's, outside of what is borrowed.
    pub(super) doorbell: Word,
    place: Place,
    messages: PhantomData<fn(&Res) -> Box<Req>>,
}

/// A request that was claimed and copied out, and that somebody has yet to answer for.
pub(crate) struct Taken<Req: Message + ?Sized> {
    request: Req::Owned,
    claimed: Claimed,
}

/// What a server works at. Knows bytes, not messages.
#[derive(Debug)]
pub(super) struct Counter {
    rows: rpc::Server<ViewMut>,
    shared: ViewMut,
    pub(super) hub: Hub,
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Server<Req, Res> {
    /// Makes a channel and takes the first seat for a server. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// Those of [`Client::create`](super::Client::create).
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        let blueprint = blueprint::<Req, Res>(&place, options)?;
        Self::assemble(Hub::create::<Rpc>(&place, &blueprint, SERVER, |_| Ok(()))?)
    }

    /// Takes a seat for a server in a channel that exists.
    ///
    /// # Errors
    /// Those of [`Client::open`](super::Client::open).
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::assemble(Hub::open::<Rpc>(&place, &blueprint::<Req, Res>(&place, options)?, SERVER)?)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        let place = place.into();
        let blueprint = blueprint::<Req, Res>(&place, options)?;
        Self::assemble(Hub::open_timeout::<Rpc>(&place, &blueprint, SERVER, timeout)?)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        let blueprint = blueprint::<Req, Res>(&place, options)?;
        Self::assemble(Hub::open_or_create::<Rpc>(&place, &blueprint, SERVER, |_| Ok(()))?)
    }

    /// Takes a seat for a server in a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`](crate::region::Region::from_fd).
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        let blueprint = blueprint::<Req, Res>(&Place::memfd("strait"), options)?;
        Self::assemble(Hub::from_fd::<Rpc>(fd, &blueprint, SERVER)?)
    }

    fn assemble(hub: Hub) -> Result<Self> {
        let body = hub.body();
        let shape = shape_of_hub(&hub)?;
        let rows = hub.region().view_mut(body.start..body.start + shape.bytes())?;
        let rows = rpc::Server::new(shape, rows, claimant(&hub));
        let (place, doorbell) = (hub.region().place().clone(), hub.doorbell().clone());
        let counter = RefCell::new(Counter { rows, shared: hub.shared()?, hub });
        Ok(Self { counter, doorbell, place, messages: PhantomData })
    }

    /// Takes the next request; waits for it. It is this server's alone: if this process ends before it is answered, its caller is told.
    ///
    /// No system call while requests come. Clients are served in turn, each client's requests in order.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] when all clients are gone: at once if they left in good order, within 100 ms if they died.
    #[inline]
    pub fn recv(&self) -> Result<Request<'_, Req, Res>, RecvError> {
        loop {
            match self.recv_until(None) {
                Ok(request) => return Ok(request),
                Err(RecvTimeoutError::Failed(error)) => return Err(error),
                // Not met without a deadline.
                Err(RecvTimeoutError::TimedOut) => {}
            }
        }
    }

    /// [`Self::recv`], if there is a request now. Never waits; no system call but to see, at most every 10 ms, who lives.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv`].
    pub fn try_recv(&self) -> Result<Request<'_, Req, Res>, TryRecvError> {
        self.try_take().map(|taken| self.request(taken))
    }

    /// [`Self::try_recv`], for who makes a [`Request`] of it at once.
    pub(crate) fn try_take(&self) -> Result<Taken<Req>, TryRecvError> {
        let mut counter = self.counter();
        loop {
            let claimed = counter.try_claim()?;
            if let Some(taken) = Self::admit(&mut counter, claimed) {
                return Ok(taken);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn request(&self, taken: Taken<Req>) -> Request<'_, Req, Res> {
        let Taken { request, claimed } = taken;
        Request { request, claimed, is_over: false, server: self }
    }

    /// [`Self::recv`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::recv`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Request<'_, Req, Res>, RecvTimeoutError> {
        self.recv_until(deadline_after(timeout))
    }

    /// Answers requests, one after the other, until all clients have left; in a [`restartable`](Options::restartable) channel for ever.
    ///
    /// # Errors
    /// As [`Self::recv`], but for clients that have left.
    pub fn serve<R: std::borrow::Borrow<Res>>(&self, mut answer: impl FnMut(&Req) -> R) -> Result<(), RecvError> {
        loop {
            match self.recv() {
                Ok(request) => {
                    let response = answer(&request);
                    // Too long an answer is told to the caller.
                    let _ = request.answer(response.borrow());
                }
                Err(RecvError::Disconnected(Cause::Left)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// How many clients are attached; the dead count until somebody has found them. No system call.
    #[must_use]
    pub fn clients(&self) -> u32 {
        self.counter().hub.count(CLIENT)
    }

    /// The longest request, in bytes.
    #[must_use]
    pub fn max_request_bytes(&self) -> u32 {
        self.counter().rows.shape().request_max()
    }

    /// The longest answer, in bytes.
    #[must_use]
    pub fn max_answer_bytes(&self) -> u32 {
        self.counter().rows.shape().answer_max()
    }

    /// Where the channel lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A copy of the channel's descriptor; see [`Client::try_clone_fd`](super::Client::try_clone_fd).
    ///
    /// # Errors
    /// As there.
    pub fn try_clone_fd(&self) -> Result<OwnedFd> {
        super::clone_fd(&self.counter().hub)
    }

    #[inline(always)]
    fn counter(&self) -> RefMut<'_, Counter> {
        self.counter.borrow_mut()
    }

    #[inline(always)]
    fn recv_until(&self, deadline: Option<Instant>) -> Result<Request<'_, Req, Res>, RecvTimeoutError> {
        let mut counter = self.counter();
        loop {
            let claimed = counter.claim(deadline)?;
            if let Some(taken) = Self::admit(&mut counter, claimed) {
                return Ok(self.request(taken));
            }
        }
    }

    /// The request as a message of one's own. What is none is dropped: a client that lies harms nobody else.
    #[inline(always)]
    fn admit(counter: &mut Counter, claimed: Claimed) -> Option<Taken<Req>> {
        let len_bytes = claimed.len_bytes.map(|len_bytes| len_bytes as usize);
        match len_bytes.and_then(|len_bytes| Req::filled(len_bytes, |into| counter.rows.read(&claimed, into))) {
            Some(request) => Some(Taken { request, claimed }),
            None => {
                counter.end(&claimed, |rows| rows.drop(&claimed));
                None
            }
        }
    }
}

impl Counter {
    /// Claims a request, if one is where the next is foreseen; or else, not `quickly`, anywhere.
    #[inline(always)]
    fn look(&mut self, quickly: bool) -> Option<Claimed> {
        let Self { rows, shared, hub } = self;
        rows.claim(
            quickly,
            |word| used(shared, word),
            |row, by| by.seat == row && !hub.is_known_gone(by.seat, by.generation, GENERATION_MASK),
        )
    }

    #[inline(always)]
    fn claim(&mut self, deadline: Option<Instant>) -> Result<Claimed, RecvTimeoutError> {
        self.hub.check().map_err(|end| RecvTimeoutError::Failed(recv_error(end)))?;
        if let Some(claimed) = self.look(true) {
            return Ok(claimed);
        }
        for turn in 1..=self.hub.first_looks() {
            std::hint::spin_loop();
            if let Some(claimed) = self.look(turn % LOOKS_PER_SEARCH != 0) {
                return Ok(claimed);
            }
        }
        self.wait(deadline)
    }

    fn try_claim(&mut self) -> Result<Claimed, TryRecvError> {
        self.hub.check().map_err(|end| TryRecvError::Failed(recv_error(end)))?;
        if let Some(claimed) = self.look(false) {
            return Ok(claimed);
        }
        if self.hub.is_time_to_look() {
            self.hub.look_for_dead(|_, _| {});
        }
        let gone = self.hub.all_gone(CLIENT);
        // Looked again: what a client does before it leaves is done. It withdraws what it does not wait for.
        self.look(false).ok_or(match gone {
            Some(cause) => TryRecvError::Failed(RecvError::Disconnected(cause)),
            None => TryRecvError::Empty,
        })
    }

    /// Whether there is a request, or will never be one. None is claimed.
    pub(super) fn has_call_or_end(&mut self) -> bool {
        if self.hub.check().is_err() {
            return true;
        }
        // Before the look: what a client asked before it left is answered.
        let is_gone = self.hub.is_role_gone(CLIENT).is_some();
        is_gone || self.rows.has_call(|word| used(&self.shared, word))
    }

    #[inline(never)]
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Claimed, RecvTimeoutError> {
        let mut turn = Turn::eager(deadline);
        loop {
            let step = self.hub.step(&mut turn, REQUESTS, 0);
            if step != Step::Again {
                // Before a request is looked for: one that nobody rang for may be a dead client's, and the next wait must not take as long.
                self.hub.look_for_dead(|_, _| {});
            }
            let outcome = match self.look(false) {
                Some(claimed) => Ok(claimed),
                None if step == Step::Again && !turn.is_announced() => continue,
                None => match self.hub.all_gone(CLIENT) {
                    Some(cause) => Err(RecvTimeoutError::Failed(RecvError::Disconnected(cause))),
                    None if step == Step::TimedOut => Err(RecvTimeoutError::TimedOut),
                    None => continue,
                },
            };
            self.hub.end_turn(turn, REQUESTS, outcome.is_ok());
            return outcome;
        }
    }

    /// Ends a request somehow, and wakes its caller if it sleeps. In a forked child there is nothing to end: the request is its parent's.
    #[inline(always)]
    fn end(&mut self, claimed: &Claimed, how: impl FnOnce(&rpc::Server<ViewMut>)) -> bool {
        if !self.hub.is_own() {
            return false;
        }
        how(&self.rows);
        // Clients have the first seats, and row n is seat n's.
        self.hub.after_action_for(ANSWERS, claimed.row, |_| true);
        true
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Drop for Server<Req, Res> {
    fn drop(&mut self) {
        self.counter.get_mut().hub.leave(|| false);
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> fmt::Debug for Server<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A request that is this server's to answer: a copy of it, which is read through [`Deref`].
///
/// Dropped unanswered, it tells its caller so ([`CallError::Dropped`](super::CallError::Dropped)).
#[must_use = "a request that is dropped is not answered"]
pub struct Request<'a, Req: Message + ?Sized, Res: Message + ?Sized> {
    request: Req::Owned,
    claimed: Claimed,
    is_over: bool,
    server: &'a Server<Req, Res>,
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Request<'_, Req, Res> {
    /// Answers the request. An answer that nobody waits for any more is dropped; no system call unless the caller sleeps.
    ///
    /// # Errors
    /// [`AnswerError::TooLarge`], and the caller is told that its request was dropped; [`AnswerError::Forked`].
    #[inline]
    pub fn answer(mut self, answer: &Res) -> Result<(), AnswerError> {
        let bytes = answer.as_bytes();
        let mut counter = self.server.counter();
        let max = counter.rows.shape().answer_max();
        if bytes.len() > max as usize {
            return Err(AnswerError::TooLarge { len_bytes: bytes.len() as u64, max_bytes: u64::from(max) });
        }
        self.is_over = true;
        let is_done = counter.end(&self.claimed, |rows| rows.answer(&self.claimed, bytes));
        if is_done { Ok(()) } else { Err(AnswerError::Forked) }
    }

    /// Tells the caller that there is no answer, with a code of the user's own
    /// ([`CallError::Failed`](super::CallError::Failed)).
    ///
    /// # Errors
    /// [`AnswerError::Forked`].
    pub fn fail(mut self, code: u32) -> Result<(), AnswerError> {
        self.is_over = true;
        let is_done = self.server.counter().end(&self.claimed, |rows| rows.fail(&self.claimed, code));
        if is_done { Ok(()) } else { Err(AnswerError::Forked) }
    }

    /// Whether the caller has given the call up, so that the answer will be dropped; that the caller is dead is not looked for. No system
    /// call.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.server.counter().rows.is_abandoned(&self.claimed)
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Deref for Request<'_, Req, Res> {
    type Target = Req;

    #[inline]
    fn deref(&self) -> &Req {
        self.request.borrow()
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Drop for Request<'_, Req, Res> {
    fn drop(&mut self) {
        if !self.is_over {
            self.server.counter().end(&self.claimed, |rows| rows.drop(&self.claimed));
        }
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> fmt::Debug for Request<'_, Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("client", &self.claimed.row).finish_non_exhaustive()
    }
}

fn recv_error(end: End) -> RecvError {
    match end {
        End::Fault(fault) => RecvError::Fault(fault),
        End::Forked => RecvError::Forked,
    }
}
