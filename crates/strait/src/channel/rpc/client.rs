//! The end that calls.

use crate::channel::hub::Hub;
use crate::channel::message::{Item, Message};
use crate::channel::rpc::desk::{Answered, Call, Desk};
use crate::channel::rpc::error::{CallError, CallTimeoutError, TryWaitError};
use crate::channel::rpc::options::Options;
use crate::channel::rpc::setup::{CLIENT, Rpc, SERVER, blueprint};
use crate::error::Result;
use crate::region::Place;
use crate::wait::turn::deadline_after;
use std::cell::{RefCell, RefMut};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::time::Duration;
use strait_mem::Word;

/// The end that calls. See [the module](super) for what its calls have in common.
///
/// It is used through `&self`, so that several calls can be in flight at a time; by one thread at a time.
pub struct Client<Req: Message + ?Sized, Res: Message + ?Sized> {
    // Borrowed within one method at a time, and none of them calls what the user wrote: never twice.
    pub(super) desk: RefCell<Desk>,
    /// Our seat's, outside of what is borrowed.
    pub(super) doorbell: Word,
    place: Place,
    pub(super) is_idempotent: bool,
    messages: PhantomData<fn(&Req) -> Box<Res>>,
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Client<Req, Res> {
    /// Makes a channel and takes the first seat for a client. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// `AlreadyExists`, unless what exists was left behind by the dead; `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds of region
    /// without a descriptor.
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        let blueprint = blueprint::<Req, Res>(&place, options)?;
        Self::assemble(Hub::create::<Rpc>(&place, &blueprint, CLIENT, |_| Ok(()))?, options)
    }

    /// Takes a seat for a client in a channel that exists.
    ///
    /// # Errors
    /// `NotFound`; `Busy` where all seats for clients are taken; `Incompatible` for another type of request or answer, another version or
    /// something else entirely; `Damaged`; `Permission`.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::assemble(Hub::open::<Rpc>(&place, &blueprint::<Req, Res>(&place, options)?, CLIENT)?, options)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        let place = place.into();
        let blueprint = blueprint::<Req, Res>(&place, options)?;
        Self::assemble(Hub::open_timeout::<Rpc>(&place, &blueprint, CLIENT, timeout)?, options)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        let blueprint = blueprint::<Req, Res>(&place, options)?;
        Self::assemble(Hub::open_or_create::<Rpc>(&place, &blueprint, CLIENT, |_| Ok(()))?, options)
    }

    /// Takes a seat for a client in a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`](crate::region::Region::from_fd).
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        let blueprint = blueprint::<Req, Res>(&Place::memfd("strait"), options)?;
        Self::assemble(Hub::from_fd::<Rpc>(fd, &blueprint, CLIENT)?, options)
    }

    fn assemble(hub: Hub, options: &Options) -> Result<Self> {
        let (place, doorbell) = (hub.region().place().clone(), hub.doorbell().clone());
        let desk = RefCell::new(Desk::new(hub)?);
        Ok(Self { desk, doorbell, place, is_idempotent: options.is_idempotent, messages: PhantomData })
    }

    /// Sends a request and waits for its answer.
    ///
    /// No system call while the server is awake.
    ///
    /// # Errors
    /// [`CallError::ServerDied`] within 100 ms of the death of the server that was at the request; [`CallError::Disconnected`] when there is
    /// no server any more; [`CallError::Failed`], [`CallError::Dropped`]; [`CallError::TooLarge`], [`CallError::Full`].
    #[inline]
    pub fn call(&self, request: &Req) -> Result<Res::Owned, CallError> {
        without_deadline(|| self.call_until(request, self.is_idempotent, None, own::<Res>))
    }

    /// [`Self::call`], for `timeout` at the most. An answer that comes later is dropped; until then it takes one of the calls
    /// [`in_flight`](Options::in_flight).
    ///
    /// # Errors
    /// [`CallTimeoutError::TimedOut`]; else as [`Self::call`].
    pub fn call_timeout(&self, request: &Req, timeout: Duration) -> Result<Res::Owned, CallTimeoutError> {
        self.call_until(request, self.is_idempotent, Some(timeout), own::<Res>)
    }

    /// [`Self::call`] of a request that may be done more than once; see [`Options::idempotent`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn call_idempotent(&self, request: &Req) -> Result<Res::Owned, CallError> {
        without_deadline(|| self.call_until(request, true, None, own::<Res>))
    }

    /// Sends a request, whose answer is waited for later: several may be in flight at a time, and their answers come in any order. Waits
    /// only where all slots are taken and one of them by a call that was given up.
    ///
    /// # Errors
    /// [`CallError::Full`] when [`in_flight`](Options::in_flight) calls await their answers; [`CallError::TooLarge`].
    #[inline]
    pub fn start(&self, request: &Req) -> Result<Pending<'_, Req, Res>, CallError> {
        without_deadline(|| {
            let call = self.desk().start(request.as_bytes(), self.is_idempotent, None)?;
            Ok(Pending { call: Some(call), client: self })
        })
    }

    /// [`Self::start`], if there is a slot now. Never waits.
    ///
    /// # Errors
    /// As [`Self::start`]; [`CallError::Full`] also where a slot is still taken by a call that was given up.
    pub fn try_start(&self, request: &Req) -> Result<Pending<'_, Req, Res>, CallError> {
        let call = self.desk().try_start(request.as_bytes(), self.is_idempotent)?.ok_or(CallError::Full)?;
        Ok(Pending { call: Some(call), client: self })
    }

    /// Calls that await their answers.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.desk().caller().in_flight()
    }

    /// How many calls may be in flight at a time.
    #[must_use]
    pub fn max_in_flight(&self) -> u32 {
        self.desk().caller().shape().in_flight()
    }

    /// The longest request, in bytes.
    #[must_use]
    pub fn max_request_bytes(&self) -> u32 {
        self.desk().caller().shape().request_max()
    }

    /// The longest answer, in bytes.
    #[must_use]
    pub fn max_answer_bytes(&self) -> u32 {
        self.desk().caller().shape().answer_max()
    }

    /// How many servers are attached; the dead count until somebody has found them. No system call.
    #[must_use]
    pub fn servers(&self) -> u32 {
        self.desk().hub().count(SERVER)
    }

    /// Where the channel lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A copy of the channel's descriptor, to hand over to another process, which takes a seat with [`Self::from_fd`] or
    /// [`Server::from_fd`](super::Server::from_fd).
    ///
    /// # Errors
    /// `Kernel` when the process has too many descriptors; `Unsupported` for what has none.
    pub fn try_clone_fd(&self) -> Result<OwnedFd> {
        super::clone_fd(self.desk().hub())
    }

    #[inline(always)]
    pub(super) fn desk(&self) -> RefMut<'_, Desk> {
        self.desk.borrow_mut()
    }

    /// Makes a call that somebody has to await or to give up; none while a call that was given up takes the slot.
    pub(crate) fn try_begin(&self, request: &Req) -> Result<Option<Call>, CallError> {
        let mut desk = self.desk();
        match desk.try_start(request.as_bytes(), self.is_idempotent)? {
            None if !desk.caller().leaves_any_alone() => Err(CallError::Full),
            begun => Ok(begun),
        }
    }

    /// The answer of a call, if it is there; then, as after any error, there is no call any more.
    pub(crate) fn try_finish(&self, begun: &mut Option<Call>) -> Result<Res::Owned, TryWaitError> {
        self.try_finish_by(begun, own::<Res>)
    }

    /// The same; `take` has the answer in its slot, which it frees or keeps.
    pub(super) fn try_finish_by<V>(
        &self,
        begun: &mut Option<Call>,
        take: impl FnOnce(&mut Desk, Answered) -> Result<V, CallError>,
    ) -> Result<V, TryWaitError> {
        let mut call = begun.take().ok_or(CallError::Taken)?;
        let mut desk = self.desk();
        match desk.try_wait(&mut call)? {
            Some(answered) => Ok(take(&mut desk, answered)?),
            None => {
                *begun = Some(call);
                Err(TryWaitError::NotYet)
            }
        }
    }

    /// Gives a call up, if there is one.
    pub(crate) fn give_up(&self, begun: &mut Option<Call>) {
        if let Some(call) = begun.take() {
            self.desk().give_up(&call);
        }
    }

    /// `take` has the answer in its slot, which it frees.
    #[inline(always)]
    fn call_until<V>(
        &self,
        request: &Req,
        is_idempotent: bool,
        timeout: Option<Duration>,
        take: impl FnOnce(&mut Desk, Answered) -> Result<V, CallError>,
    ) -> Result<V, CallTimeoutError> {
        let deadline = timeout.and_then(deadline_after);
        let mut desk = self.desk();
        let mut call = desk.start(request.as_bytes(), is_idempotent, deadline)?;
        match desk.wait(&mut call, deadline) {
            Ok(answered) => Ok(take(&mut desk, answered)?),
            Err(error) => {
                if error == CallTimeoutError::TimedOut {
                    desk.give_up(&call);
                }
                Err(error)
            }
        }
    }
}

impl<Req: Message + ?Sized, T: Item> Client<Req, [T]> {
    /// [`Self::call`], with the answer in `into`, in the place of what that held; its memory is used again. After an error it holds what it
    /// held, or nothing.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn call_into(&self, request: &Req, into: &mut Vec<T>) -> Result<(), CallError> {
        without_deadline(|| self.call_until(request, self.is_idempotent, None, replace(into)))
    }

    /// [`Self::call_into`], for `timeout` at the most, as [`Self::call_timeout`].
    ///
    /// # Errors
    /// As [`Self::call_timeout`].
    pub fn call_into_timeout(
        &self,
        request: &Req,
        into: &mut Vec<T>,
        timeout: Duration,
    ) -> Result<(), CallTimeoutError> {
        self.call_until(request, self.is_idempotent, Some(timeout), replace(into))
    }
}

/// The answer as a message of one's own; frees its slot.
#[inline(always)]
fn own<Res: Message + ?Sized>(desk: &mut Desk, answered: Answered) -> Result<Res::Owned, CallError> {
    take::<Res>(desk, answered, None)
}

/// The same, in the place of another.
fn replace<T: Item>(into: &mut Vec<T>) -> impl FnOnce(&mut Desk, Answered) -> Result<(), CallError> {
    |desk, answered| {
        *into = take::<[T]>(desk, answered, Some(std::mem::take(into)))?;
        Ok(())
    }
}

/// The answer as a message of one's own, made of `spare` if it is a slice; frees its slot.
#[inline(always)]
fn take<Res>(desk: &mut Desk, answered: Answered, spare: Option<Res::Owned>) -> Result<Res::Owned, CallError>
where
    Res: Message + ?Sized,
{
    let answer = Res::filled(answered.len_bytes as usize, spare, |into| desk.read(answered, into));
    answer.ok_or_else(|| desk.misfit(answered))
}

/// A call without a deadline, which does not run out of time.
#[inline(always)]
pub(super) fn without_deadline<V>(mut call: impl FnMut() -> Result<V, CallTimeoutError>) -> Result<V, CallError> {
    loop {
        match call() {
            Ok(value) => return Ok(value),
            Err(CallTimeoutError::Failed(error)) => return Err(error),
            // Not met.
            Err(CallTimeoutError::TimedOut) => {}
        }
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Drop for Client<Req, Res> {
    fn drop(&mut self) {
        self.desk.get_mut().leave();
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> fmt::Debug for Client<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("place", &self.place)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// A call in flight. Dropping it gives the call up: if no server has begun with the request, none will; else the answer is dropped.
#[must_use = "a call that is dropped is given up"]
pub struct Pending<'a, Req: Message + ?Sized, Res: Message + ?Sized> {
    /// None once it is over.
    pub(super) call: Option<Call>,
    pub(super) client: &'a Client<Req, Res>,
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Pending<'_, Req, Res> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// As [`Client::call`].
    #[inline]
    pub fn wait(mut self) -> Result<Res::Owned, CallError> {
        without_deadline(|| self.wait_until(None, own::<Res>))
    }

    /// Waits for the answer, for `timeout` at the most. When the time has run out the call goes on, and can be waited for again.
    ///
    /// # Errors
    /// [`CallTimeoutError::TimedOut`]; [`CallError::Taken`] when it was told before what has become of the call; else as [`Client::call`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Res::Owned, CallTimeoutError> {
        self.wait_until(Some(timeout), own::<Res>)
    }

    /// The answer, if it is there. Never waits; no system call but to see, at most every 10 ms, who lives.
    ///
    /// # Errors
    /// [`TryWaitError::NotYet`]; else as [`Self::wait_timeout`].
    pub fn try_wait(&mut self) -> Result<Res::Owned, TryWaitError> {
        self.client.try_finish(&mut self.call)
    }

    #[inline]
    pub(super) fn wait_until<V>(
        &mut self,
        timeout: Option<Duration>,
        take: impl FnOnce(&mut Desk, Answered) -> Result<V, CallError>,
    ) -> Result<V, CallTimeoutError> {
        let mut call = self.call.ok_or(CallError::Taken)?;
        let mut desk = self.client.desk();
        match desk.wait(&mut call, timeout.and_then(deadline_after)) {
            Ok(answered) => {
                self.call = None;
                Ok(take(&mut desk, answered)?)
            }
            Err(error) => {
                self.call = if error == CallTimeoutError::TimedOut { Some(call) } else { None };
                Err(error)
            }
        }
    }
}

impl<Req: Message + ?Sized, T: Item> Pending<'_, Req, [T]> {
    /// [`Self::wait`], with the answer in `into`, as [`Client::call_into`].
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn wait_into(mut self, into: &mut Vec<T>) -> Result<(), CallError> {
        without_deadline(|| self.wait_until(None, replace(into)))
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Drop for Pending<'_, Req, Res> {
    fn drop(&mut self) {
        self.client.give_up(&mut self.call);
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> fmt::Debug for Pending<'_, Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("call", &self.call).finish_non_exhaustive()
    }
}
