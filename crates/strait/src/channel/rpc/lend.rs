//! Requests and answers in place: what is long is written where it is read, and not copied.
//!
//! Each is a part of a call slot that is lent to whoever it belongs to at that time (rule 4 of [`crate::ring::rpc`]): a request to its client
//! until it is sent, and to its server until that has answered; an answer to that server until it is sent, and to the client until it lets go.

use crate::channel::message::{Item, Message};
use crate::channel::rpc::client::{Client, Pending, without_deadline};
use crate::channel::rpc::desk::{Answered, Desk};
use crate::channel::rpc::error::{AnswerError, CallError, CallTimeoutError, TryWaitError};
use crate::channel::rpc::server::Request;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use strait_mem::{Loan, LoanMut};

/// A call slot in the user's hands. One that is forgotten and not dropped is taken for good.
struct Hold<'a> {
    desk: &'a RefCell<Desk>,
    number: u64,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.desk.borrow_mut().let_go(self.number);
    }
}

/// Where a message is written in place.
struct Room<M: Message + ?Sized> {
    bytes: LoanMut,
    /// Of the message, in bytes: at most all of them.
    len: usize,
    message: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> Room<M> {
    fn new(bytes: LoanMut) -> Self {
        Self { len: bytes.len(), bytes, message: PhantomData }
    }

    fn get(&self) -> &M {
        self.bytes.get(..self.len).and_then(M::from_bytes).unwrap_or_else(|| misfit())
    }

    fn get_mut(&mut self) -> &mut M {
        self.bytes.get_mut(..self.len).and_then(M::from_bytes_mut).unwrap_or_else(|| misfit())
    }
}

impl<T: Item> Room<[T]> {
    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len.saturating_mul(size_of::<T>()));
    }
}

/// A request that is being written in place, through [`DerefMut`]. It begins with whatever was there. Dropped, it was nothing; in a forked child
/// it is the parent's.
#[must_use = "a request that is dropped is not sent"]
pub struct RequestDraft<'a, Req: Message + ?Sized, Res: Message + ?Sized> {
    room: Room<Req>,
    hold: Hold<'a>,
    client: &'a Client<Req, Res>,
}

impl<'a, Req: Message + ?Sized, Res: Message + ?Sized> RequestDraft<'a, Req, Res> {
    /// Sends the request, whose answer is waited for later. The time it takes does not depend on the length.
    ///
    /// # Errors
    /// [`CallError::Fault`], [`CallError::Forked`].
    pub fn start(self) -> Result<Pending<'a, Req, Res>, CallError> {
        let Self { room: Room { bytes, len, .. }, hold, client } = self;
        drop(bytes);
        let call = Some(client.desk().post(hold.number, len, client.is_idempotent)?);
        // The call has the slot now.
        std::mem::forget(hold);
        Ok(Pending { call, client })
    }

    /// Sends the request and waits for its answer, to be read in place.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call(self) -> Result<Answer<'a, Res>, CallError> {
        self.start()?.wait_ref()
    }
}

impl<T: Item, Res: Message + ?Sized> RequestDraft<'_, [T], Res> {
    /// Makes the request shorter: its first `len` items. One that is no longer than that stays as it is.
    pub fn truncate(&mut self, len: usize) {
        self.room.truncate(len);
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Deref for RequestDraft<'_, Req, Res> {
    type Target = Req;

    fn deref(&self) -> &Req {
        self.room.get()
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> DerefMut for RequestDraft<'_, Req, Res> {
    fn deref_mut(&mut self) -> &mut Req {
        self.room.get_mut()
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> fmt::Debug for RequestDraft<'_, Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestDraft").field("len_bytes", &self.room.len).finish_non_exhaustive()
    }
}

impl<T: Item, Res: Message + ?Sized> Client<T, Res> {
    /// Lends the room of a request, to be written in place; waits as [`Self::start`] does. It takes one of the calls in flight.
    ///
    /// # Errors
    /// As [`Self::start`]; [`CallError::Untrusted`] where the memory of the channel cannot be lent.
    pub fn reserve(&self) -> Result<RequestDraft<'_, T, Res>, CallError> {
        self.reserve_bytes(size_of::<T>())
    }

    /// [`Self::reserve`], if there is a slot now. Never waits.
    ///
    /// # Errors
    /// As [`Self::reserve`]; [`CallError::Full`] also where a slot is still taken by a call that was given up.
    pub fn try_reserve(&self) -> Result<RequestDraft<'_, T, Res>, CallError> {
        self.try_reserve_bytes(size_of::<T>())
    }
}

impl<T: Item, Res: Message + ?Sized> Client<[T], Res> {
    /// Lends the room of a request of `len` items, to be written in place; waits as [`Self::start`] does. It takes one of the calls in flight.
    ///
    /// # Errors
    /// As [`Self::start`]; [`CallError::Untrusted`] where the memory of the channel cannot be lent.
    pub fn reserve(&self, len: usize) -> Result<RequestDraft<'_, [T], Res>, CallError> {
        self.reserve_bytes(len.saturating_mul(size_of::<T>()))
    }

    /// [`Self::reserve`], if there is a slot now. Never waits.
    ///
    /// # Errors
    /// As [`Self::reserve`]; [`CallError::Full`] also where a slot is still taken by a call that was given up.
    pub fn try_reserve(&self, len: usize) -> Result<RequestDraft<'_, [T], Res>, CallError> {
        self.try_reserve_bytes(len.saturating_mul(size_of::<T>()))
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Client<Req, Res> {
    fn reserve_bytes(&self, len: usize) -> Result<RequestDraft<'_, Req, Res>, CallError> {
        let (number, room) = without_deadline(|| self.desk().reserve(len))?;
        Ok(self.draft(number, room))
    }

    fn try_reserve_bytes(&self, len: usize) -> Result<RequestDraft<'_, Req, Res>, CallError> {
        let (number, room) = self.desk().try_reserve(len)?.ok_or(CallError::Full)?;
        Ok(self.draft(number, room))
    }

    fn draft(&self, number: u64, room: LoanMut) -> RequestDraft<'_, Req, Res> {
        RequestDraft { room: Room::new(room), hold: Hold { desk: &self.desk, number }, client: self }
    }
}

/// An answer that is read in place, through [`Deref`]. Until it is dropped it takes one of its client's calls in flight.
pub struct Answer<'a, Res: Message + ?Sized> {
    loan: Loan,
    _hold: Hold<'a>,
    message: PhantomData<fn() -> Box<Res>>,
}

impl<Res: Message + ?Sized> Deref for Answer<'_, Res> {
    type Target = Res;

    #[inline]
    fn deref(&self) -> &Res {
        Res::from_bytes(&self.loan).unwrap_or_else(|| misfit())
    }
}

impl<Res: Message + ?Sized + fmt::Debug> fmt::Debug for Answer<'_, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&&**self).finish()
    }
}

impl<'a, Req: Message + ?Sized, Res: Message + ?Sized> Pending<'a, Req, Res> {
    /// Waits for the answer, to be read in place.
    ///
    /// # Errors
    /// [`CallError::Untrusted`], at once, where the memory of the channel cannot be lent: the call is given up; else as [`Client::call`].
    pub fn wait_ref(mut self) -> Result<Answer<'a, Res>, CallError> {
        without_deadline(|| self.wait_ref_until(None))
    }

    /// [`Self::wait_ref`], for `timeout` at the most. When the time has run out the call goes on, and can be waited for again.
    ///
    /// # Errors
    /// As [`Self::wait_timeout`]; [`CallError::Untrusted`], at once, where the memory of the channel cannot be lent: the call goes on.
    pub fn wait_ref_timeout(&mut self, timeout: Duration) -> Result<Answer<'a, Res>, CallTimeoutError> {
        self.wait_ref_until(Some(timeout))
    }

    /// The answer, to be read in place, if it is there. Never waits, as [`Self::try_wait`].
    ///
    /// # Errors
    /// As [`Self::try_wait`]; [`CallError::Untrusted`] as for [`Self::wait_ref_timeout`].
    pub fn try_wait_ref(&mut self) -> Result<Answer<'a, Res>, TryWaitError> {
        self.can_lend()?;
        let lent = self.client.try_finish_by(&mut self.call, lend::<Res>)?;
        Ok(self.answer(lent))
    }

    fn wait_ref_until(&mut self, timeout: Option<Duration>) -> Result<Answer<'a, Res>, CallTimeoutError> {
        self.can_lend()?;
        let lent = self.wait_until(timeout, lend::<Res>)?;
        Ok(self.answer(lent))
    }

    fn can_lend(&self) -> Result<(), CallError> {
        if self.client.desk().hub().trust().is_some() { Ok(()) } else { Err(CallError::Untrusted) }
    }

    fn answer(&self, (number, loan): (u64, Loan)) -> Answer<'a, Res> {
        Answer { loan, _hold: Hold { desk: &self.client.desk, number }, message: PhantomData }
    }
}

/// The answer in its slot, which stays taken.
fn lend<Res: Message + ?Sized>(desk: &mut Desk, answered: Answered) -> Result<(u64, Loan), CallError> {
    let (number, loan) = desk.lend(answered)?;
    if Res::from_bytes(&loan).is_some() {
        return Ok((number, loan));
    }
    desk.let_go(number);
    Err(desk.misfit(answered))
}

/// An answer that is being written in place, through [`DerefMut`]. It begins with whatever was there.
///
/// Dropped unsent, it tells the caller so ([`CallError::Dropped`]).
#[must_use = "an answer that is dropped is not sent"]
pub struct AnswerDraft<'a, Req: Message + ?Sized, Res: Message + ?Sized> {
    room: Room<Res>,
    request: Request<'a, Req, Res>,
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> AnswerDraft<'_, Req, Res> {
    /// The request that it answers.
    #[must_use]
    pub fn request(&self) -> &Req {
        &self.request
    }

    /// The request and the room for its answer, side by side.
    pub fn parts(&mut self) -> (&Req, &mut Res) {
        (&self.request, self.room.get_mut())
    }

    /// Answers the request, as [`Request::answer`]. The time it takes does not depend on the length.
    ///
    /// # Errors
    /// [`AnswerError::Forked`].
    pub fn send(self) -> Result<(), AnswerError> {
        let Self { room: Room { bytes, len, .. }, request } = self;
        drop(bytes);
        request.answer_in_place(len)
    }
}

impl<Req: Message + ?Sized, T: Item> AnswerDraft<'_, Req, [T]> {
    /// Makes the answer shorter: its first `len` items. One that is no longer than that stays as it is.
    pub fn truncate(&mut self, len: usize) {
        self.room.truncate(len);
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Deref for AnswerDraft<'_, Req, Res> {
    type Target = Res;

    fn deref(&self) -> &Res {
        self.room.get()
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> DerefMut for AnswerDraft<'_, Req, Res> {
    fn deref_mut(&mut self) -> &mut Res {
        self.room.get_mut()
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> fmt::Debug for AnswerDraft<'_, Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerDraft").field("len_bytes", &self.room.len).finish_non_exhaustive()
    }
}

impl<'a, Req: Message + ?Sized, T: Item> Request<'a, Req, T> {
    /// Lends the room of the answer, to be written in place.
    ///
    /// # Errors
    /// [`AnswerError::Untrusted`] where the memory of the channel cannot be lent, and the caller is told that its request was dropped;
    /// [`AnswerError::Forked`].
    pub fn reserve(self) -> Result<AnswerDraft<'a, Req, T>, AnswerError> {
        self.reserve_bytes(size_of::<T>())
    }
}

impl<'a, Req: Message + ?Sized, T: Item> Request<'a, Req, [T]> {
    /// Lends the room of an answer of `len` items, to be written in place.
    ///
    /// # Errors
    /// [`AnswerError::TooLarge`], and [`AnswerError::Untrusted`] where the memory of the channel cannot be lent, and the caller is told that
    /// its request was dropped; [`AnswerError::Forked`].
    pub fn reserve(self, len: usize) -> Result<AnswerDraft<'a, Req, [T]>, AnswerError> {
        self.reserve_bytes(len.saturating_mul(size_of::<T>()))
    }
}

impl<'a, Req: Message + ?Sized, Res: Message + ?Sized> Request<'a, Req, Res> {
    fn reserve_bytes(self, len: usize) -> Result<AnswerDraft<'a, Req, Res>, AnswerError> {
        let room = self.answer_room(len)?;
        Ok(AnswerDraft { room: Room::new(room), request: self })
    }
}

/// Not reached: what is lent was made, or checked, to be as long as its message, and messages are as aligned as their slots.
#[cold]
fn misfit() -> ! {
    unreachable!("what is lent is as long and as aligned as its message")
}
