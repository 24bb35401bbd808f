//! A receiver that is killed, or stopped; its sender survives.

use super::ends::{Tx, Whole, options, passes, serves_again};
use super::{Before, Ending, NAME, Plan, Survivor, mode, not_whole};
use crate::crash::scratch::TORN;
use crate::crash::sleeper::{Sleeper, in_time};
use crate::crash::stage::{At, How, Spot, Stage};
use crate::crash::{Case, Found};
use crate::step::Tracee;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::{Cause, PeerState, SendError, TrySendError};

/// The survivor of a victim that receives.
enum Sending {
    Here(Box<dyn Tx>),
    Asleep(Sleeper<dyn Tx, Result<(), SendError>>),
    Gone,
}

/// A receiver that is killed.
pub struct ReceiverDies {
    plan: Plan,
    spot: Spot,
    survivor: Sending,
    /// Messages sent in all, and taken before the operation.
    sent: u64,
    before: u64,
}

impl ReceiverDies {
    /// In a world of its own.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self { spot: Spot::new(plan.at), survivor: Sending::Gone, sent: 0, before: 0, plan }
    }

    fn is_leaving(&self) -> bool {
        self.plan.part == "leave-receiver"
    }

    fn descriptor(&self) -> Option<OwnedFd> {
        match (&self.survivor, &self.spot) {
            (Sending::Here(tx), Spot::Memory) => tx.fd(),
            _ => None,
        }
    }

    fn place(&self) -> At {
        self.descriptor().map_or_else(|| At::Place(self.spot.place()), At::Fd)
    }

    /// Sends until the channel is full, or says that nobody is there.
    fn fill(&mut self) -> Result<(Ending, Duration), String> {
        let mut longest = Duration::ZERO;
        if let Sending::Asleep(_) = &self.survivor {
            let Sending::Asleep(sleeper) = std::mem::replace(&mut self.survivor, Sending::Gone) else {
                return Err("nobody".into());
            };
            let (tx, said, waited) = sleeper.join(Instant::now())?;
            longest = in_time("a sender that slept", waited)?;
            self.survivor = Sending::Here(tx);
            match said {
                Ok(()) => self.sent += 1,
                Err(SendError::Disconnected(cause)) => return Ok((Ending::Gone(cause), longest)),
                Err(error) => return Err(format!("send message {}: {error}", self.sent)),
            }
        }
        let Sending::Here(tx) = &mut self.survivor else { return Ok((Ending::Open, longest)) };
        let call = Instant::now();
        loop {
            match tx.try_send(self.sent) {
                Ok(()) => self.sent += 1,
                Err(TrySendError::Failed(SendError::Disconnected(cause))) => {
                    return Ok((Ending::Gone(cause), longest.max(in_time("a sender", call.elapsed())?)));
                }
                Err(TrySendError::Full) => {
                    let is_told = self.plan.is_restartable || tx.peer() != PeerState::Died;
                    if is_told {
                        return Ok((Ending::Open, longest));
                    }
                    in_time("a sender", call.elapsed())?;
                }
                Err(TrySendError::Failed(error)) => return Err(format!("send message {}: {error}", self.sent)),
            }
        }
    }

    /// The numbers that the victim wrote down: those of the operation, from the first, each whole.
    fn logged(&self, stage: &Stage) -> Result<u64, String> {
        let logged = stage.scratch.logged();
        let log = logged.get(1..).unwrap_or_default();
        for (number, &found) in (self.before..).zip(log) {
            if found == TORN {
                return Err(format!("message {number} was not what was sent under this number when it was received"));
            }
            if found != number {
                return Err(format!("message {found} was received instead of {number}"));
            }
        }
        Ok(log.len() as u64)
    }

    fn may_go_on_at(&self, stage: &Stage) -> Result<(u64, u64), String> {
        let logged = self.logged(stage)?;
        let returned = self.before + stage.scratch.done();
        if self.is_leaving() {
            return Ok((self.before, self.before));
        }
        // What one call of the operation takes.
        let at_once = if self.plan.part.contains("batch") { self.plan.count } else { 1 };
        let is_lent = self.plan.part.contains("lent");
        Ok(if is_lent {
            ((self.before + logged).saturating_sub(at_once).max(returned), self.before + logged)
        } else {
            (self.before + logged, (self.before + logged + at_once).min(self.before + self.plan.count))
        })
    }

    /// What a successor receives: from where on, and that it is all of the rest.
    fn succeed(&mut self, from: (u64, u64)) -> Result<u64, String> {
        let options = options(self.plan.is_restartable);
        let successor = self.plan.kind.receiver(self.place(), How::Open, &options);
        let mut went_on_at = 0;
        match (successor, self.plan.is_restartable) {
            (Ok(mut rx), true) => {
                let mut number = rx.received();
                went_on_at = number;
                if number < from.0 || number > from.1 {
                    return Err(format!("the successor goes on at {number}, not at {} to {}", from.0, from.1));
                }
                while number < self.sent {
                    match rx.try_recv(number) {
                        Ok(Whole(true)) => number += 1,
                        Ok(Whole(false)) => return Err(not_whole(number)),
                        Err(error) => return Err(format!("receive message {number} of {}: {error}", self.sent)),
                    }
                }
                if let Sending::Here(tx) = &mut self.survivor {
                    passes(&mut **tx, &mut *rx, 70).map_err(|why| format!("with a successor: {why}"))?;
                }
            }
            (Err(error), false) if error.kind() == ErrorKind::Closed => {}
            (Ok(_), false) => return Err("a pipe-like channel took a second receiver".into()),
            // Nobody held it: then it is gone, or the attempt has removed it.
            (Err(error), _) if matches!(self.survivor, Sending::Gone) && error.kind() == ErrorKind::NotFound => {}
            (Err(error), _) => return Err(format!("a successor cannot attach: {error}")),
        }
        let was_here = !matches!(self.survivor, Sending::Gone);
        self.survivor = Sending::Gone;
        if was_here {
            self.spot.must_be_empty()?;
        }
        serves_again(&self.spot, self.plan.kind, self.plan.is_restartable)?;
        Ok(went_on_at)
    }

    fn judge(&self, ending: Ending, done: u64, is_dead: bool) -> Result<(), String> {
        if self.is_leaving() && done > 0 && ending == Ending::Gone(Cause::Died) {
            return Err("it had left in good order, and is said to have died".into());
        }
        let may_be = match (self.plan.is_restartable, is_dead) {
            (true, _) => ending == Ending::Open,
            (false, true) => {
                ending == Ending::Gone(Cause::Died) || ending == Ending::Gone(Cause::Left) && self.is_leaving()
            }
            (false, false) => ending == Ending::Gone(Cause::Left),
        };
        if may_be { Ok(()) } else { Err(format!("the sender is told {ending:?}")) }
    }
}

impl Case for ReceiverDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let plan = self.plan;
        let options = options(plan.is_restartable);
        let mut tx = (plan.kind.sender(At::Place(self.spot.place()), How::Create, &options))
            .map_err(|e| format!("create: {e}"))?;
        let (sent, taken, more) = match plan.before {
            Before::Sent(sent, taken) => (sent, taken, 0),
            Before::Around(sent, taken, more) => (sent, taken, more),
            Before::Full => (u64::MAX, 0, 0),
        };
        if plan.part.contains("batch") {
            tx.prepare(0, sent);
            tx.send_batch().map_err(|e| format!("send a batch: {e}"))?;
            self.sent = sent;
        }
        while self.sent < sent && tx.try_send(self.sent).is_ok() {
            self.sent += 1;
        }
        self.before = taken;
        self.survivor = Sending::Here(tx);
        let arguments = [
            NAME,
            plan.part,
            plan.kind.word(),
            &self.spot.word(),
            mode(plan.is_restartable),
            &taken.to_string(),
            &plan.count.to_string(),
        ]
        .map(str::to_owned);
        let tracee = stage.start(&arguments, self.descriptor().as_ref())?;
        if let Sending::Here(tx) = &mut self.survivor {
            for _ in 0..more {
                tx.try_send(self.sent).map_err(|e| format!("send message {}: {e}", self.sent))?;
                self.sent += 1;
            }
        }
        match plan.survivor {
            Survivor::Awake | Survivor::Idle => {}
            Survivor::Gone => self.survivor = Sending::Gone,
            Survivor::Asleep => {
                let Sending::Here(tx) = std::mem::replace(&mut self.survivor, Sending::Gone) else {
                    return Err("nobody".into());
                };
                let number = self.sent;
                self.survivor = Sending::Asleep(Sleeper::new(tx, move |tx| tx.send(number))?);
            }
        }
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        let Sending::Here(tx) = &mut self.survivor else { return false };
        let is_wanted = self.plan.survivor == Survivor::Awake && self.sent < self.plan.count;
        if is_wanted && tx.try_send(self.sent).is_ok() {
            self.sent += 1;
            return true;
        }
        false
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        let from = self.may_go_on_at(stage)?;
        let (ending, waited) = match &mut self.survivor {
            // What is full is not read on: the call that waits, once in a while.
            Sending::Here(tx) if stage.is_patient.get() && !self.plan.is_restartable => {
                while tx.try_send(self.sent).is_ok() {
                    self.sent += 1;
                }
                let call = Instant::now();
                match tx.send(self.sent) {
                    Err(SendError::Disconnected(cause)) => (Ending::Gone(cause), in_time("a sender", call.elapsed())?),
                    other => return Err(format!("send to a dead receiver: {other:?}")),
                }
            }
            Sending::Gone => {
                self.succeed(from)?;
                return Ok(Found::default());
            }
            _ => self.fill()?,
        };
        let ending = if ending == Ending::Open && !self.plan.is_restartable { self.fill()?.0 } else { ending };
        self.judge(ending, stage.scratch.done(), true)?;
        let progress = self.succeed(from)?;
        Ok(Found { progress: self.plan.is_restartable.then_some(progress), waited })
    }

    fn stopped(&mut self, stage: &Stage) -> Result<(), String> {
        let Sending::Here(tx) = &mut self.survivor else { return Ok(()) };
        let state = tx.peer();
        let is_leaving = self.is_leaving() && state == PeerState::Left;
        if state != PeerState::Attached && !is_leaving {
            return Err(format!("a receiver that is stopped is said to be {state:?}"));
        }
        self.logged(stage)?;
        if self.is_leaving() {
            return Ok(());
        }
        match self.plan.kind.receiver(self.place(), How::Open, &options(self.plan.is_restartable)) {
            Err(error) if error.kind() == ErrorKind::Busy => {}
            Err(error) => return Err(format!("the end of a receiver that is stopped is not busy: {error}")),
            Ok(_) => return Err("the end of a receiver that is stopped was taken".into()),
        }
        // Whatever is free is written; what it has been lent is not.
        match self.fill()? {
            (Ending::Open, _) => Ok(()),
            (ending, _) => Err(format!("the receiver is stopped, and the sender is told {ending:?}")),
        }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        if let Some(error) = stage.scratch.error() {
            return Err(format!("after it went on, its operation failed with error {error}"));
        }
        let logged = self.logged(stage)?;
        let expected = match self.plan.part {
            "leave-receiver" => 0,
            // What was sent while it was stopped is lent with the rest.
            "batch-lent" => self.plan.count.max(stage.scratch.done()),
            _ => self.plan.count,
        };
        if logged != expected {
            return Err(format!("{logged} messages were received, not {expected}"));
        }
        let from = (self.before + expected, self.before + expected);
        if let Sending::Gone = self.survivor {
            self.succeed(from)?;
            return Ok(Found::default());
        }
        let (ending, waited) = self.fill()?;
        let ending = if ending == Ending::Open && !self.plan.is_restartable { self.fill()?.0 } else { ending };
        self.judge(ending, stage.scratch.done(), false)?;
        self.succeed(from)?;
        Ok(Found { progress: None, waited })
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        match &mut self.survivor {
            Sending::Asleep(sleeper) => Some(sleeper.returned(patience)),
            _ => None,
        }
    }
}
