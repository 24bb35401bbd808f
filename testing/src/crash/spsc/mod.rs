//! What must hold of an spsc channel when one side is killed, or stopped, while it sends, receives or leaves.
//!
//! 1. Everything whose call had returned is received, in order, once. What was under way is there or is not; it is never half there.
//! 2. A receiver that copies has released a message before it can say that it has it, so what was under way may be lost with it;
//!    one that was lent it releases it last, so that may come again. Nothing else is lost or comes again.
//! 3. The survivor's next call succeeds, or says `Disconnected(Died)` (`Left`, where the victim was leaving), within 100 ms.
//! 4. A successor on a restartable channel goes on where the victim was; on a pipe-like one it is told `Closed`.
//! 5. When the last user is gone so is the name, and the next user of the name finds it free, or what the dead left, swept.
//! 6. A victim that is stopped is alive: nobody is told otherwise, its end is `Busy`, what it was lent stays as it is.

mod receiver;
mod sender;

pub use receiver::ReceiverDies;
pub use sender::SenderDies;

use super::ends::Kind;
use super::stage::Where;
use super::{PROMISE, SLACK};
use crate::LONG;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use strait::channel::Cause;

/// An operation on a channel that is there.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What the role does: see `crash_role`.
    pub part: &'static str,
    /// The messages.
    pub kind: Kind,
    /// Where the channel is.
    pub at: Where,
    /// Whether ends may come and go.
    pub is_restartable: bool,
    /// Messages that have passed, or are in the ring, before the operation.
    pub before: Before,
    /// Messages of the operation.
    pub count: u64,
    /// What the other side does meanwhile.
    pub survivor: Survivor,
}

/// Messages before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// That many, of which the receiver has taken so many.
    Sent(u64, u64),
    /// The same, and so many after the taking, of which the last lie before the first: before a receiver's operation.
    Around(u64, u64, u64),
    /// As many as fit.
    Full,
}

/// What the other side does while the victim is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivor {
    /// What wakes the victim, if that sleeps; else nothing.
    Awake,
    /// Nothing, though the victim sleeps.
    Idle,
    /// It sleeps in a call that waits for what the victim is about to do.
    Asleep,
    /// It has left.
    Gone,
}

/// How a survivor learnt that the other side is gone, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    Gone(Cause),
}

/// A call that somebody sleeps in: an end, and what it said at last.
struct Sleeper<End: ?Sized, Said> {
    since: Instant,
    answer: mpsc::Receiver<(Box<End>, Said, Instant)>,
    early: Option<(Box<End>, Said, Instant)>,
}

impl<End: ?Sized + Send + 'static, Said: Send + 'static> Sleeper<End, Said> {
    /// Makes the call in a thread of its own, and returns when that is asleep.
    fn new(mut end: Box<End>, call: impl FnOnce(&mut End) -> Said + Send + 'static) -> Result<Self, String> {
        let (say, answer) = mpsc::channel();
        let (say_id, id) = mpsc::channel();
        std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || {
                let _ = say_id.send(rustix::thread::gettid());
                let said = call(&mut end);
                let _ = say.send((end, said, Instant::now()));
            })
            .map_err(|e| format!("start a thread: {e}"))?;
        let id = id.recv_timeout(LONG).map_err(|_| "a sleeper does not start")?;
        let start = Instant::now();
        let stat = format!("/proc/self/task/{}/stat", id.as_raw_nonzero());
        // Its only system call that sleeps is the one it is to sleep in.
        while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S ")) {
            if start.elapsed() > LONG {
                return Err("a sleeper does not fall asleep".into());
            }
            std::thread::yield_now();
        }
        Ok(Self { since: Instant::now(), answer, early: None })
    }

    /// Whether it has returned, waiting for it until so long after it fell asleep; how long after.
    fn returned(&mut self, patience: Duration) -> (Duration, bool) {
        let left = patience.saturating_sub(self.since.elapsed());
        self.early = self.early.take().or_else(|| self.answer.recv_timeout(left).ok());
        self.early.as_ref().map_or((patience, false), |(.., at)| (at.duration_since(self.since), true))
    }

    /// What it said at last, and how long after `since`.
    fn join(mut self, since: Instant) -> Result<(Box<End>, Said, Duration), String> {
        let early = self.early.take();
        let (end, said, at) = match early {
            Some(early) => early,
            None => self.answer.recv_timeout(LONG).map_err(|_| "the survivor sleeps for ever")?,
        };
        Ok((end, said, at.saturating_duration_since(since)))
    }
}

fn in_time(who: &str, waited: Duration) -> Result<Duration, String> {
    if waited > PROMISE + SLACK {
        return Err(format!("{who} was kept waiting for {waited:?}; promised are {PROMISE:?}"));
    }
    Ok(waited)
}

fn not_whole(number: u64) -> String {
    format!("message {number} is not what was sent under this number")
}

pub(super) fn mode(is_restartable: bool) -> &'static str {
    if is_restartable { "restartable" } else { "pipe" }
}
