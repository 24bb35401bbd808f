//! What must hold when one side is killed, or stopped, while it creates, opens or sweeps a channel.
//!
//! 1. A name leads to a complete channel or to nothing. Once the call has returned the name is there.
//! 2. A pipe-like channel whose only user has died is removed by the next who comes: that one is told `NotFound`, or makes its own.
//! 3. A restartable channel, or one in a file, goes on: what was committed is received by whoever comes.
//! 4. The other side, if there is one, is told that nobody has come yet, or that who came has died; within 100 ms.
//! 5. Nothing else is left behind, under any name.
//! 6. A victim that is stopped is alive: nobody sweeps what it has made, and its own call succeeds when it goes on.

use super::ends::{Kind, Rx, Tx, options, passes, serves_again};
use super::{NAME, mode};
use crate::crash::stage::{At, How, Spot, Stage, Where};
use crate::crash::{Case, Found, PROMISE, SLACK};
use crate::step::Tracee;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::{Cause, PeerState, SendError, TrySendError};

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sending one.
    Sender,
    /// The receiving one.
    Receiver,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }
}

/// What is there when the victim comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Nothing of that name.
    Nothing,
    /// A channel whose only user, a sender, was killed after two messages.
    Dead,
    /// A channel whose other end is held by the survivor; a sender has sent two messages.
    Live,
}

/// An attempt to take an end.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// `create`, `open` or `open-or-create`.
    pub call: &'static str,
    /// Which end is taken.
    pub side: Side,
    /// Where the channel is.
    pub at: Where,
    /// Whether ends may come and go.
    pub is_restartable: bool,
    /// What is there before.
    pub world: World,
}

impl Plan {
    /// What the role is told.
    pub(in crate::crash) fn arguments(self, spot: &Spot) -> [String; 7] {
        let part = format!("{}-{}", self.call, self.side.word());
        [NAME, &part, Kind::Word.word(), &spot.word(), mode(self.is_restartable), "0", "0"].map(str::to_owned)
    }
}

const MESSAGES: u64 = 2;

enum Other {
    Nobody,
    Tx(Box<dyn Tx>),
    Rx(Box<dyn Rx>),
}

/// One who takes an end, and is killed.
pub struct TakerDies {
    plan: Plan,
    spot: Spot,
    other: Other,
}

impl TakerDies {
    /// In a world of its own.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self { spot: Spot::new(plan.at), other: Other::Nobody, plan }
    }

    /// The end that the victim does not take.
    fn other_end(&self, how: How) -> strait::Result<Other> {
        let options = options(self.plan.is_restartable);
        let at = At::Place(self.spot.place());
        Ok(match self.plan.side {
            Side::Sender => Other::Rx(Kind::Word.receiver(at, how, &options)?),
            Side::Receiver => Other::Tx(Kind::Word.sender(at, how, &options)?),
        })
    }

    fn outlives(&self) -> bool {
        self.plan.is_restartable || !self.spot.is_fleeting()
    }

    /// Nobody but the victim was there.
    fn was_alone(&mut self, stage: &Stage) -> Result<Found, String> {
        let exists = self.spot.exists();
        if stage.scratch.done() > 0 && !exists && stage.scratch.error().is_none() {
            return Err("the call had returned, and the name is not there".into());
        }
        let left = self.spot.left_over();
        if left.len() > usize::from(exists && self.spot.is_fleeting()) {
            return Err(format!("half-made things are left behind: {}", left.join(", ")));
        }
        match (self.other_end(How::Open), exists && self.outlives()) {
            (Err(error), false) if error.kind() == ErrorKind::NotFound => {}
            (Ok(other), true) => self.goes_on(other)?,
            (Ok(_), false) => return Err("what nobody can continue was opened".into()),
            (Err(error), _) => return Err(format!("the other end cannot be opened: {error}")),
        }
        if self.plan.at == Where::File {
            self.spot.must_be_empty()?;
        }
        serves_again(&self.spot, Kind::Word, self.plan.is_restartable)?;
        // What was there before the victim ended in the same way: how far it came does not show.
        let progress = (self.plan.world == World::Nothing).then_some(u64::from(exists));
        Ok(Found { progress, waited: Duration::ZERO })
    }

    /// A successor of the victim, and the other end, go on with a restartable channel.
    fn goes_on(&self, other: Other) -> Result<(), String> {
        let options = options(self.plan.is_restartable);
        let at = At::Place(self.spot.place());
        let cannot = |error: strait::Error| format!("a successor cannot attach: {error}");
        let (mut tx, mut rx) = match other {
            Other::Tx(tx) => (tx, Kind::Word.receiver(at, How::Open, &options).map_err(cannot)?),
            Other::Rx(rx) => (Kind::Word.sender(at, How::Open, &options).map_err(cannot)?, rx),
            Other::Nobody => return Ok(()),
        };
        let there = match (self.plan.world, self.plan.side) {
            (World::Nothing, _) | (World::Live, Side::Sender) => 0,
            _ => MESSAGES,
        };
        if tx.sent() != there {
            return Err(format!("{} messages are said to have been sent, not {there}", tx.sent()));
        }
        passes(&mut *tx, &mut *rx, 70)
    }

    /// The survivor held the other end.
    fn had_company(&mut self, stage: &Stage) -> Result<Found, String> {
        let state = match &self.other {
            Other::Tx(tx) => tx.peer(),
            Other::Rx(rx) => rx.peer(),
            Other::Nobody => return Err("nobody".into()),
        };
        let mut waited = Duration::ZERO;
        match state {
            PeerState::NotYet if stage.scratch.done() > 0 => {
                return Err("the call had returned, and nobody is said to have come".into());
            }
            PeerState::NotYet | PeerState::Died if self.outlives() => {}
            PeerState::NotYet => {}
            PeerState::Died => {
                if let Err(error) = self.successor() {
                    if error.kind() != ErrorKind::Closed {
                        return Err(format!("a successor is told: {error}"));
                    }
                } else {
                    return Err("a pipe-like channel took the same end twice".into());
                }
                waited = self.is_told()?;
            }
            state => return Err(format!("who is dead is said to be {state:?}")),
        }
        if state == PeerState::NotYet || self.outlives() {
            let other = std::mem::replace(&mut self.other, Other::Nobody);
            let other = if self.plan.at == Where::Memory { self.goes_on_in_memory(other)? } else { other };
            self.goes_on(other)?;
        }
        self.other = Other::Nobody;
        self.spot.must_be_empty()?;
        serves_again(&self.spot, Kind::Word, self.plan.is_restartable)?;
        Ok(Found { progress: Some(u64::from(state == PeerState::Died)), waited })
    }

    fn goes_on_in_memory(&self, other: Other) -> Result<Other, String> {
        let options = options(self.plan.is_restartable);
        let cannot = |error: strait::Error| format!("a successor cannot attach: {error}");
        match other {
            Other::Tx(mut tx) => {
                let fd = tx.fd().ok_or("a memfd has a descriptor")?;
                let mut rx = Kind::Word.receiver(At::Fd(fd), How::Open, &options).map_err(cannot)?;
                passes(&mut *tx, &mut *rx, 70)?;
            }
            Other::Rx(mut rx) => {
                let fd = rx.fd().ok_or("a memfd has a descriptor")?;
                let mut tx = Kind::Word.sender(At::Fd(fd), How::Open, &options).map_err(cannot)?;
                passes(&mut *tx, &mut *rx, 70)?;
            }
            Other::Nobody => {}
        }
        Ok(Other::Nobody)
    }

    fn successor(&self) -> strait::Result<()> {
        let options = options(self.plan.is_restartable);
        let at = At::Place(self.spot.place());
        match self.plan.side {
            Side::Sender => Kind::Word.sender(at, How::Open, &options).map(drop),
            Side::Receiver => Kind::Word.receiver(at, How::Open, &options).map(drop),
        }
    }

    /// The survivor's own calls say that the victim died.
    fn is_told(&mut self) -> Result<Duration, String> {
        let call = Instant::now();
        let mut sent = MESSAGES;
        loop {
            let told = match &mut self.other {
                Other::Tx(tx) => match tx.try_send(sent) {
                    Ok(()) => {
                        sent += 1;
                        continue;
                    }
                    Err(TrySendError::Full) => None,
                    Err(TrySendError::Failed(SendError::Disconnected(cause))) => Some(cause),
                    Err(error) => return Err(format!("send: {error}")),
                },
                Other::Rx(rx) => match rx.try_recv(0) {
                    Err(strait::channel::TryRecvError::Empty) => None,
                    Err(strait::channel::TryRecvError::Failed(strait::channel::RecvError::Disconnected(cause))) => {
                        Some(cause)
                    }
                    other => return Err(format!("receive: {other:?}")),
                },
                Other::Nobody => return Ok(Duration::ZERO),
            };
            match told {
                Some(Cause::Died) => return Ok(call.elapsed()),
                Some(cause) => return Err(format!("who died is said to have {cause:?}")),
                None if call.elapsed() > PROMISE + SLACK => {
                    return Err(format!("not told within {:?}", call.elapsed()));
                }
                None => {}
            }
        }
    }
}

impl Case for TakerDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        prepare(stage, &self.plan, &self.spot)?;
        if self.plan.world == World::Live {
            self.other = self.other_end(How::Create).map_err(|e| format!("create: {e}"))?;
            if let Other::Tx(tx) = &mut self.other {
                for number in 0..MESSAGES {
                    tx.try_send(number).map_err(|e| format!("send: {e}"))?;
                }
            }
        }
        let channel: Option<OwnedFd> = match (&self.other, &self.spot) {
            (Other::Tx(tx), Spot::Memory) => tx.fd(),
            (Other::Rx(rx), Spot::Memory) => rx.fd(),
            _ => None,
        };
        stage.start(&self.plan.arguments(&self.spot), channel.as_ref())
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        match self.other {
            Other::Nobody => self.was_alone(stage),
            _ => self.had_company(stage),
        }
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        match &self.other {
            Other::Nobody => {
                // Whoever comes meanwhile finds it, does not find it yet, or is asked to wait.
                match self.other_end(How::Open) {
                    Ok(other) => self.other = other,
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Busy) => {}
                    Err(error) => return Err(format!("while it is stopped, the other end is told: {error}")),
                }
                Ok(())
            }
            Other::Tx(tx) => not_gone(tx.peer()),
            Other::Rx(rx) => not_gone(rx.peer()),
        }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        let expects_nothing = self.plan.call == "open" && self.plan.world == World::Dead && !self.outlives();
        match stage.scratch.error() {
            None if expects_nothing => return Err("what nobody can continue was opened".into()),
            Some(error) if !expects_nothing => {
                return Err(format!("after it went on, its call failed with error {error}"));
            }
            _ => {}
        }
        self.other = Other::Nobody;
        if self.plan.at != Where::File && !self.plan.is_restartable {
            self.spot.must_be_empty()?;
        }
        serves_again(&self.spot, Kind::Word, self.plan.is_restartable)?;
        Ok(Found::default())
    }
}

fn not_gone(state: PeerState) -> Result<(), String> {
    match state {
        PeerState::NotYet | PeerState::Attached => Ok(()),
        state => Err(format!("who is stopped while it attaches is said to be {state:?}")),
    }
}

/// Makes the world that a plan begins in, but for the survivor's end.
pub(in crate::crash) fn prepare(stage: &Stage, plan: &Plan, spot: &Spot) -> Result<(), String> {
    if plan.world == World::Dead {
        let arguments =
            [NAME, "die", Kind::Word.word(), &spot.word(), mode(plan.is_restartable), &MESSAGES.to_string(), "0"]
                .map(str::to_owned);
        let status = stage.command(&arguments, None).status().map_err(|e| format!("start a role: {e}"))?;
        if std::os::unix::process::ExitStatusExt::signal(&status) != Some(libc::SIGKILL) {
            return Err(format!("the one who was to die: {status}"));
        }
        if !spot.exists() {
            return Err("the dead have left nothing to sweep".into());
        }
    }
    stage.scratch.clear();
    Ok(())
}
