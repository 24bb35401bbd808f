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
use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait_mem::{Loan, LoanMut, ViewMut, Word};

/// Of the first looks for a request, every so many-th is at all slots and not only at those where the next are foreseen.
const LOOKS_PER_SEARCH: u32 = 8;

/// So is every so many-th claim, of one row after the other: a client whose next request is where it is not foreseen has its turn, too, however busy
/// the others are.
const CLAIMS_PER_SEARCH: u32 = 32;

/// The end that answers. See [the module](super) for what its calls have in common.
///
/// It is used through `&self`, so that several requests can be held at a time; by one thread at a time.
pub struct Server<Req: Message + ?Sized, Res: Message + ?Sized> {
    // Borrowed within one method at a time, and none of them calls what the user wrote: never twice.
    pub(super) counter: RefCell<Counter>,
    /// Our seat's, outside of what is borrowed.
    pub(super) doorbell: Word,
    /// The last request that is no longer needed, if it was a slice: the next one is copied there.
    spare: Cell<Option<Req::Owned>>,
    place: Place,
    messages: PhantomData<fn(&Res) -> Box<Req>>,
}

/// A request that was claimed, and that somebody has yet to answer for.
pub(crate) struct Taken<Req: Message + ?Sized> {
    request: Body<Req>,
    claimed: Claimed,
}

/// What a request says.
enum Body<Req: Message + ?Sized> {
    Copied(Req::Owned),
    /// In its slot. Boxed, so that a request that was copied is not as long as a loan.
    Lent(Box<Loan>),
    /// It was dropped.
    Gone,
}

/// What a server works at. Knows bytes, not messages.
#[derive(Debug)]
pub(super) struct Counter {
    rows: rpc::Server<ViewMut>,
    /// Requests that were waited for.
    claims: u32,
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
        let counter = RefCell::new(Counter { rows, claims: 0, shared: hub.shared()?, hub });
        Ok(Self { counter, doorbell, spare: Cell::new(None), place, messages: PhantomData })
    }

    /// Takes the next request; waits for it. It is this server's alone: if this process ends before it is answered, its caller is told.
    ///
    /// No system call while requests come. Clients are served in turn, each client's requests in order.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] when all clients are gone: at once if they left in good order, within 100 ms if they died.
    #[inline]
    pub fn recv(&self) -> Result<Request<'_, Req, Res>, RecvError> {
        without_deadline(|| self.recv_until(None, Self::copied))
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
        self.try_take_as(Self::copied)
    }

    fn try_take_as(
        &self,
        body: impl Fn(&Self, &Counter, &Claimed, usize) -> Option<Body<Req>>,
    ) -> Result<Taken<Req>, TryRecvError> {
        let mut counter = self.counter();
        loop {
            let claimed = counter.try_claim()?;
            if let Some(taken) = self.admit(&mut counter, claimed, &body) {
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
        self.recv_until(deadline_after(timeout), Self::copied)
    }

    /// [`Self::recv`], with the request lent, to be read in place. What its client writes there although it has sent it is seen.
    ///
    /// # Errors
    /// [`RecvError::Untrusted`] where the memory of the channel cannot be lent; else as [`Self::recv`].
    pub fn recv_ref(&self) -> Result<Request<'_, Req, Res>, RecvError> {
        self.can_lend()?;
        without_deadline(|| self.recv_until(None, Self::lent))
    }

    /// [`Self::recv_ref`], if there is a request now; never waits, as [`Self::try_recv`].
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::recv_ref`].
    pub fn try_recv_ref(&self) -> Result<Request<'_, Req, Res>, TryRecvError> {
        self.can_lend().map_err(TryRecvError::Failed)?;
        self.try_take_as(Self::lent).map(|taken| self.request(taken))
    }

    /// [`Self::recv_ref`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::recv_ref`].
    pub fn recv_ref_timeout(&self, timeout: Duration) -> Result<Request<'_, Req, Res>, RecvTimeoutError> {
        self.can_lend().map_err(RecvTimeoutError::Failed)?;
        self.recv_until(deadline_after(timeout), Self::lent)
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
    fn recv_until(
        &self,
        deadline: Option<Instant>,
        body: impl Fn(&Self, &Counter, &Claimed, usize) -> Option<Body<Req>>,
    ) -> Result<Request<'_, Req, Res>, RecvTimeoutError> {
        let mut counter = self.counter();
        loop {
            let claimed = counter.claim(deadline)?;
            if let Some(taken) = self.admit(&mut counter, claimed, &body) {
                return Ok(self.request(taken));
            }
        }
    }

    /// The request that was claimed, with a body of so many bytes. What is none is dropped: a client that lies harms nobody else.
    #[inline(always)]
    fn admit(
        &self,
        counter: &mut Counter,
        claimed: Claimed,
        body: &impl Fn(&Self, &Counter, &Claimed, usize) -> Option<Body<Req>>,
    ) -> Option<Taken<Req>> {
        match claimed.len_bytes.and_then(|len_bytes| body(self, counter, &claimed, len_bytes as usize)) {
            Some(request) => Some(Taken { request, claimed }),
            None => {
                counter.end(&claimed, |rows| rows.drop(&claimed));
                None
            }
        }
    }

    /// The request as a message of one's own.
    #[inline(always)]
    fn copied(&self, counter: &Counter, claimed: &Claimed, len_bytes: usize) -> Option<Body<Req>> {
        let request = Req::filled(len_bytes, self.spare.take(), |into| counter.rows.read(claimed, into));
        request.map(Body::Copied)
    }

    /// The request in its slot.
    fn lent(&self, counter: &Counter, claimed: &Claimed, len_bytes: usize) -> Option<Body<Req>> {
        let Counter { rows, hub, .. } = counter;
        let loan = rows.rows().lend(rows.request_of(claimed, len_bytes), hub.trust()?)?;
        Req::from_bytes(&loan).is_some().then(|| Body::Lent(Box::new(loan)))
    }

    fn can_lend(&self) -> Result<(), RecvError> {
        if self.counter().hub.trust().is_some() { Ok(()) } else { Err(RecvError::Untrusted) }
    }
}

impl Counter {
    /// Claims a request, if one is where the next is foreseen; or else, not `quickly`, anywhere.
    #[inline(always)]
    fn look(&mut self, quickly: bool) -> Option<Claimed> {
        let Self { rows, shared, hub, .. } = self;
        rows.claim(
            quickly,
            |word| used(shared, word),
            |row, by| by.seat == row && !hub.is_known_gone(by.seat, by.generation, GENERATION_MASK),
        )
    }

    #[inline(always)]
    fn claim(&mut self, deadline: Option<Instant>) -> Result<Claimed, RecvTimeoutError> {
        self.hub.check().map_err(|end| RecvTimeoutError::Failed(recv_error(end)))?;
        self.claims = self.claims.wrapping_add(1);
        let is_quick = self.claims % CLAIMS_PER_SEARCH != 0;
        if !is_quick {
            self.rows.begin_at(self.claims / CLAIMS_PER_SEARCH);
        }
        if let Some(claimed) = self.look(is_quick) {
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

    /// Whether an answer of so many bytes has room.
    #[inline(always)]
    fn fits(&self, len: usize) -> Result<(), AnswerError> {
        let max = self.rows.shape().answer_max();
        if len > max as usize {
            return Err(AnswerError::TooLarge { len_bytes: len as u64, max_bytes: u64::from(max) });
        }
        Ok(())
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

/// A request that is this server's to answer, read through [`Deref`]: a copy of it or, of [`Server::recv_ref`], the request in place.
///
/// Dropped unanswered, it tells its caller so ([`CallError::Dropped`](super::CallError::Dropped)).
#[must_use = "a request that is dropped is not answered"]
pub struct Request<'a, Req: Message + ?Sized, Res: Message + ?Sized> {
    request: Body<Req>,
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
    pub fn answer(self, answer: &Res) -> Result<(), AnswerError> {
        let bytes = answer.as_bytes();
        let counter = self.server.counter();
        counter.fits(bytes.len())?;
        self.end(counter, |rows, claimed| rows.answer(claimed, bytes))
    }

    /// The same, with the answer where it belongs: so many bytes of [`Self::answer_room`].
    pub(super) fn answer_in_place(self, len: usize) -> Result<(), AnswerError> {
        // At most what the shape says, 2^30.
        let counter = self.server.counter();
        self.end(counter, |rows, claimed| rows.publish(claimed, len as u32))
    }

    /// Lends where an answer of so many bytes belongs.
    pub(super) fn answer_room(&self, len: usize) -> Result<LoanMut, AnswerError> {
        let counter = self.server.counter();
        counter.fits(len)?;
        let Counter { rows, hub, .. } = &*counter;
        if !hub.is_own() {
            return Err(AnswerError::Forked);
        }
        let lend = |trust| rows.rows().lend_mut(rows.answer_of(&self.claimed, len), trust);
        hub.trust().and_then(lend).ok_or(AnswerError::Untrusted)
    }

    /// Tells the caller that there is no answer, with a code of the user's own
    /// ([`CallError::Failed`](super::CallError::Failed)).
    ///
    /// # Errors
    /// [`AnswerError::Forked`].
    pub fn fail(self, code: u32) -> Result<(), AnswerError> {
        let counter = self.server.counter();
        self.end(counter, |rows, claimed| rows.fail(claimed, code))
    }

    #[inline(always)]
    fn end(
        mut self,
        mut counter: RefMut<'_, Counter>,
        how: impl FnOnce(&rpc::Server<ViewMut>, &Claimed),
    ) -> Result<(), AnswerError> {
        self.is_over = true;
        let is_done = counter.end(&self.claimed, |rows| how(rows, &self.claimed));
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
        match &self.request {
            Body::Copied(request) => request.borrow(),
            Body::Lent(loan) => Req::from_bytes(loan).unwrap_or_else(|| gone()),
            Body::Gone => gone(),
        }
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Drop for Request<'_, Req, Res> {
    fn drop(&mut self) {
        if !self.is_over {
            self.server.counter().end(&self.claimed, |rows| rows.drop(&self.claimed));
        }
        if Req::IS_SLICE {
            if let Body::Copied(request) = std::mem::replace(&mut self.request, Body::Gone) {
                self.server.spare.set(Some(request));
            }
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

/// A call without a deadline, which does not run out of time.
#[inline(always)]
fn without_deadline<V>(mut call: impl FnMut() -> Result<V, RecvTimeoutError>) -> Result<V, RecvError> {
    loop {
        match call() {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Failed(error)) => return Err(error),
            // Not met.
            Err(RecvTimeoutError::TimedOut) => {}
        }
    }
}

/// Not reached: a request is read before it is answered or dropped, and what is lent was checked to be one.
#[cold]
fn gone() -> ! {
    unreachable!("a request is there until it is answered")
}
