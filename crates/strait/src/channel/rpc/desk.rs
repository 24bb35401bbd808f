//! What a client works at: its row of call slots and its seat. Knows bytes, not messages.
//!
//! 1. A look at a call that is not over is followed, when time has passed and before each sleep, by a look at who should answer it
//!    ([`Desk::judge`]). So a server's death is known within a slice, and at once where somebody else has found it.
//! 2. Whatever the judgement, it is carried out by an exchange of the very word that it was made on. If that fails there is something
//!    new, most likely an answer, and that counts.

use crate::channel::hub::{End, Hub};
use crate::channel::rpc::error::{CallError, CallTimeoutError};
use crate::channel::rpc::setup::{ANSWERS, CLIENTS_AT, REQUESTS, SERVER, WORD_SEATS, claimant, shape_of_hub};
use crate::error::Result;
use crate::ring::PeerFault;
use crate::ring::rpc::{Caller, Claimant, GENERATION_MASK, Seen};
use crate::wait::eventcount::Wake;
use crate::wait::turn::{Step, Turn};
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Instant;
use strait_mem::{Loan, LoanMut, Shared as _, SharedRmw as _, ViewMut};

/// The most pauses before a caller looks for its answer, 10 to 50 ns each.
const PAUSES_MAX: u32 = 12;
/// After so many first looks that found the answer, the next comes a pause earlier.
const HITS_PER_PAUSE: u32 = 8;
/// How often a request that may be done twice is offered again because its server died.
const REPEATS_MAX: u32 = 3;

/// One client.
#[derive(Debug)]
pub(super) struct Desk {
    caller: Caller<ViewMut>,
    moment: Moment,
    shared: ViewMut,
    hub: Hub,
}

/// How long a caller leaves the cache line of its call alone. One that looks while the server is at it takes the line away, and the server
/// must have it back to answer: that costs more than a look that comes a little late.
#[derive(Debug)]
struct Moment {
    pauses: u32,
    /// First looks in a row that found the answer.
    hits: u32,
}

impl Moment {
    #[inline(always)]
    fn pass(&self) {
        for _ in 0..self.pauses {
            std::hint::spin_loop();
        }
    }

    /// Learns whether the first look after it found the answer.
    #[inline(always)]
    fn learn(&mut self, is_hit: bool) {
        if !is_hit {
            (self.pauses, self.hits) = ((self.pauses + 1).min(PAUSES_MAX), 0);
            return;
        }
        self.hits += 1;
        if self.hits >= HITS_PER_PAUSE {
            (self.pauses, self.hits) = (self.pauses.saturating_sub(1), 0);
        }
    }
}

/// A call that is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    number: u64,
    repeats_left: u32,
}

/// A call that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    number: u64,
    pub(super) len_bytes: u32,
}

/// How it stands with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// There may be an answer.
    Open,
    /// The server that was at it is dead.
    Orphaned(Claimant),
    /// There is something to be told.
    Over,
}

impl Desk {
    pub(super) fn new(hub: Hub) -> Result<Self> {
        let shape = shape_of_hub(&hub)?;
        let (seat, _) = hub.seat();
        let start = hub.body().start + u64::from(seat) * shape.row_bytes();
        let row = hub.region().view_mut(start..start + shape.row_bytes())?;
        let caller = Caller::attach(shape, row, claimant(&hub));
        let shared = hub.shared()?;
        // Release, RPC-COMES: before the first call.
        shared.fetch_or_u64(word_of(seat), bit_of(seat), AcqRel);
        Ok(Self { caller, moment: Moment { pauses: 0, hits: 0 }, shared, hub })
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(super) fn hub_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }

    pub(super) fn caller(&self) -> &Caller<ViewMut> {
        &self.caller
    }

    /// Makes a call if a slot is free.
    #[inline(always)]
    pub(super) fn try_start(&mut self, request: &[u8], is_idempotent: bool) -> Result<Option<Call>, CallError> {
        let Some(number) = self.free(request.len())? else { return Ok(None) };
        self.caller.post(number, request);
        Ok(Some(self.posted(number, is_idempotent)))
    }

    /// Makes a call; waits for a slot that a call which was given up still takes.
    #[inline(always)]
    pub(super) fn start(
        &mut self,
        request: &[u8],
        is_idempotent: bool,
        deadline: Option<Instant>,
    ) -> Result<Call, CallTimeoutError> {
        match self.try_start(request, is_idempotent)? {
            Some(call) => Ok(call),
            None => self.later(deadline, |desk| desk.try_start(request, is_idempotent)),
        }
    }

    /// The number of the next call, whose request is so long; none while no slot is free.
    #[inline(always)]
    fn free(&mut self, len: usize) -> Result<Option<u64>, CallError> {
        self.hub.check().map_err(call_error)?;
        let max = self.caller.shape().request_max();
        if len > max as usize {
            return Err(CallError::TooLarge { len_bytes: len as u64, max_bytes: u64::from(max) });
        }
        Ok(self.caller.free().or_else(|| self.collect_one()))
    }

    #[inline(always)]
    fn posted(&mut self, number: u64, is_idempotent: bool) -> Call {
        self.hub.after_action(REQUESTS, Wake::ONE);
        Call { number, repeats_left: if is_idempotent { REPEATS_MAX } else { 0 } }
    }

    /// Lends the room of a request of so many bytes, if a slot is free: until [`Self::post`] or [`Self::let_go`].
    pub(super) fn try_reserve(&mut self, len: usize) -> Result<Option<(u64, LoanMut)>, CallError> {
        let trust = self.hub.trust().ok_or(CallError::Untrusted)?;
        let Some(number) = self.free(len)? else { return Ok(None) };
        let part = self.caller.request(number, len);
        let room = self.caller.row().lend_mut(part, trust).ok_or(CallError::Untrusted)?;
        self.caller.reserve(number);
        Ok(Some((number, room)))
    }

    /// The same; waits for a slot, as [`Self::start`].
    pub(super) fn reserve(&mut self, len: usize) -> Result<(u64, LoanMut), CallTimeoutError> {
        match self.try_reserve(len)? {
            Some(reserved) => Ok(reserved),
            None => self.later(None, |desk| desk.try_reserve(len)),
        }
    }

    /// Makes a call of a request that lies where it was lent; at most as long as it was reserved.
    pub(super) fn post(&mut self, number: u64, len: usize, is_idempotent: bool) -> Result<Call, CallError> {
        self.hub.check().map_err(call_error)?;
        // At most what the shape says, 2^30.
        self.caller.publish(number, len as u32);
        Ok(self.posted(number, is_idempotent))
    }

    /// Lends an answer, which is one: until [`Self::let_go`].
    pub(super) fn lend(&mut self, answered: Answered) -> Result<(u64, Loan), CallError> {
        let Answered { number, len_bytes } = answered;
        let part = self.caller.answer(number, len_bytes as usize);
        let Some(loan) = self.hub.trust().and_then(|trust| self.caller.row().lend(part, trust)) else {
            self.caller.finish(number);
            return Err(CallError::Untrusted);
        };
        self.caller.keep(number);
        Ok((number, loan))
    }

    /// What was reserved or lent is in nobody's hands any more.
    pub(super) fn let_go(&mut self, number: u64) {
        self.caller.let_go(number);
    }

    /// Tries again until there is a slot, or none that will ever be free.
    #[cold]
    #[inline(never)]
    fn later<V>(
        &mut self,
        deadline: Option<Instant>,
        attempt: impl Fn(&mut Self) -> Result<Option<V>, CallError>,
    ) -> Result<V, CallTimeoutError> {
        let mut turn = Turn::eager(deadline);
        loop {
            let step = self.hub.step(&mut turn, ANSWERS, 0);
            if step != Step::Again {
                self.look_for_dead();
            }
            let outcome = match attempt(self) {
                Ok(Some(made)) => Ok(made),
                Err(error) => Err(error.into()),
                Ok(None) if !self.caller.leaves_any_alone() => Err(CallError::Full.into()),
                Ok(None) if step == Step::TimedOut => Err(CallTimeoutError::TimedOut),
                Ok(None) => continue,
            };
            self.hub.end_turn(turn, ANSWERS, true);
            return outcome;
        }
    }

    #[cold]
    #[inline(never)]
    fn collect_one(&mut self) -> Option<u64> {
        let Self { caller, hub, .. } = self;
        caller.collect(|by| hub.is_known_gone(by.seat, by.generation, GENERATION_MASK));
        caller.free()
    }

    /// Waits until a call is over.
    #[inline(always)]
    pub(super) fn wait(&mut self, call: &mut Call, deadline: Option<Instant>) -> Result<Answered, CallTimeoutError> {
        let looks = self.hub.first_looks();
        if looks > 0 && !self.caller.is_over(call.number) {
            self.moment.pass();
            let mut misses = 0;
            while misses < looks && !self.caller.is_over(call.number) {
                misses += 1;
                std::hint::spin_loop();
            }
            self.moment.learn(misses == 0);
        }
        match self.look(call)? {
            Ok(answered) => Ok(answered),
            Err(_) => self.wait_on(call, deadline),
        }
    }

    #[inline(never)]
    fn wait_on(&mut self, call: &mut Call, deadline: Option<Instant>) -> Result<Answered, CallTimeoutError> {
        let mut turn = Turn::eager(deadline);
        loop {
            let step = self.hub.step(&mut turn, ANSWERS, 0);
            if step != Step::Again {
                // Before the answer is looked for: who had to find it without being rung for may have lost its server, and the next
                // call must not wait as long to learn of it.
                self.look_for_dead();
            }
            let outcome = match self.look(call) {
                Ok(Ok(answered)) => Ok(answered),
                Err(error) => Err(error.into()),
                Ok(Err(_)) if step == Step::Again && !turn.is_announced() => continue,
                Ok(Err(seen)) => match self.judge(call, seen) {
                    Err(error) => Err(error.into()),
                    Ok(()) if step == Step::TimedOut => Err(CallTimeoutError::TimedOut),
                    Ok(()) => continue,
                },
            };
            self.hub.end_turn(turn, ANSWERS, true);
            return outcome;
        }
    }

    /// What there is of a call now, and whether there can be more.
    pub(super) fn try_wait(&mut self, call: &mut Call) -> Result<Option<Answered>, CallError> {
        if let Ok(answered) = self.look(call)? {
            return Ok(Some(answered));
        }
        if self.hub.is_time_to_look() {
            self.hub.look_for_dead(|_, _| {});
        }
        match self.look(call)? {
            Ok(answered) => Ok(Some(answered)),
            Err(seen) => self.judge(call, seen).map(|()| None),
        }
    }

    /// A call's answer, or what else is known of it. Once it is an error the call is over.
    #[inline(always)]
    fn look(&mut self, call: &Call) -> Result<Result<Answered, Seen>, CallError> {
        self.hub.check().map_err(call_error)?;
        match self.caller.look(call.number) {
            Ok(Seen::Done(len_bytes)) => Ok(Ok(Answered { number: call.number, len_bytes })),
            Ok(seen @ (Seen::Ready | Seen::Serving(_))) => Ok(Err(seen)),
            other => Err(self.unanswered(call, other)),
        }
    }

    #[cold]
    fn unanswered(&mut self, call: &Call, seen: Result<Seen, PeerFault>) -> CallError {
        self.caller.finish(call.number);
        match seen {
            Ok(Seen::Failed(code)) => CallError::Failed(code),
            Ok(_) => CallError::Dropped,
            Err(fault) => call_error(self.hub.close(fault)),
        }
    }

    /// Copies an answer out, and frees the slot.
    #[inline(always)]
    pub(super) fn read(&mut self, answered: Answered, into: &mut [u8]) {
        self.caller.read(answered.number, into);
        self.caller.finish(answered.number);
    }

    /// An answer whose length is not that of its type.
    #[cold]
    pub(super) fn misfit(&mut self, answered: Answered) -> CallError {
        self.caller.finish(answered.number);
        let found = u64::from(answered.len_bytes);
        call_error(self.hub.close(PeerFault { what: "answer length for its type", offset: 0, found }))
    }

    /// Gives a call up. In a forked child there is nothing to give up: the calls are its parent's.
    pub(super) fn give_up(&mut self, call: &Call) {
        if self.hub.is_own() {
            self.caller.give_up(call.number);
        }
    }

    /// Whether a call is over, or will never be answered. One that may be done again is offered again where its server has died.
    pub(super) fn is_over(&mut self, call: &mut Call) -> bool {
        // At most as often as a call is repeated, and once more to see what came of it.
        for _ in 0..=REPEATS_MAX {
            match self.stand_of(call.number) {
                Stand::Orphaned(by) if call.repeats_left > 0 => {
                    // With repeats left it is no error.
                    let _ = self.after_death(call, by);
                }
                stand => return stand != Stand::Open,
            }
        }
        false
    }

    /// Whether any call that is awaited is over, or, where none is, one can be made.
    pub(super) fn is_any_over(&mut self) -> bool {
        if self.hub.check().is_err() {
            return true;
        }
        if self.caller.in_flight() == 0 {
            return self.caller.free().or_else(|| self.collect_one()).is_some();
        }
        let slots = self.caller.shape().in_flight();
        let is_over = |slot| self.caller.awaited_at(slot).is_some_and(|number| self.stand_of(number) != Stand::Open);
        (0..slots).any(is_over)
    }

    fn stand_of(&mut self, number: u64) -> Stand {
        if self.hub.check().is_err() {
            return Stand::Over;
        }
        match self.caller.look(number) {
            Ok(Seen::Serving(by)) if self.hub.is_known_gone(by.seat, by.generation, GENERATION_MASK) => {
                Stand::Orphaned(by)
            }
            Ok(Seen::Ready) if self.hub.is_role_gone(SERVER).is_some() => Stand::Over,
            Ok(Seen::Ready | Seen::Serving(_)) => Stand::Open,
            _ => Stand::Over,
        }
    }

    pub(super) fn look_for_dead(&mut self) {
        // What the dead were at is judged by who waits for it.
        self.hub.look_for_dead(|_, _| {});
    }

    /// Whether there is still somebody to answer (rule 1).
    fn judge(&mut self, call: &mut Call, seen: Seen) -> Result<(), CallError> {
        match seen {
            Seen::Serving(by) if self.hub.is_known_gone(by.seat, by.generation, GENERATION_MASK) => {
                self.after_death(call, by)
            }
            Seen::Ready => match self.hub.all_gone(SERVER) {
                Some(cause) if self.caller.withdraw(call.number) => Err(CallError::Disconnected(cause)),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn after_death(&mut self, call: &mut Call, server: Claimant) -> Result<(), CallError> {
        if call.repeats_left > 0 {
            if self.caller.repeat(call.number, server) {
                call.repeats_left -= 1;
                self.hub.after_action(REQUESTS, Wake::ONE);
            }
            return Ok(());
        }
        // Rule 2.
        if self.caller.take_back(call.number, server) { Err(CallError::ServerDied) } else { Ok(()) }
    }

    /// Leaves, with nothing in flight that anybody will still begin with.
    pub(super) fn leave(&mut self) {
        if !self.hub.is_own() {
            return;
        }
        self.caller.give_all_up();
        let (seat, _) = self.hub.seat();
        // RPC-COMES: the next owner of the seat sets it again, after us.
        self.shared.fetch_and_u64(word_of(seat), !bit_of(seat), AcqRel);
        self.hub.leave(|| false);
    }
}

fn word_of(seat: u32) -> usize {
    CLIENTS_AT + (seat / WORD_SEATS) as usize * 8
}

fn bit_of(seat: u32) -> u64 {
    1 << (seat % WORD_SEATS)
}

/// Which of the rows of a word are in use.
#[inline(always)]
pub(super) fn used(shared: &ViewMut, word: u32) -> u64 {
    // Acquire, pairs with RPC-COMES.
    shared.load_u64(CLIENTS_AT + word as usize * 8, Acquire)
}

fn call_error(end: End) -> CallError {
    match end {
        End::Fault(fault) => CallError::Fault(fault),
        End::Forked => CallError::Forked,
    }
}
