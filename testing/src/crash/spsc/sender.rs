//! A sender that is killed, or stopped; its receiver survives.

use super::ends::{Rx, Whole, options, passes, serves_again};
use super::{Before, Ending, NAME, Plan, Survivor, mode, not_whole};
use crate::crash::sleeper::{Sleeper, in_time};
use crate::crash::stage::{At, How, Spot, Stage};
use crate::crash::{Case, Found, PROMISE, SLACK};
use crate::step::Tracee;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::{Cause, PeerState, RecvError, TryRecvError};

/// The survivor of a victim that sends.
enum Receiving {
    Here(Box<dyn Rx>),
    Asleep(Sleeper<dyn Rx, Result<Whole, RecvError>>),
    Gone,
}

/// A sender that is killed.
pub struct SenderDies {
    plan: Plan,
    spot: Spot,
    survivor: Receiving,
    /// Messages before the operation, and of all how many were taken.
    before: u64,
    taken: u64,
    has_left: bool,
}

impl SenderDies {
    /// In a world of its own.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            spot: Spot::new(plan.at),
            survivor: Receiving::Gone,
            before: 0,
            taken: 0,
            has_left: plan.part == "leave-sender",
            plan,
        }
    }

    fn take(&mut self, count: u64) -> Result<(), String> {
        let Receiving::Here(rx) = &mut self.survivor else { return Err("nobody is there to take".into()) };
        for _ in 0..count {
            match rx.try_recv(self.taken) {
                Ok(Whole(true)) => self.taken += 1,
                other => return Err(format!("take message {}: {other:?}", self.taken)),
            }
        }
        Ok(())
    }

    /// All that there is, and how it ends. `Open`: the other side is alive, or may come back.
    fn drain(&mut self, is_patient: bool) -> Result<(Ending, Duration), String> {
        let mut longest = Duration::ZERO;
        if let Receiving::Asleep(_) = &self.survivor {
            let Receiving::Asleep(sleeper) = std::mem::replace(&mut self.survivor, Receiving::Gone) else {
                return Err("nobody".into());
            };
            let (rx, said, waited) = sleeper.join(Instant::now())?;
            longest = in_time("a receiver that slept", waited)?;
            self.survivor = Receiving::Here(rx);
            match said {
                Ok(Whole(true)) => self.taken += 1,
                Ok(Whole(false)) => return Err(not_whole(self.taken)),
                Err(RecvError::Disconnected(cause)) => return Ok((Ending::Gone(cause), longest)),
                Err(error) => return Err(format!("receive message {}: {error}", self.taken)),
            }
        }
        let Receiving::Here(rx) = &mut self.survivor else { return Ok((Ending::Open, longest)) };
        loop {
            let call = Instant::now();
            let answer = loop {
                let answer = if is_patient && !self.plan.is_restartable {
                    rx.recv(self.taken).map_err(TryRecvError::Failed)
                } else {
                    rx.try_recv(self.taken)
                };
                // One who only tries looks whether the other side lives every 10 ms.
                let looks_again = answer == Err(TryRecvError::Empty) && !self.plan.is_restartable;
                if !(looks_again && rx.peer() == PeerState::Died && call.elapsed() < PROMISE + SLACK) {
                    break answer;
                }
            };
            longest = longest.max(in_time("a receiver", call.elapsed())?);
            match answer {
                Ok(Whole(true)) => self.taken += 1,
                Ok(Whole(false)) => return Err(not_whole(self.taken)),
                Err(TryRecvError::Empty) => return Ok((Ending::Open, longest)),
                Err(TryRecvError::Failed(RecvError::Disconnected(cause))) => {
                    return Ok((Ending::Gone(cause), longest));
                }
                Err(TryRecvError::Failed(error)) => return Err(format!("receive message {}: {error}", self.taken)),
            }
        }
    }

    fn place(&self, fd: Option<OwnedFd>) -> At {
        fd.map_or_else(|| At::Place(self.spot.place()), At::Fd)
    }

    fn descriptor(&self) -> Option<OwnedFd> {
        match (&self.survivor, &self.spot) {
            (Receiving::Here(rx), Spot::Memory) => rx.fd(),
            _ => None,
        }
    }

    /// What a successor meets, and what is left when all are gone.
    fn succeed(&mut self) -> Result<(), String> {
        let options = options(self.plan.is_restartable);
        if let Receiving::Here(_) = self.survivor {
            let successor = self.plan.kind.sender(self.place(self.descriptor()), How::Open, &options);
            match (successor, self.plan.is_restartable) {
                (Ok(mut tx), true) => {
                    if tx.sent() != self.taken {
                        return Err(format!("the successor goes on at {}, {} were received", tx.sent(), self.taken));
                    }
                    let Receiving::Here(rx) = &mut self.survivor else { return Ok(()) };
                    // More than fit, so that all of the ring is written anew.
                    passes(&mut *tx, &mut **rx, 70).map_err(|why| format!("with a successor: {why}"))?;
                }
                (Err(error), false) if error.kind() == ErrorKind::Closed => {}
                (Ok(_), false) => return Err("a pipe-like channel took a second sender".into()),
                (Err(error), _) => return Err(format!("a successor cannot attach: {error}")),
            }
        }
        let was_here = !matches!(self.survivor, Receiving::Gone);
        self.survivor = Receiving::Gone;
        if was_here {
            self.spot.must_be_empty()?;
        }
        self.kept()?;
        serves_again(&self.spot, self.plan.kind, self.plan.is_restartable)
    }

    /// What nobody has received of a restartable channel waits for the next receiver.
    fn kept(&mut self) -> Result<(), String> {
        let waiting = self.before - self.taken.min(self.before);
        if self.plan.survivor != Survivor::Gone || !self.plan.is_restartable || waiting == 0 {
            return Ok(());
        }
        let mut rx = (self.plan.kind)
            .receiver(At::Place(self.spot.place()), How::Open, &options(true))
            .map_err(|e| format!("{waiting} messages are lost with the channel: {e}"))?;
        while self.taken < self.before {
            match rx.try_recv(self.taken) {
                Ok(Whole(true)) => self.taken += 1,
                other => return Err(format!("message {}, kept for the next receiver: {other:?}", self.taken)),
            }
        }
        Ok(())
    }

    fn judge(&self, ending: Ending, done: u64, is_dead: bool) -> Result<(), String> {
        if self.has_left && done > 0 && ending == Ending::Gone(Cause::Died) {
            return Err("it had left in good order, and is said to have died".into());
        }
        let may_be = match (self.plan.is_restartable, is_dead) {
            (true, _) => ending == Ending::Open,
            (false, true) => {
                ending == Ending::Gone(Cause::Died) || ending == Ending::Gone(Cause::Left) && self.has_left
            }
            (false, false) => ending == Ending::Gone(Cause::Left),
        };
        if may_be { Ok(()) } else { Err(format!("the receiver is told {ending:?}")) }
    }
}

impl Case for SenderDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let plan = self.plan;
        let options = options(plan.is_restartable);
        let rx = (plan.kind.receiver(At::Place(self.spot.place()), How::Create, &options))
            .map_err(|e| format!("create: {e}"))?;
        self.survivor = Receiving::Here(rx);
        let (sent, taken) = match plan.before {
            Before::Sent(sent, taken) | Before::Around(sent, taken, _) => (sent.to_string(), taken),
            Before::Full => ("full".to_owned(), 0),
        };
        let arguments = [
            NAME,
            plan.part,
            plan.kind.word(),
            &self.spot.word(),
            mode(plan.is_restartable),
            &sent,
            &plan.count.to_string(),
        ]
        .map(str::to_owned);
        let tracee = stage.start(&arguments, self.descriptor().as_ref())?;
        self.before = stage.scratch.logged().first().copied().ok_or("the role has not said what it sent")?;
        self.take(taken)?;
        match plan.survivor {
            Survivor::Awake | Survivor::Idle => {}
            Survivor::Gone => self.survivor = Receiving::Gone,
            Survivor::Asleep => {
                let Receiving::Here(rx) = std::mem::replace(&mut self.survivor, Receiving::Gone) else {
                    return Err("nobody".into());
                };
                let number = self.taken;
                self.survivor = Receiving::Asleep(Sleeper::new(rx, move |rx| rx.recv(number))?);
            }
        }
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        // An eighth of the ring, or more: less would not wake it.
        let is_wanted = self.plan.before == Before::Full && self.plan.survivor == Survivor::Awake;
        is_wanted && self.taken < self.before && self.take(20).is_ok()
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        let done = stage.scratch.done();
        let attempted = if self.has_left { 0 } else { self.plan.count };
        if self.plan.survivor == Survivor::Gone {
            // Nobody is there to be told.
            self.succeed()?;
            return Ok(Found::default());
        }
        let (ending, waited) = self.drain(stage.is_patient.get())?;
        let seen = self.taken.saturating_sub(self.before);
        if self.taken < self.before || (!self.has_left && seen < done) {
            return Err(format!("{} messages were sent, {} are there", self.before + done, self.taken));
        }
        if seen > attempted {
            return Err(format!("{seen} messages of the operation are there, it has {attempted}"));
        }
        // What a sleeper was told it was told before the rest was drained.
        let ending = if ending == Ending::Open && !self.plan.is_restartable { self.drain(false)?.0 } else { ending };
        self.judge(ending, done, true)?;
        self.succeed()?;
        Ok(Found { progress: Some(seen), waited })
    }

    fn stopped(&mut self, stage: &Stage) -> Result<(), String> {
        let Receiving::Here(rx) = &mut self.survivor else { return Ok(()) };
        let state = rx.peer();
        let is_leaving = self.has_left && state == PeerState::Left;
        if state != PeerState::Attached && !is_leaving {
            return Err(format!("a sender that is stopped is said to be {state:?}"));
        }
        if self.has_left {
            return Ok(());
        }
        let second =
            self.plan.kind.sender(self.place(self.descriptor()), How::Open, &options(self.plan.is_restartable));
        match second {
            Err(error) if error.kind() == ErrorKind::Busy => {}
            Err(error) => return Err(format!("the end of a sender that is stopped is not busy: {error}")),
            Ok(_) => return Err("the end of a sender that is stopped was taken".into()),
        }
        let (ending, _) = self.drain(false)?;
        if ending != Ending::Open || self.taken < self.before + stage.scratch.done() {
            return Err(format!(
                "{} were sent, {} received, then {ending:?}",
                self.before + stage.scratch.done(),
                self.taken
            ));
        }
        Ok(())
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        if let Some(error) = stage.scratch.error() {
            return Err(format!("after it went on, its operation failed with error {error}"));
        }
        if self.plan.survivor == Survivor::Gone {
            self.succeed()?;
            return Ok(Found::default());
        }
        let (ending, waited) = self.drain(true)?;
        let ending = if ending == Ending::Open && !self.plan.is_restartable { self.drain(false)?.0 } else { ending };
        let attempted = if self.has_left { 0 } else { self.plan.count };
        if self.taken != self.before + attempted {
            return Err(format!("{} were sent, {} received", self.before + attempted, self.taken));
        }
        self.judge(ending, stage.scratch.done(), false)?;
        self.succeed()?;
        Ok(Found { progress: None, waited })
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        match &mut self.survivor {
            Receiving::Asleep(sleeper) => Some(sleeper.returned(patience)),
            _ => None,
        }
    }
}
